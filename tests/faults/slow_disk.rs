//! A disk that takes its time: every sync holds the only thread for longer than a check may take.

use std::process::Command;
use std::time::Duration;

use super::lab;
use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, wait_until};

/// What the daemon finds instead of the C library's: so many milliseconds for each file.
fn slow_sync(millis: u32) -> String {
    format!(
        "#include <unistd.h>\nint fdatasync(int fd) {{ (void)fd; usleep({millis} * 1000); return 0; }}\n"
    )
}

/// The same for each directory that is read.
fn slow_directories(millis: u32) -> String {
    let head =
        "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n#include <unistd.h>\n";
    let real = "((DIR *(*)(const char *))dlsym(RTLD_NEXT, \"opendir\"))(name)";
    format!("{head}DIR *opendir(const char *name) {{ usleep({millis} * 1000); return {real}; }}\n")
}

fn on_a_slow_disk(lab: &Lab, slow: &str) -> Daemon {
    lab.write("slow.c", slow);
    let library = lab.path("slow.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(lab.path("slow.c"))
        .status();
    assert!(built.expect("cc runs").success());
    let mut command = daemon_command(lab);
    command.env("LD_PRELOAD", &library);
    let daemon = Daemon::spawn(command);
    daemon.wait_ready(lab);
    daemon
}

#[test]
fn a_slow_disk_delays_updates_and_calls_no_check_late() {
    let lab = lab(
        "slow-disk",
        &[("loglevel", "debug"), ("bird_update_interval", "0")],
    );
    lab.service(
        "steady",
        &[
            ("ip_prefix", "10.1.0.2/32"),
            // In time, however busy the machine is.
            ("check_cmd", "/bin/true"),
            ("check_interval", "0.2"),
            ("check_timeout", "0.5"),
        ],
    );
    let bird = FakeBird::install(&lab);
    let mut daemon = on_a_slow_disk(&lab, &slow_sync(700));
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    for _ in 0..4 {
        lab.answer("web", 1);
        bird.wait_exports("4", &["10.1.0.2/32"]);
        lab.answer("web", 0);
        bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    }
    daemon.stop();
    let lines = daemon.out.all();
    let late: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("timed out"))
        .collect();
    assert!(
        late.is_empty(),
        "a check that ended in time is not late because the loop was: {late:?}"
    );
    assert!(
        lines.iter().any(|line| line.contains("files written")),
        "the slow turns are reported with what they did"
    );
}

/// What became due while the loop was held up is done at once when it goes on, and not as much later again.
#[test]
fn what_was_due_in_a_slow_turn_is_late_by_that_turn_only() {
    let lab = lab("slow-turn", &[("loglevel", "debug")]);
    let check = format!("/bin/sh {} web", lab.path("check").display());
    let settings = [
        ("ip_prefix", "10.1.0.1/32"),
        ("check_cmd", check.as_str()),
        ("check_interval", "0.6"),
        ("check_timeout", "0.5"),
    ];
    lab.service("web", &settings);
    FakeBird::install(&lab);
    let mut daemon = on_a_slow_disk(&lab, &slow_directories(700));
    daemon.wait_lines(2, &["BIRD reconfigured"]);
    let passed = ["web", "check passed"];
    let mut waits = Vec::new();
    for _ in 0..3 {
        // Right after a check, so that nothing but the next one wakes the loop.
        let before = daemon.out.with(&passed).len();
        daemon.wait_lines(before + 2, &passed);
        daemon.signal(libc::SIGHUP);
        let reloads = waits.len() + 1;
        daemon.wait_lines(reloads, &["configuration reloaded"]);
        let end = daemon.out.with(&["configuration reloaded"])[reloads - 1].0;
        let checks = || daemon.out.with(&passed);
        wait_until("a check after the reload", || {
            checks().iter().any(|(at, _)| *at > end)
        });
        let next = checks().into_iter().find(|(at, _)| *at > end);
        waits.extend(next.map(|(at, _)| at - end));
    }
    daemon.stop();
    let least = waits.iter().min().expect("three of them");
    assert!(*least < Duration::from_millis(300), "{waits:?}");
}

#[test]
fn what_starts_after_a_slow_write_has_all_its_time() {
    let lab = lab(
        "slow-start",
        &[
            ("bird_reconfigure_cmd", "/bin/echo Reconfigured"),
            ("bird_reconfigure_timeout", "1.5"),
            // The second check starts in the turn in which the first one changes the file.
            ("max_running_checks", "1"),
        ],
    );
    for (name, prefix, command) in [
        ("web", "10.1.0.1/32", "/bin/true"),
        ("zone", "10.1.0.2/32", "/bin/sleep 0.2"),
    ] {
        let settings = [
            ("ip_prefix", prefix),
            ("check_cmd", command),
            ("check_interval", "60"),
            ("check_timeout", "1.5"),
        ];
        lab.service(name, &settings);
    }
    let mut daemon = on_a_slow_disk(&lab, &slow_sync(2000));
    wait_until("both are up", || lab.announced("4").len() == 2);
    daemon.wait_lines(3, &["BIRD reconfigured"]);
    daemon.stop();
    for words in ["timed out", "no answer in time"] {
        assert_eq!(daemon.out.with(&[words]), [], "{words}");
    }
}

/// The time of a check begins when it starts: neither one that was running nor one that was due is taken to be late.
#[test]
fn a_reload_that_takes_longer_than_a_check_may_makes_none_time_out() {
    let lab = lab("slow-reload", &[("loglevel", "debug")]);
    let settings = [
        ("ip_prefix", "10.1.0.1/32"),
        ("check_cmd", "/bin/sleep 0.1"),
        ("check_interval", "0.3"),
        ("check_timeout", "0.8"),
    ];
    lab.service("web", &settings);
    FakeBird::install(&lab);
    let mut daemon = on_a_slow_disk(&lab, &slow_directories(1200));
    for reloads in 1..=4 {
        daemon.signal(libc::SIGHUP);
        daemon.wait_lines(reloads, &["configuration reloaded"]);
        let before = daemon.out.with(&["web", "check passed"]).len();
        daemon.wait_lines(before + 3, &["web", "check passed"]);
    }
    daemon.stop();
    assert_eq!(daemon.out.with(&["timed out"]), []);
}
