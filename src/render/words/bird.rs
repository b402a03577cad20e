//! What is said of prefix files and of BIRD, with a hint where a cause is known.

use crate::config::Via;
use crate::engine::notice::What;
use crate::engine::vocab::{Accepted, Ended, Obstacle, Refusal, Repair};

use super::{command, count, ended, families, family, path, prefixes, span, visible};

pub(super) fn say(what: &What) -> String {
    match what {
        What::FileRepaired {
            family: of,
            path: file,
            repair,
        } => format!(
            "{} prefix file {} {}",
            family(*of),
            path(file),
            repaired(repair)
        ),
        What::FileChanged {
            family: of,
            path: file,
            again,
        } => {
            let then = match again {
                true => "it is written again",
                false => "nothing that a check asks for, so it is taken as it is",
            };
            format!(
                "another program has changed {} prefix file {}: {then}",
                family(*of),
                path(file)
            )
        }
        What::DamagedKept { path: file, kept } => format!(
            "prefix file {} held more than one list of prefixes: the file as it was is kept as {}",
            path(file),
            path(kept)
        ),
        What::WithoutCheck {
            path: file,
            prefixes: found,
            removed,
            ..
        } => {
            let then = if *removed {
                "removed, because of purge_ip_prefixes"
            } else {
                "left there until the file is next updated"
            };
            format!(
                "prefixes without a check in {}: {}; {then}",
                path(file),
                prefixes(found)
            )
        }
        What::FileWritten { .. } => written(what),
        What::NothingAnnounced { family: of } => {
            let of = family(*of);
            format!("no {of} prefix is announced any more: this host draws no {of} traffic")
        }
        What::Reconfigured { .. }
        | What::ReconfigureFailed { .. }
        | What::ReconfigureRecovered { .. }
        | What::ReconfigureStillFailing { .. } => reconfiguration(what),
        // Nothing else is left: `super::message` sends what is of others elsewhere.
        _ => failed(what),
    }
}

fn written(what: &What) -> String {
    match what {
        What::FileWritten {
            family: of,
            path: file,
            added,
            removed,
            left,
        } => {
            let mut changes = Vec::new();
            if !added.is_empty() {
                changes.push(format!("added {}", prefixes(added)));
            }
            if !removed.is_empty() {
                changes.push(format!("removed {}", prefixes(removed)));
            }
            if changes.is_empty() {
                changes.push("prefixes unchanged".to_string());
            }
            let (changes, left) = (changes.join(", "), count_prefixes(*left));
            format!(
                "{} prefix file {} written: {changes}; {left} beside the dummy",
                family(*of),
                path(file)
            )
        }
        _ => String::new(),
    }
}

/// What is said of files that cannot be written, and of the end of that.
fn failed(what: &What) -> String {
    match what {
        What::FileFailed {
            family: of,
            path: file,
            cause,
        } => format!(
            "cannot write {} prefix file {}: {}; BIRD keeps the old one, and it is tried again",
            family(*of),
            path(file),
            visible(cause)
        ),
        What::FileRecovered {
            family: of,
            path: file,
            attempts,
            after,
        } => format!(
            "{} prefix file {} written at last, after {} in {}",
            family(*of),
            path(file),
            count(*attempts as usize, "failure"),
            span(*after)
        ),
        _ => String::new(),
    }
}

fn count_prefixes(number: usize) -> String {
    match number {
        1 => "1 prefix".to_string(),
        number => format!("{number} prefixes"),
    }
}

fn repaired(repair: &Repair) -> String {
    match repair {
        Repair::Missing => "did not exist and is made".to_string(),
        Repair::Unreadable(cause) => {
            format!("cannot be read: {}; it is written anew", visible(cause))
        }
        Repair::WrongVariable(None) => {
            "defines no list of the configured name; it is written anew".to_string()
        }
        Repair::WrongVariable(Some(name)) => format!(
            "defines {} and no list of the configured name; it is written anew with the same prefixes",
            visible(name)
        ),
        Repair::DummyMissing => "lacks the dummy prefix, which is put back".to_string(),
        Repair::Malformed(what) => format!("is malformed: {}; it is written anew", visible(what)),
    }
}

fn reconfiguration(what: &What) -> String {
    match what {
        What::Reconfigured {
            families: of,
            accepted,
            took,
        } => {
            let (of, took) = (families(of), span(*took));
            match accepted {
                Accepted::Reconfigured => format!("BIRD reconfigured for {of} ({took})"),
                Accepted::InProgress => {
                    format!("BIRD has taken the configuration for {of} and is applying it ({took})")
                }
                Accepted::Queued => format!(
                    "BIRD has taken the configuration for {of} and applies it after the one in progress ({took})"
                ),
            }
        }
        What::ReconfigureFailed {
            families: of,
            via,
            refusal,
        } => {
            let hint = hint(via, refusal).map_or(String::new(), |hint| format!(" ({hint})"));
            format!(
                "cannot reconfigure BIRD for {} {}: {}; it is tried again{hint}",
                families(of),
                by(via),
                refused(refusal)
            )
        }
        What::ReconfigureRecovered {
            families: of,
            attempts,
            after,
        } => format!(
            "BIRD reconfigured for {} at last, after {} in {}",
            families(of),
            count(*attempts as usize, "failure"),
            span(*after)
        ),
        What::ReconfigureStillFailing {
            families: of,
            attempts,
            after,
        } => format!(
            "BIRD still cannot be reconfigured for {}: {} in {}; what it announces may not be what the checks ask for",
            families(of),
            count(*attempts as usize, "failure"),
            span(*after)
        ),
        _ => String::new(),
    }
}

fn by(via: &Via) -> String {
    match via {
        Via::Command(words) => format!("by '{}'", command(words)),
        Via::Socket(socket) => format!("over {}", path(socket)),
    }
}

/// What stands between a prefix file and its BIRD at present.
pub fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::File(cause) => visible(cause).into_owned(),
        Obstacle::Bird(refusal) => refused(refusal),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Said(said) => format!("BIRD says: {}", visible(said)),
        Refusal::Command { ended: how, said } if said.is_empty() => {
            format!("{}, and no output", ended(*how))
        }
        Refusal::Command { ended: how, said } => format!("{}: {}", ended(*how), visible(said)),
        Refusal::Unreachable(cause) => visible(cause).into_owned(),
        Refusal::TimedOut => "no answer in time".to_string(),
    }
}

/// What an operator may have to do, if the cause is one of those that are met in practice.
fn hint(via: &Via, refusal: &Refusal) -> Option<&'static str> {
    let (said, exit_zero) = match refusal {
        Refusal::Said(said) | Refusal::Unreachable(said) => (said.as_str(), false),
        Refusal::Command { ended, said } => (said.as_str(), *ended == Ended::Exit(0)),
        Refusal::TimedOut => {
            return Some("BIRD or the command hangs, or bird_reconfigure_timeout is too short");
        }
    };
    let has = |words: &str| said.contains(words);
    // Where the connection failed, the same was said already, and `--status` shows it too.
    if has(" (is ") {
        return None;
    }
    let socket = matches!(via, Via::Socket(_));
    // sudo's answers come first: behind them BIRD was never asked.
    if has("password is required")
        || has("terminal is required")
        || has("sudoers")
        || has("not allowed to execute")
    {
        Some("allow it in sudoers with NOPASSWD, or join BIRD's group and do without sudo")
    } else if has("syntax error") || has("Unable to open included file") || is_place_in_a_file(said)
    {
        Some("BIRD keeps its old configuration until its files are mended; `bird -p` checks them")
    } else if has("Permission denied") || has("Operation not permitted") {
        Some("the daemon's user must be in the group that owns BIRD's control socket, usually bird")
    } else if has("Access denied") || has("Access restricted") {
        Some("that control socket is restricted; name the one that is not")
    } else if has("shutting down") {
        Some("BIRD is stopping")
    } else if has("Connection refused")
        || (socket && has("No such file"))
        || has("Unable to connect to server")
    {
        Some("is BIRD running, and is that its control socket?")
    } else if has("No such file") || has("not found") {
        Some("is the command installed under that name?")
    } else if exit_zero {
        Some(
            "BIRD's `Reconfigured` is looked for in the output: let the command print it, or set bird_control_socket",
        )
    } else {
        None
    }
}

/// Whether BIRD names a place in one of its files, as in `bird.conf:13:43 message`.
fn is_place_in_a_file(said: &str) -> bool {
    said.split_whitespace().next().is_some_and(|word| {
        let mut parts = word.rsplit(':');
        let number = |part: Option<&str>| {
            part.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()))
        };
        number(parts.next()) && number(parts.next()) && parts.next().is_some()
    })
}

#[cfg(test)]
mod tests;
