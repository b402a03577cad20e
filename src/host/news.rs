//! The health of one part of the host: said when it fails, said when it works again, and nothing in between.
//!
//! A room that meets trouble outside keeps a [`Health`] and goes on. The reactor takes the [`News`] once a
//! turn and makes notices of them, so no sink ever logs about itself from inside a write, and nothing
//! recurses. What comes and goes is one trouble: [`Calm`] holds its end back until nothing has failed for a
//! while. Left out on purpose: further causes while the trouble lasts. The first one is what has to be
//! repaired.

use std::time::Duration;

use crate::engine::notice::{Part, What};
use crate::time::Mono;

/// Trouble has begun (`cause`) or is over (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub part: Part,
    pub cause: Option<String>,
    /// What was lost while it lasted; 0 at its beginning.
    pub lost: u64,
}

impl From<News> for What {
    fn from(news: News) -> What {
        let News { part, cause, lost } = news;
        match cause {
            Some(cause) => What::Trouble { part, cause },
            None => What::TroubleOver { part, lost },
        }
    }
}

#[derive(Clone, Debug)]
pub struct Health {
    part: Part,
    /// How long after the last failure a success counts as the end: a disk at its brim accepts every second
    /// line.
    quiet: Duration,
    trouble: Option<String>,
    lost: u64,
    failed_at: Mono,
    /// At most one beginning and one end a turn.
    news: Vec<News>,
}

impl Health {
    pub fn new(part: Part, quiet: Duration) -> Health {
        Health {
            part,
            quiet,
            trouble: None,
            lost: 0,
            failed_at: Mono::default(),
            news: Vec::new(),
        }
    }

    pub fn failed(&mut self, now: Mono, cause: impl FnOnce() -> String) {
        self.failed_at = now;
        if self.trouble.is_none() {
            let cause = cause();
            self.trouble = Some(cause.clone());
            self.news.push(News {
                part: self.part.clone(),
                cause: Some(cause),
                lost: 0,
            });
        }
    }

    /// So many more items are gone for good.
    pub fn lost(&mut self, count: u64) {
        self.lost = self.lost.saturating_add(count);
    }

    pub fn works(&mut self, now: Mono) {
        if self.trouble.is_some() && now.since(self.failed_at) >= self.quiet {
            self.trouble = None;
            self.news.push(News {
                part: self.part.clone(),
                cause: None,
                lost: std::mem::take(&mut self.lost),
            });
        }
    }

    /// Fails for this cause, or works.
    pub fn set(&mut self, now: Mono, cause: Option<String>) {
        match cause {
            Some(cause) => self.failed(now, || cause),
            None => self.works(now),
        }
    }

    /// Names the part anew; only while nothing is wrong, so that the end is said of what the beginning was
    /// said of.
    pub fn rename(&mut self, part: Part) {
        if self.trouble.is_none() {
            self.part = part;
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }
}

/// How long a part must have worked before the end of its trouble is said; less for the log file, which holds what
/// is said.
const QUIET: Duration = Duration::from_secs(60);
const LOG_QUIET: Duration = Duration::from_secs(10);

/// The troubles that have been said, and what has come of them since.
#[derive(Debug, Default)]
pub struct Calm {
    said: Vec<Said>,
}

#[derive(Debug)]
struct Said {
    part: Part,
    /// Since when it works again.
    works: Option<Mono>,
    lost: u64,
}

impl Calm {
    /// Of these news, and of those that were held back, what is to be said now.
    pub fn pass(&mut self, now: Mono, news: Vec<News>) -> Vec<News> {
        let mut out = Vec::new();
        for item in news {
            let known = self.said.iter().position(|said| said.part == item.part);
            let place = known.unwrap_or_else(|| {
                self.said.push(Said {
                    part: item.part.clone(),
                    works: None,
                    lost: 0,
                });
                self.said.len() - 1
            });
            let said = &mut self.said[place];
            said.lost = said.lost.saturating_add(item.lost);
            said.works = item.cause.is_none().then_some(now);
            if known.is_none() && item.cause.is_some() {
                out.push(item);
            }
        }
        self.said.retain_mut(|said| {
            let over = said.end().is_some_and(|end| end <= now);
            if over {
                out.push(News {
                    part: said.part.clone(),
                    cause: None,
                    lost: said.lost,
                });
            }
            !over
        });
        out
    }

    /// When an end is to be said.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.said.iter().filter_map(Said::end).min()
    }

    /// After a reload what is wrong is news again: the part may be another one by now.
    pub fn forget(&mut self) {
        self.said.retain(|said| said.works.is_some());
    }
}

impl Said {
    fn end(&self) -> Option<Mono> {
        let quiet = match self.part {
            // It comes and goes with a reload, and by nothing else.
            Part::Descriptors => Duration::ZERO,
            Part::LogFile(_) => LOG_QUIET,
            Part::Syslog(_)
            | Part::Metrics(_)
            | Part::History(_)
            | Part::PrefixFile(_)
            | Part::Reserve(_)
            | Part::Addresses
            | Part::Watch(_)
            | Part::StatusSocket
            | Part::Events => QUIET,
        };
        Some(self.works? + quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn says_the_beginning_once_and_the_end_with_the_loss() {
        let mut health = Health::new(Part::StatusSocket, Duration::from_secs(1));
        health.works(at(1));
        assert!(health.take_news().is_empty());
        health.failed(at(1), || "a".into());
        health.lost(1);
        health.failed(at(2), || "b".into());
        health.lost(1);
        assert_eq!(health.trouble.as_deref(), Some("a"));
        let news = health.take_news();
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].cause.as_deref(), Some("a"));
        health.works(at(2));
        assert!(health.take_news().is_empty(), "too early to be the end");
        health.works(at(3));
        let news = health.take_news();
        assert_eq!((news.len(), news[0].lost), (1, 2));
        assert_eq!(news[0].cause, None);
        assert_eq!(health.trouble, None);
    }

    fn news(cause: Option<&str>, lost: u64) -> News {
        News {
            part: Part::StatusSocket,
            cause: cause.map(String::from),
            lost,
        }
    }

    /// For an hour it fails and works in turn, every second.
    #[test]
    fn what_flaps_is_said_once_and_its_end_when_it_is_calm() {
        let mut calm = Calm::default();
        let mut said = Vec::new();
        for second in (0..3600).step_by(2) {
            let failing = news(Some("no descriptors"), 0);
            said.extend(calm.pass(at(second), vec![failing]));
            assert_eq!(calm.next_deadline(), None);
            said.extend(calm.pass(at(second + 1), vec![news(None, 1)]));
        }
        assert_eq!(said, [news(Some("no descriptors"), 0)]);
        assert_eq!(calm.next_deadline(), Some(at(3599 + 60)));
        assert_eq!(calm.pass(at(3599 + 59), Vec::new()), []);
        assert_eq!(calm.pass(at(3599 + 60), Vec::new()), [news(None, 1800)]);
        assert_eq!(calm.next_deadline(), None);
        let again = news(Some("again"), 0);
        assert_eq!(calm.pass(at(4000), vec![again.clone()]), [again]);
    }

    #[test]
    fn parts_do_not_mix_and_a_reload_makes_news_of_what_still_fails() {
        let mut calm = Calm::default();
        let other = News {
            part: Part::Events,
            ..news(Some("b"), 0)
        };
        let first = vec![news(Some("a"), 0), other.clone()];
        assert_eq!(calm.pass(at(1), first.clone()), first);
        assert_eq!(calm.pass(at(2), first), []);
        calm.pass(at(3), vec![news(None, 0)]);
        calm.forget();
        assert_eq!(calm.pass(at(4), vec![other.clone()]), [other]);
        assert_eq!(calm.pass(at(63), Vec::new()), [news(None, 0)]);
    }
}
