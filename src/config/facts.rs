//! What the rules must know about the host: asked through [`Probes`], each thing once.
//!
//! The rules stay pure: they see answers, not the file system, so that a test can say "the directory is
//! missing". `host::probe` has the real answers; none of them changes anything or runs anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::names::Named;
use super::text::quoted;

/// What is found at a path, seen by the effective user; links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Missing,
    /// `writable`: files can be made and replaced in it.
    Directory {
        writable: bool,
    },
    File {
        writable: bool,
    },
    /// A socket, a device, a pipe.
    Other {
        writable: bool,
    },
    /// It can't be looked at: the cause.
    Hidden(String),
}

/// What would become of a command, looked up as exec does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executable {
    Runs,
    NotFound,
    NotPermitted,
    Directory,
    /// A text without `#!`, which only a shell would run.
    NoInterpreter,
    /// `#!` names a program that does not exist.
    InterpreterMissing(String),
}

/// Questions to the host.
#[derive(Clone, Copy)]
pub struct Probes<'p> {
    /// The name of the effective user, for messages.
    pub user: &'p str,
    pub place: &'p dyn Fn(&Path) -> Place,
    /// Where a file really is: the path with its links resolved, the last one too.
    pub target: &'p dyn Fn(&Path) -> PathBuf,
    /// Why the file is no list of prefixes that may be overwritten, but another part of BIRD's configuration.
    pub foreign: &'p dyn Fn(&Path) -> Option<String>,
    pub executable: &'p dyn Fn(&str) -> Executable,
    /// Whether an interface of that name exists; `None`: nobody knows.
    pub interface: &'p dyn Fn(&str) -> Option<bool>,
    /// Why the kernel does not say which addresses it has, with what to do about it; `None`: it does.
    pub no_addresses: &'p dyn Fn() -> Option<String>,
    /// Whether an address of the interface lies in the prefix; `None`: nobody knows.
    pub assigned: &'p dyn Fn(&str, &IpNetwork) -> Option<bool>,
    /// Whether the BIRD behind a control socket knows a constant of that name; `None`: it was not asked, or is silent.
    pub known_to_bird: &'p dyn Fn(&Path, &str) -> Option<bool>,
}

/// The answers so far.
pub struct Facts<'p> {
    pub probes: Probes<'p>,
    executables: Named<Executable>,
    interfaces: Named<Option<bool>>,
    shared: Named<Arc<str>>,
    places: Named<Place>,
    addresses_asked: bool,
}

/// The answer that is kept in `known`, which is asked for first if it is not there.
fn remembered<'k, T>(known: &'k mut Named<T>, name: &str, ask: impl FnOnce() -> T) -> &'k T {
    let at = match known.place(name) {
        Some(at) => at,
        None => known.add(name, ask()),
    };
    known.at(at)
}

impl<'p> Facts<'p> {
    pub fn new(probes: Probes<'p>) -> Facts<'p> {
        Facts {
            probes,
            executables: Named::default(),
            interfaces: Named::default(),
            shared: Named::default(),
            places: Named::default(),
            addresses_asked: false,
        }
    }

    pub fn place(&mut self, path: &Path) -> Place {
        match path.to_str() {
            Some(name) => remembered(&mut self.places, name, || (self.probes.place)(path)).clone(),
            // Where a link leads to; settings are text.
            None => (self.probes.place)(path),
        }
    }

    /// One copy of a text that many services have.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        remembered(&mut self.shared, text, || text.into()).clone()
    }

    pub fn interface(&mut self, name: &str) -> Option<bool> {
        *remembered(&mut self.interfaces, name, || (self.probes.interface)(name))
    }

    /// Why no service can have its addresses watched, as a message for the first that wants it.
    pub fn no_addresses(&mut self) -> Option<String> {
        let first = !std::mem::replace(&mut self.addresses_asked, true);
        first.then(|| (self.probes.no_addresses)()).flatten()
    }

    /// Why the command can't be run, as a message.
    pub fn why_not_runnable(&mut self, command: &str) -> Option<String> {
        let ask = || (self.probes.executable)(command);
        let why = match remembered(&mut self.executables, command, ask) {
            Executable::Runs => return None,
            Executable::NotFound if command.contains('/') => "no such file",
            Executable::NotFound => "no such command in PATH",
            Executable::NotPermitted => &format!("user {} may not execute it", self.probes.user),
            Executable::Directory => "it is a directory",
            Executable::NoInterpreter => "it is neither a program nor a script that begins with #!",
            Executable::InterpreterMissing(interpreter) => {
                &format!("its interpreter {} does not exist", quoted(interpreter))
            }
        };
        Some(format!("cannot run {}: {why}", quoted(command)))
    }

    /// Why files can't be made in the directory, as a message.
    pub fn why_not_usable(&mut self, directory: &Path) -> Option<String> {
        let shown = quoted_path(directory);
        match self.place(directory) {
            Place::Directory { writable: true } => None,
            Place::Directory { writable: false } => {
                Some(self.may_not(&format!("write in directory {shown}")))
            }
            Place::Missing => Some(format!("directory {shown} does not exist: make it")),
            Place::File { .. } | Place::Other { .. } => Some(format!("{shown} is no directory")),
            Place::Hidden(cause) => Some(format!("cannot look at directory {shown}: {cause}")),
        }
    }

    /// Why a file can't be written or made, as a message.
    pub fn why_not_writable(&mut self, file: &Path) -> Option<String> {
        let shown = quoted_path(file);
        match self.place(file) {
            Place::File { writable: true } | Place::Other { writable: true } => None,
            Place::File { .. } | Place::Other { .. } => {
                Some(self.may_not(&format!("write {shown}")))
            }
            Place::Directory { .. } => Some(format!("{shown} is a directory")),
            Place::Hidden(cause) => Some(format!("cannot look at {shown}: {cause}")),
            Place::Missing if names_directory(file) => Some(format!("{shown} is a directory")),
            Place::Missing => {
                let target = (self.probes.target)(file);
                self.why_not_usable(&parent(&target))
            }
        }
    }

    /// That the user lacks a permission.
    pub fn may_not(&self, what: &str) -> String {
        format!("user {} may not {what}", self.probes.user)
    }
}

/// The directory of a file; that of a bare name is the current one.
pub fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_path_buf(),
        None => PathBuf::from("/"),
    }
}

/// Whether the path says itself that it is no file: `a/`, `a/.`, `..`.
pub fn names_directory(path: &Path) -> bool {
    let whole = path.as_os_str().as_encoded_bytes();
    let name = path.file_name();
    name.is_none_or(|name| !whole.ends_with(name.as_encoded_bytes()))
}

pub fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}
