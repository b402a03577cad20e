//! The engine in a world that goes wrong in every way at once, by chance and under invented time.
//!
//! After every step the engine is compared with a model that knows only the history (`model`), BIRD and the disks with
//! what they were told (`birds`). A seed gives the same history however many steps are taken of it: lives of daemons, one
//! after the other in the same world, each ended by a stop or a crash. `make simulate SEED=n` replays one.

mod birds;
mod chance;
mod model;
mod plan;
mod world;

use std::collections::VecDeque;
use std::io::Write;

use world::Life;

/// Steps for one seed, and seeds, unless the environment says otherwise.
const STEPS: u64 = 1000;
const SEEDS: u64 = 200;
/// What is shown of a history that went wrong.
const TAIL: usize = 200;

/// The last events, shown if the test panics.
pub struct Journal {
    seed: u64,
    step: u64,
    tail: VecDeque<String>,
}

impl Journal {
    pub fn note(&mut self, line: String) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut out = std::io::stderr().lock();
            for line in &self.tail {
                let _ = writeln!(out, "{line}");
            }
            let (seed, step) = (self.seed, self.step);
            let _ = writeln!(out, "step {step} of `make simulate SEED={seed}`");
        }
    }
}

fn simulate(seed: u64, steps: u64) {
    let mut journal = Journal {
        seed,
        step: 0,
        tail: VecDeque::new(),
    };
    let mut life = Life::first(seed, &mut journal);
    for step in 0..steps {
        journal.step = step;
        life.step(&mut journal);
        if life.over() {
            life.begin_anew(&mut journal);
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn simulation() {
    let steps = number("SIMULATE_STEPS");
    match number("SIMULATE_SEED") {
        Some(seed) => simulate(seed, steps.unwrap_or(STEPS)),
        None => {
            let seeds = steps.map_or(SEEDS, |steps| steps.div_ceil(STEPS));
            (1..=seeds).for_each(|seed| simulate(seed, STEPS));
        }
    }
}
