use super::*;

fn row(service: &str, prefixes: &[&str], assigned: Option<&[bool]>, verdict: Verdict) -> TestRow {
    TestRow {
        service: service.to_string(),
        prefixes: prefixes
            .iter()
            .map(|prefix| prefix.parse().unwrap())
            .collect(),
        interface: "lo".to_string(),
        assigned: assigned.map(<[bool]>::to_vec),
        verdict,
        took: Duration::from_millis(12),
        first_line: String::new(),
    }
}

fn rows() -> Vec<TestRow> {
    let mut failing = row("dns", &["192.0.2.2/32"], None, Verdict::Fail(2));
    failing.first_line = " no \x1b[31manswer\u{9b}".to_string();
    let two = ["192.0.2.3/32", "2001:db8::3/128"];
    vec![
        row("web", &["192.0.2.1/32"], Some(&[true]), Verdict::Pass),
        failing,
        row("both", &two, Some(&[true, false]), Verdict::Pass),
        row("late", &["192.0.2.4/32"], None, Verdict::TimedOut),
    ]
}

#[test]
fn the_table_says_what_the_daemon_would_make_of_it() {
    assert_eq!(
        table(&rows(), None),
        "\
4 checks: 1 passed, 3 failed (1 for a missing address)

SERVICE  PREFIX           ASSIGNED  RESULT        OUTPUT
web      192.0.2.1/32     yes       pass 12ms
dns      192.0.2.2/32     -         exit 2 12ms   no \\x1b[31manswer\\x9b
both     192.0.2.3/32     yes       pass 12ms
         2001:db8::3/128  no
    lo has no address in 2001:db8::3/128: the daemon would hold the service down
late     192.0.2.4/32     -         timeout 12ms
"
    );
    assert!(
        table(&rows(), Some(40))
            .lines()
            .all(|line| line.chars().count() <= 40)
    );
}

#[test]
fn the_status_is_that_of_the_worst() {
    assert_eq!(exit_code(&rows()), 1);
    assert_eq!(exit_code(&rows()[..1]), 0);
    assert_eq!(exit_code(&rows()[2..3]), 1, "an address is missing");
    assert_eq!(exit_code(&[]), 0);
    assert_eq!(table(&[], None), "no check is enabled\n");
}

#[test]
fn the_document_tells_the_check_from_the_service() {
    let text = json(&rows());
    assert!(!text.trim_end().contains(char::is_control), "{text}");
    let document = TestDoc::deserialize_json(&text).unwrap();
    assert_eq!((document.passed, document.failed), (1, 3));
    let both = &document.services[2];
    assert_eq!((both.name.as_str(), both.passed), ("both", false));
    assert_eq!((both.result.as_str(), both.code), ("pass", 0));
    let assigned: Vec<_> = both.prefixes.iter().map(|prefix| prefix.assigned).collect();
    assert_eq!(assigned, [Some(true), Some(false)]);
    let dns = &document.services[1];
    assert_eq!(
        (dns.result.as_str(), dns.code, dns.duration_ms),
        ("fail", 2, 12.0)
    );
    assert_eq!(dns.prefixes[0].assigned, None);
    assert!(text.contains("\"assigned\":null"));
    assert!(json(&[]).contains("\"services\":[]"));
}
