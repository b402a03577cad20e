//! The state of the daemon as Prometheus text.
//!
//! The first families are those of the program that this one replaces, with the same names, labels, types,
//! HELP texts and order; the rest is ours. One table holds them all, so that a name and its HELP text stand
//! beside what they count. A service with several prefixes has one sample for each where the label
//! `ip_prefix` exists.
//!
//! The text of 50,000 services has 44 MB, and takes most of a second. So it is made piece by piece by a
//! [`Cursor`], between which the loop does its work: a service may change between two of its metrics, each
//! sample is right at the time at which it is made.
//!
//! Left out on purpose: time stamps (the textfile collector refuses them) and histograms.

use std::fmt::Write;
use std::time::Duration;

use super::{Piece, decimal, escape};
use crate::config::Family;
use crate::engine::snapshot::{FamilyView, HostCounters, ServiceView, Snapshot, Source};
use crate::time::{Mono, Now};

const PREFIX: &str = "anycast_healthchecker_";

/// Services whose samples of one metric are made together: some 30 kB of text, in a fraction of a millisecond.
const WINDOW: usize = 256;

/// Everything that the daemon's own samples are taken from.
struct Daemon<'a> {
    snapshot: Snapshot<'a>,
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
    values: Values,
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
enum Values {
    /// Each prefix of each service; the number is the prefix's index.
    Prefix(fn(&ServiceView<'_>, usize) -> Option<Value>),
    /// The same value for each prefix of a service.
    EachPrefix(fn(&ServiceView<'_>, Now) -> Option<Value>),
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
        values: Values::EachPrefix(|service, _| service.state_value.map(|value| Value::of(value.into(), 0))) },
    Metric { name: "service_check_duration_milliseconds", kind: "gauge",
        help: "Service check duration in milliseconds",
        values: Values::EachPrefix(|service, _| service.duration.map(Value::millis)) },
    Metric { name: "service_check_ip_assignment", kind: "gauge",
        help: "Service IP assignment check: 0 = not assigned, 1 = assigned",
        values: Values::Prefix(|service, index| service.assigned.get(index).copied().flatten().map(Value::flag)) },
    Metric { name: "service_check_timeout_total", kind: "counter",
        help: "The number of times a service check timed out",
        values: Values::EachPrefix(|service, _| {
            (service.counters.timed_out > 0).then_some(Value::whole(service.counters.timed_out)) }) },
    Metric { name: "service_check_timeout_created", kind: "gauge",
        help: "The number of times a service check timed out",
        values: Values::EachPrefix(|service, now| {
            service.counters.first_time_out.map(|first| Value::moment(first, now)) }) },
    // The mission document says "since the epoch" here, which was never so; this is the text of 0.9.10.
    Metric { name: "uptime", kind: "gauge",
        help: "Uptime of the process in seconds",
        values: Values::Daemon(&[("", |d| Value::whole(d.now.mono.since(d.snapshot.started).as_secs()))]) },
    Metric { name: "state", kind: "gauge",
        help: "The current state of the process: 0 = down, 1 = up",
        values: Values::Daemon(&[("", |d| Value::flag(d.alive))]) },
    Metric { name: "version_info", kind: "gauge",
        help: "Version of the software",
        values: Values::Daemon(&[(concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), |_| Value::whole(1))]) },
    Metric { name: "service", kind: "gauge",
        help: "The configured service checks",
        values: Values::Configured },

    // Ours.
    Metric { name: "service_checks_total", kind: "counter",
        help: "Check runs that have ended, by result",
        values: Values::Service(&[
            ("result=\"pass\"", |service, _| Some(Value::whole(service.counters.passed))),
            ("result=\"fail\"", |service, _| Some(Value::whole(service.counters.failed))),
            ("result=\"timeout\"", |service, _| Some(Value::whole(service.counters.timed_out))),
            ("result=\"not_started\"", |service, _| Some(Value::whole(service.counters.not_started))),
        ]) },
    Metric { name: "service_state_changes_total", kind: "counter",
        help: "Changes of state of the service",
        values: Values::Service(&[("", |service, _| Some(Value::whole(service.counters.changes)))]) },
    Metric { name: "service_last_change_seconds", kind: "gauge",
        help: "Seconds since the last change of state of the service",
        values: Values::Service(&[("", |service, now| {
            service.counters.last_change.map(|at| Value::seconds(now.mono.since(at))) })]) },
    Metric { name: "service_maintenance", kind: "gauge",
        help: "Whether the maintenance file of the service exists: 0 = no, 1 = yes",
        values: Values::Service(&[("", |service, _| {
            Some(Value::flag(service.maintenance)) })]) },
    Metric { name: "prefix_advertised", kind: "gauge",
        help: "Whether the prefix is in the list that BIRD may export: 0 = no, 1 = yes",
        values: Values::Prefix(|service, index| service.advertised.get(index).copied().map(Value::flag)) },
    Metric { name: "checks_running", kind: "gauge",
        help: "Checks that are running now",
        values: Values::Daemon(&[("", |d| Value::whole(d.snapshot.running as u64))]) },
    Metric { name: "checks_waiting", kind: "gauge",
        help: "Checks that are due and wait for their turn",
        values: Values::Daemon(&[("", |d| Value::whole(d.snapshot.waiting as u64))]) },
    Metric { name: "unkillable_processes", kind: "gauge",
        help: "Child processes that were killed and have not died",
        values: Values::Daemon(&[("", |d| Value::whole(d.snapshot.abandoned as u64))]) },
    Metric { name: "bird_settled", kind: "gauge",
        help: "Whether BIRD is known to have what the checks ask for: 0 = no, 1 = yes",
        values: Values::Family(&[("", |family| Some(Value::flag(family.settled)))]) },
    Metric { name: "reconfigurations_total", kind: "counter",
        help: "Reconfigurations of BIRD, by result",
        values: Values::Family(&[
            ("result=\"ok\"", |family| Some(Value::whole(family.counters.reconfigured))),
            ("result=\"failed\"", |family| Some(Value::whole(family.counters.reconfigure_failed))),
        ]) },
    Metric { name: "reconfiguration_duration_seconds", kind: "gauge",
        help: "Duration of the last reconfiguration of BIRD",
        values: Values::Family(&[("", |family| family.counters.last_reconfigure.map(Value::seconds))]) },
    Metric { name: "prefix_file_writes_total", kind: "counter",
        help: "Times that the prefix file was replaced",
        values: Values::Family(&[("", |family| Some(Value::whole(family.counters.files_written)))]) },
    Metric { name: "prefix_file_failures_total", kind: "counter",
        help: "Times that the prefix file could not be replaced",
        values: Values::Family(&[("", |family| Some(Value::whole(family.counters.file_failures)))]) },
    Metric { name: "custom_commands_total", kind: "counter",
        help: "Runs of the services' own commands (custom_bird_reconfigure_cmd), by result",
        values: Values::Daemon(&[
            ("result=\"ok\"", |d| Value::whole(d.snapshot.customs.done)),
            ("result=\"failed\"", |d| Value::whole(d.snapshot.customs.failed)),
        ]) },
    Metric { name: "log_lines_dropped_total", kind: "counter",
        help: "Log lines that could not be written or sent",
        values: Values::Daemon(&[("", |d| Value::whole(d.host.log_lines_dropped))]) },
    Metric { name: "metrics_write_failures_total", kind: "counter",
        help: "Times that this file could not be written",
        values: Values::Daemon(&[("", |d| Value::whole(d.host.metrics_failures))]) },
    Metric { name: "history_write_failures_total", kind: "counter",
        help: "Times that the history of prefix files could not be kept",
        values: Values::Daemon(&[("", |d| Value::whole(d.host.history_failures))]) },
    Metric { name: "config_reloads_total", kind: "counter",
        help: "Reloads of the configuration, by result",
        values: Values::Daemon(&[
            ("result=\"ok\"", |d| Value::whole(d.snapshot.reloads.good)),
            ("result=\"failed\"", |d| Value::whole(d.snapshot.reloads.refused)),
        ]) },
    Metric { name: "config_last_reload_success_timestamp_seconds", kind: "gauge",
        help: "When the configuration in force was read",
        values: Values::Daemon(&[("", |d| Value::moment(d.snapshot.reloads.last_good, d.now))]) },
];

/// Where in the text the next piece begins.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// Its index in the table.
    metric: usize,
    /// The place of the first service that has no sample of that metric yet.
    service: usize,
    /// The configuration that the places are those of.
    reloads: Option<u64>,
}

impl Cursor {
    /// Appends the next piece, whole lines. `alive` is false in the last text, at the end of the daemon.
    pub fn next(
        &mut self,
        source: &dyn Source,
        host: &HostCounters,
        (now, alive): (Now, bool),
        out: &mut String,
    ) -> Piece {
        let Some(metric) = METRICS.get(self.metric) else {
            return Piece::Last;
        };
        let places = match metric.values {
            Values::Family(_) | Values::Daemon(_) => 0..0,
            _ => self.service..self.service + WINDOW,
        };
        let prefixes = matches!(metric.values, Values::Prefix(_));
        let snapshot = source.window(places, prefixes);
        if *self.reloads.get_or_insert(snapshot.reloads.good) != snapshot.reloads.good {
            return Piece::Outdated;
        }
        if self.service == 0 {
            for (word, text) in [("HELP", metric.help), ("TYPE", metric.kind)] {
                writeln!(out, "# {word} {PREFIX}{} {text}", metric.name).unwrap_or_default();
            }
        }
        let more = snapshot.services.len() == WINDOW;
        let daemon = Daemon {
            snapshot,
            host,
            now,
            alive,
        };
        samples(out, metric, &daemon);
        match more {
            true => self.service += WINDOW,
            false => (self.metric, self.service) = (self.metric + 1, 0),
        }
        match self.metric < METRICS.len() {
            true => Piece::More,
            false => Piece::Last,
        }
    }
}

/// One line: the name, up to two pieces of labels and the value.
fn sample(out: &mut String, name: &str, first: &str, second: &str, value: Value) {
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
}

fn samples(out: &mut String, metric: &Metric, daemon: &Daemon) {
    let name = metric.name;
    let services = &daemon.snapshot.services;
    let mut labels = String::new();
    match &metric.values {
        Values::Prefix(value) => {
            for service in services {
                for index in 0..service.config.prefixes.len() {
                    if let Some(value) = value(service, index) {
                        prefix_labels(&mut labels, service, index);
                        sample(out, name, "", &labels, value);
                    }
                }
            }
        }
        Values::EachPrefix(value) => {
            for service in services {
                let Some(value) = value(service, daemon.now) else {
                    continue;
                };
                for index in 0..service.config.prefixes.len() {
                    prefix_labels(&mut labels, service, index);
                    sample(out, name, "", &labels, value);
                }
            }
        }
        Values::Configured => {
            for service in services {
                for index in 0..service.config.prefixes.len() {
                    labels.clear();
                    push_pair(&mut labels, "ip_prefix", &service.config.prefix_text(index));
                    labels.push(',');
                    push_pair(&mut labels, "service_name", &service.config.name);
                    sample(out, name, "", &labels, Value::whole(1));
                }
            }
        }
        Values::Service(by_label) => {
            for service in services {
                labels.clear();
                push_pair(&mut labels, "service_name", &service.config.name);
                for (more, value) in *by_label {
                    if let Some(value) = value(service, daemon.now) {
                        sample(out, name, more, &labels, value);
                    }
                }
            }
        }
        Values::Family(by_label) => {
            for family in &daemon.snapshot.families {
                let label = format!("family=\"{}\"", family_word(family.family));
                for (more, value) in *by_label {
                    if let Some(value) = value(family) {
                        sample(out, name, &label, more, value);
                    }
                }
            }
        }
        Values::Daemon(by_label) => {
            for (label, value) in *by_label {
                sample(out, name, label, "", value(daemon));
            }
        }
    }
}

fn prefix_labels(labels: &mut String, service: &ServiceView, index: usize) {
    labels.clear();
    if let Some(network) = service.config.prefixes.get(index) {
        // An address holds nothing that would have to be escaped.
        write!(labels, "ip_prefix=\"{network}\",").unwrap_or_default();
    }
    push_pair(labels, "service_name", &service.config.name);
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

#[cfg(test)]
mod tests;
