//! What the parts of the engine share: the timer wheel, the jobs, and what is to be done.
//!
//! The life of a job is the same whatever it is for. It has its time; what has had it is told to die; what has not died
//! after a grace is abandoned: it holds no place any more, nobody waits for it, and only the number of such jobs is shown
//! until they end at last. What that means for a check, a reconfiguration or a command is their owners' business.

use std::rc::Rc;
use std::time::Duration;

use super::Timer;
use super::notice::{Errand, Notice, What};
use super::routes::ChannelId;
use super::service::Service;
use super::services::ServiceId;
use super::vocab::{Action, JobId};
use crate::config::ServiceConfig;
use crate::sorted::Map;
use crate::time::Mono;
use crate::wheel::{TimerId, Wheel};

/// How long what was killed may take to die: milliseconds, unless it hangs in the kernel.
const DYING: Duration = Duration::from_secs(1);

/// Whom a job belongs to.
#[derive(Clone, Debug)]
pub(super) enum Owner {
    Check(ServiceId),
    Channel(ChannelId),
    Custom(Rc<ServiceConfig>),
    /// Its service is gone or changed, its BIRD is not spoken to any more.
    Nobody,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Running,
    /// It has been told to die.
    Dying,
    /// It has been told to, and has not for a second, or cannot be told.
    Abandoned,
}

#[derive(Debug)]
struct Job {
    owner: Owner,
    errand: Errand,
    fate: Fate,
    /// The end of its time, or of its grace.
    timer: Option<TimerId>,
}

#[derive(Debug)]
pub(super) struct Desk {
    pub wheel: Wheel<Timer>,
    jobs: Map<JobId, Job>,
    last_job: u64,
    /// Checks that hold a place of `max_running_checks`.
    pub running: u32,
    pub abandoned: usize,
    pub out: Vec<Action>,
}

impl Desk {
    pub fn new(now: Mono) -> Desk {
        Desk {
            wheel: Wheel::new(now),
            jobs: Map::new(),
            last_job: 0,
            running: 0,
            abandoned: 0,
            out: Vec::new(),
        }
    }

    /// A number that was never used.
    pub fn number(&mut self) -> JobId {
        self.last_job += 1;
        JobId(self.last_job)
    }

    /// A new job that has its time until then.
    pub fn begin(&mut self, owner: Owner, errand: Errand, until: Mono) -> JobId {
        let id = self.number();
        let job = Job {
            owner,
            errand,
            fate: Fate::Running,
            timer: Some(self.wheel.arm(until, Timer::Job(id))),
        };
        self.running += u32::from(errand == Errand::Check);
        self.jobs.insert(id, job);
        id
    }

    /// Has a job killed, once.
    pub fn kill(&mut self, now: Mono, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.fate == Fate::Running {
            job.fate = Fate::Dying;
            let timer = job
                .timer
                .replace(self.wheel.arm(now + DYING, Timer::Job(id)));
            self.cancel(timer);
            self.act(Action::Kill { job: id });
        }
    }

    /// Nobody waits for its end any more: it is killed, and forgotten by whoever had it.
    pub fn disown(&mut self, now: Mono, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.owner = Owner::Nobody;
        }
        self.kill(now, id);
    }

    /// The timer of a job has fired: who has it, and how far it had come.
    pub fn timer_fired(&mut self, id: JobId) -> Option<(Owner, Fate)> {
        let job = self.jobs.get_mut(&id)?;
        job.timer = None;
        Some((job.owner.clone(), job.fate))
    }

    pub fn owner(&self, id: JobId) -> Option<Owner> {
        self.jobs.get(&id).map(|job| job.owner.clone())
    }

    pub fn is_abandoned(&self, id: JobId) -> bool {
        self.jobs
            .get(&id)
            .is_some_and(|job| job.fate == Fate::Abandoned)
    }

    /// Gives a job up. What it was for; `None` if it was given up before.
    pub fn abandon(&mut self, id: JobId) -> Option<Errand> {
        let job = self.jobs.get_mut(&id)?;
        if std::mem::replace(&mut job.fate, Fate::Abandoned) == Fate::Abandoned {
            return None;
        }
        let (errand, timer) = (job.errand, job.timer.take());
        self.abandoned += 1;
        self.running -= u32::from(errand == Errand::Check);
        self.cancel(timer);
        Some(errand)
    }

    /// A job is over, or was never begun.
    pub fn ended(&mut self, id: JobId) -> Option<(Owner, Fate)> {
        let job = self.jobs.remove(&id)?;
        self.cancel(job.timer);
        match job.fate {
            Fate::Abandoned => self.abandoned -= 1,
            Fate::Running | Fate::Dying => {
                self.running -= u32::from(job.errand == Errand::Check);
            }
        }
        Some((job.owner, job.fate))
    }

    pub fn cancel(&mut self, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
    }

    pub fn act(&mut self, action: Action) {
        self.out.push(action);
    }

    pub fn say(&mut self, what: What) {
        self.out.push(Action::Say(Notice::from(what)));
    }

    pub fn say_of(&mut self, service: &Service, what: What) {
        let about = Some((service.config.clone(), service.status()));
        self.out.push(Action::Say(Notice { about, what }));
    }

    /// Every job, and whether it is still to end of itself.
    #[cfg(test)]
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, Fate)> + '_ {
        self.jobs.iter().map(|(id, job)| (*id, job.fate))
    }

    #[cfg(test)]
    pub fn timers(&self) -> usize {
        self.jobs.values().filter(|job| job.timer.is_some()).count()
    }

    /// Those that hold a place, counted anew.
    #[cfg(test)]
    pub fn places(&self) -> usize {
        let held = |job: &&Job| job.errand == Errand::Check && job.fate != Fate::Abandoned;
        self.jobs.values().filter(held).count()
    }
}
