//! A disk that takes its time: every sync takes longer than a check may, and delays that file alone.

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

/// The same for the directory of services, once there is a file called `slow` in the lab.
fn slow_directories(lab: &Lab, seconds: u32) -> String {
    let slow = lab.path("slow").display().to_string();
    let directory = lab.path("services").display().to_string();
    format!(
        "#define _GNU_SOURCE\n#include <dirent.h>\n#include <dlfcn.h>\n#include <string.h>\n#include <unistd.h>\n\
         DIR *opendir(const char *name) {{\n\
         if (!strcmp(name, \"{directory}\") && !access(\"{slow}\", F_OK)) sleep({seconds});\n\
         return ((DIR *(*)(const char *))dlsym(RTLD_NEXT, \"opendir\"))(name); }}\n"
    )
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
    let mut daemon = on_a_slow_disk(&lab, &slow_sync(2000));
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    for _ in 0..2 {
        lab.answer("web", 1);
        bird.wait_exports("4", &["10.1.0.2/32"]);
        lab.answer("web", 0);
        bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    }
    daemon.stop();
    let late = daemon.out.with(&["timed out"]);
    assert!(
        late.is_empty(),
        "a check that ended in time is not late because a disk was: {late:?}"
    );
    let runs = daemon.out.with(&["steady", "check passed"]);
    let gap = runs.windows(2).map(|pair| pair[1].0 - pair[0].0).max();
    let gap = gap.expect("many of them");
    assert!(
        gap < Duration::from_millis(1500),
        "checks do not wait for a disk: {gap:?} without one"
    );
}

/// Every check runs in time while the configuration is read, and none is called late.
#[test]
fn a_reload_that_reads_slowly_holds_nothing_up() {
    let lab = lab("slow-reload", &[("loglevel", "debug")]);
    let settings = [
        ("ip_prefix", "10.1.0.1/32"),
        ("check_cmd", "/bin/true"),
        ("check_interval", "0.2"),
        ("check_timeout", "1"),
    ];
    lab.service("web", &settings);
    FakeBird::install(&lab);
    let mut daemon = on_a_slow_disk(&lab, &slow_directories(&lab, 3));
    daemon.wait_lines(2, &["BIRD reconfigured"]);
    lab.write("slow", "");
    daemon.signal(libc::SIGHUP);
    let begin = std::time::Instant::now();
    daemon.wait_line(&["configuration reloaded"]);
    let end = daemon.out.with(&["configuration reloaded"])[0].0;
    assert!(end - begin > Duration::from_secs(2), "it was slow");
    let passed = daemon.out.with(&["web", "check passed"]).into_iter();
    let meanwhile = passed.filter(|(at, _)| (begin..end).contains(at)).count();
    assert!(meanwhile > 5, "{meanwhile} checks passed while it was read");
    daemon.stop();
    for words in ["timed out", "one turn of the loop"] {
        assert_eq!(daemon.out.with(&[words]), [], "{words}");
    }
}

#[test]
fn a_reload_that_hangs_is_refused_and_the_next_one_is_not() {
    let lab = lab("hanging-reload", &[]);
    let mut daemon = on_a_slow_disk(&lab, &slow_directories(&lab, 1000));
    wait_until("web is up", || lab.announced("4").len() == 1);
    let reading = || lab.processes().len();
    let before = reading();
    lab.write("slow", "");
    daemon.signal(libc::SIGHUP);
    wait_until("it reads", || reading() > before);
    lab.answer("web", 1);
    wait_until("checks go on", || lab.announced("4").is_empty());
    daemon.wait_line(&["cannot read the configuration", "longer than 20 s"]);
    daemon.wait_line(&["configuration not reloaded", "old one stays in force"]);
    lab.remove("slow");
    daemon.signal(libc::SIGHUP);
    daemon.wait_line(&["configuration reloaded"]);
    // And one that hangs does not hold up the stop.
    lab.write("slow", "");
    daemon.signal(libc::SIGHUP);
    wait_until("it reads", || reading() > before);
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
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
    daemon.wait_lines(2, &["BIRD reconfigured"]);
    daemon.stop();
    for words in ["timed out", "no answer in time"] {
        assert_eq!(daemon.out.with(&[words]), [], "{words}");
    }
}
