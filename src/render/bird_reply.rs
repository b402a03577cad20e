//! BIRD's answers to `configure`: from its control socket by code, from a command by code or by its words.
//!
//! A reconfiguration has succeeded when BIRD says that it took the configuration (0003, 0004, 0005), and
//! never because a command ended with status 0: `birdc` of BIRD 1.6 does so whatever happened. The last
//! line of a reply decides; the lines before it may hold anything, even `8000 <line overflow>` for a long
//! path. What is kept for quoting is bounded, and BIRD's note of progress (0002) is never part of it.

use super::escape;
use crate::engine::vocab::{Accepted, Captured, Ended, Refusal};

/// Bytes of a line that are looked at. BIRD's own lines end at about 510; the rest of a longer one is
/// dropped.
const LINE_MAX: usize = 1024;

/// Bytes of BIRD's words that are quoted: a few of its error messages, and still one line of a log.
const QUOTE_MAX: usize = 500;

/// What BIRD says when it has taken a configuration, as `birdc` prints it without codes.
const ACCEPTED: [(&str, Accepted); 3] = [
    ("Reconfigured", Accepted::Reconfigured),
    ("Reconfiguration in progress", Accepted::InProgress),
    (
        "Reconfiguration already in progress, queueing new config",
        Accepted::Queued,
    ),
];

const GREETING: u16 = 1;
const READING_CONFIGURATION: u16 = 2;

fn accepted_code(code: u16) -> Option<Accepted> {
    match code {
        3 => Some(Accepted::Reconfigured),
        4 => Some(Accepted::InProgress),
        5 => Some(Accepted::Queued),
        _ => None,
    }
}

/// BIRD's words, joined and bounded.
#[derive(Debug, Default)]
struct Quote {
    text: String,
}

impl Quote {
    fn add(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || self.text.len() >= QUOTE_MAX {
            return;
        }
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text.push_str(&escape::visible(line));
        if self.text.len() > QUOTE_MAX {
            let end = escape::head(&self.text, QUOTE_MAX).len();
            self.text.truncate(end);
            self.text.push('…');
        }
    }
}

/// One line of the control protocol, taken apart.
struct Line<'a> {
    code: u16,
    /// Whether it ends its reply.
    last: bool,
    words: &'a str,
}

impl<'a> Line<'a> {
    /// `NNNN-words` or `NNNN words`; nothing else is a line with a code.
    fn parse(line: &'a str) -> Option<Line<'a>> {
        let (code, rest) = line.split_at_checked(4)?;
        if !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let last = match rest.bytes().next() {
            Some(b' ') | None => true,
            Some(b'-') => false,
            Some(_) => return None,
        };
        Some(Line {
            code: code.parse().ok()?,
            last,
            words: rest.get(1..).unwrap_or_default(),
        })
    }
}

/// Reads a conversation over the control socket as its bytes come in: BIRD's greeting, then the reply to
/// one command.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// The beginning of a line whose end is not there yet.
    line: Vec<u8>,
    /// The code of the last line that had one: the code of continuation lines without.
    code: u16,
    quote: Quote,
}

impl ReplyReader {
    pub fn new() -> ReplyReader {
        ReplyReader::default()
    }

    /// Takes what has arrived. Once the reply is complete the verdict is returned, and whatever follows is
    /// of no interest.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Result<Accepted, Refusal>> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LINE_MAX - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                let line = std::mem::take(&mut self.line);
                let verdict = self.take_line(&String::from_utf8_lossy(&line));
                if verdict.is_some() {
                    return verdict;
                }
            }
        }
        None
    }

    fn take_line(&mut self, line: &str) -> Option<Result<Accepted, Refusal>> {
        let line = line.trim_end_matches('\r');
        if line.starts_with('+') {
            // An asynchronous line, which belongs to no reply.
            return None;
        }
        if let Some(words) = line.strip_prefix(' ') {
            if self.code != READING_CONFIGURATION {
                self.quote.add(words);
            }
            return None;
        }
        let Some(parsed) = Line::parse(line) else {
            let mut quote = Quote::default();
            quote.add(line);
            return Some(Err(Refusal::Unreachable(format!(
                "what answers there is not BIRD: {:?}",
                quote.text
            ))));
        };
        self.code = parsed.code;
        if parsed.code == GREETING {
            return None;
        }
        if parsed.code != READING_CONFIGURATION {
            self.quote.add(parsed.words);
        }
        if !parsed.last {
            return None;
        }
        let said = std::mem::take(&mut self.quote.text);
        Some(match accepted_code(parsed.code) {
            Some(accepted) => Ok(accepted),
            None if said.is_empty() => Err(Refusal::Said(format!("code {:04}", parsed.code))),
            None => Err(Refusal::Said(said)),
        })
    }
}

/// `2.0.12` out of `BIRD 2.0.12 ready.`, with or without the code in front.
fn parse_version(greeting: &str) -> Option<String> {
    let words = Line::parse(greeting).map_or(greeting, |line| line.words);
    let version = words
        .trim()
        .strip_prefix("BIRD ")?
        .strip_suffix(" ready.")?;
    let plain =
        !version.is_empty() && version.len() <= 32 && version.bytes().all(|b| b.is_ascii_graphic());
    plain.then(|| version.to_string())
}

/// The verdict on a command that was to have BIRD reconfigured.
///
/// BIRD's acceptance must be a line of its own in the output and belong to the last reply there: a wrapper
/// may print more behind it, but a second greeting (of the other family's BIRD, say) starts a reply that
/// must be good as well. Of a long output the end counts. A command that did not end with status 0 has failed whatever it says.
pub fn judge_output(
    stdout: &Captured,
    stderr: &Captured,
    ended: Ended,
) -> Result<Accepted, Refusal> {
    let mut accepted = None;
    let mut quote = Quote::default();
    // Errors of birdc, ssh and sudo come on the other stream, and so may an answer that a wrapper redirects.
    for captured in [stdout, stderr] {
        let before = accepted;
        for bytes in captured.bytes.split(|byte| *byte == b'\n') {
            if captured.dropped > 0 && bytes.starts_with(&Captured::GAP[1..]) {
                // Nobody knows what came in between: the end alone counts.
                (accepted, quote) = (before, Quote::default());
            }
            let line = String::from_utf8_lossy(&bytes[..bytes.len().min(LINE_MAX)]);
            judge_line(line.trim(), &mut accepted, &mut quote);
        }
    }
    match (ended, accepted) {
        (Ended::Exit(0), Some(accepted)) => Ok(accepted),
        _ => Err(Refusal::Command {
            ended,
            said: quote.text,
        }),
    }
}

fn judge_line(line: &str, accepted: &mut Option<Accepted>, quote: &mut Quote) {
    if let Some(coded) = Line::parse(line) {
        match coded.code {
            GREETING | READING_CONFIGURATION => *accepted = None,
            code => {
                if coded.last {
                    *accepted = accepted_code(code);
                }
                quote.add(coded.words);
            }
        }
        return;
    }
    if parse_version(line).is_some() || line.starts_with("Reading configuration from ") {
        *accepted = None;
        return;
    }
    if line.starts_with("Unable to connect to server") || line == "Connection closed by server" {
        // birdc's own; with two of them in one command the status may be the other's.
        *accepted = None;
    }
    if let Some((_, which)) = ACCEPTED.iter().find(|(words, _)| *words == line) {
        *accepted = Some(*which);
    }
    quote.add(line);
}

#[cfg(test)]
mod tests;
