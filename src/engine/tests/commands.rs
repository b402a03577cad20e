//! Commands of single services over reloads, and when they cannot be killed.

use super::changes::reload;
use super::fixture::{A, pass, quick, seconds};
use super::*;

fn with_command(command: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        custom_cmd: Some(CommandLine::of([command.to_string()])),
        ..quick("a", prefix)
    }
}

/// The command that runs: its first word, and its direction.
fn running(bench: &Bench) -> Option<(JobId, String, bool)> {
    let customs = bench.jobs.iter().filter_map(|(id, job)| match job {
        Job::Custom(_, up) if !bench.doomed.contains(id) => Some((*id, *up)),
        _ => None,
    });
    let all: Vec<_> = customs.collect();
    assert!(all.len() < 2, "{all:?}");
    let (id, up) = *all.first()?;
    let Some(Owner::Custom(config)) = bench.engine.desk.owner(id) else {
        panic!("whose is {id:?}?");
    };
    let words = config.custom_cmd.as_ref().expect("a command");
    Some((id, words.words().next().unwrap_or_default().to_string(), up))
}

fn runs(bench: &Bench, command: &str, direction: bool) -> JobId {
    let (id, word, up) = running(bench).unwrap_or_else(|| panic!("{command} does not run"));
    assert_eq!((word.as_str(), up), (command, direction));
    id
}

#[test]
fn a_command_that_cannot_be_killed_does_not_keep_the_next_one_from_running() {
    let mut bench = Bench::new(world(config([with_command("tell", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    let stuck = runs(&bench, "tell", true);
    while !bench.killed.contains(&stuck) {
        assert!(bench.jump());
    }
    let cause = "operation not permitted".to_string();
    let job = stuck;
    bench.event(Event::JobNotKilled { job, pid: 7, cause });
    let failed = |what: &What| {
        matches!(
            what,
            What::CustomFailed {
                timed_out: true,
                ..
            }
        )
    };
    assert_eq!(bench.said(failed), 1);
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    bench.pass(Duration::from_millis(300), |_| None);
    assert!(!bench.in_file(A));
    assert_eq!(
        bench.said(|what| matches!(what, What::CustomDone { up: false, .. })),
        1
    );
    // At last it ends, and nobody minds.
    bench.end(stuck, Ended::Exit(1));
    assert_eq!(bench.said(failed), 1);
    let counted = bench.engine.snapshot().customs;
    assert_eq!((counted.done, counted.failed), (1, 1));
}

#[test]
fn a_reload_that_mends_a_command_has_it_run() {
    let mut bench = Bench::new(world(config([with_command("broken", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    let job = runs(&bench, "broken", true);
    bench.end(job, Ended::Exit(1));
    bench.pass(seconds(60), pass);
    assert_eq!(running(&bench), None, "it is not repeated");
    reload(&mut bench, config([with_command("mended", A)]));
    let job = runs(&bench, "mended", true);
    bench.end(job, Ended::Exit(0));
    reload(&mut bench, config([with_command("better", A)]));
    bench.pass(seconds(60), |name| Some(Ended::Exit(u8::from(name != "a"))));
    assert_eq!(running(&bench), None, "what succeeded is not repeated");
}

#[test]
fn a_reload_hands_what_waits_to_the_new_command() {
    let mut bench = Bench::new(world(config([with_command("old", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    let old = runs(&bench, "old", true);
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    bench.now = bench.now + Duration::from_millis(300);
    bench.event(Event::Due);
    assert!(!bench.in_file(A));
    reload(&mut bench, config([with_command("new", A)]));
    runs(&bench, "old", true);
    bench.end(old, Ended::Exit(0));
    let new = runs(&bench, "new", false);
    bench.end(new, Ended::Exit(0));
    assert!(bench.engine.customs.finished());
}

#[test]
fn what_waits_for_a_command_that_is_gone_does_not_run() {
    let mut bench = Bench::new(world(config([with_command("old", A)]), &[]));
    bench.answer("a", Ended::Exit(0));
    let old = runs(&bench, "old", true);
    bench.event(Event::RunNow);
    bench.answer("a", Ended::Exit(1));
    reload(&mut bench, config([quick("a", A)]));
    bench.end(old, Ended::Exit(1));
    bench.pass(seconds(1), |_| None);
    assert!(bench.engine.customs.finished());
    assert_eq!(
        bench.said(|what| matches!(what, What::CustomDone { .. })),
        0
    );
    assert!(!bench.in_file(A) && !bench.reconfigurations.is_empty());
}
