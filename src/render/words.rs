//! The English of the daemon, and the level of everything it says.
//!
//! Every [`What`] has one message here and nowhere else: one line, lower case, no full stop, what happened
//! first and, where it can be known, what to do last. Text from outside is made visible on the way in, so a
//! message can be printed as it is. Levels follow one rule: what changes is `info`, a service that falls
//! and trouble that the daemon overcomes by itself is a `warning`, lost work is an `error`, and every
//! single run is `debug`.

use std::path::Path;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::date::span;
use super::escape::{visible, visible_bytes};
use crate::config::{CommandLine, Complaint, Family, Level, Severity};
use crate::engine::notice::{End, Notice, What};
use crate::engine::vocab::{Captured, Ended, Repair, Status, Verdict};

mod bird;
mod daemon;
mod service;

pub use bird::obstacle;
pub use service::{reason, status, with_first_line};

/// Prefixes that one message names; the rest are counted. A message with 500 of them helps nobody.
const LISTED_MAX: usize = 8;

/// At which level something is said.
pub fn level(what: &What) -> Level {
    match what {
        What::CheckStarted | What::CheckEnded { .. } | What::FirstRunIn { .. } => Level::Debug,

        What::Started { .. }
        | What::Stopping { .. }
        | What::Reloaded { .. }
        | What::RunNow { .. }
        | What::Disabled { .. }
        | What::CheckFailed { .. }
        | What::CheckOutput { .. }
        | What::FailureRepeated { .. }
        | What::CheckRecovered { .. }
        | What::MaintenanceOver { .. }
        | What::CustomDone { .. }
        | What::FileWritten { .. }
        | What::FileRecovered { .. }
        | What::Reconfigured { .. }
        | What::ReconfigureRecovered { .. }
        | What::TroubleOver { .. } => Level::Info,

        What::Stopped { end, .. } => match end {
            End::Clean => Level::Info,
            End::BirdDoesNotKnow => Level::Warning,
            End::FilesAreWrong => Level::Error,
        },
        What::StateChanged { to, .. } => match to {
            Status::Down => Level::Warning,
            Status::Unknown | Status::Up | Status::Disabled => Level::Info,
        },
        What::FileRepaired { repair, .. } => match repair {
            // The first start on a host.
            Repair::Missing => Level::Info,
            Repair::Unreadable(_)
            | Repair::WrongVariable(_)
            | Repair::DummyMissing
            | Repair::Malformed(_) => Level::Warning,
        },

        What::NoServices
        | What::DamagedKept { .. }
        | What::FileChanged { .. }
        | What::SlowTurn { .. }
        | What::LeftBehind { .. }
        | What::CheckOverran { .. }
        | What::NotKilled { .. }
        | What::DoesNotDie { .. }
        | What::WithoutCheck { .. }
        | What::NothingAnnounced { .. }
        | What::ReconfigureFailed { .. }
        | What::Trouble { .. } => Level::Warning,

        // While these last, what BIRD announces is not what the checks ask for.
        What::FileFailed { .. } | What::ReconfigureStillFailing { .. } => Level::Error,
        What::CustomFailed { .. } | What::ReloadRefused { .. } => Level::Error,

        What::Configuration(complaint) => match complaint.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        },
    }
}

/// What is said, as one line without control characters.
pub fn message(notice: &Notice) -> String {
    let config = notice.about.as_ref().map(|(config, _)| config.as_ref());
    let status = notice.about.as_ref().map(|(_, status)| *status);
    match &notice.what {
        What::Started { .. }
        | What::NoServices
        | What::Configuration(_)
        | What::Stopping { .. }
        | What::Stopped { .. }
        | What::Reloaded { .. }
        | What::ReloadRefused { .. }
        | What::RunNow { .. }
        | What::SlowTurn { .. }
        | What::LeftBehind { .. }
        | What::DoesNotDie { .. }
        | What::Trouble { .. }
        | What::TroubleOver { .. } => daemon::say(&notice.what),

        What::Disabled { .. }
        | What::FirstRunIn { .. }
        | What::CheckStarted
        | What::CheckEnded { .. }
        | What::CheckFailed { .. }
        | What::CheckOutput { .. }
        | What::FailureRepeated { .. }
        | What::CheckRecovered { .. }
        | What::StateChanged { .. }
        | What::CheckOverran { .. }
        | What::NotKilled { .. }
        | What::MaintenanceOver { .. }
        | What::CustomDone { .. }
        | What::CustomFailed { .. } => service::say(&notice.what, config, status),

        What::DamagedKept { .. }
        | What::FileChanged { .. }
        | What::FileRepaired { .. }
        | What::WithoutCheck { .. }
        | What::FileWritten { .. }
        | What::NothingAnnounced { .. }
        | What::FileFailed { .. }
        | What::FileRecovered { .. }
        | What::Reconfigured { .. }
        | What::ReconfigureFailed { .. }
        | What::ReconfigureRecovered { .. }
        | What::ReconfigureStillFailing { .. } => bird::say(&notice.what),
    }
}

/// One complaint about the configuration: `FILE:LINE: [section] option: what is wrong`, as far as each is
/// known.
pub fn complaint(complaint: &Complaint) -> String {
    let mut out = String::new();
    if !complaint.file.is_empty() {
        out.push_str(&visible(&complaint.file));
        if complaint.line > 0 {
            out.push_str(&format!(":{}", complaint.line));
        }
        out.push_str(": ");
    }
    if !complaint.section.is_empty() {
        out.push_str(&format!("[{}] ", visible(&complaint.section)));
    }
    if !complaint.option.is_empty() {
        out.push_str(&visible(&complaint.option));
        out.push_str(": ");
    }
    out.push_str(&visible(&complaint.message));
    out
}

/// `1 service`, `2 services`.
fn count(number: usize, one: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {one}{s}")
}

pub fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

fn families(families: &[Family]) -> String {
    let names: Vec<&str> = families.iter().map(|one| family(*one)).collect();
    names.join(" and ")
}

/// The first prefixes, separated by commas, and how many more there are.
fn prefixes(prefixes: &[IpNetwork]) -> String {
    let mut names: Vec<String> = prefixes
        .iter()
        .take(LISTED_MAX)
        .map(IpNetwork::to_string)
        .collect();
    if prefixes.len() > LISTED_MAX {
        names.push(format!("{} more", prefixes.len() - LISTED_MAX));
    }
    names.join(", ")
}

fn path(path: &Path) -> String {
    visible_bytes(path.as_os_str().as_encoded_bytes())
}

/// A command line as it could be typed, more or less.
fn command(line: &CommandLine) -> String {
    let words: Vec<&str> = line.words().collect();
    visible(&words.join(" ")).into_owned()
}

/// What was captured, as one line, and how much was not.
fn captured(captured: &Captured) -> String {
    let text = visible_bytes(captured.bytes.trim_ascii());
    match captured.dropped {
        0 => text,
        dropped => format!("{text} (and {dropped} bytes more)"),
    }
}

fn signal(number: u8) -> String {
    // Those whose number is the same on every architecture of Linux, and SIGBUS where it is 7.
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 if !cfg!(any(target_arch = "mips", target_arch = "mips64")) => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    name.to_string()
}

fn ended(ended: Ended) -> String {
    match ended {
        Ended::Exit(status) => format!("exit status {status}"),
        Ended::Signal(number) => format!("killed by {}", signal(number)),
    }
}

/// A verdict by itself; `time_out` is the time that a check has.
pub fn verdict(verdict: Verdict, time_out: Duration) -> String {
    match verdict {
        Verdict::Pass => "passed".to_string(),
        Verdict::Fail(status) => format!("exit status {status}"),
        Verdict::Signal(number) => format!("killed by {}", signal(number)),
        Verdict::TimedOut => format!("timed out after {}", span(time_out)),
        Verdict::NotStarted(status) => format!("could not be started (status {status})"),
    }
}

#[cfg(test)]
mod tests;
