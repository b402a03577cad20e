//! Every BIRD of the made-up world: what it has read, how it answers, and how often it has been bothered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::chance::Chance;
use super::plan;
use crate::config::*;
use crate::engine::vocab::*;
use crate::sorted::Set;
use crate::time::Mono;
use ipnetwork::IpNetwork;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Up,
    /// It answers, but late, and perhaps too late.
    Slow,
    Down,
    /// Its configuration has an error.
    Broken,
    Hangs,
    /// As `Hangs`, and what asks it can't be killed.
    Stubborn,
}

const HEALTHS: [Health; 8] = [
    Health::Up,
    Health::Up,
    Health::Up,
    Health::Slow,
    Health::Down,
    Health::Broken,
    Health::Hangs,
    Health::Stubborn,
];

pub type Files = [Set<IpNetwork>; 2];

pub struct Bird {
    pub health: Health,
    /// Since when nothing has kept it from agreeing.
    pub well_since: Mono,
    /// What it has read, by family.
    pub view: Files,
    last_attempt: Option<Mono>,
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
            last_attempt: None,
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
    pub fn include(&mut self, files: &Files, told: [Option<&Via>; 2]) {
        for (bird, via) in self.birds.iter_mut().zip(plan::vias()) {
            for index in 0..2 {
                if told[index] != Some(&via) {
                    bird.view[index] = files[index].clone();
                }
            }
        }
    }

    /// A new daemon: the clock begins anew. What a dead BIRD did not read it reads when it comes back.
    pub fn new_life(&mut self, now: Mono) {
        for bird in &mut self.birds {
            bird.last_attempt = None;
            bird.well_since = now;
        }
    }

    pub fn change_health(&mut self, chance: &mut Chance, files: &Files, now: Mono) -> String {
        let at = chance.below(self.birds.len() as u64) as usize;
        let bird = &mut self.birds[at];
        if bird.health == Health::Down {
            bird.view = files.clone();
        }
        bird.health = *chance.pick(&HEALTHS);
        bird.well_since = now;
        format!("{:?}: {:?}", plan::vias()[at], bird.health)
    }

    /// Whoever is not in use for a while is met like a new one.
    pub fn only(&mut self, daemon: &DaemonConfig) {
        for (bird, via) in self.birds.iter_mut().zip(plan::vias()) {
            let mut families = daemon.families.iter().flatten();
            if !families.any(|config| config.via == via) {
                bird.last_attempt = None;
            }
        }
    }

    /// An update of this BIRD begins.
    pub fn attempt(&mut self, via: &Via, now: Mono, hurry: bool) {
        let spacing = self.spacing;
        let bird = self.of(via);
        if let Some(last) = bird.last_attempt.filter(|last| *last != now && !hurry) {
            let gap = now.since(last);
            assert!(gap >= spacing, "{via:?} updated again after {gap:?}");
        }
        bird.last_attempt = Some(now);
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
            Health::Hangs | Health::Stubborn => None,
        }
    }
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

/// Since when each disk has had room.
pub struct Disks(pub BTreeMap<Family, Mono>);

impl Disks {
    pub fn new(now: Mono) -> Disks {
        Disks(
            Family::ALL
                .into_iter()
                .map(|family| (family, now))
                .collect(),
        )
    }

    pub fn change(&mut self, chance: &mut Chance, full: &mut [bool; 2], now: Mono) {
        let family = *chance.pick(&Family::ALL);
        full[family.index()] = chance.percent(50);
        self.0.insert(family, now);
    }
}
