//! The rules across services: who else uses a prefix.
//!
//! One sort brings equal and nested prefixes together, so thousands of services cost no more than sorting
//! them.

use ipnetwork::IpNetwork;

use super::ServiceConfig;
use super::complaints::Complaints;
use super::document::{Document, Origin, View};
use super::settings::{self, DAEMON_SECTION};
use super::text::{printable, shown};
use crate::sorted::order;

/// One use of a prefix.
#[derive(Clone, Debug)]
pub struct Claim<'d> {
    prefix: IpNetwork,
    section: &'d str,
    origin: Origin,
    shared: bool,
    dummy: bool,
}

impl Claim<'_> {
    pub fn dummy(prefix: IpNetwork) -> Claim<'static> {
        Claim {
            prefix,
            section: DAEMON_SECTION,
            origin: Origin::default(),
            shared: false,
            dummy: true,
        }
    }

    /// "of [name] (file:line)".
    fn owner(&self, document: &Document) -> String {
        let name = shown(self.section);
        if self.dummy {
            return "the dummy prefix".to_string();
        }
        let file = &document.files[self.origin.file as usize];
        let file = printable(file);
        format!("the prefix of [{name}] ({file}:{})", self.origin.line)
    }
}

/// Adds the prefixes that a service uses.
pub fn claim<'d>(service: &ServiceConfig, view: View<'d>, claims: &mut Vec<Claim<'d>>) {
    let entry = view.entry(settings::IP_PREFIX.key);
    let origin = entry.map_or(view.section.origin, |entry| entry.origin);
    for prefix in &service.prefixes {
        claims.push(Claim {
            prefix: *prefix,
            section: view.name(),
            origin,
            shared: service.shared_prefix,
            dummy: false,
        });
    }
}

/// Complains about prefixes that are used twice, and warns of those within others.
pub fn check(claims: &[Claim<'_>], document: &Document, complaints: &mut Complaints) {
    // Equal ones meet, and what contains others stands before them. The sort is stable: dummies come first, then
    // services in their order.
    let order = order(claims.len(), &|a, b| {
        claims[a].prefix.cmp(&claims[b].prefix)
    });
    let claims: Vec<&Claim<'_>> = order.into_iter().map(|at| &claims[at]).collect();
    // The prefixes that contain the one at hand, longest last.
    let mut outer: Vec<&Claim<'_>> = Vec::new();
    for group in claims.chunk_by(|a, b| a.prefix == b.prefix) {
        let first = group[0];
        twice(group, document, complaints);
        while outer
            .last()
            .is_some_and(|o| !o.prefix.contains(first.prefix.ip()))
        {
            outer.pop();
        }
        if let Some(container) = outer.last() {
            nested(container, group, document, complaints);
        }
        outer.push(first);
    }
}

/// All claims of `group` are for the same prefix.
fn twice(group: &[&Claim<'_>], document: &Document, complaints: &mut Complaints) {
    let all_share = group.iter().all(|claim| claim.shared);
    let first = group[0];
    let mut before = first;
    for claim in &group[1..] {
        let again = claim.section == before.section && !before.dummy;
        let message = if again {
            Some(format!("{} is named twice", claim.prefix))
        } else if all_share {
            None
        } else {
            let hint = if !first.dummy && group.iter().any(|claim| claim.shared) {
                format!(
                    ": each service must say {} = true",
                    settings::SHARED_PREFIX.key
                )
            } else {
                String::new()
            };
            let owner = first.owner(document);
            Some(format!("{} is also {owner}{hint}", claim.prefix))
        };
        if let Some(message) = message {
            complain(claim, message, true, complaints);
        }
        before = claim;
    }
}

fn nested(
    container: &Claim<'_>,
    group: &[&Claim<'_>],
    document: &Document,
    complaints: &mut Complaints,
) {
    for claim in group {
        if claim.dummy {
            let message = format!(
                "{} contains the dummy prefix {}",
                container.prefix, claim.prefix
            );
            complain(container, message, false, complaints);
        } else {
            let owner = container.owner(document);
            let message = format!("{} lies within {}, {owner}", claim.prefix, container.prefix);
            complain(claim, message, false, complaints);
        }
    }
}

fn complain(claim: &Claim<'_>, message: String, error: bool, complaints: &mut Complaints) {
    let key = settings::IP_PREFIX.key;
    if error {
        complaints.error(claim.origin, claim.section, key, message);
    } else {
        complaints.warn(claim.origin, claim.section, key, message);
    }
}

#[cfg(test)]
mod tests;
