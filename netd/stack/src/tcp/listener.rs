//! Listening sockets: connections on one side, clients that want one on the other.
//!
//! *Owns* the accept queue and the accepts that wait, and pairs them first come, first served,
//! whichever family a connection is of: a listener hears one of them, or both.
//! *Never* holds bytes: a connection that nobody accepts has no room, so its window is closed.

use crate::actors::Actor;
use crate::client::Role;
use crate::error::{AcceptError, CancelError, SocketError};
use crate::event::EventKind;
use crate::family::Family;
use crate::id::{ClientId, SocketId, Token};
use crate::memory::Range;
use crate::nodes::Chain;
use crate::option_sets::OptionSet;
use crate::options::SocketOptions;
use crate::packed::Requests;
use crate::publish::Telling;
use crate::requests::{Accept, Accepted, Notice, Request};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::{Fact, Holder};
use ::tcp::{AcceptQueue, Instant};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses that a stream socket is bound to, in each family in which it takes part; unspecified:
/// all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
}

impl Sides {
    /// Our end, as its client sees it: an address of IPv6 if it takes part in that.
    pub(crate) fn end(self, port: u16) -> SocketAddr {
        match (self.v6, self.v4) {
            (Some(v6), _) => v6.end(port),
            (None, v4) => v4.unwrap_or(Ipv4Addr::UNSPECIFIED).end(port),
        }
    }
}

/// A connection that waits to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    V4(u32),
    V6(u32),
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) client: ClientId,
    pub(crate) socket: Option<SocketId>,
    pub(crate) sides: Sides,
    pub(crate) port: u16,
    pub(crate) options: SocketOptions,
    pub(crate) backlog: u16,
    /// Its half-open connections.
    pub(crate) half_open: u32,
    pub(crate) queue: AcceptQueue<Waiting>,
    pub(crate) accepts: Chain,
    pub(crate) notices: Chain,
    pub(crate) closing: Option<Token>,
}

impl Listener {
    /// Our end.
    pub(crate) fn local(&self) -> SocketAddr {
        self.sides.end(self.port)
    }

    /// Whether as many connections wait to be accepted as may.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.waiting() >= usize::from(self.backlog)
    }

    /// The room that the next connection will find: that of an accept which no other connection
    /// under way will take first.
    pub(crate) fn room_for_next(&self, requests: &Requests) -> u64 {
        let waiting = u32::try_from(self.queue.waiting()).unwrap_or(u32::MAX);
        let mut before = self.half_open.saturating_add(waiting);
        for request in requests.iter(&self.accepts) {
            let Request::Accept(accept) = request else {
                return 0;
            };
            if before < accept.count() {
                let (room, _) = accept.split();
                return room.map_or(0, |room| room.length.into());
            }
            before -= accept.count();
        }
        0
    }
}

impl Stack {
    /// Asks for one connection; several may be asked for. Completes with `Accepted`. With a room,
    /// that is the connection's first receive, completed with the same token.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub fn accept(
        &mut self,
        client: ClientId,
        socket: SocketId,
        room: Option<Range>,
        token: Token,
        now: Instant,
    ) -> Result<(), AcceptError> {
        let each = 0;
        self.accept_as(client, socket, Accept { token, room, each }, now)
    }

    /// Asks for as many connections as `area` has rooms of `each` bytes, one after the other: several
    /// such areas may be given. Each completes with `Accepted`, which tells its room. That is the
    /// connection's first receive, completed with the same token ([`Token::room`]).
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub fn accept_several(
        &mut self,
        client: ClientId,
        socket: SocketId,
        (area, each): (Range, u32),
        token: Token,
        now: Instant,
    ) -> Result<(), AcceptError> {
        let room = Some(area);
        let accept = Accept { token, room, each };
        if each == 0 || !(1..=Token::MOST_ROOMS).contains(&accept.count()) {
            return Err(AcceptError::BadRoom);
        }
        self.accept_as(client, socket, accept, now)
    }

    fn accept_as(
        &mut self,
        client: ClientId,
        socket: SocketId,
        accept: Accept,
        now: Instant,
    ) -> Result<(), AcceptError> {
        match self.role(client, socket) {
            Ok(Role::Listener(index)) => self.listener_accept(index, accept, now),
            Ok(_) => Err(AcceptError::NotListening),
            Err(_) => Err(AcceptError::BadSocket),
        }
    }

    /// Pairs connections that wait with accepts that wait.
    pub(crate) fn pair(&mut self, index: u32, now: Instant) {
        loop {
            let Some(listener) = self.tcp.listeners.at(index) else {
                return;
            };
            let is_paired = match listener.queue.first() {
                Some(&Waiting::V4(connection)) => {
                    self.pair_first::<Ipv4Addr>(index, connection, now)
                }
                Some(&Waiting::V6(connection)) => {
                    self.pair_first::<Ipv6Addr>(index, connection, now)
                }
                None => None,
            };
            if is_paired.is_none() {
                return;
            }
        }
    }

    /// Pairs the connection that has waited longest with the accept that has; `None` if that cannot
    /// be now.
    fn pair_first<A: Family>(&mut self, index: u32, connection: u32, now: Instant) -> Option<()> {
        let tables = self.tcp.tables.of_mut::<A>();
        let listener = self.tcp.listeners.at_mut(index)?;
        let Some(Request::Accept(accept)) = self.requests.first(&listener.accepts) else {
            return None;
        };
        let (client, name) = (listener.client, listener.socket);
        let (room, rest) = accept.split();
        let token = match accept.each {
            0 => accept.token,
            _ => accept.token.of_room(accept.count()),
        };
        let accepted = Accepted {
            token,
            listener: name,
            range: room.unwrap_or_default(),
        };
        // It takes the place that the accept held, or, of several, one of its own.
        let mut rooms = Chain::EMPTY;
        if rest.is_some() {
            let owner = self.clients.index(client);
            let accepted = Request::Accepted(accepted);
            self.requests.push(&mut rooms, owner, accepted).ok()?;
        }
        let role = A::connection_role(connection, None);
        let set = name.and_then(|name| self.clients.socket(client, name).ok());
        let set = set.map_or(OptionSet::INITIAL, |listener| listener.options);
        let Ok(socket) = self.clients.create(client, role, set) else {
            self.requests.discard(&mut rooms);
            return None;
        };
        listener.queue.pop();
        let Some(conn) = tables.connections.at_mut(connection) else {
            self.requests.discard(&mut rooms);
            return None;
        };
        conn.set_holder(Holder::Socket(client, socket));
        if let Some(rest) = rest {
            self.requests
                .move_first(&mut rooms, &mut conn.rooms, |accepted| accepted);
            self.requests
                .replace_first(&listener.accepts, Request::Accept(rest));
        } else {
            let change = |_| Request::Accepted(accepted);
            self.requests
                .move_first(&mut listener.accepts, &mut conn.rooms, change);
        }
        conn.note(Fact::Untold);
        conn.note_change();
        if accepted.range.length > 0 {
            conn.tcp.give_room(accepted.range.length, now);
        }
        self.tell(client, A::connection(connection));
        if set == OptionSet::INITIAL {
            // It has begun with these.
            self.settle::<A>(connection, now);
            return Some(());
        }
        let options = *self.clients.option_sets.get(set);
        // A connection that cannot be watched as wished is still one.
        if self
            .connection_options::<A>(connection, options, now)
            .is_err()
        {
            self.stats.count(Counter::TcpUnwatched);
        }
        Some(())
    }

    /// Posts an accept.
    pub(crate) fn listener_accept(
        &mut self,
        index: u32,
        accept: Accept,
        now: Instant,
    ) -> Result<(), AcceptError> {
        let limit = u32::from(self.config.requests_per_socket);
        let listener = self
            .tcp
            .listeners
            .at_mut(index)
            .ok_or(AcceptError::NotListening)?;
        let owner = self.clients.index(listener.client);
        if self.requests.len(&listener.accepts) >= limit {
            return Err(AcceptError::TooMany);
        }
        self.requests
            .push(&mut listener.accepts, owner, Request::Accept(accept))
            .map_err(|_| AcceptError::TooMany)?;
        self.pair(index, now);
        Ok(())
    }

    /// Takes an accept back.
    pub(crate) fn listener_cancel(&mut self, index: u32, token: Token) -> Result<(), CancelError> {
        let listener = self
            .tcp
            .listeners
            .at_mut(index)
            .ok_or(CancelError::BadSocket)?;
        let found = self.requests.move_where(
            &mut listener.accepts,
            &mut listener.notices,
            |request| request.token() == token,
            |request| request.failed(SocketError::Cancelled),
        );
        if !found {
            return Err(CancelError::NotFound);
        }
        let client = listener.client;
        self.tell(client, Actor::Listener(index));
        Ok(())
    }

    /// Stops listening: who waits to be accepted is reset, half-open connections are forgotten.
    pub(crate) fn listener_stop(&mut self, index: u32, now: Instant) {
        let tables = &mut self.tcp.tables;
        let Some(listener) = self.tcp.listeners.at_mut(index) else {
            return;
        };
        tables.v4.listening.remove(listener.port, index);
        tables.v6.listening.remove(listener.port, index);
        while let Some(listener) = self.tcp.listeners.at_mut(index)
            && let Some(connection) = listener.queue.pop()
        {
            match connection {
                Waiting::V4(connection) => self.reset_waiting::<Ipv4Addr>(connection, now),
                Waiting::V6(connection) => self.reset_waiting::<Ipv6Addr>(connection, now),
            }
        }
        self.forget_half_open_of::<Ipv4Addr>(index);
        self.forget_half_open_of::<Ipv6Addr>(index);
    }

    /// Nobody will accept a connection.
    fn reset_waiting<A: Family>(&mut self, connection: u32, now: Instant) {
        if let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(connection) {
            conn.set_holder(Holder::Nobody);
        }
        self.tcp_abort::<A>(connection, None, now);
    }

    /// Forgets the half-open connections of a listener.
    fn forget_half_open_of<A: Family>(&mut self, listener: u32) {
        let limit = self.tcp.tables.of::<A>().half_open.limit();
        for at in 0..u32::try_from(limit).unwrap_or(u32::MAX) {
            let half_open = self.tcp.tables.of::<A>().half_open.at(at);
            if half_open.is_some_and(|half_open| half_open.listener == listener) {
                self.forget_half_open::<A>(at);
            }
        }
    }

    /// Ends a listener, which tells its client when everything has ended.
    pub(crate) fn listener_close(&mut self, index: u32, token: Token, now: Instant) {
        self.listener_stop(index, now);
        let Some(listener) = self.tcp.listeners.at_mut(index) else {
            return;
        };
        let cancelled = |request: Request| request.failed(SocketError::Cancelled);
        while self
            .requests
            .move_first(&mut listener.accepts, &mut listener.notices, cancelled)
        {}
        listener.closing = Some(token);
        listener.socket = None;
        let client = listener.client;
        self.tell(client, Actor::Listener(index));
    }

    /// Forgets a listener without telling anybody.
    pub(crate) fn listener_forget(&mut self, index: u32) {
        self.dirty
            .remove(self.numbering.number(Actor::Listener(index)));
        let Some(mut listener) = self.tcp.listeners.remove_at(index) else {
            return;
        };
        self.tcp.tables.v4.listening.remove(listener.port, index);
        self.tcp.tables.v6.listening.remove(listener.port, index);
        self.forget_requests(&mut listener.accepts);
        self.forget_requests(&mut listener.notices);
    }

    /// Tells everything there is to tell; `false` when the client's ring is full.
    pub(crate) fn listener_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(listener) = self.tcp.listeners.at_mut(index) else {
            return true;
        };
        let id = listener.socket;
        while let Some(notice) = self.requests.first_notice(&listener.notices) {
            let Notice { token, error, left } = notice;
            let kind = match left {
                0 => EventKind::Error(error),
                left => EventKind::Stopped { error, left },
            };
            if !telling.tell(id, token, kind) {
                return false;
            }
            self.requests.discard(&mut listener.notices);
        }
        if let Some(token) = listener.closing {
            if !telling.tell(id, token, EventKind::Closed) {
                return false;
            }
            self.listener_forget(index);
        }
        true
    }
}
