use super::*;
use crate::render::json;
use crate::render::sample::net;

fn rows() -> Vec<TestRow> {
    let row = |service: &str,
               prefixes: &[&str],
               assigned: Option<&[bool]>,
               verdict,
               millis,
               line: &str| TestRow {
        service: service.to_string(),
        prefixes: prefixes.iter().map(|text| net(text)).collect(),
        interface: "lo".to_string(),
        assigned: assigned.map(<[bool]>::to_vec),
        verdict,
        took: Duration::from_millis(millis),
        first_line: line.to_string(),
    };
    vec![
        row(
            "foo.bar.com",
            &["10.52.12.1/32"],
            Some(&[true]),
            Verdict::Pass,
            5,
            "ok",
        ),
        row(
            "both.bar.com",
            &["10.52.12.2/32", "2001:db8::2/128"],
            Some(&[true, false]),
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
            Some(&[true]),
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
    assert_eq!(super::json(&rows()), golden);
    assert!(json::read(&golden, &mut TestDoc::default()).is_ok());
}

#[test]
fn a_missing_address_fails_what_passes() {
    let mut row = rows().remove(0);
    assert_eq!(exit_code(&[row.clone()]), 0);
    row.assigned = Some(vec![false]);
    let rows = [row];
    assert_eq!(exit_code(&rows), 1);
    let text = table(&rows, None);
    assert!(text.starts_with("1 check: 0 passed, 1 failed (1 for a missing address)\n"));
    let mut document = TestDoc::default();
    json::read(&super::json(&rows), &mut document).unwrap();
    assert_eq!((document.passed, document.failed), (0, 1));
    let service = &document.services[0];
    assert!(!service.passed && service.result == "pass");
    assert_eq!(service.prefixes[0].assigned, Some(false));
    assert_eq!(exit_code(&[]), 0);
}
