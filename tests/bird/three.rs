//! The same with BIRD 3 as the node and as the peer.
//!
//! BIRD 3 has several threads and answers like BIRD 2. What is left out here is left out because no BIRD is asked
//! anything else: restarts of the daemon, addresses that go, a BIRD that is stopped.

use super::*;

#[test]
fn each_family_is_announced_and_withdrawn_at_the_peer_by_command() {
    announces_and_withdraws(Version::Three, Way::Command);
}

#[test]
fn each_family_is_announced_and_withdrawn_at_the_peer_by_socket() {
    announces_and_withdraws(Version::Three, Way::Socket);
}

/// A file that is included by hand and broken, BIRD killed, and an edit for which BIRD has to restart both sessions.
fn lives_through_all(way: Way) {
    let lab = Lab::new("three");
    let mut bgp = BgpLab::with(&lab, Version::Three);
    assert!(bgp.node(&["show", "status"]).starts_with("BIRD 3."));
    configure(&lab, &bgp, way, &[("bird_reconfigure_timeout", "1")]);
    two_services(&lab, "0.2");
    let mut daemon = Daemon::start(&lab);
    bgp.wait_learned(&[V4, V6]);
    lab.write("by-hand.conf", "define BY_HAND = [ 192.0.2.1/32, ;\n");
    recovery(
        &lab,
        &mut bgp,
        &mut daemon,
        |bgp| bgp.append_to_node("include \"by-hand.conf\";\n"),
        &["cannot reconfigure BIRD", "by-hand.conf:1:", "syntax error"],
        |bgp| bgp.restore_node(),
    );
    recovery(
        &lab,
        &mut bgp,
        &mut daemon,
        |bgp| bgp.kill_node(),
        &["cannot reconfigure BIRD", "onnection refused"],
        |bgp| bgp.restart_node(),
    );
    // 0004: taken, and applied while the daemon goes on. That is a success and needs no second attempt.
    bgp.edit_node("hold time 240", "hold time 200");
    let reconfigured = bgp.reconfigured();
    lab.answer("six", 1);
    daemon.wait_line(&["BIRD has taken the configuration for", "is applying it"]);
    bgp.wait_learned(&[V4]);
    bgp.wait_sessions();
    assert_eq!(bgp.reconfigured(), reconfigured + 1);
    daemon.stop();
}

#[test]
fn a_bird_that_refuses_dies_or_takes_its_time_by_command() {
    lives_through_all(Way::Command);
}

#[test]
fn a_bird_that_refuses_dies_or_takes_its_time_by_socket() {
    lives_through_all(Way::Socket);
}
