//! Every BIRD of the made-up world: what it has read, how it answers, and how often it has been bothered.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::chance::Chance;
use super::plan;
use crate::config::*;
use crate::engine::vocab::*;
use crate::sorted::Set;
use crate::time::Mono;
use ipnetwork::IpNetwork;

/// How long BIRD is left alone after it has said "queued".
const QUEUE_PAUSE: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    /// It answers, but late, and perhaps too late.
    Slow,
    Down,
    /// Its configuration has an error.
    Broken,
    Hangs,
    /// As `Hangs`, and what asks it may not be killed.
    Stubborn,
    /// As `Hangs`, and what asks it does not die.
    Undying,
}

const HEALTHS: [Health; 9] = [
    Health::Up,
    Health::Up,
    Health::Up,
    Health::Slow,
    Health::Down,
    Health::Broken,
    Health::Hangs,
    Health::Stubborn,
    Health::Undying,
];

/// What stands in every file that there is.
pub type Files = BTreeMap<PathBuf, Set<IpNetwork>>;

pub struct Bird {
    pub health: Health,
    /// Since when nothing has kept it from agreeing.
    pub well_since: Mono,
    /// What it has read.
    pub view: Files,
    last_write: Option<Mono>,
    last_told: Option<Mono>,
    /// When it put a configuration into its queue.
    queued: Option<Mono>,
}

pub struct Birds {
    birds: Vec<Bird>,
    /// The spacing that has been in force since each attempt.
    pub spacing: Duration,
}

impl Birds {
    pub fn new(files: &Files) -> Birds {
        let bird = |_| Bird {
            health: Health::Up,
            well_since: Mono::default(),
            view: files.clone(),
            last_write: None,
            last_told: None,
            queued: None,
        };
        Birds {
            birds: plan::vias().iter().map(bird).collect(),
            spacing: Duration::ZERO,
        }
    }

    pub fn of(&mut self, via: &Via) -> &mut Bird {
        let place = plan::vias().iter().position(|known| known == via);
        &mut self.birds[place.expect("one of the plan's")]
    }

    /// Who has a BIRD read a file that the last daemon did not tell it of has it configured for that.
    pub fn include(&mut self, files: &Files, told: &[(PathBuf, Via)]) {
        for (bird, via) in self.birds.iter_mut().zip(plan::vias()) {
            for (path, file) in files {
                if !told.contains(&(path.clone(), via.clone())) {
                    bird.view.insert(path.clone(), file.clone());
                }
            }
        }
    }

    /// A new daemon: the clock begins anew. What a dead BIRD did not read it reads when it comes back.
    pub fn new_life(&mut self, now: Mono) {
        for bird in &mut self.birds {
            (bird.last_write, bird.last_told, bird.queued) = (None, None, None);
            bird.well_since = now;
        }
    }

    pub fn change_health(&mut self, chance: &mut Chance, files: &Files, now: Mono) -> String {
        let at = chance.below(self.birds.len() as u64) as usize;
        let bird = &mut self.birds[at];
        // One that comes back, or has died and come back in between, reads what is there.
        if bird.health == Health::Down || chance.percent(10) {
            (bird.view, bird.queued) = (files.clone(), None);
        }
        bird.health = *chance.pick(&HEALTHS);
        bird.well_since = now;
        format!("{:?}: {:?}", plan::vias()[at], bird.health)
    }

    /// Whoever is not in use for a while is met like a new one.
    pub fn only(&mut self, in_use: &[Via]) {
        for (bird, via) in self.birds.iter_mut().zip(plan::vias()) {
            if !in_use.contains(&via) {
                (bird.last_write, bird.last_told, bird.queued) = (None, None, None);
            }
        }
    }

    /// A reconfiguration of this BIRD begins.
    pub fn told(&mut self, via: &Via, now: Mono, hurry: bool) {
        let spacing = self.spacing;
        let bird = self.of(via);
        if let Some(queued) = bird.queued.take() {
            let gap = now.since(queued);
            assert!(gap >= QUEUE_PAUSE, "{via:?} told {gap:?} after \"queued\"");
        }
        spaced(&mut bird.last_told, now, spacing, hurry);
    }

    /// A file that this BIRD reads is replaced.
    pub fn written(&mut self, via: &Via, now: Mono, hurry: bool) {
        let spacing = self.spacing;
        spaced(&mut self.of(via).last_write, now, spacing, hurry);
    }

    /// BIRD has taken what it was told of.
    pub fn reads(&mut self, via: &Via, files: &Files, accepted: Accepted, now: Mono) {
        let bird = self.of(via);
        bird.view = files.clone();
        bird.queued = (accepted == Accepted::Queued).then_some(now);
    }

    /// What comes of a reconfiguration and when; `None`: nothing, until it is killed.
    pub fn asked(
        &mut self,
        chance: &mut Chance,
        via: &Via,
    ) -> Option<(Duration, Result<Accepted, Refusal>)> {
        let accepted = *chance.pick(&[
            Accepted::Reconfigured,
            Accepted::InProgress,
            Accepted::Queued,
        ]);
        let bird = self.of(via);
        match bird.health {
            Health::Up => Some((chance.millis(0, 400), Ok(accepted))),
            Health::Slow => Some((chance.millis(400, 6000), Ok(accepted))),
            Health::Down => {
                let refusal = Refusal::Unreachable("connection refused".to_string());
                Some((Duration::ZERO, Err(refusal)))
            }
            Health::Broken => {
                let refusal = Refusal::Said("syntax error".to_string());
                Some((chance.millis(0, 100), Err(refusal)))
            }
            Health::Hangs | Health::Stubborn | Health::Undying => None,
        }
    }
}

fn spaced(slot: &mut Option<Mono>, now: Mono, spacing: Duration, hurry: bool) {
    if let Some(last) = slot.filter(|last| *last != now && !hurry) {
        let gap = now.since(last);
        assert!(gap >= spacing, "updated again after {gap:?}");
    }
    *slot = Some(now);
}

/// Prefixes of which BIRD may not know: a command of a service was to tell it.
#[derive(Default)]
pub struct LeftToCommands(Set<IpNetwork>);

impl LeftToCommands {
    pub fn join(&mut self, other: LeftToCommands) {
        self.0.extend(other.0);
    }

    pub fn add(&mut self, config: &Config) {
        for service in config
            .services
            .iter()
            .filter(|service| service.custom_cmd.is_some())
        {
            self.0.extend(service.prefixes.iter().copied());
        }
    }

    /// File and BIRD agree: what no command is responsible for at present is BIRD's again.
    pub fn settled(&mut self, family: Family, config: &Config) {
        let mut left = LeftToCommands::default();
        left.add(config);
        self.0
            .retain(|net| Family::of(net) != family || left.0.contains(net));
    }

    pub fn differ(&self, file: &Set<IpNetwork>, view: &Set<IpNetwork>) -> Vec<IpNetwork> {
        let differing = file.difference(view).chain(view.difference(file));
        differing
            .filter(|net| !self.0.contains(*net))
            .copied()
            .collect()
    }
}

/// What becomes of requests about a family's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    Well,
    /// Each takes up to a second.
    Slow,
    Full,
    /// Each fails after a long time; some have taken effect all the same.
    Hangs,
}

const DISKS: [Disk; 6] = [
    Disk::Well,
    Disk::Well,
    Disk::Well,
    Disk::Slow,
    Disk::Full,
    Disk::Hangs,
];

pub struct Disks {
    pub state: [Disk; 2],
    /// Since when each is well.
    pub well_since: [Mono; 2],
}

impl Disks {
    pub fn new(now: Mono) -> Disks {
        Disks {
            state: [Disk::Well; 2],
            well_since: [now; 2],
        }
    }

    pub fn change(&mut self, chance: &mut Chance) -> String {
        let index = chance.below(2) as usize;
        self.state[index] = *chance.pick(&DISKS);
        format!("disks: {:?}", self.state)
    }

    /// When a request that is made now is answered.
    pub fn answers_after(&self, chance: &mut Chance, family: Family) -> Duration {
        match self.state[family.index()] {
            Disk::Well | Disk::Full => chance.millis(0, 20),
            Disk::Slow => chance.millis(20, 1000),
            Disk::Hangs => chance.millis(5000, 12_000),
        }
    }
}
