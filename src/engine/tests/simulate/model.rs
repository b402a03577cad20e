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
    /// When it is given up, if it was told to die.
    given_up: Option<Mono>,
}

/// How long what was killed has to die.
const GRACE: Duration = Duration::from_secs(1);

/// Prefixes that are assigned, by interface.
pub type Assigned = [Set<IpNetwork>; 2];

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
    /// The slot that is reached in this turn.
    pub slot: Option<Mono>,
    idle_since: Mono,
    /// When it had a result last.
    judged: Mono,
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
            slot: None,
            idle_since: now,
            judged: now,
            // The longest of the plan's: a reload takes nothing back.
            splayed: now + plan::SPLAY_MAX,
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

    fn result(&mut self, verdict: Verdict, now: Mono) {
        self.judged = now;
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
    pub assigned: Assigned,
    pub maintenance: Set<PathBuf>,
    pub changed_at: [Mono; 2],
    pub stopping: bool,
}

impl Model {
    pub fn start(world: &World, assigned: Assigned, now: Mono) -> Model {
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
                Some(same) if means_the_same(&same.config, config) => Modelled {
                    config: config.clone(),
                    idle_since: now,
                    judged: now,
                    ..same
                },
                Some(_) => Modelled::new(config, Announce::Keep, now),
                None => Modelled::new(config, config.on_start, now),
            });
        }
        let old_families = self.daemon.families.clone();
        self.daemon = world.config.daemon.clone();
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
        for family in Family::ALL {
            let index = family.index();
            let path = |family: &Option<FamilyConfig>| {
                family.as_ref().map(|config| config.prefix_file.clone())
            };
            if path(&old_families[index]) != path(&self.daemon.families[index]) {
                self.move_to_other_file(world, family, &before);
            }
        }
        self.changed_at = [now; 2];
        self.settle(now);
        self.look_outside(now);
    }

    /// In the new file a prefix is announced if it was in the old one; what nobody had claimed is as the new one has it.
    fn move_to_other_file(
        &mut self,
        world: &World,
        family: Family,
        before: &BTreeMap<IpNetwork, Vec<Announce>>,
    ) {
        let index = family.index();
        let claimed: Set<IpNetwork> = self.claims().into_keys().collect();
        let announced = common(&self.wanted[index], &claimed);
        self.meet_file(world, family);
        if self.daemon.families[index].is_none() {
            return;
        }
        let unclaimed_before = |net: &&IpNetwork| !before.contains_key(*net);
        let from_file = self.wanted[index].iter().filter(unclaimed_before).copied();
        let now: Set<IpNetwork> = from_file.chain(announced.iter().copied()).collect();
        if now != self.wanted[index] {
            self.strangers[index] = Set::new();
            self.wanted[index] = now;
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
            let missing = service.config.prefixes.iter().find(|net| {
                let place = plan::INTERFACES
                    .iter()
                    .position(|name| *name == &*service.config.interface);
                let assigned = &self.assigned[place.expect("one of the plan's")];
                !service.config.ip_check_disabled && !assigned.contains(*net)
            });
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
                run.given_up.get_or_insert(now + GRACE);
            }
            if !was_checkable {
                service.judged = now;
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
            "{name} must not be checked now: {service:#?}"
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
            given_up: None,
        });
    }

    pub fn ended(&mut self, job: JobId, verdict: Verdict, now: Mono) {
        let mine = |service: &&mut Modelled| service.run.as_ref().is_some_and(|run| run.job == job);
        let Some(service) = self.services.iter_mut().find(mine) else {
            return;
        };
        service.idle_since = now;
        if service.run.take().is_some_and(|run| run.counts) && !self.stopping {
            service.result(verdict, now);
            self.settle(now);
        }
    }

    /// The kernel does not let us kill a run.
    pub fn not_killed(&mut self, job: JobId) {
        for service in &mut self.services {
            if let Some(run) = service.run.as_mut().filter(|run| run.job == job) {
                // Every slot that is reached from now on counts.
                run.given_up = Some(Mono::default());
            }
        }
    }

    /// Time-outs up to now.
    pub fn due(&mut self, now: Mono) {
        for at in 0..self.services.len() {
            let service = &mut self.services[at];
            let timeout = service.config.timeout;
            let slot = service.slot.take();
            let Some(run) = service.run.as_mut() else {
                continue;
            };
            let hangs = match run.counts {
                true => {
                    let hangs = run.started + timeout <= now && !self.stopping;
                    if hangs {
                        run.counts = false;
                        run.given_up = Some(now + GRACE);
                    }
                    hangs
                }
                // It is still there long after it was killed, and its next slot has come.
                false => slot.is_some_and(|slot| run.given_up.is_some_and(|at| at < slot)),
            };
            if hangs {
                service.result(Verdict::TimedOut, now);
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

    /// A whole file that somebody else has written says what is wanted of prefixes on which no check has had its say.
    pub fn take_over(&mut self, family: Family, found: &Set<IpNetwork>) {
        let index = family.index();
        for (prefix, says) in self.claims() {
            let undecided = says.contains(&Announce::Keep) && !says.contains(&Announce::Withdraw);
            if undecided && Family::of(&prefix) == family {
                match found.contains(&prefix) {
                    true => self.wanted[index].insert(prefix),
                    false => self.wanted[index].remove(&prefix),
                };
            }
        }
        self.strangers[index].retain(|prefix| found.contains(prefix));
    }

    pub fn file(&self, family: Family) -> Set<IpNetwork> {
        self.wanted[family.index()].union(&self.strangers[family.index()])
    }
}

/// Whether verdicts on one are verdicts on the other.
fn means_the_same(one: &ServiceConfig, other: &ServiceConfig) -> bool {
    let with_what_does_not_matter = ServiceConfig {
        name: one.name.clone(),
        prefixes: one.prefixes.clone(),
        check_cmd: one.check_cmd.clone(),
        timeout: one.timeout,
        rise: one.rise,
        fall: one.fall,
        disabled: one.disabled,
        ip_check_disabled: one.ip_check_disabled,
        interface: one.interface.clone(),
        on_disabled: match one.disabled {
            true => one.on_disabled,
            false => other.on_disabled,
        },
        ..other.clone()
    };
    with_what_does_not_matter == *other
}

/// All addresses that the assigned prefixes need.
fn common(one: &Set<IpNetwork>, other: &Set<IpNetwork>) -> Set<IpNetwork> {
    let both = one.iter().filter(|prefix| other.contains(*prefix));
    both.copied().collect()
}

pub fn addresses(assigned: &Assigned) -> Rc<Addresses> {
    let mut addresses = Addresses::default();
    for (name, assigned) in plan::INTERFACES.iter().zip(assigned) {
        for prefix in assigned.iter() {
            addresses.insert(name, prefix.ip());
        }
    }
    Rc::new(addresses)
}
