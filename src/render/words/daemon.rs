//! What the daemon says of itself and of its host.

use crate::engine::notice::{End, Errand, Part, What};

use super::{count, path, span, visible};

pub(super) fn say(what: &What) -> String {
    match what {
        What::Started { services, disabled } => {
            let version = env!("CARGO_PKG_VERSION");
            let services = count(*services, "service");
            let disabled = match disabled {
                0 => String::new(),
                disabled => format!(", {disabled} of them disabled"),
            };
            format!("version {version} started with {services}{disabled}")
        }
        What::NoServices => {
            "no service is configured: nothing is checked and nothing is announced".to_string()
        }
        What::Configuration(complaint) => super::complaint(complaint),
        What::Stopping { signal } => format!("stopping, because of {signal}"),
        What::DoesNotDie { errand } => does_not_die(*errand),
        What::Stopped { uptime, end } => {
            let left = match end {
                End::Clean => "",
                End::BirdDoesNotKnow => {
                    "; BIRD could not be told of the prefix files, so the next start tells it"
                }
                End::FilesAreWrong => {
                    "; not all prefix files could be written, so BIRD may go on announcing what they held before"
                }
            };
            format!("stopped after {}{left}", span(*uptime))
        }
        What::Reloaded {
            added,
            removed,
            changed,
            unchanged,
        } => format!(
            "configuration reloaded: {added} added, {removed} removed, {changed} changed, {unchanged} unchanged"
        ),
        What::ReloadRefused { problems } => format!(
            "configuration not reloaded because of {}; the old one stays in force",
            count(*problems, "problem")
        ),
        What::RunNow { services } => {
            format!(
                "running {} now, because of SIGURG",
                count(*services, "check")
            )
        }
        What::SlowTurn {
            took,
            handled,
            unsaid,
        } => {
            let unsaid = match unsaid {
                0 => String::new(),
                unsaid => format!(", and {unsaid} more were slow since this was last said"),
            };
            format!(
                "one turn of the loop took {} ({}){unsaid}; checks may have been late",
                span(*took),
                visible(handled)
            )
        }
        What::LeftBehind { pid, name, service } => {
            let check = match service {
                Some(service) => format!("the check of {}", visible(service)),
                None => "a check".to_string(),
            };
            format!(
                "{check} left process {pid} ({}) behind: killed, as all that it leaves behind will be",
                visible(name)
            )
        }
        What::Trouble { part, cause } => {
            let (cannot, meanwhile) = trouble(part);
            format!("cannot {cannot}: {}; {meanwhile}", visible(cause))
        }
        What::TroubleOver { part, lost } => over(part, *lost),
        // The others are said elsewhere; `super::message` sends none of them here.
        _ => String::new(),
    }
}

/// That something was killed and is still there.
pub(super) fn does_not_die(errand: Errand) -> String {
    let (what, then) = match errand {
        Errand::Check => (
            "the check",
            "until it ends, each time that it is due counts as timed out",
        ),
        Errand::Reconfiguration => (
            "the reconfiguration",
            "another is tried without waiting for its end",
        ),
        Errand::Custom => (
            "custom_bird_reconfigure_cmd",
            "what is to be delivered next does not wait for its end",
        ),
    };
    format!(
        "{what} was killed and does not die, so it hangs in the kernel (a dead disk or network file system?); {then}"
    )
}

/// What cannot be done, and what that means until it can.
fn trouble(part: &Part) -> (String, &'static str) {
    match part {
        Part::LogFile(file) => (
            format!("write log file {}", path(file)),
            "its lines are dropped and counted until it can be written",
        ),
        Part::Syslog(server) => (
            format!("send to log server {}", visible(server)),
            "its lines are dropped and counted until it can be reached",
        ),
        Part::Metrics(file) => (
            format!("write metrics file {}", path(file)),
            "it is tried again at the next interval",
        ),
        Part::History(directory) => (
            format!("keep history in {}", path(directory)),
            "prefix files are written without it",
        ),
        Part::PrefixFile(file) => (
            format!("replace prefix file {} as usual", path(file)),
            "the prefixes in it are the right ones",
        ),
        Part::Reserve(file) => (
            format!("reserve room for a withdrawal from {}", path(file)),
            "one may fail while the disk is full",
        ),
        Part::Addresses => (
            "follow the addresses of the host".to_string(),
            "they are read again as soon as possible",
        ),
        Part::Watch(directory) => (
            format!("watch {}", path(directory)),
            "its files are looked at again and again instead, and what can't be seen is as it was",
        ),
        Part::StatusSocket => (
            "answer on the status socket".to_string(),
            "--status does not work, all else does",
        ),
        Part::Descriptors => (
            "open enough file descriptors".to_string(),
            "checks beyond the limit fail: raise it (LimitNOFILE, ulimit -n) or set max_running_checks",
        ),
        Part::Events => (
            "wait for events".to_string(),
            "everything is looked at a hundred times a second instead (has somebody lowered the limit on open files?)",
        ),
    }
}

fn over(part: &Part, lost: u64) -> String {
    let lost = match lost {
        0 => String::new(),
        1 => "; 1 was lost".to_string(),
        lost => format!("; {lost} were lost"),
    };
    let again = match part {
        Part::LogFile(file) => format!("log file {} is written again", path(file)),
        Part::Syslog(server) => format!("log server {} is reached again", visible(server)),
        Part::Metrics(file) => format!("metrics file {} is written again", path(file)),
        Part::History(directory) => format!("history in {} is kept again", path(directory)),
        Part::PrefixFile(file) => {
            format!("prefix file {} is replaced as usual again", path(file))
        }
        Part::Reserve(file) => {
            format!(
                "room for a withdrawal from {} is reserved again",
                path(file)
            )
        }
        Part::Addresses => "the addresses of the host are followed again".to_string(),
        Part::Watch(directory) => format!("{} is watched again", path(directory)),
        Part::StatusSocket => "the status socket answers again".to_string(),
        Part::Descriptors => "there are enough file descriptors again".to_string(),
        Part::Events => "events are waited for again".to_string(),
    };
    format!("{again}{lost}")
}

#[cfg(test)]
mod tests;
