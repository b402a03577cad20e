//! How wide the terminal is.
#![allow(unsafe_code)]

use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd};

use super::cvt;

/// Columns of the terminal behind a descriptor; `None` if there is no terminal, or it does not know.
pub fn columns(fd: &(impl AsFd + IsTerminal)) -> Option<usize> {
    if !fd.is_terminal() {
        return None;
    }
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: an open descriptor, and `size` is the struct that this request writes.
    cvt(unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCGWINSZ, &mut size) }).ok()?;
    // A serial line that was never told its size says 0.
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::{FromRawFd, OwnedFd};

    #[test]
    fn what_is_no_terminal_has_no_width() {
        assert_eq!(columns(&File::open("/dev/null").unwrap()), None);
    }

    #[test]
    fn a_terminal_says_its_width() {
        for (told, expected) in [(0, None), (1, Some(1)), (132, Some(132))] {
            let size = libc::winsize {
                ws_row: 24,
                ws_col: told,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let (mut master, mut slave) = (-1, -1);
            let none = std::ptr::null_mut();
            // SAFETY: both places are valid for a write, name and settings are not asked for, the size is
            // valid.
            cvt(unsafe { libc::openpty(&mut master, &mut slave, none, none.cast(), &size) })
                .unwrap();
            // SAFETY: both descriptors are new and nobody else's.
            let [_master, slave] = [master, slave].map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
            assert_eq!(columns(&File::from(slave)), expected);
        }
    }
}
