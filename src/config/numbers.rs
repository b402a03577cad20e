//! Numbers and booleans as Python spells them, since existing files were written for it.
//!
//! `int()` and `float()` take a sign, leading zeros and single underscores between digits; `float()` also
//! takes `.5`, `5.` and `1e1`. White space around a number is nothing, so that it may stand on a line of its own
//! below its name. Digits of other scripts, which Python takes too, are refused. Pure functions from text.
//!
//! Numbers with a fraction are read and written here, since the standard library brings 25 kB of tables and
//! code for every number there can be. Of those that can be a span of time each becomes the very same one, if it
//! has eighteen digits or fewer, and else perhaps its neighbour; of much larger and smaller ones only the size is
//! right, so that they can be refused.

use std::ops::RangeInclusive;

use super::text::strip;

/// Digits that count. What is done with them below has to fit into 128 bits.
const MAX_DIGITS: u32 = 18;
/// The place before the point of the first digit in numbers that are exact: 0.0001 to 99,999,999,999.
const EXACT: RangeInclusive<i32> = -3..=11;
/// With so many places in front of the point or behind it every number is infinite or zero.
const MOST_PLACES: i128 = 400;
/// Whole numbers that are larger are taken for this: more than any bound, and far from overflowing.
const HUGE: i128 = 1 << 100;
/// Bits of the fraction of an `f64`.
const FRACTION_BITS: u32 = 52;
/// What is added to its exponent.
const EXPONENT_BIAS: u32 = 1023;

/// What `int(text)` of Python is; if it is huge, some other huge number.
pub fn whole(text: &str) -> Option<i128> {
    integer(strip(text))
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = sign(text);
    let allowed = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    if digits.is_empty() || !digits.bytes().all(allowed) || !underscores_between_digits(digits) {
        return None;
    }
    let digits = digits.bytes().filter(u8::is_ascii_digit);
    let number = digits.fold(0, |number, digit| {
        (number * 10 + i128::from(digit - b'0')).min(HUGE)
    });
    Some(if negative { -number } else { number })
}

/// What `float(text)` of Python is, `nan` and `inf` included.
pub fn float(text: &str) -> Option<f64> {
    let (negative, unsigned) = sign(strip(text));
    let is = |word: &str| unsigned.eq_ignore_ascii_case(word);
    let number = if is("nan") {
        f64::NAN
    } else if is("inf") || is("infinity") {
        f64::INFINITY
    } else if underscores_between_digits(unsigned) {
        decimal(unsigned)?
    } else {
        return None;
    };
    Some(if negative { -number } else { number })
}

/// `DIGITS.DIGITSeEXPONENT` without the parts that may be left out, and with underscores.
fn decimal(text: &str) -> Option<f64> {
    let (mantissa, mut places) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, integer(exponent)?),
        None => (text, 0),
    };
    let (mut digits, mut counted, mut left_out) = (0, 0, false);
    let (mut any, mut behind_point) = (false, false);
    for byte in mantissa.bytes() {
        match byte {
            b'_' => {}
            b'.' if !behind_point => behind_point = true,
            b'0'..=b'9' => {
                any = true;
                places -= i128::from(behind_point);
                if counted < MAX_DIGITS {
                    digits = digits * 10 + u64::from(byte - b'0');
                    counted += u32::from(digits > 0);
                } else {
                    places += 1;
                    left_out |= byte != b'0';
                }
            }
            _ => return None,
        }
    }
    let places = places.clamp(-MOST_PLACES, MOST_PLACES) as i32;
    any.then(|| nearest(digits, left_out, places))
}

/// The nearest number to `digits` * 10^`places`, of which smaller digits were left out or not.
fn nearest(digits: u64, left_out: bool, places: i32) -> f64 {
    let Some(log) = digits.checked_ilog10() else {
        return 0.0;
    };
    if !EXACT.contains(&(log as i32 + 1 + places)) {
        let scaled = |number, _| match places < 0 {
            true => number / 10.0,
            false => number * 10.0,
        };
        return (0..places.abs()).fold(digits as f64, scaled);
    }
    let (above, below) = (
        u128::from(digits) * ten_to(places.max(0)),
        ten_to((-places).max(0)),
    );
    // So far that the quotient has two or three bits more than are kept. The last one says whether anything
    // is left over, so that the conversion sees what is half way and what is not.
    let shift = FRACTION_BITS + 3 + above.leading_zeros() - below.leading_zeros();
    let shifted = above << shift;
    let quotient = shifted / below;
    let rest = left_out || shifted != quotient * below;
    let scale = f64::from_bits(u64::from(EXPONENT_BIAS - shift) << FRACTION_BITS);
    (quotient as u64 | u64::from(rest)) as f64 * scale
}

/// The shortest decimal number that is read as this one; `None` if it is none of the exact ones.
pub fn shortest(number: f64) -> Option<String> {
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number == 0.0 {
        return Some(format!("{sign}0"));
    }
    let number = number.abs();
    let bits = number.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS;
    let shift = (EXPONENT_BIAS + FRACTION_BITS).checked_sub((bits >> FRACTION_BITS) as u32)?;
    // One ten-thousandth begins at bit 66, and seventeen digits are always enough.
    if !(1..=66).contains(&shift) {
        return None;
    }
    for places in 0..=20 {
        let unit = ten_to(places);
        let rounded = (u128::from(fraction) * unit + (1 << (shift - 1))) >> shift;
        if nearest(u64::try_from(rounded).ok()?, false, -places) == number {
            let (before, behind) = ((rounded / unit) as u64, (rounded % unit) as u64);
            return Some(match places as usize {
                0 => format!("{sign}{before}"),
                places => format!("{sign}{before}.{behind:0places$}"),
            });
        }
    }
    None
}

fn ten_to(power: i32) -> u128 {
    10_u128.pow(power as u32)
}

/// What `getboolean` says.
pub fn flag(text: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["1", "yes", "true", "on"]) {
        Some(true)
    } else if is_one_of(["0", "no", "false", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// Whether there is a minus, and what follows the sign.
fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let underscore = |at: &usize| bytes[*at] == b'_';
    (0..bytes.len())
        .filter(underscore)
        .all(|at| digit(at.wrapping_sub(1)) && digit(at + 1))
}

#[cfg(test)]
mod tests;
