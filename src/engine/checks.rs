//! Runs of checks: when they start.
//!
//! The grid of a service never drifts: its slots lie at whole intervals from the first run, and a slot that finds the
//! run of an earlier one going on is skipped. One that finds a run that was killed and does not die is a time-out: the
//! check hangs still, and a second one beside it would as well. SIGURG, an address that appears and the end of a
//! maintenance run a check in addition, without moving the grid. Due runs stand in one queue, first come first served, so
//! that neither `max_running_checks` nor a thousand checks due at once lets one of them starve.

use std::time::Duration;

use super::notice::What;
use super::service::{Awaited, Run, Service};
use super::vocab::Action;
use super::{Desk, Engine, Errand, Owner, ServiceId, Stage, Timer};
use crate::time::{self, Mono};

/// Starting a process holds the loop for about a tenth of a millisecond; after so many the loop looks at what has
/// happened meanwhile, so that no verdict waits for a thousand starts.
const STARTS_PER_TURN: usize = 16;

impl Engine {
    /// Lays the grid of a service that has just come into the configuration, and plans its first run if there can be one.
    pub(super) fn plan_first_run(&mut self, now: Mono, id: ServiceId) {
        let splay = time::micros(self.daemon.splay_startup.unwrap_or_default());
        let delay = Duration::from_micros(match splay {
            0 => 0,
            splay => self.random_below(splay),
        });
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        service.grid = now + delay;
        if !service.checkable() {
            return;
        }
        if delay > Duration::ZERO {
            self.desk.say_of(service, What::FirstRunIn { delay });
        }
        self.arm_run(id, now + delay);
    }

    pub(super) fn arm_run(&mut self, id: ServiceId, at: Mono) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        self.desk.cancel(service.next_run.take());
        service.next_run = Some(self.desk.wheel.arm(at, Timer::Run(id)));
    }

    /// Another interval: the slots lie at whole ones of it from where the grid began.
    pub(super) fn plan_anew(&mut self, now: Mono, id: ServiceId) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        if service.next_run.is_some() {
            let next = service.next_slot(now);
            self.arm_run(id, next);
        }
    }

    pub(super) fn disarm_run(&mut self, id: ServiceId) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        self.desk.cancel(service.next_run.take());
    }

    /// The planned moment of a run has come.
    pub(super) fn slot_reached(&mut self, now: Mono, planned: Mono, id: ServiceId) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        service.next_run = None;
        let next = service.next_slot(now.max(planned));
        let Some(run) = service.run.as_mut() else {
            self.enqueue(id);
            return self.arm_run(id, next);
        };
        run.overran = true;
        if self.desk.is_abandoned(run.job) {
            self.arm_run(id, next);
            return self.hangs_still(now, id);
        }
        if !std::mem::replace(&mut service.overruns, true) {
            let running_for = now.since(run.started);
            self.desk
                .say_of(service, What::CheckOverran { running_for });
        }
        self.arm_run(id, next);
    }

    /// Puts a service into the queue of runs, once.
    pub(super) fn enqueue(&mut self, id: ServiceId) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        if !service.queued {
            service.queued = true;
            self.queue.push_back(id);
        }
    }

    /// A run now, or as soon as the present one has ended. What hangs though it was killed is not judged again for that:
    /// a signal that is sent often would take the service down sooner than the grid.
    pub(super) fn run_soon(&mut self, id: ServiceId) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        match service.run {
            Some(_) => service.again = true,
            None => self.enqueue(id),
        }
    }

    pub(super) fn run_now(&mut self) {
        if self.stage != Stage::Running {
            return;
        }
        let mut services = 0;
        for id in self.services.order.clone() {
            if self.services.get(id).is_some_and(Service::checkable) {
                services += 1;
                self.run_soon(id);
            }
        }
        self.desk.say(What::RunNow { services });
    }

    /// Whether a queued run may start at once.
    pub(super) fn can_start(&self) -> bool {
        let limit = self.daemon.max_running_checks;
        !self.queue.is_empty() && (limit == 0 || self.desk.running < limit)
    }

    pub(super) fn start_queued(&mut self, now: Mono) {
        for _ in 0..STARTS_PER_TURN {
            if !self.can_start() {
                return;
            }
            if let Some(id) = self.queue.pop_front() {
                self.start_run(now, id);
            }
        }
    }

    fn start_run(&mut self, now: Mono, id: ServiceId) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        service.queued = false;
        if !service.checkable() {
            return;
        }
        let until = now + service.config.timeout;
        let job = self.desk.begin(Owner::Check(id), Errand::Check, until);
        service.run = Some(Box::new(Run {
            job,
            started: now,
            awaited: Awaited::Verdict,
            overran: false,
        }));
        self.desk.say_of(service, What::CheckStarted);
        self.desk.act(Action::StartCheck {
            job,
            service: service.config.clone(),
        });
    }

    /// Ends a run whose verdict nobody wants any more.
    pub(super) fn call_off(desk: &mut Desk, now: Mono, service: &mut Service) {
        let run = service.run.as_mut();
        if let Some(run) = run.filter(|run| run.awaited == Awaited::Verdict) {
            run.awaited = Awaited::Nothing;
            desk.kill(now, run.job);
        }
    }

    /// Plans what comes after a run: once more, or sooner than the grid while a rise or a fall is being counted.
    pub(super) fn after_run(&mut self, now: Mono, id: ServiceId, started: Mono) {
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        match std::mem::take(&mut service.again) {
            true => self.enqueue(id),
            false => self.hasten(now, id, started),
        }
    }

    pub(super) fn hasten(&mut self, now: Mono, id: ServiceId, started: Mono) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        let fast = service.config.fast_interval.filter(|_| service.counting());
        if let (Some(fast), Some(timer)) = (fast, &service.next_run) {
            let soon = now.max(started + fast);
            if soon < self.desk.wheel.deadline(timer) {
                self.arm_run(id, soon);
            }
        }
    }
}
