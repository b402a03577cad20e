//! Reloads and the end.

use super::fixture::{A, B, C, pass, quick, seconds};
use super::*;

/// The files as they are now stand in the new world.
pub(super) fn reload(bench: &mut Bench, config: Config) {
    let mut world = world(config, &[]);
    for (file, prefixes) in world.files.iter_mut().zip(&bench.files) {
        file.prefixes = prefixes.clone();
    }
    bench.reload(world);
}

#[test]
fn a_reload_without_a_change_changes_nothing() {
    let services: Vec<_> = (0..100)
        .map(|n| service(&format!("s{n}"), &format!("10.0.{n}.1/32")))
        .collect();
    let mut quiet = Bench::new(world(config(services.clone()), &[]));
    let mut reloaded = Bench::new(world(config(services.clone()), &[]));
    for _ in 0..50 {
        reload(&mut reloaded, config(services.clone()));
        quiet.pass(Duration::from_millis(777), pass);
        reloaded.pass(Duration::from_millis(777), pass);
    }
    assert_eq!(quiet.started, reloaded.started);
    assert_eq!(quiet.writes, reloaded.writes);
    assert_eq!(quiet.reconfigurations, reloaded.reconfigurations);
    assert_eq!(quiet.files, reloaded.files);
}

#[test]
fn removed_ones_are_withdrawn_and_new_ones_start() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.pass(seconds(15), pass);
    reload(&mut bench, config([quick("b", B), quick("c", C)]));
    assert!(!bench.in_file(A) && bench.in_file(B) && !bench.in_file(C));
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(C));
    let before = bench.started.len();
    bench.pass(seconds(30), pass);
    assert!(bench.started[before..].iter().all(|(_, name)| name != "a"));
}

#[test]
fn a_removed_service_that_is_running_is_killed_and_forgotten() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A]));
    assert!(bench.job_of("a").is_some());
    reload(&mut bench, config([quick("b", B)]));
    assert_eq!(bench.killed.len(), 1);
    bench.reap_killed();
    bench.pass(seconds(30), pass);
    assert!(bench.in_file(B) && !bench.in_file(A));
}

#[test]
fn a_changed_one_starts_afresh_and_stays_announced_until_its_verdict() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    let writes = bench.writes.len();
    reload(
        &mut bench,
        config([ServiceConfig {
            rise: 3,
            fall: 2,
            ..service("a", A)
        }]),
    );
    assert_eq!(bench.status("a"), Status::Unknown);
    assert!(bench.in_file(A));
    bench.pass(seconds(60), pass);
    assert_eq!(
        (bench.status("a"), bench.writes.len()),
        (Status::Up, writes)
    );
    reload(
        &mut bench,
        config([ServiceConfig {
            rise: 3,
            fall: 3,
            ..service("a", A)
        }]),
    );
    bench.pass(seconds(60), |_| Some(Ended::Exit(1)));
    assert!(!bench.in_file(A));
}

#[test]
fn a_prefix_that_changes_hands_is_not_withdrawn() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    let writes = bench.writes.len();
    reload(&mut bench, config([quick("renamed", A)]));
    bench.pass(seconds(15), pass);
    assert_eq!(bench.writes.len(), writes);
    assert!(bench.in_file(A));
}

#[test]
fn a_changed_prefix_withdraws_the_old_one() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    reload(&mut bench, config([quick("a", B)]));
    bench.pass(seconds(1), pass);
    assert!(!bench.in_file(A) && bench.in_file(B));
}

#[test]
fn one_of_two_who_share_a_prefix_goes_and_the_other_decides() {
    let shared = |name| ServiceConfig {
        shared_prefix: true,
        ..quick(name, A)
    };
    let mut bench = Bench::new(world(config([shared("one"), shared("two")]), &[]));
    bench.pass(seconds(15), |name| {
        Some(Ended::Exit(u8::from(name == "two")))
    });
    assert!(!bench.in_file(A));
    reload(&mut bench, config([shared("one")]));
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A), "who objected is gone");
}

#[test]
fn switching_a_check_off_and_on_follows_on_disabled() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    reload(
        &mut bench,
        config([ServiceConfig {
            disabled: true,
            ..quick("a", A)
        }]),
    );
    bench.pass(seconds(1), pass);
    assert!(!bench.in_file(A));
    reload(&mut bench, config([quick("a", A)]));
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A));
}

#[test]
fn another_way_to_bird_is_taken_up_and_told() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    let told = bench.reconfigurations.len();
    let mut other = config([quick("a", A)]);
    for family in other.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    reload(&mut bench, other);
    bench.pass(seconds(15), pass);
    assert_eq!(bench.reconfigurations.len(), told + 1);
    assert!(bench.in_file(A));
}

#[test]
fn a_reload_while_bird_hangs_leaves_no_job_behind() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = None;
    bench.answer("a", Ended::Exit(0));
    bench.bird = Some(Ok(Accepted::Reconfigured));
    let mut other = config([quick("a", A)]);
    other.daemon.families[1] = None;
    reload(&mut bench, other.clone());
    assert!(bench.killed.is_empty(), "it has to do with the other BIRD");
    if let Some(family) = &mut other.daemon.families[0] {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    reload(&mut bench, other);
    assert_eq!(bench.killed.len(), 1);
    bench.pass(seconds(1), pass);
    assert!(bench.engine.routes.finished(bench.now) && bench.in_file(A));
}

#[test]
fn a_refused_reload_is_said_with_every_problem_and_counted() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    let complaint = |severity, line| Complaint {
        severity,
        file: "/etc/x.conf".to_string(),
        line,
        section: "a".to_string(),
        option: "check_cmd".to_string(),
        message: "is empty".to_string(),
    };
    bench.event(Event::ReloadRefused(vec![
        complaint(Severity::Error, 1),
        complaint(Severity::Warning, 2),
        complaint(Severity::Error, 3),
    ]));
    assert_eq!(bench.said(|what| matches!(what, What::Configuration(_))), 3);
    assert_eq!(
        bench.said(|what| matches!(what, What::ReloadRefused { problems: 2 })),
        1
    );
    assert_eq!(bench.engine.snapshot().reloads.refused, 1);
}

#[test]
fn stopping_kills_checks_leaves_prefixes_and_exits() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A]));
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(bench.exited && bench.in_file(A) && bench.writes.is_empty());
    assert_eq!(bench.killed.len(), 1);
}

#[test]
fn on_exit_is_one_update_and_then_the_wait() {
    let leaving = |name, prefix| ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick(name, prefix)
    };
    let mut config = config([leaving("a", A), leaving("b", B), quick("c", C)]);
    config.daemon.on_exit_wait = seconds(3);
    let mut bench = Bench::new(world(config, &[A, B, C]));
    bench.pass(seconds(1), pass);
    let begin = bench.now;
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(!bench.in_file(A) && !bench.in_file(B) && bench.in_file(C));
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (1, 1));
    assert!(!bench.exited);
    while !bench.exited {
        assert!(bench.jump());
    }
    assert_eq!(bench.now.since(begin), seconds(3));
}

#[test]
fn the_end_is_bounded_whatever_bird_does() {
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick("a", A)
    };
    for bird in [None, Some(Err(Refusal::Said("no".to_string())))] {
        let mut config = config([leaving.clone()]);
        config.daemon.on_exit_wait = seconds(2);
        let mut bench = Bench::new(world(config, &[A]));
        bench.pass(seconds(1), pass);
        bench.bird = bird;
        let begin = bench.now;
        bench.event(Event::Stop { signal: "SIGTERM" });
        while !bench.exited {
            assert!(bench.jump());
        }
        assert!(bench.now.since(begin) <= seconds(8));
    }
}

#[test]
fn a_bird_that_hangs_already_does_not_lengthen_the_end() {
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick("a", A)
    };
    let mut config = config([leaving, quick("b", B)]);
    config.daemon.on_exit_wait = seconds(6);
    let mut bench = Bench::new(world(config, &[A]));
    bench.bird = None;
    bench.answer("b", Ended::Exit(0));
    let begin = bench.now;
    bench.event(Event::Stop { signal: "SIGTERM" });
    while !bench.exited {
        if bench.reconfigurations.len() == 2 {
            // The one that was going on, and one of the end; the next is answered.
            bench.bird = Some(Ok(Accepted::Reconfigured));
        }
        assert!(bench.jump());
        bench.reap_killed();
    }
    assert_eq!(bench.reconfigurations.len(), 3);
    // Two time-outs and the whole wait would be 16.
    assert!(bench.now.since(begin) <= seconds(5 + 6 + 1));
    assert!(!bench.in_file(A));
}

#[test]
fn nothing_stops_waiting_for_the_spacing_of_updates() {
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([leaving]), &[]));
    bench.answer("a", Ended::Exit(0));
    assert!(bench.in_file(A));
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(bench.exited && !bench.in_file(A));
    assert_eq!(bench.reconfigurations.len(), 2);
}

#[test]
fn another_file_begins_with_what_the_old_one_announced() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[A]));
    let mut other = config([service("a", A)]);
    if let Some(family) = &mut other.daemon.families[0] {
        family.prefix_file = "/elsewhere".into();
    }
    // The new file is not there yet.
    let mut new_world = world(other, &[]);
    new_world.files[0].repair = Some(Repair::Missing);
    bench.reload(new_world);
    assert_eq!(bench.status("a"), Status::Unknown);
    assert!(bench.in_file(A));
}

#[test]
fn on_exit_advertise_brings_nothing_back_that_is_drained_or_disabled() {
    let path = PathBuf::from("/run/drain/a");
    let leaving = |name, prefix| ServiceConfig {
        on_exit: Announce::Advertise,
        ..quick(name, prefix)
    };
    let drained = ServiceConfig {
        maintenance_file: Some(path.clone()),
        ..leaving("a", A)
    };
    let disabled = ServiceConfig {
        disabled: true,
        ..leaving("b", B)
    };
    let mut bench = Bench::new(world(config([drained, disabled, leaving("c", C)]), &[]));
    bench.pass(seconds(1), |name| Some(Ended::Exit(u8::from(name == "c"))));
    bench.event(Event::Maintenance {
        path,
        present: true,
    });
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(!bench.in_file(A) && !bench.in_file(B) && bench.in_file(C));
}

#[test]
fn a_reload_does_not_keep_the_loop_from_its_work() {
    let services = (0..20).map(|n| {
        let prefixes: Vec<String> = (0..1000)
            .map(|m| format!("10.{n}.{}.{}/32", m / 250, m % 250))
            .collect();
        quick(&format!("s{n}"), &prefixes.join(" "))
    });
    let (first, second) = (world(config(services.clone()), &[]), config(services));
    let world = Box::new(World {
        config: second,
        ..first.clone()
    });
    let mut bench = Bench::new(first);
    let before = bench.engine.routed;
    bench.part_of_turn(Event::Reload(world));
    // Twenty million, and five seconds, if every prefix has all those of its service looked at.
    let looked_at = bench.engine.routed - before;
    assert!(looked_at <= 20_000, "{looked_at}");
}
