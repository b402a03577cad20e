use super::*;
use crate::render::sample;

fn sample_json() -> String {
    let world = sample::world();
    json(
        &world.snapshot(),
        &sample::host(),
        sample::now(),
        sample::PID,
    )
}

fn sample_document() -> Document {
    parse(&sample_json()).unwrap()
}

#[test]
fn the_whole_document() {
    let golden = include_str!("../../../tests/data/render/status.json")
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    assert_eq!(sample_json(), golden);
}

#[test]
fn what_is_sent_is_read_back() {
    let mut document = sample_document();
    assert_eq!(to_json(&mut document), sample_json());
    let last = document.services[0].last.as_ref().unwrap();
    assert_eq!((document.uptime_ms, last.duration_us), (7_384_500, 5_141));
    assert_eq!(document.families[1].last_reconfigure_us, None);
}

#[test]
fn every_name_survives() {
    let mut document = sample_document();
    document.services[0].name = "q\"b\\n\nt\tz\0\x08\x0c\r\x1b\x7f\u{9b}\u{2028}😀".to_string();
    let text = to_json(&mut document);
    let escaped = r#""q\"b\\n\nt\tz\u0000\b\f\r\u001b\u007f\u009b@😀""#.replace('@', "\u{2028}");
    assert!(text.contains(&escaped));
    assert!(!text.trim_end().chars().any(char::is_control));
    assert_eq!(parse(&text), Ok(document));
}

#[test]
fn the_exit_code_tells_whether_all_is_well() {
    let mut document = sample_document();
    assert_eq!(exit_code(&document), 1);
    for ill in ["down", "unknown", "something new"] {
        for service in &mut document.services {
            service.status = "up".to_string();
        }
        document.services[1].status = "disabled".to_string();
        assert_eq!(exit_code(&document), 0);
        document.services[2].status = ill.to_string();
        assert_eq!(exit_code(&document), 1);
    }
    document.services.clear();
    assert_eq!(exit_code(&document), 0);
}

#[test]
fn fields_of_other_versions_are_passed_over() {
    let text = sample_json();
    for extra in [
        "1",
        "-1.5e3",
        "null",
        "true",
        "\"a]}\\\"\"",
        "[[],{}]",
        "{\"b\":[1,{\"c\":[]}]}",
    ] {
        let text = text.replacen('{', &format!("{{\"new\":{extra},"), 1);
        assert_eq!(parse(&text), Ok(sample_document()), "{extra}");
    }
    // A field that an older daemon does not send is missed, and said to be.
    let text = text.replace("\"checks_waiting\":2,", "");
    assert!(parse(&text).unwrap_err().contains("checks_waiting"));
}

/// nanoserde panics on some of these and never returns from others.
#[test]
fn rubbish_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{}",
        "[]",
        "null",
        "\"",
        "\"\\",
        "{\"x\":}",
        "{\"x\":,",
        "{\"x\":[",
        "{\"x\":[}",
        "{\"x\":[{]}",
        "{\"x\"::1}",
        "{\"x\":/*]*/1}",
        "{\"x\":[/*",
        "{\"x\":\u{e9}}",
        "{\"x\":\0}",
        "{\"x\":\"\0\"}",
        "{\"x\":maybe}",
        "{\"x\":1 2}",
        "{,}",
        "{\"x\":-}",
        "{\"x\":\"\\ud800\"}",
        "HTTP/1.1 400 Bad Request\r\n",
        "{\"program\":1}",
        "{\"program\":\"x\",\"services\":{}}",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn a_document_that_is_cut_or_changed_never_hangs_or_panics() {
    let text = sample_json();
    for end in 0..text.trim_end().len() {
        if text.is_char_boundary(end) {
            assert!(parse(&text[..end]).is_err(), "{end}");
        }
    }
    let start = &text[..text.len().min(500)];
    for at in 0..start.len() {
        for replacement in ["", "{", "}", "[", "]", ":", ",", "\"", "\\", "0", "/", "n"] {
            if text.is_char_boundary(at) && text.is_char_boundary(at + 1) {
                let changed = format!("{}{replacement}{}", &text[..at], &text[at + 1..]);
                // Whatever comes out, it comes out.
                let _ = parse(&changed);
            }
        }
    }
}

#[test]
fn only_what_is_down_is_drained() {
    let states = [
        (Status::Down, true),
        (Status::Down, false),
        (Status::Disabled, true),
        (Status::Up, false),
    ];
    let summary = summary(&mut states.into_iter());
    assert_eq!((summary.down, summary.maintenance), (2, 1));
    assert_eq!((summary.services, summary.disabled), (4, 1));
}
