//! The words of a command line, as a POSIX shell and Python's `shlex.split` both see them.
//!
//! Quotes and the backslash are all there is: no variables, no globs, no operators, no comments (`#` is a
//! character like any other). Where shell and Python differ, existing files decide: inside double quotes a
//! backslash is kept unless it stands before `"` or `\`. Only a backslash at the end of a line follows the
//! shell and joins the lines; Python's argument that begins with a line feed is of no use to anybody.

use std::fmt;

/// Why a command line can't be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// A quote of this kind is opened and never closed.
    Quote(char),
    /// The last character is a backslash that escapes nothing.
    Escape,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfinished::Quote(quote) => write!(f, "a {quote} has no closing {quote}"),
            Unfinished::Escape => write!(f, "nothing follows the last backslash"),
        }
    }
}

/// Splits a command line. An empty one has no words; `''` is one empty word.
pub fn split(line: &str) -> Result<Vec<String>, Unfinished> {
    let mut words = Vec::new();
    // `None` between words, so that an empty pair of quotes is a word and a row of blanks is not.
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => single_quoted(&mut chars, word.get_or_insert_default())?,
            '"' => double_quoted(&mut chars, word.get_or_insert_default())?,
            '\\' => match chars.next() {
                None => return Err(Unfinished::Escape),
                Some('\n') => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unfinished> {
    for c in chars {
        if c == '\'' {
            return Ok(());
        }
        word.push(c);
    }
    Err(Unfinished::Quote('\''))
}

fn double_quoted(chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), Unfinished> {
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => match chars.next() {
                None => return Err(Unfinished::Escape),
                Some('\n') => {}
                Some(escaped @ ('"' | '\\')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
    Err(Unfinished::Quote('"'))
}

#[cfg(test)]
mod tests;
