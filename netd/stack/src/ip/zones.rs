//! Which link a link-local address of IPv6 is on: its zone, in words of RFC 4007.
//!
//! A zone is a link's number; zero is the default one (section 6): the first link that there is a way by.
//! While an address waits with what is to be sent to it, or with what has come from it, the zone stands
//! within it, where every link-local address has zeros (RFC 4291 section 2.5.6). *Never* does a packet, a
//! table or a client see it there.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::Interface;
use crate::ip::out::Path;
use crate::stack::Stack;
use core::net::{Ipv6Addr, SocketAddrV6};

/// The address with its zone within; the default one is not named.
pub(crate) fn within(address: Ipv6Addr, zone: u32) -> Ipv6Addr {
    let [first, _, rest @ ..] = address.segments();
    match u8::try_from(zone) {
        Ok(zone) if zone > 0 && address.is_unicast_link_local() => {
            let [c, d, e, f, g, h] = rest;
            Ipv6Addr::new(first, zone.into(), c, d, e, f, g, h)
        }
        _ => address,
    }
}

/// Both apart.
#[inline]
pub(crate) fn apart(address: Ipv6Addr) -> (Ipv6Addr, Option<InterfaceId>) {
    if !address.is_unicast_link_local() {
        return (address, None);
    }
    let [first, zone, c, d, e, f, g, h] = address.segments();
    let plain = Ipv6Addr::new(first, 0, c, d, e, f, g, h);
    let zone = u8::try_from(zone).ok().filter(|zone| *zone > 0);
    (plain, zone.map(InterfaceId))
}

/// Whether a link-local address has something else than zeros where a zone would stand: nobody's.
#[inline]
pub(crate) fn is_zoned(address: Ipv6Addr) -> bool {
    address.is_unicast_link_local() && address.segments()[1] != 0
}

/// An end as a client names it.
pub(crate) fn of_end(end: &SocketAddrV6) -> Ipv6Addr {
    within(*end.ip(), end.scope_id())
}

/// An end as a client is told of it.
pub(crate) fn end(address: Ipv6Addr, port: u16) -> SocketAddrV6 {
    let (address, zone) = apart(address);
    SocketAddrV6::new(address, port, 0, zone.map_or(0, |zone| zone.raw().into()))
}

/// From whom something came by a link: where there is only one, nobody need be told which.
#[inline]
pub(crate) fn heard_on(link: InterfaceId, source: Ipv6Addr) -> Ipv6Addr {
    match link.raw() {
        0 | 1 => source,
        zone => within(source, zone.into()),
    }
}

impl Stack {
    /// The way to an address that may have its zone within, and the address without.
    #[inline]
    pub(crate) fn path_within<A: Family>(&self, to: A, bound: Option<A>) -> Option<(A, Path<A>)> {
        let (plain, zone) = to.apart();
        let bound = match zone {
            None => bound,
            Some(zone) => Some(self.bound_on(zone, bound)?),
        };
        Some((plain, self.path(plain, bound)?))
    }

    /// The address that a link is meant by: that which the caller is bound to, if it is of the link, or the
    /// link's own.
    #[cold]
    fn bound_on<A: Family>(&self, link: InterfaceId, bound: Option<A>) -> Option<A> {
        match bound {
            Some(_) => bound.filter(|_| self.link_of(bound) == Some(link)),
            None => self.interfaces.get(link.index()).and_then(A::link_local),
        }
    }
}

/// The link-local address to speak from.
pub(crate) fn link_local(interface: &Interface) -> Option<Ipv6Addr> {
    Some(interface.six.link_local()?.address())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_put_in_and_taken_out() {
        for (text, zone, inside) in [
            ("fe80::1", 2, "fe80:2::1"),
            ("fe80::1", 0, "fe80::1"),
            ("fe80::1", 256, "fe80::1"),
            ("2001:db8::1", 2, "2001:db8::1"),
            ("ff02::1", 2, "ff02::1"),
        ] {
            let plain: Ipv6Addr = text.parse().unwrap();
            let both = SocketAddrV6::new(plain, 7, 0, zone);
            assert_eq!(
                of_end(&both),
                inside.parse::<Ipv6Addr>().unwrap(),
                "{text}%{zone}"
            );
            let told = if inside == text { 0 } else { zone };
            let expected = SocketAddrV6::new(plain, 7, 0, told);
            assert_eq!(end(inside.parse().unwrap(), 7), expected);
        }
        assert_eq!(
            heard_on(InterfaceId(1), within(Ipv6Addr::LOCALHOST, 3)),
            Ipv6Addr::LOCALHOST
        );
    }
}
