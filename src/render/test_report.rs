//! What `--test` prints: the outcome of one run of every check, as a table or as JSON.

// What nanoserde's derive writes could use `?`, and does not.
#![allow(clippy::question_mark)]

use std::time::Duration;

use nanoserde::{DeJson, SerJson};

use ipnetwork::IpNetwork;

use super::escape::visible;
use super::status;
use super::table::{Grid, push_line, short_result};
use crate::engine::vocab::Verdict;

/// One service after its check has run.
#[derive(Clone, Debug)]
pub struct TestRow {
    pub service: String,
    pub prefixes: Vec<IpNetwork>,
    /// `None` if the service does not have that looked at.
    pub assigned: Option<bool>,
    pub verdict: Verdict,
    pub took: Duration,
    pub first_line: String,
}

#[derive(SerJson, DeJson)]
struct TestDoc {
    program: String,
    version: String,
    passed: usize,
    failed: usize,
    services: Vec<RowDoc>,
}

#[derive(SerJson, DeJson)]
#[nserde(serialize_none_as_null)]
struct RowDoc {
    name: String,
    prefixes: Vec<String>,
    assigned: Option<bool>,
    result: String,
    code: i32,
    duration_ms: f64,
    first_line: String,
}

const HEADINGS: &[(&str, &str)] = &[
    ("SERVICE", "SERVICE"),
    ("PREFIX", "PREFIX"),
    ("ASSIGNED", "ASSIGNED"),
    ("RESULT", "RESULT"),
    ("OUTPUT", "OUTPUT"),
];

fn passed(rows: &[TestRow]) -> usize {
    rows.iter().filter(|row| row.verdict.passed()).count()
}

/// A summary and a table in the order of the rows; a service with several prefixes has a line for each.
pub fn table(rows: &[TestRow], screen: Option<usize>) -> String {
    let mut grid = Grid::new(HEADINGS, &[0, 1, 4]);
    for row in rows {
        for (index, prefix) in row.prefixes.iter().enumerate() {
            let mut cells = vec![String::new(); 5];
            cells[1] = prefix.to_string();
            if index == 0 {
                cells[0] = visible(&row.service).into_owned();
                cells[2] = match row.assigned {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "-",
                }
                .to_string();
                let result = status::result_word(row.verdict);
                cells[3] = short_result(result, row.verdict.code(), row.took);
                cells[4] = visible(row.first_line.trim()).into_owned();
            }
            grid.row(cells, String::new());
        }
    }
    let passed = passed(rows);
    let failed = rows.len() - passed;
    let mut out = String::new();
    let summary = match rows.len() {
        0 => "no check is enabled".to_string(),
        1 => format!("1 check: {passed} passed, {failed} failed"),
        number => format!("{number} checks: {passed} passed, {failed} failed"),
    };
    push_line(&mut out, &summary, screen);
    if !rows.is_empty() {
        out.push('\n');
        grid.print(&mut out, screen);
    }
    out
}

/// The same as one JSON document on one line.
pub fn json(rows: &[TestRow]) -> String {
    let passed = passed(rows);
    status::to_json(&TestDoc {
        program: super::record::PROGRAM.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        passed,
        failed: rows.len() - passed,
        services: rows
            .iter()
            .map(|row| RowDoc {
                name: row.service.clone(),
                prefixes: row.prefixes.iter().map(IpNetwork::to_string).collect(),
                assigned: row.assigned,
                result: status::result_word(row.verdict).to_string(),
                code: row.verdict.code(),
                duration_ms: row.took.as_micros() as f64 / 1000.0,
                first_line: row.first_line.clone(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests;
