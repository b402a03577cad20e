//! When runs start: the grid, the splay, signals, limits, and what comes in between.

use super::fixture::seconds;
use super::*;

fn starts(bench: &Bench, name: &str) -> Vec<u64> {
    let begin = Mono::from_micros(1_000_000);
    let of_it = bench.started.iter().filter(|(_, started)| started == name);
    of_it
        .map(|(at, _)| at.since(begin).as_millis() as u64)
        .collect()
}

#[test]
fn the_grid_does_not_drift_and_late_turns_do_not_move_it() {
    let mut bench = Bench::new(world(config([service("a", "192.0.2.1/32")]), &[]));
    for turn in 0..1000 {
        bench.answer("a", Ended::Exit(0));
        let deadline = bench.engine.next_deadline(bench.now).expect("a next run");
        // The loop comes late by up to some milliseconds.
        bench.now = deadline + Duration::from_millis(turn % 13);
        bench.event(Event::Due);
    }
    let starts = starts(&bench, "a");
    for (slot, start) in starts.iter().enumerate().skip(1) {
        assert_eq!(start / 10_000, slot as u64);
        assert!(start % 10_000 < 13);
    }
    assert_eq!(starts.len(), 1001);
}

#[test]
fn a_run_that_overruns_skips_the_slots_it_missed() {
    let slow = ServiceConfig {
        timeout: seconds(60),
        ..service("a", "192.0.2.1/32")
    };
    let mut bench = Bench::new(world(config([slow]), &[]));
    bench.pass(seconds(25), |_| None);
    bench.answer("a", Ended::Exit(0));
    bench.pass(seconds(10), |_| Some(Ended::Exit(0)));
    assert_eq!(starts(&bench, "a"), [0, 30_000]);
    assert_eq!(
        bench.said(|what| matches!(what, What::CheckOverran { .. })),
        1
    );
}

#[test]
fn splay_spreads_the_first_runs_and_sets_the_grid() {
    let mut config =
        config((1..=50).map(|n| service(&format!("s{n}"), &format!("192.0.2.{n}/32"))));
    config.daemon.splay_startup = Some(seconds(8));
    let mut bench = Bench::new(world(config, &[]));
    bench.pass(seconds(30), |_| Some(Ended::Exit(0)));
    let mut firsts = BTreeSet::new();
    for n in 1..=50 {
        let starts = starts(&bench, &format!("s{n}"));
        assert!(starts[0] < 8_000, "{starts:?}");
        assert_eq!(starts[1] - starts[0], 10_000);
        firsts.insert(starts[0]);
    }
    assert!(firsts.len() > 40, "the delays are random");
}

#[test]
fn sigurg_runs_in_addition_and_leaves_the_grid() {
    let mut bench = Bench::new(world(config([service("a", "192.0.2.1/32")]), &[]));
    bench.pass(seconds(4), |_| Some(Ended::Exit(0)));
    bench.event(Event::RunNow);
    bench.pass(seconds(10), |_| Some(Ended::Exit(0)));
    assert_eq!(starts(&bench, "a"), [0, 4_000, 10_000]);
}

#[test]
fn sigurg_while_a_check_runs_runs_it_once_more() {
    let mut bench = Bench::new(world(config([service("a", "192.0.2.1/32")]), &[]));
    bench.event(Event::RunNow);
    bench.event(Event::RunNow);
    assert_eq!(bench.started.len(), 1);
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.started.len(), 2);
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.started.len(), 2);
}

#[test]
fn the_fast_interval_counts_a_fall_and_a_rise_without_moving_the_grid() {
    let fast = ServiceConfig {
        fast_interval: Some(seconds(1)),
        fall: 3,
        ..service("a", "192.0.2.1/32")
    };
    let mut bench = Bench::new(world(config([fast]), &[]));
    bench.pass(seconds(15), |_| Some(Ended::Exit(0)));
    assert_eq!(starts(&bench, "a"), [0, 1_000, 10_000]);
    bench.pass(seconds(10), |_| Some(Ended::Exit(1)));
    assert_eq!(starts(&bench, "a")[3..], [20_000, 21_000, 22_000]);
    assert_eq!(bench.status("a"), Status::Down);
    bench.pass(seconds(9), |_| Some(Ended::Exit(0)));
    assert_eq!(starts(&bench, "a")[6..], [30_000, 31_000]);
}

#[test]
fn with_a_limit_nothing_starves_and_the_limit_holds() {
    let services = (0..200).map(|n| service(&format!("s{n}"), &format!("10.0.{n}.1/32")));
    let mut config = config(services);
    config.daemon.max_running_checks = 20;
    let mut bench = Bench::new(world(config, &[]));
    let begin = bench.now;
    let mut order = Vec::new();
    while order.len() < 600 {
        assert!(bench.jobs.len() <= 20);
        // One check ends every 60 ms: the next slots of the grid come before the last has had its turn.
        while let Some(deadline) = bench
            .engine
            .next_deadline(bench.now)
            .filter(|at| *at <= bench.now)
        {
            bench.now = deadline.max(bench.now);
            bench.event(Event::Due);
        }
        bench.now = bench.now + Duration::from_millis(60);
        bench.event(Event::Due);
        let oldest = *bench.jobs.keys().next().expect("some check runs");
        let Some(Job::Check(name)) = bench.jobs.get(&oldest).cloned() else {
            panic!("a check")
        };
        bench.end(oldest, Ended::Exit(0));
        order.push(name);
    }
    for name in (0..200).map(|n| format!("s{n}")) {
        let runs = order.iter().filter(|ran| **ran == name).count();
        // A slot that finds a check running is skipped, so the rounds may differ by one.
        assert!(
            (2..=4).contains(&runs),
            "{name}: {runs} after {:?}",
            bench.now.since(begin)
        );
    }
}

#[test]
fn a_thousand_checks_due_at_once_leave_room_for_verdicts_in_between() {
    let services = (0..1000).map(|n| {
        service(
            &format!("s{n}"),
            &format!("10.{}.{}.1/32", n / 250, n % 250),
        )
    });
    let mut bench = Bench::new(world(config(services), &[]));
    assert!(bench.jobs.len() < 1000);
    assert_eq!(bench.engine.next_deadline(bench.now), Some(bench.now));
    while bench.started.len() < 1000 {
        bench.event(Event::Due);
    }
}

#[test]
fn what_began_without_the_address_says_nothing() {
    let world = world(config([service("a", "192.0.2.1/32")]), &["192.0.2.1/32"]);
    let addresses = world.addresses.clone();
    let mut bench = Bench::new(world);
    bench.event(Event::Addresses(Rc::default()));
    assert_eq!(
        (bench.status("a"), bench.in_file("192.0.2.1/32")),
        (Status::Down, false)
    );
    assert_eq!(bench.killed.len(), 1);
    bench.event(Event::Addresses(addresses));
    assert_eq!(bench.started.len(), 1, "the old run still has to end");
    bench.reap_killed();
    assert_eq!(
        bench.started.len(),
        2,
        "an address that appears triggers a run"
    );
    bench.pass(seconds(20), |_| Some(Ended::Exit(0)));
    assert_eq!(bench.status("a"), Status::Up);
}

#[test]
fn maintenance_holds_down_at_once_and_returns_through_the_rise() {
    let path = PathBuf::from("/run/drain/a");
    let drained = ServiceConfig {
        maintenance_file: Some(path.clone()),
        ..service("a", "192.0.2.1/32")
    };
    let mut bench = Bench::new(world(config([drained]), &["192.0.2.1/32"]));
    bench.pass(seconds(11), |_| Some(Ended::Exit(0)));
    assert_eq!(bench.status("a"), Status::Up);
    bench.event(Event::Maintenance {
        path: path.clone(),
        present: true,
    });
    assert_eq!(
        (bench.status("a"), bench.in_file("192.0.2.1/32")),
        (Status::Down, false)
    );
    bench.pass(seconds(60), |_| Some(Ended::Exit(0)));
    assert_eq!(
        bench.status("a"),
        Status::Down,
        "passes do not count meanwhile"
    );
    let before = bench.started.len();
    bench.event(Event::Maintenance {
        path,
        present: false,
    });
    assert_eq!(bench.started.len(), before + 1);
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.status("a"), Status::Down);
    bench.pass(seconds(10), |_| Some(Ended::Exit(0)));
    assert_eq!(bench.status("a"), Status::Up);
    bench.pass(seconds(1), |_| None);
    assert!(bench.in_file("192.0.2.1/32"));
}

#[test]
fn failures_are_said_once_and_counted() {
    let mut bench = Bench::new(world(config([service("a", "192.0.2.1/32")]), &[]));
    bench.pass(seconds(300), |_| Some(Ended::Exit(1)));
    assert_eq!(
        bench.said(|what| matches!(what, What::CheckFailed { .. })),
        1
    );
    bench.pass(seconds(100), |_| Some(Ended::Exit(0)));
    let repeated = bench.notices.iter().find_map(|notice| match notice.what {
        What::FailureRepeated { times, .. } => Some(times),
        _ => None,
    });
    assert_eq!(repeated, Some(29));
    assert_eq!(
        bench.said(|what| matches!(what, What::StateChanged { .. })),
        2
    );
}

#[test]
fn services_whose_address_comes_later_are_spread_as_well() {
    let services = (1..=50).map(|n| service(&format!("s{n}"), &format!("192.0.2.{n}/32")));
    let mut config = config(services);
    config.daemon.splay_startup = Some(seconds(8));
    let mut world = world(config, &[]);
    let addresses = std::mem::take(&mut world.addresses);
    let mut bench = Bench::new(world);
    bench.pass(seconds(30), |_| Some(Ended::Exit(0)));
    assert!(bench.started.is_empty());
    bench.event(Event::Addresses(addresses));
    bench.pass(seconds(1), |_| Some(Ended::Exit(0)));
    bench.pass(seconds(20), |_| Some(Ended::Exit(0)));
    let mut seconds = BTreeSet::new();
    for n in 1..=50 {
        let starts = starts(&bench, &format!("s{n}"));
        seconds.insert(starts[1]);
        assert!(
            starts[0] == 30_000 && starts[2] - starts[1] == 10_000,
            "{starts:?}"
        );
    }
    assert!(seconds.len() > 40, "{seconds:?}");
}

#[test]
fn what_a_killed_run_wrote_is_not_said_of_the_one_that_timed_out_before() {
    let path = PathBuf::from("/run/drain/a");
    let drained = ServiceConfig {
        maintenance_file: Some(path.clone()),
        ..service("a", "192.0.2.1/32")
    };
    let mut bench = Bench::new(world(config([drained]), &[]));
    while bench.started.len() < 2 {
        assert!(bench.jump());
        bench.reap_killed();
    }
    bench.event(Event::Maintenance {
        path,
        present: true,
    });
    let job = bench.killed.pop().expect("the second run is killed");
    bench.forget(job);
    let stdout = Captured {
        bytes: b"half a line".to_vec(),
        dropped: 0,
    };
    let output = Output {
        stdout,
        ..Output::default()
    };
    let ended = Ended::Signal(9);
    bench.event(Event::JobEnded { job, ended, output });
    assert_eq!(
        bench.said(|what| matches!(what, What::CheckOutput { .. })),
        0
    );
    let snapshot = bench.engine.snapshot();
    let last = snapshot.services[0].last.expect("the first run");
    assert_eq!((last.verdict, last.first_line), (Verdict::TimedOut, ""));
}

#[test]
fn the_end_of_a_maintenance_is_no_news_while_the_address_is_missing() {
    let path = PathBuf::from("/run/drain/a");
    let drained = ServiceConfig {
        maintenance_file: Some(path.clone()),
        ..service("a", "192.0.2.1/32")
    };
    let mut bench = Bench::new(world(config([drained]), &[]));
    let at = |present| Event::Maintenance {
        path: path.clone(),
        present,
    };
    let over = |what: &What| matches!(what, What::MaintenanceOver { .. });
    bench.event(at(true));
    bench.event(Event::Addresses(Rc::default()));
    bench.event(at(false));
    assert_eq!(bench.said(over), 0, "nothing is checked again");
}
