//! Unix stream sockets that never wait, not even while connecting.
#![allow(unsafe_code)]

use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::cvt;

/// Connects to the socket at `path`. std's connect would wait for room in the queue of a server that does not
/// accept; here that is `WouldBlock`.
pub fn connect_stream(path: &Path) -> io::Result<UnixStream> {
    let (address, length) = unix_address(path)?;
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: plain integers.
    let fd = cvt(unsafe { libc::socket(libc::AF_UNIX, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: the address is initialised and `length` lies within it.
    cvt(unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(UnixStream::from(fd))
}

fn unix_address(path: &Path) -> io::Result<(libc::sockaddr_un, libc::socklen_t)> {
    // SAFETY: zeroes are a valid sockaddr_un.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path of a socket is not empty and holds no NUL byte",
        ));
    }
    if bytes.len() >= address.sun_path.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "the path of a socket has at most {} bytes",
                address.sun_path.len() - 1
            ),
        ));
    }
    for (to, from) in address.sun_path.iter_mut().zip(bytes) {
        *to = *from as libc::c_char;
    }
    // With the NUL that ends it, which the zeroes have provided.
    let length = offset_of!(libc::sockaddr_un, sun_path) + bytes.len() + 1;
    debug_assert!(length <= size_of::<libc::sockaddr_un>());
    Ok((address, length as libc::socklen_t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::disk::tests::Dir;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_full_queue_is_an_error_and_no_wait() {
        let dir = Dir::new("socket");
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        // SAFETY: an open socket; a second listen sets the length of its queue anew.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 1) }, 0);
        let mut waiting = Vec::new();
        let error = loop {
            match connect_stream(&path) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 10, "the queue has no end");
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_longest_path_fits_and_a_longer_one_does_not() {
        let dir = Dir::new("socket");
        let room = 107 - dir.path().as_os_str().len() - 1;
        let path = dir.path().join("x".repeat(room));
        let _listener = UnixListener::bind(&path).unwrap();
        connect_stream(&path).unwrap();
        let longer = dir.path().join("x".repeat(room + 1));
        let error = connect_stream(&longer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(connect_stream(Path::new("")).is_err());
    }
}
