//! Collects what is wrong, in whatever order it is found, and hands it out in the order of the files and
//! their lines. So many errors and so many warnings are kept; of more there is only the number.

use super::document::{Document, Origin};
use super::names::Names;
use super::settings::DEFAULT_SECTION;
use super::text::short;
use super::{Complaint, Severity};
use crate::sorted::order;

/// Errors that are kept, and warnings: far more than anybody reads, and far less than a large broken file can make.
const MAX_KEPT: usize = 10_000;

/// How many of one severity there are.
#[derive(Debug, Default)]
struct Tally {
    count: usize,
    /// The first one that is not kept.
    first_left_out: Origin,
}

/// All complaints about one configuration.
#[derive(Debug, Default)]
pub struct Complaints {
    found: Vec<(Origin, Option<Complaint>)>,
    /// What was said about options of `[DEFAULT]`, which many sections get wrong in the same way: it is kept once.
    said: Names,
    count: usize,
    errors: Tally,
    warnings: Tally,
}

impl Complaints {
    pub fn error(&mut self, origin: Origin, section: &str, option: &str, message: String) {
        self.add(Severity::Error, origin, section, option, message);
    }

    pub fn warn(&mut self, origin: Origin, section: &str, option: &str, message: String) {
        self.add(Severity::Warning, origin, section, option, message);
    }

    pub fn add(
        &mut self,
        severity: Severity,
        origin: Origin,
        section: &str,
        option: &str,
        message: String,
    ) {
        self.count += 1;
        let tally = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if section == DEFAULT_SECTION {
            let Origin { file, line } = origin;
            if !self.said.add(&format!("{file}:{line}:{option}:{message}")) {
                return;
            }
        }
        tally.count += 1;
        if tally.count > MAX_KEPT {
            if tally.count == MAX_KEPT + 1 {
                tally.first_left_out = origin;
            }
            return;
        }
        let complaint = Complaint {
            severity,
            file: String::new(),
            line: origin.line,
            section: short(section).into_owned(),
            option: short(option).into_owned(),
            message,
        };
        self.found.push((origin, Some(complaint)));
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn any_error(&self) -> bool {
        self.errors.count > 0
    }

    /// The errors, each with the place that it is about.
    pub fn errors(&self) -> impl Iterator<Item = (Origin, &Complaint)> {
        let found = self.found.iter();
        let kept = found.filter_map(|(origin, complaint)| Some((*origin, complaint.as_ref()?)));
        kept.filter(|(_, complaint)| complaint.severity == Severity::Error)
    }

    /// Whether there are so many errors that no other one would be kept.
    pub fn too_many(&self) -> bool {
        self.errors.count > MAX_KEPT
    }

    /// In the order of reading.
    pub fn in_order(mut self, document: &Document) -> Vec<Complaint> {
        self.say_how_many_more();
        let in_order = order(self.found.len(), &|a, b| {
            self.found[a].0.cmp(&self.found[b].0)
        });
        let mut all = Vec::with_capacity(in_order.len());
        for at in in_order {
            let (origin, complaint) = &mut self.found[at];
            let mut complaint = complaint.take().expect("each stands in the order once");
            complaint
                .file
                .clone_from(&document.files[origin.file as usize]);
            all.push(complaint);
        }
        all
    }

    fn say_how_many_more(&mut self) {
        for (severity, tally, things) in [
            (Severity::Error, &self.errors, "errors"),
            (Severity::Warning, &self.warnings, "warnings"),
        ] {
            let more = tally.count.saturating_sub(MAX_KEPT);
            if more > 0 {
                let complaint = Complaint {
                    severity,
                    file: String::new(),
                    line: tally.first_left_out.line,
                    section: String::new(),
                    option: String::new(),
                    message: format!("{more} more {things}, the first of them here"),
                };
                self.found.push((tally.first_left_out, Some(complaint)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_push_no_error_out_and_nothing_grows_without_end() {
        let mut complaints = Complaints::default();
        let at = |line| Origin { file: 0, line };
        for line in 1..=2 * MAX_KEPT as u32 {
            complaints.warn(at(line), "s", "x", "odd".to_string());
        }
        assert!(!complaints.any_error());
        let (section, option) = ("s".repeat(1000), "x".repeat(1000));
        complaints.error(at(7), &section, &option, "wrong".to_string());
        assert!(complaints.any_error() && !complaints.too_many());
        let all = complaints.in_order(&Document::built_in());
        assert_eq!(all.len(), MAX_KEPT + 2);
        let error = &all[7];
        assert_eq!((&*error.message, error.line), ("wrong", 7));
        assert!(error.section.len() < 130 && error.option.len() < 130);
        let last = &all[MAX_KEPT + 1];
        assert_eq!(last.line, MAX_KEPT as u32 + 1);
        assert_eq!(last.message, "10000 more warnings, the first of them here");
        assert_eq!(last.severity, Severity::Warning);
    }
}
