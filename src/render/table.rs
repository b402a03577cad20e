//! Tables for a terminal: `--status` and `--test`.
//!
//! A column is as wide as what stands in it. Where the terminal is too narrow for that, names and prefixes
//! give way and end with `…`; no line ever wraps. Services that are not well come first and tell why on a
//! line of their own, because they are what is looked for; the rest keep the order of the configuration. On
//! a long table the ill ones have scrolled away by the time that it ends, so the last line names them
//! again.

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
    /// For each column in full, and in short for where there is not enough room.
    headings: &'static [(&'static str, &'static str)],
    /// The columns that give way when even that is too much.
    elastic: &'static [usize],
    rows: Vec<Row>,
}

struct Row {
    cells: Vec<String>,
    /// A sentence below the row.
    note: String,
}

impl Grid {
    pub(super) fn new(
        headings: &'static [(&'static str, &'static str)],
        elastic: &'static [usize],
    ) -> Grid {
        Grid {
            headings,
            elastic,
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>, note: String) {
        debug_assert_eq!(cells.len(), self.headings.len(), "a cell for each heading");
        self.rows.push(Row { cells, note });
    }

    /// The headings to use, and the width of each column.
    fn layout(&self, screen: Option<usize>) -> (Vec<&'static str>, Vec<usize>) {
        let long: Vec<&str> = self.headings.iter().map(|(long, _)| *long).collect();
        let widths = self.widths(&long);
        let Some(screen) = screen else {
            return (long, widths);
        };
        if total(&widths) <= screen {
            return (long, widths);
        }
        let short: Vec<&str> = self.headings.iter().map(|(_, short)| *short).collect();
        let mut widths = self.widths(&short);
        for _ in screen..total(&widths) {
            // The widest one gives first, so that none disappears for another's sake.
            let widest = self.elastic.iter().copied().max_by_key(|at| widths[*at]);
            match widest {
                Some(at) if widths[at] > NARROWEST => widths[at] -= 1,
                _ => break,
            }
        }
        (short, widths)
    }

    /// What each column needs.
    fn widths(&self, headings: &[&str]) -> Vec<usize> {
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    /// Appends the table; without a screen nothing is cut.
    pub(super) fn print(&self, out: &mut String, screen: Option<usize>) {
        let (headings, widths) = self.layout(screen);
        print_row(out, headings.into_iter(), &widths, screen);
        for row in &self.rows {
            print_row(out, row.cells.iter().map(String::as_str), &widths, screen);
            if !row.note.is_empty() {
                let note = format!("{:INDENT$}{}", "", row.note);
                push_line(out, &note, screen);
            }
        }
    }
}

fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * (widths.len() - 1)
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
        let cell = fit(cell, *width);
        line.push_str(&cell);
        // Not by a format, which panics beyond 65,535 columns.
        let missing = width.saturating_sub(cell.chars().count());
        line.extend(std::iter::repeat_n(' ', missing));
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

const STATUS_HEADINGS: &[(&str, &str)] = &[
    ("SERVICE", "SERVICE"),
    ("PREFIX", "PREFIX"),
    ("STATE", "STATE"),
    ("SINCE", "SINCE"),
    ("ADVERTISED", "ADV"),
    ("LAST RESULT", "LAST"),
    ("NEXT RUN", "NEXT"),
];

/// The table of `--status` after its summary, for a terminal of so many columns, or for a file if that is
/// `None`.
pub fn status(document: &Document, screen: Option<usize>) -> String {
    let services = by_urgency(&document.services);
    let mut grid = Grid::new(STATUS_HEADINGS, &[0, 1]);
    for service in &services {
        service_rows(&mut grid, service);
    }
    // Worth a line each: BIRD's troubles are why a service that is up may still get no traffic.
    let mut out = String::with_capacity(120 * (grid.rows.len() + 4));
    push_line(&mut out, &headline(document, screen), screen);
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

/// The same of the services that the head of the document names, and how many more are not well.
pub fn summary(document: &mut Document, screen: Option<usize>) -> String {
    document.services = std::mem::take(&mut document.problems);
    let mut out = status(document, screen);
    let named = document.services.len() as u64;
    let more = (document.summary.down + document.summary.overdue).saturating_sub(named);
    if more > 0 {
        push_line(&mut out, &format!("and {more} more"), screen);
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
    let since = Duration::from_millis(service.since_ms);
    let next = if service.running {
        "now".to_string()
    } else {
        match service.next_run_in_ms {
            Some(millis) => short_span(Duration::from_millis(millis)),
            None => "-".to_string(),
        }
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
            cells[2] = visible(&service.status).into_owned();
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

fn last_result(service: &ServiceDoc) -> String {
    let Some(last) = &service.last else {
        return "-".to_string();
    };
    let took = Duration::from_micros(last.duration_us);
    short_result(&last.result, last.code, took)
}

/// A verdict in a dozen columns: `pass 12ms`, `exit 2 5ms`, `timeout 2s`.
pub(super) fn short_result(result: &str, code: i64, took: Duration) -> String {
    let took = short_span(took);
    match result {
        "pass" => format!("pass {took}"),
        "fail" => format!("exit {code} {took}"),
        "signal" => format!("signal {} {took}", code.wrapping_neg()),
        "timeout" => format!("timeout {took}"),
        "not_started" => "not started".to_string(),
        other => visible(other).into_owned(),
    }
}

/// Why a service is not up.
fn reason(service: &ServiceDoc) -> String {
    match service.status.as_str() {
        "up" | "disabled" => String::new(),
        _ => visible(&service.reason).into_owned(),
    }
}

fn family_name(family: &str) -> String {
    match family {
        "ipv4" => "IPv4".to_string(),
        "ipv6" => "IPv6".to_string(),
        other => visible(other).into_owned(),
    }
}

/// `3 services: 2 up, 1 down; IPv4 settled; pid 123, up 2 h 3 min`, without its last parts where they find
/// no room.
fn headline(document: &Document, screen: Option<usize>) -> String {
    // Nobody reads tenths of a second here.
    let uptime = span(Duration::from_secs(document.uptime_ms / 1000));
    let mut out = counts_line(&document.summary);
    let process = format!("pid {}, up {uptime}", document.pid);
    for part in [families(document), process] {
        let columns = out.chars().count() + 2 + part.chars().count();
        if !part.is_empty() && screen.is_none_or(|screen| columns <= screen) {
            out.push_str("; ");
            out.push_str(&part);
        }
    }
    out
}

/// `3 services: 2 up, 1 down (1 for maintenance)`.
pub fn counts_line(counts: &Summary) -> String {
    let mut states = Vec::new();
    for (number, word) in [
        (counts.up, "up"),
        (counts.down, "down"),
        (counts.unknown, "unknown"),
        (counts.disabled, "disabled"),
    ] {
        match (number, word) {
            (0, _) => (),
            (_, "down") if counts.maintenance > 0 => {
                states.push(format!("{number} down ({} drained)", counts.maintenance));
            }
            _ => states.push(format!("{number} {word}")),
        }
    }
    match counts.services {
        0 => "no services".to_string(),
        1 => format!("1 service: {}", states.join(", ")),
        number => format!("{number} services: {}", states.join(", ")),
    }
}

/// The families that BIRD does not have right yet, or all of them if there is none.
fn families(document: &Document) -> String {
    let (state, settled) = match document.families.iter().all(|family| family.settled) {
        true => ("settled", true),
        false => ("not settled", false),
    };
    let names: Vec<String> = document
        .families
        .iter()
        .filter(|family| family.settled == settled)
        .map(|family| family_name(&family.family))
        .collect();
    match names.is_empty() {
        true => String::new(),
        false => format!("{} {state}", names.join(" and ")),
    }
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
