//! IEEE 802 MAC addresses.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// An Ethernet (EUI-48) address.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Every station of the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No address: the target of an ARP request before it is known.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether this is the address of a group; broadcast is one.
    #[inline]
    #[must_use]
    pub const fn is_group(self) -> bool {
        let [first, ..] = self.0;
        first & 0x01 != 0
    }

    /// Whether this is the broadcast address.
    #[inline]
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether one station may own this address: no group and not zero.
    #[inline]
    #[must_use]
    pub fn is_station(self) -> bool {
        !self.is_group() && self != Self::ZERO
    }

    /// The group that carries an IPv4 multicast address (RFC 1112 section 6.4).
    #[must_use]
    pub const fn for_multicast4(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// The group that carries an IPv6 multicast address (RFC 2464 section 7).
    #[must_use]
    pub const fn for_multicast6(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (address, group, station) in [
            (MacAddress::BROADCAST, true, false),
            (MacAddress::ZERO, false, false),
            (MacAddress([0x01, 0, 0x5e, 0, 0, 1]), true, false),
            (MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]), false, true),
        ] {
            assert_eq!(address.is_group(), group, "{address}");
            assert_eq!(address.is_station(), station, "{address}");
        }
    }

    #[test]
    fn groups_of_multicast_addresses() {
        // Only the low 23 bits of an IPv4 group survive.
        let group = MacAddress::for_multicast4(Ipv4Addr::new(239, 129, 2, 3));
        assert_eq!(group, MacAddress([0x01, 0, 0x5e, 0x01, 2, 3]));
        let group =
            MacAddress::for_multicast6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff12, 0x3456));
        assert_eq!(std::format!("{group}"), "33:33:ff:12:34:56");
    }
}
