use super::*;
use crate::engine::notice::What;
use crate::render::sample::{PID, calendar, config, net};

fn notice(name: &str, prefixes: &[&str], status: Status) -> Notice {
    Notice {
        about: Some((config(name, prefixes), status)),
        what: What::CheckStarted,
    }
}

fn record(notice: &Notice) -> Record<'_> {
    Record::of(notice, words::level(&notice.what), calendar(), PID)
}

#[test]
fn text_lines() {
    let of_service = notice("foo.bar.com", &["10.52.12.1/32"], Status::Up);
    assert_eq!(
        text_line(&record(&of_service), 12),
        "2026-11-03 05:46:07,339 anycast-healthchecker[4711] DEBUG    foo.bar.com  running /usr/bin/curl --fail"
    );
    let of_daemon = Notice::from(What::Stopping { signal: "SIGTERM" });
    assert_eq!(
        text_line(&record(&of_daemon), 12),
        "2026-11-03 05:46:07,339 anycast-healthchecker[4711] INFO     MainThread   stopping, because of SIGTERM"
    );
    // A name that is too long pushes its message to the right, and hidden characters are shown.
    let odd = notice("a\nb.example.com.", &["10.52.12.1/32"], Status::Up);
    let line = text_line(&record(&odd), 5);
    assert!(
        line.contains("DEBUG    a\\nb.example.com. running"),
        "{line}"
    );
}

#[test]
fn journal_lines_leave_time_and_pid_to_the_journal() {
    let of_service = notice("foo.bar.com", &["10.52.12.1/32"], Status::Up);
    assert_eq!(
        journal_line(&record(&of_service)),
        "<7>foo.bar.com - running /usr/bin/curl --fail"
    );
    for (level, start) in [
        (Level::Debug, "<7>MainThread - "),
        (Level::Info, "<6>MainThread - "),
        (Level::Warning, "<4>MainThread - "),
        (Level::Error, "<3>MainThread - "),
        (Level::Critical, "<2>MainThread - "),
    ] {
        let line = journal_line(&Record::of_text("text", level, calendar(), PID));
        assert_eq!(line, format!("{start}text"));
    }
}

#[test]
fn json_objects_have_the_documented_keys() {
    let of_service = notice(
        "foo1IPv6.bar.com",
        &["fd12:aba6:57db:ffff::2/128", "10.0.0.1/32"],
        Status::Down,
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        json(&record(&of_service)),
        format!(
            "{{\"asctime\": \"2026-11-03 05:46:07,339\", \"levelname\": \"DEBUG\", \"process\": 4711, \
             \"message\": \"running /usr/bin/curl --fail\", \"ip_address\": \"fd12:aba6:57db:ffff::2\", \
             \"prefix_length\": 128, \"ip_check_disabled\": false, \"status\": \"down\", \
             \"version\": \"{version}\", \"program\": \"anycast-healthchecker\", \
             \"service_name\": \"foo1IPv6.bar.com\"}}"
        )
    );
    let of_daemon = Notice::from(What::Stopping { signal: "SIGTERM" });
    assert_eq!(
        json(&record(&of_daemon)),
        format!(
            "{{\"asctime\": \"2026-11-03 05:46:07,339\", \"levelname\": \"INFO\", \"process\": 4711, \
             \"message\": \"stopping, because of SIGTERM\", \"version\": \"{version}\", \
             \"program\": \"anycast-healthchecker\", \"service_name\": \"MainThread\"}}"
        )
    );
}

#[test]
fn json_knows_three_states() {
    for (status, word) in [
        (Status::Up, "up"),
        (Status::Down, "down"),
        (Status::Unknown, "unknown"),
        (Status::Disabled, "unknown"),
    ] {
        let of_service = notice("svc", &["10.0.0.1/32"], status);
        let text = json(&record(&of_service));
        assert!(text.contains(&format!("\"status\": \"{word}\"")), "{text}");
    }
}

#[test]
fn json_survives_every_name_and_message() {
    use nanoserde::DeJson;
    #[derive(DeJson)]
    struct Line {
        message: String,
        service_name: String,
        prefix_length: u8,
    }
    for name in [
        "we\"ird\\x\n.example",
        "\u{9b}\u{2028}😀",
        "nul\0\x1b",
        "{\"a\":1}",
    ] {
        let mut odd = notice(name, &["10.0.0.0/8"], Status::Unknown);
        let path = format!("/run/{name}").into();
        odd.what = What::MaintenanceOver { path };
        let record = record(&odd);
        let text = json(&record);
        assert!(!text.chars().any(char::is_control), "{text}");
        let line = Line::deserialize_json(&text).unwrap();
        assert_eq!(line.service_name, name);
        assert_eq!(line.message, record.message);
        assert_eq!(line.prefix_length, 8);
    }
}

#[test]
fn texts_from_elsewhere_stay_one_line() {
    let text = "\nthread 'main' panicked\nat src/main.rs:1\n";
    let record = Record::of_text(text, Level::Critical, calendar(), PID);
    assert_eq!(
        text_line(&record, 11),
        "2026-11-03 05:46:07,339 anycast-healthchecker[4711] CRITICAL MainThread  \
         thread 'main' panicked\\nat src/main.rs:1"
    );
}

#[test]
fn names_are_padded_like_the_references_up_to_a_bound() {
    let width = |names: &[&str]| {
        let services: Vec<_> = names
            .iter()
            .map(|name| config(name, &["10.0.0.1/32"]))
            .collect();
        name_width(&services)
    };
    assert_eq!(width(&[]), 11);
    assert_eq!(width(&["short"]), 11);
    assert_eq!(width(&["a", "longer.than.the.daemon"]), 23);
    assert_eq!(width(&["ü.longer.than.the.daemon"]), 25);
    assert_eq!(width(&[&"x".repeat(4096)]), NAME_WIDTH_MAX + 1);
    assert_eq!(net("10.0.0.1/32"), config("x", &["10.0.0.1"]).prefixes[0]);
}
