//! Files that a reload leaves, and what goes into those that it takes up.

use super::changes::reload;
use super::fixture::{A, B, V6, pass, quick, seconds};
use super::*;

fn moved(mut config: Config, path: &str) -> Config {
    if let Some(family) = &mut config.daemon.families[0] {
        family.prefix_file = path.into();
    }
    config
}

fn without_v6(mut config: Config) -> Config {
    config.daemon.families[1] = None;
    config
}

fn left(bench: &Bench, path: &str) -> Vec<String> {
    let file = bench.elsewhere.get(&PathBuf::from(path));
    let file = file.expect("a file that was left");
    file.iter().map(|prefix| prefix.to_string()).collect()
}

#[test]
fn a_family_that_is_switched_off_is_withdrawn_and_its_bird_told() {
    let mut bench = Bench::new(world(config([quick("a", &format!("{A} {V6}"))]), &[]));
    bench.pass(seconds(15), pass);
    assert!(bench.in_file(V6));
    let told = bench.reconfigurations.len();
    reload(&mut bench, without_v6(config([quick("a", A)])));
    bench.pass(seconds(1), pass);
    assert!(!bench.in_file(V6) && bench.in_file(A));
    assert_eq!(bench.reconfigurations.len(), told + 1, "only that of IPv6");
    let snapshot = bench.engine.snapshot();
    assert_eq!(snapshot.families.len(), 1, "and it is forgotten");
}

#[test]
fn a_file_that_is_left_is_withdrawn_in_spite_of_trouble_and_delays_nobody() {
    let mut bench = Bench::new(world(config([quick("a", &format!("{A} {V6}"))]), &[]));
    bench.pass(seconds(15), pass);
    bench.full[1] = true;
    reload(
        &mut bench,
        without_v6(config([quick("a", A), quick("b", B)])),
    );
    bench.pass(seconds(1), pass);
    assert!(bench.in_file(B) && bench.in_file(V6));
    assert!(bench.engine.has_trouble());
    // A reload in between does not forget it.
    reload(
        &mut bench,
        without_v6(config([quick("a", A), quick("b", B)])),
    );
    bench.pass(seconds(60), pass);
    bench.full[1] = false;
    let told = bench.reconfigurations.len();
    bench.pass(seconds(5), pass);
    assert!(!bench.in_file(V6) && !bench.engine.has_trouble());
    assert_eq!(bench.reconfigurations.len(), told + 1);
    assert_eq!(bench.engine.routes.channels.len(), 1);
}

#[test]
fn a_file_that_is_left_and_is_gone_needs_no_withdrawal() {
    let mut bench = Bench::new(world(config([quick("a", &format!("{A} {V6}"))]), &[]));
    bench.pass(seconds(15), pass);
    bench.full[1] = true;
    bench.spoiled[1] = Some(FoundFile {
        prefixes: Set::new(),
        repair: Some(Repair::Missing),
    });
    reload(&mut bench, without_v6(config([quick("a", A)])));
    bench.pass(seconds(5), pass);
    assert!(!bench.engine.has_trouble());
}

#[test]
fn a_file_that_moves_is_withdrawn_in_the_old_place_and_both_are_told() {
    for other_bird in [false, true] {
        let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[]));
        bench.pass(seconds(15), |name| Some(Ended::Exit(u8::from(name == "b"))));
        let told = bench.reconfigurations.len();
        let mut after = moved(config([quick("a", A), quick("b", B)]), "/new");
        if other_bird {
            let family = after.daemon.families[0].as_mut().expect("IPv4");
            family.via = Via::Socket("/run/bird.ctl".into());
        }
        // Somebody's file, with what is down and without what is up.
        let mut new = world(after, &[B, "203.0.113.7/32"]);
        new.files[1].prefixes = bench.files[1].clone();
        bench.reload(new);
        assert!(bench.in_file(A) && !bench.in_file(B));
        bench.pass(seconds(1), pass);
        assert_eq!(left(&bench, "/4"), [""; 0]);
        let birds = 1 + usize::from(other_bird);
        assert_eq!(bench.reconfigurations.len(), told + birds);
        assert_eq!(bench.engine.routes.channels.len(), 2);
    }
}

#[test]
fn a_changed_service_that_is_down_is_not_announced_by_another_file() {
    let mut bench = Bench::new(world(config([service("a", A)]), &[A]));
    bench.pass(seconds(60), |_| Some(Ended::Exit(1)));
    assert!(!bench.in_file(A));
    let changed = ServiceConfig {
        rise: 1,
        ..service("a", A)
    };
    // And a new one, of which only that file knows something.
    let after = config([changed, service("new", B)]);
    bench.reload(world(moved(after, "/old"), &[A, B]));
    assert_eq!(bench.status("a"), Status::Unknown);
    assert!(!bench.in_file(A) && bench.in_file(B));
}

#[test]
fn a_file_that_comes_back_is_not_left() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.pass(seconds(15), pass);
    bench.slow_disk = true;
    reload(&mut bench, moved(config([quick("a", A)]), "/new"));
    let found = world(config([quick("a", A)]), &[A]);
    bench.reload(found);
    assert_eq!(bench.paths[0], PathBuf::from("/4"));
    for _ in 0..50 {
        bench.pass(seconds(1), pass);
        if !bench.orders.is_empty() {
            bench.disk_works();
        }
    }
    assert!(
        bench.in_file(A),
        "the withdrawal that was on its way is made good"
    );
    assert_eq!(left(&bench, "/new"), [""; 0]);
    assert!(bench.engine.routes.leaving.is_empty());
}

#[test]
fn two_families_that_exchange_their_files_leave_none() {
    let mut bench = Bench::new(world(config([quick("a", &format!("{A} {V6}"))]), &[]));
    bench.pass(seconds(15), pass);
    let mut crossed = config([quick("a", &format!("{A} {V6}"))]);
    let [four, six] = &mut crossed.daemon.families;
    let (four, six) = (four.as_mut().expect("IPv4"), six.as_mut().expect("IPv6"));
    std::mem::swap(&mut four.prefix_file, &mut six.prefix_file);
    reload(&mut bench, crossed);
    bench.pass(seconds(1), pass);
    assert!(bench.engine.routes.leaving.is_empty());
    assert!(bench.in_file(A) && bench.in_file(V6));
}

#[test]
fn the_command_of_a_removed_service_is_run_though_its_file_moves() {
    let with_command = ServiceConfig {
        custom_cmd: Some(CommandLine::of(["tell"])),
        ..quick("b", B)
    };
    let mut bench = Bench::new(world(config([quick("a", A), with_command]), &[]));
    bench.pass(seconds(15), pass);
    reload(&mut bench, moved(config([quick("a", A)]), "/new"));
    bench.pass(seconds(1), pass);
    let down = |what: &What| matches!(what, What::CustomDone { up: false, .. });
    assert_eq!(bench.said(down), 1);
}

#[test]
fn a_reload_keeps_the_state_of_a_service_whose_verdicts_mean_the_same() {
    let path = PathBuf::from("/run/drain/a");
    let kept: [fn(&mut ServiceConfig); 8] = [
        |service| service.on_exit = Announce::Withdraw,
        |service| service.on_disabled = Announce::Advertise,
        |service| service.on_start = Announce::Withdraw,
        |service| service.prefix_texts = ["192.0.2.1".to_string()].into(),
        |service| service.custom_timeout = seconds(1),
        |service| service.custom_cmd = Some(CommandLine::of(["tell"])),
        |service| service.maintenance_file = Some("/run/drain/b".into()),
        |service| service.fast_interval = Some(seconds(1)),
    ];
    let reset: [fn(&mut ServiceConfig); 8] = [
        |service| service.check_cmd = CommandLine::of(["other"]),
        |service| service.timeout = seconds(4),
        |service| service.rise = 7,
        |service| service.fall = 7,
        |service| service.prefixes = [net(A), net(B)].into(),
        |service| service.interface = "eth0".into(),
        |service| service.ip_check_disabled = true,
        |service| service.disabled = true,
    ];
    let before = ServiceConfig {
        maintenance_file: Some(path),
        ..service("a", A)
    };
    let counted = |bench: &Bench| bench.engine.snapshot().services[0].counters.passed;
    let planned = |bench: &Bench| bench.engine.snapshot().services[0].next_run;
    let edits = (kept.map(|edit| (edit, true)).into_iter()).chain(reset.map(|edit| (edit, false)));
    for (number, (edit, stays)) in edits.enumerate() {
        let mut bench = Bench::new(world(config([before.clone()]), &[]));
        bench.pass(seconds(35), pass);
        let seen = (counted(&bench), planned(&bench));
        let mut after = before.clone();
        edit(&mut after);
        reload(&mut bench, config([after.clone()]));
        assert_eq!(bench.status("a") == Status::Up, stays, "edit {number}");
        assert_eq!(
            (counted(&bench), planned(&bench)) == seen,
            stays,
            "edit {number}"
        );
        let changed = |what: &What| matches!(what, What::Reloaded { changed: 1, .. });
        assert_eq!(bench.said(changed), 1);
        assert_eq!(*bench.engine.snapshot().services[0].config.as_ref(), after);
    }
    // Of one that is disabled, `on_disabled` is all that counts.
    let disabled = |on_disabled| ServiceConfig {
        disabled: true,
        on_disabled,
        ..service("a", A)
    };
    let mut bench = Bench::new(world(config([disabled(Announce::Withdraw)]), &[]));
    reload(&mut bench, config([disabled(Announce::Advertise)]));
    assert!(bench.in_file(A));
}

#[test]
fn another_interval_is_another_grid_and_nothing_else() {
    let every = |interval| ServiceConfig {
        interval,
        ..service("a", A)
    };
    let mut bench = Bench::new(world(config([every(seconds(3600))]), &[]));
    bench.pass(seconds(3600 + 100), pass);
    let before = bench.started.len();
    reload(&mut bench, config([every(seconds(30))]));
    assert_eq!(bench.engine.snapshot().services[0].counters.passed, 2);
    bench.pass(seconds(20), pass);
    let at = bench.started[before..]
        .iter()
        .map(|(at, _)| at.micros() / 1_000_000);
    assert_eq!(at.collect::<Vec<_>>(), [1 + 3600 + 120]);
}
