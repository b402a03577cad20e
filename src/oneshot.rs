//! The commands that print something and end.
//!
//! Those about the configuration leave no trace: nothing is made, touched or, but by `-t`, run. Results go to
//! standard output, everything else to standard error. A reader that has gone away (`| head`) is no failure;
//! a full disk below a redirection is.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli;
use crate::config::document::Document;
use crate::config::load::{Loaded, Source};
use crate::config::{Complaint, Config, Level, Severity, print, report};
use crate::host::{log, reading};
use crate::render::escape;

// The minimal build has none of what an operator types at a host that is in service.
#[cfg_attr(not(feature = "tools"), path = "oneshot/no_tools.rs")]
mod tools;

pub use tools::{drain, status, test};

/// Wrong usage.
const USAGE_STATUS: u8 = 2;

/// `-c`: `OK`, or everything that is wrong.
pub fn check(source: &Source) -> ExitCode {
    match valid(reading::load_and_ask(source)) {
        Ok(_) => out("OK\n"),
        Err(status) => status,
    }
}

/// `-P`, if the configuration is valid.
pub fn print_conf(source: &Source, json: bool) -> ExitCode {
    match valid(reading::load(source)) {
        Ok((_, document)) if json => out(&print::json(&document)),
        Ok((_, document)) => out(&print::configuration(&document)),
        Err(status) => status,
    }
}

/// `-p`.
pub fn print_defaults() -> ExitCode {
    out(&print::defaults())
}

/// `-v`.
pub fn version() -> ExitCode {
    out(concat!(env!("CARGO_PKG_VERSION"), "\n"))
}

/// `-h`.
pub fn help() -> ExitCode {
    out(&cli::help())
}

/// Wrong usage: the reason in one line, and what would be right.
pub fn usage(error: &cli::UsageError) -> ExitCode {
    let text = format!("anycast-healthchecker: {error}\n{}", cli::USAGE);
    err(Level::Error, &text);
    ExitCode::from(USAGE_STATUS)
}

/// What keeps the program from doing what it was asked for.
fn refuse(cause: &str) -> ExitCode {
    let text = format!("anycast-healthchecker: {}\n", escape::visible(cause));
    err(Level::Error, &text);
    ExitCode::FAILURE
}

/// Says what was assumed and what is wrong; the configuration if nothing worse than warnings was said.
fn valid(loaded: Loaded) -> Result<(Config, Document), ExitCode> {
    say(&loaded);
    match loaded.config {
        Some(config) => Ok((config, loaded.document)),
        None => Err(ExitCode::FAILURE),
    }
}

/// Notes and complaints on standard error.
pub fn say(loaded: &Loaded) {
    say_all(&loaded.complaints, &loaded.notes);
}

fn say_all(complaints: &[Complaint], notes: &[String]) {
    let invalid = complaints
        .iter()
        .any(|complaint| complaint.severity == Severity::Error);
    // The verdict is the first line there is.
    if invalid {
        err(Level::Error, &report::render(complaints));
    }
    say_notes(notes);
    if !invalid {
        err(Level::Warning, &report::render(complaints));
    }
}

fn say_notes(notes: &[String]) {
    let text: String = notes.iter().map(|note| format!("note: {note}\n")).collect();
    err(Level::Info, &text);
}

/// What stands in the way of a start, or was assumed for it; warnings are the log's.
pub fn say_before_start(loaded: &Loaded) {
    if loaded.config.is_none() {
        return say(loaded);
    }
    say_notes(&loaded.notes);
}

/// Prints, and makes the status of it.
fn out(text: &str) -> ExitCode {
    out_with(text, 0)
}

/// Prints, and ends with this status unless that fails.
fn out_with(text: &str, status: u8) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match printed {
        Ok(()) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(status),
        Err(error) => {
            let text = format!("cannot write to standard output: {error}\n");
            err(Level::Error, &text);
            ExitCode::FAILURE
        }
    }
}

/// Nobody can be told if this fails.
fn err(level: Level, text: &str) {
    let text = log::on_stderr(level, text);
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
