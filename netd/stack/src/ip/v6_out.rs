//! IPv6, outwards: by which interface, to which neighbour.
//!
//! *Owns* the choice of the next hop (RFC 4861 section 5.2): what is on the link is in the table of
//! routes, and so are routers. Nothing else is assumed to be on the link (RFC 5942).

use crate::id::InterfaceId;
use crate::interface::{Interface, Medium};
use crate::stack::Stack;
use core::net::Ipv6Addr;

impl Stack {
    /// Interface, next hop and whether it is a group.
    pub(crate) fn next_hop6(
        &self,
        to: Ipv6Addr,
        bound: Option<Ipv6Addr>,
    ) -> Option<(InterfaceId, Ipv6Addr, bool)> {
        let takes_part = |it: &&Interface| it.medium == Medium::Ethernet && it.up && it.six.enabled;
        let ethernets = self.interfaces.iter().filter(takes_part);
        // An address of ours says which link is meant, also where the destination does not.
        let of = self.link_of(bound);
        let is_meant = |id: InterfaceId| of.is_none_or(|of| of == id);
        let usable = |id: InterfaceId| {
            let interface = self.interfaces.get(id.index());
            interface.as_ref().is_some_and(takes_part) && is_meant(id)
        };
        let route = self.nets.v6.routes.lookup(to, usable);
        if to.is_multicast() {
            let chosen = route.map(|route| route.interface);
            let mut meant = ethernets.filter(|it| is_meant(it.id));
            let chosen = chosen.or_else(|| meant.next().map(|it| it.id))?;
            return Some((chosen, to, true));
        }
        let route = route?;
        Some((route.interface, route.gateway.unwrap_or(to), false))
    }
}
