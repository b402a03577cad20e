//! A daemon that is gone for good, with real BIRD and a real peer.
//!
//! tests/withdraw.rs tries `--withdraw` and `--watch` in all their ways against a stand-in for BIRD.

use std::process::{Child, Command, Output, Stdio};

use crate::support::bgp::BgpLab;
use crate::support::daemon::{Daemon, PROGRAM, finish};
use crate::support::{Lab, status, sys, wait_until};
use crate::{by_socket, real_service, v4, v6};

fn order(lab: &Lab, words: &[&str]) -> Command {
    let mut command = lab.command(PROGRAM);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"))
        .args(words);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A daemon with one service of each family that the peer knows.
fn announcing<'a>(lab: &'a Lab, socket: bool) -> (BgpLab<'a>, Daemon) {
    let bgp = BgpLab::new(lab);
    let command = bgp.configure_command();
    match socket {
        true => by_socket(lab, &bgp, &[]),
        false => lab.daemon(&[
            ("bird_reconfigure_cmd", &command),
            ("bird6_reconfigure_cmd", &command),
        ]),
    }
    lab.install_checks();
    // on_exit is for an orderly end; nobody asks a process that is killed.
    real_service(lab, "web", &v4(1), &[("on_exit", "advertise")]);
    real_service(lab, "dns", &v6(1), &[]);
    let daemon = Daemon::start(lab);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    (bgp, daemon)
}

fn withdrawn_after_sigkill(name: &str, socket: bool) {
    let lab = Lab::new(name);
    let (bgp, mut daemon) = announcing(&lab, socket);
    status::wait_service("web", "up", "passed");
    status::wait_service("dns", "up", "passed");
    let (moved, file) = (bgp.moved(), lab.read("4/prefixes.conf"));
    let output = finish(order(&lab, &["--withdraw"]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("a daemon works: nothing to do"),
        "{}",
        said(&output)
    );
    assert_eq!(
        (bgp.moved(), lab.read("4/prefixes.conf")),
        (moved, file),
        "nothing is done"
    );
    daemon.kill();
    assert_eq!(bgp.learned(), [v4(1), v6(1)], "that is why it is needed");
    let output = finish(order(&lab, &["--withdraw"]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    bgp.wait_learned(&[]);
    // A daemon that is started again takes the files over as they are.
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    assert!(daemon.out.with(&["malformed"]).is_empty());
    daemon.stop();
}

#[test]
fn everything_is_withdrawn_after_sigkill() {
    // Side by side, since it is mostly waiting; each thread has its own namespaces.
    std::thread::scope(|scope| {
        scope.spawn(|| withdrawn_after_sigkill("gone-socket", true));
        scope.spawn(|| withdrawn_after_sigkill("gone-command", false));
    });
}

/// Ended with the test, whatever becomes of it.
struct Instance(Child);

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As procd runs it: an instance beside the daemon's, which stays.
#[test]
fn the_instance_of_procd_withdraws_whenever_the_daemon_is_gone() {
    let lab = Lab::new("procd");
    let (bgp, mut daemon) = announcing(&lab, true);
    let mut command = order(&lab, &["--watch", "2"]);
    let log = std::fs::File::create(lab.path("watch.log")).expect("log");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let mut watch = Instance(command.spawn().expect("watch"));
    let moved = bgp.moved();
    daemon.kill();
    bgp.wait_learned(&[]);
    // procd has started the daemon again, and it is left alone.
    daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    wait_until("the instance has seen it", || {
        lab.read("watch.log").contains("a daemon works again")
    });
    assert_eq!(bgp.moved(), (moved.0 + 2, moved.1 + 2));
    assert!(watch.0.try_wait().expect("wait").is_none(), "it stays");
    daemon.stop();
    sys::kill(watch.0.id(), libc::SIGTERM).expect("stop it");
}
