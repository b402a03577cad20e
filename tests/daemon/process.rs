//! Starting, stopping, being one only.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::daemon::{Daemon, daemon_command, dead_pid, finish};
use crate::support::fake_bird::FakeBird;
use crate::support::{Lab, executable, holds_for, wait_until};

/// A lab with one service that is up, and one whose check hangs for a while.
fn lab(name: &str) -> Lab {
    let lab = Lab::new(name);
    FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    lab
}

#[test]
fn sigterm_and_sigint_end_it_cleanly_and_leave_what_is_announced() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let lab = lab("stop");
        lab.service(
            "hangs",
            &[
                ("ip_prefix", "10.1.0.2/32"),
                (
                    "check_cmd",
                    "/bin/sh -c 'trap : TERM; sleep 1000 & wait; sleep 1000'",
                ),
            ],
        );
        let bird = FakeBird::install(&lab);
        let mut daemon = Daemon::start(&lab);
        bird.wait_exports("4", &["10.1.0.1/32"]);
        wait_until("the hanging check runs", || !daemon.children().is_empty());
        let (begin, calls) = (Instant::now(), bird.calls());
        daemon.signal(signal);
        let status = daemon.wait_end();
        assert_eq!(status.code(), Some(0), "signal {signal}: {status}");
        assert!(
            begin.elapsed() < Duration::from_secs(6),
            "took {:?}",
            begin.elapsed()
        );
        wait_until("no check is left", || lab.processes().is_empty());
        assert!(!lab.path("pid").exists(), "the pidfile is removed");
        assert_eq!(lab.announced("4"), ["10.1.0.1/32"], "prefixes stay");
        assert_eq!(bird.calls(), calls, "no reconfiguration on the way out");
    }
}

#[test]
fn a_sigterm_is_never_lost_whenever_it_comes() {
    let lab = lab("sigterm");
    lab.service(
        "busy",
        &[
            ("ip_prefix", "10.1.0.2/32"),
            ("check_cmd", "/bin/true"),
            ("check_interval", "0.005"),
        ],
    );
    lab.service(
        "flaps",
        &[
            ("ip_prefix", "10.1.0.3/32"),
            ("check_cmd", "/bin/sh -c 'exit $(($$ %% 2))'"),
            ("check_interval", "0.01"),
        ],
    );
    // A linear congruential generator with a fixed seed: moments spread over start, first checks and first updates.
    let mut random: u32 = 20_170_723;
    for round in 0..60 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_micros(u64::from(random >> 8) % 60_000);
        let begin = Instant::now();
        let mut daemon = Daemon::spawn(daemon_command(&lab));
        while begin.elapsed() < moment {
            std::hint::spin_loop();
        }
        daemon.signal(libc::SIGTERM);
        let status = daemon.wait_end();
        // Before the program has said that it wants to handle the signal, the kernel ends it.
        let ended = status.code() == Some(0) || status.signal() == Some(libc::SIGTERM);
        assert!(ended, "round {round}, after {moment:?}: {status}");
        let took = begin.elapsed() - moment;
        assert!(
            took < Duration::from_secs(6),
            "round {round}: {took:?} from SIGTERM to the end"
        );
    }
    wait_until("nothing is left", || lab.processes().is_empty());
    assert!(!lab.path("pid").exists(), "the pidfile is removed");
}

#[test]
fn a_restart_right_after_the_end_is_never_refused() {
    let lab = lab("restart");
    lab.daemon(&[("loglevel", "error"), ("ipv6", "false")]);
    for number in 0..20 {
        let name = format!("s{number}");
        let prefix = format!("10.2.0.{number}/32");
        let settings = [
            ("ip_prefix", prefix.as_str()),
            ("check_cmd", "/bin/true"),
            ("check_interval", "0.004"),
        ];
        lab.service(&name, &settings);
    }
    // The others come and go too fast for a look at all processes on a busy machine.
    let settings = [("ip_prefix", "10.2.0.20/32"), ("check_cmd", "/bin/sleep 2")];
    lab.service("long", &settings);
    for round in 0..60 {
        // Fails if it is refused, because a child of the one before still holds the lock.
        let mut daemon = Daemon::start(&lab);
        wait_until("it runs checks", || !daemon.children().is_empty());
        if round % 2 == 0 {
            daemon.stop();
        } else {
            daemon.kill();
        }
    }
}

#[test]
fn a_reader_of_its_log_that_goes_away_ends_nothing() {
    let lab = lab("sigpipe");
    let bird = FakeBird::install(&lab);
    let mut command = daemon_command(&lab);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("start");
    bird.wait_exports("4", &["10.1.0.1/32"]);
    drop(child.stdout.take());
    for (status, wanted) in [(1, &[][..]), (0, &["10.1.0.1/32"][..]), (1, &[][..])] {
        lab.answer("web", status);
        bird.wait_exports("4", wanted);
    }
    crate::support::sys::kill(child.id(), libc::SIGPIPE).expect("signal");
    lab.answer("web", 0);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    crate::support::sys::kill(child.id(), libc::SIGTERM).expect("signal");
    assert_eq!(child.wait().expect("wait").code(), Some(0));
}

#[test]
fn there_is_only_one() {
    let lab = lab("one");
    let bird = FakeBird::install(&lab);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let before = lab.read("pid");
    let second = finish(daemon_command(&lab));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("running"), "says why: {said}");
    assert_eq!(lab.read("pid"), before, "the pidfile is the first one's");
    // Not by another pidfile either: the lock is the host's (its network namespace's).
    lab.daemon(&[("pidfile", &lab.path("other.pid").display().to_string())]);
    let third = finish(daemon_command(&lab));
    assert_eq!(third.status.code(), Some(1));
    assert!(!lab.path("other.pid").exists());
    assert!(daemon.is_running());
    daemon.stop();
}

#[test]
fn the_lock_is_the_one_of_the_reference() {
    let lab = lab("lock");
    let name = SocketAddr::from_abstract_name("anycast-healthchecker").expect("address");
    let held = UnixDatagram::bind_addr(&name).expect("the lock is free in a new namespace");
    let refused = finish(daemon_command(&lab));
    assert_eq!(refused.status.code(), Some(1));
    assert!(!lab.path("pid").exists());
    drop(held);
    let mut daemon = Daemon::start(&lab);
    assert!(
        UnixDatagram::bind_addr(&name).is_err(),
        "the daemon holds the lock"
    );
    // Rubbish sent to it changes nothing.
    let sender = UnixDatagram::unbound().expect("socket");
    for length in [0, 1, 4096] {
        let _ = sender.set_nonblocking(true);
        let _ = sender.send_to_addr(&vec![b'x'; length], &name);
    }
    FakeBird::install(&lab).wait_exports("4", &["10.1.0.1/32"]);
    holds_for("it stays", Duration::from_millis(100), || {
        daemon.is_running()
    });
    daemon.stop();
}

#[test]
fn a_stale_pidfile_is_replaced_and_a_live_health_checker_refuses_the_start() {
    let lab = lab("pidfile");
    let dead = format!("{}\n", dead_pid());
    // Of another program, which has been given the number since.
    let other = format!("{}\n", std::process::id());
    for stale in [
        dead.as_str(),
        other.as_str(),
        "",
        "garbage\n",
        "99999999999999999999\n",
    ] {
        lab.write("pid", stale);
        let mut daemon = Daemon::start(&lab);
        daemon.stop();
        assert!(
            !lab.path("pid").exists(),
            "after a stale pidfile with {stale:?}"
        );
    }
    executable::copy("/bin/sleep", lab.path("anycast-healthchecker"));
    let mut other = lab.command(lab.path("anycast-healthchecker"));
    let mut other = other.arg("1000").spawn().expect("sleep");
    lab.write("pid", &format!("{}\n", other.id()));
    let refused = finish(daemon_command(&lab));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&other.id().to_string()),
        "names the process: {said}"
    );
    assert_eq!(
        lab.read("pid").trim(),
        other.id().to_string(),
        "the pidfile of another is left alone"
    );
    other.kill().expect("kill");
    other.wait().expect("wait");
    // Killed itself, it leaves a stale one, and starts again.
    let mut daemon = Daemon::start(&lab);
    daemon.kill();
    assert!(lab.path("pid").exists());
    let mut daemon = Daemon::start(&lab);
    daemon.stop();
}

#[test]
fn an_ordinary_user_can_run_it() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    let lab = lab("user");
    for part in ["", "4", "6", "checks", "services"] {
        chown(lab.path(part), Some(NOBODY), Some(NOBODY)).expect("chown");
        std::fs::set_permissions(lab.path(part), std::fs::Permissions::from_mode(0o755))
            .expect("chmod");
    }
    // The tree may stand below a directory that others cannot enter.
    executable::copy(crate::support::daemon::PROGRAM, lab.path("program"));
    let mut command = lab.command(lab.path("program"));
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    command.uid(NOBODY).gid(NOBODY);
    let mut daemon = Daemon::spawn(command);
    daemon.wait_ready(&lab);
    FakeBird::install(&lab).wait_exports("4", &["10.1.0.1/32"]);
    lab.answer("web", 1);
    FakeBird::install(&lab).wait_exports("4", &[]);
    daemon.stop();
}
