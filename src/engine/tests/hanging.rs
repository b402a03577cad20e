//! What was killed and does not die: it holds nothing, nothing waits for it, and a check of that kind goes on failing.

use super::changes::reload;
use super::fixture::{A, B, pass, quick, seconds};
use super::*;

/// Time in which nothing that was killed dies, and checks other than these end at once.
fn hang(bench: &mut Bench, span: Duration, ended: impl Fn(&str) -> Option<Ended>) {
    let until = bench.now + span;
    loop {
        let checks = bench.jobs.iter().filter_map(|(id, job)| match job {
            Job::Check(name) if !bench.doomed.contains(id) => Some((*id, ended(name)?)),
            _ => None,
        });
        let checks: Vec<(JobId, Ended)> = checks.collect();
        let answered = !checks.is_empty();
        for (job, ended) in checks {
            bench.end(job, ended);
        }
        let next = bench.engine.next_deadline(bench.now);
        if next.is_some_and(|at| at <= until) {
            bench.jump();
        } else if !answered {
            break;
        }
    }
    bench.now = until;
}

fn counters(bench: &Bench, name: &str) -> snapshot::ServiceCounters {
    let snapshot = bench.engine.snapshot();
    let mut services = snapshot.services.iter();
    let view = services.find(|view| view.config.name == name);
    view.expect("a service").counters
}

fn not_killed(job: JobId) -> Event {
    let cause = "operation not permitted".to_string();
    Event::JobNotKilled {
        job,
        pid: 77,
        cause,
    }
}

fn does_not_die(what: &What) -> bool {
    matches!(what, What::DoesNotDie { .. })
}

#[test]
fn every_slot_that_finds_a_run_that_does_not_die_is_one_more_time_out() {
    // Up, and unknown as after a restart.
    for (before, until_it_starts) in [(59, seconds(1)), (0, seconds(0))] {
        let slow = ServiceConfig {
            rise: 2,
            fall: 3,
            timeout: seconds(5),
            ..service("a", A)
        };
        let mut bench = Bench::new(world(config([slow]), &[A]));
        bench.pass(seconds(before), |_| (before > 0).then_some(Ended::Exit(0)));
        let started = bench.started.len() + usize::from(before > 0);
        // At 5 s its time is up; the slots at 10 s and 20 s find it there still.
        let until_then = until_it_starts + seconds(20) - Duration::from_millis(1);
        hang(&mut bench, until_then, |_| None);
        assert_ne!(bench.status("a"), Status::Down);
        assert_eq!(counters(&bench, "a").timed_out, 2);
        hang(&mut bench, seconds(2), |_| None);
        assert_eq!((bench.status("a"), bench.in_file(A)), (Status::Down, false));
        hang(&mut bench, seconds(100), |_| None);
        assert_eq!(bench.started.len(), started, "it never runs twice");
        assert_eq!(counters(&bench, "a").timed_out, 13);
        assert_eq!(bench.said(does_not_die), 1);
        let snapshot = bench.engine.snapshot();
        assert_eq!(snapshot.services[0].state_value, Some(126));
        assert_eq!((snapshot.running, snapshot.abandoned), (0, 1));
        drop(snapshot);

        // At last the disk is back.
        let job = bench.job_of("a").expect("it hangs");
        bench.end(job, Ended::Signal(9));
        assert_eq!(bench.engine.snapshot().abandoned, 0);
        bench.pass(seconds(30), |_| Some(Ended::Exit(0)));
        assert_eq!((bench.status("a"), bench.in_file(A)), (Status::Up, true));
        assert_eq!(counters(&bench, "a").timed_out, 13);
    }
}

#[test]
fn a_run_that_is_just_dying_is_not_one_more_time_out() {
    // The slot comes at the moment of the time-out.
    let edge = ServiceConfig {
        fall: 2,
        timeout: seconds(10),
        ..service("a", A)
    };
    let mut bench = Bench::new(world(config([edge]), &[A]));
    bench.pass(seconds(11), |_| None);
    assert_eq!(counters(&bench, "a").timed_out, 1);
    assert_eq!(bench.status("a"), Status::Unknown);
}

#[test]
fn the_fast_interval_counts_such_time_outs_as_well() {
    let fast = ServiceConfig {
        fast_interval: Some(seconds(2)),
        fall: 4,
        timeout: seconds(5),
        ..service("a", A)
    };
    let mut bench = Bench::new(world(config([fast]), &[A]));
    // The time-out at 5 s, the slot at 10 s, and two fast ones.
    hang(&mut bench, seconds(13), |_| None);
    assert_ne!(bench.status("a"), Status::Down);
    hang(&mut bench, seconds(1), |_| None);
    assert_eq!(bench.status("a"), Status::Down);
    hang(&mut bench, seconds(30), |_| None);
    assert_eq!(
        counters(&bench, "a").timed_out,
        4 + 3,
        "the fall is complete"
    );
}

#[test]
fn a_signal_judges_no_run_that_does_not_die() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[A]));
    hang(&mut bench, seconds(6), |_| None);
    let before = counters(&bench, "a").timed_out;
    for _ in 0..5 {
        bench.event(Event::RunNow);
    }
    assert_eq!(counters(&bench, "a").timed_out, before);
    assert_eq!(bench.started.len(), 1);
    // It runs once more as soon as it can.
    let job = bench.job_of("a").expect("it hangs");
    bench.end(job, Ended::Signal(9));
    assert_eq!(bench.started.len(), 2);
}

#[test]
fn who_cannot_be_killed_at_all_is_not_waited_for_either() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[]));
    while bench.killed.is_empty() {
        assert!(bench.jump());
    }
    let job = bench.killed[0];
    bench.event(not_killed(job));
    assert_eq!(bench.engine.snapshot().abandoned, 1);
    hang(&mut bench, seconds(60), |_| None);
    assert_eq!(bench.status("a"), Status::Down);
    let not_killed = |what: &What| matches!(what, What::NotKilled { pid: 77, .. });
    assert_eq!((bench.said(not_killed), bench.said(does_not_die)), (1, 0));
    bench.end(job, Ended::Exit(0));
    bench.pass(seconds(9), |_| None);
    assert_eq!(bench.started.len(), 2);
}

#[test]
fn what_does_not_die_holds_no_place() {
    let limited = |hanging| {
        let mut limited = config([hanging, service("b", B)]);
        limited.daemon.max_running_checks = 1;
        limited
    };
    let b_fails = |name: &str| (name == "b").then_some(Ended::Exit(1));
    let mut bench = Bench::new(world(limited(service("a", A)), &[A, B]));
    hang(&mut bench, seconds(60), b_fails);
    assert_eq!((bench.status("b"), bench.in_file(B)), (Status::Down, false));

    // Nor does a run whose service a reload has changed, which has one of its own.
    let mut bench = Bench::new(world(limited(service("a", A)), &[A, B]));
    bench.answer("b", Ended::Exit(0));
    let old = bench.job_of("a").expect("it runs");
    let changed = ServiceConfig {
        timeout: seconds(3),
        ..service("a", A)
    };
    reload(&mut bench, limited(changed));
    assert_eq!(bench.started.len(), 2, "it has a second to die");
    hang(&mut bench, seconds(60), b_fails);
    assert_eq!(
        bench.started.iter().filter(|(_, name)| name == "a").count(),
        2
    );
    assert_eq!(
        (bench.status("a"), bench.status("b")),
        (Status::Down, Status::Down)
    );
    assert_eq!(bench.engine.snapshot().abandoned, 2);
    // The end of the old run is not that of the new one.
    bench.end(old, Ended::Exit(0));
    let snapshot = bench.engine.snapshot();
    assert_eq!(
        (snapshot.abandoned, snapshot.services[0].running),
        (1, true)
    );

    // Nor one that was called off.
    let path = PathBuf::from("/run/drain/a");
    let drained = ServiceConfig {
        maintenance_file: Some(path.clone()),
        ..service("a", A)
    };
    let mut bench = Bench::new(world(limited(drained), &[A, B]));
    bench.answer("b", Ended::Exit(0));
    bench.event(Event::Maintenance {
        path,
        present: true,
    });
    hang(&mut bench, seconds(60), b_fails);
    assert_eq!(bench.status("b"), Status::Down);
}

fn with_command(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        custom_cmd: Some(CommandLine::of(["tell"])),
        custom_timeout: seconds(2),
        ..quick(name, prefix)
    }
}

fn command(bench: &Bench, up: bool) -> Option<JobId> {
    let wanted = Job::Custom("a".to_string(), up);
    let mut jobs = bench.jobs.iter();
    let found = jobs.find(|(id, job)| **job == wanted && !bench.doomed.contains(*id));
    found.map(|(id, _)| *id)
}

#[test]
fn a_command_that_does_not_die_keeps_no_withdrawal() {
    // One that was killed and hangs, and one that the kernel does not let us kill.
    for refused in [false, true] {
        let mut bench = Bench::new(world(config([with_command("a", A)]), &[]));
        bench.answer("a", Ended::Exit(0));
        let up = command(&bench, true).expect("up runs");
        hang(&mut bench, seconds(2), pass);
        assert_eq!(bench.killed, [up]);
        if refused {
            bench.event(not_killed(up));
        }
        bench.event(Event::RunNow);
        bench.answer("a", Ended::Exit(1));
        hang(&mut bench, Duration::from_millis(1300), |_| None);
        let down = command(&bench, false).expect("down runs");
        let counted = |bench: &Bench| {
            let customs = bench.engine.snapshot().customs;
            (customs.done, customs.failed)
        };
        assert_eq!(counted(&bench), (0, 1));
        assert_eq!(bench.said(does_not_die), usize::from(!refused));
        // The late end of the first is not that of the second.
        bench.end(up, Ended::Exit(0));
        assert_eq!(counted(&bench), (0, 1));
        bench.end(down, Ended::Exit(0));
        assert_eq!(counted(&bench), (1, 1));
        assert!(bench.engine.customs.finished());
    }
}

#[test]
fn reconfigurations_that_do_not_die_become_rarer_and_the_line_is_said_once() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = None;
    hang(&mut bench, seconds(24 * 3600), pass);
    let tries = bench.reconfigurations.len();
    assert!((50..200).contains(&tries), "{tries} in a day");
    assert_eq!(bench.said(does_not_die), 1);
    assert!(bench.engine.snapshot().abandoned >= tries - 1);
    // A change is in the file at once all the same.
    hang(&mut bench, seconds(11), |_| Some(Ended::Exit(1)));
    assert!(!bench.in_file(A));
    // Whatever held them lets go.
    bench.bird = Some(Ok(Accepted::Reconfigured));
    let stuck: Vec<JobId> = bench.vias.keys().copied().collect();
    for job in stuck {
        bench.forget(job);
        let outcome = Err(Refusal::Said("late".to_string()));
        bench.event(Event::ReconfigureEnded { job, outcome });
    }
    bench.pass(seconds(1), pass);
    assert!(bench.engine.snapshot().families[0].settled);
    assert_eq!(bench.engine.snapshot().abandoned, 0);
}

#[test]
fn what_could_not_be_started_may_be_known_late() {
    let failure = || StartFailure {
        status: 126,
        cause: "permission denied".to_string(),
    };
    let mut bench = Bench::new(world(config([with_command("a", A)]), &[]));
    let not_started = |bench: &mut Bench, job| {
        bench.forget(job);
        let failure = failure();
        bench.event(Event::JobNotStarted { job, failure });
    };
    // After its time-out, and after it was given up.
    let job = bench.job_of("a").expect("it runs");
    hang(&mut bench, Duration::from_millis(5500), |_| None);
    not_started(&mut bench, job);
    hang(&mut bench, seconds(30), |_| None);
    let job = bench.job_of("a").expect("it runs again");
    not_started(&mut bench, job);
    let counted = counters(&bench, "a");
    assert_eq!((counted.not_started, counted.timed_out > 3), (0, true));
    // In time.
    while bench.job_of("a").is_none() {
        assert!(bench.jump());
    }
    let job = bench.job_of("a").expect("it runs again");
    not_started(&mut bench, job);
    assert_eq!(counters(&bench, "a").not_started, 1);
    // A command, and a reconfiguration, which is tried again.
    let mut bench = Bench::new(world(config([with_command("a", A), quick("b", B)]), &[]));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    let job = command(&bench, true).expect("it is told");
    not_started(&mut bench, job);
    assert_eq!(bench.engine.snapshot().customs.failed, 1);
    bench.answer("b", Ended::Exit(0));
    bench.pass(seconds(1), |_| None);
    let job = *bench.vias.keys().next().expect("BIRD is told");
    not_started(&mut bench, job);
    bench.pass(seconds(1), |_| None);
    assert_eq!(bench.reconfigurations.len(), 2);
}
