//! Who has which address, by number of the interface; names are applied when the whole is asked for. Pure.

use super::message::{Assigned, Body};
use crate::engine::vocab::Addresses;
use crate::sorted::{Map, Set};

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    names: Map<u32, String>,
    /// Usable addresses only, and no empty sets.
    assigned: Map<u32, Set<Assigned>>,
}

impl Table {
    /// Takes a message in; true if that changed anything.
    pub fn apply(&mut self, body: &Body) -> bool {
        match body {
            Body::Link { index, name } => {
                if self.names.get(index) == Some(name) {
                    return false;
                }
                self.names.insert(*index, name.clone());
                true
            }
            Body::LinkGone { index } => {
                let named = self.names.remove(index).is_some();
                // The kernel tells of each address, too, but later or not at all.
                self.assigned.remove(index).is_some() || named
            }
            Body::Address {
                index,
                address,
                usable: true,
            } => self
                .assigned
                .get_or_insert_with(*index, Set::new)
                .insert(*address),
            Body::Address { index, address, .. } | Body::AddressGone { index, address } => {
                self.remove(*index, address)
            }
            Body::End { .. } | Body::Other => false,
        }
    }

    #[cfg(test)]
    pub fn has_link(&self, name: &str) -> bool {
        self.names.values().any(|known| known == name)
    }

    fn remove(&mut self, index: u32, address: &Assigned) -> bool {
        let Some(addresses) = self.assigned.get_mut(&index) else {
            return false;
        };
        let removed = addresses.remove(address);
        if addresses.is_empty() {
            self.assigned.remove(&index);
        }
        removed
    }

    pub fn addresses(&self) -> Addresses {
        let mut all = Addresses::default();
        for (index, addresses) in &self.assigned {
            // Without a name it is a link of which the kernel has not told yet, or no longer.
            if let Some(name) = self.names.get(index) {
                for address in addresses {
                    all.insert(name, address.local);
                }
            }
        }
        all
    }
}
