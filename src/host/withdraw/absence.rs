//! How long there has been no working daemon, and whether that is long enough.
//!
//! A daemon works if it has given its verdicts. One that only answers may be starting, or may fail again and again
//! before it has checked anything often enough; it gets the time that its checks need, on top of the patience that a
//! silent one gets. Time comes as an argument.

use std::time::Duration;

use crate::render::status::Document;
use crate::time::Mono;

/// What one look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Works,
    /// A daemon answers that has not given its verdicts yet.
    Undecided,
    /// None answers, for this reason.
    Silent(String),
}

/// What a status document says of its daemon. A single service that cannot be decided, because its check passes and
/// fails in turn, is no reason to take a daemon for broken that has had the time to decide them all.
pub fn judge(document: &Document, first_verdicts: Duration) -> Seen {
    let summary = &document.summary;
    let has_had_time = u128::from(document.uptime_ms) >= first_verdicts.as_millis();
    match summary.unknown == 0 || summary.up + summary.down > 0 && has_had_time {
        true => Seen::Works,
        false => Seen::Undecided,
    }
}

#[derive(Debug)]
pub struct Absence {
    patience: Duration,
    worked: Mono,
    answered: Mono,
    /// Everything is withdrawn, and no daemon has answered since.
    withdrawn: bool,
}

impl Absence {
    pub fn new(now: Mono, patience: Duration) -> Absence {
        Absence {
            patience,
            worked: now,
            answered: now,
            withdrawn: false,
        }
    }

    /// Takes in a look; true if it is time to withdraw.
    pub fn overdue(&mut self, now: Mono, seen: &Seen, first_verdicts: Duration) -> bool {
        match seen {
            Seen::Works => (self.worked, self.answered, self.withdrawn) = (now, now, false),
            Seen::Undecided => (self.answered, self.withdrawn) = (now, false),
            Seen::Silent(_) => {}
        }
        let undecided = self.patience.saturating_add(first_verdicts);
        let too_long = match seen {
            Seen::Works => false,
            // However short the patience with a silent one is.
            Seen::Undecided => now.since(self.worked) >= undecided,
            Seen::Silent(_) => {
                now.since(self.answered) >= self.patience || now.since(self.worked) >= undecided
            }
        };
        too_long && !self.withdrawn
    }

    /// How long no daemon has worked.
    pub fn lasts(&self, now: Mono) -> Duration {
        now.since(self.worked)
    }

    /// Everything is withdrawn. The next daemon has all the time that this one had.
    pub fn over(&mut self, now: Mono) {
        *self = Absence {
            withdrawn: true,
            ..Absence::new(now, self.patience)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::status::Summary;

    fn silent() -> Seen {
        Seen::Silent("nobody".to_string())
    }

    fn seconds(count: u64) -> Mono {
        Mono::from_micros(count * 1_000_000)
    }

    const FIRST: Duration = Duration::from_secs(28);

    /// The seconds at which a withdrawal is due, if each one is carried out at once.
    fn withdrawals(until: u64, look: impl Fn(u64) -> Seen) -> Vec<u64> {
        let mut absence = Absence::new(seconds(0), Duration::from_secs(30));
        let mut due = Vec::new();
        for now in 0..until {
            if absence.overdue(seconds(now), &look(now), FIRST) {
                due.push(now);
                absence.over(seconds(now));
            }
        }
        due
    }

    #[test]
    fn a_daemon_that_is_gone_is_given_up_once() {
        assert_eq!(withdrawals(500, |_| silent()), [30]);
    }

    #[test]
    fn one_that_answers_has_the_time_of_its_checks_even_if_a_silent_one_has_none() {
        let mut absence = Absence::new(seconds(0), Duration::ZERO);
        for now in 0..28 {
            assert!(!absence.overdue(seconds(now), &Seen::Undecided, FIRST));
        }
        assert!(absence.overdue(seconds(28), &Seen::Undecided, FIRST));
        assert!(Absence::new(seconds(0), Duration::ZERO).overdue(seconds(0), &silent(), FIRST));
    }

    #[test]
    fn the_next_one_that_goes_is_given_up_again() {
        let look = |now| match now {
            100..200 => Seen::Works,
            _ => silent(),
        };
        assert_eq!(withdrawals(500, look), [30, 229]);
    }

    #[test]
    fn a_restart_and_a_slow_start_are_no_absence() {
        let look = |now| match now {
            100..110 => silent(),
            110..138 => Seen::Undecided,
            _ => Seen::Works,
        };
        assert_eq!(withdrawals(500, look), []);
    }

    #[test]
    fn a_daemon_that_dies_before_each_verdict_is_given_up() {
        let look = |now| match now {
            0..100 => Seen::Works,
            now if now % 9 == 0 => silent(),
            _ => Seen::Undecided,
        };
        // 30 and 28 seconds after it worked, and so on as long as it comes back.
        assert_eq!(withdrawals(220, look), [157, 215]);
    }

    #[test]
    fn a_daemon_that_hangs_and_is_killed_by_its_watchdog_is_given_up() {
        let look = |now| match now % 32 {
            0..2 => Seen::Undecided,
            _ => silent(),
        };
        assert_eq!(withdrawals(60, look), [31]);
    }

    #[test]
    fn a_daemon_that_never_decides_is_given_up() {
        assert_eq!(withdrawals(59, |_| Seen::Undecided), [58]);
    }

    #[test]
    fn a_verdict_on_every_service_counts_or_time_for_it() {
        let document = |up, down, unknown, disabled, uptime_ms| Document {
            summary: Summary {
                up,
                down,
                unknown,
                disabled,
                ..Summary::default()
            },
            uptime_ms,
            ..Document::default()
        };
        for (document, works) in [
            (document(0, 0, 0, 0, 0), true),
            (document(0, 0, 0, 3, 0), true),
            (document(0, 1, 0, 0, 0), true),
            (document(0, 0, 1, 1, 100_000), false),
            (document(1, 0, 1, 0, 27_999), false),
            (document(1, 0, 1, 0, 28_000), true),
        ] {
            let expected = match works {
                true => Seen::Works,
                false => Seen::Undecided,
            };
            assert_eq!(judge(&document, FIRST), expected, "{document:?}");
        }
    }
}
