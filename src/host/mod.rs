//! The kernel: everything that touches it, and nothing that decides.
//!
//! Each room owns one kind of descriptor and says what it wants to wait for; the reactor waits, asks each room what
//! happened, hands it to the engine and performs the engine's actions. Nothing here ends the daemon for trouble
//! outside: it is counted, said once and tried again.

pub mod addresses;
mod ask_bird;
pub mod bird_socket;
pub mod client;
pub mod disk;
pub mod drain;
pub mod instance;
pub mod job;
pub mod log;
pub mod maintenance;
pub mod news;
pub mod notify;
pub mod probe;
pub mod reactor;
pub mod status_socket;
pub mod sys;
#[cfg(test)]
mod test_dir;
pub mod trial;
pub mod writer;

use std::ffi::OsString;
use std::process::ExitCode;

/// Puts signals in order, whoever started us. First of all, in every mode that has a name.
pub fn prepare() {
    if let Err(error) = sys::signal::prepare() {
        log::say(&format!(
            "anycast-healthchecker: cannot reset signals: {}",
            sys::cause(&error)
        ));
    }
}

/// What the daemon starts itself for, and nobody else should: looking up the log server, and writing files. Such a process
/// puts its signals in order by itself.
pub fn hidden_mode(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<String> = arguments
        .into_iter()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match &words[..] {
        [option, host, port] if option == reactor::RESOLVE_OPTION => {
            prepare();
            Some(log::resolve_main(host, port.parse().unwrap_or(0)))
        }
        [option, parent] if option == writer::OPTION => {
            Some(writer::main(parent.parse().unwrap_or(0)))
        }
        _ => None,
    }
}
