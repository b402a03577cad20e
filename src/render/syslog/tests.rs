use super::*;
use crate::config::Level;
use crate::engine::notice::{Notice, What};
use crate::engine::vocab::Status;
use crate::render::sample::{PID, calendar, config};

const ALL: [SyslogFormat; 3] = [
    SyslogFormat::Rfc5424,
    SyslogFormat::Rfc3164,
    SyslogFormat::Reference,
];

/// As bytes: a datagram is what the wire sees.
fn datagram(
    record: &Record,
    format: SyslogFormat,
    json: bool,
    host: &str,
    width: usize,
) -> Vec<u8> {
    super::datagram(record, format, json, host, width).into_bytes()
}

fn record(name: &str, message: &str, level: Level) -> Record<'static> {
    // The tests are short-lived, and so is what they leak.
    let about = Box::leak(Box::new(config(name, &["10.52.12.1/32"])));
    Record {
        about: Some((about, Status::Down)),
        level,
        message: message.to_string(),
        at: calendar(),
        pid: PID,
    }
}

fn sent(format: SyslogFormat, json: bool) -> String {
    let record = record("svc.example", "up -> down: why", Level::Warning);
    String::from_utf8(datagram(&record, format, json, "router1", 12)).unwrap()
}

#[test]
fn the_forms_of_text() {
    assert_eq!(
        sent(SyslogFormat::Rfc5424, false),
        "<12>1 2026-11-03T05:46:07.339709+02:00 router1 anycast-healthchecker 4711 - - svc.example - up -> down: why"
    );
    assert_eq!(
        sent(SyslogFormat::Rfc3164, false),
        "<12>Nov  3 05:46:07 router1 anycast-healthchecker[4711]: svc.example - up -> down: why"
    );
    assert_eq!(
        sent(SyslogFormat::Reference, false),
        "<12>2026-11-03 05:46:07,339 anycast-healthchecker[4711] WARNING  svc.example  up -> down: why\0"
    );
}

#[test]
fn the_forms_of_json() {
    let object = record::json(&record("svc.example", "up -> down: why", Level::Warning));
    assert_eq!(
        sent(SyslogFormat::Rfc5424, true),
        format!(
            "<12>1 2026-11-03T05:46:07.339709+02:00 router1 anycast-healthchecker 4711 - - {object}"
        )
    );
    assert_eq!(
        sent(SyslogFormat::Rfc3164, true),
        format!("<12>Nov  3 05:46:07 router1 anycast-healthchecker[4711]: {object}")
    );
    assert_eq!(
        sent(SyslogFormat::Reference, true),
        format!("<12>anycast-healthchecker: {object}\0")
    );
}

#[test]
fn priorities_are_those_of_facility_user() {
    for (level, pri) in [
        (Level::Debug, "<15>"),
        (Level::Info, "<14>"),
        (Level::Warning, "<12>"),
        (Level::Error, "<11>"),
        (Level::Critical, "<10>"),
    ] {
        for format in ALL {
            let bytes = datagram(&record("x", "m", level), format, false, "h", 4);
            assert!(bytes.starts_with(pri.as_bytes()));
        }
    }
}

#[test]
fn nothing_is_longer_than_it_may_be_and_json_stays_whole() {
    use nanoserde::DeJson;
    #[derive(DeJson)]
    struct Line {
        message: String,
        service_name: String,
    }
    for (name, message) in [
        ("svc", "m".repeat(5000)),
        ("svc", "\"\\".repeat(5000)),
        ("svc", "ü😀".repeat(900)),
        (&*"n".repeat(4096), String::new()),
        (&*"n\u{1}".repeat(4096), "m".repeat(2000)),
        (&*"😀".repeat(4096), "short".to_string()),
    ] {
        let record = record(name, &message, Level::Error);
        for format in ALL {
            let limit = if format == SyslogFormat::Rfc3164 {
                RFC3164_MAX
            } else {
                RFC5424_MAX
            };
            let text = datagram(&record, format, false, "router1", 12);
            assert!(
                text.len() <= limit && text.len() > limit - 8,
                "{}",
                text.len()
            );
            let text = String::from_utf8(text).unwrap();
            assert!(text.trim_end_matches('\0').ends_with('…'));

            let object = datagram(&record, format, true, "router1", 12);
            assert!(object.len() <= limit, "{}", object.len());
            // Of what can be cut no more is cut than must be.
            assert!(object.len() > limit - 16, "{}", object.len());
            let object = String::from_utf8(object).unwrap();
            let object = object.trim_end_matches('\0');
            let line = Line::deserialize_json(&object[object.find('{').unwrap()..]).unwrap();
            assert!(message.starts_with(line.message.trim_end_matches('…')));
            assert!(name.starts_with(line.service_name.trim_end_matches('…')));
        }
    }
}

#[test]
fn what_just_fits_is_not_cut() {
    let length = |m: &str| {
        datagram(
            &record("s", m, Level::Info),
            SyslogFormat::Rfc5424,
            false,
            "h",
            4,
        )
        .len()
    };
    let overhead = length("");
    for extra in 0..4 {
        let message = "m".repeat(RFC5424_MAX - overhead + extra);
        assert_eq!(length(&message), RFC5424_MAX);
        let bytes = datagram(
            &record("s", &message, Level::Info),
            SyslogFormat::Rfc5424,
            false,
            "h",
            4,
        );
        assert_eq!(bytes.ends_with(b"m"), extra == 0);
    }
}

#[test]
fn host_names_fit_their_place() {
    for (name, word) in [
        ("router1.example", "router1.example"),
        ("", "-"),
        ("two words\n", "twowords"),
        ("bücher", "bcher"),
        (&"h".repeat(300), &"h".repeat(255)),
    ] {
        assert_eq!(host_word(name), word);
    }
}

#[test]
fn times() {
    let mut at = calendar();
    for (month, name) in MONTHS.iter().enumerate() {
        at.month = month as u32 + 1;
        assert!(rfc3164_time(&at).starts_with(name));
    }
    at.day = 23;
    assert_eq!(rfc3164_time(&at), "Dec 23 05:46:07");
    at.second = 60;
    at.offset = -16_200;
    assert_eq!(rfc5424_time(&at), "2026-12-23T05:46:59.339709-04:30");
}

#[test]
fn the_daemon_speaks_under_its_own_name() {
    let notice = Notice::from(What::NoServices);
    let record = Record::of(&notice, Level::Info, calendar(), PID);
    let bytes = datagram(&record, SyslogFormat::Rfc5424, false, "h", 12);
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains(" - - MainThread - no service is configured"),
        "{text}"
    );
}
