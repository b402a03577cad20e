//! Complaints as the operator reads them: one a line, with file and line in front, as compilers do.

use std::fmt::Write;

use super::text::printable;
use super::{Complaint, Severity};

/// All complaints, under a first line that says how many there are if one of them is an error.
pub fn render(complaints: &[Complaint]) -> String {
    let errors = complaints
        .iter()
        .filter(|complaint| complaint.severity == Severity::Error)
        .count();
    let warnings = complaints.len() - errors;
    let mut out = String::new();
    if errors > 0 {
        out.push_str("Invalid configuration: ");
        out.push_str(&counted(errors, "error"));
        if warnings > 0 {
            let _ = write!(out, ", {}", counted(warnings, "warning"));
        }
        out.push('\n');
    }
    for complaint in complaints {
        out.push_str(&line(complaint));
        out.push('\n');
    }
    out
}

/// One complaint: `FILE:LINE: [section] option: what is wrong`.
pub fn line(complaint: &Complaint) -> String {
    let mut out = String::new();
    if complaint.file.is_empty() {
        out.push_str("built-in default: ");
    } else {
        out.push_str(&printable(&complaint.file));
        if complaint.line > 0 {
            let _ = write!(out, ":{}", complaint.line);
        }
        out.push_str(": ");
    }
    if !complaint.section.is_empty() {
        let end = if complaint.option.is_empty() {
            "]: "
        } else {
            "] "
        };
        for part in ["[", &printable(&complaint.section), end] {
            out.push_str(part);
        }
    }
    if !complaint.option.is_empty() {
        out.push_str(&printable(&complaint.option));
        out.push_str(": ");
    }
    if complaint.severity == Severity::Warning {
        out.push_str("warning: ");
    }
    out.push_str(&printable(&complaint.message));
    out
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(severity: Severity, line: u32, section: &str, option: &str) -> Complaint {
        Complaint {
            severity,
            file: if line == 0 {
                String::new()
            } else {
                "/etc/a\n.conf".to_string()
            },
            line,
            section: section.to_string(),
            option: option.to_string(),
            message: "is wrong\x1b".to_string(),
        }
    }

    #[test]
    fn one_line_each_below_the_verdict() {
        let all = [
            complaint(Severity::Error, 3, "a", "b"),
            complaint(Severity::Error, 4, "a", ""),
            complaint(Severity::Error, 5, "", ""),
            complaint(Severity::Error, 0, "daemon", "pidfile"),
            complaint(Severity::Warning, 6, "a]\t", "b"),
        ];
        assert_eq!(
            render(&all),
            "Invalid configuration: 4 errors, 1 warning\n\
             /etc/a\\n.conf:3: [a] b: is wrong\\u{1b}\n\
             /etc/a\\n.conf:4: [a]: is wrong\\u{1b}\n\
             /etc/a\\n.conf:5: is wrong\\u{1b}\n\
             built-in default: [daemon] pidfile: is wrong\\u{1b}\n\
             /etc/a\\n.conf:6: [a]\\t] b: warning: is wrong\\u{1b}\n"
        );
        assert!(render(&all[..1]).starts_with("Invalid configuration: 1 error\n"));
    }

    #[test]
    fn warnings_alone_make_nothing_invalid() {
        let warning = complaint(Severity::Warning, 1, "a", "b");
        assert_eq!(
            render(&[warning]),
            "/etc/a\\n.conf:1: [a] b: warning: is wrong\\u{1b}\n"
        );
        assert_eq!(render(&[]), "");
    }
}
