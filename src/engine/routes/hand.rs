//! Another hand on a prefix file: somebody has changed it, or may have.
//!
//! The first time it is looked at, and put right, at once. Who changes it again and again is answered less and less
//! often, so that two programs that want different things do not keep BIRD busy; one line a minute tells of it. Our own
//! changes never wait for that.

use std::path::Path;
use std::time::Duration;

use super::Routes;
use crate::engine::Timer;
use crate::engine::desk::Desk;
use crate::engine::vocab::Action;
use crate::time::Mono;

/// How long a file that was put right is not looked at because of another change; it doubles while they go on.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often is said that another program changes a file.
const SAY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(super) struct Hand {
    /// When it is to be looked at, or as soon as it is not being written after that.
    look_at: Option<Mono>,
    /// When a change was found last.
    found: Option<Mono>,
    pause: Duration,
    said: Option<Mono>,
}

impl Hand {
    /// A change was found; whether that is to be said.
    pub fn found(&mut self, now: Mono) -> bool {
        let goes_on = |at: Mono| now.since(at) < 2 * self.pause;
        self.pause = match self.found.is_some_and(goes_on) {
            true => (2 * self.pause).min(PAUSE_MAX),
            false => PAUSE_FIRST,
        };
        self.found = Some(now);
        let silent = self.said.is_none_or(|said| now.since(said) >= SAY);
        if silent {
            self.said = Some(now);
        }
        silent
    }
}

impl Routes {
    /// Somebody may have changed this file.
    pub fn touched(&mut self, now: Mono, path: &Path) {
        let mut files = self.files_mut();
        let Some(file) = files.find(|file| file.config.prefix_file == *path) else {
            return;
        };
        let hand = &mut file.hand;
        let earliest = hand.found.map_or(now, |found| now.max(found + hand.pause));
        hand.look_at = hand.look_at.or(Some(earliest));
        // Perhaps what kept it from being written is over.
        let may_work_now = file.trouble.is_some() && earliest == now;
        let config = file.config.clone();
        drop(files);
        if let (Some(channel), true) = (self.channel_by(&config.via), may_work_now) {
            channel.fresh = true;
        }
    }

    /// Has the files looked at whose time has come, and sets the alarm for the others.
    pub(super) fn settle_hands(&mut self, desk: &mut Desk, now: Mono) {
        let mut next = None;
        for file in self.files_mut().filter(|file| file.write.is_none()) {
            match file.hand.look_at {
                Some(at) if at <= now => {
                    let job = desk.number();
                    (file.hand.look_at, file.look) = (None, Some(job));
                    desk.act(Action::LookAtFile {
                        job,
                        file: file.config.clone(),
                    });
                }
                Some(at) => next = Some(next.map_or(at, |next: Mono| next.min(at))),
                None => {}
            }
        }
        if next != self.look_at.as_ref().map(|(at, _)| *at) {
            let old = self.look_at.take();
            desk.cancel(old.map(|(_, timer)| timer));
            self.look_at = next.map(|at| (at, desk.wheel.arm(at, Timer::Look)));
        }
    }

    pub fn look_timer_fired(&mut self) {
        self.look_at = None;
    }
}

#[cfg(test)]
mod tests;
