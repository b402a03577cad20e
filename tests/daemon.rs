//! The real binary against a birdc, checks, signals, files and sockets that the tests steer.
//!
//! Each test has a work directory and namespaces of its own (`support`). Nothing looks inside the program: what
//! counts is what the prefix file says, what the stand-in for BIRD was given, what ran, and how it ended.

mod support;

#[path = "daemon/addresses.rs"]
mod addresses;
#[path = "daemon/checks.rs"]
mod checks;
#[path = "daemon/command_line.rs"]
mod command_line;
#[path = "daemon/environment.rs"]
mod environment;
#[path = "daemon/faults.rs"]
mod faults;
#[path = "daemon/files.rs"]
mod files;
#[path = "daemon/process.rs"]
mod process;
#[path = "daemon/schedule.rs"]
mod schedule;
#[path = "daemon/starts.rs"]
mod starts;
#[path = "daemon/updates.rs"]
mod updates;
