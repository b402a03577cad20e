//! `--drain` and `--undrain`: make or remove a maintenance file, and wait until the daemon has acted upon it.
//!
//! Runs in the client, which may wait. The daemon is asked for its status with a growing pause; what it says
//! is judged by [`satisfied`]. The file is the order and stays whatever comes of the waiting: a daemon that
//! starts later obeys it. Clock, pause and question come in as functions, so that a test needs neither daemon
//! nor time.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::sys::cause;
use crate::time::Mono;

/// How long is waited: BIRD may be down, and a reconfiguration is tried again after up to 5 s.
pub const LIMIT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What the daemon says of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The word of its state (`up`, `down` …), for the operator.
    pub state: String,
    /// It is down because of its maintenance file.
    pub maintenance: bool,
    /// The prefix file announces at least one of its prefixes.
    pub advertised: bool,
    /// For each family of its prefixes, file and BIRD agree with what is wanted.
    pub settled: bool,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nobody answers, and why.
    NoDaemon(String),
    /// The daemon does not know such a service.
    NoSuchService,
    Service(Observed),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The daemon has acted, after this time.
    Done {
        seen: Observed,
        took: Duration,
    },
    /// The file could not be made or removed.
    CannotChange(String),
    /// The file is as ordered, and no daemon answers.
    NoDaemon(String),
    NoSuchService,
    /// The daemon answers, and this is what it said last.
    TimedOut {
        seen: Observed,
        limit: Duration,
    },
}

impl Outcome {
    pub fn exit_status(&self) -> u8 {
        match self {
            Outcome::Done { .. } => 0,
            Outcome::NoDaemon(_) => 3,
            Outcome::CannotChange(_) | Outcome::NoSuchService | Outcome::TimedOut { .. } => 1,
        }
    }
}

/// What the caller lends.
pub struct Means<'a> {
    pub ask: &'a mut dyn FnMut() -> Answer,
    pub clock: &'a dyn Fn() -> Mono,
    pub pause: &'a mut dyn FnMut(Duration),
}

/// Drains (`on`) or undrains the service whose maintenance file is `path`.
pub fn run(path: &Path, on: bool, limit: Duration, means: Means) -> Outcome {
    let Means { ask, clock, pause } = means;
    if let Err(error) = change(path, on) {
        return Outcome::CannotChange(cause(&error));
    }
    let start = clock();
    let mut next_pause = FIRST_PAUSE;
    loop {
        let seen = match ask() {
            Answer::NoDaemon(cause) => return Outcome::NoDaemon(cause),
            Answer::NoSuchService => return Outcome::NoSuchService,
            Answer::Service(seen) => seen,
        };
        let took = clock().since(start);
        if satisfied(on, &seen) {
            return Outcome::Done { seen, took };
        }
        let Some(left) = limit.checked_sub(took).filter(|left| !left.is_zero()) else {
            return Outcome::TimedOut { seen, limit };
        };
        pause(next_pause.min(left));
        next_pause = (next_pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether the daemon has done what was ordered. A service that is no longer drained need not be up yet: it
/// comes back through `check_rise`, in its own time.
fn satisfied(on: bool, seen: &Observed) -> bool {
    if on {
        seen.maintenance && !seen.advertised && seen.settled
    } else {
        !seen.maintenance
    }
}

/// Makes the file, or removes it; that it is so already is fine.
fn change(path: &Path, on: bool) -> io::Result<()> {
    let outcome = if on {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map(drop)
    } else {
        fs::remove_file(path)
    };
    match outcome {
        Err(error) if on && error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if !on && error.kind() == ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// The outcome in words, for `service` and its file.
pub struct Report<'a> {
    pub service: &'a str,
    pub path: &'a Path,
    pub on: bool,
    pub outcome: &'a Outcome,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display().to_string();
        let (service, path) = (self.service.escape_debug(), path.escape_debug());
        let done = if self.on { "made" } else { "removed" };
        match self.outcome {
            Outcome::Done { took, .. } if self.on => write!(
                out,
                "{service}: drained after {} s: down for maintenance, not advertised, \
                 and BIRD has been told",
                tenths(*took)
            ),
            Outcome::Done { seen, took } => write!(
                out,
                "{service}: no longer drained after {} s: it is {} now{}",
                tenths(*took),
                seen.state.escape_debug(),
                if seen.state == "up" {
                    ""
                } else {
                    ", and rises when enough of its checks have passed"
                }
            ),
            Outcome::CannotChange(cause) => {
                let verb = if self.on { "make" } else { "remove" };
                write!(
                    out,
                    "{service}: cannot {verb} {path}: {}",
                    cause.escape_debug()
                )
            }
            Outcome::NoDaemon(cause) => {
                write!(
                    out,
                    "{service}: {path} is {done}, but {}",
                    cause.escape_debug()
                )
            }
            Outcome::NoSuchService => write!(
                out,
                "{service}: {path} is {done}, but the running daemon has no such service: reload it (SIGHUP)"
            ),
            Outcome::TimedOut { seen, limit } => write!(
                out,
                "{service}: {path} is {done}, but after {} s the daemon still says: {}",
                limit.as_secs(),
                Missing { on: self.on, seen }
            ),
        }
    }
}

/// Seconds with one place.
fn tenths(span: Duration) -> String {
    let tenths = (span.as_millis() as u64 + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// What keeps the daemon from being done.
struct Missing<'a> {
    on: bool,
    seen: &'a Observed,
}

impl fmt::Display for Missing<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Observed {
            state,
            maintenance,
            advertised,
            ..
        } = self.seen;
        let state = state.escape_debug();
        match (self.on, maintenance, advertised) {
            (false, _, _) => write!(
                out,
                "{state}, in maintenance; is this the file it was told of? (reload: SIGHUP)"
            ),
            (true, false, _) => {
                write!(
                    out,
                    "{state}, not in maintenance; is this the file it was told of? (reload: SIGHUP)"
                )
            }
            (true, true, true) => write!(
                out,
                "{state}, in maintenance, and its prefix still in the prefix file; see --status"
            ),
            (true, true, false) => write!(
                out,
                "{state}, in maintenance, and BIRD not reconfigured yet; see --status"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
