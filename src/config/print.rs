//! Settings written out: the defaults (`-p`), the running configuration (`-P`), the same as JSON.
//!
//! What is printed as INI is read back to the same configuration, by this program and by the reference: `%`
//! is doubled and continued lines are indented. The few expanded values that no line can hold, such as one
//! that begins with a blank, are printed with their references instead.

use std::borrow::Cow;
use std::fmt::Write;

use super::document::{Document, View};
use super::settings::{self, DAEMON_SECTION, DEFAULT_SECTION, Kept, Kind, Setting};
use super::text::{listed, strip, strip_end};
use super::{ini, numbers};

/// The built-in settings; those without a value stand as comments.
pub fn defaults() -> String {
    let mut out = String::new();
    for (section, kept) in [
        (DEFAULT_SECTION, Kept::Service),
        (DAEMON_SECTION, Kept::Daemon),
    ] {
        let _ = writeln!(out, "[{section}]");
        let rows = || settings::ALL.iter().filter(|row| row.kept == kept);
        for row in rows() {
            if let Some(default) = row.default {
                let _ = writeln!(out, "{} = {default}", row.key);
            }
        }
        for row in rows().filter(|row| row.default.is_none()) {
            let _ = writeln!(out, "# {}\n# {} =", row.meaning.replace('`', ""), row.key);
        }
        out.push('\n');
    }
    out
}

/// Every section with `[DEFAULT]` applied.
pub fn configuration(document: &Document) -> String {
    let mut out = String::new();
    for view in document.all() {
        let _ = writeln!(out, "[{}]", view.name());
        for (key, entry) in view.options() {
            let value = match view.value(key) {
                Some(Ok(value)) => value,
                // Nothing asks for it, or the configuration would not be valid.
                _ => Cow::Borrowed(entry.raw.as_str()),
            };
            option(&mut out, key, &value, &entry.raw);
        }
        out.push('\n');
    }
    out
}

fn option(out: &mut String, key: &str, value: &str, raw: &str) {
    // A raw value equal to its expansion has no percent sign, or can't be expanded: both stay as they are.
    let text = if value == raw {
        Cow::Borrowed(raw)
    } else {
        let escaped = value.replace('%', "%%");
        if can_be_written(key, &escaped) {
            Cow::Owned(escaped)
        } else {
            Cow::Borrowed(raw)
        }
    };
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    out.push_str(strip_end(&format!("{key} = {first}")));
    out.push('\n');
    for line in lines {
        if !line.is_empty() {
            let _ = write!(out, "\t{line}");
        }
        out.push('\n');
    }
}

/// Whether the reader would get the same value from the file.
fn can_be_written(key: &str, value: &str) -> bool {
    let first = value.split('\n').next().unwrap_or_default();
    let continued = value.split('\n').skip(1);
    value == strip_end(value)
        && value.split('\n').all(|line| line == strip(line))
        && !continued
            .into_iter()
            .any(|line| line.starts_with(['#', ';']))
        && !value.contains('\r')
        && ini::header(&format!("{key} = {first}")).is_none()
}

/// The settings that count, typed: `{"daemon": {...}, "services": {"name": {...}}}`. What is unset is null.
pub fn json(document: &Document) -> String {
    let mut out = String::from("{\n  \"daemon\": {\n");
    rows(&mut out, document.daemon(), Kept::Daemon, "    ");
    out.push_str("  },\n  \"services\": {");
    for (number, view) in document.services().enumerate() {
        out.push_str(if number == 0 { "\n    " } else { ",\n    " });
        string(&mut out, view.name());
        out.push_str(": {\n");
        rows(&mut out, view, Kept::Service, "      ");
        out.push_str("    }");
    }
    let any = document.services().next().is_some();
    out.push_str(if any { "\n  }\n}\n" } else { "}\n}\n" });
    out
}

fn rows(out: &mut String, view: View<'_>, kept: Kept, indent: &str) {
    let rows = settings::ALL.iter().filter(|row| row.kept == kept);
    for (number, row) in rows.enumerate() {
        if number > 0 {
            out.push_str(",\n");
        }
        out.push_str(indent);
        string(out, row.key);
        out.push_str(": ");
        match view.value(row.key) {
            Some(Ok(text)) => value(out, row, &text),
            _ => out.push_str("null"),
        }
    }
    out.push('\n');
}

fn value(out: &mut String, row: &Setting, text: &str) {
    let number = match row.kind {
        Kind::Flag => numbers::flag(text).map(|flag| flag.to_string()),
        Kind::Whole { .. } | Kind::WholeSeconds => {
            let number = numbers::whole(text).map(i64::try_from);
            number.and_then(Result::ok).map(|n| n.to_string())
        }
        Kind::Seconds | Kind::SecondsOrZero => numbers::float(text).and_then(numbers::shortest),
        _ => None,
    };
    if let Some(number) = number {
        out.push_str(&number);
    } else if matches!(row.kind, Kind::Prefixes) {
        out.push('[');
        for (number, word) in listed(text).enumerate() {
            out.push_str(if number > 0 { ", " } else { "" });
            string(out, word);
        }
        out.push(']');
    } else {
        string(out, text);
    }
}

/// A JSON string (RFC 8259, section 7).
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
