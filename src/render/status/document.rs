//! The shape of the status document. Every number has its unit in its name; what may be absent is `null`,
//! never left out.

// What nanoserde's derive writes could use `?`, and does not.
#![allow(clippy::question_mark)]

use nanoserde::{DeJson, SerJson};

#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
pub struct Document {
    pub program: String,
    pub version: String,
    pub pid: u32,
    /// ISO 8601, UTC; the same again in seconds since 1970.
    pub started: String,
    pub started_unix: i64,
    pub uptime_seconds: f64,
    pub summary: Summary,
    pub families: Vec<FamilyDoc>,
    pub services: Vec<ServiceDoc>,
    pub checks_running: usize,
    pub checks_waiting: usize,
    pub config: ConfigDoc,
    pub log_lines_dropped: u64,
    pub metrics_write_failures: u64,
    pub history_write_failures: u64,
}

/// How many services are in which state; those under maintenance are among the ones that are down.
#[derive(Clone, Debug, Default, PartialEq, SerJson, DeJson)]
pub struct Summary {
    pub services: usize,
    pub up: usize,
    pub down: usize,
    pub unknown: usize,
    pub disabled: usize,
    pub maintenance: usize,
}

#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
#[nserde(serialize_none_as_null)]
pub struct FamilyDoc {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Whether BIRD is known to have what the checks ask for.
    pub settled: bool,
    pub trouble: Option<String>,
    /// Prefixes in the file, without the dummy.
    pub advertised: usize,
    pub reconfigured: u64,
    pub reconfigure_failed: u64,
    pub last_reconfigure_ms: Option<f64>,
    pub files_written: u64,
    pub file_failures: u64,
}

#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
#[nserde(serialize_none_as_null)]
pub struct ServiceDoc {
    pub name: String,
    pub prefixes: Vec<PrefixDoc>,
    /// `up`, `down`, `unknown` or `disabled`.
    pub status: String,
    /// Why: `not_checked`, `passed`, `failed`, `address_missing`, `maintenance` or `disabled`.
    pub cause: String,
    /// The same as a sentence, with what the check said.
    pub reason: String,
    pub since: String,
    pub since_unix: i64,
    pub since_seconds: f64,
    pub last: Option<LastDoc>,
    pub next_run_in_seconds: Option<f64>,
    pub running: bool,
    pub maintenance: bool,
    pub disabled: bool,
    pub checks: ChecksDoc,
    pub changes: u64,
}

#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
#[nserde(serialize_none_as_null)]
pub struct PrefixDoc {
    pub prefix: String,
    /// `null` if the service does not have that looked at.
    pub assigned: Option<bool>,
    pub advertised: bool,
}

/// The last run that has ended.
#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
#[nserde(serialize_none_as_null)]
pub struct LastDoc {
    /// `pass`, `fail`, `signal`, `timeout` or `not_started`.
    pub result: String,
    /// The value of the metric `service_state`.
    pub code: i32,
    pub duration_ms: f64,
    pub first_line: String,
    pub ended: Option<String>,
    pub ended_unix: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, SerJson, DeJson)]
pub struct ChecksDoc {
    pub passed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_started: u64,
}

#[derive(Clone, Debug, PartialEq, SerJson, DeJson)]
pub struct ConfigDoc {
    pub loaded: String,
    pub loaded_unix: i64,
    pub reloads: u64,
    pub reloads_refused: u64,
}
