//! The status socket: every connection is answered with one JSON document and closed; and the client for it.
//!
//! The server reads nothing, waits for nobody and is bounded in every direction: clients, time for each,
//! accepts a turn and a second, documents a second. Clients of one turn share one document. When too many
//! come the oldest goes.
//!
//! The abstract name has no permissions, so any local user may take it before the daemon does. The daemon
//! then says so and tries again; and the client believes only a listener that runs as root, as the asking
//! user, or as a user whom the caller names: the owner of the pidfile, a file that only root and the daemon's
//! user can make. Taking the name can so keep `--status` from an answer, but neither stop the daemon nor
//! mislead the reader.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use super::news::{Health, News};
use super::sys::cause;
use super::sys::{peer, process};
use crate::engine::notice::Part;
use crate::time::Mono;

/// The name in the abstract name space.
pub const NAME: &str = "anycast-healthchecker.status";

/// Connections that wait for their client to read; each holds a descriptor and at most one document.
const MOST_CLIENTS: usize = 32;
/// How long a client may take to read; only documents above the socket's buffer (some 200 kB) need it at all.
const PATIENCE: Duration = Duration::from_secs(5);
/// Accepts in one turn of the loop, so that a flood delays no check.
const MOST_ACCEPTS: usize = 16;
/// Accepts and documents in one second; beyond it clients wait in the backlog, or get a document of that
/// second.
const SECOND: Duration = Duration::from_secs(1);
const MOST_ACCEPTS_A_SECOND: u32 = 500;
const MOST_DOCUMENTS_A_SECOND: u32 = 20;
/// When a lack of descriptors, or a name that is taken, is tried again.
const ACCEPT_PAUSE: Duration = SECOND;
const BIND_PAUSE: Duration = Duration::from_secs(10);
/// What a client may have sent: it is discarded, since closing over it would reset the connection.
const DISCARDED: usize = 4096;
/// The client's bound on a document: some hundred thousand services.
const MOST_DOCUMENT: u64 = 64 * 1024 * 1024;

#[derive(Debug)]
pub struct StatusSocket {
    name: String,
    listener: Option<UnixListener>,
    bind_at: Mono,
    accept_at: Mono,
    clients: Vec<Client>,
    /// The last one of a second that had as many as are made; any other goes with its clients.
    document: Option<Rc<String>>,
    second: Second,
    health: Health,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    document: Rc<String>,
    sent: usize,
    deadline: Mono,
}

/// What has been done in the current second.
#[derive(Debug, Default)]
struct Second {
    began: Mono,
    accepts: u32,
    documents: u32,
}

impl StatusSocket {
    pub fn new(now: Mono) -> StatusSocket {
        StatusSocket::named(NAME, now)
    }

    fn named(name: &str, now: Mono) -> StatusSocket {
        let mut socket = StatusSocket::named_from(name, now, now);
        socket.bind_if_due(now);
        socket
    }

    fn named_from(name: &str, bind_at: Mono, now: Mono) -> StatusSocket {
        StatusSocket {
            name: name.to_string(),
            listener: None,
            bind_at,
            accept_at: now,
            clients: Vec::new(),
            document: None,
            second: Second::default(),
            health: Health::new(Part::StatusSocket, Duration::ZERO),
        }
    }

    /// For whoever has no daemon's status to tell: it listens nowhere.
    pub fn unbound() -> StatusSocket {
        let never = Mono::from_micros(u64::MAX);
        StatusSocket::named_from("", never, never)
    }

    /// The descriptors to wait for, and whether for writing (else for reading). If any of them is ready, or
    /// has an error: [`Self::ready`].
    pub fn fds(&self, now: Mono) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        let listener = self.listener.as_ref().filter(|_| now >= self.accept_at);
        let listener = listener.map(|listener| (listener.as_fd(), false));
        let clients = self.clients.iter();
        listener
            .into_iter()
            .chain(clients.map(|client| (client.stream.as_fd(), true)))
    }

    /// Serves whoever can be served; `make` renders the document and is called at most once.
    pub fn ready(&mut self, now: Mono, make: &mut dyn FnMut() -> String) {
        self.clients.retain_mut(|client| client.goes_on());
        let streams = self.accept(now);
        if streams.is_empty() {
            return;
        }
        let document = self.document(make);
        for stream in streams {
            let mut client = Client {
                stream,
                document: Rc::clone(&document),
                sent: 0,
                deadline: now + PATIENCE,
            };
            if client.goes_on() {
                if self.clients.len() == MOST_CLIENTS {
                    self.clients.remove(0);
                }
                self.clients.push(client);
            }
        }
    }

    /// When [`Self::tick`] is to be called.
    pub fn next_deadline(&self, now: Mono) -> Option<Mono> {
        let bind = self.listener.is_none().then_some(self.bind_at);
        let accept = (self.listener.is_some() && now < self.accept_at).then_some(self.accept_at);
        let clients = self.clients.iter().map(|client| client.deadline).min();
        [bind, accept, clients].into_iter().flatten().min()
    }

    /// Drops clients whose time is over, and tries the name again.
    pub fn tick(&mut self, now: Mono) {
        self.clients.retain(|client| now < client.deadline);
        self.bind_if_due(now);
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    fn bind_if_due(&mut self, now: Mono) {
        if self.listener.is_some() || now < self.bind_at {
            return;
        }
        match listen(&self.name) {
            Ok(listener) => {
                self.listener = Some(listener);
                self.health.works(now);
            }
            Err(error) => {
                self.bind_at = now + BIND_PAUSE;
                let name = &self.name;
                self.health.failed(now, || match error.kind() {
                    ErrorKind::AddrInUse => format!(
                        "another process holds the name @{name} (ss -xlp shows it): stop that one"
                    ),
                    _ => format!("its name @{name} cannot be bound: {}", cause(&error)),
                });
            }
        }
    }

    fn accept(&mut self, now: Mono) -> Vec<UnixStream> {
        let mut streams = Vec::new();
        let Some(listener) = &self.listener else {
            return streams;
        };
        self.second.pass(now);
        while now >= self.accept_at && streams.len() < MOST_ACCEPTS {
            if self.second.accepts == MOST_ACCEPTS_A_SECOND {
                self.accept_at = self.second.began + SECOND;
                break;
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    self.second.accepts += 1;
                    self.health.works(now);
                    if stream.set_nonblocking(true).is_ok() {
                        streams.push(stream);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    // No descriptors or no memory: the client waits in the backlog, and the loop must not
                    // spin.
                    _ => {
                        self.accept_at = now + ACCEPT_PAUSE;
                        self.health.failed(now, || cause(&error));
                    }
                },
            }
        }
        streams
    }

    /// Megabytes with many services, so none is kept that is not needed again.
    fn document(&mut self, make: &mut dyn FnMut() -> String) -> Rc<String> {
        let most = MOST_DOCUMENTS_A_SECOND;
        if self.second.documents >= most {
            if let Some(document) = &self.document {
                return Rc::clone(document);
            }
        }
        self.second.documents += 1;
        let document = Rc::new(make());
        let last = self.second.documents >= most;
        self.document = last.then(|| Rc::clone(&document));
        document
    }
}

impl Client {
    /// Writes what goes; false if the client is done with, one way or the other.
    fn goes_on(&mut self) -> bool {
        while self.sent < self.document.len() {
            match self.stream.write(&self.document.as_bytes()[self.sent..]) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        let _ = self.stream.shutdown(Shutdown::Read);
        let _ = self.stream.read(&mut [0u8; DISCARDED]);
        false
    }
}

impl Second {
    fn pass(&mut self, now: Mono) {
        if now.since(self.began) >= SECOND {
            *self = Second {
                began: now,
                ..Second::default()
            };
        }
    }
}

fn listen(name: &str) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Why there is no document.
#[derive(Debug)]
pub enum NoAnswer {
    /// Nobody listens: no daemon runs in this network namespace.
    NoDaemon,
    /// Somebody listens whom there is no reason to believe.
    Untrusted { uid: u32 },
    /// A daemon listens, but does not answer (stopped, hung), or the conversation broke.
    Broken(String),
}

impl NoAnswer {
    /// One sentence for the operator.
    pub fn words(&self) -> String {
        match self {
            NoAnswer::NoDaemon => {
                format!(
                    "no daemon answers: nothing listens on @{NAME}; is it running, and in this network namespace?"
                )
            }
            NoAnswer::Untrusted { uid } => format!(
                "no daemon answers: @{NAME} is held by user {uid}, who does not own the pidfile; if the daemon runs as \
                 that user, name its settings (-f) or ask as that user"
            ),
            NoAnswer::Broken(cause) => format!("no daemon answers: {cause}"),
        }
    }
}

/// Asks the running daemon, waiting at most `limit` for each step. `trusted`: users besides root and the
/// caller's own whose daemon is believed.
pub fn ask(limit: Duration, trusted: &[u32]) -> Result<Vec<u8>, NoAnswer> {
    ask_at(NAME, limit, |uid| {
        uid == 0 || uid == process::effective_uid() || trusted.contains(&uid)
    })
}

fn ask_at(name: &str, limit: Duration, believe: impl Fn(u32) -> bool) -> Result<Vec<u8>, NoAnswer> {
    let stream = match peer::connect_abstract(name.as_bytes(), limit) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            return Err(NoAnswer::NoDaemon);
        }
        Err(error) => return Err(broken(&error)),
    };
    let uid = peer::peer_uid(&stream).map_err(|error| broken(&error))?;
    if !believe(uid) {
        return Err(NoAnswer::Untrusted { uid });
    }
    stream
        .set_read_timeout(Some(limit))
        .map_err(|error| broken(&error))?;
    let mut document = Vec::new();
    let read = stream.take(MOST_DOCUMENT).read_to_end(&mut document);
    match read {
        Ok(0) => Err(NoAnswer::Broken(
            "it closed the connection without a word".into(),
        )),
        Ok(_) => Ok(document),
        Err(error) => Err(broken(&error)),
    }
}

fn broken(error: &io::Error) -> NoAnswer {
    NoAnswer::Broken(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => "it does not respond in time".into(),
        _ => cause(error),
    })
}

#[cfg(test)]
mod tests;
