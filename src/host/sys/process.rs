//! Child processes: started as vfork does it, signalled by group, reaped in whatever order they end.
//!
//! A child has a process group of its own, an empty signal mask, default dispositions, `/dev/null` as stdin,
//! and no descriptor of ours but stdout and stderr. A spawn returns when the child has become its program, so
//! that a command that can't be executed is an error here and a signal to the group can't come too early.
//!
//! Neither fork, whose cost grows with our memory, nor std's Command, which leaves mask and dispositions as they
//! are, nor posix_spawn(3), for which musl spends a pipe of its own and a dozen system calls on each start. A script
//! without `#!` is an error; no shell is tried.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use super::{cvt, signal};

pub use libc::{EMFILE, ENOEXEC};

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

/// A list of words as exec wants them: each ended by a NUL, one after the other. Kept and refilled, so that a
/// spawn allocates nothing.
#[derive(Default)]
pub struct Words {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Words {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
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
        self.starts.push(start);
        Ok(())
    }

    fn point_to(&self, pointers: &mut Vec<*const libc::c_char>) {
        pointers.extend(
            self.starts
                .iter()
                .map(|&start| self.bytes[start..].as_ptr().cast::<libc::c_char>()),
        );
    }
}

/// What all children have in common, prepared once.
pub struct Spawner {
    null: OwnedFd,
    /// The signals that we ignore, which a program would go on ignoring.
    ignored: Vec<libc::c_int>,
    /// Owns what the first `inherited` of `envp` point to.
    _environment: Words,
    inherited: usize,
    stack: Box<MaybeUninit<Stack>>,
    programs: Vec<*const libc::c_char>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
}

/// Of a child until it is its program: a handful of calls deep, no more. Aligned as every architecture wants it.
#[repr(align(16))]
struct Stack(#[expect(dead_code, reason = "its size and place count")] [u8; 16 * 1024]);

impl Spawner {
    /// `environment`: what every child gets, as `NAME=value`.
    pub fn new(environment: Words) -> io::Result<Spawner> {
        close_inherited_on_exec();
        let mut envp = Vec::new();
        environment.point_to(&mut envp);
        Ok(Spawner {
            null: OwnedFd::from(File::open("/dev/null")?),
            ignored: signal::ignored(),
            _environment: environment,
            inherited: envp.len(),
            stack: Box::new_uninit(),
            programs: Vec::new(),
            argv: Vec::new(),
            envp,
        })
    }

    /// Starts the first of `programs` that is there, with the words of `argv` and more variables in `also`.
    pub fn spawn(
        &mut self,
        programs: &Words,
        argv: &Words,
        also: &Words,
        stdout: BorrowedFd,
        stderr: BorrowedFd,
    ) -> io::Result<Pid> {
        self.programs.clear();
        programs.point_to(&mut self.programs);
        self.argv.clear();
        argv.point_to(&mut self.argv);
        self.argv.push(ptr::null());
        self.envp.truncate(self.inherited);
        also.point_to(&mut self.envp);
        self.envp.push(ptr::null());
        let mut birth = Birth {
            programs: &self.programs,
            argv: &self.argv,
            envp: &self.envp,
            stdio: [
                self.null.as_raw_fd(),
                stdout.as_raw_fd(),
                stderr.as_raw_fd(),
            ],
            ignored: &self.ignored,
            failure: None,
        };
        let top = self.stack.as_mut_ptr().wrapping_add(1);
        // SAFETY: the child runs `be_born` on a stack that nobody else uses, in our memory, and CLONE_VFORK holds this
        // only thread of ours until the child has left that memory by exec or exit: all that `birth` borrows
        // outlives its use, and nothing is touched by both at a time.
        let pid = cvt(unsafe {
            libc::clone(
                be_born,
                top.cast(),
                libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
                (&raw mut birth).cast(),
            )
        })?;
        match birth.failure {
            None => Ok(Pid(pid)),
            Some(error) => {
                // SAFETY: plain integers, and no status is asked for. It has ended, and is our child until here.
                unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
                Err(error)
            }
        }
    }
}

/// What a child does before it is its program. It shares our memory, so it makes system calls only: it allocates
/// nothing, can't panic, and writes nothing but its own stack, errno and `failure`.
struct Birth<'a> {
    programs: &'a [*const libc::c_char],
    argv: &'a [*const libc::c_char],
    envp: &'a [*const libc::c_char],
    /// What become its descriptors 0, 1 and 2.
    stdio: [libc::c_int; 3],
    ignored: &'a [libc::c_int],
    /// Why it did not become its program.
    failure: Option<io::Error>,
}

extern "C" fn be_born(birth: *mut libc::c_void) -> libc::c_int {
    // SAFETY: it is the one that `spawn` has made, which waits and leaves it to us meanwhile.
    let birth = unsafe { &mut *birth.cast::<Birth>() };
    let error = match birth.prepare() {
        Ok(()) => birth.exec(),
        Err(error) => error,
    };
    birth.failure = Some(error);
    // SAFETY: takes an integer, and ends this process without a look at anything that is its parent's. The status is
    // for emulators that make a vfork a fork, so that the parent does not learn the reason.
    unsafe { libc::_exit(127) }
}

impl Birth<'_> {
    fn prepare(&self) -> io::Result<()> {
        // SAFETY: plain integers; this process, a group of its own.
        cvt(unsafe { libc::setpgid(0, 0) })?;
        // Descriptors 0 to 2 are open from the start (std sees to that), so ours have higher numbers and none
        // of these copies is onto itself, which would leave it closed on exec.
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
}

fn is_denied(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EACCES)
}

/// What a careless parent left open for us is not passed on. Ours are closed on exec anyway. Without /proc it
/// stays as it is, which does no harm of ours.
fn close_inherited_on_exec() {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for fd in numbers.filter(|&fd: &libc::c_int| fd > 2) {
        // SAFETY: plain integers. Only the flag of this descriptor, whoever owns it, is set.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
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
pub fn reap_any() -> Option<(Pid, ExitStatus)> {
    let mut status = 0;
    // SAFETY: `status` is valid for a write. All children of this process are ours, or were left to us by a
    // parent that became us or died (process 1 of a container): each is to be reaped.
    match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
        pid if pid > 0 => Some((Pid(pid), ExitStatus::from_raw(status))),
        _ => None,
    }
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
