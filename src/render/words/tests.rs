//! What the tests of all messages share.

use super::*;

/// A notice of the daemon's own must have this level and this text.
pub(super) fn says(what: What, at: Level, text: &str) {
    assert_eq!(level(&what), at, "{text}");
    assert_eq!(message(&Notice::from(what)), text);
}

#[test]
fn signals_are_named_where_the_number_means_one_thing() {
    for (number, text) in [
        (1, "SIGHUP"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (15, "SIGTERM"),
        (0, "signal 0"),
    ] {
        assert_eq!(signal(number), text);
    }
    for number in 16..=255 {
        assert_eq!(signal(number), format!("signal {number}"));
    }
}

#[test]
fn long_lists_are_counted() {
    let nets = |count: u8| -> Vec<IpNetwork> {
        let net = |n| format!("10.0.0.{n}/32").parse().unwrap();
        (0..count).map(net).collect()
    };
    assert_eq!(prefixes(&nets(0)), "");
    assert_eq!(prefixes(&nets(2)), "10.0.0.0/32, 10.0.0.1/32");
    assert!(prefixes(&nets(8)).ends_with("10.0.0.7/32"));
    assert!(prefixes(&nets(9)).ends_with("10.0.0.7/32, 1 more"));
}
