//! What operators of such daemons have asked for in vain (issue 5), proved on the real binary, and on real BIRD with a
//! BGP peer wherever BIRD is involved.
//!
//! Each test has a work directory and namespaces of its own (`support`). What the peer's table holds is what counts;
//! where BIRD must misbehave in ways that no real one can be made to, a stand-in behind the control socket does.

mod support;

#[path = "wishes/bird.rs"]
mod bird;
#[path = "wishes/control.rs"]
mod control;
#[path = "wishes/crowd.rs"]
mod crowd;
#[path = "wishes/drain.rs"]
mod drain;
#[path = "wishes/ends.rs"]
mod ends;
#[path = "wishes/gone.rs"]
mod gone;
#[path = "wishes/hands.rs"]
mod hands;
#[path = "wishes/maintenance.rs"]
mod maintenance;
#[path = "wishes/prefixes.rs"]
mod prefixes;
#[path = "wishes/reload.rs"]
mod reload;
#[path = "wishes/told.rs"]
mod told;

use support::Lab;
use support::bgp::BgpLab;

/// Addresses of the tests, all on `lo` of the node: `10.1.0.N` and `2001:db8:53::N`.
pub fn v4(number: u8) -> String {
    format!("10.1.0.{number}/32")
}

pub fn v6(number: u8) -> String {
    format!("2001:db8:53::{number}/128")
}

/// The settings of a daemon that talks to the node's BIRD over its control socket, and `more`.
pub fn by_socket(lab: &Lab, bgp: &BgpLab, more: &[(&str, &str)]) {
    let (socket, socket6) = (bgp.control(), bgp.control6());
    let (socket, socket6) = (socket.display().to_string(), socket6.display().to_string());
    let own = [
        ("bird_control_socket", socket.as_str()),
        ("bird6_control_socket", &socket6),
    ];
    lab.daemon(&[&own[..], more].concat());
}

/// Writes a service with a steered check, and assigns its prefixes, so that BIRD has something to export.
pub fn real_service(lab: &Lab, name: &str, prefixes: &str, more: &[(&str, &str)]) {
    for prefix in prefixes.split(", ") {
        // Without nodad an IPv6 address is tentative for a moment, even on lo.
        let nodad = if prefix.contains(':') { "nodad" } else { "" };
        lab.ip(&format!("addr replace {prefix} dev lo {nodad}"));
    }
    let own = [("ip_prefix", prefixes), ("ip_check_disabled", "false")];
    lab.service(name, &[&own[..], more].concat());
}
