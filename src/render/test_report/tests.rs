use super::*;
use crate::render::sample::net;

fn rows() -> Vec<TestRow> {
    let row = |service: &str, prefixes: &[&str], assigned, verdict, millis, line: &str| TestRow {
        service: service.to_string(),
        prefixes: prefixes.iter().map(|text| net(text)).collect(),
        assigned,
        verdict,
        took: Duration::from_millis(millis),
        first_line: line.to_string(),
    };
    vec![
        row(
            "foo.bar.com",
            &["10.52.12.1/32"],
            Some(true),
            Verdict::Pass,
            5,
            "ok",
        ),
        row(
            "both.bar.com",
            &["10.52.12.2/32", "2001:db8::2/128"],
            Some(false),
            Verdict::Fail(2),
            12,
            "refused\x1b[2J",
        ),
        row(
            "slow.bar.com",
            &["10.52.12.3/32"],
            None,
            Verdict::TimedOut,
            2000,
            "",
        ),
        row(
            "gone.bar.com",
            &["10.52.12.4/32"],
            None,
            Verdict::NotStarted(127),
            0,
            "no such file or directory",
        ),
        row(
            "dead.bar.com",
            &["10.52.12.5/32"],
            Some(true),
            Verdict::Signal(11),
            70,
            "",
        ),
    ]
}

#[test]
fn the_table() {
    let text = table(&rows(), None);
    assert_eq!(text, include_str!("../../../tests/data/render/test.txt"));
    for screen in 1..120 {
        let text = table(&rows(), Some(screen));
        assert!(
            text.lines().all(|line| line.chars().count() <= screen),
            "{screen}"
        );
    }
    assert!(table(&rows(), Some(80)).contains("  no such file or direct…\n"));
    assert_eq!(
        table(&rows()[..1], None).lines().next(),
        Some("1 check: 1 passed, 0 failed")
    );
    assert_eq!(table(&[], None), "no check is enabled\n");
}

#[test]
fn the_document() {
    let golden = include_str!("../../../tests/data/render/test.json")
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    assert_eq!(json(&rows()), golden);
    assert!(TestDoc::deserialize_json(&golden).is_ok());
}
