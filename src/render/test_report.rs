//! What `--test` prints: the outcome of one run of every check, as a table or as JSON.

use std::time::Duration;

use ipnetwork::IpNetwork;

use super::escape::visible;
use super::json::{Fields, Pass, Slot};
use super::status;
use super::table::{Grid, push_line, short_result};
use crate::engine::vocab::Verdict;

/// One service after its check has run.
#[derive(Clone, Debug)]
pub struct TestRow {
    pub service: String,
    pub prefixes: Vec<IpNetwork>,
    pub interface: String,
    /// For each prefix; `None` if the service does not have that looked at.
    pub assigned: Option<Vec<bool>>,
    pub verdict: Verdict,
    pub took: Duration,
    pub first_line: String,
}

impl TestRow {
    /// Whether the daemon would announce it: the check passes, and every address is there.
    fn passed(&self) -> bool {
        self.verdict.passed() && !self.lacks_address()
    }

    fn lacks_address(&self) -> bool {
        (0..self.prefixes.len()).any(|at| self.is_assigned(at) == Some(false))
    }

    fn is_assigned(&self, at: usize) -> Option<bool> {
        self.assigned.as_ref()?.get(at).copied()
    }

    /// What the table says below the row.
    fn note(&self) -> String {
        let missing = (0..self.prefixes.len()).filter(|at| self.is_assigned(*at) == Some(false));
        let missing: Vec<String> = missing.map(|at| self.prefixes[at].to_string()).collect();
        if missing.is_empty() {
            return String::new();
        }
        format!(
            "{} has no address in {}: the daemon would hold the service down",
            visible(&self.interface),
            missing.join(", ")
        )
    }
}

#[derive(Default)]
struct TestDoc {
    program: String,
    version: String,
    passed: u64,
    failed: u64,
    services: Vec<RowDoc>,
}

impl Fields for TestDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("program", Slot::Text(&mut self.program));
        pass.field("version", Slot::Text(&mut self.version));
        pass.field("passed", Slot::Count(&mut self.passed));
        pass.field("failed", Slot::Count(&mut self.failed));
        pass.field("services", Slot::List(&mut self.services));
    }
}

#[derive(Default)]
struct RowDoc {
    name: String,
    prefixes: Vec<PrefixDoc>,
    /// Whether the daemon would announce it.
    passed: bool,
    /// What came of the check alone.
    result: String,
    code: i64,
    duration_us: u64,
    first_line: String,
}

impl Fields for RowDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("name", Slot::Text(&mut self.name));
        pass.field("prefixes", Slot::List(&mut self.prefixes));
        pass.field("passed", Slot::Flag(&mut self.passed));
        pass.field("result", Slot::Text(&mut self.result));
        pass.field("code", Slot::Whole(&mut self.code));
        pass.field("duration_ms", Slot::Decimal(&mut self.duration_us));
        pass.field("first_line", Slot::Text(&mut self.first_line));
    }
}

/// As in the document of `--status`.
#[derive(Default)]
struct PrefixDoc {
    prefix: String,
    assigned: Option<bool>,
}

impl Fields for PrefixDoc {
    fn fields(&mut self, pass: &mut dyn Pass) {
        pass.field("prefix", Slot::Text(&mut self.prefix));
        pass.field("assigned", Slot::MaybeFlag(&mut self.assigned));
    }
}

/// 0 if every service passed, else 1.
pub fn exit_code(rows: &[TestRow]) -> u8 {
    u8::from(!rows.iter().all(TestRow::passed))
}

const HEADINGS: &[(&str, &str)] = &[
    ("SERVICE", "SERVICE"),
    ("PREFIX", "PREFIX"),
    ("ASSIGNED", "ASSIGNED"),
    ("RESULT", "RESULT"),
    ("OUTPUT", "OUTPUT"),
];

fn passed(rows: &[TestRow]) -> usize {
    rows.iter().filter(|row| row.passed()).count()
}

/// A summary and a table in the order of the rows; a service with several prefixes has a line for each.
pub fn table(rows: &[TestRow], screen: Option<usize>) -> String {
    let mut grid = Grid::new(HEADINGS, &[0, 1, 4]);
    for row in rows {
        push_rows(&mut grid, row);
    }
    let passed = passed(rows);
    let failed = rows.len() - passed;
    let mut out = String::new();
    let summary = match rows.len() {
        0 => "no check is enabled".to_string(),
        1 => format!("1 check: {passed} passed, {failed} failed"),
        number => format!("{number} checks: {passed} passed, {failed} failed"),
    };
    let lacking = rows.iter().filter(|row| row.lacks_address()).count();
    let lacking = match lacking {
        0 => String::new(),
        number => format!(" ({number} for a missing address)"),
    };
    push_line(&mut out, &format!("{summary}{lacking}"), screen);
    if !rows.is_empty() {
        out.push('\n');
        grid.print(&mut out, screen);
    }
    out
}

fn push_rows(grid: &mut Grid, row: &TestRow) {
    let last = row.prefixes.len().saturating_sub(1);
    for (at, prefix) in row.prefixes.iter().enumerate() {
        let mut cells = vec![String::new(); 5];
        cells[1] = prefix.to_string();
        cells[2] = match row.is_assigned(at) {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        }
        .to_string();
        if at == 0 {
            cells[0] = visible(&row.service).into_owned();
            let result = status::result_word(row.verdict);
            cells[3] = short_result(result, row.verdict.code().into(), row.took);
            cells[4] = visible(row.first_line.trim()).into_owned();
        }
        let note = if at == last {
            row.note()
        } else {
            String::new()
        };
        grid.row(cells, note);
    }
}

/// The same as one JSON document on one line.
pub fn json(rows: &[TestRow]) -> String {
    let passed = passed(rows);
    status::to_json(&mut TestDoc {
        program: super::record::PROGRAM.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        passed: passed as u64,
        failed: (rows.len() - passed) as u64,
        services: rows.iter().map(row_doc).collect(),
    })
}

fn row_doc(row: &TestRow) -> RowDoc {
    let prefixes = row.prefixes.iter().enumerate();
    RowDoc {
        name: row.service.clone(),
        prefixes: prefixes
            .map(|(at, prefix)| PrefixDoc {
                prefix: prefix.to_string(),
                assigned: row.is_assigned(at),
            })
            .collect(),
        passed: row.passed(),
        result: status::result_word(row.verdict).to_string(),
        code: row.verdict.code().into(),
        duration_us: row.took.as_micros() as u64,
        first_line: row.first_line.clone(),
    }
}

#[cfg(test)]
mod tests;
