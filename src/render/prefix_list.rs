//! BIRD's list of prefixes, `define NAME = [ ... ];`: written strictly, read liberally.
//!
//! What is written is read by BIRD 1.6, 2 and 3, and by the program that this one replaces: one prefix a
//! line, the dummy first, no comma after the last. What is read may have been written by anybody: every
//! prefix that BIRD could have announced from it is found, so that no restart withdraws one, and the first
//! thing that calls for a new file is named. No input makes the reader panic, and its time is linear in the
//! length of the text.

use std::fmt::Write;

use ipnetwork::IpNetwork;

use self::item::{Parsed, parse};
use self::lexer::{Lexer, Token};
use super::{date, escape};
use crate::config::{Family, FamilyConfig};
use crate::engine::vocab::{FoundFile, Repair};
use crate::sorted::Set;
use crate::time::Calendar;

mod item;
mod lexer;

/// Characters of an unreadable word that a complaint quotes; enough to find it, and still one short line.
const QUOTED_MAX: usize = 60;

/// Words of one list item that are held before they are taken one by one: a prefix of BIRD's has four at most
/// (`10.0.0.0 / 8 +`).
const ITEM_WORDS_MAX: usize = 4;

/// The whole text of a prefix file, in place of what `out` holds.
pub fn write(
    out: &mut String,
    family_config: &FamilyConfig,
    prefixes: &Set<IpNetwork>,
    stamp: &Calendar,
    pid: u32,
) {
    let dummy = family_config.dummy;
    out.clear();
    out.reserve(256 + prefixes.len() * 32);
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
        out.push_str(",\n        ");
        push(out, prefix);
    }
    out.push_str("\n    ];\n");
}

/// As Display does it. BIRD waits for this, so the prefixes that most have, and have most of, take a fifth of the time.
fn push(out: &mut String, prefix: &IpNetwork) {
    let IpNetwork::V4(net) = prefix else {
        write!(out, "{prefix}").unwrap_or_default();
        return;
    };
    let [first, rest @ ..] = net.ip().octets();
    push_number(out, first);
    for octet in rest {
        out.push('.');
        push_number(out, octet);
    }
    out.push('/');
    push_number(out, net.prefix());
}

fn push_number(out: &mut String, number: u8) {
    for (power, digit) in [
        (100, number / 100),
        (10, number / 10 % 10),
        (1, number % 10),
    ] {
        if number >= power || power == 1 {
            out.push(char::from(b'0' + digit));
        }
    }
}

/// What a prefix file announces, and whether it has to be written anew.
///
/// Of several lists the one named `variable` counts. If there is none of that name, all that are there
/// count: the variable has been renamed in the configuration, and that alone must withdraw nothing.
pub fn read(text: &[u8], family: Family, variable: &str, dummy: &IpNetwork) -> FoundFile {
    let mut reader = Reader::of(text, family, variable);
    reader.statements();
    // The lexer's problems lie in the text like the reader's; of the two first ones either is as good to
    // know.
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

/// What a file is that is about to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One list, of whatever name, or nothing: all of it is known.
    List,
    /// A list with something in it that would be lost.
    Damaged,
    /// Another part of BIRD's configuration, by the statement that `word` begins in this line.
    Foreign { line: usize, word: String },
}

/// Begin a statement of BIRD's and no line of anything else.
const UNMISTAKABLE: &str = "protocol template filter function include";

/// Begin a statement of BIRD's, and may well be a word of something else.
const STATEMENTS: &str = "router log table ipv4 ipv6 vpn4 vpn6 roa roa4 roa6 flow4 flow6 eth mpls aspa evpn debug mrtdump \
    timeformat watchdog eval listen graceful threads hostname cli attribute";

/// Whether the text of a file may be replaced by a list.
pub fn judge(text: &[u8]) -> Content {
    if let Some((line, word)) = foreign_statement(text) {
        return Content::Foreign { line, word };
    }
    let mut reader = Reader::of(text, Family::V4, "");
    reader.statements();
    let several = reader.defines > 1 || reader.defines == 1 && reader.other_name.is_none();
    match reader.problem.is_some() || reader.lexer.problem.is_some() || several {
        true => Content::Damaged,
        false => Content::List,
    }
}

/// The first statement that no list of prefixes has, by its line and first word.
fn foreign_statement(text: &[u8]) -> Option<(usize, String)> {
    let mut lexer = Lexer::of(text);
    let (mut line, mut counted) = (1, 0);
    let mut first_of_statement = true;
    while let Some(token) = lexer.next() {
        let (start, first) = (lexer.start, first_of_statement);
        match token {
            Token::Mark(mark) => first_of_statement = mark == b';',
            Token::Word(word) => {
                first_of_statement = word.ends_with(b"}");
                // A word in quotes is a name.
                let is_one_of = |words: &str| {
                    text[start..].starts_with(word)
                        && words.split_whitespace().any(|one| one.as_bytes() == word)
                };
                let first_of_line = || text[counted..start].contains(&b'\n');
                if first && is_one_of(STATEMENTS)
                    || is_one_of(UNMISTAKABLE) && (first || first_of_line())
                {
                    line += newlines(&text[counted..start]);
                    return Some((line, String::from_utf8_lossy(word).into_owned()));
                }
            }
        }
        line += newlines(&text[counted..lexer.at]);
        counted = lexer.at;
    }
    None
}

fn newlines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// What is said of a file that is not replaced for that.
pub fn foreign(line: usize, word: &str) -> String {
    format!(
        "its line {line} begins a statement of BIRD's configuration with '{word}', and a prefix file is overwritten: \
         name a file of its own"
    )
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    family: Family,
    variable: &'a str,
    /// The prefixes of the list that has the right name.
    ours: Option<Set<IpNetwork>>,
    /// Those of all others.
    others: Set<IpNetwork>,
    other_name: Option<String>,
    /// Whether the list that is being read has the right name.
    in_ours: bool,
    defines: usize,
    problem: Option<String>,
}

impl<'a> Reader<'a> {
    fn of(text: &'a [u8], family: Family, variable: &'a str) -> Reader<'a> {
        Reader {
            lexer: Lexer::of(text),
            family,
            variable,
            ours: None,
            others: Set::new(),
            other_name: None,
            in_ours: false,
            defines: 0,
            problem: None,
        }
    }

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
                }
                Token::Mark(mark) => {
                    self.complain(|| format!("'{}' where a define is expected", char::from(mark)));
                }
            }
        }
    }

    /// Up to the next `;`, or to the next `define`, which stands in no other statement.
    fn rest_of_statement(&mut self) {
        loop {
            let before = self.lexer.at;
            match self.lexer.next() {
                Some(Token::Mark(b';')) => return,
                Some(Token::Word(b"define")) => {
                    self.lexer.at = before;
                    return self.complain(|| "no ';' in front of a define".to_string());
                }
                Some(_) => (),
                None => return self.complain(|| "a statement without end".to_string()),
            }
        }
    }

    /// What follows `define`.
    fn define(&mut self) {
        self.defines += 1;
        let Some(Token::Word(name)) = self.lexer.next() else {
            return self.complain(|| "a define without a name".to_string());
        };
        if self.lexer.next() != Some(Token::Mark(b'=')) {
            return self.complain(|| format!("no '=' behind define {}", quote(name)));
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
        let mut prefixes = Set::new();
        self.in_ours = is_ours;
        self.items(&mut prefixes);
        if is_ours {
            if self.ours.is_some() {
                self.complain(|| format!("{} is defined twice", quote(name)));
            }
            self.ours.get_or_insert_with(Set::new).extend(prefixes);
        } else {
            self.others.extend(prefixes);
            if self.other_name.is_none() {
                self.other_name = Some(escape::visible_bytes(head(name)));
            }
        }
    }

    fn items(&mut self, prefixes: &mut Set<IpNetwork>) {
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
    fn item(&mut self, words: &mut Vec<&'a [u8]>, prefixes: &mut Set<IpNetwork>) {
        match words.as_slice() {
            [] => (),
            [word] => {
                let word = *word;
                self.prefix(word, prefixes);
            }
            several => {
                let joined = several.concat();
                match parse(&joined) {
                    Some(parsed) if several.windows(2).all(may_part) => {
                        self.take(parsed, &joined, prefixes);
                    }
                    _ => return self.words_without_comma(words, prefixes),
                }
            }
        }
        words.clear();
    }

    fn words_without_comma(&mut self, words: &mut Vec<&'a [u8]>, prefixes: &mut Set<IpNetwork>) {
        self.complain(|| format!("no comma behind {}", quote(words[0])));
        for word in words.drain(..) {
            self.prefix(word, prefixes);
        }
    }

    fn prefix(&mut self, word: &[u8], prefixes: &mut Set<IpNetwork>) {
        match parse(word) {
            Some(parsed) => self.take(parsed, word, prefixes),
            None => self.complain(|| format!("{} is no prefix", quote(word))),
        }
    }

    fn take(&mut self, parsed: Parsed, word: &[u8], prefixes: &mut Set<IpNetwork>) {
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

/// Whether BIRD takes a blank between these two words of a prefix: around the slash, and before a pattern.
fn may_part(words: &[&[u8]]) -> bool {
    words[0].ends_with(b"/")
        || words[1].starts_with(b"/")
        || words[1].starts_with(b"+")
        || words[1].starts_with(b"-")
        || words[1].starts_with(b"{")
}

/// The longest part of a word that is quoted.
fn head(word: &[u8]) -> &[u8] {
    &word[..word.len().min(QUOTED_MAX)]
}

fn quote(word: &[u8]) -> String {
    let ellipsis = if word.len() > QUOTED_MAX { "…" } else { "" };
    format!("'{}{ellipsis}'", escape::visible_bytes(head(word)))
}

#[cfg(test)]
mod tests;
