//! The metrics file: made in slices, as far as a share of the loop's time lasts and the writer process takes them.
//!
//! A host with few services has a new file in the turn that asks for it. What is asked for while one is being made is made
//! after it. The share makes the spacing too: the more a file costs, the longer is the pause before the next.

use std::path::Path;

use super::job::Jobs;
use super::share::Share;
use super::writer::{Lane, Request, Stream, Writer};
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
#[derive(Debug, Default)]
struct Pass {
    cursor: Cursor,
    text: String,
}

/// Where it goes.
pub trait Sink {
    fn state(&self) -> Stream;
    /// A new file.
    fn begin(&mut self, now: Mono, path: &Path);
    fn feed(&mut self, now: Mono, text: &[u8]);
    /// That was all of it; `whole`: it takes the place of the old file.
    fn end(&mut self, now: Mono, whole: bool);
}

/// The writer process.
pub struct ToWriter<'a> {
    pub writer: &'a mut Writer,
    pub jobs: &'a mut Jobs,
}

impl Sink for ToWriter<'_> {
    fn state(&self) -> Stream {
        self.writer.stream(Lane::Metrics)
    }

    fn begin(&mut self, now: Mono, path: &Path) {
        let request = Request::Stream { path };
        self.writer.submit(now, Lane::Metrics, &request, self.jobs);
    }

    fn feed(&mut self, now: Mono, text: &[u8]) {
        self.writer.feed(now, Lane::Metrics, text);
    }

    fn end(&mut self, now: Mono, whole: bool) {
        self.writer.end_stream(now, Lane::Metrics, whole);
    }
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

    /// Whether a file is still to be made, or is being made.
    pub fn is_busy(&self) -> bool {
        self.wanted || self.pass.is_some()
    }

    /// When [`Self::advance`] has something to do, if the sink does not say so.
    pub fn next_deadline(&self, sink: Stream) -> Option<Mono> {
        let goes_on = match sink {
            Stream::Free | Stream::Hung => self.wanted,
            Stream::Room => self.pass.is_some(),
            Stream::Full => false,
        };
        goes_on.then(|| self.share.free_at())
    }

    /// Goes on as far as the share lasts, or regardless of it if `hurry`; `make` appends the next piece of the text. True:
    /// what was wanted is given up, because the disk hangs.
    pub fn advance(
        &mut self,
        directory: &Path,
        sink: &mut dyn Sink,
        (clock, hurry): (&dyn Fn() -> Mono, bool),
        make: &mut dyn FnMut(&mut Cursor, &mut String) -> Piece,
    ) -> bool {
        if sink.state() == Stream::Hung {
            return std::mem::take(&mut self.wanted);
        }
        let MetricsFile {
            wanted,
            pass,
            share,
        } = self;
        let mut work = || {
            let now = clock();
            let Some(current) = pass else {
                if sink.state() != Stream::Free || !std::mem::take(wanted) {
                    return false;
                }
                sink.begin(now, &directory.join(NAME));
                *pass = Some(Pass::default());
                return true;
            };
            if sink.state() != Stream::Room {
                return false;
            }
            let piece = make(&mut current.cursor, &mut current.text);
            if piece == Piece::Last || current.text.len() >= BLOCK {
                sink.feed(now, current.text.as_bytes());
                current.text.clear();
            }
            if piece == Piece::More {
                return true;
            }
            sink.end(now, piece == Piece::Last);
            *wanted |= piece == Piece::Outdated;
            *pass = None;
            false
        };
        match hurry {
            true => while work() {},
            false => share.spend(clock, &mut work),
        }
        false
    }

    /// The writer has answered: nothing of it is under way.
    pub fn done(&mut self) {
        self.pass = None;
    }

    /// Nothing is asked for any more.
    pub fn give_up(&mut self, sink: &mut dyn Sink, now: Mono) {
        self.wanted = false;
        if self.pass.take().is_some() {
            sink.end(now, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::path::PathBuf;

    fn at(millis: u64) -> Mono {
        Mono::from_micros(1_000_000_000 + millis * 1000)
    }

    /// Files as they come, and whether each is complete.
    #[derive(Default)]
    struct Taken {
        files: Vec<(PathBuf, String, Option<bool>)>,
        state: Option<Stream>,
    }

    impl Sink for Taken {
        fn state(&self) -> Stream {
            let open = self.files.last().is_some_and(|(.., end)| end.is_none());
            self.state.unwrap_or(match open {
                true => Stream::Room,
                false => Stream::Free,
            })
        }

        fn begin(&mut self, _: Mono, path: &Path) {
            self.files.push((path.to_path_buf(), String::new(), None));
        }

        fn feed(&mut self, _: Mono, text: &[u8]) {
            let text = std::str::from_utf8(text).unwrap();
            self.files.last_mut().unwrap().1.push_str(text);
        }

        fn end(&mut self, _: Mono, whole: bool) {
            self.files.last_mut().unwrap().2 = Some(whole);
        }
    }

    /// Fifty thousand services: 2,000 pieces, each of which takes a millisecond.
    #[test]
    fn a_large_file_is_made_in_slices() {
        let (clock, left) = (Cell::new(0), Cell::new(2000));
        let mut sink = Taken::default();
        let mut file = MetricsFile::new(at(0));
        assert_eq!(file.next_deadline(sink.state()), None);
        file.want();
        let (mut turns, mut longest) = (0, 0);
        while file.is_busy() {
            let begin = clock.get();
            let now = || at(clock.get());
            file.advance(Path::new("/d"), &mut sink, (&now, false), &mut |_, text| {
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
            if let Some(next) = file.next_deadline(sink.state()) {
                clock.set(clock.get().max(next.since(at(0)).as_millis() as u64 + 1));
            }
        }
        let (path, text, whole) = &sink.files[0];
        assert_eq!(path, Path::new("/d/anycast_healthchecker.prom"));
        assert_eq!((text.lines().count(), *whole), (2000, Some(true)));
        assert!(
            longest <= 6 && turns > 300,
            "{turns} turns, up to {longest} ms"
        );
        assert!(clock.get() > 19_000, "2 s of work in {} ms", clock.get());
        // What comes next is paid for by then.
        file.want();
        assert!(file.next_deadline(sink.state()).unwrap() > at(clock.get() - 600));
    }

    #[test]
    fn a_reload_starts_it_again_in_the_new_place() {
        let clock = Cell::new(0);
        let mut sink = Taken::default();
        let mut file = MetricsFile::new(at(0));
        file.want();
        let mut pieces = 0;
        let now = || at(clock.get());
        file.advance(
            Path::new("/one"),
            &mut sink,
            (&now, false),
            &mut |_, text| {
                pieces += 1;
                clock.set(100);
                text.push_str("old\n");
                Piece::More
            },
        );
        assert_eq!(pieces, 1);
        let mut pieces = [Piece::Outdated, Piece::More, Piece::Last].into_iter();
        let later = || at(5000);
        let mut make = |_: &mut Cursor, text: &mut String| {
            text.push_str("new\n");
            pieces.next().unwrap()
        };
        for _ in 0..2 {
            file.advance(Path::new("/two"), &mut sink, (&later, false), &mut make);
        }
        assert!(!file.is_busy());
        let [one, two] = &sink.files[..] else {
            panic!("{:?}", sink.files);
        };
        assert_eq!(one.2, Some(false));
        assert!(two.0.starts_with("/two"));
        assert_eq!((two.1.as_str(), two.2), ("new\nnew\n", Some(true)));
    }

    #[test]
    fn it_waits_for_a_sink_that_is_full_and_gives_up_one_that_hangs() {
        let (clock, mut sink) = (|| at(0), Taken::default());
        let mut file = MetricsFile::new(at(0));
        file.want();
        let advance = |file: &mut MetricsFile, sink: &mut Taken, hurry| {
            file.advance(Path::new("/d"), sink, (&clock, hurry), &mut |_, _| {
                Piece::Last
            })
        };
        for hurry in [false, true] {
            sink.state = Some(Stream::Full);
            assert!(!advance(&mut file, &mut sink, hurry) && file.is_busy());
            assert_eq!(file.next_deadline(sink.state()), None);
        }
        sink.state = Some(Stream::Hung);
        assert!(advance(&mut file, &mut sink, false) && !file.is_busy());
        assert!(!advance(&mut file, &mut sink, false), "once for each");
        assert!(sink.files.is_empty());
    }
}
