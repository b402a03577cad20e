//! Which slow turns of the loop are worth a line: a host that is overloaded for hours has thousands of them.

use std::time::Duration;

use crate::time::Mono;

/// A turn that takes longer than this may have made checks late.
const SLOW: Duration = Duration::from_millis(100);
/// How long a line about one holds for the others, unless one is far slower.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct SlowTurns {
    /// When one was last said, and how long it took.
    said: Option<(Mono, Duration)>,
    unsaid: u32,
}

impl SlowTurns {
    /// Whether this turn is to be said, and then of how many more since the last nothing was.
    pub fn heed(&mut self, now: Mono, took: Duration) -> Option<u32> {
        if took < SLOW {
            return None;
        }
        let known = |(at, longest): (Mono, Duration)| {
            now.since(at) < QUIET && took < longest.saturating_mul(2)
        };
        if self.said.is_some_and(known) {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.said = Some((now, took));
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_unless_it_gets_far_worse() {
        let mut turns = SlowTurns::default();
        let mut heed = |second: u64, millis: u64| {
            let now = Mono::from_micros(second * 1_000_000);
            turns.heed(now, Duration::from_millis(millis))
        };
        assert_eq!(heed(0, 99), None, "not slow");
        assert_eq!(heed(1, 150), Some(0));
        assert_eq!(heed(2, 299), None);
        assert_eq!(heed(3, 100), None);
        assert_eq!(
            heed(4, 300),
            Some(2),
            "twice as slow as the last that was said"
        );
        assert_eq!(heed(5, 300), None);
        assert_eq!(heed(63, 110), None);
        assert_eq!(heed(64, 110), Some(2), "a minute later");
        assert_eq!(heed(123, 99), None, "not slow");
        assert_eq!(heed(123, 100), None);
        assert_eq!(heed(124, 100), Some(1));
    }
}
