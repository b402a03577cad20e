//! One attempt to make file and BIRD agree with what is wanted: write what differs, then reconfigure.

use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::trouble::{News, Trouble};
use super::{Phase, Routes, Routes4or6};
use crate::config::Family;
use crate::engine::notice::What;
use crate::engine::vocab::{Accepted, Action, JobId, Obstacle, Refusal, WriteId};
use crate::engine::{Desk, Owner, Timer};
use crate::sorted::Set;
use crate::time::Mono;

/// The pause after the first failed attempt, from its beginning; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest pause. With the attempt itself it stays below the five seconds in which BIRD is promised to agree.
const RETRY_MAX: Duration = Duration::from_secs(4);
/// How long BIRD is left alone after it has put a configuration into its queue. BIRD 3.1.7 dies of an assertion
/// when another one takes the place of that; with a million routes it is busy for half a second.
const QUEUE_PAUSE: Duration = Duration::from_secs(2);
/// How long what was killed may take to die before the next attempt does without its end: milliseconds, unless it hangs
/// in the kernel.
const DYING: Duration = Duration::from_secs(1);

impl Routes {
    /// Starts the attempts that are due, and sets the alarm for those that have to wait. `hurry`: no spacing.
    pub fn settle(&mut self, desk: &mut Desk, now: Mono, hurry: bool) {
        for index in 0..self.channels.len() {
            let channel = &self.channels[index];
            if !channel.idle() || self.agreed(channel) || channel.timer.is_some() && !channel.fresh
            {
                continue;
            }
            let at = match channel.began {
                None => now,
                Some(_) if hurry && channel.fresh => now,
                Some(began) if channel.failed > 0 && !channel.fresh => {
                    began + pause(channel.failed).max(self.update_interval)
                }
                Some(began) => match channel.queued {
                    None => began + self.update_interval,
                    Some(queued) => (began + self.update_interval).max(queued + QUEUE_PAUSE),
                },
            };
            let timer = self.channels[index].timer.take();
            desk.cancel(timer);
            match at > now {
                true => {
                    self.channels[index].timer = Some(desk.wheel.arm(at, Timer::Channel(index)))
                }
                false => self.attempt(desk, now, index),
            }
        }
    }

    pub fn timer_fired(&mut self, index: usize) {
        if let Some(channel) = self.channels.get_mut(index) {
            channel.timer = None;
        }
    }

    /// Takes the alarms of channels that are about to be replaced off the wheel, and gives their jobs away.
    pub fn disconnect(&mut self, desk: &mut Desk) {
        for channel in &mut self.channels {
            let (timer, time_out) = (channel.timer.take(), channel.time_out.take());
            desk.cancel(timer);
            desk.cancel(time_out);
            if let Phase::Reconfiguring { job, .. } = channel.phase {
                desk.jobs.insert(job, Owner::Nobody);
                desk.act(Action::Kill { job });
            }
        }
    }

    fn attempt(&mut self, desk: &mut Desk, now: Mono, index: usize) {
        let channel = &mut self.channels[index];
        channel.began = Some(now);
        channel.fresh = false;
        let mut left = 0;
        for &family in channel.families {
            let Some(routes) = self.families[family.index()].as_mut() else {
                continue;
            };
            if routes.differs() {
                let prefixes = routes.lists.content();
                self.last_write += 1;
                let write = WriteId(self.last_write);
                routes.writing = Some((write, prefixes.clone()));
                desk.act(Action::WriteFile {
                    write,
                    family,
                    prefixes,
                });
                left += 1;
            }
        }
        match left {
            0 => {
                self.channels[index].announce = false;
                self.reconfigure(desk, now, index);
            }
            left => {
                let channel = &mut self.channels[index];
                // What changes while the files are being written is to be told by the next attempt.
                let announce = std::mem::take(&mut channel.announce);
                channel.phase = Phase::Writing {
                    left,
                    failed: 0,
                    announce,
                };
            }
        }
    }

    pub fn file_written(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        write: WriteId,
        family: Family,
        outcome: Result<(), String>,
    ) {
        let Some(index) = self.channel_of(family) else {
            return;
        };
        let Some(routes) = self.families[family.index()].as_mut() else {
            return;
        };
        // What was overtaken by a reload tells nothing of the file as it is meant now.
        let Some((_, content)) = routes.writing.take_if(|(id, _)| *id == write) else {
            return;
        };
        let failed = outcome.is_err();
        match outcome {
            Ok(()) => file_is_written(desk, routes, now, family, content),
            Err(cause) => file_failed(desk, routes, now, family, cause),
        }
        let channel = &mut self.channels[index];
        let Phase::Writing {
            left,
            failed: before,
            announce,
        } = channel.phase
        else {
            channel.bird_due |= channel.announce && !failed;
            return;
        };
        channel.bird_due |= announce && !failed;
        let failures = before + usize::from(failed);
        if left > 1 {
            channel.phase = Phase::Writing {
                left: left - 1,
                failed: failures,
                announce,
            };
            return;
        }
        channel.phase = Phase::Idle;
        if failures > 0 {
            channel.announce |= announce;
            channel.failed = channel.failed.saturating_add(1);
        }
        // What could be written is told to BIRD even if another file could not.
        self.reconfigure(desk, now, index);
    }

    fn reconfigure(&mut self, desk: &mut Desk, now: Mono, index: usize) {
        let channel = &mut self.channels[index];
        if !channel.bird_due {
            self.attempt_over(index, true);
            return;
        }
        let job = desk.new_job(Owner::Channel(index));
        channel.phase = Phase::Reconfiguring {
            job,
            since: now,
            killed: false,
        };
        channel.time_out = Some(
            desk.wheel
                .arm(now + self.reconfigure_timeout, Timer::TimeOut(job)),
        );
        desk.act(Action::Reconfigure {
            job,
            via: channel.via.clone(),
        });
    }

    /// What hangs is killed, and the attempt is over when it is gone, so that there are never two at once.
    pub fn timed_out(&mut self, desk: &mut Desk, now: Mono, index: usize, job: JobId) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        channel.time_out = None;
        match &mut channel.phase {
            Phase::Reconfiguring { killed, .. } if !*killed => {
                *killed = true;
                channel.time_out = Some(desk.wheel.arm(now + DYING, Timer::TimeOut(job)));
                desk.act(Action::Kill { job });
            }
            _ => self.given_up(desk, now, index, job),
        }
    }

    /// What hangs as another user or in the kernel may do so for ever; the channel must not.
    pub fn given_up(&mut self, desk: &mut Desk, now: Mono, index: usize, job: JobId) {
        desk.jobs.insert(job, Owner::Nobody);
        self.reconfigured(desk, now, index, job, Err(Refusal::TimedOut));
    }

    pub fn reconfigured(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        index: usize,
        job: JobId,
        outcome: Result<Accepted, Refusal>,
    ) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let Phase::Reconfiguring {
            job: current,
            since,
            killed,
        } = channel.phase
        else {
            return;
        };
        if current != job {
            return;
        }
        channel.phase = Phase::Idle;
        let time_out = channel.time_out.take();
        desk.cancel(time_out);
        let outcome = match killed {
            true => Err(Refusal::TimedOut),
            false => outcome,
        };
        let took = now.since(since);
        for family in channel.families {
            let Some(routes) = self.families[family.index()].as_mut() else {
                continue;
            };
            routes.counters.last_reconfigure = Some(took);
            match outcome {
                Ok(_) => routes.counters.reconfigured += 1,
                Err(_) => routes.counters.reconfigure_failed += 1,
            }
        }
        match outcome {
            Ok(accepted) => {
                self.bird_agrees(desk, now, index, accepted, took);
                self.attempt_over(index, true);
            }
            Err(refusal) => {
                self.bird_refuses(desk, now, index, refusal);
                self.attempt_over(index, false);
            }
        }
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
        channel.bird_due = false;
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
        let channel = &mut self.channels[index];
        let (families, via) = (channel.families, channel.via.clone());
        // If one file is spoiled, BIRD refuses all, or does not even start, until somebody writes that anew.
        for family in Family::ALL {
            desk.act(Action::LookAtFile { family });
        }
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
        let channel = &mut self.channels[index];
        let file_trouble = channel.families.iter().any(|family| {
            self.families[family.index()]
                .as_ref()
                .is_some_and(|routes| routes.trouble.is_some())
        });
        match (bird_agrees, file_trouble) {
            (true, false) => channel.failed = 0,
            (true, true) => {}
            (false, _) => channel.failed = channel.failed.saturating_add(1),
        }
    }
}

fn file_failed(desk: &mut Desk, routes: &mut Routes4or6, now: Mono, family: Family, cause: String) {
    routes.counters.file_failures += 1;
    let path = routes.config.prefix_file.clone();
    match Trouble::add(&mut routes.trouble, Obstacle::File(cause.clone()), now) {
        News::Changed | News::Reminder => desk.say(What::FileFailed {
            family,
            path,
            cause,
        }),
        News::Nothing => {}
    }
}

fn file_is_written(
    desk: &mut Desk,
    routes: &mut Routes4or6,
    now: Mono,
    family: Family,
    content: Rc<Set<IpNetwork>>,
) {
    routes.counters.files_written += 1;
    let path = routes.config.prefix_file.clone();
    if let Some(trouble) = routes.trouble.take() {
        let (attempts, after) = trouble.so_far(now);
        desk.say(What::FileRecovered {
            family,
            path: path.clone(),
            attempts,
            after,
        });
    }
    if let Some(repair) = routes.repair.take() {
        desk.say(What::FileRepaired {
            family,
            path: path.clone(),
            repair,
        });
    }
    let added: Vec<_> = content
        .difference(routes.lists.written())
        .copied()
        .collect();
    let removed: Vec<_> = routes
        .lists
        .written()
        .difference(&content)
        .copied()
        .collect();
    let left = content.len();
    routes.lists.is_written(content);
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

/// The pause before the next attempt, from the beginning of the last.
fn pause(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    (RETRY_FIRST * (1 << doublings)).min(RETRY_MAX)
}
