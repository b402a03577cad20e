use crate::config::fixture::checked;

/// Services `a`, `b`, ... with these prefixes, and lines.
fn services(each: &[(&str, &str)]) -> Vec<String> {
    let mut text = String::from("[daemon]\nipv6 = 1\n");
    for ((prefix, lines), name) in each.iter().zip('a'..) {
        text.push_str(&format!(
            "[{name}]\ncheck_cmd = x\nip_prefix = {prefix}\n{lines}\n"
        ));
    }
    checked(&text).1
}

#[test]
fn no_prefix_has_two_owners() {
    assert_eq!(
        services(&[
            ("10.0.0.1", ""),
            ("10.0.0.1/32", ""),
            ("10.0.0.1/255.255.255.255", "")
        ]),
        [
            "f:9: [b] ip_prefix: 10.0.0.1/32 is also the prefix of [a] (f:5)",
            "f:13: [c] ip_prefix: 10.0.0.1/32 is also the prefix of [a] (f:5)",
        ]
    );
    assert_eq!(
        services(&[("2001:DB8:0::2", ""), ("2001:db8::2/128", "")]),
        ["f:9: [b] ip_prefix: 2001:db8::2/128 is also the prefix of [a] (f:5)"]
    );
    assert_eq!(
        services(&[("10.189.200.255", ""), ("2001:db8::1", "")]),
        [
            "f:5: [a] ip_prefix: 10.189.200.255/32 is also the dummy prefix",
            "f:9: [b] ip_prefix: 2001:db8::1/128 is also the dummy prefix",
        ]
    );
    let (yes, no) = ("shared_prefix = 1", "shared_prefix = 0");
    assert_eq!(
        services(&[("10.0.0.1", yes), ("10.0.0.1", yes), ("10.0.0.1", yes)]),
        [""; 0]
    );
    assert_eq!(
        services(&[("10.0.0.1", yes), ("10.0.0.1", no)]),
        [
            "f:9: [b] ip_prefix: 10.0.0.1/32 is also the prefix of [a] (f:5): each service must say shared_prefix = true"
        ]
    );
    assert_eq!(
        services(&[("10.0.0.1 10.0.0.1", yes), ("10.0.0.1", yes)]),
        ["f:5: [a] ip_prefix: 10.0.0.1/32 is named twice"]
    );
    assert_eq!(
        services(&[("10.189.200.255", yes)]),
        ["f:5: [a] ip_prefix: 10.189.200.255/32 is also the dummy prefix"]
    );
}

#[test]
fn prefixes_within_others_are_warned_of() {
    assert_eq!(
        services(&[
            ("10.0.0.1", ""),
            ("10.0.0.0/24", ""),
            ("10.0.0.0/8 10.0.1.0/24", ""),
            ("11.0.0.0/8", "")
        ]),
        [
            "f:5: [a] ip_prefix: warning: 10.0.0.1/32 lies within 10.0.0.0/24, the prefix of [b] (f:9)",
            "f:9: [b] ip_prefix: warning: 10.0.0.0/24 lies within 10.0.0.0/8, the prefix of [c] (f:13)",
            "f:13: [c] ip_prefix: warning: 10.0.1.0/24 lies within 10.0.0.0/8, the prefix of [c] (f:13)",
            "f:13: [c] ip_prefix: warning: 10.0.0.0/8 contains the dummy prefix 10.189.200.255/32",
        ]
    );
    assert_eq!(
        services(&[("2001:db8::/64", ""), ("0.0.0.0/0", "")]),
        [
            "f:5: [a] ip_prefix: warning: 2001:db8::/64 contains the dummy prefix 2001:db8::1/128",
            "f:9: [b] ip_prefix: warning: 0.0.0.0/0 contains the dummy prefix 10.189.200.255/32",
        ]
    );
}

#[test]
fn who_names_a_prefix_twice_is_told_so_whoever_else_has_it() {
    let lines = services(&[("10.0.0.1", ""), ("10.0.0.1 10.0.0.1/32", "")]);
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].ends_with("is also the prefix of [a] (f:5)"),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("[b] ip_prefix: 10.0.0.1/32 is named twice"),
        "{lines:?}"
    );
}
