//! How the daemon comes to life, and how it reads its configuration again.

use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use super::files::{self, Files};
use super::slow_turns::SlowTurns;
use super::troubles::Troubles;
use super::voice::{self, Voice};
use super::{Config, Handled, HostCounters, Mission, Reactor, Source};
use crate::config::load::Loaded;
use crate::config::{Complaint, DaemonConfig, Family, Level, LogConfig, Severity};
use crate::engine::Engine;
use crate::engine::vocab::{Action, Addresses, FoundFile, World};
use crate::host::addresses::Watch;
use crate::host::follow::{Follow, Kind};
use crate::host::instance::Instance;
use crate::host::job::Jobs;
use crate::host::log::{self, Form};
use crate::host::metrics_file::MetricsFile;
use crate::host::news::Calm;
use crate::host::notify::Notify;
use crate::host::status_socket::StatusSocket;
use crate::host::sys::{clock, limits, signal};
use crate::host::writer::Writer;
use crate::host::{reading, sys};
use crate::render::record::Record;
use crate::sorted::Set;
use crate::time::Now;

/// The hidden one-shot that resolves the name of the log server for the daemon.
pub const RESOLVE_OPTION: &str = "--resolve-log-server";
/// Descriptors beside those of the checks: standard ones, signals, netlink, inotify, sockets, files, clients, and the
/// writing ends that are held of the first checks' pipes.
const OWN_DESCRIPTORS: u64 = 96;
/// Of a running check: two pipes, and for a moment while it is started their other ends.
const DESCRIPTORS_A_CHECK: u64 = 2;

/// Runs the daemon until it is told to stop.
pub fn run(source: Source) -> ExitCode {
    // The starter is a copy of what we are now: small, and with the limits that we were given.
    let jobs = Jobs::new();
    let loaded = reading::load(&source);
    crate::oneshot::say_before_start(&loaded);
    let Loaded {
        config,
        complaints,
        source,
        document,
        ..
    } = loaded;
    // It is several times as large as what was made of it.
    drop(document);
    let Some(config) = config else {
        return ExitCode::FAILURE;
    };
    let warnings = warnings(complaints);
    let log = config.daemon.log.clone();
    match prepare(source, config, warnings, jobs) {
        Ok(reactor) => reactor.live(),
        Err(cause) => {
            last_words(&log, &cause);
            ExitCode::FAILURE
        }
    }
}

/// Withdraws everything in place of a daemon that is gone, until every BIRD agrees; SIGTERM ends it before. Every
/// service of the configuration is disabled and to be withdrawn.
pub fn withdraw(config: Config) -> ExitCode {
    let now = clock::now();
    let signals = signal::SignalFd::open();
    let jobs = Jobs::new();
    let (signals, mut jobs) = match (signals, jobs) {
        (Ok(signals), Ok(jobs)) => (signals, jobs),
        (Err(error), _) | (_, Err(error)) => {
            log::say(&format!(
                "anycast-healthchecker: cannot withdraw: {}",
                sys::cause(&error)
            ));
            return ExitCode::FAILURE;
        }
    };
    let mut writer = Writer::new();
    let mut follow = Follow::new([]);
    let (files, _) = files::find_files(&mut writer, &mut jobs, &config.daemon, &mut follow);
    let mut parts = Parts {
        source: Source::default(),
        mission: Mission::Withdrawal,
        signals,
        jobs,
        addresses: None,
        follow,
        status: StatusSocket::unbound(),
        notify: Notify::default(),
        has_services: true,
        writer,
    };
    let daemon = config.daemon.clone();
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let world = world(config, Vec::new(), Rc::default(), &mut parts.follow, files);
    let (engine, actions) = Engine::withdraw(now.mono, world, seed());
    let mut reactor = Reactor::new(parts, daemon, voice, engine, now);
    reactor.begin(actions);
    reactor.live()
}

/// Only warnings are left in a configuration that is in force.
pub(super) fn warnings(complaints: Vec<Complaint>) -> Vec<Complaint> {
    complaints
        .into_iter()
        .filter(|complaint| complaint.severity == Severity::Warning)
        .collect()
}

/// What ends the daemon before its log is open.
fn last_words(config: &LogConfig, cause: &str) {
    let text = format!("anycast-healthchecker: {cause}");
    log::last_words(config, &text, |server| {
        let (format, json) = (server.format, server.json);
        datagram(cause, Form::Syslog { format, json })
    });
}

fn datagram(text: &str, form: Form) -> String {
    let at = clock::local_calendar(clock::now().wall);
    let record = Record::of_text(text, Level::Critical, at, std::process::id());
    voice::in_form(&record, form, &voice::host_name(), 0)
}

fn prepare(
    source: Source,
    config: Config,
    warnings: Vec<Complaint>,
    jobs: io::Result<Jobs>,
) -> Result<Reactor, String> {
    let daemon = config.daemon.clone();
    let mut jobs = jobs.map_err(|error| failed("prepare to start checks", &error))?;
    // Raised before anything is opened; signals held before anybody can know our pid; the lock before anything is
    // touched.
    let descriptors = raise_descriptors(&config);
    // Signals before the pidfile: a SIGTERM between the two would leave that behind.
    let signals =
        signal::SignalFd::open().map_err(|error| failed("make the signal descriptor", &error))?;
    let instance = Instance::acquire(&daemon.pidfile)?;
    let addresses = match config.needs_addresses() {
        true => {
            Some(Watch::open().map_err(|error| failed("ask the kernel for addresses", &error))?)
        }
        false => None,
    };
    let mut writer = Writer::new();
    hook_panics(&daemon.log);
    let mut follow = Follow::new(followed(&config));
    let (files, seen) = files::find_files(&mut writer, &mut jobs, &config.daemon, &mut follow);
    let now = clock::now();
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let has_services = !config.services.is_empty();
    let known = addresses.as_ref().map(Watch::addresses).unwrap_or_default();
    let world = world(config, warnings, known, &mut follow, files);
    let (engine, actions) = Engine::start(now.mono, world, seed(), instance.bird_may_not_know());
    let parts = Parts {
        source,
        mission: Mission::Daemon(instance),
        signals,
        jobs,
        addresses,
        follow,
        status: StatusSocket::new(now.mono),
        notify: Notify::from_env(),
        has_services,
        writer,
    };
    let mut reactor = Reactor::new(parts, daemon, voice, engine, now);
    reactor.want_reserves();
    if let Err(cause) = descriptors {
        reactor.troubles.descriptors.failed(now.mono, || cause);
    }
    reactor.take_seen(seen);
    reactor.begin(actions);
    reactor.notify.ready(now.mono);
    Ok(reactor)
}

/// What a daemon and a withdrawal have of their own.
struct Parts {
    source: Source,
    mission: Mission,
    signals: signal::SignalFd,
    jobs: Jobs,
    addresses: Option<Watch>,
    follow: Follow,
    status: StatusSocket,
    notify: Notify,
    has_services: bool,
    writer: Writer,
}

/// A panic has a line on stderr, and goes to the log server if that is to have them.
fn hook_panics(config: &LogConfig) {
    match config.syslog.as_ref().filter(|_| config.stderr_to_syslog) {
        Some(server) => {
            let form = Form::Syslog {
                format: server.format,
                json: server.json,
            };
            log::hook_panics(move |text| datagram(text, form));
        }
        None => log::hook_panics(|text| text.to_string()),
    }
}

fn failed(what: &str, error: &std::io::Error) -> String {
    format!("cannot {what}: {}", sys::cause(error))
}

/// Room for every check to run at once, or as many as are allowed to.
pub(super) fn raise_descriptors(config: &Config) -> Result<(), String> {
    let services = config.services.len() as u64;
    let limit = u64::from(config.daemon.max_running_checks);
    let at_once = match limit {
        0 => services,
        limit => services.min(limit),
    };
    let wanted = OWN_DESCRIPTORS + at_once * DESCRIPTORS_A_CHECK;
    let got = limits::ensure_descriptors(wanted)
        .map_err(|error| failed("raise the limit on open files", &error))?;
    match got < wanted {
        true => Err(format!(
            "{at_once} checks at once need {wanted} open files and only {got} are allowed"
        )),
        false => Ok(()),
    }
}

/// The files of others that are followed.
pub(super) fn followed(config: &Config) -> impl Iterator<Item = (PathBuf, Kind)> + '_ {
    let services = config.services.iter();
    let maintenance = services.filter_map(|service| service.maintenance_file.clone());
    let families = config.daemon.families.iter().flatten();
    let prefixes = families.map(|family| family.prefix_file.clone());
    let maintenance = maintenance.map(|path| (path, Kind::Maintenance));
    maintenance.chain(prefixes.map(|path| (path, Kind::Prefixes)))
}

/// Everything outside that the engine has to know.
pub(super) fn world(
    config: Config,
    warnings: Vec<Complaint>,
    addresses: Rc<Addresses>,
    follow: &mut Follow,
    files: [FoundFile; 2],
) -> World {
    // Of a maintenance file that can't be seen the prefix files tell: what is announced was not in maintenance.
    let is_announced = |prefix| files[Family::of(prefix).index()].prefixes.contains(prefix);
    let services = config.services.iter();
    let announced = services.filter(|service| service.prefixes.iter().any(is_announced));
    let in_service: Set<&Path> = announced
        .filter_map(|service| service.maintenance_file.as_deref())
        .collect();
    follow.assume(|path| !in_service.contains(path));
    World {
        files,
        config,
        warnings,
        addresses,
        maintenance: follow.present(),
    }
}

/// Random enough to spread first runs: the standard library's own seed, which the kernel gives.
fn seed() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

impl Reactor {
    fn new(parts: Parts, daemon: DaemonConfig, voice: Voice, engine: Engine, now: Now) -> Reactor {
        let watchdog = parts.notify.watchdog_interval();
        Reactor {
            source: parts.source,
            engine,
            now,
            events: Default::default(),
            signals: parts.signals,
            jobs: parts.jobs,
            errands: Default::default(),
            resolver_until: None,
            reading_until: None,
            has_services: parts.has_services,
            talks: Vec::new(),
            addresses: parts.addresses,
            addresses_retry: None,
            follow: parts.follow,
            status: parts.status,
            metrics: MetricsFile::new(now.mono),
            watchdog_at: watchdog.map(|interval| now.mono + interval),
            notify: parts.notify,
            voice,
            writer: parts.writer,
            files: Files::default(),
            unsaid: Vec::new(),
            mission: parts.mission,
            counters: HostCounters::default(),
            troubles: Troubles::new(&daemon),
            calm: Calm::default(),
            handled: Handled::default(),
            slow_turns: SlowTurns::default(),
            status_changed: true,
            stopping: false,
            done: false,
            clean: false,
            daemon,
        }
    }

    /// The first turn: what the engine wants done at once.
    fn begin(&mut self, actions: Vec<Action>) {
        self.tell_news();
        self.perform(actions);
        self.work_off();
        self.finish_turn();
        self.tell_readers();
    }
}
