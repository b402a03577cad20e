use super::*;
use crate::render::sample;

/// The pieces put together.
fn whole(snapshot: &Snapshot, host: &HostCounters, alive: bool) -> String {
    let mut text = Vec::new();
    metrics(snapshot, host, (sample::now(), alive), &mut |piece| {
        text.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    String::from_utf8(text).unwrap()
}

fn text(alive: bool) -> String {
    whole(&sample::world().snapshot(), &sample::host(), alive)
}

#[test]
fn the_whole_file() {
    let text = text(true);
    // Only the version differs from one release to the next.
    let golden = include_str!("../../../tests/data/render/metrics.prom")
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    for (ours, theirs) in text.lines().zip(golden.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(text, golden);
}

#[test]
fn the_state_is_zero_at_the_end() {
    let state = "\nanycast_healthchecker_state 1.0\n";
    assert!(text(true).contains(state));
    assert!(text(false).contains("\nanycast_healthchecker_state 0.0\n"));
    assert!(!text(false).contains(state));
}

#[test]
fn names_follow_the_rules_of_prometheus() {
    let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for metric in METRICS {
        let name = metric.name;
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
        assert!(matches!(metric.kind, "counter" | "gauge"), "{name}");
        assert!(
            !metric.help.is_empty() && !metric.help.contains(['\n', '\\']),
            "{name}"
        );
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), METRICS.len());
}

#[test]
fn every_line_is_a_comment_or_a_sample() {
    for line in text(true).lines() {
        if line.starts_with("# HELP ") || line.starts_with("# TYPE ") {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with(PREFIX), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn nothing_to_count_is_no_error() {
    let snapshot = Snapshot {
        started: sample::at(0.0),
        services: Vec::new(),
        families: Vec::new(),
        customs: Default::default(),
        reloads: Default::default(),
        running: 0,
        waiting: 0,
        abandoned: 0,
    };
    let text = whole(&snapshot, &HostCounters::default(), true);
    assert!(text.contains("# TYPE anycast_healthchecker_service gauge\n# HELP"));
    assert!(text.contains("\nanycast_healthchecker_uptime 7384.0\n"));
}

#[test]
fn many_services_come_in_pieces_until_one_cannot_be_written() {
    let world = sample::world();
    let mut snapshot = world.snapshot();
    let (few, services) = (whole(&snapshot, &sample::host(), true), snapshot.services);
    snapshot.services = (0..100).flat_map(|_| services.clone()).collect();
    let host = sample::host();
    let mut pieces = Vec::new();
    metrics(&snapshot, &host, (sample::now(), true), &mut |piece| {
        assert!(!piece.is_empty() && piece.len() <= PIECE + MARGIN);
        assert!(piece.ends_with(b"\n"));
        pieces.push(piece.to_vec());
        Ok(())
    })
    .unwrap();
    assert!(pieces.len() > 20);
    let text = String::from_utf8(pieces.concat()).unwrap();
    let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    assert_eq!(comments(&text), comments(&few));
    assert_eq!(text.matches("service_maintenance{").count(), 700);
    let mut calls = 0;
    let full = metrics(&snapshot, &host, (sample::now(), true), &mut |_| {
        calls += 1;
        match calls {
            3 => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    });
    assert_eq!((full.unwrap_err().raw_os_error(), calls), (Some(28), 3));
}

#[test]
fn the_readme_and_the_manual_name_every_metric() {
    let readme = include_str!("../../../README.md");
    let manual = include_str!("../../../contrib/man/anycast-healthchecker.8");
    for Metric { name, kind, .. } in METRICS {
        let row = format!("| `{name}` | {kind} | ");
        assert!(readme.contains(&row), "README.md lacks {row}");
        let word = format!(".Li {name}");
        assert!(
            manual
                .lines()
                .any(|line| line.split(" ,").next() == Some(&word)
                    || line.split(" .").next() == Some(&word)),
            "the manual page lacks {word}"
        );
    }
}
