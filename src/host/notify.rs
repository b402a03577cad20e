//! systemd's notification protocol (sd_notify(3)): datagrams of `KEY=VALUE` lines to `NOTIFY_SOCKET`.
//!
//! Without `NOTIFY_SOCKET` every call does nothing. Nothing blocks and nothing fails upward. A message that
//! finds the manager's queue full waits, because a lost `READY=1` would have systemd kill a healthy daemon;
//! of the waiting ones the newest [`MOST_UNSENT`] are kept, in order. The variables stay in our environment,
//! since removing them is unsafe: whoever starts a child leaves them out.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use crate::time::Mono;

/// More than a start, a reload and a stop send together.
const MOST_UNSENT: usize = 16;
/// How soon a full queue is tried again.
const RETRY: Duration = Duration::from_millis(100);
/// `systemctl status` shows one line of it.
const LONGEST_STATUS: usize = 512;

#[derive(Debug, Default)]
pub struct Notify {
    channel: Option<Channel>,
    watchdog: Option<Duration>,
    unsent: VecDeque<String>,
    stopping: bool,
    retry_at: Mono,
}

#[derive(Debug)]
struct Channel {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notify {
    pub fn from_env() -> Notify {
        let text = |name| env::var(name).ok();
        Notify::new(
            env::var_os("NOTIFY_SOCKET").as_deref(),
            text("WATCHDOG_USEC").as_deref(),
            text("WATCHDOG_PID").as_deref(),
            process::id(),
        )
    }

    fn new(address: Option<&OsStr>, usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Notify {
        let channel = address.and_then(open);
        // The variables may be meant for a process that started us.
        let ours = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
        let micros = usec.and_then(|usec| usec.parse::<u64>().ok());
        let watchdog = micros
            .filter(|micros| ours && *micros > 0)
            .map(|micros| Duration::from_micros((micros / 2).max(1)));
        Notify {
            watchdog: watchdog.filter(|_| channel.is_some()),
            channel,
            ..Notify::default()
        }
    }

    /// The daemon works: after the start, and after each reload.
    pub fn ready(&mut self, now: Mono) {
        self.send(now, "READY=1".to_string());
    }

    /// A reload has begun; [`Self::ready`] ends it.
    pub fn reloading(&mut self, now: Mono) {
        // Type=notify-reload wants both in one datagram.
        let text = format!("RELOADING=1\nMONOTONIC_USEC={}", now.micros());
        self.send(now, text);
    }

    /// The last word: systemd goes on showing the status of a unit that is dead.
    pub fn stopping(&mut self, now: Mono) {
        self.send(now, "STOPPING=1\nSTATUS=told to stop".to_string());
        self.stopping = true;
    }

    /// One line for `systemctl status`.
    pub fn status(&mut self, now: Mono, text: &str) {
        if self.channel.is_none() || self.stopping {
            return;
        }
        let mut line = String::from("STATUS=");
        for character in text.chars() {
            if line.len() + character.len_utf8() > LONGEST_STATUS {
                break;
            }
            line.push(if character.is_control() {
                ' '
            } else {
                character
            });
        }
        self.unsent
            .retain(|waiting| !waiting.starts_with("STATUS="));
        self.send(now, line);
    }

    /// How often [`Self::watchdog`] is to be called: half of what systemd waits for. `None`: never.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog
    }

    pub fn watchdog(&mut self, now: Mono) {
        if self.watchdog.is_some() {
            self.unsent.retain(|waiting| waiting != "WATCHDOG=1");
            self.send(now, "WATCHDOG=1".to_string());
        }
    }

    /// When [`Self::flush`] is to be called, if something waits.
    pub fn next_deadline(&self) -> Option<Mono> {
        (!self.unsent.is_empty()).then_some(self.retry_at)
    }

    /// Sends what waits, as far as it goes.
    pub fn flush(&mut self, now: Mono) {
        while let Some(text) = self.unsent.front() {
            if self.try_send(text) {
                self.unsent.pop_front();
            } else {
                self.retry_at = now + RETRY;
                return;
            }
        }
    }

    fn send(&mut self, now: Mono, text: String) {
        if self.channel.is_none() {
            return;
        }
        if self.unsent.len() == MOST_UNSENT {
            self.unsent.pop_front();
        }
        self.unsent.push_back(text);
        self.flush(now);
    }

    /// False if it is worth another try.
    fn try_send(&self, text: &str) -> bool {
        let Some(channel) = &self.channel else {
            return true;
        };
        match channel
            .socket
            .send_to_addr(text.as_bytes(), &channel.address)
        {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}

/// `None` for an address of a kind that we do not speak (`vsock:`), as for none.
fn open(address: &OsStr) -> Option<Channel> {
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok()?,
        [b'/', ..] => SocketAddr::from_pathname(address).ok()?,
        _ => return None,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(Channel { socket, address })
}

#[cfg(test)]
mod tests;
