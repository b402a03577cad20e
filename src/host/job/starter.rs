//! The starter: a small process of the daemon's own that forks for it.
//!
//! An execve may hang for ever (a dead file server, a virus scanner that does not answer), and whoever starts a program as
//! vfork does is held as long. Here only the child hangs: the starter forks and goes on, and the daemon has sent a message.
//! What was rejected: fork in the daemon, whose cost grows with its memory (4 ms at 200 MB); clone(CLONE_VM) without
//! CLONE_VFORK, since the child would share errno with us, which no libc can do without, and neither valgrind nor an
//! emulator knows it; threads that vfork, since each exec that hangs holds one of them.
//!
//! The starter is forked from the daemon before that grows, so it needs no program file; it has the daemon's first
//! limits, and the OOM score of an ordinary process, for itself and for all that it starts. It makes the daemon's children,
//! not its own. It ends when the daemon does. If it is killed, the next start makes another one.
//!
//! Requests go through a socket, each one message with the descriptors of the child. Records of what became of them come
//! back through a pipe that is read when a child has ended or is to be killed, so that a start wakes nobody; only that there
//! is no child comes back through the socket, which is waited for.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::host::sys::limits;
use crate::host::sys::passing;
use crate::host::sys::poll::{Interest, PollSet, Slot};
use crate::host::sys::process::{
    self, EAGAIN, EMFILE, Image, Pid, RECORD, Record, Said, Spawner, Words,
};

/// Bytes of one request: less than what a socket takes in any case. exec itself allows 128 KiB for one word.
const MAX_REQUEST: usize = 160 * 1024;
/// Records read at once.
const RECORDS: usize = 64;
/// The kernel's name of the process.
const NAME: &CStr = c"anycast-starter";

/// The run, and so many programs, arguments and variables.
const HEADER: usize = 8 + 3 * 4;

/// What to start: where the program may be, its arguments, more variables.
#[derive(Default)]
pub struct Request {
    pub programs: Words,
    pub argv: Words,
    pub variables: Words,
}

/// The daemon's end.
pub struct Starter {
    pid: Pid,
    socket: OwnedFd,
    records: File,
    /// Requests that found no room in the socket.
    waiting: VecDeque<Waiting>,
    slots: [Slot; 3],
}

struct Waiting {
    run: u64,
    text: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Starter {
    /// Forks it. `files`: the soft limit on open files of what it starts.
    pub fn launch(environment: &Words, files: u64) -> io::Result<Starter> {
        let (socket, far_socket) = passing::pair()?;
        let (records, far_records) = process::output_pipe()?;
        let null = File::open("/dev/null")?;
        let kept = [far_socket.as_fd(), far_records.as_fd(), null.as_fd()];
        let pid = process::fork_helper(NAME, kept, |[socket, records, null]| {
            be_ordinary(files);
            serve(environment, socket, records, null);
        })?;
        Ok(Starter {
            pid,
            socket,
            records,
            waiting: VecDeque::new(),
            slots: [Slot::NONE; 3],
        })
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Asks for a start. `fds`: stdout and stderr of the child, or all three.
    pub fn ask(&mut self, run: u64, request: &Request, fds: &[BorrowedFd]) -> io::Result<()> {
        let header = header(run, request);
        let parts = [
            &header[..],
            request.programs.bytes(),
            request.argv.bytes(),
            request.variables.bytes(),
        ];
        if parts.iter().map(|part| part.len()).sum::<usize>() > MAX_REQUEST {
            return Err(io::ErrorKind::ArgumentListTooLong.into());
        }
        if self.waiting.is_empty() && self.send(&parts, fds)? {
            return Ok(());
        }
        let copies = fds.iter().map(|fd| fd.try_clone_to_owned());
        self.waiting.push_back(Waiting {
            run,
            text: parts.concat(),
            fds: copies.collect::<io::Result<_>>()?,
        });
        Ok(())
    }

    /// Takes back a request that is not on its way yet.
    pub fn take_back(&mut self, run: u64) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.run != run);
        self.waiting.len() < before
    }

    /// Whether it went; if not, there is no room, or nobody to read it, which the end of that process tells.
    fn send(&self, parts: &[&[u8]], fds: &[BorrowedFd]) -> io::Result<bool> {
        match passing::send(self.socket.as_fd(), parts, fds) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Adds what is to be waited for. `records`: somebody waits for those as well.
    pub fn poll(&mut self, set: &mut PollSet, records: bool) {
        self.slots = [
            set.add(&self.socket, Interest::Read),
            match self.waiting.is_empty() {
                true => Slot::NONE,
                false => set.add(&self.socket, Interest::Write),
            },
            match records {
                true => set.add(&self.records, Interest::Read),
                false => Slot::NONE,
            },
        ];
    }

    /// Goes on, if the set says that something can be done: sends what has waited, and adds what has been said to `said`.
    pub fn ready(&mut self, set: &PollSet, said: &mut Vec<Record>) {
        if !self.slots.iter().any(|slot| set.ready(*slot)) {
            return;
        }
        self.read(said);
        let mut message = [0; RECORD];
        while let Ok((RECORD, _)) = passing::receive(self.socket.as_fd(), &mut message) {
            said.extend(Record::from_bytes(message));
        }
        while let Some(next) = self.waiting.pop_front() {
            let fds: Vec<BorrowedFd> = next.fds.iter().map(AsFd::as_fd).collect();
            match self.send(&[&next.text], &fds) {
                Ok(true) => {}
                Ok(false) => {
                    self.waiting.push_front(next);
                    break;
                }
                Err(error) => {
                    let errno = error.raw_os_error().unwrap_or(EAGAIN);
                    said.push(Record {
                        run: next.run,
                        what: Said::ForkFailed { errno },
                    });
                }
            }
        }
    }

    /// Adds what has been said of children to `said`.
    pub fn read(&mut self, said: &mut Vec<Record>) {
        let mut buffer = [0; RECORD * RECORDS];
        while let Ok(length) = self.records.read(&mut buffer) {
            for bytes in buffer[..length].chunks_exact(RECORD) {
                said.extend(bytes.try_into().ok().and_then(Record::from_bytes));
            }
            if length < buffer.len() {
                break;
            }
        }
    }
}

fn header(run: u64, request: &Request) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&run.to_ne_bytes());
    let counts = [&request.programs, &request.argv, &request.variables].map(Words::count);
    for (place, count) in header[8..].chunks_exact_mut(4).zip(counts) {
        place.copy_from_slice(&count.to_ne_bytes());
    }
    header
}

/// The run and the counts of a request.
fn parse(header: &[u8; HEADER]) -> (u64, [usize; 3]) {
    let mut run = [0; 8];
    run.copy_from_slice(&header[..8]);
    let mut counts = [0; 3];
    for (count, bytes) in counts.iter_mut().zip(header[8..].chunks_exact(4)) {
        *count = u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    }
    (u64::from_ne_bytes(run), counts)
}

/// The life of the starter, until the daemon's end of the socket is closed.
fn serve(environment: &Words, socket: BorrowedFd, records: BorrowedFd, null: BorrowedFd) {
    let mut spawner = Spawner::new(environment, records);
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        let (length, fds) = match passing::receive(socket, &mut buffer) {
            Ok((0, _)) => return,
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Some((header, words)) = buffer[..length].split_first_chunk() else {
            return;
        };
        let (run, counts) = parse(header);
        let stdio = match &fds[..] {
            [stdout, stderr] => Ok([null, stdout.as_fd(), stderr.as_fd()]),
            [stdin, stdout, stderr] => Ok([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]),
            // The kernel left some out.
            _ => Err(io::Error::from_raw_os_error(EMFILE)),
        };
        let started = stdio.and_then(|stdio| {
            spawner.spawn(&Image {
                run,
                words,
                counts,
                stdio,
            })
        });
        if let Err(error) = started {
            let errno = error.raw_os_error().unwrap_or(EAGAIN);
            let what = Said::ForkFailed { errno };
            let told = passing::send(socket, &[&Record { run, what }.to_bytes()], &[]);
            // The daemon would wait for the run for ever. Without a starter it waits for none.
            if told.is_err() {
                return;
            }
        }
    }
}

/// What a service manager has given to the daemon is not for what it starts.
fn be_ordinary(files: u64) {
    // It was allowed before, so it is now.
    let _ = limits::limit_descriptors(files);
    const SCORE: &str = "/proc/self/oom_score_adj";
    let score = fs::read_to_string(SCORE).unwrap_or_default();
    if score.starts_with('-') {
        // Raising it is always allowed. Without /proc it stays.
        let _ = fs::write(SCORE, "0");
    }
}
