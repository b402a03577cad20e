//! `max_running_checks`: a thousand checks due at once, and never more than so many at a time.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::daemon::{Daemon, state_of};
use crate::support::fake_socket::FakeSocket;
use crate::support::{Lab, status, sys, wait_until};

const SERVICES: usize = 1000;
const LIMIT: usize = 20;

/// The most children that the process has had at a time, as /proc says, until `stop`. The list is only right while the
/// process stands still (proc(5)): one that is reaped and one that is started while it is read may both be in it.
fn watch_children(pid: u32, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<usize> {
    std::thread::spawn(move || {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let mut most = 0;
        while !stop.load(Ordering::SeqCst) {
            sys::kill(pid, libc::SIGSTOP).expect("it runs");
            wait_until("it stands still", || state_of(pid) == Some('T'));
            let text = fs::read_to_string(&path).expect("children of the daemon");
            // One of them starts the others.
            most = most.max(text.split_whitespace().count().saturating_sub(1));
            sys::kill(pid, libc::SIGCONT).expect("it runs");
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    })
}

#[test]
fn a_thousand_checks_share_twenty_places_and_none_starves() {
    let lab = Lab::new("crowd");
    // No command: every child is a check.
    let bird = FakeSocket::listen(&lab, "bird.ctl");
    let limit = LIMIT.to_string();
    lab.daemon(&[
        ("loglevel", "debug"),
        ("max_running_checks", &limit),
        ("bird_control_socket", &bird.path()),
        ("ipv6", "false"),
    ]);
    let mut text = String::new();
    for number in 0..SERVICES {
        // Every check is due again long before all have had their turn.
        text += &format!(
            "[s{number}]\nip_prefix = 10.50.{}.{}/32\ncheck_cmd = /bin/sleep 0.02\ncheck_interval = 0.4\n\
             check_timeout = 10\ncheck_rise = 1\ncheck_fail = 1\ncheck_disabled = false\nip_check_disabled = true\n",
            number / 250,
            number % 250
        );
    }
    lab.write("services/all.conf", &text);
    let mut daemon = Daemon::start(&lab);
    let stop = Arc::new(AtomicBool::new(false));
    let watch = watch_children(daemon.pid(), stop.clone());
    wait_until("some have to wait, and the status says so", || {
        status::ask().is_some_and(|doc| doc.checks_waiting > LIMIT && doc.checks_running > 0)
    });
    daemon.wait_lines(2 * SERVICES + LIMIT, &["DEBUG", "running /bin/sleep"]);
    stop.store(true, Ordering::SeqCst);
    let most = watch.join().expect("watch");
    // One more child writes the files.
    assert!(most <= LIMIT + 1, "{most} children at a time");
    assert!(
        most >= LIMIT / 2,
        "only {most} children at a time: was there a crowd?"
    );
    let mut runs: BTreeMap<String, usize> = BTreeMap::new();
    for (_, line) in daemon.out.with(&["DEBUG", "running /bin/sleep"]) {
        let words = line.split_once("] ").map_or("", |(_, rest)| rest);
        let service = words
            .split_whitespace()
            .nth(1)
            .expect("a service")
            .to_string();
        let count = runs.entry(service.clone()).or_default();
        *count += 1;
        let (count, others) = (*count, runs.len());
        assert!(
            count < 2 || others == SERVICES,
            "{service} ran twice before {others} had run once"
        );
    }
    let fewest = runs.values().min().copied().unwrap_or_default();
    assert!(
        fewest >= 1 && runs.len() == SERVICES,
        "{} have run",
        runs.len()
    );
    daemon.stop();
    wait_until("nothing is left", || lab.processes().is_empty());
}
