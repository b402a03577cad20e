//! Child processes: started by posix_spawn(3), signalled by group, reaped in whatever order they end.
//!
//! A child has a process group of its own, an empty signal mask, default dispositions, `/dev/null` as stdin,
//! and no descriptor of ours but stdout and stderr. A spawn returns when the child has become its program, so
//! that a command that can't be executed is an error here and a signal to the group can't come too early.
//!
//! posix_spawn and not fork: its cost does not grow with our memory, and std's Command neither resets the
//! mask nor lets ignored signals be reset. A script without `#!` is an error with both libcs; no shell is
//! tried.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr;

use super::{cvt, cvt_nz, signal};

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

    fn point_to(&self, pointers: &mut Vec<*mut libc::c_char>) {
        pointers.extend(self.starts.iter().map(|&start| {
            self.bytes[start..]
                .as_ptr()
                .cast_mut()
                .cast::<libc::c_char>()
        }));
    }
}

/// What all children have in common, prepared once.
pub struct Spawner {
    attributes: Attributes,
    null: OwnedFd,
    environment: Words,
    argv: Vec<*mut libc::c_char>,
    envp: Vec<*mut libc::c_char>,
}

impl Spawner {
    /// `environment`: what every child gets, as `NAME=value`.
    pub fn new(environment: Words) -> io::Result<Spawner> {
        close_inherited_on_exec();
        Ok(Spawner {
            attributes: Attributes::new()?,
            null: OwnedFd::from(File::open("/dev/null")?),
            environment,
            argv: Vec::new(),
            envp: Vec::new(),
        })
    }

    /// Starts `argv`, which is looked up along `PATH` if it holds no slash, with more variables in `also`.
    pub fn spawn(
        &mut self,
        argv: &Words,
        also: &Words,
        stdout: BorrowedFd,
        stderr: BorrowedFd,
    ) -> io::Result<Pid> {
        self.argv.clear();
        argv.point_to(&mut self.argv);
        let Some(&program) = self.argv.first() else {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        };
        self.argv.push(ptr::null_mut());
        self.envp.clear();
        self.environment.point_to(&mut self.envp);
        also.point_to(&mut self.envp);
        self.envp.push(ptr::null_mut());

        let mut actions = Actions::new()?;
        // Descriptors 0 to 2 are open from the start (std sees to that), so ours have higher numbers and none
        // of these copies is onto itself, which would leave it closed on exec.
        actions.dup2(self.null.as_raw_fd(), 0)?;
        actions.dup2(stdout.as_raw_fd(), 1)?;
        actions.dup2(stderr.as_raw_fd(), 2)?;

        let mut pid = 0;
        // SAFETY: program, argv and envp point to NUL-terminated words that are borrowed or owned until the
        // call returns, and both lists end with null; actions and attributes are initialised.
        cvt_nz(unsafe {
            libc::posix_spawnp(
                &mut pid,
                program,
                &raw const *actions.0,
                &raw const *self.attributes.0,
                self.argv.as_ptr(),
                self.envp.as_ptr(),
            )
        })?;
        Ok(Pid(pid))
    }
}

struct Attributes(Box<libc::posix_spawnattr_t>);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        let mut place = Box::new(MaybeUninit::<libc::posix_spawnattr_t>::zeroed());
        // SAFETY: the place is valid for a write.
        cvt_nz(unsafe { libc::posix_spawnattr_init(place.as_mut_ptr()) })?;
        // SAFETY: it has been initialised, by zeroes and by the call above.
        let mut this = Attributes(unsafe { place.assume_init() });
        let attributes = &raw mut *this.0;

        let flags = libc::POSIX_SPAWN_SETSIGMASK
            | libc::POSIX_SPAWN_SETSIGDEF
            | libc::POSIX_SPAWN_SETPGROUP;
        // SAFETY: initialised attributes; the flags are defined ones.
        cvt_nz(unsafe { libc::posix_spawnattr_setflags(attributes, flags as libc::c_short) })?;
        // SAFETY: initialised attributes; 0 asks for a group of its own.
        cvt_nz(unsafe { libc::posix_spawnattr_setpgroup(attributes, 0) })?;
        let none = signal::set_of(&[]);
        // SAFETY: initialised attributes and set.
        cvt_nz(unsafe { libc::posix_spawnattr_setsigmask(attributes, &none) })?;
        // Only what is ignored: the libcs spend a system call on each signal in this set.
        let ignored = signal::set_of(&signal::ignored());
        // SAFETY: initialised attributes and set.
        cvt_nz(unsafe { libc::posix_spawnattr_setsigdefault(attributes, &ignored) })?;
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: they were initialised and are destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut *self.0) };
    }
}

struct Actions(Box<libc::posix_spawn_file_actions_t>);

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut place = Box::new(MaybeUninit::<libc::posix_spawn_file_actions_t>::zeroed());
        // SAFETY: the place is valid for a write.
        cvt_nz(unsafe { libc::posix_spawn_file_actions_init(place.as_mut_ptr()) })?;
        // SAFETY: it has been initialised, by zeroes and by the call above.
        Ok(Actions(unsafe { place.assume_init() }))
    }

    fn dup2(&mut self, from: libc::c_int, to: libc::c_int) -> io::Result<()> {
        // SAFETY: initialised actions; both descriptors are open until the spawn has returned.
        cvt_nz(unsafe { libc::posix_spawn_file_actions_adddup2(&mut *self.0, from, to) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: they were initialised and are destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut *self.0) };
    }
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

/// Whether there is such a process; one that may not be signalled is there too.
pub fn exists(pid: Pid) -> bool {
    // SAFETY: plain integers; signal 0 only looks.
    match cvt(unsafe { libc::kill(pid.0, 0) }) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::EPERM),
    }
}

/// The effective user of this process.
pub fn effective_uid() -> u32 {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::geteuid() }
}
