//! One `configure` over BIRD's control socket, without ever waiting.
//!
//! A [`Conversation`] connects, waits for BIRD's greeting, sends the command and passes on every byte that
//! BIRD says, the greeting included, to whoever judges it. It is bounded in bytes, not in time: the engine's
//! deadline ends it by dropping it. It never sends anything but a plain `configure`.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::disk::shown;
use super::sys;

/// Bytes that BIRD may say: an answer has a few lines, each of at most some 1,000 bytes.
pub const REPLY_MAX: usize = 64 * 1024;

/// Never `configure soft`: it leaves withdrawn routes at the peers.
const COMMAND: &[u8] = b"configure\n";

pub struct Conversation {
    stream: UnixStream,
    /// The command goes out after the first line, BIRD's greeting.
    asked: bool,
    heard: usize,
}

impl Conversation {
    /// Connects. The error says what the operator can do.
    pub fn start(path: &Path) -> Result<Conversation, String> {
        let stream = sys::socket::connect_stream(path)
            .map_err(|error| format!("cannot connect to {}: {}", shown(path), advice(&error)))?;
        Ok(Conversation {
            stream,
            asked: false,
            heard: 0,
        })
    }

    /// To be waited for until it is readable.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Takes what BIRD has said by now. `judge` gets every piece and returns its verdict once it has one,
    /// which ends the conversation; `Ok(None)`: there is more to come. An error ends it, too.
    pub fn readable<V>(
        &mut self,
        mut judge: impl FnMut(&[u8]) -> Option<V>,
    ) -> Result<Option<V>, String> {
        let mut buffer = [0; 2048];
        loop {
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => return Err("BIRD closed the connection".to_string()),
                Ok(length) => length,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(None),
                    io::ErrorKind::Interrupted => continue,
                    _ => return Err(format!("cannot read from BIRD: {}", sys::cause(&error))),
                },
            };
            let said = &buffer[..length];
            if let Some(verdict) = judge(said) {
                return Ok(Some(verdict));
            }
            self.heard += length;
            if self.heard > REPLY_MAX {
                return Err(format!("BIRD's answer is longer than {REPLY_MAX} bytes"));
            }
            if !self.asked && said.contains(&b'\n') {
                self.ask()?;
            }
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        self.asked = true;
        // Ten bytes into the empty buffer of a new connection: they fit, or something is wrong with it.
        match self.stream.write(COMMAND) {
            Ok(length) if length == COMMAND.len() => Ok(()),
            Ok(_) => Err("cannot send to BIRD: its socket takes no command".to_string()),
            Err(error) => Err(format!("cannot send to BIRD: {}", sys::cause(&error))),
        }
    }
}

fn advice(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => " (is BIRD running?)",
        io::ErrorKind::PermissionDenied => {
            " (is this user in the group that owns BIRD's control socket?)"
        }
        io::ErrorKind::WouldBlock => " (BIRD takes no connections)",
        _ => "",
    };
    format!("{}{hint}", sys::cause(error))
}

#[cfg(test)]
mod tests;
