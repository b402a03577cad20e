//! Signals as data: they are blocked and read from a descriptor, so nothing ever interrupts the program.
//!
//! [`prepare`] puts right what a parent may have left behind and is called first of all, in every mode of the
//! program. Only the daemon then opens a [`SignalFd`]. Children get an empty mask and default dispositions
//! again from `process::Spawner`.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};
use std::time::Duration;

use super::cvt;
use super::poll::timespec;

/// The signals that the daemon handles.
const HANDLED: [libc::c_int; 5] = [
    libc::SIGTERM,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGURG,
    libc::SIGCHLD,
];

/// What has arrived since the last look. Equal signals have run together, as they do in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    pub child: bool,
    pub hangup: bool,
    pub urgent: bool,
    /// `SIGTERM` or `SIGINT`.
    pub stop: Option<&'static str>,
}

/// Makes the dispositions and the mask those that the program relies on.
///
/// An ignored SIGCHLD is inherited through exec, and then nobody could wait for a child; a blocked signal
/// likewise. SIGPIPE is ignored so that a closed stdout or socket is an error of the write.
pub fn prepare() -> io::Result<()> {
    dispose(libc::SIGCHLD, libc::SIG_DFL)?;
    dispose(libc::SIGPIPE, libc::SIG_IGN)?;
    unblock_all()
}

pub fn unblock_all() -> io::Result<()> {
    set_mask(&set_of(&[]))
}

/// Nothing but SIGKILL and SIGSTOP reaches this process any more. Returns the mask that held before.
pub fn block_all() -> io::Result<libc::sigset_t> {
    let mut all = set_of(&[]);
    let mut old = set_of(&[]);
    // SAFETY: the set is initialised.
    cvt(unsafe { libc::sigfillset(&mut all) })?;
    // SAFETY: both sets are initialised. There is one thread, so this is its mask.
    cvt(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &all, &mut old) })?;
    Ok(old)
}

pub fn set_mask(mask: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set is initialised and the old mask is not asked for.
    cvt(unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) })?;
    Ok(())
}

/// Waits until a child has ended or changed, at most so long. SIGCHLD must be blocked.
pub fn wait_for_child(limit: Duration) {
    let set = set_of(&[libc::SIGCHLD]);
    let limit = timespec(limit);
    // SAFETY: the set is initialised, the record is not asked for, and the limit is a live timespec. Whatever it says, the
    // caller looks at its children.
    unsafe { libc::sigtimedwait(&set, std::ptr::null_mut(), &limit) };
}

pub fn dispose(signal: libc::c_int, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: zeroes are a valid sigaction: the default handler, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: `action` is valid, its handler is SIG_DFL or SIG_IGN, and the old one is not asked for.
    cvt(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) })?;
    Ok(())
}

/// The signals that this process ignores, which a child would go on ignoring.
pub fn ignored() -> Vec<libc::c_int> {
    (1..=libc::SIGRTMAX())
        .filter(|&signal| is_ignored(signal))
        .collect()
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: zeroes are a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only the present action is read, into a valid place. A signal of libc's own is refused.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), &mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// A set of valid signal numbers.
pub fn set_of(signals: &[libc::c_int]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the pointer is valid for a write.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for &signal in signals {
        // SAFETY: the set has been initialised. An invalid number is refused and changes nothing.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal) };
    }
    // SAFETY: sigemptyset has initialised it.
    unsafe { set.assume_init() }
}

/// The handled signals, blocked and to be read.
pub struct SignalFd {
    file: File,
}

/// `sizeof(struct signalfd_siginfo)`, which starts with the number of the signal, 32 bits wide.
const RECORD: usize = 128;

impl SignalFd {
    /// Blocks the handled signals from here on. A limit on the size of files becomes an error of the write.
    pub fn open() -> io::Result<SignalFd> {
        dispose(libc::SIGXFSZ, libc::SIG_IGN)?;
        let set = set_of(&HANDLED);
        // SAFETY: the set is initialised and the old mask is not asked for.
        cvt(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) })?;
        // SAFETY: -1 asks for a new descriptor; the set is initialised.
        let fd = cvt(unsafe { libc::signalfd(-1, &set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        Ok(SignalFd { file })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// What has arrived, without waiting. One read takes all: each signal is pending once at most.
    pub fn read(&self) -> Signals {
        let mut records = [0u8; RECORD * HANDLED.len()];
        let length = (&self.file).read(&mut records).unwrap_or(0);
        let mut signals = Signals::default();
        for record in records[..length].chunks_exact(RECORD) {
            let number = [record[0], record[1], record[2], record[3]];
            match libc::c_int::from_ne_bytes(number) {
                libc::SIGCHLD => signals.child = true,
                libc::SIGHUP => signals.hangup = true,
                libc::SIGURG => signals.urgent = true,
                libc::SIGTERM => signals.stop = Some("SIGTERM"),
                libc::SIGINT => signals.stop = Some("SIGINT"),
                other => debug_assert!(false, "signal {other} was not asked for"),
            }
        }
        signals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To this thread only, so that other tests of the process notice nothing.
    fn raise(signal: libc::c_int) {
        // SAFETY: plain integers.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    #[test]
    fn what_was_raised_is_read_once() {
        let signals = SignalFd::open().unwrap();
        assert_eq!(signals.read(), Signals::default());
        raise(libc::SIGURG);
        raise(libc::SIGURG);
        raise(libc::SIGTERM);
        raise(libc::SIGHUP);
        raise(libc::SIGCHLD);
        let expected = Signals {
            child: true,
            hangup: true,
            urgent: true,
            stop: Some("SIGTERM"),
        };
        assert_eq!(signals.read(), expected);
        assert_eq!(signals.read(), Signals::default());
        raise(libc::SIGINT);
        assert_eq!(signals.read().stop, Some("SIGINT"));
    }

    #[test]
    fn preparing_leaves_an_empty_mask_and_only_sigpipe_ignored() {
        let blocked = SignalFd::open().unwrap();
        prepare().unwrap();
        drop(blocked);
        assert!(ignored().contains(&libc::SIGPIPE));
        assert!(!ignored().contains(&libc::SIGCHLD));
        // A blocked SIGURG would stay pending; an unblocked one is thrown away, which is its default.
        raise(libc::SIGURG);
        assert!(!SignalFd::open().unwrap().read().urgent);
    }
}
