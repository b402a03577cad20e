//! The status document: what `--status --json` prints, and what the table of `--status` is made from.
//!
//! The daemon makes it piece by piece ([`Cursor`]) and sends it over the status socket; the client, which may
//! be of another version, reads it back. So every number has its unit in its name, every moment stands there
//! twice, for people and for programs, and a field that is new to the reader is passed over. Services stand
//! last, in the order of the configuration: a reader who wants no more than the head stops before them. To
//! bring those to the front that are not well is the table's business.

use std::time::Duration;

use super::json::{self, Fields};
use super::metrics::family_word;
use super::{Piece, date, record, words};
use crate::engine::snapshot::{Counts, FamilyView, HostCounters, ServiceView, Source};
use crate::engine::vocab::{Reason, Status, Verdict};
use crate::time::{Mono, Now};

mod document;
mod shape;

/// Services that make a piece, some 30 kB of text, in a fraction of a millisecond.
const WINDOW: usize = 50;
/// Services that the head shows of those that are not well.
const MOST_PROBLEMS: usize = 20;
/// What stands before the first service and nowhere else: in a string the quotes would be escaped.
const SERVICES: &str = ",\"services\":[";
/// What stands behind the last one.
const END: &str = "]}\n";

pub use document::*;

/// Where in the document the next piece begins: at the head if there is no place yet, else at that of a service.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    next: Option<usize>,
    /// The configuration that the places are those of.
    reloads: u64,
}

impl Cursor {
    /// Appends the next piece of the document, which is JSON on one line that ends with a newline. The head and
    /// each service are as they are now.
    pub fn next(
        &mut self,
        source: &dyn Source,
        host: &HostCounters,
        (now, pid): (Now, u32),
        out: &mut String,
    ) -> Piece {
        let Some(first) = self.next else {
            let mut head = head(source, host, now, pid);
            json::write(out, &mut head);
            out.truncate(out.len() - "]}".len());
            self.reloads = head.config.reloads;
            self.next = Some(0);
            return Piece::More;
        };
        let snapshot = source.window(first..first + WINDOW, true);
        if snapshot.reloads.good != self.reloads {
            return Piece::Outdated;
        }
        for (index, view) in snapshot.services.iter().enumerate() {
            if first + index > 0 {
                out.push(',');
            }
            json::write(out, &mut service(view, now));
        }
        self.next = Some(first + WINDOW);
        if snapshot.services.len() == WINDOW {
            return Piece::More;
        }
        out.push_str(END);
        Piece::Last
    }
}

/// The document without its services, if `text` has come so far.
pub fn without_services(text: &[u8]) -> Option<Vec<u8>> {
    let mark = SERVICES.as_bytes();
    let at = text.windows(mark.len()).position(|part| part == mark)?;
    Some([&text[..at + mark.len()], END.as_bytes()].concat())
}

/// Whether it is the beginning of a document that goes on.
pub fn is_cut(text: &[u8]) -> bool {
    text.starts_with(b"{\"program\":") && !text.ends_with(END.as_bytes())
}

/// Any document as JSON on one line, harmless to a terminal.
pub fn to_json(document: &mut dyn Fields) -> String {
    let mut out = String::new();
    json::write(&mut out, document);
    out.push('\n');
    out
}

/// The document out of what came from the status socket. Anybody can have bound its name while no daemon
/// ran, so the text is not trusted.
pub fn parse(text: &str) -> Result<Document, String> {
    shape::check(text)?;
    let mut document = Document::default();
    match json::read(text, &mut document) {
        Ok(()) => Ok(document),
        Err(cause) => Err(format!("not a status document: {cause}")),
    }
}

/// 0 if every service that is not disabled is up, else 1.
pub fn exit_code(document: &Document) -> u8 {
    let counts = &document.summary;
    u8::from(counts.up + counts.disabled != counts.services)
}

/// Leaves these services in the document; whether each that is not disabled is up.
pub fn choose(document: &mut Document, names: &[String]) -> bool {
    document
        .services
        .retain(|service| names.contains(&service.name));
    let well = |service: &ServiceDoc| matches!(service.status.as_str(), "up" | "disabled");
    document.services.iter().all(well)
}

/// Everything but the services.
fn head(source: &dyn Source, host: &HostCounters, now: Now, pid: u32) -> Document {
    let snapshot = source.window(0..0, false);
    let overview = source.overview(now.mono, MOST_PROBLEMS);
    let (started, started_unix) = moment(snapshot.started, now);
    let (loaded, loaded_unix) = moment(snapshot.reloads.last_good, now);
    let problems = overview.ill.iter();
    Document {
        program: record::PROGRAM.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        pid: u64::from(pid),
        started,
        started_unix,
        uptime_ms: millis(now.mono.since(snapshot.started)),
        summary: overview.counts.into(),
        families: snapshot.families.iter().map(family).collect(),
        checks_running: snapshot.running as u64,
        checks_waiting: snapshot.waiting as u64,
        config: ConfigDoc {
            loaded,
            loaded_unix,
            reloads: snapshot.reloads.good,
            reloads_refused: snapshot.reloads.refused,
        },
        log_lines_dropped: host.log_lines_dropped,
        metrics_write_failures: host.metrics_failures,
        history_write_failures: host.history_failures,
        problems: problems.map(|view| service(view, now)).collect(),
        services: Vec::new(),
    }
}

fn moment(at: Mono, now: Now) -> (String, i64) {
    let wall = now.wall_at(at);
    (date::iso(wall), wall.seconds())
}

/// Whole milliseconds: more is noise, and every digit is sent a thousand times.
fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}

fn micros(span: Duration) -> u64 {
    span.as_micros() as u64
}

impl From<Counts> for Summary {
    fn from(counts: Counts) -> Summary {
        let Counts {
            services,
            up,
            down,
            unknown,
            disabled,
            maintenance,
            overdue,
        } = counts;
        Summary {
            services,
            up,
            down,
            unknown,
            disabled,
            maintenance,
            overdue,
        }
    }
}

fn family(view: &FamilyView) -> FamilyDoc {
    FamilyDoc {
        family: family_word(view.family).to_string(),
        settled: view.settled,
        trouble: view.trouble.map(words::obstacle),
        advertised: view.written.len() as u64,
        reconfigured: view.counters.reconfigured,
        reconfigure_failed: view.counters.reconfigure_failed,
        last_reconfigure_us: view.counters.last_reconfigure.map(micros),
        files_written: view.counters.files_written,
        file_failures: view.counters.file_failures,
    }
}

fn service(view: &ServiceView, now: Now) -> ServiceDoc {
    let (since, since_unix) = moment(view.since, now);
    let prefixes = view.config.prefixes.iter().enumerate();
    ServiceDoc {
        name: view.config.name.clone(),
        prefixes: prefixes
            .map(|(index, prefix)| PrefixDoc {
                prefix: prefix.to_string(),
                assigned: view.assigned.get(index).copied().flatten(),
                advertised: view.advertised.get(index).copied().unwrap_or(false),
            })
            .collect(),
        status: words::status(view.status).to_string(),
        cause: cause_word(&view.reason).to_string(),
        reason: reason(view),
        since,
        since_unix,
        since_ms: millis(now.mono.since(view.since)),
        last: last(view, now),
        next_run_in_ms: view.next_run.map(|next| millis(next.since(now.mono))),
        running: view.running,
        maintenance: view.maintenance,
        disabled: view.status == Status::Disabled,
        checks: ChecksDoc {
            passed: view.counters.passed,
            failed: view.counters.failed,
            timed_out: view.counters.timed_out,
            not_started: view.counters.not_started,
        },
        changes: view.counters.changes,
    }
}

fn cause_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::NotChecked => "not_checked",
        Reason::Passed { .. } => "passed",
        Reason::Returning { .. } => "returning",
        Reason::Failed { .. } => "failed",
        Reason::AddressMissing { .. } => "address_missing",
        Reason::Maintenance => "maintenance",
        Reason::Disabled => "disabled",
    }
}

fn reason(view: &ServiceView) -> String {
    let words = words::reason(view.reason, None, Some(view.config));
    match (&view.reason, view.last) {
        (Reason::Failed { .. }, Some(last)) => words::with_first_line(&words, last.first_line),
        _ => words,
    }
}

fn last(view: &ServiceView, now: Now) -> Option<LastDoc> {
    let last = view.last?;
    let (ended, ended_unix) = moment(last.ended, now);
    Some(LastDoc {
        result: result_word(last.verdict).to_string(),
        code: i64::from(last.verdict.code()),
        duration_us: micros(last.took),
        first_line: last.first_line.to_string(),
        ended: Some(ended),
        ended_unix: Some(ended_unix),
    })
}

/// The kind of a verdict in documents.
pub fn result_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail(_) => "fail",
        Verdict::Signal(_) => "signal",
        Verdict::TimedOut => "timeout",
        Verdict::NotStarted(_) => "not_started",
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::sample_json;
