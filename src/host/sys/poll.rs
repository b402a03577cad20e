//! The one place where the daemon waits.
//!
//! A [`PollSet`] is filled anew each turn and kept for its memory. An error, a hang-up and an invalid
//! descriptor all count as "ready": whoever owns the descriptor finds out by reading. The wait never ends
//! before its time-out, so that no deadline is looked at twice, and an interrupted wait is one that found
//! nothing.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::{TimeT, cvt};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    Read,
    Write,
}

/// The place of a descriptor in the set of this turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

impl Slot {
    /// Not in the set, so never ready.
    pub const NONE: Slot = Slot(usize::MAX);
}

/// The longest wait that is asked for, in seconds: what a 32-bit `time_t` can hold.
const SECONDS_MAX: u64 = i32::MAX as u64;

#[derive(Default)]
pub struct PollSet {
    fds: Vec<libc::pollfd>,
}

impl PollSet {
    pub fn clear(&mut self) {
        self.fds.clear();
    }

    /// Adds a descriptor. If its owner closes it before the wait, it is ready at once, which the owner then
    /// ignores.
    pub fn add(&mut self, fd: impl AsFd, interest: Interest) -> Slot {
        self.fds.push(libc::pollfd {
            fd: fd.as_fd().as_raw_fd(),
            events: match interest {
                Interest::Read => libc::POLLIN,
                Interest::Write => libc::POLLOUT,
            },
            revents: 0,
        });
        Slot(self.fds.len() - 1)
    }

    /// Waits until something is ready or `timeout` has passed; `None`: as long as it takes. Returns how many
    /// are ready.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let limit = timeout.map(timespec);
        let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // At most as many descriptors as the process may have open, so it always fits.
        let count = self.fds.len() as libc::nfds_t;
        // SAFETY: pointer and length are those of a live vector; the limit is null or a live timespec; no
        // signal mask.
        let result = unsafe { libc::ppoll(self.fds.as_mut_ptr(), count, limit, std::ptr::null()) };
        match cvt(result) {
            Ok(ready) => Ok(usize::try_from(ready).unwrap_or(0)),
            Err(error) => {
                // After a failure the kernel leaves the answers of an earlier wait in place.
                self.fds.iter_mut().for_each(|fd| fd.revents = 0);
                match error.kind() {
                    io::ErrorKind::Interrupted => Ok(0),
                    _ => Err(error),
                }
            }
        }
    }

    /// Takes everything as ready: after a wait that failed. Whoever reads then finds out, and nobody here reads waiting.
    pub fn assume_all_ready(&mut self) {
        self.fds.iter_mut().for_each(|fd| fd.revents = fd.events);
    }

    pub fn ready(&self, slot: Slot) -> bool {
        self.fds.get(slot.0).is_some_and(|fd| fd.revents != 0)
    }
}

/// Rounded up to the next microsecond, the grain of all deadlines.
pub fn timespec(span: Duration) -> libc::timespec {
    let micros = span.as_nanos().div_ceil(1_000);
    let seconds = micros / 1_000_000;
    if seconds >= u128::from(SECONDS_MAX) {
        return libc::timespec {
            tv_sec: SECONDS_MAX as TimeT,
            tv_nsec: 0,
        };
    }
    libc::timespec {
        tv_sec: seconds as TimeT,
        tv_nsec: (micros % 1_000_000 * 1_000) as libc::c_long,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    #[test]
    fn the_wait_is_not_shorter_than_asked() {
        let mut set = PollSet::default();
        for micros in [0, 1, 999, 1_500, 20_001] {
            let span = Duration::from_micros(micros);
            let start = Instant::now();
            assert_eq!(set.wait(Some(span)).unwrap(), 0);
            assert!(start.elapsed() >= span);
        }
    }

    #[test]
    fn only_what_is_ready_is_ready() {
        let (mut near, far) = UnixStream::pair().unwrap();
        near.write_all(b"x").unwrap();
        let mut set = PollSet::default();
        let reading = set.add(&far, Interest::Read);
        let silent = set.add(&near, Interest::Read);
        let writing = set.add(&near, Interest::Write);
        assert_eq!(set.wait(None).unwrap(), 2);
        assert!(set.ready(reading) && set.ready(writing));
        assert!(!set.ready(silent) && !set.ready(Slot::NONE));
    }

    #[test]
    fn a_hang_up_is_readable() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        let mut set = PollSet::default();
        let slot = set.add(&near, Interest::Read);
        assert_eq!(set.wait(None).unwrap(), 1);
        assert!(set.ready(slot));
    }

    #[test]
    fn spans_are_rounded_up_and_capped() {
        let t = timespec(Duration::from_nanos(1_000_000_001));
        assert_eq!((t.tv_sec, t.tv_nsec), (1, 1_000));
        let t = timespec(Duration::from_nanos(999_999_999));
        assert_eq!((t.tv_sec, t.tv_nsec), (1, 0));
        assert_eq!(timespec(Duration::MAX).tv_sec, SECONDS_MAX as TimeT);
    }
}
