//! The prefixes that are wanted, and how BIRD comes to know of them.
//!
//! Latest value wins: for each prefix file there is the set that is wanted and the set that stands in it. A channel, one
//! for each BIRD, carries the difference out in attempts: write the files that differ, then one reconfiguration. Never
//! two at once, never two within `bird_update_interval`, and what changes meanwhile only makes the set differ again. A
//! failed attempt is repeated, after a growing pause, until file, BIRD and what is wanted agree.
//!
//! Writing takes as long as the disk takes: nothing else waits for it, and BIRD is not kept for long from what is written
//! already. A file that a reload leaves is emptied and its BIRD told, like any other, and then forgotten.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ipnetwork::IpNetwork;

use super::desk::Desk;
use super::snapshot::FamilyCounters;
use super::vocab::{FoundFile, JobId, Obstacle, Repair};
use crate::config::{DaemonConfig, Family, FamilyConfig, Via};
use crate::sorted::Set;
use crate::time::Mono;
use crate::wheel::TimerId;
use hand::Hand;
use lists::Lists;
use trouble::Trouble;

mod attempt;
mod hand;
mod lists;
mod take_up;
mod trouble;

pub(super) use attempt::QUEUE_PAUSE;
pub(super) use take_up::Before;

/// A prefix file: that of a family, or one that is being left.
#[derive(Debug)]
pub(super) struct PrefixFile {
    pub family: Family,
    pub config: Rc<FamilyConfig>,
    pub lists: Lists,
    /// The file must be written even if the sets are equal.
    pub repair: Option<Repair>,
    /// Nobody knows what stands there, so that it must be written.
    doubt: bool,
    /// What is written next is to be told to BIRD.
    announce: bool,
    pub counters: FamilyCounters,
    pub trouble: Option<Trouble>,
    write: Option<Write>,
    /// The look at the file that is going on.
    look: Option<JobId>,
    hand: Hand,
    /// No family has it any more.
    leaving: bool,
}

/// A replacement of a file whose outcome is still to come.
#[derive(Debug)]
struct Write {
    job: JobId,
    since: Mono,
    content: Rc<Set<IpNetwork>>,
    announce: bool,
    /// The file is to look otherwise by now.
    outdated: bool,
}

impl PrefixFile {
    /// Whether the file must be written.
    fn differs(&self) -> bool {
        self.repair.is_some() || self.doubt || !self.lists.agree()
    }

    /// Whether it says what is wanted. One that is being left has been looked at for the last time.
    pub fn settled(&self) -> bool {
        let last_look = self.leaving && self.look.is_some();
        self.write.is_none() && !self.differs() && !last_look
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// Files are being replaced.
    Writing,
    /// They have been, or BIRD waits for them no longer.
    Written,
    Reconfiguring {
        job: JobId,
        since: Mono,
    },
}

/// The number of a channel, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChannelId(u32);

/// One BIRD.
#[derive(Debug)]
pub(super) struct Channel {
    id: ChannelId,
    via: Rc<Via>,
    /// Those whose files it reads.
    families: &'static [Family],
    phase: Phase,
    /// BIRD has not been told of the files as they stand.
    bird_due: bool,
    /// When the last attempt began, and when BIRD was told last.
    began: Option<Mono>,
    told: Option<Mono>,
    /// When BIRD has put the configuration of the last attempt into its queue.
    queued: Option<Mono>,
    /// Attempts that failed in a row.
    failed: u32,
    /// Reconfigurations that were killed and do not die.
    stuck: u32,
    pub trouble: Option<Trouble>,
    /// Something changed after the last attempt began, so the next need not wait for the pause.
    fresh: bool,
    timer: Option<TimerId>,
}

impl Channel {
    fn idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether this BIRD has taken what stands in its files.
    pub fn bird_knows(&self) -> bool {
        !self.bird_due && self.idle()
    }
}

#[derive(Debug, Default)]
pub(super) struct Routes {
    pub families: [Option<PrefixFile>; 2],
    /// Files that are to be emptied and forgotten.
    pub leaving: Vec<PrefixFile>,
    pub channels: Vec<Channel>,
    last_channel: u32,
    update_interval: Duration,
    reconfigure_timeout: Duration,
    /// The daemon stops: what changes does not wait for the spacing.
    hurry: bool,
    /// When a file is to be looked at because of another hand.
    look_at: Option<(Mono, TimerId)>,
}

impl Routes {
    /// What is left comes first, so that it is withdrawn before anything is announced elsewhere.
    fn files(&self) -> impl Iterator<Item = &PrefixFile> {
        self.leaving.iter().chain(self.families.iter().flatten())
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut PrefixFile> {
        let families = self.families.iter_mut().flatten();
        self.leaving.iter_mut().chain(families)
    }

    fn files_of<'a>(&'a self, channel: &'a Channel) -> impl Iterator<Item = &'a PrefixFile> {
        self.files().filter(|file| file.config.via == *channel.via)
    }

    fn channel(&mut self, id: ChannelId) -> Option<usize> {
        self.channels.iter().position(|channel| channel.id == id)
    }

    fn channel_by(&mut self, via: &Via) -> Option<&mut Channel> {
        (self.channels.iter_mut()).find(|channel| *channel.via == *via)
    }

    /// The BIRD of a file.
    pub fn channel_of(&self, file: &PrefixFile) -> Option<&Channel> {
        let mut channels = self.channels.iter();
        channels.find(|channel| *channel.via == file.config.via)
    }

    /// What keeps a file, or its BIRD, from what is wanted.
    pub fn trouble_of<'a>(&'a self, file: &'a PrefixFile) -> Option<&'a Obstacle> {
        let of_channel = || self.channel_of(file)?.trouble.as_ref();
        let trouble = file.trouble.as_ref().or_else(of_channel)?;
        Some(&trouble.obstacle)
    }

    /// The files of a family: at most one that counts, and those that are being left.
    pub fn files_of_family(&self, family: Family) -> impl Iterator<Item = &PrefixFile> {
        self.files().filter(move |file| file.family == family)
    }

    /// Says what is wanted of a prefix; true if that is news. `tell_bird`: not left to a command of the service.
    pub fn want(&mut self, prefix: IpNetwork, announced: bool, tell_bird: bool) -> bool {
        let family = Family::of(&prefix);
        let Some(file) = self.families[family.index()].as_mut() else {
            return false;
        };
        let Some(strange) = file.lists.want(prefix, announced) else {
            return false;
        };
        // Strangers go with the first update, and no command of a service knows of them.
        file.announce |= tell_bird || strange;
        let via = file.config.clone();
        if let Some(channel) = self.channel_by(&via.via) {
            channel.fresh = true;
        }
        true
    }

    /// Whether a family's file says what is wanted.
    pub fn file_settled(&self, family: Family) -> bool {
        self.families[family.index()]
            .as_ref()
            .is_none_or(PrefixFile::settled)
    }

    /// Whether every file says what is wanted.
    pub fn files_settled(&self) -> bool {
        self.files().all(PrefixFile::settled)
    }

    /// Whether every BIRD has taken what stands in the files.
    pub fn bird_knows(&self) -> bool {
        self.channels.iter().all(Channel::bird_knows)
    }

    /// Whether everything is carried out, or has failed in the last attempt. Who is only waited for has not failed.
    pub fn finished(&self, now: Mono) -> bool {
        self.channels.iter().all(|channel| {
            let agreed = channel.bird_knows() && self.files_of(channel).all(PrefixFile::settled);
            let given_up = channel.idle() && channel.failed > 0 && !channel.fresh;
            // A BIRD that has not refused is told in any case: it was the file of another list that failed.
            let owed = channel.bird_due && channel.trouble.is_none();
            agreed || given_up && !owed && !self.must_wait(channel, now)
        })
    }

    /// Whether a BIRD is to be told, and has to be left alone before that.
    fn must_wait(&self, channel: &Channel, now: Mono) -> bool {
        let to_do = channel.bird_due || !self.files_of(channel).all(PrefixFile::settled);
        to_do && self.tell_at(channel, now) > now
    }

    /// Whether that is so of any of them.
    pub fn waits_for_bird(&self, now: Mono) -> bool {
        let mut channels = self.channels.iter();
        channels.any(|channel| self.must_wait(channel, now))
    }

    /// Since when the oldest outcome of a file's replacement is waited for.
    pub fn writing_since(&self) -> Option<Mono> {
        let writes = self.files().filter_map(|file| file.write.as_ref());
        writes.map(|write| write.since).min()
    }

    /// Has every BIRD told once more, because it is not known what it has read.
    pub fn tell_again(&mut self) {
        for channel in &mut self.channels {
            channel.bird_due = true;
        }
    }

    /// Has the BIRD of a family told once more.
    pub fn tell(&mut self, family: Family) {
        let Some(file) = self.families[family.index()].as_mut() else {
            return;
        };
        file.announce();
        let config = file.config.clone();
        if let Some(channel) = self.channel_by(&config.via) {
            channel.bird_due = true;
            channel.fresh = true;
        }
    }

    /// The daemon stops: whatever is not carried out has one more attempt, at once.
    pub fn hasten(&mut self) {
        self.hurry = true;
        for index in 0..self.channels.len() {
            let channel = &self.channels[index];
            let settled = self.files_of(channel).all(PrefixFile::settled);
            self.channels[index].fresh |= !channel.bird_knows() || !settled;
        }
    }

    /// Everything that is wanted in the files, of both families.
    pub fn announced(&self) -> Set<IpNetwork> {
        let mut all = Set::new();
        for file in self.families.iter().flatten() {
            all = all.union(file.lists.wanted());
        }
        all
    }

    pub fn announces(&self, prefix: &IpNetwork) -> bool {
        self.families[Family::of(prefix).index()]
            .as_ref()
            .is_some_and(|file| file.lists.wanted().contains(prefix))
    }

    pub fn advertises(&self, prefix: &IpNetwork) -> bool {
        self.families[Family::of(prefix).index()]
            .as_ref()
            .is_some_and(|file| file.lists.written().contains(prefix))
    }

    /// What was found without a check and has one by now is its service's.
    pub fn claim(&mut self, claimed: &dyn Fn(&IpNetwork) -> bool) {
        for file in self.families.iter_mut().flatten() {
            file.lists.claim(claimed);
        }
    }

    fn set_pace(&mut self, desk: &mut Desk, daemon: &DaemonConfig) {
        self.update_interval = daemon.update_interval;
        self.reconfigure_timeout = daemon.reconfigure_timeout;
        // What waits is planned anew.
        for channel in self.channels.iter_mut().filter(|channel| channel.idle()) {
            let timer = channel.timer.take();
            desk.cancel(timer);
        }
    }

    #[cfg(test)]
    pub fn timers(&self) -> usize {
        let armed = self
            .channels
            .iter()
            .filter(|channel| channel.timer.is_some());
        armed.count() + usize::from(self.look_at.is_some())
    }

    /// What the engine takes to stand in the family's file that this look is for, if it still waits for it.
    #[cfg(test)]
    pub fn looks_at(&self, job: JobId) -> Option<(Family, &Set<IpNetwork>)> {
        let mut files = self.families.iter().flatten();
        let file = files.find(|file| file.look == Some(job))?;
        Some((file.family, file.lists.written()))
    }

    #[cfg(test)]
    pub fn vias(&self) -> impl Iterator<Item = Via> + '_ {
        self.channels.iter().map(|channel| (*channel.via).clone())
    }

    #[cfg(test)]
    pub fn wanted_none_of(&self, prefixes: &[IpNetwork]) -> bool {
        !prefixes.iter().any(|prefix| self.announces(prefix))
    }
}

/// Prefixes that belong to no check, and where they were found.
pub(super) type Strangers = (PathBuf, Vec<IpNetwork>);

/// What was found in each family's file.
pub(super) type Found = [FoundFile; 2];
