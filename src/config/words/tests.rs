use super::*;

#[test]
fn splits_as_shell_and_python_do() {
    let cases: [(&str, &[&str]); 26] = [
        ("", &[]),
        (" \t\r\n ", &[]),
        ("a", &["a"]),
        ("  a   b\tc\nd\re ", &["a", "b", "c", "d", "e"]),
        ("''", &[""]),
        ("\"\"", &[""]),
        ("'' a ''", &["", "a", ""]),
        ("a''b", &["ab"]),
        ("'a b' c", &["a b", "c"]),
        ("a'b c'd", &["ab cd"]),
        ("\"a b\"c", &["a bc"]),
        ("'a\"b' \"a'b\"", &["a\"b", "a'b"]),
        ("a\\ b", &["a b"]),
        ("\\'a", &["'a"]),
        ("\\\\", &["\\"]),
        ("'a\\b'", &["a\\b"]),
        ("'a\\'", &["a\\"]),
        ("\"a\\\"b\"", &["a\"b"]),
        ("\"a\\\\b\"", &["a\\b"]),
        ("\"a\\nb\"", &["a\\nb"]),
        ("\"\\$x\"", &["\\$x"]),
        ("a #b # c", &["a", "#b", "#", "c"]),
        (
            "$x *.c | a; b && c > d",
            &["$x", "*.c", "|", "a;", "b", "&&", "c", ">", "d"],
        ),
        ("a\u{a0}b\x0bc", &["a\u{a0}b\x0bc"]),
        ("curl 'http://[::1]:8888'", &["curl", "http://[::1]:8888"]),
        ("grün 'é è'", &["grün", "é è"]),
    ];
    for (line, words) in cases {
        assert_eq!(
            split(line).as_deref(),
            Ok(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>()[..]),
            "{line:?}"
        );
    }
}

#[test]
fn joins_lines_at_a_backslash() {
    assert_eq!(split("a \\\nb"), Ok(vec!["a".into(), "b".into()]));
    assert_eq!(split("a\\\nb"), Ok(vec!["ab".into()]));
    assert_eq!(split("\"a\\\nb\""), Ok(vec!["ab".into()]));
    assert_eq!(split("a \\\n"), Ok(vec!["a".into()]));
}

#[test]
fn refuses_what_is_unfinished() {
    assert_eq!(split("a 'b"), Err(Unfinished::Quote('\'')));
    assert_eq!(split("'"), Err(Unfinished::Quote('\'')));
    assert_eq!(split("a \"b'"), Err(Unfinished::Quote('"')));
    assert_eq!(split("\"a\\\""), Err(Unfinished::Quote('"')));
    assert_eq!(split("a\\"), Err(Unfinished::Escape));
    assert_eq!(split("\"a\\"), Err(Unfinished::Escape));
    assert_eq!(split("'a'\\"), Err(Unfinished::Escape));
}
