//! What the engine promises beside its main paths: each was once free to be broken without a test that noticed.

use super::changes::reload;
use super::fixture::{A, B, V6, pass, quick, seconds};
use super::*;

fn with_command(prefixes: &str, command: &str) -> ServiceConfig {
    ServiceConfig {
        custom_cmd: Some(CommandLine::of([command])),
        custom_timeout: seconds(60),
        ..quick("a", prefixes)
    }
}

fn command(bench: &Bench, up: bool) -> Option<JobId> {
    let wanted = Job::Custom("a".to_string(), up);
    let mut jobs = bench.jobs.iter();
    jobs.find(|(_, job)| **job == wanted).map(|(id, _)| *id)
}

fn fails(name: &'static str) -> impl Fn(&str) -> Option<Ended> {
    move |other| Some(Ended::Exit(u8::from(other == name)))
}

fn paced(update_interval: Duration) -> Config {
    let mut config = config([quick("a", A), quick("b", B)]);
    config.daemon.update_interval = update_interval;
    config
}

#[test]
fn a_reload_takes_over_the_pace_of_updates_for_what_waits() {
    let mut bench = Bench::new(world(paced(seconds(3600)), &[A, B]));
    bench.pass(seconds(2), pass);
    bench.pass(seconds(20), fails("a"));
    assert!(!bench.in_file(A), "the first change goes at once");
    bench.pass(seconds(20), |_| Some(Ended::Exit(1)));
    assert!(bench.in_file(B), "the second waits for an hour");
    reload(&mut bench, paced(Duration::from_millis(250)));
    bench.pass(seconds(1), |_| Some(Ended::Exit(1)));
    assert!(!bench.in_file(B));
}

#[test]
fn a_reload_takes_over_the_time_of_a_reconfiguration() {
    let timed = |timeout| {
        let mut config = config([quick("a", A)]);
        config.daemon.reconfigure_timeout = timeout;
        config
    };
    let mut bench = Bench::new(world(timed(seconds(3600)), &[]));
    reload(&mut bench, timed(seconds(2)));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    bench.pass(seconds(3), pass);
    assert_eq!(bench.reconfigurations.len(), 2);
}

/// BIRD puts the first configuration into its queue.
fn queued(config: Config, found: &[&str]) -> Bench {
    let bird = Some(Ok(Accepted::Queued));
    let mut bench = Bench::start_with(world(config, found), false, bird);
    bench.pass(Duration::from_millis(500), pass);
    assert_eq!(bench.reconfigurations.len(), 1);
    bench
}

fn left_alone(bench: &Bench) {
    let told = &bench.reconfigurations;
    assert!(told.len() > 1, "BIRD was told only once");
    let mut gaps = told.windows(2).map(|pair| pair[1].since(pair[0]));
    assert!(gaps.all(|gap| gap >= seconds(2)), "{told:?}");
}

#[test]
fn a_bird_that_has_queued_is_left_alone_over_a_reload() {
    let mut bench = queued(config([quick("a", A)]), &[]);
    let mut renamed = config([quick("a", A)]);
    if let Some(family) = &mut renamed.daemon.families[0] {
        family.variable = "Z".to_string();
    }
    reload(&mut bench, renamed);
    bench.pass(seconds(5), pass);
    left_alone(&bench);
}

#[test]
fn a_bird_that_has_queued_is_left_alone_by_a_stop_and_told_all_the_same() {
    for timeout in [1, 5] {
        let leaving = ServiceConfig {
            on_exit: Announce::Withdraw,
            ..quick("a", A)
        };
        let mut one = config([leaving]);
        one.daemon.reconfigure_timeout = seconds(timeout);
        let mut bench = queued(one, &[]);
        bench.event(Event::Stop { signal: "SIGTERM" });
        let begin = bench.now;
        while !bench.exited {
            assert!(bench.jump());
        }
        left_alone(&bench);
        assert!(bench.clean && !bench.in_file(A));
        assert!(bench.now.since(begin) <= seconds(3));
    }
}

#[test]
fn a_bird_that_has_queued_is_left_alone_by_retries_over_a_full_disk() {
    let mut one_bird = config([quick("a", A), quick("b", V6)]);
    for family in one_bird.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    let bird = Some(Ok(Accepted::Queued));
    let mut bench = Bench::start_with(world(one_bird, &[]), false, bird);
    bench.full = [true, false];
    bench.pass(Duration::from_millis(300), pass);
    bench.full = [false, false];
    bench.pass(seconds(10), pass);
    left_alone(&bench);
}

#[test]
fn a_stop_tries_once_more_what_bird_does_not_know() {
    let refusal = Err(Refusal::Unreachable("down".to_string()));
    let mut bench = Bench::start_with(world(config([quick("a", A)]), &[]), false, Some(refusal));
    bench.pass(seconds(30), pass);
    bench.bird = Some(Ok(Accepted::Reconfigured));
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(bench.exited && bench.clean);
}

#[test]
fn a_stop_waits_for_a_bird_that_is_to_be_left_alone_though_a_disk_is_full() {
    let leaving = |name, prefix| ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick(name, prefix)
    };
    let mut one_bird = config([leaving("a", A), leaving("b", V6)]);
    for family in one_bird.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    let mut bench = queued(one_bird, &[V6]);
    bench.full = [false, true];
    bench.event(Event::Stop { signal: "SIGTERM" });
    while !bench.exited {
        assert!(bench.jump());
    }
    left_alone(&bench);
    assert!(!bench.in_file(A) && !bench.clean);
}

#[test]
fn what_failed_while_its_command_was_replaced_is_delivered_by_the_new_one() {
    let mut bench = Bench::new(world(config([with_command(A, "/bin/old")]), &[A]));
    bench.answer("a", Ended::Exit(1));
    let down = command(&bench, false).expect("down runs");
    reload(&mut bench, config([with_command(A, "/bin/new")]));
    assert_eq!(command(&bench, false), Some(down), "one at a time");
    bench.end(down, Ended::Exit(1));
    let again = command(&bench, false).expect("the new one runs");
    bench.end(again, Ended::Exit(0));
    assert!(bench.engine.customs.done());
}

#[test]
fn what_is_not_true_any_more_is_not_delivered_again() {
    let mut bench = Bench::new(world(config([with_command(A, "/bin/c")]), &[]));
    bench.answer("a", Ended::Exit(0));
    let up = command(&bench, true).expect("up runs");
    bench.end(up, Ended::Exit(1));
    // It falls, and the file cannot be written: `down` waits, and `up` is history.
    bench.disk_full = true;
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    reload(&mut bench, config([with_command(A, "/bin/mended")]));
    bench.disk_full = false;
    bench.pass(Duration::from_millis(1500), |_| None);
    assert_eq!(command(&bench, true), None);
    let up_again = |what: &What| matches!(what, What::CustomDone { up: true, .. });
    assert_eq!(bench.said(up_again), 0);
}

#[test]
fn a_command_runs_only_when_the_files_of_both_families_are_written() {
    let mut bench = Bench::new(world(
        config([with_command(&format!("{A} {V6}"), "/bin/c")]),
        &[],
    ));
    bench.full = [false, true];
    bench.answer("a", Ended::Exit(0));
    bench.event(Event::Due);
    assert!(bench.in_file(A) && command(&bench, true).is_none());
    bench.full = [false, false];
    bench.pass(Duration::from_millis(600), |_| None);
    let done = |what: &What| matches!(what, What::CustomDone { up: true, .. });
    assert!(bench.in_file(V6) && bench.said(done) == 1);
}

#[test]
fn an_end_with_a_command_that_hangs_or_fails_is_not_clean() {
    for fails in [false, true] {
        let leaving = ServiceConfig {
            on_exit: Announce::Withdraw,
            ..with_command(A, "/bin/c")
        };
        let mut bench = Bench::new(world(config([leaving]), &[A]));
        bench.event(Event::Stop { signal: "SIGTERM" });
        if fails {
            let down = command(&bench, false).expect("down runs");
            bench.end(down, Ended::Exit(1));
        }
        while !bench.exited {
            assert!(bench.jump());
        }
        assert!(!bench.clean && !bench.in_file(A));
    }
}

#[test]
fn a_fast_interval_that_is_longer_than_the_interval_delays_nothing() {
    let slow = ServiceConfig {
        fast_interval: Some(seconds(60)),
        ..service("a", A)
    };
    let mut bench = Bench::new(world(config([slow]), &[]));
    bench.pass(seconds(45), |_| Some(Ended::Exit(0)));
    assert_eq!(bench.started.len(), 5);
}

#[test]
fn metrics_are_written_at_once_and_then_spaced() {
    let mut with_metrics = config([quick("a", A), quick("b", B)]);
    with_metrics.daemon.metrics = Some(MetricsConfig {
        directory: "/m".into(),
        interval: seconds(20),
    });
    let mut bench = Bench::new(world(with_metrics, &[]));
    assert_eq!(bench.metrics, 1);
    bench.now = bench.now + seconds(1);
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.metrics, 2, "a change is told at once");
    let begin = bench.now;
    bench.answer("b", Ended::Exit(1));
    assert_eq!(
        bench.metrics, 2,
        "and the next one with what comes soon after"
    );
    while bench.metrics == 2 {
        assert!(bench.jump());
    }
    assert_eq!(bench.now.since(begin), Duration::from_millis(250));
    bench.pass(seconds(9) - Duration::from_millis(300), |_| None);
    assert!(bench.metrics <= 5);
}

#[test]
fn each_family_has_counters_of_its_own() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("v6", V6)]), &[]));
    bench.full = [false, true];
    bench.pass(seconds(1), pass);
    bench.full = [false, false];
    bench.pass(seconds(5), pass);
    let snapshot = bench.engine.snapshot();
    let [four, six] = [0, 1].map(|index| snapshot.families[index].counters);
    assert_eq!(
        (four.files_written, four.file_failures, four.reconfigured),
        (1, 0, 1)
    );
    assert_eq!((six.files_written, six.reconfigured), (1, 1));
    assert!(six.file_failures > 0);
}

#[test]
fn what_bird_says_late_counts() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    while bench.killed.is_empty() {
        assert!(bench.jump());
        for job in bench.vias.keys().copied().collect::<Vec<_>>() {
            if bench.killed.contains(&job) {
                bench.forget(job);
                let outcome = Ok(Accepted::Queued);
                bench.event(Event::ReconfigureEnded { job, outcome });
            }
        }
        bench.killed.retain(|job| !bench.jobs.contains_key(job));
    }
    bench.bird = Some(Ok(Accepted::Reconfigured));
    bench.pass(seconds(5), pass);
    assert_eq!(bench.reconfigurations.len(), 1);
}
