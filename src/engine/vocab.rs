//! The whole border between what decides (engine) and what acts (host), on one page.
//!
//! [`Event`] goes in, [`Action`] comes out; what is to be said is a [`Notice`](super::notice::Notice) inside an
//! action. The enums are closed: whoever reads them knows everything that can happen and everything that can be done.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

pub use super::addresses::Addresses;
use super::notice::Notice;
use crate::config::{Complaint, Config, FamilyConfig, ServiceConfig, Via};
use crate::sorted::Set;
use crate::time::Mono;

/// One child process, one conversation with BIRD or one request about a file. Never used twice while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A deadline of the engine has been reached.
    Due,
    /// The leader of a job's process group has ended and has been reaped.
    JobEnded {
        job: JobId,
        ended: Ended,
        output: Output,
    },
    /// A job could not be started; it has left nothing behind. That may be known late, even after it was to be killed.
    JobNotStarted { job: JobId, failure: StartFailure },
    /// The kernel refused to signal a job that was to be killed (a set-uid program such as sudo).
    JobNotKilled { job: JobId, pid: u32, cause: String },
    /// A reconfiguration by command or socket is over.
    ReconfigureEnded {
        job: JobId,
        outcome: Result<Accepted, Refusal>,
    },
    /// The outcome of [`Action::WriteFile`], in whatever turn. After a failure nobody knows what stands in the file.
    FileWritten {
        job: JobId,
        outcome: Result<(), String>,
    },
    /// What [`Action::LookAtFile`] has seen, in whatever turn.
    FileFound { job: JobId, file: FoundFile },
    /// The addresses of the host, complete, after a change.
    Addresses(Rc<Addresses>),
    /// A maintenance file has appeared or is gone.
    Maintenance { path: PathBuf, present: bool },
    /// Another program may have changed a prefix file.
    FileTouched { path: PathBuf },
    /// SIGURG.
    RunNow,
    /// SIGHUP, and the new configuration is good.
    Reload(Box<World>),
    /// SIGHUP, and it is not.
    ReloadRefused(Vec<Complaint>),
    /// SIGTERM or SIGINT.
    Stop { signal: &'static str },
}

/// What is to be done. The host performs each in order and answers with events.
#[derive(Clone, Debug)]
pub enum Action {
    StartCheck {
        job: JobId,
        service: Rc<ServiceConfig>,
    },
    /// `custom_bird_reconfigure_cmd` with `up` or `down`.
    StartCustom {
        job: JobId,
        service: Rc<ServiceConfig>,
        up: bool,
    },
    /// One `configure`.
    Reconfigure {
        job: JobId,
        via: Rc<Via>,
    },
    /// SIGKILL to the whole group, or the end of a conversation. The job still ends by an event.
    Kill {
        job: JobId,
    },
    /// Replace a prefix file by one that holds the dummy and these prefixes. It need not be one of the configuration in
    /// force: what a reload has left is emptied.
    WriteFile {
        job: JobId,
        file: Rc<FamilyConfig>,
        prefixes: Rc<Set<IpNetwork>>,
    },
    /// Read a prefix file: somebody else may have spoiled it.
    LookAtFile {
        job: JobId,
        file: Rc<FamilyConfig>,
    },
    /// Bring the metrics file up to date, if there is one.
    WriteMetrics,
    Say(Notice),
    /// End with status 0. If something is left undone, or BIRD does not know of it, the next daemon has to tell it.
    Exit {
        clean: bool,
    },
}

/// Everything outside the engine that it must know to start or to reload.
#[derive(Clone, Debug)]
pub struct World {
    pub config: Config,
    /// What the warnings of the configuration are; said once.
    pub warnings: Vec<Complaint>,
    /// By [`Family::index`]; what was found for each family that is enabled. At a reload those files count that were not in
    /// use before: the others are looked at when the engine asks for it.
    pub files: [FoundFile; 2],
    pub addresses: Rc<Addresses>,
    /// Those maintenance files that exist.
    pub maintenance: Set<PathBuf>,
}

/// What is wrong between the engine and a BIRD at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The prefix file cannot be written.
    File(String),
    /// BIRD has not taken the file.
    Bird(Refusal),
}

impl Obstacle {
    /// Whether both are of one kind, though perhaps in other words.
    pub fn same_kind(&self, other: &Obstacle) -> bool {
        match (self, other) {
            (Obstacle::File(_), Obstacle::File(_)) => true,
            (Obstacle::Bird(one), Obstacle::Bird(other)) => {
                std::mem::discriminant(one) == std::mem::discriminant(other)
            }
            (Obstacle::File(_), Obstacle::Bird(_)) | (Obstacle::Bird(_), Obstacle::File(_)) => {
                false
            }
        }
    }
}

/// The prefix file as the host found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundFile {
    /// Every prefix in it, without the dummy.
    pub prefixes: Set<IpNetwork>,
    /// Why it must be written anew even if its prefixes are right.
    pub repair: Option<Repair>,
}

/// What is wrong with a prefix file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    Missing,
    Unreadable(String),
    /// No list of that name; the name that was found instead, if any.
    WrongVariable(Option<String>),
    DummyMissing,
    /// Something in it that BIRD would not read, or that we do not understand.
    Malformed(String),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Exit status, 0 to 255.
    Exit(u8),
    /// Killed by this signal.
    Signal(u8),
}

/// The verdict of one run of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Exit status 1 to 255.
    Fail(u8),
    Signal(u8),
    TimedOut,
    /// 127: no such file; 126: everything else.
    NotStarted(u8),
}

impl Verdict {
    pub fn passed(self) -> bool {
        self == Verdict::Pass
    }

    /// The value of the metric `service_state`.
    pub fn code(self) -> i32 {
        match self {
            Verdict::Pass => 0,
            Verdict::Fail(status) | Verdict::NotStarted(status) => i32::from(status),
            Verdict::Signal(signal) => -i32::from(signal),
            Verdict::TimedOut => 126,
        }
    }
}

impl From<Ended> for Verdict {
    fn from(ended: Ended) -> Verdict {
        match ended {
            Ended::Exit(0) => Verdict::Pass,
            Ended::Exit(status) => Verdict::Fail(status),
            Ended::Signal(signal) => Verdict::Signal(signal),
        }
    }
}

/// Why a command could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// 127 if there is no such command, else 126.
    pub status: u8,
    pub cause: String,
}

/// What a process wrote: the first and the last bytes of each stream, and how many were between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: Captured,
    pub stderr: Captured,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    pub bytes: Vec<u8>,
    /// Bytes read and dropped in the middle, where [`Captured::GAP`] is now.
    pub dropped: u64,
}

impl Captured {
    /// Makes a line of its own of what is before it, and none of what follows, whose beginning is missing.
    pub const GAP: &[u8] = b"\n[...] ";
}

/// BIRD has taken the new configuration (reply codes 0003, 0004, 0005).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    Reconfigured,
    InProgress,
    Queued,
}

/// Why a reconfiguration did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// BIRD answered something else: its words.
    Said(String),
    /// The command ended with this, and BIRD's acceptance is not in its output.
    Command {
        ended: Ended,
        said: String,
    },
    /// The command or the connection could not be made.
    Unreachable(String),
    TimedOut,
}

/// The state of a service as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unknown,
    Up,
    Down,
    Disabled,
}

/// Why a service is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No verdict yet.
    NotChecked,
    /// The last `count` runs passed.
    Passed {
        count: u32,
    },
    /// The last `count` runs failed, the last one so.
    Failed {
        count: u32,
        verdict: Verdict,
    },
    /// What held the service down is over; `count` of `of` passes have been counted since.
    Returning {
        count: u32,
        of: u32,
    },
    /// This prefix is not assigned to the interface of the service.
    AddressMissing {
        prefix: IpNetwork,
    },
    /// The maintenance file of the service exists.
    Maintenance,
    Disabled,
}

/// The last completed run of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRun<'a> {
    pub verdict: Verdict,
    pub took: Duration,
    pub ended: Mono,
    /// The first line of the output (stderr if it has any, else stdout), or why it could not be started.
    pub first_line: &'a str,
}
