//! What there is to say, as values. The English, the levels and the forms stand in `render/record.rs`.
//!
//! A notice about a service carries the service and its status at that moment, because the structured log has both
//! in every record. Notices are made whether or not anybody listens, so making one is cheap.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::vocab::{Accepted, Captured, Ended, Reason, Refusal, Repair, Status, Verdict};
use crate::config::{Announce, Complaint, Family, ServiceConfig, Via};

#[derive(Clone, Debug)]
pub struct Notice {
    /// `None`: the daemon speaks of itself.
    pub about: Option<(Rc<ServiceConfig>, Status)>,
    pub what: What,
}

impl From<What> for Notice {
    fn from(what: What) -> Notice {
        Notice { about: None, what }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What a child process or a conversation with BIRD is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    Check,
    Reconfiguration,
    /// `custom_bird_reconfigure_cmd`.
    Custom,
}

/// Which file or channel of the host a [`What::Trouble`] is about. One at a time is logged for each, and its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    LogFile(PathBuf),
    Syslog(String),
    Metrics(PathBuf),
    History(PathBuf),
    /// The way in which this prefix file is replaced.
    PrefixFile(PathBuf),
    /// The room that is kept beside this prefix file for a withdrawal.
    Reserve(PathBuf),
    /// The kernel's address notifications.
    Addresses,
    /// The watch on this directory of maintenance files or prefix files.
    Watch(PathBuf),
    StatusSocket,
    Descriptors,
    /// poll(2).
    Events,
}

/// What an orderly end has left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Files and BIRDs have what was asked for.
    Clean,
    /// Some BIRD, or some command of a service, has not taken what stands in the files.
    BirdDoesNotKnow,
    /// Some prefix file does not say what it should.
    FilesAreWrong,
}

#[derive(Clone, Debug)]
pub enum What {
    // The daemon.
    Started {
        services: usize,
        disabled: usize,
    },
    NoServices,
    Configuration(Complaint),
    Stopping {
        signal: &'static str,
    },
    Stopped {
        uptime: Duration,
        end: End,
    },
    Reloaded {
        added: usize,
        removed: usize,
        changed: usize,
        unchanged: usize,
    },
    ReloadRefused {
        problems: usize,
    },
    RunNow {
        services: usize,
    },
    /// A turn of the loop that took so long that checks may have been late; `unsaid` more since the last mention.
    SlowTurn {
        took: Duration,
        handled: String,
        unsaid: u32,
    },

    /// A check has left a process behind, which has been killed; `service` if it can be told.
    LeftBehind {
        pid: u32,
        name: String,
        service: Option<String>,
    },

    // A service (`about` is set).
    Disabled {
        then: Announce,
    },
    FirstRunIn {
        delay: Duration,
    },
    CheckStarted,
    CheckEnded {
        verdict: Verdict,
        took: Duration,
    },
    /// A failed run that differs from the one before, or is the first of a row. `count` of `of` towards DOWN; the
    /// service may be down already.
    CheckFailed {
        verdict: Verdict,
        took: Duration,
        count: u32,
        of: u32,
        cause: String,
    },
    /// What such a run wrote.
    CheckOutput {
        stream: Stream,
        captured: Captured,
    },
    /// So many more runs failed like the one logged last.
    FailureRepeated {
        times: u32,
        verdict: Verdict,
    },
    /// A pass while failures were being counted, before the service fell.
    CheckRecovered {
        after: u32,
    },
    StateChanged {
        from: Status,
        to: Status,
        reason: Reason,
        took: Option<Duration>,
        first_line: String,
    },
    /// A slot of the grid found the run of an earlier slot still going.
    CheckOverran {
        running_for: Duration,
    },
    NotKilled {
        pid: u32,
        cause: String,
    },
    /// It was killed, and is still there after its grace.
    DoesNotDie {
        errand: Errand,
    },
    MaintenanceOver {
        path: PathBuf,
    },
    CustomDone {
        up: bool,
        took: Duration,
    },
    CustomFailed {
        up: bool,
        ended: Result<Ended, String>,
        timed_out: bool,
        stderr: Captured,
    },

    // Prefix files and BIRD.
    /// The file as it was before it was written anew, because something in it would have been lost.
    DamagedKept {
        path: PathBuf,
        kept: PathBuf,
    },
    /// Another program has changed it. `again`: it is written again; else it is taken as it is.
    FileChanged {
        family: Family,
        path: PathBuf,
        again: bool,
    },
    FileRepaired {
        family: Family,
        path: PathBuf,
        repair: Repair,
    },
    WithoutCheck {
        path: PathBuf,
        prefixes: Vec<IpNetwork>,
        removed: bool,
    },
    FileWritten {
        family: Family,
        path: PathBuf,
        added: Vec<IpNetwork>,
        removed: Vec<IpNetwork>,
        left: usize,
    },
    /// Only the dummy is left: this host draws no traffic.
    NothingAnnounced {
        family: Family,
    },
    /// The first failure, or another cause than before; it is being retried.
    FileFailed {
        family: Family,
        path: PathBuf,
        cause: String,
    },
    FileRecovered {
        family: Family,
        path: PathBuf,
        attempts: u32,
        after: Duration,
    },
    Reconfigured {
        families: &'static [Family],
        accepted: Accepted,
        took: Duration,
    },
    /// The first failure, or another than before; it is being retried.
    ReconfigureFailed {
        families: &'static [Family],
        via: Rc<Via>,
        refusal: Refusal,
    },
    ReconfigureRecovered {
        families: &'static [Family],
        attempts: u32,
        after: Duration,
    },
    /// Still failing: how often and for how long by now.
    ReconfigureStillFailing {
        families: &'static [Family],
        attempts: u32,
        after: Duration,
    },

    // The host.
    Trouble {
        part: Part,
        cause: String,
    },
    TroubleOver {
        part: Part,
        lost: u64,
    },
}
