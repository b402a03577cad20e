//! One question to a running BIRD, for `-c`: does it know a constant of that name?
//!
//! Asks over the control socket with `show symbols`, which changes nothing. Waits, but not for long: this is for
//! commands that answer and end, never for the daemon.

use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use super::sys;

/// How long one piece of the answer may take; BIRD answers at once or hangs.
const PATIENCE: Duration = Duration::from_millis(250);
/// Pieces of the answer, so that the whole takes no more than a second or two. It has two lines.
const PIECES: usize = 6;

/// Whether BIRD has a constant called `name`; `None` if it does not answer, or not so that we understand.
pub fn knows(socket: &Path, name: &str) -> Option<bool> {
    let mut stream = sys::socket::connect_stream(socket).ok()?;
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let question = format!("show symbols {name}\n");
    stream.write_all(question.as_bytes()).ok()?;
    let mut said = Vec::new();
    let mut buffer = [0; 2048];
    for _ in 0..PIECES {
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        said.extend_from_slice(&buffer[..length]);
        if let Some(answer) = verdict(&String::from_utf8_lossy(&said), name) {
            return Some(answer);
        }
    }
    None
}

/// Reads `1010 NAME<blanks>constant`, or `undefined`, or another kind of symbol.
fn verdict(said: &str, name: &str) -> Option<bool> {
    let complete = &said[..=said.rfind('\n')?];
    complete.lines().find_map(|line| {
        let symbol = line.strip_prefix("1010")?.get(1..)?;
        let mut words = symbol.split_whitespace();
        (words.next()? == name).then(|| words.next() == Some("constant"))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn understands_bird() {
        let greeting = "0001 BIRD 2.0.12 ready.\n";
        let after = |answer: &str| verdict(&format!("{greeting}{answer}"), "ACAST");
        assert_eq!(after("1010 ACAST   \tconstant\n"), Some(true));
        assert_eq!(after("1010-ACAST   \tconstant\n0000 \n"), Some(true));
        assert_eq!(after("1010 ACAST   \tundefined\n"), Some(false));
        assert_eq!(after("1010 ACAST   \tfunction\n"), Some(false));
        assert_eq!(after("1010 ACAST6  \tconstant\n"), None);
        assert_eq!(after("1010 ACAST   \tconst"), None);
        assert_eq!(after("9001 syntax error\n"), None);
        assert_eq!(after(""), None);
        assert_eq!(verdict("", "ACAST"), None);
    }

    #[test]
    fn asks_and_gives_up() {
        let path = std::env::temp_dir().join(format!("ask-bird-{}", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket of our own");
        let bird = std::thread::spawn(move || {
            let (mut first, _) = listener.accept().expect("the question comes");
            first.write_all(b"0001 BIRD ready.\n").expect("greeting");
            let mut question = [0; 20];
            first.read_exact(&mut question).expect("question");
            first.write_all(b"1010 ACAST_\tconstant\n").expect("answer");
            // The second one is never answered, but held open until the asker gives up.
            let (mut second, _) = listener.accept().expect("another question comes");
            let _ = second.read_to_end(&mut Vec::new());
            question
        });
        assert_eq!(knows(&path, "ACAST_"), Some(true));
        assert_eq!(knows(&path, "ACAST_"), None);
        assert_eq!(&bird.join().expect("BIRD ends"), b"show symbols ACAST_\n");
        let _ = std::fs::remove_file(&path);
        assert_eq!(knows(&path, "A"), None);
    }
}
