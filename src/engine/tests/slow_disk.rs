//! Files that are written and read while everything else goes on, and the clock that moves inside a turn.

use super::changes::reload;
use super::fixture::{A, B, C, V6, pass, quick, seconds};
use super::*;

fn writes(bench: &Bench) -> Vec<&Order> {
    let orders = bench.orders.iter();
    orders.filter(|order| order.prefixes.is_some()).collect()
}

/// Checks that run end in one turn.
fn end_together(bench: &mut Bench, ended: impl Fn(&str) -> Option<Ended>) {
    for (job, running) in bench.jobs.clone() {
        let Job::Check(name) = running else { continue };
        let Some(ended) = ended(&name) else { continue };
        bench.forget(job);
        let output = Output::default();
        bench.part_of_turn(Event::JobEnded { job, ended, output });
    }
    bench.finish_turn();
}

fn settled(bench: &Bench) -> bool {
    let snapshot = bench.engine.snapshot();
    snapshot.families.iter().all(|family| family.settled)
}

#[test]
fn the_time_of_a_check_begins_when_it_starts() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[A]));
    bench.pass(seconds(9), pass);
    // The turn of its slot takes longer than the check may.
    bench.now = bench.now + seconds(1);
    bench.part_of_turn(Event::Due);
    bench.now = bench.now + seconds(30);
    bench.finish_turn();
    assert_eq!(bench.started.len(), 2);
    let timeout = service("a", A).timeout;
    bench.pass(timeout - Duration::from_millis(1), |_| None);
    bench.answer("a", Ended::Exit(0));
    let snapshot = bench.engine.snapshot();
    assert_eq!(snapshot.services[0].counters.timed_out, 0);
    assert_eq!(snapshot.services[0].counters.passed, 2);
}

#[test]
fn an_end_that_is_heard_of_late_is_no_time_out() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[A]));
    bench.now = bench.now + seconds(60);
    let job = bench.job_of("a").expect("it runs");
    bench.forget(job);
    bench.part_of_turn(Event::JobEnded {
        job,
        ended: Ended::Exit(0),
        output: Output::default(),
    });
    bench.part_of_turn(Event::Due);
    bench.finish_turn();
    let counters = bench.engine.snapshot().services[0].counters;
    assert_eq!((counters.passed, counters.timed_out), (1, 0));
}

#[test]
fn checks_run_and_metrics_are_written_while_a_file_hangs() {
    let mut with_metrics = config([quick("a", A), quick("b", B)]);
    with_metrics.daemon.metrics = Some(MetricsConfig {
        directory: "/m".into(),
        interval: seconds(20),
    });
    let mut bench = Bench::new(world(with_metrics, &[]));
    bench.slow_disk = true;
    bench.answer("a", Ended::Exit(0));
    let before = bench.started.len();
    let metrics = bench.metrics;
    bench.pass(seconds(60), pass);
    assert!(bench.started.len() > before + 10);
    assert!(bench.metrics > metrics + 2);
    assert_eq!(writes(&bench).len(), 1, "never two of one file at once");
    assert!(!settled(&bench) && bench.reconfigurations.is_empty());
    // What was decided meanwhile is written next, and BIRD is told of both.
    bench.disk_works();
    bench.pass(seconds(1), pass);
    bench.disk_works();
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A) && bench.in_file(B) && settled(&bench));
    assert_eq!(bench.reconfigurations.len(), 2);
}

#[test]
fn metrics_tell_of_a_file_that_is_written_soon() {
    let mut with_metrics = config([quick("a", A)]);
    with_metrics.daemon.metrics = Some(MetricsConfig {
        directory: "/m".into(),
        interval: seconds(20),
    });
    let mut bench = Bench::new(world(with_metrics, &[]));
    bench.slow_disk = true;
    bench.pass(seconds(1), |_| None);
    let before = bench.metrics;
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.metrics, before);
    bench.disk_works();
    assert_eq!(bench.metrics, before + 1);
}

#[test]
fn bird_does_not_wait_long_for_a_file_that_hangs() {
    let mut one_bird = config([quick("a", A), quick("v6", V6)]);
    for family in one_bird.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    let mut bench = Bench::new(world(one_bird, &[]));
    bench.slow_disk = true;
    end_together(&mut bench, pass);
    let four = bench.orders.remove(0);
    assert_eq!((four.family, bench.orders.len()), (Family::V4, 1));
    let event = bench.carry_out(&four);
    bench.event(event);
    bench.pass(seconds(2), pass);
    assert_eq!(bench.reconfigurations.len(), 1);
    // The other comes at last, and is told as well.
    bench.disk_works();
    bench.pass(seconds(1), pass);
    assert_eq!(bench.reconfigurations.len(), 2);
    assert!(settled(&bench));
}

#[test]
fn a_file_that_could_not_be_written_is_written_though_nothing_else_is_wanted_any_more() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A]));
    bench.slow_disk = true;
    bench.answer("a", Ended::Exit(1));
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(0));
    let order = bench.orders.remove(0);
    assert_eq!(order.prefixes.as_ref().map(Set::len), Some(0));
    let outcome = Err("timed out".to_string());
    bench.event(Event::FileWritten {
        job: order.job,
        outcome,
    });
    bench.pass(seconds(5), pass);
    assert_eq!(writes(&bench).len(), 1);
    assert!(!settled(&bench));
    bench.disk_works();
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A) && settled(&bench));
}

#[test]
fn what_was_seen_before_a_write_says_nothing_of_what_is_there_afterwards() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.pass(seconds(11), pass);
    bench.slow_disk = true;
    reload(&mut bench, config([quick("a", A), quick("b", B)]));
    let looks = std::mem::take(&mut bench.orders);
    assert_eq!(looks.len(), 2);
    let seen: Vec<Event> = looks.iter().map(|look| bench.carry_out(look)).collect();
    // Before that is heard, b falls and its withdrawal is written.
    let b_fails = |name: &str| Some(Ended::Exit(u8::from(name == "b")));
    bench.event(Event::RunNow);
    bench.pass(seconds(1), b_fails);
    bench.disk_works();
    bench.pass(seconds(1), b_fails);
    assert!(!bench.in_file(B));
    let written = bench.writes.len();
    for event in seen {
        bench.event(event);
    }
    bench.pass(seconds(5), b_fails);
    assert_eq!(bench.writes.len(), written);
    assert!(settled(&bench));
}

#[test]
fn a_write_that_a_reload_has_outdated_does_not_count() {
    let list = |variable: &str| {
        let mut config = config([quick("a", A)]);
        if let Some(family) = &mut config.daemon.families[0] {
            family.variable = variable.to_string();
        }
        config
    };
    let mut bench = Bench::new(world(list("OLD"), &[]));
    bench.slow_disk = true;
    bench.answer("a", Ended::Exit(0));
    reload(&mut bench, list("NEW"));
    assert_eq!(writes(&bench).len(), 1, "that of the old name");
    while !bench.orders.is_empty() {
        bench.disk_works();
        bench.pass(seconds(1), pass);
    }
    assert_eq!(bench.writes.len(), 2, "and one of the new name");
    assert!(settled(&bench));
}

#[test]
fn what_changes_while_bird_reads_is_told_once_more() {
    let mut one_bird = config([quick("a", A), quick("v6", V6), quick("b", B)]);
    for family in one_bird.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    let mut bench = Bench::new(world(one_bird, &[]));
    bench.slow_disk = true;
    bench.bird = None;
    end_together(&mut bench, pass);
    bench.disk_works();
    bench.pass(seconds(1), |_| None);
    assert_eq!(
        bench.vias.len(),
        1,
        "BIRD reads without the file that hangs"
    );
    bench.disk_works();
    let job = *bench.vias.keys().next().expect("it reads still");
    bench.forget(job);
    let outcome = Ok(Accepted::Reconfigured);
    bench.event(Event::ReconfigureEnded { job, outcome });
    assert!(!settled(&bench));
    bench.pass(seconds(1), |_| None);
    assert_eq!(bench.vias.len(), 1, "and once more");
}

#[test]
fn a_stop_does_not_wait_for_a_file_for_ever_and_says_so() {
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick("a", A)
    };
    // It hangs, and it cannot be written.
    for slow in [true, false] {
        let mut bench = Bench::new(world(config([leaving.clone(), quick("c", C)]), &[A]));
        bench.pass(seconds(1), pass);
        (bench.slow_disk, bench.disk_full) = (slow, !slow);
        let begin = bench.now;
        bench.event(Event::Stop { signal: "SIGTERM" });
        while !bench.exited {
            assert!(bench.jump());
        }
        assert!(bench.now.since(begin) <= seconds(6));
        assert!(bench.in_file(A) && !bench.clean);
        let end = |what: &What| {
            matches!(
                what,
                What::Stopped {
                    end: notice::End::FilesAreWrong,
                    ..
                }
            )
        };
        assert_eq!(bench.said(end), 1);
    }
}
