//! What carries the resolver's questions: a datagram from a random port of its own for each try (RFC
//! 5452 section 9.2), or a connection of our own TCP (RFC 7766).
//!
//! *Owns* the ports, the connections, and the few buffers that answers over TCP come into: the
//! resolver is its own client, with its own memory.

use crate::bindings;
use crate::config::INLINE_PAYLOAD;
use crate::demux::Target;
use crate::dns::{QueryId, Work};
use crate::family::Family;
use crate::hash::Tuple;
use crate::id::Token;
use crate::ip::out::USUAL_HOPS;
use crate::names::lookup::Names;
use crate::nodes::Chain;
use crate::options::SocketOptions;
use crate::packets::Owner;
use crate::requests::{Send, Source, To, low};
use crate::stack::Stack;
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::timers::Timer;
use crate::udp::socket::Holder as PortHolder;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU16;
use tcp::{Connection, Events, Instant, Outcome};
use wire::Drop;
use wire::udp;

/// Connections at a time: as many as the resolver has buffers.
const CONNECTIONS: usize = 4;
/// Room for an answer over TCP, its length in front.
const ROOM: usize = 4_096 + 2;
/// Longest question with its length in front: name, EDNS and headers.
const QUESTION: usize = 512;

/// What carries a question at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Nothing.
    None,
    /// A port.
    Udp { port: u16 },
    /// A connection, at this index, with this buffer.
    Tcp { connection: u32, buffer: usize },
    /// The same over IPv6.
    Tcp6 { connection: u32, buffer: usize },
}

#[derive(Debug)]
struct Buffer {
    bytes: Box<[u8]>,
    taken: bool,
}

/// All transports, by the question's number.
#[derive(Debug)]
pub(crate) struct Transports {
    of_query: Vec<Transport>,
    buffers: Vec<Buffer>,
}

impl Transports {
    pub(crate) fn new(queries: u16) -> Self {
        let buffer = |_| Buffer {
            bytes: vec![0; ROOM].into_boxed_slice(),
            taken: false,
        };
        Self {
            of_query: vec![Transport::None; queries.into()],
            buffers: (0..CONNECTIONS).map(buffer).collect(),
        }
    }

    fn get(&self, query: u16) -> Transport {
        self.of_query
            .get(usize::from(query))
            .copied()
            .unwrap_or(Transport::None)
    }

    fn set(&mut self, query: u16, transport: Transport) {
        if let Some(place) = self.of_query.get_mut(usize::from(query)) {
            *place = transport;
        }
    }

    fn buffer(&mut self, query: u16) -> Option<&mut Buffer> {
        match self.get(query) {
            Transport::Tcp { buffer, .. } | Transport::Tcp6 { buffer, .. } => {
                self.buffers.get_mut(buffer)
            }
            Transport::None | Transport::Udp { .. } => None,
        }
    }

    /// Nobody has the buffer any more.
    fn give_back(&mut self, buffer: usize) {
        if let Some(buffer) = self.buffers.get_mut(buffer) {
            buffer.taken = false;
        }
    }

    /// Puts received bytes in their place: `stream_offset` bytes behind the first.
    pub(crate) fn place(&mut self, query: u16, stream_offset: u64, bytes: &[u8]) -> Option<()> {
        let at = usize::try_from(stream_offset).ok()?;
        let room = self
            .buffer(query)?
            .bytes
            .get_mut(at..at.checked_add(bytes.len())?)?;
        room.copy_from_slice(bytes);
        Some(())
    }
}

impl Stack {
    /// Does what the resolver wants done, until it wants nothing.
    pub(crate) fn run_names(&mut self, now: Instant) {
        while let Some(work) = self.names.resolver.poll(now) {
            match work {
                Work::SendUdp { query, server } => {
                    let asked = match server {
                        SocketAddr::V4(to) => self.ask_by_datagram(query, (*to.ip(), to.port())),
                        SocketAddr::V6(to) => self.ask_by_datagram(query, (*to.ip(), to.port())),
                    };
                    if asked.is_none() {
                        self.names.resolver.unreachable(query, now);
                    }
                }
                Work::OpenTcp { query, server } => {
                    let asked = match server {
                        SocketAddr::V4(to) => self.ask_by_stream(query, (*to.ip(), to.port()), now),
                        SocketAddr::V6(to) => self.ask_by_stream(query, (*to.ip(), to.port()), now),
                    };
                    if asked.is_none() {
                        self.names.resolver.unreachable(query, now);
                    }
                }
                Work::CloseTransport { query } => self.close_transport(query, now),
                Work::Done {
                    owner,
                    answer,
                    took,
                } => self.answered(owner, &answer, took, now),
            }
        }
        let next = self.names.resolver.next_deadline();
        self.timers.set(Timer::Resolver, next);
    }

    /// The resolver's timer fired.
    pub(crate) fn fire_names(&mut self, now: Instant) {
        self.names.resolver.fire(now);
        self.run_names(now);
    }

    /// Sends a question from a new random port.
    fn ask_by_datagram<A: Family>(&mut self, query: QueryId, to: (A, u16)) -> Option<()> {
        let path = self.path(to.0, None)?;
        let any = A::UNSPECIFIED;
        let (bound, shard) = (self.udp.ports.of::<A>(), self.config.shard);
        let port = bindings::ephemeral(&mut self.rng, |port| {
            shard.is_none_or(|shard| shard.has_port(port))
                && !bound.is_taken(any, port, |_, _| false)
        })?;
        let bound = self.udp.ports.of_mut();
        if !bound.insert(path.source, port, false, PortHolder::Query(query.0)) {
            return None;
        }
        self.names.transports.set(query.0, Transport::Udp { port });
        let mut question = [0; QUESTION];
        let len = self
            .names
            .resolver
            .emit(query, &mut self.rng, &mut question)?;
        let question = question.get(..len)?;
        // RFC 6762 section 11: as far as all packets of it.
        let hops = if path.shared { u8::MAX } else { USUAL_HOPS };
        let ports = udp::Header {
            src_port: port,
            dst_port: to.1,
        };
        let owner = Owner::Resolver(query.0);
        let queued = self.queue_datagram(&path, (to.0, hops), ports, owner, question);
        queued.then_some(())
    }

    /// Opens a connection for a question.
    fn ask_by_stream<A: Family>(
        &mut self,
        query: QueryId,
        (to, port): (A, u16),
        now: Instant,
    ) -> Option<()> {
        let path = self.path(to, None)?;
        let buffer = self
            .names
            .transports
            .buffers
            .iter()
            .position(|buffer| !buffer.taken)?;
        let tuple = |local_port| Tuple {
            local: path.source,
            local_port,
            remote: to,
            remote_port: port,
        };
        let tables = self.tcp.tables.of::<A>();
        let shard = self.config.shard;
        let port = bindings::ephemeral(&mut self.rng, |port| {
            let tuple = tuple(port);
            shard.is_none_or(|shard| shard.has_flow(&tuple)) && tables.find(&tuple).is_none()
        })?;
        let tuple = tuple(port);
        let options = SocketOptions {
            no_delay: true,
            ..SocketOptions::new()
        };
        let setup = self.setup::<A>(&tuple, path.mtu, &options, None, now);
        let mut tcp = Connection::connect(setup, &self.tcp.shared, now);
        tcp.give_room(u32::try_from(ROOM).ok()?, now);
        let mut conn = Conn::new(tcp, tuple, self.tcp.tables.of_mut::<A>().way_number(&path));
        conn.set_holder(Holder::Query(query.0));
        let connection = self.tcp.tables.of_mut::<A>().connections.insert(conn)?;
        self.tcp
            .tables
            .of_mut::<A>()
            .demux
            .insert(&tuple, Target::Connection(connection));
        if let Some(buffer) = self.names.transports.buffers.get_mut(buffer) {
            buffer.taken = true;
        }
        self.names
            .transports
            .set(query.0, A::transport(connection, buffer));
        self.send_question::<A>(query, connection, now);
        self.settle::<A>(connection, now);
        Some(())
    }

    /// Queues the question on its connection; it leaves when the connection stands.
    fn send_question<A: Family>(
        &mut self,
        query: QueryId,
        connection: u32,
        now: Instant,
    ) -> Option<()> {
        let mut question = [0; QUESTION];
        let len = self
            .names
            .resolver
            .emit(query, &mut self.rng, &mut question)?;
        let owner = self.resolver_owner();
        for piece in question.get(..len)?.chunks(INLINE_PAYLOAD) {
            let source = Source::Inline(self.inline.keep(owner, piece)?);
            let length = u32::try_from(piece.len()).ok()?;
            let conn = self
                .tcp
                .tables
                .of_mut::<A>()
                .connections
                .at_mut(connection)?;
            let end = conn.queued().saturating_add(length.into());
            let send = Send {
                token: Token::default(),
                source,
                length,
                to: To::Stream(low(end)),
            };
            if self.requests.push(&mut conn.sends, owner, send).is_err() {
                self.release(source);
                return None;
            }
            conn.tcp.queue(length);
        }
        self.settle::<A>(connection, now);
        Some(())
    }

    /// Something happened to a connection of the resolver's.
    pub(crate) fn query_connection<A: Family>(
        &mut self,
        query: u16,
        connection: u32,
        outcome: &Outcome,
        now: Instant,
    ) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(connection) else {
            return;
        };
        let (from, upto) = (conn.told(), conn.arrived());
        conn.publish(upto, now);
        let over = conn.is(Fact::Over);
        if upto > from {
            let Names {
                resolver,
                transports,
                ..
            } = &mut self.names;
            let range = usize::try_from(from).unwrap_or(0)..usize::try_from(upto).unwrap_or(0);
            let bytes = transports
                .buffer(query)
                .and_then(|buffer| buffer.bytes.get(range));
            if let Some(bytes) = bytes
                && let Err(reason) = resolver.tcp_input(QueryId(query), bytes, now)
            {
                self.stats.drop_sent(reason);
            }
        }
        if over || outcome.events.contains(Events::PEER_FIN) {
            self.names.resolver.refused(QueryId(query), now);
        }
        self.run_names(now);
    }

    fn close_transport(&mut self, query: QueryId, now: Instant) {
        match self.names.transports.get(query.0) {
            Transport::None => {}
            Transport::Udp { port } => {
                if let Some(port) = NonZeroU16::new(port) {
                    self.udp.ports.free(port, PortHolder::Query(query.0));
                }
            }
            Transport::Tcp { connection, buffer } => {
                self.names.transports.give_back(buffer);
                self.leave_connection::<Ipv4Addr>(query.0, connection, now);
            }
            Transport::Tcp6 { connection, buffer } => {
                self.names.transports.give_back(buffer);
                self.leave_connection::<Ipv6Addr>(query.0, connection, now);
            }
        }
        self.names.transports.set(query.0, Transport::None);
    }

    /// The resolver has what it wants, or gives up: nobody waits for the rest.
    fn leave_connection<A: Family>(&mut self, query: u16, connection: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(connection) else {
            return;
        };
        if conn.holder() != Holder::Query(query) {
            return;
        }
        conn.set_holder(Holder::Nobody);
        let mut sends = core::mem::replace(&mut conn.sends, Chain::EMPTY);
        let answered = conn.acked() == conn.queued() && !conn.is(Fact::Over);
        self.forget_requests(&mut sends);
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(connection) else {
            return;
        };
        if conn.is(Fact::Over) {
            self.tcp_forget::<A>(connection);
        } else if answered {
            let outcome = conn.tcp.orphan(&mut self.tcp.shared, now);
            self.apply_outcome::<A>(connection, &outcome, now);
        } else {
            self.tcp_abort::<A>(connection, None, now);
        }
    }

    /// A question could not be sent.
    pub(crate) fn query_failed(&mut self, query: u16, now: Instant) {
        self.names.resolver.unreachable(QueryId(query), now);
        self.run_names(now);
    }

    /// The server's port is closed, or its connection is over.
    pub(crate) fn query_refused(&mut self, query: u16, now: Instant) {
        self.names.resolver.refused(QueryId(query), now);
        self.run_names(now);
    }

    /// A datagram came to a question's port, from a neighbour or not.
    pub(crate) fn dns_input(
        &mut self,
        query: u16,
        (from, is_beside): (SocketAddr, bool),
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        // RFC 6762 section 11: what the link knows is believed of neighbours only.
        if !is_beside && self.names.resolver.asks_link(QueryId(query)) {
            return Err(Drop::DnsUnexpected);
        }
        let result = self
            .names
            .resolver
            .udp_input(QueryId(query), from, payload, now);
        self.run_names(now);
        result
    }

    /// A router, or the server's host, says that a question could not be delivered.
    pub(crate) fn dns_error(&mut self, query: u16, is_final: bool, now: Instant) -> bool {
        if is_final {
            self.query_refused(query, now);
        } else {
            self.query_failed(query, now);
        }
        true
    }
}
