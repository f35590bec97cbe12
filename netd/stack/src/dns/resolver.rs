//! All questions under way, and those who wait for their answers.
//!
//! *Invariants*: a question is in `active` as long as it has a transport or somebody waits for
//! it; a question with work to do has its turn in every round of [`Resolver::poll`].

use super::answer::{Answer, Extent, Kind};
use super::cache::Cache;
use super::health::Health;
use super::local::{Known, look};
use super::query::{Next, Query, Servers, Transport};
use crate::Instant;
use crate::rng::Rng;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use wire::Drop;

/// TCP exchanges at a time.
const TCP_BUFFERS: usize = 4;
/// Of an answer over TCP so much is read; what comes behind is not needed for a few addresses.
const TCP_ANSWER: usize = 4096;
/// The length in front of a message over TCP (RFC 1035 section 4.2.2).
const TCP_PREFIX: usize = 2;

/// How much a resolver may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Lookups at a time.
    pub(crate) lookups: u16,
    /// Answers remembered.
    pub(crate) cache: u16,
}

/// A lookup.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'a> {
    /// Comes back in [`Work::Done`]; one lookup at a time for each.
    pub(crate) owner: u32,
    /// The name as a person writes it; an address is answered at once.
    pub(crate) name: &'a str,
    /// What is wanted.
    pub(crate) kind: Kind,
    /// Who is asked, the preferred server first; more than four do not count.
    pub(crate) servers: &'a [SocketAddr],
    /// The configured servers are asked, so that the cache may answer for them. A person who
    /// names a server wants that server's answer.
    pub(crate) is_cached: bool,
}

/// What became of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each answer")]
pub(crate) enum Lookup {
    /// It was known.
    Answered(Answer),
    /// [`Work::Done`] will follow.
    Waiting,
}

/// Why a lookup was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The text is no name.
    BadName,
    /// There is nobody to ask.
    NoServer,
    /// As many lookups wait as may wait.
    TooMany,
}

/// A question under way. Stays the same from its first [`Work`] until the last
/// [`Work::CloseTransport`] after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueryId(pub(crate) u16);

/// What the stack is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each answer")]
pub(crate) enum Work {
    /// Open a new random port for the question, write it by [`Resolver::emit`] and send it.
    SendUdp {
        /// The question.
        query: QueryId,
        /// The only one from whom datagrams to that port are taken.
        server: SocketAddr,
    },
    /// Open a connection for the question; once it stands, send what [`Resolver::emit`] writes.
    OpenTcp {
        /// The question.
        query: QueryId,
        /// To whom.
        server: SocketAddr,
    },
    /// Close the question's port or connection.
    CloseTransport {
        /// The question.
        query: QueryId,
    },
    /// A lookup is over.
    Done {
        /// Whose it was.
        owner: u32,
        /// How it ended.
        answer: Answer,
        /// How long it took.
        took: Duration,
    },
}

/// Somebody who waits.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    owner: u32,
    query: u16,
    since: Instant,
}

/// An answer that arrives over TCP, its length in front.
#[derive(Debug)]
struct Buffer {
    bytes: [u8; TCP_PREFIX + TCP_ANSWER],
    len: usize,
    is_taken: bool,
}

/// The resolver.
#[derive(Debug)]
pub(crate) struct Resolver {
    queries: Vec<Option<Query>>,
    /// The places of questions under way, in no order, and the one whose turn it is.
    active: Vec<u16>,
    turn: usize,
    waiters: Vec<Waiter>,
    most_waiters: usize,
    buffers: Vec<Buffer>,
    cache: Cache,
    health: Health,
}

impl Resolver {
    /// A resolver of the given size; this is the only time it allocates.
    pub(crate) fn new(limits: Limits, rng: &mut Rng) -> Self {
        let lookups = usize::from(limits.lookups);
        let buffer = |_| Buffer {
            bytes: [0; TCP_PREFIX + TCP_ANSWER],
            len: 0,
            is_taken: false,
        };
        Self {
            queries: alloc::vec![None; lookups],
            active: Vec::with_capacity(lookups),
            turn: 0,
            waiters: Vec::with_capacity(lookups),
            most_waiters: lookups,
            buffers: (0..TCP_BUFFERS).map(buffer).collect(),
            cache: Cache::new(limits.cache, rng),
            health: Health::default(),
        }
    }

    /// Begins a lookup.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub(crate) fn resolve(&mut self, ask: &Ask<'_>, now: Instant) -> Result<Lookup, Refusal> {
        let name = match look(ask.name, ask.kind).map_err(|_| Refusal::BadName)? {
            Known::Answer(answer) => return Ok(Lookup::Answered(answer)),
            Known::Ask(name) => name,
        };
        if ask.is_cached
            && let Some(answer) = self.cache.get(&name, ask.kind, now)
        {
            return Ok(Lookup::Answered(answer));
        }
        let is_known = |server: &&SocketAddr| !server.ip().is_unspecified();
        let servers: Servers = ask.servers.iter().filter(is_known).copied().collect();
        if servers.is_empty() {
            return Err(Refusal::NoServer);
        }
        if self.waiters.len() >= self.most_waiters {
            return Err(Refusal::TooMany);
        }
        let is_same = |query: &Query| query.is_same(&name, ask.kind, &servers, ask.is_cached);
        let same = self
            .active
            .iter()
            .copied()
            .find(|place| self.query(*place).is_some_and(is_same));
        let query = match same {
            Some(query) => query,
            None => {
                let mut query = Query::new(name, ask.kind, servers, ask.is_cached, now);
                query.advance(&self.health, now);
                self.admit(query).ok_or(Refusal::TooMany)?
            }
        };
        self.waiters.push(Waiter {
            owner: ask.owner,
            query,
            since: now,
        });
        Ok(Lookup::Waiting)
    }

    /// Ends the lookup of this owner without an answer; [`Resolver::poll`] then cleans up.
    pub(crate) fn cancel(&mut self, owner: u32) {
        self.waiters.retain(|waiter| waiter.owner != owner);
    }

    /// The next thing to do; to be called until there is nothing.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Work> {
        for _ in 0..self.active.len() {
            // A question that is over is taken out, which changes the number of places.
            self.turn = self.turn.checked_rem(self.active.len()).unwrap_or(0);
            let place = self.active.get(self.turn).copied()?;
            if let Some(work) = self.work_for(place, now) {
                return Some(work);
            }
            self.turn = self.turn.saturating_add(1);
        }
        None
    }

    fn work_for(&mut self, place: u16, now: Instant) -> Option<Work> {
        let waiter = self.waiters.iter().position(|waiter| waiter.query == place);
        let query = self.queries.get_mut(usize::from(place))?.as_mut()?;
        let id = QueryId(place);
        // What is open is closed before anything else happens to the question.
        if query.transport != Transport::None && (query.next != Next::Nothing || waiter.is_none()) {
            if let Transport::Tcp(buffer) = query.transport
                && let Some(buffer) = self.buffers.get_mut(usize::from(buffer))
            {
                buffer.is_taken = false;
            }
            query.transport = Transport::None;
            return Some(Work::CloseTransport { query: id });
        }
        let Some(waiter) = waiter else {
            self.remove(place);
            return None;
        };
        match query.next {
            Next::Nothing => None,
            Next::AskUdp => {
                query.asked_udp(now);
                Some(Work::SendUdp {
                    query: id,
                    server: query.server(),
                })
            }
            Next::AskTcp => {
                let free = self.buffers.iter().position(|buffer| !buffer.is_taken);
                let number = free.and_then(|free| u8::try_from(free).ok());
                let buffer = free.and_then(|free| self.buffers.get_mut(free));
                let (Some(number), Some(buffer)) = (number, buffer) else {
                    query.wait_for_buffer(now);
                    return None;
                };
                (buffer.is_taken, buffer.len) = (true, 0);
                query.asked_tcp(number, now);
                Some(Work::OpenTcp {
                    query: id,
                    server: query.server(),
                })
            }
            Next::Tell(answer) => {
                let (name, kind, is_cached) = (query.name, query.kind, query.is_cached);
                let waiter = self.waiters.swap_remove(waiter);
                // The first of those who wait sees to it that nobody asks again.
                if is_cached && answer.server.is_some() {
                    self.cache.put(name, kind, answer, now);
                }
                let took = now.since(waiter.since);
                Some(Work::Done {
                    owner: waiter.owner,
                    answer,
                    took,
                })
            }
        }
    }

    /// Writes the question as its transport wants it.
    pub(crate) fn emit(
        &mut self,
        QueryId(place): QueryId,
        rng: &mut Rng,
        into: &mut [u8],
    ) -> Option<usize> {
        let query = self.queries.get_mut(usize::from(place))?.as_mut()?;
        match query.transport {
            Transport::None => None,
            Transport::Udp => query.emit(rng, into).ok(),
            Transport::Tcp(_) => {
                let (prefix, message) = into.split_first_chunk_mut::<TCP_PREFIX>()?;
                let len = query.emit(rng, message).ok()?;
                *prefix = u16::try_from(len).ok()?.to_be_bytes();
                len.checked_add(TCP_PREFIX)
            }
        }
    }

    /// A datagram came to the question's port.
    ///
    /// # Errors
    /// [`Drop::DnsUnexpected`] for what is no answer to the question, and the reasons of malformed
    /// messages. The question goes on waiting (RFC 5452 section 9.1).
    pub(crate) fn udp_input(
        &mut self,
        query: QueryId,
        from: SocketAddr,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        match Self::waiting(&mut self.queries, query) {
            Some(query) if query.transport == Transport::Udp && query.may_answer(from) => {
                query.input(payload, Extent::Whole, &mut self.health, now)
            }
            _ => Err(Drop::DnsUnexpected),
        }
    }

    /// Whether the question is one to all hosts of the link: only they may answer.
    pub(crate) fn asks_link(&self, QueryId(place): QueryId) -> bool {
        self.query(place).is_some_and(Query::asks_link)
    }

    /// Bytes came over the question's connection.
    ///
    /// # Errors
    /// The reason for which what came is no answer; the next server is asked then.
    pub(crate) fn tcp_input(
        &mut self,
        query: QueryId,
        bytes: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        let Some(query) = Self::waiting(&mut self.queries, query) else {
            return Err(Drop::DnsUnexpected);
        };
        let Transport::Tcp(number) = query.transport else {
            return Err(Drop::DnsUnexpected);
        };
        let buffer = self
            .buffers
            .get_mut(usize::from(number))
            .ok_or(Drop::DnsUnexpected)?;
        let Some((message, extent)) = buffer.take(bytes) else {
            return Ok(());
        };
        let result = query.input(message, extent, &mut self.health, now);
        if result.is_err() {
            query.server_failed(&self.health, now);
        }
        result
    }

    /// The question did not get through, for now: no route, a neighbour that does not answer, a
    /// router that says so.
    pub(crate) fn unreachable(&mut self, query: QueryId, now: Instant) {
        if let Some(query) = Self::waiting(&mut self.queries, query) {
            query.undelivered(&mut self.health, now);
        }
    }

    /// The server does not speak DNS: its port is closed, or the question's connection was refused
    /// or has ended.
    pub(crate) fn refused(&mut self, query: QueryId, now: Instant) {
        if let Some(query) = Self::waiting(&mut self.queries, query) {
            self.health.failed(query.server(), now);
            query.server_failed(&self.health, now);
        }
    }

    /// The question, if it is on its way and unanswered.
    fn waiting(queries: &mut [Option<Query>], QueryId(place): QueryId) -> Option<&mut Query> {
        let query = queries.get_mut(usize::from(place))?.as_mut()?;
        let is_waiting = query.transport != Transport::None && query.next == Next::Nothing;
        is_waiting.then_some(query)
    }

    /// Gives up the attempts whose time is over.
    pub(crate) fn fire(&mut self, now: Instant) {
        for place in &self.active {
            if let Some(Some(query)) = self.queries.get_mut(usize::from(*place))
                && query.wake <= now
            {
                query.fire(&mut self.health, now);
            }
        }
    }

    /// When [`Resolver::fire`] wants to be called.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let deadlines = self
            .active
            .iter()
            .filter_map(|place| Some(self.query(*place)?.wake));
        deadlines
            .min()
            .filter(|deadline| *deadline != Instant::FAR_FUTURE)
    }

    /// Answers in the cache that are still good.
    pub(crate) fn cache_len(&self, now: Instant) -> usize {
        self.cache.len(now)
    }

    /// Forgets all answers: the servers have changed.
    pub(crate) fn flush(&mut self) {
        self.cache.flush();
        self.health = Health::default();
    }

    fn query(&self, place: u16) -> Option<&Query> {
        self.queries.get(usize::from(place))?.as_ref()
    }

    fn admit(&mut self, query: Query) -> Option<u16> {
        let place = self.queries.iter().position(Option::is_none)?;
        let number = u16::try_from(place).ok()?;
        *self.queries.get_mut(place)? = Some(query);
        self.active.push(number);
        Some(number)
    }

    fn remove(&mut self, place: u16) {
        if let Some(slot) = self.queries.get_mut(usize::from(place)) {
            *slot = None;
        }
        self.active.retain(|active| *active != place);
    }
}

impl Buffer {
    /// Adds bytes; gives the message once it is whole, or as much of it as fits.
    fn take(&mut self, bytes: &[u8]) -> Option<(&[u8], Extent)> {
        let room = self.bytes.get_mut(self.len..)?;
        let taken = room.len().min(bytes.len());
        room.get_mut(..taken)?.copy_from_slice(bytes.get(..taken)?);
        self.len = self.len.saturating_add(taken);
        let arrived = self.bytes.get(..self.len)?;
        let (prefix, message) = arrived.split_first_chunk::<TCP_PREFIX>()?;
        let announced = usize::from(u16::from_be_bytes(*prefix));
        match message.get(..announced) {
            Some(message) => Some((message, Extent::Whole)),
            None if message.len() == TCP_ANSWER => Some((message, Extent::Cut)),
            None => None,
        }
    }
}
