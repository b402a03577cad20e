//! Room for a withdrawal: a file `.NAME.reserve` beside the prefix file, with blocks of its own, that takes the place of
//! the temporary file when there is no room for one.
//!
//! The new content is written into those blocks, and the two names are exchanged: what was the prefix file is the next
//! reserve. So a full disk, used up i-nodes and a used up quota keep nobody from being withdrawn, nor does another
//! program that takes every block that becomes free. A reserve that somebody still reads, having opened it when it was
//! the prefix file, is left alone. On a file system that never writes in place less is promised: on Btrfs one update, on
//! others (ZFS, UBIFS, JFFS2) none.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::{
    attributes, directory_of, existing, failed, files, hidden_name, not_a_file, process, sync, sys,
};

/// Beyond the size of the prefix file: the next header may be longer by a few digits.
const SLACK: u64 = 512;

/// Beyond that, so that not each new prefix calls for more room: some 150 prefixes.
const GROWTH: u64 = 4096;

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

/// Bytes of a page, and of a block of most file systems.
const PAGE: u64 = 4096;

pub fn name(target: &Path) -> PathBuf {
    hidden_name(target, "reserve")
}

/// Sees to it that there is a reserve for the present content of `target`. Where no file can be made and none can be
/// exchanged, the prefix file is written in place, and that needs no room.
pub fn make(target: &Path) -> io::Result<()> {
    let old = existing(target)?;
    let reserve = name(target);
    if old.as_ref().is_some_and(|old| is_mounted(target, old)) {
        return Ok(());
    }
    let size = old.as_ref().map_or(0, Metadata::len);
    match fs::symlink_metadata(&reserve) {
        Ok(found) if !found.is_file() => return Err(failed("use", &reserve, &not_a_file(&found))),
        Ok(found) if !is_ours(&found, old.as_ref()) => {
            fs::remove_file(&reserve).map_err(|error| failed("remove", &reserve, &error))?;
        }
        Ok(found) if found.blocks() * BLOCK >= size + SLACK => return Ok(()),
        _ => {}
    }
    let old = old.as_ref().map(|old| (target, old));
    match enlarge(&reserve, size, old) {
        Err(error) if cannot_be_made(&error) => Ok(()),
        Err(error) => Err(failed("write", &reserve, &error)),
        Ok(()) => Ok(()),
    }
}

fn cannot_be_made(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

/// A file that is mounted by itself; of those within one file system the first update tells.
fn is_mounted(target: &Path, found: &Metadata) -> bool {
    fs::metadata(directory_of(target)).is_ok_and(|directory| directory.dev() != found.dev())
}

/// Not a file that another user, or by another name another program, can write.
fn is_ours(reserve: &Metadata, old: Option<&Metadata>) -> bool {
    let owner = reserve.uid();
    reserve.is_file()
        && reserve.nlink() == 1
        && (owner == process::effective_uid() || old.is_some_and(|old| old.uid() == owner))
}

/// The bytes that a reserve for a file of `size` bytes has.
fn room_for(size: u64) -> u64 {
    (size + SLACK + GROWTH).next_multiple_of(PAGE)
}

fn enlarge(reserve: &Path, size: u64, old: Option<(&Path, &Metadata)>) -> io::Result<()> {
    let mut file = match files::create_new(reserve, 0o600) {
        Ok(file) => {
            attributes::keep(&file, old)?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            files::open_in_place(reserve)?
        }
        Err(error) => return Err(error),
    };
    match files::allocate(&file, room_for(size)) {
        Err(error) if sys::is_unsupported(&error) => {
            // Bytes instead; who still reads it must not see them.
            if files::is_open_elsewhere(&file) {
                return Ok(());
            }
            let bytes = usize::try_from(room_for(size)).map_err(io::Error::other)?;
            file.write_all(&vec![0; bytes])
        }
        result => result,
    }
}

/// Replaces `target` by the reserve with this content.
pub fn take(target: &Path, content: &[u8]) -> io::Result<attributes::Kept> {
    let old = existing(target)?;
    let reserve = name(target);
    let file = files::open_in_place(&reserve)?;
    if !is_ours(&file.metadata()?, old.as_ref()) {
        return Err(io::Error::other("the reserve is no file of ours"));
    }
    if files::is_open_elsewhere(&file) {
        return Err(io::Error::other("somebody still reads the reserve"));
    }
    // On the disk, too, the reserve must have ceased to be the prefix file before it is overwritten.
    File::open(directory_of(target))?.sync_all()?;
    let kept = attributes::keep(&file, old.as_ref().map(|old| (target, old)))?;
    kept.readable()?;
    file.write_all_at(content, 0)?;
    let size = content.len() as u64;
    file.set_len(size)?;
    // Some of what has just been cut off, for the time when this is the reserve again.
    let _ = files::allocate(&file, room_for(size));
    sync(&file)?;
    match old {
        Some(_) => match files::exchange(&reserve, target) {
            // A file system that cannot do it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                fs::rename(&reserve, target)?;
            }
            result => result?,
        },
        None => fs::rename(&reserve, target)?,
    }
    Ok(kept)
}
