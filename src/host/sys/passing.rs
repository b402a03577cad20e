//! Descriptors that go with a message from one process to another.
//!
//! The socket keeps messages apart (SOCK_SEQPACKET), so that each arrives whole, with its own descriptors.
#![allow(unsafe_code)]
// The lengths are of other types in other libcs.
#![allow(clippy::unnecessary_cast)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::cvt_len;

/// Descriptors that go with one message, at most.
pub const MAX_PASSED: usize = 3;

/// Room for a header and the numbers, and aligned as the kernel wants it.
type Control = [libc::cmsghdr; 4];
const CONTROL: usize = size_of::<Control>();

/// Two ends: ours never waits, the other one does.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the array has room for the two descriptors.
    super::cvt(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) })?;
    // SAFETY: both descriptors are new and nobody else's.
    let (ours, theirs) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    // SAFETY: an open descriptor. A new socket has no other status flags that this could clear.
    super::cvt(unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) })?;
    Ok((ours, theirs))
}

/// Sends one message, the parts of `text` one after the other, with descriptors of which the receiver gets copies.
pub fn send(socket: BorrowedFd, text: &[&[u8]], fds: &[BorrowedFd]) -> io::Result<()> {
    assert!(fds.len() <= MAX_PASSED, "room for so many");
    let mut parts: Vec<libc::iovec> = text
        .iter()
        .map(|part| libc::iovec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        })
        .collect();
    // SAFETY: zeroes are valid headers.
    let mut control: Control = unsafe { std::mem::zeroed() };
    // SAFETY: zeroes are a valid message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len() as _;
    if !fds.is_empty() {
        let bytes = size_of::<libc::c_int>() * fds.len();
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: plain arithmetic.
        message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes as u32) } as _;
        debug_assert!(message.msg_controllen as usize <= CONTROL);
        // SAFETY: the message has room for a header, as said by its length.
        let header = unsafe { &mut *libc::CMSG_FIRSTHDR(&message) };
        header.cmsg_level = libc::SOL_SOCKET;
        header.cmsg_type = libc::SCM_RIGHTS;
        // SAFETY: plain arithmetic.
        header.cmsg_len = unsafe { libc::CMSG_LEN(bytes as u32) } as _;
        for (place, fd) in fds.iter().enumerate() {
            // SAFETY: behind the header is room for all of them; the place may be unaligned.
            unsafe {
                libc::CMSG_DATA(header)
                    .cast::<libc::c_int>()
                    .add(place)
                    .write_unaligned(fd.as_raw_fd());
            }
        }
    }
    // SAFETY: the message points to live parts and to a control area of the stated length.
    cvt_len(unsafe { libc::sendmsg(socket.as_raw_fd(), &message, libc::MSG_NOSIGNAL) })?;
    Ok(())
}

/// Takes one message: its length and its descriptors, which are closed on exec. Length 0: the other end is gone. Both may
/// be less than was sent, if the buffer is short or the limit on descriptors is reached.
pub fn receive(socket: BorrowedFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: zeroes are valid headers.
    let mut control: Control = unsafe { std::mem::zeroed() };
    // SAFETY: zeroes are a valid message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    // SAFETY: the message points to a live buffer and a control area of the stated lengths.
    let length = cvt_len(unsafe {
        libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC)
    })?;
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled in the control area and its length.
    let header = unsafe { libc::CMSG_FIRSTHDR(&message).as_ref() };
    if let Some(header) = header.filter(|header| header.cmsg_type == libc::SCM_RIGHTS) {
        // SAFETY: plain arithmetic.
        let bytes = header.cmsg_len as usize - unsafe { libc::CMSG_LEN(0) } as usize;
        for place in 0..bytes / size_of::<libc::c_int>() {
            // SAFETY: the kernel has written so many numbers behind the header.
            let fd = unsafe {
                libc::CMSG_DATA(header)
                    .cast::<libc::c_int>()
                    .add(place)
                    .read_unaligned()
            };
            // SAFETY: the descriptor is new and nobody else's.
            fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
    Ok((length, fds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::sys::process::output_pipe;
    use std::fs::File;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_message_arrives_whole_with_its_own_descriptors() {
        let (ours, theirs) = pair().unwrap();
        let (mut reading, writing) = output_pipe().unwrap();
        send(ours.as_fd(), &[b"one", b" two"], &[writing.as_fd()]).unwrap();
        send(ours.as_fd(), &[b"three"], &[]).unwrap();
        drop(writing);
        let mut buffer = [0; 64];
        let (length, mut fds) = receive(theirs.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..length], fds.len()), (&b"one two"[..], 1));
        File::from(fds.remove(0)).write_all(b"through").unwrap();
        let mut text = String::new();
        reading.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        let (length, fds) = receive(theirs.as_fd(), &mut buffer).unwrap();
        assert_eq!((&buffer[..length], fds.len()), (&b"three"[..], 0));
        drop(ours);
        let (length, _) = receive(theirs.as_fd(), &mut buffer).unwrap();
        assert_eq!(length, 0);
    }

    #[test]
    fn our_end_never_waits() {
        let (ours, _theirs) = pair().unwrap();
        let error = (0..100_000)
            .find_map(|_| send(ours.as_fd(), &[&[0; 1024]], &[]).err())
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
