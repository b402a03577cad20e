//! How the daemon comes to life, and how it reads its configuration again.

use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use super::slow_turns::SlowTurns;
use super::troubles::Troubles;
use super::voice::{self, Voice};
use super::{Config, DaemonConfig, Event, Handled, HostCounters, Mission, Reactor, Source};
use crate::config::load::{Loaded, load};
use crate::config::{Complaint, Family, FamilyConfig, Level, LogConfig, Severity};
use crate::engine::Engine;
use crate::engine::vocab::{Action, Addresses, FoundFile, Repair, World};
use crate::host::addresses::{Change, Watch};
use crate::host::instance::Instance;
use crate::host::job::Jobs;
use crate::host::log::{self, Form};
use crate::host::notify::Notify;
use crate::host::status_socket::StatusSocket;
use crate::host::sys::{clock, limits, signal};
use crate::host::{disk, maintenance, probe, sys};
use crate::render::prefix_list;
use crate::render::record::Record;
use crate::sorted::Set;
use crate::time::{Mono, Now};

/// The hidden one-shot that resolves the name of the log server for the daemon.
pub const RESOLVE_OPTION: &str = "--resolve-log-server";
/// A prefix file has some 20 bytes a prefix; what is longer was not written by us.
const PREFIX_FILE_MAX: usize = 16 * 1024 * 1024;
/// Descriptors beside those of the checks: standard ones, signals, netlink, inotify, sockets, files, clients, and the
/// writing ends that are held of the first checks' pipes.
const OWN_DESCRIPTORS: u64 = 96;
/// Of a running check: two pipes, and for a moment while it is started their other ends.
const DESCRIPTORS_A_CHECK: u64 = 2;

/// Runs the daemon until it is told to stop.
pub fn run(source: Source) -> ExitCode {
    let Some((config, warnings)) = read_configuration(&source) else {
        return ExitCode::FAILURE;
    };
    let log = config.daemon.log.clone();
    match prepare(source, config, warnings) {
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
    let (signals, jobs) = match (signals, jobs) {
        (Ok(signals), Ok(jobs)) => (signals, jobs),
        (Err(error), _) | (_, Err(error)) => {
            log::say(&format!(
                "anycast-healthchecker: cannot withdraw: {}",
                sys::cause(&error)
            ));
            return ExitCode::FAILURE;
        }
    };
    let parts = Parts {
        source: Source::default(),
        mission: Mission::Withdrawal,
        signals,
        jobs,
        addresses: None,
        maintenance: maintenance::Watch::new(Set::new(), now.mono),
        status: StatusSocket::unbound(),
        notify: Notify::default(),
    };
    let daemon = config.daemon.clone();
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let world = world(config, Vec::new(), Rc::default(), &parts.maintenance);
    let (engine, actions) = Engine::withdraw(now.mono, world, seed());
    let mut reactor = Reactor::new(parts, daemon, voice, engine, now);
    reactor.begin(actions);
    reactor.live()
}

/// What it was made from is not kept: it is several times as large.
fn read_configuration(source: &Source) -> Option<(Config, Vec<Complaint>)> {
    let loaded = probe::with(|probes| load(source, probes));
    crate::oneshot::say_before_start(&loaded);
    Some((loaded.config?, warnings(loaded.complaints)))
}

/// Only warnings are left in a configuration that is in force.
fn warnings(complaints: Vec<Complaint>) -> Vec<Complaint> {
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

fn prepare(source: Source, config: Config, warnings: Vec<Complaint>) -> Result<Reactor, String> {
    let daemon = config.daemon.clone();
    // Raised before anything is opened; signals held before anybody can know our pid; the lock before anything is
    // touched.
    let descriptors = raise_descriptors(&config);
    // Signals before the pidfile: a SIGTERM between the two would leave that behind.
    let signals =
        signal::SignalFd::open().map_err(|error| failed("make the signal descriptor", &error))?;
    let instance = Instance::acquire(&daemon.pidfile)?;
    let jobs = Jobs::new().map_err(|error| failed("prepare to start checks", &error))?;
    let addresses =
        Watch::open().map_err(|error| failed("ask the kernel for addresses", &error))?;
    let now = clock::now();
    hook_panics(&daemon.log);
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let maintenance = maintenance::Watch::new(maintenance_files(&config), now.mono);
    sweep(&daemon);
    let world = world(config, warnings, addresses.addresses(), &maintenance);
    let (engine, actions) = Engine::start(now.mono, world, seed(), instance.bird_may_not_know());
    let parts = Parts {
        source,
        mission: Mission::Daemon(instance),
        signals,
        jobs,
        addresses: Some(addresses),
        maintenance,
        status: StatusSocket::new(now.mono),
        notify: Notify::from_env(),
    };
    let mut reactor = Reactor::new(parts, daemon, voice, engine, now);
    if let Err(cause) = descriptors {
        reactor.troubles.descriptors.failed(now.mono, || cause);
    }
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
    maintenance: maintenance::Watch,
    status: StatusSocket,
    notify: Notify,
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

/// Removes what a killed predecessor left half written.
fn sweep(daemon: &DaemonConfig) {
    for family in daemon.families.iter().flatten() {
        // What can't be swept is in nobody's way.
        let _ = disk::sweep(&family.prefix_file);
    }
}

fn failed(what: &str, error: &std::io::Error) -> String {
    format!("cannot {what}: {}", sys::cause(error))
}

/// Room for every check to run at once, or as many as are allowed to.
fn raise_descriptors(config: &Config) -> Result<(), String> {
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

fn maintenance_files(config: &Config) -> Set<PathBuf> {
    config
        .services
        .iter()
        .filter_map(|service| service.maintenance_file.clone())
        .collect()
}

/// Everything outside that the engine has to know.
fn world(
    config: Config,
    warnings: Vec<Complaint>,
    addresses: Rc<Addresses>,
    maintenance: &maintenance::Watch,
) -> World {
    let found = |family: Family| match &config.daemon.families[family.index()] {
        Some(settings) => find_file(family, settings),
        None => FoundFile::default(),
    };
    World {
        files: Family::ALL.map(found),
        config,
        warnings,
        addresses,
        maintenance: maintenance.present(),
    }
}

pub(super) fn find_file(family: Family, settings: &FamilyConfig) -> FoundFile {
    let repair = |repair| FoundFile {
        prefixes: Set::new(),
        repair: Some(repair),
    };
    match disk::read_bounded(&settings.prefix_file, PREFIX_FILE_MAX) {
        Ok(text) => prefix_list::read(&text, family, &settings.variable, &settings.dummy),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => repair(Repair::Missing),
        Err(error) => repair(Repair::Unreadable(sys::cause(&error))),
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
            talks: Vec::new(),
            addresses: parts.addresses,
            addresses_retry: None,
            maintenance: parts.maintenance,
            status: parts.status,
            watchdog_at: watchdog.map(|interval| now.mono + interval),
            notify: parts.notify,
            voice,
            prefix_text: String::new(),
            unsaid: Vec::new(),
            mission: parts.mission,
            counters: HostCounters::default(),
            troubles: Troubles::new(&daemon),
            handled: Handled::default(),
            slow_turns: SlowTurns::default(),
            status_changed: true,
            stopping: false,
            done: false,
            bird_knows: false,
            daemon,
        }
    }

    /// The first turn: what the engine wants done at once.
    fn begin(&mut self, actions: Vec<Action>) {
        self.tell_news();
        self.perform(actions);
        self.work_off();
        self.finish_turn();
    }

    /// SIGHUP: reads everything again. What is wrong changes nothing; log files are opened anew either way.
    pub(super) fn reload(&mut self) {
        let now: Now = self.now;
        // Of this moment: systemd takes no answer that is older than its signal.
        self.notify.reloading(clock::now().mono);
        let loaded = probe::with(|probes| load(&self.source, probes));
        let Loaded {
            config, complaints, ..
        } = loaded;
        match config {
            Some(config) => self.take_over(config, warnings(complaints), now.mono),
            None => {
                let log = self.daemon.log.clone();
                self.voice.reopen(&log, now.mono);
                self.events.push_back(Event::ReloadRefused(complaints));
            }
        }
        self.work_off();
        self.notify.ready(clock::now().mono);
    }

    fn take_over(&mut self, config: Config, warnings: Vec<Complaint>, now: Mono) {
        match raise_descriptors(&config) {
            Ok(()) => self.troubles.descriptors.works(now),
            Err(cause) => self.troubles.descriptors.failed(now, || cause),
        }
        self.voice
            .reconfigure(&config.daemon.log, &config.services, now);
        self.maintenance
            .watch_others(maintenance_files(&config), now);
        // The engine is told everything; changes from here on come as notifications.
        let refreshed = self.addresses.as_mut().map(Watch::refresh);
        if let Some(refreshed) = refreshed {
            self.take_addresses(refreshed.map(|_| Change::None));
        }
        let addresses = self.addresses.as_ref().map(Watch::addresses);
        self.troubles.rename(&config.daemon);
        let mut daemon = config.daemon.clone();
        // It was taken at the start and is held for life.
        daemon.pidfile = self.daemon.pidfile.clone();
        self.daemon = daemon;
        let world = world(
            config,
            warnings,
            addresses.unwrap_or_default(),
            &self.maintenance,
        );
        self.events.push_back(Event::Reload(Box::new(world)));
    }
}
