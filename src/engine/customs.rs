//! `custom_bird_reconfigure_cmd`: commands of single services that stand in for the reconfiguration of BIRD.
//!
//! Such a command is run with `up` or `down` once the files hold what the service wants. One at a time for each
//! service; of what changes meanwhile only the newest state is delivered. It may have effects of its own, so a failure
//! is logged and not repeated.

use std::rc::Rc;

use super::notice::{Notice, What};
use super::routes::Routes;
use super::vocab::{Action, Ended, JobId, Output, Status};
use super::{Desk, Engine, Owner, Timer};
use crate::config::{Family, ServiceConfig};
use crate::sorted::Map;
use crate::time::Mono;
use crate::wheel::TimerId;

#[derive(Debug)]
struct Delivery {
    config: Rc<ServiceConfig>,
    /// The newest state that is to be delivered.
    due: Option<bool>,
    running: Option<Delivering>,
}

#[derive(Debug)]
struct Delivering {
    up: bool,
    started: Mono,
    time_out: Option<TimerId>,
    timed_out: bool,
}

/// By name, so that a service that a reload changes still has only one command at a time.
#[derive(Debug, Default)]
pub(super) struct Customs(Map<String, Delivery>);

impl Customs {
    pub fn want(&mut self, config: &Rc<ServiceConfig>, up: bool) {
        match self.0.get_mut(&config.name) {
            Some(delivery) => {
                delivery.config = config.clone();
                delivery.due = Some(up);
            }
            None => {
                let delivery = Delivery {
                    config: config.clone(),
                    due: Some(up),
                    running: None,
                };
                self.0.insert(config.name.clone(), delivery);
            }
        }
    }

    pub fn finished(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub fn timers(&self) -> usize {
        let running = self
            .0
            .values()
            .filter_map(|delivery| delivery.running.as_ref());
        running.filter(|running| running.time_out.is_some()).count()
    }

    /// Starts the commands whose files are written.
    pub fn settle(&mut self, desk: &mut Desk, now: Mono, routes: &Routes) {
        for delivery in self
            .0
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
            delivery.due = None;
            let job = desk.new_job(Owner::Custom(config.clone()));
            let time_out = Some(
                desk.wheel
                    .arm(now + config.custom_timeout, Timer::TimeOut(job)),
            );
            desk.act(Action::StartCustom {
                job,
                service: config.clone(),
                up,
            });
            delivery.running = Some(Delivering {
                up,
                started: now,
                time_out,
                timed_out: false,
            });
        }
    }
}

impl Engine {
    pub(super) fn custom_timed_out(&mut self, service: &ServiceConfig, job: JobId) {
        let delivery = self.customs.0.get_mut(&service.name);
        if let Some(running) = delivery.and_then(|delivery| delivery.running.as_mut()) {
            running.time_out = None;
            running.timed_out = true;
            self.desk.act(Action::Kill { job });
        }
    }

    pub(super) fn custom_ended(
        &mut self,
        now: Mono,
        service: &Rc<ServiceConfig>,
        ended: Result<Ended, String>,
        output: Output,
    ) {
        let Some(delivery) = self.customs.0.get_mut(&service.name) else {
            return;
        };
        let Some(running) = delivery.running.take() else {
            return;
        };
        if delivery.due.is_none() {
            self.customs.0.remove(&service.name);
        }
        self.desk.cancel(running.time_out);
        let (up, timed_out) = (running.up, running.timed_out);
        let what = match ended {
            Ok(Ended::Exit(0)) if !timed_out => What::CustomDone {
                up,
                took: now.since(running.started),
            },
            ended => What::CustomFailed {
                up,
                ended,
                timed_out,
                stderr: output.stderr,
            },
        };
        let status = match up {
            true => Status::Up,
            false => Status::Down,
        };
        let about = Some((service.clone(), status));
        self.desk.act(Action::Say(Notice { about, what }));
        self.metrics_wanted = true;
    }
}
