//! The commands that print something and end.
//!
//! Those about the configuration leave no trace: nothing is made, touched or, but by `-t`, run. Results go to
//! standard output, everything else to standard error. A reader that has gone away (`| head`) is no failure;
//! a full disk below a redirection is.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::cli;
use crate::config::document::Document;
use crate::config::load::{self, Loaded, Source, load};
use crate::config::{Complaint, Config, Level, Severity, print, report};
use crate::host::sys::terminal;
use crate::host::{client, log, probe, trial};
use crate::render::{escape, status, table, test_report};

/// Wrong usage.
const USAGE_STATUS: u8 = 2;
/// `--status` without an answer.
const NO_DAEMON_STATUS: u8 = 3;
/// Takes back what stands on the line of a terminal.
const ERASE_LINE: &str = "\r\x1b[K";

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

/// `-t`: 0 if every service passed, else 1.
pub fn test(source: &Source, json: bool) -> ExitCode {
    // Without asking BIRD, which is none of a test's business.
    let config = match valid(probe::with(|probes| load(source, probes))) {
        Ok((config, _)) => config,
        Err(code) => return code,
    };
    let watched = io::stderr().is_terminal();
    let rows = trial::run(&config, &mut |done, of| {
        if watched && done < of {
            err(
                Level::Info,
                &format!("{ERASE_LINE}{done} of {of} checks done"),
            );
        } else if watched {
            err(Level::Info, ERASE_LINE);
        }
    });
    let rows = match rows {
        Ok(rows) => rows,
        Err(cause) => return refuse(&cause),
    };
    let text = match json {
        true => test_report::json(&rows),
        false => test_report::table(&rows, screen()),
    };
    out_with(&text, test_report::exit_code(&rows))
}

/// `-s`: 0 if every enabled service is up, 1 if not, 3 if no daemon answers.
pub fn status(source: &Source, json: bool) -> ExitCode {
    let told = match client::status(source) {
        Ok(told) => told,
        Err(cause) => {
            refuse(&cause);
            return ExitCode::from(NO_DAEMON_STATUS);
        }
    };
    let text = match json {
        true => told.text,
        false => table::status(&told.document, screen()),
    };
    out_with(&text, status::exit_code(&told.document))
}

/// `--drain`, or `--undrain` if not `on`.
pub fn drain(source: &Source, service: &str, on: bool) -> ExitCode {
    let read = load::read(source);
    let drained = match client::drain(&read.document, service, on) {
        Ok(drained) => drained,
        Err(cause) => {
            // What could not be read may be where the service stands.
            say_all(&read.complaints, &read.notes);
            return refuse(&cause);
        }
    };
    if let Some(note) = drained.note {
        err(Level::Info, &format!("note: {note}\n"));
    }
    let report = format!("{}\n", drained.report);
    match drained.exit_status {
        0 => out(&report),
        status => {
            err(Level::Error, &report);
            ExitCode::from(status)
        }
    }
}

/// Columns of the terminal that reads the table, if one does. Who stands between it and us (watch(1)) tells them in
/// a variable.
fn screen() -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    let columns = terminal::columns(&io::stdout()).or_else(told);
    columns.filter(|columns| *columns > 0)
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
