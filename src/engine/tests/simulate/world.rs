//! One daemon's life in the made-up world: what happens next, and what must hold afterwards.

mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Journal;
use super::birds::{Birds, Disks, Files, Health, LeftToCommands};
use super::chance::Chance;
use super::model::{self, Model};
use super::plan::{self, Plan};
use crate::config::*;
use crate::engine::tests::{Bench, Job};
use crate::engine::vocab::*;
use crate::sorted::Set;
use crate::time::Mono;
use ipnetwork::IpNetwork;

/// Within this time BIRD agrees with what is wanted once nothing is in the way, beside `bird_update_interval`. The
/// promise is five seconds; the rest is what this world adds by being late itself.
const AGREED_WITHIN: Duration = Duration::from_millis(5500);
/// Turns at one moment after which the engine is said to spin.
const SPIN: u32 = 1000;

/// How checks go of late, one for each service, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Bad,
    Flaky,
    Slow,
    Hangs,
    /// It hangs and can't be killed.
    Stuck,
    NotStarted,
}

const MOODS: [Mood; 10] = [
    Mood::Good,
    Mood::Good,
    Mood::Good,
    Mood::Bad,
    Mood::Bad,
    Mood::Flaky,
    Mood::Slow,
    Mood::Hangs,
    Mood::Stuck,
    Mood::NotStarted,
];

/// How something that runs outside is going to end.
#[derive(Clone, Debug)]
enum End {
    Process(Ended),
    NotStarted,
    Bird(Result<Accepted, Refusal>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// To have ended by then.
    Stopping(Mono),
    Crashed,
}

pub struct Life {
    chance: Chance,
    plan: Plan,
    bench: Bench,
    model: Model,
    birds: Birds,
    disks: Disks,
    left: LeftToCommands,
    moods: BTreeMap<String, Mood>,
    /// What is going to end, and when.
    agenda: BTreeMap<(Mono, JobId), End>,
    ends_at: BTreeMap<JobId, Mono>,
    unkillable: BTreeSet<JobId>,
    last_seen: JobId,
    stage: Stage,
    begun: Mono,
    turns_at_once: (Mono, u32),
    customs_since: Mono,
}

impl Life {
    pub fn first(seed: u64, journal: &mut Journal) -> Life {
        let mut chance = Chance::new(seed);
        let mut files = Files::default();
        let strange = plan::all_prefixes().into_iter().chain(plan::strangers());
        for prefix in strange {
            if chance.percent(40) {
                files[Family::of(&prefix).index()].insert(prefix);
            }
        }
        let birds = Birds::new(&files);
        let assigned = plan::all_prefixes().into_iter().collect();
        Life::begin(chance, birds, files, assigned, false, journal)
    }

    fn begin(
        mut chance: Chance,
        mut birds: Birds,
        files: Files,
        assigned: Set<IpNetwork>,
        unclean: bool,
        journal: &mut Journal,
    ) -> Life {
        let plan = Plan::new(&mut chance);
        let config = plan.config();
        let mut found = files.map(|prefixes| FoundFile {
            prefixes,
            repair: None,
        });
        for file in &mut found {
            if chance.percent(15) {
                file.repair = Some(Repair::DummyMissing);
            }
        }
        let world = World {
            addresses: model::addresses(&assigned),
            maintenance: Set::new(),
            warnings: Vec::new(),
            files: found,
            config,
        };
        journal.note(format!(
            "a new life, unclean {unclean}: {:#?}",
            world.config
        ));
        let now = Mono::from_micros(1_000_000);
        let mut model = Model::start(&world, assigned, now);
        for service in &mut model.services {
            service.due = true;
        }
        birds.new_life(now);
        birds.spacing = world.config.daemon.update_interval;
        let mut left = LeftToCommands::default();
        left.add(&world.config);
        let mut bench = Bench::start_with(world, unclean, None);
        bench.now = now;
        let mut life = Life {
            chance,
            plan,
            bench,
            model,
            birds,
            disks: Disks::new(now),
            left,
            moods: BTreeMap::new(),
            agenda: BTreeMap::new(),
            ends_at: BTreeMap::new(),
            unkillable: BTreeSet::new(),
            last_seen: JobId(0),
            stage: Stage::Running,
            begun: now,
            turns_at_once: (now, 0),
            customs_since: now,
        };
        life.model.due(now);
        life.absorb(journal);
        life
    }

    pub fn over(&self) -> bool {
        self.bench.exited || self.stage == Stage::Crashed
    }

    /// The next daemon, in the world as this one left it.
    pub fn begin_anew(&mut self, journal: &mut Journal) {
        let seed = self.chance.below(u64::MAX >> 12);
        let mut chance = Chance::new(seed);
        let files = std::mem::take(&mut self.bench.files);
        let mut birds = std::mem::replace(&mut self.birds, Birds::new(&files));
        let families = &self.model.daemon.families;
        birds.include(
            &files,
            [0, 1].map(|index| families[index].as_ref().map(|family| &family.via)),
        );
        let mut assigned = self.model.assigned.clone();
        if chance.percent(50) {
            assigned = plan::all_prefixes().into_iter().collect();
        }
        let unclean = self.stage == Stage::Crashed || !self.bench.clean;
        // What commands were responsible for they still are, until BIRD is told of the file for another reason.
        let left = std::mem::take(&mut self.left);
        *self = Life::begin(chance, birds, files, assigned, unclean, journal);
        self.left.join(left);
    }

    pub fn step(&mut self, journal: &mut Journal) {
        let meddle = self.chance.percent(12);
        if !meddle || !self.meddle(journal) {
            self.advance(journal);
        }
        self.absorb(journal);
        self.check();
    }

    /// Something happens that nobody had planned; false if nothing did.
    fn meddle(&mut self, journal: &mut Journal) -> bool {
        let now = self.bench.now;
        let what = match self.chance.below(100) {
            0..12 => {
                self.bench.event(Event::RunNow);
                self.model.run_now();
                "SIGURG".to_string()
            }
            12..28 => self.move_address(),
            28..38 => self.maintain(),
            38..50 => self
                .birds
                .change_health(&mut self.chance, &self.bench.files, now),
            50..60 => {
                self.disks
                    .change(&mut self.chance, &mut self.bench.full, now);
                format!("disks full: {:?}", self.bench.full)
            }
            60..78 => self.change_mood(),
            78..92 => self.reload(),
            92..95 => {
                self.bench.event(Event::ReloadRefused(Vec::new()));
                "a reload is refused".to_string()
            }
            95..97 => self.stop(),
            97 if self.stage == Stage::Running => {
                self.stage = Stage::Crashed;
                "kill -9".to_string()
            }
            _ => return false,
        };
        journal.note(format!("{:>12} {what}", now.micros()));
        true
    }

    fn move_address(&mut self) -> String {
        let prefix = *self.chance.pick(&plan::all_prefixes());
        let come = self.chance.percent(65);
        match come {
            true => self.model.assigned.insert(prefix),
            false => self.model.assigned.remove(&prefix),
        };
        self.model.look_outside(self.bench.now);
        let addresses = model::addresses(&self.model.assigned);
        self.bench.event(Event::Addresses(addresses));
        format!("{prefix} assigned: {come}")
    }

    fn maintain(&mut self) -> String {
        let path = self.chance.pick(&plan::maintenance_files()).clone();
        let present = self.chance.percent(35);
        match present {
            true => self.model.maintenance.insert(path.clone()),
            false => self.model.maintenance.remove(&path),
        };
        self.model.look_outside(self.bench.now);
        let what = format!("{path:?} present: {present}");
        self.bench.event(Event::Maintenance { path, present });
        what
    }

    fn change_mood(&mut self) -> String {
        let at = self.chance.below(self.model.services.len().max(1) as u64) as usize;
        let Some(service) = self.model.services.get(at) else {
            return "nothing to check".to_string();
        };
        let (name, mood) = (service.config.name.clone(), *self.chance.pick(&MOODS));
        let what = format!("{name}: {mood:?}");
        self.moods.insert(name, mood);
        what
    }

    fn reload(&mut self) -> String {
        self.plan.edit(&mut self.chance);
        if self.stage == Stage::Running && self.chance.percent(30) {
            // Something that the daemon has not heard of yet, and learns by the reload.
            let prefix = *self.chance.pick(&plan::all_prefixes());
            if !self.model.assigned.remove(&prefix) {
                self.model.assigned.insert(prefix);
            }
        }
        let config = self.plan.config();
        let mut files = self.bench.files.clone().map(|prefixes| FoundFile {
            prefixes,
            repair: None,
        });
        for file in &mut files {
            if self.chance.percent(20) {
                file.repair = Some(Repair::WrongVariable(None));
            }
        }
        let world = World {
            addresses: model::addresses(&self.model.assigned),
            maintenance: self.model.maintenance.clone(),
            warnings: Vec::new(),
            files,
            config,
        };
        let what = format!("SIGHUP: {:#?}", world.config);
        let planned = self.planned();
        if self.stage == Stage::Running {
            let interval = world.config.daemon.update_interval;
            self.birds.spacing = self.birds.spacing.min(interval);
            self.birds.only(&world.config.daemon);
            self.left.add(&world.config);
            self.begun = self.bench.now;
            self.model.reload(&world, self.bench.now);
        }
        let same: BTreeSet<String> = (world.config.services.iter())
            .map(|service| format!("{service:?}"))
            .collect();
        self.bench.event(Event::Reload(Box::new(world)));
        // The schedule of what did not change is the same as before.
        for (service, at) in self.planned() {
            if same.contains(&service) {
                let before = planned.get(&service);
                assert!(
                    before.is_none_or(|before| *before == at),
                    "{service} is planned anew"
                );
            }
        }
        what
    }

    fn planned(&self) -> BTreeMap<String, Mono> {
        let snapshot = self.bench.engine.snapshot();
        let services = snapshot.services.iter();
        let planned =
            services.filter_map(|view| Some((format!("{:?}", view.config), view.next_run?)));
        planned.collect()
    }

    fn stop(&mut self) -> String {
        if self.stage == Stage::Running {
            let daemon = &self.model.daemon;
            let limit = daemon.reconfigure_timeout + daemon.on_exit_wait + Duration::from_secs(1);
            self.stage = Stage::Stopping(self.bench.now + limit);
            self.begun = self.bench.now;
        }
        self.model.stop(self.bench.now);
        self.bench.event(Event::Stop { signal: "SIGTERM" });
        "SIGTERM".to_string()
    }

    /// Goes to the next moment at which something is due, sometimes a little late, and has it happen.
    fn advance(&mut self, journal: &mut Journal) {
        let now = self.bench.now;
        let deadline = self.bench.engine.next_deadline(now);
        assert!(
            deadline.is_none_or(|at| at >= now),
            "a deadline in the past"
        );
        let end = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let Some(mut next) = deadline.into_iter().chain(end).min() else {
            assert!(self.stage == Stage::Running, "it stops for ever");
            self.bench.now = now + Duration::from_secs(1);
            return;
        };
        if self.chance.percent(10) {
            next = next + self.chance.millis(0, 50);
        }
        if self.turns_at_once.0 != next {
            self.turns_at_once = (next, 0);
        }
        self.turns_at_once.1 += 1;
        assert!(self.turns_at_once.1 < SPIN, "the engine spins");
        self.bench.now = next;
        let later = self.agenda.split_off(&(next, JobId(u64::MAX)));
        for ((_, job), end) in std::mem::replace(&mut self.agenda, later) {
            journal.note(format!(
                "{:>12} {job:?} {:?} {end:?}",
                next.micros(),
                self.bench.jobs[&job]
            ));
            self.end(job, end);
        }
        if deadline.is_some_and(|at| at <= next) {
            self.mark_due(next);
            self.model.due(next);
            self.bench.part_of_turn(Event::Due);
        }
        self.bench.finish_turn();
    }

    /// Whose slots are reached by now.
    fn mark_due(&mut self, now: Mono) {
        let snapshot = self.bench.engine.snapshot();
        for (view, service) in snapshot.services.iter().zip(&mut self.model.services) {
            service.due |= view.next_run.is_some_and(|at| at <= now);
        }
    }
}
