//! The prefixes that are wanted, and how BIRD comes to know of them.
//!
//! Latest value wins: for each family there is the set that is wanted and the set that stands in the file. A channel, one
//! for each BIRD, carries the difference out in attempts: write the files that differ, then one reconfiguration. Never
//! two at once, never two within `bird_update_interval`, and what changes meanwhile only makes the set differ again. A
//! failed attempt is repeated, after a growing pause, until file, BIRD and what is wanted agree.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::snapshot::FamilyCounters;
use super::vocab::{FoundFile, JobId, Repair, WriteId};
use crate::config::{DaemonConfig, Family, FamilyConfig, Via};
use crate::sorted::Set;
use crate::time::Mono;
use crate::wheel::TimerId;
use lists::Lists;
use trouble::Trouble;

mod attempt;
mod lists;
mod trouble;

/// One family: its file and its counters.
#[derive(Debug)]
pub(super) struct Routes4or6 {
    pub config: FamilyConfig,
    pub lists: Lists,
    /// It has not been sorted out yet what of the file is claimed.
    new: bool,
    /// The file must be written even if the sets are equal.
    pub repair: Option<Repair>,
    pub counters: FamilyCounters,
    pub trouble: Option<Trouble>,
    /// What is being written at this moment.
    writing: Option<(WriteId, Rc<Set<IpNetwork>>)>,
}

impl Routes4or6 {
    /// Whether the file must be written. After a failure it must even if nothing else is wanted any more than what it
    /// held: nobody knows what stands there now, and a trouble ends by success alone.
    fn differs(&self) -> bool {
        self.repair.is_some() || self.trouble.is_some() || !self.lists.agree()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Files are being replaced: so many outcomes are still to come, and this many were failures.
    /// `announce`: BIRD is to be told of what is written.
    Writing {
        left: usize,
        failed: usize,
        announce: bool,
    },
    Reconfiguring {
        job: JobId,
        since: Mono,
        killed: bool,
    },
}

/// One BIRD.
#[derive(Debug)]
pub(super) struct Channel {
    pub families: &'static [Family],
    via: Rc<Via>,
    phase: Phase,
    /// The next file that is written is to be told to BIRD.
    announce: bool,
    /// BIRD has not taken the file as it stands.
    pub bird_due: bool,
    /// When the last attempt began.
    began: Option<Mono>,
    /// When BIRD has put the configuration of the last attempt into its queue.
    queued: Option<Mono>,
    /// Attempts that failed in a row.
    failed: u32,
    pub trouble: Option<Trouble>,
    /// Something changed after the last attempt began, so the next need not wait for the pause.
    fresh: bool,
    timer: Option<TimerId>,
    time_out: Option<TimerId>,
}

impl Channel {
    pub fn idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether this BIRD has taken what stands in its files.
    pub fn bird_knows(&self) -> bool {
        !self.bird_due && self.idle()
    }
}

#[derive(Debug, Default)]
pub(super) struct Routes {
    pub families: [Option<Routes4or6>; 2],
    pub channels: Vec<Channel>,
    last_write: u64,
    update_interval: Duration,
    reconfigure_timeout: Duration,
}

impl Routes {
    /// Takes up families and channels as configured; what an unchanged family had is kept.
    pub fn configure(&mut self, daemon: &DaemonConfig, files: [FoundFile; 2]) {
        self.set_pace(daemon);
        for (family, file) in Family::ALL.into_iter().zip(files) {
            let slot = &mut self.families[family.index()];
            let Some(config) = &daemon.families[family.index()] else {
                *slot = None;
                continue;
            };
            if slot.as_ref().is_some_and(|old| old.config == *config) {
                continue;
            }
            let counters = slot.as_ref().map(|old| old.counters);
            *slot = Some(Routes4or6 {
                config: config.clone(),
                lists: Lists::found(file.prefixes),
                new: true,
                repair: file.repair,
                counters: counters.unwrap_or_default(),
                trouble: None,
                writing: None,
            });
        }
    }

    /// Makes the channels: one for each way to a BIRD, for one family or both. Of those before them only the moment of
    /// their last attempt counts and what it left to BIRD: a reload is no reason to bother a BIRD sooner.
    pub fn connect(&mut self) {
        let old = std::mem::take(&mut self.channels);
        let before = |via: &Via| old.iter().find(|channel| *channel.via == *via);
        for family in Family::ALL {
            let Some(routes) = &self.families[family.index()] else {
                continue;
            };
            match self
                .channels
                .iter_mut()
                .find(|channel| *channel.via == routes.config.via)
            {
                Some(channel) => channel.families = &Family::ALL,
                None => self.channels.push(Channel {
                    families: family.alone(),
                    via: Rc::new(routes.config.via.clone()),
                    phase: Phase::Idle,
                    announce: false,
                    bird_due: false,
                    began: before(&routes.config.via).and_then(|channel| channel.began),
                    queued: before(&routes.config.via).and_then(|channel| channel.queued),
                    failed: 0,
                    trouble: None,
                    fresh: false,
                    timer: None,
                    time_out: None,
                }),
            }
        }
    }

    pub fn channel_of(&self, family: Family) -> Option<usize> {
        self.channels
            .iter()
            .position(|channel| channel.families.contains(&family))
    }

    /// Says what is wanted of a prefix; true if that is news. `tell_bird`: not left to a command of the service.
    pub fn want(&mut self, prefix: IpNetwork, announced: bool, tell_bird: bool) -> bool {
        let family = Family::of(&prefix);
        let Some(routes) = self.families[family.index()].as_mut() else {
            return false;
        };
        let Some(strange) = routes.lists.want(prefix, announced) else {
            return false;
        };
        // Strangers go with the first update, and no command of a service knows of them.
        self.touch(family, tell_bird || strange);
        true
    }

    /// Has the next settlement look at a family without waiting for a pause.
    pub fn touch(&mut self, family: Family, tell_bird: bool) {
        if let Some(index) = self.channel_of(family) {
            self.channels[index].fresh = true;
            self.channels[index].announce |= tell_bird;
        }
    }

    /// Whether a family's file says what is wanted.
    pub fn file_settled(&self, family: Family) -> bool {
        self.families[family.index()]
            .as_ref()
            .is_none_or(|routes| routes.writing.is_none() && !routes.differs())
    }

    /// Whether every BIRD has taken what stands in the files.
    pub fn bird_knows(&self) -> bool {
        self.channels.iter().all(Channel::bird_knows)
    }

    /// Whether a BIRD has been told what is wanted.
    fn agreed(&self, channel: &Channel) -> bool {
        let mut families = channel.families.iter();
        !channel.bird_due && families.all(|family| self.file_settled(*family))
    }

    /// Whether everything is carried out, or, at the end of the daemon, has failed in its last attempt.
    pub fn finished(&self, last_attempts_only: bool) -> bool {
        self.channels.iter().all(|channel| {
            let given_up = last_attempts_only && channel.failed > 0 && !channel.fresh;
            channel.idle() && (given_up || self.agreed(channel))
        })
    }

    /// Whether the outcome of a file's replacement is still to come.
    pub fn writing(&self) -> bool {
        self.families
            .iter()
            .flatten()
            .any(|routes| routes.writing.is_some())
    }

    pub fn set_pace(&mut self, daemon: &DaemonConfig) {
        self.update_interval = daemon.update_interval;
        self.reconfigure_timeout = daemon.reconfigure_timeout;
    }

    /// Sorts what a file held: what is claimed is wanted until a check says otherwise, the rest are strangers. Gives
    /// back the strangers, if any, and where they were found.
    pub fn adopt_file(
        &mut self,
        family: Family,
        purge: bool,
        claimed: &dyn Fn(&IpNetwork) -> bool,
    ) -> Option<(PathBuf, Vec<IpNetwork>)> {
        let routes = self.families[family.index()].as_mut()?;
        if !routes.new {
            return None;
        }
        routes.new = false;
        let strangers = routes.lists.sort_out(purge, claimed);
        let path = routes.config.prefix_file.clone();
        if routes.differs() {
            self.touch(family, true);
        }
        (!strangers.is_empty()).then(|| (path, strangers.into_iter().collect()))
    }

    /// What stands in a file now, of whomever it is. The next attempt writes it anew if it is not what was written.
    pub fn file_found(&mut self, family: Family, found: FoundFile) {
        let Some(routes) = self.families[family.index()].as_mut() else {
            return;
        };
        if routes.repair.is_none() {
            routes.repair = found.repair;
        }
        if found.prefixes != *routes.lists.written() {
            routes.lists.is_written(Rc::new(found.prefixes));
        }
        let differs = routes.differs();
        if let Some(index) = self.channel_of(family) {
            self.channels[index].announce |= differs;
        }
    }

    /// What was found without a check and has one by now is its service's.
    pub fn claim(&mut self, claimed: &dyn Fn(&IpNetwork) -> bool) {
        for routes in self.families.iter_mut().flatten() {
            routes.lists.claim(claimed);
        }
    }

    /// Has every BIRD told once more, because it is not known what it has read.
    pub fn tell_again(&mut self) {
        for channel in &mut self.channels {
            channel.bird_due = true;
            // A file that can't be written yet is to be told when it can.
            channel.announce = true;
        }
    }

    /// Has the BIRD of a family told once more.
    pub fn tell(&mut self, family: Family) {
        if let Some(index) = self.channel_of(family) {
            self.channels[index].bird_due = true;
            self.touch(family, true);
        }
    }

    /// Allows whatever is not carried out one more attempt at once.
    pub fn touch_unsettled(&mut self) {
        for family in Family::ALL {
            if let Some(index) = self.channel_of(family) {
                if self.channels[index].bird_due || !self.file_settled(family) {
                    self.channels[index].fresh = true;
                }
            }
        }
    }

    /// Everything that is wanted in the files, of both families.
    pub fn announced(&self) -> Vec<IpNetwork> {
        let mut all = Vec::new();
        for routes in self.families.iter().flatten() {
            all.extend(routes.lists.wanted());
        }
        all
    }

    pub fn announces(&self, prefix: &IpNetwork) -> bool {
        self.families[Family::of(prefix).index()]
            .as_ref()
            .is_some_and(|routes| routes.lists.wanted().contains(prefix))
    }

    pub fn advertises(&self, prefix: &IpNetwork) -> bool {
        self.families[Family::of(prefix).index()]
            .as_ref()
            .is_some_and(|routes| routes.lists.written().contains(prefix))
    }

    #[cfg(test)]
    pub fn timers(&self) -> usize {
        let armed = |timer: &Option<TimerId>| usize::from(timer.is_some());
        self.channels
            .iter()
            .map(|channel| armed(&channel.timer) + armed(&channel.time_out))
            .sum()
    }

    #[cfg(test)]
    pub fn wanted_none_of(&self, prefixes: &[IpNetwork]) -> bool {
        !prefixes.iter().any(|prefix| self.announces(prefix))
    }
}
