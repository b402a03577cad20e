//! Text from outside made fit for a line, a terminal, a label or a JSON string.
//!
//! Output of checks, names of services and answers of programs may hold anything. Whatever is shown goes
//! through here: one record stays one line, a terminal obeys nobody but its owner, and what cannot be shown
//! is made visible rather than dropped. The escapes are meant to be seen; only those of JSON and of labels
//! can be turned back.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a reader cannot see the character, or a terminal would act on it: the control characters, line and
/// paragraph separators, and the marks that reorder text.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_hidden(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if (c as u32) < 0x100 => write!(out, "\\x{:02x}", c as u32).unwrap_or_default(),
        c => write!(out, "\\u{{{:x}}}", c as u32).unwrap_or_default(),
    }
}

fn push_visible(out: &mut String, text: &str) {
    for c in text.chars() {
        if hidden(c) {
            push_hidden(out, c);
        } else {
            out.push(c);
        }
    }
}

/// The text with every hidden character written out: `\n`, `\x1b`, `\u{202e}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    push_visible(&mut out, text);
    Cow::Owned(out)
}

/// The same for bytes that may not be UTF-8: each byte that belongs to no character becomes `\xNN`.
pub fn visible_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        push_visible(&mut out, chunk.valid());
        for byte in chunk.invalid() {
            write!(out, "\\x{byte:02x}").unwrap_or_default();
        }
    }
    out
}

/// Appends `text` as a JSON string, quotes included. C1 and DEL are escaped too, though JSON does not ask
/// for it: people read these files with `tail`.
pub fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if hidden(c) => write!(out, "\\u{:04x}", c as u32).unwrap_or_default(),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends `text` as the value of a Prometheus label, without the quotes.
pub fn push_label(out: &mut String, text: &str) {
    if !text.contains(['"', '\\', '\n']) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

/// The longest beginning of `text` that has at most `bytes` bytes and ends with a whole character.
pub fn head(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` in at most `columns` characters; what is cut off shows as `…`.
///
/// Columns are counted as characters: names of services and prefixes are not written in double-width
/// scripts, and the table that tells of them needs no table of Unicode for it.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    // The index of the first character that is one too many, and of the one before it.
    let mut last = 0;
    for (count, (at, _)) in text.char_indices().enumerate() {
        if count == columns {
            return Cow::Owned(format!("{}…", &text[..last]));
        }
        last = at;
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests;
