//! A disk that takes its time: every sync holds the only thread for longer than a check may take.

use std::process::Command;

use super::lab;
use crate::support::daemon::{Daemon, daemon_command};
use crate::support::fake_bird::FakeBird;

/// What the daemon finds instead of the C library's: 0.7 s for each file.
const SLOW: &str =
    "#include <unistd.h>\nint fdatasync(int fd) { (void)fd; usleep(700000); return 0; }\n";

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
    lab.write("slow.c", SLOW);
    let library = lab.path("slow.so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(lab.path("slow.c"))
        .status();
    assert!(built.expect("cc runs").success());
    let mut command = daemon_command(&lab);
    command.env("LD_PRELOAD", &library);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
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
