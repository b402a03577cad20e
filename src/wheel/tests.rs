//! The wheel against a sorted list, with deadlines at every distance and steps of every size.

use super::*;

/// xorshift64*: the same cases every time, from a seed that is printed by the assertion.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Mostly small, sometimes huge: as many bits as a draw says.
    fn span(&mut self) -> u64 {
        let bits = self.below(45);
        self.below((1 << bits) + 1)
    }
}

fn at(micros: u64) -> Mono {
    Mono::from_micros(micros)
}

#[test]
fn agrees_with_a_sorted_list() {
    for seed in 1..=60 {
        let mut random = Random(seed);
        let mut now = random.span();
        let mut wheel = Wheel::new(at(now));
        let mut list: Vec<(u64, u32, TimerId)> = Vec::new();
        for key in 0..4000_u32 {
            match random.below(5) {
                0 | 1 => {
                    let deadline = (now + random.span()).saturating_sub(random.below(2000));
                    list.push((deadline, key, wheel.arm(at(deadline), key)));
                }
                2 if !list.is_empty() => {
                    let victim = random.below(list.len() as u64) as usize;
                    wheel.cancel(list.swap_remove(victim).2);
                }
                _ => {
                    now += random.span();
                    let mut fired: Vec<(u64, u32)> = wheel
                        .expire(at(now))
                        .iter()
                        .map(|(due, key)| (due.micros(), *key))
                        .collect();
                    assert!(fired.is_sorted_by_key(|(due, _)| *due), "seed {seed}");
                    let mut expected: Vec<(u64, u32)> = list
                        .extract_if_due(now)
                        .into_iter()
                        .map(|(due, key, _)| (due, key))
                        .collect();
                    fired.sort();
                    expected.sort();
                    assert_eq!(fired, expected, "seed {seed} at {now}");
                }
            }
            let soonest = list.iter().map(|(deadline, ..)| *deadline).min();
            assert_eq!(
                wheel.next_deadline().map(Mono::micros),
                soonest,
                "seed {seed} at {now}"
            );
            assert_eq!(wheel.armed(), list.len());
        }
    }
}

trait ExtractDue {
    fn extract_if_due(&mut self, now: u64) -> Self;
}

impl ExtractDue for Vec<(u64, u32, TimerId)> {
    fn extract_if_due(&mut self, now: u64) -> Self {
        let (due, left) = std::mem::take(self)
            .into_iter()
            .partition(|(deadline, ..)| *deadline <= now);
        *self = left;
        due
    }
}

#[test]
fn fires_neither_early_nor_late_around_every_slot_edge() {
    for level in 0..8_u32 {
        let edge = 1_u64 << (TICK_BITS + SLOT_BITS * level);
        for deadline in [edge - 1, edge, edge + 1] {
            let mut wheel = Wheel::new(at(0));
            wheel.arm(at(deadline), ());
            assert_eq!(wheel.next_deadline(), Some(at(deadline)));
            assert!(wheel.expire(at(deadline - 1)).is_empty());
            assert_eq!(wheel.next_deadline(), Some(at(deadline)));
            assert_eq!(wheel.expire(at(deadline)), [(at(deadline), ())]);
            assert_eq!(wheel.next_deadline(), None);
        }
    }
}

#[test]
fn a_clock_at_its_end_is_no_overflow() {
    let mut wheel = Wheel::new(at(0));
    wheel.arm(at(u64::MAX), ());
    assert_eq!(wheel.next_deadline(), Some(at(u64::MAX)));
    assert!(wheel.expire(at(u64::MAX - 1)).is_empty());
    assert_eq!(wheel.expire(at(u64::MAX)).len(), 1);
}

#[test]
fn the_same_deadline_fires_together() {
    let mut wheel = Wheel::new(at(5));
    for key in 0..1000 {
        wheel.arm(at(77_000_000), key);
    }
    assert!(wheel.expire(at(76_999_999)).is_empty());
    assert_eq!(wheel.expire(at(77_000_000)).len(), 1000);
    assert_eq!(wheel.armed(), 0);
}

#[test]
#[should_panic(expected = "not armed")]
fn cancelling_twice_is_a_bug() {
    let mut wheel = Wheel::new(at(0));
    let timer = wheel.arm(at(9), ());
    let again = TimerId {
        index: timer.index,
        generation: timer.generation,
    };
    wheel.cancel(timer);
    wheel.cancel(again);
}
