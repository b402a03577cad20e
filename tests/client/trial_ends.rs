//! `--test`: nothing is left behind, whatever the checks do and however the test ends.

use std::os::unix::process::ExitStatusExt;

use super::support::daemon::{Daemon, all_pids, daemon_command, parent_of};
use super::support::{sys, wait_until};
use super::{once, out, quiet, scripted, trial_lab};

#[test]
fn a_check_that_hangs_is_killed_with_its_group() {
    let lab = trial_lab("trial-hang", &[]);
    scripted(
        &lab,
        "web",
        "192.0.2.1/32",
        "trap '' TERM INT HUP; sleep 1000 & sleep 1000 & sleep 1000",
        &[("check_timeout", "0.5")],
    );
    let output = once(&lab, &["-t"]);
    quiet(&output, 1);
    assert!(out(&output).contains("timeout"), "{}", out(&output));
    wait_until("no process of the check is left", || {
        lab.processes().is_empty()
    });
}

#[test]
fn a_hundred_megabytes_of_output_are_read_and_dropped() {
    let lab = trial_lab("trial-output", &[]);
    let script = "echo first\nhead -c 100000000 /dev/zero && echo all >&2";
    let long = [("check_timeout", "30")];
    scripted(&lab, "big", "192.0.2.1/32", script, &long);
    let output = once(&lab, &["-t"]);
    quiet(&output, 0);
    // It was written to the end, and stderr was heard meanwhile.
    assert!(
        out(&output).trim_end().ends_with(" all"),
        "{}",
        out(&output)
    );
    assert!(output.stdout.len() < 10_000);
}

#[test]
fn a_grandchild_that_keeps_the_pipes_delays_nothing() {
    let lab = trial_lab("trial-grandchild", &[]);
    for number in 1..=5 {
        let prefix = format!("192.0.2.{number}/32");
        scripted(
            &lab,
            &format!("s{number}"),
            &prefix,
            "sleep 1000 &\necho said",
            &[],
        );
    }
    let output = once(&lab, &["-t"]);
    quiet(&output, 0);
    assert_eq!(
        out(&output).matches(" said\n").count(),
        5,
        "{}",
        out(&output)
    );
    // They go with their checks, as in the daemon.
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn a_signal_leaves_no_check_behind() {
    let lab = trial_lab("trial-signal", &[]);
    for number in 0..150 {
        let prefix = format!("198.18.0.{number}/32");
        let script = "sleep 1000 &\nsleep 1000";
        scripted(
            &lab,
            &format!("s{number}"),
            &prefix,
            script,
            &[("check_timeout", "600")],
        );
    }
    let children = |pid| {
        all_pids()
            .into_iter()
            .filter(|&child| parent_of(child) == Some(pid))
            .count()
    };
    // While the first are started, in the midst of it, and when no more can be.
    for (signal, started) in [
        (libc::SIGTERM, 1),
        (libc::SIGINT, 5),
        (libc::SIGHUP, 20),
        (libc::SIGTERM, 40),
        (libc::SIGQUIT, 64),
        (libc::SIGTERM, 64),
    ] {
        let mut command = daemon_command(&lab);
        command.arg("-t");
        let mut test = Daemon::spawn(command);
        wait_until("checks have started", || children(test.pid()) >= started);
        test.signal(signal);
        assert_eq!(test.wait_end().signal(), Some(signal));
        assert!(test.out.all().is_empty(), "{:?}", test.out.all());
        wait_until("no process is left", || lab.processes().is_empty());
    }
}

#[test]
fn what_was_ignored_stays_ignored() {
    let lab = trial_lab("trial-nohup", &[]);
    let (here, go) = (lab.path("here"), lab.path("go"));
    let script = format!(
        "touch {}\nwhile [ ! -e {} ]; do sleep 0.02; done",
        here.display(),
        go.display()
    );
    scripted(
        &lab,
        "web",
        "192.0.2.1/32",
        &script,
        &[("check_timeout", "30")],
    );
    let mut command = daemon_command(&lab);
    command.arg("-t");
    sys::ignore(&mut command, &[libc::SIGHUP]);
    let mut test = Daemon::spawn(command);
    wait_until("the check runs", || here.exists());
    test.signal(libc::SIGHUP);
    lab.write("go", "");
    assert_eq!(test.wait_end().code(), Some(0));
}
