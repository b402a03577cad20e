//! A hierarchical timer wheel over [`Mono`]: every deadline of the engine hangs here.
//!
//! Arming and cancelling cost the same with one timer as with ten thousand. Slots are a millisecond wide at the lowest
//! level and 64 times wider at each level above; a timer moves down as its time comes near. Deadlines stay exact to
//! the microsecond: a slot only says where to look, so nothing fires early and [`Wheel::next_deadline`] is the true
//! minimum, not the edge of a slot. Nine levels cover the whole range of the clock, so there is no overflow list.
//!
//! It reads no clock. Cancelling a timer that has fired or was cancelled is a bug of the caller and panics.

use std::num::NonZeroU32;

use crate::time::Mono;

#[cfg(test)]
mod tests;

/// 2^10 microseconds a tick: about a millisecond, and a shift instead of a division.
const TICK_BITS: u32 = 10;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// (64 - TICK_BITS) / SLOT_BITS: every tick of a u64 of microseconds has its slot.
const LEVELS: usize = 9;
const NIL: u32 = u32::MAX;

/// An armed timer. It is used up by firing or by [`Wheel::cancel`].
#[derive(Debug, PartialEq, Eq)]
pub struct TimerId {
    index: u32,
    /// Never 0, so that having no timer takes no room of its own.
    generation: NonZeroU32,
}

#[derive(Debug)]
struct Entry<K> {
    deadline: Mono,
    /// `None` while the entry is on the free list.
    key: Option<K>,
    generation: NonZeroU32,
    level: u8,
    slot: u8,
    previous: u32,
    next: u32,
}

#[derive(Debug)]
pub struct Wheel<K> {
    /// The tick up to which slots have been emptied; no entry lies before it.
    current: u64,
    entries: Vec<Entry<K>>,
    free: u32,
    armed: usize,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    /// The minimum, while it is known.
    soonest: Option<Mono>,
}

impl<K: Copy> Wheel<K> {
    pub fn new(now: Mono) -> Wheel<K> {
        Wheel {
            current: tick(now),
            entries: Vec::new(),
            free: NIL,
            armed: 0,
            heads: [[NIL; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            soonest: None,
        }
    }

    /// Number of armed timers.
    #[cfg(test)]
    pub fn armed(&self) -> usize {
        self.armed
    }

    /// Arms a timer. A deadline that has passed fires at the next [`Wheel::expire`].
    pub fn arm(&mut self, deadline: Mono, key: K) -> TimerId {
        let index = self.take_free(deadline, key);
        self.link(index);
        self.armed += 1;
        if self.armed == 1 || self.soonest.is_some_and(|soonest| deadline < soonest) {
            self.soonest = Some(deadline);
        }
        TimerId {
            index,
            generation: self.entries[index as usize].generation,
        }
    }

    pub fn cancel(&mut self, timer: TimerId) {
        let entry = &self.entries[timer.index as usize];
        assert!(
            entry.generation == timer.generation && entry.key.is_some(),
            "a timer was cancelled that is not armed"
        );
        if self.soonest == Some(entry.deadline) {
            self.soonest = None;
        }
        self.unlink(timer.index);
        self.release(timer.index);
    }

    /// When an armed timer fires.
    pub fn deadline(&self, timer: &TimerId) -> Mono {
        self.entries[timer.index as usize].deadline
    }

    /// The earliest deadline, exactly.
    pub fn next_deadline(&mut self) -> Option<Mono> {
        if self.armed == 0 {
            return None;
        }
        if self.soonest.is_none() {
            let (level, slot) = self.first_slot()?;
            let mut index = self.heads[level][slot];
            while index != NIL {
                let entry = &self.entries[index as usize];
                if self.soonest.is_none_or(|soonest| entry.deadline < soonest) {
                    self.soonest = Some(entry.deadline);
                }
                index = entry.next;
            }
        }
        self.soonest
    }

    /// Takes out every timer whose deadline is `now` or earlier, the earliest first.
    pub fn expire(&mut self, now: Mono) -> Vec<(Mono, K)> {
        let target = tick(now).max(self.current);
        let mut due = Vec::new();
        while let Some((level, slot)) = self.first_slot() {
            let start = self.slot_start(level, slot);
            if start > target {
                break;
            }
            self.current = start;
            if level == 0 {
                self.collect_due(slot, now, &mut due);
                if self.heads[0][slot] != NIL {
                    break;
                }
            } else {
                self.cascade(level, slot);
            }
        }
        self.current = target;
        if !due.is_empty() {
            self.soonest = None;
        }
        due.sort_by_key(|(deadline, _)| *deadline);
        due
    }

    /// Moves what is due of a slot of the lowest level to `due`.
    fn collect_due(&mut self, slot: usize, now: Mono, due: &mut Vec<(Mono, K)>) {
        let mut index = self.heads[0][slot];
        while index != NIL {
            let entry = &self.entries[index as usize];
            let (next, deadline) = (entry.next, entry.deadline);
            if deadline <= now {
                due.extend(entry.key.map(|key| (deadline, key)));
                self.unlink(index);
                self.release(index);
            }
            index = next;
        }
    }

    /// Spreads a slot that `current` has reached over the levels below.
    fn cascade(&mut self, level: usize, slot: usize) {
        let mut index = self.heads[level][slot];
        self.heads[level][slot] = NIL;
        self.occupied[level] &= !(1 << slot);
        while index != NIL {
            let next = self.entries[index as usize].next;
            self.link(index);
            index = next;
        }
    }

    /// The slot that comes first in time. By construction it lies on the lowest level that holds anything.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = SLOT_BITS * level as u32;
        let above = self.current >> shift >> SLOT_BITS << SLOT_BITS;
        (above | slot as u64) << shift
    }

    /// Hangs an entry into the level of the highest group of bits in which its tick differs from `current`.
    fn link(&mut self, index: u32) {
        let at = tick(self.entries[index as usize].deadline).max(self.current);
        let level = match at ^ self.current {
            0 => 0,
            difference => (difference.ilog2() / SLOT_BITS) as usize,
        };
        let slot = (at >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let head = self.heads[level][slot];
        let entry = &mut self.entries[index as usize];
        entry.level = level as u8;
        entry.slot = slot as u8;
        entry.previous = NIL;
        entry.next = head;
        if head != NIL {
            self.entries[head as usize].previous = index;
        }
        self.heads[level][slot] = index;
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, index: u32) {
        let entry = &self.entries[index as usize];
        let (level, slot) = (entry.level as usize, entry.slot as usize);
        let (previous, next) = (entry.previous, entry.next);
        match previous {
            NIL => self.heads[level][slot] = next,
            previous => self.entries[previous as usize].next = next,
        }
        if next != NIL {
            self.entries[next as usize].previous = previous;
        }
        if self.heads[level][slot] == NIL {
            self.occupied[level] &= !(1 << slot);
        }
    }

    fn take_free(&mut self, deadline: Mono, key: K) -> u32 {
        let index = self.free;
        if index == NIL {
            self.entries.push(Entry {
                deadline,
                key: Some(key),
                generation: NonZeroU32::MIN,
                level: 0,
                slot: 0,
                previous: NIL,
                next: NIL,
            });
            return (self.entries.len() - 1) as u32;
        }
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.deadline = deadline;
        entry.key = Some(key);
        index
    }

    fn release(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.key = None;
        entry.generation = entry.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        entry.next = self.free;
        self.free = index;
        self.armed -= 1;
    }
}

fn tick(moment: Mono) -> u64 {
    moment.micros() >> TICK_BITS
}
