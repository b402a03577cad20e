//! One item of a list of prefixes.
//!
//! What BIRD reads is read, and with it what only looks like a prefix to people: a pattern, an address
//! without length. Those are told apart, because BIRD does something else with them than was meant.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;

pub(super) struct Parsed {
    pub(super) prefix: IpNetwork,
    /// Why it should not be written like that.
    pub(super) oddity: Option<&'static str>,
}

/// A prefix as BIRD reads it, and a little more.
pub(super) fn parse(word: &[u8]) -> Option<Parsed> {
    let text = std::str::from_utf8(word).ok()?;
    let (address, rest) = match text.split_once('/') {
        Some((address, rest)) => (address, Some(rest)),
        None => (text.trim_end_matches(['+', '-']), None),
    };
    let address = parse_address(address)?;
    let longest = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let Some(rest) = rest else {
        let prefix = IpNetwork::new(address, longest).ok()?;
        let oddity = Some("has no length, so that BIRD matches nothing with it");
        return Some(Parsed { prefix, oddity });
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (length, pattern) = rest.split_at(digits);
    let length: u8 = length.parse().ok()?;
    let prefix = IpNetwork::new(address, length).ok()?;
    let oddity = match pattern {
        "" => None,
        "+" | "-" => Some("is a pattern and not a prefix"),
        braces if braces.starts_with('{') => Some("is a pattern and not a prefix"),
        _ => return None,
    };
    Some(Parsed { prefix, oddity })
}

/// Like the standard library's, except that BIRD reads `010.0.0.1` as ten and so do we.
fn parse_address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        // A sign is none of BIRD's.
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts
        .next()
        .is_none()
        .then(|| Ipv4Addr::from(octets).into())
}
