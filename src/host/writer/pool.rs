//! Which writer process does what, and when one is given up. Decides only: no process, no descriptor, no clock.
//!
//! Each file, or what belongs together, has a [`Lane`]: at most one request of a lane is under way, so no old content ever
//! replaces a newer one. Normally one process serves all lanes. A request that has waited [`PATIENCE`] for a process that
//! is busy with another lane gets a process of its own, and what is idle and surplus is ended. A request without progress
//! for [`LIMIT`] has failed: its process is killed, and its lane is hung, which refuses every request, until that
//! process is gone. So there is at most one hung process for each lane.

use std::time::Duration;

use crate::time::Mono;

/// How long a request waits for a busy process before it gets one of its own: longer than a healthy disk takes for a
/// synced file, and still no delay that an operator would notice in a withdrawal.
pub const PATIENCE: Duration = Duration::from_millis(250);
/// When a request has failed: a disk that takes longer for one file is as good as gone, and one that is only overloaded
/// must not be given up.
pub const LIMIT: Duration = Duration::from_secs(5);

/// What is written in order, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The prefix file of this place: reading and replacing it.
    Prefixes(usize),
    /// Looks for files of others, in one directory at a time.
    Look(usize),
    /// The copies of a prefix file, which may lie on another disk.
    History(usize),
    /// stderr, if that is a file.
    Stderr,
    /// stdout, if that is a file.
    Stdout,
    /// The log file.
    Log,
    Metrics,
    /// Its removal.
    Pidfile,
}

/// Prefix files at a time: a reload may leave those that there were.
pub const PLACES: usize = 4;
/// Directories in which is looked at a time, or that hang and do not keep the others from that.
pub const LOOKS: usize = 4;
const LANES: usize = 2 * PLACES + LOOKS + 5;

impl Lane {
    fn all() -> impl Iterator<Item = Lane> {
        let files = (0..PLACES).map(Lane::Prefixes);
        let looks = (0..LOOKS).map(Lane::Look);
        let copies = (0..PLACES).map(Lane::History);
        let others = [
            Lane::Stderr,
            Lane::Stdout,
            Lane::Log,
            Lane::Metrics,
            Lane::Pidfile,
        ];
        files.chain(looks).chain(copies).chain(others)
    }

    fn index(self) -> usize {
        let others = 2 * PLACES + LOOKS;
        match self {
            Lane::Prefixes(place) => place,
            Lane::Look(place) => PLACES + place,
            Lane::History(place) => PLACES + LOOKS + place,
            Lane::Stderr => others,
            Lane::Stdout => others + 1,
            Lane::Log => others + 2,
            Lane::Metrics => others + 3,
            Lane::Pidfile => others + 4,
        }
    }
}

/// A writer process. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// A request waits for a process.
    Waiting {
        since: Mono,
    },
    /// A process is busy with it; the moment of its last progress.
    Running {
        since: Mono,
    },
    /// The process that was busy with its last request has been killed and is not gone.
    Hung,
}

#[derive(Debug)]
struct Process {
    id: ProcessId,
    /// What it is busy with, or hangs in.
    lane: Option<Lane>,
}

/// What is to be done with processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Start(ProcessId),
    /// Hand it the request that waits in this lane.
    Send(Lane, ProcessId),
    /// It is idle and one too many.
    End(ProcessId),
    /// It has not answered in time: the request of this lane has failed.
    Kill(Lane, ProcessId),
}

#[derive(Debug)]
pub struct Pool {
    states: [State; LANES],
    /// The oldest first.
    processes: Vec<Process>,
    last: u32,
}

impl Pool {
    pub fn new() -> Pool {
        Pool {
            states: [State::Free; LANES],
            processes: Vec::new(),
            last: 0,
        }
    }

    pub fn is_free(&self, lane: Lane) -> bool {
        self.states[lane.index()] == State::Free
    }

    pub fn is_hung(&self, lane: Lane) -> bool {
        self.states[lane.index()] == State::Hung
    }

    /// Whether no request is under way.
    pub fn is_idle(&self) -> bool {
        let idle = |state: &State| matches!(state, State::Free | State::Hung);
        self.states.iter().all(idle)
    }

    /// A request is there for a lane, which must be free.
    pub fn request(&mut self, lane: Lane, now: Mono) {
        debug_assert!(self.is_free(lane), "{lane:?} has one request at a time");
        self.states[lane.index()] = State::Waiting { since: now };
    }

    /// The next thing that is to be done now.
    pub fn next_step(&mut self, now: Mono) -> Option<Step> {
        if let Some((lane, id)) = self.overdue(now) {
            self.states[lane.index()] = State::Hung;
            return Some(Step::Kill(lane, id));
        }
        for lane in Lane::all() {
            let State::Waiting { since } = self.states[lane.index()] else {
                continue;
            };
            if let Some(process) = self.processes.iter_mut().find(|p| p.lane.is_none()) {
                process.lane = Some(lane);
                self.states[lane.index()] = State::Running { since: now };
                return Some(Step::Send(lane, process.id));
            }
            if now >= since + PATIENCE || !self.any_at_work() {
                self.last += 1;
                let id = ProcessId(self.last);
                self.processes.push(Process { id, lane: None });
                return Some(Step::Start(id));
            }
        }
        // The oldest stays: it has the log file open.
        let idle = |process: &Process| process.lane.is_none();
        match self.processes.iter().filter(|p| idle(p)).count() {
            0 | 1 => None,
            _ => {
                let at = self.processes.iter().rposition(idle)?;
                Some(Step::End(self.processes.remove(at).id))
            }
        }
    }

    /// A request of this process that has had its time.
    fn overdue(&self, now: Mono) -> Option<(Lane, ProcessId)> {
        self.processes.iter().find_map(|process| {
            let lane = process.lane?;
            match self.states[lane.index()] {
                State::Running { since } if now >= since + LIMIT => Some((lane, process.id)),
                _ => None,
            }
        })
    }

    /// Whether any process is there that is not lost.
    fn any_at_work(&self) -> bool {
        let lost = |process: &Process| process.lane.is_some_and(|lane| self.is_hung(lane));
        self.processes.iter().any(|process| !lost(process))
    }

    pub fn next_deadline(&self) -> Option<Mono> {
        let deadline = |state: &State| match *state {
            State::Free | State::Hung => None,
            State::Waiting { since } => Some(since + PATIENCE),
            State::Running { since } => Some(since + LIMIT),
        };
        self.states.iter().filter_map(deadline).min()
    }

    /// A process has taken more of its request.
    pub fn progress(&mut self, id: ProcessId, now: Mono) {
        let lane = self.find(id).and_then(|process| process.lane);
        if let Some(state @ State::Running { .. }) = lane.map(|l| &mut self.states[l.index()]) {
            *state = State::Running { since: now };
        }
    }

    /// A process has answered; the lane whose request this was. `None`: that has failed already.
    pub fn answered(&mut self, id: ProcessId) -> Option<Lane> {
        let at = self.processes.iter().position(|p| p.id == id)?;
        let lane = self.processes[at].lane?;
        if self.is_hung(lane) {
            return None;
        }
        self.processes[at].lane = None;
        self.states[lane.index()] = State::Free;
        Some(lane)
    }

    /// A process is gone, or could not be started: the lane whose request has failed with it.
    pub fn gone(&mut self, id: ProcessId) -> Option<Lane> {
        let at = self.processes.iter().position(|p| p.id == id)?;
        let lane = self.processes.remove(at).lane?;
        let state = std::mem::replace(&mut self.states[lane.index()], State::Free);
        matches!(state, State::Running { .. }).then_some(lane)
    }

    /// A process could not be started. What waits goes on waiting for those that there are, or has failed: these lanes.
    pub fn not_started(&mut self, id: ProcessId, now: Mono) -> Vec<Lane> {
        self.processes.retain(|process| process.id != id);
        let state = match self.any_at_work() {
            true => State::Waiting { since: now },
            false => State::Free,
        };
        let waits = |lane: &Lane| matches!(self.states[lane.index()], State::Waiting { .. });
        let mut waiting: Vec<Lane> = Lane::all().filter(waits).collect();
        for lane in &waiting {
            self.states[lane.index()] = state;
        }
        waiting.retain(|lane| self.is_free(*lane));
        waiting
    }

    /// The process that is busy with the request of a lane.
    pub fn process_of(&self, lane: Lane) -> Option<ProcessId> {
        let busy = |process: &&Process| process.lane == Some(lane) && !self.is_hung(lane);
        self.processes.iter().find(busy).map(|process| process.id)
    }

    fn find(&self, id: ProcessId) -> Option<&Process> {
        self.processes.iter().find(|process| process.id == id)
    }
}

#[cfg(test)]
mod tests;
