//! Routes: where a packet for an address goes next.
//!
//! *Owns* the table, sorted so that the first match is the answer: longest prefix first, then
//! lowest metric (RFC 1812 5.2.4.3). *Never* looks at links: the caller says which interfaces
//! may be used. Connections keep what they looked up and look again when [`Routes::version`] changes.

use crate::hash::Address;
use crate::id::InterfaceId;
use crate::info::Origin;
use alloc::vec::Vec;

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<A> {
    /// The network; bits behind the prefix are zero.
    pub(crate) network: A,
    /// Bits of the network that count.
    pub(crate) prefix: u8,
    /// By whom; `None` on the link itself.
    pub(crate) gateway: Option<A>,
    /// Through which interface.
    pub(crate) interface: InterfaceId,
    /// Lower wins among equal prefixes.
    pub(crate) metric: u16,
    /// Who has put it in.
    pub(crate) origin: Origin,
}

/// The routes of one family.
#[derive(Debug)]
pub(crate) struct Routes<A> {
    routes: Vec<Route<A>>,
    limit: usize,
    version: u32,
}

/// The table is full, or the route is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Exists,
}

impl<A: Address> Routes<A> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            routes: Vec::with_capacity(limit),
            limit,
            version: 0,
        }
    }

    /// Changes whenever a look-up may have another answer.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Whatever was looked up must be looked up again.
    pub(crate) fn touch(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    pub(crate) fn add(&mut self, mut route: Route<A>) -> Result<(), Refused> {
        route.network = route.network.network(route.prefix);
        let same = |other: &Route<A>| {
            Route {
                origin: route.origin,
                ..*other
            } == route
        };
        if self.routes.iter().any(same) {
            return Err(Refused::Exists);
        }
        if self.routes.len() >= self.limit {
            return Err(Refused::Full);
        }
        let before =
            |other: &Route<A>| (other.prefix, route.metric) >= (route.prefix, other.metric);
        let place = self.routes.partition_point(before);
        self.routes.insert(place, route);
        self.touch();
        Ok(())
    }

    /// Removes all routes that `unwanted` picks; says how many.
    pub(crate) fn remove(&mut self, unwanted: impl Fn(&Route<A>) -> bool) -> usize {
        let before = self.routes.len();
        self.routes.retain(|route| !unwanted(route));
        self.touch();
        before - self.routes.len()
    }

    /// The best route to an address among those through usable interfaces.
    pub(crate) fn lookup(&self, to: A, usable: impl Fn(InterfaceId) -> bool) -> Option<&Route<A>> {
        self.routes
            .iter()
            .find(|route| to.network(route.prefix) == route.network && usable(route.interface))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route<A>> + '_ {
        self.routes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn route(network: [u8; 4], prefix: u8, metric: u16, interface: u8) -> Route<Ipv4Addr> {
        Route {
            network: network.into(),
            prefix,
            gateway: None,
            interface: InterfaceId(interface),
            metric,
            origin: Origin::Static,
        }
    }

    fn answer(routes: &Routes<Ipv4Addr>, to: [u8; 4], down: u8) -> Option<u8> {
        let to = Ipv4Addr::from(to);
        routes
            .lookup(to, |id| id.raw() != down)
            .map(|route| route.interface.raw())
    }

    #[test]
    fn longest_prefix_then_lowest_metric() {
        let mut routes = Routes::new(8);
        for (network, prefix, metric, interface) in [
            ([0, 0, 0, 0], 0, 0, 1),
            ([10, 0, 0, 0], 8, 5, 2),
            ([10, 0, 0, 0], 8, 1, 3),
            ([10, 1, 0, 9], 16, 9, 4),
            ([10, 1, 2, 3], 32, 9, 5),
        ] {
            routes
                .add(route(network, prefix, metric, interface))
                .unwrap();
        }
        for (to, down, expected) in [
            ([10, 1, 2, 3], 0, Some(5)),
            ([10, 1, 2, 3], 5, Some(4)),
            ([10, 1, 9, 9], 0, Some(4)),
            ([10, 2, 0, 0], 0, Some(3)),
            ([10, 2, 0, 0], 3, Some(2)),
            ([11, 0, 0, 0], 0, Some(1)),
            ([11, 0, 0, 0], 1, None),
        ] {
            assert_eq!(answer(&routes, to, down), expected, "{to:?} without {down}");
        }
    }

    #[test]
    fn refuses_twice_and_too_many() {
        let mut routes = Routes::new(1);
        let version = routes.version();
        assert_eq!(routes.add(route([10, 0, 0, 7], 8, 0, 1)), Ok(()));
        assert_ne!(routes.version(), version);
        assert_eq!(
            routes.add(route([10, 0, 0, 0], 8, 0, 1)),
            Err(Refused::Exists)
        );
        assert_eq!(
            routes.add(route([10, 0, 0, 0], 9, 0, 1)),
            Err(Refused::Full)
        );
        assert_eq!(routes.remove(|route| route.prefix == 8), 1);
        assert_eq!(answer(&routes, [10, 0, 0, 1], 0), None);
    }
}
