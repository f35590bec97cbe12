//! Addresses by the names that scripts call them.
//!
//! *Owns* who is on the link of a script: the stack, its peer and a router; beyond it only strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wire::MacAddress;

use super::peer::{PEER, PEER_MAC, STACK, STACK_MAC};

/// The hardware address of the router.
pub(super) const ROUTER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
/// The stack's link-local address: it follows from its hardware address.
pub(super) const OWN6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xf);
pub(super) const PEER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x16);
pub(super) const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
pub(super) const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// All nodes of the link.
pub(super) const NODES6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// What the stack makes of the router's prefix, 2001:db8:1::/64.
const GLOBAL6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0xff, 0xfe00, 0xf);

/// An address by its name, or as it is written anywhere.
pub(super) fn address(word: &str) -> Result<IpAddr, String> {
    Ok(match word {
        "own4" => STACK.into(),
        "peer4" => PEER.into(),
        "router4" => ROUTER4.into(),
        "far4" => Ipv4Addr::new(192, 0, 2, 9).into(),
        "own6" => OWN6.into(),
        "peer6" => PEER6.into(),
        "router6" => ROUTER6.into(),
        "nodes6" => NODES6.into(),
        "global6" => GLOBAL6.into(),
        "group6" => wire::ipv6::solicited_node(OWN6).into(),
        "far6" => Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9).into(),
        _ => word.parse().map_err(|_| format!("{word} is no address"))?,
    })
}

/// A hardware address by its name, or as it is written anywhere.
pub(super) fn mac(word: &str) -> Result<MacAddress, String> {
    match word {
        "own" => return Ok(STACK_MAC),
        "peer" => return Ok(PEER_MAC),
        "router" => return Ok(ROUTER_MAC),
        "all" => return Ok(MacAddress::BROADCAST),
        _ => {}
    }
    let bytes: Option<Vec<u8>> = word
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    let bytes = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok());
    bytes
        .map(MacAddress)
        .ok_or_else(|| format!("{word} is no hardware address"))
}

/// Whose hardware address a neighbour with this address has.
pub(super) fn mac_of(source: IpAddr) -> MacAddress {
    if source == IpAddr::V4(ROUTER4) || source == IpAddr::V6(ROUTER6) {
        ROUTER_MAC
    } else {
        PEER_MAC
    }
}

/// Where a frame to the stack, or to everybody, goes.
pub(super) fn mac_for(destination: IpAddr) -> MacAddress {
    match destination {
        IpAddr::V4(to) if to.is_multicast() => MacAddress::for_multicast4(to),
        IpAddr::V4(to) if to.is_broadcast() || to.octets()[3] == 255 => MacAddress::BROADCAST,
        IpAddr::V6(to) if to.is_multicast() => MacAddress::for_multicast6(to),
        _ => STACK_MAC,
    }
}

/// Bytes in hexadecimal: `c201`.
pub(super) fn hex(word: &str) -> Result<Vec<u8>, String> {
    let is_whole = word.is_ascii() && word.len().is_multiple_of(2);
    let digits = word.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = digits.collect();
    bytes
        .filter(|_| is_whole)
        .ok_or_else(|| format!("{word}: bytes in hexadecimal"))
}
