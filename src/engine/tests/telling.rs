//! What is said and shown in the life of a daemon: nothing else tells an operator what it does.

use super::changes::reload;
use super::fixture::{A, B, C, V6, pass, quick, seconds};
use super::*;
use crate::engine::notice::End;
use crate::engine::snapshot::Source;

const STRANGER: &str = "203.0.113.9/32";

/// What was said since the last time, and of which service.
fn told(bench: &mut Bench) -> Vec<String> {
    let words = |notice: &Notice| {
        let about = notice.about.as_ref();
        let name = about.map_or("", |(service, _)| service.name.as_str());
        let what = match &notice.what {
            What::Configuration(complaint) => format!("Configuration {}", complaint.message),
            What::FirstRunIn { .. } => "FirstRunIn".to_string(),
            What::WithoutCheck {
                prefixes, removed, ..
            } => format!("WithoutCheck {} {removed}", prefixes.len()),
            What::FileWritten {
                added,
                removed,
                left,
                ..
            } => format!("FileWritten +{} -{} ={left}", added.len(), removed.len()),
            what => format!("{what:?}"),
        };
        format!("{name} {what}").trim().to_string()
    };
    let notices = std::mem::take(&mut bench.notices);
    notices.iter().map(words).collect()
}

fn warning(message: &str) -> Complaint {
    Complaint {
        severity: Severity::Warning,
        file: "/etc/x.conf".to_string(),
        line: 1,
        section: "a".to_string(),
        option: "x".to_string(),
        message: message.to_string(),
    }
}

fn off(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        disabled: true,
        ..quick(name, prefix)
    }
}

fn drained(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        maintenance_file: Some("/m".into()),
        ..quick(name, prefix)
    }
}

fn maintenance(present: bool) -> Event {
    let path = PathBuf::from("/m");
    Event::Maintenance { path, present }
}

fn wait(bench: &mut Bench, time: Duration) {
    bench.now = bench.now + time;
}

const PASSED: &str = "a CheckEnded { verdict: Pass, took: 0ns }";
const TOLD_BIRD: &str = "Reconfigured { families: [V4], accepted: Reconfigured, took: 0ns }";

#[test]
fn a_life_word_by_word() {
    let first = [drained("a", A), off("off", B), off("same", C)];
    let mut begin = world(config(first), &[A, STRANGER]);
    begin.warnings = vec![warning("odd")];
    let mut bench = Bench::new(begin);
    let begun = [
        "Configuration odd",
        "Started { services: 3, disabled: 2 }",
        "WithoutCheck 1 false",
        "off Disabled { then: Withdraw }",
        "same Disabled { then: Withdraw }",
        "a CheckStarted",
    ];
    assert_eq!(told(&mut bench), begun);
    bench.answer("a", Ended::Exit(0));
    let up = "a StateChanged { from: Unknown, to: Up, reason: Passed { count: 1 }, took: Some(0ns), first_line: \"\" }";
    assert_eq!(told(&mut bench), [PASSED, up]);
    bench.event(maintenance(true));
    let held = [
        "a StateChanged { from: Up, to: Down, reason: Maintenance, took: None, first_line: \"\" }",
        "FileWritten +0 -2 =0",
        "NothingAnnounced { family: V4 }",
        TOLD_BIRD,
    ];
    assert_eq!(told(&mut bench), held);
    wait(&mut bench, seconds(1));
    bench.event(maintenance(false));
    let released = ["a MaintenanceOver { path: \"/m\" }", "a CheckStarted"];
    assert_eq!(told(&mut bench), released);
    bench.answer("a", Ended::Exit(0));
    let back = up.replace("Unknown", "Down");
    let written = "FileWritten +1 -0 =1";
    assert_eq!(told(&mut bench), [PASSED, &back, written, TOLD_BIRD]);
    bench.event(Event::RunNow);
    let now = ["RunNow { services: 1 }", "a CheckStarted"];
    assert_eq!(told(&mut bench), now);
    wait(&mut bench, seconds(1));
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..drained("a", A)
    };
    let second = [leaving, off("same", C), off("new", "192.0.2.4/32")];
    let mut other = world(config(second), &[]);
    other.warnings = vec![warning("stale")];
    bench.reload(other);
    let reloaded = [
        "Configuration stale",
        "new Disabled { then: Withdraw }",
        "Reloaded { added: 1, removed: 1, changed: 1, unchanged: 1 }",
    ];
    assert_eq!(told(&mut bench), reloaded);
    let reloads = bench.engine.snapshot().reloads;
    assert_eq!((reloads.good, reloads.last_good), (1, bench.now));
    bench.event(Event::Stop { signal: "SIGTERM" });
    let stopped = [
        "Stopping { signal: \"SIGTERM\" }",
        "FileWritten +0 -1 =0",
        "NothingAnnounced { family: V4 }",
        TOLD_BIRD,
        "Stopped { uptime: 2s, end: Clean }",
    ];
    assert_eq!(told(&mut bench), stopped);
}

#[test]
fn a_configuration_without_services_is_mentioned() {
    let mut bench = Bench::new(world(config([]), &[]));
    let words = ["Started { services: 0, disabled: 0 }", "NoServices"];
    assert_eq!(told(&mut bench), words);
}

#[test]
fn strangers_that_are_removed_are_named_also_in_a_file_that_a_reload_takes_up() {
    let purging = |path: &str| {
        let mut config = config([quick("a", A)]);
        config.daemon.purge_ip_prefixes = true;
        if let Some(family) = &mut config.daemon.families[0] {
            family.prefix_file = path.into();
        }
        config
    };
    let mut bench = Bench::new(world(purging("/4"), &[]));
    told(&mut bench);
    bench.reload(world(purging("/other"), &[STRANGER]));
    assert_eq!(told(&mut bench)[0], "WithoutCheck 1 true");
}

/// A failure that stays the same is counted, and the count is said when something else takes the service down.
#[test]
fn what_was_repeated_is_said_before_a_service_is_held_down() {
    let tolerant = ServiceConfig {
        fall: 9,
        ..drained("a", A)
    };
    let mut bench = Bench::new(world(config([tolerant]), &[]));
    bench.pass(seconds(5), pass);
    bench.pass(seconds(30), |_| Some(Ended::Exit(1)));
    told(&mut bench);
    bench.event(maintenance(true));
    let repeated = "a FailureRepeated { times: 2, verdict: Fail(1) }";
    assert_eq!(told(&mut bench)[0], repeated);
}

fn output(stdout: &str, stderr: &str) -> Output {
    let captured = |text: &str| Captured {
        bytes: text.as_bytes().to_vec(),
        dropped: 0,
    };
    Output {
        stdout: captured(stdout),
        stderr: captured(stderr),
    }
}

/// The running check of `a` ends with this output.
fn answer(bench: &mut Bench, ended: Ended, output: Output) {
    while bench.job_of("a").is_none() {
        assert!(bench.jump());
    }
    let job = bench.job_of("a").expect("it runs");
    bench.forget(job);
    bench.event(Event::JobEnded { job, ended, output });
}

/// Without what is said of every run.
fn told_of_failures(bench: &mut Bench) -> Vec<String> {
    let mut words = told(bench);
    words.retain(|word| !word.starts_with("a CheckStarted") && !word.starts_with("a CheckEnded"));
    words
}

#[test]
fn failures_are_said_with_their_output_when_they_are_new() {
    let tolerant = ServiceConfig {
        fall: 4,
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([tolerant]), &[A]));
    let mut run = |status: u8, text: &str| {
        answer(&mut bench, Ended::Exit(status), output("", text));
        told_of_failures(&mut bench)
    };
    let failed = |status: u8, count: u32| {
        format!(
            "a CheckFailed {{ verdict: Fail({status}), took: 0ns, count: {count}, of: 4, cause: \"\" }}"
        )
    };
    let wrote = |byte: u8| {
        format!(
            "a CheckOutput {{ stream: Stderr, captured: Captured {{ bytes: [{byte}], dropped: 0 }} }}"
        )
    };
    let repeated = |times: u32, status: u8| {
        format!("a FailureRepeated {{ times: {times}, verdict: Fail({status}) }}")
    };
    run(0, "");
    assert_eq!(run(0, "x"), [""; 0]);
    assert_eq!(run(1, "A"), [failed(1, 1), wrote(65)]);
    assert_eq!(run(1, "B"), [""; 0]);
    assert_eq!(run(2, "C"), [repeated(1, 1), failed(2, 3), wrote(67)]);
    assert_eq!(run(0, ""), ["a CheckRecovered { after: 3 }"]);
    assert_eq!(run(2, ""), [failed(2, 1)]);
    assert_eq!(run(1, ""), [failed(1, 2)]);
    assert_eq!(run(1, ""), [""; 0]);
    assert_eq!(run(0, ""), ["a CheckRecovered { after: 3 }"]);
    assert_eq!(run(1, ""), [failed(1, 1)]);
    assert_eq!(run(3, ""), [failed(3, 2)]);
    assert_eq!(run(1, ""), [failed(1, 3)]);
    let down = run(3, "D");
    assert!(
        down[0] == wrote(68) && down[1].starts_with("a StateChanged"),
        "{down:?}"
    );
}

#[test]
fn what_timed_out_has_written_is_known_when_it_is_gone() {
    let tolerant = ServiceConfig {
        fall: 9,
        ..drained("a", A)
    };
    let mut bench = Bench::new(world(config([tolerant]), &[A]));
    let time_out = |bench: &mut Bench| {
        while bench.killed.is_empty() {
            assert!(bench.jump());
        }
        bench.killed.clear();
        told(bench);
    };
    let last = |bench: &Bench| {
        let snapshot = bench.engine.snapshot();
        let last = snapshot.services[0].last.expect("a run");
        (last.verdict, last.first_line.to_string())
    };
    let wrote = |bench: &mut Bench| {
        let words = told(bench);
        words
            .iter()
            .filter(|word| word.contains("CheckOutput"))
            .count()
    };
    time_out(&mut bench);
    assert_eq!(last(&bench), (Verdict::TimedOut, String::new()));
    answer(&mut bench, Ended::Signal(9), output("half", ""));
    assert_eq!(last(&bench), (Verdict::TimedOut, "half".to_string()));
    assert_eq!(wrote(&mut bench), 1);
    time_out(&mut bench);
    answer(&mut bench, Ended::Signal(9), output("again", ""));
    assert_eq!(last(&bench), (Verdict::TimedOut, "again".to_string()));
    assert_eq!(wrote(&mut bench), 0, "it is as before");
    // Under maintenance it is of no interest any more.
    time_out(&mut bench);
    bench.event(maintenance(true));
    answer(&mut bench, Ended::Signal(9), output("late", ""));
    assert_eq!(wrote(&mut bench), 0);
}

#[test]
fn nothing_is_shown_of_a_run_that_was_called_off_and_hung_on() {
    let mut bench = Bench::new(world(config([drained("a", A)]), &[A]));
    let job = bench.job_of("a").expect("it runs");
    bench.event(maintenance(true));
    for _ in 0..3 {
        assert!(bench.jump());
    }
    bench.forget(job);
    let (ended, output) = (Ended::Signal(9), output("half a line", ""));
    bench.event(Event::JobEnded { job, ended, output });
    let snapshot = bench.engine.snapshot();
    let last = snapshot.services[0].last.expect("it hung over a slot");
    assert_eq!((last.verdict, last.first_line), (Verdict::TimedOut, ""));
}

#[test]
fn the_first_line_that_says_something() {
    for (stdout, stderr, line) in [
        ("", "", ""),
        (" \n\t one \ntwo\n", "", "one"),
        ("one\n", "\n two\n", "two"),
        ("one\n", " \n\n", "one"),
    ] {
        assert_eq!(first_line(&output(stdout, stderr)), line);
    }
    let long = "x".repeat(500);
    assert_eq!(first_line(&output(&long, "")), "x".repeat(200));
}

#[test]
fn what_is_assigned_is_shown_where_it_is_looked_at() {
    let not_looked_at = ServiceConfig {
        ip_check_disabled: true,
        ..quick("b", B)
    };
    let services = [quick("a", A), not_looked_at, off("off", C)];
    let mut bench = Bench::new(world(config(services), &[]));
    let shown = |bench: &Bench| -> Vec<Option<bool>> {
        let snapshot = bench.engine.snapshot();
        let services = snapshot.services.iter();
        services.flat_map(|view| view.assigned.clone()).collect()
    };
    assert_eq!(shown(&bench), [Some(true), None, None]);
    bench.event(Event::Addresses(Rc::default()));
    assert_eq!(shown(&bench), [Some(false), None, None]);
}

/// That a check takes longer than its interval is said once, until one has ended in time.
#[test]
fn a_check_that_overruns_is_mentioned_once() {
    let slow = ServiceConfig {
        timeout: seconds(60),
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([slow]), &[]));
    let overran = |bench: &mut Bench| {
        let words = told(bench);
        let mut of_this = words.into_iter().filter(|word| word.contains("Overran"));
        (of_this.next(), of_this.next())
    };
    let said = (
        Some("a CheckOverran { running_for: 10s }".to_string()),
        None,
    );
    for _ in 0..3 {
        bench.pass(seconds(25), |_| None);
        bench.answer("a", Ended::Exit(0));
        while bench.job_of("a").is_none() {
            assert!(bench.jump());
        }
    }
    assert_eq!(overran(&mut bench), said);
    bench.answer("a", Ended::Exit(0));
    bench.pass(seconds(45), |_| None);
    assert_eq!(overran(&mut bench), said);
}

#[test]
fn what_is_not_checked_has_no_next_run() {
    let spread = |interval| {
        let mut config = config([ServiceConfig {
            interval: seconds(interval),
            ..quick("a", A)
        }]);
        config.daemon.splay_startup = Some(seconds(8));
        config
    };
    let next_run = |bench: &Bench| bench.engine.snapshot().services[0].next_run;
    let mut bench = Bench::new(world(spread(10), &[]));
    let begun = ["Started { services: 1, disabled: 0 }", "a FirstRunIn"];
    assert_eq!(told(&mut bench), begun);
    assert!(next_run(&bench).is_some());
    let nowhere = |interval| {
        let mut world = world(spread(interval), &[]);
        world.addresses = Rc::default();
        world
    };
    bench.reload(nowhere(20));
    assert_eq!((bench.status("a"), next_run(&bench)), (Status::Down, None));
    let mut bench = Bench::new(nowhere(10));
    assert_eq!(next_run(&bench), None);
    assert!(!told(&mut bench).contains(&"a FirstRunIn".to_string()));
    bench.reload(nowhere(20));
    assert_eq!(next_run(&bench), None);
}

#[test]
fn an_address_that_is_not_looked_at_may_be_missing() {
    let unchecked = ServiceConfig {
        ip_check_disabled: true,
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([unchecked]), &[]));
    bench.pass(seconds(1), pass);
    bench.event(Event::Addresses(Rc::default()));
    assert_eq!(bench.status("a"), Status::Up);
}

#[test]
fn maintenance_that_a_start_or_a_reload_finds_counts() {
    let found = |present: bool| {
        let mut world = world(config([drained("a", A), quick("b", B)]), &[A, B]);
        if present {
            world.maintenance = Set::from([PathBuf::from("/m")]);
        }
        world
    };
    let mut bench = Bench::new(found(true));
    let held = |bench: &Bench| {
        let snapshot = bench.engine.snapshot();
        snapshot.services[0].reason == Reason::Maintenance && !bench.in_file(A)
    };
    assert!(held(&bench) && bench.in_file(B));
    bench.reload(found(false));
    assert!(!held(&bench));
    bench.pass(seconds(15), pass);
    bench.reload(found(true));
    assert!(held(&bench) && bench.in_file(B));
    let counts = bench.engine.overview(bench.now, 9).counts;
    assert_eq!((counts.down, counts.maintenance), (1, 1));
    // That of somebody else.
    bench.event(Event::Maintenance {
        path: "/other".into(),
        present: true,
    });
    assert_eq!(bench.status("b"), Status::Up);
}

/// Whatever happens then, no check runs and no state changes.
#[test]
fn a_daemon_that_stops_only_stops() {
    let often = |name, prefix| ServiceConfig {
        interval: seconds(1),
        ..quick(name, prefix)
    };
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        ..often("c", C)
    };
    let mut limited = config([often("a", A), often("b", B), leaving]);
    limited.daemon.max_running_checks = 1;
    let mut bench = Bench::new(world(limited.clone(), &[A, B, C]));
    bench.bird = None;
    bench.event(Event::RunNow);
    assert_eq!(bench.started.len(), 1);
    let begin = bench.now;
    bench.event(Event::Stop { signal: "SIGTERM" });
    told(&mut bench);
    wait(&mut bench, seconds(1));
    bench.event(Event::Stop { signal: "SIGINT" });
    bench.event(Event::RunNow);
    bench.event(Event::Addresses(Rc::default()));
    reload(&mut bench, limited);
    assert_eq!(told(&mut bench), [""; 0]);
    let killed: Vec<JobId> = std::mem::take(&mut bench.killed);
    killed
        .into_iter()
        .for_each(|job| bench.end(job, Ended::Signal(9)));
    while !bench.exited {
        assert!(bench.jump());
    }
    assert_eq!(bench.started.len(), 1);
    assert!(bench.in_file(A) && bench.in_file(B) && !bench.in_file(C));
    assert!(bench.now.since(begin) <= seconds(6));
    let end = End::BirdDoesNotKnow;
    assert_eq!(
        bench.said(|what| matches!(what, What::Stopped { end: of, .. } if *of == end)),
        1
    );
}

#[test]
fn who_withdraws_nothing_does_not_wait_at_the_end() {
    let mut config = config([quick("a", A)]);
    config.daemon.on_exit_wait = seconds(3);
    let mut bench = Bench::new(world(config, &[A]));
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(bench.exited);
}

#[test]
fn the_end_waits_for_a_command() {
    let leaving = ServiceConfig {
        on_exit: Announce::Withdraw,
        custom_cmd: Some(CommandLine::of(["/bin/c"])),
        ..quick("a", A)
    };
    let mut bench = Bench::new(world(config([leaving]), &[A]));
    bench.event(Event::Stop { signal: "SIGTERM" });
    assert!(!bench.exited && !bench.in_file(A));
    let is_custom = |(_, job): &(&JobId, &Job)| matches!(job, Job::Custom(_, false));
    let (down, _) = bench.jobs.iter().find(is_custom).expect("down runs");
    bench.end(*down, Ended::Exit(0));
    assert!(bench.exited && bench.clean);
}

/// A service in the queue stands there once, and not any more when it is gone or cannot be checked.
#[test]
fn the_queue_holds_who_waits_and_nobody_else() {
    let limited = |services: &[ServiceConfig]| {
        let mut config = config(services.to_vec());
        config.daemon.max_running_checks = 1;
        config
    };
    let slow = ServiceConfig {
        timeout: seconds(300),
        ..quick("a", A)
    };
    let waiting = |bench: &Bench| bench.engine.snapshot().waiting;
    let [c, d] = [quick("c", C), quick("d", "192.0.2.4/32")];
    let all = limited(&[slow.clone(), quick("b", B), c.clone(), d.clone()]);
    let mut bench = Bench::new(world(all, &[]));
    bench.pass(seconds(35), |_| None);
    assert_eq!(waiting(&bench), 3);
    // Another one has the place of `b` now, and its first run is to come later.
    let mut spread = limited(&[slow, quick("new", "192.0.2.9/32"), c, d]);
    spread.daemon.splay_startup = Some(seconds(8));
    reload(&mut bench, spread);
    assert_eq!(waiting(&bench), 2);
    let before = bench.started.len();
    bench.event(Event::Addresses(Rc::default()));
    bench.reap_killed();
    assert_eq!(bench.started.len(), before, "nobody can be checked");
}

/// Every moment at which the metrics file has something new to say, and none else.
#[test]
fn metrics_follow_what_happens() {
    let metered = || {
        let custom = ServiceConfig {
            custom_cmd: Some(CommandLine::of(["/bin/c"])),
            custom_timeout: seconds(500),
            timeout: seconds(500),
            ..quick("v6", V6)
        };
        let hanging = ServiceConfig {
            fall: 99,
            timeout: seconds(2),
            interval: seconds(500),
            ..quick("a", A)
        };
        let patient = ServiceConfig {
            timeout: seconds(500),
            ..quick("b", B)
        };
        let mut config = config([hanging, patient, custom]);
        config.daemon.reconfigure_timeout = seconds(500);
        config.daemon.metrics = Some(MetricsConfig {
            directory: "/m".into(),
            interval: seconds(3600),
        });
        config
    };
    let mut bench = Bench::new(world(metered(), &[B]));
    let hangs = bench.job_of("a").expect("it runs");
    let mut written = 1;
    let mut expect = |bench: &mut Bench, more: usize, event: Event| {
        let what = format!("{event:?}");
        if let Event::JobEnded { job, .. } | Event::ReconfigureEnded { job, .. } = event {
            bench.forget(job);
        }
        wait(bench, seconds(1));
        bench.event(event);
        written += more;
        assert_eq!(bench.metrics, written, "{what}");
    };
    let output = Output::default;
    let ended = |job, status| Event::JobEnded {
        job,
        ended: Ended::Exit(status),
        output: output(),
    };
    expect(&mut bench, 0, Event::Due);
    expect(&mut bench, 0, Event::Due);
    expect(&mut bench, 1, Event::Due);
    assert!(bench.killed.contains(&hangs), "it is abandoned by now");
    expect(&mut bench, 1, ended(hangs, 0));
    expect(&mut bench, 1, Event::ReloadRefused(Vec::new()));
    expect(
        &mut bench,
        1,
        Event::Reload(Box::new(world(metered(), &[B]))),
    );
    expect(&mut bench, 0, Event::Due);
    // A withdrawal, step by step.
    (bench.slow_disk, bench.bird) = (true, None);
    bench.orders.clear();
    let check = bench.job_of("b").expect("it runs");
    expect(&mut bench, 0, ended(check, 1));
    expect(&mut bench, 1, Event::Due);
    let order = bench.orders.remove(0);
    let file_written = bench.carry_out(&order);
    expect(&mut bench, 1, file_written);
    let bird = *bench.vias.keys().next().expect("BIRD is told");
    let outcome = Ok(Accepted::Reconfigured);
    expect(
        &mut bench,
        1,
        Event::ReconfigureEnded { job: bird, outcome },
    );
    // A command of a service.
    bench.slow_disk = false;
    let check = bench.job_of("v6").expect("it runs");
    expect(&mut bench, 1, ended(check, 0));
    let is_custom = |(_, job): &(&JobId, &Job)| matches!(job, Job::Custom(..));
    let (command, _) = bench.jobs.iter().find(is_custom).expect("up runs");
    let command = *command;
    expect(&mut bench, 1, ended(command, 0));
    expect(&mut bench, 0, Event::Due);
}

#[test]
fn what_was_told_to_die_is_told_once_and_is_nobodys_when_its_service_is_gone() {
    let mut bench = Bench::new(world(config([quick("a", A)]), &[]));
    while bench.killed.is_empty() {
        assert!(bench.jump());
    }
    // Another one takes its place.
    reload(&mut bench, config([quick("b", B)]));
    assert_eq!(bench.killed.len(), 1);
    told(&mut bench);
    wait(&mut bench, seconds(1));
    bench.event(Event::Due);
    assert_eq!(told(&mut bench)[0], "DoesNotDie { errand: Check }");
}

/// As xorshift64* is published, and another number for each seed.
#[test]
fn delays_are_random() {
    let engine = |seed| Engine::start(Mono::from_micros(1), world(config([]), &[]), seed, false).0;
    let mut known = engine(7);
    for number in [15_130_880_334_998_875_822, 17_123_930_943_180_875_438] {
        assert_eq!(known.random_below(u64::MAX), number);
    }
    let firsts = (0..100).map(|seed| engine(2 * seed).random_below(1_000_000_000));
    assert_eq!(firsts.collect::<BTreeSet<u64>>().len(), 100);
    assert_eq!(engine(1).random_below(0), 0);
}

#[test]
fn a_prefix_is_shown_as_its_file_on_the_disk_has_it() {
    let mut bench = Bench::new(world(config([quick("a", A), quick("b", B)]), &[B]));
    let shown = |bench: &Bench| -> Vec<bool> {
        let snapshot = bench.engine.snapshot();
        let services = snapshot.services.iter();
        services.flat_map(|view| view.advertised.clone()).collect()
    };
    assert_eq!(shown(&bench), [false, true]);
    bench.pass(seconds(1), |name| Some(Ended::Exit(u8::from(name == "b"))));
    assert_eq!(shown(&bench), [true, false]);
}
