//! The replacement of a prefix file: by a temporary file, by the reserve, or in place.
//!
//! A temporary file that is renamed is the rule. When there is no room for it, the reserve takes its place. Where a file
//! can't be renamed over the old one (it is mounted by itself, its directory may not be written, its access control list
//! can't be passed on), or where even the reserve is of no use, the old file is overwritten: that needs no new block on a
//! file system that writes in place. What is not a list of prefixes but some other part of BIRD's configuration is never
//! touched, and what could not be understood is kept under another name. The history is the caller's, who adds to it
//! afterwards: a copy never takes the block that a withdrawal needs.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Durable, existing, failed, files, is_full, put, read_bounded, reserve, resolve, sync};
use crate::host::sys;
use crate::render::prefix_list::{self, Content};

/// A prefix file has some 20 bytes a prefix; what is longer was not written by us.
pub const PREFIX_FILE_MAX: usize = 16 * 1024 * 1024;

/// What is to be said of a replacement that has succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Why the new file is not what it should be: written in place, or without something that the old one had.
    pub flaw: Option<String>,
    /// Where the old file, which nobody could have understood, is kept from now on.
    pub damaged: Option<PathBuf>,
    /// What the old file held, or why that is not known; if it is wanted and there was one.
    pub old: Option<Result<Vec<u8>, String>>,
    /// It can never be replaced as a whole, so a [`reserve`](super::reserve) is of no use.
    pub in_place: bool,
}

/// Replaces the prefix file at `path`, or makes it; what is on the disk afterwards is whole, whatever happens. `keep`: what
/// it held before comes back.
pub fn replace_prefix_file(path: &Path, content: &[u8], keep: bool) -> io::Result<Outcome> {
    let target = resolve(path)?;
    let mut outcome = Outcome::default();
    let old = match read_bounded(&target, PREFIX_FILE_MAX) {
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            outcome.old = keep.then(|| Err(sys::cause(&error)));
            None
        }
    };
    match old.as_deref().map(prefix_list::judge) {
        Some(Content::Foreign { line, word }) => {
            let cause = io::Error::other(prefix_list::foreign(line, &word));
            return Err(failed("write", &target, &cause));
        }
        Some(Content::Damaged) => match keep_damaged(&target, old.as_deref().unwrap_or_default()) {
            Ok(kept) => outcome.damaged = kept,
            Err(error) => outcome.flaw = Some(sys::cause(&error)),
        },
        Some(Content::List) | None => {}
    }
    let (flaw, way) = place(&target, content, old.as_deref())
        .map_err(|error| failed("write", &target, &error))?;
    outcome.flaw = flaw.or(outcome.flaw);
    outcome.in_place = way == Way::InPlace;
    if let Some(old) = old.filter(|_| keep) {
        outcome.old = Some(Ok(old));
    }
    Ok(outcome)
}

/// Whether the prefix file can be replaced as a whole when there is room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Renamed,
    InPlace,
}

/// Puts the content there in the best way that works, and says what is wrong with that.
fn place(target: &Path, content: &[u8], old: Option<&[u8]>) -> io::Result<(Option<String>, Way)> {
    let refused = match put(target, content, Durable::Yes) {
        Ok(kept) => return Ok((kept.lost, Way::Renamed)),
        Err(error) => error,
    };
    if is_full(&refused) {
        if let Ok(kept) = reserve::take(target, content) {
            return Ok((kept.lost, Way::Renamed));
        }
    } else if !forbids_renaming(&refused) {
        return Err(refused);
    }
    // What kept it from being replaced is what has to be repaired, whatever else goes wrong now.
    if write_in_place(target, content, old).is_err() {
        return Err(refused);
    }
    let way = match is_full(&refused) {
        true => Way::Renamed,
        false => {
            // Nothing can take the place of the file, so this never will.
            let _ = fs::remove_file(reserve::name(target));
            Way::InPlace
        }
    };
    let flaw = format!(
        "{}; it is written in place, and BIRD may read half of it if it reads at that moment",
        sys::cause(&refused)
    );
    Ok((Some(flaw), way))
}

fn forbids_renaming(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ResourceBusy
            | io::ErrorKind::CrossesDevices
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// One call writes it all, so that the moment in which there is half a file is as short as can be; what the old one was
/// longer is blank until it is cut off. A file of several names is left alone: who made the other ones, nobody knows.
fn write_in_place(target: &Path, content: &[u8], old: Option<&[u8]>) -> io::Result<()> {
    let file = files::open_in_place(target)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 {
        return Err(io::Error::other("it is no file of ours"));
    }
    let size = usize::try_from(found.len()).map_err(io::Error::other)?;
    let mut padded = content.to_vec();
    padded.resize(
        size.clamp(content.len(), content.len() + PREFIX_FILE_MAX),
        b'\n',
    );
    let written = file.write_all_at(&padded, 0);
    if let (Err(_), Some(old)) = (&written, old) {
        // No room after all. The pages that were overwritten have theirs.
        let _ = file.write_all_at(old, 0);
        let _ = file.set_len(old.len() as u64);
    }
    written?;
    file.set_len(content.len() as u64)?;
    sync(&file)
}

/// Keeps the first damaged file: later ones are likely to be the same.
fn keep_damaged(target: &Path, old: &[u8]) -> io::Result<Option<PathBuf>> {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".damaged");
    let path = target.with_file_name(name);
    let mut file = match files::create_new(&path, 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        file => file?,
    };
    let mode = existing(target)?.map_or(0o600, |found| found.mode() & 0o777);
    let kept = file
        .write_all(old)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)));
    if let Err(error) = kept {
        let _ = fs::remove_file(&path);
        return Err(failed("write", &path, &error));
    }
    Ok(Some(path))
}

#[cfg(test)]
mod tests;
