//! Running children: checks, custom commands and reconfiguration commands alike.
//!
//! [`Jobs`] owns each child from its start until it is reaped, with the reading ends of its two pipes. The
//! first [`CAPTURE_MAX`] bytes of each stream are kept, the rest is read and counted, so a child never waits
//! for us. A job is over when the leader of its process group ends; what still holds its pipes then, delays
//! nothing and is cut off. Killing is always SIGKILL to the whole group. Nothing here knows about time: who
//! kills and when is the engine's.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use super::sys;
use super::sys::poll::{Interest, PollSet, Slot};
use super::sys::process::{self, Pid, Spawner, Words};
use crate::config::ServiceConfig;
use crate::engine::vocab::{Captured, Ended, JobId, Output, StartFailure};

/// Bytes kept of each stream: some 50 lines, enough for an error message with a trace, and bounded for each
/// running job.
pub const CAPTURE_MAX: usize = 4 * 1024;

/// Bytes taken by one read: a quarter of a pipe.
const CHUNK: usize = 16 * 1024;

/// Reads of one pipe in one turn: what a full pipe holds, so that a child that prints without end shares the
/// loop.
const READS_PER_TURN: usize = 4;

/// Reads of one pipe when its job is over: what the largest pipe of an unprivileged user (1 MiB) can hold.
const READS_AT_END: usize = 64;

/// What to start.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    pub words: &'a [String],
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
    running: BTreeMap<Pid, Running>,
    buffer: Box<[u8]>,
    argv: Words,
    variables: Words,
    text: String,
}

struct Running {
    job: JobId,
    stdout: Pipe,
    stderr: Pipe,
}

/// The reading end of one stream, closed when there is nothing more to come.
struct Pipe {
    file: Option<File>,
    slot: Slot,
    captured: Captured,
}

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
            running: BTreeMap::new(),
            buffer: vec![0; CHUNK].into_boxed_slice(),
            argv: Words::default(),
            variables: Words::default(),
            text: String::new(),
        })
    }

    /// Starts a command. After an error nothing is left behind.
    pub fn start(&mut self, job: JobId, command: &Command) -> Result<(), StartFailure> {
        self.prepare(command)
            .map_err(|error| not_started(command, &error))?;
        let (stdout, stdout_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
        let (stderr, stderr_of_child) = process::output_pipe().map_err(|e| no_pipe(&e))?;
        let pid = self
            .spawner
            .spawn(
                &self.argv,
                &self.variables,
                stdout_of_child.as_fd(),
                stderr_of_child.as_fd(),
            )
            .map_err(|error| not_started(command, &error))?;
        let running = Running {
            job,
            stdout: Pipe::new(stdout),
            stderr: Pipe::new(stderr),
        };
        let previous = self.running.insert(pid, running);
        debug_assert!(previous.is_none(), "a pid is ours until it is reaped");
        Ok(())
    }

    fn prepare(&mut self, command: &Command) -> io::Result<()> {
        self.argv.clear();
        for word in command.words {
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
            .push(&[b"ANYCAST_SERVICE=", service.name.as_bytes()])?;
        self.text.clear();
        for prefix in &service.prefixes {
            let comma = if self.text.is_empty() { "" } else { "," };
            // Writing to a string can't fail.
            let _ = write!(self.text, "{comma}{prefix}");
        }
        self.variables
            .push(&[b"ANYCAST_IP_PREFIX=", self.text.as_bytes()])
    }

    /// Kills the whole process group of a job, which still ends in [`Jobs::reap`]. The error is that of its
    /// leader: its pid, and why it lives on (a set-uid program such as sudo).
    pub fn kill(&mut self, job: JobId) -> Result<(), (u32, String)> {
        let Some(pid) = self.pid_of(job) else {
            return Ok(());
        };
        kill(pid).map_err(|error| (pid.number(), sys::cause(&error)))
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
                if set.ready(pipe.slot) {
                    pipe.slot = Slot::NONE;
                    pipe.read(&mut self.buffer, READS_PER_TURN);
                }
            }
        }
    }

    /// After SIGCHLD: adds every job whose leader has ended to `finished`, with all it had written by then.
    /// Children that are not ours (orphans, if we are process 1) are reaped and forgotten.
    pub fn reap(&mut self, finished: &mut Vec<Finished>) {
        while let Some((pid, status)) = process::reap_any() {
            let Some(mut running) = self.running.remove(&pid) else {
                continue;
            };
            running.stdout.read(&mut self.buffer, READS_AT_END);
            running.stderr.read(&mut self.buffer, READS_AT_END);
            finished.push(Finished {
                job: running.job,
                ended: ended(status),
                output: Output {
                    stdout: running.stdout.captured,
                    stderr: running.stderr.captured,
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
fn kill(leader: Pid) -> io::Result<()> {
    let group = process::kill_group(leader);
    process::kill_one(leader).or(group)
}

impl Pipe {
    fn new(file: File) -> Pipe {
        Pipe {
            file: Some(file),
            slot: Slot::NONE,
            captured: Captured::default(),
        }
    }

    fn poll(&mut self, set: &mut PollSet) {
        self.slot = match &self.file {
            Some(file) => set.add(file, Interest::Read),
            None => Slot::NONE,
        };
    }

    /// Takes what is there without waiting, in at most so many reads; closes the pipe at its end or after an
    /// error.
    fn read(&mut self, buffer: &mut [u8], reads: usize) {
        for _ in 0..reads {
            let Some(file) = &mut self.file else {
                return;
            };
            match file.read(buffer) {
                Ok(0) => self.file = None,
                Ok(length) => {
                    keep(&mut self.captured, &buffer[..length]);
                    if length < buffer.len() {
                        // Empty now, or nearly: poll tells about the rest, and about the end.
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.file = None,
            }
        }
    }
}

fn keep(captured: &mut Captured, bytes: &[u8]) {
    let room = CAPTURE_MAX.saturating_sub(captured.bytes.len());
    let (kept, rest) = bytes.split_at(room.min(bytes.len()));
    if !kept.is_empty() {
        captured.bytes.extend_from_slice(kept);
    }
    captured.dropped = captured.dropped.saturating_add(rest.len() as u64);
}

fn ended(status: ExitStatus) -> Ended {
    // Neither stopped nor continued children are asked for, so it has exited or was killed.
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code as u8),
        (None, signal) => Ended::Signal(signal.unwrap_or(0) as u8),
    }
}

/// What a child must not get: the service manager's channel to the daemon, the output wrapper that procd
/// preloads into us, and our own variables, should we be a check ourselves.
fn is_ours_alone(name: &[u8], value: &[u8]) -> bool {
    match name {
        b"NOTIFY_SOCKET" | b"ANYCAST_SERVICE" | b"ANYCAST_IP_PREFIX" => true,
        b"LD_PRELOAD" => value == b"/lib/libsetlbf.so",
        _ => name.starts_with(b"WATCHDOG_"),
    }
}

/// What to do about EMFILE, which comes from our pipes or from the one that musl's posix_spawn makes for itself.
const MORE_FILES: &str = " (raise the limit on open files, LimitNOFILE= of systemd)";

fn no_pipe(error: &io::Error) -> StartFailure {
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
fn not_started(command: &Command, error: &io::Error) -> StartFailure {
    let program = command.words.first().map_or("", String::as_str);
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
