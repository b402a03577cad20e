//! BIRD's list of prefixes, `define NAME = [ ... ];`: written strictly, read liberally.
//!
//! What is written is read by BIRD 1.6, 2 and 3, and by the program that this one replaces: one prefix a line, the
//! dummy first, no comma after the last. What is read may have been written by anybody: every prefix that BIRD could
//! have announced from it is found, so that no restart withdraws one, and the first thing that calls for a new file is
//! named. No input makes the reader panic, and its time is linear in the length of the text.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

use super::{date, escape};
use crate::config::{Family, FamilyConfig};
use crate::engine::vocab::{FoundFile, Repair};
use crate::time::Calendar;

/// Characters of an unreadable word that a complaint quotes; enough to find it, and still one short line.
const QUOTED_MAX: usize = 60;

/// Words of one list item that are held before they are taken one by one: a prefix of BIRD's has four at most
/// (`10.0.0.0 / 8 +`).
const ITEM_WORDS_MAX: usize = 4;

/// The whole text of a prefix file.
pub fn write(
    family_config: &FamilyConfig,
    prefixes: &BTreeSet<IpNetwork>,
    stamp: &Calendar,
    pid: u32,
) -> String {
    let dummy = family_config.dummy;
    let mut out = String::with_capacity(256 + prefixes.len() * 32);
    let result = write!(
        out,
        "# Written {:04}-{:02}-{:02} {:02}:{:02}:{:02} {} by anycast-healthchecker (pid {pid})\n\
         # {dummy} is a dummy that keeps the list from being empty: leave it in, and never use it.\n\
         define {} =\n    [\n        {dummy}",
        stamp.year,
        stamp.month,
        stamp.day,
        stamp.hour,
        stamp.minute,
        stamp.second,
        date::offset(stamp.offset),
        family_config.variable,
    );
    debug_assert!(result.is_ok(), "a String takes everything");
    for prefix in prefixes.iter().filter(|prefix| **prefix != dummy) {
        write!(out, ",\n        {prefix}").unwrap_or_default();
    }
    out.push_str("\n    ];\n");
    out
}

/// What a prefix file announces, and whether it has to be written anew.
///
/// Of several lists the one named `variable` counts. If there is none of that name, all that are there count: the
/// variable has been renamed in the configuration, and that alone must withdraw nothing.
pub fn read(text: &[u8], family: Family, variable: &str, dummy: &IpNetwork) -> FoundFile {
    let mut reader = Reader {
        lexer: Lexer {
            text,
            at: 0,
            problem: None,
        },
        family,
        variable,
        ours: None,
        others: BTreeSet::new(),
        other_name: None,
        in_ours: false,
        problem: None,
    };
    reader.statements();
    // The lexer's problems lie in the text like the reader's; of the two first ones either is as good to know.
    let problem = reader.problem.or(reader.lexer.problem);
    let found_ours = reader.ours.is_some();
    let mut prefixes = reader.ours.unwrap_or(reader.others);
    let had_dummy = prefixes.remove(dummy);
    let repair = if let Some(problem) = problem {
        Some(Repair::Malformed(problem))
    } else if !found_ours {
        Some(Repair::WrongVariable(reader.other_name))
    } else if !had_dummy {
        Some(Repair::DummyMissing)
    } else {
        None
    };
    FoundFile { prefixes, repair }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A run of anything that is no blank and no punctuation; quotes of a symbol are taken off.
    Word(&'a [u8]),
    /// `= [ ] ; ,`
    Mark(u8),
}

/// BIRD's lexical rules as far as a list of prefixes needs them.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    problem: Option<String>,
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn complain(&mut self, what: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(what());
        }
    }

    /// Moves behind the next `end`; to the end of the text, and false, if there is none.
    fn skip_past(&mut self, end: &[u8]) -> bool {
        let rest = &self.text[self.at..];
        match rest.windows(end.len()).position(|window| window == end) {
            Some(distance) => {
                self.at += distance + end.len();
                true
            }
            None => {
                self.at = self.text.len();
                false
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            let byte = self.peek()?;
            match byte {
                b' ' | b'\t' | b'\n' => self.at += 1,
                // What splits words for us and for no version of BIRD.
                0..=32 | 0x7f => {
                    self.at += 1;
                    self.complain(|| format!("the character \\x{byte:02x}, which BIRD refuses"));
                }
                b'#' => {
                    self.skip_past(b"\n");
                }
                b'/' if self.text[start..].starts_with(b"/*") => {
                    self.at += 2;
                    if !self.skip_past(b"*/") {
                        self.complain(|| "a comment without end".to_string());
                    }
                }
                b'=' | b'[' | b']' | b';' | b',' => {
                    self.at += 1;
                    return Some(Token::Mark(byte));
                }
                b'"' => {
                    self.at += 1;
                    self.skip_past(b"\"");
                    return Some(Token::Word(&self.text[start..self.at]));
                }
                b'\'' => return Some(self.quoted_symbol()),
                _ => return Some(self.word()),
            }
        }
    }

    fn quoted_symbol(&mut self) -> Token<'a> {
        self.at += 1;
        let start = self.at;
        let closed = self.skip_past(b"'");
        let end = if closed { self.at - 1 } else { self.at };
        Token::Word(&self.text[start..end])
    }

    fn word(&mut self) -> Token<'a> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                0..=32 | 0x7f | b'=' | b'[' | b']' | b';' | b',' | b'#' => break,
                b'/' if self.text[self.at..].starts_with(b"/*") => break,
                // The lengths of a pattern, {24,32}, belong to the prefix in front of them.
                b'{' => {
                    while let Some(inside) = self.peek() {
                        if matches!(inside, b']' | b';' | b'\n') {
                            break;
                        }
                        self.at += 1;
                        if inside == b'}' {
                            break;
                        }
                    }
                }
                _ => self.at += 1,
            }
        }
        Token::Word(&self.text[start..self.at])
    }
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    family: Family,
    variable: &'a str,
    /// The prefixes of the list that has the right name.
    ours: Option<BTreeSet<IpNetwork>>,
    /// Those of all others.
    others: BTreeSet<IpNetwork>,
    other_name: Option<String>,
    /// Whether the list that is being read has the right name.
    in_ours: bool,
    problem: Option<String>,
}

impl<'a> Reader<'a> {
    fn complain(&mut self, what: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(what());
        }
    }

    fn statements(&mut self) {
        while let Some(token) = self.lexer.next() {
            match token {
                Token::Mark(b';') => (),
                Token::Word(b"define") => self.define(),
                Token::Word(word) => {
                    self.complain(|| format!("{} where a define is expected", quote(word)));
                    self.rest_of_statement();
                }
                Token::Mark(mark) => {
                    self.complain(|| format!("'{}' where a define is expected", char::from(mark)));
                }
            }
        }
    }

    fn rest_of_statement(&mut self) {
        while let Some(token) = self.lexer.next() {
            if token == Token::Mark(b';') {
                return;
            }
        }
        self.complain(|| "a statement without end".to_string());
    }

    /// What follows `define`.
    fn define(&mut self) {
        let Some(Token::Word(name)) = self.lexer.next() else {
            self.complain(|| "a define without a name".to_string());
            return self.rest_of_statement();
        };
        if self.lexer.next() != Some(Token::Mark(b'=')) {
            self.complain(|| format!("no '=' behind define {}", quote(name)));
            return self.rest_of_statement();
        }
        let is_ours = name == self.variable.as_bytes();
        match self.lexer.next() {
            Some(Token::Mark(b'[')) => self.list(name, is_ours),
            Some(Token::Mark(b';')) | None => {
                self.complain(|| format!("define {} has no value", quote(name)));
            }
            Some(_) => {
                // Some other constant; only in our own place is it wrong.
                if is_ours {
                    self.complain(|| format!("{} is not a list", quote(name)));
                }
                self.rest_of_statement();
            }
        }
    }

    /// What follows `define NAME = [`.
    fn list(&mut self, name: &'a [u8], is_ours: bool) {
        let mut prefixes = BTreeSet::new();
        self.in_ours = is_ours;
        self.items(&mut prefixes);
        if is_ours {
            if self.ours.is_some() {
                self.complain(|| format!("{} is defined twice", quote(name)));
            }
            self.ours
                .get_or_insert_with(BTreeSet::new)
                .append(&mut prefixes);
        } else {
            self.others.append(&mut prefixes);
            if self.other_name.is_none() {
                self.other_name = Some(escape::visible_bytes(head(name)));
            }
        }
    }

    fn items(&mut self, prefixes: &mut BTreeSet<IpNetwork>) {
        let mut words: Vec<&'a [u8]> = Vec::with_capacity(ITEM_WORDS_MAX);
        let mut after_comma = false;
        loop {
            match self.lexer.next() {
                Some(Token::Word(word)) => {
                    if words.len() == ITEM_WORDS_MAX {
                        self.words_without_comma(&mut words, prefixes);
                    }
                    words.push(word);
                }
                Some(Token::Mark(b',')) => {
                    if words.is_empty() {
                        self.complain(|| "a comma without a prefix before it".to_string());
                    }
                    self.item(&mut words, prefixes);
                    after_comma = true;
                    continue;
                }
                Some(Token::Mark(b']')) => {
                    if words.is_empty() && after_comma {
                        self.complain(|| "a comma behind the last prefix".to_string());
                    }
                    self.item(&mut words, prefixes);
                    return self.end_of_list();
                }
                Some(Token::Mark(mark)) => {
                    self.complain(|| format!("'{}' in the list", char::from(mark)));
                    self.item(&mut words, prefixes);
                    if mark == b';' {
                        return;
                    }
                }
                None => {
                    self.complain(|| "the text ends inside the list".to_string());
                    return self.item(&mut words, prefixes);
                }
            }
            after_comma = false;
        }
    }

    fn end_of_list(&mut self) {
        let before = self.lexer.at;
        if self.lexer.next() != Some(Token::Mark(b';')) {
            self.complain(|| "no ';' behind the list".to_string());
            // Whatever stands there may be the next statement.
            self.lexer.at = before;
        }
    }

    /// The words between two commas: one prefix, perhaps with blanks inside.
    fn item(&mut self, words: &mut Vec<&'a [u8]>, prefixes: &mut BTreeSet<IpNetwork>) {
        match words.as_slice() {
            [] => (),
            [word] => {
                let word = *word;
                self.prefix(word, prefixes);
            }
            several => {
                let joined = several.concat();
                match parse(&joined) {
                    Some(parsed) => self.take(parsed, &joined, prefixes),
                    None => return self.words_without_comma(words, prefixes),
                }
            }
        }
        words.clear();
    }

    fn words_without_comma(
        &mut self,
        words: &mut Vec<&'a [u8]>,
        prefixes: &mut BTreeSet<IpNetwork>,
    ) {
        self.complain(|| format!("no comma behind {}", quote(words[0])));
        for word in words.drain(..) {
            self.prefix(word, prefixes);
        }
    }

    fn prefix(&mut self, word: &[u8], prefixes: &mut BTreeSet<IpNetwork>) {
        match parse(word) {
            Some(parsed) => self.take(parsed, word, prefixes),
            None => self.complain(|| format!("{} is no prefix", quote(word))),
        }
    }

    fn take(&mut self, parsed: Parsed, word: &[u8], prefixes: &mut BTreeSet<IpNetwork>) {
        let Parsed { prefix, oddity } = parsed;
        if Family::of(&prefix) != self.family {
            // A list of another name may well be for the other family.
            if !self.in_ours {
                return;
            }
            return self.complain(|| format!("{} is of the other address family", quote(word)));
        }
        if prefix.ip() != prefix.network() {
            // BIRD refuses it, so it was not announced, and nobody knows what was meant.
            return self.complain(|| format!("{} has host bits set", quote(word)));
        }
        if let Some(oddity) = oddity {
            self.complain(|| format!("{} {oddity}", quote(word)));
        }
        prefixes.insert(prefix);
    }
}

/// The longest part of a word that is quoted.
fn head(word: &[u8]) -> &[u8] {
    &word[..word.len().min(QUOTED_MAX)]
}

fn quote(word: &[u8]) -> String {
    let ellipsis = if word.len() > QUOTED_MAX { "…" } else { "" };
    format!("'{}{ellipsis}'", escape::visible_bytes(head(word)))
}

struct Parsed {
    prefix: IpNetwork,
    /// Why it should not be written like that.
    oddity: Option<&'static str>,
}

/// A prefix as BIRD reads it, and a little more.
fn parse(word: &[u8]) -> Option<Parsed> {
    let text = std::str::from_utf8(word).ok()?;
    let (address, rest) = match text.split_once('/') {
        Some((address, rest)) => (address, Some(rest)),
        None => (text.trim_end_matches(['+', '-']), None),
    };
    let address = parse_address(address)?;
    let longest = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let Some(rest) = rest else {
        let prefix = IpNetwork::new(address, longest).ok()?;
        let oddity = Some("has no length, so that BIRD matches nothing with it");
        return Some(Parsed { prefix, oddity });
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (length, pattern) = rest.split_at(digits);
    let length: u8 = length.parse().ok()?;
    let prefix = IpNetwork::new(address, length).ok()?;
    let oddity = match pattern {
        "" => None,
        "+" | "-" => Some("is a pattern and not a prefix"),
        braces if braces.starts_with('{') && braces.ends_with('}') => {
            Some("is a pattern and not a prefix")
        }
        _ => return None,
    };
    Some(Parsed { prefix, oddity })
}

/// Like the standard library's, except that BIRD reads `010.0.0.1` as ten and so do we.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts
        .next()
        .is_none()
        .then(|| Ipv4Addr::from(octets).into())
}

#[cfg(test)]
mod tests;
