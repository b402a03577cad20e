use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::message::Message;
use super::*;
use crate::host::sys::netlink::{
    NLMSG_DONE, NLMSG_ERROR, RTM_DELADDR, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK,
};

use crate::sorted::Set;

mod kernel;

/// A message as the kernel lays it out.
fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((16 + payload.len() as u32).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((4 + value.len() as u16).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn link(kind: u16, family: u8, index: u32, name: &str) -> Vec<u8> {
    let mut payload = vec![family, 0, 0, 0];
    payload.extend(index.to_ne_bytes());
    payload.extend([0; 8]);
    payload.extend(attribute(13, &[1, 2, 3]));
    payload.extend(attribute(3, format!("{name}\0").as_bytes()));
    message(kind, 0, &payload)
}

fn octets(address: &str) -> Vec<u8> {
    match address.parse().unwrap() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An address message with these attributes.
fn address(kind: u16, index: u32, length: u8, flags: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let family = if attributes[0].1.len() == 4 { 2 } else { 10 };
    let mut payload = vec![family, length, flags, 0];
    payload.extend(index.to_ne_bytes());
    for (kind, value) in attributes {
        payload.extend(attribute(*kind, value));
    }
    message(kind, 0, &payload)
}

fn parse(bytes: &[u8]) -> Vec<Option<Body>> {
    Messages::of(bytes)
        .map(|message| message.map(|message| message.body))
        .collect()
}

fn one(bytes: &[u8]) -> Body {
    let mut all = parse(bytes);
    assert_eq!(all.len(), 1);
    all.remove(0).expect("it is well formed")
}

fn assigned(local: &str, length: u8, peer: &str) -> Assigned {
    Assigned {
        local: IpNetwork::new(local.parse().unwrap(), length).unwrap(),
        peer: (peer != local).then(|| peer.parse().unwrap()),
    }
}

fn usable(flags: u8, all_flags: Option<u32>) -> bool {
    let ip = octets("2001:db8::1");
    let all_flags = all_flags.map(u32::to_ne_bytes);
    let mut attributes: Vec<(u16, &[u8])> = vec![(1, &ip)];
    if let Some(bytes) = &all_flags {
        attributes.push((8, bytes));
    }
    match one(&address(RTM_NEWADDR, 2, 64, flags, &attributes)) {
        Body::Address { usable, .. } => usable,
        body => panic!("{body:?}"),
    }
}

#[test]
fn the_local_address_counts_and_not_the_peers() {
    let (local, peer) = (octets("10.9.2.1"), octets("10.9.2.2"));
    let body = one(&address(
        RTM_NEWADDR,
        3,
        32,
        0x80,
        &[(1, &peer), (2, &local)],
    ));
    let expected = Body::Address {
        index: 3,
        address: assigned("10.9.2.1", 32, "10.9.2.2"),
        usable: true,
    };
    assert_eq!(body, expected);
    let ip = octets("2001:db8::1");
    let body = one(&address(RTM_DELADDR, 4, 128, 0, &[(1, &ip)]));
    let expected = Body::AddressGone {
        index: 4,
        address: assigned("2001:db8::1", 128, "2001:db8::1"),
    };
    assert_eq!(body, expected);
}

#[test]
fn tentative_and_duplicate_addresses_are_not_usable() {
    assert!(usable(0x80, None));
    assert!(!usable(0xc0, None), "tentative");
    assert!(!usable(0x88, None), "dadfailed");
    assert!(usable(0x44, None), "optimistic");
    assert!(!usable(0x4c, None), "optimistic, but a duplicate");
    assert!(usable(0xa0, None), "deprecated");
    // The attribute has the last word.
    assert!(!usable(0x80, Some(0x0c0)));
    assert!(usable(0xc0, Some(0x280)));
}

#[test]
fn a_bridge_that_loses_a_port_does_not_lose_the_link() {
    assert_eq!(one(&link(RTM_DELLINK, 7, 5, "eth0")), Body::Other);
    assert_eq!(
        one(&link(RTM_DELLINK, 0, 5, "eth0")),
        Body::LinkGone { index: 5 }
    );
}

#[test]
fn the_end_of_a_dump_and_its_errors_are_understood() {
    let end = |kind: i32, number: i32| one(&message(kind as u16, 2, &number.to_ne_bytes()));
    assert_eq!(end(NLMSG_DONE, 0), Body::End { errno: 0 });
    assert_eq!(end(NLMSG_DONE, -105), Body::End { errno: 105 });
    assert_eq!(end(NLMSG_ERROR, -1), Body::End { errno: 1 });
    assert_eq!(end(NLMSG_ERROR, i32::MIN), Body::End { errno: i32::MAX });
    assert_eq!(
        one(&message(NLMSG_DONE as u16, 2, &[])),
        Body::End { errno: 0 }
    );
    let bytes = message(NLMSG_DONE as u16, 0x10, &[0; 4]);
    let Some(Some(Message {
        sequence: 7,
        interrupted: true,
        ..
    })) = Messages::of(&bytes).next()
    else {
        panic!("sequence and flag are lost");
    };
}

#[test]
fn alternative_names_are_read_and_what_cannot_be_read_behind_the_name_is_left_out() {
    let names = |list: &[u8]| {
        let mut payload = vec![0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        payload.extend(attribute(3, b"lo\0"));
        // Nested, as the kernel marks it.
        payload.extend(attribute(52 | 0x8000, list));
        match one(&message(RTM_NEWLINK, 0, &payload)) {
            Body::Link { alternatives, .. } => alternatives,
            body => panic!("{body:?}"),
        }
    };
    let long = "a-name-of-more-than-fifteen-characters";
    let list = [
        attribute(53, b"b\0"),
        attribute(54, b"none\0"),
        attribute(53, format!("{long}\0").as_bytes()),
    ]
    .concat();
    assert_eq!(names(&list), Set::from([long.to_string(), "b".to_string()]));
    assert_eq!(names(&list[..9]), Set::from(["b".to_string()]));
    assert_eq!(names(&[]), Set::new());
}

#[test]
fn several_messages_follow_each_other_aligned() {
    let mut bytes = link(RTM_NEWLINK, 0, 1, "lo");
    bytes.extend(link(RTM_NEWLINK, 0, 2, "eth00"));
    bytes.extend(message(99, 0, b"odd"));
    let expected = [
        Some(Body::Link {
            index: 1,
            name: "lo".to_string(),
            alternatives: Set::new(),
        }),
        Some(Body::Link {
            index: 2,
            name: "eth00".to_string(),
            alternatives: Set::new(),
        }),
        Some(Body::Other),
    ];
    assert_eq!(parse(&bytes), expected);
    assert_eq!(parse(&[]), []);
}

/// Every way to cut a datagram short and every single byte replaced: no panic, no endless loop, and what is
/// cut short is seen to be so unless the cut lies between messages.
#[test]
fn no_length_is_trusted() {
    let ip = octets("10.0.0.1");
    let first = link(RTM_NEWLINK, 0, 1, "lo");
    let mut whole = first.clone();
    whole.extend(address(
        RTM_NEWADDR,
        1,
        8,
        0,
        &[(1, &ip), (2, &ip), (8, &[0x80, 0, 0, 0])],
    ));
    for end in 0..whole.len() {
        let parsed = parse(&whole[..end]);
        let between = end == 0 || end == first.len();
        assert_eq!(parsed.iter().all(Option::is_some), between, "cut at {end}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 3, 4, 15, 16, 17, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            assert!(parse(&bytes).len() <= whole.len() / 16);
        }
    }
}

/// A table as the watch keeps it.
#[derive(Default)]
struct Table(Rc<Addresses>);

impl Table {
    fn of(messages: &[Vec<u8>]) -> Table {
        let mut table = Table::default();
        for bytes in messages {
            table.apply(&one(bytes));
        }
        table
    }

    /// Whether it says that something has changed, which must be so.
    fn apply(&mut self, body: &Body) -> bool {
        let before = self.0.clone();
        let changed = table::apply(&mut self.0, body);
        assert_eq!(changed, before != self.0, "{body:?}");
        changed
    }
}

fn covers(table: &Addresses, interface: &str, prefix: &str) -> bool {
    table.covers(interface, &prefix.parse().unwrap())
}

#[test]
fn the_table_follows_addresses_links_and_names() {
    let ip = octets("10.0.0.1");
    let attributes: &[(u16, &[u8])] = &[(1, &ip), (2, &ip)];
    let add = |length| one(&address(RTM_NEWADDR, 1, length, 0x80, attributes));
    let remove = |length| one(&address(RTM_DELADDR, 1, length, 0x80, attributes));
    let mut table = Table::of(&[link(RTM_NEWLINK, 0, 1, "eth0")]);

    assert!(table.apply(&add(24)));
    assert!(!table.apply(&add(24)), "the kernel says it twice");
    assert!(covers(&table.0, "eth0", "10.0.0.1/32"));
    assert!(!covers(&table.0, "eth1", "10.0.0.1/32"));
    // The same address with two lengths is there until both are gone.
    assert!(table.apply(&add(32)));
    assert!(table.apply(&remove(24)));
    assert!(covers(&table.0, "eth0", "10.0.0.0/24"));

    assert!(table.apply(&one(&link(RTM_NEWLINK, 0, 1, "wan"))));
    assert!(!table.apply(&one(&link(RTM_NEWLINK, 0, 1, "wan"))));
    assert!(covers(&table.0, "wan", "10.0.0.1/32") && !covers(&table.0, "eth0", "10.0.0.1/32"));

    assert!(table.apply(&one(&link(RTM_DELLINK, 0, 1, "wan"))));
    assert_eq!(*table.0, Addresses::default());
    assert!(!table.apply(&remove(32)));
}

#[test]
fn an_address_that_becomes_a_duplicate_is_gone() {
    let ip = octets("2001:db8::1");
    let state = |flags: u8| one(&address(RTM_NEWADDR, 1, 64, flags, &[(1, &ip)]));
    let mut table = Table::of(&[link(RTM_NEWLINK, 0, 1, "eth0")]);
    assert!(!table.apply(&state(0xc0)));
    assert!(table.apply(&state(0x80)));
    assert!(covers(&table.0, "eth0", "2001:db8::/64"));
    assert!(table.apply(&state(0xc8)));
    assert!(!covers(&table.0, "eth0", "2001:db8::/64"));
}
