use super::*;

#[test]
fn hidden_characters_become_visible() {
    for (text, shown) in [
        ("", ""),
        ("plain text: ü, 漢, …", "plain text: ü, 漢, …"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f"),
        ("nul\0", "nul\\x00"),
        ("\u{9b}2J", "\\x9b2J"),
        ("\u{202e}txt.\u{2028}", "\\u{202e}txt.\\u{2028}"),
        ("back\\slash \"quoted\"", "back\\slash \"quoted\""),
    ] {
        assert_eq!(visible(text), shown);
        assert_eq!(visible_bytes(text.as_bytes()), shown);
    }
    assert!(matches!(visible("plain"), Cow::Borrowed(_)));
}

#[test]
fn no_control_character_survives() {
    for code in 0..=0x2fff_u32 {
        let Some(c) = char::from_u32(code) else {
            continue;
        };
        let text = format!("<{c}>");
        let shown = visible(&text);
        assert!(!shown.chars().any(char::is_control), "{code:x}");
        let mut json = String::new();
        push_json(&mut json, &text);
        assert!(!json.chars().any(char::is_control), "{code:x}");
    }
}

#[test]
fn bytes_that_are_no_characters_are_written_out() {
    assert_eq!(
        visible_bytes(b"caf\xe9 \xff\xfe\n"),
        "caf\\xe9 \\xff\\xfe\\n"
    );
    assert_eq!(visible_bytes(b"\xf0\x9f\x98"), "\\xf0\\x9f\\x98");
    assert_eq!(visible_bytes("😀".as_bytes()), "😀");
}

#[test]
fn json_strings_can_be_read_back() {
    use nanoserde::DeJson;
    let mut all = String::from("\"\\/ \u{2028}\u{9b}\u{feff}😀");
    all.extend((0..0x20_u8).map(char::from));
    let mut json = String::new();
    push_json(&mut json, &all);
    assert_eq!(String::deserialize_json(&json).unwrap(), all);
    json.clear();
    push_json(&mut json, "a\"b\\c\nd\0\x1b");
    assert_eq!(json, "\"a\\\"b\\\\c\\nd\\u0000\\u001b\"");
}

#[test]
fn labels_escape_what_prometheus_asks_for() {
    let mut out = String::new();
    push_label(&mut out, "we\"ird\\x\ny\tz");
    assert_eq!(out, "we\\\"ird\\\\x\\ny\tz");
}

#[test]
fn heads_end_at_whole_characters() {
    for bytes in 0..10 {
        let part = head("aü漢😀", bytes);
        assert!(part.len() <= bytes && "aü漢😀".starts_with(part));
    }
    assert_eq!(head("aü漢😀", 2), "a");
    assert_eq!(head("aü漢😀", 3), "aü");
    assert_eq!(head("aü漢😀", 99), "aü漢😀");
}

#[test]
fn fitting_never_exceeds_the_columns() {
    for columns in 1..8 {
        assert!(fit("aü漢😀bc", columns).chars().count() <= columns);
    }
    assert_eq!(fit("service", 7), "service");
    assert_eq!(fit("service", 6), "servi…");
    assert_eq!(fit("service", 1), "…");
    assert_eq!(fit("", 1), "");
}
