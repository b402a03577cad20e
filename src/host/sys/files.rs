//! Opening files without ever waiting and without being led elsewhere, and what else std does not do with files: room
//! that is allocated beforehand, names that are exchanged, extended attributes, and whether somebody else has a file open.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{cvt, cvt_len, is_unsupported};

/// The crate has no name for it; it is the same on every architecture.
const F_SETSIG: libc::c_int = 10;

/// For reading. A FIFO without a writer and a terminal do not hold up the open.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// A new file for writing; whatever already has that name, a dangling link included, is an error.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// An existing file for writing in place, unless it is a link. Nothing is truncated.
pub fn open_in_place(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// Gives the file room for `length` bytes; neither its content nor its size changes.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(length).map_err(io::Error::other)?;
    // SAFETY: plain numbers; the descriptor is open as long as `file` is borrowed.
    cvt(unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, length) })?;
    Ok(())
}

/// Exchanges what two names of one file system stand for, in one step.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let (one, other) = (c_path(one)?, c_path(other)?);
    // By its number: not every libc has a function for it.
    // SAFETY: both paths are NUL-terminated strings that outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            one.as_ptr(),
            libc::AT_FDCWD,
            other.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether somebody else is known to have the file open: then the kernel refuses a write lease. Where it gives none for
/// other reasons (the file system has no leases, or the file is another user's), nobody is known.
pub fn is_open_elsewhere(file: &File) -> bool {
    // Who opens the file while the lease is held has a signal sent to us, and the usual one, SIGIO, would kill.
    // SAFETY: plain numbers; the descriptor is open as long as `file` is borrowed.
    if unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGWINCH) } == -1 {
        return false;
    }
    // SAFETY: as above.
    match cvt(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) }) {
        Ok(_) => {
            // SAFETY: as above. It cannot fail: the lease is ours.
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
            false
        }
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// The names of the extended attributes of the file at `path`; none where there are no such things.
pub fn attributes(path: &Path) -> io::Result<Vec<CString>> {
    let path = c_path(path)?;
    let names = two_calls(&mut |buffer, size| {
        // SAFETY: the path is NUL-terminated, and `buffer` has room for `size` bytes.
        unsafe { libc::llistxattr(path.as_ptr(), buffer.cast(), size) }
    });
    let names = match names {
        Err(error) if is_unsupported(&error) => return Ok(Vec::new()),
        names => names?,
    };
    let names = names.split_inclusive(|byte| *byte == 0);
    Ok(names
        .filter_map(|name| CStr::from_bytes_with_nul(name).ok().map(CStr::to_owned))
        .collect())
}

/// The value of an extended attribute of the file at `path`.
pub fn attribute(path: &Path, name: &CStr) -> io::Result<Vec<u8>> {
    let path = c_path(path)?;
    two_calls(&mut |buffer, size| {
        // SAFETY: both strings are NUL-terminated, and `buffer` has room for `size` bytes.
        unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), buffer.cast(), size) }
    })
}

pub fn set_attribute(file: &File, name: &CStr, value: &[u8]) -> io::Result<()> {
    // SAFETY: the name is NUL-terminated, the value is read only, and both outlive the call.
    cvt(unsafe {
        libc::fsetxattr(
            file.as_raw_fd(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    })?;
    Ok(())
}

/// Takes an attribute away; that it was not there is no error.
pub fn remove_attribute(file: &File, name: &CStr) -> io::Result<()> {
    // SAFETY: the name is NUL-terminated and outlives the call.
    match cvt(unsafe { libc::fremovexattr(file.as_raw_fd(), name.as_ptr()) }) {
        Err(error) if error.raw_os_error() == Some(libc::ENODATA) => Ok(()),
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result.map(drop),
    }
}

/// First the size, which is 0 for most files, then the bytes; a list that grows in between is an error.
fn two_calls(call: &mut dyn FnMut(*mut u8, usize) -> libc::ssize_t) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; cvt_len(call(std::ptr::null_mut(), 0))?];
    if !bytes.is_empty() {
        let length = cvt_len(call(bytes.as_mut_ptr(), bytes.len()))?;
        bytes.truncate(length);
    }
    Ok(bytes)
}

fn c_path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}
