//! Characters: what Python counts as white space, and how foreign text is shown.
//!
//! The reference's files were cut by Python's `str.strip`, which takes more than ASCII blanks; a no-break
//! space that an editor left behind has to vanish here too. Whatever comes from a file or an argument is
//! shown through [`printable`], so that no control character ever reaches a terminal or a log.

use std::borrow::Cow;

/// What `str.isspace` of Python says: Unicode's white space and the four ASCII separators.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

/// `str.strip` of Python.
pub fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// `str.rstrip` of Python.
pub fn strip_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

/// The words of a list, which commas and white space keep apart.
pub fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| c == ',' || is_space(c))
        .filter(|word| !word.is_empty())
}

/// Longest piece of foreign text in a message, so that one bad line does not fill a screen.
const SHOWN_CHARS: usize = 120;

/// The text on one line, without anything that a terminal would obey.
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_direction_mark(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if harmless(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    Cow::Owned(shown)
}

/// The text, cut to a length that fits into a message.
pub fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
    }
}

/// The text, short and printable.
pub fn shown(text: &str) -> String {
    printable(&short(text)).into_owned()
}

/// The same in quotes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", shown(text))
}

/// Marks that make a terminal show text in another order than it is stored.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_python_strips() {
        let all = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\
                   \u{2005}\u{2006}\u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";
        assert_eq!(all.chars().filter(|c| !is_space(*c)).count(), 0);
        // Python counts 29 of them in all of Unicode.
        assert_eq!(('\0'..=char::MAX).filter(|c| is_space(*c)).count(), 29);
        assert_eq!(strip(&format!("{all}a b{all}")), "a b");
        assert_eq!(strip_end("\u{a0}a\u{a0}"), "\u{a0}a");
        assert_eq!(strip("\u{200b}a\0"), "\u{200b}a\0");
    }

    #[test]
    fn shows_no_control_characters() {
        assert_eq!(printable("plain ü"), "plain ü");
        assert_eq!(
            printable("a\x1b[31m\n\0\u{9b}"),
            "a\\u{1b}[31m\\n\\u{0}\\u{9b}"
        );
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(quoted(&"x".repeat(SHOWN_CHARS)).len(), SHOWN_CHARS + 2);
        assert_eq!(
            quoted(&"ü".repeat(SHOWN_CHARS + 1)).chars().count(),
            SHOWN_CHARS + 5
        );
    }
}
