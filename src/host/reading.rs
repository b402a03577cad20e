//! Reads the configuration files when nobody is writing them, and has them loaded: here, or in a child.
//!
//! A file that changed within the last second may be half written, and so may one whose last line does not end: the
//! files are read again until they are [`QUIET`], or twice the same with that time in between, for file systems with
//! another clock. What goes on changing is an error. A daemon that runs has a child of its own do all of this
//! ([`child_main`]), so that a disk that hangs does not hold its loop: the child hands over the files and the answers to
//! what the rules ask about this host, and [`replay`] loads from those.

use std::cell::{Cell, RefCell};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use super::sys::{clock, files};
use super::{log, probe};
use crate::config::document::Document;
use crate::config::facts::{Executable, Place, Probes};
use crate::config::files::{Fields, Files, Found, Record};
use crate::config::load::{self, Loaded, Source, Unchecked};

/// The hidden one-shot that reads the configuration for the daemon.
pub const READ_OPTION: &str = "--read-configuration";

/// A file that changed no longer ago than this may be changing still.
const QUIET: Duration = Duration::from_secs(1);
/// How long files may go on changing, and how long a last line without an end makes a file suspect.
const MAX_UNREST: Duration = Duration::from_secs(10);
/// The shortest wait between two readings.
const MIN_WAIT: Duration = Duration::from_millis(10);

/// Only these are service files.
const SUFFIX: &[u8] = b".conf";
/// Bytes of one file: room for fifty thousand services. More is no configuration.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Files of the directory.
const MAX_FILES: usize = 50_000;
/// Bytes of all files together.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of a record: all files, and more for what the rules ask than they can be made to.
pub const MAX_RECORD: usize = 2 * MAX_BYTES;
/// What the kernel calls /dev/null, and a link to it masks a file (makedev(1, 3)).
const DEV_NULL: u64 = 0x103;

/// Reads and checks everything, waiting for files that are being written.
pub fn load(source: &Source) -> Loaded {
    let files = read_quiet(source);
    probe::with(|probes| load::load(source, files, probes))
}

/// The same for `-c`, which also asks a running BIRD and which addresses are assigned.
pub fn load_and_ask(source: &Source) -> Loaded {
    let files = read_quiet(source);
    probe::with_all(|probes| load::load(source, files, probes))
}

/// Reads what is there now and checks nothing.
pub fn unchecked(source: &Source) -> Unchecked {
    load::unchecked(source, &Look::at(source).files)
}

/// The same, of the daemon's own settings alone.
pub fn settings(source: &Source) -> Document {
    let mut look = Look::default();
    look.file(source.settings());
    load::unchecked(source, &look.files).document
}

/// The child of a daemon: reads and loads, and prints the record of it.
pub fn child_main(source: &Source) -> ExitCode {
    match io::stdout().lock().write_all(record(source).bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::say(&format!("cannot hand over the configuration: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The words that make a child of [`child_main`].
pub fn child_words(source: &Source) -> [String; 5] {
    let word = |path: &Option<PathBuf>| {
        let path = path.as_ref().map(|path| path.to_string_lossy());
        path.unwrap_or_default().into_owned()
    };
    let Source {
        file,
        dir,
        service_file,
    } = source;
    let program = "/proc/self/exe".to_string();
    let option = READ_OPTION.to_string();
    [program, option, word(file), word(dir), word(service_file)]
}

/// What [`child_words`] says behind the option.
pub fn child_source(words: [&OsString; 3]) -> Source {
    let [file, dir, service_file] =
        words.map(|word| (!word.is_empty()).then(|| PathBuf::from(word)));
    Source {
        file,
        dir,
        service_file,
    }
}

/// The files, then the answers in the order of the questions.
fn record(source: &Source) -> Record {
    let files = read_quiet(source);
    let record = RefCell::new(Record::default());
    let push = |bytes: &[u8]| record.borrow_mut().push(bytes);
    push(files.record().bytes());
    probe::with(|probes| {
        push(probes.user.as_bytes());
        let recording = Probes {
            place: &|path| {
                let place = (probes.place)(path);
                let (kind, cause) = place_to_record(&place);
                push(&[&[kind], cause.as_bytes()].concat());
                place
            },
            target: &|path| {
                let target = (probes.target)(path);
                push(target.as_os_str().as_bytes());
                target
            },
            foreign: &|path| {
                let why = (probes.foreign)(path);
                push(why.as_deref().unwrap_or_default().as_bytes());
                why
            },
            executable: &|command| {
                let executable = (probes.executable)(command);
                let (kind, interpreter) = executable_to_record(&executable);
                push(&[&[kind], interpreter.as_bytes()].concat());
                executable
            },
            interface: &|name| {
                let exists = (probes.interface)(name);
                push(exists.map_or(&[], |exists| if exists { b"y" } else { b"n" }));
                exists
            },
            no_addresses: &|| {
                let cause = (probes.no_addresses)();
                push(cause.as_deref().unwrap_or_default().as_bytes());
                cause
            },
            ..probes
        };
        load::load(source, files, recording)
    });
    record.into_inner()
}

/// Loads from a record of the same source; `None` if it is not one, or not whole.
pub fn replay(source: &Source, record: Vec<u8>) -> Option<Loaded> {
    let (files, answers) = Files::split(record)?;
    let mut fields = Fields::of(&answers);
    let user = text(fields.next()?);
    let fields = RefCell::new(fields);
    let whole = Cell::new(true);
    let next = || {
        let field = fields.borrow_mut().next();
        whole.set(whole.get() && field.is_some());
        field.unwrap_or_default()
    };
    let kind = || {
        let (kind, text) = next().split_first().unwrap_or((&0, &[]));
        (*kind, self::text(text))
    };
    let probes = Probes {
        user: &user,
        place: &|_| place_from_record(kind()),
        target: &|_| PathBuf::from(OsStr::from_bytes(next())),
        foreign: &|_| Some(text(next())).filter(|why| !why.is_empty()),
        executable: &|_| executable_from_record(kind()),
        interface: &|_| next().first().map(|answer| *answer == b'y'),
        no_addresses: &|| Some(text(next())).filter(|cause| !cause.is_empty()),
        assigned: &|_, _| None,
        known_to_bird: &|_, _| None,
    };
    let loaded = load::load(source, files, probes);
    let all_used = fields.borrow_mut().next().is_none();
    (whole.get() && all_used).then_some(loaded)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn place_to_record(place: &Place) -> (u8, &str) {
    match place {
        Place::Missing => (b'm', ""),
        Place::Directory { writable: false } => (b'd', ""),
        Place::Directory { writable: true } => (b'D', ""),
        Place::File { writable: false } => (b'f', ""),
        Place::File { writable: true } => (b'F', ""),
        Place::Other { writable: false } => (b'o', ""),
        Place::Other { writable: true } => (b'O', ""),
        Place::Hidden(cause) => (b'h', cause),
    }
}

fn place_from_record((kind, cause): (u8, String)) -> Place {
    let writable = kind.is_ascii_uppercase();
    match kind.to_ascii_lowercase() {
        b'm' => Place::Missing,
        b'd' => Place::Directory { writable },
        b'f' => Place::File { writable },
        b'o' => Place::Other { writable },
        _ => Place::Hidden(cause),
    }
}

fn executable_to_record(executable: &Executable) -> (u8, &str) {
    match executable {
        Executable::Runs => (b'r', ""),
        Executable::NotFound => (b'n', ""),
        Executable::NotPermitted => (b'p', ""),
        Executable::Directory => (b'd', ""),
        Executable::NoInterpreter => (b't', ""),
        Executable::InterpreterMissing(interpreter) => (b'i', interpreter),
    }
}

fn executable_from_record((kind, interpreter): (u8, String)) -> Executable {
    match kind {
        b'r' => Executable::Runs,
        b'n' => Executable::NotFound,
        b'p' => Executable::NotPermitted,
        b'd' => Executable::Directory,
        b't' => Executable::NoInterpreter,
        _ => Executable::InterpreterMissing(interpreter),
    }
}

/// The files when nobody is writing them any more.
fn read_quiet(source: &Source) -> Files {
    read_quiet_within(source, MAX_UNREST)
}

fn read_quiet_within(source: &Source, limit: Duration) -> Files {
    let begin = clock::now().mono;
    let mut look = Look::at(source);
    let mut unquiet = Vec::new();
    while let Some(wait) = look.wait {
        thread::sleep(wait);
        let next = Look::at(source);
        let mut changed = next.files.differences(&look.files);
        look = next;
        if changed.is_empty() {
            // Without a change in all that time the file's own time says nothing.
            if wait == QUIET {
                break;
            }
        } else if clock::now().mono.since(begin) >= limit {
            let cause = format!("it has been changing for {} s", limit.as_secs());
            return look.files.marked(&changed, Some(&cause));
        }
        unquiet.append(&mut changed);
    }
    look.files.marked(&unquiet, None)
}

/// One reading of all files.
#[derive(Default)]
struct Look {
    files: Files,
    /// After how long it is to be repeated, if some file may be changing.
    wait: Option<Duration>,
}

impl Look {
    fn at(source: &Source) -> Look {
        let mut look = Look::default();
        look.file(source.settings());
        match &source.service_file {
            Some(file) => look.file(file),
            None => look.directory(source.directory()),
        }
        look
    }

    /// The wait may end when this one has been still for long enough; a time that is to come tells nothing.
    fn changed_at(&mut self, found: &Metadata, quiet: Duration) {
        let modified = found.mtime().saturating_mul(1_000_000) + found.mtime_nsec() / 1_000;
        let age = clock::now().wall.micros().saturating_sub(modified);
        let Ok(age) = u64::try_from(age).map(Duration::from_micros) else {
            return self.wait_for(QUIET);
        };
        if age < quiet {
            self.wait_for((quiet - age).clamp(MIN_WAIT, QUIET));
        }
    }

    fn wait_for(&mut self, wait: Duration) {
        self.wait = self.wait.max(Some(wait));
    }

    fn directory(&mut self, path: &Path) {
        let names = match service_files(path) {
            Ok(names) => names,
            Err(error) => return self.not_read(path, &error),
        };
        if names.len() > MAX_FILES {
            let cause = format!("there are more than {MAX_FILES} service files in it");
            return self.files.add(path, Found::Unreadable(&cause));
        }
        // Editors and others that replace files remove them for a moment.
        if let Ok(found) = path.metadata() {
            self.changed_at(&found, QUIET);
        }
        self.files.add(path, Found::Directory);
        for name in names {
            self.file(&path.join(name));
        }
    }

    /// A regular file of reasonable size. What could make the reader wait is refused before it is opened.
    fn file(&mut self, path: &Path) {
        let added = path.metadata().and_then(|found| {
            let kind = found.file_type();
            if kind.is_dir() {
                self.files.add(path, Found::Directory);
                Ok(())
            } else if kind.is_char_device() && found.rdev() == DEV_NULL {
                self.files.add(path, Found::Text(b""));
                Ok(())
            } else if kind.is_file() {
                self.contents(path)
            } else {
                Err(io::Error::other("it is no regular file"))
            }
        });
        if let Err(error) = added {
            self.not_read(path, &error);
        }
    }

    fn contents(&mut self, path: &Path) -> io::Result<()> {
        let file = files::open_to_read(path)?;
        let before = file.metadata()?;
        let known = self.files.record().bytes().len();
        let limit = MAX_FILE.min(MAX_BYTES.saturating_sub(known) as u64);
        let too_large = || {
            io::Error::other(match limit < MAX_FILE {
                true => format!("up to here all files have more than {MAX_BYTES} bytes"),
                false => format!("it has more than {MAX_FILE} bytes"),
            })
        };
        if before.len() > limit {
            return Err(too_large());
        }
        let (mut length, mut complete) = (0, true);
        self.files.fill(path, before.len() as usize, |bytes| {
            length = (&file).take(limit + 1).read_to_end(bytes)? as u64;
            complete = length == 0 || bytes.ends_with(b"\n");
            match length > limit {
                true => Err(too_large()),
                false => Ok(()),
            }
        })?;
        let after = file.metadata()?;
        let stamp = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        if stamp(&before) != stamp(&after) || after.len() != length {
            self.wait_for(QUIET);
        }
        self.changed_at(&after, if complete { QUIET } else { MAX_UNREST });
        Ok(())
    }

    fn not_read(&mut self, path: &Path, error: &io::Error) {
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        // A link that leads nowhere is there.
        let found = match fs::symlink_metadata(path) {
            Err(error) if missing(&error) => Found::Missing,
            _ => Found::Unreadable(&cause(error)),
        };
        self.files.add(path, found);
    }
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
    names.sort_unstable();
    Ok(names)
}

fn is_service_file(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.ends_with(SUFFIX) && !name.starts_with(b".")
}

/// The words for a failure of the system, without the number that only programmers read.
fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it does not exist".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::NotADirectory => "it is no directory".to_string(),
        _ => super::sys::cause(error),
    }
}

#[cfg(test)]
mod tests;
