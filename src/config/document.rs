//! What the files say, merged: sections with their options as text, each with the place it comes from.
//!
//! Built-in defaults are the first layer, `-f` the second, each service file one more; a later one overrides
//! option by option and keeps the order in which names were first met. `[DEFAULT]` stands behind every
//! section. Values are kept raw and expanded when they are asked for, as the dialect demands: a `%(name)s`
//! sees the section it is used in.

use std::borrow::Cow;

use super::expand::{self, Trouble};
use super::settings::{self, DAEMON_SECTION, DEFAULT_SECTION, Kept};
use crate::sorted::Map;

/// Where something stands: the number of a file in the order of reading (0: built in), and a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    pub file: u32,
    /// 1-based; 0 if no line is meant.
    pub line: u32,
}

/// One option as it was read.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The value before expansion; lines are joined by line feeds.
    pub raw: String,
    pub origin: Origin,
    /// Position among the options of its section.
    order: u32,
}

/// One section of all files together.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: String,
    /// Its first header.
    pub origin: Origin,
    /// The last file that has a header for it, and where.
    pub last_header: Origin,
    entries: Map<String, Entry>,
}

impl Section {
    fn new(name: &str, origin: Origin) -> Section {
        Section {
            name: name.to_string(),
            origin,
            last_header: origin,
            entries: Map::new(),
        }
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Sets an option; an older value keeps its position.
    pub fn set(&mut self, key: String, raw: String, origin: Origin) {
        let next = self.entries.len() as u32;
        match self.entries.get_mut(&key) {
            Some(entry) => {
                entry.raw = raw;
                entry.origin = origin;
            }
            None => {
                let order = next;
                self.entries.insert(key, Entry { raw, origin, order });
            }
        }
    }

    /// All options in the order in which they were first met.
    pub fn in_order(&self) -> Vec<(&str, &Entry)> {
        let mut all: Vec<_> = self.entries.iter().map(|(k, e)| (k.as_str(), e)).collect();
        all.sort_by_key(|(_, entry)| entry.order);
        all
    }
}

/// All sections of all files.
#[derive(Clone, Debug)]
pub struct Document {
    /// Names as they are shown; the first is that of the built-in layer, and empty.
    pub files: Vec<String>,
    defaults: Section,
    /// `[daemon]` first, since the built-in layer has it; then in the order of the first headers.
    sections: Vec<Section>,
    index: Map<String, usize>,
}

impl Document {
    /// The built-in defaults.
    pub fn built_in() -> Document {
        let mut document = Document {
            files: vec![String::new()],
            defaults: Section::new(DEFAULT_SECTION, Origin::default()),
            sections: Vec::new(),
            index: Map::new(),
        };
        let daemon = document.section_mut(DAEMON_SECTION, Origin::default());
        for setting in settings::ALL {
            let Some(default) = setting.default else {
                continue;
            };
            let target = match setting.kept {
                Kept::Daemon => document.at_mut(daemon),
                Kept::Service => document.at_mut(Target::Defaults),
            };
            target.set(
                setting.key.to_string(),
                default.to_string(),
                Origin::default(),
            );
        }
        document
    }

    /// Takes a new file into the order of reading, and says its number.
    pub fn add_file(&mut self, shown: &str) -> u32 {
        self.files.push(shown.to_string());
        (self.files.len() - 1) as u32
    }

    /// The section of that name, made if it is new.
    pub fn section_mut(&mut self, name: &str, origin: Origin) -> Target {
        if name == DEFAULT_SECTION {
            return Target::Defaults;
        }
        if let Some(&at) = self.index.get(name) {
            return Target::Section(at);
        }
        self.sections.push(Section::new(name, origin));
        self.index.insert(name.to_string(), self.sections.len() - 1);
        Target::Section(self.sections.len() - 1)
    }

    pub fn at_mut(&mut self, target: Target) -> &mut Section {
        match target {
            Target::Defaults => &mut self.defaults,
            Target::Section(at) => &mut self.sections[at],
        }
    }

    pub fn defaults(&self) -> View<'_> {
        View {
            section: &self.defaults,
            defaults: &self.defaults,
        }
    }

    /// `[daemon]`, which always exists.
    pub fn daemon(&self) -> View<'_> {
        View {
            section: &self.sections[0],
            defaults: &self.defaults,
        }
    }

    pub fn services(&self) -> impl Iterator<Item = View<'_>> {
        self.sections[1..].iter().map(|section| View {
            section,
            defaults: &self.defaults,
        })
    }
}

/// A section to write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Defaults,
    Section(usize),
}

/// One section with `[DEFAULT]` behind it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub section: &'a Section,
    defaults: &'a Section,
}

impl<'a> View<'a> {
    pub fn name(&self) -> &'a str {
        &self.section.name
    }

    /// The option as it was read, here or in `[DEFAULT]`.
    pub fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.section.entry(key).or_else(|| self.defaults.entry(key))
    }

    /// The option as `[DEFAULT]` has it.
    pub fn default_entry(&self, key: &str) -> Option<&'a Entry> {
        self.defaults.entry(key)
    }

    /// Whether the option comes from `[DEFAULT]`.
    pub fn inherited(&self, key: &str) -> bool {
        self.section.entry(key).is_none()
    }

    /// The value of an option with its references expanded; `None` if it is not set.
    pub fn value(&self, key: &str) -> Option<Result<Cow<'a, str>, Trouble>> {
        let entry = self.entry(key)?;
        Some(expand::expand(&entry.raw, |name| {
            self.entry(name).map(|entry| entry.raw.as_str())
        }))
    }

    /// Every option: those of the section in their order, then what `[DEFAULT]` adds.
    pub fn options(&self) -> Vec<(&'a str, &'a Entry)> {
        let mut all = self.section.in_order();
        if self.section.name != self.defaults.name {
            let added = self.defaults.in_order().into_iter();
            all.extend(added.filter(|(key, _)| self.section.entry(key).is_none()));
        }
        all
    }
}
