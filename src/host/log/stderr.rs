//! stderr: where it leads, one guarded line on it, and the last words of a panic.
//!
//! `stderr_file` puts fd 2 on a file, so that everything that writes there, libraries included, lands in it;
//! the first stderr is kept and comes back if a reload drops the setting. A panic says one line on stderr
//! and, with `stderr_log_server`, sends it to the log server over the socket that the sinks use. Neither can
//! block a process that is about to end.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use super::journal;
use super::queue::Queue;
use super::stdout::{self, Console, Which};
use super::syslog;
use crate::config::{Level, LogConfig, SyslogConfig};
use crate::engine::notice::Part;
use crate::host::news::{Health, News};
use crate::host::sys::cause;
use crate::host::sys::log_fd;
use crate::host::writer::Reply;
use crate::time::Mono;

/// What the panic hook sends to; kept up to date by the sinks.
static LAST_SOCKET: Mutex<Option<UdpSocket>> = Mutex::new(None);

#[derive(Debug, Default)]
pub struct Stderr {
    /// The stderr that the program was started with, while fd 2 is another.
    original: Option<OwnedFd>,
    /// Where fd 2 is to lead as soon as the writer has been able to open it.
    wanted: Option<PathBuf>,
    /// For what is said while fd 2 is a file, and for opening one.
    queue: Option<Queue>,
    /// Of the last `stderr_file`.
    health: Option<(PathBuf, Health)>,
}

impl Stderr {
    /// The same as [`Stderr::lead_to`], but what is wanted is opened only after the writer process has done so, which
    /// shows that its disk answers.
    pub fn follow(&mut self, path: Option<&Path>) {
        self.wanted = path.map(Path::to_path_buf);
        match (path, &mut self.queue) {
            (None, _) => {
                self.lead_to(None, Mono::default());
                let is_file = stdout::is_file(Which::Stderr);
                self.queue = is_file.then(|| Queue::to_inherited(true));
            }
            (Some(path), Some(queue)) => queue.reopen(path, 0, 0),
            (Some(path), None) => self.queue = Some(Queue::to_file(true, path, 0, 0)),
        }
    }

    /// What waits for the writer.
    pub fn queue(&mut self) -> Option<&mut Queue> {
        self.queue.as_mut()
    }

    /// What became of that.
    pub fn written(&mut self, now: Mono, reply: &Reply) {
        let Some(queue) = &mut self.queue else {
            return;
        };
        let outcome = queue.written(now, reply);
        let Some(path) = self.wanted.take() else {
            return;
        };
        // Whether lines can be written there is told by whether it can be opened.
        drop(queue.take_news());
        match outcome {
            Ok(()) => self.lead_to(Some(&path), now),
            Err(cause) => {
                self.not_there(&path, now, cause);
                self.wanted = Some(path);
            }
        }
    }

    /// One line of trouble, for which nothing waits.
    pub fn say(&mut self, text: &str) {
        let elsewhere = self.wanted.is_some() && !stdout::is_file(Which::Stderr);
        match &mut self.queue {
            Some(queue) if !elsewhere => {
                queue.line(&journal::on_stderr(Level::Error, &on_one_line(text)));
            }
            _ => say(text),
        }
    }

    fn not_there(&mut self, path: &Path, now: Mono, cause: String) {
        let health = self.health_of(path);
        health.failed(now, || format!("standard error cannot go there: {cause}"));
    }

    fn health_of(&mut self, path: &Path) -> &mut Health {
        if self.health.as_ref().is_none_or(|(known, _)| known != path) {
            self.health = None;
        }
        let new = || Health::new(Part::LogFile(path.to_path_buf()), Duration::ZERO);
        let slot = &mut self.health;
        &mut slot.get_or_insert_with(|| (path.to_path_buf(), new())).1
    }

    /// Opens `path` and makes it fd 2; `None`: the stderr that the program was started with. If that fails,
    /// fd 2 stays what it is until the next call.
    pub fn lead_to(&mut self, path: Option<&Path>, now: Mono) {
        let Some(path) = path else {
            let restored = self
                .original
                .as_ref()
                .map(|fd| log_fd::replace_stderr(fd.as_fd()));
            if restored.is_some_and(|outcome| outcome.is_ok()) {
                self.original = None;
            }
            return;
        };
        match self.redirect(path) {
            Ok(()) => self.health_of(path).works(now),
            Err(error) => self.not_there(path, now, cause(&error)),
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        match &mut self.health {
            Some((_, health)) => health.take_news(),
            None => Vec::new(),
        }
    }

    fn redirect(&mut self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .custom_flags(log_fd::WITHOUT_WAITING)
            .open(path)?;
        if self.original.is_none() {
            self.original = Some(io::stderr().as_fd().try_clone_to_owned()?);
        }
        log_fd::replace_stderr(file.as_fd())
    }
}

/// One line of trouble on stderr, control characters escaped, dropped if it would have to wait.
pub fn say(text: &str) {
    let line = on_one_line(text);
    let _ = Console::new(Which::Stderr).line(&journal::on_stderr(Level::Error, &line));
}

/// For an error before the sinks exist (the lock is taken, say): to stderr, or `stderr_file`, and with
/// `stderr_log_server` as `datagram` to the server. May wait for the resolver: the process ends after it.
pub fn last_words(config: &LogConfig, text: &str, datagram: impl FnOnce(&SyslogConfig) -> String) {
    let mut stderr = Stderr::default();
    // If the file can't be opened the words stay where the operator started us, which is the next best place.
    stderr.lead_to(config.stderr_file.as_deref(), Mono::default());
    say(text);
    if let (true, Some(server)) = (config.stderr_to_syslog, &config.syslog) {
        syslog::send_last(server, &datagram(server));
    }
}

/// Has every panic say one line instead of Rust's block of text. `datagram` makes the message for the log
/// server.
pub fn hook_panics(datagram: impl Fn(&str) -> String + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |info| {
        let text = describe(info);
        say(&text);
        if let Ok(socket) = LAST_SOCKET.try_lock() {
            if let Some(socket) = socket.as_ref() {
                let _ = socket.send(datagram(&text).as_bytes());
            }
        }
    }));
}

/// Tells the panic hook its socket.
pub(super) fn set_last_socket(socket: Option<UdpSocket>) {
    if let Ok(mut slot) = LAST_SOCKET.lock() {
        *slot = socket;
    }
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    let place = match info.location() {
        Some(place) => format!("{}:{}", place.file(), place.line()),
        None => "an unknown place".to_string(),
    };
    on_one_line(&format!(
        "anycast-healthchecker: programming error at {place}: {message}"
    ))
}

fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests;
