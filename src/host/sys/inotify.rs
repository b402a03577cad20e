//! inotify(7): the kernel tells when names come and go in a directory.
//!
//! Owned and non-blocking; events come out as values. What they mean is `host/follow.rs`'s business.
#![allow(unsafe_code)]

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::cvt;

/// A name came or went in the watched directory.
pub const NAMES: u32 = libc::IN_CREATE | libc::IN_DELETE | libc::IN_MOVED_FROM | libc::IN_MOVED_TO;
/// A file in the watched directory that was open for writing has been closed.
pub const WRITTEN: u32 = libc::IN_CLOSE_WRITE;
/// The two sides of a rename, which have one cookie.
pub const MOVED_FROM: u32 = libc::IN_MOVED_FROM;
pub const MOVED_TO: u32 = libc::IN_MOVED_TO;
/// The watched object itself was removed or moved.
pub const ITSELF: u32 = libc::IN_DELETE_SELF | libc::IN_MOVE_SELF;
/// A symbolic link is watched, not what it points to.
pub const NO_FOLLOW: u32 = libc::IN_DONT_FOLLOW;
/// The kernel has dropped the watch: its object is gone, was unmounted, or the watch was removed.
pub const DROPPED: u32 = libc::IN_IGNORED | libc::IN_UNMOUNT;
/// Events were lost.
pub const OVERFLOW: u32 = libc::IN_Q_OVERFLOW;

/// What [`Inotify::add`] and [`Inotify::new`] fail with when the user has too many.
pub const NO_MORE_WATCHES: i32 = libc::ENOSPC;
pub const NO_MORE_INSTANCES: i32 = libc::EMFILE;

/// Room for some hundred events at once; more are read by the next call.
const BUFFER: usize = 16 * 1024;
/// Reads a call, so that a directory full of traffic can't hold the caller.
const READS: usize = 16;
/// Bytes of `struct inotify_event` before the name.
const HEAD: usize = 16;

/// What the kernel says of a path that leads through too many links.
pub fn too_many_links() -> io::Error {
    io::Error::from_raw_os_error(libc::ELOOP)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub mask: u32,
    /// What the two sides of a rename have in common; 0 otherwise.
    pub cookie: u32,
    /// Empty if the watched object itself is meant.
    pub name: OsString,
}

#[derive(Debug)]
pub struct Inotify {
    file: File,
}

impl Inotify {
    pub fn new() -> io::Result<Inotify> {
        // SAFETY: no pointers are involved.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else knows it.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Inotify {
            file: File::from(owned),
        })
    }

    /// For tests: something else that is read in its place.
    #[cfg(test)]
    pub fn of(file: File) -> Inotify {
        Inotify { file }
    }

    /// Watches `path`. An inode has one watch, which tells of all that was ever asked of it.
    pub fn add(&self, path: &Path, mask: u32) -> io::Result<()> {
        let path = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mask = mask | libc::IN_MASK_ADD;
        // SAFETY: `path` is a string that ends in NUL and outlives the call.
        cvt(unsafe { libc::inotify_add_watch(self.file.as_raw_fd(), path.as_ptr(), mask) })?;
        Ok(())
    }

    /// What has happened since the last call; bounded, the rest stays readable.
    pub fn read(&mut self) -> io::Result<Vec<Event>> {
        let mut events = Vec::new();
        let mut buffer = [0u8; BUFFER];
        for _ in 0..READS {
            match self.file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => parse(&buffer[..length], &mut events),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(events)
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn parse(mut bytes: &[u8], events: &mut Vec<Event>) {
    while bytes.len() >= HEAD {
        let word = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let length = u32::from_ne_bytes(word(12)) as usize;
        let end = HEAD.saturating_add(length).min(bytes.len());
        let name = bytes[HEAD..end].split(|byte| *byte == 0).next();
        events.push(Event {
            mask: u32::from_ne_bytes(word(4)),
            cookie: u32::from_ne_bytes(word(8)),
            name: OsString::from_vec(name.unwrap_or_default().to_vec()),
        });
        bytes = &bytes[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(watch: i32, mask: u32, name: &[u8], padded: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(watch.to_ne_bytes());
        bytes.extend(mask.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend((padded as u32).to_ne_bytes());
        bytes.extend(name);
        bytes.resize(HEAD + padded, 0);
        bytes
    }

    #[test]
    fn events_are_taken_apart() {
        let mut bytes = raw(3, libc::IN_CREATE, b"web", 16);
        bytes.extend(raw(-1, OVERFLOW, b"", 0));
        bytes.extend(raw(4, DROPPED, b"", 0));
        let mut events = Vec::new();
        parse(&bytes, &mut events);
        assert_eq!(events.len(), 3);
        assert_eq!(
            (events[0].mask, events[0].cookie, events[0].name.as_os_str()),
            (libc::IN_CREATE, 7, "web".as_ref())
        );
        assert_eq!(events[1].mask, OVERFLOW);
        assert!(events[2].name.is_empty());
    }

    #[test]
    fn what_is_cut_short_is_no_crash() {
        let whole = raw(3, libc::IN_CREATE, b"web", 16);
        for length in 0..whole.len() {
            parse(&whole[..length], &mut Vec::new());
        }
    }
}
