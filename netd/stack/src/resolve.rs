//! Names of clients: look-ups that wait, and what carries their questions.
//!
//! *Owns* the look-ups and the ports of their questions. *Never* reads a DNS message: that is
//! `dns`'s. Every question leaves from a random port of its own (RFC 5452 section 9.2).

use crate::actors::Actor;
use crate::config::Config;
use crate::error::{CancelError, ResolveError, SocketError};
use crate::event::{EventKind, RESOLUTION_ADDRESSES, Resolution, ResolutionOutcome};
use crate::id::{ClientId, Token};
use crate::publish::Telling;
use crate::request::{AddressKind, Lookup};
use crate::slab::Slab;
use crate::stack::Stack;
use core::net::{IpAddr, SocketAddrV4};
use core::time::Duration;
use ::tcp::Instant;
use wire::Drop;

/// A look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    client: ClientId,
    token: Token,
    answer: Option<Resolution>,
}

/// All look-ups.
#[derive(Debug)]
pub(crate) struct Names {
    table: Slab<Waiting>,
}

impl Names {
    pub(crate) fn new(config: &Config) -> Self {
        Self { table: Slab::new(config.resolutions.into()) }
    }
}

impl Stack {
    /// Looks up the addresses of a name. Completes with `Resolved`.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(
        &mut self,
        client: ClientId,
        lookup: Lookup<'_>,
        token: Token,
        _now: Instant,
    ) -> Result<(), ResolveError> {
        self.clients.get(client).ok_or(ResolveError::BadClient)?;
        let literal = lookup.name.parse::<IpAddr>().map_err(|_| ResolveError::NoServer)?;
        let waiting = Waiting { client, token, answer: Some(of_literal(literal, lookup.kind)) };
        let key = self.names.table.insert(waiting).map_err(|_| ResolveError::TooMany)?;
        let index = self.names.table.index(key);
        self.tell(client, Actor::Lookup(index));
        Ok(())
    }

    /// Tells what was found.
    pub(crate) fn lookup_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(waiting) = self.names.table.at(index) else { return true };
        let Some(answer) = waiting.answer else { return true };
        let told = telling.tell(None, waiting.token, EventKind::Resolved(answer));
        if told {
            self.names.table.remove_at(index);
        }
        told
    }

    /// Forgets a client's look-ups.
    pub(crate) fn lookups_forget(&mut self, client: ClientId) {
        for index in 0..u32::try_from(self.names.table.limit()).unwrap_or(u32::MAX) {
            if self.names.table.at(index).is_some_and(|waiting| waiting.client == client) {
                self.names.table.remove_at(index);
            }
        }
    }

    /// Takes back a ping or look-up.
    pub(crate) fn cancel_unbound(
        &mut self,
        client: ClientId,
        token: Token,
    ) -> Result<(), CancelError> {
        let found = self.pings.table.iter().find(|(_, ping)| {
            ping.client == client && ping.token == token && ping.answer.is_none()
        });
        let Some((key, _)) = found else { return Err(CancelError::NotFound) };
        let index = self.pings.table.index(key);
        self.ping_failed(index, None, SocketError::Cancelled);
        Ok(())
    }

    pub(crate) fn names_cached(&self) -> u32 {
        0
    }

    pub(crate) fn fire_names(&mut self, _now: Instant) {}

    pub(crate) fn query_failed(&mut self, _query: u16) {}

    pub(crate) fn dns_input(
        &mut self,
        _query: u16,
        _from: SocketAddrV4,
        _payload: &[u8],
        _now: Instant,
    ) -> Result<(), Drop> {
        Err(Drop::DnsUnexpected)
    }

    pub(crate) fn dns_error(&mut self, _query: u16, _remote: SocketAddrV4, _now: Instant) -> bool {
        false
    }
}

/// The answer for a name that is an address.
fn of_literal(address: IpAddr, kind: AddressKind) -> Resolution {
    let matches = match kind {
        AddressKind::V4 => address.is_ipv4(),
        AddressKind::V6 => address.is_ipv6(),
    };
    let mut addresses = [None; RESOLUTION_ADDRESSES];
    if let Some(place) = addresses.first_mut().filter(|_| matches) {
        *place = Some(address);
    }
    let outcome = if matches { ResolutionOutcome::Found } else { ResolutionOutcome::NoData };
    Resolution { outcome, addresses, ttl: 0, server: None, aliases: 0, took: Duration::ZERO }
}
