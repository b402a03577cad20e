//! The one place where the engine's actions become system calls.

use std::rc::Rc;

use super::{Errand, Mission, RESOLVE_TIMEOUT, RESOLVER, Reactor, Talk};
use crate::config::{CommandLine, ServiceConfig, Via};
use crate::engine::notice::What;
use crate::engine::vocab::{Action, Event, JobId, Refusal, StartFailure};
use crate::host::bird_socket::Conversation;
use crate::host::job::Command;
use crate::host::sys::poll::Slot;
use crate::render::bird_reply::ReplyReader;

impl Reactor {
    /// Does what the engine asks for, in its order; what comes of it at once waits as an event. What is to be said waits for
    /// the end of the turn: no line of the log delays BIRD.
    pub(super) fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::StartCheck { job, service } => {
                    if let Some(file) = &service.maintenance_file {
                        self.follow.look(file);
                    }
                    self.start(job, &service.check_cmd, None, &service);
                }
                Action::StartCustom { job, service, up } => {
                    let direction = match up {
                        true => "up",
                        false => "down",
                    };
                    if let Some(line) = &service.custom_cmd {
                        self.start(job, line, Some(direction), &service);
                    }
                }
                Action::Reconfigure { job, via } => self.reconfigure(job, &via),
                Action::Kill { job } => self.kill(job),
                Action::WriteFile {
                    job,
                    file,
                    prefixes,
                } => self.want_prefix_file(job, file, prefixes),
                // Who changes what a withdrawal has written is a daemon that works again.
                Action::LookAtFile { .. } if matches!(self.mission, Mission::Withdrawal) => {}
                Action::LookAtFile { job, file } => self.want_look(job, file),
                Action::WriteMetrics => self.metrics.want(),
                Action::Say(notice) => {
                    self.status_changed |= matches!(
                        notice.what,
                        What::StateChanged { .. }
                            | What::Reloaded { .. }
                            | What::ReconfigureFailed { .. }
                            | What::ReconfigureRecovered { .. }
                            | What::FileFailed { .. }
                            | What::FileRecovered { .. }
                    );
                    if let Some(level) = self.voice.wants(&notice) {
                        self.unsaid.push((level, notice));
                    }
                }
                Action::Exit { clean } => {
                    self.done = true;
                    self.clean = clean;
                }
            }
        }
    }

    fn start(
        &mut self,
        job: JobId,
        line: &CommandLine,
        argument: Option<&str>,
        service: &ServiceConfig,
    ) {
        let command = Command {
            words: line,
            argument,
            service: Some(service),
            stdio: None,
        };
        self.handled.started += 1;
        if let Err(failure) = self.jobs.start(job, &command) {
            self.events.push_back(Event::JobNotStarted { job, failure });
        }
    }

    fn reconfigure(&mut self, job: JobId, via: &Rc<Via>) {
        let failed = match via.as_ref() {
            Via::Command(words) => {
                self.handled.started += 1;
                self.errands.insert(job, Errand::Reconfigure);
                let command = Command {
                    words,
                    argument: None,
                    service: None,
                    stdio: None,
                };
                let started = self.jobs.start(job, &command);
                started.map_err(|StartFailure { cause, .. }| cause)
            }
            Via::Socket(path) => Conversation::start(path).map(|conversation| {
                let reader = ReplyReader::new();
                self.talks.push(Talk {
                    job,
                    conversation,
                    reader,
                    slot: Slot::NONE,
                });
            }),
        };
        if let Err(cause) = failed {
            self.errands.remove(&job);
            let outcome = Err(Refusal::Unreachable(cause));
            self.events
                .push_back(Event::ReconfigureEnded { job, outcome });
        }
    }

    fn kill(&mut self, job: JobId) {
        if let Some(place) = self.talks.iter().position(|talk| talk.job == job) {
            // The end of a conversation is the end of its job. The engine knows why.
            self.talks.remove(place);
            self.events.push_back(Event::ReconfigureEnded {
                job,
                outcome: Err(Refusal::TimedOut),
            });
        } else if let Err((pid, cause)) = self.jobs.kill(job) {
            self.events
                .push_back(Event::JobNotKilled { job, pid, cause });
        }
    }

    /// Has a child look the log server up: the resolver may wait for minutes, and this process never does.
    pub(super) fn resolve(&mut self, host: &str, port: u16) {
        let words = CommandLine::of([
            "/proc/self/exe",
            super::start::RESOLVE_OPTION,
            host,
            &port.to_string(),
        ]);
        // The answer about a name that a reload has replaced would be taken for one about the new name.
        self.jobs.abandon(RESOLVER);
        self.errands.insert(RESOLVER, Errand::Resolve);
        self.resolver_until = Some(self.now.mono + RESOLVE_TIMEOUT);
        let command = Command {
            words: &words,
            argument: None,
            service: None,
            stdio: None,
        };
        if let Err(StartFailure { cause, .. }) = self.jobs.start(RESOLVER, &command) {
            self.errands.remove(&RESOLVER);
            self.resolver_until = None;
            self.voice.not_resolved(self.now.mono, cause);
        }
    }
}
