//! The dialect of Python's `configparser.ConfigParser()`, read into a [`Document`].
//!
//! `=` or `:` ends a name; `#` and `;` begin a comment only where a line begins; a line that is indented
//! deeper than the option above it continues its value, and so does a blank line; names of options are
//! lower-cased; within one file no section and no option stands twice, save `[DEFAULT]`. A byte-order mark is
//! skipped, which Python does not do. Python stops at the first of most errors: here each is reported with
//! its line, and what follows is read all the same.

use super::complaints::Complaints;
use super::document::{DEFAULTS, Document, Origin};
use super::lower::lower;
use super::text::{is_space, quoted, strip, strip_end};

/// Complaints about one file; a file of another kind would have one a line, and nobody reads thousands.
const MAX_COMPLAINTS: usize = 100;

/// Reads one file into the document; `file` is its number there.
pub fn read(bytes: &[u8], file: u32, document: &mut Document, complaints: &mut Complaints) {
    let text = decode(bytes, file, complaints);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut reader = Reader {
        file,
        document,
        complaints,
        complained: 0,
        first_left_out: Origin::default(),
        section: None,
        option: None,
        indent: 0,
        headless: false,
    };
    for (number, line) in lines(text).enumerate() {
        reader.line(line, u32::try_from(number + 1).unwrap_or(u32::MAX));
    }
    reader.finish_option();
    reader.say_how_many_more();
}

/// The text, with a complaint about each line that is not UTF-8.
fn decode<'a>(
    bytes: &'a [u8],
    file: u32,
    complaints: &mut Complaints,
) -> std::borrow::Cow<'a, str> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = lines(&format!("{before}.")).count() as u32;
        complaints.error(
            Origin { file, line },
            "",
            "",
            "the file is not UTF-8 from here on: save it in that encoding".to_string(),
        );
    }
    String::from_utf8_lossy(bytes)
}

/// The lines of a text, ended by LF, CRLF or CR. Nothing else ends a line.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let line = &rest[..end];
        let ending = if rest[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = rest.get(end + ending..).unwrap_or("");
        Some(line)
    })
}

/// An option whose value may go on.
struct Open {
    name: String,
    /// The lines of the value, joined by line feeds.
    raw: String,
    origin: Origin,
    /// Complained about: its continuation lines belong to it, and it is not kept.
    refused: bool,
}

struct Reader<'a> {
    file: u32,
    document: &'a mut Document,
    complaints: &'a mut Complaints,
    complained: usize,
    /// The first line that is not complained about any more.
    first_left_out: Origin,
    /// Where the section is in the document, and its name.
    section: Option<(usize, String)>,
    option: Option<Open>,
    indent: usize,
    /// A line before the first section has been complained about.
    headless: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, number: u32) {
        let value = strip(line);
        if value.starts_with(['#', ';']) {
            return;
        }
        if value.is_empty() {
            if let Some(open) = &mut self.option {
                open.raw.push('\n');
            }
            return;
        }
        let indent = line.chars().take_while(|c| is_space(*c)).count();
        if let Some(open) = &mut self.option {
            if indent > self.indent {
                open.raw.push('\n');
                open.raw.push_str(value);
                return;
            }
        }
        self.indent = indent;
        let origin = Origin {
            file: self.file,
            line: number,
        };
        if let Some(name) = header(value) {
            self.finish_option();
            self.enter(name, origin);
        } else if self.section.is_none() {
            if !self.headless {
                self.headless = true;
                self.complain(
                    origin,
                    "",
                    format!("no [section] stands above {}", quoted(value)),
                );
            }
        } else if let Some((name, first)) = value.split_once(['=', ':']) {
            self.finish_option();
            self.begin_option(lower(strip_end(name)), strip(first), origin);
        } else {
            // As in Python, the option above stays open.
            self.complain(
                origin,
                "",
                format!(
                    "cannot read {}: expected NAME = VALUE, [SECTION], a comment, or an indented continuation",
                    quoted(value)
                ),
            );
        }
    }

    fn enter(&mut self, name: &str, origin: Origin) {
        let at = self.document.section(name, origin);
        self.section = Some((at, name.to_string()));
        if at == DEFAULTS {
            return;
        }
        let section = self.document.section_mut(at);
        let before = section.last_header;
        if before.file == origin.file && before.line != origin.line {
            self.complain(
                origin,
                "",
                format!(
                    "this section stands in line {} already: join the two",
                    before.line
                ),
            );
        } else {
            section.last_header = origin;
        }
    }

    fn begin_option(&mut self, name: String, first: &str, origin: Origin) {
        let mut refused = false;
        if name.is_empty() {
            self.complain(
                origin,
                "",
                "there is no name in front of the delimiter".to_string(),
            );
            // Python does not let an option without a name go on either.
            return;
        }
        if let Some((at, _)) = self.section {
            let earlier = self.document.section_mut(at).entry(&name);
            let earlier = earlier.map(|entry| entry.origin);
            if let Some(earlier) = earlier.filter(|earlier| earlier.file == self.file) {
                refused = true;
                self.complain(
                    origin,
                    &name,
                    format!("already set in line {}: remove one", earlier.line),
                );
            }
        }
        self.option = Some(Open {
            name,
            raw: first.to_string(),
            origin,
            refused,
        });
    }

    fn finish_option(&mut self) {
        if let (Some(open), Some((at, _))) = (self.option.take(), &self.section) {
            if !open.refused {
                let section = self.document.section_mut(*at);
                section.set(&open.name, strip_end(&open.raw), open.origin);
            }
        }
    }

    fn complain(&mut self, origin: Origin, option: &str, message: String) {
        self.complained += 1;
        if self.complained <= MAX_COMPLAINTS {
            let section = self.section.as_ref().map_or("", |(_, name)| name.as_str());
            self.complaints.error(origin, section, option, message);
        } else if self.complained == MAX_COMPLAINTS + 1 {
            self.first_left_out = origin;
        }
    }

    fn say_how_many_more(&mut self) {
        let more = self.complained.saturating_sub(MAX_COMPLAINTS);
        if more > 0 {
            self.complaints.error(
                self.first_left_out,
                "",
                "",
                format!("{more} more problems from here on: is this a configuration file?"),
            );
        }
    }
}

/// The name in `[name]`, up to the last bracket of the line; what follows it is ignored, as Python does.
pub fn header(value: &str) -> Option<&str> {
    let inner = value.strip_prefix('[')?;
    let name = &inner[..inner.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
