//! The clients of a running daemon: `--status`, `--drain` and `--undrain`.
//!
//! They need no configuration that is valid, and no permission of the daemon's: what they must know is looked
//! up (`config::lookup`), the rest is asked. Who holds the socket is believed if it runs as root, as the
//! asking user, or as the owner of the pidfile. That owner is enough: the daemon itself makes the pidfile at
//! each start, as its own user and in a directory that root keeps. The owner of some other directory, such as
//! the one of the prefix files, would say the same on a host in order, and on another one more than is meant.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::drain::{self, Answer, Means, Observed, Outcome, Report};
use super::reading;
use super::status_socket::{self, Extent, Limits};
use super::sys::clock;
use crate::config::document::Document as Settings;
use crate::config::load::Source;
use crate::config::lookup::{self, Drainable};
use crate::render::status::{self, Document, ServiceDoc};

/// How long the daemon may take for each step of an answer, and for all of it. It answers within milliseconds,
/// or within seconds if it has 50,000 services; but a host in trouble is when it is asked.
const LIMITS: Limits = Limits {
    step: Duration::from_secs(5),
    whole: Duration::from_secs(30),
};

/// What the daemon said.
pub struct Told {
    /// The document as it came.
    pub text: String,
    pub document: Document,
}

/// Asks the daemon; the error says why there is no answer, and what to do.
pub fn status(source: &Source, extent: Extent) -> Result<Told, String> {
    // The service files can't say it better, and there may be a thousand of them.
    ask(extent, LIMITS, &trusted(&reading::settings(source)))
}

/// What came of draining or undraining.
pub struct Drained {
    /// What else the operator should know.
    pub note: Option<String>,
    pub report: String,
    pub exit_status: u8,
}

/// Drains (`on`) or undrains a service of the configuration; the error says why nothing was done.
pub fn drain(settings: &Settings, service: &str, on: bool) -> Result<Drained, String> {
    let Drainable { file, others } = lookup::drainable(settings, service)?;
    let trusted = trusted(settings);
    let means = Means {
        ask: &mut || answer(ask(Extent::Whole, LIMITS, &trusted), service),
        clock: &|| clock::now().mono,
        pause: &mut thread::sleep,
    };
    let outcome = drain::run(&file, on, drain::LIMIT, means);
    let report = Report {
        service,
        path: &file,
        on,
        outcome: &outcome,
    };
    let changed = !matches!(outcome, Outcome::CannotChange(_));
    Ok(Drained {
        note: (changed && !others.is_empty()).then(|| shared(&file, &others)),
        report: report.to_string(),
        exit_status: outcome.exit_status(),
    })
}

fn shared(file: &Path, others: &[String]) -> String {
    let names: Vec<String> = others
        .iter()
        .map(|name| name.escape_debug().to_string())
        .collect();
    format!(
        "{} is the maintenance file of {} as well",
        file.display().to_string().escape_debug(),
        names.join(", ")
    )
}

/// The users whose daemon is believed.
pub fn trusted(settings: &Settings) -> Vec<u32> {
    let pidfile = lookup::pidfile(settings);
    let owner = pidfile.and_then(|path| owner(&path));
    owner.into_iter().collect()
}

/// Of the file itself: anybody can make a link to what is somebody else's.
fn owner(path: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(path).ok()?;
    found.is_file().then(|| found.uid())
}

/// Asks the daemon, which may take so long.
pub fn ask(extent: Extent, limits: Limits, trusted: &[u32]) -> Result<Told, String> {
    let bytes = status_socket::ask(extent, limits, trusted);
    let bytes = bytes.map_err(|no_answer| no_answer.words())?;
    let unreadable = |cause: String| {
        format!("no daemon answers: what came is {cause}; is it of a very different version?")
    };
    let text = String::from_utf8(bytes).map_err(|_| unreadable("no text".to_string()))?;
    let document = status::parse(&text).map_err(unreadable)?;
    Ok(Told { text, document })
}

fn answer(told: Result<Told, String>, service: &str) -> Answer {
    let document = match told {
        Ok(told) => told.document,
        Err(cause) => return Answer::NoDaemon(cause),
    };
    let mut services = document.services.iter();
    match services.find(|known| known.name == service) {
        Some(found) => Answer::Service(observed(&document, found)),
        None => Answer::NoSuchService,
    }
}

fn observed(document: &Document, service: &ServiceDoc) -> Observed {
    let settled = |family: &str| {
        let mut families = document.families.iter();
        families.any(|known| known.family == family && known.settled)
    };
    let prefixes = || service.prefixes.iter();
    let family = |prefix: &str| if prefix.contains(':') { "ipv6" } else { "ipv4" };
    Observed {
        state: service.status.clone(),
        maintenance: service.maintenance,
        advertised: prefixes().any(|prefix| prefix.advertised),
        settled: prefixes().all(|prefix| settled(family(&prefix.prefix))),
    }
}

#[cfg(test)]
mod tests;
