//! The reading end of a child's output.
//!
//! The first [`CAPTURE_MAX`] bytes are kept and the last [`TAIL_MAX`], where BIRD's answer is; what lies between is read
//! and counted, so that a child never waits for us. Nothing here waits either: the end that is read is non-blocking, and
//! every read is bounded.

use std::fs::File;
use std::io::{self, Read};

use crate::engine::vocab::Captured;
use crate::host::sys::poll::{Interest, PollSet, Slot};

/// Bytes kept of each stream: some 50 lines, enough for an error message with a trace, and bounded for each
/// running job.
pub const CAPTURE_MAX: usize = 4 * 1024;

/// Bytes kept of the end of a longer stream: more than the longest line that BIRD writes, several times.
pub const TAIL_MAX: usize = 2 * 1024;

/// Bytes taken by one read: a quarter of a pipe.
pub const CHUNK: usize = 16 * 1024;

/// Reads of one pipe in one turn: what a full pipe holds, so that a child that prints without end shares the
/// loop.
const READS_PER_TURN: usize = 4;

/// Reads of one pipe when its job is over: what the largest pipe of an unprivileged user (1 MiB) can hold.
const READS_AT_END: usize = 64;

/// The reading end of one stream, closed when there is nothing more to come.
pub struct Pipe {
    file: Option<File>,
    slot: Slot,
    captured: Captured,
    /// The end of what did not fit, up to twice [`TAIL_MAX`]; all of that counts as dropped until the stream is over.
    tail: Vec<u8>,
    /// So many of the first bytes are kept.
    limit: usize,
}

impl Pipe {
    pub fn new(file: File) -> Pipe {
        Pipe {
            file: Some(file),
            slot: Slot::NONE,
            captured: Captured::default(),
            tail: Vec::new(),
            limit: CAPTURE_MAX,
        }
    }

    /// Keeps so many of the first bytes instead.
    pub fn keep_first(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Adds the pipe to the set of this turn, unless it is closed.
    pub fn poll(&mut self, set: &mut PollSet) {
        self.slot = match &self.file {
            Some(file) => set.add(file, Interest::Read),
            None => Slot::NONE,
        };
    }

    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// One turn's share, if the set says that there is something.
    pub fn read_if_ready(&mut self, set: &PollSet, buffer: &mut [u8]) {
        if set.ready(self.slot) {
            self.slot = Slot::NONE;
            self.read(buffer, READS_PER_TURN, Until::Empty);
        }
    }

    /// What is left in it when its job is over. If it is still open after that, somebody else holds it.
    pub fn read_to_end(&mut self, buffer: &mut [u8]) {
        self.read(buffer, READS_AT_END, Until::End);
    }

    #[cfg(test)]
    pub fn length(&self) -> usize {
        self.captured.bytes.len()
    }

    pub fn captured(self) -> Captured {
        let mut captured = self.captured;
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL_MAX)..];
        captured.dropped -= tail.len() as u64;
        if captured.dropped > 0 {
            captured.bytes.extend_from_slice(Captured::GAP);
        }
        captured.bytes.extend_from_slice(tail);
        captured
    }

    fn keep(&mut self, bytes: &[u8]) {
        let captured = &mut self.captured;
        let room = self.limit.saturating_sub(captured.bytes.len());
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        captured.bytes.extend_from_slice(kept);
        captured.dropped = captured.dropped.saturating_add(rest.len() as u64);
        self.tail
            .extend_from_slice(&rest[rest.len().saturating_sub(TAIL_MAX)..]);
        if self.tail.len() > 2 * TAIL_MAX {
            self.tail.drain(..self.tail.len() - TAIL_MAX);
        }
    }

    /// Takes what is there without waiting, in at most so many reads; closes the pipe at its end or after an
    /// error.
    fn read(&mut self, buffer: &mut [u8], reads: usize, until: Until) {
        for _ in 0..reads {
            let Some(file) = &mut self.file else {
                return;
            };
            match file.read(buffer) {
                Ok(0) => self.file = None,
                Ok(length) => {
                    self.keep(&buffer[..length]);
                    if length < buffer.len() && until == Until::Empty {
                        // Empty now, or nearly: poll tells about the rest, and about the end.
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.file = None,
            }
        }
    }
}

/// How far a pipe is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    /// As far as one look tells.
    Empty,
    /// Until there is an end, or nothing to be had.
    End,
}
