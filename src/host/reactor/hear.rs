//! What has happened, room by room, as events for the engine.

use std::io;
use std::path::PathBuf;

use super::{ADDRESSES_RETRY, Errand, Reactor, Talk};
use crate::engine::vocab::{Event, Refusal};
use crate::host::addresses::Change;
use crate::host::job::Finished;
use crate::host::sys;
use crate::host::sys::poll::{PollSet, Slot};
use crate::render::{bird_reply, status};

impl Reactor {
    pub(super) fn take_signals(&mut self) {
        let signals = self.signals.read();
        if let Some(signal) = signals.stop {
            self.notify.stopping(self.now.mono);
            self.stopping = true;
            self.files.forget_reload();
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
            self.reap();
        }
        self.work_off();
    }

    pub(super) fn reap(&mut self) {
        let (mut finished, mut others) = (Vec::new(), Vec::new());
        self.jobs.reap(&mut finished, &mut others);
        for pid in others {
            self.writer.reaped(pid, self.now.mono);
        }
        self.handled.ended += finished.len();
        for Finished { job, ended, output } in finished {
            let event = match self.errands.remove(&job) {
                None => Event::JobEnded { job, ended, output },
                Some(Errand::Reconfigure) => {
                    let outcome = bird_reply::judge_output(&output.stdout, &output.stderr, ended);
                    Event::ReconfigureEnded { job, outcome }
                }
                Some(Errand::Resolve) => {
                    self.resolver_until = None;
                    self.voice.resolved(self.now.mono, ended, &output);
                    continue;
                }
            };
            self.events.push_back(event);
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

    pub(super) fn take_addresses(&mut self, result: io::Result<Change>) {
        match result {
            Ok(change) => {
                self.addresses_retry = None;
                self.troubles.addresses.works(self.now.mono);
                if change == Change::Changed {
                    self.events
                        .push_back(Event::Addresses(self.addresses.addresses()));
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

    pub(super) fn take_maintenance(&mut self, seen: Vec<(PathBuf, bool)>) {
        let events = seen
            .into_iter()
            .map(|(path, present)| Event::Maintenance { path, present });
        self.events.extend(events);
    }

    pub(super) fn answer_status(&mut self) {
        self.handled.documents += 1;
        let (engine, now, counters) = (&self.engine, self.now, self.count());
        self.status.ready(now.mono, &mut || {
            status::json(&engine.snapshot(), &counters, now, std::process::id())
        });
    }
}
