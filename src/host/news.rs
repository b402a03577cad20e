//! The health of one part of the host: said when it fails, said when it works again, and nothing in between.
//!
//! A room that meets trouble outside keeps a [`Health`] and goes on. The reactor takes the [`News`] once a
//! turn and makes notices of them, so no sink ever logs about itself from inside a write, and nothing
//! recurses. Left out on purpose: further causes while the trouble lasts. The first one is what has to be
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
}
