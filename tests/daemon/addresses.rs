//! The assignment of addresses: followed by notifications, never polled.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::daemon::Daemon;
use crate::support::fake_bird::FakeBird;
use crate::support::lab::Netns;
use crate::support::{Lab, holds_for, wait_until};

/// More seconds than any of these tests may take: whatever happens after the first runs came by notification.
const INTERVAL: &str = "1000";

fn service(lab: &Lab, name: &str, prefix: &str, interface: &str) {
    let settings = [
        ("ip_prefix", prefix),
        ("ip_check_disabled", "false"),
        ("interface", interface),
        ("check_interval", INTERVAL),
    ];
    lab.service(name, &settings);
}

#[test]
fn an_address_that_comes_or_goes_is_followed_at_once() {
    let lab = Lab::new("addresses");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    service(&lab, "four", "10.1.0.1/32", "lo");
    service(&lab, "six", "2001:db8:53::53/128", "lo");
    // Removal must not wait for any counting.
    lab.service("stays", &[("ip_prefix", "10.9.0.1/32")]);
    lab.write(
        "4/prefixes.conf",
        "define ACAST_PS_ADVERTISE = [ 10.189.200.255/32, 10.1.0.1/32 ];\n",
    );
    let mut daemon = Daemon::start(&lab);
    // Not assigned: down at once, though it was announced when we came.
    bird.wait_exports("4", &["10.9.0.1/32"]);
    assert!(
        lab.runs("four").is_empty(),
        "a check without its address is not run"
    );
    for round in 1..4 {
        lab.ip("addr add 10.1.0.1/32 dev lo");
        lab.ip("addr add 2001:db8:53::53/128 dev lo");
        bird.wait_exports("4", &["10.1.0.1/32", "10.9.0.1/32"]);
        bird.wait_exports("6", &["2001:db8:53::53/128"]);
        assert_eq!(
            lab.runs("four").len(),
            round,
            "the address triggers one run"
        );
        lab.ip("addr del 10.1.0.1/32 dev lo");
        lab.ip("addr del 2001:db8:53::53/128 dev lo");
        bird.wait_exports("4", &["10.9.0.1/32"]);
        bird.wait_exports("6", &[]);
    }
    daemon.stop();
}

#[test]
fn any_address_within_the_prefix_counts_on_its_own_interface_only() {
    let lab = Lab::new("within");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.ip("link add d0 type veth peer name d0p");
    lab.ip("link set d0 up");
    service(&lab, "net", "10.5.0.0/24", "d0");
    service(&lab, "host", "10.6.0.1/32", "d0");
    service(&lab, "elsewhere", "10.7.0.1/32", "d0");
    service(&lab, "nowhere", "10.8.0.1/32", "gone0");
    lab.ip("addr add 10.7.0.1/32 dev lo");
    let mut daemon = Daemon::start(&lab);
    lab.ip("addr add 10.5.0.77/16 dev d0");
    lab.ip("addr add 10.6.0.1/24 dev d0");
    bird.wait_exports("4", &["10.5.0.0/24", "10.6.0.1/32"]);
    // The interface goes, and its addresses with it; it comes back under the same name.
    lab.ip("link del d0");
    bird.wait_exports("4", &[]);
    lab.ip("link add d0 type veth peer name d0p");
    lab.ip("addr add 10.6.0.1/24 dev d0");
    bird.wait_exports("4", &["10.6.0.1/32"]);
    lab.ip("link add gone0 type veth peer name gone0p");
    lab.ip("addr add 10.8.0.1/32 dev gone0");
    bird.wait_exports("4", &["10.6.0.1/32", "10.8.0.1/32"]);
    daemon.stop();
}

#[test]
fn a_tentative_ipv6_address_does_not_count_yet() {
    let lab = Lab::new("tentative");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    // Duplicate address detection needs a wire with another end.
    let other = Netns::new();
    lab.ip(&format!(
        "link add va type veth peer name vb netns {}",
        other.path()
    ));
    other.inside(|| lab.ip("link set vb up"));
    lab.ip("link set va up");
    service(&lab, "six", "2001:db8:53::53/128", "va");
    let mut daemon = Daemon::start(&lab);
    let tentative = || {
        let output = Command::new("ip")
            .args("-6 addr show dev va tentative".split(' '))
            .output()
            .expect("ip");
        String::from_utf8_lossy(&output.stdout).contains("2001:db8:53::53")
    };
    lab.ip("addr add 2001:db8:53::53/64 dev va");
    wait_until("the address is usable, and announced only then", || {
        let announced = !lab.announced("6").is_empty();
        let early = tentative();
        assert!(!(announced && early), "announced while tentative");
        announced
    });
    bird.wait_exports("6", &["2001:db8:53::53/128"]);
    daemon.stop();
}

#[test]
fn five_hundred_addresses_that_go_at_once_are_a_handful_of_updates() {
    let lab = Lab::new("flush");
    let bird = FakeBird::install(&lab);
    lab.daemon(&[("loglevel", "info")]);
    let mut batch = String::new();
    for number in 0..500 {
        let prefix = format!("10.50.{}.{}/32", number / 250, number % 250);
        let settings = [
            ("ip_prefix", prefix.as_str()),
            ("ip_check_disabled", "false"),
            ("check_cmd", "/bin/true"),
            ("check_interval", INTERVAL),
        ];
        lab.service(&format!("s{number}"), &settings);
        batch += &format!("addr add {prefix} dev lo\n");
    }
    lab.ip_batch(&batch);
    let mut daemon = Daemon::start(&lab);
    wait_until("all announced", || bird.exports("4").len() == 500);
    let watch = crate::support::sys::Watch::new(&lab.path("4")).expect("inotify");
    let calls = bird.calls();
    let begin = Instant::now();
    lab.ip("addr flush dev lo");
    bird.wait_exports("4", &[]);
    let whole = begin.elapsed();
    let calls = || bird.calls() - calls;
    // A machine that is too busy to take them away at once has one more for each further quarter of a second.
    let most = 4.max(2 + whole.as_millis() as usize / 250);
    holds_for("and that is all", Duration::from_millis(300), || {
        calls() <= most
    });
    let files = watch.replacements("prefixes.conf");
    assert!(
        (1..=most).contains(&files),
        "{files} replacements of the file in {whole:?}"
    );
    assert!(
        (1..=most).contains(&calls()),
        "{} reconfigurations in {whole:?}",
        calls()
    );
    daemon.stop();
}

#[test]
fn an_interface_goes_by_all_its_names() {
    let lab = Lab::new("names");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    let long = "uplink-of-more-than-fifteen-characters";
    service(&lab, "alternative", "10.1.0.1/32", long);
    service(&lab, "label", "10.1.0.2/32", "lo:dns");
    service(&lab, "other", "10.1.0.3/32", "lo:other");
    lab.ip("addr add 10.1.0.1/32 dev lo");
    lab.ip("addr add 10.1.0.2/32 dev lo label lo:dns");
    // As ip(8) has it, and the reference asks that: the label only leads to the interface.
    lab.ip("addr add 10.1.0.3/32 dev lo");
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.2/32", "10.1.0.3/32"]);
    for _ in 0..2 {
        lab.ip(&format!("link property add dev lo altname {long}"));
        bird.wait_exports("4", &["10.1.0.1/32", "10.1.0.2/32", "10.1.0.3/32"]);
        lab.ip(&format!("link property del dev lo altname {long}"));
        bird.wait_exports("4", &["10.1.0.2/32", "10.1.0.3/32"]);
    }
    lab.ip("addr del 10.1.0.2/32 dev lo label lo:dns");
    bird.wait_exports("4", &["10.1.0.3/32"]);
    daemon.stop();
}

/// What no service needs is not opened, so that a sandbox may deny it.
#[test]
fn without_a_service_that_needs_them_addresses_are_not_asked_for() {
    let lab = Lab::new("no-netlink");
    let bird = FakeBird::install(&lab);
    lab.install_checks();
    lab.daemon(&[]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    let mut daemon = Daemon::start(&lab);
    bird.wait_exports("4", &["10.1.0.1/32"]);
    let netlink = |pid: u32| {
        let inodes = std::fs::read_to_string("/proc/thread-self/net/netlink").expect("netlink");
        let inodes: Vec<String> = inodes
            .lines()
            .filter_map(|line| Some(format!("socket:[{}]", line.split_whitespace().last()?)))
            .collect();
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("fd")
            .flatten();
        let targets = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets
            .filter(|target| inodes.contains(&target.display().to_string()))
            .count()
    };
    assert_eq!(netlink(daemon.pid()), 0);
    // A reload that needs them opens it, and one that does not closes it.
    service(&lab, "web", "10.1.0.1/32", "lo");
    daemon.signal(libc::SIGHUP);
    bird.wait_exports("4", &[]);
    assert_eq!(netlink(daemon.pid()), 1);
    lab.ip("addr add 10.1.0.1/32 dev lo");
    bird.wait_exports("4", &["10.1.0.1/32"]);
    lab.service("web", &[("ip_prefix", "10.1.0.1/32")]);
    daemon.signal(libc::SIGHUP);
    daemon.wait_lines(2, &["configuration reloaded"]);
    assert_eq!(netlink(daemon.pid()), 0);
    daemon.stop();
}
