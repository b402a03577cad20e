//! Too few processes, too few descriptors: checks fail one by one, and nothing else does.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::lab;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, executable, sys, wait_until};

/// A user that nobody else on this machine is: the limit of processes counts by user.
const LONELY_USER: u32 = 64_738;

/// Sets a soft limit of the running daemon or of its starter, as the user that they run as: root need not have the right
/// to.
fn limit(daemon: &Daemon, pid: u32, what: &str) {
    let user = daemon.status_number("Uid") as u32;
    let status = Command::new("prlimit")
        .arg(format!("--pid={pid}"))
        .arg(what)
        .uid(user)
        .gid(user)
        .status();
    assert!(status.expect("prlimit (package util-linux)").success());
}

/// Starts the daemon of the lab as [`LONELY_USER`].
fn start_lonely(lab: &Lab) -> Daemon {
    for part in ["", "4", "6", "checks", "services"] {
        chown(lab.path(part), Some(LONELY_USER), Some(LONELY_USER)).expect("chown");
    }
    executable::copy(PROGRAM, lab.path("program"));
    let mut command = lab.command(lab.path("program"));
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    command.uid(LONELY_USER).gid(LONELY_USER);
    let daemon = Daemon::spawn(command);
    daemon.wait_ready(lab);
    daemon
}

#[test]
fn no_more_processes_is_a_failed_check_and_a_retried_reconfiguration() {
    let lab = lab("processes", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = start_lonely(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    limit(&daemon, daemon.starter(), "--nproc=0:");
    // Without a process that writes its files, and without a way to start one, the daemon does that itself.
    for writer in daemon.writers() {
        sys::kill(writer, libc::SIGKILL).expect("it is there");
    }
    wait_until("the check fails", || lab.announced("4").is_empty());
    // The kernel does not say which of the two it is.
    daemon.wait_line(&["web", "126", "LimitNPROC=", "TasksMax="]);
    assert_eq!(
        bird.exports("4"),
        ["10.1.0.1/32"],
        "birdc cannot be started either"
    );
    assert!(daemon.is_running());
    limit(&daemon, daemon.starter(), "--nproc=1000:");
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.stop();
}

#[test]
fn no_more_descriptors_is_a_failed_check_and_nothing_worse() {
    let lab = lab("descriptors", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    // As many as it has while idle: no pipe can be made.
    limit(&daemon, daemon.pid(), "--nofile=2:");
    wait_until("a run has failed", || {
        !daemon.out.with(&["web", "126"]).is_empty()
    });
    daemon.wait_line(&["cannot wait for events"]);
    assert!(daemon.is_running());
    limit(&daemon, daemon.pid(), "--nofile=1024:");
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 3);
    daemon.stop();
}

#[test]
fn a_hard_limit_on_descriptors_is_said_and_so_is_its_end() {
    let lab = lab("hard-limit", &[]);
    FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    limit(&daemon, daemon.pid(), "--nofile=100:100");
    let shortage = ["cannot open enough file descriptors", "only 100"];
    for times in 1..=2 {
        for number in 2..10 {
            let prefix = format!("10.1.0.{number}/32");
            lab.service(&format!("s{number}"), &[("ip_prefix", &prefix)]);
        }
        daemon.signal(libc::SIGHUP);
        daemon.wait_lines(times, &shortage);
        for number in 2..10 {
            lab.remove(&format!("services/s{number}.conf"));
        }
        daemon.signal(libc::SIGHUP);
        daemon.wait_lines(times, &["there are enough file descriptors again"]);
    }
    daemon.stop();
}

#[test]
fn no_more_address_space_fails_nothing_but_single_checks() {
    let lab = lab("memory", &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    // Room for itself and for little more. What it cannot do now it must be able to do later.
    let size = daemon.status_number("VmSize") * 1024 + (1 << 20);
    limit(&daemon, daemon.pid(), &format!("--as={size}:"));
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    limit(&daemon, daemon.pid(), "--as=unlimited:");
    lab.answer("web", 0);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    assert!(daemon.is_running());
    daemon.stop();
}
