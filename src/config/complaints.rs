//! Collects what is wrong, in whatever order it is found, and hands it out in the order of the files and
//! their lines.

use super::document::{Document, Origin};
use super::names::Names;
use super::settings::DEFAULT_SECTION;
use super::{Complaint, Severity};
use crate::sorted::order;

/// All complaints about one configuration.
#[derive(Debug, Default)]
pub struct Complaints {
    found: Vec<(Origin, Option<Complaint>)>,
    /// What was said about options of `[DEFAULT]`, which many sections get wrong in the same way: it is kept once.
    said: Names,
    count: usize,
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
        self.count += 1;
        self.errors += usize::from(severity == Severity::Error);
        if section == DEFAULT_SECTION {
            let Origin { file, line } = origin;
            if !self.said.add(&format!("{file}:{line}:{option}:{message}")) {
                return;
            }
        }
        let complaint = Complaint {
            severity,
            file: String::new(),
            line: origin.line,
            section: section.to_string(),
            option: option.to_string(),
            message,
        };
        self.found.push((origin, Some(complaint)));
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn any_error(&self) -> bool {
        self.errors > 0
    }

    /// In the order of reading.
    pub fn in_order(mut self, document: &Document) -> Vec<Complaint> {
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
}
