//! Finds the sources of the tree and takes them apart, roughly.

use std::fs;
use std::path::{Path, PathBuf};

pub struct Source {
    /// Relative to the root of the tree, with slashes.
    pub path: String,
    pub text: String,
    /// The text with comments and the contents of strings blanked, line by line.
    pub code: String,
}

impl Source {
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
            || self.path.ends_with("_tests.rs")
    }

    /// The code that ships.
    pub fn shipped(&self) -> String {
        match self.is_test() {
            true => String::new(),
            false => without_tests(&self.code),
        }
    }

    /// Complaints `path:line: …` for every line of the shipped code that holds one of `words`.
    pub fn forbid(&self, words: &[&str], why: &str, found: &mut Vec<String>) {
        for (number, line) in self.shipped().lines().enumerate() {
            for word in words.iter().filter(|word| holds_word(line, word)) {
                found.push(format!("{}:{}: {word}: {why}", self.path, number + 1));
            }
        }
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sources(parts: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for part in parts {
        collect(&root().join(part), &mut paths);
    }
    paths.sort();
    assert!(!paths.is_empty(), "no sources below {parts:?}");
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("source");
        let path = path
            .strip_prefix(root())
            .expect("below the root")
            .display()
            .to_string();
        let code = blank(&text);
        Source { path, text, code }
    };
    paths.into_iter().map(source).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("directory").flatten() {
        let path = entry.path();
        // These crates are not part of the build.
        let foreign = ["tests/fuzz", "tests/bench", "tests/mutants"]
            .iter()
            .any(|name| path.ends_with(name));
        if path.is_dir() && !foreign && !path.ends_with("target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

pub fn word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` holds `word`, not as a part of a longer one.
pub fn holds_word(line: &str, word: &str) -> bool {
    let open_left = word.starts_with(word_character);
    let open_right = word.ends_with(word_character);
    line.match_indices(word).any(|(at, _)| {
        let left = line[..at].chars().next_back().is_some_and(word_character);
        let right = line[at + word.len()..]
            .chars()
            .next()
            .is_some_and(word_character);
        !(open_left && left || open_right && right)
    })
}

/// Blanked code without the items that only tests see; line breaks stay.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut shipped = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        shipped.push_str(&rest[..at]);
        let (mut depth, mut end) = (0i32, rest.len());
        for (offset, c) in rest[at + MARK.len()..].char_indices() {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            // The end of a statement, of a field or of a block, or of the block around it all.
            if depth < 0 || depth == 0 && [';', ',', '}'].contains(&c) {
                end = at + MARK.len() + offset + usize::from(depth == 0);
                break;
            }
        }
        shipped.extend(rest[at..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    shipped + rest
}

/// The text with comments and the contents of strings and characters replaced by blanks; line breaks stay.
pub fn blank(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skip(&bytes, at);
        if end == at {
            code.push(bytes[at]);
            at += 1;
        } else {
            code.extend(
                bytes[at..end]
                    .iter()
                    .map(|&c| if c == '\n' { c } else { ' ' }),
            );
            at = end;
        }
    }
    code
}

/// The end of the comment, string or character that begins at `at`; `at` itself if none does.
fn skip(text: &[char], at: usize) -> usize {
    let here = |offset: usize| text.get(at + offset).copied().unwrap_or('\0');
    let after_word = at > 0 && word_character(text[at - 1]);
    match here(0) {
        '/' if here(1) == '/' => (at..text.len())
            .find(|&i| text[i] == '\n')
            .unwrap_or(text.len()),
        '/' if here(1) == '*' => {
            let close =
                (at + 2..text.len()).find(|&i| text[i] == '/' && text[i - 1] == '*' && i > at + 2);
            close.map_or(text.len(), |i| i + 1)
        }
        'r' if !after_word && (here(1) == '"' || here(1) == '#') => {
            let hashes = text[at + 1..].iter().take_while(|&&c| c == '#').count();
            if here(1 + hashes) != '"' {
                return at;
            }
            let closes = |i: usize| {
                text[i] == '"'
                    && text[i + 1..]
                        .iter()
                        .take(hashes)
                        .filter(|&&c| c == '#')
                        .count()
                        == hashes
            };
            let close = (at + 2 + hashes..text.len()).find(|&i| closes(i));
            close.map_or(text.len(), |i| i + 1 + hashes)
        }
        '"' => {
            let mut i = at + 1;
            while i < text.len() && text[i] != '"' {
                i += if text[i] == '\\' { 2 } else { 1 };
            }
            i + 1
        }
        // A character, not a lifetime.
        '\'' if here(1) == '\\' => (at + 3..text.len())
            .find(|&i| text[i] == '\'')
            .map_or(at, |i| i + 1),
        '\'' if here(2) == '\'' => at + 3,
        _ => at,
    }
}
