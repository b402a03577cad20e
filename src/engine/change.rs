//! How the engine takes up a configuration, changes it while it runs, and comes to its end.
//!
//! A reload touches only what differs: a service whose settings are the same keeps its state, its counters and its
//! schedule, and a BIRD whose files are the same is not spoken to. A file that somebody spoiled meanwhile is mended. The
//! end is an update like any other, followed by the wait that the operator asked for, and bounded whatever BIRD does.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::claims::Claims;
use super::notice::{End, What};
use super::routes::{Before, QUEUE_PAUSE};
use super::service::Service;
use super::vocab::{Action, FoundFile, World};
use super::{Engine, ServiceId, Stage, Timer};
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
    config: Rc<ServiceConfig>,
    /// There is one of that name still, with other settings.
    lives_on: bool,
}

/// What a reload means for a service that is there after it.
enum Coming {
    /// It begins afresh.
    New,
    /// It goes on, at another pace.
    Replanned,
    AsBefore,
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
        self.services.expect(config.services.len());
        for config in config.services {
            let on_start = config.on_start;
            let service = Service::new(config, on_start, now);
            let id = self.services.put(service);
            self.services.order.push(id);
        }
        self.look_for_maintenance(&maintenance);
        self.index_claims();
        self.take_up_files(now, files, None);
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

    fn take_up_files(&mut self, now: Mono, files: [FoundFile; 2], before: Option<&Before>) {
        let (desk, daemon) = (&mut self.desk, &self.daemon);
        let strangers = (self.routes).take_up(desk, now, daemon, files, &self.claims, before);
        for (path, prefixes) in strangers {
            self.desk.say(What::WithoutCheck {
                path,
                prefixes,
                removed: self.daemon.purge_ip_prefixes,
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
        self.daemon = config.daemon;
        let (tally, gone, coming) = self.exchange_services(now, config.services);
        self.look_for_maintenance(&maintenance);
        let old_claims = std::mem::take(&mut self.claims);
        self.index_claims();
        let claims = &self.claims;
        self.routes.claim(&|prefix| claims.any_on(*prefix));
        for gone in &gone {
            self.withdraw_removed(gone);
        }
        let before = Before {
            claims: old_claims,
            announced: self.routes.announced(),
        };
        self.take_up_files(now, files, Some(&before));
        // A prefix that changed hands is settled by those who claim it now.
        let mut heirs: Vec<ServiceId> = Vec::new();
        for gone in &gone {
            self.take_over(&gone.config);
            for prefix in &gone.config.prefixes {
                let heir = self.claims.on(*prefix).next();
                // The neighbours of a prefix have the same heir, as a rule.
                heirs.extend(heir.filter(|id| heirs.last() != Some(id)));
            }
        }
        for id in heirs {
            self.route(id);
        }
        for (id, coming) in self.services.order.clone().into_iter().zip(coming) {
            match coming {
                Coming::New => self.bring_in(now, id),
                Coming::Replanned => {
                    self.plan_anew(now, id);
                    self.look_outside(now, id);
                }
                Coming::AsBefore => self.look_outside(now, id),
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

    /// Puts the new services in the place of the old ones, leaving alone what is the same. Gives back what is gone or
    /// has other settings, and for each service that is there, in order, what is to be done about it.
    fn exchange_services(
        &mut self,
        now: Mono,
        services: Vec<Rc<ServiceConfig>>,
    ) -> (Tally, Vec<Gone>, Vec<Coming>) {
        let mut tally = Tally::default();
        let mut gone = Vec::new();
        let mut coming = Vec::with_capacity(services.len());
        let mut old = self.by_name();
        self.services.order.clear();
        self.services.order.reserve_exact(services.len());
        for new in services {
            let place = old.binary_search_by(|(config, _)| config.name.cmp(&new.name));
            let known = place.ok().and_then(|at| {
                let (config, id) = &mut old[at];
                Some((config.clone(), id.take()?))
            });
            let start = match known {
                Some((config, id)) if config.checks_like(&new) => {
                    let same = config == new;
                    tally.unchanged += usize::from(same);
                    tally.changed += usize::from(!same);
                    self.services.order.push(id);
                    coming.push(match config.interval == new.interval {
                        true => Coming::AsBefore,
                        false => Coming::Replanned,
                    });
                    if let Some(service) = self.services.get_mut(id).filter(|_| !same) {
                        service.config = new;
                        gone.push(Gone {
                            config,
                            lives_on: true,
                        });
                    }
                    continue;
                }
                Some((config, id)) => {
                    tally.changed += 1;
                    self.dismiss(now, id);
                    gone.push(Gone {
                        config,
                        lives_on: true,
                    });
                    Announce::Keep
                }
                None => {
                    tally.added += 1;
                    new.on_start
                }
            };
            let id = self.services.put(Service::new(new, start, now));
            self.services.order.push(id);
            coming.push(Coming::New);
        }
        for (config, id) in old {
            if let Some(id) = id {
                tally.removed += 1;
                self.dismiss(now, id);
                gone.push(Gone {
                    config,
                    lives_on: false,
                });
            }
        }
        (tally, gone, coming)
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
    fn dismiss(&mut self, now: Mono, id: ServiceId) {
        self.disarm_run(id);
        let Some(mut service) = self.services.take(id) else {
            return;
        };
        if service.queued {
            self.queue.retain(|queued| *queued != id);
        }
        if let Some(run) = service.run.take() {
            self.desk.disown(now, run.job);
        }
    }

    /// Withdraws what nobody claims any more. A command of the service is run with `down` only if all of it is gone: what
    /// lives on with other prefixes may be up all the time.
    fn withdraw_removed(&mut self, gone: &Gone) {
        let config = &gone.config;
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
    fn take_over(&mut self, gone: &ServiceConfig) {
        if gone.custom_cmd.is_none() {
            return;
        }
        for prefix in &gone.prefixes {
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
            service.again = false;
            service.leave();
            Engine::call_off(&mut self.desk, now, service);
        }
        self.queue.clear();
        for id in self.services.order.clone() {
            self.route(id);
        }
        let withdrew = (before.iter()).any(|prefix| !self.routes.announces(prefix));
        self.routes.hasten();
        let limit = now + self.daemon.reconfigure_timeout + self.daemon.on_exit_wait + EXIT_SLACK;
        let patient = false;
        self.stage = Stage::Stopping {
            withdrew,
            limit,
            patient,
        };
        self.exit_timer = Some(self.desk.wheel.arm(limit, Timer::Exit));
    }

    /// Goes from the last update to the wait, and from the wait to the exit.
    pub(super) fn settle_stop(&mut self, now: Mono) {
        if let Stage::Stopping {
            withdrew,
            limit,
            patient,
        } = self.stage
        {
            if !patient && self.routes.waits_for_bird(now) {
                let limit = limit + QUEUE_PAUSE;
                self.stage = Stage::Stopping {
                    withdrew,
                    limit,
                    patient: true,
                };
                let timer = self.exit_timer.take();
                self.desk.cancel(timer);
                self.exit_timer = Some(self.desk.wheel.arm(limit, Timer::Exit));
                return;
            }
            if !self.routes.finished(now) || !self.customs.finished() {
                return;
            }
            let wait = self.daemon.on_exit_wait;
            if !withdrew || wait.is_zero() {
                self.stage = Stage::Over;
            } else {
                self.stage = Stage::Waiting;
                let timer = self.exit_timer.take();
                self.desk.cancel(timer);
                // What BIRD has used up of the time by hanging is taken off the wait: whoever stops us has limits, too.
                let end = limit.min(now + wait);
                self.exit_timer = Some(self.desk.wheel.arm(end, Timer::Exit));
            }
        }
        if self.stage == Stage::Over {
            let end = match (self.routes.files_settled(), self.routes.bird_knows()) {
                (false, _) => End::FilesAreWrong,
                (true, true) if self.customs.done() => End::Clean,
                (true, _) => End::BirdDoesNotKnow,
            };
            self.desk.say(What::Stopped {
                uptime: now.since(self.started),
                end,
            });
            self.desk.act(Action::Exit {
                clean: end == End::Clean,
            });
        }
    }
}
