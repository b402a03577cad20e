//! Every file that the daemon writes while it runs, and the prefix files that it reads, by way of a process that may hang.
//!
//! A disk may stop answering, and whoever touches it then is stuck in the kernel, where not even SIGKILL reaches. So the
//! daemon has a child of the same program do that: requests go there over a socket, replies come back as [`Done`], and
//! nothing here ever waits. Which process serves whom, and when a request has failed, is decided in `pool`. What is to be
//! written is kept by whoever wants it written until its lane is free, so that the newest is what goes.

mod pool;
mod serve;
mod wire;

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::job;
use super::sys::process::{self, Pid};
use super::sys::{cause, clock, log_fd, poll};
use crate::time::Mono;
use poll::{Interest, PollSet, Slot};
use pool::{Pool, ProcessId, Step};

pub use pool::{Lane, PATIENCE};
pub use serve::main;
pub use wire::{Reply, Request, Target, decode_report};

/// The hidden mode of the program that makes it a writer; the daemon's pid follows.
pub const OPTION: &str = "--write-files-for";

/// What is said of a request that has failed by its time, and of all others while its process is stuck.
pub const NO_ANSWER: &str = "the disk did not answer within 5 s";

/// What of a reply is read at a time: all of it, as a rule.
const CHUNK: usize = 4 * 1024;
/// What a buffer may take while nothing is under way.
const KEPT: usize = 64 * 1024;

/// What became of a request.
#[derive(Debug)]
pub struct Done {
    pub lane: Lane,
    pub reply: Reply,
}

pub struct Writer {
    pool: Pool,
    processes: Vec<Process>,
    /// The requests that wait for a process.
    waiting: Vec<(Lane, Vec<u8>)>,
    done: Vec<Done>,
    /// stdout and stderr, where they are files.
    inherited: [Option<OwnedFd>; 2],
}

struct Process {
    id: ProcessId,
    pid: Pid,
    socket: UnixStream,
    /// What is to be sent; `sent` bytes of it are.
    out: Vec<u8>,
    sent: usize,
    /// What has come of a reply.
    input: Vec<u8>,
    slot: Slot,
}

impl Writer {
    /// Starts nothing yet. To be made before stderr is led elsewhere.
    pub fn new() -> Writer {
        Writer {
            pool: Pool::new(),
            processes: Vec::new(),
            waiting: Vec::new(),
            done: Vec::new(),
            inherited: [
                log_fd::file_behind(io::stdout()),
                log_fd::file_behind(io::stderr()),
            ],
        }
    }

    /// Whether a request of this lane would be taken.
    pub fn is_free(&self, lane: Lane) -> bool {
        self.pool.is_free(lane)
    }

    /// Whether the disk does not answer: [`NO_ANSWER`].
    pub fn is_hung(&self, lane: Lane) -> bool {
        self.pool.is_hung(lane)
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        self.pool.is_idle() && self.done.is_empty()
    }

    /// Sends a request, at once if a process is idle. The lane must be free.
    pub fn submit(&mut self, now: Mono, lane: Lane, request: &Request) {
        self.pool.request(lane, now);
        self.waiting.push((lane, request.encode()));
        self.settle(now);
    }

    /// Adds to the content of the [`Request::Stream`] that is under way in a lane; `None`: it is complete.
    pub fn feed(&mut self, now: Mono, lane: Lane, piece: Option<&[u8]>) {
        let (kind, piece) = match piece {
            Some(piece) => (wire::PIECE, piece),
            None => (wire::COMMIT, &b""[..]),
        };
        let frame = wire::frame(kind, piece);
        if let Some((_, request)) = self.waiting.iter_mut().find(|(other, _)| *other == lane) {
            request.extend_from_slice(&frame);
        } else if let Some(at) = self.at(self.pool.process_of(lane)) {
            self.processes[at].out.extend_from_slice(&frame);
            self.send(at, now);
        }
    }

    /// What has been answered or has failed since the last call.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    pub fn has_done(&self) -> bool {
        !self.done.is_empty()
    }

    pub fn fill(&mut self, set: &mut PollSet) {
        for process in &mut self.processes {
            let interest = match process.sent < process.out.len() {
                true => Interest::Write,
                false => Interest::Read,
            };
            process.slot = set.add(process.socket.as_fd(), interest);
        }
    }

    /// Goes on with every process whose socket is ready.
    pub fn ready(&mut self, set: &PollSet, now: Mono) {
        for at in (0..self.processes.len()).rev() {
            if set.ready(std::mem::replace(&mut self.processes[at].slot, Slot::NONE)) {
                self.send(at, now);
                self.receive(at);
            }
        }
        self.settle(now);
    }

    pub fn next_deadline(&self) -> Option<Mono> {
        match self.has_done() {
            true => Some(Mono::default()),
            false => self.pool.next_deadline(),
        }
    }

    /// Does what has become due.
    pub fn tick(&mut self, now: Mono) {
        self.settle(now);
    }

    /// This child has been reaped: its number may be another's from now on.
    pub fn reaped(&mut self, pid: Pid, now: Mono) {
        if let Some(at) = self.processes.iter().position(|other| other.pid == pid) {
            if self.receive(at) {
                self.forget(at);
            }
            self.settle(now);
        }
    }

    /// Waits for its processes, and for nothing else: for the begin and the end of the daemon, which have no loop.
    pub fn wait(&mut self, until: Mono) {
        let mut set = PollSet::default();
        self.fill(&mut set);
        let until = self.next_deadline().map_or(until, |at| at.min(until));
        // A wait that fails is one that found nothing.
        if set.wait(Some(until.since(clock::now().mono))).is_err() {
            set.assume_all_ready();
        }
        self.ready(&set, clock::now().mono);
    }

    /// Lets the processes end, which those do at once that do not hang, and waits for that.
    pub fn close(&mut self, until: Mono) {
        for process in &self.processes {
            let _ = process.socket.shutdown(Shutdown::Write);
        }
        while !self.processes.is_empty() && clock::now().mono < until {
            self.wait(until);
        }
    }

    fn settle(&mut self, now: Mono) {
        while let Some(step) = self.pool.next_step(now) {
            match step {
                Step::Start(id) => match self.start() {
                    Ok((pid, socket)) => self.processes.push(Process {
                        id,
                        pid,
                        socket,
                        out: Vec::new(),
                        sent: 0,
                        input: Vec::new(),
                        slot: Slot::NONE,
                    }),
                    Err(error) => {
                        for lane in self.pool.not_started(id, now) {
                            self.do_without(lane, &error);
                        }
                    }
                },
                Step::Send(lane, id) => {
                    let place = self.waiting.iter().position(|(other, _)| *other == lane);
                    if let (Some(place), Some(at)) = (place, self.at(Some(id))) {
                        self.processes[at].out = self.waiting.swap_remove(place).1;
                        self.processes[at].sent = 0;
                        self.send(at, now);
                    }
                }
                Step::End(id) => {
                    if let Some(at) = self.at(Some(id)) {
                        // It ends when it sees the end of its socket.
                        self.processes.swap_remove(at);
                    }
                }
                Step::Kill(lane, id) => {
                    if let Some(at) = self.at(Some(id)) {
                        // One that cannot be killed yet is dead as soon as the kernel lets it go.
                        let _ = process::kill_one(self.processes[at].pid);
                    }
                    self.fail(lane, ErrorKind::TimedOut, NO_ANSWER.to_string());
                }
            }
        }
    }

    /// There is no process to do it. A withdrawal is worth the risk that its disk hangs as well.
    fn do_without(&mut self, lane: Lane, error: &io::Error) {
        let Some(place) = self.waiting.iter().position(|(other, _)| *other == lane) else {
            return;
        };
        let (_, frame) = self.waiting.swap_remove(place);
        let request = match lane {
            Lane::Prefixes(_) | Lane::Pidfile => frame.split_first_chunk::<{ wire::HEAD }>(),
            _ => None,
        };
        match request.and_then(|([kind, ..], content)| Request::decode(*kind, content)) {
            Some(request) => {
                let reply = serve::Files::default().perform(&request);
                self.done.push(Done { lane, reply });
            }
            None => {
                let words = format!("cannot start the writer process: {}", cause(error));
                self.fail(lane, ErrorKind::Other, words);
            }
        }
    }

    fn at(&self, id: Option<ProcessId>) -> Option<usize> {
        self.processes
            .iter()
            .position(|process| Some(process.id) == id)
    }

    fn fail(&mut self, lane: Lane, kind: ErrorKind, words: String) {
        let reply = Err((kind, words));
        self.done.push(Done { lane, reply });
    }

    fn send(&mut self, at: usize, now: Mono) {
        let process = &mut self.processes[at];
        let before = process.sent;
        while process.sent < process.out.len() {
            match (&process.socket).write(&process.out[process.sent..]) {
                Ok(count) => process.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Either there is no room, or it is gone, which reading tells.
                Err(_) => break,
            }
        }
        if process.sent > before {
            self.pool.progress(process.id, now);
        }
        if process.sent == process.out.len() {
            process.out.clear();
            process.out.shrink_to(KEPT);
            process.sent = 0;
        }
    }

    /// Takes what a process has said; false if it is gone, and is not in the list any more.
    fn receive(&mut self, at: usize) -> bool {
        let process = &mut self.processes[at];
        let gone = loop {
            let length = process.input.len();
            process.input.resize(length + CHUNK, 0);
            let result = (&process.socket).read(&mut process.input[length..]);
            let count = *result.as_ref().unwrap_or(&0);
            process.input.truncate(length + count);
            match result {
                Ok(0) => break true,
                Ok(count) if count < CHUNK => break false,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != ErrorKind::WouldBlock,
            }
        };
        self.take_reply(at);
        if gone {
            self.forget(at);
        }
        !gone
    }

    /// It answers one request at a time, so there is one reply at most.
    fn take_reply(&mut self, at: usize) {
        let process = &mut self.processes[at];
        let Some((begin, content)) = process.input.split_first_chunk() else {
            return;
        };
        let Ok((kind, length)) = wire::head(*begin) else {
            return;
        };
        if content.len() < length {
            return;
        }
        let content = content[..length].to_vec();
        process.input.clear();
        process.input.shrink_to(KEPT);
        if let (Some(reply), Some(lane)) = (
            wire::decode_reply(kind, content),
            self.pool.answered(process.id),
        ) {
            self.done.push(Done { lane, reply });
        }
    }

    /// It is gone, and can do nothing more.
    fn forget(&mut self, at: usize) {
        let process = self.processes.swap_remove(at);
        if let Some(lane) = self.pool.gone(process.id) {
            let words = "the writer process has been killed".to_string();
            self.fail(lane, ErrorKind::Other, words);
        }
    }

    /// The one place where a writer process is started.
    fn start(&self) -> io::Result<(Pid, UnixStream)> {
        let (near, far) = UnixStream::pair()?;
        near.set_nonblocking(true)?;
        let [stdout, stderr] = &self.inherited;
        let stdio = |fd: &Option<OwnedFd>| match fd.as_ref().map(OwnedFd::try_clone) {
            Some(copy) => copy.map(Stdio::from),
            None => Ok(Stdio::null()),
        };
        // By its name where it still has that, since an emulator or valgrind stands behind the link.
        let program = env::current_exe().ok().filter(|path| path.exists());
        let mut command = Command::new(program.unwrap_or_else(|| "/proc/self/exe".into()));
        command
            .arg0(env!("CARGO_PKG_NAME"))
            .arg(OPTION)
            .arg(Pid::own().number().to_string())
            .stdin(OwnedFd::from(far))
            .stdout(stdio(stdout)?)
            .stderr(stdio(stderr)?);
        for name in job::kept_to_ourselves() {
            command.env_remove(name);
        }
        let child = command.spawn()?;
        let pid = Pid::new(i64::from(child.id())).ok_or(ErrorKind::Other)?;
        Ok((pid, near))
    }
}

#[cfg(test)]
pub use wire::encode_report;

/// What a writer process would do, done here.
#[cfg(test)]
pub fn perform_here(request: &Request) -> Reply {
    serve::Files::default().perform(request)
}

#[cfg(test)]
mod tests;
