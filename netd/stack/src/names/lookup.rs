//! Look-ups of clients.
//!
//! *Owns* who waits for which answer. *Invariant*: a look-up that was accepted is told of once, or
//! its client is gone.

use crate::actors::Actor;
use crate::config::{Config, DNS_PORT, NAME_SERVERS};
use crate::dns::multicast;
use crate::dns::{Answer, Ask, Kind, Limits, Lookup as Begun, Outcome, Refusal, Resolver};
use crate::error::{CancelError, ResolveError, SocketError};
use crate::event::{EventKind, Naming, RESOLUTION_ADDRESSES, Resolution, ResolutionOutcome};
use crate::id::{ClientId, Token};
use crate::names::search::Search;
use crate::names::transport::Transports;
use crate::publish::Telling;
use crate::request::{AddressKind, Lookup};
use crate::rng::Rng;
use crate::slab::Table;
use crate::stack::Stack;
use alloc::string::{String, ToString as _};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use tcp::Instant;
use wire::dns::Name;

/// A look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    client: ClientId,
    token: Token,
    kind: Kind,
    elsewhere: Elsewhere,
    answer: Option<EventKind>,
}

/// Where else a name is to be looked for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each look-up")]
pub(super) enum Elsewhere {
    Nowhere,
    /// In the domains that the network says.
    Domains(Search),
    /// The name of this address, on its link.
    Link(IpAddr),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// This server.
    Server(SocketAddr),
    /// Those that the network says.
    Servers,
    /// All hosts of the link.
    Link,
}

impl Whom {
    /// Who knows a name, if a person names nobody.
    fn knows(name: &str) -> Self {
        if multicast::is_of_link(name) {
            Self::Link
        } else {
            Self::Servers
        }
    }
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
        let whom = lookup.server.map_or(Whom::knows(lookup.name), Whom::Server);
        let mut search = match whom {
            Whom::Servers => Search::new(lookup.name),
            Whom::Server(_) | Whom::Link => None,
        };
        let candidate = search.as_mut().and_then(|it| self.next_candidate(it));
        let elsewhere = search.map_or(Elsewhere::Nowhere, Elsewhere::Domains);
        let (name, whom) = match candidate.as_deref() {
            Some(candidate) => (candidate, Whom::knows(candidate)),
            None => (lookup.name, whom),
        };
        self.look_up((client, token), (name, kind, whom), elsewhere, now)
    }

    /// Begins a look-up.
    pub(super) fn look_up(
        &mut self,
        (client, token): (ClientId, Token),
        (name, kind, whom): (&str, Kind, Whom),
        elsewhere: Elsewhere,
        now: Instant,
    ) -> Result<(), ResolveError> {
        let waiting = Waiting {
            client,
            token,
            kind,
            elsewhere,
            answer: None,
        };
        let owner = self
            .names
            .table
            .insert(waiting)
            .ok_or(ResolveError::TooMany)?;
        match self.begin_look_up(owner, (name, kind, whom), now) {
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
        (name, kind, whom): (&str, Kind, Whom),
        now: Instant,
    ) -> Result<Begun, Refusal> {
        let is_named = matches!(whom, Whom::Server(_));
        if !is_named && let Some(answer) = self.own_name(name, kind) {
            return Ok(Begun::Answered(answer));
        }
        let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
        let mut servers = [nobody; NAME_SERVERS];
        match whom {
            Whom::Server(server) => {
                let port = match server.port() {
                    0 => DNS_PORT,
                    port => port,
                };
                if let Some(place) = servers.first_mut() {
                    *place = SocketAddr::new(server.ip().to_canonical(), port);
                }
            }
            Whom::Link => {
                for (place, server) in servers.iter_mut().zip(multicast::ALL) {
                    *place = server;
                }
            }
            Whom::Servers => {
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
            // What servers have said of an address is not what its link says.
            is_cached: !is_named && (whom, kind) != (Whom::Link, Kind::Ptr),
        };
        self.names.resolver.resolve(&ask, now)
    }

    /// A look-up is over, unless the name may be elsewhere too; [`Stack::run_names`] then asks.
    pub(crate) fn answered(&mut self, owner: u32, answer: &Answer, took: Duration, now: Instant) {
        let mut answer = *answer;
        while let Some((name, kind, whom)) = self.look_elsewhere(owner, &answer.outcome) {
            match self.begin_look_up(owner, (&name, kind, whom), now) {
                Ok(Begun::Answered(known)) => answer = known,
                Ok(Begun::Waiting) => return,
                Err(_) => break,
            }
        }
        let is_of_address = |it: &Waiting| it.kind == Kind::Ptr;
        let told = match self.names.table.at(owner).is_some_and(is_of_address) {
            true => EventKind::Named(naming(&answer, took)),
            false => EventKind::Resolved(resolution(&answer, took)),
        };
        self.look_up_ends(owner, told);
    }

    /// Under which name a look-up goes on, and who is asked.
    fn look_elsewhere(&mut self, owner: u32, outcome: &Outcome) -> Option<(String, Kind, Whom)> {
        let waiting = *self.names.table.at(owner)?;
        let is_missing = match outcome {
            Outcome::NoSuchName | Outcome::NoData => true,
            // Of what is on the link servers need not know, nor be there at all.
            Outcome::TimedOut | Outcome::ServerFailed => waiting.kind == Kind::Ptr,
            Outcome::Addresses(_) | Outcome::Name(_) => false,
        };
        if !is_missing {
            return None;
        }
        let (next, elsewhere) = match waiting.elsewhere {
            Elsewhere::Nowhere => return None,
            Elsewhere::Domains(mut search) => {
                let candidate = self.next_candidate(&mut search);
                let next = candidate.map(|name| {
                    let whom = Whom::knows(&name);
                    (name, waiting.kind, whom)
                });
                (next, Elsewhere::Domains(search))
            }
            Elsewhere::Link(address) => {
                let name = Name::of_address(address).to_string();
                let next = (name, waiting.kind, Whom::Link);
                (Some(next), Elsewhere::Nowhere)
            }
        };
        if let Some(place) = self.names.table.at_mut(owner) {
            place.elsewhere = match next {
                Some(_) => elsewhere,
                None => Elsewhere::Nowhere,
            };
        }
        next
    }

    fn look_up_ends(&mut self, owner: u32, answer: EventKind) {
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
        let told = telling.tell(None, waiting.token, answer);
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
        let kind = self.names.table.at(index).map(|waiting| waiting.kind);
        let outcome = ResolutionOutcome::Cancelled;
        let told = match kind {
            Some(Kind::Ptr) => EventKind::Named(Naming::ended(outcome)),
            _ => EventKind::Resolved(ended(outcome)),
        };
        self.look_up_ends(index, told);
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
        other => without_data(other),
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

/// What is told of the name of an address.
fn naming(answer: &Answer, took: Duration) -> Naming {
    let mut naming = Naming {
        ttl: answer.ttl,
        server: answer.server,
        aliases: answer.aliases,
        took,
        ..Naming::ended(without_data(&answer.outcome))
    };
    if let Outcome::Name(name) = &answer.outcome {
        naming.put(name);
    }
    naming
}

/// How a look-up ended that has found nothing; what was found of another kind is nothing.
fn without_data(outcome: &Outcome) -> ResolutionOutcome {
    match outcome {
        Outcome::NoData | Outcome::Addresses(_) | Outcome::Name(_) => ResolutionOutcome::NoData,
        Outcome::NoSuchName => ResolutionOutcome::NoSuchName,
        Outcome::TimedOut => ResolutionOutcome::TimedOut,
        Outcome::ServerFailed => ResolutionOutcome::ServerFailed,
    }
}
