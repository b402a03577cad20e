//! One daemon's life in the made-up world: what happens next, and what must hold afterwards.

mod outside;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Journal;
use super::birds::{Birds, Disk, Disks, Files, Health, LeftToCommands};
use super::chance::Chance;
use super::model::{self, Assigned, Model};
use super::plan::{self, Plan};
use crate::config::*;
use crate::engine::notice::What;
use crate::engine::tests::{Bench, Job, Order};
use crate::engine::vocab::*;
use crate::sorted::Set;
use crate::time::Mono;
use ipnetwork::IpNetwork;

/// Within this time BIRD agrees with what is wanted once nothing is in the way, beside `bird_update_interval`. The
/// promise is five seconds; the rest is what this world adds by being late itself.
const AGREED_WITHIN: Duration = Duration::from_millis(9000);
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
    /// It hangs and may not be killed.
    Stuck,
    /// It hangs and does not die.
    Undying,
    NotStarted,
    /// That is known late.
    NotStartedLate,
}

const MOODS: [Mood; 12] = [
    Mood::Good,
    Mood::Good,
    Mood::Good,
    Mood::Bad,
    Mood::Bad,
    Mood::Flaky,
    Mood::Slow,
    Mood::Hangs,
    Mood::Stuck,
    Mood::Undying,
    Mood::NotStarted,
    Mood::NotStartedLate,
];

/// How something that runs outside is going to end.
#[derive(Clone, Debug)]
enum End {
    Process(Ended),
    NotStarted,
    Bird(Result<Accepted, Refusal>),
    /// A file is read or written. `lands`: it is; `fails`: that is not what is heard.
    File {
        order: Order,
        lands: bool,
        fails: bool,
    },
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
    /// The kernel does not let us kill these.
    unkillable: BTreeSet<JobId>,
    /// These do not die for a long time.
    undying: BTreeSet<JobId>,
    /// What the engine knows of these files may be wrong.
    unknown: BTreeSet<PathBuf>,
    /// These another hand has changed, and nobody has said so.
    tampered: BTreeSet<PathBuf>,
    /// Those among them that the engine has asked for, and has not been told of.
    unseen: BTreeSet<PathBuf>,
    /// BIRD may have read another hand's version of these.
    misread: BTreeSet<PathBuf>,
    /// Files that reloads have left, whose BIRD has to know, and since when.
    left_files: BTreeMap<PathBuf, (Via, Mono)>,
    /// Trouble that has been said, and when.
    said: BTreeMap<String, Mono>,
    last_seen: JobId,
    stage: Stage,
    begun: Mono,
    turns_at_once: (Mono, u32),
    customs_since: Option<Mono>,
}

impl Life {
    pub fn first(seed: u64, journal: &mut Journal) -> Life {
        let mut chance = Chance::new(seed);
        let mut files = Files::default();
        let strange = plan::all_prefixes().into_iter().chain(plan::strangers());
        for prefix in strange {
            for path in plan::paths() {
                if family_of(&path) == Family::of(&prefix) && chance.percent(40) {
                    files.entry(path).or_default().insert(prefix);
                }
            }
        }
        let birds = Birds::new(&files);
        let assigned = everywhere();
        Life::begin(chance, birds, files, assigned, false, journal)
    }

    fn begin(
        mut chance: Chance,
        mut birds: Birds,
        files: Files,
        assigned: Assigned,
        unclean: bool,
        journal: &mut Journal,
    ) -> Life {
        let plan = Plan::new(&mut chance);
        let config = plan.config();
        let found = find(&mut chance, &files, &config, &Repair::DummyMissing);
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
        bench.elsewhere = files;
        let paths = bench.paths.clone();
        bench.elsewhere.retain(|path, _| !paths.contains(path));
        bench.slow_disk = true;
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
            undying: BTreeSet::new(),
            unknown: BTreeSet::new(),
            tampered: BTreeSet::new(),
            unseen: BTreeSet::new(),
            misread: BTreeSet::new(),
            left_files: BTreeMap::new(),
            said: BTreeMap::new(),
            last_seen: JobId(0),
            stage: Stage::Running,
            begun: now,
            turns_at_once: (now, 0),
            customs_since: None,
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
        // What was being written is there, or is not.
        for end in std::mem::take(&mut self.agenda).into_values() {
            if let End::File { order, .. } = end {
                if order.prefixes.is_some() && chance.percent(50) {
                    self.bench.carry_out(&order);
                }
            }
        }
        let files = self.all_files();
        let mut birds = std::mem::replace(&mut self.birds, Birds::new(&files));
        let families = self.model.daemon.families.iter().flatten();
        let told: Vec<(PathBuf, Via)> = families
            .map(|family| (family.prefix_file.clone(), family.via.clone()))
            // Whoever meddles with a file is the one to tell BIRD.
            .filter(|(path, _)| !self.misread.contains(path))
            .collect();
        birds.include(&files, &told);
        let mut assigned = self.model.assigned.clone();
        if chance.percent(50) {
            assigned = everywhere();
        }
        let unclean = self.stage == Stage::Crashed || !self.bench.clean;
        // What commands were responsible for they still are, until BIRD is told of the file for another reason.
        let left = std::mem::take(&mut self.left);
        *self = Life::begin(chance, birds, files, assigned, unclean, journal);
        self.left.join(left);
    }

    pub fn step(&mut self, journal: &mut Journal) {
        let mut meddled = false;
        while !self.over() && self.chance.percent(12) {
            meddled |= self.meddle(journal);
        }
        if !meddled {
            self.advance(journal);
        }
        if self.stage == Stage::Running && self.chance.percent(2) {
            // Something has held up the turn.
            self.bench.now = self.bench.now + self.chance.millis(0, 3000);
        }
        self.bench.finish_turn();
        if self.bench.engine.can_start() {
            // After a turn that writes a file the next one comes at once.
            self.bench.finish_turn();
        }
        self.absorb(journal);
        for notice in &self.bench.notices {
            journal.note(format!("{:>12} {:?}", self.bench.now.micros(), notice.what));
        }
        self.check();
    }

    fn all_files(&self) -> Files {
        let mut files = self.bench.elsewhere.clone();
        for (path, file) in self.bench.paths.iter().zip(&self.bench.files) {
            files.insert(path.clone(), file.clone());
        }
        files.remove(Path::new(""));
        files
    }

    fn file(&self, path: &Path) -> Set<IpNetwork> {
        self.all_files().get(path).cloned().unwrap_or_default()
    }

    /// Something happens that nobody had planned; false if nothing did.
    fn meddle(&mut self, journal: &mut Journal) -> bool {
        let now = self.bench.now;
        let what = match self.chance.below(100) {
            0..12 => {
                self.bench.part_of_turn(Event::RunNow);
                self.model.run_now();
                "SIGURG".to_string()
            }
            12..28 => self.move_address(),
            28..38 => self.maintain(),
            38..50 => {
                let files = self.all_files();
                self.birds.change_health(&mut self.chance, &files, now)
            }
            50..57 => self.disks.change(&mut self.chance),
            57..61 => self.tamper(),
            61..78 => self.change_mood(),
            78..92 => self.reload(),
            92..95 => {
                self.bench.part_of_turn(Event::ReloadRefused(Vec::new()));
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
        let assigned = &mut self.model.assigned[self.chance.below(2) as usize];
        match come {
            true => assigned.insert(prefix),
            false => assigned.remove(&prefix),
        };
        self.model.look_outside(self.bench.now);
        let addresses = model::addresses(&self.model.assigned);
        self.bench.part_of_turn(Event::Addresses(addresses));
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
        self.bench
            .part_of_turn(Event::Maintenance { path, present });
        what
    }

    /// Another hand changes a file that is in use.
    fn tamper(&mut self) -> String {
        let index = self.chance.below(2) as usize;
        let config = self.model.daemon.families[index].as_ref();
        let Some(path) = config.map(|config| config.prefix_file.clone()) else {
            return "no such file".to_string();
        };
        let all: Vec<IpNetwork> = (plan::all_prefixes().into_iter())
            .filter(|prefix| Family::of(prefix).index() == index)
            .collect();
        let prefix = *self.chance.pick(&all);
        let file = &mut self.bench.files[index];
        if !file.remove(&prefix) {
            file.insert(prefix);
        }
        self.bench.spoiled[index] = self.chance.percent(50).then(|| FoundFile {
            prefixes: file.clone(),
            repair: Some(Repair::Malformed("spoiled".to_string())),
        });
        self.unknown.insert(path.clone());
        self.misread.insert(path.clone());
        let seen = self.chance.percent(50);
        match seen {
            true => {
                self.tampered.remove(&path);
                // Who does it again and again is answered once a minute.
                self.model.changed_at[index] = self.bench.now + Duration::from_secs(60);
                let path = path.clone();
                self.bench.part_of_turn(Event::FileTouched { path });
            }
            false => _ = self.tampered.insert(path.clone()),
        }
        format!("another hand on {path:?}: {prefix}, seen: {seen}")
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
            let assigned = &mut self.model.assigned[self.chance.below(2) as usize];
            if !assigned.remove(&prefix) {
                assigned.insert(prefix);
            }
        }
        let config = self.plan.config();
        let all = self.all_files();
        let files = find(
            &mut self.chance,
            &all,
            &config,
            &Repair::WrongVariable(None),
        );
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
            self.leave_files(&world.config.daemon);
            self.left.add(&world.config);
            self.begun = self.bench.now;
            self.model.reload(&world, self.bench.now);
        }
        let same: BTreeSet<String> = (world.config.services.iter())
            .map(|service| format!("{service:?}"))
            .collect();
        match self.stage {
            Stage::Running => self.bench.take_up(world),
            Stage::Stopping(_) | Stage::Crashed => {
                self.bench.part_of_turn(Event::Reload(Box::new(world)));
            }
        }
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
            // BIRD may have to be left alone for two seconds.
            let limit = daemon.reconfigure_timeout + daemon.on_exit_wait + Duration::from_secs(3);
            self.stage = Stage::Stopping(self.bench.now + limit);
            self.begun = self.bench.now;
        }
        self.model.stop(self.bench.now);
        self.bench.part_of_turn(Event::Stop { signal: "SIGTERM" });
        "SIGTERM".to_string()
    }

    /// Goes to the next moment at which something is due, sometimes a little late, and has it happen.
    fn advance(&mut self, journal: &mut Journal) {
        let now = self.bench.now;
        let deadline = self.bench.engine.next_deadline(now);
        let end = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let Some(mut next) = deadline.into_iter().chain(end).min() else {
            assert!(self.stage == Stage::Running, "it stops for ever");
            self.bench.now = now + Duration::from_secs(1);
            return;
        };
        next = next.max(now);
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
                self.bench.jobs.get(&job)
            ));
            self.end(job, end);
        }
        if deadline.is_some_and(|at| at <= next) {
            self.mark_due(next);
            self.model.due(next);
            self.bench.part_of_turn(Event::Due);
        }
    }

    /// Whose slots are reached by now.
    fn mark_due(&mut self, now: Mono) {
        let snapshot = self.bench.engine.snapshot();
        for (view, service) in snapshot.services.iter().zip(&mut self.model.services) {
            service.slot = view.next_run.filter(|at| *at <= now);
            service.due |= service.slot.is_some();
        }
    }

    /// What a reload leaves is to be withdrawn, what it takes up is not, and what another hand has done is seen.
    fn leave_files(&mut self, new: &DaemonConfig) {
        let now = self.bench.now;
        for old in self.model.daemon.families.clone().iter().flatten() {
            self.left_files
                .insert(old.prefix_file.clone(), (old.via.clone(), now));
        }
        for family in new.families.iter().flatten() {
            self.left_files.remove(&family.prefix_file);
        }
        let current = new
            .families
            .iter()
            .flatten()
            .map(|family| family.via.clone());
        let left = self.left_files.values().map(|(via, _)| via.clone());
        let in_use: Vec<Via> = current.chain(left).collect();
        self.birds.only(&in_use);
        self.unseen.append(&mut self.tampered);
        let current = new.families.iter().flatten();
        let paths = current.map(|family| &family.prefix_file);
        let paths: Vec<String> = paths
            .chain(self.left_files.keys())
            .map(|path| format!("{path:?}"))
            .collect();
        let vias: Vec<String> = in_use.iter().map(|via| format!("{via:?}")).collect();
        self.said
            .retain(|what, _| paths.contains(what) || vias.iter().any(|via| what.starts_with(via)));
    }
}

fn family_of(path: &Path) -> Family {
    let [four, other_four, ..] = plan::paths();
    match *path == four || *path == other_four {
        true => Family::V4,
        false => Family::V6,
    }
}

/// Every prefix, on every interface.
fn everywhere() -> Assigned {
    let all = || plan::all_prefixes().into_iter().collect();
    [all(), all()]
}

/// What a daemon that reads its files finds in them.
fn find(chance: &mut Chance, files: &Files, config: &Config, damage: &Repair) -> [FoundFile; 2] {
    Family::ALL.map(|family| {
        let Some(config) = &config.daemon.families[family.index()] else {
            return FoundFile::default();
        };
        let file = files.get(&config.prefix_file);
        let repair = match file {
            None => Some(Repair::Missing),
            Some(_) => chance.percent(15).then(|| damage.clone()),
        };
        FoundFile {
            prefixes: file.cloned().unwrap_or_default(),
            repair,
        }
    })
}
