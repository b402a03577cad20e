//! Lives of the real daemon with real BIRD at both ends of a wire, in which everything goes wrong that can be made to:
//! errors and delays in every system call, children that cannot be killed, other programs' changes to every file, full
//! and frozen disks, a BIRD that is killed, stopped, reconfigured, signals, floods, reloads of all kinds.
//!
//! Each life is determined by a seed. It alternates between storms and calms. In a storm only that is
//! expected which nothing hinders; in a calm, when all troubles are over, everything must be as the checks ask for: the
//! peer's table, the prefix files, the status, no process, no descriptor and no file left behind.
//!
//! `make chaos` has many lives for ten minutes, as has `make test-release`; `make chaos SEED=N` the one that failed.
//! A failure prints the seed, the last steps, the daemon's log, what was expected and what was found.
//! `CHAOS_VERBOSE=1` prints the steps as they happen; `CHAOS_WITHOUT=EditList,DiskFrozen` leaves out kinds of steps,
//! to find out what a failure needs.

#![cfg(feature = "release-tests")]

mod support;

#[path = "chaos/calls.rs"]
mod calls;
#[path = "chaos/calm.rs"]
mod calm;
#[path = "chaos/checks.rs"]
mod checks;
#[path = "chaos/disk.rs"]
mod disk;
#[path = "chaos/life.rs"]
mod life;
#[path = "chaos/model.rs"]
mod model;
#[path = "chaos/oracle.rs"]
mod oracle;
#[path = "chaos/random.rs"]
mod random;
#[path = "chaos/steps.rs"]
mod steps;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use disk::Disk;
use life::{Birth, Life};
use random::Random;
use support::Lab;
use support::bgp::Version;

/// Storms of one life, if there is time for them.
const CYCLES: usize = 12;

/// Lives at a time. Most of a life is waiting.
const LIVES: usize = 3;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    text.trim().parse().ok()
}

fn live(seed: u64, until: Instant, stop: &AtomicBool) -> String {
    // Not the numbers of the life itself.
    let mut random = Random::new(!seed);
    let lists_on_disk = random.one_in(3);
    let birth = Birth {
        seed,
        version: random.pick(&[Version::Two, Version::Three]),
        as_root: random.one_in(3),
        lists_on_disk,
        history_on_disk: !lists_on_disk && random.one_in(2),
        customs: random.one_in(4),
        watched: random.one_in(3),
    };
    let lab = Lab::new(&format!("chaos-{seed}"));
    let disk = Disk::new(&lab);
    let mut life = Life::new(&birth, &lab, &disk);
    life.calm();
    let mut cycles = 0;
    while cycles < CYCLES && Instant::now() < until && !stop.load(Ordering::SeqCst) {
        life.cycle();
        cycles += 1;
    }
    life.end();
    format!(
        "chaos: {birth:?}: {cycles} storms, {} errors and delays injected, {} kinds of system calls seen",
        life.injected,
        life.calls.len()
    )
}

#[test]
fn after_each_storm_the_peer_has_what_the_checks_ask_for() {
    let begin = Instant::now();
    let until = begin + Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(35));
    // One life if a seed is given; else those that begin at a fixed or, with `make chaos`, at some place.
    let replayed = number("CHAOS_SEED");
    let from = match number("CHAOS_SECONDS") {
        None => 1,
        Some(_) => SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(1, |now| now.as_secs() * 1000),
    };
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let lives = if replayed.is_some() { 1 } else { LIVES };
    std::thread::scope(|scope| {
        for _ in 0..lives {
            scope.spawn(|| {
                loop {
                    let seed = replayed.unwrap_or_else(|| next.fetch_add(1, Ordering::SeqCst));
                    println!("chaos: seed {seed} (make chaos SEED={seed})");
                    let begin = std::panic::AssertUnwindSafe(|| live(seed, until, &stop));
                    match std::panic::catch_unwind(begin) {
                        Ok(report) => println!("{report}"),
                        Err(panic) => {
                            stop.store(true, Ordering::SeqCst);
                            eprintln!("chaos: seed {seed} failed: make chaos SEED={seed}");
                            std::panic::resume_unwind(panic);
                        }
                    }
                    let over = Instant::now() >= until || stop.load(Ordering::SeqCst);
                    if over || replayed.is_some() {
                        return;
                    }
                }
            });
        }
    });
}
