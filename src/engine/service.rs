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

use super::vocab::{JobId, LastRun, Reason, Status, Verdict};
use crate::config::{Announce, ServiceConfig};
use crate::time::Mono;
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

/// The run that is going on.
#[derive(Debug)]
pub struct Run {
    pub job: JobId,
    pub started: Mono,
    pub time_out: Option<TimerId>,
    /// The verdict is known already (timed out), or no longer wanted (held, removed).
    pub settled: bool,
    /// It took a slot of the grid beyond its own.
    pub overran: bool,
}

/// What is counted; the last change is where the present state began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub passed: u64,
    pub failed: u64,
    pub timed_out: u64,
    pub not_started: u64,
    pub first_time_out: Option<Mono>,
    pub changes: u64,
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
    pub next_run: Option<(Mono, TimerId)>,
    pub last: Option<LastRun>,
    pub duration: Option<Duration>,
    pub counters: Counters,
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
            counters: Counters::default(),
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

    /// Whether a rise or a fall has begun and is not complete.
    pub fn counting(&self) -> bool {
        match self.state {
            State::Unknown => self.passes > 0 || self.failures > 0,
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
        let interval = self.config.interval.as_micros().max(1);
        let slots = now.since(self.grid).as_micros() / interval;
        let ahead = (slots + 1).saturating_mul(interval);
        let next = self.grid + Duration::from_micros(u64::try_from(ahead).unwrap_or(u64::MAX));
        match now < self.grid {
            true => self.grid,
            false => next,
        }
    }

    /// The table. Every pair of state and input stands here.
    pub fn input(&mut self, input: Input, now: Mono) -> Option<Change> {
        use {Input as I, State as S};
        match (self.state, input) {
            (S::Disabled, I::Pass | I::Fail(_) | I::Hold(_) | I::Release) => None,
            (S::Unknown | S::Down, I::Pass) => self.count_pass(now),
            (S::Up, I::Pass) => self.stay_up(),
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

    fn stay_up(&mut self) -> Option<Change> {
        self.failures = 0;
        self.state_value = Some(0);
        None
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
        if state != State::Up {
            self.passes = 0;
        }
        if state != State::Down || !matches!(reason, Reason::Failed { .. }) {
            self.failures = 0;
        }
        self.reason = reason;
        let to = self.status();
        if from == to {
            return None;
        }
        self.since = now;
        self.counters.changes += 1;
        Some(Change { from, to })
    }
}
