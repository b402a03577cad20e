//! Running children: checks, custom commands and reconfiguration commands alike.
//!
//! [`Jobs`] owns each child from its start until it is reaped, with the reading ends of its two pipes, which
//! keep the first [`CAPTURE_MAX`](pipe::CAPTURE_MAX) bytes. A start waits for nothing: the [`starter`] forks, and that a
//! command cannot be run comes out of [`Jobs::take_finished`] as its end does. A job is over when the leader of its process
//! group ends; what still holds its pipes then, delays nothing and is killed. Killing is always SIGKILL to
//! the whole group. What a check leaves behind in other groups is looked for when it has ended, see [`leftovers`].
//! Nothing here knows about time, except for the end of [`Jobs`]: who kills and when is the engine's.

mod leftovers;
mod pipe;
mod starter;

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use super::sys::poll::PollSet;
use super::sys::process::{self, Pid, Record, Said, Words};
use super::sys::{clock, limits, signal};
use super::{probe, sys};
use crate::config::{CommandLine, ServiceConfig};
use crate::engine::vocab::{Ended, JobId, Output, StartFailure};
use crate::sorted::Map;
use leftovers::Leftovers;
use starter::{Request, Starter};

pub use leftovers::Leftover;
pub use pipe::{CHUNK, Pipe};

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    pub words: &'a CommandLine,
    /// One more word at the end: `up` or `down`.
    pub argument: Option<&'a str>,
    /// Whose name and prefixes the environment tells.
    pub service: Option<&'a ServiceConfig>,
    /// Its standard input, output and error. `None`: `/dev/null`, and what it prints is captured.
    pub stdio: Option<[BorrowedFd<'a>; 3]>,
}

/// A job that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub job: JobId,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ended { ended: Ended, output: Output },
    NotStarted(StartFailure),
}

pub struct Jobs {
    /// `None`: it was killed, and could not be made again yet.
    starter: Option<Starter>,
    environment: Words,
    /// The soft limit on open files that we were started with.
    files: u64,
    last_run: u64,
    /// By number of run. Those that have been abandoned are here until they are reaped.
    running: Map<u64, Running>,
    pids: Map<Pid, u64>,
    /// Children that have ended before we were told whose they are.
    early: Vec<(Pid, ExitStatus)>,
    leftovers: Leftovers,
    finished: Vec<Finished>,
    said: Vec<Record>,
    buffer: Box<[u8]>,
    /// Where a program without a slash in its name is looked for.
    path: OsString,
    request: Request,
    text: String,
}

struct Running {
    /// `None`: nobody waits for its end any more.
    job: Option<JobId>,
    state: State,
    program: String,
    /// Of which service it is a check.
    check: Option<String>,
    /// What it leaves behind goes with it. Custom commands may leave something behind.
    sweep: bool,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    /// Their other ends, see [`HELD_MAX`].
    writers: Option<[OwnedFd; 2]>,
    /// Why it has not become its program.
    failure: Option<StartFailure>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The starter has been asked, and has not answered.
    Asked,
    /// The same, and it is to be killed as soon as it has a pid.
    Doomed,
    Running(Pid),
}

/// So many jobs have the writing ends of their pipes held by us as well, until they are reaped. The end of such a job
/// wakes the daemon once, by its signal, and not three times: its pipes would hang up one after the other before that.
/// What it takes in descriptors is bounded for the sake of hosts with many checks and few of those.
const HELD_MAX: usize = 16;

/// How long the end of the daemon waits for children that have been killed.
const END_PATIENCE: Duration = Duration::from_millis(200);

impl Jobs {
    /// Takes the environment and the limits as they are now. To be called while the daemon is small: the starter is a copy.
    pub fn new() -> io::Result<Jobs> {
        process::close_inherited_on_exec();
        let mut environment = Words::default();
        for (name, value) in env::vars_os() {
            if !is_ours_alone(name.as_bytes(), value.as_bytes()) {
                environment.push(&[name.as_bytes(), b"=", value.as_bytes()])?;
            }
        }
        let files = limits::descriptors()?;
        Ok(Jobs {
            starter: Some(Starter::launch(&environment, files)?),
            environment,
            files,
            last_run: 0,
            running: Map::new(),
            pids: Map::new(),
            early: Vec::new(),
            leftovers: Leftovers::new(),
            finished: Vec::new(),
            said: Vec::new(),
            buffer: vec![0; CHUNK].into_boxed_slice(),
            path: probe::search_path(),
            request: Request::default(),
            text: String::new(),
        })
    }

    /// Starts a command. After an error nothing is left behind, and nothing more is heard of it.
    pub fn start(&mut self, job: JobId, command: &Command) -> Result<(), StartFailure> {
        self.prepare(command)
            .map_err(|error| not_started(command.words.program(), &error, false))?;
        let mut running = Running {
            job: Some(job),
            state: State::Asked,
            program: command.words.program().to_string(),
            check: command
                .service
                .filter(|_| command.argument.is_none())
                .map(|service| service.name.clone()),
            sweep: command.argument.is_none(),
            stdout: None,
            stderr: None,
            writers: None,
            failure: None,
        };
        let writers = match command.stdio {
            Some(_) => None,
            None => {
                let (stdout, stdout_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
                let (stderr, stderr_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
                running.stdout = Some(Pipe::new(stdout));
                running.stderr = Some(Pipe::new(stderr));
                Some([stdout_of_child, stderr_of_child])
            }
        };
        let run = self.last_run + 1;
        let asked = self.ask(run, command.stdio, writers.as_ref());
        match asked {
            Ok(()) => self.last_run = run,
            Err(error) => return Err(not_started(&running.program, &error, false)),
        }
        running.writers = writers.filter(|_| self.running.len() < HELD_MAX);
        self.leftovers.started(running.sweep);
        self.running.insert(run, running);
        Ok(())
    }
    fn prepare(&mut self, command: &Command) -> io::Result<()> {
        self.look_up(command.words.program())?;
        self.request.argv.clear();
        for word in command.words.words() {
            self.request.argv.push(&[word.as_bytes()])?;
        }
        if let Some(word) = command.argument {
            self.request.argv.push(&[word.as_bytes()])?;
        }
        self.request.variables.clear();
        let Some(service) = command.service else {
            return Ok(());
        };
        self.request.variables.push(&[
            SERVICE_VARIABLE.as_bytes(),
            b"=",
            service.name.as_bytes(),
        ])?;
        self.text.clear();
        push_prefixes(&mut self.text, service);
        self.request
            .variables
            .push(&[PREFIX_VARIABLE.as_bytes(), b"=", self.text.as_bytes()])
    }

    /// Where the program may be, in the order of execvp.
    fn look_up(&mut self, program: &str) -> io::Result<()> {
        self.request.programs.clear();
        if program.is_empty() {
            return Ok(());
        }
        if program.contains('/') {
            return self.request.programs.push(&[program.as_bytes()]);
        }
        for directory in self.path.as_bytes().split(|byte| *byte == b':') {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            self.request
                .programs
                .push(&[directory, slash, program.as_bytes()])?;
        }
        Ok(())
    }

    fn ask(
        &mut self,
        run: u64,
        stdio: Option<[BorrowedFd; 3]>,
        writers: Option<&[OwnedFd; 2]>,
    ) -> io::Result<()> {
        let starter = match &mut self.starter {
            Some(starter) => starter,
            none => none.insert(Starter::launch(&self.environment, self.files)?),
        };
        match (stdio, writers) {
            (Some(stdio), _) => starter.ask(run, &self.request, &stdio),
            (None, Some([stdout, stderr])) => {
                starter.ask(run, &self.request, &[stdout.as_fd(), stderr.as_fd()])
            }
            (None, None) => starter.ask(run, &self.request, &[]),
        }
    }

    /// Kills the whole process group of a job, which still ends in [`Jobs::take_finished`]. The error is that of its
    /// leader: its pid, and why it lives on (a set-uid program such as sudo).
    pub fn kill(&mut self, job: JobId) -> Result<(), (u32, String)> {
        let Some(run) = self.run_of(job) else {
            return Ok(());
        };
        let starter = self.starter.as_mut();
        if starter.is_some_and(|starter| starter.take_back(run)) {
            self.not_run(run, "it was not started in time");
            return Ok(());
        }
        self.read_records();
        match self.running.get_mut(&run) {
            Some(Running {
                state: State::Running(pid),
                ..
            }) => kill(*pid).map_err(|error| (pid.number(), sys::cause(&error))),
            Some(running) => {
                running.state = State::Doomed;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Kills a job of whose end nobody wants to hear. It holds nothing but its number until it is reaped, if ever.
    pub fn abandon(&mut self, job: JobId) {
        let _ = self.kill(job);
        self.finished.retain(|finished| finished.job != job);
        let run = self.run_of(job);
        if let Some(running) = run.and_then(|run| self.running.get_mut(&run)) {
            running.job = None;
            running.stdout = None;
            running.stderr = None;
            running.writers = None;
        }
    }

    /// The process of a job, if it has one already.
    pub fn pid_of(&self, job: JobId) -> Option<Pid> {
        match self.running.get(&self.run_of(job)?)?.state {
            State::Running(pid) => Some(pid),
            State::Asked | State::Doomed => None,
        }
    }

    /// How many have been abandoned and have not ended yet.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "abandoned jobs are counted by the engine so far")
    )]
    pub fn abandoned(&self) -> usize {
        let all = self.running.values();
        all.filter(|running| running.job.is_none()).count()
    }

    /// Keeps so many bytes of what a job prints on standard output.
    pub fn keep_output(&mut self, job: JobId, limit: usize) {
        let run = self.run_of(job);
        if let Some(running) = run.and_then(|run| self.running.get_mut(&run)) {
            if let Some(stdout) = &mut running.stdout {
                stdout.keep_first(limit);
            }
        }
    }

    fn run_of(&self, job: JobId) -> Option<u64> {
        let mut all = self.running.iter();
        all.find(|(_, running)| running.job == Some(job))
            .map(|(&run, _)| run)
    }

    /// Adds every open pipe to the set of this turn, and what the starter waits for.
    pub fn poll(&mut self, set: &mut PollSet) {
        let mut doomed = false;
        for running in self.running.values_mut() {
            doomed |= running.state == State::Doomed;
            let pipes = [&mut running.stdout, &mut running.stderr];
            for pipe in pipes.into_iter().flatten() {
                pipe.poll(set);
            }
        }
        if let Some(starter) = &mut self.starter {
            starter.poll(set, doomed || !self.early.is_empty());
        }
    }

    /// Reads those pipes that are ready, each a bounded amount.
    pub fn read(&mut self, set: &PollSet) {
        for running in self.running.values_mut() {
            let pipes = [&mut running.stdout, &mut running.stderr];
            for pipe in pipes.into_iter().flatten() {
                pipe.read_if_ready(set, &mut self.buffer);
            }
        }
        if let Some(starter) = &mut self.starter {
            starter.ready(set, &mut self.said);
        }
        self.take_records();
        self.settle_early();
    }

    /// After SIGCHLD: every job whose leader has ended is over, with all it had written by then.
    pub fn reap(&mut self) {
        let mut starter_ended = false;
        while let Some((pid, status)) = process::reap_any() {
            match &self.starter {
                Some(starter) if starter.pid() == pid => starter_ended = true,
                _ => self.early.push((pid, status)),
            }
        }
        self.read_records();
        if starter_ended {
            self.starter = None;
            let lost = self
                .running
                .iter()
                .filter(|(_, running)| !running.has_pid());
            for run in lost.map(|(&run, _)| run).collect::<Vec<_>>() {
                self.not_run(run, "the process that starts commands was killed");
            }
        }
        self.settle_early();
    }

    /// What is over since the last call.
    pub fn take_finished(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// What checks have left behind, the first of each service; it has been killed.
    pub fn take_leftovers(&mut self) -> Vec<Leftover> {
        let pidless = self.running.values().any(|running| !running.has_pid());
        if pidless {
            // What looks like a stranger may be one of them.
            return Vec::new();
        }
        let awaited = self.running.iter().filter(|(_, one)| one.job.is_some());
        let checks: Vec<(u64, &str)> = awaited
            .filter_map(|(&run, one)| Some((run, one.check.as_deref()?)))
            .collect();
        let (pids, starter) = (&self.pids, self.starter.as_ref().map(Starter::pid));
        let is_job = |pid: Pid| pids.contains_key(&pid) || starter == Some(pid);
        self.leftovers.look(&is_job, &checks, self.last_run)
    }

    fn read_records(&mut self) {
        if let Some(starter) = &mut self.starter {
            starter.read(&mut self.said);
        }
        self.take_records();
    }

    fn take_records(&mut self) {
        for Record { run, what } in std::mem::take(&mut self.said) {
            let Some(running) = self.running.get_mut(&run) else {
                continue;
            };
            match what {
                Said::Started(pid) => {
                    if running.state == State::Doomed {
                        // Of one that lives on the engine hears no end.
                        let _ = kill(pid);
                    }
                    running.state = State::Running(pid);
                    self.pids.insert(pid, run);
                }
                Said::ExecFailed { errno, exists } => {
                    let error = io::Error::from_raw_os_error(errno);
                    running.failure = Some(not_started(&running.program, &error, exists));
                }
                Said::ForkFailed { errno } => {
                    let error = io::Error::from_raw_os_error(errno);
                    let failure = not_started(&running.program, &error, true);
                    running.failure = Some(failure);
                    self.finish(run, None);
                }
            }
        }
    }

    /// Finishes what has ended, as far as it is known whose it is.
    fn settle_early(&mut self) {
        for (pid, status) in std::mem::take(&mut self.early) {
            match self.pids.remove(&pid) {
                Some(run) => self.finish(run, Some((pid, status))),
                None if self.running.values().any(|one| !one.has_pid()) => {
                    self.early.push((pid, status));
                }
                // An orphan that was left to us.
                None => self.leftovers.reaped(pid),
            }
        }
    }

    fn not_run(&mut self, run: u64, cause: &str) {
        if let Some(running) = self.running.get_mut(&run) {
            running.failure = Some(StartFailure {
                status: 126,
                cause: format!("cannot run {:?}: {cause}", running.program),
            });
            self.finish(run, None);
        }
    }

    /// `ended`: its leader, unless there was none.
    fn finish(&mut self, run: u64, ended: Option<(Pid, ExitStatus)>) {
        let Some(mut running) = self.running.remove(&run) else {
            return;
        };
        drop(running.writers);
        let mut output = Output::default();
        let mut held = false;
        for (pipe, captured) in [
            (running.stdout.take(), &mut output.stdout),
            (running.stderr.take(), &mut output.stderr),
        ] {
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut self.buffer);
                held |= pipe.is_open();
                *captured = pipe.captured();
            }
        }
        if let Some((pid, _)) = ended {
            if running.sweep && held {
                // Of the group, which keeps its number while it has a member.
                let _ = process::kill_group(pid);
            }
        }
        self.leftovers
            .ended(ended.map(|(pid, _)| pid), running.check, running.sweep);
        let outcome = match (running.failure, ended) {
            (None, Some((_, status))) => Outcome::Ended {
                ended: self::ended(status),
                output,
            },
            (Some(failure), _) => Outcome::NotStarted(failure),
            (None, None) => return,
        };
        if let Some(job) = running.job {
            self.finished.push(Finished { job, outcome });
        }
    }
}

impl Running {
    fn has_pid(&self) -> bool {
        matches!(self.state, State::Running(_))
    }
}

impl Drop for Jobs {
    /// Nothing that may be killed outlives us: not what is still to be started, and not what checks have left behind.
    fn drop(&mut self) {
        if let Some(starter) = self.starter.take() {
            let _ = process::kill_one(starter.pid());
        }
        let end = clock::now().mono + END_PATIENCE;
        loop {
            // What the last of them leave behind is ours only when they have ended.
            let none_left = self.pids.is_empty();
            for &pid in self.pids.keys() {
                // One that can't be killed outlives us, and there is nobody left to be told.
                let _ = kill(pid);
            }
            let left_behind = self.leftovers.to_be_killed();
            for &pid in &left_behind {
                let _ = process::kill_one(pid);
            }
            while let Some((pid, _)) = process::reap_any() {
                self.pids.remove(&pid);
                self.leftovers.reaped(pid);
            }
            let left = end.since(clock::now().mono);
            if left.is_zero() || (left_behind.is_empty() && none_left) {
                break;
            }
            if !left_behind.is_empty() || !self.pids.is_empty() {
                signal::wait_for_child(left);
            }
        }
    }
}

/// The group, and the leader by itself: it may have moved to another group, and it alone decides whether the
/// job ends.
pub fn kill(leader: Pid) -> io::Result<()> {
    let group = process::kill_group(leader);
    process::kill_one(leader).or(group)
}

/// How a child ended that was waited for.
pub fn ended(status: ExitStatus) -> Ended {
    // It is no stop of a traced child, so it has exited or was killed.
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code as u8),
        (None, signal) => Ended::Signal(signal.unwrap_or(0) as u8),
    }
}

/// What tells a check whose it is.
pub const SERVICE_VARIABLE: &str = "ANYCAST_SERVICE";
pub const PREFIX_VARIABLE: &str = "ANYCAST_IP_PREFIX";

/// Appends the value of [`PREFIX_VARIABLE`].
pub fn push_prefixes(text: &mut String, service: &ServiceConfig) {
    let start = text.len();
    for prefix in &service.prefixes {
        let comma = if text.len() == start { "" } else { "," };
        // Writing to a string can't fail.
        let _ = write!(text, "{comma}{prefix}");
    }
}

/// The variables of our environment that no child gets.
pub fn kept_to_ourselves() -> impl Iterator<Item = OsString> {
    env::vars_os()
        .filter(|(name, value)| is_ours_alone(name.as_bytes(), value.as_bytes()))
        .map(|(name, _)| name)
}

/// What a child must not get: the service manager's channel to the daemon, the output wrapper that procd
/// preloads into us, and our own variables, should we be a check ourselves.
fn is_ours_alone(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"NOTIFY_SOCKET" => true,
        b"LD_PRELOAD" => value == b"/lib/libsetlbf.so",
        _ if name == SERVICE_VARIABLE.as_bytes() || name == PREFIX_VARIABLE.as_bytes() => true,
        _ => name.starts_with(b"WATCHDOG_"),
    }
}

/// What to do about EMFILE.
const MORE_FILES: &str = " (raise the limit on open files, LimitNOFILE= of systemd)";

/// What to do about EAGAIN, which the kernel says for either.
const MORE_PROCESSES: &str = " (a limit on processes is reached: that of this user, LimitNPROC= of systemd, or that of \
     the control group, pids.max or TasksMax=)";

/// Words for a lack of descriptors.
pub fn no_pipe(error: &io::Error) -> StartFailure {
    let hint = match error.raw_os_error() {
        Some(process::EMFILE) => MORE_FILES,
        _ => "",
    };
    StartFailure {
        status: 126,
        cause: format!(
            "cannot make a pipe for its output: {}{hint}",
            sys::cause(error)
        ),
    }
}

/// Status and words for a command that could not be run. `exists`: the program itself is there.
pub fn not_started(program: &str, error: &io::Error, exists: bool) -> StartFailure {
    let missing = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    let hint = match error.kind() {
        io::ErrorKind::NotFound if program.is_empty() => " (the command is empty)",
        io::ErrorKind::NotFound if !program.contains('/') => " (looked for along PATH)",
        io::ErrorKind::NotFound if exists => {
            " (it is there, but the interpreter that it names is not)"
        }
        io::ErrorKind::PermissionDenied => " (is it executable, and by this user?)",
        io::ErrorKind::WouldBlock => MORE_PROCESSES,
        _ => match error.raw_os_error() {
            Some(process::ENOEXEC) => " (a script must begin with #! and its interpreter)",
            Some(process::EMFILE) => MORE_FILES,
            _ => "",
        },
    };
    StartFailure {
        status: if missing { 127 } else { 126 },
        cause: format!("cannot run {program:?}: {}{hint}", sys::cause(error)),
    }
}

#[cfg(test)]
mod tests;
