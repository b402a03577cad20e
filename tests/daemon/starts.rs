//! Starting what a check or a command runs: what may hang, what is inherited, and what is left behind.

use std::fs;
use std::time::{Duration, Instant};

use super::checks::lab_with_check;
use crate::support::daemon::{Daemon, is_alive, state_of};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, executable, holds_for, sys, wait_until};

/// The pids that a check has noted in a file of the lab.
fn noted(lab: &Lab, name: &str) -> Vec<u32> {
    let text = lab.read(name);
    text.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[test]
fn an_exec_that_hangs_holds_nothing_but_its_own_check() {
    let lab = Lab::new("exec-hangs");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    executable::copy("/bin/true", lab.path("hangs"));
    let held = sys::hold_exec(&lab.path("hangs")).expect("fanotify (root)");
    let command = lab.path("hangs").display().to_string();
    lab.service(
        "hangs",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("check_cmd", &command),
            ("check_timeout", "0.3"),
            ("check_interval", "0.5"),
        ],
    );
    lab.service("web", &[("ip_prefix", "10.1.0.2/32")]);
    let mut daemon = Daemon::start(&lab);
    daemon.wait_line(&["hangs", "timed out"]);
    bird.wait_exports("4", &["10.1.0.2/32"]);
    lab.answer("web", 1);
    bird.wait_exports("4", &[]);
    daemon.wait_lines(2, &["hangs", "timed out"]);
    // The one that hangs may be killed; that is all that is waited for.
    let begin = Instant::now();
    daemon.stop();
    assert!(begin.elapsed() < Duration::from_secs(6));
    drop(held);
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn a_reconfigure_command_whose_exec_hangs_is_retried_and_holds_no_check() {
    let lab = Lab::new("birdc-hangs");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[("bird_reconfigure_timeout", "0.3")]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    let held = sys::hold_exec(&lab.path("birdc")).expect("fanotify (root)");
    let mut daemon = Daemon::start(&lab);
    daemon.wait_line(&["cannot reconfigure BIRD"]);
    let runs = lab.runs("web").len();
    wait_until("checks go on", || lab.runs("web").len() > runs + 2);
    drop(held);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.stop();
}

#[test]
fn a_check_that_is_traced_by_us_has_not_ended() {
    // It asks to be traced by its parent, and stops.
    let script = format!(
        "#!/bin/sh
echo $$ >>\"$ANYCAST_TEST_LAB/pids\"
exec perl -e 'syscall({}, 0, 0, 0, 0); kill \"STOP\", $$; exit 0' >/dev/null 2>&1
",
        libc::SYS_ptrace
    );
    let settings = [("check_timeout", "0.5"), ("check_interval", "1")];
    let lab = lab_with_check("traced", &script, &settings);
    let mut daemon = Daemon::start(&lab);
    wait_until("it is stopped", || {
        noted(&lab, "pids")
            .first()
            .is_some_and(|&pid| state_of(pid) == Some('t'))
    });
    daemon.wait_line(&["odd", "timed out"]);
    wait_until("two have run", || noted(&lab, "pids").len() >= 2);
    let first = noted(&lab, "pids")[0];
    wait_until("the first is gone", || !is_alive(first));
    assert!(daemon.out.with(&["signal 0"]).is_empty());
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn what_a_check_leaves_behind_is_killed_and_said_once() {
    let script = "#!/bin/sh
setsid sh -c 'echo $$ >>\"$ANYCAST_TEST_LAB/pids\"; exec sleep 1000' >/dev/null 2>&1 &
setsid sh -c 'sleep 1000 & echo $! >>\"$ANYCAST_TEST_LAB/pids\"; wait' >/dev/null 2>&1 &
while [ $(wc -l <\"$ANYCAST_TEST_LAB/pids\") -lt 2 ]; do sleep 0.01; done
";
    let lab = lab_with_check("leftovers", script, &[]);
    lab.write("pids", "");
    // The other service would make it unclear whose they are.
    lab.remove("services/steady.conf");
    let mut daemon = Daemon::start(&lab);
    wait_until("they have been started", || noted(&lab, "pids").len() >= 2);
    daemon.wait_line(&["the check of odd left process", "sleep", "killed"]);
    let first = noted(&lab, "pids");
    wait_until("what it left is gone", || {
        first.iter().all(|&pid| !is_alive(pid))
    });
    daemon.wait_lines(5, &["odd", "check passed"]);
    assert_eq!(daemon.out.with(&["left process"]).len(), 1, "said once");
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn nothing_of_a_check_outlives_the_daemon() {
    // The check goes on, so that what it has started is not looked for before the stop.
    let script = "#!/bin/sh
for n in 1 2 3; do setsid sh -c 'echo $$ >>\"$ANYCAST_TEST_LAB/pids\"; sleep 1000; :' >/dev/null 2>&1 & done
sleep 1000
";
    let lab = lab_with_check("stop-leftovers", script, &[("check_timeout", "100")]);
    let mut daemon = Daemon::start(&lab);
    wait_until("they have been started", || noted(&lab, "pids").len() == 3);
    let begin = Instant::now();
    daemon.stop();
    assert!(begin.elapsed() < Duration::from_secs(6));
    // At once: the daemon has waited for them.
    let alive: Vec<u32> = lab.processes();
    assert!(alive.is_empty(), "{alive:?} outlive the daemon");
}

#[test]
fn a_custom_command_may_leave_something_behind() {
    let lab = Lab::new("left-on-purpose");
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let command = lab.script(
        "custom",
        "#!/bin/sh
setsid sh -c 'echo $$ >>\"$ANYCAST_TEST_LAB/pids\"; exec sleep 1000' >/dev/null 2>&1 &
while [ ! -e \"$ANYCAST_TEST_LAB/pids\" ]; do sleep 0.01; done
",
    );
    let command = command.display().to_string();
    lab.service(
        "web",
        &[
            ("ip_prefix", "10.1.0.1/32"),
            ("custom_bird_reconfigure_cmd", &command),
        ],
    );
    let mut daemon = Daemon::start(&lab);
    wait_until("it has left something", || !noted(&lab, "pids").is_empty());
    let left = noted(&lab, "pids")[0];
    let runs = lab.runs("web").len();
    wait_until("checks have ended since", || {
        lab.runs("web").len() >= runs + 5
    });
    assert!(is_alive(left));
    daemon.stop();
    holds_for("it lives on", Duration::from_millis(100), || is_alive(left));
    sys::kill(left, libc::SIGKILL).expect("kill");
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn checks_have_the_limits_and_the_score_of_an_ordinary_process() {
    let script = "#!/bin/sh
echo \"$(ulimit -Sn) $(ulimit -Hn) $(cat /proc/self/oom_score_adj)\" >\"$ANYCAST_TEST_LAB/seen\"
";
    let lab = lab_with_check("ordinary", script, &[]);
    // More than the limit allows at once, so that the daemon raises its own.
    for number in 0..60 {
        let prefix = format!("10.3.0.{number}/32");
        let settings = [("ip_prefix", prefix.as_str()), ("check_interval", "1000")];
        lab.service(&format!("s{number}"), &settings);
    }
    let mut command = lab.command("/bin/sh");
    // A lower score needs CAP_SYS_RESOURCE, which root of a container may lack.
    let script = "ulimit -Sn 100; ulimit -Hn 400
{ echo -500 >/proc/self/oom_score_adj; } 2>/dev/null; exec \"$@\"";
    command
        .args(["-c", script, "sh"])
        .arg(crate::support::daemon::PROGRAM)
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    wait_until("the check has run", || !lab.read("seen").is_empty());
    let own =
        |file: &str| fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).expect(file);
    let score: i32 = own("oom_score_adj").trim().parse().expect("a number");
    assert_eq!(lab.read("seen"), format!("100 400 {}\n", score.max(0)));
    assert!(own("limits").lines().any(|line| {
        let mut words = line.split_whitespace();
        line.starts_with("Max open files") && words.nth(3).is_some_and(|soft| soft != "100")
    }));
    daemon.stop();
}

#[test]
fn a_starter_that_is_killed_is_made_again() {
    let script = "#!/bin/sh
echo \"$(ulimit -Sn)\" >\"$ANYCAST_TEST_LAB/seen\"
";
    let lab = lab_with_check("starter", script, &[]);
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32"]);
    let before = lab.read("seen");
    for _ in 0..3 {
        let killed = daemon.starter();
        sys::kill(killed, libc::SIGKILL).expect("kill");
        wait_until("it is reaped", || state_of(killed).is_none());
        let runs = lab.runs("steady").len();
        wait_until("checks go on", || lab.runs("steady").len() > runs + 1);
    }
    lab.remove("seen");
    wait_until("the other, too", || lab.read("seen") == before);
    // The new one has nothing of the daemon's but its ends.
    let starter = daemon.starter();
    let open = fs::read_dir(format!("/proc/{starter}/fd")).expect("fd");
    assert!(open.count() <= 6, "descriptors of the starter");
    lab.answer("steady", 1);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}

#[test]
fn the_starter_ends_with_the_daemon() {
    let lab = lab_with_check("starter-ends", "#!/bin/sh\n", &[]);
    let mut daemon = Daemon::start(&lab);
    let starter = daemon.starter();
    // What is meant for the daemon alone but sent to all of its processes.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        sys::kill(starter, signal).expect("signal");
    }
    let runs = lab.runs("steady").len();
    wait_until("checks go on", || lab.runs("steady").len() > runs + 1);
    assert_eq!(daemon.starter(), starter);
    daemon.kill();
    wait_until("it is gone", || !is_alive(starter));
}

#[test]
fn a_starter_that_is_stopped_starts_nothing_for_a_daemon_that_is_gone() {
    let lab = lab_with_check("starter-stopped", "#!/bin/sh\n", &[]);
    let mut daemon = Daemon::start(&lab);
    let starter = daemon.starter();
    sys::kill(starter, libc::SIGSTOP).expect("signal");
    // It has been asked for what it cannot do.
    daemon.wait_line(&["timed out"]);
    daemon.kill();
    wait_until("it is gone", || !is_alive(starter));
}
