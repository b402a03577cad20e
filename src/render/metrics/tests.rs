use super::*;
use crate::render::sample;

fn text(alive: bool) -> String {
    let world = sample::world();
    metrics(&world.snapshot(), &sample::host(), sample::now(), alive)
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
        reloads: Default::default(),
        running: 0,
        waiting: 0,
    };
    let text = metrics(&snapshot, &HostCounters::default(), sample::now(), true);
    assert!(text.contains("# TYPE anycast_healthchecker_service gauge\n# HELP"));
    assert!(text.contains("\nanycast_healthchecker_uptime 7384.0\n"));
}

#[test]
fn the_first_allocation_is_large_enough() {
    let world = sample::world();
    let snapshot = world.snapshot();
    let rows: usize = snapshot
        .services
        .iter()
        .map(|s| s.config.prefixes.len())
        .sum();
    assert!(text(true).len() <= BYTES_FIXED + rows * BYTES_PER_SERVICE);
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
