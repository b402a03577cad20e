//! How the daemon comes to life, and how it reads its configuration again.

use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use super::files::{self, Files};
use super::slow_turns::SlowTurns;
use super::troubles::Troubles;
use super::voice::{self, Voice};
use super::{Config, Event, Handled, HostCounters, Reactor, Source};
use crate::config::load::{Loaded, load};
use crate::config::{Complaint, Level, LogConfig, Severity};
use crate::engine::Engine;
use crate::engine::vocab::{Addresses, FoundFile, World};
use crate::host::addresses::{Change, Watch};
use crate::host::instance::Instance;
use crate::host::job::Jobs;
use crate::host::log::{self, Form};
use crate::host::notify::Notify;
use crate::host::status_socket::StatusSocket;
use crate::host::sys::{clock, limits, signal};
use crate::host::writer::Writer;
use crate::host::{maintenance, probe, sys};
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
    let mut writer = Writer::new();
    hook_panics(&daemon.log);
    let files = files::find_files(&mut writer, &config);
    let now = clock::now();
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let maintenance = maintenance::Watch::new(maintenance_files(&config), now.mono);
    let world = world(config, warnings, addresses.addresses(), &maintenance, files);
    let (engine, actions) = Engine::start(now.mono, world, seed(), instance.bird_may_not_know());
    let notify = Notify::from_env();
    let watchdog_at = notify
        .watchdog_interval()
        .map(|interval| now.mono + interval);
    let mut reactor = Reactor {
        source,
        engine,
        now,
        events: Default::default(),
        signals,
        jobs,
        errands: Default::default(),
        resolver_until: None,
        talks: Vec::new(),
        addresses,
        addresses_retry: None,
        maintenance,
        status: StatusSocket::new(now.mono),
        notify,
        watchdog_at,
        voice,
        writer,
        files: Files::default(),
        unsaid: Vec::new(),
        instance,
        counters: HostCounters::default(),
        troubles: Troubles::new(&daemon),
        handled: Handled::default(),
        slow_turns: SlowTurns::default(),
        status_changed: true,
        stopping: false,
        done: false,
        bird_knows: false,
        daemon,
    };
    if let Err(cause) = descriptors {
        reactor.troubles.descriptors.failed(now.mono, || cause);
    }
    reactor.tell_news();
    reactor.perform(actions);
    reactor.work_off();
    reactor.finish_turn();
    reactor.notify.ready(now.mono);
    Ok(reactor)
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
    files: [FoundFile; 2],
) -> World {
    World {
        files,
        config,
        warnings,
        addresses,
        maintenance: maintenance.present(),
    }
}

/// Random enough to spread first runs: the standard library's own seed, which the kernel gives.
fn seed() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

impl Reactor {
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
            Some(config) => {
                self.want_reload(config, warnings(complaints));
                self.settle_files();
            }
            None => {
                let log = self.daemon.log.clone();
                self.voice.reopen(&log, now.mono);
                self.events.push_back(Event::ReloadRefused(complaints));
                self.work_off();
                self.notify.ready(clock::now().mono);
            }
        }
    }

    /// The second half of a reload: what stands in the prefix files is known.
    pub(super) fn take_over(
        &mut self,
        config: Config,
        warnings: Vec<Complaint>,
        files: [FoundFile; 2],
    ) {
        let now = self.now.mono;
        match raise_descriptors(&config) {
            Ok(()) => self.troubles.descriptors.works(now),
            Err(cause) => self.troubles.descriptors.failed(now, || cause),
        }
        self.voice
            .reconfigure(&config.daemon.log, &config.services, now);
        self.maintenance
            .watch_others(maintenance_files(&config), now);
        // The engine is told everything; changes from here on come as notifications.
        let refreshed = self.addresses.refresh();
        self.take_addresses(refreshed.map(|_| Change::None));
        let addresses = self.addresses.addresses();
        self.troubles.rename(&config.daemon);
        let mut daemon = config.daemon.clone();
        // It was taken at the start and is held for life.
        daemon.pidfile = self.daemon.pidfile.clone();
        self.daemon = daemon;
        let world = world(config, warnings, addresses, &self.maintenance, files);
        self.events.push_back(Event::Reload(Box::new(world)));
        self.work_off();
        self.notify.ready(clock::now().mono);
    }
}
