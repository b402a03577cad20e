//! The engine in an invented world: time jumps from deadline to deadline, nothing sleeps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::notice::What;
use super::vocab::*;
use super::*;
use crate::config::*;

mod changes;
mod enumerate;
mod routing;
mod schedule;

pub fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

pub fn service(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        name: name.to_string(),
        prefixes: prefix.split(' ').map(net).collect(),
        prefix_texts: prefix.split(' ').map(String::from).collect(),
        check_cmd: CommandLine::of(["/bin/check".to_string()]),
        interval: Duration::from_secs(10),
        fast_interval: None,
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 2,
        disabled: false,
        on_disabled: Announce::Withdraw,
        ip_check_disabled: false,
        interface: "lo".into(),
        shared_prefix: false,
        on_start: Announce::Keep,
        on_exit: Announce::Keep,
        maintenance_file: None,
        custom_cmd: None,
        custom_timeout: Duration::from_secs(2),
    }
}

fn family(file: &str, via: &str, dummy: &str) -> Option<FamilyConfig> {
    Some(FamilyConfig {
        prefix_file: file.into(),
        variable: "X".to_string(),
        via: Via::Command(CommandLine::of([via.to_string()])),
        dummy: net(dummy),
        history: None,
    })
}

pub fn config(services: impl IntoIterator<Item = ServiceConfig>) -> Config {
    Config {
        daemon: DaemonConfig {
            pidfile: "/run/x.pid".into(),
            families: [
                family("/4", "birdc", "10.189.200.255/32"),
                family("/6", "birdc6", "2001:db8::1/128"),
            ],
            purge_ip_prefixes: false,
            log: LogConfig {
                level: Level::Info,
                file: None,
                max_bytes: 0,
                backups: 0,
                json_file: false,
                syslog: None,
                json_stdout: false,
                journal: false,
                stderr_file: None,
                stderr_to_syslog: false,
            },
            metrics: None,
            splay_startup: None,
            on_exit_wait: Duration::ZERO,
            update_interval: Duration::from_millis(250),
            reconfigure_timeout: Duration::from_secs(5),
            max_running_checks: 0,
        },
        services: services.into_iter().map(Rc::new).collect(),
    }
}

/// All prefixes of the services are assigned to `lo`, and the files hold `found`.
pub fn world(config: Config, found: &[&str]) -> World {
    let mut addresses = Addresses::default();
    for service in &config.services {
        service
            .prefixes
            .iter()
            .for_each(|prefix| addresses.insert("lo", prefix.ip()));
    }
    let file = |family| FoundFile {
        prefixes: found
            .iter()
            .map(|text| net(text))
            .filter(|net| Family::of(net) == family)
            .collect(),
        repair: None,
    };
    World {
        config,
        warnings: Vec::new(),
        files: Family::ALL.map(file),
        addresses,
        maintenance: BTreeSet::new(),
    }
}

/// What runs outside at the engine's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Job {
    Check(String),
    Custom(String, bool),
    Reconfigure,
}

/// An engine with the world around it. It performs actions as a host would, and checks what must always hold.
pub struct Bench {
    pub engine: Engine,
    pub now: Mono,
    pub jobs: BTreeMap<JobId, Job>,
    pub killed: Vec<JobId>,
    pub files: [BTreeSet<IpNetwork>; 2],
    /// When the files were written, and when BIRD was told.
    pub writes: Vec<(Mono, Family)>,
    pub reconfigurations: Vec<Mono>,
    pub started: Vec<(Mono, String)>,
    pub notices: Vec<Notice>,
    pub disk_full: bool,
    /// Reconfigurations are answered at once with this; `None`: they hang.
    pub bird: Option<Result<Accepted, Refusal>>,
    pub exited: bool,
}

impl Bench {
    pub fn new(world: World) -> Bench {
        Bench::start(world, false)
    }

    pub fn start(world: World, unclean: bool) -> Bench {
        let now = Mono::from_micros(1_000_000);
        let files = world.files.clone().map(|file| file.prefixes);
        let (engine, actions) = Engine::start(now, world, 7, unclean);
        let mut bench = Bench {
            engine,
            now,
            jobs: BTreeMap::new(),
            killed: Vec::new(),
            files,
            writes: Vec::new(),
            reconfigurations: Vec::new(),
            started: Vec::new(),
            notices: Vec::new(),
            disk_full: false,
            bird: Some(Ok(Accepted::Reconfigured)),
            exited: false,
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
        loop {
            let actions = self.engine.finish_turn(self.now);
            if !self.perform(actions) {
                break;
            }
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
                    assert!(
                        !self.jobs.values().any(|job| *job == running),
                        "two runs of {}",
                        service.name
                    );
                    self.started.push((self.now, service.name.clone()));
                    self.jobs.insert(job, running);
                    None
                }
                Action::StartCustom { job, service, up } => {
                    self.jobs.insert(job, Job::Custom(service.name.clone(), up));
                    None
                }
                Action::Reconfigure { job, .. } => {
                    self.reconfigurations.push(self.now);
                    let answer = self.bird.clone();
                    if answer.is_none() {
                        self.jobs.insert(job, Job::Reconfigure);
                    }
                    answer.map(|outcome| Event::ReconfigureEnded { job, outcome })
                }
                Action::Kill { job } => {
                    self.killed.push(job);
                    None
                }
                Action::WriteFile { family, prefixes } => {
                    self.writes.push((self.now, family));
                    let outcome = match self.disk_full {
                        true => Err("no space left on device".to_string()),
                        false => {
                            self.files[family.index()] = prefixes;
                            Ok(())
                        }
                    };
                    Some(Event::FileWritten { family, outcome })
                }
                Action::WriteMetrics => None,
                Action::Say(notice) => {
                    self.notices.push(notice);
                    None
                }
                Action::Exit => {
                    self.exited = true;
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

    /// Lets what was killed end.
    pub fn reap_killed(&mut self) {
        for job in std::mem::take(&mut self.killed) {
            match self.jobs.remove(&job) {
                Some(Job::Reconfigure) => {
                    let outcome = Err(Refusal::Said("killed".to_string()));
                    self.event(Event::ReconfigureEnded { job, outcome });
                }
                Some(_) => self.end(job, Ended::Signal(9)),
                None => {}
            }
        }
    }

    fn end(&mut self, job: JobId, ended: Ended) {
        self.jobs.remove(&job);
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
        let alive = self.jobs.iter().filter(|(id, _)| !self.killed.contains(id));
        let reconfiguring = alive.filter(|(_, job)| **job == Job::Reconfigure).count();
        assert!(
            reconfiguring <= engine.routes.channels.len(),
            "more reconfigurations than BIRDs"
        );
        let mut timers =
            usize::from(engine.exit_timer.is_some()) + usize::from(engine.metrics_timer.is_some());
        for service in engine.services.iter().flatten() {
            timers += usize::from(service.next_run.is_some());
            timers += usize::from(
                service
                    .run
                    .as_ref()
                    .is_some_and(|run| run.time_out.is_some()),
            );
            let held = service.state() == service::State::Held;
            assert!(
                !held || engine.routes.wanted_none_of(&service.config.prefixes),
                "held but announced"
            );
        }
        timers += engine.routes.timers() + engine.customs.timers();
        assert_eq!(
            engine.desk.wheel.armed(),
            timers,
            "a timer without an owner"
        );
        let running = engine
            .desk
            .jobs
            .values()
            .filter(|owner| matches!(owner, Owner::Check(_) | Owner::Orphan));
        assert_eq!(running.count(), engine.running as usize);
        for prefix in &engine.claims.prefixes().collect::<Vec<_>>() {
            let claims = engine.claims.on(*prefix);
            let states = claims.filter_map(|id| engine.services[id.0 as usize].as_ref());
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
