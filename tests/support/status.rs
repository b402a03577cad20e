//! What the daemon says of itself: the document of its status socket, read without the program's own client.
//!
//! Abstract sockets belong to the network namespace, so the calling thread reaches the daemon of its own lab.

#![allow(clippy::question_mark)] // nanoserde derives it so.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};

use nanoserde::DeJson;

use super::wait_until;

#[derive(Clone, Debug, DeJson)]
pub struct Document {
    pub families: Vec<Family>,
    pub services: Vec<Service>,
    pub checks_running: u32,
    pub checks_waiting: usize,
    pub config: Config,
}

#[derive(Clone, Debug, DeJson)]
pub struct Family {
    pub family: String,
    pub settled: bool,
    pub reconfigured: u64,
    pub reconfigure_failed: u64,
}

#[derive(Clone, Debug, DeJson, PartialEq)]
pub struct Service {
    pub name: String,
    pub status: String,
    pub cause: String,
    pub reason: String,
    pub since: String,
    pub maintenance: bool,
    pub next_run_in_seconds: Option<f64>,
    pub checks: Checks,
    pub changes: u64,
}

#[derive(Clone, Debug, DeJson, PartialEq)]
pub struct Checks {
    pub passed: u64,
    pub failed: u64,
    pub timed_out: u64,
}

#[derive(Clone, Debug, DeJson)]
pub struct Config {
    pub reloads: u64,
    pub reloads_refused: u64,
}

/// The document as it is now, if a daemon answers.
pub fn ask() -> Option<Document> {
    let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
    let mut text = String::new();
    UnixStream::connect_addr(&name)
        .and_then(|mut stream| stream.read_to_string(&mut text))
        .ok()?;
    Some(Document::deserialize_json(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
}

#[track_caller]
pub fn service(name: &str) -> Service {
    let document = ask().expect("the daemon answers");
    let mut services = document.services.into_iter();
    let found = services.find(|service| service.name == name);
    found.unwrap_or_else(|| panic!("{name} is not in the status"))
}

/// Waits until `name` has this status for this cause.
#[track_caller]
pub fn wait_service(name: &str, status: &str, cause: &str) {
    wait_until(&format!("{name} is {status} because of {cause}"), || {
        let service = service(name);
        service.status == status && service.cause == cause
    });
}
