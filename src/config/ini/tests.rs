use super::*;
use crate::config::settings::{DAEMON_SECTION, DEFAULT_SECTION};

/// Reads texts as files `1`, `2`, ... over the built-in layer: what is in no built-in section, and the complaints.
fn read_all(files: &[&[u8]]) -> (Document, Vec<String>) {
    let mut document = Document::built_in();
    let mut complaints = Complaints::default();
    for bytes in files {
        let name = document.files.len().to_string();
        let number = document.add_file(&name);
        read(bytes, number, &mut document, &mut complaints);
    }
    let lines = complaints.in_order(&document);
    let lines = lines.iter().map(crate::config::report::line).collect();
    (document, lines)
}

/// `section.key=value;...` of everything that a file has set, values with `\n` shown as `|`.
fn shown(document: &Document) -> String {
    let mut out = String::new();
    let special = [document.defaults(), document.daemon()];
    for view in special.into_iter().chain(document.services()) {
        for (key, entry) in view.section.in_order() {
            if entry.origin.file > 0 {
                let value = entry.raw.replace('\n', "|");
                out.push_str(&format!("{}.{key}={value};", view.name()));
            }
        }
    }
    out
}

#[test]
fn reads_the_dialect_of_configparser() {
    let cases: &[(&str, &str)] = &[
        ("", ""),
        ("\n\n# c\n; c\n", ""),
        ("[a]\n", ""),
        ("[a]\nx = 1", "a.x=1;"),
        (
            "[a]\nx=1\ny:2\nz : 3\nw = a=b:c",
            "a.x=1;a.y=2;a.z=3;a.w=a=b:c;",
        ),
        ("[a]\nx:a=b\ny=a:b", "a.x=a=b;a.y=a:b;"),
        ("[a]\nX = Y\n", "a.x=Y;"),
        ("[a]\nx =\ny = \n", "a.x=;a.y=;"),
        ("[a]\nx y  z = 1", "a.x y  z=1;"),
        // Comments: whole lines only, also inside a value, indented or not.
        ("[a]\nx = 1 # no ; comment", "a.x=1 # no ; comment;"),
        ("[a]\nx = 1\n # c\n  2\n; c\n  3", "a.x=1|2|3;"),
        ("[a]\nx = 1\n# c\n\n  2", "a.x=1||2;"),
        // Continuation: deeper than the option, blank lines included, trailing ones not.
        ("[a]\nx = 1\n  2\n\t3\n", "a.x=1|2|3;"),
        ("[a]\nx = 1\n\n\n  2\n\n\n[b]\ny = 1", "a.x=1|||2;b.y=1;"),
        ("[a]\nx =\n  1\n  2", "a.x=|1|2;"),
        ("[a]\nx = 1\n  [b]\n  y = 2", "a.x=1|[b]|y = 2;"),
        ("[a]\n  x = 1\n  y = 2\n z = 3\n", "a.x=1;a.y=2;a.z=3;"),
        ("  [a]\n x = 1\n    2\ny = 1", "a.x=1|2;a.y=1;"),
        ("[a]\n   x = 1\n  y = 2\n   3", "a.x=1;a.y=2|3;"),
        // Sections.
        ("[ a ]\nx=1\n[A]\nx=2", " a .x=1;A.x=2;"),
        ("[a] trailing\nx=1", "a.x=1;"),
        ("[a]b]\nx=1", "a]b.x=1;"),
        ("[[a]\nx=1", "[a.x=1;"),
        ("[]]\nx=1", "].x=1;"),
        ("[a\nb]\nx = 1\n[c]", ""),
        (
            "[DEFAULT]\nx=1\n[a]\ny=1\n[DEFAULT]\nz=1",
            "DEFAULT.x=1;DEFAULT.z=1;a.y=1;",
        ),
        ("[daemon]\nipv4 = 0", "daemon.ipv4=0;"),
        // White space and line ends.
        ("[a]\r\nx = 1\r\n  2\r\n", "a.x=1|2;"),
        ("[a]\rx = 1\r  2\r", "a.x=1|2;"),
        ("[a]\nx\u{a0}=\u{a0}1\u{2003}\n\u{a0}2\u{85}", "a.x=1|2;"),
        (
            "[a]\nx = 1\x0b2\x0c3\u{2028}4\x1c5\u{85}6",
            "a.x=1\x0b2\x0c3\u{2028}4\x1c5\u{85}6;",
        ),
        ("\u{feff}[a]\nx = 1", "a.x=1;"),
        ("[a]\nx = a\0b\n", "a.x=a\0b;"),
        ("[a]\nÄß = 1\nİ = 2", "a.äß=1;a.i\u{307}=2;"),
        ("[a]\nx = 50%%\n%y = %", "a.x=50%%;a.%y=%;"),
    ];
    for (text, expected) in cases {
        let (document, complaints) = read_all(&[text.as_bytes()]);
        if *text != "[a\nb]\nx = 1\n[c]" {
            assert_eq!(complaints, [""; 0], "{text:?}");
        }
        assert_eq!(shown(&document), *expected, "{text:?}");
    }
}

#[test]
fn later_files_override_option_by_option() {
    let (document, complaints) = read_all(&[
        b"[DEFAULT]\na = 1\n[s]\nx = 1\ny = 1\n[t]\nx = 1",
        b"[u]\nx = 2\n[s]\ny = 2\nz = 2\n[DEFAULT]\na = 2",
        b"[s]\nx = 3\n",
    ]);
    assert_eq!(complaints, [""; 0]);
    assert_eq!(
        shown(&document),
        "DEFAULT.a=2;s.x=3;s.y=2;s.z=2;t.x=1;u.x=2;"
    );
    let names: Vec<&str> = document.services().map(|view| view.name()).collect();
    assert_eq!(names, ["s", "t", "u"]);
    let s = document.services().next().unwrap();
    let origin = |key: &str| s.entry(key).map(|e| (e.origin.file, e.origin.line));
    assert_eq!(origin("x"), Some((3, 2)));
    assert_eq!(origin("y"), Some((2, 4)));
    assert_eq!(origin("a"), Some((2, 7)));
    assert_eq!(origin("interface"), Some((0, 0)));
    assert_eq!(origin("nothing"), None);
}

#[test]
fn sections_inherit_from_default() {
    let (document, _) =
        read_all(&[b"[daemon]\nipv4 = no\n[DEFAULT]\nipv4 = yes\nlog_file = x\n[s]\n"]);
    assert_eq!(document.daemon().name(), DAEMON_SECTION);
    assert_eq!(document.defaults().name(), DEFAULT_SECTION);
    let value = |view: crate::config::document::View<'_>, key: &str| {
        view.value(key).map(|value| value.unwrap().into_owned())
    };
    assert_eq!(value(document.daemon(), "ipv4").as_deref(), Some("no"));
    assert_eq!(value(document.daemon(), "ipv6").as_deref(), Some("false"));
    assert_eq!(value(document.daemon(), "log_file").as_deref(), Some("x"));
    let service = document.services().next().unwrap();
    assert_eq!(value(service, "ipv4").as_deref(), Some("yes"));
    assert_eq!(value(service, "check_rise").as_deref(), Some("2"));
    assert!(service.inherited("log_file"));
}

#[test]
fn reports_every_problem_with_its_line_and_goes_on() {
    let text = b"x = 1\n  y = 2\n[a]\nx = 1\nX = 2\n  3\nrubbish\n= 1\n[b]\ny = 1\n[a]\nz = 1\nx = 3\n[]\n";
    let (document, complaints) = read_all(&[text]);
    assert_eq!(
        complaints,
        [
            "1:1: no [section] stands above 'x = 1'",
            "1:5: [a] x: already set in line 4: remove one",
            "1:7: [a]: cannot read 'rubbish': expected NAME = VALUE, [SECTION], a comment, or an indented continuation",
            "1:8: [a]: there is no name in front of the delimiter",
            "1:11: [a]: this section stands in line 3 already: join the two",
            "1:13: [a] x: already set in line 4: remove one",
            "1:14: [a]: cannot read '[]': expected NAME = VALUE, [SECTION], a comment, or an indented continuation",
        ]
    );
    assert_eq!(shown(&document), "a.x=1;a.z=1;b.y=1;");
}

#[test]
fn an_option_stands_once_in_a_file_also_in_two_default_sections() {
    let (_, complaints) = read_all(&[
        b"[DEFAULT]\nx = 1\n[DEFAULT]\nx = 2\n",
        b"[DEFAULT]\nx = 3\n",
    ]);
    assert_eq!(
        complaints,
        ["1:4: [DEFAULT] x: already set in line 2: remove one"]
    );
}

#[test]
fn refuses_what_is_not_utf8_even_in_a_comment() {
    for text in [
        &b"[a]\n# caf\xe9\nx = 1\n"[..],
        b"[a]\r\n\xff\r\nx = 1",
        b"[a]\ry = \xc3",
    ] {
        let (document, complaints) = read_all(&[text]);
        assert_eq!(
            complaints[0], "1:2: the file is not UTF-8 from here on: save it in that encoding",
            "{text:?}"
        );
        assert!(shown(&document).starts_with("a."));
    }
}

#[test]
fn complaints_about_one_file_are_bounded() {
    let (_, complaints) = read_all(&["rubbish\n".repeat(100_000).as_bytes()]);
    assert_eq!(complaints.len(), 1);
    let (_, complaints) = read_all(&[format!("[a]\n{}", "rubbish\n".repeat(100_000)).as_bytes()]);
    assert_eq!(complaints.len(), MAX_COMPLAINTS + 1);
    assert_eq!(
        complaints[MAX_COMPLAINTS],
        "1:102: 99900 more problems from here on: is this a configuration file?"
    );
}

#[test]
fn fifty_thousand_options_are_no_trouble() {
    let mut text = String::from("[a]\n");
    for number in 0..50_000 {
        text.push_str(&format!("o{number} = {number}\n"));
    }
    text.push_str(&"\n".repeat(50_000));
    let (document, complaints) = read_all(&[text.as_bytes()]);
    assert_eq!(complaints, [""; 0]);
    let service = document.services().next().unwrap();
    let all: Vec<_> = service.section.in_order().collect();
    assert_eq!((all.len(), all[49_999].0), (50_000, "o49999"));
}
