//! What the simulation and random lives of the real program found, each as the shortest history that showed it.

use super::changes::reload;
use super::fixture::{A, B, C, V6, pass, quick, seconds};
use super::*;

const STRANGER: &str = "203.0.113.9/32";

fn with_command(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        custom_cmd: Some(CommandLine::of(["/bin/custom".to_string()])),
        ..quick(name, prefix)
    }
}

fn gaps(moments: &[Mono]) -> Vec<Duration> {
    let pairs = moments.windows(2);
    pairs.map(|pair| pair[1].since(pair[0])).collect()
}

/// Another name of the list in the file of IPv4, so that a reload takes up the families anew.
fn renamed_list(mut config: Config) -> Config {
    if let Some(family) = &mut config.daemon.families[0] {
        family.variable = "Y".to_string();
    }
    config
}

#[test]
fn a_retry_waits_for_the_spacing_of_updates_too() {
    let mut config = config([quick("a", A)]);
    config.daemon.update_interval = seconds(1);
    let mut bench = Bench::new(world(config, &[]));
    bench.bird = Some(Err(Refusal::Unreachable("connection refused".to_string())));
    bench.pass(seconds(30), pass);
    let gaps = gaps(&bench.reconfigurations);
    assert!(
        gaps.len() > 3 && gaps.iter().all(|gap| *gap >= seconds(1)),
        "{gaps:?}"
    );
}

#[test]
fn a_reload_is_no_reason_to_bother_bird_sooner() {
    let slow = |mut config: Config| {
        config.daemon.update_interval = seconds(2);
        config
    };
    let mut bench = Bench::new(world(slow(config([quick("a", A)])), &[]));
    bench.pass(Duration::from_millis(100), pass);
    assert_eq!(bench.reconfigurations.len(), 1);
    reload(&mut bench, renamed_list(slow(config([quick("a", A)]))));
    bench.pass(seconds(10), pass);
    let told = &bench.reconfigurations;
    assert_eq!(told.len(), 2, "the other BIRD has nothing to do with it");
    assert!(told[1].since(told[0]) >= seconds(2), "{told:?}");
}

#[test]
fn a_stranger_that_a_new_service_names_is_no_stranger_any_more() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A, STRANGER]));
    // Its check does not end for a while, so what is announced stays as it is.
    let new = ServiceConfig {
        timeout: seconds(9),
        ..quick("new", STRANGER)
    };
    reload(&mut bench, config([quick("a", A), new.clone()]));
    bench.pass(seconds(5), |name| (name == "a").then_some(Ended::Exit(1)));
    assert!(!bench.in_file(A), "there was an update");
    assert!(bench.in_file(STRANGER));

    let mut bench = Bench::new(world(config([quick("a", A)]), &[A, STRANGER]));
    let withdrawn = ServiceConfig {
        on_start: Announce::Withdraw,
        ..new
    };
    reload(&mut bench, config([quick("a", A), withdrawn]));
    bench.pass(seconds(5), |_| None);
    assert!(!bench.in_file(STRANGER), "on_start = withdraw");
}

#[test]
fn a_removed_service_is_withdrawn_though_the_families_change_as_well() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
    bench.pass(seconds(15), pass);
    reload(&mut bench, renamed_list(config([quick("a", A)])));
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(A) && !bench.in_file(B));
}

#[test]
fn bird_is_told_of_strangers_that_go_with_the_update_of_a_command() {
    let mut bench = Bench::new(world(config([with_command("a", A)]), &[STRANGER]));
    bench.answer("a", Ended::Exit(0));
    assert!(bench.in_file(A) && !bench.in_file(STRANGER));
    assert_eq!(bench.reconfigurations.len(), 1);
}

#[test]
fn bird_is_told_of_a_file_that_a_full_disk_kept_back_over_a_reload() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.disk_full = true;
    bench.answer("a", Ended::Exit(0));
    // Of the other family something changes.
    let mut other = config([quick("a", A)]);
    other.daemon.families[1] = None;
    reload(&mut bench, other);
    bench.pass(seconds(3), |_| None);
    bench.disk_full = false;
    let told = bench.reconfigurations.len();
    bench.pass(seconds(10), pass);
    assert!(bench.in_file(A));
    assert!(bench.reconfigurations.len() > told, "BIRD was not told");
}

#[test]
fn the_wait_at_the_end_is_bounded_too() {
    let mut config = config([ServiceConfig {
        on_exit: Announce::Withdraw,
        custom_timeout: seconds(30),
        ..with_command("a", A)
    }]);
    config.daemon.on_exit_wait = seconds(10);
    let mut bench = Bench::new(world(config, &[A]));
    bench.pass(seconds(1), pass);
    let begin = bench.now;
    bench.event(Event::Stop { signal: "SIGTERM" });
    let custom = bench
        .jobs
        .iter()
        .find(|(_, job)| matches!(job, Job::Custom(..)));
    let custom = *custom.expect("a command was started").0;
    // It takes until shortly before the limit of five and ten seconds.
    bench.now = begin + seconds(14);
    bench.end(custom, Ended::Exit(0));
    while !bench.exited {
        assert!(bench.jump());
    }
    assert!(
        bench.now.since(begin) <= seconds(16),
        "{:?}",
        bench.now.since(begin)
    );
}

#[test]
fn a_service_that_only_loses_a_prefix_is_not_down_for_its_command() {
    let mut bench = Bench::new(world(config([with_command("a", &format!("{A} {B}"))]), &[]));
    bench.pass(seconds(15), pass);
    assert!(bench.in_file(A) && bench.in_file(B));
    let told = bench.reconfigurations.len();
    reload(&mut bench, config([with_command("a", A)]));
    bench.pass(seconds(15), pass);
    assert!(bench.in_file(A) && !bench.in_file(B));
    assert_eq!(
        bench.said(|what| matches!(what, What::CustomDone { up: false, .. })),
        0
    );
    assert_eq!(
        bench.reconfigurations.len(),
        told + 1,
        "BIRD is told instead"
    );
}

#[test]
fn bird_is_told_of_what_was_left_to_a_command_that_is_gone() {
    let mut bench = Bench::new(world(config([with_command("a", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    let custom = bench
        .jobs
        .iter()
        .find(|(_, job)| matches!(job, Job::Custom(..)));
    let custom = *custom.expect("a command was started").0;
    bench.end(custom, Ended::Exit(1));
    assert!(bench.in_file(A) && bench.reconfigurations.is_empty());
    // The operator does without the broken command.
    reload(&mut bench, config([quick("a", A)]));
    bench.pass(seconds(1), pass);
    assert_eq!(bench.reconfigurations.len(), 1);
}

#[test]
fn a_file_that_could_not_be_written_is_written_though_its_content_is_right_again() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A]));
    bench.disk_full = true;
    bench.answer("a", Ended::Exit(1));
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(0));
    let seen = |bench: &Bench| {
        let family = &bench.engine.snapshot().families[0];
        let trouble = family.trouble.is_some();
        (trouble, family.settled, family.counters.files_written)
    };
    bench.pass(seconds(5), pass);
    assert_eq!(seen(&bench), (true, false, 0));
    bench.disk_full = false;
    bench.pass(seconds(65), pass);
    assert_eq!(seen(&bench), (false, true, 1));
    assert_eq!(bench.reconfigurations.len(), 1);
    assert_eq!(
        bench.said(|what| matches!(what, What::FileRecovered { .. })),
        1
    );
}

#[test]
fn a_reload_mends_a_file_that_somebody_spoiled() {
    let whole = config([quick("a", A), quick("v6", V6)]);
    let mut bench = Bench::new(world(whole.clone(), &[A, V6]));
    bench.pass(seconds(1), pass);
    bench.files[0] = Set::new();
    reload(&mut bench, whole.clone());
    assert!(bench.in_file(A));
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (1, 1));
    bench.pass(seconds(5), pass);
    reload(&mut bench, whole);
    assert_eq!((bench.writes.len(), bench.reconfigurations.len()), (1, 1));
}

#[test]
fn a_file_that_somebody_spoiled_is_written_anew_when_bird_refuses_it() {
    let two_ways = config([quick("a", A), quick("b", B), quick("v6", V6)]);
    let mut one_way = two_ways.clone();
    for family in one_way.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    let spoiled = |prefixes: &[&str], repair| FoundFile {
        prefixes: prefixes.iter().map(|prefix| net(prefix)).collect(),
        repair,
    };
    for (config, spoiled) in [
        (&one_way, [None, Some(spoiled(&[], Some(Repair::Missing)))]),
        (&two_ways, [None, Some(spoiled(&[], Some(Repair::Missing)))]),
        (&one_way, [None, Some(spoiled(&[], None))]),
        (&two_ways, [Some(spoiled(&[A, B, C], None)), None]),
        (&two_ways, [None, None]),
    ] {
        let mut bench = Bench::new(world(config.clone(), &[A, V6]));
        bench.bird = Some(Err(Refusal::Said("syntax error".to_string())));
        bench.answer("b", Ended::Exit(0));
        // Its own change, and what is spoiled.
        let writes = 1 + spoiled.iter().flatten().count();
        bench.spoiled = spoiled;
        bench.pass(seconds(60), pass);
        assert!(bench.spoiled.iter().all(Option::is_none));
        assert_eq!(bench.writes.len(), writes);
        bench.bird = Some(Ok(Accepted::Reconfigured));
        bench.pass(seconds(60), pass);
        assert_eq!(bench.writes.len(), writes);
        assert!(bench.in_file(A) && bench.in_file(B) && bench.in_file(V6));
    }
}

#[test]
fn a_file_that_stays_unreadable_does_not_hurry_what_bird_refuses() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[A]));
    bench.bird = Some(Err(Refusal::Said("syntax error".to_string())));
    bench.answer("b", Ended::Exit(0));
    // Its mode is kept when it is written anew.
    for _ in 0..500 {
        bench.spoiled[0] = Some(FoundFile {
            prefixes: Set::new(),
            repair: Some(Repair::Unreadable("Permission denied".to_string())),
        });
        bench.pass(Duration::from_millis(10), pass);
    }
    // At 0.25, 0.5, 1, 2, 4 s and so on.
    let told = bench.reconfigurations.len();
    assert!((2..=8).contains(&told), "{told}");
}
