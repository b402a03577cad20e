//! The metrics file: made in slices, as far as a share of the loop's time lasts, and then put in the place of the old one.
//!
//! A host with few services has a new file in the turn that asks for it. What is asked for while one is being made is made
//! after it. The share makes the spacing too: the more a file costs, the longer is the pause before the next.

use std::io;
use std::path::Path;

use super::disk::{self, Replacement};
use super::share::Share;
use crate::render::Piece;
use crate::render::metrics::Cursor;
use crate::time::Mono;

/// The name that the reference gives it.
const NAME: &str = "anycast_healthchecker.prom";
/// One part in so many of the loop's time is for metrics.
const SHARE: u32 = 10;
/// Bytes that are written together.
const BLOCK: usize = 64 * 1024;

#[derive(Debug)]
pub struct MetricsFile {
    wanted: bool,
    pass: Option<Pass>,
    share: Share,
}

/// A file that is being made.
#[derive(Debug)]
struct Pass {
    file: Replacement,
    cursor: Cursor,
    text: String,
}

impl MetricsFile {
    pub fn new(now: Mono) -> MetricsFile {
        MetricsFile {
            wanted: false,
            pass: None,
            share: Share::one_in(SHARE, now),
        }
    }

    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// When [`Self::advance`] has something to do.
    pub fn next_deadline(&self) -> Option<Mono> {
        (self.wanted || self.pass.is_some()).then(|| self.share.free_at())
    }

    /// Goes on as far as the share lasts; `make` appends the next piece of the text. An outcome once a file is
    /// finished, or has failed.
    pub fn advance(
        &mut self,
        directory: &Path,
        clock: &dyn Fn() -> Mono,
        make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
    ) -> Option<io::Result<()>> {
        let MetricsFile {
            wanted,
            pass,
            share,
        } = self;
        let mut outcome = None;
        share.spend(clock, &mut || {
            if pass.is_none() && !std::mem::take(wanted) {
                return false;
            }
            outcome = step(pass, directory, make).transpose();
            if outcome.is_some() {
                *pass = None;
            }
            outcome.is_none()
        });
        outcome
    }

    /// The last file, at once and whole.
    pub fn finish(
        &mut self,
        directory: &Path,
        make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
    ) -> io::Result<()> {
        self.pass = None;
        loop {
            if step(&mut self.pass, directory, make)?.is_some() {
                return Ok(());
            }
        }
    }

    /// Removes what a killed predecessor left half written.
    pub fn sweep(directory: &Path) {
        // What can't be swept is in nobody's way.
        let _ = disk::sweep(&directory.join(NAME));
    }

    /// Nothing is asked for any more.
    pub fn give_up(&mut self) {
        (self.wanted, self.pass) = (false, None);
    }
}

/// One piece more, of a new file if none is being made; something if the file is complete.
fn step(
    pass: &mut Option<Pass>,
    directory: &Path,
    make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
) -> io::Result<Option<()>> {
    let begin = || Pass::begin(directory);
    let current = match pass {
        Some(current) => current,
        None => pass.insert(begin()?),
    };
    let piece = make(&mut current.cursor, &mut current.text);
    if piece == Piece::Outdated {
        *pass = Some(begin()?);
        return Ok(None);
    }
    if piece == Piece::Last || current.text.len() >= BLOCK {
        current.file.write(current.text.as_bytes())?;
        current.text.clear();
    }
    match pass.take_if(|_| piece == Piece::Last) {
        Some(complete) => complete.file.commit().map(Some),
        None => Ok(None),
    }
}

impl Pass {
    fn begin(directory: &Path) -> io::Result<Pass> {
        Ok(Pass {
            file: Replacement::begin(&directory.join(NAME))?,
            cursor: Cursor::default(),
            text: String::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::test_dir::TestDir;
    use std::cell::Cell;
    use std::fs;

    fn at(millis: u64) -> Mono {
        Mono::from_micros(1_000_000_000 + millis * 1000)
    }

    /// Fifty thousand services: 2,000 pieces, each of which takes a millisecond.
    #[test]
    fn a_large_file_is_made_in_slices_while_the_old_one_stays() {
        let dir = TestDir::new();
        fs::write(dir.join(NAME), "old").unwrap();
        let clock = Cell::new(0);
        let left = Cell::new(2000);
        let mut file = MetricsFile::new(at(0));
        assert_eq!(file.next_deadline(), None);
        file.want();
        let (mut turns, mut longest) = (0, 0);
        loop {
            let begin = clock.get();
            let outcome = file.advance(dir.path(), &|| at(clock.get()), &mut |_, text| {
                clock.set(clock.get() + 1);
                text.push_str(&format!("{}\n", left.get()));
                left.set(left.get() - 1);
                match left.get() {
                    0 => Piece::Last,
                    _ => Piece::More,
                }
            });
            turns += 1;
            longest = longest.max(clock.get() - begin);
            if let Some(outcome) = outcome {
                outcome.unwrap();
                break;
            }
            assert_eq!(fs::read_to_string(dir.join(NAME)).unwrap(), "old");
            let next = file.next_deadline().unwrap();
            clock.set(clock.get().max(next.since(at(0)).as_millis() as u64 + 1));
        }
        let text = fs::read_to_string(dir.join(NAME)).unwrap();
        assert_eq!(text.lines().count(), 2000);
        assert!(
            longest <= 6 && turns > 300,
            "{turns} turns, up to {longest} ms"
        );
        assert!(clock.get() > 19_000, "2 s of work in {} ms", clock.get());
        // What comes next is paid for by then.
        file.want();
        assert!(file.next_deadline().unwrap() > at(clock.get() - 600));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_reload_starts_it_again_in_the_new_place_and_a_failure_leaves_nothing() {
        let dir = TestDir::new();
        fs::create_dir(dir.join("one")).unwrap();
        fs::create_dir(dir.join("two")).unwrap();
        let mut file = MetricsFile::new(at(0));
        file.want();
        let (mut pieces, clock) = (0, Cell::new(0));
        file.advance(&dir.join("one"), &|| at(clock.get()), &mut |_, text| {
            pieces += 1;
            clock.set(100);
            text.push_str("old\n");
            Piece::More
        });
        assert_eq!(pieces, 1);
        let mut pieces = [Piece::Outdated, Piece::More, Piece::Last].into_iter();
        let later = || at(5000);
        let outcome = file.advance(&dir.join("two"), &later, &mut |_, text| {
            text.push_str("new\n");
            pieces.next().unwrap()
        });
        outcome.unwrap().unwrap();
        assert_eq!(
            fs::read_to_string(dir.join("two").join(NAME)).unwrap(),
            "new\nnew\n"
        );
        assert_eq!(fs::read_dir(dir.join("one")).unwrap().count(), 0);
        file.want();
        let lost = file.advance(&dir.join("none"), &later, &mut |_, _| Piece::Last);
        assert!(lost.unwrap().is_err());
        assert_eq!(file.next_deadline(), None);
    }
}
