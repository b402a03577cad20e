//! One service: rise and fall, and what holds it down.
//!
//! ```text
//!                 rise passes                    fall failures
//!   Unknown ────────────────────► Up ◄──────────────────────────► Down
//!      │  └────────────────────── │ ─────────────────────────────► ▲
//!      │        fall failures     │                 rise passes    │
//!      │ hold                     │ hold             (to Up)       │ release
//!      └──────────────────────────┴──────────────► Held ───────────┘
//!
//!   Disabled: no input changes it.
//! ```
//!
//! `Held` is down because a prefix is not assigned or a maintenance file exists, whatever the check says. Nothing here
//! knows of time-outs, jobs or files: it is told what a run amounted to and answers whether the state changed. Entering
//! a state acts in one place, [`Service::enter`]. The counters are those of the reference: in a row, reset by the opposite.

use std::rc::Rc;
use std::time::Duration;

use super::snapshot::ServiceCounters;
use super::vocab::{JobId, LastRun, Reason, Status, Verdict};
use crate::config::{Announce, ServiceConfig};
use crate::time::{self, Mono, Span};
use crate::wheel::TimerId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Unknown,
    Up,
    Down,
    Held,
    Disabled,
}

impl State {
    pub fn status(self) -> Status {
        match self {
            State::Unknown => Status::Unknown,
            State::Up => Status::Up,
            State::Down | State::Held => Status::Down,
            State::Disabled => Status::Disabled,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Pass,
    Fail(Verdict),
    Hold(Reason),
    Release,
}

/// A change of state: what to say and what to have announced.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Status,
    pub to: Status,
}

/// What a run is still good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    Verdict,
    /// It has timed out; what it wrote is known when it is gone.
    Output,
    /// Nothing any more: its service is held down, or the daemon stops.
    Nothing,
}

/// The run that is going on.
#[derive(Debug)]
pub struct Run {
    pub job: JobId,
    pub started: Mono,
    pub awaited: Awaited,
    /// It took a slot of the grid beyond its own.
    pub overran: bool,
}

/// The last completed run.
#[derive(Debug)]
struct Ran {
    verdict: Verdict,
    took: Span,
    ended: Mono,
    first_line: Box<str>,
}

/// What most services never meet.
#[derive(Debug, Default)]
struct Mishaps {
    timed_out: u64,
    not_started: u64,
    first_time_out: Option<Mono>,
}

#[derive(Debug)]
pub struct Service {
    pub config: Rc<ServiceConfig>,
    state: State,
    reason: Reason,
    since: Mono,
    passes: u32,
    failures: u32,
    /// What is to happen to its prefixes.
    contribution: Announce,
    /// Value of `service_state`.
    state_value: Option<i32>,
    /// Boxed, because most of the time there is none.
    pub run: Option<Box<Run>>,
    /// Run once more as soon as the present run has ended.
    pub again: bool,
    /// It stands in the queue of runs to be started.
    pub queued: bool,
    /// A point of its grid: slots lie at whole intervals from here.
    pub grid: Mono,
    pub next_run: Option<TimerId>,
    last: Option<Ran>,
    /// Of the last run that came to an end by itself.
    duration: Option<Span>,
    passed: u64,
    failed: u64,
    changes: u64,
    mishaps: Option<Box<Mishaps>>,
    /// Its maintenance file exists.
    pub maintenance: bool,
    /// Its last run overran, which has been said.
    pub overruns: bool,
    /// The failure that was logged last, and how many like it came after.
    pub logged: Option<Verdict>,
    pub repeated: u32,
}

impl Service {
    pub fn new(config: Rc<ServiceConfig>, start: Announce, now: Mono) -> Service {
        let (state, reason, contribution) = match config.disabled {
            true => (State::Disabled, Reason::Disabled, config.on_disabled),
            false => (State::Unknown, Reason::NotChecked, start),
        };
        Service {
            config,
            state,
            reason,
            since: now,
            passes: 0,
            failures: 0,
            contribution,
            state_value: None,
            run: None,
            again: false,
            queued: false,
            grid: now,
            next_run: None,
            last: None,
            duration: None,
            passed: 0,
            failed: 0,
            changes: 0,
            mishaps: None,
            maintenance: false,
            overruns: false,
            logged: None,
            repeated: 0,
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    pub fn status(&self) -> Status {
        self.state.status()
    }

    pub fn reason(&self) -> Reason {
        self.reason
    }

    pub fn since(&self) -> Mono {
        self.since
    }

    pub fn contribution(&self) -> Announce {
        self.contribution
    }

    pub fn state_value(&self) -> Option<i32> {
        self.state_value
    }

    pub fn last(&self) -> Option<LastRun<'_>> {
        let ran = self.last.as_ref()?;
        Some(LastRun {
            verdict: ran.verdict,
            took: ran.took.into(),
            ended: ran.ended,
            first_line: &ran.first_line,
        })
    }

    pub fn duration(&self) -> Option<Duration> {
        self.duration.map(Duration::from)
    }

    pub fn counters(&self) -> ServiceCounters {
        let mishaps = self.mishaps.as_deref();
        ServiceCounters {
            passed: self.passed,
            failed: self.failed,
            timed_out: mishaps.map_or(0, |mishaps| mishaps.timed_out),
            not_started: mishaps.map_or(0, |mishaps| mishaps.not_started),
            first_time_out: mishaps.and_then(|mishaps| mishaps.first_time_out),
            changes: self.changes,
            last_change: (self.changes > 0).then_some(self.since),
        }
    }

    /// Keeps what a run amounted to, and counts it.
    pub fn ran(&mut self, run: LastRun<'_>) {
        match run.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail(_) | Verdict::Signal(_) => self.failed += 1,
            Verdict::NotStarted(_) => self.mishaps.get_or_insert_default().not_started += 1,
            Verdict::TimedOut => {
                let mishaps = self.mishaps.get_or_insert_default();
                mishaps.timed_out += 1;
                mishaps.first_time_out.get_or_insert(run.ended);
            }
        }
        if !matches!(run.verdict, Verdict::TimedOut | Verdict::NotStarted(_)) {
            self.duration = Some(run.took.into());
        }
        self.last = Some(Ran {
            verdict: run.verdict,
            took: run.took.into(),
            ended: run.ended,
            first_line: run.first_line.into(),
        });
    }

    /// What a run wrote before its time was up is known only when it is gone.
    pub fn timed_out_with(&mut self, first_line: &str) {
        if let Some(last) = &mut self.last {
            last.first_line = first_line.into();
        }
    }

    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// What happens to its prefixes at the end of the daemon. What is held down or switched off stays so: whoever drains a
    /// service does not want it back because the daemon is stopped.
    pub fn leave(&mut self) {
        match (self.config.on_exit, self.state) {
            (Announce::Keep, _) | (Announce::Advertise, State::Held | State::Disabled) => {}
            (Announce::Advertise, State::Unknown | State::Up | State::Down)
            | (Announce::Withdraw, _) => self.contribution = self.config.on_exit,
        }
    }

    /// Whether a rise or a fall has begun, with the run that has just ended at the latest, and is not complete.
    pub fn counting(&self) -> bool {
        match self.state {
            State::Unknown => true,
            State::Up => self.failures > 0,
            State::Down => self.passes > 0,
            State::Held | State::Disabled => false,
        }
    }

    /// Whether the grid and signals start runs at all: without its address a service is not checked.
    pub fn checkable(&self) -> bool {
        !matches!(self.reason, Reason::AddressMissing { .. }) && self.state != State::Disabled
    }

    /// The next slot of the grid after `now`.
    pub fn next_slot(&self, now: Mono) -> Mono {
        let Some(passed) = now.micros().checked_sub(self.grid.micros()) else {
            return self.grid;
        };
        let interval = time::micros(self.config.interval).max(1);
        let ahead = interval - passed % interval;
        Mono::from_micros(now.micros().saturating_add(ahead))
    }

    /// The table. Every pair of state and input stands here.
    pub fn input(&mut self, input: Input, now: Mono) -> Option<Change> {
        use {Input as I, State as S};
        match (self.state, input) {
            (S::Disabled, I::Pass | I::Fail(_) | I::Hold(_) | I::Release) => None,
            (S::Unknown | S::Down, I::Pass) => self.count_pass(now),
            (S::Up, I::Pass) => {
                self.failures = 0;
                None
            }
            (S::Unknown | S::Up, I::Fail(verdict)) => self.count_failure(verdict, now),
            (S::Down, I::Fail(verdict)) => self.stay_down(verdict),
            (S::Held, I::Pass | I::Fail(_)) => None,
            (S::Unknown | S::Up | S::Down, I::Hold(reason)) => self.enter(S::Held, reason, now),
            (S::Held, I::Hold(reason)) => {
                self.reason = reason;
                None
            }
            (S::Held, I::Release) => {
                let reason = Reason::Returning {
                    count: 0,
                    of: self.config.rise,
                };
                self.enter(S::Down, reason, now)
            }
            (S::Unknown | S::Up | S::Down, I::Release) => None,
        }
    }

    fn count_pass(&mut self, now: Mono) -> Option<Change> {
        self.failures = 0;
        self.passes += 1;
        if self.passes < self.config.rise {
            if let Reason::Returning { count, .. } = &mut self.reason {
                *count = self.passes;
            }
            return None;
        }
        self.enter(State::Up, Reason::Passed { count: self.passes }, now)
    }

    fn count_failure(&mut self, verdict: Verdict, now: Mono) -> Option<Change> {
        self.passes = 0;
        self.failures += 1;
        if self.failures < self.config.fall {
            return None;
        }
        self.enter(
            State::Down,
            Reason::Failed {
                count: self.failures,
                verdict,
            },
            now,
        )
    }

    /// A failure of a service that is down. Only after `fall` in a row does the metric follow it.
    fn stay_down(&mut self, verdict: Verdict) -> Option<Change> {
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.config.fall {
            self.state_value = Some(verdict.code());
        }
        self.reason = Reason::Failed {
            count: self.failures,
            verdict,
        };
        None
    }

    /// The one place where a state is entered. `None` if others see no difference.
    fn enter(&mut self, state: State, reason: Reason, now: Mono) -> Option<Change> {
        let from = self.status();
        self.state = state;
        self.contribution = match state {
            State::Up => Announce::Advertise,
            State::Down | State::Held => Announce::Withdraw,
            State::Unknown | State::Disabled => self.contribution,
        };
        self.state_value = match (&reason, state) {
            (Reason::Failed { verdict, .. }, _) => Some(verdict.code()),
            (_, State::Up) => Some(0),
            (_, State::Held) => Some(1),
            (_, State::Unknown | State::Down | State::Disabled) => self.state_value,
        };
        self.passes = 0;
        // A fall that is complete goes on to be counted.
        if !matches!(reason, Reason::Failed { .. }) {
            self.failures = 0;
        }
        self.reason = reason;
        let to = self.status();
        if from == to {
            return None;
        }
        self.since = now;
        self.changes += 1;
        Some(Change { from, to })
    }
}

#[cfg(test)]
mod tests;
