//! Files that are whole at any moment: replaced atomically, read with a bound, never anything but regular
//! files.
//!
//! A reader sees the old content or the new one, and after [`replace_prefix_file`] so does a reboot. Mode, owner, access
//! control lists and extended attributes are kept, a symbolic link stays and its target is replaced, a new file can be
//! read by everybody. A temporary file has a name that neither BIRD (`*.conf`) nor a collector of metrics (`*.prom`)
//! takes in, and is gone after a failure; those that killed processes left are removed with the next one. Errors say what was
//! to be done.

mod attributes;
mod history;
mod prefix_file;
mod reserve;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::sys::{self, files, process};
use crate::time::Wall;

pub use self::prefix_file::{Outcome, PREFIX_FILE_MAX, replace_prefix_file};

/// Symbolic links followed one after the other: the kernel's own limit.
const LINKS_MAX: usize = 40;

/// Bytes of a file's name that its temporary file repeats, so that the whole stays below 255.
const NAME_MAX: usize = 200;

/// Replaces what stands at `path` itself, without waiting for the disk: a link is not followed but
/// overwritten.
pub fn replace_here(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, content, Durable::No)
        .map(drop)
        .map_err(|error| failed("write", path, &error))
}

/// Makes the file at `path` unless it is there; nobody sees it before it is whole.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = resolve(path)?;
    let beside = temporary_name(&target);
    put(&beside, content, Durable::Yes)?;
    let made = match fs::hard_link(&beside, &target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|error| failed("make", &target, &error)),
    };
    // A file that is left is swept before the next one.
    let _ = fs::remove_file(&beside);
    made
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    /// It is on the disk before it has its name, and nothing that decides who may read it is lost.
    Yes,
    No,
}

/// Replaces `target` as a whole by way of a temporary file. What could not be kept of the old one comes back.
fn put(target: &Path, content: &[u8], durable: Durable) -> io::Result<attributes::Kept> {
    let mut new = Replacement::of(target)?;
    new.file.write_all(content)?;
    new.put(durable)
}

/// What is at `target` and would be replaced: nothing, or a regular file. A link is replaced as well, but has nothing
/// that is kept.
fn existing(target: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(target) {
        Ok(old) if old.is_file() => Ok(Some(old)),
        Ok(old) if old.is_symlink() => Ok(None),
        Ok(old) => Err(not_a_file(&old)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is to take the place of a file, while it is written piece by piece. It is gone if it is not put there.
#[derive(Debug)]
pub struct Replacement {
    target: PathBuf,
    temporary: PathBuf,
    file: File,
    /// The file that is replaced.
    old: Option<Metadata>,
    done: bool,
}

impl Replacement {
    /// Of the file that is meant by `path`.
    pub fn begin(path: &Path) -> io::Result<Replacement> {
        let target = resolve(path)?;
        Replacement::of(&target).map_err(|error| failed("write", &target, &error))
    }

    fn of(target: &Path) -> io::Result<Replacement> {
        sweep_beside(target);
        let old = existing(target)?;
        let temporary = temporary_name(target);
        let file = create_temporary(&temporary).map_err(|error| {
            let what = "no temporary file can be made in its directory: ";
            in_words(&error, what, "")
        })?;
        Ok(Replacement {
            target: target.to_path_buf(),
            temporary,
            file,
            old,
            done: false,
        })
    }

    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(content);
        written.map_err(|error| failed("write", &self.target, &error))
    }

    /// Puts it there without waiting for the disk: what is soon written again, such as metrics.
    pub fn commit(self) -> io::Result<()> {
        let target = self.target.clone();
        let put = self.put(Durable::No).map(drop);
        put.map_err(|error| failed("write", &target, &error))
    }

    // Whether the new name outlives a power cut is not waited for: either file is whole, and checks decide anew.
    fn put(mut self, durable: Durable) -> io::Result<attributes::Kept> {
        let old = self.old.as_ref().map(|old| (self.target.as_path(), old));
        let kept = attributes::keep(&self.file, old)?;
        if durable == Durable::Yes {
            kept.readable()?;
            sync(&self.file)?;
        }
        fs::rename(&self.temporary, &self.target)
            .map_err(|error| in_words(&error, "no new file can take its place: ", ""))?;
        self.done = true;
        Ok(kept)
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.done {
            // It is swept before the next one if even this fails.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
        .map_err(|error| in_words(&error, "its data can't be synced: ", ""))
}

/// The temporary file of a predecessor with our pid is in the way only if that was killed.
fn create_temporary(path: &Path) -> io::Result<File> {
    match files::create_new(path, 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            files::create_new(path, 0o600)
        }
        result => result,
    }
}

/// `.NAME.`; behind it stand the pid of its maker and `.tmp`.
fn temporary_prefix(target: &Path) -> Vec<u8> {
    let name = target.file_name().unwrap_or_default().as_bytes();
    let mut prefix = b".".to_vec();
    prefix.extend_from_slice(&name[..name.len().min(NAME_MAX)]);
    prefix.push(b'.');
    prefix
}

fn temporary_name(target: &Path) -> PathBuf {
    let pid = process::Pid::own().number();
    hidden_name(target, &format!("{pid}.tmp"))
}

/// Whose temporary file has this name, if it is one: the pid of its maker.
pub fn maker_of(name: &OsStr) -> Option<u32> {
    let name = name.as_bytes().strip_prefix(b".")?.strip_suffix(b".tmp")?;
    let pid = name.rsplit(|byte| *byte == b'.').next()?;
    std::str::from_utf8(pid).ok()?.parse().ok()
}

/// `.NAME.` and an ending, in the same directory.
fn hidden_name(target: &Path, ending: &str) -> PathBuf {
    let mut name = temporary_prefix(target);
    name.extend_from_slice(ending.as_bytes());
    target.with_file_name(OsString::from_vec(name))
}

/// Reserves room for a withdrawal beside the prefix file at `path`.
pub fn reserve(path: &Path) -> io::Result<()> {
    reserve::make(&resolve(path)?)
}

/// Adds what a prefix file held to its history, of which the `keep` newest copies stay.
pub fn archive(path: &Path, content: &[u8], keep: u32, now: Wall) -> io::Result<()> {
    history::archive(&resolve(path)?, content, keep, now)
}

/// Removes the temporary files that killed processes left for `path`: this one's predecessors, and those that a disk has
/// held until it was back. A process that is at work on one is told of an error, and tries again.
pub fn sweep(path: &Path) {
    if let Ok(target) = resolve(path) {
        sweep_beside(&target);
    }
}

/// What can't be swept is in nobody's way.
fn sweep_beside(target: &Path) {
    let prefix = temporary_prefix(target);
    let entries = fs::read_dir(directory_of(target)).into_iter().flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name
            .as_bytes()
            .strip_prefix(prefix.as_slice())
            .and_then(|rest| rest.strip_suffix(b".tmp"));
        let ours = pid.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit));
        if ours {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The file that is meant by `path`, after all links at its end; it need not exist.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        match fs::symlink_metadata(&target) {
            Ok(found) if found.is_symlink() => {
                trust(&target, &found).map_err(|error| failed("write", path, &error))?;
                let next = fs::read_link(&target).map_err(|error| failed("write", path, &error))?;
                target = directory_of(&target).join(next);
            }
            _ => return Ok(target),
        }
    }
    let cause = io::Error::other("too many symbolic links");
    Err(failed("write", path, &cause))
}

/// As the kernel's `protected_symlinks`: where everybody may put a link, only that of ourselves or of the
/// directory's owner is followed, or another user could have us overwrite what he likes.
fn trust(link: &Path, found: &Metadata) -> io::Result<()> {
    let directory = fs::metadata(directory_of(link))?;
    let open_to_all = directory.mode() & 0o1002 == 0o1002;
    let owner = found.uid();
    if open_to_all && owner != process::effective_uid() && owner != directory.uid() {
        return Err(io::Error::other(format!(
            "{} is a symbolic link of user {owner} in a directory that everybody may write",
            shown(link)
        )));
    }
    Ok(())
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// The content of a regular file of at most `limit` bytes. Nothing else is opened, so this never waits for
/// anybody.
pub fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let refuse = |error: io::Error| failed("read", path, &error);
    // Looked at before the open, which has effects on some devices, and again after it, for nobody to slip in
    // between.
    let found = fs::metadata(path).map_err(refuse)?;
    if !found.is_file() {
        return Err(failed("read", path, &not_a_file(&found)));
    }
    let file = files::open_to_read(path).map_err(refuse)?;
    let found = file.metadata().map_err(refuse)?;
    if !found.is_file() {
        return Err(failed("read", path, &not_a_file(&found)));
    }
    // With room to see the end of it, which saves calls.
    let length = usize::try_from(found.len()).unwrap_or(usize::MAX);
    let mut content = Vec::with_capacity(length.min(limit) + 1);
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut content).map_err(refuse)?;
    if content.len() > limit {
        let cause = io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has more than {limit} bytes"),
        );
        return Err(failed("read", path, &cause));
    }
    Ok(content)
}

/// Whether room is what is missing.
fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn not_a_file(found: &Metadata) -> io::Error {
    let kind = found.file_type();
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}, not a regular file"),
    )
}

/// `cannot VERB PATH: cause`, of the same kind.
fn failed(verb: &str, path: &Path, error: &io::Error) -> io::Error {
    in_words(error, &format!("cannot {verb} {}: ", shown(path)), "")
}

fn in_words(error: &io::Error, before: &str, after: &str) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("{before}{}{after}", sys::cause(error)),
    )
}

/// A path for a message: as it is, or quoted and escaped if it holds what would disturb a line or a terminal.
pub fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => text.to_string(),
        _ => format!("{path:?}"),
    }
}

#[cfg(test)]
pub(super) mod tests;
