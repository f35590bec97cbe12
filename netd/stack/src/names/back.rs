//! The way back: names of addresses.
//!
//! *Owns* who knows the name of an address: the host itself, the servers, or the address's link.
//!
//! Spec: RFC 1035 section 3.5, RFC 3596 section 2.5; RFC 6762 section 4 (addresses of the link).

use super::lookup::{Elsewhere, Whom};
use crate::dns::Kind;
use crate::error::ResolveError;
use crate::family::Family;
use crate::id::{ClientId, Token};
use crate::interface::Interface;
use crate::stack::Stack;
use alloc::string::ToString as _;
use core::net::{IpAddr, SocketAddr};
use tcp::Instant;
use wire::dns::Name;

impl Stack {
    /// Looks up the name of an address. Completes with `Named`. Link-local addresses are asked for on the
    /// link; those of neighbours too, when no server knows them. Whoever names a server wants to know what
    /// that one says.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn name_of(
        &mut self,
        client: ClientId,
        (address, server): (IpAddr, Option<SocketAddr>),
        token: Token,
        now: Instant,
    ) -> Result<(), ResolveError> {
        self.clients.get(client).ok_or(ResolveError::BadClient)?;
        let address = address.to_canonical();
        let is_of_link = is_link_local(address);
        let (whom, elsewhere) = match server {
            Some(server) => (Whom::Server(server), Elsewhere::Nowhere),
            None if is_of_link => (Whom::Link, Elsewhere::Nowhere),
            None if !self.is_neighbour(address) => (Whom::Servers, Elsewhere::Nowhere),
            None if self.name_servers().next().is_none() => (Whom::Link, Elsewhere::Nowhere),
            None => (Whom::Servers, Elsewhere::Link(address)),
        };
        let name = Name::of_address(address).to_string();
        self.look_up((client, token), (&name, Kind::Ptr, whom), elsewhere, now)
    }

    /// Whether an address is on one of the links.
    fn is_neighbour(&self, address: IpAddr) -> bool {
        let is_beside = |interface: &Interface| match address {
            IpAddr::V4(address) => address.is_beside(interface),
            IpAddr::V6(address) => address.is_beside(interface),
        };
        self.interfaces.iter().any(is_beside)
    }
}

/// RFC 6762 section 4.
const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
