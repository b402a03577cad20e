//! Moments and spans as people read them.
//!
//! Local time comes in as a [`Calendar`], because only the host knows the zone; UTC needs nothing but
//! arithmetic and is done here, right for every year that a `Wall` can hold.

use std::fmt::Write;
use std::time::Duration;

use crate::time::{Calendar, Wall};

/// The UTC calendar fields of a moment.
pub fn utc(moment: Wall) -> Calendar {
    let seconds = moment.seconds();
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400) as u32;
    Calendar {
        year,
        month,
        day,
        hour: second / 3600,
        minute: second / 60 % 60,
        second: second % 60,
        micros: moment.subsec_micros(),
        offset: 0,
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar without end.
///
/// Years are counted from March, so that the leap day is the last of its year; 400 years, an era, have
/// 146,097 days.
fn civil(days: i64) -> (i32, u32, u32) {
    let from_march_0000 = days + 719_468;
    let era = from_march_0000.div_euclid(146_097);
    let day_of_era = from_march_0000.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year as i32, month as u32, day as u32)
}

/// `2026-11-23T02:20:25Z`: ISO 8601, UTC, whole seconds.
pub fn iso(moment: Wall) -> String {
    let at = utc(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// `+02:00`, the offset of a zone; zones of the past had odd seconds, which no format has room for.
pub fn offset(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A span in at most two units: `0.4 ms`, `12 ms`, `2.5 s`, `3 min 5 s`, `2 h 3 min`, `4 d 1 h`.
pub fn span(time: Duration) -> String {
    units(time, [" ms", " s", " min", " h", " d"], " ")
}

/// The same in as few columns as can be: `12ms`, `2.5s`, `3m5s`, `2h3m`, `4d1h`.
pub fn short_span(time: Duration) -> String {
    units(time, ["ms", "s", "m", "h", "d"], "")
}

fn units(time: Duration, [ms, s, min, h, d]: [&str; 5], gap: &str) -> String {
    let micros = time.as_micros();
    if micros == 0 {
        return format!("0{ms}");
    }
    if micros < 950 {
        // Below a tenth of a millisecond nothing is told apart any more.
        return format!("0.{}{ms}", (micros + 50).div_euclid(100).max(1));
    }
    let millis = (micros + 500) / 1000;
    if millis < 1000 {
        return format!("{millis}{ms}");
    }
    let tenths = (millis + 50) / 100;
    if tenths < 600 {
        return match tenths % 10 {
            0 => format!("{}{s}", tenths / 10),
            tenth => format!("{}.{tenth}{s}", tenths / 10),
        };
    }
    let seconds = (millis + 500) / 1000;
    let (whole, unit, part, part_unit) = match seconds {
        0..3600 => (seconds / 60, min, seconds % 60, s),
        3600..86_400 => (seconds / 3600, h, seconds / 60 % 60, min),
        _ => (seconds / 86_400, d, seconds / 3600 % 24, h),
    };
    let mut out = format!("{whole}{unit}");
    if part > 0 {
        write!(out, "{gap}{part}{part_unit}").unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests;
