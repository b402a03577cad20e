use super::*;

fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

fn plain(local: &str) -> Assigned {
    let (local, peer) = (net(local), None);
    Assigned { local, peer }
}

#[test]
fn a_prefix_is_covered_by_any_address_within_it() {
    let mut table = Addresses::default();
    table.name(1, "lo");
    let all = ["10.0.1.5/24", "10.0.3.0/32", "2001:db8::9/64"].map(|local| (1, plain(local)));
    table.assign(&all);
    for covered in [
        "10.0.1.5/32",
        "10.0.1.0/24",
        "10.0.0.0/16",
        "0.0.0.0/0",
        "10.0.3.0/31",
        "2001:db8::/32",
        "::/0",
    ] {
        assert!(table.covers("lo", &net(covered)), "{covered}");
        assert!(!table.covers("l", &net(covered)), "{covered}");
    }
    for not in ["10.0.1.4/32", "10.0.2.0/24", "11.0.0.0/8", "2001:db9::/32"] {
        assert!(!table.covers("lo", &net(not)), "{not}");
    }
}

/// Against every prefix of a small world, and the definition of what is asked.
#[test]
fn the_order_of_addresses_never_hides_one() {
    for mask in 0..256u32 {
        let mut table = Addresses::default();
        table.name(7, "lo");
        let has = |host: u32| mask & (1 << host) != 0;
        for host in (0..8).rev().filter(|host| has(*host)) {
            // A longer and a shorter length than that of the prefixes that are asked for.
            table.assign(&[(7, plain(&format!("10.0.0.{host}/{}", 25 + host % 8)))]);
        }
        for length in 29..=32 {
            let size = 1 << (32 - length);
            for first in (0..8).step_by(size as usize) {
                let prefix = net(&format!("10.0.0.{first}/{length}"));
                let within = (first..first + size).any(has);
                assert_eq!(table.covers("lo", &prefix), within, "{mask:b} {prefix}");
            }
        }
    }
}

#[test]
fn an_address_with_a_peer_counts_by_itself_and_not_by_the_peer() {
    let mut table = Addresses::default();
    table.name(1, "ppp0");
    let with = |peer: &str| Assigned {
        local: net("10.0.0.1/32"),
        peer: Some(peer.parse().expect("an address")),
    };
    table.assign(&[(1, with("10.0.0.2")), (1, with("10.0.0.3"))]);
    assert!(table.covers("ppp0", &net("10.0.0.1/32")));
    assert!(!table.covers("ppp0", &net("10.0.0.2/31")));
    // The same address with another peer is another assignment.
    table.remove(1, &with("10.0.0.2"));
    assert!(!table.has(1, &with("10.0.0.2")) && table.has(1, &with("10.0.0.3")));
    assert!(!table.has(1, &plain("10.0.0.1/32")));
    assert!(table.covers("ppp0", &net("10.0.0.1/32")));
    table.remove(1, &with("10.0.0.3"));
    assert!(!table.covers("ppp0", &net("10.0.0.1/32")));
}

#[test]
fn what_is_assigned_at_once_goes_to_its_links() {
    let mut table = Addresses::default();
    let all = [(1, 1), (2, 2), (2, 3), (1, 4)]
        .map(|(index, host)| (index, plain(&format!("10.0.0.{host}/32"))));
    table.assign(&all);
    for (index, assigned) in all {
        assert!(table.has(index, &assigned) && !table.has(3 - index, &assigned));
    }
}

#[test]
fn links_are_found_by_number_and_by_name() {
    let mut table = Addresses::default();
    let ip = plain("10.0.0.1/32");
    table.assign(&[(3, ip)]);
    assert!(table.knows(3) && !table.has_name(3, "") && !table.covers("", &ip.local));
    for (index, name) in [(2, "b"), (3, "a"), (1, "c")] {
        table.name(index, name);
    }
    assert!(table.names().eq(["a", "b", "c"]));
    assert!(table.covers("a", &ip.local) && table.has_name(3, "a"));
    table.name(3, "d");
    assert!(table.names().eq(["b", "c", "d"]));
    assert!(table.covers("d", &ip.local) && !table.covers("a", &ip.local));
    table.forget(3);
    assert!(table.names().eq(["b", "c"]) && !table.knows(3));
}

#[test]
fn other_names_lead_to_the_interface() {
    let mut table = Addresses::default();
    let ip = plain("10.0.0.1/32");
    table.name(1, "lo");
    table.name(2, "eth0");
    table.assign(&[(2, ip)]);
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Set<_>>()
    };
    let both = names(&["uplink", "enp0s31f6-with-a-long-name"]);
    table.set_alternatives(2, &both);
    assert!(table.has_alternatives(2, &both) && !table.has_alternatives(2, &names(&["uplink"])));
    assert!(table.has_alternatives(1, &Set::new()) && !table.has_alternatives(1, &both));
    // A label means its interface, whatever stands behind the colon.
    for name in [
        "eth0",
        "uplink",
        "enp0s31f6-with-a-long-name",
        "eth0:dns",
        "uplink:1",
        "eth0:",
    ] {
        assert!(
            table.has_interface(name) && table.covers(name, &ip.local),
            "{name}"
        );
    }
    for name in ["", ":", ":eth0", "eth1", "eth1:dns", "eth"] {
        assert!(!table.has_interface(name), "{name}");
    }
    assert!(table.has_interface("lo:dns") && !table.covers("lo:dns", &ip.local));
    table.set_alternatives(2, &names(&["other"]));
    assert!(table.covers("other", &ip.local) && !table.has_interface("uplink"));
    table.forget(1);
    assert!(table.has_interface("other"));
    // The number may be used again.
    table.forget(2);
    table.name(2, "eth1");
    assert!(!table.has_interface("other"));
}
