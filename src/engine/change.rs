//! How the engine takes up a configuration, changes it while it runs, and comes to its end.
//!
//! A reload touches only what differs: a service whose settings are the same keeps its state, its counters and its
//! schedule, and a BIRD whose files are the same is not spoken to. A file that somebody spoiled meanwhile is mended. The
//! end is an update like any other, followed by the wait that the operator asked for, and bounded whatever BIRD does.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::claims::Claims;
use super::notice::What;
use super::service::Service;
use super::vocab::{Action, FoundFile, World};
use super::{Engine, Owner, ServiceId, Stage, Timer};
use crate::config::{Announce, Complaint, Family, ServiceConfig, Severity};
use crate::sorted::Set;
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

/// A service as it was before a reload.
struct Gone {
    service: Service,
    /// There is one of that name still, with other settings.
    lives_on: bool,
}

impl Engine {
    pub(super) fn take_up(&mut self, now: Mono, world: World, unclean: bool) {
        let World {
            config,
            warnings,
            files,
            addresses,
            maintenance,
        } = world;
        self.complain(warnings);
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
        self.routes.configure(&config.daemon, files);
        self.routes.connect();
        self.services.expect(config.services.len());
        for config in config.services {
            let on_start = config.on_start;
            let service = Service::new(config, on_start, now);
            let id = self.services.put(service);
            self.services.order.push(id);
        }
        self.look_for_maintenance(&maintenance);
        self.index_claims();
        for family in Family::ALL {
            self.meet_file(family);
        }
        if unclean {
            self.routes.tell_again();
        }
        for id in self.services.order.clone() {
            self.bring_in(now, id);
        }
    }

    fn complain(&mut self, complaints: Vec<Complaint>) {
        for complaint in complaints {
            self.desk.say(What::Configuration(complaint));
        }
    }

    fn look_for_maintenance(&mut self, present: &Set<PathBuf>) {
        for service in self.services.iter_mut() {
            let path = service.config.maintenance_file.as_ref();
            service.maintenance = path.is_some_and(|path| present.contains(path));
        }
    }

    fn index_claims(&mut self) {
        let mut claims = Vec::with_capacity(self.services.order.len());
        for id in &self.services.order {
            if let Some(service) = self.services.get(*id) {
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
        let Some(service) = self.services.get(id) else {
            return;
        };
        if service.config.disabled {
            let then = service.config.on_disabled;
            self.desk.say_of(service, What::Disabled { then });
            return;
        }
        self.look_outside(now, id);
        self.plan_first_run(now, id);
    }

    pub(super) fn reload_refused(&mut self, complaints: Vec<Complaint>) {
        self.reloads.refused += 1;
        let errors = |complaint: &&Complaint| complaint.severity == Severity::Error;
        let problems = complaints.iter().filter(errors).count();
        self.complain(complaints);
        self.desk.say(What::ReloadRefused { problems });
        self.metrics_wanted = true;
    }

    pub(super) fn reload(&mut self, now: Mono, world: World) {
        if self.stage != Stage::Running {
            return;
        }
        let World {
            config,
            warnings,
            files,
            addresses,
            maintenance,
        } = world;
        self.complain(warnings);
        self.reloads.good += 1;
        self.reloads.last_good = now;
        self.addresses = addresses;
        let new_families = self.daemon.families != config.daemon.families;
        self.daemon = config.daemon;
        let (tally, gone, fresh) = self.exchange_services(now, config.services);
        self.look_for_maintenance(&maintenance);
        self.index_claims();
        let claims = &self.claims;
        self.routes.claim(&|prefix| claims.any_on(*prefix));
        self.routes.set_pace(&self.daemon);
        match new_families {
            true => self.change_families(files),
            false => {
                for (family, file) in Family::ALL.into_iter().zip(files) {
                    self.routes.file_found(family, file);
                }
            }
        }
        // A prefix that changed hands is settled by those who claim it now.
        let mut heirs: Vec<ServiceId> = Vec::new();
        for gone in &gone {
            self.withdraw_removed(gone);
            self.take_over(&gone.service);
            for prefix in &gone.service.config.prefixes {
                let heir = self.claims.on(*prefix).next();
                // The neighbours of a prefix have the same heir, as a rule.
                heirs.extend(heir.filter(|id| heirs.last() != Some(id)));
            }
        }
        for id in heirs {
            self.route(id);
        }
        for (id, fresh) in self.services.order.clone().into_iter().zip(fresh) {
            match fresh {
                true => self.bring_in(now, id),
                false => self.look_outside(now, id),
            }
        }
        self.hand_on_customs();
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
        for id in self.services.order.clone() {
            self.route(id);
        }
    }

    /// Puts the new services in the place of the old ones, leaving alone what is the same. Gives back those that are gone,
    /// and for each that is there, in order, whether it is new or changed.
    fn exchange_services(
        &mut self,
        now: Mono,
        services: Vec<Rc<ServiceConfig>>,
    ) -> (Tally, Vec<Gone>, Vec<bool>) {
        let mut tally = Tally::default();
        let mut gone = Vec::new();
        let mut fresh = Vec::with_capacity(services.len());
        let mut old = self.by_name();
        self.services.order.clear();
        self.services.order.reserve_exact(services.len());
        for new in services {
            let place = old.binary_search_by(|(config, _)| config.name.cmp(&new.name));
            let known = place.ok().and_then(|at| {
                let (config, id) = &mut old[at];
                Some((*config == new, id.take()?))
            });
            let start = match known {
                Some((true, id)) => {
                    tally.unchanged += 1;
                    self.services.order.push(id);
                    fresh.push(false);
                    continue;
                }
                Some((false, id)) => {
                    tally.changed += 1;
                    gone.extend(self.dismiss(id, true));
                    Announce::Keep
                }
                None => {
                    tally.added += 1;
                    new.on_start
                }
            };
            let id = self.services.put(Service::new(new, start, now));
            self.services.order.push(id);
            fresh.push(true);
        }
        for id in old.into_iter().filter_map(|(_, id)| id) {
            tally.removed += 1;
            gone.extend(self.dismiss(id, false));
        }
        (tally, gone, fresh)
    }

    /// The services in the order of their names.
    #[inline(never)] // A sort of its own at each of two places.
    pub(super) fn by_name(&self) -> Vec<(Rc<ServiceConfig>, Option<ServiceId>)> {
        let mut all = Vec::with_capacity(self.services.order.len());
        for id in &self.services.order {
            let service = self.services.get(*id);
            all.extend(service.map(|service| (service.config.clone(), Some(*id))));
        }
        all.sort_unstable_by(|one, other| one.0.name.cmp(&other.0.name));
        all
    }

    /// Takes a service out, with its timers and its run.
    fn dismiss(&mut self, id: ServiceId, lives_on: bool) -> Option<Gone> {
        self.disarm_run(id);
        let mut service = self.services.take(id)?;
        if service.queued {
            self.queue.retain(|queued| *queued != id);
        }
        if let Some(run) = service.run.take() {
            self.desk.cancel(run.time_out);
            self.desk.jobs.insert(run.job, Owner::Orphan);
            self.desk.act(Action::Kill { job: run.job });
        }
        Some(Gone { service, lives_on })
    }

    /// Withdraws what nobody claims any more. A command of the service is run with `down` only if all of it is gone: what
    /// lives on with other prefixes may be up all the time.
    fn withdraw_removed(&mut self, gone: &Gone) {
        let config = &gone.service.config;
        let by_command = config.custom_cmd.is_some() && !gone.lives_on;
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
                let service = self.services.get(id);
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
        for id in self.services.order.clone() {
            self.disarm_run(id);
            let Some(service) = self.services.get_mut(id) else {
                continue;
            };
            service.queued = false;
            service.again = false;
            service.leave();
            Engine::call_off(&mut self.desk, service);
        }
        self.queue.clear();
        for id in self.services.order.clone() {
            self.route(id);
        }
        let withdrew = (before.iter()).any(|prefix| !self.routes.announces(prefix));
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
            let bird_knows = self.routes.bird_knows() && self.customs.finished();
            self.desk.say(What::Stopped {
                uptime: now.since(self.started),
                bird_knows,
            });
            self.desk.act(Action::Exit { bird_knows });
        }
    }
}
