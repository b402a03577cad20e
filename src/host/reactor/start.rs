//! How the daemon comes to life, and how it reads its configuration again.

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use super::slow_turns::SlowTurns;
use super::troubles::Troubles;
use super::voice::{self, Voice};
use super::{Config, DaemonConfig, Handled, HostCounters, Reactor, Source};
use crate::config::load::Loaded;
use crate::config::{Complaint, Family, FamilyConfig, Level, LogConfig, Severity};
use crate::engine::Engine;
use crate::engine::vocab::{Addresses, FoundFile, Repair, World};
use crate::host::addresses::Watch;
use crate::host::instance::Instance;
use crate::host::job::Jobs;
use crate::host::log::{self, Form};
use crate::host::notify::Notify;
use crate::host::status_socket::StatusSocket;
use crate::host::sys::{clock, limits, signal};
use crate::host::{disk, maintenance, reading, sys};
use crate::render::prefix_list;
use crate::render::record::Record;
use crate::sorted::Set;

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
    match prepare(source, config, warnings) {
        Ok(reactor) => reactor.live(),
        Err(cause) => {
            last_words(&log, &cause);
            ExitCode::FAILURE
        }
    }
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
    let addresses = match config.needs_addresses() {
        true => {
            Some(Watch::open().map_err(|error| failed("ask the kernel for addresses", &error))?)
        }
        false => None,
    };
    let now = clock::now();
    hook_panics(&daemon.log);
    let voice = Voice::new(&daemon.log, &config.services, now.mono);
    let mut maintenance = maintenance::Watch::new(maintenance_files(&config), now.mono);
    sweep(&daemon);
    let has_services = !config.services.is_empty();
    let known = addresses.as_ref().map(Watch::addresses).unwrap_or_default();
    let world = world(config, warnings, known, &mut maintenance);
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
        reading_until: None,
        has_services,
        talks: Vec::new(),
        addresses,
        addresses_retry: None,
        maintenance,
        status: StatusSocket::new(now.mono),
        notify,
        watchdog_at,
        voice,
        prefix_text: String::new(),
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

pub(super) fn maintenance_files(config: &Config) -> Set<PathBuf> {
    config
        .services
        .iter()
        .filter_map(|service| service.maintenance_file.clone())
        .collect()
}

/// Everything outside that the engine has to know.
pub(super) fn world(
    config: Config,
    warnings: Vec<Complaint>,
    addresses: Rc<Addresses>,
    maintenance: &mut maintenance::Watch,
) -> World {
    let found = |family: Family| match &config.daemon.families[family.index()] {
        Some(settings) => find_file(family, settings),
        None => FoundFile::default(),
    };
    let files = Family::ALL.map(found);
    // Of a maintenance file that can't be seen the prefix files tell: what is announced was not in maintenance.
    let is_announced = |prefix| files[Family::of(prefix).index()].prefixes.contains(prefix);
    let services = config.services.iter();
    let announced = services.filter(|service| service.prefixes.iter().any(is_announced));
    let in_service: Set<&Path> = announced
        .filter_map(|service| service.maintenance_file.as_deref())
        .collect();
    maintenance.assume(|path| !in_service.contains(path));
    World {
        files,
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
