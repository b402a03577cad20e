//! What the files say, merged: sections with their options as text, each with the place it comes from.
//!
//! Built-in defaults are the first layer, `-f` the second, each service file one more; a later one overrides
//! option by option and keeps the order in which names were first met. `[DEFAULT]` stands behind every
//! section. Values are kept raw and expanded when they are asked for, as the dialect demands: a `%(name)s`
//! sees the section it is used in.

use std::borrow::Cow;

use super::expand::{self, Trouble};
use super::names::Named;
use super::settings::{self, DAEMON_SECTION, DEFAULT_SECTION, Kept, Setting};
use crate::sorted::Set;

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
}

/// One section of all files together.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its first header.
    pub origin: Origin,
    /// The last file that has a header for it, and where.
    pub last_header: Origin,
    entries: Named<Entry>,
}

impl Section {
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Sets an option; an older value keeps its position.
    pub fn set(&mut self, key: &str, raw: &str, origin: Origin) {
        let raw = raw.to_string();
        let entry = Entry { raw, origin };
        match self.entries.place(key) {
            Some(at) => *self.entries.at_mut(at) = entry,
            None => {
                self.entries.add(key, entry);
            }
        }
    }

    /// All options in the order in which they were first met.
    pub fn in_order(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter()
    }
}

/// All sections of all files.
#[derive(Clone, Debug)]
pub struct Document {
    /// Names as they are shown; the first is that of the built-in layer, and empty.
    pub files: Vec<String>,
    /// `[DEFAULT]` and `[daemon]` first, since the built-in layer has them; then in the order of the first headers.
    sections: Named<Section>,
}

/// Where `[DEFAULT]` is among the sections.
pub const DEFAULTS: usize = 0;
const DAEMON: usize = 1;

impl Document {
    /// The built-in defaults.
    pub fn built_in() -> Document {
        let mut document = Document {
            files: vec![String::new()],
            sections: Named::default(),
        };
        for name in [DEFAULT_SECTION, DAEMON_SECTION] {
            document.section(name, Origin::default());
        }
        for setting in settings::ALL {
            let kept = match setting.kept {
                Kept::Daemon => DAEMON,
                Kept::Service => DEFAULTS,
            };
            if let Some(default) = setting.default {
                let section = document.section_mut(kept);
                section.set(setting.key, default, Origin::default());
            }
        }
        document
    }

    /// Takes a new file into the order of reading, and says its number.
    pub fn add_file(&mut self, shown: &str) -> u32 {
        self.files.push(shown.to_string());
        (self.files.len() - 1) as u32
    }

    /// Where the section of that name is, which is made if it is new.
    pub fn section(&mut self, name: &str, origin: Origin) -> usize {
        let section = Section {
            origin,
            last_header: origin,
            ..Section::default()
        };
        match self.sections.place(name) {
            Some(at) => at,
            None => self.sections.add(name, section),
        }
    }

    /// A copy without the options and the services that stand at these places, and whether there were any.
    pub fn without(&self, places: &Set<Origin>) -> (Document, bool) {
        let mut copy = Document::built_in();
        copy.files.clone_from(&self.files);
        let mut fewer = false;
        for (at, (name, section)) in self.sections.iter().enumerate() {
            if at > DAEMON && places.contains(&section.origin) {
                fewer = true;
                continue;
            }
            let new = copy.section(name, section.origin);
            for (key, entry) in section.in_order() {
                match places.contains(&entry.origin) {
                    true => fewer = true,
                    false => copy.section_mut(new).set(key, &entry.raw, entry.origin),
                }
            }
        }
        (copy, fewer)
    }

    /// A copy with no services.
    pub fn without_services(&self) -> Document {
        let services = self.services().map(|view| view.section.origin);
        self.without(&services.collect()).0
    }

    /// Sets an option of `[daemon]`, whatever the files say.
    pub fn set_in_daemon(&mut self, setting: &Setting, raw: &str) {
        self.section_mut(DAEMON)
            .set(setting.key, raw, Origin::default());
    }

    /// Sets an option of every service, whatever the files say.
    pub fn set_in_services(&mut self, setting: &Setting, raw: &str) {
        let count = self.sections.iter().len();
        for at in DAEMON + 1..count {
            self.section_mut(at)
                .set(setting.key, raw, Origin::default());
        }
    }

    pub fn section_mut(&mut self, at: usize) -> &mut Section {
        self.sections.at_mut(at)
    }

    pub fn defaults(&self) -> View<'_> {
        self.view(DEFAULT_SECTION, self.sections.at(DEFAULTS))
    }

    /// `[daemon]`, which always exists.
    pub fn daemon(&self) -> View<'_> {
        self.view(DAEMON_SECTION, self.sections.at(DAEMON))
    }

    pub fn services(&self) -> impl Iterator<Item = View<'_>> {
        self.all().skip(DAEMON + 1)
    }

    /// `[DEFAULT]`, `[daemon]`, and the services.
    pub fn all(&self) -> impl Iterator<Item = View<'_>> {
        self.sections
            .iter()
            .map(|(name, section)| self.view(name, section))
    }

    fn view<'a>(&'a self, name: &'a str, section: &'a Section) -> View<'a> {
        View {
            name,
            section,
            defaults: self.sections.at(DEFAULTS),
        }
    }
}

/// One section with `[DEFAULT]` behind it.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    name: &'a str,
    pub section: &'a Section,
    defaults: &'a Section,
}

impl<'a> View<'a> {
    pub fn name(&self) -> &'a str {
        self.name
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
    pub fn options(&self) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let own = self.section;
        let added = self.defaults.in_order();
        own.in_order()
            .chain(added.filter(|(key, _)| own.entry(key).is_none()))
    }
}
