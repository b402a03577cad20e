//! Who may read a file and what else is attached to it: owner, mode, access control list, extended attributes.
//!
//! A new file has all of the old one as far as it is allowed. Two kinds of loss are told apart: what decides who may read
//! the file, so that the old one should rather be written in place, and the rest.

use std::ffi::CStr;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::{files, in_words, is_full, sys};

/// Mode of a new file: BIRD reads it as a user of its own.
const MODE: u32 = 0o644;

const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// What was lost, with the cause.
#[derive(Debug, Default)]
pub struct Kept {
    /// An access control list or a label, without which BIRD may not be allowed to read the file.
    access: Option<io::Error>,
    /// Anything else, in words.
    pub lost: Option<String>,
}

impl Kept {
    /// An error if BIRD may be kept from reading the file.
    pub fn readable(&self) -> io::Result<()> {
        match &self.access {
            None => Ok(()),
            Some(error) if is_full(error) => Err(in_words(error, "", "")),
            // Whatever the cause: it is one of permissions, and another way may be open.
            Some(error) => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                sys::cause(error),
            )),
        }
    }
}

/// Gives `file` what the `old` one has; what it has already costs nothing on the disk.
pub fn keep(file: &File, old: Option<(&Path, &Metadata)>) -> io::Result<Kept> {
    file.set_permissions(Permissions::from_mode(keep_owner(file, old)?))?;
    let mut kept = Kept::default();
    let Some((path, _)) = old else {
        return Ok(kept);
    };
    let names = match files::attributes(path) {
        Ok(names) => names,
        Err(error) => {
            let error = in_words(&error, "its attributes can't be listed: ", "");
            kept.access = Some(error);
            return Ok(kept);
        }
    };
    if !names.iter().any(|name| name.as_c_str() == ACCESS_LIST) {
        // What the directory gives to every new file, the old one did not have.
        kept.access = files::remove_attribute(file, ACCESS_LIST).err();
    }
    for name in names.iter().filter(|name| is_portable(name)) {
        let result =
            files::attribute(path, name).and_then(|value| files::set_attribute(file, name, &value));
        if let Err(error) = result {
            let words = name.to_string_lossy();
            let error = in_words(&error, &format!("its {words} can't be kept: "), "");
            match decides_access(name) {
                true => kept.access = Some(error),
                false => kept.lost = Some(error.to_string()),
            }
        }
    }
    Ok(kept)
}

/// Gives the file the owner and group of the old one as far as allowed, and returns its mode. Where one of
/// them is lost, everybody may read: BIRD may have read the old file by just that right.
fn keep_owner(file: &File, old: Option<(&Path, &Metadata)>) -> io::Result<u32> {
    let Some((_, old)) = old else {
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

/// Whether an attribute says something of the file and not of its content or its place in an overlay.
fn is_portable(name: &CStr) -> bool {
    let name = name.to_bytes();
    !name.starts_with(b"trusted.")
        && !matches!(
            name,
            b"security.ima" | b"security.evm" | b"security.capability"
        )
}

fn decides_access(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"system.") || name.starts_with(b"security.")
}

#[cfg(test)]
mod tests;
