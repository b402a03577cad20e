//! Loads a configuration from the files that were read, and has it checked. Pure: `host::reading` reads them.
//!
//! Order: built-in defaults, `-f`, then the service files by name, byte by byte. What is named but can't be
//! read is an error; of the paths that nobody named, a missing one is a note.

use std::path::{Path, PathBuf};

use super::complaints::Complaints;
use super::document::{Document, Origin};
use super::facts::{Probes, quoted_path};
use super::files::{Files, Found};
use super::text::printable;
use super::{Complaint, Config, check, ini};

/// Where settings are looked for if nobody says.
pub const DEFAULT_FILE: &str = "/etc/anycast-healthchecker.conf";
pub const DEFAULT_DIR: &str = "/etc/anycast-healthchecker.d";

/// What the command line names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub file: Option<PathBuf>,
    pub dir: Option<PathBuf>,
    /// Instead of a directory.
    pub service_file: Option<PathBuf>,
}

impl Source {
    /// The file with the daemon's settings.
    pub fn settings(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }

    /// The directory with the service files, if they are not in one file.
    pub fn directory(&self) -> &Path {
        self.dir.as_deref().unwrap_or(Path::new(DEFAULT_DIR))
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Loaded {
    /// There is one if and only if no complaint is an error.
    pub config: Option<Config>,
    /// In the order of files and lines.
    pub complaints: Vec<Complaint>,
    /// To be said on standard error: what was assumed.
    pub notes: Vec<String>,
    pub document: Document,
    /// The same source, in which the default paths that exist are named: they must not be missing next time.
    pub source: Source,
}

/// What was read, and what went wrong with that.
#[derive(Debug)]
pub struct Unchecked {
    pub document: Document,
    pub complaints: Vec<Complaint>,
    pub notes: Vec<String>,
}

/// Checks everything that was read.
pub fn load(source: &Source, files: Files, probes: Probes<'_>) -> Loaded {
    let Loading {
        document,
        mut complaints,
        notes,
        source,
    } = Loading::of(source, &files);
    // They may have many megabytes, as the configuration that is being made may.
    drop(files);
    let config = check::check(&document, probes, &mut complaints);
    Loaded {
        config,
        complaints: complaints.in_order(&document),
        notes,
        document,
        source,
    }
}

/// Checks nothing: for a client of a daemon that runs already, whose user need not have the daemon's permissions, and
/// who may be in a hurry while some file is being edited. The complaints are those of reading.
pub fn unchecked(source: &Source, files: &Files) -> Unchecked {
    let Loading {
        document,
        complaints,
        notes,
        ..
    } = Loading::of(source, files);
    Unchecked {
        complaints: complaints.in_order(&document),
        notes,
        document,
    }
}

struct Loading {
    document: Document,
    complaints: Complaints,
    notes: Vec<String>,
    source: Source,
}

impl Loading {
    fn of(source: &Source, files: &Files) -> Loading {
        let mut loading = Loading {
            document: Document::built_in(),
            complaints: Complaints::default(),
            notes: Vec::new(),
            source: source.clone(),
        };
        let mut files = files.iter();
        if let Some((path, found)) = files.next() {
            loading.settings(path, found);
        }
        if source.service_file.is_none() {
            if let Some((path, found)) = files.next() {
                loading.directory(path, found);
            }
        }
        for (path, found) in files {
            loading.file(path, found);
        }
        loading
    }

    fn settings(&mut self, path: &Path, found: Found<'_>) {
        if found == Found::Missing && self.source.file.is_none() {
            self.notes.push(format!(
                "{DEFAULT_FILE} does not exist: built-in defaults are used"
            ));
            return;
        }
        self.source.file = Some(path.to_path_buf());
        match found {
            Found::Directory => self.refuse(path, "cannot read the file: it is a directory"),
            found => self.file(path, found),
        }
    }

    fn directory(&mut self, path: &Path, found: Found<'_>) {
        if found == Found::Missing && self.source.dir.is_none() {
            self.notes.push(format!(
                "{DEFAULT_DIR} does not exist: there are no services"
            ));
            return;
        }
        self.source.dir = Some(path.to_path_buf());
        let cause = match found {
            Found::Directory => return,
            Found::Missing => "it does not exist",
            Found::Unreadable(cause) => cause,
            Found::Text(_) | Found::Unquiet(_) => "it is no directory",
        };
        self.refuse(path, &format!("cannot read the directory: {cause}"));
    }

    fn file(&mut self, path: &Path, found: Found<'_>) {
        let bytes = match found {
            Found::Text(bytes) | Found::Unquiet(bytes) => bytes,
            Found::Directory if self.source.service_file.is_none() => {
                let shown = quoted_path(path);
                self.notes.push(format!("directory {shown} is ignored"));
                return;
            }
            Found::Directory => {
                return self.refuse(path, "cannot read the file: it is a directory");
            }
            Found::Missing => return self.refuse(path, "cannot read the file: it does not exist"),
            Found::Unreadable(cause) => {
                return self.refuse(path, &format!("cannot read the file: {cause}"));
            }
        };
        let file = self.add_file(path);
        let mut warn = |message: &str| {
            let origin = Origin { file, line: 0 };
            self.complaints.warn(origin, "", "", message.to_string());
        };
        if matches!(found, Found::Unquiet(_)) {
            warn(
                "the file was changing while it was read, and was read again until it no longer did",
            );
        }
        if bytes.last().is_some_and(|last| *last != b'\n') {
            warn("the last line does not end: is the file complete?");
        }
        ini::read(bytes, file, &mut self.document, &mut self.complaints);
    }

    fn refuse(&mut self, path: &Path, message: &str) {
        let file = self.add_file(path);
        let origin = Origin { file, line: 0 };
        self.complaints.error(origin, "", "", message.to_string());
    }

    fn add_file(&mut self, path: &Path) -> u32 {
        self.document.add_file(&printable(&path.to_string_lossy()))
    }
}
