//! What clients ask of stream sockets.
//!
//! *Owns* the checks of each call; the socket is already known to be the caller's.

use crate::bindings;
use crate::client::{Bound, Role};
use crate::config::{Data, Ending, Half, INLINE_PAYLOAD};
use crate::demux::Target;
use crate::error::{
    BindError, ConnectError, ListenError, ReceiveError, SendError, ShutdownError, SocketError,
};
use crate::family::Family;
use crate::hash::Tuple;
use crate::id::{ClientId, SocketId, Token};
use crate::memory::Range;
use crate::nodes::Chain;
use crate::options::SocketOptions;
use crate::requests::{Request, Room, Send, Source, To, low};
use crate::stack::Stack;
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::tcp::listener::{Listener, Sides};
use ::tcp::{AcceptQueue, Connection, Instant, MOST_QUEUED};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU16;

impl Stack {
    /// Binds a stream socket; port 0 means any.
    pub(crate) fn tcp_bind(
        &mut self,
        client: ClientId,
        socket: SocketId,
        sides: Sides,
        port: u16,
    ) -> Result<SocketAddr, BindError> {
        let Sides { v4, v6 } = sides;
        self.check_local(v4)?;
        self.check_local(v6)?;
        let entry = self
            .clients
            .socket(client, socket)
            .map_err(|_| BindError::BadSocket)?;
        if entry.role != (Role::Stream { bound: None }) {
            return Err(BindError::AlreadyBound);
        }
        let options = self.clients.option_sets.get(entry.options);
        let shares = options.reuse_address;
        let clients = &self.clients;
        // Two of the very same address could not be told apart: no sharing there.
        let may_share = |other: SocketId| shares && clients.socket(client, other).is_ok();
        let tables = &mut self.tcp.tables;
        let (at4, at6) = (&mut tables.v4.bindings, &mut tables.v6.bindings);
        // A port of one's own is nobody else's at any address.
        let is_used = |port: u16| {
            v4.is_some_and(|_| at4.is_taken(Ipv4Addr::UNSPECIFIED, port, |_, _| false))
                || v6.is_some_and(|_| at6.is_taken(Ipv6Addr::UNSPECIFIED, port, |_, _| false))
        };
        let is_taken = |port: u16| {
            v4.is_some_and(|v4| at4.is_taken(v4, port, |it, at| at != v4 && may_share(it)))
                || v6.is_some_and(|v6| at6.is_taken(v6, port, |it, at| at != v6 && may_share(it)))
        };
        let port = match port {
            0 => bindings::ephemeral(&mut self.rng, |port| !is_used(port))
                .ok_or(BindError::NoFreePort)?,
            port if is_taken(port) => return Err(BindError::AddressInUse),
            port => port,
        };
        let number = NonZeroU16::new(port).ok_or(BindError::NoFreePort)?;
        if v4.is_some_and(|v4| !at4.insert(v4, port, shares, socket)) {
            return Err(BindError::NoFreePort);
        }
        if v6.is_some_and(|v6| !at6.insert(v6, port, shares, socket)) {
            at4.remove(port, socket);
            return Err(BindError::NoFreePort);
        }
        if let Ok(entry) = self.clients.socket_mut(client, socket) {
            entry.role = match (v4, v6) {
                (Some(address), None) => Role::Stream {
                    bound: Some(Bound {
                        address,
                        port: number,
                    }),
                },
                _ => Role::Stream6 { port: number },
            };
        }
        Ok(sides.end(port))
    }

    /// Starts a connection of this client's socket, which may be bound.
    pub(crate) fn tcp_connect<A: Family>(
        &mut self,
        (client, socket, bound): (ClientId, SocketId, Option<(A, NonZeroU16)>),
        (to, remote_port): (A, u16),
        options: &SocketOptions,
        token: Token,
        now: Instant,
    ) -> Result<(), ConnectError> {
        if remote_port == 0 || to == A::UNSPECIFIED || to.group_mac().is_some() {
            return Err(ConnectError::BadAddress);
        }
        let from = bound.map(|(from, _)| from);
        let from = from.filter(|from| *from != A::UNSPECIFIED);
        let path = self.path_within(to, from);
        let (to, path) = path.ok_or(ConnectError::NoRoute)?;
        if path.shared {
            return Err(ConnectError::BadAddress);
        }
        let tuple = |local_port| Tuple {
            local: path.source,
            local_port,
            remote: to,
            remote_port,
        };
        let tables = self.tcp.tables.of::<A>();
        let bindings = &tables.bindings;
        let shard = self.config.shard;
        let free = |port| {
            let tuple = tuple(port);
            // What the peer answers must come to this shard.
            shard.is_none_or(|shard| shard.has_flow(&tuple)) && tables.find(&tuple).is_none()
        };
        let any = A::UNSPECIFIED;
        let local_port = match bound {
            Some((_, port)) if free(port.get()) => port.get(),
            Some(_) => return Err(ConnectError::AddressInUse),
            // RFC 6056: random, and free for this very peer (not for all peers: ports are few).
            None => bindings::ephemeral(&mut self.rng, |port| {
                free(port) && !bindings.is_taken(any, port, |_, _| false)
            })
            .ok_or(ConnectError::NoFreePort)?,
        };
        let tuple = tuple(local_port);
        let setup = self.setup::<A>(&tuple, path.mtu, options, None, now);
        let mut connection = Connection::connect(setup, &self.tcp.shared, now);
        if let Some(algorithm) = options.congestion_control {
            connection.set_congestion_control(algorithm, &mut self.tcp.shared, now);
        }
        if options.fast_open
            && let Some(fast_open) = self.tcp.tables.of_mut::<A>().cookie_cache.bring(to, now)
        {
            connection.open_fast(fast_open);
        }
        let way = self.tcp.tables.of_mut::<A>().way_number(&path);
        let mut conn = Conn::new(connection, tuple, way);
        (conn.ttl, conn.dscp) = (options.ttl, options.dscp);
        conn.set_holder(Holder::Socket(client, socket));
        conn.note(Fact::Untold);
        conn.set(Fact::Recorded, self.is_recorded(conn.holder()));
        let (mut rooms, owner) = (Chain::EMPTY, self.clients.index(client));
        self.requests
            .push(&mut rooms, owner, Request::Connect(token))
            .map_err(|_| ConnectError::NoFreeConnection)?;
        conn.rooms = rooms;
        let Some(index) = self.tcp.tables.of_mut::<A>().connections.insert(conn) else {
            self.requests.discard(&mut rooms);
            return Err(ConnectError::NoFreeConnection);
        };
        self.tcp
            .tables
            .of_mut::<A>()
            .demux
            .insert(&tuple, Target::Connection(index));
        self.heed_path::<A>(index, now);
        if let Ok(entry) = self.clients.socket_mut(client, socket) {
            let bound = bound.map(|(_, port)| port);
            entry.role = A::connection_role(index, bound);
        }
        self.settle::<A>(index, now);
        Ok(())
    }

    /// Starts to listen.
    pub(crate) fn tcp_listen(
        &mut self,
        client: ClientId,
        socket: SocketId,
        sides: Sides,
        port: u16,
        backlog: u16,
    ) -> Result<(), ListenError> {
        let entry = self.clients.socket(client, socket);
        let entry = entry.map_err(|_| ListenError::BadSocket)?;
        let options = *self.clients.option_sets.get(entry.options);
        // More could never wait than there are connections.
        let (v4, v6) = (&mut self.tcp.tables.v4, &mut self.tcp.tables.v6);
        let most4 = sides.v4.map_or(0, |_| v4.connections.limit());
        let most6 = sides.v6.map_or(0, |_| v6.connections.limit());
        let most = u16::try_from(most4.saturating_add(most6)).unwrap_or(u16::MAX);
        let backlog = backlog.clamp(1, most.max(1));
        let listener = Listener {
            client,
            socket: Some(socket),
            sides,
            port,
            options,
            backlog,
            half_open: 0,
            queue: AcceptQueue::new(backlog),
            accepts: Chain::EMPTY,
            notices: Chain::EMPTY,
            closing: None,
        };
        let index = self
            .tcp
            .listeners
            .insert(listener)
            .ok_or(ListenError::NoFreeListener)?;
        let hears4 = sides
            .v4
            .is_none_or(|address| v4.listening.insert(address, port, false, index));
        let hears6 = sides
            .v6
            .is_none_or(|address| v6.listening.insert(address, port, false, index));
        if !(hears4 && hears6) {
            v4.listening.remove(port, index);
            v6.listening.remove(port, index);
            self.tcp.listeners.remove_at(index);
            return Err(ListenError::NoFreeListener);
        }
        if let Ok(entry) = self.clients.socket_mut(client, socket) {
            entry.role = Role::Listener(index);
        }
        Ok(())
    }

    /// Queues bytes, as long as no more than `buffer` wait; see [`crate::SocketOptions`].
    #[inline]
    pub(crate) fn tcp_send<A: Family>(
        &mut self,
        index: u32,
        data: Data<'_>,
        buffer: u32,
        token: Token,
    ) -> Result<(), SendError> {
        // Apart, so that neither reads the other's fields: what was stored as one a moment ago and is
        // read as the other would be waited for.
        match data {
            Data::Arena(range) => {
                let owner = self.may_send::<A>(index, range.length, buffer)?;
                let end = range.offset.checked_add(range.length.into());
                end.ok_or(SendError::TooBig)?;
                let source = Source::Arena(range.offset);
                self.queue_send::<A>(index, owner, source, range.length, token)
            }
            Data::Inline(bytes) => self.tcp_send_inline::<A>(index, bytes, buffer, token),
        }
    }

    #[inline(never)]
    fn tcp_send_inline<A: Family>(
        &mut self,
        index: u32,
        bytes: &[u8],
        buffer: u32,
        token: Token,
    ) -> Result<(), SendError> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let owner = self.may_send::<A>(index, length, buffer)?;
        if bytes.len() > INLINE_PAYLOAD {
            return Err(SendError::TooBig);
        }
        let kept = self.inline.keep(owner, bytes).ok_or(SendError::TooMany)?;
        self.queue_send::<A>(index, owner, Source::Inline(kept), length, token)
    }

    /// Whether a connection takes so many bytes more to send; whose requests they are.
    #[inline(always)]
    fn may_send<A: Family>(&self, index: u32, bytes: u32, buffer: u32) -> Result<u32, SendError> {
        let limit = u32::from(self.config.requests_per_socket);
        let conn = self.tcp.tables.of::<A>().connections.at(index);
        let conn = conn.ok_or(SendError::BadSocket)?;
        if conn.is(Fact::Over) {
            return Err(SendError::NotConnected);
        }
        if conn.is(Fact::SendClosed) {
            return Err(SendError::ShutDown);
        }
        let is_far = |first: Send| {
            let end = conn.queued().saturating_add(bytes.into());
            end.saturating_sub(first.end(conn.queued())) > u32::MAX.into()
        };
        // Sends know their places modulo 2^32.
        let first = self.requests.first_send(&conn.sends);
        if bytes > MOST_QUEUED {
            return Err(SendError::TooBig);
        }
        if self.requests.len(&conn.sends) >= limit
            || !conn.has_send_room(bytes, buffer)
            || first.is_some_and(is_far)
        {
            return Err(SendError::TooMany);
        }
        let client = conn.client();
        Ok(client.map_or(u32::MAX, |client| self.clients.index(client)))
    }

    /// Queues bytes that a connection takes.
    #[inline(always)]
    fn queue_send<A: Family>(
        &mut self,
        index: u32,
        owner: u32,
        source: Source,
        length: u32,
        token: Token,
    ) -> Result<(), SendError> {
        let conn = self.tcp.tables.of_mut::<A>().connections.at_mut(index);
        let conn = conn.ok_or(SendError::BadSocket)?;
        let end = conn.queued().saturating_add(length.into());
        let send = Send {
            token,
            source,
            length,
            to: To::Stream(low(end)),
        };
        if self.requests.push(&mut conn.sends, owner, send).is_err() {
            self.release(source);
            return Err(SendError::TooMany);
        }
        conn.tcp.queue(length);
        conn.note_change();
        let wakes = conn.tcp.may_send().then_some(conn.way);
        if length == 0
            && let Some(client) = conn.client()
        {
            self.tell(client, A::connection(index));
        }
        // More to send changes no timer, and ends nothing.
        if let Some(way) = wakes {
            self.wake_by::<A>(way, index);
        }
        Ok(())
    }

    /// Takes room to receive into.
    pub(crate) fn tcp_receive<A: Family>(
        &mut self,
        index: u32,
        room: Range,
        token: Token,
        now: Instant,
    ) -> Result<(), ReceiveError> {
        let limit = u32::from(self.config.requests_per_socket);
        let conn = self
            .tcp
            .tables
            .of_mut::<A>()
            .connections
            .at_mut(index)
            .ok_or(ReceiveError::BadSocket)?;
        let owner = conn
            .client()
            .map_or(u32::MAX, |client| self.clients.index(client));
        if conn.is(Fact::ReceiveClosed) {
            return Err(ReceiveError::ShutDown);
        }
        if conn.is(Fact::Over) && !conn.is(Fact::PeerFin) {
            return Err(ReceiveError::NotConnected);
        }
        let left = conn.tcp.room_left().saturating_add(room.length.into());
        if self.requests.len(&conn.rooms) >= limit || left > u32::MAX.into() {
            return Err(ReceiveError::TooMany);
        }
        let entry = Room {
            token,
            range: room,
            used: 0,
        };
        let pushed = self.requests.push(&mut conn.rooms, owner, entry);
        pushed.map_err(|_| ReceiveError::TooMany)?;
        if !conn.is(Fact::Over) {
            conn.tcp.give_room(room.length, now);
            conn.note_change();
        }
        if conn.is(Fact::PeerFin)
            && let Some(client) = conn.client()
        {
            self.tell(client, A::connection(index));
        }
        self.settle::<A>(index, now);
        Ok(())
    }

    /// Ends one or both halves.
    pub(crate) fn tcp_shutdown<A: Family>(
        &mut self,
        index: u32,
        half: Half,
        now: Instant,
    ) -> Result<(), ShutdownError> {
        let conn = self
            .tcp
            .tables
            .of_mut::<A>()
            .connections
            .at_mut(index)
            .ok_or(ShutdownError::BadSocket)?;
        if conn.is(Fact::Over) {
            return Err(ShutdownError::NotConnected);
        }
        if matches!(half, Half::Receive | Half::Both) && !conn.is(Fact::ReceiveClosed) {
            conn.note(Fact::ReceiveClosed);
            if let Some(client) = conn.client() {
                self.tell(client, A::connection(index));
            }
        }
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return Ok(());
        };
        if matches!(half, Half::Send | Half::Both) && !conn.is(Fact::SendClosed) {
            conn.note(Fact::SendClosed);
            let outcome = conn.tcp.close();
            self.apply_outcome::<A>(index, &outcome, now);
        } else {
            self.settle::<A>(index, now);
        }
        Ok(())
    }

    /// Ends a connection for its client, which hears of it when all is sent.
    pub(crate) fn tcp_close<A: Family>(
        &mut self,
        index: u32,
        client: ClientId,
        ending: Ending,
        token: Token,
        now: Instant,
    ) {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return;
        };
        conn.set_holder(Holder::Closing(client));
        let asides = &mut tables.asides;
        asides.change(&mut conn.aside, |aside| aside.closing = Some(token));
        conn.note_change();
        // RFC 2525 2.17: who throws received bytes away must not pretend to have read them.
        let unread = conn.told() < conn.arrived();
        if conn.is(Fact::Over) {
            self.tell(client, A::connection(index));
        } else if unread || ending == Ending::Abort {
            self.tcp_abort::<A>(index, Some(SocketError::Closed), now);
        } else {
            conn.note(Fact::SendClosed);
            let outcome = conn.tcp.orphan(&mut self.tcp.shared, now);
            self.apply_outcome::<A>(index, &outcome, now);
        }
        self.tell(client, A::connection(index));
    }

    /// The client is gone with its memory.
    pub(crate) fn tcp_desert<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        conn.set_holder(Holder::Nobody);
        self.dirty
            .remove(self.numbering.number(A::connection(index)));
        // What the peer has not acknowledged cannot be sent again: there is nothing to read from.
        let unsent = conn.acked() < conn.queued();
        let unread = conn.told() < conn.arrived();
        if conn.is(Fact::Over) {
            self.tcp_forget::<A>(index);
        } else if unsent || unread {
            self.tcp_abort::<A>(index, None, now);
        } else {
            let (mut sends, mut rooms) = (conn.sends, conn.rooms);
            (conn.sends, conn.rooms) = (Chain::EMPTY, Chain::EMPTY);
            let outcome = conn.tcp.orphan(&mut self.tcp.shared, now);
            self.forget_requests(&mut sends);
            self.forget_requests(&mut rooms);
            self.apply_outcome::<A>(index, &outcome, now);
            // It goes on without its client.
            self.commit::<A>(index);
        }
    }
}
