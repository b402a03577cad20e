//! The answers to what the rules of the configuration ask about this host. Looks, and changes nothing.
//!
//! Permission is asked of the kernel for the effective user, so that ACLs, read-only mounts and capabilities
//! count.

use std::cell::OnceCell;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::sys::access::{self, Mode};
use super::sys::{netlink, process};
use super::{addresses, disk};
use crate::config::facts::{Executable, Place, Probes};
use crate::config::settings;
use crate::render::prefix_list::{self, Content};

/// Where exec looks without a PATH, as glibc, musl and Python have it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// The kernel reads so much of a program to see what it is (BINPRM_BUF_SIZE).
const HEAD: usize = 256;
/// Symbolic links that the kernel follows in one path.
const MAX_LINKS: u32 = 40;

/// Where programs are looked for.
pub fn search_path() -> OsString {
    env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into())
}

/// Calls `ask` with the answers that a start needs: what is not there yet may come.
pub fn with<T>(ask: impl FnOnce(Probes<'_>) -> T) -> T {
    with_all(|probes| {
        ask(Probes {
            assigned: &|_, _| None,
            known_to_bird: &|_, _| None,
            ..probes
        })
    })
}

/// As [`with`], for a withdrawal: whatever is there can be written and run. What cannot is found out by trying.
pub fn with_trust<T>(ask: impl FnOnce(Probes<'_>) -> T) -> T {
    let writable = true;
    with(|probes| {
        ask(Probes {
            place: &|path| match place(path) {
                Place::Directory { .. } => Place::Directory { writable },
                Place::File { .. } => Place::File { writable },
                Place::Other { .. } => Place::Other { writable },
                other @ (Place::Missing | Place::Hidden(_)) => other,
            },
            executable: &|_| Executable::Runs,
            interface: &|_| None,
            ..probes
        })
    })
}

/// As [`with`], for `-c`: also asks which addresses are assigned now, and a BIRD that runs what it knows.
pub fn with_all<T>(ask: impl FnOnce(Probes<'_>) -> T) -> T {
    let path = search_path();
    let user = user_name();
    // Of the network that this process is in; /sys may be that of another one.
    let dumped = OnceCell::new();
    let addresses = || dumped.get_or_init(addresses::dump);
    ask(Probes {
        user: &user,
        place: &place,
        target: &target,
        foreign: &foreign,
        executable: &|command| executable(command, path.as_bytes()),
        interface: &|name| Some(addresses().as_ref().ok()?.has_interface(name)),
        no_addresses: &|| denied(addresses().as_ref().err()?),
        assigned: &|interface, prefix| Some(addresses().as_ref().ok()?.covers(interface, prefix)),
        known_to_bird: &super::ask_bird::knows,
    })
}

/// What to do if this process may not ask at all; other errors pass.
fn denied(error: &io::Error) -> Option<String> {
    let key = settings::IP_CHECK_DISABLED.key;
    netlink::is_denied(error).then(|| {
        format!(
            "{} (let the service manager allow AF_NETLINK: RestrictAddressFamilies= of systemd; or set {key})",
            super::sys::cause(error)
        )
    })
}

/// The name of the effective user, or its number.
fn user_name() -> String {
    let id = process::effective_uid().to_string();
    let users = std::fs::read("/etc/passwd").unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let of_id = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_string())
    });
    of_id.unwrap_or(id)
}

fn place(path: &Path) -> Place {
    let found = match path.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Place::Missing,
        Err(error) => return Place::Hidden(cause(&error)),
    };
    let may = |mode| access::check(path, mode).is_ok();
    if found.is_dir() {
        // Making a file needs both: to change the directory, and to go through it.
        let writable = may(Mode::Write) && may(Mode::Execute);
        Place::Directory { writable }
    } else if found.is_file() {
        let writable = may(Mode::Write);
        Place::File { writable }
    } else {
        let writable = may(Mode::Write);
        Place::Other { writable }
    }
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::NotADirectory => "a part of the path is no directory".to_string(),
        _ => error.to_string(),
    }
}

/// Follows the links of the last component, also to a file that does not exist, and resolves its directory.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let Ok(next) = path.read_link() else {
            break;
        };
        path = match path.parent() {
            Some(parent) => parent.join(next),
            None => next,
        };
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return path,
    };
    match (parent.canonicalize(), path.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => path,
    }
}

fn foreign(path: &Path) -> Option<String> {
    // What can't be read is said of the file, or written anew.
    let text = disk::read_bounded(path, disk::PREFIX_FILE_MAX).ok()?;
    match prefix_list::judge(&text) {
        Content::Foreign { line, word } => Some(prefix_list::foreign(line, &word)),
        Content::List | Content::Damaged => None,
    }
}

/// Looks a command up as execvp does: a name with a slash is a path, any other is looked for along PATH, and
/// what may not be executed is passed over for a later directory.
fn executable(command: &str, path: &[u8]) -> Executable {
    if command.contains('/') {
        return runs(Path::new(command));
    }
    let mut verdict = Executable::NotFound;
    for directory in path.split(|byte| *byte == b':') {
        let directory = Path::new(std::ffi::OsStr::from_bytes(directory));
        match runs(&directory.join(command)) {
            Executable::NotFound => {}
            // execvp goes on after EACCES, which is what a directory gives too.
            Executable::Directory | Executable::NotPermitted => verdict = Executable::NotPermitted,
            found => return found,
        }
    }
    verdict
}

fn runs(file: &Path) -> Executable {
    let found = match file.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Executable::NotPermitted;
        }
        Err(_) => return Executable::NotFound,
    };
    if found.is_dir() {
        return Executable::Directory;
    }
    // Reading a pipe or a device could wait for ever; exec refuses them.
    if !found.is_file() || access::check(file, Mode::Execute).is_err() {
        return Executable::NotPermitted;
    }
    let mut head = Vec::with_capacity(HEAD);
    let read = File::open(file).and_then(|f| f.take(HEAD as u64).read_to_end(&mut head));
    match read {
        // What may be executed but not read is a program, as far as we can tell.
        Err(_) => Executable::Runs,
        Ok(_) => head_runs(&head),
    }
}

/// What the kernel makes of the first bytes of a file. Binary formats are left to it.
fn head_runs(head: &[u8]) -> Executable {
    let Some(line) = head.strip_prefix(b"#!") else {
        let is_text = |byte: &u8| *byte >= b' ' || matches!(*byte, b'\t' | b'\n' | b'\r');
        return if head.iter().all(is_text) {
            Executable::NoInterpreter
        } else {
            Executable::Runs
        };
    };
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t' | 0))
        .filter(|word| !word.is_empty());
    let Some(interpreter) = words.next() else {
        return Executable::NoInterpreter;
    };
    let interpreter = Path::new(std::ffi::OsStr::from_bytes(interpreter));
    if interpreter.metadata().is_ok() {
        Executable::Runs
    } else {
        Executable::InterpreterMissing(interpreter.to_string_lossy().into_owned())
    }
}

#[cfg(test)]
mod tests;
