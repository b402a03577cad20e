//! A command line, split into words and packed into one piece: there may be thousands of them.

use std::fmt;

/// Ends a word. It occurs in no UTF-8 text, so a word may hold anything.
const END: u8 = 0xff;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct CommandLine(Box<[u8]>);

impl CommandLine {
    pub fn of<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> CommandLine {
        let mut packed = Vec::new();
        for word in words {
            packed.extend_from_slice(word.as_ref().as_bytes());
            packed.push(END);
        }
        CommandLine(packed.into_boxed_slice())
    }

    pub fn words(&self) -> impl Iterator<Item = &str> {
        let ended = self.0.split_inclusive(|byte| *byte == END);
        ended.map(|word| std::str::from_utf8(&word[..word.len() - 1]).expect("words are text"))
    }

    /// What it takes in memory, about.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The command itself; empty if there is none.
    pub fn program(&self) -> &str {
        self.words().next().unwrap_or("")
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.words()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        for words in [
            &[][..],
            &["a"],
            &["", ""],
            &["/bin/sh", "-c", "echo \u{ff}\n\0 é"],
        ] {
            let line = CommandLine::of(words);
            assert_eq!(line.words().collect::<Vec<_>>(), words);
            assert_eq!(line.program(), *words.first().unwrap_or(&""));
        }
    }
}
