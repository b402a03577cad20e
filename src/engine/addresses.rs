//! The addresses of the host, as the kernel tells of them: by interface, each assignment once, in order.
//!
//! The host follows the kernel with [`Addresses::assign`] and its like, and shares the whole with the engine, which
//! only asks [`Addresses::covers`]. Interfaces go by the kernel's number, as its messages do, and stand in the order
//! of their names, by which they are looked up; alternative names lead to a number. An address takes 18 bytes. Labels
//! of addresses are not kept: `lo:dns` means `lo`, as for ip(8), whatever the label of the address is.

use std::net::IpAddr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::sorted::{Map, Set};

/// What tells one assignment from another: an interface may have the same address with two lengths or two peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The address itself, with the length that it was given.
    pub local: IpNetwork,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Link {
    index: u32,
    /// `None` while the kernel has not told of the link itself.
    name: Option<Box<str>>,
    /// The usual ones, which have no peer.
    plain: Set<IpNetwork>,
    with_peer: Set<(IpNetwork, IpAddr)>,
}

/// All usable addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// By name.
    links: Vec<Link>,
    /// Alternative names, each with the number of its interface.
    alternatives: Map<Box<str>, u32>,
}

impl Addresses {
    /// Whether some address of `interface` lies within `prefix`. An interface that does not exist has none.
    pub fn covers(&self, interface: &str, prefix: &IpNetwork) -> bool {
        let Some(link) = self.named(interface) else {
            return false;
        };
        // In their order the first that is not below the prefix lies within it, or none does.
        let next = link.plain.starting_at(&least_in(prefix)).first();
        next.is_some_and(|local| prefix.contains(local.ip()))
            || (link.with_peer.iter()).any(|(local, _)| prefix.contains(local.ip()))
    }

    /// Whether there is an interface that a configuration may call so.
    pub fn has_interface(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The interface of that name, of that alternative name, or before the colon of a label. The name of an interface
    /// has no colon.
    fn named(&self, name: &str) -> Option<&Link> {
        let by_name = |link: &Link| link.name.as_deref().cmp(&Some(name));
        if let Ok(at) = self.links.binary_search_by(by_name) {
            return Some(&self.links[at]);
        }
        match self.alternatives.get(name) {
            Some(index) => self.find(*index),
            None => self.named(name.split_once(':')?.0),
        }
    }

    pub fn knows(&self, index: u32) -> bool {
        self.find(index).is_some()
    }

    pub fn has_name(&self, index: u32, name: &str) -> bool {
        self.find(index)
            .is_some_and(|link| link.name.as_deref() == Some(name))
    }

    pub fn has(&self, index: u32, assigned: &Assigned) -> bool {
        let of_link = |link: &Link| match assigned.peer {
            None => link.plain.contains(&assigned.local),
            Some(peer) => link.with_peer.contains(&(assigned.local, peer)),
        };
        self.find(index).is_some_and(of_link)
    }

    pub fn name(&mut self, index: u32, name: &str) {
        let known = self.links.iter().position(|link| link.index == index);
        let link = known.map(|at| self.links.remove(at)).unwrap_or_default();
        let before = |other: &Link| other.name.as_deref() < Some(name);
        let at = self.links.partition_point(before);
        let name = Some(name.into());
        self.links.insert(
            at,
            Link {
                index,
                name,
                ..link
            },
        );
    }

    /// Whether these are all alternative names of the interface.
    pub fn has_alternatives(&self, index: u32, names: &Set<String>) -> bool {
        let known = self.alternatives.iter().filter(|(_, of)| **of == index);
        known
            .map(|(name, _)| &**name)
            .eq(names.iter().map(String::as_str))
    }

    pub fn set_alternatives(&mut self, index: u32, names: &Set<String>) {
        self.alternatives.retain(|_, of| *of != index);
        for name in names.iter() {
            self.alternatives.insert(name.as_str().into(), index);
        }
    }

    /// A link is gone with all its names and addresses.
    pub fn forget(&mut self, index: u32) {
        self.alternatives.retain(|_, of| *of != index);
        self.links.retain(|link| link.index != index);
    }

    /// Takes in any number at once, with least work if those of one interface follow each other.
    pub fn assign(&mut self, all: &[(u32, Assigned)]) {
        for of_one in all.chunk_by(|one, other| one.0 == other.0) {
            let link = self.link(of_one[0].0);
            let assigned = of_one.iter().map(|(_, assigned)| assigned);
            let plain = assigned.clone().filter(|assigned| assigned.peer.is_none());
            link.plain.extend(plain.map(|assigned| assigned.local));
            let peers = assigned.filter_map(|assigned| Some((assigned.local, assigned.peer?)));
            link.with_peer.extend(peers);
        }
    }

    pub fn remove(&mut self, index: u32, assigned: &Assigned) {
        let link = self.link(index);
        match assigned.peer {
            None => link.plain.remove(&assigned.local),
            Some(peer) => link.with_peer.remove(&(assigned.local, peer)),
        };
    }

    /// For tests: an address that `interface` has.
    #[cfg(test)]
    pub fn insert(&mut self, interface: &str, address: IpAddr) {
        let count = self.links.len() as u32;
        let known = (1..=count).find(|index| self.has_name(*index, interface));
        let index = known.unwrap_or(count + 1);
        self.name(index, interface);
        let (local, peer) = (IpNetwork::from(address), None);
        self.assign(&[(index, Assigned { local, peer })]);
    }

    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.links.iter().filter_map(|link| link.name.as_deref())
    }

    fn find(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The link of that number; one without a name, which comes first, if there is none.
    fn link(&mut self, index: u32) -> &mut Link {
        let known = self.links.iter().position(|link| link.index == index);
        let at = known.unwrap_or_else(|| {
            let link = Link {
                index,
                ..Link::default()
            };
            self.links.insert(0, link);
            0
        });
        &mut self.links[at]
    }
}

/// What comes before every address of a prefix and after every address below it.
fn least_in(prefix: &IpNetwork) -> IpNetwork {
    match prefix {
        IpNetwork::V4(net) => Ipv4Network::new(net.network(), 0).map(IpNetwork::V4),
        IpNetwork::V6(net) => Ipv6Network::new(net.network(), 0).map(IpNetwork::V6),
    }
    .unwrap_or(*prefix)
}

#[cfg(test)]
mod tests;
