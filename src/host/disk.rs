//! Files that are whole at any moment: replaced atomically, read with a bound, never anything but regular
//! files.
//!
//! A reader sees the old content or the new one, and after [`replace`] so does a reboot. Mode and owner are
//! kept, a symbolic link stays and its target is replaced, a new file can be read by everybody. A temporary
//! file has a name that neither BIRD (`*.conf`) nor a collector of metrics (`*.prom`) takes in, and is gone
//! after a failure; [`sweep`] removes those that a killed predecessor left. ACLs and extended attributes are
//! not kept. Errors say what was to be done.

mod history;

use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use super::sys::{self, files, process};

pub use self::history::archive;

/// Symbolic links followed one after the other: the kernel's own limit.
const LINKS_MAX: usize = 40;

/// Bytes of a file's name that its temporary file repeats, so that the whole stays below 255.
const NAME_MAX: usize = 200;

/// Mode of a new file: BIRD reads it as a user of its own.
const MODE: u32 = 0o644;

/// Replaces the file at `path`, or makes it; what is on the disk afterwards is whole, whatever happens.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = resolve(path)?;
    put(&target, &mut |file| file.write_all(content), Durable::Yes)
}

/// The same without waiting for the disk, with content that is `write`n piece by piece: for what is soon
/// written again, such as metrics.
pub fn replace_fast(
    path: &Path,
    write: &mut dyn FnMut(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let target = resolve(path)?;
    put(&target, write, Durable::No)
}

/// Replaces what stands at `path` itself, without waiting for the disk: a link is not followed but
/// overwritten.
pub fn replace_here(path: &Path, content: &[u8]) -> io::Result<()> {
    put(path, &mut |file| file.write_all(content), Durable::No)
}

/// Makes the file at `path` unless it is there; nobody sees it before it is whole.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = resolve(path)?;
    let beside = temporary_name(&target);
    put(&beside, &mut |file| file.write_all(content), Durable::Yes)?;
    let made = match fs::hard_link(&beside, &target) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|error| failed("make", &target, &error)),
    };
    // A file that is left is swept at the next start of the daemon.
    let _ = fs::remove_file(&beside);
    made
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

fn put(
    target: &Path,
    write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    durable: Durable,
) -> io::Result<()> {
    let old = match fs::symlink_metadata(target) {
        Ok(old) if old.is_file() => Some(old),
        Ok(old) if old.is_symlink() => None,
        Ok(old) => return Err(failed("write", target, &not_a_file(&old))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("write", target, &error)),
    };
    let temporary = temporary_name(target);
    let mut file = create_temporary(&temporary).map_err(|error| {
        let cause = in_words(
            &error,
            "no temporary file can be made in its directory: ",
            "",
        );
        failed("write", target, &cause)
    })?;
    let result = fill(&mut file, write, old.as_ref(), durable)
        .map_err(|error| failed("write", target, &error))
        .and_then(|()| {
            fs::rename(&temporary, target).map_err(|error| failed("replace", target, &error))
        });
    if result.is_err() {
        // It is swept at the next start if even this fails.
        let _ = fs::remove_file(&temporary);
    }
    // Whether the new name outlives a power cut is not waited for: either file is whole, and checks decide anew.
    result
}

fn fill(
    file: &mut File,
    write: &mut dyn FnMut(&mut File) -> io::Result<()>,
    old: Option<&Metadata>,
    durable: Durable,
) -> io::Result<()> {
    write(file)?;
    file.set_permissions(Permissions::from_mode(keep_owner(file, old)?))?;
    if durable == Durable::Yes {
        file.sync_data()
            .map_err(|error| in_words(&error, "its data can't be synced: ", ""))?;
    }
    Ok(())
}

/// Gives the file the owner and group of the old one as far as allowed, and returns its mode. Where one of
/// them is lost, everybody may read: BIRD may have read the old file by just that right.
fn keep_owner(file: &File, old: Option<&Metadata>) -> io::Result<u32> {
    let Some(old) = old else {
        return Ok(MODE);
    };
    let new = file.metadata()?;
    let group_kept = new.gid() == old.gid() || fchown(file, None, Some(old.gid())).is_ok();
    let owner_kept = new.uid() == old.uid() || fchown(file, Some(old.uid()), None).is_ok();
    let mode = old.mode() & 0o777;
    Ok(if group_kept && owner_kept {
        mode
    } else {
        mode | 0o444
    })
}

/// The temporary file of a predecessor with our pid is in the way only if that was killed.
fn create_temporary(path: &Path) -> io::Result<File> {
    match files::create_new(path, 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_regular(path) => {
            fs::remove_file(path)?;
            files::create_new(path, 0o600)
        }
        result => result,
    }
}

fn is_regular(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// `.NAME.` before the pid of its maker and `.tmp`.
fn temporary_prefix(target: &Path) -> Vec<u8> {
    let name = target.file_name().unwrap_or_default().as_bytes();
    let mut prefix = b".".to_vec();
    prefix.extend_from_slice(&name[..name.len().min(NAME_MAX)]);
    prefix.push(b'.');
    prefix
}

fn temporary_name(target: &Path) -> PathBuf {
    let mut name = temporary_prefix(target);
    name.extend_from_slice(format!("{}.tmp", process::Pid::own().number()).as_bytes());
    target.with_file_name(OsString::from_vec(name))
}

/// Removes the temporary files that killed predecessors left for `path`; returns how many. To be called by
/// the only instance.
pub fn sweep(path: &Path) -> io::Result<usize> {
    let target = resolve(path)?;
    let prefix = temporary_prefix(&target);
    let mut removed = 0;
    for entry in fs::read_dir(directory_of(&target))? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name
            .as_bytes()
            .strip_prefix(prefix.as_slice())
            .and_then(|rest| rest.strip_suffix(b".tmp"));
        let ours = pid.is_some_and(|pid| !pid.is_empty() && pid.iter().all(u8::is_ascii_digit));
        if ours && is_regular(&entry.path()) {
            fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
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
    let mut content = Vec::new();
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
