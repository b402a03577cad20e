//! `--test`: every enabled check runs once, now, as the daemon would run it, and nothing else is touched.
//!
//! A check gets the daemon's environment, stdin, process group and time-out, and its output is kept to the
//! same bound. A few threads take the checks in turn; this is a one-shot mode, and the only place where there
//! are threads. A check is over when its leader ends: a grandchild that keeps the pipes delays nothing beyond
//! [`LAST_WORDS`]. If a signal ends the program, no check outlives it (`sys::trial`).
//!
//! A check runs even if an address of its service is missing, where the daemon would not run it: who tests a
//! service before its address goes live wants to know whether the check works. The service counts as failing
//! all the same.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Builder, Scope};
use std::time::Duration;

use wait_timeout::ChildExt;

use super::addresses;
use super::job::{self, CHUNK, Pipe};
use super::sys::poll::{Interest, PollSet};
use super::sys::process::{self, Pid};
use super::sys::trial::{self, PLACES, Watched};
use super::sys::{self, clock, limits};
use crate::config::{Config, ServiceConfig};
use crate::engine;
use crate::engine::vocab::{Addresses, Output, StartFailure, Verdict};
use crate::render::test_report::TestRow;

/// Checks at a time where the configuration sets no limit: enough for minutes of time-outs to pass in
/// seconds, and few enough not to load a host that is in service.
const AT_ONCE: usize = 64;

/// How long is waited for the end of the output after the end of the check.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How long a killed check may take to be gone; one that can't be killed (sudo) is left behind.
const DEATH: Duration = Duration::from_secs(1);

/// What wait-timeout counts in, rounding down; a check has all of its time.
const GRAIN: Duration = Duration::from_millis(1);

/// Descriptors beside those of the checks.
const OWN_DESCRIPTORS: u64 = 64;

/// Descriptors of a check while it is started and waited for: two pipes, what std and wait-timeout need.
const DESCRIPTORS_A_CHECK: u64 = 16;

/// Stack of a thread: ours go no deeper than a few calls.
const STACK: usize = 256 * 1024;

/// Who is told how many of how many checks are done.
pub type Progress<'a> = &'a mut (dyn FnMut(usize, usize) + Send);

/// Runs the checks. The rows are in the order of the configuration.
pub fn run(config: &Config, progress: Progress) -> Result<Vec<TestRow>, String> {
    // Not `Rc`s of them, which threads can't share.
    let services: Vec<&ServiceConfig> = config
        .services
        .iter()
        .map(|service| &**service)
        .filter(|service| !service.disabled)
        .collect();
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let addresses = if services.iter().any(|service| !service.ip_check_disabled) {
        addresses::dump().map_err(|error| failed("ask the kernel for addresses", &error))?
    } else {
        Addresses::default()
    };
    let at_once = at_once(config.daemon.max_running_checks, services.len())?;
    trial::watch_over().map_err(|error| failed("handle signals", &error))?;
    let ran = run_all(&services, at_once, progress)?;
    let rows = services.into_iter().zip(ran);
    Ok(rows
        .map(|(service, ran)| row(service, &addresses, ran))
        .collect())
}

fn failed(what: &str, error: &io::Error) -> String {
    format!("cannot {what}: {}", sys::cause(error))
}

/// How many checks run at a time: as configured, and as descriptors allow.
fn at_once(configured: u32, services: usize) -> Result<usize, String> {
    let wanted = wanted_at_once(configured, services);
    let descriptors = OWN_DESCRIPTORS + wanted as u64 * DESCRIPTORS_A_CHECK;
    let got = limits::ensure_descriptors(descriptors)
        .map_err(|error| failed("raise the limit on open files", &error))?;
    let affordable = got.saturating_sub(OWN_DESCRIPTORS) / DESCRIPTORS_A_CHECK;
    let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
    Ok(wanted.min(affordable).max(1))
}

fn wanted_at_once(configured: u32, services: usize) -> usize {
    let limit = match usize::try_from(configured) {
        Ok(0) => AT_ONCE,
        Ok(limit) => limit.min(PLACES),
        Err(_) => PLACES,
    };
    limit.min(services)
}

/// What came of one check.
#[derive(Clone, Debug)]
struct Ran {
    verdict: Verdict,
    took: Duration,
    first_line: String,
}

fn row(service: &ServiceConfig, addresses: &Addresses, ran: Ran) -> TestRow {
    let covered = |prefix| addresses.covers(&service.interface, prefix);
    let assigned =
        (!service.ip_check_disabled).then(|| service.prefixes.iter().map(covered).collect());
    TestRow {
        service: service.name.clone(),
        prefixes: service.prefixes.to_vec(),
        interface: service.interface.to_string(),
        assigned,
        verdict: ran.verdict,
        took: ran.took,
        first_line: ran.first_line,
    }
}

/// What the threads share.
struct Round<'a> {
    services: &'a [&'a ServiceConfig],
    hidden: Vec<OsString>,
    books: Mutex<Books<'a>>,
}

/// Which checks have been taken, and what came of those that are done.
struct Books<'a> {
    taken: usize,
    done: usize,
    all: Vec<Option<Ran>>,
    progress: Progress<'a>,
}

/// Runs every check in one of `at_once` threads; in the order of `services`.
fn run_all(
    services: &[&ServiceConfig],
    at_once: usize,
    progress: Progress,
) -> Result<Vec<Ran>, String> {
    let round = &Round {
        services,
        hidden: job::kept_to_ourselves().collect(),
        books: Mutex::new(Books {
            taken: 0,
            done: 0,
            all: vec![None; services.len()],
            progress,
        }),
    };
    thread::scope(|scope| {
        for place in 0..at_once {
            let started = thread(scope, Box::new(move || work(round, place)));
            match started {
                Ok(()) => {}
                // Fewer do, if it has to be.
                Err(_) if place > 0 => break,
                Err(error) => return Err(failed("start a thread", &error)),
            }
        }
        let mut books = round.books();
        if books.done == 0 {
            (books.progress)(0, services.len());
        }
        Ok(())
    })?;
    let all = std::mem::take(&mut round.books().all);
    all.into_iter()
        .collect::<Option<Vec<Ran>>>()
        .ok_or_else(|| {
            // A thread that panics has said why.
            "some checks were not run to their end".to_string()
        })
}

/// There is one kind of thread, so that what starts it is there only once.
fn thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    body: Box<dyn FnOnce() + Send + 'scope>,
) -> io::Result<()> {
    let builder = Builder::new().stack_size(STACK);
    builder.spawn_scoped(scope, body).map(drop)
}

/// Takes one check after the other until none is left.
fn work(round: &Round, place: usize) {
    loop {
        let mut books = round.books();
        let at = books.taken;
        let Some(service) = round.services.get(at) else {
            return;
        };
        books.taken += 1;
        drop(books);
        let ran = run_one(service, &round.hidden, place);
        let mut books = round.books();
        books.all[at] = Some(ran);
        books.done += 1;
        let done = books.done;
        (books.progress)(done, round.services.len());
    }
}

impl<'a> Round<'a> {
    /// They are in order even if another thread has panicked: it did that elsewhere.
    fn books(&self) -> MutexGuard<'_, Books<'a>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run_one(service: &ServiceConfig, hidden: &[OsString], place: usize) -> Ran {
    let start = clock::now().mono;
    match attempt(service, hidden, place) {
        Ok(ended) => Ran {
            verdict: ended.verdict,
            took: ended.took,
            first_line: ended
                .trouble
                .unwrap_or_else(|| engine::first_line(&ended.output)),
        },
        Err(failure) => Ran {
            verdict: Verdict::NotStarted(failure.status),
            took: clock::now().mono.since(start),
            first_line: failure.cause,
        },
    }
}

/// A check that was started, when it is over.
struct Ended {
    verdict: Verdict,
    took: Duration,
    output: Output,
    /// What is to be said instead of its output.
    trouble: Option<String>,
}

/// Starts a check, and waits until it has ended or had its time.
fn attempt(
    service: &ServiceConfig,
    hidden: &[OsString],
    place: usize,
) -> Result<Ended, StartFailure> {
    let (stdout, stdout_of_child) = process::output_pipe().map_err(|e| job::no_pipe(&e))?;
    let (stderr, stderr_of_child) = process::output_pipe().map_err(|e| job::no_pipe(&e))?;
    let (leash, held) = UnixStream::pair().map_err(|e| job::no_pipe(&e))?;
    let mut pipes = [Pipe::new(stdout), Pipe::new(stderr)];
    let mut command = command(service, hidden);
    command.stdout(stdout_of_child).stderr(stderr_of_child);
    let mut output = Output::default();
    let ended = thread::scope(|scope| {
        // Moved in here, so that every way out lets go of the reader.
        let leash = leash;
        let body = Box::new(|| {
            let held = held;
            read(&mut pipes, &held);
            let [stdout, stderr] = pipes.map(Pipe::captured);
            output = Output { stdout, stderr };
        });
        thread(scope, body).map_err(|error| StartFailure {
            status: 126,
            cause: failed("start a thread to read its output", &error),
        })?;
        let start = clock::now().mono;
        let started = Watched::start(&mut command, place);
        // The writing ends of the pipes are the child's alone from here on, or the end would never be read.
        drop(command);
        let mut watched = started.map_err(|error| {
            let program = service.check_cmd.program();
            job::not_started(program, &error, Path::new(program).exists())
        })?;
        let (verdict, trouble) = wait(&mut watched, service.timeout);
        let took = clock::now().mono.since(start);
        let leader = Pid::new(i64::from(watched.child.id()));
        drop(watched);
        if let (false, Some(leader)) = (is_let_go(&leash), leader) {
            // Somebody of its group holds the pipes, and goes with the check, as in the daemon.
            let _ = process::kill_group(leader);
        }
        Ok((verdict, took, trouble))
    });
    let (verdict, took, trouble) = ended?;
    Ok(Ended {
        verdict,
        took,
        output,
        trouble,
    })
}

/// Whether the reader is done within [`LAST_WORDS`], and has dropped its end.
fn is_let_go(leash: &UnixStream) -> bool {
    let mut set = PollSet::default();
    set.add(leash, Interest::Read);
    let end = clock::now().mono + LAST_WORDS;
    loop {
        let left = end.since(clock::now().mono);
        match set.wait(Some(left)) {
            // The end of another check may have interrupted it.
            Ok(0) if !left.is_zero() => {}
            waited => return waited.is_ok_and(|ready| ready > 0),
        }
    }
}

/// The command as the daemon runs it (`job`).
fn command(service: &ServiceConfig, hidden: &[OsString]) -> Command {
    use std::os::unix::process::CommandExt;
    let mut words = service.check_cmd.words();
    // An enabled check has a command; if not, that there is no such program is the right answer.
    let mut command = Command::new(words.next().unwrap_or(""));
    command.args(words).process_group(0).stdin(Stdio::null());
    for name in hidden {
        command.env_remove(name);
    }
    let mut prefixes = String::new();
    job::push_prefixes(&mut prefixes, service);
    command
        .env(job::SERVICE_VARIABLE, &service.name)
        .env(job::PREFIX_VARIABLE, prefixes);
    command
}

/// Waits for the end, or brings it about; the verdict, and what went wrong beside it.
fn wait(watched: &mut Watched, limit: Duration) -> (Verdict, Option<String>) {
    let child = &mut watched.child;
    let verdict = |status: ExitStatus| Verdict::from(job::ended(status));
    let (failure, trouble) = match child.wait_timeout(limit.saturating_add(GRAIN)) {
        Ok(Some(status)) => return (verdict(status), None),
        Ok(None) => (Verdict::TimedOut, None),
        // It wants two descriptors.
        Err(error) => (
            Verdict::NotStarted(126),
            Some(failed("wait for the check", &error)),
        ),
    };
    // It may have ended while the time ran out.
    if let Ok(Some(status)) = child.try_wait() {
        return (verdict(status), None);
    }
    let not_killed = match Pid::new(i64::from(child.id())) {
        Some(pid) => job::kill(pid).err(),
        None => None,
    };
    let gone = matches!(child.wait_timeout(DEATH), Ok(Some(_)));
    let not_killed = match (gone, not_killed) {
        (true, _) => None,
        (false, Some(error)) => Some(failed("kill it", &error)),
        (false, None) => Some("killed, but it does not end".to_string()),
    };
    let pid = child.id();
    let not_killed = not_killed.map(|cause| format!("{cause} (process {pid} is still there)"));
    (failure, trouble.or(not_killed))
}

/// Reads both pipes until their end, or until `held` is let go and what was written before that has been
/// read.
fn read(pipes: &mut [Pipe; 2], held: &UnixStream) {
    let mut set = PollSet::default();
    let mut buffer = vec![0; CHUNK];
    while pipes.iter().any(Pipe::is_open) {
        set.clear();
        let let_go = set.add(held, Interest::Read);
        for pipe in pipes.iter_mut() {
            pipe.poll(&mut set);
        }
        if set.wait(None).is_err() || set.ready(let_go) {
            for pipe in pipes.iter_mut() {
                pipe.read_to_end(&mut buffer);
            }
            return;
        }
        for pipe in pipes.iter_mut() {
            pipe.read_if_ready(&set, &mut buffer);
        }
    }
}

#[cfg(test)]
mod tests;
