//! The commands that print something about the configuration and end.
//!
//! They leave no trace: nothing is made, touched or run. Results go to standard output, everything else to
//! standard error. A reader that has gone away (`| head`) is no failure; a full disk below a redirection is.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli;
use crate::config::document::Document;
use crate::config::load::{Loaded, Source, load};
use crate::config::{Severity, print, report};
use crate::host::probe;

/// Wrong usage.
const USAGE_STATUS: u8 = 2;

/// `-c`: `OK`, or everything that is wrong.
pub fn check(source: &Source) -> ExitCode {
    match valid(probe::with_all(|probes| load(source, probes))) {
        Ok(_) => out("OK\n"),
        Err(status) => status,
    }
}

/// `-P`, if the configuration is valid.
pub fn print_conf(source: &Source, json: bool) -> ExitCode {
    match valid(probe::with(|probes| load(source, probes))) {
        Ok(document) if json => out(&print::json(&document)),
        Ok(document) => out(&print::configuration(&document)),
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
    err(&format!("anycast-healthchecker: {error}\n{}", cli::USAGE));
    ExitCode::from(USAGE_STATUS)
}

/// Says what was assumed and what is wrong; the document if nothing worse than warnings was said.
fn valid(loaded: Loaded) -> Result<Document, ExitCode> {
    say(&loaded);
    match loaded.config {
        Some(_) => Ok(loaded.document),
        None => Err(ExitCode::FAILURE),
    }
}

/// Notes and complaints on standard error.
pub fn say(loaded: &Loaded) {
    let mut text = String::new();
    let invalid = loaded
        .complaints
        .iter()
        .any(|complaint| complaint.severity == Severity::Error);
    // The verdict is the first line there is.
    if invalid {
        text.push_str(&report::render(&loaded.complaints));
    }
    for note in &loaded.notes {
        text.push_str("note: ");
        text.push_str(note);
        text.push('\n');
    }
    if !invalid {
        text.push_str(&report::render(&loaded.complaints));
    }
    err(&text);
}

/// What stands in the way of a start, or was assumed for it; warnings are the log's.
pub fn say_before_start(loaded: &Loaded) {
    if loaded.config.is_none() {
        return say(loaded);
    }
    let notes: String = loaded
        .notes
        .iter()
        .map(|note| format!("note: {note}\n"))
        .collect();
    err(&notes);
}

/// Prints, and makes the status of it.
fn out(text: &str) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            err(&format!("cannot write to standard output: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Nobody can be told if this fails.
fn err(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
