//! What the tests on the real binary stand on: a work directory and namespaces of its own for each test, a handle on
//! the daemon, a birdc and checks that are steered by files, bounded waits.
//!
//! Linux namespaces belong to threads, and each test has a thread: [`Lab::new`] unshares network and mounts, and all
//! that the test starts afterwards lives there. Abstract sockets belong to the network namespace, so daemons
//! of different tests never meet. Nothing is left behind: the kernel takes the namespaces with the last process, and
//! dropping the lab ends the processes and removes the directory.
//!
//! No test sleeps for a while and hopes: it waits for a condition, with a limit that is generous ([`PATIENCE`]).
#![allow(dead_code)] // Each test binary uses its own part of this.

pub mod bgp;
pub mod checks;
pub mod daemon;
pub mod executable;
pub mod fake_bird;
pub mod fake_socket;
pub mod frozen_disk;
pub mod lab;
pub mod prefixes;
pub mod status;
pub mod sys;
pub mod tools;

pub use lab::Lab;

use std::time::{Duration, Instant};

/// How long a test waits for something that should take milliseconds, on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds, looking every two milliseconds.
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) -> Duration {
    wait_within(what, PATIENCE, condition)
}

#[track_caller]
pub fn wait_within(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    loop {
        if condition() {
            return begin.elapsed();
        }
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asserts that `condition` goes on to hold for a while: for what must not happen.
#[track_caller]
pub fn holds_for(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < span {
        assert!(condition(), "after {:?}: {what}", begin.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
}
