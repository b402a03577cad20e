//! The kernel's routing messages: bytes become what they say about an address or a link. Pure.
//!
//! No length in a message is trusted: each is checked against what there is, and a message that does not fit
//! is `None`, whereupon the reader dumps everything anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::engine::addresses::Assigned;
use crate::host::sys::netlink::{
    NLMSG_DONE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
};
use crate::sorted::Set;

// The kernel's numbers (linux/rtnetlink.h, if_addr.h, if_link.h), which never change.
const HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ATTRIBUTE_HEADER: usize = 4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const AF_UNSPEC: u8 = 0;
const IFLA_IFNAME: u16 = 3;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
const IFA_F_OPTIMISTIC: u32 = 0x04;
const IFA_F_DADFAILED: u32 = 0x08;
const IFA_F_TENTATIVE: u32 = 0x40;
/// The two top bits of an attribute's type are flags.
const ATTRIBUTE_TYPE: u16 = 0x3fff;

#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    pub sequence: u32,
    /// Part of a dump that a change has made inconsistent.
    pub interrupted: bool,
    pub body: Body,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    Link {
        index: u32,
        name: String,
        alternatives: Set<String>,
    },
    LinkGone {
        index: u32,
    },
    Address {
        index: u32,
        address: Assigned,
        usable: bool,
    },
    AddressGone {
        index: u32,
        address: Assigned,
    },
    /// The end of a dump, or an answer with an error.
    End {
        errno: i32,
    },
    /// Nothing that matters here.
    Other,
}

/// The messages of one datagram. After one that can't be understood (`None`) there are no more.
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl Messages<'_> {
    pub fn of(datagram: &[u8]) -> Messages<'_> {
        Messages { rest: datagram }
    }

    fn cut(&mut self) -> Option<Message> {
        let length = u32_at(self.rest, 0)? as usize;
        if length < HEADER {
            return None;
        }
        let message = self.rest.get(..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        let payload = &message[HEADER..];
        let kind = u16_at(message, 4)?;
        Some(Message {
            sequence: u32_at(message, 8)?,
            interrupted: u16_at(message, 6)? & NLM_F_DUMP_INTR != 0,
            body: body(kind, payload)?,
        })
    }
}

impl Iterator for Messages<'_> {
    type Item = Option<Message>;

    fn next(&mut self) -> Option<Option<Message>> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.cut();
        if message.is_none() {
            self.rest = &[];
        }
        Some(message)
    }
}

fn body(kind: u16, payload: &[u8]) -> Option<Body> {
    match kind {
        RTM_NEWLINK | RTM_DELLINK => link(kind, payload),
        RTM_NEWADDR | RTM_DELADDR => address(kind, payload),
        _ if i32::from(kind) == NLMSG_DONE => Some(Body::End {
            // An old kernel ends a dump without a number.
            errno: errno(payload).unwrap_or(0),
        }),
        _ if i32::from(kind) == NLMSG_ERROR => Some(Body::End {
            errno: errno(payload)?,
        }),
        _ => Some(Body::Other),
    }
}

/// Both ends of an answer hold the number of an error, negative, or 0 or a length.
fn errno(payload: &[u8]) -> Option<i32> {
    let bytes = payload.get(..4)?;
    let number = i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Some(number.min(0).saturating_neg())
}

fn link(kind: u16, payload: &[u8]) -> Option<Body> {
    let header = payload.get(..LINK_HEADER)?;
    let index = u32_at(header, 4)?;
    if header[0] != AF_UNSPEC {
        // A bridge says with its own family that it lost a port: the link itself is still there.
        return Some(Body::Other);
    }
    if kind == RTM_DELLINK {
        return Some(Body::LinkGone { index });
    }
    let (mut name, mut alternatives) = (None, Set::new());
    for attribute in Attributes::of(&payload[LINK_HEADER..]) {
        match attribute {
            Some((IFLA_IFNAME, value)) => name = Some(text(value)),
            Some((IFLA_PROP_LIST, list)) => alternatives.extend(alternative_names(list)),
            Some(_) => {}
            // An emulator of the other byte order does not translate all that follows the name.
            None if name.is_some() => break,
            None => return None,
        }
    }
    Some(match name {
        Some(name) => Body::Link {
            index,
            name,
            alternatives,
        },
        None => Body::Other,
    })
}

fn alternative_names(list: &[u8]) -> impl Iterator<Item = String> {
    let names = Attributes::of(list).flatten();
    names
        .filter(|(kind, _)| *kind == IFLA_ALT_IFNAME)
        .map(|(_, value)| text(value))
}

/// A name may be any bytes; one that is not UTF-8 is in no configuration.
fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0);
    let bytes = &value[..end.unwrap_or(value.len())];
    String::from_utf8_lossy(bytes).into_owned()
}

fn address(kind: u16, payload: &[u8]) -> Option<Body> {
    let header = payload.get(..ADDRESS_HEADER)?;
    let index = u32_at(header, 4)?;
    let mut flags = u32::from(header[2]);
    let (mut first, mut local) = (None, None);
    for attribute in Attributes::of(&payload[ADDRESS_HEADER..]) {
        let (kind, value) = attribute?;
        match kind {
            IFA_ADDRESS => first = ip(value),
            IFA_LOCAL => local = ip(value),
            // It has all 32 bits; the header has room for eight.
            IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point link the local address has an attribute of its own, and the other one is the
    // peer's.
    let Some(local) = local.or(first) else {
        return Some(Body::Other);
    };
    let address = Assigned {
        local: IpNetwork::new(local, header[1]).ok()?,
        peer: first.filter(|first| *first != local),
    };
    if kind == RTM_DELADDR {
        return Some(Body::AddressGone { index, address });
    }
    let in_doubt = flags & IFA_F_TENTATIVE != 0 && flags & IFA_F_OPTIMISTIC == 0;
    Some(Body::Address {
        index,
        address,
        usable: flags & IFA_F_DADFAILED == 0 && !in_doubt,
    })
}

/// Type and value of each attribute; `None` for one that does not fit, which is the last.
struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    fn of(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: bytes }
    }

    fn cut(&mut self) -> Option<(u16, &'a [u8])> {
        let length = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & ATTRIBUTE_TYPE;
        let value = self.rest.get(ATTRIBUTE_HEADER..length)?;
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Option<(u16, &'a [u8])>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let attribute = self.cut();
        if attribute.is_none() {
            self.rest = &[];
        }
        Some(attribute)
    }
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(value) {
        return Some(IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    let bytes = <[u8; 16]>::try_from(value).ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(bytes)))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_ne_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Messages and attributes begin at multiples of four bytes. The lengths are bounded by the datagram's.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}
