//! The references in a value: `%%` is a percent sign, `%(name)s` another option of the same section, no other
//! `%` is anything.
//!
//! A reference may lead to a value with references, ten levels deep and no deeper, which is also what ends a
//! reference to itself. Python has no other bound; here the work and the size of the result are bounded too,
//! so that no file can make the program slow or large.

use std::borrow::Cow;
use std::fmt;

use super::lower::lower;
use super::text::{quoted, shown};

/// As Python's `MAX_INTERPOLATION_DEPTH`.
const MAX_DEPTH: u32 = 10;
/// References followed for one value. A long command line has a handful.
const MAX_REFERENCES: u32 = 1000;
/// Bytes of one value: twice what the kernel takes as a single argument (MAX_ARG_STRLEN).
pub const MAX_EXPANDED: usize = 256 * 1024;

/// Why a value can't be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    LonePercent,
    /// `%(` without `)s`.
    Malformed(String),
    Missing(String),
    TooDeep,
    TooLarge,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::LonePercent => {
                write!(f, "a lone % is not allowed: write %% for a percent sign")
            }
            Trouble::Malformed(rest) => write!(
                f,
                "cannot read the reference at {}: it has the form %(name)s",
                quoted(rest)
            ),
            Trouble::Missing(name) => write!(
                f,
                "cannot expand %({})s: that option is set neither in this section nor in [DEFAULT]",
                shown(name)
            ),
            Trouble::TooDeep => write!(
                f,
                "references lead more than {MAX_DEPTH} levels deep: does one refer to itself?"
            ),
            Trouble::TooLarge => write!(
                f,
                "a value of more than {MAX_EXPANDED} bytes, or of more than {MAX_REFERENCES} references"
            ),
        }
    }
}

/// Expands `raw`; `lookup` knows the raw values of the section by their lower-case names.
pub fn expand<'a>(
    raw: &'a str,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<Cow<'a, str>, Trouble> {
    if !raw.contains('%') {
        return match raw.len() > MAX_EXPANDED {
            true => Err(Trouble::TooLarge),
            false => Ok(Cow::Borrowed(raw)),
        };
    }
    let mut work = Work {
        out: String::with_capacity(raw.len()),
        references: 0,
        lookup: &lookup,
    };
    work.some(raw, 1)?;
    Ok(Cow::Owned(work.out))
}

/// The names that a value refers to, expanded or not.
pub fn references(raw: &str) -> impl Iterator<Item = String> + '_ {
    raw.match_indices('%').filter_map(|(at, _)| {
        let inner = raw[at + 1..].strip_prefix('(')?;
        Some(lower(inner.split_once(')')?.0))
    })
}

struct Work<'w, L> {
    out: String,
    references: u32,
    lookup: &'w L,
}

impl<'a, L: Fn(&str) -> Option<&'a str>> Work<'_, L> {
    fn some(&mut self, text: &'a str, depth: u32) -> Result<(), Trouble> {
        if depth > MAX_DEPTH {
            return Err(Trouble::TooDeep);
        }
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            self.push(&rest[..at])?;
            let after = &rest[at + 1..];
            if let Some(tail) = after.strip_prefix('%') {
                self.push("%")?;
                rest = tail;
            } else if let Some(inner) = after.strip_prefix('(') {
                let (name, tail) =
                    reference(inner).ok_or_else(|| Trouble::Malformed(rest[at..].to_string()))?;
                self.follow(name, depth)?;
                rest = tail;
            } else {
                return Err(Trouble::LonePercent);
            }
        }
        self.push(rest)
    }

    fn follow(&mut self, name: &str, depth: u32) -> Result<(), Trouble> {
        self.references += 1;
        if self.references > MAX_REFERENCES {
            return Err(Trouble::TooLarge);
        }
        let name = lower(name);
        match (self.lookup)(&name) {
            None => Err(Trouble::Missing(name)),
            // Only a value with a reference of its own counts as a level.
            Some(value) if value.contains('%') => self.some(value, depth + 1),
            Some(value) => self.push(value),
        }
    }

    fn push(&mut self, text: &str) -> Result<(), Trouble> {
        if self.out.len() + text.len() > MAX_EXPANDED {
            return Err(Trouble::TooLarge);
        }
        self.out.push_str(text);
        Ok(())
    }
}

/// Splits `name)s tail`; the name is not empty.
fn reference(inner: &str) -> Option<(&str, &str)> {
    let (name, rest) = inner.split_once(')')?;
    let tail = rest.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, tail))
}

#[cfg(test)]
mod tests;
