//! The addresses of this host by interface: one dump at the start, then the kernel's notifications.
//!
//! [`Watch`] keeps a table that agrees with the kernel's. Whenever a notification was lost or not understood,
//! the whole is dumped again; until that has worked the watch says so by an error, and [`Watch::refresh`] is
//! due. No privilege is needed. Not seen: that an interface which is down gets or loses an alternative name, since the
//! kernel tells of it only with the next change of that interface.

mod message;
mod table;

use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;

use self::message::{Body, Messages};
use super::sys::netlink::{self, Received, Socket};
use crate::engine::addresses::{Addresses, Assigned};

/// What the kernel puts into one datagram of a dump at most.
const DUMP_BUFFER: usize = 32 * 1024;

/// Room for a notification, which tells of one address or link. A longer one leads to a dump.
const NOTE_BUFFER: usize = 8 * 1024;

/// Notifications read in one turn. More stay queued, and poll tells of them again.
const NOTES_PER_TURN: usize = 256;

/// So often a dump is repeated that the kernel marks as interrupted by a change. After that the last one is taken for
/// now: the change that interrupted it is in the queue of notifications, and leads to the next dump.
const DUMP_TRIES: usize = 5;

/// Datagrams of one dump: some two million addresses. Only a broken kernel says more.
const DUMP_DATAGRAMS: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    Changed,
}

pub struct Watch {
    socket: Socket,
    table: Rc<Addresses>,
    /// The table differs from what the caller was told of last.
    changed: bool,
    stale: bool,
    buffer: Box<[u8]>,
}

impl Watch {
    pub fn open() -> io::Result<Watch> {
        // Subscribed before the dump, so that nothing is lost between the two.
        let socket = Socket::subscribed()?;
        let (table, whole) = dump_or_less()?;
        Ok(Watch {
            socket,
            table: Rc::new(table),
            changed: false,
            stale: !whole,
            buffer: vec![0; NOTE_BUFFER].into_boxed_slice(),
        })
    }

    /// To be waited for until it is readable.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    pub fn addresses(&self) -> Rc<Addresses> {
        self.table.clone()
    }

    /// Takes in what the kernel has told since the last time. After an error the change that it may have told of comes
    /// with the next success.
    pub fn readable(&mut self) -> io::Result<Change> {
        for _ in 0..NOTES_PER_TURN {
            match self.socket.receive(&mut self.buffer) {
                Ok(Received::Messages(bytes)) => {
                    for message in Messages::of(bytes) {
                        match message.map(|message| message.body) {
                            Some(body) => self.changed |= table::apply(&mut self.table, &body),
                            None => self.stale = true,
                        }
                    }
                }
                Ok(Received::Truncated) => self.stale = true,
                Ok(Received::Foreign) => {}
                Err(error) => match error.raw_os_error() {
                    Some(netlink::EAGAIN) => break,
                    // The queue overflowed.
                    Some(netlink::ENOBUFS) => self.stale = true,
                    _ => return Err(error),
                },
            }
            if self.stale {
                break;
            }
        }
        if self.stale {
            return self.refresh();
        }
        Ok(self.take_change())
    }

    fn take_change(&mut self) -> Change {
        match std::mem::take(&mut self.changed) {
            true => Change::Changed,
            false => Change::None,
        }
    }

    /// Subscribes and dumps anew.
    ///
    /// The old queue is given up with its socket: after an overflow it may tell of an address that came, and
    /// not that it went again, which must not be applied to a newer table.
    pub fn refresh(&mut self) -> io::Result<Change> {
        self.stale = true;
        let fresh = Watch::open()?;
        let old = std::mem::replace(self, fresh);
        self.changed = old.changed || old.table != self.table;
        Ok(self.take_change())
    }
}

/// The addresses of now: a dump of all links and addresses, on a socket of its own.
pub fn dump() -> io::Result<Addresses> {
    Ok(dump_or_less()?.0)
}

/// The same, and whether nothing has interrupted it. If something has, the kernel may have passed over an address.
fn dump_or_less() -> io::Result<(Addresses, bool)> {
    let socket = Socket::for_dumps()?;
    let mut buffer = vec![0; DUMP_BUFFER];
    let mut sequence = 0;
    let mut table = Addresses::default();
    for _ in 0..DUMP_TRIES {
        table = Addresses::default();
        let mut whole = true;
        for kind in [netlink::RTM_GETLINK, netlink::RTM_GETADDR] {
            sequence += 1;
            socket.request_dump(kind, sequence)?;
            let mut assigned = Vec::new();
            whole &= read_dump(&socket, sequence, &mut buffer, &mut table, &mut assigned)?;
            table.assign(&assigned);
        }
        if whole {
            return Ok((table, true));
        }
    }
    Ok((table, false))
}

/// Reads the answer to one request; false if the kernel says that a change interrupted it. Addresses are only
/// gathered, to be put in order together.
fn read_dump(
    socket: &Socket,
    sequence: u32,
    buffer: &mut [u8],
    table: &mut Addresses,
    assigned: &mut Vec<(u32, Assigned)>,
) -> io::Result<bool> {
    let mut whole = true;
    for _ in 0..DUMP_DATAGRAMS {
        let bytes = match socket.receive(buffer)? {
            Received::Messages(bytes) => bytes,
            Received::Foreign => continue,
            Received::Truncated => return Err(malformed()),
        };
        for message in Messages::of(bytes) {
            let message = message.ok_or_else(malformed)?;
            if message.sequence != sequence {
                continue;
            }
            whole &= !message.interrupted;
            match message.body {
                Body::End { errno: 0 } => return Ok(whole),
                Body::End { errno } => return Err(io::Error::from_raw_os_error(errno)),
                Body::Link {
                    index,
                    name,
                    alternatives,
                } => {
                    table.name(index, &name);
                    table.set_alternatives(index, &alternatives);
                }
                Body::Address {
                    index,
                    address,
                    usable: true,
                } => assigned.push((index, address)),
                Body::Address { .. }
                | Body::LinkGone { .. }
                | Body::AddressGone { .. }
                | Body::Other => {}
            }
        }
    }
    Err(malformed())
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the kernel's list of addresses can't be understood",
    )
}

#[cfg(test)]
mod tests;
