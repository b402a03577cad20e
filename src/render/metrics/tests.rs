use super::*;
use crate::render::sample;

/// The pieces.
fn pieces(source: &dyn Source, host: &HostCounters, alive: bool) -> Vec<String> {
    let mut cursor = Cursor::default();
    let mut pieces = Vec::new();
    loop {
        let mut text = String::new();
        let piece = cursor.next(source, host, (sample::now(), alive), &mut text);
        assert!(text.is_empty() || text.ends_with('\n'));
        pieces.push(text);
        match piece {
            Piece::More => {}
            Piece::Last => return pieces,
            Piece::Outdated => panic!("nothing was reloaded"),
        }
    }
}

fn text(alive: bool) -> String {
    pieces(&sample::world(), &sample::host(), alive).concat()
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
    let mut world = sample::world();
    world.times = 0;
    let text = pieces(&world, &HostCounters::default(), true).concat();
    assert!(text.contains("# TYPE anycast_healthchecker_service gauge\n# HELP"));
    assert!(text.contains("\nanycast_healthchecker_uptime 7384.0\n"));
}

/// Every number of services around the size of a window, and what one pass over all of them at once would be.
#[test]
fn the_pieces_are_bounded_and_lose_nothing() {
    let mut world = sample::world();
    let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).count();
    for services in [
        1,
        WINDOW - 1,
        WINDOW,
        WINDOW + 1,
        2 * WINDOW,
        3 * WINDOW + 5,
    ] {
        world.times = services;
        let pieces = pieces(&world, &sample::host(), true);
        let longest = pieces.iter().map(String::len).max();
        assert!(longest < Some(4 * WINDOW * 300), "{longest:?}");
        let text = pieces.concat();
        assert_eq!(comments(&text), 2 * METRICS.len());
        assert_eq!(text.matches("service_maintenance{").count(), 7 * services);
        let one = "service_state{ip_prefix=\"10.52.12.1/32\"";
        assert_eq!(text.matches(one).count(), services);
        // Each metric is one block.
        let mut names: Vec<&str> = (text.lines().filter(|line| !line.starts_with('#')))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect();
        names.dedup();
        let blocks = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(blocks, names.len());
    }
}

#[test]
fn a_reload_ends_the_text() {
    let mut world = sample::world();
    world.times = WINDOW;
    let mut cursor = Cursor::default();
    let mut next = |world: &sample::World| {
        let mut text = String::new();
        let when = (sample::now(), true);
        (cursor.next(world, &sample::host(), when, &mut text), text)
    };
    assert_eq!(next(&world).0, Piece::More);
    assert_eq!(next(&world).0, Piece::More);
    world.reloads += 1;
    assert_eq!(next(&world), (Piece::Outdated, String::new()));
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
