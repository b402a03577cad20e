//! A share of the loop's time, for work that may wait: documents and metrics, which cost as much as there are services.
//!
//! The work is done in slices at the end of a turn, when checks are started and BIRD is told, for as long as the share
//! lasts. A burst is free, so that a host with few services never waits; after it each slice is followed by a
//! pause in proportion to what it took.

use std::time::Duration;

use crate::time::Mono;

/// How long the work of one turn may take.
pub const SLICE: Duration = Duration::from_millis(5);
/// Work that is done without a pause.
const BURST: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub struct Share {
    /// One in so many.
    part: u32,
    /// When all that was done is paid for.
    paid_at: Mono,
}

impl Share {
    pub fn one_in(part: u32, now: Mono) -> Share {
        Share { part, paid_at: now }
    }

    /// When the next slice may begin.
    pub fn free_at(&self) -> Mono {
        Mono::from_micros(self.paid_at.micros().saturating_sub(self.burst()))
    }

    /// Works until `work` has nothing left to do (false), the share is used up or the slice is over. `clock` tells the
    /// time: what the turn did before is not taken off the share.
    pub fn spend(&mut self, clock: &dyn Fn() -> Mono, work: &mut dyn FnMut() -> bool) {
        let begin = clock();
        let mut at = begin;
        while at < begin + SLICE && at >= self.free_at() && work() {
            let after = clock();
            self.paid_at = self.paid_at.max(at) + after.since(at).saturating_mul(self.part);
            at = after;
        }
    }

    fn burst(&self) -> u64 {
        crate::time::micros(BURST.saturating_mul(self.part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn at(millis: u64) -> Mono {
        Mono::from_micros(1_000_000_000 + millis * 1000)
    }

    /// A day of turns, in which work is always there and each piece takes a millisecond.
    #[test]
    fn the_share_is_kept_and_no_slice_is_long() {
        let mut share = Share::one_in(5, at(0));
        let clock = Cell::new(0);
        let (mut worked, mut longest) = (0, 0);
        while clock.get() < 100_000 {
            let begin = clock.get();
            share.spend(&|| at(clock.get()), &mut || {
                clock.set(clock.get() + 1);
                true
            });
            let slice = clock.get() - begin;
            worked += slice;
            longest = longest.max(slice);
            if slice == 0 {
                assert!(share.free_at() > at(begin), "nobody would wake the loop");
                clock.set(begin + share.free_at().since(at(begin)).as_millis() as u64 + 1);
            }
        }
        assert_eq!(longest, 5);
        assert!((19_000..=20_100).contains(&worked), "{worked} of 100,000");
    }

    #[test]
    fn little_work_never_waits() {
        let mut share = Share::one_in(10, at(0));
        let clock = Cell::new(0);
        for _ in 0..1000 {
            let mut left = 3;
            share.spend(&|| at(clock.get()), &mut || {
                clock.set(clock.get() + 1);
                left -= 1;
                left > 0
            });
            assert_eq!(left, 0);
            clock.set(clock.get() + 30);
        }
    }
}
