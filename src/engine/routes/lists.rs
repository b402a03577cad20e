//! What is wanted in a prefix file and what stands in it, and in how many prefixes they differ.
//!
//! Whether they agree is asked in every turn of the loop, so the difference is counted as it comes and goes; only a
//! whole list that is exchanged is compared as a whole. While they agree they are one list in memory.

use std::rc::Rc;

use ipnetwork::IpNetwork;

use crate::sorted::Set;

#[cfg(test)]
mod tests;

#[derive(Debug)]
pub struct Lists {
    wanted: Rc<Set<IpNetwork>>,
    /// What was found in the file and belongs to no check; it stays there until the first update.
    strangers: Set<IpNetwork>,
    /// What the file announces, as far as is known.
    written: Rc<Set<IpNetwork>>,
    /// So many prefixes are in the file and should not be, or should be and are not.
    different: usize,
}

impl Lists {
    /// The file as it was found; all of it counts as wanted until [`Lists::sort_out`].
    pub fn found(file: Set<IpNetwork>) -> Lists {
        let written = Rc::new(file);
        Lists {
            wanted: written.clone(),
            strangers: Set::new(),
            written,
            different: 0,
        }
    }

    pub fn agree(&self) -> bool {
        self.different == 0
    }

    pub fn wanted(&self) -> &Set<IpNetwork> {
        &self.wanted
    }

    pub fn written(&self) -> &Set<IpNetwork> {
        &self.written
    }

    /// What the file is to hold.
    pub fn content(&self) -> Rc<Set<IpNetwork>> {
        match self.strangers.is_empty() {
            true => self.wanted.clone(),
            false => Rc::new(self.wanted.union(&self.strangers)),
        }
    }

    /// The file holds this now.
    pub fn is_written(&mut self, content: Rc<Set<IpNetwork>>) {
        self.written = content;
        self.compare();
    }

    /// Says what is wanted of a prefix. `None`: it was so before. The first news puts an end to all strangers; whether
    /// there were any.
    pub fn want(&mut self, prefix: IpNetwork, announced: bool) -> Option<bool> {
        // A stranger that a service has just laid claim to, or has just let go, stands in the file all the same.
        let news = self.wanted.contains(&prefix) != announced
            || !announced && self.strangers.contains(&prefix);
        if !news {
            return None;
        }
        let wanted = Rc::make_mut(&mut self.wanted);
        match announced {
            true => wanted.insert(prefix),
            false => wanted.remove(&prefix),
        };
        let strange = !std::mem::take(&mut self.strangers).is_empty();
        match strange {
            true => self.compare(),
            false if self.written.contains(&prefix) == announced => self.different -= 1,
            false => self.different += 1,
        }
        Some(strange)
    }

    /// Sorts what was found into what is claimed and strangers, which are given back, and with `purge` not kept.
    pub fn sort_out(
        &mut self,
        purge: bool,
        claimed: &dyn Fn(&IpNetwork) -> bool,
    ) -> Set<IpNetwork> {
        let mut strangers = Set::new();
        for prefix in self.written.iter().filter(|prefix| !claimed(prefix)) {
            strangers.insert(*prefix);
        }
        if !strangers.is_empty() {
            Rc::make_mut(&mut self.wanted).retain(claimed);
            if !purge {
                self.strangers = strangers.clone();
            }
            self.compare();
        }
        strangers
    }

    /// Somebody else has written the file: what he says of these, and of strangers that he has removed, is what is wanted.
    /// Whether that is news.
    pub fn take_over(&mut self, file: &Set<IpNetwork>, these: &dyn Fn(&IpNetwork) -> bool) -> bool {
        self.strangers.retain(|prefix| file.contains(prefix));
        let wanted = self.wanted.clone();
        let differ = file.difference(&wanted).chain(wanted.difference(file));
        let mut news = false;
        for prefix in differ.filter(|prefix| these(prefix)) {
            let wanted = Rc::make_mut(&mut self.wanted);
            match file.contains(prefix) {
                true => wanted.insert(*prefix),
                false => wanted.remove(prefix),
            };
            news = true;
        }
        self.compare();
        news
    }

    /// Nothing is wanted any more.
    pub fn leave(&mut self) {
        (self.wanted, self.strangers) = (Rc::default(), Set::new());
        self.compare();
    }

    /// What was found without a check and has one by now is its service's.
    pub fn claim(&mut self, claimed: &dyn Fn(&IpNetwork) -> bool) {
        for prefix in std::mem::take(&mut self.strangers) {
            match claimed(&prefix) {
                true => Rc::make_mut(&mut self.wanted).insert(prefix),
                false => self.strangers.insert(prefix),
            };
        }
    }

    fn compare(&mut self) {
        let content = self.content();
        let same = match Rc::ptr_eq(&content, &self.written) {
            true => content.len(),
            false => (content
                .iter()
                .filter(|prefix| self.written.contains(*prefix)))
            .count(),
        };
        self.different = content.len() + self.written.len() - 2 * same;
    }
}
