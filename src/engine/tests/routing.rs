//! Files and BIRD: what is written when, how often BIRD is told, and how trouble is overcome.

use super::fixture::{A, B, V6, pass, quick, seconds};
use super::*;

fn fail(_: &str) -> Option<Ended> {
    Some(Ended::Exit(1))
}

#[test]
fn a_restart_moves_nothing_and_tells_nobody() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("v6", V6)]), &[A, V6]));
    bench.pass(seconds(60), pass);
    assert!(bench.writes.is_empty() && bench.reconfigurations.is_empty());
    assert!(bench.in_file(A) && bench.in_file(V6));
}

#[test]
fn after_an_unclean_end_bird_is_told_once_more() {
    let bench = Bench::start(world(config([quick("a", A)]), &[A]), true);
    assert!(bench.writes.is_empty());
    assert_eq!(bench.reconfigurations.len(), 2, "one for each BIRD");
}

#[test]
fn each_file_has_its_bird_and_one_bird_is_told_once() {
    let services = || [quick("a", A), quick("v6", V6)];
    let mut bench = Bench::new(world(config(services()), &[]));
    bench.pass(seconds(1), pass);
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (2, 2));

    let mut one_bird = config(services());
    let via = Via::Socket("/run/bird.ctl".into());
    for family in one_bird.daemon.families.iter_mut().flatten() {
        family.via = via.clone();
    }
    let mut bench = Bench::new(world(one_bird, &[]));
    let jobs: Vec<JobId> = bench.jobs.keys().copied().collect();
    for job in jobs {
        bench.jobs.remove(&job);
        bench.part_of_turn(Event::JobEnded {
            job,
            ended: Ended::Exit(0),
            output: Output::default(),
        });
    }
    bench.finish_turn();
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (2, 1));
}

#[test]
fn five_hundred_that_fall_within_half_a_second_are_a_handful_of_updates() {
    let prefixes: Vec<String> = (0..500)
        .map(|n| format!("10.{}.{}.1/32", n / 250, n % 250))
        .collect();
    let services = prefixes
        .iter()
        .enumerate()
        .map(|(n, prefix)| quick(&format!("s{n}"), prefix));
    let found: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let mut bench = Bench::new(world(config(services), &found));
    while bench.started.len() < 500 {
        bench.event(Event::Due);
    }
    let begin = bench.now;
    let jobs: Vec<JobId> = bench.jobs.keys().copied().collect();
    for job in jobs {
        bench.end(job, Ended::Exit(1));
        bench.now = bench.now + Duration::from_millis(1);
        bench.event(Event::Due);
    }
    assert_eq!(bench.writes[0].0, begin, "the first change goes at once");
    bench.pass(Duration::from_millis(300), |_| None);
    assert!(bench.files[0].is_empty());
    assert!(bench.writes.len() <= 4, "{} writes", bench.writes.len());
    assert_eq!(bench.reconfigurations.len(), bench.writes.len());
}

#[test]
fn while_bird_is_being_told_changes_wait_and_go_together() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.reconfigurations.len(), 1);
    bench.answer("b", Ended::Exit(0));
    bench.pass(seconds(1), |_| None);
    assert_eq!((bench.reconfigurations.len(), bench.writes.len()), (1, 1));
    let (job, _) = bench
        .jobs
        .iter()
        .find(|(_, job)| **job == Job::Reconfigure)
        .map(|(a, b)| (*a, b.clone()))
        .unwrap();
    bench.jobs.remove(&job);
    bench.event(Event::ReconfigureEnded {
        job,
        outcome: Ok(Accepted::Reconfigured),
    });
    assert_eq!((bench.reconfigurations.len(), bench.writes.len()), (2, 2));
    assert!(bench.in_file(A) && bench.in_file(B));
}

#[test]
fn a_bird_that_has_queued_a_configuration_is_left_alone_for_a_while() {
    for (accepted, alone) in [
        (Accepted::Queued, true),
        (Accepted::InProgress, false),
        (Accepted::Reconfigured, false),
    ] {
        let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
        bench.bird = Some(Ok(accepted));
        bench.answer("a", Ended::Exit(0));
        bench.answer("b", Ended::Exit(0));
        bench.pass(seconds(10), |_| None);
        assert!(bench.in_file(A) && bench.in_file(B));
        let &[first, second] = &bench.reconfigurations[..] else {
            panic!("{accepted:?}: {:?}", bench.reconfigurations);
        };
        let gap = second.since(first);
        assert_eq!(gap >= seconds(2), alone, "{accepted:?}: {gap:?}");
        assert!(gap < seconds(3), "{accepted:?}: {gap:?}");
    }
}

#[test]
fn a_failed_reconfiguration_is_retried_until_it_succeeds_and_said_once() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = Some(Err(Refusal::Unreachable("connection refused".to_string())));
    bench.pass(seconds(600), pass);
    assert_eq!(
        bench.said(|what| matches!(what, What::ReconfigureFailed { .. })),
        1
    );
    let gaps: Vec<Duration> = bench
        .reconfigurations
        .windows(2)
        .map(|pair| pair[1].since(pair[0]))
        .collect();
    assert!(
        gaps.iter().all(|gap| *gap <= seconds(5)) && gaps[0] < seconds(1),
        "{gaps:?}"
    );
    assert!(bench.reconfigurations.len() < 200, "it is no flood");
    assert_eq!(bench.writes.len(), 1, "the file is right already");
    bench.bird = Some(Ok(Accepted::Reconfigured));
    bench.pass(seconds(5), pass);
    assert_eq!(
        bench.said(|what| matches!(what, What::ReconfigureRecovered { .. })),
        1
    );
    let told = bench.reconfigurations.len();
    bench.pass(seconds(60), pass);
    assert_eq!(bench.reconfigurations.len(), told);
}

#[test]
fn while_bird_is_down_the_file_still_follows_at_once() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = Some(Err(Refusal::Unreachable("connection refused".to_string())));
    bench.pass(seconds(105), pass);
    assert!(bench.in_file(A));
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    bench.pass(Duration::from_millis(250), |_| None);
    assert!(!bench.in_file(A));
}

#[test]
fn a_hanging_reconfiguration_is_killed_and_tried_again_at_once() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    bench.pass(seconds(5), pass);
    assert_eq!(
        bench.said(|what| matches!(
            what,
            What::ReconfigureFailed {
                refusal: Refusal::TimedOut,
                ..
            }
        )),
        1
    );
    bench.pass(seconds(1), pass);
    assert_eq!(bench.reconfigurations.len(), 2);
}

#[test]
fn what_hangs_is_gone_before_the_next_attempt_or_given_up() {
    let dying = |bench: &Bench| {
        let mut killed = bench.killed.iter();
        let found = killed.find(|job| bench.jobs.get(job) == Some(&Job::Reconfigure));
        found.copied()
    };
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.bird = None;
    bench.answer("b", Ended::Exit(1));
    bench.answer("a", Ended::Exit(0));
    while dying(&bench).is_none() {
        assert!(bench.jump());
    }
    // A change that is due at once finds it dying.
    bench.event(Event::RunNow);
    bench.answer("b", Ended::Exit(0));
    assert_eq!(bench.reconfigurations.len(), 1);
    let begin = bench.now;
    bench.reap_killed();
    assert_eq!((bench.reconfigurations.len(), bench.now), (2, begin));

    // The next one never dies: nothing waits for it longer than a second.
    while dying(&bench).is_none() {
        assert!(bench.jump());
    }
    let begin = bench.now;
    while bench.reconfigurations.len() == 2 {
        assert!(bench.jump());
    }
    assert_eq!(bench.now.since(begin), seconds(1));
}

#[test]
fn a_full_disk_is_retried_and_said_once() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.disk_full = true;
    bench.pass(seconds(60), pass);
    assert!(
        bench.reconfigurations.is_empty(),
        "there is nothing to tell"
    );
    assert_eq!(
        bench.said(|what| matches!(what, What::FileFailed { .. })),
        1
    );
    bench.disk_full = false;
    bench.pass(seconds(5), pass);
    assert!(bench.in_file(A));
    assert_eq!(bench.reconfigurations.len(), 1);
    assert_eq!(
        bench.said(|what| matches!(what, What::FileRecovered { .. })),
        1
    );
}

#[test]
fn two_changes_that_cancel_out_are_no_update() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.answer("a", Ended::Exit(0));
    bench.answer("b", Ended::Exit(0));
    bench.event(Event::RunNow);
    bench.answer("b", Ended::Exit(1));
    bench.pass(seconds(1), |_| None);
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (1, 1));
    assert!(bench.in_file(A) && !bench.in_file(B));
}

#[test]
fn strangers_stay_until_the_first_update_unless_purged() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A, "203.0.113.9/32"]));
    bench.pass(seconds(30), pass);
    assert!(bench.in_file("203.0.113.9/32") && bench.writes.is_empty());
    bench.pass(seconds(30), fail);
    assert!(bench.files[0].is_empty());

    let mut purging = config([quick("a", A)]);
    purging.daemon.purge_ip_prefixes = true;
    let bench = Bench::new(world(purging, &[A, "203.0.113.9/32"]));
    assert_eq!(
        (bench.in_file(A), bench.in_file("203.0.113.9/32")),
        (true, false)
    );
    assert_eq!(bench.reconfigurations.len(), 1);
}

#[test]
fn a_repair_keeps_what_is_announced() {
    let mut broken = world(config([quick("a", A)]), &[A, "203.0.113.9/32"]);
    broken.files[0].repair = Some(Repair::DummyMissing);
    let bench = Bench::new(broken);
    assert!(bench.in_file(A) && bench.in_file("203.0.113.9/32"));
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (1, 1));
}

#[test]
fn disabled_services_are_what_on_disabled_says() {
    let disabled = |name, prefix, on_disabled| ServiceConfig {
        disabled: true,
        on_disabled,
        ..service(name, prefix)
    };
    let services = [
        disabled("a", A, Announce::Advertise),
        disabled("b", B, Announce::Withdraw),
    ];
    let mut bench = Bench::new(world(config(services), &[B]));
    assert!(bench.in_file(A) && !bench.in_file(B));
    bench.event(Event::RunNow);
    bench.event(Event::Addresses(Rc::default()));
    bench.pass(seconds(60), pass);
    assert!(bench.started.is_empty() && bench.in_file(A));
}

#[test]
fn on_start_decides_until_the_first_verdict() {
    let start = |name, prefix, on_start| ServiceConfig {
        on_start,
        ..service(name, prefix)
    };
    let services = [
        start("a", A, Announce::Advertise),
        start("b", B, Announce::Withdraw),
        service("v6", V6),
    ];
    let bench = Bench::new(world(config(services), &[B, V6]));
    assert!(bench.in_file(A) && !bench.in_file(B) && bench.in_file(V6));
}

#[test]
fn a_shared_prefix_is_announced_only_while_all_are_up() {
    let shared = |name| ServiceConfig {
        shared_prefix: true,
        ..quick(name, A)
    };
    let mut bench = Bench::new(world(config([shared("one"), shared("two")]), &[]));
    bench.answer("one", Ended::Exit(0));
    bench.pass(seconds(1), |_| None);
    assert!(!bench.in_file(A));
    bench.answer("two", Ended::Exit(0));
    assert!(bench.in_file(A));
    bench.pass(seconds(10), |name| {
        Some(Ended::Exit(u8::from(name == "two")))
    });
    assert!(!bench.in_file(A));
}

#[test]
fn several_prefixes_of_a_check_go_together() {
    let mut bench = Bench::new(world(
        config([quick("a", "192.0.2.1/32 2001:db8:1::1/128 192.0.2.2/32")]),
        &[],
    ));
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A) && bench.in_file(B) && bench.in_file(V6));
    assert_eq!(bench.writes.len(), 2);
}

#[test]
fn a_custom_command_stands_in_for_the_reconfiguration() {
    let custom = |name, prefix| ServiceConfig {
        custom_cmd: Some(CommandLine::of(["tell".to_string()])),
        ..quick(name, prefix)
    };
    let mut bench = Bench::new(world(config([custom("a", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    assert!(
        bench
            .jobs
            .values()
            .any(|job| *job == Job::Custom("a".to_string(), true))
    );
    assert!(bench.reconfigurations.is_empty() && bench.in_file(A));
    // While it runs, only the newest of what changes is kept.
    for status in [1, 0, 1] {
        bench.event(Event::RunNow);
        bench.answer("a", Ended::Exit(status));
        bench.now = bench.now + Duration::from_millis(300);
        bench.event(Event::Due);
    }
    assert_eq!(bench.jobs.len(), 1);
    bench.pass(Duration::from_millis(10), |_| None);
    let done = bench.said(|what| matches!(what, What::CustomDone { .. }));
    assert_eq!(done, 2, "up, and then only the last");
    assert!(!bench.in_file(A));
}

#[test]
fn a_custom_command_has_its_time_and_is_not_repeated() {
    let custom = ServiceConfig {
        custom_cmd: Some(CommandLine::of(["tell".to_string()])),
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([custom]), &[]));
    bench.answer("a", Ended::Exit(0));
    while bench.killed.is_empty() {
        assert!(bench.jump());
    }
    bench.reap_killed();
    bench.pass(seconds(60), pass);
    assert_eq!(
        bench.said(|what| matches!(
            what,
            What::CustomFailed {
                timed_out: true,
                ..
            }
        )),
        1
    );
    assert!(bench.engine.customs.finished());
}
