//! The status document: what `--status --json` prints, and what the table of `--status` is made from.
//!
//! The daemon makes it from a snapshot and sends it over the status socket; the client, which may be of
//! another version, reads it back. So every number has its unit in its name, every moment stands there
//! twice, for people and for programs, and a field that is new to the reader is passed over. Services stand
//! in the order of the configuration; bringing the ill ones to the front is the table's business.

use std::time::Duration;

use super::json::{self, Fields, Many, Pass};
use super::metrics::family_word;
use super::{date, record, words};
use crate::engine::snapshot::{FamilyView, HostCounters, ServiceView, Snapshot};
use crate::engine::vocab::{Reason, Status, Verdict};
use crate::time::{Mono, Now};

mod document;
mod shape;

/// Bytes that a service with one prefix adds, and those of everything else: they size the first allocation.
const BYTES_PER_SERVICE: usize = 600;
const BYTES_FIXED: usize = 2000;

pub use document::*;

/// The document as JSON on one line, which ends with a newline.
pub fn json(snapshot: &Snapshot, host: &HostCounters, now: Now, pid: u32) -> String {
    let mut page = Page {
        head: head(snapshot, host, now, pid),
        services: Services {
            views: &snapshot.services,
            now,
            current: ServiceDoc::default(),
        },
    };
    let mut out = String::with_capacity(BYTES_FIXED + snapshot.services.len() * BYTES_PER_SERVICE);
    write(&mut out, &mut page);
    out
}

/// Any document as JSON on one line, harmless to a terminal.
pub fn to_json(document: &mut dyn Fields) -> String {
    let mut out = String::new();
    write(&mut out, document);
    out
}

fn write(out: &mut String, document: &mut dyn Fields) {
    json::write(out, document);
    out.push('\n');
}

/// The document of the daemon. Ten thousand services are written one by one, not put together first.
struct Page<'a> {
    head: Document,
    services: Services<'a>,
}

impl Fields for Page<'_> {
    fn fields(&mut self, pass: &mut dyn Pass) {
        self.head.fields_with(&mut self.services, pass);
    }
}

/// The services of a snapshot, of which one at a time is a document.
struct Services<'a> {
    views: &'a [ServiceView<'a>],
    now: Now,
    current: ServiceDoc,
}

impl Many for Services<'_> {
    fn clear(&mut self) {
        self.views = &[];
    }

    fn add(&mut self) -> &mut dyn Fields {
        &mut self.current
    }

    fn at(&mut self, index: usize) -> Option<&mut dyn Fields> {
        self.current = service(self.views.get(index)?, self.now);
        Some(&mut self.current)
    }
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
    let well = |service: &ServiceDoc| matches!(service.status.as_str(), "up" | "disabled");
    u8::from(!document.services.iter().all(well))
}

/// Everything but the services.
fn head(snapshot: &Snapshot, host: &HostCounters, now: Now, pid: u32) -> Document {
    let (started, started_unix) = moment(snapshot.started, now);
    let (loaded, loaded_unix) = moment(snapshot.reloads.last_good, now);
    let services = snapshot.services.iter();
    let mut states = services.map(|view| (view.status, view.maintenance));
    Document {
        program: record::PROGRAM.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        pid: u64::from(pid),
        started,
        started_unix,
        uptime_ms: millis(now.mono.since(snapshot.started)),
        summary: summary(&mut states),
        families: snapshot.families.iter().map(family).collect(),
        services: Vec::new(),
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

/// How many services are in which state: for each its status, and whether it is under maintenance.
pub fn summary(states: &mut dyn Iterator<Item = (Status, bool)>) -> Summary {
    let mut summary = Summary::default();
    for (status, maintenance) in states {
        summary.services += 1;
        match status {
            Status::Up => summary.up += 1,
            Status::Down => {
                summary.down += 1;
                summary.maintenance += u64::from(maintenance);
            }
            Status::Unknown => summary.unknown += 1,
            Status::Disabled => summary.disabled += 1,
        }
    }
    summary
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
