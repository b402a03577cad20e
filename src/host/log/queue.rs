//! Lines on their way to a file, which the writer process appends.
//!
//! They wait here until the writer takes them, all of a turn together, and longer if the disk does not answer: up to
//! [`MAX_QUEUE`] bytes, then they are lost, and counted as such. Left out on purpose: the file itself, see `file`.

use std::path::{Path, PathBuf};

use super::file::RETRY;
use crate::engine::notice::Part;
use crate::host::news::{Health, News};
use crate::host::writer::{Reply, Request, Target, decode_report};
use crate::time::Mono;

/// The lines of ten thousand services that change their state in one turn, or of hours of a quiet log.
const MAX_QUEUE: usize = 4 * 1024 * 1024;
/// What the memory of the queue may be between two turns.
const KEPT: usize = 16 * 1024;

#[derive(Debug)]
pub struct Queue {
    /// Of the two files that the writer keeps open, that for stderr.
    stderr: bool,
    target: Target<PathBuf>,
    /// The file is to be opened anew, even if there is no line.
    reopen: bool,
    text: Vec<u8>,
    lines: u64,
    /// Lines that the writer has, if it has a request.
    under_way: Option<u64>,
    dropped: u64,
    health: Health,
}

impl Queue {
    /// For a file, which is opened, and so made, at the first chance.
    pub fn to_file(stderr: bool, path: &Path, max_bytes: u64, backups: u32) -> Queue {
        let target = Target::File {
            path: path.to_path_buf(),
            max_bytes,
            backups,
        };
        let mut queue = Queue::to(stderr, target, path);
        queue.reopen = true;
        queue
    }

    /// For stdout or stderr as the daemon has inherited it.
    pub fn to_inherited(stderr: bool) -> Queue {
        let name = match stderr {
            true => "/dev/stderr",
            false => "/dev/stdout",
        };
        Queue::to(stderr, Target::Inherited, Path::new(name))
    }

    fn to(stderr: bool, target: Target<PathBuf>, name: &Path) -> Queue {
        Queue {
            stderr,
            target,
            reopen: false,
            text: Vec::new(),
            lines: 0,
            under_way: None,
            dropped: 0,
            health: Health::new(Part::LogFile(name.to_path_buf()), RETRY),
        }
    }

    /// Has the file opened anew, with these limits, or another file. What waits goes there.
    pub fn reopen(&mut self, path: &Path, max_bytes: u64, backups: u32) {
        if !matches!(&self.target, Target::File { path: old, .. } if old == path) {
            self.health = Health::new(Part::LogFile(path.to_path_buf()), RETRY);
        }
        self.target = Target::File {
            path: path.to_path_buf(),
            max_bytes,
            backups,
        };
        self.reopen = true;
    }

    /// Takes a line, or counts it as lost.
    pub fn line(&mut self, text: &str) {
        if self.text.len() + text.len() >= MAX_QUEUE {
            self.lose(1);
            return;
        }
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'\n');
        self.lines += 1;
    }

    /// Whether there is anything to do for the writer.
    pub fn wants_writer(&self) -> bool {
        self.lines > 0 || self.reopen
    }

    /// Hands over what has come together. The writer answers by [`Queue::written`].
    pub fn hand_over(&mut self, submit: impl FnOnce(&Request)) {
        submit(&Request::Append {
            stderr: self.stderr,
            target: match &self.target {
                Target::Inherited => Target::Inherited,
                Target::File {
                    path,
                    max_bytes,
                    backups,
                } => Target::File {
                    path,
                    max_bytes: *max_bytes,
                    backups: *backups,
                },
            },
            reopen: std::mem::take(&mut self.reopen),
            lines: &self.text,
        });
        self.text.clear();
        self.text.shrink_to(KEPT);
        self.under_way = Some(std::mem::take(&mut self.lines));
    }

    /// What became of it; the error, if there was one.
    pub fn written(&mut self, now: Mono, reply: &Reply) -> Result<(), String> {
        let Some(lines) = self.under_way.take() else {
            return Ok(());
        };
        let report = match reply {
            Ok(bytes) => decode_report(bytes).unwrap_or_default(),
            Err((_, cause)) => {
                // Of these some may have been written: who knows.
                self.lose(lines);
                self.health.failed(now, || cause.clone());
                return Err(cause.clone());
            }
        };
        self.lose(u64::from(report.lost));
        if report.works {
            self.health.works(now);
        }
        match report.cause {
            Some(cause) => {
                self.health.failed(now, || cause.clone());
                Err(cause)
            }
            None => Ok(()),
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    /// Lines that were lost.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn lose(&mut self, lines: u64) {
        self.dropped += lines;
        self.health.lost(lines);
    }
}

#[cfg(test)]
mod tests;
