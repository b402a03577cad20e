//! Lines to a log server: one connected UDP socket that never blocks, and a few lines kept while there is
//! none.
//!
//! A host name is never resolved here, because getaddrinfo(3) blocks: [`Syslog::needs_resolution`] asks for
//! it and [`Syslog::resolved`] takes the answer of a one-shot child that runs [`resolve_main`]. Until the
//! first answer, and while no socket can be had, the newest [`MOST_WAITING`] lines wait; each carries its own
//! time, so late is not wrong. A refused datagram (ICMP port unreachable) shows as an error of the next send:
//! it is counted, and that next line is sent again at once, to the next address if the name has more than one,
//! so the first line after the server's return arrives. Left out on purpose: noticing a server that swallows
//! everything in silence. UDP has no way to tell.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::SyslogConfig;
use crate::engine::notice::Part;
use crate::host::news::{Health, News};
use crate::host::sys::cause;
use crate::time::Mono;

/// Lines kept while there is no socket: a whole start with all its notes.
const MOST_WAITING: usize = 100;
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;
/// The pause after a failure, of the socket or of a resolution; it doubles up to the second value.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// ICMP errors are sent at a limited rate, so a while without one must pass before the server counts as back.
const QUIET: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Syslog {
    config: SyslogConfig,
    addresses: Vec<SocketAddr>,
    socket: Option<UdpSocket>,
    open_at: Mono,
    open_pause: Duration,
    waiting: VecDeque<Vec<u8>>,
    /// `None`: the server is given as an address.
    lookup: Option<Lookup>,
    dropped: u64,
    /// The socket is another one than at the last [`Self::take_changed`].
    changed: bool,
    health: Health,
}

#[derive(Debug)]
struct Lookup {
    wanted: bool,
    running: bool,
    at: Mono,
    pause: Duration,
}

impl Syslog {
    pub fn new(config: &SyslogConfig, now: Mono) -> Syslog {
        let numeric = config.server.parse::<IpAddr>().ok();
        let lookup = Lookup {
            wanted: true,
            running: false,
            at: now,
            pause: FIRST_PAUSE,
        };
        let mut syslog = Syslog {
            addresses: numeric
                .map(|address| SocketAddr::new(address, config.port))
                .into_iter()
                .collect(),
            socket: None,
            open_at: now,
            open_pause: FIRST_PAUSE,
            waiting: VecDeque::new(),
            lookup: numeric.is_none().then_some(lookup),
            dropped: 0,
            changed: false,
            health: Health::new(Part::Syslog(config.server.clone()), QUIET),
            config: config.clone(),
        };
        syslog.open_if_due(now);
        syslog
    }

    pub fn config(&self) -> &SyslogConfig {
        &self.config
    }

    /// Another handle of the socket, for the last words of a panic.
    pub fn socket_copy(&self) -> Option<UdpSocket> {
        self.socket.as_ref()?.try_clone().ok()
    }

    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub fn send(&mut self, now: Mono, line: &str) {
        let datagram = line.as_bytes();
        self.open_if_due(now);
        if self.socket.is_none() {
            if self.waiting.len() == MOST_WAITING {
                self.waiting.pop_front();
                self.lose();
            }
            self.waiting.push_back(datagram.to_vec());
            return;
        }
        self.transmit(now, datagram);
    }

    /// Sends what waits, if a socket can be had by now.
    pub fn tick(&mut self, now: Mono) {
        if !self.waiting.is_empty() {
            self.open_if_due(now);
        }
    }

    /// When [`Self::tick`] or [`Self::needs_resolution`] has something to do although no line comes.
    pub fn next_deadline(&self) -> Option<Mono> {
        if self.waiting.is_empty() || self.socket.is_some() {
            return None;
        }
        match &self.lookup {
            Some(lookup) if lookup.running => None,
            Some(lookup) if self.addresses.is_empty() => Some(lookup.at),
            _ => Some(self.open_at),
        }
    }

    /// The name and port to resolve now; asked for once until [`Self::resolved`] is told the outcome.
    pub fn needs_resolution(&mut self, now: Mono) -> Option<(String, u16)> {
        let lookup = self.lookup.as_mut()?;
        if !lookup.wanted || lookup.running || now < lookup.at {
            return None;
        }
        lookup.running = true;
        Some((self.config.server.clone(), self.config.port))
    }

    /// What [`resolve_main`] wrote, or why there is no answer.
    pub fn resolved(&mut self, now: Mono, answer: Result<&str, String>) {
        let Some(lookup) = &mut self.lookup else {
            return;
        };
        lookup.running = false;
        let found = answer.map(read_addresses);
        match found {
            Ok(addresses) if !addresses.is_empty() => {
                lookup.wanted = false;
                lookup.pause = FIRST_PAUSE;
                lookup.at = now + LONGEST_PAUSE;
                self.use_addresses(now, addresses);
            }
            other => {
                lookup.at = now + lookup.pause;
                lookup.pause = (lookup.pause * 2).min(LONGEST_PAUSE);
                let cause = other.err().unwrap_or_else(|| "no address found".into());
                // With a socket the name was only looked up again: the address that is known goes on.
                if self.socket.is_none() {
                    self.health
                        .failed(now, || format!("its name cannot be resolved: {cause}"));
                }
            }
        }
    }

    /// The name may mean another address by now.
    pub fn look_up_again(&mut self, now: Mono) {
        if let Some(lookup) = &mut self.lookup {
            lookup.wanted = true;
            lookup.at = now;
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        self.health.take_news()
    }

    /// Lines that are gone for good, since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The end of this sink: what was dropped, and what still waited.
    pub fn give_up(self) -> u64 {
        self.dropped + self.waiting.len() as u64
    }

    fn use_addresses(&mut self, now: Mono, addresses: Vec<SocketAddr>) {
        let peer = self
            .socket
            .as_ref()
            .and_then(|socket| socket.peer_addr().ok());
        if !peer.is_some_and(|peer| addresses.contains(&peer)) {
            self.socket = None;
        }
        self.addresses = addresses;
        self.open_at = now;
        self.open_if_due(now);
    }

    fn open_if_due(&mut self, now: Mono) {
        if self.socket.is_some() || now < self.open_at || self.addresses.is_empty() {
            return;
        }
        match connect(&self.addresses) {
            Ok(socket) => {
                self.socket = Some(socket);
                self.changed = true;
                self.open_pause = FIRST_PAUSE;
                for datagram in std::mem::take(&mut self.waiting) {
                    self.transmit(now, &datagram);
                }
            }
            Err(error) => self.close(now, &error),
        }
    }

    fn transmit(&mut self, now: Mono, datagram: &[u8]) {
        let only = self.addresses.len() < 2;
        for _ in 0..=self.addresses.len() {
            let Some(socket) = &self.socket else {
                break;
            };
            let refused = |error: &io::Error| error.kind() == ErrorKind::ConnectionRefused;
            match socket.send(datagram) {
                // What a receiver on this host refuses is known by now.
                Ok(_) if !matches!(socket.take_error(), Ok(Some(error)) if refused(&error)) => {
                    self.health.works(now);
                    return;
                }
                Ok(_) => {}
                // It is an earlier datagram that came back; this one has not been sent.
                Err(error) if refused(&error) => self.lose(),
                Err(error) => {
                    self.lose();
                    if !passes(&error) {
                        self.close(now, &error);
                    }
                    return;
                }
            }
            if only {
                self.refused(now);
            }
            self.move_on();
        }
        self.lose();
        self.refused(now);
    }

    fn refused(&mut self, now: Mono) {
        self.health
            .failed(now, || "connection refused: nothing listens there".into());
        self.wish_lookup();
    }

    /// Goes on with the next address of the name, if there is one.
    fn move_on(&mut self) {
        let peer = self.socket.as_ref().map(UdpSocket::peer_addr);
        let place = |peer| self.addresses.iter().position(|known| *known == peer);
        let Some(place) = peer.and_then(Result::ok).and_then(place) else {
            return;
        };
        if self.addresses.len() < 2 {
            return;
        }
        self.addresses.rotate_left(place + 1);
        if let Ok(socket) = connect(&self.addresses) {
            (self.socket, self.changed) = (Some(socket), true);
        }
    }

    fn close(&mut self, now: Mono, error: &io::Error) {
        self.socket = None;
        self.open_at = now + self.open_pause;
        self.open_pause = (self.open_pause * 2).min(LONGEST_PAUSE);
        self.health.failed(now, || cause(error));
        self.wish_lookup();
    }

    fn wish_lookup(&mut self) {
        if let Some(lookup) = &mut self.lookup {
            lookup.wanted = true;
        }
    }

    fn lose(&mut self) {
        self.dropped += 1;
        self.health.lost(1);
    }
}

/// Errors that concern one datagram and not the socket.
fn passes(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
            | ErrorKind::OutOfMemory
            | ErrorKind::InvalidInput
    ) || error.raw_os_error() == Some(crate::host::sys::log_fd::TOO_LONG)
        || error.raw_os_error() == Some(crate::host::sys::log_fd::NO_BUFFERS)
}

/// A non-blocking socket that is connected to the first address that has a route.
fn connect(addresses: &[SocketAddr]) -> io::Result<UdpSocket> {
    let mut outcome = Err(io::Error::from(ErrorKind::NotFound));
    for address in addresses {
        outcome = connect_one(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn connect_one(address: &SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    Ok(socket)
}

fn read_addresses(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .take(MOST_ADDRESSES)
        .collect()
}

/// The one-shot that may block: writes one `address:port` a line to stdout; status 1 and the cause on stderr
/// if there is none.
pub fn resolve_main(host: &str, port: u16) -> ExitCode {
    let outcome = resolve(host, port).and_then(|addresses| {
        let mut text = String::new();
        for address in addresses {
            text.push_str(&address.to_string());
            text.push('\n');
        }
        io::stdout().write_all(text.as_bytes())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{}", cause(&error));
            ExitCode::FAILURE
        }
    }
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()?
        .take(MOST_ADDRESSES)
        .collect();
    if addresses.is_empty() {
        return Err(io::Error::new(ErrorKind::NotFound, "no address found"));
    }
    Ok(addresses)
}

/// Sends one datagram and waits for the resolver if it must: only for a process that is about to end.
pub fn send_last(config: &SyslogConfig, line: &str) {
    for address in resolve(&config.server, config.port).unwrap_or_default() {
        let sent = connect_one(&address).and_then(|socket| {
            socket.send(line.as_bytes())?;
            socket.take_error()
        });
        if matches!(sent, Ok(None)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
