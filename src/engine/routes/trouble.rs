//! Something that fails again and again: said once, said again when it changes, and mentioned by the hour.

use std::time::Duration;

use crate::engine::vocab::Obstacle;
use crate::time::Mono;

/// How often an obstacle that stays is mentioned again.
const REMIND: Duration = Duration::from_secs(3600);
/// An obstacle of the same kind in other words is news only after this time: some words hold a time or a pid.
const OTHER_WORDS: Duration = Duration::from_secs(60);

/// An obstacle that stands between what is wanted and what is the case.
#[derive(Debug)]
pub(in crate::engine) struct Trouble {
    pub obstacle: Obstacle,
    pub since: Mono,
    pub attempts: u32,
    said: Mono,
}

/// What there is to say of one more failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Changed,
    Reminder,
    Nothing,
}

impl Trouble {
    /// How many attempts it has cost, and how long it lasts by now.
    pub(super) fn so_far(&self, now: Mono) -> (u32, Duration) {
        (self.attempts, now.since(self.since))
    }

    pub(super) fn add(slot: &mut Option<Trouble>, obstacle: Obstacle, now: Mono) -> News {
        let Some(trouble) = slot.as_mut() else {
            *slot = Some(Trouble {
                obstacle,
                since: now,
                attempts: 1,
                said: now,
            });
            return News::Changed;
        };
        trouble.attempts = trouble.attempts.saturating_add(1);
        let silent = now.since(trouble.said);
        let news = match (
            trouble.obstacle.same_kind(&obstacle),
            trouble.obstacle == obstacle,
        ) {
            (false, _) => News::Changed,
            (true, false) if silent >= OTHER_WORDS => News::Changed,
            (true, _) if silent >= REMIND => News::Reminder,
            (true, _) => News::Nothing,
        };
        if news != News::Nothing {
            trouble.said = now;
        }
        trouble.obstacle = obstacle;
        news
    }
}

#[cfg(test)]
mod tests;
