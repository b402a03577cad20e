//! A socket for the kernel's routing messages, and the numbers that occur in those about addresses and links.
//!
//! Only datagrams of the kernel get through: any local process may send to a netlink socket. What they hold
//! is parsed in `host/addresses`.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{TimeT, cvt, cvt_len};

pub use libc::{
    EAGAIN, ENOBUFS, NLMSG_DONE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_GETADDR, RTM_GETLINK,
    RTM_NEWADDR, RTM_NEWLINK,
};

/// Notifications about IPv4 and IPv6 addresses and about links.
pub const GROUPS: u32 =
    (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR | libc::RTMGRP_LINK) as u32;

/// The longest that an answer to a dump is waited for, in seconds. The kernel answers at once; this is for
/// the case that it doesn't.
const ANSWER_WAIT: TimeT = 2;

/// Whether a sandbox keeps this process from the kernel's routing messages, now and later.
pub fn is_denied(error: &io::Error) -> bool {
    let denied = [libc::EAFNOSUPPORT, libc::EPERM, libc::EACCES];
    error
        .raw_os_error()
        .is_some_and(|number| denied.contains(&number))
}

/// One datagram.
#[derive(Debug)]
pub enum Received<'a> {
    Messages(&'a [u8]),
    /// It was longer than the buffer, and what did not fit is lost.
    Truncated,
    /// From another process, to be ignored.
    Foreign,
}

pub struct Socket {
    fd: OwnedFd,
}

impl Socket {
    /// Gets notifications; never waits.
    pub fn subscribed() -> io::Result<Socket> {
        let socket = Socket::open(libc::SOCK_NONBLOCK)?;
        // SAFETY: zeroes are a valid sockaddr_nl; a port of 0 lets the kernel choose one.
        let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
        address.nl_groups = GROUPS;
        let length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: an initialised address and its length.
        cvt(unsafe { libc::bind(socket.raw(), (&raw const address).cast(), length) })?;
        Ok(socket)
    }

    /// Asks and waits for the answers, but not for ever.
    pub fn for_dumps() -> io::Result<Socket> {
        let socket = Socket::open(0)?;
        let wait = libc::timeval {
            tv_sec: ANSWER_WAIT,
            tv_usec: 0,
        };
        let length = size_of::<libc::timeval>() as libc::socklen_t;
        // SAFETY: an initialised timeval and its length.
        cvt(unsafe {
            libc::setsockopt(
                socket.raw(),
                libc::SOL_SOCKET,
                libc::SO_RCVTIMEO,
                (&raw const wait).cast(),
                length,
            )
        })?;
        Ok(socket)
    }

    fn open(flags: libc::c_int) -> io::Result<Socket> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | flags;
        // SAFETY: plain integers.
        let fd = cvt(unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Socket { fd })
    }

    fn raw(&self) -> libc::c_int {
        self.fd.as_raw_fd()
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Asks for all of a kind (`RTM_GETADDR`, `RTM_GETLINK`).
    pub fn request_dump(&self, kind: u16, sequence: u32) -> io::Result<()> {
        // struct nlmsghdr, then zeroes: a struct ifinfomsg, of which a struct ifaddrmsg is a shorter kind.
        // Zeroes ask for all families and all interfaces.
        let mut request = [0u8; 32];
        request[0..4].copy_from_slice(&32u32.to_ne_bytes());
        request[4..6].copy_from_slice(&kind.to_ne_bytes());
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        request[6..8].copy_from_slice(&flags.to_ne_bytes());
        request[8..12].copy_from_slice(&sequence.to_ne_bytes());
        // SAFETY: pointer and length are those of a live array. Without an address it goes to the kernel.
        cvt_len(unsafe { libc::send(self.raw(), request.as_ptr().cast(), request.len(), 0) })?;
        Ok(())
    }

    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Received<'a>> {
        // SAFETY: zeroes are a valid sockaddr_nl.
        let mut sender: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: pointers and lengths are those of a live slice and of a live address. With MSG_TRUNC the
        // full length of the datagram comes back.
        let size = cvt_len(unsafe {
            libc::recvfrom(
                self.raw(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_TRUNC,
                (&raw mut sender).cast(),
                &mut length,
            )
        })?;
        if sender.nl_family != libc::AF_NETLINK as libc::sa_family_t || sender.nl_pid != 0 {
            return Ok(Received::Foreign);
        }
        match buffer.get(..size) {
            Some(messages) => Ok(Received::Messages(messages)),
            None => Ok(Received::Truncated),
        }
    }
}
