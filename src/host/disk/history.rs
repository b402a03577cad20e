//! Copies of the prefix file as it was before each change, in `history/` beside it; made after the change.
//!
//! A copy is named by its time in seconds with a fraction, as the reference does it, so that the copies of
//! both are one series. The newest ones are kept; files with other names are nobody's business here.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{directory_of, failed, files, in_words};
use crate::time::Wall;

/// A moment in microseconds, as it is read from a name. 10^18 of them are 30,000 years.
type Stamp = u64;

/// Adds `old`, which was the content of `target` before a change, and removes the oldest copies, so that `keep` are left.
pub fn archive(target: &Path, old: &[u8], keep: u32, now: Wall) -> io::Result<()> {
    let directory = directory_of(target).join("history");
    // Whatever the umask: whoever may write there could pass off a file of theirs as one of ours.
    match DirBuilder::new().mode(0o755).create(&directory) {
        Ok(()) => {}
        Err(_) if directory.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let cause = io::Error::new(error.kind(), "it is not a directory");
            return Err(failed("use", &directory, &cause));
        }
        Err(error) => return Err(failed("make", &directory, &error)),
    }
    let mut copies = copies_in(&directory).map_err(|error| failed("read", &directory, &error))?;
    // Later than all there are, even if the clock was set back: the order is what counts.
    let latest = copies
        .last()
        .map_or(0, |&(stamp, _)| stamp.saturating_add(1));
    let stamp = u64::try_from(now.micros()).unwrap_or(0).max(latest);
    let copy = directory.join(format!("{}.{:06}", stamp / 1_000_000, stamp % 1_000_000));
    write_copy(&copy, old).map_err(|error| failed("write", &copy, &error))?;
    copies.push((stamp, copy));

    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let surplus = copies.len().saturating_sub(keep);
    for (_, old) in &copies[..surplus] {
        match fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", old, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn write_copy(copy: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = files::create_new(copy, 0o644)?;
    file.write_all(content).map_err(|error| {
        let _ = fs::remove_file(copy);
        in_words(&error, "", "")
    })
}

/// All copies, the oldest first.
fn copies_in(directory: &Path) -> io::Result<Vec<(Stamp, PathBuf)>> {
    let mut copies = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let stamp = stamp_of(entry.file_name().as_bytes());
        if let (Some(stamp), Ok(kind)) = (stamp, entry.file_type()) {
            if kind.is_file() {
                copies.push((stamp, entry.path()));
            }
        }
    }
    copies.sort();
    Ok(copies)
}

/// Seconds, a point and up to nine digits: our own names, and those of the reference.
fn stamp_of(name: &[u8]) -> Option<Stamp> {
    let name = std::str::from_utf8(name).ok()?;
    let (seconds, fraction) = name.split_once('.')?;
    let digits = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(seconds, 12) || !digits(fraction, 9) {
        return None;
    }
    let micros: Stamp = format!("{fraction:0<6}")[..6].parse().ok()?;
    Some(seconds.parse::<Stamp>().ok()? * 1_000_000 + micros)
}

#[cfg(test)]
mod tests;
