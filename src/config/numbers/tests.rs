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
        ("\n5", 5),
        ("\u{a0} -5\x1c", -5),
    ];
    for (text, number) in good {
        assert_eq!(whole(text), Some(number), "{text}");
    }
    for text in [
        "", "+", "-", "2.0", "1e1", "0x2", "_1", "1_", "1__0", "+_1", "1 0", "٣", "--1", "+-1",
        "nan", " ", "+ 5",
    ] {
        assert_eq!(whole(text), None, "{text}");
    }
    assert!(whole(&"9".repeat(60)).unwrap() > i128::from(u64::MAX));
    assert!(whole(&format!("-{}", "9".repeat(60))).unwrap() < i128::from(i64::MIN));
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
        ("\n\n 5.5 ", 5.5),
    ];
    for (text, number) in good {
        assert_eq!(float(text), Some(number), "{text}");
    }
    assert_eq!(float("inf"), Some(f64::INFINITY));
    assert_eq!(float("1e999"), Some(f64::INFINITY));
    assert_eq!(float("-Infinity"), Some(f64::NEG_INFINITY));
    assert!(float("NaN").is_some_and(f64::is_nan));
    let bad = [
        "", "+", ".", "e1", "1e", "1_", "_1", "1__0", "1_.5", "1._5", "0x1p3", "1 0", "10s", "1,5",
        "٣", "++1", "1e 5", "1 e5", "- 5",
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

/// Numbers in a row that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn digits(&mut self, most: u64) -> String {
        let count = self.below(most + 1);
        (0..count)
            .map(|_| char::from(b'0' + self.below(10) as u8))
            .collect()
    }
}

#[test]
fn numbers_are_those_of_the_standard_library() {
    let mut dice = Dice(88172645463325252);
    let mut exact = 0;
    for _ in 0..400_000 {
        let mut text = dice.digits(10);
        if dice.below(4) > 0 {
            text += &format!(".{}", dice.digits(8));
        }
        if dice.below(4) == 0 {
            text += &format!(
                "e{}{}",
                ["", "+", "-"][dice.below(3) as usize],
                dice.digits(2)
            );
        }
        let (ours, theirs) = (float(&text), text.parse::<f64>().ok());
        assert_eq!(ours.is_some(), theirs.is_some(), "{text}");
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            if theirs == 0.0 || (1e-4..1e11).contains(&theirs) {
                assert_eq!(ours, theirs, "{text}");
                assert_eq!(shortest(ours), Some(theirs.to_string()), "{text}");
                exact += 1;
            } else {
                assert!(
                    (ours / theirs - 1.0).abs() < 1e-12,
                    "{text}: {ours} {theirs}"
                );
            }
        }
    }
    assert!(exact > 200_000);
}

#[test]
fn every_kind_of_number_is_written_as_the_standard_library_does() {
    let mut dice = Dice(2463534242);
    let (low, high) = (1e-3_f64.to_bits(), 1e9_f64.to_bits());
    let random = (0..200_000).map(|_| f64::from_bits(low + dice.below(high - low)));
    let spans = (0..1000).map(|n| std::time::Duration::from_micros(n * n * n * 997).as_secs_f64());
    let powers = (-9..=29).map(|power| 2_f64.powi(power));
    for number in random.chain(spans.skip(2)).chain(powers) {
        let text = number.to_string();
        assert_eq!(shortest(number).as_deref(), Some(text.as_str()));
        assert_eq!(float(&text), Some(number), "{text}");
    }
    assert_eq!(shortest(-0.0).as_deref(), Some("-0"));
    for number in [f64::NAN, f64::INFINITY, 1e300, 1e-300, 1e17] {
        assert_eq!(shortest(number), None);
    }
}

#[test]
fn bounds_are_where_they_were() {
    for text in [
        "0.001",
        "0.0009999999999999999",
        "0.00099999999999999999999",
        "0.0010000000000000002",
        "1e9",
        "1000000000.00000001",
        "1000000000.0000001",
        "1000000000.0000002",
        "999999999.99999999",
        "536870912.00390625",
        "123456789.123456789",
        "0.500000000000000000000000000000000001",
        "00000000000000000000000000000.25",
        "100000000000000000000e-19",
        "0.00000000000000000000000000000123e30",
        "9007199254740993e-7",
        "1e308",
        "1.7e308",
        "1.9e308",
        "1e309",
        "1e99999999999999999999999999999999999999999",
        "1e-99999999999999999999999999999999999999999",
        "1e-320",
        "3e-324",
        "1e-330",
    ] {
        let theirs: f64 = text.parse().unwrap();
        let ours = float(text).unwrap();
        assert_eq!(ours.is_finite(), theirs.is_finite(), "{text}");
        assert_eq!(ours == 0.0, theirs == 0.0, "{text}");
        assert_eq!(
            ours.partial_cmp(&0.001),
            theirs.partial_cmp(&0.001),
            "{text}"
        );
        assert_eq!(ours.partial_cmp(&1e9), theirs.partial_cmp(&1e9), "{text}");
    }
}
