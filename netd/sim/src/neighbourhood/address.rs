//! Who is who in a neighbourhood.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::MacAddress;

/// What routers tell of at first, and later.
pub(super) const OLD: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0);
/// See [`OLD`].
pub(super) const NEW: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 0);
/// What nobody but liars tell of.
pub(super) const FALSE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 0);
/// Somebody far away, for whom the routers answer.
pub(super) const FAR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);

/// The number of a host by its place.
pub(super) fn number(host: usize) -> u8 {
    u8::try_from(15 + host).expect("a few hosts")
}

pub(super) fn mac(host: usize) -> MacAddress {
    crate::host::mac(number(host))
}

pub(super) fn four(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, number(host))
}

/// The address of a host that it makes of its hardware address and a prefix.
pub(super) fn six(prefix: Ipv6Addr, host: usize) -> Ipv6Addr {
    let own = u128::from(0x00ff_fe00_0000_u64 | u64::from(number(host)));
    // RFC 4291 appendix A: the bit that tells local hardware addresses is turned.
    Ipv6Addr::from_bits(prefix.to_bits() | own)
}

/// The address of a host that is good on the link.
pub(super) fn local(host: usize) -> Ipv6Addr {
    six(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), host)
}

/// Whether an address is of that prefix.
pub(super) fn is_of(prefix: Ipv6Addr, address: Ipv6Addr) -> bool {
    prefix.to_bits() >> 64 == address.to_bits() >> 64
}

/// The hardware address of a router.
pub(super) fn router_mac(router: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 1, router])
}

/// Its address.
pub(super) fn router(router: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, router.into())
}

/// The prefix of the second wire, and the one host there.
pub(super) const ANNEX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 3, 0, 0, 0, 0);
pub(super) const ANNEXED: usize = 25;

/// The address of a host on the second wire.
pub(super) fn annex4(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 3, number(host))
}

/// The same over IPv6.
pub(super) fn annex6(host: usize) -> Ipv6Addr {
    six(ANNEX, host)
}

/// The hardware address of the host that makes its own address.
pub(super) const WANDERER: MacAddress = MacAddress([2, 0, 0, 0, 0, 14]);
/// Who has others' addresses over IPv4.
pub(super) const CLAIMANT: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x44]);
/// The liar.
pub(super) const LIAR: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x66]);
/// Who floods.
pub(super) const FLOODER: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x77]);
