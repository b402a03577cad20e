use super::*;
use crate::host::disk::tests::Dir;

fn wall(seconds: i64, micros: i64) -> Wall {
    Wall::from_micros(seconds * 1_000_000 + micros)
}

fn contents(dir: &Dir) -> Vec<String> {
    copies_in(&dir.path().join("history"))
        .unwrap()
        .into_iter()
        .map(|(_, path)| fs::read_to_string(path).unwrap())
        .collect()
}

#[test]
fn exactly_the_newest_are_kept() {
    let dir = Dir::new("history");
    let file = dir.path().join("list.conf");
    for number in 0..6 {
        let old = number.to_string();
        archive(&file, old.as_bytes(), 3, wall(1_700_000_000, number)).unwrap();
    }
    assert_eq!(contents(&dir), ["3", "4", "5"]);
    let newest = dir.path().join("history/1700000000.000005");
    assert_eq!(fs::read(newest).unwrap(), b"5");
}

#[test]
fn a_clock_that_stands_or_is_set_back_does_not_lose_the_newest() {
    let dir = Dir::new("history");
    let file = dir.path().join("list.conf");
    for (content, seconds) in [("a", 2_000), ("b", 2_000), ("c", 1_000), ("d", -5)] {
        archive(&file, content.as_bytes(), 3, wall(seconds, 0)).unwrap();
    }
    assert_eq!(contents(&dir), ["b", "c", "d"]);
}

#[test]
fn the_series_of_the_reference_goes_on_and_other_files_are_left_alone() {
    let dir = Dir::new("history");
    let file = dir.path().join("list.conf");
    let history = dir.path().join("history");
    fs::create_dir(&history).unwrap();
    let foreign = [
        "README",
        "1500000000",
        "x.1",
        "1.2.3",
        ".1500000000.1",
        "1500000000.",
    ];
    for name in foreign {
        fs::write(history.join(name), "foreign").unwrap();
    }
    fs::create_dir(history.join("1400000000.1")).unwrap();
    // 0.5 is later than 0.1234567 although it is shorter.
    for (name, content) in [("1500000000.5", "second"), ("1500000000.1234567", "first")] {
        fs::write(history.join(name), content).unwrap();
    }
    archive(&file, b"third", 2, wall(1_600_000_000, 0)).unwrap();
    assert_eq!(contents(&dir), ["second", "third"]);
    for name in foreign {
        assert!(history.join(name).exists(), "{name}");
    }
}

#[test]
fn what_is_in_the_way_is_named() {
    let dir = Dir::new("history");
    let file = dir.path().join("list.conf");
    fs::write(dir.path().join("history"), "a file").unwrap();
    let error = archive(&file, b"x", 1, wall(1, 0)).unwrap_err().to_string();
    assert!(error.ends_with("it is not a directory"), "{error}");
    let nowhere = dir.path().join("nowhere/list.conf");
    let error = archive(&nowhere, b"x", 1, wall(1, 0)).unwrap_err();
    assert!(error.to_string().starts_with("cannot make"), "{error}");
}

#[test]
fn a_name_has_twelve_digits_and_nine_at_most() {
    let longest = Some(123_456_789_012_123_456);
    assert_eq!(stamp_of(b"123456789012.123456789"), longest);
    assert_eq!(stamp_of(b"1234567890123.1"), None);
    assert_eq!(stamp_of(b"1.1234567890"), None);
}
