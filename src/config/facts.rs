//! What the rules must know about the host: asked through [`Probes`], each thing once.
//!
//! The rules stay pure: they see answers, not the file system, so that a test can say "the directory is
//! missing". `host::probe` has the real answers; none of them changes anything or runs anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sorted::{Map, Set};
use ipnetwork::IpNetwork;

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
    pub executable: &'p dyn Fn(&str) -> Executable,
    /// Whether an interface of that name exists; `None`: nobody knows.
    pub interface: &'p dyn Fn(&str) -> Option<bool>,
    /// Whether an address of the interface lies in the prefix; `None`: nobody knows.
    pub assigned: &'p dyn Fn(&str, &IpNetwork) -> Option<bool>,
    /// Whether the BIRD behind a control socket knows a constant of that name; `None`: it was not asked, or is silent.
    pub known_to_bird: &'p dyn Fn(&Path, &str) -> Option<bool>,
}

/// The answers so far.
pub struct Facts<'p> {
    pub probes: Probes<'p>,
    executables: Map<String, Executable>,
    interfaces: Map<String, Option<bool>>,
    shared: Set<Arc<str>>,
    places: Map<PathBuf, Place>,
}

impl<'p> Facts<'p> {
    pub fn new(probes: Probes<'p>) -> Facts<'p> {
        Facts {
            probes,
            executables: Map::new(),
            interfaces: Map::new(),
            shared: Set::new(),
            places: Map::new(),
        }
    }

    pub fn place(&mut self, path: &Path) -> Place {
        if let Some(known) = self.places.get(path) {
            return known.clone();
        }
        let place = (self.probes.place)(path);
        self.places.insert(path.to_path_buf(), place.clone());
        place
    }

    /// One copy of a text that many services have.
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.shared.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.shared.insert(text.clone());
        text
    }

    pub fn interface(&mut self, name: &str) -> Option<bool> {
        if let Some(known) = self.interfaces.get(name) {
            return *known;
        }
        let exists = (self.probes.interface)(name);
        self.interfaces.insert(name.to_string(), exists);
        exists
    }

    /// Why the command can't be run, as a message.
    pub fn why_not_runnable(&mut self, command: &str) -> Option<String> {
        let executable = match self.executables.get(command) {
            Some(known) => known,
            None => {
                let found = (self.probes.executable)(command);
                self.executables
                    .get_or_insert_with(command.to_string(), || found)
            }
        };
        let shown = super::text::quoted(command);
        let user = self.probes.user;
        match executable {
            Executable::Runs => None,
            Executable::NotFound if command.contains('/') => {
                Some(format!("cannot run {shown}: no such file"))
            }
            Executable::NotFound => Some(format!("cannot run {shown}: no such command in PATH")),
            Executable::NotPermitted => Some(format!(
                "cannot run {shown}: user {user} may not execute it"
            )),
            Executable::Directory => Some(format!("cannot run {shown}: it is a directory")),
            Executable::NoInterpreter => Some(format!(
                "cannot run {shown}: it is neither a program nor a script that begins with #!"
            )),
            Executable::InterpreterMissing(interpreter) => Some(format!(
                "cannot run {shown}: its interpreter {} does not exist",
                super::text::quoted(interpreter)
            )),
        }
    }

    /// Why files can't be made in the directory, as a message.
    pub fn why_not_usable(&mut self, directory: &Path) -> Option<String> {
        let shown = quoted_path(directory);
        match self.place(directory) {
            Place::Directory { writable: true } => None,
            Place::Directory { writable: false } => Some(format!(
                "user {} may not write in directory {shown}",
                self.probes.user
            )),
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
                Some(format!("user {} may not write {shown}", self.probes.user))
            }
            Place::Directory { .. } => Some(format!("{shown} is a directory")),
            Place::Hidden(cause) => Some(format!("cannot look at {shown}: {cause}")),
            Place::Missing => {
                let target = (self.probes.target)(file);
                self.why_not_usable(&parent(&target))
            }
        }
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

pub fn quoted_path(path: &Path) -> String {
    super::text::quoted(&path.to_string_lossy())
}
