//! How files and BIRDs come to agree with what is wanted: who is told, when, and what is counted and said of it.

use super::changes::reload;
use super::fixture::{A, B, V6, pass, quick, seconds};
use super::*;

fn refusal() -> Option<Result<Accepted, Refusal>> {
    Some(Err(Refusal::Said("no".to_string())))
}

fn leaving(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        on_exit: Announce::Withdraw,
        ..quick(name, prefix)
    }
}

fn by_command(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        custom_cmd: Some(CommandLine::of(["/bin/c"])),
        ..quick(name, prefix)
    }
}

/// One BIRD for both families.
fn one_bird(mut config: Config) -> Config {
    for family in config.daemon.families.iter_mut().flatten() {
        family.via = Via::Socket("/run/bird.ctl".into());
    }
    config
}

fn ipv4(mut config: Config, change: impl Fn(&mut FamilyConfig)) -> Config {
    config.daemon.families[0]
        .as_mut()
        .into_iter()
        .for_each(change);
    config
}

fn told(bench: &Bench) -> usize {
    bench.reconfigurations.len()
}

fn stop(bench: &mut Bench) {
    bench.event(Event::Stop { signal: "SIGTERM" });
}

/// When it has ended, counted from now.
fn ends_after(bench: &mut Bench) -> Duration {
    let begin = bench.now;
    while !bench.exited {
        assert!(bench.jump());
    }
    bench.now.since(begin)
}

#[test]
fn a_stop_puts_off_its_end_once_for_a_bird_that_is_to_be_left_alone() {
    for hangs in [false, true] {
        let mut hasty = config([leaving("a", A)]);
        hasty.daemon.reconfigure_timeout = Duration::from_millis(200);
        let queued = Some(Ok(Accepted::Queued));
        let mut bench = Bench::start_with(world(hasty, &[]), false, queued);
        bench.pass(Duration::from_millis(500), pass);
        assert_eq!(told(&bench), 1);
        if hangs {
            bench.bird = None;
        }
        stop(&mut bench);
        for _ in 0..30 {
            bench.now = bench.now + Duration::from_millis(10);
            bench.event(Event::Due);
        }
        assert!(!bench.exited && !bench.in_file(A));
        let rest = ends_after(&mut bench);
        assert!(bench.clean != hangs && told(&bench) > 1);
        // The time-out, half a second, and two for BIRD.
        assert!(rest <= Duration::from_millis(2700 - 300), "{rest:?}");
    }
}

#[test]
fn a_stop_that_has_nothing_to_tell_does_not_wait_for_bird() {
    let queued = Some(Ok(Accepted::Queued));
    let mut bench = Bench::start_with(world(config([quick("a", A)]), &[]), false, queued);
    bench.pass(Duration::from_millis(500), pass);
    stop(&mut bench);
    assert!(bench.exited && bench.clean);
}

/// However long BIRD had to be left alone before, and whatever happens meanwhile.
#[test]
fn the_wait_at_the_end_begins_when_bird_has_been_told() {
    let mut waiting = config([leaving("a", A)]);
    waiting.daemon.reconfigure_timeout = Duration::from_millis(200);
    waiting.daemon.on_exit_wait = seconds(3);
    let queued = Some(Ok(Accepted::Queued));
    let mut bench = Bench::start_with(world(waiting, &[]), false, queued);
    bench.pass(Duration::from_millis(500), pass);
    stop(&mut bench);
    while told(&bench) < 2 {
        assert!(bench.jump());
    }
    bench.now = bench.now + seconds(1);
    bench.event(Event::RunNow);
    assert_eq!(ends_after(&mut bench), seconds(2));
}

#[test]
fn a_stop_gives_up_when_the_last_attempt_has_failed() {
    let mut bench = Bench::new(world(config([leaving("a", A)]), &[A]));
    bench.bird = refusal();
    stop(&mut bench);
    assert!(bench.exited && !bench.clean && !bench.in_file(A));
}

#[test]
fn a_stop_tries_once_more_what_could_not_be_written() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A]));
    bench.disk_full = true;
    bench.pass(seconds(30), |_| Some(Ended::Exit(1)));
    bench.disk_full = false;
    stop(&mut bench);
    assert!(bench.exited && bench.clean && !bench.in_file(A));
}

#[test]
fn a_stop_waits_for_a_file_that_hangs_as_long_as_it_may() {
    let mut bench = Bench::new(world(config([leaving("a", A)]), &[A]));
    bench.slow_disk = true;
    stop(&mut bench);
    for _ in 0..30 {
        bench.now = bench.now + Duration::from_millis(100);
        bench.event(Event::Due);
        assert!(!bench.exited);
    }
    bench.disk_works();
    assert!(bench.exited && bench.clean && !bench.in_file(A));
}

#[test]
fn one_bird_is_told_once_of_both_files() {
    let mut bench = Bench::new(world(
        one_bird(config([quick("a", &format!("{A} {V6}"))])),
        &[],
    ));
    bench.slow_disk = true;
    bench.answer("a", Ended::Exit(0));
    assert_eq!(bench.orders.len(), 2);
    bench.disk_works();
    assert_eq!(told(&bench), 0);
    bench.disk_works();
    assert_eq!(told(&bench), 1);
    let both =
        |what: &What| matches!(what, What::Reconfigured { families, .. } if families.len() == 2);
    assert_eq!(bench.said(both), 1);
}

#[test]
fn what_is_counted_belongs_to_the_family_and_moves_with_its_file() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("v6", V6)]), &[V6]));
    bench.pass(seconds(1), pass);
    let counters = |bench: &Bench| {
        let snapshot = bench.engine.snapshot();
        [0, 1].map(|index| snapshot.families[index].counters)
    };
    let [four, six] = counters(&bench);
    assert_eq!((four.reconfigured, six.reconfigured), (1, 0));
    assert_eq!(
        (four.last_reconfigure, six.last_reconfigure),
        (Some(Duration::ZERO), None)
    );
    let moved = ipv4(config([quick("a", A), quick("v6", V6)]), |family| {
        family.prefix_file = "/new".into()
    });
    reload(&mut bench, moved);
    bench.pass(seconds(1), pass);
    let [four, _] = counters(&bench);
    assert!(four.reconfigured > 1 && four.files_written > 0);
    let of_ipv4 = |what: &What| {
        matches!(
            what,
            What::Reconfigured {
                families: [Family::V4],
                ..
            }
        )
    };
    assert_eq!(
        bench.said(of_ipv4),
        four.reconfigured as usize,
        "also where it was and where it is"
    );
}

#[test]
fn trouble_that_stays_is_mentioned_by_the_hour() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = refusal();
    bench.pass(seconds(2 * 3600 + 60), pass);
    let failed = |what: &What| matches!(what, What::ReconfigureFailed { .. });
    let still = |what: &What| matches!(what, What::ReconfigureStillFailing { .. });
    assert_eq!((bench.said(failed), bench.said(still)), (1, 2));
}

#[test]
fn a_file_that_was_left_and_goes_later_is_forgotten() {
    let both = || config([quick("a", &format!("{A} {V6}"))]);
    let mut bench = Bench::new(world(both(), &[]));
    bench.pass(seconds(15), pass);
    bench.full[1] = true;
    let mut without = config([quick("a", A)]);
    without.daemon.families[1] = None;
    reload(&mut bench, without);
    bench.pass(seconds(5), pass);
    assert!(bench.engine.has_trouble());
    bench.spoiled[1] = Some(FoundFile {
        prefixes: Set::new(),
        repair: Some(Repair::Missing),
    });
    bench.pass(seconds(10), pass);
    assert!(!bench.engine.has_trouble());
    assert_eq!(bench.engine.routes.channels.len(), 1);
}

/// A command tells BIRD, until a reload takes it away while the file is being written.
#[test]
fn what_a_command_was_to_tell_is_told_though_its_file_is_late() {
    for left in [false, true] {
        let mut bench = Bench::new(world(config([by_command("a", A)]), &[A]));
        bench.slow_disk = true;
        bench.answer("a", Ended::Exit(1));
        bench.pass(seconds(3), |_| None);
        assert_eq!((told(&bench), bench.orders.len()), (0, 1));
        let mut after = config([quick("a", A)]);
        if left {
            after = config([quick("v6", V6)]);
            after.daemon.families[0] = None;
        }
        let mut after = world(after, &[]);
        after.files[0].prefixes = Set::from([net(A)]);
        bench.part_of_turn(Event::Reload(Box::new(after)));
        bench.finish_turn();
        bench.pass(seconds(3), |_| None);
        let before = told(&bench);
        while !bench.orders.is_empty() {
            bench.disk_works();
        }
        bench.pass(seconds(3), |_| None);
        while !bench.orders.is_empty() {
            bench.disk_works();
        }
        bench.pass(seconds(3), |_| None);
        assert!(told(&bench) > before, "left: {left}");
        assert!(bench.engine.routes.bird_knows());
    }
}

/// The same, and what is being written is outdated already.
#[test]
fn the_last_of_several_late_changes_is_told_as_well() {
    let mut bench = Bench::new(world(config([by_command("a", A)]), &[]));
    bench.slow_disk = true;
    bench.answer("a", Ended::Exit(0));
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    assert_eq!(bench.orders.len(), 1);
    reload(&mut bench, config([quick("a", A)]));
    bench.pass(seconds(2), |_| None);
    bench.orders.retain(|order| order.prefixes.is_some());
    bench.disk_works();
    bench.pass(seconds(1), |_| None);
    assert!(bench.in_file(A));
    let before = told(&bench);
    bench.disk_works();
    bench.pass(seconds(1), |_| None);
    assert!(!bench.in_file(A) && told(&bench) == before + 1);
}

#[test]
fn a_command_that_stays_is_no_reason_to_tell_bird() {
    let mut bench = Bench::new(world(config([by_command("a", A)]), &[A]));
    bench.pass(seconds(5), pass);
    let changed = ServiceConfig {
        custom_timeout: seconds(9),
        ..by_command("a", A)
    };
    reload(&mut bench, config([changed]));
    bench.pass(seconds(5), pass);
    assert_eq!(told(&bench), 0);
}

/// Where BIRD is told directly from now on, it begins at once, whatever it has refused before.
#[test]
fn what_was_left_to_a_command_is_told_at_once() {
    let mut bench = Bench::new(world(config([by_command("a", A), quick("b", B)]), &[A]));
    bench.bird = refusal();
    bench.pass(seconds(29), pass);
    let before = told(&bench);
    reload(&mut bench, config([quick("a", A), quick("b", B)]));
    assert_eq!(told(&bench), before + 1);
}

/// The last change was a command's to tell, which nobody knows any more.
#[test]
fn the_bird_of_a_file_that_is_left_is_told_whatever_the_file_says() {
    let mut bench = Bench::new(world(config([by_command("a", A)]), &[]));
    bench.pass(seconds(5), pass);
    assert!(bench.in_file(A));
    bench.pass(seconds(12), |_| Some(Ended::Exit(1)));
    assert_eq!((bench.in_file(A), told(&bench)), (false, 0));
    let elsewhere = ipv4(config([quick("a", A)]), |family| {
        family.prefix_file = "/new".into();
        family.via = Via::Socket("/run/bird.ctl".into());
    });
    reload(&mut bench, elsewhere.clone());
    bench.pass(seconds(2), |_| None);
    assert_eq!(told(&bench), 2, "both BIRDs");
    reload(&mut bench, elsewhere);
    bench.pass(seconds(2), |_| None);
    assert_eq!(told(&bench), 2);
}

#[test]
fn both_families_move_at_once_and_each_keeps_its_own() {
    let both = || config([quick("a", &format!("{A} {V6}"))]);
    let mut bench = Bench::new(world(both(), &[]));
    bench.pass(seconds(5), pass);
    let mut moved = both();
    for (family, path) in moved.daemon.families.iter_mut().flatten().zip(["/x", "/y"]) {
        family.prefix_file = path.into();
    }
    bench.reload(world(moved, &[]));
    bench.pass(seconds(2), pass);
    let alone = [A, V6].map(|prefix| Set::from([net(prefix)]));
    assert_eq!(bench.files, alone);
}

#[test]
fn another_way_to_bird_is_no_reason_to_write_and_another_text_is() {
    let plain = || config([quick("a", A)]);
    for (change, more) in [
        (
            ipv4(plain(), |family| family.via = Via::Socket("/s".into())),
            0,
        ),
        (ipv4(plain(), |family| family.dummy = net("10.1.2.3/32")), 1),
        (ipv4(plain(), |family| family.variable = "Z".to_string()), 1),
    ] {
        let mut bench = Bench::new(world(plain(), &[]));
        bench.pass(seconds(5), pass);
        let writes = bench.writes.len();
        let before = told(&bench);
        reload(&mut bench, change);
        bench.pass(seconds(2), pass);
        assert_eq!(
            (bench.writes.len(), told(&bench)),
            (writes + more, before + 1)
        );
    }
    // Nothing has come or gone with that.
    let mut bench = Bench::new(world(plain(), &[]));
    bench.pass(seconds(5), pass);
    reload(
        &mut bench,
        ipv4(plain(), |family| family.variable = "Z".to_string()),
    );
    let written = |what: &What| matches!(what, What::FileWritten { .. });
    assert_eq!((bench.writes.len(), bench.said(written)), (2, 1));
    // What is wrong with the file by then is said when it is mended.
    let mut bench = Bench::new(world(plain(), &[A]));
    let mut renamed = world(
        ipv4(plain(), |family| family.variable = "Z".to_string()),
        &[A],
    );
    renamed.files[0].repair = Some(Repair::WrongVariable(Some("X".to_string())));
    bench.reload(renamed);
    bench.pass(seconds(2), pass);
    let mended = |what: &What| {
        matches!(
            what,
            What::FileRepaired {
                repair: Repair::WrongVariable(_),
                ..
            }
        )
    };
    assert_eq!(bench.said(mended), 1);
}

/// The pause of a retry is the channel's, and is over with it.
#[test]
fn a_bird_that_is_given_up_leaves_no_alarm() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = refusal();
    bench.pass(seconds(3), pass);
    let other = ipv4(config([quick("a", A)]), |family| {
        family.via = Via::Socket("/s".into())
    });
    reload(&mut bench, other);
    bench.bird = Some(Ok(Accepted::Reconfigured));
    bench.pass(seconds(9), pass);
    assert!(bench.engine.routes.bird_knows());
}
