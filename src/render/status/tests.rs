use super::*;
use crate::render::sample;

/// The pieces.
fn pieces(source: &dyn Source) -> Vec<String> {
    let mut cursor = Cursor::default();
    let mut pieces = Vec::new();
    loop {
        let mut text = String::new();
        let who = (sample::now(), sample::PID);
        let piece = cursor.next(source, &sample::host(), who, &mut text);
        pieces.push(text);
        match piece {
            Piece::More => {}
            Piece::Last => return pieces,
            Piece::Outdated => panic!("nothing was reloaded"),
        }
    }
}

pub fn sample_json() -> String {
    pieces(&sample::world()).concat()
}

#[test]
fn the_pieces_are_bounded_and_lose_nothing() {
    let mut world = sample::world();
    for times in [0, 1, 7, 8, 50, 100] {
        world.times = times;
        let pieces = pieces(&world);
        assert!(pieces.iter().all(|piece| piece.len() < 64 * 1024));
        assert!(pieces.len() > 7 * times / WINDOW);
        let text = pieces.concat();
        assert_eq!(text.matches('\n').count(), 1);
        let document = parse(&text).unwrap();
        let names = |documents: &[ServiceDoc]| -> Vec<String> {
            documents
                .iter()
                .map(|service| service.name.clone())
                .collect()
        };
        let once = names(&sample_document().services);
        let all: Vec<String> = (0..times).flat_map(|_| once.clone()).collect();
        assert_eq!(names(&document.services), all);
        assert_eq!(document.problems.len(), (4 * times).min(MOST_PROBLEMS));
        assert_eq!(document.summary.services, 7 * times as u64);
    }
}

#[test]
fn the_head_is_a_document_of_its_own() {
    let text = sample_json();
    for end in 0..text.len() {
        let head = without_services(&text.as_bytes()[..end]);
        let whole = text.find(SERVICES).unwrap() + SERVICES.len();
        assert_eq!(head.is_some(), end >= whole, "{end}");
        assert_eq!(is_cut(&text.as_bytes()[..end]), end >= 11, "{end}");
    }
    assert!(!is_cut(text.as_bytes()));
    let head = without_services(text.as_bytes()).unwrap();
    let head = parse(std::str::from_utf8(&head).unwrap()).unwrap();
    let mut whole = sample_document();
    whole.services.clear();
    assert_eq!(head, whole);
    // What a service is called, or its check says, is not taken for the mark.
    let mut world = sample::world();
    let name = format!("x\"{SERVICES}y");
    world.services[1].0 = sample::config(&name, &["192.0.2.1/32", "192.0.2.2/32"]);
    let text = pieces(&world).concat();
    let head = without_services(text.as_bytes()).unwrap();
    let head = parse(std::str::from_utf8(&head).unwrap()).unwrap();
    assert_eq!(head.problems[0].name, name);
}

#[test]
fn a_reload_ends_the_document() {
    let mut world = sample::world();
    world.times = WINDOW;
    let mut cursor = Cursor::default();
    let mut next = |world: &sample::World| {
        let mut text = String::new();
        let who = (sample::now(), sample::PID);
        (cursor.next(world, &sample::host(), who, &mut text), text)
    };
    assert_eq!(next(&world).0, Piece::More);
    assert_eq!(next(&world).0, Piece::More);
    world.reloads += 1;
    assert_eq!(next(&world), (Piece::Outdated, String::new()));
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
    document.summary = Summary {
        services: 3,
        up: 2,
        disabled: 1,
        ..Summary::default()
    };
    assert_eq!(exit_code(&document), 0);
    document.summary.services = 4;
    assert_eq!(exit_code(&document), 1, "down, unknown or something new");
    document.summary = Summary::default();
    assert_eq!(exit_code(&document), 0);
}

#[test]
fn only_the_services_that_are_named_count() {
    for (names, well, left) in [
        (&["foo.bar.com", "off.example"][..], true, 2),
        (&["foo.bar.com", "slow.example"], false, 2),
        (&["we\"ird\\x\n.example"], false, 1),
        (&["nobody"], true, 0),
    ] {
        let mut document = sample_document();
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        assert_eq!(choose(&mut document, &names), well, "{names:?}");
        assert_eq!(document.services.len(), left);
    }
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
fn only_what_is_down_is_drained_and_only_what_is_unknown_is_overdue() {
    let mut counts = Counts::default();
    for (status, maintenance, overdue) in [
        (Status::Down, true, true),
        (Status::Down, false, false),
        (Status::Disabled, true, true),
        (Status::Unknown, true, true),
        (Status::Unknown, false, false),
        (Status::Up, false, false),
    ] {
        counts.add(status, maintenance, overdue);
    }
    let summary = Summary::from(counts);
    assert_eq!((summary.down, summary.maintenance), (2, 1));
    assert_eq!((summary.unknown, summary.overdue), (2, 1));
    assert_eq!((summary.services, summary.disabled), (6, 1));
}
