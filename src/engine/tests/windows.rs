//! What readers see of many services: windows that together are the whole, and the counts of all.

use super::fixture::{A, B, C, quick, seconds};
use super::*;
use crate::engine::snapshot::{Counts, Source};

#[test]
fn windows_of_any_size_make_the_whole() {
    let services = (0..20).map(|n| quick(&format!("s{n}"), &format!("192.0.2.{n}/32")));
    let bench = Bench::new(world(config(services), &[]));
    let names = |places| -> Vec<String> {
        let snapshot = bench.engine.window(places, false);
        let names = snapshot.services.iter().map(|view| &view.config.name);
        names.cloned().collect()
    };
    let all = names(0..usize::MAX);
    assert_eq!(all.len(), 20);
    for size in 1..=21 {
        let windows = (0..20).step_by(size);
        let joined: Vec<String> = windows.flat_map(|at| names(at..at + size)).collect();
        assert_eq!(joined, all, "{size}");
    }
    assert_eq!(names(20..40), [""; 0]);
    assert_eq!(names(0..0), [""; 0]);
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[test]
fn a_verdict_is_overdue_when_the_settings_no_longer_explain_why_there_is_none() {
    let slow = ServiceConfig {
        rise: 3,
        fall: 2,
        interval: seconds(10),
        timeout: seconds(4),
        ..service("slow", A)
    };
    let off = ServiceConfig {
        disabled: true,
        ..service("off", B)
    };
    let mut config = config([slow, off, service("late", C)]);
    config.daemon.splay_startup = Some(seconds(30));
    let mut bench = Bench::new(world(config, &[]));
    let begin = bench.now;
    let look = |bench: &Bench, after: u64, most: usize| -> (Counts, Vec<String>) {
        let overview = bench.engine.overview(begin + seconds(after), most);
        let ill = overview.ill.iter().map(|view| view.config.name.clone());
        (overview.counts, ill.collect())
    };
    // (10 + 2) * 2 for the one, (10 + 4) * 3 for the other, and the splay.
    for (after, names) in [
        (54, &[][..]),
        (55, &["late"]),
        (72, &["late"]),
        (73, &["slow", "late"]),
    ] {
        let (counts, ill) = look(&bench, after, 9);
        assert_eq!(
            (counts.services, counts.unknown, counts.disabled),
            (3, 2, 1)
        );
        assert_eq!((counts.overdue as usize, ill), (names.len(), owned(names)));
    }
    assert_eq!(look(&bench, 73, 1).1, ["slow"]);
    assert_eq!(look(&bench, 73, 0).1, [""; 0]);
    bench.event(Event::Addresses(Rc::default()));
    let (counts, ill) = look(&bench, 73, 9);
    assert_eq!((counts.down, counts.unknown, counts.overdue), (2, 0, 0));
    assert_eq!(ill, ["slow", "late"]);
}
