//! Child processes: forked, signalled by group, reaped in whatever order they end.
//!
//! A child has a process group of its own, an empty signal mask, default dispositions, and no descriptor of ours but its
//! standard ones. A script without `#!` is an error; no shell is tried. [`Spawner`] belongs to the starter, the process
//! that forks for the daemon (`host::job::starter` says why there is one). It makes children of its own parent, so that
//! the daemon gets their SIGCHLD, reaps them, and may kill them without fear for the number of somebody else.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use super::{cvt, signal};

pub use libc::{EAGAIN, EMFILE, ENOEXEC};

/// A process that exists, or has existed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pid(libc::pid_t);

impl Pid {
    /// `None` for what is no single process: 0, negative or too large.
    pub fn new(number: i64) -> Option<Pid> {
        match libc::pid_t::try_from(number) {
            Ok(pid) if pid > 0 => Some(Pid(pid)),
            _ => None,
        }
    }

    pub fn own() -> Pid {
        // SAFETY: takes nothing and can't fail.
        Pid(unsafe { libc::getpid() })
    }

    pub fn number(self) -> u32 {
        self.0.unsigned_abs()
    }
}

/// Words as exec wants them: each ended by a NUL, one after the other. Kept and refilled, so that a start allocates
/// nothing.
#[derive(Default)]
pub struct Words {
    bytes: Vec<u8>,
    count: u32,
}

impl Words {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// Adds the word that `parts` make together.
    pub fn push(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        let start = self.bytes.len();
        for part in parts {
            if part.contains(&0) {
                self.bytes.truncate(start);
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a word of the command or its environment holds a NUL byte",
                ));
            }
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        self.count += 1;
        Ok(())
    }

    /// All words, each with its NUL.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn count(&self) -> u32 {
        self.count
    }
}

/// What to start.
pub struct Image<'a> {
    /// Passed on in what is said about it.
    pub run: u64,
    /// NUL-terminated: where the program may be, its arguments, its own variables; so many of each.
    pub words: &'a [u8],
    pub counts: [usize; 3],
    /// What become its descriptors 0, 1 and 2; each has a number above those.
    pub stdio: [BorrowedFd<'a>; 3],
}

/// What is said about a start, in this size so that a pipe takes it whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub run: u64,
    pub what: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// There is a process.
    Started(Pid),
    /// It has not become its program: an error number, and whether the program itself is there.
    ExecFailed { errno: i32, exists: bool },
    /// There is no process.
    ForkFailed { errno: i32 },
}

pub const RECORD: usize = 16;

impl Record {
    pub fn to_bytes(self) -> [u8; RECORD] {
        let (kind, value) = match self.what {
            Said::Started(pid) => (0, pid.0),
            Said::ExecFailed { errno, exists } => (1 + i32::from(exists), errno),
            Said::ForkFailed { errno } => (3, errno),
        };
        let mut bytes = [0; RECORD];
        bytes[..8].copy_from_slice(&self.run.to_ne_bytes());
        bytes[8..12].copy_from_slice(&kind.to_ne_bytes());
        bytes[12..].copy_from_slice(&value.to_ne_bytes());
        bytes
    }

    pub fn from_bytes(bytes: [u8; RECORD]) -> Option<Record> {
        let [a, b, c, d, e, f, g, h, k0, k1, k2, k3, v0, v1, v2, v3] = bytes;
        let value = i32::from_ne_bytes([v0, v1, v2, v3]);
        let what = match i32::from_ne_bytes([k0, k1, k2, k3]) {
            0 => Said::Started(Pid::new(value.into())?),
            kind @ (1 | 2) => Said::ExecFailed {
                errno: value,
                exists: kind == 2,
            },
            3 => Said::ForkFailed { errno: value },
            _ => return None,
        };
        let run = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        Some(Record { run, what })
    }
}

/// Forks in the starter.
pub struct Spawner<'a> {
    /// The signals that we ignore, which a program would go on ignoring.
    ignored: Vec<libc::c_int>,
    /// What every child gets.
    environment: &'a Words,
    /// Takes a [`Record`] of each child, and another if it does not become its program.
    records: BorrowedFd<'a>,
    stack: Box<MaybeUninit<Stack>>,
    programs: Vec<*const libc::c_char>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
}

/// Of a child until it is its program: a handful of calls deep, no more. Aligned as every architecture wants it.
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "its size and place count")] [u8; 16 * 1024]);

impl<'a> Spawner<'a> {
    pub fn new(environment: &'a Words, records: BorrowedFd<'a>) -> Spawner<'a> {
        Spawner {
            ignored: signal::ignored(),
            environment,
            records,
            stack: Box::new_uninit(),
            programs: Vec::new(),
            argv: Vec::new(),
            envp: Vec::new(),
        }
    }

    /// Makes a child of our parent's that becomes the first program of `image` that is there, and says so in a record.
    /// Nothing here waits for the exec.
    pub fn spawn(&mut self, image: &Image) -> io::Result<()> {
        let [programs, arguments, variables] = image.counts;
        self.programs.clear();
        self.argv.clear();
        self.envp.clear();
        let mut rest = image.words;
        push_pointers(&mut rest, programs, &mut self.programs)?;
        push_pointers(&mut rest, arguments, &mut self.argv)?;
        self.argv.push(ptr::null());
        let mut inherited = self.environment.bytes();
        push_pointers(&mut inherited, usize::MAX, &mut self.envp)?;
        push_pointers(&mut rest, variables, &mut self.envp)?;
        self.envp.push(ptr::null());
        let mut birth = Birth {
            run: image.run,
            programs: &self.programs,
            argv: &self.argv,
            envp: &self.envp,
            stdio: image.stdio.map(|fd| fd.as_raw_fd()),
            ignored: &self.ignored,
            records: self.records.as_raw_fd(),
        };
        let birth = (&raw mut birth).cast();
        let top = self.stack.as_mut_ptr().wrapping_add(1).cast();
        let sibling = libc::CLONE_PARENT | libc::SIGCHLD;
        // SAFETY: the child runs `be_born` in a copy of our memory, on a stack that nothing else of that copy uses, with
        // a `birth` that lives on in it as it is now. It never returns.
        match cvt(unsafe { libc::clone(be_born, top, sibling, birth) }) {
            Ok(pid) => {
                let told = tell(self.records.as_raw_fd(), image.run, Said::Started(Pid(pid)));
                // The daemon would wait for the run for ever. Without a starter it waits for none.
                if !told {
                    end_here();
                }
                Ok(())
            }
            // Emulators of a processor know no CLONE_PARENT. A child whose parent ends goes to the daemon, too.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                // SAFETY: as above; `be_between` forks `be_born`, and ends.
                let between = cvt(unsafe { libc::clone(be_between, top, libc::SIGCHLD, birth) })?;
                let mut status = 0;
                // SAFETY: a child of ours that nobody else waits for, and a place for its status.
                cvt(unsafe { libc::waitpid(between, &mut status, 0) })?;
                match ExitStatus::from_raw(status).success() {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(libc::EAGAIN)),
                }
            }
            Err(error) => Err(error),
        }
    }
}

/// Takes `count` words off `rest`, or as many as there are.
fn push_pointers(
    rest: &mut &[u8],
    count: usize,
    pointers: &mut Vec<*const libc::c_char>,
) -> io::Result<()> {
    let mut left = count;
    while left > 0 && !rest.is_empty() {
        let word = CStr::from_bytes_until_nul(rest).map_err(io::Error::other)?;
        pointers.push(word.as_ptr());
        *rest = &rest[word.count_bytes() + 1..];
        left -= 1;
    }
    Ok(())
}

/// Whether it is told.
fn tell(records: libc::c_int, run: u64, what: Said) -> bool {
    let bytes = Record { run, what }.to_bytes();
    // SAFETY: a live array and its length. A pipe takes it whole, after waiting for room.
    let written = unsafe { libc::write(records, bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(written) == Ok(bytes.len())
}

/// What a child does before it is its program, in its own copy of our memory.
struct Birth<'a> {
    run: u64,
    programs: &'a [*const libc::c_char],
    argv: &'a [*const libc::c_char],
    envp: &'a [*const libc::c_char],
    stdio: [libc::c_int; 3],
    ignored: &'a [libc::c_int],
    records: libc::c_int,
}

extern "C" fn be_born(birth: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is this process's copy of what `spawn` has made, and nobody else knows of it.
    let birth = unsafe { &*birth.cast::<Birth>() };
    let error = match birth.prepare() {
        Ok(()) => birth.exec(),
        Err(error) => error,
    };
    let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
    let exists = birth.exists();
    tell(birth.records, birth.run, Said::ExecFailed { errno, exists });
    // SAFETY: takes an integer, and ends this process without a look at anything that it has a copy of.
    unsafe { libc::_exit(127) }
}

extern "C" fn be_between(birth: *mut libc::c_void) -> libc::c_int {
    // SAFETY: takes nothing; there is one thread.
    match unsafe { libc::fork() } {
        0 => be_born(birth),
        -1 => 1,
        pid => {
            // SAFETY: as in `be_born`.
            let birth = unsafe { &*birth.cast::<Birth>() };
            i32::from(!tell(birth.records, birth.run, Said::Started(Pid(pid))))
        }
    }
}

impl Birth<'_> {
    fn prepare(&self) -> io::Result<()> {
        // SAFETY: plain integers; this process, a group of its own.
        cvt(unsafe { libc::setpgid(0, 0) })?;
        for (to, from) in (0..).zip(self.stdio) {
            // SAFETY: plain integers; the table of descriptors is a copy of the parent's.
            cvt(unsafe { libc::dup2(from, to) })?;
        }
        for &signal in self.ignored {
            signal::dispose(signal, libc::SIG_DFL)?;
        }
        signal::unblock_all()
    }

    /// Comes back only with the reason why nothing of it can be run.
    fn exec(&self) -> io::Error {
        let mut reason = io::Error::from_raw_os_error(libc::ENOENT);
        for &program in self.programs {
            // SAFETY: program, argv and envp point to NUL-terminated words, and both lists end with null.
            unsafe { libc::execve(program, self.argv.as_ptr(), self.envp.as_ptr()) };
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                // As execvp has it: what may not be executed is passed over, and said if there is no other.
                Some(libc::EACCES) => reason = error,
                Some(libc::ENOENT | libc::ENOTDIR) if is_denied(&reason) => {}
                Some(libc::ENOENT | libc::ENOTDIR) => reason = error,
                _ => return error,
            }
        }
        reason
    }

    /// Whether the first program is there, so that ENOENT means its interpreter. It may hang as the exec may.
    fn exists(&self) -> bool {
        self.programs.first().is_some_and(|&program| {
            // SAFETY: a NUL-terminated word.
            unsafe { libc::access(program, libc::F_OK) == 0 }
        })
    }
}

fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EACCES)
}

/// Forks a process that runs `body` and ends. It must have one thread, and it keeps no descriptor but the standard ones
/// and `kept`, which have the numbers from 3 on there. It blocks every signal, and has a group of its own.
pub fn fork_helper<const N: usize>(
    name: &CStr,
    kept: [BorrowedFd; N],
    body: impl FnOnce([BorrowedFd; N]),
) -> io::Result<Pid> {
    let mask = signal::block_all()?;
    // SAFETY: takes nothing. The child is a copy of this only thread, and may do whatever we may.
    let forked = cvt(unsafe { libc::fork() });
    if !matches!(forked, Ok(0)) {
        signal::set_mask(&mask)?;
    }
    match forked? {
        0 => {
            // A panic must not unwind into what the parent was doing.
            let _end = EndHere;
            let none: libc::c_ulong = 0;
            if only(kept.map(|fd| fd.as_raw_fd())).is_ok() {
                // SAFETY: plain integers; this process, a group of its own.
                unsafe { libc::setpgid(0, 0) };
                // Even one that is stopped or hangs must not go on when the parent is gone.
                // SAFETY: plain integers, which only have a signal sent to this process.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, none, none, none) };
                // SAFETY: a NUL-terminated name, of which the kernel takes 15 bytes.
                unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), none, none, none) };
                let mut number = FIRST_KEPT;
                body(kept.map(|_| {
                    number += 1;
                    // SAFETY: `only` has put them there, and nobody closes them while the process lives.
                    unsafe { BorrowedFd::borrow_raw(number - 1) }
                }));
            }
            end_here()
        }
        pid => Ok(Pid(pid)),
    }
}

/// Ends a forked process; nothing of what it has a copy of is dropped or written.
fn end_here() -> ! {
    // SAFETY: takes an integer, and ends this process.
    unsafe { libc::_exit(0) }
}

struct EndHere;

impl Drop for EndHere {
    fn drop(&mut self) {
        end_here()
    }
}

/// The first number above the standard descriptors.
const FIRST_KEPT: libc::c_int = 3;

/// Leaves `kept` open, from 3 on, and the standard descriptors; 0 and 1 are the last of `kept`.
fn only<const N: usize>(kept: [libc::c_int; N]) -> io::Result<()> {
    let mut high = [0; N];
    for (high, fd) in high.iter_mut().zip(kept) {
        // Out of the way first.
        // SAFETY: plain integers.
        *high = cvt(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 16) })?;
    }
    let mut last = FIRST_KEPT;
    for fd in high {
        // SAFETY: plain integers; the table of descriptors is this process's own.
        cvt(unsafe { libc::dup3(fd, last, libc::O_CLOEXEC) })?;
        last += 1;
    }
    for standard in [0, 1] {
        // SAFETY: plain integers.
        cvt(unsafe { libc::dup2(last - 1, standard) })?;
    }
    // SAFETY: plain integers. Nothing that is still used has so high a number.
    if unsafe { libc::syscall(libc::SYS_close_range, last, libc::c_uint::MAX, 0) } == 0 {
        return Ok(());
    }
    for fd in open_descriptors()
        .filter(|fd| *fd >= last)
        .collect::<Vec<_>>()
    {
        // SAFETY: plain integers; one that has been closed since, as that of the directory, is refused.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// What a careless parent left open for us is not passed on. Ours are closed on exec anyway. Without /proc it
/// stays as it is, which does no harm of ours.
pub fn close_inherited_on_exec() {
    for fd in open_descriptors().filter(|fd| *fd > 2) {
        // SAFETY: plain integers. Only the flag of this descriptor, whoever owns it, is set.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

fn open_descriptors() -> impl Iterator<Item = libc::c_int> {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A pipe whose reading end never waits. The writing end does: the child's stdout has to behave as usual.
pub fn output_pipe() -> io::Result<(File, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: the array has room for the two descriptors.
    cvt(unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: both descriptors are new and nobody else's.
    let (reading, writing) =
        unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    // SAFETY: an open descriptor. A new pipe has no other status flags that this could clear.
    cvt(unsafe { libc::fcntl(reading.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((File::from(reading), writing))
}

/// A child that has ended, whichever it is; `None` if none has, or there is no child.
///
/// One that is traced by us (a program that calls PTRACE_TRACEME) reports its stops here, too; each is taken once, and is no
/// end.
pub fn reap_any() -> Option<(Pid, ExitStatus)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for a write. All children of this process are ours, or were left to us: each is to be
        // reaped.
        let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        if pid <= 0 {
            return None;
        }
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            return Some((Pid(pid), ExitStatus::from_raw(status)));
        }
    }
}

/// Has what our children leave behind become our child, not that of process 1, so that it can be found and ended.
pub fn adopt_orphans() -> io::Result<()> {
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: plain integers, as many as libc passes on.
    cvt(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on, none, none, none) })?;
    Ok(())
}

/// Sends SIGKILL to every process of the group that `leader` was started with.
pub fn kill_group(leader: Pid) -> io::Result<()> {
    // SAFETY: plain integers. The number is above 0, so this is never "every process".
    cvt(unsafe { libc::kill(-leader.0, libc::SIGKILL) })?;
    Ok(())
}

/// Sends SIGKILL to one process, which must be an unreaped child so that its number can't be somebody else's.
pub fn kill_one(pid: Pid) -> io::Result<()> {
    // SAFETY: plain integers.
    cvt(unsafe { libc::kill(pid.0, libc::SIGKILL) })?;
    Ok(())
}

/// Sends SIGTERM to an unreaped child.
pub fn terminate(pid: Pid) -> io::Result<()> {
    // SAFETY: plain integers.
    cvt(unsafe { libc::kill(pid.0, libc::SIGTERM) })?;
    Ok(())
}

/// The effective user of this process.
pub fn effective_uid() -> u32 {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::geteuid() }
}
