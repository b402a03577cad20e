//! Every file that the daemon writes while it runs, and those of others that it reads or looks for, by way of a process that
//! may hang.
//!
//! A disk may stop answering, and whoever touches it then is stuck in the kernel, where not even SIGKILL reaches. So the
//! daemon has a child of the same program do that: requests go there over a socket, replies come back as [`Done`], and
//! nothing here ever waits. Which process serves whom, and when a request has failed, is decided in `pool`. What is to be
//! written is kept by whoever wants it written until its lane is free, so that the newest is what goes.

mod pool;
mod serve;
mod wire;

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::disk;
use super::job::{Command, Jobs};
use super::sys::{cause, clock, log_fd, poll};
use crate::config::CommandLine;
use crate::engine::vocab::JobId;
use crate::time::Mono;
use poll::{Interest, PollSet, Slot};
use pool::{Pool, ProcessId, Step};

pub use pool::{LOOKS, Lane, PLACES};
pub use serve::main;
pub use wire::{
    Look, Presence, Reply, Request, Target, decode_outcome, decode_presences, decode_report,
};

/// The hidden mode of the program that makes it a writer; the daemon's pid follows.
pub const OPTION: &str = "--write-files-for";

/// What is said of a request that has failed by its time, and of all others while its process is stuck.
pub const NO_ANSWER: &str = "the disk did not answer within 5 s";

/// The jobs of writer processes; the engine counts its own from 1.
const FIRST_JOB: u64 = u64::MAX / 2;

/// What of a reply is read at a time: all of it, as a rule.
const CHUNK: usize = 4 * 1024;
/// What a buffer may take while nothing is under way.
const KEPT: usize = 64 * 1024;

/// Whether a [`Request::Stream`] can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// A new one may begin.
    Free,
    /// It takes more of its content.
    Room,
    /// It has more than is sent, or is at its end and not answered.
    Full,
    /// The disk does not answer.
    Hung,
}

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
    words: CommandLine,
}

struct Process {
    id: ProcessId,
    socket: UnixStream,
    /// What is to be sent; `sent` bytes of it are. All of it is kept until the process has answered once.
    out: Vec<u8>,
    sent: usize,
    /// It has answered a request, so it was started.
    proven: bool,
    /// The whole content of its request is there.
    ended: bool,
    /// What has come of a reply.
    input: Vec<u8>,
    slot: Slot,
}

impl Writer {
    /// Starts nothing yet. To be made before stderr is led elsewhere.
    pub fn new() -> Writer {
        // By its name where it has that, since an emulator or valgrind stands behind the link.
        let program = env::current_exe().ok().filter(|path| path.exists());
        let program = program.and_then(|path| path.into_os_string().into_string().ok());
        Writer {
            words: CommandLine::of([
                program.as_deref().unwrap_or("/proc/self/exe"),
                OPTION,
                &std::process::id().to_string(),
            ]),
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
    pub fn submit(&mut self, now: Mono, lane: Lane, request: &Request, jobs: &mut Jobs) {
        self.pool.request(lane, now);
        self.waiting.push((lane, request.encode()));
        self.settle(now, jobs);
    }

    /// Whether the [`Request::Stream`] of a lane takes more, or a new one can begin.
    pub fn stream(&self, lane: Lane) -> Stream {
        let process = self
            .at(self.pool.process_of(lane))
            .map(|at| &self.processes[at]);
        match process {
            Some(process) if !process.ended && process.sent == process.out.len() => Stream::Room,
            _ if self.is_free(lane) => Stream::Free,
            _ if self.is_hung(lane) => Stream::Hung,
            _ => Stream::Full,
        }
    }

    /// Adds to the content of the [`Request::Stream`] of a lane, which has room.
    pub fn feed(&mut self, now: Mono, lane: Lane, piece: &[u8]) {
        self.put(now, lane, wire::PIECE, piece);
    }

    /// Ends the [`Request::Stream`] that is under way in a lane. The file is replaced if it is `whole`.
    pub fn end_stream(&mut self, now: Mono, lane: Lane, whole: bool) {
        let kind = match whole {
            true => wire::COMMIT,
            false => wire::ABORT,
        };
        self.put(now, lane, kind, b"");
    }

    fn put(&mut self, now: Mono, lane: Lane, kind: u8, piece: &[u8]) {
        let frame = wire::frame(kind, piece);
        let ends = kind != wire::PIECE;
        if let Some((_, request)) = self.waiting.iter_mut().find(|(other, _)| *other == lane) {
            request.extend_from_slice(&frame);
        } else if let Some(at) = self.at(self.pool.process_of(lane)) {
            self.processes[at].out.extend_from_slice(&frame);
            self.processes[at].ended = ends;
            self.send(at, now);
        }
    }

    /// Whether this is the name that one of its processes gives to a file before it takes the place of another.
    pub fn makes(&self, name: &OsStr, jobs: &Jobs) -> bool {
        let maker = disk::maker_of(name);
        let mut processes = self.processes.iter();
        maker.is_some_and(|maker| {
            maker == std::process::id()
                || processes.any(|process| {
                    jobs.pid_of(job_of(process.id))
                        .is_some_and(|pid| pid.number() == maker)
                })
        })
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
    pub fn ready(&mut self, set: &PollSet, now: Mono, jobs: &mut Jobs) {
        for at in (0..self.processes.len()).rev() {
            if set.ready(std::mem::replace(&mut self.processes[at].slot, Slot::NONE)) {
                self.send(at, now);
                self.receive(at);
            }
        }
        self.settle(now, jobs);
    }

    pub fn next_deadline(&self) -> Option<Mono> {
        match self.has_done() {
            true => Some(Mono::default()),
            false => self.pool.next_deadline(),
        }
    }

    /// Does what has become due.
    pub fn tick(&mut self, now: Mono, jobs: &mut Jobs) {
        self.settle(now, jobs);
    }

    /// A job is over, or could not be started; false if it was none of these processes.
    pub fn ended(&mut self, job: JobId, now: Mono, jobs: &mut Jobs) -> bool {
        if !(FIRST_JOB..FIRST_JOB + u64::from(u32::MAX)).contains(&job.0) {
            return false;
        }
        if let Some(at) = self
            .processes
            .iter()
            .position(|other| job_of(other.id) == job)
        {
            if self.receive(at) {
                self.forget(at);
            }
            self.settle(now, jobs);
        }
        true
    }

    /// Waits for its processes, and for nothing else: for the begin and the end of the daemon, which have no loop.
    pub fn wait(&mut self, until: Mono, jobs: &mut Jobs) {
        let mut set = PollSet::default();
        self.fill(&mut set);
        let until = self.next_deadline().map_or(until, |at| at.min(until));
        // A wait that fails is one that found nothing.
        if set.wait(Some(until.since(clock::now().mono))).is_err() {
            set.assume_all_ready();
        }
        self.ready(&set, clock::now().mono, jobs);
    }

    /// Lets the processes end, which those do at once that do not hang, and waits for that.
    pub fn close(&mut self, until: Mono, jobs: &mut Jobs) {
        for process in &self.processes {
            let _ = process.socket.shutdown(Shutdown::Write);
        }
        while !self.processes.is_empty() && clock::now().mono < until {
            self.wait(until, jobs);
        }
    }

    fn settle(&mut self, now: Mono, jobs: &mut Jobs) {
        while let Some(step) = self.pool.next_step(now) {
            match step {
                Step::Start(id) => match self.start(id, jobs) {
                    Ok(socket) => self.processes.push(Process {
                        id,
                        socket,
                        out: Vec::new(),
                        sent: 0,
                        proven: false,
                        ended: false,
                        input: Vec::new(),
                        slot: Slot::NONE,
                    }),
                    Err(cause) => {
                        for lane in self.pool.not_started(id, now) {
                            let waiting = self.waiting.iter();
                            let place = waiting.map(|(other, _)| *other).position(|l| l == lane);
                            if let Some(place) = place {
                                let (_, request) = self.waiting.swap_remove(place);
                                self.do_without(lane, &request, &cause);
                            }
                        }
                    }
                },
                Step::Send(lane, id) => {
                    let place = self.waiting.iter().position(|(other, _)| *other == lane);
                    if let (Some(place), Some(at)) = (place, self.at(Some(id))) {
                        self.processes[at].out = self.waiting.swap_remove(place).1;
                        (self.processes[at].sent, self.processes[at].ended) = (0, false);
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
                    // One that cannot be killed yet is dead as soon as the kernel lets it go.
                    let _ = jobs.kill(job_of(id));
                    self.fail(lane, ErrorKind::TimedOut, NO_ANSWER.to_string());
                }
            }
        }
    }

    /// There is no process to do it. A withdrawal is worth the risk that its disk hangs as well.
    fn do_without(&mut self, lane: Lane, request: &[u8], cause: &str) {
        let request = match lane {
            Lane::Prefixes(_) | Lane::Pidfile => request.split_first_chunk::<{ wire::HEAD }>(),
            _ => None,
        };
        match request.and_then(|([kind, ..], content)| Request::decode(*kind, content)) {
            Some(request) => {
                let reply = serve::Files::default().perform(&request);
                self.done.push(Done { lane, reply });
            }
            None => {
                let words = format!("cannot start the writer process: {cause}");
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
        if process.sent == process.out.len() && process.proven {
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
        process.proven = true;
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
        let Some(lane) = self.pool.gone(process.id) else {
            return;
        };
        match process.proven {
            true => {
                let words = "the writer process has been killed".to_string();
                self.fail(lane, ErrorKind::Other, words);
            }
            // Most likely it could not even be started.
            false => self.do_without(lane, &process.out, "it has ended at once"),
        }
    }

    /// The one place where a writer process is started.
    fn start(&self, id: ProcessId, jobs: &mut Jobs) -> Result<UnixStream, String> {
        let io = |error: io::Error| cause(&error);
        let (near, far) = UnixStream::pair().map_err(io)?;
        near.set_nonblocking(true).map_err(io)?;
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map_err(io)?;
        let [stdout, stderr] = self.inherited.each_ref();
        let [stdout, stderr] =
            [stdout, stderr].map(|fd| fd.as_ref().map_or(null.as_fd(), OwnedFd::as_fd));
        let command = Command {
            words: &self.words,
            argument: None,
            service: None,
            stdio: Some([far.as_fd(), stdout, stderr]),
        };
        let started = jobs.start(job_of(id), &command);
        started.map_err(|failure| failure.cause)?;
        Ok(near)
    }
}

fn job_of(id: ProcessId) -> JobId {
    JobId(FIRST_JOB + u64::from(id.0))
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
