//! Configuration by hand: addresses, routes, neighbours.
//!
//! *Owns* the checks. *Never* asks who may: the owner lets only those call that have the right.

use crate::autoconf6::addresses::Lives;
use crate::error::{AdminError, SocketError};
use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface::{Interface, Medium};
use crate::route::{Refused, Route};
use crate::stack::Stack;
use crate::tcp::connection::Fact;
use ::tcp::Instant;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Cidr4, Cidr6, MacAddress};

impl Stack {
    /// What is named by hand is an interface on a wire.
    fn named(&self, id: InterfaceId) -> Result<(), AdminError> {
        let interface = self.interfaces.get(id.index());
        let found = interface.is_some_and(|interface| interface.medium == Medium::Ethernet);
        found.then_some(()).ok_or(AdminError::NoInterface)
    }

    /// Adds an address; it is announced. Adds the route to its network as well.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_address(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        prefix: u8,
        now: Instant,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        match address {
            IpAddr::V4(address) => self.add_address4(interface, address, prefix, now),
            IpAddr::V6(address) => self.add_address6(interface, address, prefix, now),
        }
    }

    fn add_address4(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        prefix: u8,
        now: Instant,
    ) -> Result<(), AdminError> {
        let cidr = Cidr4::new(address, prefix).map_err(|_| AdminError::BadAddress)?;
        let [first, ..] = address.octets();
        let network = prefix < 31 && address == cidr.network().address();
        if first == 0 || first == 127 || first >= 224 || prefix == 0 || network {
            return Err(AdminError::BadAddress);
        }
        if cidr.broadcast() == Some(address) {
            return Err(AdminError::BadAddress);
        }
        if self
            .interfaces
            .iter_mut()
            .any(|other| other.find(address).is_some())
        {
            return Err(AdminError::Exists);
        }
        if !self.put_address(interface, cidr, AddressState::Preferred, Origin::Static) {
            return Err(AdminError::TableFull);
        }
        self.start_claim(interface, address, now);
        self.arm_interface(interface);
        Ok(())
    }

    /// Others are asked about it before it is used (RFC 4862 5.4).
    fn add_address6(
        &mut self,
        interface: InterfaceId,
        address: Ipv6Addr,
        prefix: u8,
        now: Instant,
    ) -> Result<(), AdminError> {
        let cidr = Cidr6::new(address, prefix).map_err(|_| AdminError::BadAddress)?;
        // RFC 4291 2.6.1: the first of a subnet is all its routers'.
        let network = prefix < 127 && address == cidr.network().address();
        if !address.may_leave() || address.is_multicast() || prefix == 0 || network {
            return Err(AdminError::BadAddress);
        }
        let has_one = |other: &mut Interface| other.six.find(address).is_some();
        if self.interfaces.iter_mut().any(has_one) {
            return Err(AdminError::Exists);
        }
        let enabled = self.interfaces.get(interface.index());
        if !enabled.is_some_and(|it| it.six.enabled) {
            return Err(AdminError::AddressFamily);
        }
        if !self.put_address6(interface, cidr, Origin::Static, Lives::ENDLESS, 0) {
            return Err(AdminError::TableFull);
        }
        self.add_route_quietly(Route {
            network: cidr.network().address(),
            prefix,
            gateway: None,
            interface,
            metric: 0,
            origin: Origin::Static,
        });
        self.claim6(interface, address, now);
        self.fire_interface6(u32::from(interface.raw()), now);
        Ok(())
    }

    /// Removes an address; sockets bound to it get `AddressLost`.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_address(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        let gone = match address {
            IpAddr::V4(address) => {
                let gone = self.take_address(interface, address, now);
                self.arm_interface(interface);
                gone
            }
            IpAddr::V6(address) => {
                let gone = self.take_address6(interface, address, now);
                self.arm_interface6(interface);
                gone
            }
        };
        gone.then_some(()).ok_or(AdminError::NotFound)
    }

    /// Adds a route: through a gateway that is on a link, or, without one, to the link itself.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_route(
        &mut self,
        interface: InterfaceId,
        destination: IpAddr,
        prefix: u8,
        gateway: Option<IpAddr>,
        metric: u16,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        match (destination, gateway) {
            (IpAddr::V4(to), None) => {
                self.put_route::<Ipv4Addr>(interface, to, prefix, None, metric)
            }
            (IpAddr::V4(to), Some(IpAddr::V4(by))) => {
                self.put_route(interface, to, prefix, Some(by), metric)
            }
            (IpAddr::V6(to), None) => {
                self.put_route::<Ipv6Addr>(interface, to, prefix, None, metric)
            }
            (IpAddr::V6(to), Some(IpAddr::V6(by))) => {
                self.put_route(interface, to, prefix, Some(by), metric)
            }
            (IpAddr::V4(_), Some(IpAddr::V6(_))) | (IpAddr::V6(_), Some(IpAddr::V4(_))) => {
                Err(AdminError::AddressFamily)
            }
        }
    }

    fn put_route<A: Family>(
        &mut self,
        interface: InterfaceId,
        network: A,
        prefix: u8,
        gateway: Option<A>,
        metric: u16,
    ) -> Result<(), AdminError> {
        if prefix > A::WIDTH || network.group_mac().is_some() || network.is_inside() {
            return Err(AdminError::BadAddress);
        }
        // RFC 1122 3.3.1.2, RFC 4861 5.2: a gateway must be a neighbour.
        let entry = self.interfaces.get(interface.index());
        let entry = entry.ok_or(AdminError::NoInterface)?;
        let on_link = |gateway: A| gateway.is_beside(entry) && !gateway.is_of(entry);
        if gateway.is_some_and(|gateway| !on_link(gateway)) {
            return Err(AdminError::BadAddress);
        }
        let origin = Origin::Static;
        let added = self.net_mut::<A>().routes.add(Route {
            network,
            prefix,
            gateway,
            interface,
            metric,
            origin,
        });
        self.generation += 1;
        added.map_err(|refused| match refused {
            Refused::Full => AdminError::TableFull,
            Refused::Exists => AdminError::Exists,
        })
    }

    /// Removes the routes to a prefix on an interface.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_route(
        &mut self,
        interface: InterfaceId,
        destination: IpAddr,
        prefix: u8,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        let removed = match destination {
            IpAddr::V4(to) => self.drop_routes(interface, to, prefix),
            IpAddr::V6(to) => self.drop_routes(interface, to, prefix),
        };
        self.generation += 1;
        (removed > 0).then_some(()).ok_or(AdminError::NotFound)
    }

    fn drop_routes<A: Family>(&mut self, interface: InterfaceId, to: A, prefix: u8) -> usize {
        let network = to.network(prefix.min(A::WIDTH));
        self.net_mut::<A>().routes.remove(|route| {
            route.interface == interface && route.network == network && route.prefix == prefix
        })
    }

    /// Gives a neighbour's hardware address; it is never asked for.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_neighbour(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        mac: MacAddress,
        now: Instant,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        match address {
            IpAddr::V4(address) => self.set_neighbour(interface, address, mac, now),
            IpAddr::V6(address) => self.set_neighbour(interface, address, mac, now),
        }
    }

    fn set_neighbour<A: Family>(
        &mut self,
        interface: InterfaceId,
        address: A,
        mac: MacAddress,
        now: Instant,
    ) -> Result<(), AdminError> {
        if self.is_own(address) || address.group_mac().is_some() || !mac.is_station() {
            return Err(AdminError::BadAddress);
        }
        let neighbours = &mut self.net_mut::<A>().neighbours;
        let change = neighbours.set(interface, address, mac, now);
        self.apply::<A>(change.ok_or(AdminError::TableFull)?, now);
        self.generation += 1;
        Ok(())
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_neighbour(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        now: Instant,
    ) -> Result<(), AdminError> {
        self.named(interface)?;
        match address {
            IpAddr::V4(address) => self.drop_neighbour(interface, address, now),
            IpAddr::V6(address) => self.drop_neighbour(interface, address, now),
        }
    }

    fn drop_neighbour<A: Family>(
        &mut self,
        interface: InterfaceId,
        address: A,
        now: Instant,
    ) -> Result<(), AdminError> {
        let found = self.net::<A>().neighbours.index_of(interface, address);
        let index = found.ok_or(AdminError::NotFound)?;
        self.fail_waiters::<A>(index, now);
        self.timers.disarm(A::neighbour_timer(index));
        self.net_mut::<A>().neighbours.remove(index);
        self.generation += 1;
        Ok(())
    }

    /// An address is not ours any more: who speaks from it cannot go on (RFC 9293 3.9.2.3).
    pub(crate) fn address_lost<A: Family>(&mut self, address: A, now: Instant) {
        self.tcp_address_lost(address, now);
        for index in 0..u32::try_from(self.udp.sockets.limit()).unwrap_or(u32::MAX) {
            let side = self.udp.sockets.at(index).map(A::side);
            if side.is_some_and(|side| side.local == Some(address)) {
                self.udp_failed(index, SocketError::AddressLost);
            }
        }
    }

    /// Connections from this address are over.
    fn tcp_address_lost<A: Family>(&mut self, address: A, now: Instant) {
        let limit = self.tcp.tables.of::<A>().connections.limit();
        for index in 0..u32::try_from(limit).unwrap_or(u32::MAX) {
            let conn = self.tcp.tables.of::<A>().connections.at(index);
            if conn.is_some_and(|conn| conn.tuple.local == address && !conn.is(Fact::Over)) {
                self.tcp_abort::<A>(index, Some(SocketError::AddressLost), now);
            }
        }
    }
}
