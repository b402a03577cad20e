//! What the process may do with a file, as the kernel judges it: faccessat(2) for the effective user.
//!
//! Filters of system calls that are older than faccessat2 (Linux 5.8) answer it with EPERM, in old containers for
//! instance. Then access(2) is asked, which judges for the real user: the same one, unless somebody has made the
//! program set-uid. (glibc makes faccessat2 of any faccessat.)
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::cvt;

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
    let answer =
        cvt(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) });
    let answer = answer.or_else(|error| match error.raw_os_error() {
        // SAFETY: as above.
        Some(libc::EPERM | libc::ENOSYS) => cvt(unsafe { libc::access(path.as_ptr(), mode) }),
        _ => Err(error),
    });
    answer.map(|_| ())
}
