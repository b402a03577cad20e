//! Collects what is wrong, in whatever order it is found, and hands it out in the order of the files and
//! their lines.

use super::document::{Document, Origin};
use super::settings::DEFAULT_SECTION;
use super::{Complaint, Severity};
use crate::sorted::Set;

/// All complaints about one configuration.
#[derive(Debug, Default)]
pub struct Complaints {
    found: Vec<(Origin, Complaint)>,
    errors: usize,
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
        if severity == Severity::Error {
            self.errors += 1;
        }
        let complaint = Complaint {
            severity,
            file: String::new(),
            line: origin.line,
            section: section.to_string(),
            option: option.to_string(),
            message,
        };
        self.found.push((origin, complaint));
    }

    pub fn count(&self) -> usize {
        self.found.len()
    }

    pub fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// In the order of reading. What an option in `[DEFAULT]` gets wrong for many sections is said once.
    pub fn in_order(mut self, document: &Document) -> Vec<Complaint> {
        self.found.sort_by_key(|(origin, _)| *origin);
        let mut inherited = Set::new();
        let mut all = Vec::with_capacity(self.found.len());
        for (origin, mut complaint) in self.found {
            if complaint.section == DEFAULT_SECTION
                && !inherited.insert((origin, complaint.option.clone(), complaint.message.clone()))
            {
                continue;
            }
            if let Some(name) = document.files.get(origin.file as usize) {
                complaint.file.clone_from(name);
            }
            all.push(complaint);
        }
        all
    }
}
