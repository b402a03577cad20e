//! What has happened, room by room, as events for the engine.

use std::io;
use std::rc::Rc;

use super::{ADDRESSES_RETRY, Errand, Mission, READER, Reactor, Talk};
use crate::engine::notice::What;
use crate::engine::vocab::{Addresses, Event, Refusal};
use crate::host::addresses::{Change, Watch};
use crate::host::follow::Seen;
use crate::host::job::{Finished, Leftover, Outcome};
use crate::host::sys;
use crate::host::sys::poll::{PollSet, Slot};
use crate::render::bird_reply;

impl Reactor {
    pub(super) fn take_signals(&mut self) {
        let signals = self.signals.read();
        if let Mission::Withdrawal = self.mission {
            // Nothing is tried a last time: a daemon is back, which may want something else.
            self.done |= signals.stop.is_some();
            if signals.child {
                self.jobs.reap();
                self.take_finished();
            }
            return self.work_off();
        }
        if let Some(signal) = signals.stop {
            self.notify.stopping(self.now.mono);
            self.stopping = true;
            // It takes no other configuration.
            self.jobs.abandon(READER);
            self.reading_until = None;
            self.forget_reload();
            self.events.push_back(Event::Stop { signal });
        }
        // Of a daemon that is stopping the prefix files stay where they are, and systemd hears no READY=1 again.
        if signals.hangup && !self.stopping {
            self.reload();
        }
        if signals.urgent {
            self.events.push_back(Event::RunNow);
        }
        if signals.child {
            self.jobs.reap();
            self.take_finished();
        }
        self.work_off();
    }

    /// Passes on what is over: with its end, or because it could not be started.
    pub(super) fn take_finished(&mut self) {
        let finished = self.jobs.take_finished();
        if finished.is_empty() {
            return;
        }
        self.handled.ended += finished.len();
        for Finished { job, outcome } in finished {
            if self.writer.ended(job, self.now.mono, &mut self.jobs) {
                continue;
            }
            let event = match (self.errands.remove(&job), outcome) {
                (None, Outcome::Ended { ended, output }) => Event::JobEnded { job, ended, output },
                (None, Outcome::NotStarted(failure)) => Event::JobNotStarted { job, failure },
                (Some(Errand::Reconfigure), outcome) => {
                    let outcome = match outcome {
                        Outcome::Ended { ended, output } => {
                            bird_reply::judge_output(&output.stdout, &output.stderr, ended)
                        }
                        Outcome::NotStarted(failure) => Err(Refusal::Unreachable(failure.cause)),
                    };
                    Event::ReconfigureEnded { job, outcome }
                }
                (Some(Errand::Read), outcome) => {
                    self.was_read(outcome);
                    continue;
                }
                (Some(Errand::Resolve), outcome) => {
                    self.resolver_until = None;
                    let now = self.now.mono;
                    match outcome {
                        Outcome::Ended { ended, output } => {
                            self.voice.resolved(now, ended, &output)
                        }
                        Outcome::NotStarted(failure) => self.voice.not_resolved(now, failure.cause),
                    }
                    continue;
                }
            };
            self.events.push_back(event);
        }
        for Leftover { pid, name, service } in self.jobs.take_leftovers() {
            self.say(What::LeftBehind { pid, name, service });
        }
    }

    /// Goes on with every conversation in which BIRD has said something.
    pub(super) fn hear_bird(&mut self, set: &PollSet) {
        for talk in std::mem::take(&mut self.talks) {
            let Talk {
                job,
                mut conversation,
                mut reader,
                slot,
            } = talk;
            if !set.ready(slot) {
                self.talks.push(Talk {
                    job,
                    conversation,
                    reader,
                    slot,
                });
                continue;
            }
            let outcome = match conversation.readable(|bytes| reader.feed(bytes)) {
                Ok(None) => {
                    self.talks.push(Talk {
                        job,
                        conversation,
                        reader,
                        slot: Slot::NONE,
                    });
                    continue;
                }
                Ok(Some(verdict)) => verdict,
                Err(cause) => Err(Refusal::Unreachable(cause)),
            };
            self.events
                .push_back(Event::ReconfigureEnded { job, outcome });
        }
    }

    pub(super) fn addresses(&self) -> Rc<Addresses> {
        let known = self.addresses.as_ref().map(Watch::addresses);
        known.unwrap_or_default()
    }

    pub(super) fn take_addresses(&mut self, result: io::Result<Change>) {
        match result {
            Ok(change) => {
                self.addresses_retry = None;
                self.troubles.addresses.works(self.now.mono);
                if change == Change::Changed {
                    self.events.push_back(Event::Addresses(self.addresses()));
                }
            }
            Err(error) => {
                self.troubles
                    .addresses
                    .failed(self.now.mono, || sys::cause(&error));
                self.addresses_retry = Some(self.now.mono + ADDRESSES_RETRY);
            }
        }
    }

    pub(super) fn take_seen(&mut self, seen: Vec<Seen>) {
        let events = seen.into_iter().map(|seen| match seen {
            Seen::Presence { path, present } => Event::Maintenance { path, present },
            Seen::Touched(path) => Event::FileTouched { path },
        });
        self.events.extend(events);
    }
}
