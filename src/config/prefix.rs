//! One prefix as text, in every spelling that Python's `ipaddress.ip_network` takes.
//!
//! Address alone, with a length (`/032` too), with a netmask or a host mask; an IPv6 zone is dropped, as BIRD
//! has no word for it. Host bits and octets with leading zeros are refused. What comes out is the network in
//! its one normal form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPrefix {
    /// Nothing like an address.
    Address,
    /// An octet such as `010`, which some programs read as octal.
    LeadingZero,
    /// The part behind the slash.
    Length(u8),
    /// The address has bits behind the prefix; this is the network it lies in.
    HostBits(IpNetwork),
}

impl fmt::Display for NoPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoPrefix::Address => write!(f, "is no IP prefix: it has the form ADDRESS/LENGTH"),
            NoPrefix::LeadingZero => write!(f, "has an octet with leading zeros: leave them out"),
            NoPrefix::Length(max) => write!(f, "has no length from 0 to {max} behind the slash"),
            NoPrefix::HostBits(network) => {
                write!(f, "has host bits set: the network is {network}")
            }
        }
    }
}

/// Reads one prefix.
pub fn parse(text: &str) -> Result<IpNetwork, NoPrefix> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address = parse_address(address)?;
    let length = match (&address, mask) {
        (IpAddr::V4(_), None) => 32,
        (IpAddr::V6(_), None) => 128,
        (IpAddr::V4(_), Some(mask)) => length(mask, 32)
            .or_else(|| netmask(mask))
            .ok_or(NoPrefix::Length(32))?,
        (IpAddr::V6(_), Some(mask)) => length(mask, 128).ok_or(NoPrefix::Length(128))?,
    };
    let network = match address {
        IpAddr::V4(v4) => IpNetwork::V4(network_v4(v4, length)),
        IpAddr::V6(v6) => IpNetwork::V6(network_v6(v6, length)),
    };
    if network.ip() == address {
        Ok(network)
    } else {
        Err(NoPrefix::HostBits(network))
    }
}

fn parse_address(text: &str) -> Result<IpAddr, NoPrefix> {
    if text.contains(':') {
        let plain = match text.split_once('%') {
            Some((_, zone)) if zone.is_empty() || zone.contains('%') => {
                return Err(NoPrefix::Address);
            }
            Some((plain, _)) => plain,
            None => text,
        };
        let address: Result<Ipv6Addr, _> = plain.parse();
        return address.map(IpAddr::V6).map_err(|_| NoPrefix::Address);
    }
    let address: Result<Ipv4Addr, _> = text.parse();
    address.map(IpAddr::V4).map_err(|_| {
        let (mut octets, mut leading_zero) = (0, false);
        for octet in text.split('.') {
            if octet.is_empty() || !octet.bytes().all(|b| b.is_ascii_digit()) {
                return NoPrefix::Address;
            }
            octets += 1;
            leading_zero |= octet.len() > 1 && octet.starts_with('0');
        }
        match leading_zero && octets == 4 {
            true => NoPrefix::LeadingZero,
            false => NoPrefix::Address,
        }
    })
}

/// A length in decimal digits; leading zeros are fine.
fn length(text: &str, max: u8) -> Option<u8> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = text.trim_start_matches('0');
    let length: u8 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    (length <= max).then_some(length)
}

/// The length that a netmask (`255.255.255.0`) or a host mask (`0.0.0.255`) stands for.
fn netmask(text: &str) -> Option<u8> {
    let mask: Ipv4Addr = text.parse().ok()?;
    let bits = u32::from(mask);
    [bits, !bits]
        .into_iter()
        .find(|bits| bits.leading_ones() + bits.trailing_zeros() == 32)
        .map(|bits| bits.leading_ones() as u8)
}

/// The network of that length; a length beyond the family's can't get here.
fn network_v4(address: Ipv4Addr, length: u8) -> Ipv4Network {
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    let network = Ipv4Addr::from(u32::from(address) & mask);
    Ipv4Network::new(network, length).expect("the length was bounded by 32")
}

fn network_v6(address: Ipv6Addr, length: u8) -> Ipv6Network {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    let network = Ipv6Addr::from(u128::from(address) & mask);
    Ipv6Network::new(network, length).expect("the length was bounded by 128")
}

#[cfg(test)]
mod tests;
