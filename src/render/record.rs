//! One record of the log in each of its forms: text line, JSON object, journald line.
//!
//! A form is one line without its end, whatever the record holds; the forms for the network are in
//! `syslog.rs`. The message comes ready from `words.rs`, which is asked only for what the log level lets
//! through.

use std::fmt::Write;
use std::rc::Rc;

use ipnetwork::IpNetwork;

use super::{escape, words};
use crate::config::{Level, ServiceConfig};
use crate::engine::notice::Notice;
use crate::engine::vocab::Status;
use crate::time::Calendar;

pub const PROGRAM: &str = "anycast-healthchecker";

/// What stands for the service when the daemon speaks of itself: the reference's name for its main thread.
pub const DAEMON: &str = "MainThread";

/// Columns to which names of services are padded at most; a single long name must not push every message
/// off the screen.
const NAME_WIDTH_MAX: usize = 40;

/// Everything that a line of the log tells.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub about: Option<(&'a ServiceConfig, Status)>,
    pub level: Level,
    /// One line without control characters.
    pub message: String,
    /// Local time.
    pub at: Calendar,
    pub pid: u32,
}

impl<'a> Record<'a> {
    /// The record of a notice that somebody wants to have at that level.
    pub fn of(notice: &'a Notice, level: Level, at: Calendar, pid: u32) -> Record<'a> {
        let about = notice.about.as_ref();
        Record {
            about: about.map(|(config, status)| (config.as_ref(), *status)),
            level,
            message: words::message(notice),
            at,
            pid,
        }
    }

    /// The daemon's own record of a text from elsewhere, such as a panic.
    pub fn of_text(text: &str, level: Level, at: Calendar, pid: u32) -> Record<'static> {
        Record {
            about: None,
            level,
            message: escape::visible(text.trim()).into_owned(),
            at,
            pid,
        }
    }

    /// The name of the service, as it is written in the configuration.
    pub fn name(&self) -> &'a str {
        self.about.map_or(DAEMON, |(config, _)| &config.name)
    }
}

pub fn level_word(level: Level) -> &'static str {
    match level {
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
        Level::Critical => "CRITICAL",
    }
}

/// The severity of syslog and of journald.
pub fn severity(level: Level) -> u8 {
    match level {
        Level::Debug => 7,
        Level::Info => 6,
        Level::Warning => 4,
        Level::Error => 3,
        Level::Critical => 2,
    }
}

/// To how many columns the names of these services are padded in a text line.
pub fn name_width(services: &[Rc<ServiceConfig>]) -> usize {
    let columns = |name: &str| escape::visible(name).chars().count();
    let longest = services.iter().map(|service| columns(&service.name)).max();
    // One more than the longest, like the reference.
    longest.unwrap_or(0).max(DAEMON.len()).min(NAME_WIDTH_MAX) + 1
}

/// `2017-07-23 09:43:28,995`: the time of text lines and of JSON.
fn push_time(out: &mut String, at: &Calendar) {
    write!(
        out,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02},{:03}",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        at.micros / 1000
    )
    .unwrap_or_default();
}

/// `2017-07-23 09:43:28,995 anycast-healthchecker[PID] LEVEL    SERVICE  message`
pub fn text_line(record: &Record, name_width: usize) -> String {
    let mut out = String::with_capacity(80 + name_width + record.message.len());
    push_time(&mut out, &record.at);
    write!(
        out,
        " {PROGRAM}[{}] {:<8} {:<name_width$} {}",
        record.pid,
        level_word(record.level),
        escape::visible(record.name()),
        record.message
    )
    .unwrap_or_default();
    out
}

/// `<N>SERVICE - message`: journald takes the level from it, and knows time and pid itself.
pub fn journal_line(record: &Record) -> String {
    format!("<{}>{}", severity(record.level), name_and_message(record))
}

/// What is left to say where time, program, pid and level have places of their own.
pub fn name_and_message(record: &Record) -> String {
    format!("{} - {}", escape::visible(record.name()), record.message)
}

/// One JSON object with the keys of the mission document.
pub fn json(record: &Record) -> String {
    json_of(record, record.name(), &record.message)
}

/// The same with a name and a message that may have been cut.
pub fn json_of(record: &Record, name: &str, message: &str) -> String {
    let mut out = String::with_capacity(320 + name.len() + message.len());
    out.push_str("{\"asctime\": \"");
    push_time(&mut out, &record.at);
    let level = level_word(record.level);
    write!(
        out,
        "\", \"levelname\": \"{level}\", \"process\": {}",
        record.pid
    )
    .unwrap_or_default();
    out.push_str(", \"message\": ");
    escape::push_json(&mut out, message);
    if let Some((config, status)) = record.about {
        if let Some(prefix) = config.prefixes.first() {
            push_prefix(&mut out, prefix);
        }
        write!(
            out,
            ", \"ip_check_disabled\": {}, \"status\": \"{}\"",
            config.ip_check_disabled,
            status_word(status)
        )
        .unwrap_or_default();
    }
    let version = env!("CARGO_PKG_VERSION");
    write!(
        out,
        ", \"version\": \"{version}\", \"program\": \"{PROGRAM}\""
    )
    .unwrap_or_default();
    out.push_str(", \"service_name\": ");
    escape::push_json(&mut out, name);
    out.push('}');
    out
}

/// The documented values, of which there are three: the state of a service whose check never runs is unknown.
fn status_word(status: Status) -> &'static str {
    match status {
        Status::Up => "up",
        Status::Down => "down",
        Status::Unknown | Status::Disabled => "unknown",
    }
}

fn push_prefix(out: &mut String, prefix: &IpNetwork) {
    write!(
        out,
        ", \"ip_address\": \"{}\", \"prefix_length\": {}",
        prefix.network(),
        prefix.prefix()
    )
    .unwrap_or_default();
}

#[cfg(test)]
mod tests;
