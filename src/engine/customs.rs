//! `custom_bird_reconfigure_cmd`: commands of single services that stand in for the reconfiguration of BIRD.
//!
//! Such a command is run with `up` or `down` once the files hold what the service wants. One at a time for each
//! service, but for one that was killed and does not die; of what changes meanwhile only the newest state is delivered. It
//! may have effects of its own, so a failure is logged, counted and not repeated, until a reload says that the operator
//! has been at work.

use std::rc::Rc;

use super::notice::{Errand, Notice, What};
use super::routes::Routes;
use super::snapshot::CustomCounters;
use super::vocab::{Action, Ended, JobId, Output, Status};
use super::{Desk, Engine, Owner};
use crate::config::{Family, ServiceConfig};
use crate::sorted::Map;
use crate::time::Mono;

#[derive(Debug)]
struct Delivery {
    config: Rc<ServiceConfig>,
    /// The newest state that is to be delivered.
    due: Option<bool>,
    running: Option<Delivering>,
    /// What the last command was to deliver, if it failed.
    failed: Option<bool>,
}

#[derive(Debug)]
struct Delivering {
    job: JobId,
    up: bool,
    started: Mono,
}

impl Delivery {
    fn goes_on(&self) -> bool {
        self.due.is_some() || self.running.is_some()
    }
}

#[derive(Debug, Default)]
pub(super) struct Customs {
    /// By name, so that a service that a reload changes still has only one command at a time.
    deliveries: Map<String, Delivery>,
    pub counters: CustomCounters,
}

impl Customs {
    pub fn want(&mut self, config: &Rc<ServiceConfig>, up: bool) {
        match self.deliveries.get_mut(&config.name) {
            Some(delivery) => delivery.due = Some(up),
            None => {
                let delivery = Delivery {
                    config: config.clone(),
                    due: Some(up),
                    running: None,
                    failed: None,
                };
                self.deliveries.insert(config.name.clone(), delivery);
            }
        }
    }

    /// Whether the last command of some service failed.
    pub fn any_failed(&self) -> bool {
        let mut deliveries = self.deliveries.values();
        deliveries.any(|delivery| delivery.failed.is_some())
    }

    pub fn finished(&self) -> bool {
        !self.deliveries.values().any(Delivery::goes_on)
    }

    /// Whether everything is delivered, and none has failed.
    pub fn done(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// Starts the commands whose files are written.
    pub fn settle(&mut self, desk: &mut Desk, now: Mono, routes: &Routes) {
        for delivery in self
            .deliveries
            .values_mut()
            .filter(|delivery| delivery.running.is_none())
        {
            let Some(up) = delivery.due else { continue };
            let config = &delivery.config;
            if !config
                .prefixes
                .iter()
                .all(|prefix| routes.file_settled(Family::of(prefix)))
            {
                continue;
            }
            (delivery.due, delivery.failed) = (None, None);
            let (owner, until) = (Owner::Custom(config.clone()), now + config.custom_timeout);
            let job = desk.begin(owner, Errand::Custom, until);
            desk.act(Action::StartCustom {
                job,
                service: config.clone(),
                up,
            });
            delivery.running = Some(Delivering {
                job,
                up,
                started: now,
            });
        }
    }
}

impl Engine {
    /// A command has ended, or was given up. `timed_out`: it had been told to die.
    pub(super) fn custom_ended(
        &mut self,
        now: Mono,
        service: &Rc<ServiceConfig>,
        job: JobId,
        ended: Result<Ended, String>,
        timed_out: bool,
        output: Output,
    ) {
        let Some(delivery) = self.customs.deliveries.get_mut(&service.name) else {
            return;
        };
        let Some(running) = delivery.running.take_if(|running| running.job == job) else {
            return;
        };
        let up = running.up;
        let done = ended == Ok(Ended::Exit(0)) && !timed_out;
        delivery.failed = (!done).then_some(up);
        // Meanwhile a reload has put another command in its place.
        if !done && delivery.config.custom_cmd != service.custom_cmd {
            delivery.due.get_or_insert(up);
        }
        if done && !delivery.goes_on() {
            self.customs.deliveries.remove(&service.name);
        }
        let what = match done {
            true => {
                self.customs.counters.done += 1;
                What::CustomDone {
                    up,
                    took: now.since(running.started),
                }
            }
            false => {
                self.customs.counters.failed += 1;
                What::CustomFailed {
                    up,
                    ended,
                    timed_out,
                    stderr: output.stderr,
                }
            }
        };
        let status = match up {
            true => Status::Up,
            false => Status::Down,
        };
        let about = Some((service.clone(), status));
        self.desk.act(Action::Say(Notice { about, what }));
        self.metrics_wanted = true;
    }

    /// After a reload, what waits is for the commands as they are now, and what failed is delivered once more.
    pub(super) fn hand_on_customs(&mut self) {
        if self.customs.deliveries.is_empty() {
            return;
        }
        let (services, routes) = (self.by_name(), &self.routes);
        self.customs.deliveries.retain(|name, delivery| {
            let place = services.binary_search_by(|(config, _)| config.name.cmp(name));
            let failed = delivery.failed.take();
            match place.ok().map(|at| &services[at].0) {
                Some(config) if config.custom_cmd.is_some() => {
                    let up = (config.prefixes.iter()).any(|prefix| routes.announces(prefix));
                    let again = failed.filter(|failed| *failed == up);
                    delivery.due = delivery.due.or(again);
                    delivery.config = config.clone();
                }
                // BIRD is told directly from now on.
                Some(_) => delivery.due = None,
                // The last word of a service that is gone is delivered all the same.
                None => {}
            }
            delivery.goes_on()
        });
    }
}
