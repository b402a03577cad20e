//! What must be the case, worked out from the history of events alone, and written another way than the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use super::plan;
use crate::config::*;
use crate::engine::vocab::*;
use crate::sorted::Set;
use crate::time::Mono;
use ipnetwork::IpNetwork;

mod compare;

/// What keeps a service down from outside.
#[derive(Clone, Debug, PartialEq)]
enum Hold {
    Unassigned(IpNetwork),
    Maintenance,
}

#[derive(Debug)]
struct Run {
    job: JobId,
    started: Mono,
    /// Its result still counts.
    counts: bool,
}

#[derive(Debug)]
pub struct Modelled {
    pub config: Rc<ServiceConfig>,
    pub status: Status,
    says: Announce,
    hold: Option<Hold>,
    /// The last result and how many like it there were in a row.
    row: (bool, u32),
    run: Option<Run>,
    /// passed, failed, timed out, not started
    results: [u64; 4],
    changes: u64,
    /// A run is to start as soon as none is going on.
    owed: bool,
    /// A slot of its grid has been reached since the last run began.
    pub due: bool,
    idle_since: Mono,
    /// When the first slot of its grid is over at the latest.
    splayed: Mono,
}

impl Modelled {
    fn new(config: &Rc<ServiceConfig>, start: Announce, now: Mono) -> Modelled {
        let (status, says) = match config.disabled {
            true => (Status::Disabled, config.on_disabled),
            false => (Status::Unknown, start),
        };
        Modelled {
            config: config.clone(),
            status,
            says,
            hold: None,
            row: (true, 0),
            run: None,
            results: [0; 4],
            changes: 0,
            owed: false,
            due: false,
            idle_since: now,
            // The longest of the plan's: a reload takes nothing back.
            splayed: now + Duration::from_secs(3),
        }
    }

    pub fn checkable(&self) -> bool {
        self.status != Status::Disabled && !matches!(self.hold, Some(Hold::Unassigned(_)))
    }

    fn become_(&mut self, status: Status) {
        if self.status != status {
            self.status = status;
            self.changes += 1;
        }
        self.says = match status {
            Status::Up => Announce::Advertise,
            _ => Announce::Withdraw,
        };
    }

    fn result(&mut self, verdict: Verdict) {
        let kind = match verdict {
            Verdict::Pass => 0,
            Verdict::Fail(_) | Verdict::Signal(_) => 1,
            Verdict::TimedOut => 2,
            Verdict::NotStarted(_) => 3,
        };
        self.results[kind] += 1;
        if self.hold.is_some() {
            return;
        }
        let pass = verdict == Verdict::Pass;
        match self.row {
            (last, count) if last == pass => self.row = (pass, count + 1),
            _ => self.row = (pass, 1),
        }
        if pass && self.row.1 >= self.config.rise {
            self.become_(Status::Up);
        } else if !pass && self.row.1 >= self.config.fall {
            self.become_(Status::Down);
        }
    }
}

#[derive(Debug)]
pub struct Model {
    pub daemon: DaemonConfig,
    pub services: Vec<Modelled>,
    /// What the files are to announce for services, and what else is left in them.
    pub wanted: [Set<IpNetwork>; 2],
    pub strangers: [Set<IpNetwork>; 2],
    pub assigned: Set<IpNetwork>,
    pub maintenance: Set<PathBuf>,
    pub changed_at: [Mono; 2],
    pub stopping: bool,
}

impl Model {
    pub fn start(world: &World, assigned: Set<IpNetwork>, now: Mono) -> Model {
        let mut model = Model {
            daemon: world.config.daemon.clone(),
            services: Vec::new(),
            wanted: Default::default(),
            strangers: Default::default(),
            assigned,
            maintenance: world.maintenance.clone(),
            changed_at: [now; 2],
            stopping: false,
        };
        for config in &world.config.services {
            let new = Modelled::new(config, config.on_start, now);
            model.services.push(new);
        }
        for family in Family::ALL {
            model.meet_file(world, family);
        }
        model.settle(now);
        model.look_outside(now);
        model
    }

    fn meet_file(&mut self, world: &World, family: Family) {
        let claimed: Set<IpNetwork> = self.claims().into_keys().collect();
        let index = family.index();
        let found = match self.daemon.families[index] {
            Some(_) => world.files[index].prefixes.clone(),
            None => Set::new(),
        };
        self.wanted[index] = common(&found, &claimed);
        self.strangers[index] = match self.daemon.purge_ip_prefixes {
            true => Set::new(),
            false => found.difference(&claimed).copied().collect(),
        };
    }

    pub fn reload(&mut self, world: &World, now: Mono) {
        let mut old: BTreeMap<String, Modelled> = BTreeMap::new();
        let before = self.claims();
        for service in self.services.drain(..) {
            old.insert(service.config.name.clone(), service);
        }
        for config in &world.config.services {
            self.services.push(match old.remove(&config.name) {
                Some(same) if same.config == *config => Modelled {
                    idle_since: now,
                    ..same
                },
                Some(_) => Modelled::new(config, Announce::Keep, now),
                None => Modelled::new(config, config.on_start, now),
            });
        }
        let old_families = self.daemon.families.clone();
        self.daemon = world.config.daemon.clone();
        for family in Family::ALL {
            let index = family.index();
            if old_families[index] != self.daemon.families[index] {
                self.move_to_other_file(world, family);
            }
        }
        let claims = self.claims();
        for prefix in claims.keys() {
            let index = Family::of(prefix).index();
            if self.strangers[index].remove(prefix) {
                self.wanted[index].insert(*prefix);
            }
        }
        for prefix in before.keys().filter(|prefix| !claims.contains_key(*prefix)) {
            let index = Family::of(prefix).index();
            if self.wanted[index].remove(prefix) | self.strangers[index].contains(prefix) {
                self.strangers[index] = Set::new();
            }
        }
        self.changed_at = [now; 2];
        self.settle(now);
        self.look_outside(now);
    }

    /// What was announced in the old file and still has a service is announced in the new one as well.
    fn move_to_other_file(&mut self, world: &World, family: Family) {
        let claimed: Set<IpNetwork> = self.claims().into_keys().collect();
        let index = family.index();
        let announced = common(&self.wanted[index].union(&self.strangers[index]), &claimed);
        self.meet_file(world, family);
        if self.daemon.families[index].is_some()
            && announced.difference(&self.wanted[index]).next().is_some()
        {
            self.strangers[index] = Set::new();
            self.wanted[index].extend(announced);
        }
    }

    fn claims(&self) -> BTreeMap<IpNetwork, Vec<Announce>> {
        let mut claims: BTreeMap<IpNetwork, Vec<Announce>> = BTreeMap::new();
        for service in &self.services {
            for prefix in &service.config.prefixes {
                claims.entry(*prefix).or_default().push(service.says);
            }
        }
        claims
    }

    /// What follows for the files from what the services say.
    fn settle(&mut self, now: Mono) {
        for (prefix, says) in self.claims() {
            let index = Family::of(&prefix).index();
            let news = if says.contains(&Announce::Withdraw) {
                self.wanted[index].remove(&prefix)
            } else if says.iter().all(|says| *says == Announce::Advertise) {
                self.wanted[index].insert(prefix)
            } else {
                false
            };
            if news {
                self.strangers[index] = Set::new();
                self.changed_at[index] = now;
            }
        }
    }

    /// Addresses or maintenance files, or the services, are others than before.
    pub fn look_outside(&mut self, now: Mono) {
        if self.stopping {
            return;
        }
        for at in 0..self.services.len() {
            let service = &self.services[at];
            if service.status == Status::Disabled {
                continue;
            }
            let missing = service
                .config
                .prefixes
                .iter()
                .find(|net| !service.config.ip_check_disabled && !self.assigned.contains(*net));
            let file = service.config.maintenance_file.as_ref();
            let hold = match (
                missing,
                file.is_some_and(|file| self.maintenance.contains(file)),
            ) {
                (Some(prefix), _) => Some(Hold::Unassigned(*prefix)),
                (None, true) => Some(Hold::Maintenance),
                (None, false) => None,
            };
            let service = &mut self.services[at];
            if service.hold == hold {
                continue;
            }
            let was_checkable = service.checkable();
            service.hold = hold;
            service.row = (true, 0);
            service.become_(Status::Down);
            if let Some(run) = &mut service.run {
                run.counts = false;
            }
            if !was_checkable {
                service.idle_since = now;
            }
            let begins = service.hold.is_none() || !was_checkable;
            service.owed = service.checkable() && (begins || service.owed);
            self.settle(now);
        }
    }

    pub fn run_now(&mut self) {
        for service in &mut self.services {
            service.owed = !self.stopping && service.checkable();
        }
    }

    pub fn started(&mut self, job: JobId, name: &str, now: Mono) {
        let service = self
            .services
            .iter_mut()
            .find(|service| service.config.name == name);
        let service = service.expect("a check of no service was started");
        assert!(
            service.checkable() && !self.stopping,
            "{name} must not be checked now"
        );
        assert!(service.run.is_none(), "{name} runs already");
        assert!(
            service.owed || service.due,
            "{name} runs though nothing asks for it"
        );
        (service.owed, service.due) = (false, false);
        service.run = Some(Run {
            job,
            started: now,
            counts: true,
        });
    }

    pub fn ended(&mut self, job: JobId, verdict: Verdict, now: Mono) {
        let mine = |service: &&mut Modelled| service.run.as_ref().is_some_and(|run| run.job == job);
        let Some(service) = self.services.iter_mut().find(mine) else {
            return;
        };
        service.idle_since = now;
        if service.run.take().is_some_and(|run| run.counts) && !self.stopping {
            service.result(verdict);
            self.settle(now);
        }
    }

    /// Time-outs up to now.
    pub fn due(&mut self, now: Mono) {
        for at in 0..self.services.len() {
            let service = &mut self.services[at];
            let timeout = service.config.timeout;
            let Some(run) = service.run.as_mut().filter(|run| run.counts) else {
                continue;
            };
            if run.started + timeout <= now && !self.stopping {
                run.counts = false;
                service.result(Verdict::TimedOut);
                self.settle(now);
            }
        }
    }

    pub fn stop(&mut self, now: Mono) {
        if self.stopping {
            return;
        }
        self.stopping = true;
        for service in &mut self.services {
            let out = service.config.disabled || service.hold.is_some();
            match service.config.on_exit {
                Announce::Withdraw => service.says = Announce::Withdraw,
                Announce::Advertise if !out => service.says = Announce::Advertise,
                Announce::Advertise | Announce::Keep => {}
            }
        }
        self.settle(now);
    }

    pub fn file(&self, family: Family) -> Set<IpNetwork> {
        self.wanted[family.index()].union(&self.strangers[family.index()])
    }
}

/// All addresses that the assigned prefixes need.
fn common(one: &Set<IpNetwork>, other: &Set<IpNetwork>) -> Set<IpNetwork> {
    let both = one.iter().filter(|prefix| other.contains(*prefix));
    both.copied().collect()
}

pub fn addresses(assigned: &Set<IpNetwork>) -> Rc<Addresses> {
    let mut addresses = Addresses::default();
    for prefix in plan::all_prefixes() {
        if assigned.contains(&prefix) {
            addresses.insert("lo", prefix.ip());
        }
    }
    Rc::new(addresses)
}
