//! What the log sinks need of a descriptor and std does not offer: a look before a write, and fd 2 put
//! elsewhere.
//!
//! O_NONBLOCK is never set on a descriptor that was inherited: it belongs to the open file description, which
//! the shell and everything else on that terminal or pipe share.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

/// Flags for opening a sink: a FIFO without a reader is an error instead of a wait, and a terminal does not
/// become ours.
pub const WITHOUT_WAITING: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// A datagram that no socket of its kind could carry.
pub const TOO_LONG: i32 = libc::EMSGSIZE;
/// The kernel is short of buffers at the moment.
pub const NO_BUFFERS: i32 = libc::ENOBUFS;

/// Whether a write would go on at once. A closed pipe counts: the write fails at once, which is as good.
///
/// On a pipe this means that `PIPE_BUF` bytes fit (poll(2), pipe(7)).
pub fn writable_now(fd: BorrowedFd<'_>) -> bool {
    let mut slot = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    // SAFETY: one valid pollfd is passed with a count of one, and it outlives the call.
    let ready = unsafe { libc::poll(&mut slot, 1, 0) };
    ready > 0
}

/// A copy of a descriptor that leads to a file, where a write may have to wait for the disk.
pub fn file_behind(fd: impl AsFd) -> Option<OwnedFd> {
    let file = File::from(fd.as_fd().try_clone_to_owned().ok()?);
    let kind = file.metadata().ok()?.file_type();
    (kind.is_file() || kind.is_block_device()).then(|| OwnedFd::from(file))
}

/// Makes fd 2 another name of `target`.
pub fn replace_stderr(target: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both numbers are plain integers; `target` is open for the duration of the call, and std treats
    // fd 2 as a number without an owner, so nothing is closed behind anybody's back.
    let outcome = unsafe { libc::dup2(target.as_raw_fd(), libc::STDERR_FILENO) };
    if outcome < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_full_channel_is_not_writable_until_it_is_read() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        assert!(writable_now(near.as_fd()));
        near.set_nonblocking(true).unwrap();
        let block = [0u8; 4096];
        while near.write(&block).is_ok() {}
        assert!(!writable_now(near.as_fd()));
        far.set_nonblocking(true).unwrap();
        let mut sink = [0u8; 65536];
        while far.read(&mut sink).is_ok() {}
        assert!(writable_now(near.as_fd()));
        drop(far);
        assert!(writable_now(near.as_fd()), "a closed one fails at once");
    }
}
