//! Running children: checks, custom commands and reconfiguration commands alike.
//!
//! [`Jobs`] owns each child from its start until it is reaped, with the reading ends of its two pipes, which
//! keep the first [`CAPTURE_MAX`](pipe::CAPTURE_MAX) bytes. A job is over when the leader of its process
//! group ends; what still holds its pipes then, delays nothing and is killed. Killing is always SIGKILL to
//! the whole group. Nothing here knows about time: who kills and when is the engine's.

mod pipe;

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::sys::poll::PollSet;
use super::sys::process::{self, Pid, Spawner, Words};
use super::{probe, sys};
use crate::config::{CommandLine, ServiceConfig};
use crate::engine::vocab::{Ended, JobId, Output, StartFailure};
use crate::sorted::Map;

pub use pipe::{CHUNK, Pipe};

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    pub words: &'a CommandLine,
    /// One more word at the end: `up` or `down`.
    pub argument: Option<&'a str>,
    /// Whose name and prefixes the environment tells.
    pub service: Option<&'a ServiceConfig>,
}

/// A job that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    pub job: JobId,
    pub ended: Ended,
    pub output: Output,
}

pub struct Jobs {
    spawner: Spawner,
    running: Map<Pid, Running>,
    buffer: Box<[u8]>,
    /// Where a program without a slash in its name is looked for.
    path: OsString,
    programs: Words,
    argv: Words,
    variables: Words,
    text: String,
}

struct Running {
    job: JobId,
    /// What it leaves in its group with a hold on its pipes goes with it. Custom commands may leave something behind.
    sweep: bool,
    stdout: Pipe,
    stderr: Pipe,
    /// Their other ends, see [`HELD_MAX`].
    writers: Option<[OwnedFd; 2]>,
}

/// So many jobs have the writing ends of their pipes held by us as well, until they are reaped. The end of such a job
/// wakes the daemon once, by its signal, and not three times: its pipes would hang up one after the other before that.
/// What it takes in descriptors is bounded for the sake of hosts with many checks and few of those.
const HELD_MAX: usize = 16;

impl Jobs {
    /// Takes the environment as it is now.
    pub fn new() -> io::Result<Jobs> {
        let mut environment = Words::default();
        for (name, value) in env::vars_os() {
            if !is_ours_alone(name.as_bytes(), value.as_bytes()) {
                environment.push(&[name.as_bytes(), b"=", value.as_bytes()])?;
            }
        }
        Ok(Jobs {
            spawner: Spawner::new(environment)?,
            running: Map::new(),
            buffer: vec![0; CHUNK].into_boxed_slice(),
            path: probe::search_path(),
            programs: Words::default(),
            argv: Words::default(),
            variables: Words::default(),
            text: String::new(),
        })
    }

    /// Starts a command. After an error nothing is left behind.
    pub fn start(&mut self, job: JobId, command: &Command) -> Result<(), StartFailure> {
        self.prepare(command)
            .map_err(|error| not_started(command.words, &error))?;
        let (stdout, stdout_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
        let (stderr, stderr_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
        let pid = self
            .spawner
            .spawn(
                &self.programs,
                &self.argv,
                &self.variables,
                stdout_of_child.as_fd(),
                stderr_of_child.as_fd(),
            )
            .map_err(|error| not_started(command.words, &error))?;
        let running = Running {
            job,
            sweep: command.argument.is_none(),
            stdout: Pipe::new(stdout),
            stderr: Pipe::new(stderr),
            writers: (self.running.len() < HELD_MAX).then_some([stdout_of_child, stderr_of_child]),
        };
        let previous = self.running.insert(pid, running);
        debug_assert!(previous.is_none(), "a pid is ours until it is reaped");
        Ok(())
    }

    fn prepare(&mut self, command: &Command) -> io::Result<()> {
        self.look_up(command.words.program())?;
        self.argv.clear();
        for word in command.words.words() {
            self.argv.push(&[word.as_bytes()])?;
        }
        if let Some(word) = command.argument {
            self.argv.push(&[word.as_bytes()])?;
        }
        self.variables.clear();
        let Some(service) = command.service else {
            return Ok(());
        };
        self.variables
            .push(&[SERVICE_VARIABLE.as_bytes(), b"=", service.name.as_bytes()])?;
        self.text.clear();
        push_prefixes(&mut self.text, service);
        self.variables
            .push(&[PREFIX_VARIABLE.as_bytes(), b"=", self.text.as_bytes()])
    }

    /// Where the program may be, in the order of execvp.
    fn look_up(&mut self, program: &str) -> io::Result<()> {
        self.programs.clear();
        if program.is_empty() {
            return Ok(());
        }
        if program.contains('/') {
            return self.programs.push(&[program.as_bytes()]);
        }
        for directory in self.path.as_bytes().split(|byte| *byte == b':') {
            let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
            self.programs
                .push(&[directory, slash, program.as_bytes()])?;
        }
        Ok(())
    }

    /// Kills the whole process group of a job, which still ends in [`Jobs::reap`]. The error is that of its
    /// leader: its pid, and why it lives on (a set-uid program such as sudo).
    pub fn kill(&mut self, job: JobId) -> Result<(), (u32, String)> {
        let Some(pid) = self.pid_of(job) else {
            return Ok(());
        };
        kill(pid).map_err(|error| (pid.number(), sys::cause(&error)))
    }

    /// Kills a job of whose end nobody wants to hear.
    pub fn abandon(&mut self, job: JobId) {
        let _ = self.kill(job);
        // Reaped like a stranger. Until then its number is not given to another child.
        self.running.retain(|_, running| running.job != job);
    }

    fn pid_of(&self, job: JobId) -> Option<Pid> {
        let mut all = self.running.iter();
        all.find(|(_, running)| running.job == job)
            .map(|(&pid, _)| pid)
    }

    /// Adds every open pipe to the set of this turn.
    pub fn poll(&mut self, set: &mut PollSet) {
        for running in self.running.values_mut() {
            running.stdout.poll(set);
            running.stderr.poll(set);
        }
    }

    /// Reads those pipes that are ready, each a bounded amount.
    pub fn read(&mut self, set: &PollSet) {
        for running in self.running.values_mut() {
            for pipe in [&mut running.stdout, &mut running.stderr] {
                pipe.read_if_ready(set, &mut self.buffer);
            }
        }
    }

    /// After SIGCHLD: adds every job whose leader has ended to `finished`, with all it had written by then.
    /// Children that are no jobs (writer processes, and orphans, if we are process 1) are reaped and added to `others`.
    pub fn reap(&mut self, finished: &mut Vec<Finished>, others: &mut Vec<Pid>) {
        while let Some((pid, status)) = process::reap_any() {
            let Some(mut running) = self.running.remove(&pid) else {
                others.push(pid);
                continue;
            };
            drop(running.writers);
            running.stdout.read_to_end(&mut self.buffer);
            running.stderr.read_to_end(&mut self.buffer);
            let held = running.stdout.is_open() || running.stderr.is_open();
            if running.sweep && held {
                // Of the group, which keeps its number while it has a member. One that has left it is on its own.
                let _ = process::kill_group(pid);
            }
            finished.push(Finished {
                job: running.job,
                ended: ended(status),
                output: Output {
                    stdout: running.stdout.captured(),
                    stderr: running.stderr.captured(),
                },
            });
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        for &pid in self.running.keys() {
            // One that can't be killed outlives us, and there is nobody left to be told.
            let _ = kill(pid);
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
    // Neither stopped nor continued children are asked for, so it has exited or was killed.
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

/// Status and words for a command that exec refused.
pub fn not_started(words: &CommandLine, error: &io::Error) -> StartFailure {
    let program = words.program();
    let missing = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    let hint = match error.kind() {
        io::ErrorKind::NotFound if program.is_empty() => " (the command is empty)",
        io::ErrorKind::NotFound if !program.contains('/') => " (looked for along PATH)",
        io::ErrorKind::NotFound if Path::new(program).exists() => {
            " (it is there, but the interpreter that it names is not)"
        }
        io::ErrorKind::PermissionDenied => " (is it executable, and by this user?)",
        io::ErrorKind::WouldBlock => " (the limit on processes of this user is reached)",
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
