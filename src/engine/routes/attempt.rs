//! One attempt to make file and BIRD agree with what is wanted: write what differs, then reconfigure.

use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::trouble::{News, Trouble};
use super::{Channel, ChannelId, Phase, PrefixFile, Routes, Write};
use crate::engine::Timer;
use crate::engine::desk::{Desk, Fate, Owner};
use crate::engine::notice::{Errand, What};
use crate::engine::vocab::{Accepted, Action, FoundFile, JobId, Obstacle, Refusal, Repair};
use crate::sorted::Set;
use crate::time::Mono;

/// The pause after the first failed attempt, from its beginning; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest pause. With the attempt itself it stays below the five seconds in which BIRD is promised to agree.
const RETRY_MAX: Duration = Duration::from_secs(4);
/// How long BIRD is left alone after it has put a configuration into its queue. BIRD 3.1.7 dies of an assertion
/// when another one takes the place of that; with a million routes it is busy for half a second.
pub const QUEUE_PAUSE: Duration = Duration::from_secs(2);
/// The pause between two reconfigurations, for each but the first that was killed and does not die: a day of them leaves a
/// hundred processes behind, and not ten thousand.
const STUCK_PAUSE: Duration = Duration::from_secs(10);
/// How long BIRD waits for a file whose writing hangs, if there is something else to tell.
const PATIENCE: Duration = Duration::from_secs(1);

impl Routes {
    /// Starts the attempts that are due, and sets the alarm for those that have to wait.
    pub fn settle(&mut self, desk: &mut Desk, now: Mono) {
        self.settle_hands(desk, now);
        if !self.leaving.is_empty() {
            self.forget_left(desk, now);
        }
        for index in 0..self.channels.len() {
            if self.channels[index].phase == Phase::Written {
                self.reconfigure(desk, now, index);
            }
            let channel = &self.channels[index];
            let to_write = self.files_of(channel).any(PrefixFile::can_be_written);
            let nothing_to_do = !to_write && !channel.bird_due;
            if !channel.idle() || nothing_to_do || channel.timer.is_some() && !channel.fresh {
                continue;
            }
            let hurry = self.hurry && channel.fresh;
            let spaced = |pause: Duration| match channel.began {
                Some(began) if !hurry => began + pause.max(self.update_interval),
                Some(_) | None => now,
            };
            let back_off = match channel.failed {
                0 => Duration::ZERO,
                _ if channel.fresh => Duration::ZERO,
                failed => pause(failed),
            };
            let write_at = spaced(back_off);
            // A file that cannot be written is no reason to let BIRD wait.
            let tell_at = match channel.trouble {
                Some(_) => write_at,
                None => spaced(Duration::ZERO),
            };
            let tell_at = tell_at.max(self.tell_at(channel, now));
            let at = match (to_write, channel.bird_due) {
                (true, true) => write_at.min(tell_at),
                (true, false) => write_at,
                (false, _) => tell_at,
            };
            let timer = self.channels[index].timer.take();
            desk.cancel(timer);
            match at > now {
                true => {
                    let key = Timer::Channel(self.channels[index].id);
                    self.channels[index].timer = Some(desk.wheel.arm(at, key));
                }
                false => self.attempt(desk, now, index),
            }
        }
    }

    /// When BIRD may be told again at the earliest, as far as its own state is concerned.
    pub(super) fn tell_at(&self, channel: &Channel, now: Mono) -> Mono {
        let queued = channel.queued.map_or(now, |queued| queued + QUEUE_PAUSE);
        let stuck = STUCK_PAUSE * channel.stuck.saturating_sub(1);
        match channel.told {
            Some(told) if !self.hurry => queued.max(told + stuck.max(self.update_interval)),
            Some(_) | None => queued,
        }
    }

    pub fn timer_fired(&mut self, id: ChannelId) {
        if let Some(index) = self.channel(id) {
            let channel = &mut self.channels[index];
            channel.timer = None;
            if channel.phase == Phase::Writing {
                channel.phase = Phase::Written;
            }
        }
    }

    fn attempt(&mut self, desk: &mut Desk, now: Mono, index: usize) {
        let channel = &mut self.channels[index];
        channel.began = Some(now);
        channel.fresh = false;
        let via = channel.via.clone();
        for file in self.files_mut() {
            if file.config.via == *via && file.can_be_written() {
                file.begin_write(desk, now);
            }
        }
        match self.awaits_files(&self.channels[index]) {
            true => {
                let channel = &mut self.channels[index];
                channel.phase = Phase::Writing;
                let patience = desk.wheel.arm(now + PATIENCE, Timer::Channel(channel.id));
                channel.timer = Some(patience);
            }
            false => self.reconfigure(desk, now, index),
        }
    }

    /// Whether an attempt waits for files of its own. One that failed before is retried, and keeps BIRD from nothing; one
    /// that comes so late that BIRD did not wait for it has an attempt of its own.
    fn awaits_files(&self, channel: &Channel) -> bool {
        let mut files = self.files_of(channel);
        files.any(|file| {
            let write = file.write.as_ref();
            let young = write.is_some_and(|write| Some(write.since) == channel.began);
            young && !(channel.bird_due && file.trouble.is_some())
        })
    }

    pub fn file_written(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        job: JobId,
        outcome: Result<(), String>,
    ) {
        let of_this = |file: &mut PrefixFile| file.write.take_if(|write| write.job == job);
        let found = self.files_mut().find_map(|file| {
            let write = of_this(file)?;
            Some((file, write))
        });
        let Some((file, write)) = found else {
            return;
        };
        let written = outcome.is_ok();
        let to_tell = written && write.announce;
        match outcome {
            Ok(()) if write.outdated => file.lists.is_written(write.content),
            Ok(()) => file.is_written(desk, now, write.content),
            Err(cause) => {
                // Nor is it known what BIRD has read.
                file.announce = true;
                file.failed(desk, now, cause);
            }
        }
        let leaving = file.leaving && !written;
        let config = file.config.clone();
        if leaving {
            // Perhaps its directory is gone, and BIRD with it.
            self.look(desk);
        }
        let Some(index) = (self.channels.iter()).position(|one| *one.via == config.via) else {
            return;
        };
        let channel = &mut self.channels[index];
        channel.bird_due |= to_tell;
        channel.failed = channel.failed.saturating_add(u32::from(!written));
        let waits = self.awaits_files(&self.channels[index]);
        let channel = &mut self.channels[index];
        match channel.phase {
            Phase::Writing if !waits => channel.phase = Phase::Written,
            Phase::Writing => {}
            Phase::Idle | Phase::Written | Phase::Reconfiguring { .. } => channel.fresh |= to_tell,
        }
    }

    /// What could be written is told to BIRD even if another file could not.
    fn reconfigure(&mut self, desk: &mut Desk, now: Mono, index: usize) {
        let timer = self.channels[index].timer.take();
        desk.cancel(timer);
        let may_be_told = self.tell_at(&self.channels[index], now) <= now;
        let channel = &mut self.channels[index];
        channel.phase = Phase::Idle;
        if !channel.bird_due || !may_be_told {
            return self.attempt_over(index, true);
        }
        // What is written from now on is to be told once more.
        channel.bird_due = false;
        channel.told = Some(now);
        let until = now + self.reconfigure_timeout;
        let job = desk.begin(Owner::Channel(channel.id), Errand::Reconfiguration, until);
        channel.phase = Phase::Reconfiguring { job, since: now };
        let via = channel.via.clone();
        desk.act(Action::Reconfigure { job, via });
    }

    /// What was killed does not die: the channel goes on without its end.
    pub fn abandoned(&mut self, desk: &mut Desk, now: Mono, id: ChannelId, what: What) {
        let Some(index) = self.channel(id) else {
            return;
        };
        let channel = &mut self.channels[index];
        // They hang for one reason, as a rule.
        if channel.stuck == 0 {
            desk.say(what);
        }
        channel.stuck += 1;
        self.attempt_ended(desk, now, index, Err(Refusal::TimedOut));
    }

    pub fn reconfigured(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        id: ChannelId,
        fate: Fate,
        outcome: Result<Accepted, Refusal>,
    ) {
        let Some(index) = self.channel(id) else {
            return;
        };
        match fate {
            Fate::Running => self.attempt_ended(desk, now, index, outcome),
            // That BIRD has taken it counts, though it comes late.
            Fate::Dying => {
                let outcome = outcome.map_err(|_| Refusal::TimedOut);
                self.attempt_ended(desk, now, index, outcome);
            }
            Fate::Abandoned => {
                // Whatever held it lets go, perhaps.
                let channel = &mut self.channels[index];
                channel.stuck -= 1;
                channel.fresh |= channel.bird_due;
            }
        }
    }

    fn attempt_ended(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        index: usize,
        outcome: Result<Accepted, Refusal>,
    ) {
        let channel = &mut self.channels[index];
        let Phase::Reconfiguring { since, .. } = channel.phase else {
            return;
        };
        channel.phase = Phase::Idle;
        let (took, via) = (now.since(since), channel.via.clone());
        for file in self.files_mut().filter(|file| file.config.via == *via) {
            file.counters.last_reconfigure = Some(took);
            match outcome {
                Ok(_) => file.counters.reconfigured += 1,
                Err(_) => file.counters.reconfigure_failed += 1,
            }
        }
        let agrees = outcome.is_ok();
        match outcome {
            Ok(accepted) => self.bird_agrees(desk, now, index, accepted, took),
            Err(refusal) => self.bird_refuses(desk, now, index, refusal),
        }
        self.attempt_over(index, agrees);
    }

    fn bird_agrees(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        index: usize,
        accepted: Accepted,
        took: Duration,
    ) {
        let channel = &mut self.channels[index];
        channel.queued = (accepted == Accepted::Queued).then_some(now);
        let families = channel.families;
        if let Some(trouble) = channel.trouble.take() {
            let (attempts, after) = trouble.so_far(now);
            desk.say(What::ReconfigureRecovered {
                families,
                attempts,
                after,
            });
        }
        desk.say(What::Reconfigured {
            families,
            accepted,
            took,
        });
    }

    fn bird_refuses(&mut self, desk: &mut Desk, now: Mono, index: usize, refusal: Refusal) {
        // If one file is spoiled, BIRD refuses all, or does not even start, until somebody writes that anew.
        self.look(desk);
        let channel = &mut self.channels[index];
        channel.bird_due = true;
        let (families, via) = (channel.families, channel.via.clone());
        match Trouble::add(&mut channel.trouble, Obstacle::Bird(refusal.clone()), now) {
            News::Changed => desk.say(What::ReconfigureFailed {
                families,
                via,
                refusal,
            }),
            News::Reminder => {
                let Some(trouble) = &channel.trouble else {
                    return;
                };
                let (attempts, after) = trouble.so_far(now);
                desk.say(What::ReconfigureStillFailing {
                    families,
                    attempts,
                    after,
                });
            }
            News::Nothing => {}
        }
    }

    /// Counts an attempt that has come to its end. It has succeeded only if every file could be written, too.
    fn attempt_over(&mut self, index: usize, bird_agrees: bool) {
        let channel = &self.channels[index];
        let file_trouble = self.files_of(channel).any(|file| file.trouble.is_some());
        let failed = match (bird_agrees, file_trouble) {
            (true, false) => 0,
            (true, true) => channel.failed,
            (false, _) => channel.failed.saturating_add(1),
        };
        self.channels[index].failed = failed;
    }

    /// What stands in a file now, of whomever it is. The next attempt writes it anew if it is not what was written. Of what
    /// is `undecided`, because no check has had its say, the file still decides, if it is whole. Whether it was news.
    pub fn file_found(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        job: JobId,
        found: FoundFile,
        undecided: &dyn Fn(&IpNetwork) -> bool,
    ) -> bool {
        if found.repair == Some(Repair::Missing) {
            // A file that was left and is gone needs no withdrawal, nor does its BIRD have to know.
            self.leaving.retain(|file| file.look != Some(job));
            self.connect(desk, now);
        }
        let mut files = self.files_mut();
        let Some(file) = files.find(|file| file.look == Some(job)) else {
            return false;
        };
        file.look = None;
        let changed = match found.repair {
            // It may well be as it was.
            Some(Repair::Unreadable(_)) => false,
            Some(_) | None => found.prefixes != *file.lists.written(),
        };
        let whole = found.repair.is_none();
        let unreadable = matches!(found.repair, Some(Repair::Unreadable(_)));
        if !changed && whole {
            return false;
        }
        let in_doubt = file.doubt || file.repair.is_some();
        let mut to_tell = false;
        if changed {
            to_tell = whole && !file.leaving && file.lists.take_over(&found.prefixes, undecided);
            file.lists.is_written(Rc::new(found.prefixes));
        }
        file.repair = file.repair.take().or(found.repair);
        let again = file.differs();
        match again {
            true => file.announce = true,
            // It says what was to be written, or to be taken over.
            false => to_tell |= std::mem::take(&mut file.announce),
        }
        // What is not whole is said to be repaired.
        if !in_doubt && file.hand.found(now) && whole {
            let (family, path) = (file.family, file.config.prefix_file.clone());
            desk.say(What::FileChanged {
                family,
                path,
                again,
            });
        }
        let config = file.config.clone();
        drop(files);
        if let Some(channel) = self.channel_by(&config.via) {
            // What is as bad as it was is no reason to try again before the pause is over.
            channel.fresh |= changed || !in_doubt && !unreadable;
            channel.bird_due |= to_tell;
        }
        true
    }
}

impl PrefixFile {
    /// Whether it must be written, and is not being written already.
    fn can_be_written(&self) -> bool {
        self.write.is_none() && self.differs()
    }

    fn begin_write(&mut self, desk: &mut Desk, now: Mono) {
        let (job, prefixes) = (desk.number(), self.lists.content());
        self.write = Some(Write {
            job,
            since: now,
            content: prefixes.clone(),
            announce: std::mem::take(&mut self.announce),
            outdated: false,
        });
        // What was seen before says nothing of what is there afterwards.
        self.look = None;
        desk.act(Action::WriteFile {
            job,
            file: self.config.clone(),
            prefixes,
        });
    }

    fn failed(&mut self, desk: &mut Desk, now: Mono, cause: String) {
        self.counters.file_failures += 1;
        self.doubt = true;
        let (family, path) = (self.family, self.config.prefix_file.clone());
        match Trouble::add(&mut self.trouble, Obstacle::File(cause.clone()), now) {
            News::Changed | News::Reminder => desk.say(What::FileFailed {
                family,
                path,
                cause,
            }),
            News::Nothing => {}
        }
    }

    fn is_written(&mut self, desk: &mut Desk, now: Mono, content: Rc<Set<IpNetwork>>) {
        self.counters.files_written += 1;
        self.doubt = false;
        let (family, path) = (self.family, self.config.prefix_file.clone());
        if let Some(trouble) = self.trouble.take() {
            let (attempts, after) = trouble.so_far(now);
            desk.say(What::FileRecovered {
                family,
                path: path.clone(),
                attempts,
                after,
            });
        }
        if let Some(repair) = self.repair.take() {
            desk.say(What::FileRepaired {
                family,
                path: path.clone(),
                repair,
            });
        }
        let added: Vec<_> = content.difference(self.lists.written()).copied().collect();
        let removed: Vec<_> = self.lists.written().difference(&content).copied().collect();
        let left = content.len();
        self.lists.is_written(content);
        if !added.is_empty() || !removed.is_empty() {
            desk.say(What::FileWritten {
                family,
                path,
                added,
                removed,
                left,
            });
            if left == 0 {
                desk.say(What::NothingAnnounced { family });
            }
        }
    }
}

/// The pause before the next attempt, from the beginning of the last.
fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    (RETRY_FIRST * (1 << doublings)).min(RETRY_MAX)
}
