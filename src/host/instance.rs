//! One daemon at a time: the abstract socket that the reference binds, too, and the pidfile.
//!
//! The socket is the lock and vanishes with the process. The pidfile is for others to read: the pid of a live process
//! of this program or of the reference in it refuses the start, anything else in it is stale and replaced. It is
//! removed at the end if it still is ours. A link in its place is never written through. A mark beside it stays where
//! BIRD could not be told at the end.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::disk::{self, shown};
use super::sys::process::{self, Pid};
use super::sys::{self, files};

/// The name that the reference binds in the abstract namespace.
const NAME: &str = "anycast-healthchecker";

/// How often, and how far apart, the lock is asked for: half a second, which a child of a predecessor outlives on no
/// machine that could run checks.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Words of a command line among which the name of the program stands: an interpreter and an option may come first.
const SCRIPT_WORDS: usize = 3;

/// Bytes of a pidfile: more than any number has.
const PIDFILE_MAX: usize = 256;

/// The right to run, held for life.
pub struct Instance {
    pidfile: Option<PathBuf>,
    bird_may_not_know: bool,
    /// Held, never read.
    _lock: UnixDatagram,
}

impl Instance {
    /// Takes the lock, then writes the pidfile. The error says what to do.
    pub fn acquire(pidfile: &Path) -> Result<Instance, String> {
        Instance::acquire_as(NAME, pidfile)
    }

    fn acquire_as(name: &str, pidfile: &Path) -> Result<Instance, String> {
        let lock = lock(name)?;
        let stale = write_pidfile(pidfile)?;
        let owed = fs::remove_file(mark(pidfile)).is_ok();
        Ok(Instance {
            bird_may_not_know: stale || owed,
            pidfile: Some(pidfile.to_path_buf()),
            _lock: lock,
        })
    }

    /// Whether the last daemon did not come to an orderly end, of which a stale pidfile tells, or not to one with BIRD.
    pub fn bird_may_not_know(&self) -> bool {
        self.bird_may_not_know
    }

    /// The pidfile, which is left to the caller to [remove](remove_pidfile).
    pub fn take_pidfile(&mut self) -> Option<PathBuf> {
        self.pidfile.take()
    }
}

/// Removes the pidfile of the process `owner`, unless it has become somebody else's. If BIRD does not know all, a mark beside
/// it tells the next daemon; if that cannot be made, the pidfile stays and says the same.
pub fn remove_pidfile(path: &Path, owner: Option<Pid>, bird_knows: bool) -> Result<(), String> {
    match read_pid(path) {
        Ok(pid) if pid.is_some() && pid == owner => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.to_string()),
    }
    if !bird_knows {
        disk::replace_here(&mark(path), b"").map_err(|error| error.to_string())?;
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        // In a directory that is not ours it can be emptied, which makes it stale as well.
        Err(error) => write_in_place(path, b"").map_err(|_| {
            format!(
                "cannot remove the pidfile {}: {}",
                shown(path),
                sys::cause(&error)
            )
        }),
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // A start that has failed. What the predecessor has left undone is still to do.
        if let Some(path) = &self.pidfile {
            // Nobody is left to be told.
            let _ = remove_pidfile(path, Some(Pid::own()), !self.bird_may_not_know);
        }
    }
}

/// The mark of an end at which BIRD could not be told.
fn mark(pidfile: &Path) -> PathBuf {
    let mut name = pidfile.as_os_str().to_os_string();
    name.push(".bird-not-told");
    PathBuf::from(name)
}

fn lock(name: &str) -> Result<UnixDatagram, String> {
    let bound = SocketAddr::from_abstract_name(name)
        .and_then(|address| bind_patiently(&address))
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "another instance is running: it holds the abstract socket @{name} (ss -xlp shows it); \
                 stop it first"
            ),
            _ => format!(
                "cannot bind the abstract socket @{name}: {}",
                sys::cause(&error)
            ),
        })?;
    // Nobody can fill it: a datagram to it is an error of its sender.
    let _ = bound.shutdown(Shutdown::Read);
    Ok(bound)
}

/// A daemon that ended while it started a check leaves the name taken for some milliseconds: the kernel wakes the
/// starter before it closes the child's copies of its descriptors. A restart must not fail over that.
fn bind_patiently(address: &SocketAddr) -> io::Result<UnixDatagram> {
    let mut tries = LOCK_TRIES;
    loop {
        match UnixDatagram::bind_addr(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => {
                tries -= 1;
                thread::sleep(LOCK_PAUSE);
            }
            result => return result,
        }
    }
}

/// True if a stale one was replaced.
fn write_pidfile(path: &Path) -> Result<bool, String> {
    let stale = match read_pid(path) {
        Ok(Some(pid)) if pid != Pid::own() && is_health_checker(pid) => {
            return Err(format!(
                "the pidfile {} names process {}, a health checker that is alive: stop it first",
                shown(path),
                pid.number()
            ));
        }
        Ok(_) => true,
        // What can't be read may still be replaced; what is no file is refused there.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    let line = format!("{}\n", Pid::own().number());
    let Err(error) = disk::replace_here(path, line.as_bytes()) else {
        return Ok(stale);
    };
    // A directory of others may hold a pidfile that was given to us.
    if error.kind() == io::ErrorKind::PermissionDenied
        && write_in_place(path, line.as_bytes()).is_ok()
    {
        return Ok(stale);
    }
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "; make that directory, or set pidfile in [daemon]",
        io::ErrorKind::PermissionDenied => {
            "; make the directory writable for this user, or set pidfile in [daemon]"
        }
        _ => "",
    };
    Err(format!("pidfile: {error}{hint}"))
}

/// The process that the file names; `None` for what is no process: empty, garbage, 0, negative or too large a
/// number.
fn read_pid(path: &Path) -> io::Result<Option<Pid>> {
    let content = match disk::read_bounded(path, PIDFILE_MAX) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        result => result?,
    };
    let text = std::str::from_utf8(&content).unwrap_or("");
    Ok(text.trim().parse().ok().and_then(Pid::new))
}

/// Whether that is a live process of this program or of the reference: no zombie, no thread of another process, no
/// program that has been given the number since, as after a reboot. The lock is ours by now, so what cannot be looked
/// at is none.
fn is_health_checker(pid: Pid) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.number()));
    let Ok(status) = fs::read_to_string(process.join("status")) else {
        return false;
    };
    let field = |name: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
    };
    let is_leader = field("Tgid:") == Some(pid.number().to_string().as_str());
    let is_dead = matches!(field("State:"), Some("Z" | "X") | None);
    if !is_leader || is_dead {
        return false;
    }
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    let words = || command.split(|&byte| byte == 0);
    // `--watch` and `--withdraw` live long too, and are no daemon.
    if words().any(|word| word.starts_with(b"--w")) {
        return false;
    }
    let program = |path: PathBuf| fs::read_link(path).ok();
    let own = program(PathBuf::from("/proc/self/exe"));
    // The reference is a script: `python3 /usr/bin/anycast-healthchecker`.
    let first = words().take(SCRIPT_WORDS);
    let mut names = first.filter_map(|word| Path::new(OsStr::from_bytes(word)).file_name());
    own.is_some() && program(process.join("exe")) == own || names.any(|name| name == NAME)
}

/// Only a regular file of our own, never through a link.
fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = files::open_in_place(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != process::effective_uid() {
        return Err(io::Error::from(io::ErrorKind::PermissionDenied));
    }
    file.set_len(0)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests;
