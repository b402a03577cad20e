//! Numbers with a point, out of integers: seconds from milliseconds, milliseconds from microseconds.
//!
//! The text is the one that Rust's `{:?}` makes of the same `f64`: as few digits as are needed, one behind
//! the point at least; only that no number is so small or large that it would get an exponent. Formatting
//! floats exactly is 10 kB of program, and none of our numbers is a float.

use std::fmt::Write;

/// Appends `number` / 10^`places`; up to 6 places.
pub fn push(out: &mut String, number: i64, places: usize) {
    // Most numbers are 0 or 1, and the general way takes ten times as long.
    match (number, places) {
        (0, _) => return out.push_str("0.0"),
        (1, 0) => return out.push_str("1.0"),
        _ => {}
    }
    if number < 0 {
        out.push('-');
    }
    let (mut digits, mut places) = (number.unsigned_abs(), places);
    while places > 1 && digits % 10 == 0 {
        digits /= 10;
        places -= 1;
    }
    let unit = 10u64.pow(places as u32);
    write!(out, "{}.{:0places$}", digits / unit, digits % unit).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was done with floats.
    fn reference(number: i64, places: usize) -> String {
        format!("{:?}", number as f64 / 10f64.powi(places as i32))
    }

    #[test]
    fn the_text_is_that_of_a_float() {
        let mut numbers: Vec<i64> = (0..20_000).collect();
        let mut random = 88_172_645_463_325_252u64;
        for shift in (0..200_000).map(|n| 13 + n % 51) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            numbers.push((random >> shift) as i64);
        }
        // Moments of this century in microseconds have sixteen digits.
        let moments: Vec<i64> = (0..50_000)
            .map(|n| 1_700_000_000_000_000 + n * 27_182_818_284)
            .collect();
        for (places, most) in [
            (0, 1 << 53),
            (3, 1_000_000_000_000_000),
            (6, 4_294_967_296_000_000),
        ] {
            for number in numbers.iter().chain(&moments) {
                for number in [*number, -*number] {
                    let small = places == 6 && number.abs() < 100;
                    if number.abs() < most && number != 0 && !small {
                        let mut text = String::new();
                        push(&mut text, number, places);
                        assert_eq!(text, reference(number, places), "{number} {places}");
                    }
                }
            }
        }
        for (number, places, expected) in [
            (0, 0, "0.0"),
            (0, 3, "0.0"),
            (0, 6, "0.0"),
            (1, 6, "0.000001"),
            (-90, 6, "-0.00009"),
        ] {
            let mut text = String::new();
            push(&mut text, number, places);
            assert_eq!(text, expected);
        }
    }
}
