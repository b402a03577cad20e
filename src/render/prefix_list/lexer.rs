//! The words and marks of a prefix file, by BIRD's lexical rules.
//!
//! `#` to the end of the line and `/* */`, which does not nest, are comments; only blank, tab and newline
//! part words. What BIRD refuses outside of comments, a carriage return or a byte-order mark among it, is
//! remembered and passed over.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of anything that is no blank and no punctuation; quotes of a symbol are taken off.
    Word(&'a [u8]),
    /// `= [ ] ; ,`
    Mark(u8),
}

/// BIRD's lexical rules as far as a list of prefixes needs them.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    /// Where the next token is looked for.
    pub(super) at: usize,
    /// Where the last token began.
    pub(super) start: usize,
    /// The first thing that BIRD would not take for a token.
    pub(super) problem: Option<String>,
}

impl<'a> Lexer<'a> {
    pub(super) fn of(text: &'a [u8]) -> Lexer<'a> {
        Lexer {
            text,
            at: 0,
            start: 0,
            problem: None,
        }
    }

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

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            let byte = self.peek()?;
            self.start = start;
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
                    let inside = self.at;
                    if !self.skip_past(b"*/") {
                        self.complain(|| "a comment without end".to_string());
                    } else if self.text[inside..self.at]
                        .windows(2)
                        .any(|two| two == b"/*")
                    {
                        self.complain(|| "a comment within a comment".to_string());
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
                0..=32 | 0x7f | b'=' | b'[' | b']' | b';' | b',' | b'#' | b'\'' | b'"' => break,
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
                // The end of a block, which needs no blank behind it.
                b'}' => {
                    self.at += 1;
                    break;
                }
                _ => self.at += 1,
            }
        }
        Token::Word(&self.text[start..self.at])
    }
}
