//! Configuration by hand: addresses, routes, neighbours.
//!
//! *Owns* the checks. *Never* asks who may: the owner lets only those call that have the right.

use crate::error::AdminError;
use crate::hash::Address as _;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface::Medium;
use crate::route::{Refused, Route};
use crate::stack::Stack;
use crate::tcp::connection::Fact;
use crate::timers::Timer;
use ::tcp::Instant;
use core::net::{IpAddr, Ipv4Addr};
use wire::{Cidr4, MacAddress};

fn v4(address: IpAddr) -> Result<Ipv4Addr, AdminError> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(AdminError::AddressFamily),
    }
}

impl Stack {
    /// What is named by hand: an interface on a wire, and an address of the family that there is.
    fn named(&self, id: InterfaceId, address: IpAddr) -> Result<Ipv4Addr, AdminError> {
        let interface = self.interfaces.get(id.index());
        let found = interface.is_some_and(|interface| interface.medium == Medium::Ethernet);
        found.then_some(()).ok_or(AdminError::NoInterface)?;
        v4(address)
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
        let address = self.named(interface, address)?;
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
        let address = self.named(interface, address)?;
        let gone = self.take_address(interface, address, now);
        self.arm_interface(interface);
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
        let network = self.named(interface, destination)?;
        let gateway = gateway.map(v4).transpose()?;
        if prefix > 32 || network.is_multicast() || network.is_loopback() {
            return Err(AdminError::BadAddress);
        }
        // RFC 1122 3.3.1.2: a gateway must be a neighbour.
        let entry = self
            .interfaces
            .get(interface.index())
            .ok_or(AdminError::NoInterface)?;
        let on_link = |gateway: Ipv4Addr| {
            entry.usable().any(|own| own.cidr.contains(gateway)) && !entry.owns(gateway)
        };
        if gateway.is_some_and(|gateway| !on_link(gateway)) {
            return Err(AdminError::BadAddress);
        }
        let origin = Origin::Static;
        let added = self.nets.v4.routes.add(Route {
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
        let network = self.named(interface, destination)?;
        let network = network.network(prefix.min(32));
        let removed = self.nets.v4.routes.remove(|route| {
            route.interface == interface && route.network == network && route.prefix == prefix
        });
        self.generation += 1;
        (removed > 0).then_some(()).ok_or(AdminError::NotFound)
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
        let address = self.named(interface, address)?;
        let own = self.is_own(address);
        if own || address.is_multicast() || address.is_broadcast() || !mac.is_station() {
            return Err(AdminError::BadAddress);
        }
        let change = self.nets.v4.neighbours.set(interface, address, mac, now);
        self.apply::<Ipv4Addr>(change.ok_or(AdminError::TableFull)?, now);
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
        let address = self.named(interface, address)?;
        let found = self.nets.v4.neighbours.index_of(interface, address);
        let index = found.ok_or(AdminError::NotFound)?;
        self.fail_waiters::<Ipv4Addr>(index, now);
        self.timers.disarm(Timer::Neighbour(index));
        self.nets.v4.neighbours.remove(index);
        Ok(())
    }

    /// An address is not ours any more: who speaks from it cannot go on (RFC 9293 3.9.2.3).
    pub(crate) fn address_lost(&mut self, address: Ipv4Addr, now: Instant) {
        for index in 0..u32::try_from(self.tcp.connections.limit()).unwrap_or(u32::MAX) {
            let conn = self.tcp.connections.at(index);
            if conn.is_some_and(|conn| conn.tuple.local == address && !conn.is(Fact::Over)) {
                self.tcp_abort(index, Some(crate::error::SocketError::AddressLost), now);
            }
        }
        for index in 0..u32::try_from(self.udp.sockets.limit()).unwrap_or(u32::MAX) {
            let bound = self.udp.sockets.at(index).and_then(|socket| socket.local);
            if bound.is_some_and(|local| *local.ip() == address) {
                self.udp_failed(index, crate::error::SocketError::AddressLost);
            }
        }
    }
}
