//! The daemon's voice: notices become records in the forms that the sinks want, if anybody listens.

use crate::config::{Level, LogConfig, ServiceConfig};
use crate::engine::notice::Notice;
use crate::engine::vocab::{Ended, Output};
use crate::host::job::Jobs;
use crate::host::log::{Form, Sinks};
use crate::host::news::News;
use crate::host::sys::clock;
use crate::host::writer::{Lane, Reply, Writer};
use crate::render::record::{self, Record};
use crate::render::{syslog, words};
use crate::time::{Mono, Now};
use std::rc::Rc;

/// The kernel's own place for the name of this host.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

pub struct Voice {
    sinks: Sinks,
    host: String,
    pid: u32,
    name_width: usize,
}

impl Voice {
    pub fn new(config: &LogConfig, services: &[Rc<ServiceConfig>], now: Mono) -> Voice {
        Voice {
            sinks: Sinks::new(config, now),
            host: host_name(),
            pid: std::process::id(),
            name_width: record::name_width(services),
        }
    }

    /// Takes over a new configuration, and opens files anew in any case.
    pub fn reconfigure(&mut self, config: &LogConfig, services: &[Rc<ServiceConfig>], now: Mono) {
        self.host = host_name();
        self.name_width = record::name_width(services);
        self.sinks.reconfigure(config, now);
    }

    /// Opens files anew, with everything as it was.
    pub fn reopen(&mut self, config: &LogConfig, now: Mono) {
        self.sinks.reconfigure(config, now);
    }

    /// The level of this, if anybody listens there.
    pub fn wants(&self, notice: &Notice) -> Option<Level> {
        Some(words::level(&notice.what)).filter(|level| self.sinks.wants(*level))
    }

    /// Says what somebody [wants](Voice::wants).
    pub fn say(&mut self, now: Now, level: Level, notice: &Notice) {
        let at = clock::local_calendar(now.wall);
        let record = Record::of(notice, level, at, self.pid);
        let (host, width) = (&self.host, self.name_width);
        self.sinks
            .write(level, now.mono, |form| in_form(&record, form, host, width));
    }

    /// Hands what waits for files to the writer, as far as it takes it.
    pub fn flush(&mut self, now: Mono, writer: &mut Writer, jobs: &mut Jobs) {
        self.sinks.flush(now, writer, jobs);
    }

    /// What has no other way out if it is the log itself that is broken.
    pub fn say_news(&mut self, news: &News) {
        self.sinks.say_news(news);
    }

    pub fn wants_writer(&mut self, writer: &Writer) -> bool {
        self.sinks.wants_writer(writer)
    }

    /// What became of lines that the writer had taken.
    pub fn written(&mut self, now: Mono, lane: Lane, reply: &Reply) {
        self.sinks.written(now, lane, reply);
    }

    pub fn say_on_stderr(&mut self, text: &str) {
        self.sinks.say_on_stderr(text);
    }

    pub fn next_deadline(&self) -> Option<Mono> {
        self.sinks.next_deadline()
    }

    pub fn tick(&mut self, now: Mono) {
        self.sinks.tick(now);
    }

    pub fn needs_resolution(&mut self, now: Mono) -> Option<(String, u16)> {
        self.sinks.needs_resolution(now)
    }

    pub fn resolved(&mut self, now: Mono, ended: Ended, output: &Output) {
        let stdout = String::from_utf8_lossy(&output.stdout.bytes);
        let stderr = String::from_utf8_lossy(&output.stderr.bytes);
        let answer = match ended {
            Ended::Exit(0) => Ok(stdout.as_ref()),
            Ended::Exit(_) => Err(stderr.trim().to_string()),
            Ended::Signal(_) => Err("it could not be looked up in time".to_string()),
        };
        self.sinks.resolved(now, answer);
    }

    pub fn not_resolved(&mut self, now: Mono, cause: String) {
        self.sinks.resolved(now, Err(cause));
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.sinks.take_news()
    }

    pub fn dropped(&self) -> u64 {
        self.sinks.dropped()
    }
}

pub fn in_form(record: &Record, form: Form, host: &str, name_width: usize) -> String {
    match form {
        Form::Text => record::text_line(record, name_width),
        Form::Json => record::json(record),
        Form::Journal => record::journal_line(record),
        Form::Syslog { format, json } => syslog::datagram(record, format, json, host, name_width),
    }
}

pub fn host_name() -> String {
    let name = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    match name.trim() {
        "" => "-".to_string(),
        name => name.to_string(),
    }
}
