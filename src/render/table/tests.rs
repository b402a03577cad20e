use super::*;
use crate::render::status::{PrefixDoc, parse, sample_json};

fn sample_document() -> Document {
    parse(&sample_json()).unwrap()
}

fn columns(text: &str) -> usize {
    text.lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or(0)
}

#[test]
fn the_table_without_a_screen() {
    let text = status(&sample_document(), None);
    assert_eq!(text, include_str!("../../../tests/data/render/status.txt"));
}

#[test]
fn the_table_at_eighty_columns() {
    let text = status(&sample_document(), Some(80));
    assert_eq!(
        text,
        include_str!("../../../tests/data/render/status-80.txt")
    );
}

#[test]
fn no_line_is_wider_than_the_screen() {
    let mut document = sample_document();
    document.services[0].name = "x".repeat(4096);
    document.services[1].prefixes[0].prefix =
        "2001:db8:1111:2222:3333:4444:5555:6666/128".to_string();
    for screen in 1..200 {
        assert!(
            columns(&status(&document, Some(screen))) <= screen,
            "{screen}"
        );
    }
    document.services[0].name = "x".repeat(70_000);
    assert!(columns(&status(&document, None)) > 70_000);
    // The screen is wide enough for everything from here on, and then nothing is cut.
    let wide = columns(&status(&sample_document(), None));
    assert_eq!(
        status(&sample_document(), Some(wide)),
        status(&sample_document(), None)
    );
}

/// So many services; every hundredth is down, and the others are up.
fn many(number: u64) -> Document {
    let mut document = sample_document();
    let (up, down) = (document.services[0].clone(), document.services[1].clone());
    document.services = (0..number)
        .map(|n| {
            let mut service = if n % 100 == 99 {
                down.clone()
            } else {
                up.clone()
            };
            service.name = format!("service-{n:04}.anycast.example.com");
            service.prefixes = vec![PrefixDoc {
                prefix: format!("10.0.{}.{}/32", n / 256, n % 256),
                assigned: Some(true),
                advertised: service.status == "up",
            }];
            service
        })
        .collect();
    document.summary.services = number;
    document.summary.up = number - number / 100;
    document.summary.down = number / 100;
    document.summary.unknown = 0;
    document.summary.disabled = 0;
    document.summary.maintenance = 0;
    document
}

#[test]
fn a_thousand_services_fit_and_the_ill_ones_are_found() {
    let text = status(&many(1000), Some(80));
    assert_eq!(columns(&text), 80);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("1000 services: 990 up, 10 down; IPv6 not settled"));
    // The summary, the trouble of IPv6, a blank, the headings; then the ten ill ones with their reasons.
    assert!(
        lines[4].starts_with("service-0099.anycast.examp…  10.0.0.99/32   down   6m25s  no "),
        "{}",
        lines[4]
    );
    assert!(lines[5].starts_with("    3 checks failed, the last with exit status 7: curl: (7)"));
    assert!(
        lines[24].starts_with("service-0000.anycast.examp…  10.0.0.0/32    up     2h2m   yes "),
        "{}",
        lines[24]
    );
    assert_eq!(lines.len(), 4 + 20 + 990 + 2);
    let end = "service-0399.anycast.example.com, service-0499.anycast.example.com and 5 more";
    let text = status(&many(1000), None);
    assert!(text.lines().last().unwrap().ends_with(end));
    assert!(status(&many(99), None).ends_with("\n\nevery service is up\n"));
    assert!(!status(&many(20), None).contains("every service"));
}

#[test]
fn the_summary_leaves_off_what_finds_no_room() {
    let mut document = many(3);
    for family in &mut document.families {
        family.settled = true;
        family.trouble = None;
    }
    let first = |document: &Document, screen| {
        let text = status(document, screen);
        text.lines().next().unwrap_or_default().to_string()
    };
    let whole = "3 services: 3 up; IPv4 and IPv6 settled; pid 4711, up 2 h 3 min";
    assert_eq!(first(&document, None), whole);
    assert_eq!(first(&document, Some(whole.len())), whole);
    assert_eq!(
        first(&document, Some(whole.len() - 1)),
        "3 services: 3 up; IPv4 and IPv6 settled"
    );
    document.families.pop();
    document.services.truncate(1);
    document.summary.services = 1;
    document.summary.up = 0;
    document.summary.down = 1;
    document.summary.maintenance = 1;
    assert_eq!(
        first(&document, Some(80)),
        "1 service: 1 down (1 drained); IPv4 settled; pid 4711, up 2 h 3 min"
    );
}

#[test]
fn nothing_configured_is_one_line() {
    let mut document = many(0);
    document.families.clear();
    document.uptime_ms = 59_900;
    assert_eq!(
        status(&document, Some(80)),
        "no services; pid 4711, up 59 s\n"
    );
}

#[test]
fn what_another_program_sends_harms_no_terminal() {
    let mut document = sample_document();
    let evil = "\x1b]0;evil\x07\u{9b}2J\n".to_string();
    for service in &mut document.services {
        service.name.clone_from(&evil);
        service.status.clone_from(&evil);
        service.reason.clone_from(&evil);
        service.since_ms = u64::MAX;
        service.next_run_in_ms = Some(u64::MAX);
        service.prefixes[0].prefix.clone_from(&evil);
        if let Some(last) = &mut service.last {
            last.result.clone_from(&evil);
            last.duration_us = u64::MAX;
            last.code = i64::MIN;
        }
    }
    document.families[0].family.clone_from(&evil);
    document.families[0].trouble = Some(evil);
    document.uptime_ms = u64::MAX;
    let text = status(&document, Some(200));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert!(text.contains("\\x1b]0;evil\\x07\\x9b2J\\n"));
}

#[test]
fn the_summary_names_those_that_are_not_well_and_counts_the_rest() {
    let mut document = sample_document();
    document.services.clear();
    let text = summary(&mut document.clone(), None);
    assert!(text.starts_with("7 services: 1 up, 4 down"), "{text}");
    let names = [
        "foo1IPv6.bar.com",
        "slow.example",
        "drained.example",
        "lost.example",
    ];
    assert!(names.iter().all(|name| text.contains(name)), "{text}");
    assert!(
        !text.contains("foo.bar.com") && !text.contains(" more"),
        "{text}"
    );
    document.summary.down = 100;
    let text = summary(&mut document, Some(60));
    assert!(text.ends_with("\nand 96 more\n"), "{text}");
}
