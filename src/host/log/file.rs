//! The log file: appended to, rotated, and lost and found again without a word from the caller.
//!
//! Rotation follows Python's `RotatingFileHandler`: before a line that would make the file reach `max_bytes`,
//! `.1` … `.N` move up by one, the oldest goes, the file becomes `.1`; a limit or a number of backups of zero
//! means never. The size is asked of the kernel each time, so it goes on across restarts and follows a
//! `copytruncate`. A file that was removed is made anew at the next line; a renamed one is followed until
//! [`LogFile::reopen`], as logrotate expects. A symbolic link stays, and its target is what is rotated. A
//! line that a full disk cut short is taken back. Opening is tried at most once a second, and only for a
//! line.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::line;
use crate::host::sys::cause;
use crate::host::sys::log_fd;
use crate::time::Mono;

/// How long after a failure opening or rotating is tried again: soon enough for a reader, dear enough to be
/// no load.
pub const RETRY: Duration = Duration::from_secs(1);
/// The highest backup that is ever moved, whatever `log_backups` says, so that a rotation stays a matter of
/// milliseconds.
const MOST_BACKUPS: u32 = 1000;
/// A file that can't be rotated may grow to so many times its limit before lines are dropped: a directory
/// that is read-only for a while loses nothing, and one that stays so fills no disk.
const OVERGROWTH: u64 = 2;
/// Symbolic links that the kernel follows in one path.
const MAX_LINKS: u32 = 40;

#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// The path names a descriptor of ours, such as /dev/stdout. Whoever gave us that goes on with the same file, so it
    /// is not ours to rename.
    is_descriptor: bool,
    max_bytes: u64,
    backups: u32,
    open: Option<Open>,
    /// `path` is to be opened anew although `open` still takes lines.
    stale: bool,
    open_at: Mono,
    rotate_at: Mono,
    torn: bool,
    /// What there is to say since the last report.
    report: Report,
}

/// What became of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// So many of them are gone for good.
    pub lost: u32,
    /// What went wrong first.
    pub cause: Option<String>,
    /// The last one was written, and the file is as it should be.
    pub works: bool,
}

impl Report {
    pub fn failed(&mut self, cause: impl FnOnce() -> String) {
        self.cause.get_or_insert_with(cause);
        self.works = false;
    }

    pub fn lose(&mut self, cause: impl FnOnce() -> String) {
        self.failed(cause);
        self.lost = self.lost.saturating_add(1);
    }
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Where the file lies once symbolic links are followed.
    target: PathBuf,
}

impl LogFile {
    pub fn new(path: &Path, max_bytes: u64, backups: u32, now: Mono) -> LogFile {
        let mut file = LogFile {
            path: path.to_path_buf(),
            is_descriptor: is_descriptor(path),
            max_bytes,
            backups: backups.min(MOST_BACKUPS),
            open: None,
            stale: false,
            open_at: now,
            rotate_at: now,
            torn: false,
            report: Report::default(),
        };
        file.open_if_due(now);
        file
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn set_limits(&mut self, max_bytes: u64, backups: u32) {
        self.max_bytes = max_bytes;
        self.backups = backups.min(MOST_BACKUPS);
    }

    /// Opens the path again (SIGHUP). If that fails the old file goes on taking lines, and it is tried again.
    pub fn reopen(&mut self, now: Mono) {
        self.stale = true;
        self.open_at = now;
        self.open_if_due(now);
    }

    /// Appends one line; false if it is lost.
    pub fn line(&mut self, now: Mono, text: &str) -> bool {
        let mut metadata = self.open_metadata();
        // Removed, or on a file system that has gone away from under it (a stale handle).
        if metadata
            .as_ref()
            .is_none_or(|metadata| metadata.is_file() && metadata.nlink() == 0)
        {
            self.open = None;
        }
        if self.open.is_none() || self.stale {
            self.open_if_due(now);
            metadata = self.open_metadata();
        }
        let Some(metadata) = metadata else {
            self.report.works = false;
            self.report.lost += 1;
            return false;
        };
        let kept = self.append(now, &metadata, text);
        if !kept {
            self.report.works = false;
            self.report.lost += 1;
        }
        kept
    }

    /// What became of the lines since the last report.
    pub fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    fn open_metadata(&self) -> Option<Metadata> {
        self.open.as_ref()?.file.metadata().ok()
    }

    fn open_if_due(&mut self, now: Mono) {
        if now < self.open_at {
            return;
        }
        match open(&self.path) {
            Ok(file) => {
                let target = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
                self.open = Some(Open { file, target });
                self.stale = false;
                self.torn = false;
            }
            Err(error) => {
                self.open_at = now + RETRY;
                self.report.failed(|| cause(&error));
            }
        }
    }

    fn append(&mut self, now: Mono, metadata: &Metadata, text: &str) -> bool {
        let mut size = metadata.len();
        let length = text.len() as u64 + 1;
        let limited =
            self.max_bytes > 0 && self.backups > 0 && metadata.is_file() && !self.is_descriptor;
        let mut rotated = true;
        // An empty file is never rotated: a line longer than the limit would only push empty files along.
        if limited && size > 0 && size + length >= self.max_bytes {
            rotated = self.rotate(now);
            if rotated {
                size = 0;
            } else if size + length > self.max_bytes.saturating_mul(OVERGROWTH) {
                return false;
            }
        }
        let Some(open) = &mut self.open else {
            return false;
        };
        match line::put(&mut open.file, &mut self.torn, text, usize::MAX, |_| true) {
            Ok(()) => {
                if rotated && !self.stale {
                    self.report.works = true;
                }
                true
            }
            Err(cut) => {
                if cut.written > 0 && metadata.is_file() {
                    self.take_back(size, cut.written as u64);
                }
                self.report.failed(|| cause(&cut.error));
                false
            }
        }
    }

    /// Removes the piece of a line that got out, unless somebody else has written behind it.
    fn take_back(&mut self, before: u64, written: u64) {
        let Some(open) = &self.open else {
            return;
        };
        let alone = open
            .file
            .metadata()
            .is_ok_and(|metadata| metadata.len() == before + written);
        if alone && open.file.set_len(before).is_ok() {
            self.torn = false;
        }
    }

    /// Moves the backups up and the file to `.1`, and opens a new one; false if the file is still the full
    /// one.
    fn rotate(&mut self, now: Mono) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        if now < self.rotate_at {
            return false;
        }
        match shift(&open.target, self.backups).and_then(|()| self::open(&self.path)) {
            Ok(file) => {
                let target = open.target.clone();
                self.open = Some(Open { file, target });
                self.torn = false;
                true
            }
            Err(error) => {
                self.rotate_at = now + RETRY;
                // If the file is `.1` by now, lines go on there until the path can be opened.
                self.stale = true;
                self.open_at = now + RETRY;
                self.report
                    .failed(|| format!("it cannot be rotated: {}", cause(&error)));
                false
            }
        }
    }
}

/// Whether the path leads into /proc by its links, as /dev/stdout and /dev/fd/3 do.
fn is_descriptor(path: &Path) -> bool {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let Some(Ok(parent)) = path.parent().map(Path::canonicalize) else {
            return false;
        };
        if parent.starts_with("/proc") {
            return true;
        }
        match fs::read_link(&path) {
            Ok(next) => path = parent.join(next),
            Err(_) => return false,
        }
    }
    false
}

fn open(path: &Path) -> io::Result<File> {
    // Readable as well as appended to by the umask alone, as the reference makes it.
    OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(log_fd::WITHOUT_WAITING)
        .open(path)
}

/// `.N-1` becomes `.N`, … , the file itself `.1`; gaps stay gaps.
fn shift(path: &Path, backups: u32) -> io::Result<()> {
    for number in (1..backups).rev() {
        move_if_there(&numbered(path, number), &numbered(path, number + 1))?;
    }
    move_if_there(path, &numbered(path, 1))
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
