//! BIRD's control socket with real BIRDs behind it: 2 and 1.6.
//!
//! What tests/bird.rs shows of BIRD 2 (announcing, a broken configuration, SIGSTOP, a BIRD that is down) is not
//! repeated for it.

use crate::support::bgp::{BgpLab, Version};
use crate::support::daemon::Daemon;
use crate::support::{Lab, status, wait_until};
use crate::{by_socket, real_service, v4, v6};

#[test]
fn a_bird_that_was_restarted_in_between_needs_no_second_attempt() {
    let lab = Lab::new("between");
    let mut bgp = BgpLab::new(&lab);
    by_socket(&lab, &bgp, &[]);
    lab.install_checks();
    real_service(&lab, "web", &v4(1), &[]);
    real_service(&lab, "dns", &v6(1), &[]);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    bgp.kill_node();
    bgp.restart_node();
    // It has read the file, which nobody has touched.
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    lab.answer("web", 1);
    bgp.wait_learned(&[&v6(1)]);
    lab.answer("web", 0);
    bgp.wait_learned(&[&v4(1), &v6(1)]);
    assert!(daemon.out.with(&["cannot"]).is_empty());
    daemon.stop();
}

/// BIRD 1.6 is two daemons with a socket each.
#[test]
fn bird_1_6_is_spoken_to_all_the_same() {
    let lab = Lab::new("old");
    let mut bgp = BgpLab::with(&lab, Version::One);
    by_socket(&lab, &bgp, &[("bird_reconfigure_timeout", "1")]);
    lab.install_checks();
    real_service(&lab, "web", &v4(1), &[]);
    real_service(&lab, "both", &format!("{}, {}", v4(2), v6(2)), &[]);
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(2)]);
    lab.answer("both", 1);
    bgp.wait_learned(&[&v4(1)]);
    lab.answer("both", 0);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(2)]);
    let trouble = |daemon: &Daemon| daemon.out.with(&["cannot reconfigure BIRD for IPv4"]).len();
    assert_eq!(trouble(&daemon), 0);
    // Broken by hand: refused in its words, the other family goes on, and recovery comes by itself.
    bgp.append_to_node("protocol nonsense {\n");
    lab.answer("both", 1);
    daemon.wait_line(&["cannot reconfigure BIRD for IPv4", "syntax error"]);
    bgp.wait_learned(&[&v4(1), &v4(2)]);
    bgp.restore_node();
    wait_until("BIRD agrees", || bgp.exported("4") == [v4(1)]);
    bgp.wait_learned(&[&v4(1)]);
    // Stopped: its socket accepts and nobody answers.
    bgp.signal_node(libc::SIGSTOP);
    lab.answer("both", 0);
    daemon.wait_line(&["cannot reconfigure BIRD for IPv4", "no answer in time"]);
    daemon.wait_line(&["cannot reconfigure BIRD for IPv6", "no answer in time"]);
    bgp.signal_node(libc::SIGCONT);
    wait_until("BIRD agrees", || bgp.exported("4") == [v4(1), v4(2)]);
    bgp.wait_learned(&[&v4(1), &v4(2), &v6(2)]);
    // Dead, and started again.
    bgp.kill_node();
    lab.answer("web", 1);
    daemon.wait_line(&["cannot reconfigure BIRD for IPv4", "onnection refused"]);
    bgp.restart_node();
    wait_until("told", || {
        status::ask().is_some_and(|doc| doc.families.iter().all(|family| family.settled))
    });
    bgp.wait_learned(&[&v4(2), &v6(2)]);
    daemon.stop();
}
