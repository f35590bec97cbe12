//! Look-ups of clients.
//!
//! *Owns* who waits for which answer. *Invariant*: a look-up that was accepted is told of once, or
//! its client is gone.

use crate::actors::Actor;
use crate::config::{Config, DNS_PORT, NAME_SERVERS};
use crate::dns::multicast;
use crate::dns::{Answer, Ask, Kind, Limits, Lookup as Begun, Outcome, Refusal, Resolver};
use crate::error::{CancelError, ResolveError, SocketError};
use crate::event::{EventKind, RESOLUTION_ADDRESSES, Resolution, ResolutionOutcome};
use crate::id::{ClientId, Token};
use crate::names::search::Search;
use crate::names::transport::Transports;
use crate::publish::Telling;
use crate::request::{AddressKind, Lookup};
use crate::rng::Rng;
use crate::slab::Table;
use crate::stack::Stack;
use alloc::string::String;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use tcp::Instant;

/// A look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    client: ClientId,
    token: Token,
    kind: Kind,
    /// Where else the name is to be looked for.
    search: Option<Search>,
    answer: Option<Resolution>,
}

/// All look-ups, the resolver, and what carries its questions.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) table: Table<Waiting>,
    pub(crate) resolver: Resolver,
    pub(crate) transports: Transports,
}

impl Names {
    pub(crate) fn new(config: &Config, rng: &mut Rng) -> Self {
        let limits = Limits {
            lookups: config.resolutions,
            cache: config.dns_cache,
        };
        Self {
            table: Table::new(config.resolutions.into()),
            resolver: Resolver::new(limits, rng),
            transports: Transports::new(config.resolutions),
        }
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
        now: Instant,
    ) -> Result<(), ResolveError> {
        self.clients.get(client).ok_or(ResolveError::BadClient)?;
        let kind = match lookup.kind {
            AddressKind::V4 => Kind::A,
            AddressKind::V6 => Kind::Aaaa,
        };
        // Who names a server wants to know what that one says of just this name; and what the link
        // knows is nowhere else.
        let mut search = match lookup.server {
            None if !multicast::is_of_link(lookup.name) => Search::new(lookup.name),
            _ => None,
        };
        let candidate = search.as_mut().and_then(|it| self.next_candidate(it));
        let waiting = Waiting {
            client,
            token,
            kind,
            search,
            answer: None,
        };
        let owner = self
            .names
            .table
            .insert(waiting)
            .ok_or(ResolveError::TooMany)?;
        let name = candidate.as_deref().unwrap_or(lookup.name);
        match self.begin_look_up(owner, name, kind, lookup.server, now) {
            Ok(Begun::Answered(answer)) => {
                self.answered(owner, &answer, Duration::ZERO, now);
            }
            Ok(Begun::Waiting) => {}
            Err(refusal) => {
                self.names.table.remove_at(owner);
                return Err(match refusal {
                    Refusal::BadName => ResolveError::BadName,
                    Refusal::NoServer => ResolveError::NoServer,
                    Refusal::TooMany => ResolveError::TooMany,
                });
            }
        }
        self.run_names(now);
        Ok(())
    }

    /// Asks the servers for a name: this one, or those that the network says.
    fn begin_look_up(
        &mut self,
        owner: u32,
        name: &str,
        kind: Kind,
        server: Option<SocketAddr>,
        now: Instant,
    ) -> Result<Begun, Refusal> {
        if server.is_none()
            && let Some(answer) = self.own_name(name, kind)
        {
            return Ok(Begun::Answered(answer));
        }
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let mut servers = [nobody; NAME_SERVERS];
        match server {
            Some(server) => {
                let port = match server.port() {
                    0 => DNS_PORT,
                    port => port,
                };
                if let Some(place) = servers.first_mut() {
                    *place = SocketAddr::new(server.ip().to_canonical(), port);
                }
            }
            None if multicast::is_of_link(name) => {
                for (place, server) in servers.iter_mut().zip(multicast::ALL) {
                    *place = server;
                }
            }
            None => {
                for (place, server) in servers.iter_mut().zip(self.name_servers()) {
                    *place = server;
                }
            }
        }
        let ask = Ask {
            owner,
            name,
            kind,
            servers: &servers,
            is_cached: server.is_none(),
        };
        self.names.resolver.resolve(&ask, now)
    }

    /// A look-up is over, unless the name may be elsewhere too; [`Stack::run_names`] then asks.
    pub(crate) fn answered(&mut self, owner: u32, answer: &Answer, took: Duration, now: Instant) {
        let mut answer = *answer;
        while matches!(answer.outcome, Outcome::NoSuchName | Outcome::NoData)
            && let Some((name, kind)) = self.look_elsewhere(owner)
        {
            match self.begin_look_up(owner, &name, kind, None, now) {
                Ok(Begun::Answered(known)) => answer = known,
                Ok(Begun::Waiting) => return,
                Err(_) => break,
            }
        }
        self.look_up_ends(owner, resolution(&answer, took));
    }

    /// Under which name a look-up goes on.
    fn look_elsewhere(&mut self, owner: u32) -> Option<(String, Kind)> {
        let mut waiting = *self.names.table.at(owner)?;
        let candidate = self.next_candidate(waiting.search.as_mut()?);
        if let Some(place) = self.names.table.at_mut(owner) {
            place.search = waiting.search.filter(|_| candidate.is_some());
        }
        Some((candidate?, waiting.kind))
    }

    fn look_up_ends(&mut self, owner: u32, answer: Resolution) {
        if let Some(waiting) = self.names.table.at_mut(owner) {
            waiting.answer = Some(answer);
            let client = waiting.client;
            self.tell(client, Actor::Lookup(owner));
        }
    }

    /// Tells what was found.
    pub(crate) fn lookup_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(waiting) = self.names.table.at(index) else {
            return true;
        };
        let Some(answer) = waiting.answer else {
            return true;
        };
        let told = telling.tell(None, waiting.token, EventKind::Resolved(answer));
        if told {
            self.names.table.remove_at(index);
        }
        told
    }

    /// Forgets a client's look-ups.
    pub(crate) fn lookups_forget(&mut self, client: ClientId, now: Instant) {
        for index in 0..u32::try_from(self.names.table.limit()).unwrap_or(u32::MAX) {
            if self
                .names
                .table
                .at(index)
                .is_some_and(|waiting| waiting.client == client)
            {
                self.names.resolver.cancel(index);
                self.names.table.remove_at(index);
            }
        }
        self.run_names(now);
    }

    /// Takes back a ping, look-up or look-out.
    pub(crate) fn cancel_unbound(
        &mut self,
        client: ClientId,
        token: Token,
    ) -> Result<(), CancelError> {
        let ping = self.pings.table.iter().find(|(_, ping)| {
            ping.client == client && ping.token == token && ping.answer.is_none()
        });
        if let Some((index, _)) = ping {
            self.ping_failed(index, None, SocketError::Cancelled);
            return Ok(());
        }
        let lookup = self.names.table.iter().find(|(_, waiting)| {
            waiting.client == client && waiting.token == token && waiting.answer.is_none()
        });
        let Some((index, _)) = lookup else {
            return self
                .cancel_browse(client, token)
                .ok_or(CancelError::NotFound);
        };
        self.names.resolver.cancel(index);
        self.look_up_ends(index, ended(ResolutionOutcome::Cancelled));
        Ok(())
    }

    /// Answers that are remembered, good or not.
    pub(crate) fn names_cached(&self) -> u32 {
        u32::try_from(self.names.resolver.cache_len(Instant::ZERO)).unwrap_or(u32::MAX)
    }
}

fn ended(outcome: ResolutionOutcome) -> Resolution {
    Resolution {
        outcome,
        addresses: [None; RESOLUTION_ADDRESSES],
        ttl: 0,
        server: None,
        aliases: 0,
        took: Duration::ZERO,
    }
}

fn resolution(answer: &Answer, took: Duration) -> Resolution {
    let mut addresses = [None; RESOLUTION_ADDRESSES];
    let outcome = match &answer.outcome {
        Outcome::Addresses(found) => {
            for (place, address) in addresses.iter_mut().zip(found.as_slice()) {
                *place = Some(*address);
            }
            ResolutionOutcome::Found
        }
        Outcome::NoData => ResolutionOutcome::NoData,
        Outcome::NoSuchName => ResolutionOutcome::NoSuchName,
        Outcome::TimedOut => ResolutionOutcome::TimedOut,
        Outcome::ServerFailed => ResolutionOutcome::ServerFailed,
    };
    Resolution {
        addresses,
        ttl: answer.ttl,
        server: answer.server,
        aliases: answer.aliases,
        took,
        ..ended(outcome)
    }
}
