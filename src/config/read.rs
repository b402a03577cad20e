//! One section read as typed values: a value that can't be read is complained about where it stands.
//!
//! After a complaint a harmless stand-in is returned, so that the other options are still looked at; no
//! configuration is made from it, since an error keeps one from being made at all.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use super::complaints::Complaints;
use super::document::{Origin, View};
use super::settings::{DEFAULT_SECTION, Kind, Setting};
use super::text::quoted;
use super::{Severity, numbers, words};

/// Anything shorter is a busy loop.
const MIN_SECONDS: f64 = 0.001;
/// Thirty years: more is a mistake, and no clock may overflow.
const MAX_SECONDS: u64 = 1_000_000_000;

/// A section and the place for complaints about it.
pub struct Reader<'d, 'c> {
    pub view: View<'d>,
    pub complaints: &'c mut Complaints,
}

impl<'d> Reader<'d, '_> {
    pub fn error(&mut self, setting: &Setting, message: String) {
        self.complain(Severity::Error, setting, message);
    }

    pub fn warn(&mut self, setting: &Setting, message: String) {
        self.complain(Severity::Warning, setting, message);
    }

    /// An error about a value; the message begins with it.
    pub fn refuse(&mut self, setting: &Setting, value: &str, why: &str) {
        self.error(setting, format!("{} {why}", quoted(value)));
    }

    /// An error, if there is a reason.
    pub fn error_if(&mut self, setting: &Setting, why: Option<String>) {
        if let Some(why) = why {
            self.error(setting, why);
        }
    }

    /// A warning, if there is a reason.
    pub fn warn_if(&mut self, setting: &Setting, why: Option<String>) {
        if let Some(why) = why {
            self.warn(setting, why);
        }
    }

    /// Complains at the option, or at the header of the section if it is not set.
    pub fn complain(&mut self, severity: Severity, setting: &Setting, message: String) {
        let (origin, section) = self.at(setting);
        self.complaints
            .add(severity, origin, section, setting.key, message);
    }

    /// Warns about a relation of two options, at the one that was set nearer.
    pub fn warn_about_two(&mut self, first: &Setting, second: &Setting, message: String) {
        let (first_at, second_at) = (self.at(first).0, self.at(second).0);
        let chosen = if second_at > first_at { second } else { first };
        self.warn(chosen, message);
    }

    /// Where an option stands, and the section to name: an inherited one that means the same everywhere is
    /// `[DEFAULT]`'s.
    pub fn at(&self, setting: &Setting) -> (Origin, &'d str) {
        match self.view.entry(setting.key) {
            None => (self.view.section.origin, self.view.name()),
            Some(entry) if self.view.inherited(setting.key) && !entry.raw.contains('%') => {
                (entry.origin, DEFAULT_SECTION)
            }
            Some(entry) => (entry.origin, self.view.name()),
        }
    }

    pub fn is_set(&self, setting: &Setting) -> bool {
        self.view.entry(setting.key).is_some()
    }

    /// The expanded text; `None` if it is not set or can't be expanded.
    pub fn text(&mut self, setting: &Setting) -> Option<Cow<'d, str>> {
        match self.view.value(setting.key)? {
            Ok(value) => Some(value),
            Err(trouble) => {
                self.error(setting, trouble.to_string());
                None
            }
        }
    }

    /// The text, where an empty one means unset.
    pub fn filled(&mut self, setting: &Setting) -> Option<Cow<'d, str>> {
        self.text(setting).filter(|text| !text.is_empty())
    }

    pub fn flag(&mut self, setting: &Setting) -> Option<bool> {
        let text = self.text(setting)?;
        let value = numbers::flag(&text);
        if value.is_none() {
            self.refuse(setting, &text, "is neither true nor false");
        }
        value
    }

    /// A flag, where what is unset or unreadable counts as false.
    pub fn is_on(&mut self, setting: &Setting) -> bool {
        self.flag(setting) == Some(true)
    }

    /// A whole number within the bounds of its row.
    pub fn whole(&mut self, setting: &Setting) -> Option<u64> {
        let (min, max) = match setting.kind {
            Kind::Whole { min, max } => (min, max),
            Kind::WholeSeconds => (1, MAX_SECONDS),
            _ => (0, u64::MAX),
        };
        let text = self.text(setting)?;
        let why = match numbers::whole(&text) {
            None => "is no whole number",
            Some(number) if number < i128::from(min) => &format!("is less than {min}"),
            Some(number) if number <= i128::from(max) => return u64::try_from(number).ok(),
            Some(_) => &format!("is more than {max}"),
        };
        self.refuse(setting, &text, why);
        None
    }

    /// As [`Reader::whole`], for rows whose bounds fit.
    pub fn count(&mut self, setting: &Setting) -> u32 {
        let number = self.whole(setting).unwrap_or(1);
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    pub fn seconds(&mut self, setting: &Setting) -> Option<Duration> {
        if matches!(setting.kind, Kind::WholeSeconds) {
            return self.whole(setting).map(Duration::from_secs);
        }
        let zero_is_good = matches!(setting.kind, Kind::SecondsOrZero);
        let text = self.text(setting)?;
        let why = match numbers::float(&text) {
            None => "is no number of seconds",
            Some(seconds) if !seconds.is_finite() => "is not finite",
            Some(0.0) if zero_is_good => return Some(Duration::ZERO),
            Some(seconds) if seconds <= 0.0 => {
                if zero_is_good {
                    "is not 0 or more"
                } else {
                    "is not more than 0"
                }
            }
            Some(seconds) if seconds < MIN_SECONDS => "is less than a millisecond",
            Some(seconds) if seconds > MAX_SECONDS as f64 => {
                &format!("is more than {MAX_SECONDS} seconds")
            }
            Some(seconds) => return Some(Duration::from_secs_f64(seconds)),
        };
        self.refuse(setting, &text, why);
        None
    }

    /// A span, where what is unset or unreadable is zero.
    pub fn span(&mut self, setting: &Setting) -> Duration {
        self.seconds(setting).unwrap_or_default()
    }

    pub fn one_of(&mut self, setting: &Setting) -> Option<Cow<'d, str>> {
        let text = self.text(setting)?;
        let known = match setting.kind {
            Kind::OneOf(words) => words.contains(&text.as_ref()),
            _ => true,
        };
        if !known {
            self.refuse_kind(setting, &text);
            return None;
        }
        Some(text)
    }

    /// An error about a value that is nothing of what the row allows.
    pub fn refuse_kind(&mut self, setting: &Setting, text: &str) {
        self.refuse(
            setting,
            text,
            &format!("is not {}", setting.kind.describe()),
        );
    }

    /// A path; an empty one is an error.
    pub fn path(&mut self, setting: &Setting) -> Option<PathBuf> {
        let text = self.text(setting)?;
        if text.is_empty() {
            self.error(setting, "the path is empty".to_string());
            return None;
        }
        self.no_nul(setting, &text)
            .then(|| PathBuf::from(text.as_ref()))
    }

    /// A path; an empty one means unset.
    pub fn optional_path(&mut self, setting: &Setting) -> Option<PathBuf> {
        let text = self.filled(setting)?;
        self.no_nul(setting, &text)
            .then(|| PathBuf::from(text.as_ref()))
    }

    /// The words of a command; none at all is an error.
    pub fn words(&mut self, setting: &Setting) -> Option<Vec<String>> {
        let text = self.text(setting)?;
        if !self.no_nul(setting, &text) {
            return None;
        }
        match words::split(&text) {
            Ok(words) if words.first().is_some_and(|word| !word.is_empty()) => Some(words),
            Ok(_) => {
                self.error(setting, "the command is empty".to_string());
                None
            }
            Err(why) => {
                self.error(
                    setting,
                    format!("cannot split {} into words: {why}", quoted(&text)),
                );
                None
            }
        }
    }

    fn no_nul(&mut self, setting: &Setting, text: &str) -> bool {
        if text.contains('\0') {
            self.error(setting, "a NUL character is in it".to_string());
        }
        !text.contains('\0')
    }
}
