//! The only unsafe code: thin, owned wrappers of the system calls that std does not offer.
//!
//! Each function makes one call, takes and returns owned or borrowed descriptors and values, and turns the
//! conventions of C into [`io::Result`]. Nothing is decided, logged or retried here, with one exception: an
//! interrupted poll is a poll that found nothing. What std can do safely (files, sockets, reading and
//! writing) is left to std. Every descriptor is closed on exec.

pub mod access;
pub mod clock;
pub mod files;
pub mod inotify;
#[cfg(lean_std)]
mod lean;
pub mod limits;
pub mod log_fd;
pub mod netlink;
pub mod passing;
pub mod peer;
pub mod poll;
pub mod process;
pub mod signal;
pub mod socket;
pub mod terminal;
pub mod trial;
pub mod user;
pub mod writer;

use std::io;

/// The crate deprecates musl's for a width that it will have some day. Here it is taken with whichever it has.
#[allow(deprecated)]
type TimeT = libc::time_t;

/// -1 means that errno holds the reason.
fn cvt(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The same for calls that return a number of bytes.
fn cvt_len(result: libc::ssize_t) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Whether the kernel or the file system has no such thing. The standard library knows both numbers only of late.
pub fn is_unsupported(error: &io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| matches!(code, libc::EOPNOTSUPP | libc::ENOSYS))
}

/// The words of an error for a message, without the number that std appends.
pub fn cause(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(code) = error.raw_os_error() {
        let tail = format!(" (os error {code})");
        if text.ends_with(&tail) {
            text.truncate(text.len() - tail.len());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_without_the_number() {
        assert_eq!(
            cause(&io::Error::from_raw_os_error(2)),
            "No such file or directory"
        );
        assert_eq!(cause(&io::Error::other("odd")), "odd");
    }
}
