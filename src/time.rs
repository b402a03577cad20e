//! Time as values: [`Mono`] for everything that is decided, [`Wall`] for what is shown.
//!
//! Nothing here reads a clock: `host::sys` does, and the loop passes the value on. So the
//! engine can be driven by a test that invents the time, and a step of the wall clock changes no schedule.
//! A plain integer is never a time, and a `Mono` is never mixed up with a `Wall`.

use std::num::NonZeroU64;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A span in whole microseconds; one that no clock can measure is the longest.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A moment on the monotonic clock: microseconds of `CLOCK_MONOTONIC` (clock_gettime(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    pub const fn from_micros(micros: u64) -> Mono {
        Mono(micros)
    }

    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero if `earlier` lies ahead.
    #[inline(never)] // Some sixty bytes at each of a hundred places.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;

    /// Saturates: a moment past the end of the clock is "never".
    #[inline(never)] // As above.
    fn add(self, span: Duration) -> Mono {
        Mono(self.0.saturating_add(micros(span)))
    }
}

/// A span in whole microseconds: half the size of a `Duration`, for what is kept thousands of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(
    /// One more than it is, so that having none takes no room of its own.
    NonZeroU64,
);

impl From<Duration> for Span {
    fn from(span: Duration) -> Span {
        Span(NonZeroU64::MIN.saturating_add(micros(span)))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        Duration::from_micros(span.0.get() - 1)
    }
}

/// A moment of the wall clock: microseconds since 1970-01-01 00:00:00 UTC, right beyond 2038 on every target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(i64);

impl Wall {
    pub const fn from_micros(micros: i64) -> Wall {
        Wall(micros)
    }

    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The part of the second, in microseconds: 0 to 999,999.
    pub const fn subsec_micros(self) -> u32 {
        self.0.rem_euclid(1_000_000) as u32
    }
}

impl Sub<Duration> for Wall {
    type Output = Wall;

    fn sub(self, span: Duration) -> Wall {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Wall(self.0.saturating_sub(micros))
    }
}

/// Both clocks, read together: what is needed to show a monotonic moment as a date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub mono: Mono,
    pub wall: Wall,
}

impl Now {
    /// The wall time at which `moment`, a past one, took place, as far as the wall clock can be trusted.
    pub fn wall_at(self, moment: Mono) -> Wall {
        self.wall - self.mono.since(moment)
    }
}

/// A wall time taken apart for a reader: local calendar fields and the zone's offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub micros: u32,
    /// Seconds east of UTC.
    pub offset: i32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_duration_in_half_the_room() {
        for micros in [0, 1, 999_999, 86_400_000_000, u64::MAX - 1] {
            let span = Duration::from_micros(micros);
            assert_eq!(Duration::from(Span::from(span)), span);
        }
        assert_eq!(size_of::<Option<Span>>(), 8);
        // Longer than anything lasts.
        let most = Duration::from_micros(u64::MAX - 1);
        assert_eq!(Duration::from(Span::from(Duration::MAX)), most);
    }
}
