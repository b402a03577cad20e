//! The kernel: everything that touches it, and nothing that decides.
//!
//! Each room owns one kind of descriptor and says what it wants to wait for; the reactor waits, asks each room what
//! happened, hands it to the engine and performs the engine's actions. Nothing here ends the daemon for trouble
//! outside: it is counted, said once and tried again.

pub mod addresses;
pub mod bird_socket;
pub mod disk;
pub mod drain;
pub mod instance;
pub mod job;
pub mod log;
pub mod maintenance;
pub mod news;
pub mod notify;
pub mod probe;
pub mod status_socket;
pub mod sys;
#[cfg(test)]
mod test_dir;
