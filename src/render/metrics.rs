//! The state of the daemon as Prometheus text.
//!
//! The first families are those of the program that this one replaces, with the same names, labels, types,
//! HELP texts and order; the rest is ours. One table holds them all, so that a name and its HELP text stand
//! beside what they count. A service with several prefixes has one sample for each where the label
//! `ip_prefix` exists.
//!
//! Left out on purpose: time stamps (the textfile collector refuses them) and histograms.

use std::fmt::Write;
use std::time::Duration;

use super::escape;
use crate::config::Family;
use crate::engine::snapshot::{FamilyView, HostCounters, ServiceView, Snapshot};
use crate::time::Now;

const PREFIX: &str = "anycast_healthchecker_";

/// Bytes that a service with one prefix adds: thirteen samples of about 110 bytes. It sizes the first
/// allocation, so that the text of 10,000 services is not copied a dozen times while it grows.
const BYTES_PER_SERVICE: usize = 1500;

/// Bytes of everything that does not depend on the number of services.
const BYTES_FIXED: usize = 6000;

/// Everything that the daemon's own samples are taken from.
struct Daemon<'a> {
    snapshot: &'a Snapshot<'a>,
    host: &'a HostCounters,
    now: Now,
    alive: bool,
}

/// One family of metrics: its name behind the common prefix, its type, its HELP text and where its samples
/// come from.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    source: Source,
}

/// Samples that differ in one more label, `name="value"`; it is empty where there is but one sample.
type ByLabel<Value> = &'static [(&'static str, Value)];

/// What a family has samples for; `None` is no sample.
enum Source {
    /// Each prefix of each service; the number is the prefix's index.
    Prefix(fn(&ServiceView<'_>, usize, Now) -> Option<f64>),
    /// Each prefix of each service, as it is written in the configuration.
    Configured,
    Service(ByLabel<fn(&ServiceView<'_>, Now) -> Option<f64>>),
    Family(ByLabel<fn(&FamilyView<'_>) -> Option<f64>>),
    Daemon(ByLabel<fn(&Daemon<'_>) -> f64>),
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    // What the reference exports, in its order.
    Metric { name: "service_state", kind: "gauge",
        help: "The status of the service check: 0 = healthy, any other value = unhealthy",
        source: Source::Prefix(|service, _, _| service.state_value.map(f64::from)) },
    Metric { name: "service_check_duration_milliseconds", kind: "gauge",
        help: "Service check duration in milliseconds",
        source: Source::Prefix(|service, _, _| service.duration.map(|took| took.as_micros() as f64 / 1000.0)) },
    Metric { name: "service_check_ip_assignment", kind: "gauge",
        help: "Service IP assignment check: 0 = not assigned, 1 = assigned",
        source: Source::Prefix(|service, index, _| service.assigned.get(index).copied().flatten().map(flag)) },
    Metric { name: "service_check_timeout_total", kind: "counter",
        help: "The number of times a service check timed out",
        source: Source::Prefix(|service, _, _| {
            (service.counters.timed_out > 0).then_some(service.counters.timed_out as f64) }) },
    Metric { name: "service_check_timeout_created", kind: "gauge",
        help: "The number of times a service check timed out",
        source: Source::Prefix(|service, _, now| {
            service.counters.first_time_out.map(|first| now.wall_at(first).micros() as f64 / 1e6) }) },
    // The mission document says "since the epoch" here, which was never so; this is the text of 0.9.10.
    Metric { name: "uptime", kind: "gauge",
        help: "Uptime of the process in seconds",
        source: Source::Daemon(&[("", |d| d.now.mono.since(d.snapshot.started).as_secs() as f64)]) },
    Metric { name: "state", kind: "gauge",
        help: "The current state of the process: 0 = down, 1 = up",
        source: Source::Daemon(&[("", |d| flag(d.alive))]) },
    Metric { name: "version_info", kind: "gauge",
        help: "Version of the software",
        source: Source::Daemon(&[(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), |_| 1.0)]) },
    Metric { name: "service", kind: "gauge",
        help: "The configured service checks",
        source: Source::Configured },

    // Ours.
    Metric { name: "service_checks_total", kind: "counter",
        help: "Check runs that have ended, by result",
        source: Source::Service(&[
            ("result=\"pass\"", |service, _| Some(service.counters.passed as f64)),
            ("result=\"fail\"", |service, _| Some(service.counters.failed as f64)),
            ("result=\"timeout\"", |service, _| Some(service.counters.timed_out as f64)),
            ("result=\"not_started\"", |service, _| Some(service.counters.not_started as f64)),
        ]) },
    Metric { name: "service_state_changes_total", kind: "counter",
        help: "Changes of state of the service",
        source: Source::Service(&[("", |service, _| Some(service.counters.changes as f64))]) },
    Metric { name: "service_last_change_seconds", kind: "gauge",
        help: "Seconds since the last change of state of the service",
        source: Source::Service(&[("", |service, now| {
            service.counters.last_change.map(|at| seconds(now.mono.since(at))) })]) },
    Metric { name: "service_maintenance", kind: "gauge",
        help: "Whether the maintenance file of the service exists: 0 = no, 1 = yes",
        source: Source::Service(&[("", |service, _| {
            Some(flag(service.maintenance)) })]) },
    Metric { name: "prefix_advertised", kind: "gauge",
        help: "Whether the prefix is in the list that BIRD may export: 0 = no, 1 = yes",
        source: Source::Prefix(|service, index, _| service.advertised.get(index).copied().map(flag)) },
    Metric { name: "checks_running", kind: "gauge",
        help: "Checks that are running now",
        source: Source::Daemon(&[("", |d| d.snapshot.running as f64)]) },
    Metric { name: "checks_waiting", kind: "gauge",
        help: "Checks that are due and wait for their turn",
        source: Source::Daemon(&[("", |d| d.snapshot.waiting as f64)]) },
    Metric { name: "bird_settled", kind: "gauge",
        help: "Whether BIRD is known to have what the checks ask for: 0 = no, 1 = yes",
        source: Source::Family(&[("", |family| Some(flag(family.settled)))]) },
    Metric { name: "reconfigurations_total", kind: "counter",
        help: "Reconfigurations of BIRD, by result",
        source: Source::Family(&[
            ("result=\"ok\"", |family| Some(family.counters.reconfigured as f64)),
            ("result=\"failed\"", |family| Some(family.counters.reconfigure_failed as f64)),
        ]) },
    Metric { name: "reconfiguration_duration_seconds", kind: "gauge",
        help: "Duration of the last reconfiguration of BIRD",
        source: Source::Family(&[("", |family| family.counters.last_reconfigure.map(seconds))]) },
    Metric { name: "prefix_file_writes_total", kind: "counter",
        help: "Times that the prefix file was replaced",
        source: Source::Family(&[("", |family| Some(family.counters.files_written as f64))]) },
    Metric { name: "prefix_file_failures_total", kind: "counter",
        help: "Times that the prefix file could not be replaced",
        source: Source::Family(&[("", |family| Some(family.counters.file_failures as f64))]) },
    Metric { name: "log_lines_dropped_total", kind: "counter",
        help: "Log lines that could not be written or sent",
        source: Source::Daemon(&[("", |d| d.host.log_lines_dropped as f64)]) },
    Metric { name: "metrics_write_failures_total", kind: "counter",
        help: "Times that this file could not be written",
        source: Source::Daemon(&[("", |d| d.host.metrics_failures as f64)]) },
    Metric { name: "history_write_failures_total", kind: "counter",
        help: "Times that the history of prefix files could not be kept",
        source: Source::Daemon(&[("", |d| d.host.history_failures as f64)]) },
    Metric { name: "config_reloads_total", kind: "counter",
        help: "Reloads of the configuration, by result",
        source: Source::Daemon(&[
            ("result=\"ok\"", |d| d.snapshot.reloads.good as f64),
            ("result=\"failed\"", |d| d.snapshot.reloads.refused as f64),
        ]) },
    Metric { name: "config_last_reload_success_timestamp_seconds", kind: "gauge",
        help: "When the configuration in force was read",
        source: Source::Daemon(&[("", |d| d.now.wall_at(d.snapshot.reloads.last_good).micros() as f64 / 1e6)]) },
];

fn flag(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn seconds(span: Duration) -> f64 {
    span.as_micros() as f64 / 1e6
}

/// The whole text of the metrics file. `alive` is false in the last one, at the end of the daemon.
pub fn metrics(snapshot: &Snapshot, host: &HostCounters, now: Now, alive: bool) -> String {
    let daemon = Daemon {
        snapshot,
        host,
        now,
        alive,
    };
    let labels = Labels::of(&snapshot.services);
    let mut out = String::with_capacity(BYTES_FIXED + labels.rows.len() * BYTES_PER_SERVICE);
    for metric in METRICS {
        for (word, text) in [("HELP", metric.help), ("TYPE", metric.kind)] {
            writeln!(out, "# {word} {PREFIX}{} {text}", metric.name).unwrap_or_default();
        }
        samples(&mut out, metric, &daemon, &labels);
    }
    out
}

fn samples(out: &mut String, metric: &Metric, daemon: &Daemon, labels: &Labels) {
    let name = &format!("{PREFIX}{}", metric.name);
    let services = &daemon.snapshot.services;
    match &metric.source {
        Source::Prefix(value) => {
            let mut rows = labels.rows.iter();
            for service in services {
                for (index, row) in rows
                    .by_ref()
                    .take(service.config.prefixes.len())
                    .enumerate()
                {
                    if let Some(value) = value(service, index, daemon.now) {
                        sample(out, name, "", labels.of_prefix(row), value);
                    }
                }
            }
        }
        Source::Configured => {
            for service in services {
                for index in 0..service.config.prefixes.len() {
                    let text = service.config.prefix_text(index);
                    let mut labels = String::new();
                    push_pair(&mut labels, "ip_prefix", &text);
                    labels.push(',');
                    push_pair(&mut labels, "service_name", &service.config.name);
                    sample(out, name, "", &labels, 1.0);
                }
            }
        }
        Source::Service(by_label) => {
            let mut rows = labels.rows.iter();
            for service in services {
                // A service has one prefix at least, and every row of it ends with the service's label.
                let mut rows = rows.by_ref().take(service.config.prefixes.len());
                let label = rows.next().map_or("", |row| labels.of_service(row));
                rows.for_each(drop);
                for (more, value) in *by_label {
                    if let Some(value) = value(service, daemon.now) {
                        sample(out, name, more, label, value);
                    }
                }
            }
        }
        Source::Family(by_label) => {
            for family in &daemon.snapshot.families {
                let label = format!("family=\"{}\"", family_word(family.family));
                for (more, value) in *by_label {
                    if let Some(value) = value(family) {
                        sample(out, name, &label, more, value);
                    }
                }
            }
        }
        Source::Daemon(by_label) => {
            for (label, value) in *by_label {
                sample(out, name, label, "", value(daemon));
            }
        }
    }
}

/// One line: the name, up to two pieces of labels and the value.
fn sample(out: &mut String, name: &str, first: &str, second: &str, value: f64) {
    out.push_str(name);
    if !first.is_empty() || !second.is_empty() {
        out.push('{');
        out.push_str(first);
        if !first.is_empty() && !second.is_empty() {
            out.push(',');
        }
        out.push_str(second);
        out.push('}');
    }
    out.push(' ');
    // Most values are 0 or 1, and the general way takes ten times as long.
    match value {
        0.0 => out.push_str("0.0"),
        1.0 => out.push_str("1.0"),
        // Debug prints the shortest text that reads back as the same number.
        _ => write!(out, "{value:?}").unwrap_or_default(),
    }
    out.push('\n');
}

pub fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

fn push_pair(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    escape::push_label(out, value);
    out.push('"');
}

/// The labels of every prefix of every service, made once for all families.
struct Labels {
    text: String,
    rows: Vec<Row>,
}

/// Where in the text the labels of a prefix stand: its own, then that of its service.
struct Row {
    prefix: usize,
    service: usize,
    end: usize,
}

impl Labels {
    fn of(services: &[ServiceView]) -> Labels {
        let mut text = String::new();
        let mut rows = Vec::new();
        for service in services {
            for network in &service.config.prefixes {
                let prefix = text.len();
                // An address holds nothing that would have to be escaped.
                write!(text, "ip_prefix=\"{network}\",").unwrap_or_default();
                let service_at = text.len();
                push_pair(&mut text, "service_name", &service.config.name);
                rows.push(Row {
                    prefix,
                    service: service_at,
                    end: text.len(),
                });
            }
        }
        Labels { text, rows }
    }

    fn of_prefix(&self, row: &Row) -> &str {
        &self.text[row.prefix..row.end]
    }

    fn of_service(&self, row: &Row) -> &str {
        &self.text[row.service..row.end]
    }
}

#[cfg(test)]
mod tests;
