//! `--test`, `--status`, `--drain` and `--undrain`: what operators type at a host that is in service.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use super::{err, out, out_with, refuse, say_all, valid};
use crate::cli::Shown;
use crate::config::Level;
use crate::config::load::Source;
use crate::host::status_socket::Extent;
use crate::host::sys::terminal;
use crate::host::{client, reading, trial};
use crate::render::{status as document, table, test_report};

/// `--status` without an answer.
const NO_DAEMON_STATUS: u8 = 3;
/// Takes back what stands on the line of a terminal.
const ERASE_LINE: &str = "\r\x1b[K";

/// `-t`: 0 if every service passed, else 1.
pub fn test(source: &Source, json: bool) -> ExitCode {
    // Without asking BIRD, which is none of a test's business.
    let config = match valid(reading::load(source)) {
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

/// `-s`: 0 if every enabled service that is shown is up, 1 if not, 3 if no daemon answers.
pub fn status(source: &Source, json: bool, what: &Shown) -> ExitCode {
    let extent = match what {
        Shown::Summary => Extent::Head,
        Shown::All | Shown::Services(_) => Extent::Whole,
    };
    let mut told = match client::status(source, extent) {
        Ok(told) => told,
        Err(cause) => {
            refuse(&cause);
            return ExitCode::from(NO_DAEMON_STATUS);
        }
    };
    let document = &mut told.document;
    let mut code = document::exit_code(document);
    if let Shown::Services(names) = what {
        code = u8::from(!document::choose(document, names));
        for name in names {
            if !document.services.iter().any(|known| known.name == *name) {
                let cause = format!("the running daemon has no service {name}");
                refuse(&cause);
                code = 1;
            }
        }
    }
    let text = match (json, what) {
        (true, Shown::Services(_)) => document::to_json(document),
        (true, _) => told.text,
        (false, Shown::Summary) => table::summary(document, screen()),
        (false, _) => table::status(document, screen()),
    };
    out_with(&text, code)
}

/// `--drain`, or `--undrain` if not `on`.
pub fn drain(source: &Source, service: &str, on: bool) -> ExitCode {
    let read = reading::unchecked(source);
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
