//! Where log lines go: stdout, a rotating file, a log server, any of them broken at any time.
//!
//! [`Sinks`] takes finished lines in the form that each destination wants and never fails upward, blocks or
//! logs about itself: what is lost is counted, and what there is to say about a sink is taken once a turn
//! with [`Sinks::take_news`]. What goes to a file is handed to the writer process once a turn. stdout is used
//! only where neither `log_file` nor `log_server` is set. A sink that breaks is told on stderr as well
//! ([`Sinks::say_news`]), because the news may have no other way out. Left out on purpose: what a line looks like
//! (`render/record.rs`), and resolving names, which would block: see [`Sinks::needs_resolution`].

mod file;
mod journal;
mod line;
mod queue;
mod stderr;
mod stdout;
mod syslog;

use crate::config::{Level, LogConfig, SyslogConfig, SyslogFormat};
use crate::engine::notice::Part;
use crate::host::job::Jobs;
use crate::host::news::News;
use crate::host::writer::{Lane, Reply, Writer};
use crate::time::Mono;
use queue::Queue;
use stderr::Stderr;
use stdout::{Console, Which};
use syslog::Syslog;

pub use file::{LogFile, Report};
pub use journal::on_stderr;
pub use line::put as put_line;
pub use stderr::{hook_panics, last_words, say};
pub use syslog::resolve_main;

/// The form in which a destination wants a line: one line without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
    /// `<N>` in front for journald, without time and pid.
    Journal,
    /// A whole datagram.
    Syslog {
        format: SyslogFormat,
        json: bool,
    },
}

/// stdout: what can be written without waiting, or a file.
#[derive(Debug)]
enum Stdout {
    Console(Console),
    File(Box<Queue>),
}

#[derive(Debug)]
pub struct Sinks {
    level: Level,
    stdout: Option<(Stdout, Form)>,
    file: Option<(Queue, Form)>,
    syslog: Option<Syslog>,
    stderr: Stderr,
    stderr_to_syslog: bool,
    news: Vec<News>,
    dropped: u64,
}

impl Sinks {
    pub fn new(config: &LogConfig, now: Mono) -> Sinks {
        let mut sinks = Sinks {
            level: config.level,
            stdout: None,
            file: None,
            syslog: None,
            stderr: Stderr::default(),
            stderr_to_syslog: config.stderr_to_syslog,
            news: Vec::new(),
            dropped: 0,
        };
        sinks.reconfigure(config, now);
        sinks
    }

    /// Whether a line of this level goes anywhere.
    pub fn wants(&self, level: Level) -> bool {
        level >= self.level
    }

    /// Hands a line to every destination; `make` is called once for each.
    pub fn write(&mut self, level: Level, now: Mono, mut make: impl FnMut(Form) -> String) {
        if !self.wants(level) {
            return;
        }
        match &mut self.stdout {
            Some((Stdout::Console(console), form)) => {
                let kept = console.line(&make(*form));
                self.dropped += u64::from(!kept);
            }
            Some((Stdout::File(queue), form)) => queue.line(&make(*form)),
            None => {}
        }
        if let Some((queue, form)) = &mut self.file {
            queue.line(&make(*form));
        }
        if let Some(syslog) = &mut self.syslog {
            let SyslogConfig { format, json, .. } = *syslog.config();
            syslog.send(now, &make(Form::Syslog { format, json }));
        }
        self.settle();
    }

    /// Takes over a new configuration and opens files anew (SIGHUP); what did not change stays connected.
    pub fn reconfigure(&mut self, config: &LogConfig, now: Mono) {
        self.level = config.level;
        self.stderr_to_syslog = config.stderr_to_syslog;
        self.stderr.follow(config.stderr_file.as_deref());
        self.reconfigure_file(config);
        self.reconfigure_syslog(config, now);
        if self.syslog.is_none() || !self.stderr_to_syslog {
            stderr::set_last_socket(None);
        }
        let wanted = config.file.is_none() && config.syslog.is_none();
        let form = match (config.json_stdout, config.journal) {
            (true, _) => Form::Json,
            (false, true) => Form::Journal,
            (false, false) => Form::Text,
        };
        let old = self.stdout.take();
        self.stdout = wanted.then(|| (old.map_or_else(open_stdout, |(stdout, _)| stdout), form));
        self.settle();
    }

    /// Does what has become due: see [`Self::next_deadline`].
    pub fn tick(&mut self, now: Mono) {
        if let Some(syslog) = &mut self.syslog {
            syslog.tick(now);
        }
        self.settle();
    }

    /// When [`Self::tick`] and then [`Self::needs_resolution`] want to be called although no line comes.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.syslog.as_ref().and_then(Syslog::next_deadline)
    }

    /// The name and port of the log server to resolve now, by a child that runs [`resolve_main`]; asked for
    /// once until [`Self::resolved`] is called. To be asked once a turn.
    pub fn needs_resolution(&mut self, now: Mono) -> Option<(String, u16)> {
        self.syslog.as_mut()?.needs_resolution(now)
    }

    /// What that child wrote to stdout, or why there is no answer.
    pub fn resolved(&mut self, now: Mono, answer: Result<&str, String>) {
        if let Some(syslog) = &mut self.syslog {
            syslog.resolved(now, answer);
        }
        self.settle();
    }

    /// Hands what waits for files to the writer, as far as it takes it.
    pub fn flush(&mut self, now: Mono, writer: &mut Writer, jobs: &mut Jobs) {
        for (lane, queue) in self.queues() {
            if queue.wants_writer() && writer.is_free(lane) {
                queue.hand_over(|request| writer.submit(now, lane, request, jobs));
            }
        }
    }

    /// Whether something waits for the writer that could take it.
    pub fn wants_writer(&mut self, writer: &Writer) -> bool {
        let mut queues = self.queues();
        queues.any(|(lane, queue)| queue.wants_writer() && !writer.is_hung(lane))
    }

    /// What became of the lines that the writer had taken.
    pub fn written(&mut self, now: Mono, lane: Lane, reply: &Reply) {
        if lane == Lane::Stderr {
            self.stderr.written(now, reply);
        } else if let Some((_, queue)) = self.queues().find(|(other, _)| *other == lane) {
            // It is in the news, once.
            let _ = queue.written(now, reply);
        }
        self.settle();
    }

    fn queues(&mut self) -> impl Iterator<Item = (Lane, &mut Queue)> {
        let stdout = match &mut self.stdout {
            Some((Stdout::File(queue), _)) => Some((Lane::Stdout, queue.as_mut())),
            Some((Stdout::Console(_), _)) | None => None,
        };
        let file = self.file.as_mut().map(|(queue, _)| (Lane::Log, queue));
        let stderr = (self.stderr.queue()).map(|queue| (Lane::Stderr, queue));
        [stderr, stdout, file].into_iter().flatten()
    }

    /// One line on stderr, for which nothing waits.
    pub fn say_on_stderr(&mut self, text: &str) {
        self.stderr.say(text);
    }

    /// What there is to say about the sinks since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Lines that did not reach a destination, since the start, over all destinations.
    pub fn dropped(&self) -> u64 {
        let stdout = match &self.stdout {
            Some((Stdout::File(queue), _)) => queue.dropped(),
            Some((Stdout::Console(_), _)) | None => 0,
        };
        let file = self.file.as_ref().map_or(0, |(queue, _)| queue.dropped());
        let syslog = self.syslog.as_ref().map_or(0, Syslog::dropped);
        self.dropped + stdout + file + syslog
    }

    fn reconfigure_file(&mut self, config: &LogConfig) {
        let form = if config.json_file {
            Form::Json
        } else {
            Form::Text
        };
        let old = self.file.take();
        let Some(path) = config.file.as_deref() else {
            self.dropped += old.map_or(0, |(queue, _)| queue.dropped());
            return;
        };
        let (max_bytes, backups) = (config.max_bytes, config.backups);
        self.file = Some(match old {
            Some((mut queue, _)) => {
                queue.reopen(path, max_bytes, backups);
                (queue, form)
            }
            None => (Queue::to_file(false, path, max_bytes, backups), form),
        });
    }

    fn reconfigure_syslog(&mut self, config: &LogConfig, now: Mono) {
        let old = self.syslog.take();
        let Some(wanted) = &config.syslog else {
            self.dropped += old.map_or(0, Syslog::give_up);
            return;
        };
        self.syslog = Some(match old {
            Some(mut syslog) if syslog.config() == wanted => {
                syslog.look_up_again(now);
                syslog
            }
            old => {
                self.dropped += old.map_or(0, Syslog::give_up);
                Syslog::new(wanted, now)
            }
        });
    }

    /// Collects what the sinks have to say, and keeps the panic hook's socket the one in use.
    fn settle(&mut self) {
        let mut news = self.stderr.take_news();
        for (_, queue) in self.queues() {
            news.append(&mut queue.take_news());
        }
        if let Some(syslog) = &mut self.syslog {
            news.append(&mut syslog.take_news());
            if self.stderr_to_syslog && syslog.take_changed() {
                stderr::set_last_socket(syslog.socket_copy());
            }
        }
        self.news.append(&mut news);
    }

    /// What has no other way out if it is the log itself that is broken.
    pub fn say_news(&mut self, news: &News) {
        let Some(cause) = &news.cause else {
            return;
        };
        let text = match &news.part {
            Part::LogFile(path) => format!("cannot write log file {}: {cause}", path.display()),
            Part::Syslog(server) => format!("cannot send to log server {server}: {cause}"),
            _ => return,
        };
        self.stderr.say(&format!("anycast-healthchecker: {text}"));
    }
}

fn open_stdout() -> Stdout {
    match stdout::is_file(Which::Stdout) {
        true => Stdout::File(Box::new(Queue::to_inherited(false))),
        false => Stdout::Console(Console::new(Which::Stdout)),
    }
}

#[cfg(test)]
mod tests;
