//! Things by their names, in the order in which they came.
//!
//! What a section, a document and the facts are kept in. One piece of code looks for names, whatever they
//! stand for. Nothing is ever taken out.

/// Names, each once.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: Vec<Box<str>>,
    /// Places in `names`, in the order of the letters.
    sorted: Vec<u32>,
}

impl Names {
    pub fn place(&self, name: &str) -> Option<usize> {
        let found = self.search(name).ok()?;
        Some(self.sorted[found] as usize)
    }

    /// Whether the name is new.
    pub fn add(&mut self, name: &str) -> bool {
        let found = self.search(name);
        if let Err(at) = found {
            self.sorted.insert(at, self.names.len() as u32);
            self.names.push(name.into());
        }
        found.is_err()
    }

    fn search(&self, name: &str) -> Result<usize, usize> {
        self.sorted
            .binary_search_by(|place| (*self.names[*place as usize]).cmp(name))
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
    fn a_name_is_new_once() {
        let mut names = Names::default();
        assert!(names.add("b") && names.add("a") && !names.add("b"));
        assert_eq!(names.place("b"), Some(0));
    }
}
