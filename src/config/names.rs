//! Things by their names, in the order in which they came.
//!
//! What a section, a document and the facts are kept in. One piece of code looks for names, whatever they
//! stand for. Nothing is ever taken out.

/// So few are looked through one by one.
const FEW: usize = 12;

/// Names, each once.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<Box<str>>,
    /// Places in `names`, counted from 1, each at its hash or behind it: a table that is half full at most, and
    /// absent while there are few.
    slots: Vec<u32>,
}

impl Names {
    pub fn place(&self, name: &str) -> Option<usize> {
        if self.slots.is_empty() {
            return self.names.iter().position(|known| **known == *name);
        }
        self.slots[self.slot(name)]
            .checked_sub(1)
            .map(|place| place as usize)
    }

    /// Whether the name is new.
    pub fn add(&mut self, name: &str) -> bool {
        let new = self.place(name).is_none();
        if new {
            self.names.push(name.into());
            let count = self.names.len();
            if count <= FEW {
                return true;
            }
            let mut unplaced = count - 1;
            if count * 2 > self.slots.len() {
                self.slots = vec![0; (count * 2).next_power_of_two()];
                unplaced = 0;
            }
            for place in unplaced..count {
                let slot = self.slot(&self.names[place]);
                self.slots[slot] = place as u32 + 1;
            }
        }
        new
    }

    /// Where the name is in the table, or the free slot where it would be.
    fn slot(&self, name: &str) -> usize {
        // FNV-1a.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 && *self.names[self.slots[slot] as usize - 1] != *name {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// One thing for each name.
#[derive(Clone, Debug)]
pub struct Named<T> {
    names: Names,
    things: Vec<T>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named {
            names: Names::default(),
            things: Vec::new(),
        }
    }
}

impl<T> Named<T> {
    /// Where the thing of that name is.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.place(name)
    }

    pub fn get(&self, name: &str) -> Option<&T> {
        Some(&self.things[self.place(name)?])
    }

    /// Adds a thing under a new name, and says where it is; there is nothing of that name yet.
    pub fn add(&mut self, name: &str, thing: T) -> usize {
        let new = self.names.add(name);
        debug_assert!(new, "{name} is there already");
        self.things.push(thing);
        self.things.len() - 1
    }

    /// The thing at a place that was said to be one.
    pub fn at(&self, place: usize) -> &T {
        &self.things[place]
    }

    pub fn at_mut(&mut self, place: usize) -> &mut T {
        &mut self.things[place]
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &T)> {
        let names = &self.names.names;
        (0..names.len()).map(|at| (&*names[at], &self.things[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_found_and_stay_in_order() {
        let mut named = Named::default();
        for (place, name) in ["b", "", "c", "a", "B"].into_iter().enumerate() {
            assert_eq!(named.get(name), None);
            assert_eq!(named.add(name, place), place);
        }
        *named.at_mut(2) = 7;
        assert_eq!(named.get("c"), Some(&7));
        assert_eq!((named.place("a"), *named.at(3)), (Some(3), 3));
        assert_eq!(named.place("d"), None);
        let all: Vec<_> = named.iter().collect();
        assert_eq!(all, [("b", &0), ("", &1), ("c", &7), ("a", &3), ("B", &4)]);
    }

    #[test]
    fn many_names_are_found() {
        // Half a second in a debug build; moving the names behind each new one would take a minute.
        let mut names = Names::default();
        for number in 0..600_000 {
            assert!(names.add(&format!("{number:x}")));
            let absent = format!("{number:x}-");
            assert_eq!(names.place(&absent), None);
        }
        for number in 0..600_000 {
            assert_eq!(names.place(&format!("{number:x}")), Some(number));
        }
        assert!(!names.add("0"));
    }

    #[test]
    fn a_name_is_new_once() {
        let mut names = Names::default();
        assert!(names.add("b") && names.add("a") && !names.add("b"));
        assert_eq!(names.place("b"), Some(0));
    }
}
