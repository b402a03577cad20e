//! A disk that takes its time: every sync holds the only thread for longer than a check may take.

use std::process::Command;

use super::lab;
use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, wait_until};

/// The daemon of the lab, which finds this instead of the C library's: so many milliseconds for each file.
fn start(lab: &Lab, millis: u32) -> Daemon {
    let text = format!(
        "#include <unistd.h>\nint fdatasync(int fd) {{ (void)fd; usleep({millis} * 1000); return 0; }}\n"
    );
    lab.write("slow.c", &text);
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
    let mut daemon = start(&lab, 700);
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
    let mut daemon = start(&lab, 2000);
    wait_until("both are up", || lab.announced("4").len() == 2);
    daemon.wait_lines(3, &["BIRD reconfigured"]);
    daemon.stop();
    for words in ["timed out", "no answer in time"] {
        assert_eq!(daemon.out.with(&[words]), [], "{words}");
    }
}
