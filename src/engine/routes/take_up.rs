//! How families and their files come and go: at the start from nothing, at a reload from what was.
//!
//! What a service had announced is announced in another file as well, and what it had not is not, whatever that file
//! says: it may be an old one, or somebody else's. Only of prefixes that nobody had a say in, the file itself is asked.

use std::rc::Rc;

use ipnetwork::IpNetwork;

use super::hand::Hand;
use super::lists::Lists;
use super::{Channel, ChannelId, Found, Phase, PrefixFile, Routes, Strangers};
use crate::config::{DaemonConfig, Family, FamilyConfig};
use crate::engine::claims::Claims;
use crate::engine::desk::Desk;
use crate::engine::vocab::{Action, FoundFile, Repair};
use crate::sorted::Set;
use crate::time::Mono;

/// What was the case before a reload, to be kept in another file.
pub(in crate::engine) struct Before {
    pub claims: Claims,
    pub announced: Set<IpNetwork>,
}

impl Routes {
    /// Takes up families as configured. Gives back what belongs to no check in files that were not in use before.
    pub fn take_up(
        &mut self,
        desk: &mut Desk,
        now: Mono,
        daemon: &DaemonConfig,
        found: Found,
        claims: &Claims,
        before: Option<&Before>,
    ) -> Vec<Strangers> {
        self.set_pace(desk, daemon);
        let mut strangers = Vec::new();
        let mut left = std::mem::take(&mut self.leaving);
        let mut others = Vec::new();
        for (family, found) in Family::ALL.into_iter().zip(found) {
            let slot = &mut self.families[family.index()];
            let old = slot.take();
            let Some(config) = &daemon.families[family.index()] else {
                left.extend(old);
                continue;
            };
            match old {
                Some(old) if old.config.prefix_file == config.prefix_file => {
                    if old.config.via != config.via {
                        others.push(family);
                    }
                    *slot = Some(old.renamed(config.clone(), found.repair));
                }
                old => {
                    let purge = daemon.purge_ip_prefixes;
                    let (mut new, strange) =
                        PrefixFile::new(family, config.clone(), found, purge, claims, before);
                    new.counters = old.as_ref().map(|old| old.counters).unwrap_or_default();
                    *slot = Some(new);
                    left.extend(old);
                    strangers.extend(strange);
                    others.push(family);
                }
            }
        }
        let mut newly_left = Vec::new();
        for mut old in left {
            let mut files = self.families.iter_mut().flatten();
            match files.find(|file| file.config.prefix_file == old.config.prefix_file) {
                // It is in use again, or by the other family.
                Some(file) => file.succeed(old),
                None => {
                    newly_left.extend((!old.leaving).then(|| old.config.clone()));
                    old.leave();
                    self.leaving.push(old);
                }
            }
        }
        self.connect(desk, now);
        // A command of a service may have been to tell it of the last change, which nobody knows any more.
        for config in newly_left {
            if let Some(channel) = self.channel_by(&config.via) {
                (channel.bird_due, channel.fresh) = (true, true);
            }
        }
        if before.is_some() {
            others.into_iter().for_each(|family| self.tell(family));
            // The operator may have been at work a moment ago.
            self.files_mut().for_each(|file| file.look = None);
            self.look(desk);
        }
        strangers
    }

    /// Makes the channels: one for each way to a BIRD. One that goes on is left alone, one that has no files any more is
    /// given up.
    pub(super) fn connect(&mut self, desk: &mut Desk, now: Mono) {
        let mut old = std::mem::take(&mut self.channels);
        let files = self.leaving.iter().chain(self.families.iter().flatten());
        for file in files {
            let via = &file.config.via;
            let known = self
                .channels
                .iter()
                .position(|channel| *channel.via == *via);
            let index = known.unwrap_or_else(|| {
                let place = old.iter().position(|channel| *channel.via == *via);
                let channel = match place {
                    Some(at) => Channel {
                        families: &[],
                        ..old.remove(at)
                    },
                    None => {
                        self.last_channel += 1;
                        Channel::new(ChannelId(self.last_channel), file)
                    }
                };
                self.channels.push(channel);
                self.channels.len() - 1
            });
            let channel = &mut self.channels[index];
            channel.families = match channel.families {
                [] => file.family.alone(),
                [one] if *one == file.family => file.family.alone(),
                _ => &Family::ALL,
            };
        }
        for channel in old {
            desk.cancel(channel.timer);
            if let Phase::Reconfiguring { job, .. } = channel.phase {
                desk.disown(now, job);
            }
        }
    }

    /// Forgets the files that are left and told.
    pub(super) fn forget_left(&mut self, desk: &mut Desk, now: Mono) {
        let done = |routes: &Routes, file: &PrefixFile| {
            let knows = routes.channel_of(file).is_none_or(Channel::bird_knows);
            file.settled() && knows
        };
        let before = self.leaving.len();
        for at in (0..before).rev() {
            if done(self, &self.leaving[at]) {
                self.leaving.remove(at);
            }
        }
        if self.leaving.len() < before {
            self.connect(desk, now);
        }
    }

    /// Has every file read that is not being written or read already: somebody may have spoiled it.
    pub(super) fn look(&mut self, desk: &mut Desk) {
        let idle = |file: &&mut PrefixFile| file.write.is_none() && file.look.is_none();
        for file in self.files_mut().filter(idle) {
            let job = desk.number();
            file.look = Some(job);
            desk.act(Action::LookAtFile {
                job,
                file: file.config.clone(),
            });
        }
    }
}

impl Channel {
    fn new(id: ChannelId, file: &PrefixFile) -> Channel {
        Channel {
            id,
            via: Rc::new(file.config.via.clone()),
            families: &[],
            phase: Phase::Idle,
            bird_due: false,
            began: None,
            told: None,
            queued: None,
            failed: 0,
            stuck: 0,
            trouble: None,
            fresh: false,
            timer: None,
        }
    }
}

impl PrefixFile {
    /// Sorts what the file holds: what is claimed is wanted until a check says otherwise, the rest are strangers.
    fn new(
        family: Family,
        config: FamilyConfig,
        found: FoundFile,
        purge: bool,
        claims: &Claims,
        before: Option<&Before>,
    ) -> (PrefixFile, Option<Strangers>) {
        let mut lists = Lists::found(found.prefixes);
        let strangers = lists.sort_out(purge, &|prefix| claims.any_on(*prefix));
        if let Some(before) = before {
            let not_kept = |prefix: &&IpNetwork| {
                before.claims.any_on(**prefix) && !before.announced.contains(*prefix)
            };
            let not_kept: Vec<IpNetwork> =
                (lists.wanted().iter().filter(not_kept).copied()).collect();
            let kept = before
                .announced
                .iter()
                .filter(|prefix| Family::of(prefix) == family && claims.any_on(**prefix));
            for (prefix, announced) in
                (not_kept.iter().map(|one| (one, false))).chain(kept.map(|one| (one, true)))
            {
                lists.want(*prefix, announced);
            }
        }
        let path = config.prefix_file.clone();
        let mut file = PrefixFile {
            family,
            config: Rc::new(config),
            lists,
            repair: found.repair,
            doubt: false,
            announce: false,
            counters: Default::default(),
            trouble: None,
            write: None,
            look: None,
            hand: Hand::default(),
            leaving: false,
        };
        file.announce = file.differs();
        let strange = !strangers.is_empty();
        (
            file,
            strange.then(|| (path, strangers.into_iter().collect())),
        )
    }

    /// The same file, to be written in another way.
    fn renamed(mut self, config: FamilyConfig, repair: Option<Repair>) -> PrefixFile {
        let same_text =
            self.config.variable == config.variable && self.config.dummy == config.dummy;
        self.config = Rc::new(config);
        if !same_text {
            self.outdated();
            self.repair = repair.or(self.repair);
        }
        self
    }

    /// What stands in it, or will in a moment, is not what it is to look like.
    fn outdated(&mut self) {
        self.doubt = true;
        self.announce = true;
        if let Some(write) = &mut self.write {
            write.outdated = true;
        }
    }

    /// The file was another's until now, who may be writing it at this moment.
    fn succeed(&mut self, old: PrefixFile) {
        (self.write, self.trouble) = (old.write, old.trouble);
        self.outdated();
    }

    /// Nothing is wanted of it any more.
    fn leave(&mut self) {
        self.leaving = true;
        self.repair = None;
        self.lists.leave();
        if self.differs() || self.write.is_some() {
            self.announce();
        }
    }

    /// BIRD is to be told when it is written, also by a write that is going on, though a command was to do that.
    pub(super) fn announce(&mut self) {
        self.announce = true;
        if let Some(write) = &mut self.write {
            write.announce = true;
        }
    }
}
