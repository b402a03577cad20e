//! The shape of the status document. Every number has its unit in its name; what may be absent is `null`,
//! never left out. What is written with a point is kept in a thousandth of the unit that it is written in:
//! milliseconds for seconds, microseconds for milliseconds.

use crate::render::json::{Fields, Pass, Slot};

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub program: String,
    pub version: String,
    pub pid: u64,
    /// ISO 8601, UTC; the same again in seconds since 1970.
    pub started: String,
    pub started_unix: i64,
    pub uptime_ms: u64,
    pub summary: Summary,
    pub families: Vec<FamilyDoc>,
    pub checks_running: u64,
    pub checks_waiting: u64,
    pub config: ConfigDoc,
    pub log_lines_dropped: u64,
    pub metrics_write_failures: u64,
    pub history_write_failures: u64,
    /// The first of those that are down or overdue.
    pub problems: Vec<ServiceDoc>,
    /// Last, since they are sent one by one.
    pub services: Vec<ServiceDoc>,
}

impl Fields for Document {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("program", Slot::Text(&mut self.program));
        pass.field("version", Slot::Text(&mut self.version));
        pass.field("pid", Slot::Count(&mut self.pid));
        pass.field("started", Slot::Text(&mut self.started));
        pass.field("started_unix", Slot::Whole(&mut self.started_unix));
        pass.field("uptime_seconds", Slot::Decimal(&mut self.uptime_ms));
        pass.field("summary", Slot::Object(&mut self.summary));
        pass.field("families", Slot::List(&mut self.families));
        pass.field("checks_running", Slot::Count(&mut self.checks_running));
        pass.field("checks_waiting", Slot::Count(&mut self.checks_waiting));
        pass.field("config", Slot::Object(&mut self.config));
        pass.field(
            "log_lines_dropped",
            Slot::Count(&mut self.log_lines_dropped),
        );
        pass.field(
            "metrics_write_failures",
            Slot::Count(&mut self.metrics_write_failures),
        );
        pass.field(
            "history_write_failures",
            Slot::Count(&mut self.history_write_failures),
        );
        pass.field("problems", Slot::List(&mut self.problems));
        pass.field("services", Slot::List(&mut self.services));
    }
}

/// How many services are in which state; those under maintenance are among the ones that are down, those of which a
/// verdict is overdue among the ones that are unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    pub services: u64,
    pub up: u64,
    pub down: u64,
    pub unknown: u64,
    pub disabled: u64,
    pub maintenance: u64,
    pub overdue: u64,
}

impl Fields for Summary {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("services", Slot::Count(&mut self.services));
        pass.field("up", Slot::Count(&mut self.up));
        pass.field("down", Slot::Count(&mut self.down));
        pass.field("unknown", Slot::Count(&mut self.unknown));
        pass.field("disabled", Slot::Count(&mut self.disabled));
        pass.field("maintenance", Slot::Count(&mut self.maintenance));
        pass.field("overdue", Slot::Count(&mut self.overdue));
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FamilyDoc {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Whether BIRD is known to have what the checks ask for.
    pub settled: bool,
    pub trouble: Option<String>,
    /// Prefixes in the file, without the dummy.
    pub advertised: u64,
    pub reconfigured: u64,
    pub reconfigure_failed: u64,
    pub last_reconfigure_us: Option<u64>,
    pub files_written: u64,
    pub file_failures: u64,
}

impl Fields for FamilyDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("family", Slot::Text(&mut self.family));
        pass.field("settled", Slot::Flag(&mut self.settled));
        pass.field("trouble", Slot::MaybeText(&mut self.trouble));
        pass.field("advertised", Slot::Count(&mut self.advertised));
        pass.field("reconfigured", Slot::Count(&mut self.reconfigured));
        pass.field(
            "reconfigure_failed",
            Slot::Count(&mut self.reconfigure_failed),
        );
        pass.field(
            "last_reconfigure_ms",
            Slot::MaybeDecimal(&mut self.last_reconfigure_us),
        );
        pass.field("files_written", Slot::Count(&mut self.files_written));
        pass.field("file_failures", Slot::Count(&mut self.file_failures));
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceDoc {
    pub name: String,
    pub prefixes: Vec<PrefixDoc>,
    /// `up`, `down`, `unknown` or `disabled`.
    pub status: String,
    /// Why: `not_checked`, `passed`, `failed`, `returning`, `address_missing`, `maintenance` or `disabled`.
    pub cause: String,
    /// The same as a sentence, with what the check said.
    pub reason: String,
    pub since: String,
    pub since_unix: i64,
    pub since_ms: u64,
    pub last: Option<LastDoc>,
    pub next_run_in_ms: Option<u64>,
    pub running: bool,
    pub maintenance: bool,
    pub disabled: bool,
    pub checks: ChecksDoc,
    pub changes: u64,
}

impl Fields for ServiceDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("name", Slot::Text(&mut self.name));
        pass.field("prefixes", Slot::List(&mut self.prefixes));
        pass.field("status", Slot::Text(&mut self.status));
        pass.field("cause", Slot::Text(&mut self.cause));
        pass.field("reason", Slot::Text(&mut self.reason));
        pass.field("since", Slot::Text(&mut self.since));
        pass.field("since_unix", Slot::Whole(&mut self.since_unix));
        pass.field("since_seconds", Slot::Decimal(&mut self.since_ms));
        pass.field("last", Slot::MaybeObject(&mut self.last));
        pass.field(
            "next_run_in_seconds",
            Slot::MaybeDecimal(&mut self.next_run_in_ms),
        );
        pass.field("running", Slot::Flag(&mut self.running));
        pass.field("maintenance", Slot::Flag(&mut self.maintenance));
        pass.field("disabled", Slot::Flag(&mut self.disabled));
        pass.field("checks", Slot::Object(&mut self.checks));
        pass.field("changes", Slot::Count(&mut self.changes));
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PrefixDoc {
    pub prefix: String,
    /// `null` if the service does not have that looked at.
    pub assigned: Option<bool>,
    pub advertised: bool,
}

impl Fields for PrefixDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("prefix", Slot::Text(&mut self.prefix));
        pass.field("assigned", Slot::MaybeFlag(&mut self.assigned));
        pass.field("advertised", Slot::Flag(&mut self.advertised));
    }
}

/// The last run that has ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastDoc {
    /// `pass`, `fail`, `signal`, `timeout` or `not_started`.
    pub result: String,
    /// The value of the metric `service_state`.
    pub code: i64,
    pub duration_us: u64,
    pub first_line: String,
    pub ended: Option<String>,
    pub ended_unix: Option<i64>,
}

impl Fields for LastDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("result", Slot::Text(&mut self.result));
        pass.field("code", Slot::Whole(&mut self.code));
        pass.field("duration_ms", Slot::Decimal(&mut self.duration_us));
        pass.field("first_line", Slot::Text(&mut self.first_line));
        pass.field("ended", Slot::MaybeText(&mut self.ended));
        pass.field("ended_unix", Slot::MaybeWhole(&mut self.ended_unix));
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChecksDoc {
    pub passed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_started: u64,
}

impl Fields for ChecksDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("passed", Slot::Count(&mut self.passed));
        pass.field("failed", Slot::Count(&mut self.failed));
        pass.field("timed_out", Slot::Count(&mut self.timed_out));
        pass.field("not_started", Slot::Count(&mut self.not_started));
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigDoc {
    pub loaded: String,
    pub loaded_unix: i64,
    pub reloads: u64,
    pub reloads_refused: u64,
}

impl Fields for ConfigDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("loaded", Slot::Text(&mut self.loaded));
        pass.field("loaded_unix", Slot::Whole(&mut self.loaded_unix));
        pass.field("reloads", Slot::Count(&mut self.reloads));
        pass.field("reloads_refused", Slot::Count(&mut self.reloads_refused));
    }
}
