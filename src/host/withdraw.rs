//! `--withdraw`, `--watch` and `--create-files`: for a host whose daemon is gone, or not there yet.
//!
//! A daemon counts only if it answers on its status socket, as a user who is believed, and has given its verdicts: a
//! lock, a pidfile or a name in the kernel's list of sockets may be held by anybody, and by a daemon that hangs. So a
//! withdrawal takes no lock either, which would keep the next daemon from starting.
//!
//! The withdrawal itself is a child: the daemon's own loop, engine, log and metrics with every service disabled
//! (`reactor::withdraw`). This process only looks, and ends the child when a daemon works again. The child reads the
//! configuration anew each time, and becomes the owner of the prefix files first (`owner`).

mod absence;

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use wait_timeout::ChildExt;

use self::absence::{Absence, Seen};
use super::notify::Notify;
use super::status_socket::{Extent, Limits};
use super::sys::process::{self, Pid};
use super::sys::{self, clock, user};
use super::{client, disk, log, owner, probe, reactor, reading};
use crate::config::document::Document;
use crate::config::load::Source;
use crate::config::rescue::{Rescued, rescue};
use crate::config::{Complaint, Config, FamilyConfig, Level, Severity, Via, lookup, report};
use crate::render::prefix_list;
use crate::sorted::Set;

/// The hidden option by which this program starts itself to withdraw.
pub const OPTION: &str = "--withdraw-for";

/// How long a daemon may take for each step of its answer, and for all of it, while it is looked for.
const LIMITS: Limits = Limits {
    step: Duration::from_secs(2),
    whole: Duration::from_secs(5),
};
/// Between two looks: a tenth of the patience, within these bounds.
const MIN_SPACING: Duration = Duration::from_millis(100);
const MAX_SPACING: Duration = Duration::from_secs(2);
/// Between two looks while a withdrawal is going on.
const CHILD_SPACING: Duration = Duration::from_secs(1);
/// The pauses after a child that has failed as a whole; BIRD and files are retried by the child itself.
const MIN_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long a child that is told to stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// The exit status of a child that has found nothing it could withdraw.
const NOTHING_TO_WITHDRAW: u8 = 4;
/// Bytes of a prefix file that is looked at, and of a boot id.
const MAX_PREFIX_FILE: usize = 16 * 1024 * 1024;
const MAX_BOOT_ID: usize = 256;
/// The kernel draws another one at each boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// When to withdraw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once, or once no daemon has worked for so long.
    After(Duration),
    /// Whenever no daemon has worked for so long.
    Watch(Duration),
}

impl When {
    fn patience(self) -> Duration {
        match self {
            When::After(patience) | When::Watch(patience) => patience,
        }
    }
}

/// `--withdraw` and `--watch`.
pub fn run(source: &Source, when: When) -> ExitCode {
    let patience = when.patience();
    let spacing = (patience / 10).clamp(MIN_SPACING, MAX_SPACING);
    let watching = matches!(when, When::Watch(_));
    let mut lookout = Lookout::new(source);
    let mut notify = Notify::from_env();
    let mut absence = Absence::new(clock::now().mono, patience);
    notify.ready(clock::now().mono);
    let mut missed = false;
    loop {
        let seen = lookout.look();
        let now = clock::now().mono;
        if seen == Seen::Works {
            if !watching {
                say(Level::Info, "a daemon works: nothing to do");
                return ExitCode::SUCCESS;
            }
            if std::mem::take(&mut missed) {
                say(Level::Info, "a daemon works again");
            }
        }
        if absence.overdue(now, &seen, lookout.first_verdicts()) {
            missed = true;
            say(
                Level::Warning,
                &format!(
                    "{}: withdrawing every prefix",
                    why(&seen, absence.lasts(now))
                ),
            );
            let outcome = lookout.withdraw();
            say(outcome.level(), outcome.words());
            if !watching {
                return outcome.exit_code();
            }
            absence.over(clock::now().mono);
        }
        notify.flush(now);
        thread::sleep(spacing);
    }
}

fn why(seen: &Seen, lasts: Duration) -> String {
    let cause = match seen {
        Seen::Silent(cause) => cause.as_str(),
        Seen::Undecided | Seen::Works => "a daemon answers, but has not decided about its services",
    };
    match lasts.as_secs() {
        0 => cause.to_string(),
        seconds => format!("no daemon has worked for {seconds} s ({cause})"),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Withdrawn,
    DaemonWorks,
    Nothing,
}

impl Outcome {
    fn words(self) -> &'static str {
        match self {
            Outcome::Withdrawn => "withdrawn: BIRD announces nothing of this host's services",
            Outcome::DaemonWorks => "a daemon works again: leaving the rest to it",
            Outcome::Nothing => "found nothing that could be withdrawn",
        }
    }

    fn level(self) -> Level {
        match self {
            Outcome::Withdrawn => Level::Warning,
            Outcome::DaemonWorks => Level::Info,
            Outcome::Nothing => Level::Error,
        }
    }

    fn exit_code(self) -> ExitCode {
        match self {
            Outcome::Withdrawn | Outcome::DaemonWorks => ExitCode::SUCCESS,
            Outcome::Nothing => ExitCode::FAILURE,
        }
    }
}

/// Looks for the daemon of a configuration.
struct Lookout<'a> {
    source: &'a Source,
    /// Of the configuration as it was when the daemon was last seen to be missing; `None`: read it when it is needed.
    first_verdicts: Option<Duration>,
}

impl Lookout<'_> {
    fn new(source: &Source) -> Lookout<'_> {
        Lookout {
            source,
            first_verdicts: None,
        }
    }

    fn look(&mut self) -> Seen {
        let trusted = client::trusted(&reading::settings(self.source));
        let document = match client::ask(Extent::Head, LIMITS, &trusted) {
            Ok(told) => told.document,
            Err(cause) => return Seen::Silent(cause),
        };
        let seen = absence::judge(&document, Duration::MAX);
        let seen = match seen {
            Seen::Works => seen,
            Seen::Undecided | Seen::Silent(_) => absence::judge(&document, self.first_verdicts()),
        };
        if seen == Seen::Works {
            self.first_verdicts = None;
        }
        seen
    }

    /// How long a daemon of this configuration takes to decide about all of its services.
    fn first_verdicts(&mut self) -> Duration {
        let source = self.source;
        *self.first_verdicts.get_or_insert_with(|| {
            let document = reading::unchecked(source).document;
            let rescued = probe::with_trust(|probes| rescue(&document, probes));
            rescued.map_or(Duration::ZERO, |rescued| rescued.first_verdicts)
        })
    }

    /// Withdraws, again and again until it is done or a daemon works.
    fn withdraw(&mut self) -> Outcome {
        let mut pause = MIN_PAUSE;
        loop {
            match self.attempt() {
                Ok(Some(outcome)) => return outcome,
                Ok(None) => {}
                Err(error) => {
                    let cause = sys::cause(&error);
                    say(
                        Level::Error,
                        &format!("cannot start the withdrawal: {cause}"),
                    );
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(MAX_PAUSE);
            if self.look() == Seen::Works {
                return Outcome::DaemonWorks;
            }
        }
    }

    /// One child; `None` if it has failed.
    fn attempt(&mut self) -> io::Result<Option<Outcome>> {
        let mut child = start(self.source)?;
        loop {
            if let Some(status) = child.wait_timeout(CHILD_SPACING)? {
                return Ok(match status.code() {
                    Some(0) => Some(Outcome::Withdrawn),
                    Some(code) if code == i32::from(NOTHING_TO_WITHDRAW) => Some(Outcome::Nothing),
                    _ => None,
                });
            }
            if self.look() == Seen::Works {
                stop(child)?;
                return Ok(Some(Outcome::DaemonWorks));
            }
        }
    }
}

fn start(source: &Source) -> io::Result<Child> {
    let path = |path: &Option<PathBuf>| match path {
        Some(path) => path.clone().into_os_string(),
        None => OsString::new(),
    };
    Command::new("/proc/self/exe")
        .arg(OPTION)
        .arg(Pid::own().number().to_string())
        .args([&source.file, &source.dir, &source.service_file].map(path))
        // They are for this process.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::null())
        .spawn()
}

fn stop(mut child: Child) -> io::Result<()> {
    if let Some(pid) = Pid::new(i64::from(child.id())) {
        process::terminate(pid)?;
    }
    if child.wait_timeout(STOP_LIMIT)?.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

/// The child: what follows [`OPTION`] on its command line.
pub fn main(words: &[OsString]) -> ExitCode {
    let [parent, file, dir, service_file] = words else {
        return ExitCode::FAILURE;
    };
    let source = reading::child_source([file, dir, service_file]);
    let Some(Known { mut config, .. }) = Known::of(&source) else {
        return ExitCode::from(NOTHING_TO_WITHDRAW);
    };
    if let Err(error) = become_owner(&mut config, &[]) {
        return not_owner(&error);
    }
    let parent = parent.to_str().and_then(|parent| parent.parse().ok());
    match user::end_with(parent.unwrap_or(0)) {
        Ok(()) => reactor::withdraw(config),
        Err(_) => ExitCode::FAILURE,
    }
}

/// What could be read of a configuration.
struct Known {
    document: Document,
    config: Config,
    /// Whether something that concerns a prefix file had to be left out.
    incomplete: bool,
}

impl Known {
    /// Says what is wrong. `None` if there is no prefix file at all.
    fn of(source: &Source) -> Option<Known> {
        let read = reading::unchecked(source);
        let is_whole_file = |complaint: &Complaint| is_error(complaint) && complaint.line == 0;
        let unreadable = read.complaints.iter().any(is_whole_file);
        let rescued = probe::with_trust(|probes| rescue(&read.document, probes));
        let wrong = rescued.iter().flat_map(|rescued| &rescued.left_out);
        let wrong: Vec<&Complaint> = read.complaints.iter().chain(wrong).collect();
        for complaint in wrong.iter().filter(|complaint| is_error(complaint)) {
            say(
                Level::Error,
                &format!("left out: {}", report::line(complaint)),
            );
        }
        let Rescued {
            mut config,
            left_out,
            ..
        } = rescued?;
        let mut incomplete = unreadable;
        // Where nobody can say what the daemon was told, its defaults count, if it seems to have used them.
        for slot in config.daemon.families.iter_mut() {
            let guess = |family: &FamilyConfig| {
                unreadable && lookup::is_default_prefix_file(&read.document, &family.prefix_file)
            };
            if let Some(family) = slot.as_ref().filter(|family| guess(family)) {
                let path = disk::shown(&family.prefix_file);
                match family.prefix_file.exists() {
                    true => say(
                        Level::Warning,
                        &format!("taking {path}, which the built-in settings name"),
                    ),
                    false => *slot = None,
                }
            }
        }
        incomplete |= left_out.iter().any(lookup::is_about_a_prefix_file);
        let any = config.daemon.families.iter().any(Option::is_some);
        any.then_some(Known {
            document: read.document,
            config,
            incomplete,
        })
    }
}

fn is_error(complaint: &Complaint) -> bool {
    complaint.severity == Severity::Error
}

/// Becomes the user on whose behalf files are written. Root, where that is root, writes no log and no metrics where
/// another user could have it follow a link.
fn become_owner(config: &mut Config, more: &[&Path]) -> io::Result<()> {
    let families = || config.daemon.families.iter().flatten();
    let files: Vec<&Path> = (families().map(|family| family.prefix_file.as_path()))
        .chain(more.iter().copied())
        .collect();
    let sockets: Vec<&Path> = families()
        .filter_map(|family| match &family.via {
            Via::Socket(path) => Some(path.as_path()),
            Via::Command(_) => None,
        })
        .collect();
    let became = owner::become_owner(&files, &sockets)?;
    if became.is_some() || process::effective_uid() != 0 {
        return Ok(());
    }
    let daemon = &mut config.daemon;
    let of_another = |path: &Path| {
        let another = owner::on_the_way(path).is_some();
        if another {
            let path = disk::shown(path);
            say(
                Level::Warning,
                &format!("{path} is not written: another user than root owns the way to it"),
            );
        }
        another
    };
    daemon.metrics.take_if(|metrics| {
        let file = metrics.directory.join("any");
        of_another(&file)
    });
    for file in [&mut daemon.log.file, &mut daemon.log.stderr_file] {
        file.take_if(|path| of_another(path));
    }
    Ok(())
}

/// `--create-files`: makes the prefix files that are missing. `empty`: and empties the others, if this is the first
/// time since the boot and no daemon runs.
pub fn create_files(source: &Source, empty: bool) -> ExitCode {
    let Some(mut known) = Known::of(source) else {
        return ExitCode::FAILURE;
    };
    let marker = lookup::pidfile(&known.document).map(|pidfile| marker(&pidfile));
    let more: Vec<&Path> = marker.iter().map(PathBuf::as_path).collect();
    let trusted = client::trusted(&known.document);
    let runs = || client::ask(Extent::Head, LIMITS, &trusted).is_ok();
    if let Err(error) = become_owner(&mut known.config, &more) {
        return not_owner(&error);
    }
    let mut failed = known.incomplete;
    let mut or_say = |result: io::Result<()>| {
        if let Err(error) = result {
            say(Level::Error, &error.to_string());
            failed = true;
        }
    };
    // Remembered first: a list that is emptied at every start of BIRD would be worse than one that is not.
    let boot = match (empty, &marker) {
        (true, Some(marker)) => first_since_boot(marker).unwrap_or_else(|error| {
            or_say(Err(error));
            false
        }),
        _ => false,
    };
    let emptying = boot && !runs();
    for family in known.config.daemon.families.iter().flatten() {
        // A link that leads nowhere is a file that is missing.
        let result = match family.prefix_file.metadata() {
            Ok(_) if emptying => empty_file(family),
            Ok(_) => Ok(()),
            Err(_) => disk::create(&family.prefix_file, dummy_alone(family).as_bytes()),
        };
        or_say(result);
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Beside the pidfile: the id of the boot in which prefix files were last emptied.
fn marker(pidfile: &Path) -> PathBuf {
    let mut name = pidfile.as_os_str().to_os_string().into_vec();
    name.extend_from_slice(b".boot-id");
    PathBuf::from(OsString::from_vec(name))
}

/// Whether the marker is of another boot; it is of this one afterwards.
fn first_since_boot(marker: &Path) -> io::Result<bool> {
    let id = disk::read_bounded(Path::new(BOOT_ID), MAX_BOOT_ID)?;
    if disk::read_bounded(marker, MAX_BOOT_ID).is_ok_and(|known| known == id) {
        return Ok(false);
    }
    disk::replace_here(marker, &id)?;
    Ok(true)
}

/// Has a prefix file announce nothing.
fn empty_file(family: &FamilyConfig) -> io::Result<()> {
    let path = &family.prefix_file;
    let kind = family.family();
    if let Ok(text) = disk::read_bounded(path, MAX_PREFIX_FILE) {
        let found = prefix_list::read(&text, kind, &family.variable, &family.dummy);
        if found.prefixes.is_empty() && found.repair.is_none() {
            return Ok(());
        }
    }
    disk::replace_prefix_file(path, dummy_alone(family).as_bytes(), false)?;
    let path = disk::shown(path);
    let text =
        format!("emptied {path}: each prefix comes back with the first verdict on its service");
    say(Level::Info, &text);
    Ok(())
}

fn dummy_alone(family: &FamilyConfig) -> String {
    let mut text = String::new();
    let stamp = clock::local_calendar(clock::now().wall);
    prefix_list::write(&mut text, family, &Set::new(), &stamp, Pid::own().number());
    text
}

fn not_owner(error: &io::Error) -> ExitCode {
    let cause = sys::cause(error);
    let text = format!("cannot become the owner of the prefix files: {cause}");
    say(Level::Error, &text);
    ExitCode::FAILURE
}

/// One line on standard error. Nobody can be told if that fails.
fn say(level: Level, text: &str) {
    let line = format!(
        "anycast-healthchecker: {}\n",
        crate::render::escape::visible(text)
    );
    let _ = io::stderr().write_all(log::on_stderr(level, &line).as_bytes());
}
