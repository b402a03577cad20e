use super::*;

fn days_in(year: i32, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 31,
    }
}

#[test]
fn every_day_of_eight_hundred_years_follows_the_one_before() {
    // 1600-01-01 lies 135,140 days before the epoch.
    let (mut year, mut month, mut day) = (1600, 1, 1);
    for days in -135_140..157_054 {
        assert_eq!(civil(days), (year, month, day));
        day += 1;
        if day > days_in(year, month) {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
    assert_eq!((year, month, day), (2400, 1, 1));
}

#[test]
fn moments_are_taken_apart() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_795_412_783, "2026-11-23T05:46:23Z"),
        (i64::from(i32::MAX) + 1, "2038-01-19T03:14:08Z"),
        (4_102_444_800, "2100-01-01T00:00:00Z"),
    ] {
        assert_eq!(iso(Wall::from_micros(seconds * 1_000_000)), text);
    }
    let at = utc(Wall::from_micros(-1));
    assert_eq!((at.second, at.micros), (59, 999_999));
    // The ends of the range neither overflow nor panic.
    assert!(iso(Wall::from_micros(i64::MAX)).starts_with("294247-01-10"));
    assert!(iso(Wall::from_micros(i64::MIN)).ends_with('Z'));
}

#[test]
fn offsets() {
    for (seconds, text) in [
        (0, "+00:00"),
        (7200, "+02:00"),
        (-12_600, "-03:30"),
        (20_700, "+05:45"),
        (-75, "-00:01"),
    ] {
        assert_eq!(offset(seconds), text);
    }
}

#[test]
fn spans_have_at_most_two_units() {
    for (micros, long, short) in [
        (0, "0 ms", "0ms"),
        (1, "0.1 ms", "0.1ms"),
        (449, "0.4 ms", "0.4ms"),
        (949, "0.9 ms", "0.9ms"),
        (950, "1 ms", "1ms"),
        (5_141, "5 ms", "5ms"),
        (999_499, "999 ms", "999ms"),
        (999_500, "1 s", "1s"),
        (2_000_000, "2 s", "2s"),
        (2_540_000, "2.5 s", "2.5s"),
        (59_949_000, "59.9 s", "59.9s"),
        (59_960_000, "1 min", "1m"),
        (185_000_000, "3 min 5 s", "3m5s"),
        (3_600_000_000, "1 h", "1h"),
        (7_380_000_000, "2 h 3 min", "2h3m"),
        (90_000_000_000, "1 d 1 h", "1d1h"),
        (864_000_000_000, "10 d", "10d"),
    ] {
        let time = Duration::from_micros(micros);
        assert_eq!(span(time), long);
        assert_eq!(short_span(time), short);
    }
    assert!(span(Duration::MAX).ends_with(" h"));
}
