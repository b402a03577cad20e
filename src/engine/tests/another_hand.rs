//! Prefix files that somebody else changes while the daemon runs.

use super::changes::reload;
use super::fixture::{A, B, V6, pass, quick, seconds};
use super::*;

fn touched(bench: &mut Bench) {
    let path = bench.paths[0].clone();
    bench.event(Event::FileTouched { path });
}

fn holds(bench: &mut Bench, prefixes: &[&str]) {
    bench.files[0] = prefixes.iter().map(|text| net(text)).collect();
    touched(bench);
}

fn told(bench: &Bench) -> usize {
    bench.reconfigurations.len()
}

fn said(bench: &Bench) -> usize {
    bench.said(|what| matches!(what, What::FileChanged { .. }))
}

/// Everything is decided and carried out, and nothing is due for a while.
fn calm(services: impl IntoIterator<Item = ServiceConfig>) -> Bench {
    let mut bench = Bench::new(world(config(services), &[]));
    bench.pass(seconds(15), pass);
    bench
}

#[test]
fn what_another_hand_has_changed_is_put_right_at_once() {
    for spoilt in [&[][..], &[B], &[A, B]] {
        let mut bench = calm([quick("a", A), quick("v6", V6)]);
        let (writes, before) = (bench.writes.len(), told(&bench));
        holds(&mut bench, spoilt);
        assert!(bench.in_file(A) && !bench.in_file(B), "{spoilt:?}");
        assert_eq!((bench.writes.len(), told(&bench)), (writes + 1, before + 1));
        assert_eq!(said(&bench), 1);
    }
}

#[test]
fn a_file_that_is_gone_or_spoilt_is_made_again_at_once() {
    for repair in [Repair::Missing, Repair::Malformed("x".to_string())] {
        let mut bench = calm([quick("a", A)]);
        bench.spoiled[0] = Some(FoundFile {
            prefixes: Set::new(),
            repair: Some(repair),
        });
        let (writes, before) = (bench.writes.len(), told(&bench));
        touched(&mut bench);
        assert!(bench.in_file(A) && bench.spoiled[0].is_none());
        assert_eq!((bench.writes.len(), told(&bench)), (writes + 1, before + 1));
        let repaired = bench.said(|what| matches!(what, What::FileRepaired { .. }));
        assert_eq!((repaired, said(&bench)), (1, 0));
    }
}

#[test]
fn a_touch_that_changes_nothing_leads_to_nothing() {
    let mut bench = calm([quick("a", A)]);
    let (writes, before, metrics) = (bench.writes.len(), told(&bench), bench.metrics);
    holds(&mut bench, &[A]);
    bench.event(Event::FileTouched {
        path: "/of/nobody".into(),
    });
    bench.pass(seconds(5), pass);
    assert_eq!((bench.writes.len(), told(&bench)), (writes, before));
    assert_eq!((bench.metrics, said(&bench)), (metrics, 0));
}

#[test]
fn two_programs_that_want_different_things_do_not_keep_bird_busy() {
    let mut bench = calm([quick("a", A)]);
    let (begin, before) = (bench.now, told(&bench));
    while bench.now.since(begin) < seconds(600) {
        holds(&mut bench, &[]);
        bench.pass(Duration::from_millis(100), pass);
    }
    let times = told(&bench) - before;
    // After 0, 1, 3, 7, 15, 31 and 63 seconds, and once a minute from then on.
    assert!((14..=17).contains(&times), "{times}");
    assert!(said(&bench) <= 10, "{}", said(&bench));
    // What a check finds out waits for nobody.
    holds(&mut bench, &[A, B]);
    bench.event(Event::RunNow);
    bench.pass(Duration::from_millis(300), |_| Some(Ended::Exit(1)));
    assert!(bench.files[0].is_empty());
    // It is over, and the next change is one that is answered at once.
    bench.pass(seconds(15), pass);
    bench.pass(seconds(200), pass);
    assert!(bench.in_file(A));
    holds(&mut bench, &[]);
    assert!(bench.in_file(A));
}

#[test]
fn what_is_touched_while_it_is_written_is_looked_at_afterwards() {
    let mut bench = calm([quick("a", A), quick("b", B)]);
    bench.slow_disk = true;
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    bench.answer("b", Ended::Exit(0));
    assert_eq!(bench.orders.len(), 1);
    touched(&mut bench);
    assert_eq!(bench.orders.len(), 1, "it is being written");
    let order = bench.orders.remove(0);
    let event = bench.carry_out(&order);
    bench.files[0] = Set::new();
    bench.event(event);
    let looks = |bench: &Bench| bench.orders.iter().filter(|o| o.prefixes.is_none()).count();
    assert_eq!(looks(&bench), 1);
    bench.disk_works();
    bench.pass(seconds(1), |_| None);
    bench.disk_works();
    assert!(bench.in_file(B) && !bench.in_file(A));
}

#[test]
fn before_the_first_verdict_the_file_decides() {
    let slow = ServiceConfig {
        timeout: seconds(10),
        interval: seconds(60),
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([slow, quick("b", B)]), &[A, B]));
    bench.answer("b", Ended::Exit(0));
    let (writes, before) = (bench.writes.len(), told(&bench));
    // Somebody has withdrawn everything in place of the daemon that has just begun.
    holds(&mut bench, &[]);
    bench.pass(seconds(1), |_| None);
    assert!(!bench.in_file(A), "nobody knows whether it is up");
    assert!(bench.in_file(B), "it is known to be up");
    assert_eq!((bench.writes.len(), told(&bench)), (writes + 1, before + 1));
    // One that nobody knows of comes back as well.
    holds(&mut bench, &[A, B]);
    bench.pass(seconds(3), |_| None);
    assert!(bench.in_file(A) && bench.in_file(B));
    assert_eq!(bench.writes.len(), writes + 1, "it is as it was found");
    assert_eq!(told(&bench), before + 2, "BIRD may not know it");
    // A file that is not whole says nothing.
    bench.spoiled[0] = Some(FoundFile {
        prefixes: Set::new(),
        repair: Some(Repair::Missing),
    });
    touched(&mut bench);
    bench.pass(seconds(5), |_| None);
    assert!(bench.in_file(A) && bench.in_file(B));
}

#[test]
fn strangers_that_somebody_removes_by_hand_stay_away() {
    let stranger = "203.0.113.9/32";
    let mut bench = Bench::new(world(config([quick("a", A)]), &[A, stranger]));
    holds(&mut bench, &[A]);
    reload(&mut bench, config([quick("a", A)]));
    bench.pass(seconds(15), pass);
    assert!(bench.in_file(A) && !bench.in_file(stranger));
    assert!(bench.writes.is_empty());
}

#[test]
fn a_directory_that_is_back_is_written_to_at_once() {
    let mut bench = calm([quick("a", A)]);
    bench.disk_full = true;
    bench.spoiled[0] = Some(FoundFile {
        prefixes: Set::new(),
        repair: Some(Repair::Missing),
    });
    touched(&mut bench);
    bench.pass(seconds(60), pass);
    assert!(bench.spoiled[0].is_some());
    bench.disk_full = false;
    touched(&mut bench);
    assert!(bench.spoiled[0].is_none() && bench.in_file(A));
}

#[test]
fn a_second_change_waits_for_the_pause_and_for_nothing_else() {
    let mut bench = calm([quick("a", A)]);
    holds(&mut bench, &[]);
    assert!(bench.in_file(A));
    let found = bench.now;
    bench.now = bench.now + Duration::from_millis(300);
    holds(&mut bench, &[]);
    assert!(!bench.in_file(A));
    while !bench.in_file(A) {
        assert!(bench.jump());
    }
    assert_eq!(bench.now.since(found), seconds(1));
    // What is being written need not be looked at, whatever was planned.
    bench.now = bench.now + Duration::from_millis(300);
    touched(&mut bench);
    bench.slow_disk = true;
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    assert_eq!(bench.orders.len(), 1);
}

#[test]
fn a_file_is_put_right_at_once_though_bird_refuses_and_bird_is_told_no_sooner_for_a_touch() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    bench.bird = Some(Err(Refusal::Said("no".to_string())));
    bench.pass(seconds(29), pass);
    let before = told(&bench);
    holds(&mut bench, &[A]);
    assert_eq!(told(&bench), before, "it is as it was");
    holds(&mut bench, &[]);
    assert!(bench.in_file(A));
}

#[test]
fn a_directory_that_can_be_written_again_is_written_to_at_once() {
    let mut bench = calm([quick("a", A)]);
    bench.disk_full = true;
    bench.pass(seconds(40), |_| Some(Ended::Exit(1)));
    bench.disk_full = false;
    touched(&mut bench);
    assert!(!bench.in_file(A), "though it is as it was");
}
