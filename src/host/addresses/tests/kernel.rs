//! The watch and the kernel itself: this host's addresses, and those of a network namespace that changes.

use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use super::*;
use crate::host::sys::poll::{Interest, PollSet};

#[test]
fn this_host_can_be_asked() {
    let watch = Watch::open().unwrap();
    assert!(!watch.stale);
    let names: Vec<String> = fs::read_dir("/sys/class/net")
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default();
    assert!((names.iter()).all(|name| watch.table.names().any(|known| known == name)));
    dump().unwrap();
}

/// In a network namespace of its own, with the real kernel: everything that a notification can tell.
#[test]
fn the_kernel_is_followed() {
    const MARK: &str = "ANYCAST_TEST_NETNS";
    if env::var_os(MARK).is_some() {
        return follow_the_kernel();
    }
    let able = Command::new("unshare")
        .args(["-rn", "ip", "link", "add", "type", "veth"])
        .output();
    if !able.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no network namespace can be made here, or there is no ip(8)");
        return;
    }
    // Few descriptors, so that they can be used up.
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 100 && exec unshare -rn \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([
            "--exact",
            "host::addresses::tests::kernel::the_kernel_is_followed",
        ])
        .args(["--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

/// Turns of a loop until `interface` covers `prefix`, or no longer does.
fn follow(watch: &mut Watch, interface: &str, prefix: &str, wanted: bool) {
    let started = Instant::now();
    let mut set = PollSet::default();
    while covers(&watch.table, interface, prefix) != wanted {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{interface} {prefix} {wanted}"
        );
        set.clear();
        set.add(watch.fd(), Interest::Read);
        set.wait(Some(Duration::from_secs(1))).unwrap();
        watch.readable().unwrap();
    }
}

fn changes_outlast_a_dump_that_fails(watch: &mut Watch) {
    assert_eq!(watch.readable().unwrap(), Change::None);
    ip("addr del 10.9.8.1/32 dev lo");
    watch.stale = true;
    let all: Vec<_> = std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    assert!(
        watch.readable().is_err(),
        "there is no descriptor to dump with"
    );
    drop(all);
    assert_eq!(watch.refresh().unwrap(), Change::Changed);
    assert!(!covers(&watch.table, "lo", "10.9.8.1/32"));
    assert_eq!(watch.refresh().unwrap(), Change::None);
    ip("addr add 10.9.8.1/32 dev lo");
    follow(watch, "lo", "10.9.8.1/32", true);
}

fn follow_the_kernel() {
    ip("link set lo up");
    ip("link add d0 type veth peer name far");
    ip("link set far up");
    ip("link set d0 up");
    ip("addr add 10.9.1.1/24 dev d0");
    let mut watch = Watch::open().unwrap();
    assert!(covers(&watch.table, "d0", "10.9.1.0/24"));

    ip("addr add 10.9.1.1/32 dev d0");
    ip("addr del 10.9.1.1/24 dev d0");
    ip("addr add 10.9.8.1/32 dev lo");
    follow(&mut watch, "lo", "10.9.8.1/32", true);
    assert!(covers(&watch.table, "d0", "10.9.1.1/32"));
    ip("addr add 10.9.2.1 peer 10.9.2.2/32 dev d0");
    follow(&mut watch, "d0", "10.9.2.1/32", true);
    assert!(!covers(&watch.table, "d0", "10.9.2.2/32"));
    ip("-6 addr add 2001:db8::1/64 dev d0 nodad");
    follow(&mut watch, "d0", "2001:db8::1/128", true);
    changes_outlast_a_dump_that_fails(&mut watch);
    ip("link set d0 down");
    follow(&mut watch, "d0", "2001:db8::/64", false);
    ip("link set d0 name d1");
    follow(&mut watch, "d1", "10.9.1.1/32", true);
    assert!(!covers(&watch.table, "d0", "10.9.1.1/32"));
    // The kernel tells nothing about the names of an interface that is down.
    ip("link set d1 up");
    let long = "a-name-of-more-than-fifteen-characters";
    ip(&format!(
        "link property add dev d1 altname {long} altname short"
    ));
    follow(&mut watch, long, "10.9.1.1/32", true);
    assert!(covers(&watch.table, "short:label", "10.9.1.1/32"));
    assert_eq!(*watch.addresses(), dump().unwrap());
    ip("link property del dev d1 altname short");
    follow(&mut watch, "short", "10.9.1.1/32", false);
    assert!(covers(&watch.table, long, "10.9.1.1/32"));
    ip("link del d1");
    follow(&mut watch, "d1", "10.9.1.1/32", false);

    // More notifications than the queue holds: the dump makes up for those that are lost.
    let many = |verb: &str| {
        let lines: Vec<String> = (0..4000)
            .map(|n| format!("addr {verb} 10.{}.{}.9/32 dev lo", 20 + n / 250, n % 250))
            .collect();
        let dir = crate::host::disk::tests::Dir::new("ip");
        let batch = dir.path().join("batch");
        fs::write(&batch, lines.join("\n")).unwrap();
        ip(&format!("-batch {}", batch.display()));
    };
    many("add");
    many("del");
    follow(&mut watch, "lo", "10.9.8.1/32", true);
    let mut set = PollSet::default();
    loop {
        set.clear();
        set.add(watch.fd(), Interest::Read);
        if set.wait(Some(Duration::ZERO)).unwrap() == 0 {
            break;
        }
        watch.readable().unwrap();
    }
    assert!(!watch.stale);
    assert_eq!(*watch.addresses(), dump().unwrap());
    assert!(!covers(&watch.table, "lo", "10.20.0.9/32"));
}
