//! One line into one descriptor, whole or accounted for.
//!
//! A line that was cut short (full disk, full pipe) must not swallow the beginning of the next one: `torn`
//! remembers that the last byte out was no line end, and the next line begins with one.

use std::io::{self, Write};

/// A line that did not get out whole.
#[derive(Debug)]
pub struct Cut {
    /// Bytes that did.
    pub written: usize,
    pub error: io::Error,
}

/// Writes `line` and a line end in pieces of at most `piece` bytes, each only if `ready` says that it would
/// not wait.
pub fn put<W: Write>(
    out: &mut W,
    torn: &mut bool,
    line: &str,
    piece: usize,
    ready: impl Fn(&W) -> bool,
) -> Result<(), Cut> {
    let mut bytes = Vec::with_capacity(line.len() + 2);
    if *torn {
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');

    let mut written = 0;
    let outcome = loop {
        let rest = &bytes[written..];
        if rest.is_empty() {
            break Ok(());
        }
        if !ready(out) {
            break Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        match out.write(&rest[..rest.len().min(piece)]) {
            Ok(0) => break Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    if let Some(last) = written.checked_sub(1) {
        *torn = bytes[last] != b'\n';
    }
    outcome.map_err(|error| Cut { written, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails.
    struct Small {
        taken: Vec<u8>,
        room: usize,
        writes: usize,
    }

    impl Small {
        fn new(room: usize) -> Small {
            Small {
                taken: Vec::new(),
                room,
                writes: 0,
            }
        }
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            self.room -= fits;
            self.taken.extend(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_write_a_line() {
        let (mut out, mut torn) = (Small::new(100), false);
        put(&mut out, &mut torn, "hello", usize::MAX, |_| true).unwrap();
        assert_eq!((out.taken.as_slice(), out.writes), (&b"hello\n"[..], 1));
        assert!(!torn);
    }

    #[test]
    fn a_cut_line_does_not_touch_the_next() {
        let (mut out, mut torn) = (Small::new(3), false);
        let cut = put(&mut out, &mut torn, "hello", usize::MAX, |_| true).unwrap_err();
        assert_eq!(cut.written, 3);
        assert!(torn);
        let cut = put(&mut out, &mut torn, "gone", usize::MAX, |_| true).unwrap_err();
        assert_eq!(cut.written, 0);
        assert!(torn, "still in the middle of the first line");
        out.room = 100;
        put(&mut out, &mut torn, "next", usize::MAX, |_| true).unwrap();
        assert_eq!(out.taken, b"hel\nnext\n");
        assert!(!torn);
    }

    #[test]
    fn only_the_line_end_got_out() {
        let (mut out, mut torn) = (Small::new(1), true);
        put(&mut out, &mut torn, "hello", usize::MAX, |_| true).unwrap_err();
        assert!(!torn);
    }

    #[test]
    fn long_lines_go_in_pieces_and_stop_when_it_would_wait() {
        let (mut out, mut torn) = (Small::new(1000), false);
        put(&mut out, &mut torn, "0123456789", 4, |_| true).unwrap();
        assert_eq!(out.writes, 3);
        let cut = put(&mut out, &mut torn, "0123456789", 4, |out| out.writes < 4).unwrap_err();
        assert_eq!(cut.error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(cut.written, 4);
        assert!(torn);
    }
}
