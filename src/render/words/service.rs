//! What is said of one service: its runs, its state and why.

use std::time::Duration;

use crate::config::{Announce, ServiceConfig};
use crate::engine::notice::{Stream, What};
use crate::engine::vocab::{Reason, Status, Verdict};

use super::{captured, command, count, ended, path, prefixes, signal, span, verdict, visible};

/// `config` and `now` are those of the service; a notice of a service always has them.
pub(super) fn say(what: &What, config: Option<&ServiceConfig>, now: Option<Status>) -> String {
    match what {
        What::Disabled { then } => match then {
            Announce::Keep => "check is disabled".to_string(),
            Announce::Withdraw => format!("check is disabled: {} withdrawn", named(config)),
            Announce::Advertise => format!("check is disabled: {} advertised", named(config)),
        },
        What::StateChanged {
            from,
            to,
            reason: why,
            took,
            first_line,
        } => {
            let why = with_first_line(&reason(*why, *took, config), first_line);
            format!(
                "{} -> {} ({}): {why}",
                status(*from),
                status(*to),
                named(config)
            )
        }
        What::CheckOverran { running_for } => format!(
            "check is still running after {}: the run that is due now is skipped",
            span(*running_for)
        ),
        What::NotKilled { pid, cause } => format!(
            "cannot kill process {pid}: {}; it is left to end by itself",
            visible(cause)
        ),
        What::MaintenanceOver { path: file } => {
            format!("maintenance file {} is gone: checking again", path(file))
        }
        What::CustomDone { .. } | What::CustomFailed { .. } => custom(what, config),
        // Nothing but runs is left: `super::message` sends what is of others elsewhere.
        _ => run(what, config, now),
    }
}

fn time_out(config: Option<&ServiceConfig>) -> Duration {
    config.map_or(Duration::ZERO, |config| config.timeout)
}

/// What is said of single runs of the check.
fn run(what: &What, config: Option<&ServiceConfig>, now: Option<Status>) -> String {
    let time_out = time_out(config);
    match what {
        What::FirstRunIn { delay } => format!("first check in {}", span(*delay)),
        What::CheckStarted => match config {
            Some(config) => format!("running {}", command(&config.check_cmd)),
            None => "running the check".to_string(),
        },
        What::CheckEnded {
            verdict: result,
            took,
        } => {
            let failed = if result.passed() { "" } else { "failed: " };
            format!("check {failed}{}", outcome(*result, *took, time_out))
        }
        What::CheckFailed {
            verdict: result,
            took,
            count,
            of,
            cause,
        } => {
            let outcome = with_first_line(&outcome(*result, *took, time_out), cause);
            match now {
                Some(Status::Down) => format!("still down: {outcome}"),
                _ => format!("failure {count} of {of}: {outcome}"),
            }
        }
        What::CheckOutput {
            stream,
            captured: output,
        } => match stream {
            Stream::Stdout => format!("check wrote to stdout: {}", captured(output)),
            Stream::Stderr => format!("check wrote to stderr: {}", captured(output)),
        },
        What::FailureRepeated {
            times,
            verdict: result,
        } => {
            let times = count(*times as usize, "time");
            format!(
                "the same failure repeated {times}: {}",
                verdict(*result, time_out)
            )
        }
        What::CheckRecovered { after } => format!(
            "check passes again after {}, before the service fell",
            count(*after as usize, "failure")
        ),
        _ => String::new(),
    }
}

/// What is said of `custom_bird_reconfigure_cmd`.
fn custom(what: &What, config: Option<&ServiceConfig>) -> String {
    let words = config.and_then(|config| config.custom_cmd.as_ref());
    let name = |up: bool| {
        let argument = if up { "up" } else { "down" };
        let words = words.map_or("custom_bird_reconfigure_cmd".to_string(), command);
        format!("'{words} {argument}'")
    };
    match what {
        What::CustomDone { up, took } => format!("{} done ({})", name(*up), span(*took)),
        What::CustomFailed {
            up,
            ended: result,
            timed_out,
            stderr,
        } => {
            let how = match result {
                Err(cause) => format!("cannot start {}: {}", name(*up), visible(cause)),
                Ok(_) if *timed_out => {
                    let limit = config.map_or(Duration::ZERO, |config| config.custom_timeout);
                    format!("{} timed out after {}", name(*up), span(limit))
                }
                Ok(result) => format!("{} failed: {}", name(*up), ended(*result)),
            };
            with_first_line(&how, &captured(stderr))
        }
        _ => String::new(),
    }
}

fn named(config: Option<&ServiceConfig>) -> String {
    config.map_or(String::new(), |config| prefixes(&config.prefixes))
}

/// A verdict with the time it took, unless it is the time-out, which says so itself.
fn outcome(result: Verdict, took: Duration, time_out: Duration) -> String {
    let words = verdict(result, time_out);
    match result {
        Verdict::TimedOut | Verdict::NotStarted(_) => words,
        Verdict::Pass | Verdict::Fail(_) | Verdict::Signal(_) => {
            format!("{words} ({})", span(took))
        }
    }
}

/// `words: line`, if there is a line.
pub fn with_first_line(words: &str, line: &str) -> String {
    match line.trim() {
        "" => words.to_string(),
        line => format!("{words}: {}", visible(line)),
    }
}

pub fn status(status: Status) -> &'static str {
    match status {
        Status::Unknown => "unknown",
        Status::Up => "up",
        Status::Down => "down",
        Status::Disabled => "disabled",
    }
}

/// Why a service is in its state: `3 checks failed, the last with exit status 2 (5 ms)`.
pub fn reason(reason: Reason, took: Option<Duration>, config: Option<&ServiceConfig>) -> String {
    let took = took.map_or(String::new(), |took| format!(" ({})", span(took)));
    match reason {
        Reason::NotChecked => "no verdict yet".to_string(),
        Reason::Passed { count: 1 } => format!("the check passed{took}"),
        Reason::Passed { count } => format!("{count} checks passed{took}"),
        Reason::Failed { count, verdict } => failed(count, verdict, &took, time_out(config)),
        Reason::Returning { count, of } => format!("coming back, {count} of {of} checks passed"),
        Reason::AddressMissing { prefix } => {
            let interface = config.map_or("", |config| &config.interface);
            format!(
                "{prefix} is not assigned to interface {}",
                visible(interface)
            )
        }
        Reason::Maintenance => match config.and_then(|config| config.maintenance_file.as_ref()) {
            Some(file) => format!("maintenance file {} is there", path(file)),
            None => "its maintenance file is there".to_string(),
        },
        Reason::Disabled => "check is disabled".to_string(),
    }
}

fn failed(count: u32, verdict: Verdict, took: &str, time_out: Duration) -> String {
    let who = match count {
        0 | 1 => "the check".to_string(),
        count => format!("{count} checks failed, the last"),
    };
    match verdict {
        Verdict::Pass => format!("{who} passed{took}"),
        Verdict::Fail(status) if count > 1 => format!("{who} with exit status {status}{took}"),
        Verdict::Fail(status) => format!("{who} failed with exit status {status}{took}"),
        Verdict::Signal(number) => format!("{who} was killed by {}{took}", signal(number)),
        Verdict::TimedOut => format!("{who} timed out after {}", span(time_out)),
        Verdict::NotStarted(status) => format!("{who} could not be started (status {status})"),
    }
}

#[cfg(test)]
mod tests;
