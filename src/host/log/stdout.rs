//! stdout and stderr as sinks that never hold up the daemon.
//!
//! A pipe or terminal whose reader has stopped would block a plain write for ever, and O_NONBLOCK on the
//! inherited descriptor would change it for the shell, too. So a pipe or terminal is opened anew, through
//! /proc, as a description of our own that does not block. Where that is refused (a socket of journald's, a
//! terminal of another user) each write is preceded by a look whether it would go on, and is at most
//! `PIPE_BUF` long, which then fits. What does not fit is dropped; the caller counts. A regular file,
//! whose disk may make a write wait, is for the writer process: see [`is_file`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use super::line;
use crate::host::sys::log_fd;

/// `PIPE_BUF` of Linux: what fits whenever poll(2) calls a pipe writable.
const PIECE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Stdout,
    Stderr,
}

#[derive(Debug)]
pub struct Console {
    which: Which,
    file: Option<File>,
    torn: bool,
}

impl Console {
    pub fn new(which: Which) -> Console {
        Console {
            which,
            file: open(which).ok(),
            torn: false,
        }
    }

    /// Writes one line; false if it, or its end, is lost.
    pub fn line(&mut self, text: &str) -> bool {
        if self.file.is_none() {
            // Only a lack of descriptors leads here, and that passes.
            self.file = open(self.which).ok();
        }
        let Some(file) = &mut self.file else {
            return false;
        };
        line::put(file, &mut self.torn, text, PIECE, |file| {
            log_fd::writable_now(file.as_fd())
        })
        .is_ok()
    }

    #[cfg(test)]
    fn over(file: File) -> Console {
        Console {
            which: Which::Stdout,
            file: Some(file),
            torn: false,
        }
    }
}

/// Whether it is a file, on a disk that may have to be waited for.
pub fn is_file(which: Which) -> bool {
    match which {
        Which::Stdout => log_fd::file_behind(io::stdout()).is_some(),
        Which::Stderr => log_fd::file_behind(io::stderr()).is_some(),
    }
}

fn open(which: Which) -> io::Result<File> {
    let (copy, path): (OwnedFd, &str) = match which {
        Which::Stdout => (
            io::stdout().as_fd().try_clone_to_owned()?,
            "/proc/self/fd/1",
        ),
        Which::Stderr => (
            io::stderr().as_fd().try_clone_to_owned()?,
            "/proc/self/fd/2",
        ),
    };
    Ok(without_blocking(File::from(copy), path))
}

/// A description of our own for the pipe or terminal behind `path`, or `file` as it is.
fn without_blocking(file: File, path: &str) -> File {
    let kind = file.metadata().map(|metadata| metadata.file_type());
    if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_char_device()) {
        return file;
    }
    OpenOptions::new()
        .write(true)
        .custom_flags(log_fd::WITHOUT_WAITING)
        .open(path)
        .unwrap_or(file)
}

#[cfg(test)]
mod tests;
