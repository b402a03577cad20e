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
mod follow;
pub mod instance;
pub mod job;
pub mod log;
mod metrics_file;
pub mod news;
pub mod notify;
mod owner;
pub mod probe;
pub mod reactor;
pub mod reading;
mod share;
pub mod status_socket;
pub mod sys;
#[cfg(test)]
mod test_dir;
pub mod trial;
pub mod withdraw;
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

/// What the program starts itself for, and nobody else should: looking up the log server, reading the configuration,
/// writing files and withdrawing. A writer puts its signals in order by itself.
pub fn hidden_mode(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<OsString> = arguments.into_iter().skip(1).collect();
    match &words[..] {
        [option, host, port] if option == reactor::RESOLVE_OPTION => {
            prepare();
            let port = port.to_str().and_then(|port| port.parse().ok());
            Some(log::resolve_main(
                &host.to_string_lossy(),
                port.unwrap_or(0),
            ))
        }
        [option, file, dir, service_file] if option == reading::READ_OPTION => {
            prepare();
            let source = reading::child_source([file, dir, service_file]);
            Some(reading::child_main(&source))
        }
        [option, rest @ ..] if option == withdraw::OPTION => {
            prepare();
            Some(withdraw::main(rest))
        }
        [option, parent] if option == writer::OPTION => {
            let parent = parent.to_str().and_then(|parent| parent.parse().ok());
            Some(writer::main(parent.unwrap_or(0)))
        }
        _ => None,
    }
}
