//! Real BIRD with a real BGP peer: one BIRD in the namespace of the test (the node, beside the daemon
//! under test), one at the other end of a wire (the peer), one BGP session per family.
//!
//! The node exports the addresses of `lo` that the prefix files name. What the peer's table holds is what counts, and
//! its counters of updates and withdrawals tell whether a route moved meanwhile.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::lab::Netns;
use super::prefixes::{DUMMY4, DUMMY6};
use super::{Lab, sys, tools, wait_until};

/// BGP comes up in one to two seconds; a busy machine may take longer.
const SESSION_PATIENCE: Duration = Duration::from_secs(40);

pub struct BgpLab<'a> {
    lab: &'a Lab,
    _peer_network: Netns,
    _peer: Child,
    version: Version,
    /// One process, or one for each family with BIRD 1.6.
    node: Vec<Child>,
}

/// Which BIRD the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// BIRD 1.6: `bird` and `bird6`, two processes with a control socket each. The peer is BIRD 2.
    One,
    /// `bird` of the machine: both families in one process. So is the peer.
    Two,
    /// BIRD 3 of Debian 13, at both ends.
    Three,
}

impl Version {
    fn bird(self) -> PathBuf {
        match self {
            Version::One | Version::Two => "bird".into(),
            Version::Three => tools::bird_3("bird"),
        }
    }

    fn birdc(self) -> PathBuf {
        match self {
            Version::One | Version::Two => "birdc".into(),
            Version::Three => tools::bird_3("birdc"),
        }
    }
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

/// BIRD 1.6, where FAMILY is 4 or 6.
const OLD_NODE: &str = r#"log "NAME.log" all;
router id 10.99.0.1;
include "FAMILY/prefixes.conf";
protocol device { scan time 10; }
protocol direct { interface "lo"; }
filter export_anycast {
    if net ~ LIST then accept;
    reject;
}
protocol bgp upFAMILY {
    local as 64512;
    neighbor NEIGHBOR as 64513;
    hold time 240;
    connect delay time 1;
    connect retry time 1;
    error wait time 1, 2;
    import none;
    export filter export_anycast;
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
        BgpLab::with(lab, Version::Two)
    }

    pub fn with(lab: &'a Lab, version: Version) -> BgpLab<'a> {
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
        lab.write("node.conf", &node_conf(version, ""));
        lab.write("node6.conf", &node_conf(version, "6"));
        lab.write("peer.conf", PEER);
        let peer = peer_network.inside(|| start(lab.command(version.bird()), "peer"));
        let bgp = BgpLab {
            lab,
            _peer_network: peer_network,
            _peer: peer,
            version,
            node: start_node(lab, version),
        };
        bgp.wait_sessions();
        bgp
    }

    /// `birdc -s …` of the node, as a setting of the daemon.
    pub fn configure_command(&self) -> String {
        format!(
            "{} -s {} configure",
            self.version.birdc().display(),
            self.control().display()
        )
    }

    /// The node's control socket.
    pub fn control(&self) -> PathBuf {
        self.lab.path("node.ctl")
    }

    /// The same for IPv6, which is another one with BIRD 1.6.
    pub fn control6(&self) -> PathBuf {
        match self.version {
            Version::Two | Version::Three => self.control(),
            Version::One => self.lab.path("node6.ctl"),
        }
    }

    #[track_caller]
    pub fn wait_sessions(&self) {
        super::wait_within("two BGP sessions", SESSION_PATIENCE, || {
            let text = match self.version {
                Version::Two | Version::Three => self.node(&["show", "protocols"]),
                Version::One => {
                    self.node(&["show", "protocols"]) + &self.birdc("node6", &["show", "protocols"])
                }
            };
            text.matches("Established").count() == 2
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
            .command(self.version.birdc())
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

    /// How many announcements and how many withdrawals have changed the peer's tables.
    pub fn moved(&self) -> (u64, u64) {
        let moves = self.moves();
        let sum = |kind: &str| {
            let lines = moves.lines().filter(|line| line.contains(kind));
            // The last column: what was accepted, without that which was known already.
            lines
                .map(|line| {
                    line.split_whitespace()
                        .last()
                        .and_then(|n| n.parse::<u64>().ok())
                })
                .map(|number| number.expect("a counter"))
                .sum()
        };
        (sum("updates"), sum("withdraws"))
    }

    /// How often the node's BIRD has taken a configuration, the one it started with apart.
    pub fn reconfigured(&self) -> usize {
        self.lab.read("node.log").matches("> Reconfiguring").count()
    }

    /// Spoils the node's configuration file, which BIRD has read already.
    pub fn append_to_node(&self, text: &str) {
        let whole = node_conf(self.version, "") + text;
        self.lab.write("node.conf", &whole);
    }

    /// Changes the node's configuration file, which BIRD has read already.
    pub fn edit_node(&self, from: &str, to: &str) {
        let conf = node_conf(self.version, "");
        assert!(conf.contains(from), "{conf}");
        self.lab.write("node.conf", &conf.replace(from, to));
    }

    pub fn restore_node(&self) {
        self.lab.write("node.conf", &node_conf(self.version, ""));
    }

    /// SIGSTOP or SIGCONT for the node's BIRD.
    pub fn signal_node(&self, signal: i32) {
        for bird in &self.node {
            sys::kill(bird.id(), signal).expect("signal BIRD");
        }
    }

    /// Kills the node's BIRD; its socket stays behind, and nobody listens there.
    pub fn kill_node(&mut self) {
        for bird in &mut self.node {
            bird.kill().expect("kill BIRD");
            bird.wait().expect("wait");
        }
    }

    pub fn restart_node(&mut self) {
        self.start_node();
        self.wait_sessions();
    }

    /// The same without waiting for anything.
    pub fn start_node(&mut self) {
        self.node = start_node(self.lab, self.version);
    }

    /// How the node's BIRD has ended, if it has.
    pub fn node_has_ended(&mut self) -> Option<ExitStatus> {
        let mut ends = self.node.iter_mut().map(|bird| bird.try_wait());
        ends.find_map(|ended| ended.expect("try_wait"))
    }
}

impl Drop for BgpLab<'_> {
    fn drop(&mut self) {
        for bird in self.node.iter_mut().chain([&mut self._peer]) {
            let _ = bird.kill();
            let _ = bird.wait();
        }
        if std::thread::panicking() {
            for name in ["node.log", "node6.log", "peer.log"] {
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

/// The node's configuration; `six` is "6" for that of `bird6`.
fn node_conf(version: Version, six: &str) -> String {
    match version {
        Version::Two | Version::Three => NODE.to_string(),
        Version::One => {
            let v6 = six == "6";
            OLD_NODE
                .replace("NAME", &format!("node{six}"))
                .replace("FAMILY", if v6 { "6" } else { "4" })
                .replace("LIST", &format!("ACAST{six}_PS_ADVERTISE"))
                .replace("NEIGHBOR", if v6 { "fd99::2" } else { "10.99.0.2" })
        }
    }
}

fn start_node(lab: &Lab, version: Version) -> Vec<Child> {
    match version {
        Version::Two | Version::Three => vec![start(lab.command(version.bird()), "node")],
        Version::One => vec![
            start(lab.command(tools::old_bird("bird")), "node"),
            start(lab.command(tools::old_bird("bird6")), "node6"),
        ],
    }
}

fn start(mut bird: Command, name: &str) -> Child {
    bird.args(["-f", "-c", &format!("{name}.conf")])
        .args(["-s", &format!("{name}.ctl")])
        .args(["-P", &format!("{name}.pid")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    bird.spawn().expect("cannot start bird (package bird2)")
}

/// The prefixes at the beginnings of lines of `show route`, sorted as text.
pub fn prefixes_of(text: &str) -> Vec<String> {
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
