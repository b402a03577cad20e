//! Tables for a terminal: `--status` and `--test`.
//!
//! A column is as wide as what stands in it. Where the terminal is too narrow for that, names and prefixes give way
//! and end with `…`; no line ever wraps. Services that are not well come first and tell why on a line of their own,
//! because they are what is looked for; the rest keep the order of the configuration. On a long table the ill ones
//! have scrolled away by the time that it ends, so the last line names them again.

use std::time::Duration;

use super::date::{short_span, span};
use super::escape::{fit, visible};
use super::status::{Document, ServiceDoc, Summary};

/// Rows from which the ill ones are named again at the end: what a small terminal shows at once.
const LONG_TABLE: usize = 20;

/// How many are named there.
const NAMED_AT_END: usize = 5;

/// Blanks between two columns.
const GAP: usize = 2;

/// Columns that give way keep at least so much.
const NARROWEST: usize = 8;

/// Columns by which a reason is indented.
const INDENT: usize = 4;

/// Rows and columns of text, and lines between the rows.
pub(super) struct Grid {
    headings: Vec<&'static str>,
    /// The columns that give way when there is not enough room, first the one that is asked first.
    elastic: &'static [usize],
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    /// A sentence below the row.
    note: String,
}

impl Grid {
    pub(super) fn new(headings: &[&'static str], elastic: &'static [usize]) -> Grid {
        Grid {
            headings: headings.to_vec(),
            elastic,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>, note: String) {
        debug_assert_eq!(cells.len(), self.headings.len(), "a cell for each heading");
        self.rows.push(Row { cells, note });
    }

    fn widths(&self, screen: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|h| h.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let Some(screen) = screen else {
            return widths;
        };
        let gaps = GAP * (widths.len() - 1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(screen);
        // The wider one of the elastic columns gives first, so that neither disappears for the other's sake.
        while excess > 0 {
            let widest = self.elastic.iter().copied().max_by_key(|at| widths[*at]);
            match widest {
                Some(at) if widths[at] > NARROWEST => widths[at] -= 1,
                _ => break,
            }
            excess -= 1;
        }
        widths
    }

    /// Appends the table; without a screen nothing is cut.
    pub(super) fn print(&self, out: &mut String, screen: Option<usize>) {
        let widths = self.widths(screen);
        let headings = self.headings.iter().copied();
        print_row(out, headings, &widths, screen);
        for row in &self.rows {
            print_row(out, row.cells.iter().map(String::as_str), &widths, screen);
            if !row.note.is_empty() {
                let note = format!("{:INDENT$}{}", "", row.note);
                push_line(out, &note, screen);
            }
        }
    }
}

fn print_row<'a>(
    out: &mut String,
    cells: impl Iterator<Item = &'a str>,
    widths: &[usize],
    screen: Option<usize>,
) {
    let mut line = String::new();
    for (cell, width) in cells.zip(widths) {
        if !line.is_empty() {
            line.push_str(&" ".repeat(GAP));
        }
        line.push_str(&format!("{:<width$}", fit(cell, *width)));
    }
    push_line(out, &line, screen);
}

pub(super) fn push_line(out: &mut String, line: &str, screen: Option<usize>) {
    let line = line.trim_end();
    match screen {
        Some(screen) => out.push_str(&fit(line, screen.max(1))),
        None => out.push_str(line),
    }
    out.push('\n');
}

/// The table of `--status` after its summary, for a terminal of so many columns, or for a file if that is `None`.
pub fn status(document: &Document, screen: Option<usize>) -> String {
    let services = by_urgency(&document.services);
    let mut grid = Grid::new(
        &[
            "SERVICE",
            "PREFIX",
            "STATE",
            "SINCE",
            "ADVERTISED",
            "LAST RESULT",
            "NEXT RUN",
        ],
        &[0, 1],
    );
    for service in &services {
        service_rows(&mut grid, service);
    }
    // Worth a line each: BIRD's troubles are why a service that is up may still get no traffic.
    let mut out = String::with_capacity(120 * (grid.rows.len() + 4));
    push_line(&mut out, &summary(document), screen);
    for family in &document.families {
        if let Some(trouble) = &family.trouble {
            let line = format!("{}: {}", family_name(&family.family), visible(trouble));
            push_line(&mut out, &line, screen);
        }
    }
    if grid.rows.is_empty() {
        return out;
    }
    out.push('\n');
    grid.print(&mut out, screen);
    if grid.rows.len() > LONG_TABLE {
        out.push('\n');
        push_line(&mut out, &last_line(&services), screen);
    }
    out
}

/// Down before unknown before all else, otherwise as configured.
fn by_urgency(services: &[ServiceDoc]) -> Vec<&ServiceDoc> {
    let mut sorted: Vec<&ServiceDoc> = services.iter().collect();
    sorted.sort_by_key(|service| match service.status.as_str() {
        "down" if !service.maintenance => 0,
        "down" => 1,
        "unknown" => 2,
        _ => 3,
    });
    sorted
}

fn service_rows(grid: &mut Grid, service: &ServiceDoc) {
    let state = if service.maintenance {
        "maintenance"
    } else {
        &service.status
    };
    let since = Duration::try_from_secs_f64(service.since_seconds).unwrap_or_default();
    let next = if service.running {
        "running".to_string()
    } else {
        service
            .next_run_in_seconds
            .map_or("-".to_string(), in_seconds)
    };
    let last_row = service.prefixes.len().saturating_sub(1);
    for (index, prefix) in service.prefixes.iter().enumerate() {
        let mut cells = vec![
            String::new(),
            visible(&prefix.prefix).into_owned(),
            String::new(),
            String::new(),
            if prefix.advertised { "yes" } else { "no" }.to_string(),
            String::new(),
            String::new(),
        ];
        if index == 0 {
            cells[0] = visible(&service.name).into_owned();
            cells[2] = visible(state).into_owned();
            cells[3] = short_span(since);
            cells[5] = last_result(service);
            cells[6].clone_from(&next);
        }
        let note = if index == last_row {
            reason(service)
        } else {
            String::new()
        };
        grid.row(cells, note);
    }
}

fn in_seconds(seconds: f64) -> String {
    short_span(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn last_result(service: &ServiceDoc) -> String {
    let Some(last) = &service.last else {
        return "-".to_string();
    };
    let took = Duration::try_from_secs_f64(last.duration_ms / 1000.0).unwrap_or_default();
    short_result(&last.result, last.code, took)
}

/// A verdict in a dozen columns: `pass 12ms`, `exit 2 5ms`, `timeout 2s`.
pub(super) fn short_result(result: &str, code: i32, took: Duration) -> String {
    let took = short_span(took);
    match result {
        "pass" => format!("pass {took}"),
        "fail" => format!("exit {code} {took}"),
        "signal" => format!("signal {} {took}", -code),
        "timeout" => format!("timeout {took}"),
        "not_started" => "not started".to_string(),
        other => visible(other).into_owned(),
    }
}

/// Why a service is not up, and what its check said.
fn reason(service: &ServiceDoc) -> String {
    if matches!(service.status.as_str(), "up" | "disabled") {
        return String::new();
    }
    let mut out = visible(&service.reason).into_owned();
    // The output is part of the reason only if a check was.
    let checked = out.contains("check") && !out.contains("not checked");
    if let Some(last) = service.last.as_ref().filter(|_| checked) {
        out = super::words::with_first_line(&out, &last.first_line);
    }
    out
}

fn family_name(family: &str) -> String {
    match family {
        "ipv4" => "IPv4".to_string(),
        "ipv6" => "IPv6".to_string(),
        other => visible(other).into_owned(),
    }
}

/// `3 services: 2 up, 1 down; IPv4 settled; pid 123, up 2 h 3 min`
/// `3 services: 2 up, 1 down (1 for maintenance)`.
pub fn counts_line(counts: &Summary) -> String {
    let mut states = Vec::new();
    for (number, word) in [
        (counts.up, "up"),
        (counts.down, "down"),
        (counts.unknown, "unknown"),
        (counts.disabled, "disabled"),
    ] {
        if number > 0 {
            states.push(format!("{number} {word}"));
        }
    }
    let mut out = match counts.services {
        0 => "no services".to_string(),
        1 => format!("1 service: {}", states.join(", ")),
        number => format!("{number} services: {}", states.join(", ")),
    };
    if counts.maintenance > 0 {
        out.push_str(&format!(" ({} for maintenance)", counts.maintenance));
    }
    out
}

fn summary(document: &Document) -> String {
    let mut out = counts_line(&document.summary);
    let families: Vec<String> = document
        .families
        .iter()
        .map(|family| {
            let state = if family.settled {
                "settled"
            } else {
                "not settled"
            };
            format!("{} {state}", family_name(&family.family))
        })
        .collect();
    if !families.is_empty() {
        out.push_str(&format!("; {}", families.join(", ")));
    }
    let uptime = Duration::try_from_secs_f64(document.uptime_seconds).unwrap_or_default();
    // Below a minute nobody reads tenths of it.
    let uptime = Duration::from_secs(uptime.as_secs());
    out.push_str(&format!("; pid {}, up {}", document.pid, span(uptime)));
    out
}

fn last_line(services: &[&ServiceDoc]) -> String {
    let ill: Vec<&str> = services
        .iter()
        .filter(|service| !matches!(service.status.as_str(), "up" | "disabled"))
        .map(|service| service.name.as_str())
        .collect();
    if ill.is_empty() {
        return "every service is up".to_string();
    }
    let named = ill.len().min(NAMED_AT_END);
    let more = match ill.len() - named {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("not up: {}{more}", visible(&ill[..named].join(", ")))
}

#[cfg(test)]
mod tests;
