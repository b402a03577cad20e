//! What should happen now.
//!
//! [`Engine::step`] takes an event and says what is to be done; [`Engine::next_deadline`] says when to come back though
//! nothing happens. It does no I/O, reads no clock and draws no random numbers but from the seed it was given, so every
//! behaviour of the daemon can be replayed by a test that invents the world.
//!
//! It owns the services, the timer wheel, the sets of prefixes and the counters. Invariants, checked by the tests after
//! every step: at most one run per service and one reconfiguration per BIRD, but for those that were killed and do not die;
//! no timer and no job without an owner; the set of prefixes that is wanted follows from the states alone.
//!
//! The rooms: `desk` holds timers and jobs, `service` is the state machine of one service, `checks` starts runs and
//! `verdicts` judges them, `outside` holds services down, `routes` has files written and BIRD told, `customs` runs the
//! services' own commands, `change` takes up a configuration, reloads and stops, `view` shows it all to others.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use crate::config::{Announce, DaemonConfig, Family};
use crate::time::Mono;
use crate::wheel::TimerId;
use claims::Claims;
use customs::Customs;
use desk::{Desk, Fate, Owner};
use notice::{Errand, What};
use routes::{ChannelId, Routes};
use service::Service;
use services::{ServiceId, Services};
use snapshot::Reloads;
use vocab::{
    Accepted, Action, Addresses, Ended, Event, JobId, Output, Refusal, StartFailure, World,
};

pub mod addresses;
mod change;
mod checks;
mod claims;
mod customs;
mod desk;
pub mod notice;
mod outside;
mod routes;
mod service;
mod services;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod verdicts;
mod view;
pub mod vocab;
mod withdrawal;

pub use verdicts::first_line;
pub use withdrawal::Progress;

/// Between two writes of the metrics file that a change of state asks for. The first goes at once.
const METRICS_SPACING: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The next run of a service.
    Run(ServiceId),
    /// A job has had its time, or its grace.
    Job(JobId),
    /// The spacing or the back-off of this channel is over, or its patience with a file.
    Channel(ChannelId),
    /// A prefix file that another hand changes again and again is to be looked at.
    Look,
    Metrics,
    /// The end of a stop, whatever is still going on.
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// The last update is being carried out; `withdrew`: it takes something back, so there is a wait after it. All of
    /// it ends at `limit`; `patient`: that was put off, because a BIRD has to be left alone.
    Stopping {
        withdrew: bool,
        limit: Mono,
        patient: bool,
    },
    /// Only the wait is left.
    Waiting,
    Over,
}

#[derive(Debug)]
pub struct Engine {
    daemon: DaemonConfig,
    started: Mono,
    desk: Desk,
    services: Services,
    /// Who names a prefix.
    claims: Claims,
    addresses: Rc<Addresses>,
    /// Runs that are due, first come first served.
    queue: VecDeque<ServiceId>,
    routes: Routes,
    customs: Customs,
    reloads: Reloads,
    stage: Stage,
    exit_timer: Option<TimerId>,
    metrics_timer: Option<TimerId>,
    metrics_wanted: bool,
    metrics_written: Option<Mono>,
    random: u64,
    /// Prefixes that were ever looked at to settle what is wanted of them.
    #[cfg(test)]
    routed: usize,
}

impl Engine {
    /// Takes up the world as it is. `unclean`: the predecessor died without an orderly end, so BIRD may not know the
    /// file as it stands and is told once more.
    pub fn start(now: Mono, world: World, seed: u64, unclean: bool) -> (Engine, Vec<Action>) {
        let mut engine = Engine {
            daemon: world.config.daemon.clone(),
            started: now,
            desk: Desk::new(now),
            services: Services::default(),
            claims: Claims::default(),
            addresses: Rc::default(),
            queue: VecDeque::new(),
            routes: Routes::default(),
            customs: Customs::default(),
            reloads: Reloads {
                good: 0,
                refused: 0,
                last_good: now,
            },
            stage: Stage::Running,
            exit_timer: None,
            metrics_timer: None,
            metrics_wanted: true,
            metrics_written: None,
            random: seed | 1,
            #[cfg(test)]
            routed: 0,
        };
        engine.take_up(now, world, unclean);
        let actions = engine.finish_turn(now);
        (engine, actions)
    }

    /// Takes in one event. What it leads to at once comes out; what several events of a turn lead to together comes out
    /// of [`Engine::finish_turn`].
    pub fn step(&mut self, now: Mono, event: Event) -> Vec<Action> {
        match event {
            Event::Due => self.due(now),
            Event::JobEnded { job, ended, output } => self.job_ended(now, job, Ok(ended), output),
            Event::JobNotStarted { job, failure } => {
                self.job_ended(now, job, Err(failure), Output::default());
            }
            Event::JobNotKilled { job, pid, cause } => self.not_killed(now, job, pid, cause),
            Event::ReconfigureEnded { job, outcome } => self.reconfigured(now, job, outcome),
            Event::FileWritten { job, outcome } => self.file_written(now, job, outcome),
            Event::FileFound { job, file } => {
                let (claims, services) = (&self.claims, &self.services);
                let undecided = |prefix: &IpNetwork| {
                    let claims = claims.on(*prefix).filter_map(|id| services.get(id));
                    combine(claims.map(Service::contribution)) == Announce::Keep
                };
                let desk = &mut self.desk;
                let routes = &mut self.routes;
                self.metrics_wanted |= routes.file_found(desk, now, job, file, &undecided);
            }
            Event::FileTouched { path } => self.routes.touched(now, &path),
            Event::Addresses(addresses) => self.addresses_changed(now, addresses),
            Event::Maintenance { path, present } => self.maintenance_changed(now, path, present),
            Event::RunNow => self.run_now(),
            Event::Reload(world) => self.reload(now, *world),
            Event::ReloadRefused(complaints) => self.reload_refused(complaints),
            Event::Stop { signal } => self.stop(now, signal),
        }
        std::mem::take(&mut self.desk.out)
    }

    /// Ends a turn: has all its changes carried out together, and starts what is due. `now` is read for this, so that what
    /// has delayed the turn is not taken off the time of what is started.
    pub fn finish_turn(&mut self, now: Mono) -> Vec<Action> {
        self.routes.settle(&mut self.desk, now);
        self.customs.settle(&mut self.desk, now, &self.routes);
        // Checks are started in the next turn, which comes at once: should a file take its time, that is not theirs.
        let writes = |action: &Action| matches!(action, Action::WriteFile { .. });
        if !self.desk.out.iter().any(writes) {
            self.start_queued(now);
        }
        self.settle_metrics(now);
        self.settle_stop(now);
        std::mem::take(&mut self.desk.out)
    }

    /// When to come back at the latest. `None`: only an event can change anything.
    pub fn next_deadline(&mut self, now: Mono) -> Option<Mono> {
        match self.can_start() {
            true => Some(now),
            false => self.desk.wheel.next_deadline(),
        }
    }

    fn due(&mut self, now: Mono) {
        for (planned, timer) in self.desk.wheel.expire(now) {
            match timer {
                Timer::Run(id) => self.slot_reached(now, planned, id),
                Timer::Job(job) => self.job_timer_fired(now, job),
                Timer::Channel(id) => self.routes.timer_fired(id),
                Timer::Look => self.routes.look_timer_fired(),
                Timer::Metrics => {
                    self.metrics_timer = None;
                    self.metrics_wanted = true;
                }
                Timer::Exit => {
                    self.exit_timer = None;
                    self.stage = Stage::Over;
                }
            }
        }
    }

    fn job_timer_fired(&mut self, now: Mono, job: JobId) {
        match self.desk.timer_fired(job) {
            Some((Owner::Check(id), Fate::Running)) => self.check_timed_out(now, id, job),
            Some((_, Fate::Running)) => self.desk.kill(now, job),
            Some((owner, Fate::Dying | Fate::Abandoned)) => self.abandon(now, job, owner, None),
            None => {}
        }
    }

    fn not_killed(&mut self, now: Mono, job: JobId, pid: u32, cause: String) {
        if let Some(owner) = self.desk.owner(job) {
            self.abandon(now, job, owner, Some(What::NotKilled { pid, cause }));
        }
    }

    /// What hangs as another user or in the kernel may do so for ever; nothing waits for it.
    fn abandon(&mut self, now: Mono, job: JobId, owner: Owner, why: Option<What>) {
        let Some(errand) = self.desk.abandon(job) else {
            return;
        };
        let what = why.unwrap_or(What::DoesNotDie { errand });
        self.metrics_wanted = true;
        match owner {
            Owner::Check(id) => {
                if let Some(service) = self.services.get(id) {
                    self.desk.say_of(service, what);
                }
            }
            Owner::Channel(id) => {
                self.routes.abandoned(&mut self.desk, now, id, what);
            }
            Owner::Custom(service) => {
                self.desk.say(what);
                let killed = Ok(Ended::Signal(9));
                self.custom_ended(now, &service, job, killed, true, Output::default());
            }
            Owner::Nobody => self.desk.say(what),
        }
    }

    fn job_ended(
        &mut self,
        now: Mono,
        job: JobId,
        ended: Result<Ended, StartFailure>,
        output: Output,
    ) {
        let known = self.desk.ended(job);
        self.metrics_wanted |= matches!(known, Some((_, Fate::Abandoned)));
        match known {
            Some((Owner::Check(id), _)) => self.check_ended(now, id, job, ended, output),
            Some((Owner::Custom(service), fate)) => {
                let (ended, timed_out) = (
                    ended.map_err(|failure| failure.cause),
                    fate != Fate::Running,
                );
                self.custom_ended(now, &service, job, ended, timed_out, output);
            }
            // Of a reconfiguration the host tells more, if it was begun.
            Some((Owner::Channel(id), fate)) => {
                let refusal = match ended {
                    Ok(ended) => Refusal::Command {
                        ended,
                        said: String::new(),
                    },
                    Err(failure) => Refusal::Unreachable(failure.cause),
                };
                self.routes
                    .reconfigured(&mut self.desk, now, id, fate, Err(refusal));
            }
            Some((Owner::Nobody, _)) | None => {}
        }
    }

    fn reconfigured(&mut self, now: Mono, job: JobId, outcome: Result<Accepted, Refusal>) {
        if let Some((Owner::Channel(id), fate)) = self.desk.ended(job) {
            self.routes
                .reconfigured(&mut self.desk, now, id, fate, outcome);
            self.metrics_wanted = true;
        }
    }

    fn file_written(&mut self, now: Mono, job: JobId, outcome: Result<(), String>) {
        self.routes.file_written(&mut self.desk, now, job, outcome);
        self.metrics_wanted = true;
    }

    /// Works out anew what is wanted for the prefixes of a service.
    fn route(&mut self, id: ServiceId) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let config = service.config.clone();
        let mut changed = None;
        #[cfg(test)]
        {
            self.routed += config.prefixes.len();
        }
        for prefix in &config.prefixes {
            let wanted = combine(
                self.claims
                    .on(*prefix)
                    .filter_map(|id| self.services.get(id).map(Service::contribution)),
            );
            let announced = match wanted {
                Announce::Keep => continue,
                Announce::Withdraw => false,
                Announce::Advertise => true,
            };
            if self
                .routes
                .want(*prefix, announced, config.custom_cmd.is_none())
            {
                changed = Some(announced);
            }
        }
        if let (Some(up), true) = (changed, config.custom_cmd.is_some()) {
            self.customs.want(&config, up);
        }
        self.metrics_wanted = true;
    }

    /// The file's interval, and at once when something changed, but not in a flood. A prefix file that is just being
    /// written is waited for, as long as the next one would have to wait anyway: it is to be told as well.
    fn settle_metrics(&mut self, now: Mono) {
        let Some(metrics) = &self.daemon.metrics else {
            return;
        };
        let last = self.metrics_written.max(self.routes.writing_since());
        let allowed = last.map_or(now, |at| at + METRICS_SPACING);
        let next = match self.metrics_wanted {
            true if allowed <= now => {
                self.metrics_wanted = false;
                self.metrics_written = Some(now);
                self.desk.act(Action::WriteMetrics);
                now + metrics.interval
            }
            true => allowed,
            // The timer is armed.
            false => return,
        };
        let old = self.metrics_timer.take();
        self.desk.cancel(old);
        self.metrics_timer = Some(self.desk.wheel.arm(next, Timer::Metrics));
    }

    /// A value from 0 to `bound`, exclusive (xorshift64*).
    fn random_below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound.max(1)
    }
}

/// A prefix of several services is announced only while none of them objects, and left alone while one does not know.
fn combine(contributions: impl Iterator<Item = Announce>) -> Announce {
    let mut result = Announce::Advertise;
    for contribution in contributions {
        result = match (result, contribution) {
            (Announce::Withdraw, _) | (_, Announce::Withdraw) => Announce::Withdraw,
            (Announce::Keep, _) | (_, Announce::Keep) => Announce::Keep,
            (Announce::Advertise, Announce::Advertise) => Announce::Advertise,
        };
    }
    result
}
