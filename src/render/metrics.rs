//! The state of the daemon as Prometheus text.
//!
//! The first families are those of the program that this one replaces, with the same names, labels, types,
//! HELP texts and order; the rest is ours. One table holds them all, so that a name and its HELP text stand
//! beside what they count. A service with several prefixes has one sample for each where the label
//! `ip_prefix` exists.
//!
//! Left out on purpose: time stamps (the textfile collector refuses them) and histograms.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use super::{decimal, escape};
use crate::config::Family;
use crate::engine::snapshot::{FamilyView, HostCounters, ServiceView, Snapshot};
use crate::time::{Mono, Now};

const PREFIX: &str = "anycast_healthchecker_";

/// Bytes of text that are handed on together: the text of 10,000 services has 13 MB, and nobody needs it whole.
const PIECE: usize = 32 * 1024;

/// Bytes that a piece may be longer: what one sample adds, of which the name of a service has no bound of its
/// own but that of a line of the configuration.
const MARGIN: usize = 1024;

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

/// A number of the daemon: so many of 10^-`places`.
#[derive(Clone, Copy)]
struct Value {
    number: i64,
    places: u8,
}

impl Value {
    /// Counts stay far below 2^63.
    fn whole(number: u64) -> Value {
        Value::of(number as i64, 0)
    }

    fn flag(yes: bool) -> Value {
        Value::of(i64::from(yes), 0)
    }

    fn millis(span: Duration) -> Value {
        Value::of(span.as_micros() as i64, 3)
    }

    fn seconds(span: Duration) -> Value {
        Value::of(span.as_micros() as i64, 6)
    }

    fn moment(at: Mono, now: Now) -> Value {
        Value::of(now.wall_at(at).micros(), 6)
    }

    fn of(number: i64, places: u8) -> Value {
        Value { number, places }
    }
}

/// What a family has samples for; `None` is no sample.
enum Source {
    /// Each prefix of each service; the number is the prefix's index.
    Prefix(fn(&ServiceView<'_>, usize, Now) -> Option<Value>),
    /// Each prefix of each service, as it is written in the configuration.
    Configured,
    Service(ByLabel<fn(&ServiceView<'_>, Now) -> Option<Value>>),
    Family(ByLabel<fn(&FamilyView<'_>) -> Option<Value>>),
    Daemon(ByLabel<fn(&Daemon<'_>) -> Value>),
}

#[rustfmt::skip]
const METRICS: &[Metric] = &[
    // What the reference exports, in its order.
    Metric { name: "service_state", kind: "gauge",
        help: "The status of the service check: 0 = healthy, any other value = unhealthy",
        source: Source::Prefix(|service, _, _| service.state_value.map(|value| Value::of(value.into(), 0))) },
    Metric { name: "service_check_duration_milliseconds", kind: "gauge",
        help: "Service check duration in milliseconds",
        source: Source::Prefix(|service, _, _| service.duration.map(Value::millis)) },
    Metric { name: "service_check_ip_assignment", kind: "gauge",
        help: "Service IP assignment check: 0 = not assigned, 1 = assigned",
        source: Source::Prefix(|service, index, _| service.assigned.get(index).copied().flatten().map(Value::flag)) },
    Metric { name: "service_check_timeout_total", kind: "counter",
        help: "The number of times a service check timed out",
        source: Source::Prefix(|service, _, _| {
            (service.counters.timed_out > 0).then_some(Value::whole(service.counters.timed_out)) }) },
    Metric { name: "service_check_timeout_created", kind: "gauge",
        help: "The number of times a service check timed out",
        source: Source::Prefix(|service, _, now| {
            service.counters.first_time_out.map(|first| Value::moment(first, now)) }) },
    // The mission document says "since the epoch" here, which was never so; this is the text of 0.9.10.
    Metric { name: "uptime", kind: "gauge",
        help: "Uptime of the process in seconds",
        source: Source::Daemon(&[("", |d| Value::whole(d.now.mono.since(d.snapshot.started).as_secs()))]) },
    Metric { name: "state", kind: "gauge",
        help: "The current state of the process: 0 = down, 1 = up",
        source: Source::Daemon(&[("", |d| Value::flag(d.alive))]) },
    Metric { name: "version_info", kind: "gauge",
        help: "Version of the software",
        source: Source::Daemon(&[(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), |_| Value::whole(1))]) },
    Metric { name: "service", kind: "gauge",
        help: "The configured service checks",
        source: Source::Configured },

    // Ours.
    Metric { name: "service_checks_total", kind: "counter",
        help: "Check runs that have ended, by result",
        source: Source::Service(&[
            ("result=\"pass\"", |service, _| Some(Value::whole(service.counters.passed))),
            ("result=\"fail\"", |service, _| Some(Value::whole(service.counters.failed))),
            ("result=\"timeout\"", |service, _| Some(Value::whole(service.counters.timed_out))),
            ("result=\"not_started\"", |service, _| Some(Value::whole(service.counters.not_started))),
        ]) },
    Metric { name: "service_state_changes_total", kind: "counter",
        help: "Changes of state of the service",
        source: Source::Service(&[("", |service, _| Some(Value::whole(service.counters.changes)))]) },
    Metric { name: "service_last_change_seconds", kind: "gauge",
        help: "Seconds since the last change of state of the service",
        source: Source::Service(&[("", |service, now| {
            service.counters.last_change.map(|at| Value::seconds(now.mono.since(at))) })]) },
    Metric { name: "service_maintenance", kind: "gauge",
        help: "Whether the maintenance file of the service exists: 0 = no, 1 = yes",
        source: Source::Service(&[("", |service, _| {
            Some(Value::flag(service.maintenance)) })]) },
    Metric { name: "prefix_advertised", kind: "gauge",
        help: "Whether the prefix is in the list that BIRD may export: 0 = no, 1 = yes",
        source: Source::Prefix(|service, index, _| service.advertised.get(index).copied().map(Value::flag)) },
    Metric { name: "checks_running", kind: "gauge",
        help: "Checks that are running now",
        source: Source::Daemon(&[("", |d| Value::whole(d.snapshot.running as u64))]) },
    Metric { name: "checks_waiting", kind: "gauge",
        help: "Checks that are due and wait for their turn",
        source: Source::Daemon(&[("", |d| Value::whole(d.snapshot.waiting as u64))]) },
    Metric { name: "unkillable_processes", kind: "gauge",
        help: "Child processes that were killed and have not died",
        source: Source::Daemon(&[("", |d| Value::whole(d.snapshot.abandoned as u64))]) },
    Metric { name: "bird_settled", kind: "gauge",
        help: "Whether BIRD is known to have what the checks ask for: 0 = no, 1 = yes",
        source: Source::Family(&[("", |family| Some(Value::flag(family.settled)))]) },
    Metric { name: "reconfigurations_total", kind: "counter",
        help: "Reconfigurations of BIRD, by result",
        source: Source::Family(&[
            ("result=\"ok\"", |family| Some(Value::whole(family.counters.reconfigured))),
            ("result=\"failed\"", |family| Some(Value::whole(family.counters.reconfigure_failed))),
        ]) },
    Metric { name: "reconfiguration_duration_seconds", kind: "gauge",
        help: "Duration of the last reconfiguration of BIRD",
        source: Source::Family(&[("", |family| family.counters.last_reconfigure.map(Value::seconds))]) },
    Metric { name: "prefix_file_writes_total", kind: "counter",
        help: "Times that the prefix file was replaced",
        source: Source::Family(&[("", |family| Some(Value::whole(family.counters.files_written)))]) },
    Metric { name: "prefix_file_failures_total", kind: "counter",
        help: "Times that the prefix file could not be replaced",
        source: Source::Family(&[("", |family| Some(Value::whole(family.counters.file_failures)))]) },
    Metric { name: "custom_commands_total", kind: "counter",
        help: "Runs of the services' own commands (custom_bird_reconfigure_cmd), by result",
        source: Source::Daemon(&[
            ("result=\"ok\"", |d| Value::whole(d.snapshot.customs.done)),
            ("result=\"failed\"", |d| Value::whole(d.snapshot.customs.failed)),
        ]) },
    Metric { name: "log_lines_dropped_total", kind: "counter",
        help: "Log lines that could not be written or sent",
        source: Source::Daemon(&[("", |d| Value::whole(d.host.log_lines_dropped))]) },
    Metric { name: "metrics_write_failures_total", kind: "counter",
        help: "Times that this file could not be written",
        source: Source::Daemon(&[("", |d| Value::whole(d.host.metrics_failures))]) },
    Metric { name: "history_write_failures_total", kind: "counter",
        help: "Times that the history of prefix files could not be kept",
        source: Source::Daemon(&[("", |d| Value::whole(d.host.history_failures))]) },
    Metric { name: "config_reloads_total", kind: "counter",
        help: "Reloads of the configuration, by result",
        source: Source::Daemon(&[
            ("result=\"ok\"", |d| Value::whole(d.snapshot.reloads.good)),
            ("result=\"failed\"", |d| Value::whole(d.snapshot.reloads.refused)),
        ]) },
    Metric { name: "config_last_reload_success_timestamp_seconds", kind: "gauge",
        help: "When the configuration in force was read",
        source: Source::Daemon(&[("", |d| Value::moment(d.snapshot.reloads.last_good, d.now))]) },
];

/// Hands the text of the metrics file to `put`, piece by piece, until that fails. `alive` is false in the last
/// one, at the end of the daemon.
pub fn metrics(
    snapshot: &Snapshot,
    host: &HostCounters,
    (now, alive): (Now, bool),
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let daemon = Daemon {
        snapshot,
        host,
        now,
        alive,
    };
    let labels = Labels::of(&snapshot.services);
    let mut out = Output {
        text: String::with_capacity(PIECE + MARGIN),
        put,
    };
    for metric in METRICS {
        for (word, text) in [("HELP", metric.help), ("TYPE", metric.kind)] {
            writeln!(out.text, "# {word} {PREFIX}{} {text}", metric.name).unwrap_or_default();
        }
        samples(&mut out, metric, &daemon, &labels)?;
    }
    out.hand_on()
}

/// Text on its way out.
struct Output<'a> {
    text: String,
    put: &'a mut dyn FnMut(&[u8]) -> io::Result<()>,
}

impl Output<'_> {
    /// One line: the name, up to two pieces of labels and the value.
    fn sample(&mut self, name: &str, first: &str, second: &str, value: Value) -> io::Result<()> {
        let out = &mut self.text;
        out.push_str(PREFIX);
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
        decimal::push(out, value.number, value.places.into());
        out.push('\n');
        match out.len() < PIECE {
            true => Ok(()),
            false => self.hand_on(),
        }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let handed = (self.put)(self.text.as_bytes());
        self.text.clear();
        handed
    }
}

fn samples(out: &mut Output, metric: &Metric, daemon: &Daemon, labels: &Labels) -> io::Result<()> {
    let name = metric.name;
    let services = &daemon.snapshot.services;
    let mut rows = labels.rows.iter();
    match &metric.source {
        Source::Prefix(value) => {
            for service in services {
                let rows = rows.by_ref().take(service.config.prefixes.len());
                for (index, row) in rows.enumerate() {
                    if let Some(value) = value(service, index, daemon.now) {
                        out.sample(name, "", labels.of_prefix(row), value)?;
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
                    out.sample(name, "", &labels, Value::whole(1))?;
                }
            }
        }
        Source::Service(by_label) => {
            for service in services {
                // A service has one prefix at least, and every row of it ends with the service's label.
                let mut rows = rows.by_ref().take(service.config.prefixes.len());
                let label = rows.next().map_or("", |row| labels.of_service(row));
                rows.for_each(drop);
                for (more, value) in *by_label {
                    if let Some(value) = value(service, daemon.now) {
                        out.sample(name, more, label, value)?;
                    }
                }
            }
        }
        Source::Family(by_label) => {
            for family in &daemon.snapshot.families {
                let label = format!("family=\"{}\"", family_word(family.family));
                for (more, value) in *by_label {
                    if let Some(value) = value(family) {
                        out.sample(name, &label, more, value)?;
                    }
                }
            }
        }
        Source::Daemon(by_label) => {
            for (label, value) in *by_label {
                out.sample(name, label, "", value(daemon))?;
            }
        }
    }
    Ok(())
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
