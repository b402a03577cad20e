//! Real BIRD with a real BGP peer: one BIRD in the namespace of the test (the node, beside the daemon
//! under test), one at the other end of a wire (the peer), one BGP session per family.
//!
//! The node exports the addresses of `lo` that the prefix files name. What the peer's table holds is what counts, and
//! its counters of updates and withdrawals tell whether a route moved meanwhile.

use std::process::{Child, Stdio};
use std::time::Duration;

use super::lab::Netns;
use super::prefixes::{DUMMY4, DUMMY6};
use super::{Lab, sys, wait_until};

/// BGP comes up in one to two seconds; a busy machine may take longer.
const SESSION_PATIENCE: Duration = Duration::from_secs(40);

pub struct BgpLab<'a> {
    lab: &'a Lab,
    _peer_network: Netns,
    _peer: Child,
    node: Child,
}

const NODE: &str = r#"log "node.log" all;
router id 10.99.0.1;
include "4/prefixes.conf";
include "6/prefixes.conf";
protocol device { scan time 10; }
protocol direct { ipv4; ipv6; interface "lo"; }
filter export_anycast {
    if net.type = NET_IP4 then { if net ~ ACAST_PS_ADVERTISE then accept; reject; }
    if net.type = NET_IP6 then { if net ~ ACAST6_PS_ADVERTISE then accept; reject; }
    reject;
}
template bgp up_t {
    local as 64512;
    hold time 240;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
}
protocol bgp up4 from up_t {
    neighbor 10.99.0.2 as 64513;
    ipv4 { import none; export filter export_anycast; };
}
protocol bgp up6 from up_t {
    neighbor fd99::2 as 64513;
    ipv6 { import none; export filter export_anycast; };
}
"#;

const PEER: &str = r#"log "peer.log" all;
router id 10.99.0.2;
protocol device { scan time 10; }
template bgp down_t {
    local as 64513;
    passive yes;
    hold time 240;
    error wait time 1, 2;
}
protocol bgp dn4 from down_t {
    neighbor 10.99.0.1 as 64512;
    ipv4 { import all; export none; };
}
protocol bgp dn6 from down_t {
    neighbor fd99::1 as 64512;
    ipv6 { import all; export none; };
}
"#;

impl<'a> BgpLab<'a> {
    /// Both BIRDs, wired, with both sessions established and nothing announced.
    pub fn new(lab: &'a Lab) -> BgpLab<'a> {
        let peer_network = Netns::new();
        lab.ip(&format!(
            "link add va type veth peer name vb netns {}",
            peer_network.path()
        ));
        lab.ip("addr add 10.99.0.1/30 dev va");
        lab.ip("addr add fd99::1/64 dev va nodad");
        lab.ip("link set va up");
        peer_network.inside(|| {
            lab.ip("link set lo up");
            lab.ip("addr add 10.99.0.2/30 dev vb");
            lab.ip("addr add fd99::2/64 dev vb nodad");
            lab.ip("link set vb up");
        });
        // A BIRD does not start without the files that it includes.
        for (family, name, dummy) in [
            ("4", "ACAST_PS_ADVERTISE", DUMMY4),
            ("6", "ACAST6_PS_ADVERTISE", DUMMY6),
        ] {
            lab.write(
                &format!("{family}/prefixes.conf"),
                &format!("# made by the test\ndefine {name} =\n    [\n        {dummy}\n    ];\n"),
            );
        }
        lab.write("node.conf", NODE);
        lab.write("peer.conf", PEER);
        let peer = peer_network.inside(|| start_bird(lab, "peer"));
        let bgp = BgpLab {
            lab,
            _peer_network: peer_network,
            _peer: peer,
            node: start_bird(lab, "node"),
        };
        bgp.wait_sessions();
        bgp
    }

    /// `birdc -s …` of the node, as a setting of the daemon.
    pub fn configure_command(&self) -> String {
        format!("birdc -s {} configure", self.control().display())
    }

    /// The node's control socket.
    pub fn control(&self) -> std::path::PathBuf {
        self.lab.path("node.ctl")
    }

    #[track_caller]
    pub fn wait_sessions(&self) {
        super::wait_within("two BGP sessions", SESSION_PATIENCE, || {
            self.node(&["show", "protocols"])
                .matches("Established")
                .count()
                == 2
        });
    }

    /// What the node's BIRD says.
    pub fn node(&self, words: &[&str]) -> String {
        self.birdc("node", words)
    }

    pub fn peer(&self, words: &[&str]) -> String {
        self.birdc("peer", words)
    }

    fn birdc(&self, which: &str, words: &[&str]) -> String {
        let control = self.lab.path(&format!("{which}.ctl"));
        let output = self
            .lab
            .command("birdc")
            .arg("-s")
            .arg(control)
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("cannot run birdc (package bird2)");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The prefixes in the peer's tables, sorted as text.
    pub fn learned(&self) -> Vec<String> {
        prefixes_of(&self.peer(&["show", "route"]))
    }

    /// The prefixes that the node exports in one family ("4" or "6"), sorted as text.
    pub fn exported(&self, family: &str) -> Vec<String> {
        prefixes_of(&self.node(&["show", "route", "export", &format!("up{family}")]))
    }

    #[track_caller]
    pub fn wait_learned(&self, wanted: &[&str]) -> Duration {
        let mut wanted: Vec<String> = wanted.iter().map(|s| s.to_string()).collect();
        wanted.sort();
        wait_until(&format!("the peer has learned {wanted:?}"), || {
            self.learned() == wanted
        })
    }

    /// The peer's counters of received updates and withdrawals, which stay the same as long as no route moves.
    pub fn moves(&self) -> String {
        let text = self.peer(&["show", "protocols", "all"]);
        let counters = |line: &&str| {
            let line = line.trim_start();
            line.starts_with("Import updates:") || line.starts_with("Import withdraws:")
        };
        text.lines().filter(counters).collect::<Vec<_>>().join("\n")
    }

    /// Spoils the node's configuration file, which BIRD has read already.
    pub fn append_to_node(&self, text: &str) {
        self.lab.write("node.conf", &format!("{NODE}{text}"));
    }

    pub fn restore_node(&self) {
        self.lab.write("node.conf", NODE);
    }

    /// SIGSTOP or SIGCONT for the node's BIRD.
    pub fn signal_node(&self, signal: i32) {
        sys::kill(self.node.id(), signal).expect("signal BIRD");
    }

    /// Kills the node's BIRD; its socket stays behind, and nobody listens there.
    pub fn kill_node(&mut self) {
        self.node.kill().expect("kill BIRD");
        self.node.wait().expect("wait");
    }

    pub fn restart_node(&mut self) {
        self.node = start_bird(self.lab, "node");
        self.wait_sessions();
    }
}

impl Drop for BgpLab<'_> {
    fn drop(&mut self) {
        for bird in [&mut self.node, &mut self._peer] {
            let _ = bird.kill();
            let _ = bird.wait();
        }
        if std::thread::panicking() {
            for name in ["node.log", "peer.log"] {
                let text = self.lab.read(name);
                let lines: Vec<&str> = text.lines().collect();
                eprintln!(
                    "{name}:\n{}",
                    lines[lines.len().saturating_sub(25)..].join("\n")
                );
            }
        }
    }
}

fn start_bird(lab: &Lab, name: &str) -> Child {
    let child = lab
        .command("bird")
        .args([
            "-f",
            "-c",
            &format!("{name}.conf"),
            "-s",
            &format!("{name}.ctl"),
        ])
        .args(["-P", &format!("{name}.pid")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.expect("cannot start bird (package bird2)")
}

/// The prefixes at the beginnings of lines of `show route`, sorted as text.
fn prefixes_of(text: &str) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().next().map(str::to_string);
    let mut prefixes: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace) && line.contains('['))
        .filter_map(first)
        .filter(|word| word.contains('/'))
        .collect();
    prefixes.sort();
    prefixes
}
