//! The status socket: every connection is answered with one JSON document and closed; and the client for it.
//!
//! The server reads nothing, waits for nobody and is bounded in every direction: clients, time for each, memory
//! for each, accepts a turn and a second, and its share of the loop's time. A document is made while its client
//! reads it, so each holds a piece of it and no more. A reload ends the documents that are under way: what has
//! come is then no JSON, and the client asks again. Whoever does not read goes first when others want to come.
//!
//! The abstract name has no permissions, so any local user may take it before the daemon does. The daemon
//! then says so and tries again; and the client believes only a listener that runs as root, as the asking
//! user, or as a user whom the caller names: the owner of the pidfile, a file that only root and the daemon's
//! user can make. Taking the name can so keep `--status` from an answer, but neither stop the daemon nor
//! mislead the reader.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use super::news::{Health, News};
use super::share::Share;
use super::sys::{cause, clock, peer, process};
use crate::engine::notice::Part;
use crate::render::Piece;
use crate::render::status::{self, Cursor};
use crate::time::Mono;

/// The name in the abstract name space.
pub const NAME: &str = "anycast-healthchecker.status";

/// Connections that are served at a time; each holds a descriptor and at most one piece of its document.
const MOST_CLIENTS: usize = 32;
/// How long a client may leave what it was sent unread, and how long it may be here at all.
const PATIENCE: Duration = Duration::from_secs(5);
const LONGEST_STAY: Duration = Duration::from_secs(60);
/// Accepts in one turn of the loop, so that a flood delays no check, and in one second; beyond it clients wait
/// in the backlog.
const MOST_ACCEPTS: usize = 16;
const SECOND: Duration = Duration::from_secs(1);
const MOST_ACCEPTS_A_SECOND: u32 = 500;
/// One part in so many of the loop's time is for documents.
const SHARE: u32 = 4;
/// When a lack of descriptors, or a name that is taken, is tried again.
const ACCEPT_PAUSE: Duration = SECOND;
const BIND_PAUSE: Duration = Duration::from_secs(10);
/// What a client may have sent: it is discarded, since closing over it would reset the connection.
const DISCARDED: usize = 4096;
/// How often the client asks while its answer is cut short.
const MOST_TRIES: u32 = 5;
/// The client's bound on a document: some hundred thousand services.
const MOST_DOCUMENT: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub struct StatusSocket {
    name: String,
    listener: Option<UnixListener>,
    bind_at: Mono,
    accept_at: Mono,
    /// In the order in which they are served.
    clients: VecDeque<Client>,
    share: Share,
    second: Mono,
    accepts: u32,
    health: Health,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    cursor: Cursor,
    /// The piece on its way, and how far it has come.
    piece: String,
    sent: usize,
    more: bool,
    /// Since when its buffer is full.
    blocked: Option<Mono>,
    leaves: Mono,
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
            clients: VecDeque::new(),
            share: Share::one_in(SHARE, now),
            second: now,
            accepts: 0,
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
        let room = self.clients.len() < MOST_CLIENTS || self.place_of_blocked().is_some();
        let listener = self.listener.as_ref();
        let listener = listener.filter(|_| room && now >= self.accept_at);
        let blocked = self
            .clients
            .iter()
            .filter(|client| client.blocked.is_some());
        listener
            .map(|listener| (listener.as_fd(), false))
            .into_iter()
            .chain(blocked.map(|client| (client.stream.as_fd(), true)))
    }

    /// Takes in who has come, and tries again with those whose buffers were full.
    pub fn ready(&mut self, now: Mono) {
        self.clients.retain_mut(|client| client.flush(now));
        self.accept(now);
    }

    /// Goes on with the documents, in turn, as far as the share of time lasts. `make` appends the next piece;
    /// returns how many documents were begun.
    pub fn serve(
        &mut self,
        now: Mono,
        clock: &dyn Fn() -> Mono,
        make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
    ) -> usize {
        let (clients, mut begun) = (&mut self.clients, 0);
        self.share.spend(clock, &mut || {
            let Some(place) = clients.iter().position(|client| client.blocked.is_none()) else {
                return false;
            };
            let Some(mut client) = clients.remove(place) else {
                return false;
            };
            begun += usize::from(client.is_new());
            if client.next_piece(now, make) {
                clients.push_back(client);
            }
            true
        });
        begun
    }

    /// When [`Self::tick`] or [`Self::serve`] is to be called.
    pub fn next_deadline(&self, now: Mono) -> Option<Mono> {
        let bind = self.listener.is_none().then_some(self.bind_at);
        let accept = (self.listener.is_some() && now < self.accept_at).then_some(self.accept_at);
        let clients = self.clients.iter().map(|client| match client.blocked {
            None => self.share.free_at(),
            Some(since) => client.leaves.min(since + PATIENCE),
        });
        [bind, accept, clients.min()].into_iter().flatten().min()
    }

    /// Drops clients whose time is over, and tries the name again.
    pub fn tick(&mut self, now: Mono) {
        self.clients.retain(|client| {
            now < client.leaves && client.blocked.is_none_or(|since| now < since + PATIENCE)
        });
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

    fn accept(&mut self, now: Mono) {
        if now.since(self.second) >= SECOND {
            (self.second, self.accepts) = (now, 0);
        }
        for _ in 0..MOST_ACCEPTS {
            let Some(listener) = self.listener.as_ref().filter(|_| now >= self.accept_at) else {
                return;
            };
            if self.accepts == MOST_ACCEPTS_A_SECOND {
                self.accept_at = self.second + SECOND;
                return;
            }
            if self.clients.len() == MOST_CLIENTS && self.place_of_blocked().is_none() {
                return;
            }
            match listener.accept() {
                Ok((stream, _)) => {
                    self.accepts += 1;
                    self.health.works(now);
                    if stream.set_nonblocking(true).is_ok() {
                        self.admit(now, stream);
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
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
    }

    fn admit(&mut self, now: Mono, stream: UnixStream) {
        if self.clients.len() == MOST_CLIENTS {
            if let Some(place) = self.place_of_blocked() {
                self.clients.remove(place);
            }
        }
        self.clients.push_back(Client {
            stream,
            cursor: Cursor::default(),
            piece: String::new(),
            sent: 0,
            more: true,
            blocked: None,
            leaves: now + LONGEST_STAY,
        });
    }

    /// Who has left its buffer full for longest.
    fn place_of_blocked(&self) -> Option<usize> {
        let blocked = |place: &usize| self.clients[*place].blocked;
        let places = 0..self.clients.len();
        places
            .filter(|place| blocked(place).is_some())
            .min_by_key(blocked)
    }
}

impl Client {
    fn is_new(&self) -> bool {
        self.more && self.piece.is_empty()
    }

    /// Sends the next piece; false if the client is done with, one way or the other.
    fn next_piece(
        &mut self,
        now: Mono,
        make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
    ) -> bool {
        self.piece.clear();
        self.sent = 0;
        match make(&mut self.cursor, &mut self.piece) {
            Piece::More => {}
            Piece::Last => self.more = false,
            Piece::Outdated => return false,
        }
        self.flush(now)
    }

    /// Writes what goes; false if the client is done with, one way or the other.
    fn flush(&mut self, now: Mono) -> bool {
        while self.sent < self.piece.len() {
            match self.stream.write(&self.piece.as_bytes()[self.sent..]) {
                Ok(0) => return false,
                Ok(count) => {
                    self.sent += count;
                    self.blocked = None;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked.get_or_insert(now);
                    return true;
                }
                Err(_) => return false,
            }
        }
        if self.more {
            return true;
        }
        let _ = self.stream.shutdown(Shutdown::Read);
        let _ = self.stream.read(&mut [0u8; DISCARDED]);
        false
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

/// How long the client waits: for each step, and for the whole answer. A daemon that only drips must not hold it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub step: Duration,
    pub whole: Duration,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// The document without its services, whose number then does not matter.
    Head,
}

/// Asks the running daemon. `trusted`: users besides root and the caller's own whose daemon is believed.
pub fn ask(extent: Extent, limits: Limits, trusted: &[u32]) -> Result<Vec<u8>, NoAnswer> {
    ask_at(NAME, extent, limits, |uid| {
        uid == 0 || uid == process::effective_uid() || trusted.contains(&uid)
    })
}

fn ask_at(
    name: &str,
    extent: Extent,
    limits: Limits,
    believe: impl Fn(u32) -> bool,
) -> Result<Vec<u8>, NoAnswer> {
    let until = clock::now().mono + limits.whole;
    let mut tries = 0;
    loop {
        tries += 1;
        let stream = match peer::connect_abstract(name.as_bytes(), limits.step) {
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
        let document = read(stream, extent, limits.step, until).map_err(|error| broken(&error))?;
        if document.is_empty() {
            return Err(NoAnswer::Broken(
                "it closed the connection without a word".into(),
            ));
        }
        // A reload ends the document in its midst.
        if tries == MOST_TRIES || !status::is_cut(&document) {
            return Ok(document);
        }
    }
}

fn read(
    mut stream: UnixStream,
    extent: Extent,
    step: Duration,
    until: Mono,
) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let left = until.since(clock::now().mono);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(step.min(left)))?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(document),
            Ok(count) => document.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if document.len() > MOST_DOCUMENT {
            return Err(io::Error::other("it does not come to an end"));
        }
        if extent == Extent::Head {
            if let Some(head) = status::without_services(&document) {
                return Ok(head);
            }
        }
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
