//! Numbers and booleans as Python spells them, since existing files were written for it.
//!
//! `int()` and `float()` take a sign, leading zeros and single underscores between digits; `float()` also
//! takes `.5`, `5.` and `1e1`. Digits of other scripts, which Python takes too, are refused. Pure functions
//! from text.

/// What `int(text)` of Python is, if it fits; out of range is `None` for "no number" and `Some(None)` for
/// "too large".
pub fn whole(text: &str) -> Option<Option<i128>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = plain_digits(digits)?;
    let signed = if text.starts_with('-') {
        format!("-{digits}")
    } else {
        digits
    };
    Some(signed.parse().ok())
}

/// What `float(text)` of Python is, `nan` and `inf` included.
pub fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if ["nan", "inf", "infinity"]
        .iter()
        .any(|word| unsigned.eq_ignore_ascii_case(word))
    {
        return text.parse().ok();
    }
    let allowed = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-' | '_');
    if !text.chars().all(allowed) || !underscores_between_digits(text) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// What `getboolean` says.
pub fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// The digits without underscores; `None` if there is anything else, or nothing.
fn plain_digits(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_digit() || c == '_';
    let good = !text.is_empty() && text.chars().all(allowed) && underscores_between_digits(text);
    good.then(|| text.replace('_', ""))
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    (0..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_pythons() {
        let good = [
            ("0", 0),
            ("7", 7),
            ("+5", 5),
            ("-5", -5),
            ("007", 7),
            ("1_0", 10),
            ("-0", 0),
            ("1_2_3", 123),
        ];
        for (text, number) in good {
            assert_eq!(whole(text), Some(Some(number)), "{text}");
        }
        for text in [
            "", "+", "-", "2.0", "1e1", "0x2", "_1", "1_", "1__0", "+_1", "1 0", "٣", "--1", "+-1",
            "nan",
        ] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(whole(&"9".repeat(60)), Some(None));
    }

    #[test]
    fn floats_are_pythons() {
        let good = [
            ("10", 10.0),
            ("1e1", 10.0),
            ("+5", 5.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("007", 7.0),
            ("1_0.2_5", 10.25),
            ("-3", -3.0),
            ("1E-1", 0.1),
            ("1e+2", 100.0),
            ("1e1_0", 1e10),
            ("0", 0.0),
        ];
        for (text, number) in good {
            assert_eq!(float(text), Some(number), "{text}");
        }
        assert_eq!(float("inf"), Some(f64::INFINITY));
        assert_eq!(float("1e999"), Some(f64::INFINITY));
        assert_eq!(float("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(float("NaN").is_some_and(f64::is_nan));
        let bad = [
            "", "+", ".", "e1", "1e", "1_", "_1", "1__0", "1_.5", "1._5", "0x1p3", "1 0", "10s",
            "1,5", "٣", "++1",
        ];
        for text in bad {
            assert_eq!(float(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_pythons() {
        for text in ["1", "yes", "true", "on", "YES", "True", "oN"] {
            assert_eq!(flag(text), Some(true), "{text}");
        }
        for text in ["0", "no", "false", "off", "NO", "False", "oFF"] {
            assert_eq!(flag(text), Some(false), "{text}");
        }
        for text in ["", "2", "y", "n", "t", "enabled", "true false", "01"] {
            assert_eq!(flag(text), None, "{text}");
        }
    }
}
