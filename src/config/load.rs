//! Reads the files in their order and has them checked. The only room of this wing that touches files, and it
//! only reads.
//!
//! Order: built-in defaults, `-f`, then the service files by name, byte by byte. What is named but can't be
//! read is an error; of the paths that nobody named, a missing one is a note. Nothing here waits: what is no
//! regular file is refused before it is opened.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::{self, Read};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::complaints::Complaints;
use super::document::{Document, Origin};
use super::facts::{Probes, quoted_path};
use super::text::printable;
use super::{Complaint, Config, check, ini};
use crate::sorted::order;

/// Where settings are looked for if nobody says.
pub const DEFAULT_FILE: &str = "/etc/anycast-healthchecker.conf";
pub const DEFAULT_DIR: &str = "/etc/anycast-healthchecker.d";
/// Only these are service files.
const SUFFIX: &[u8] = b".conf";

/// Bytes of one file: room for fifty thousand services. More is no configuration.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Files of the directory.
const MAX_FILES: usize = 50_000;

/// What the command line names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub file: Option<PathBuf>,
    pub dir: Option<PathBuf>,
    /// Instead of a directory.
    pub service_file: Option<PathBuf>,
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
}

/// What was read, and what went wrong with that.
#[derive(Debug)]
pub struct Unchecked {
    pub document: Document,
    pub complaints: Vec<Complaint>,
    pub notes: Vec<String>,
}

/// Reads and checks everything.
pub fn load(source: &Source, probes: Probes<'_>) -> Loaded {
    let Loading {
        document,
        mut complaints,
        notes,
    } = Loading::of(source);
    let config = check::check(&document, probes, &mut complaints);
    Loaded {
        config,
        complaints: complaints.in_order(&document),
        notes,
        document,
    }
}

/// Reads everything and checks nothing: for a client of a daemon that runs already, whose user need not have
/// the daemon's permissions, and who may be in a hurry while some file is being edited. The complaints are
/// those of reading.
pub fn read(source: &Source) -> Unchecked {
    let Loading {
        document,
        complaints,
        notes,
    } = Loading::of(source);
    Unchecked {
        complaints: complaints.in_order(&document),
        notes,
        document,
    }
}

/// The same, of the daemon's own settings alone.
pub fn read_settings(source: &Source) -> Document {
    let mut loading = Loading::new();
    loading.settings(source.file.as_deref());
    loading.document
}

struct Loading {
    document: Document,
    complaints: Complaints,
    notes: Vec<String>,
}

impl Loading {
    fn new() -> Loading {
        Loading {
            document: Document::built_in(),
            complaints: Complaints::default(),
            notes: Vec::new(),
        }
    }

    fn of(source: &Source) -> Loading {
        let mut loading = Loading::new();
        loading.settings(source.file.as_deref());
        match &source.service_file {
            Some(file) => loading.file(file),
            None => loading.directory(source.dir.as_deref()),
        }
        loading
    }

    /// The file with the daemon's settings.
    fn settings(&mut self, named: Option<&Path>) {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        if named.is_none() && is_missing(path) {
            self.notes.push(format!(
                "{DEFAULT_FILE} does not exist: built-in defaults are used"
            ));
            return;
        }
        self.file(path);
    }

    fn directory(&mut self, named: Option<&Path>) {
        let path = named.unwrap_or(Path::new(DEFAULT_DIR));
        if named.is_none() && is_missing(path) {
            self.notes.push(format!(
                "{DEFAULT_DIR} does not exist: there are no services"
            ));
            return;
        }
        let names = match service_files(path) {
            Ok(names) => names,
            Err(error) => {
                let cause = cause(&error);
                self.refuse(path, format!("cannot read the directory: {cause}"));
                return;
            }
        };
        if names.len() > MAX_FILES {
            self.refuse(path, format!("more than {MAX_FILES} service files in it"));
            return;
        }
        for name in names {
            let file = path.join(&name);
            match file.metadata() {
                Ok(found) if found.is_dir() => {
                    let shown = quoted_path(&file);
                    self.notes.push(format!("directory {shown} is ignored"));
                }
                found => self.found(&file, found),
            }
        }
    }

    fn file(&mut self, path: &Path) {
        self.found(path, path.metadata());
    }

    /// Reads the file that was found there, or not.
    fn found(&mut self, path: &Path, found: io::Result<Metadata>) {
        match contents(path, found) {
            Ok(bytes) => {
                let shown = printable(&path.to_string_lossy()).into_owned();
                let number = self.document.add_file(&shown);
                ini::read(&bytes, number, &mut self.document, &mut self.complaints);
            }
            Err(cause) => self.refuse(path, format!("cannot read the file: {cause}")),
        }
    }

    fn refuse(&mut self, path: &Path, message: String) {
        let file = self.document.add_file(&printable(&path.to_string_lossy()));
        let origin = Origin { file, line: 0 };
        self.complaints.error(origin, "", "", message);
    }
}

fn is_missing(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Names of `*.conf` that do not begin with a dot, in byte order.
fn service_files(directory: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        if is_service_file(&name) {
            names.push(name);
        }
    }
    let in_order = order(names.len(), &|a, b| {
        names[a].as_bytes().cmp(names[b].as_bytes())
    });
    Ok(in_order
        .into_iter()
        .map(|at| mem::take(&mut names[at]))
        .collect())
}

fn is_service_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(SUFFIX) && !name.starts_with(b".")
}

/// The bytes of a regular file of reasonable size, or why there are none.
fn contents(path: &Path, found: io::Result<Metadata>) -> Result<Vec<u8>, String> {
    // Whoever names it wants a file with nothing in it.
    if path == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    let found = found.map_err(|error| cause(&error))?;
    if found.is_dir() {
        return Err("it is a directory".to_string());
    }
    if !found.is_file() {
        return Err("it is no regular file".to_string());
    }
    if found.len() > MAX_FILE {
        return Err(format!("it has more than {MAX_FILE} bytes"));
    }
    let mut bytes = Vec::with_capacity(found.len() as usize);
    let file = std::fs::File::open(path).map_err(|error| cause(&error))?;
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    match read {
        Err(error) => Err(cause(&error)),
        Ok(length) if length as u64 > MAX_FILE => Err(format!("it has more than {MAX_FILE} bytes")),
        Ok(_) => Ok(bytes),
    }
}

/// The words for a failure of the system, without the number that only programmers read.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::NotADirectory => "it is no directory".to_string(),
        _ => error.to_string(),
    }
}
