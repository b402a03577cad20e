//! What a message of the kernel means for the table of addresses. Pure.
//!
//! The table is shared with the engine, which keeps the one that it was given: it is copied before a change, and only
//! if there is one, as the kernel says many things twice.

use std::rc::Rc;

use super::message::Body;
use crate::engine::addresses::Addresses;

/// Takes a message in; true if that changed anything.
pub fn apply(table: &mut Rc<Addresses>, body: &Body) -> bool {
    let news = match body {
        Body::Link {
            index,
            name,
            alternatives,
        } => !table.has_name(*index, name) || !table.has_alternatives(*index, alternatives),
        Body::LinkGone { index } => table.knows(*index),
        Body::Address {
            index,
            address,
            usable,
        } => table.has(*index, address) != *usable,
        Body::AddressGone { index, address } => table.has(*index, address),
        Body::End { .. } | Body::Other => false,
    };
    if news {
        change(Rc::make_mut(table), body);
    }
    news
}

fn change(table: &mut Addresses, body: &Body) {
    match body {
        Body::Link {
            index,
            name,
            alternatives,
        } => {
            table.name(*index, name);
            table.set_alternatives(*index, alternatives);
        }
        // The kernel tells of each address, too, but later or not at all.
        Body::LinkGone { index } => table.forget(*index),
        Body::Address {
            index,
            address,
            usable: true,
        } => table.assign(&[(*index, *address)]),
        Body::Address { index, address, .. } | Body::AddressGone { index, address } => {
            table.remove(*index, address);
        }
        Body::End { .. } | Body::Other => {}
    }
}
