//! How the engine takes up a configuration, changes it while it runs, and comes to its end.
//!
//! A reload touches only what differs: a service whose settings are the same keeps its state, its counters and its
//! schedule, and a BIRD whose files are the same is not spoken to. The end is an update like any other, followed by the
//! wait that the operator asked for, and bounded whatever BIRD does.

use std::rc::Rc;
use std::time::Duration;

use super::claims::Claims;
use super::notice::What;
use super::service::Service;
use super::vocab::{Action, FoundFile, World};
use super::{Engine, Owner, ServiceId, Stage, Timer};
use crate::config::{Announce, Complaint, Config, Family, ServiceConfig, Severity};
use crate::sorted::{Map, Set};
use crate::time::Mono;

/// What the end may take beyond the reconfiguration and the wait: the files, and the reaping of what was killed.
const EXIT_SLACK: Duration = Duration::from_millis(500);

/// How a reload went, in services.
#[derive(Default)]
struct Tally {
    added: usize,
    removed: usize,
    changed: usize,
    unchanged: usize,
}

impl Engine {
    pub(super) fn take_up(&mut self, now: Mono, world: World, unclean: bool) {
        for complaint in world.warnings {
            self.desk.say(What::Configuration(complaint));
        }
        let World {
            config,
            files,
            addresses,
            maintenance,
            ..
        } = world;
        let disabled = config
            .services
            .iter()
            .filter(|service| service.disabled)
            .count();
        self.desk.say(What::Started {
            services: config.services.len(),
            disabled,
        });
        if config.services.is_empty() {
            self.desk.say(What::NoServices);
        }
        self.addresses = addresses;
        self.maintenance = maintenance;
        self.routes.configure(&config.daemon, files);
        self.routes.connect();
        self.services.reserve_exact(config.services.len());
        let mut fresh = Vec::with_capacity(config.services.len());
        for config in &config.services {
            fresh.push(self.adopt(now, config.clone(), config.on_start));
        }
        self.order = fresh.clone();
        self.index_claims();
        for family in Family::ALL {
            self.meet_file(family);
        }
        if unclean {
            self.routes.tell_again();
        }
        for id in fresh {
            self.bring_in(now, id);
        }
    }

    /// Gives a service a place.
    fn adopt(&mut self, now: Mono, config: Rc<ServiceConfig>, start: Announce) -> ServiceId {
        let service = Some(Service::new(config, start, now));
        match self.vacant.pop() {
            Some(id) => {
                self.services[id.0 as usize] = service;
                id
            }
            None => {
                self.services.push(service);
                ServiceId((self.services.len() - 1) as u32)
            }
        }
    }

    fn index_claims(&mut self) {
        let mut claims = Vec::with_capacity(self.order.len());
        for id in &self.order {
            if let Some(service) = &self.services[id.0 as usize] {
                claims.extend(service.config.prefixes.iter().map(|prefix| (*prefix, *id)));
            }
        }
        self.claims = Claims::of(claims);
    }

    /// Sorts what was found in a prefix file into what services claim and what is strange.
    fn meet_file(&mut self, family: Family) {
        let purge = self.daemon.purge_ip_prefixes;
        let claims = &self.claims;
        let strangers = self
            .routes
            .adopt_file(family, purge, &|prefix| claims.any_on(*prefix));
        if let (Some((path, prefixes)), removed) = (strangers, purge) {
            self.desk.say(What::WithoutCheck {
                path,
                prefixes,
                removed,
            });
        }
    }

    /// Has a new service take effect: its prefixes, its circumstances, its schedule.
    fn bring_in(&mut self, now: Mono, id: ServiceId) {
        self.route(id);
        let Some(service) = &self.services[id.0 as usize] else {
            return;
        };
        if service.config.disabled {
            let then = service.config.on_disabled;
            self.desk.say_of(service, What::Disabled { then });
            return;
        }
        self.look_outside(now, id);
        if self.services[id.0 as usize]
            .as_ref()
            .is_some_and(Service::checkable)
        {
            self.plan_first_run(now, id);
        }
    }

    pub(super) fn reload_refused(&mut self, complaints: Vec<Complaint>) {
        self.reloads.refused += 1;
        let errors = |complaint: &&Complaint| complaint.severity == Severity::Error;
        let problems = complaints.iter().filter(errors).count();
        for complaint in complaints {
            self.desk.say(What::Configuration(complaint));
        }
        self.desk.say(What::ReloadRefused { problems });
        self.metrics_wanted = true;
    }

    pub(super) fn reload(&mut self, now: Mono, world: World) {
        if self.stage != Stage::Running {
            return;
        }
        for complaint in world.warnings {
            self.desk.say(What::Configuration(complaint));
        }
        let World {
            config,
            files,
            addresses,
            maintenance,
            ..
        } = world;
        self.reloads.good += 1;
        self.reloads.last_good = now;
        self.addresses = addresses;
        self.maintenance = maintenance;
        let new_families = self.daemon.families != config.daemon.families;
        self.daemon = config.daemon.clone();
        let old_claims = std::mem::take(&mut self.claims);
        let (tally, gone, fresh) = self.exchange_services(now, &config);
        self.index_claims();
        let claims = &self.claims;
        self.routes.claim(&|prefix| claims.any_on(*prefix));
        self.routes.set_pace(&self.daemon);
        if new_families {
            self.change_families(files);
        }
        for service in &gone {
            self.withdraw_removed(service);
            self.take_over(service);
        }
        // A prefix that changed hands is settled by those who claim it now.
        for prefix in old_claims.prefixes() {
            let first = self.claims.on(prefix).next();
            if let Some(id) = first {
                self.route(id);
            }
        }
        for id in self.order.clone() {
            match fresh.contains(&id) {
                true => self.bring_in(now, id),
                false => self.look_outside(now, id),
            }
        }
        self.desk.say(What::Reloaded {
            added: tally.added,
            removed: tally.removed,
            changed: tally.changed,
            unchanged: tally.unchanged,
        });
        self.metrics_wanted = true;
    }

    /// Takes up other files or other ways to BIRD. What was announced stays announced in the new places until a check says
    /// otherwise, and every BIRD is told.
    fn change_families(&mut self, files: [FoundFile; 2]) {
        let announced = self.routes.announced();
        self.routes.disconnect(&mut self.desk);
        self.routes.configure(&self.daemon, files);
        self.routes.connect();
        for family in Family::ALL {
            self.meet_file(family);
        }
        for prefix in announced {
            if self.claims.any_on(prefix) {
                self.routes.want(prefix, true, true);
            }
        }
        self.routes.tell_again();
        for id in self.order.clone() {
            self.route(id);
        }
    }

    /// Puts the new services in the place of the old ones, leaving alone what is the same. Gives back the removed ones
    /// and the numbers of the new and the changed ones.
    fn exchange_services(
        &mut self,
        now: Mono,
        config: &Config,
    ) -> (Tally, Vec<Service>, Set<ServiceId>) {
        let mut tally = Tally::default();
        let mut fresh = Set::new();
        let mut old: Map<String, ServiceId> = Map::new();
        for id in std::mem::take(&mut self.order) {
            if let Some(service) = &self.services[id.0 as usize] {
                old.insert(service.config.name.clone(), id);
            }
        }
        let mut order = Vec::with_capacity(config.services.len());
        let mut gone = Vec::new();
        for new in &config.services {
            let known = old.remove(&new.name);
            let same = known.filter(|id| {
                self.services[id.0 as usize]
                    .as_ref()
                    .is_some_and(|service| service.config == *new)
            });
            let id = match (known, same) {
                (_, Some(id)) => {
                    tally.unchanged += 1;
                    id
                }
                (Some(id), None) => {
                    tally.changed += 1;
                    gone.extend(self.dismiss(id));
                    let id = self.adopt(now, new.clone(), Announce::Keep);
                    fresh.insert(id);
                    id
                }
                (None, None) => {
                    tally.added += 1;
                    let id = self.adopt(now, new.clone(), new.on_start);
                    fresh.insert(id);
                    id
                }
            };
            order.push(id);
        }
        for id in old.into_iter().map(|(_, id)| id) {
            tally.removed += 1;
            gone.extend(self.dismiss(id));
        }
        self.order = order;
        (tally, gone, fresh)
    }

    /// Takes a service out, with its timers and its run.
    fn dismiss(&mut self, id: ServiceId) -> Option<Service> {
        self.disarm_run(id);
        let mut service = self.services[id.0 as usize].take()?;
        self.vacant.push(id);
        if service.queued {
            self.queue.retain(|queued| *queued != id);
        }
        if let Some(run) = service.run.take() {
            self.desk.cancel(run.time_out);
            self.desk.jobs.insert(run.job, Owner::Orphan);
            self.desk.act(Action::Kill { job: run.job });
        }
        Some(service)
    }

    /// Withdraws what nobody claims any more. A command of the service is run with `down` only if all of it is gone: what
    /// lives on with other prefixes may be up all the time.
    fn withdraw_removed(&mut self, service: &Service) {
        let config = &service.config;
        let lives_on = self.order.iter().any(|id| {
            let other = self.services[id.0 as usize].as_ref();
            other.is_some_and(|other| other.config.name == config.name)
        });
        let by_command = config.custom_cmd.is_some() && !lives_on;
        let mut withdrawn = false;
        for prefix in config
            .prefixes
            .iter()
            .filter(|prefix| !self.claims.any_on(**prefix))
        {
            withdrawn |= self.routes.want(*prefix, false, !by_command);
        }
        if withdrawn && by_command {
            self.customs.want(config, false);
        }
    }

    /// Nobody knows what a command that is gone has told BIRD: where BIRD is told directly from now on, it begins at once.
    fn take_over(&mut self, gone: &Service) {
        if gone.config.custom_cmd.is_none() {
            return;
        }
        for prefix in &gone.config.prefixes {
            let mut claims = self.claims.on(*prefix);
            let directly = claims.any(|id| {
                let service = self.services[id.0 as usize].as_ref();
                service.is_some_and(|service| service.config.custom_cmd.is_none())
            });
            if directly {
                self.routes.tell(Family::of(prefix));
            }
        }
    }

    /// The beginning of the end: no more checks, `on_exit`, one last attempt at whatever BIRD does not know.
    pub(super) fn stop(&mut self, now: Mono, signal: &'static str) {
        if self.stage != Stage::Running {
            return;
        }
        self.desk.say(What::Stopping { signal });
        let before = self.routes.announced();
        for id in self.order.clone() {
            self.disarm_run(id);
            let Some(service) = self.services[id.0 as usize].as_mut() else {
                continue;
            };
            service.queued = false;
            service.again = false;
            service.leave();
            if let Some(run) = service.run.as_mut() {
                run.settled = true;
                let (job, time_out) = (run.job, run.time_out.take());
                self.desk.cancel(time_out);
                self.desk.act(Action::Kill { job });
            }
        }
        self.queue.clear();
        for id in self.order.clone() {
            self.route(id);
        }
        let withdrew = !before.is_subset(&self.routes.announced());
        self.routes.touch_unsettled();
        let limit = now + self.daemon.reconfigure_timeout + self.daemon.on_exit_wait + EXIT_SLACK;
        self.stage = Stage::Stopping { withdrew, limit };
        self.exit_timer = Some(self.desk.wheel.arm(limit, Timer::Exit));
    }

    /// Goes from the last update to the wait, and from the wait to the exit.
    pub(super) fn settle_stop(&mut self, now: Mono) {
        if let Stage::Stopping { withdrew, limit } = self.stage {
            if !self.routes.finished(true) || !self.customs.finished() {
                return;
            }
            let wait = self.daemon.on_exit_wait;
            self.stage = match withdrew && wait > Duration::ZERO {
                true => Stage::Waiting,
                false => Stage::Over,
            };
            if self.stage == Stage::Waiting {
                let timer = self.exit_timer.take();
                self.desk.cancel(timer);
                // What BIRD has used up of the time by hanging is taken off the wait: whoever stops us has limits, too.
                let end = limit.min(now + wait);
                self.exit_timer = Some(self.desk.wheel.arm(end, Timer::Exit));
            }
        }
        if self.stage == Stage::Over {
            self.desk.say(What::Stopped {
                uptime: now.since(self.started),
            });
            self.desk.act(Action::Exit);
        }
    }
}
