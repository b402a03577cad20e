//! What the process may do with a file, as the kernel judges it: faccessat(2) for the effective user.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A kind of access that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Write,
    Execute,
}

/// Whether the effective user has that access; the error says why not.
pub fn check(path: &Path, mode: Mode) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mode = match mode {
        Mode::Write => libc::W_OK,
        Mode::Execute => libc::X_OK,
    };
    // SAFETY: the path is a NUL-terminated string that outlives the call; nothing else is passed by
    // reference.
    let result = unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
