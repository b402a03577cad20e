//! The engine in an invented world: time jumps from deadline to deadline, nothing sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::notice::{Notice, What};
use super::vocab::*;
use super::*;
use crate::config::*;
use crate::sorted::Set;

mod another_hand;
mod carrying_out;
mod changes;
mod commands;
mod enumerate;
pub mod fixture;
mod found;
mod hanging;
mod leaving;
mod routing;
mod schedule;
mod simulate;
mod slow_disk;
mod survivors;
mod telling;
mod windows;

pub use fixture::{config, net, service, world};

/// What runs outside at the engine's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    Check(String),
    Custom(String, bool),
    Reconfigure,
}

/// What is to be done about a file.
#[derive(Clone, Debug)]
pub struct Order {
    pub job: JobId,
    pub family: Family,
    pub path: PathBuf,
    /// To be written; `None`: it is to be read.
    pub prefixes: Option<Set<IpNetwork>>,
}

/// An engine with the world around it. It performs actions as a host would, and checks what must always hold.
pub struct Bench {
    pub engine: Engine,
    pub now: Mono,
    pub jobs: BTreeMap<JobId, Job>,
    pub killed: Vec<JobId>,
    /// Those among `jobs` that were ever to be killed.
    pub doomed: BTreeSet<JobId>,
    /// Whom reconfigurations among `jobs` speak to.
    pub vias: BTreeMap<JobId, Rc<Via>>,
    pub files: [Set<IpNetwork>; 2],
    /// Where these are, and what stands in others.
    pub paths: [PathBuf; 2],
    pub elsewhere: BTreeMap<PathBuf, Set<IpNetwork>>,
    /// What is to be done about files waits in `orders`.
    pub slow_disk: bool,
    pub orders: Vec<Order>,
    /// When the files were written, and when BIRD was told.
    pub writes: Vec<(Mono, Family)>,
    pub reconfigurations: Vec<Mono>,
    pub started: Vec<(Mono, String)>,
    /// Times that the metrics were written.
    pub metrics: usize,
    pub notices: Vec<Notice>,
    pub disk_full: bool,
    /// As `disk_full`, for one family alone.
    pub full: [bool; 2],
    /// What somebody else has put in the place of a file.
    pub spoiled: [Option<FoundFile>; 2],
    /// Reconfigurations are answered at once with this; `None`: they hang.
    pub bird: Option<Result<Accepted, Refusal>>,
    pub exited: bool,
    /// What the engine said of that at its end.
    pub clean: bool,
}

impl Bench {
    pub fn new(world: World) -> Bench {
        Bench::start(world, false)
    }

    pub fn start(world: World, unclean: bool) -> Bench {
        Bench::start_with(world, unclean, Some(Ok(Accepted::Reconfigured)))
    }

    pub fn start_with(
        world: World,
        unclean: bool,
        bird: Option<Result<Accepted, Refusal>>,
    ) -> Bench {
        let now = Mono::from_micros(1_000_000);
        let files = world.files.clone().map(|file| file.prefixes);
        let path = |family: &Option<FamilyConfig>| {
            let config = family.as_ref();
            config.map_or(PathBuf::new(), |config| config.prefix_file.clone())
        };
        let paths = world.config.daemon.families.each_ref().map(path);
        let (engine, actions) = Engine::start(now, world, 7, unclean);
        let mut bench = Bench {
            engine,
            now,
            jobs: BTreeMap::new(),
            killed: Vec::new(),
            doomed: BTreeSet::new(),
            vias: BTreeMap::new(),
            files,
            paths,
            elsewhere: BTreeMap::new(),
            slow_disk: false,
            orders: Vec::new(),
            writes: Vec::new(),
            reconfigurations: Vec::new(),
            started: Vec::new(),
            metrics: 0,
            notices: Vec::new(),
            disk_full: false,
            full: [false; 2],
            spoiled: [None, None],
            bird,
            exited: false,
            clean: false,
        };
        bench.perform(actions);
        bench.event(Event::Due);
        bench
    }

    /// One event, and the end of the turn.
    pub fn event(&mut self, event: Event) {
        self.part_of_turn(event);
        self.finish_turn();
    }

    /// One of several events of a turn.
    pub fn part_of_turn(&mut self, event: Event) {
        let actions = self.engine.step(self.now, event);
        self.perform(actions);
    }

    pub fn finish_turn(&mut self) {
        let mut rounds = 0;
        loop {
            let actions = self.engine.finish_turn(self.now);
            if !self.perform(actions) {
                break;
            }
            rounds += 1;
            assert!(rounds < 100, "a turn without an end");
        }
        self.assert_invariants();
    }

    /// True if that led to events, and so perhaps to more.
    fn perform(&mut self, actions: Vec<Action>) -> bool {
        let mut more = false;
        for action in actions {
            let answer = match action {
                Action::StartCheck { job, service } => {
                    let running = Job::Check(service.name.clone());
                    assert!(!self.is_alive(&running), "two runs of {}", service.name);
                    self.started.push((self.now, service.name.clone()));
                    self.jobs.insert(job, running);
                    None
                }
                Action::StartCustom { job, service, up } => {
                    for up in [true, false] {
                        let running = Job::Custom(service.name.clone(), up);
                        assert!(!self.is_alive(&running), "two of {running:?}");
                    }
                    self.jobs.insert(job, Job::Custom(service.name.clone(), up));
                    None
                }
                Action::Reconfigure { job, via } => {
                    self.reconfigurations.push(self.now);
                    let answer = self.bird.clone();
                    if answer.is_none() {
                        self.jobs.insert(job, Job::Reconfigure);
                        self.vias.insert(job, via);
                    }
                    answer.map(|outcome| Event::ReconfigureEnded { job, outcome })
                }
                Action::Kill { job } => {
                    self.killed.push(job);
                    if self.jobs.contains_key(&job) {
                        self.doomed.insert(job);
                    }
                    None
                }
                Action::WriteFile {
                    job,
                    file,
                    prefixes,
                } => {
                    let order = Order {
                        job,
                        family: Family::of(&file.dummy),
                        path: file.prefix_file.clone(),
                        prefixes: Some((*prefixes).clone()),
                    };
                    self.take_order(order)
                }
                Action::LookAtFile { job, file } => {
                    let order = Order {
                        job,
                        family: Family::of(&file.dummy),
                        path: file.prefix_file.clone(),
                        prefixes: None,
                    };
                    self.take_order(order)
                }
                Action::WriteMetrics => {
                    self.metrics += 1;
                    None
                }
                Action::Say(notice) => {
                    self.notices.push(notice);
                    None
                }
                Action::Exit { clean } => {
                    (self.exited, self.clean) = (true, clean);
                    None
                }
            };
            if let Some(event) = answer {
                more = true;
                self.part_of_turn(event);
            }
        }
        more
    }

    /// A file is written or read at once, or later.
    fn take_order(&mut self, order: Order) -> Option<Event> {
        if order.prefixes.is_some() {
            self.writes.push((self.now, order.family));
        }
        match self.slow_disk {
            true => {
                self.orders.push(order);
                None
            }
            false => Some(self.carry_out(&order)),
        }
    }

    /// Does what was ordered of a file.
    pub fn carry_out(&mut self, order: &Order) -> Event {
        let (job, index) = (order.job, order.family.index());
        let here = order.path == self.paths[index];
        let file = match here {
            true => &mut self.files[index],
            false => self.elsewhere.entry(order.path.clone()).or_default(),
        };
        let full = self.disk_full || self.full[index];
        match &order.prefixes {
            Some(_) if full => Event::FileWritten {
                job,
                outcome: Err("no space left on device".to_string()),
            },
            Some(prefixes) => {
                *file = prefixes.clone();
                if here {
                    self.spoiled[index] = None;
                }
                let outcome = Ok(());
                Event::FileWritten { job, outcome }
            }
            None => {
                let found = FoundFile {
                    prefixes: file.clone(),
                    repair: None,
                };
                let spoiled = self.spoiled[index].clone().filter(|_| here);
                let file = spoiled.unwrap_or(found);
                Event::FileFound { job, file }
            }
        }
    }

    /// The oldest order that waits is carried out.
    pub fn disk_works(&mut self) {
        let order = self.orders.remove(0);
        let event = self.carry_out(&order);
        self.event(event);
    }

    pub fn reload(&mut self, world: World) {
        self.take_up(world);
        self.finish_turn();
    }

    /// Takes up another world in this turn. A file that moves there is met as the new world has it.
    pub fn take_up(&mut self, world: World) {
        for family in Family::ALL {
            let index = family.index();
            let config = world.config.daemon.families[index].as_ref();
            let path = config.map(|config| config.prefix_file.clone());
            let Some(path) = path.filter(|path| *path != self.paths[index]) else {
                continue;
            };
            let found = world.files[index].prefixes.clone();
            self.elsewhere.remove(&path);
            self.spoiled[index] = None;
            let old = std::mem::replace(&mut self.files[index], found);
            let old_path = std::mem::replace(&mut self.paths[index], path);
            self.elsewhere.insert(old_path, old);
        }
        self.part_of_turn(Event::Reload(Box::new(world)));
    }

    /// Lets what was killed end.
    pub fn reap_killed(&mut self) {
        for job in std::mem::take(&mut self.killed) {
            match self.jobs.get(&job) {
                Some(Job::Reconfigure) => {
                    self.forget(job);
                    let outcome = Err(Refusal::Said("killed".to_string()));
                    self.event(Event::ReconfigureEnded { job, outcome });
                }
                Some(_) => self.end(job, Ended::Signal(9)),
                None => {}
            }
        }
    }

    /// Whether such a job is going on and is not to be killed.
    fn is_alive(&self, wanted: &Job) -> bool {
        let mut jobs = self.jobs.iter();
        jobs.any(|(id, job)| job == wanted && !self.doomed.contains(id))
    }

    /// It is over outside.
    pub fn forget(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.doomed.remove(&job);
        self.vias.remove(&job);
    }

    fn end(&mut self, job: JobId, ended: Ended) {
        self.forget(job);
        self.event(Event::JobEnded {
            job,
            ended,
            output: Output::default(),
        });
    }

    pub fn job_of(&self, service: &str) -> Option<JobId> {
        let wanted = Job::Check(service.to_string());
        self.jobs
            .iter()
            .find(|(_, job)| **job == wanted)
            .map(|(id, _)| *id)
    }

    /// The running check of a service ends.
    pub fn answer(&mut self, service: &str, ended: Ended) {
        let job = self
            .job_of(service)
            .unwrap_or_else(|| panic!("no check of {service} runs"));
        self.end(job, ended);
    }

    /// Jumps to the next deadline; false if there is none.
    pub fn jump(&mut self) -> bool {
        let Some(deadline) = self.engine.next_deadline(self.now) else {
            return false;
        };
        self.now = self.now.max(deadline);
        self.event(Event::Due);
        true
    }

    /// Lets this much time pass, deadline by deadline, while checks that are started end at once like that.
    pub fn pass(&mut self, span: Duration, ended: impl Fn(&str) -> Option<Ended>) {
        let until = self.now + span;
        loop {
            let answers: Vec<(JobId, Ended)> = self
                .jobs
                .iter()
                .filter_map(|(id, job)| match job {
                    Job::Check(name) => ended(name).map(|ended| (*id, ended)),
                    Job::Custom(..) => Some((*id, Ended::Exit(0))),
                    Job::Reconfigure => None,
                })
                .collect();
            let answered = !answers.is_empty();
            answers
                .into_iter()
                .for_each(|(job, ended)| self.end(job, ended));
            self.reap_killed();
            match self.engine.next_deadline(self.now) {
                Some(deadline) if deadline <= until => {
                    assert!(self.jump());
                }
                _ if answered => {}
                _ => break,
            }
        }
        self.now = until;
    }

    pub fn status(&self, name: &str) -> Status {
        let snapshot = self.engine.snapshot();
        let view = snapshot
            .services
            .iter()
            .find(|view| view.config.name == name);
        view.expect("a service").status
    }

    pub fn in_file(&self, prefix: &str) -> bool {
        let prefix = net(prefix);
        self.files[Family::of(&prefix).index()].contains(&prefix)
    }

    pub fn said(&self, matches: impl Fn(&What) -> bool) -> usize {
        self.notices
            .iter()
            .filter(|notice| matches(&notice.what))
            .count()
    }

    /// What must hold after every turn.
    fn assert_invariants(&self) {
        let engine = &self.engine;
        let alive = self.jobs.iter().filter(|(id, _)| !self.doomed.contains(id));
        let reconfiguring = alive.filter(|(_, job)| **job == Job::Reconfigure).count();
        assert!(
            reconfiguring <= engine.routes.channels.len(),
            "more reconfigurations than BIRDs"
        );
        let mut timers =
            usize::from(engine.exit_timer.is_some()) + usize::from(engine.metrics_timer.is_some());
        for service in engine.services.iter() {
            timers += usize::from(service.next_run.is_some());
            // `on_exit` is literal.
            let held = service.state() == service::State::Held && engine.stage == Stage::Running;
            assert!(
                !held || engine.routes.wanted_none_of(&service.config.prefixes),
                "{} is held but announced",
                service.config.name
            );
        }
        timers += engine.routes.timers() + engine.desk.timers();
        assert_eq!(
            engine.desk.wheel.armed(),
            timers,
            "a timer without an owner"
        );
        assert_eq!(engine.desk.places(), engine.desk.running as usize);
        let abandoned = engine
            .desk
            .jobs()
            .filter(|(_, fate)| *fate == Fate::Abandoned);
        assert_eq!(abandoned.count(), engine.desk.abandoned);
        for prefix in &engine.claims.prefixes().collect::<Vec<_>>() {
            let claims = engine.claims.on(*prefix);
            let states = claims.filter_map(|id| engine.services.get(id));
            let all_up = states
                .clone()
                .all(|service| service.contribution() == Announce::Advertise);
            let any_down = states
                .clone()
                .any(|service| service.contribution() == Announce::Withdraw);
            let wanted = !engine.routes.wanted_none_of(&[*prefix]);
            assert!(!all_up || wanted, "{prefix} is up and not wanted");
            assert!(!any_down || !wanted, "{prefix} is down and wanted");
        }
    }
}
