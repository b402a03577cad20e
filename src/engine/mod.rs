//! What should happen now.
//!
//! [`Engine::step`] takes an event and says what is to be done; [`Engine::next_deadline`] says when to come back though
//! nothing happens. It does no I/O, reads no clock and draws no random numbers but from the seed it was given, so every
//! behaviour of the daemon can be replayed by a test that invents the world.
//!
//! It owns the services, the timer wheel, the sets of prefixes and the counters. Invariants, checked by the tests after
//! every step: at most one run per service and one reconfiguration per BIRD; no timer and no job without an owner; the
//! set of prefixes that is wanted follows from the states alone.
//!
//! The rooms: `service` is the state machine of one service, `checks` starts runs and `verdicts` judges them, `outside`
//! holds services down, `routes` has files written and BIRD told, `customs` runs the services' own commands, `change`
//! takes up a configuration, reloads and stops, `view` shows it all to others.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::config::{Announce, DaemonConfig, Family, ServiceConfig};
use crate::sorted::Map;
use crate::time::Mono;
use crate::wheel::{TimerId, Wheel};
use claims::Claims;
use customs::Customs;
use notice::{Notice, What};
use routes::Routes;
use service::Service;
use services::{ServiceId, Services};
use snapshot::Reloads;
use vocab::{Action, Addresses, Ended, Event, JobId, Obstacle, Output, World, WriteId};

pub mod addresses;
mod change;
mod checks;
mod claims;
mod customs;
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

pub use verdicts::first_line;

/// Between two writes of the metrics file that a change of state asks for. The first goes at once.
const METRICS_SPACING: Duration = Duration::from_millis(250);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    /// The next run of a service.
    Run(ServiceId),
    /// A check, a reconfiguration or a custom command has had its time.
    TimeOut(JobId),
    /// The spacing or the back-off of this channel is over.
    Channel(usize),
    Metrics,
    /// The end of a stop, whatever is still going on.
    Exit,
}

/// Whom a job belongs to.
#[derive(Clone, Debug)]
enum Owner {
    Check(ServiceId),
    /// A check that nobody waits for any more: its service is gone or changed.
    Orphan,
    Channel(usize),
    Custom(Rc<ServiceConfig>),
    /// A reconfiguration or a custom command that nobody waits for any more.
    Nobody,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// The last update is being carried out; `withdrew`: it takes something back, so there is a wait after it. All of
    /// it ends at `limit`.
    Stopping {
        withdrew: bool,
        limit: Mono,
    },
    /// Only the wait is left.
    Waiting,
    Over,
}

/// What the parts share: the wheel, the jobs, and what is to be done.
#[derive(Debug)]
struct Desk {
    wheel: Wheel<Timer>,
    jobs: Map<JobId, Owner>,
    last_job: u64,
    out: Vec<Action>,
}

impl Desk {
    fn new_job(&mut self, owner: Owner) -> JobId {
        self.last_job += 1;
        let job = JobId(self.last_job);
        self.jobs.insert(job, owner);
        job
    }

    fn cancel(&mut self, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
    }

    fn act(&mut self, action: Action) {
        self.out.push(action);
    }

    fn say(&mut self, what: What) {
        self.out.push(Action::Say(Notice::from(what)));
    }

    fn say_of(&mut self, service: &Service, what: What) {
        let about = Some((service.config.clone(), service.status()));
        self.out.push(Action::Say(Notice { about, what }));
    }
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
    running: u32,
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
            desk: Desk {
                wheel: Wheel::new(now),
                jobs: Map::new(),
                last_job: 0,
                out: Vec::new(),
            },
            services: Services::default(),
            claims: Claims::default(),
            addresses: Rc::default(),
            queue: VecDeque::new(),
            running: 0,
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
            Event::JobEnded { job, ended, output } => match self.desk.jobs.remove(&job) {
                Some(Owner::Check(id)) => self.check_ended(now, id, job, ended, output),
                Some(Owner::Custom(service)) => self.custom_ended(now, &service, Ok(ended), output),
                Some(Owner::Orphan) => self.running -= 1,
                Some(Owner::Nobody | Owner::Channel(_)) | None => {}
            },
            Event::JobNotStarted { job, failure } => match self.desk.jobs.remove(&job) {
                Some(Owner::Check(id)) => self.check_not_started(now, id, job, failure),
                Some(Owner::Custom(service)) => {
                    self.custom_ended(now, &service, Err(failure.cause), Default::default());
                }
                Some(Owner::Orphan) => self.running -= 1,
                Some(Owner::Nobody | Owner::Channel(_)) | None => {}
            },
            Event::JobNotKilled { job, pid, cause } => self.not_killed(now, job, pid, cause),
            Event::ReconfigureEnded { job, outcome } => {
                if let Some(Owner::Channel(channel)) = self.desk.jobs.remove(&job) {
                    self.routes
                        .reconfigured(&mut self.desk, now, channel, job, outcome);
                }
            }
            Event::FileWritten {
                write,
                family,
                outcome,
            } => self.file_written(now, write, family, outcome),
            Event::FileFound { family, file } => self.routes.file_found(family, file),
            Event::Addresses(addresses) => self.addresses_changed(now, addresses),
            Event::Maintenance { path, present } => self.maintenance_changed(now, path, present),
            Event::RunNow => self.run_now(),
            Event::Reload(world) => self.reload(now, *world),
            Event::ReloadRefused(complaints) => self.reload_refused(complaints),
            Event::Stop { signal } => self.stop(now, signal),
        }
        std::mem::take(&mut self.desk.out)
    }

    /// Ends a turn: starts what is due and has all changes of the turn carried out together.
    pub fn finish_turn(&mut self, now: Mono) -> Vec<Action> {
        self.routes
            .settle(&mut self.desk, now, self.stage != Stage::Running);
        self.customs.settle(&mut self.desk, now, &self.routes);
        // A file is on its way before checks are started: each start takes its time.
        self.start_queued(now);
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
                Timer::TimeOut(job) => self.timed_out(now, job),
                Timer::Channel(channel) => self.routes.timer_fired(channel),
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

    fn timed_out(&mut self, now: Mono, job: JobId) {
        match self.desk.jobs.get(&job).cloned() {
            Some(Owner::Check(id)) => self.check_timed_out(now, id, job),
            Some(Owner::Channel(channel)) => {
                self.routes.timed_out(&mut self.desk, now, channel, job)
            }
            Some(Owner::Custom(service)) => self.custom_timed_out(&service, job),
            Some(Owner::Orphan | Owner::Nobody) | None => {}
        }
    }

    fn not_killed(&mut self, now: Mono, job: JobId, pid: u32, cause: String) {
        match self.desk.jobs.get(&job).cloned() {
            Some(Owner::Check(id)) => {
                if let Some(service) = self.services.get(id) {
                    self.desk.say_of(service, What::NotKilled { pid, cause });
                }
            }
            Some(Owner::Custom(service)) => {
                // What changes next must not wait for it.
                self.desk.jobs.insert(job, Owner::Nobody);
                self.desk.say(What::NotKilled { pid, cause });
                self.custom_ended(now, &service, Ok(Ended::Signal(9)), Output::default());
            }
            Some(Owner::Channel(channel)) => {
                self.desk.say(What::NotKilled { pid, cause });
                self.routes.given_up(&mut self.desk, now, channel, job);
            }
            Some(Owner::Orphan | Owner::Nobody) | None => {
                self.desk.say(What::NotKilled { pid, cause });
            }
        }
    }

    fn file_written(
        &mut self,
        now: Mono,
        write: WriteId,
        family: Family,
        outcome: Result<(), String>,
    ) {
        self.routes
            .file_written(&mut self.desk, now, write, family, outcome);
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

    /// The file's interval, and at once when something changed, but not in a flood.
    fn settle_metrics(&mut self, now: Mono) {
        let Some(metrics) = &self.daemon.metrics else {
            return;
        };
        // The outcome of what is being written is to be told as well, and does not take long.
        if self.routes.writing() {
            return;
        }
        let allowed = self
            .metrics_written
            .is_none_or(|at| now >= at + METRICS_SPACING);
        let next = match (self.metrics_wanted, allowed) {
            (true, true) => {
                self.metrics_wanted = false;
                self.metrics_written = Some(now);
                self.desk.act(Action::WriteMetrics);
                now + metrics.interval
            }
            (true, false) => self.metrics_written.unwrap_or(now) + METRICS_SPACING,
            (false, _) if self.metrics_timer.is_some() => return,
            (false, _) => now + metrics.interval,
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
