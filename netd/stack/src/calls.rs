//! What clients may ask for. Each call refuses what is not the client's own, before anything else.
//!
//! *Owns* the dispatch by kind of socket; the work is done in `tcp/` and `udp/`.

use crate::actors::Actor;
use crate::client::Role;
use crate::config::{Data, Ending, Half, Kind};
use crate::error::{
    BadSocket, BindError, CancelError, ClientError, ConnectError, CreateError, ListenError,
    ReceiveError, SendError, ShutdownError,
};
use crate::family::{Family, mapped};
use crate::id::{ClientId, SocketId, Token};
use crate::info::Status;
use crate::ip::zones;
use crate::memory::Range;
use crate::option_sets::OptionSet;
use crate::options::SocketOptions;
use crate::stack::Stack;
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::tcp::listener::Sides;
use crate::udp::requests::plain;
use crate::udp::socket::Datagram;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::{NonZeroU16, NonZeroU32};

impl Stack {
    /// A new client.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn client_open(&mut self) -> Result<ClientId, ClientError> {
        self.clients.open(None)
    }

    /// A client with a number that outlives the stack: its connections are recorded, where records
    /// are kept ([`Stack::keep_records`]), and it can come back for them under it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn client_open_as(&mut self, number: NonZeroU32) -> Result<ClientId, ClientError> {
        self.clients.open(Some(number))
    }

    /// The client is gone with its memory: connections with unsent bytes are reset, others are
    /// closed; everything it waited for is forgotten.
    pub fn client_close(&mut self, client: ClientId, now: Instant) {
        if self.clients.get(client).is_none() {
            return;
        }
        for index in 0..self.clients.sockets_limit() {
            let Some((socket, role)) = self.clients.socket_at(index, client) else {
                continue;
            };
            if let Role::Listener(index) = role {
                self.listener_stop(index, now);
            }
            self.unbind(socket, role);
            self.clients.forget(socket);
        }
        // Also what outlives its socket: all in these tables that is the client's.
        self.desert_connections::<Ipv4Addr>(client, now);
        self.desert_connections::<Ipv6Addr>(client, now);
        for index in 0..u32::try_from(self.udp.sockets.limit()).unwrap_or(u32::MAX) {
            if self
                .udp
                .sockets
                .at(index)
                .is_some_and(|socket| socket.client == client)
            {
                self.leave_groups(index, now);
                self.udp_forget(index);
            }
        }
        self.forget_listeners(client);
        self.pings_forget(client);
        self.lookups_forget(client, now);
        self.services_forget(client);
        self.browses_forget(client);
        let index = self.clients.index(client);
        if let Some(mut notices) = self.clients.take_notices(client) {
            self.forget_requests(&mut notices);
        }
        while self.dirty.pop(index).is_some() {}
        self.dirty_clients.clear(index);
        self.clients.remove(client);
    }

    fn desert_connections<A: Family>(&mut self, client: ClientId, now: Instant) {
        let limit = self.tcp.tables.of::<A>().connections.limit();
        for index in 0..u32::try_from(limit).unwrap_or(u32::MAX) {
            let conn = self.tcp.tables.of::<A>().connections.at(index);
            if conn.and_then(Conn::client) == Some(client) {
                self.tcp_desert::<A>(index, now);
            }
        }
    }

    fn forget_listeners(&mut self, client: ClientId) {
        let limit = self.tcp.listeners.limit();
        for index in 0..u32::try_from(limit).unwrap_or(u32::MAX) {
            let listener = self.tcp.listeners.at(index);
            if listener.is_some_and(|listener| listener.client == client) {
                self.listener_forget(index);
            }
        }
    }

    /// A new socket, unbound.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn socket_create(&mut self, client: ClientId, kind: Kind) -> Result<SocketId, CreateError> {
        let role = Role::Stream { bound: None };
        let socket = self.clients.create(client, role, OptionSet::INITIAL)?;
        if kind == Kind::Stream {
            return Ok(socket);
        }
        let options = SocketOptions::new();
        let Some(index) = self
            .udp
            .sockets
            .insert(Datagram::new(client, socket, options))
        else {
            self.clients.forget(socket);
            return Err(CreateError::NoFreeSocket);
        };
        if let Ok(entry) = self.clients.socket_mut(client, socket) {
            entry.role = Role::Datagram(index);
        }
        Ok(socket)
    }

    pub(crate) fn role(&self, client: ClientId, socket: SocketId) -> Result<Role, BadSocket> {
        self.clients.socket(client, socket).map(|entry| entry.role)
    }

    /// Gives the socket a local address (unspecified: all) and port (0: an ephemeral one, RFC 6056).
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(
        &mut self,
        client: ClientId,
        socket: SocketId,
        local: SocketAddr,
    ) -> Result<SocketAddr, BindError> {
        let role = self
            .role(client, socket)
            .map_err(|_| BindError::BadSocket)?;
        match (role, local) {
            (Role::Datagram(index), _) => self.udp_bind(index, local),
            (Role::Stream { bound: None }, SocketAddr::V4(local)) => {
                let v4 = Some(*local.ip());
                self.tcp_bind(client, socket, Sides { v4, v6: None }, local.port())
            }
            (Role::Stream { bound: None }, SocketAddr::V6(local)) => {
                let is_dual = local.ip().is_unspecified() && self.clients.is_dual(client, socket);
                let v4 = is_dual.then_some(Ipv4Addr::UNSPECIFIED);
                let v6 = Some(*local.ip());
                self.tcp_bind(client, socket, Sides { v4, v6 }, local.port())
            }
            _ => Err(BindError::AlreadyBound),
        }
    }

    /// Streams: starts a connection; completes with `Connected` or `Error`. Datagrams: fixes the
    /// peer; completes at once with `Connected`.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        client: ClientId,
        socket: SocketId,
        remote: SocketAddr,
        token: Token,
        now: Instant,
    ) -> Result<(), ConnectError> {
        let entry = self
            .clients
            .socket(client, socket)
            .map_err(|_| ConnectError::BadSocket)?;
        match entry.role {
            Role::Datagram(index) => self.udp_connect(index, remote, token),
            Role::Stream { bound } => {
                let options = *self.clients.option_sets.get(entry.options);
                match (bound, plain(remote)) {
                    (_, SocketAddr::V4(remote)) => {
                        let bound = bound.map(|bound| (bound.address, bound.port));
                        let to = (*remote.ip(), remote.port());
                        self.tcp_connect((client, socket, bound), to, &options, token, now)
                    }
                    (None, SocketAddr::V6(remote)) => {
                        let to = (zones::of_end(&remote), remote.port());
                        self.tcp_connect((client, socket, None), to, &options, token, now)
                    }
                    (Some(_), SocketAddr::V6(_)) => Err(ConnectError::AddressFamily),
                }
            }
            Role::Stream6 { port } => {
                let options = *self.clients.option_sets.get(entry.options);
                let sides = self.sides(port, socket);
                match plain(remote) {
                    SocketAddr::V4(remote) => {
                        let address = sides.v4.ok_or(ConnectError::AddressFamily)?;
                        let bound = Some((address, port));
                        let to = (*remote.ip(), remote.port());
                        self.tcp_connect((client, socket, bound), to, &options, token, now)
                    }
                    SocketAddr::V6(remote) => {
                        let address = sides.v6.ok_or(ConnectError::AddressFamily)?;
                        let bound = Some((address, port));
                        let to = (zones::of_end(&remote), remote.port());
                        self.tcp_connect((client, socket, bound), to, &options, token, now)
                    }
                }
            }
            _ => Err(ConnectError::WrongState),
        }
    }

    /// The addresses that a stream socket is bound to.
    fn sides(&self, port: NonZeroU16, socket: SocketId) -> Sides {
        let (v4, v6) = (&self.tcp.tables.v4, &self.tcp.tables.v6);
        Sides {
            v4: v4.bindings.address(port.get(), socket),
            v6: v6.bindings.address(port.get(), socket),
        }
    }

    /// Starts to listen; at most `backlog` connections wait to be accepted.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(
        &mut self,
        client: ClientId,
        socket: SocketId,
        backlog: u16,
    ) -> Result<(), ListenError> {
        let role = self.role(client, socket);
        match role.map_err(|_| ListenError::BadSocket)? {
            Role::Stream { bound: Some(bound) } => {
                let v4 = Some(bound.address);
                let sides = Sides { v4, v6: None };
                self.tcp_listen(client, socket, sides, bound.port.get(), backlog)
            }
            Role::Stream6 { port } => {
                let sides = self.sides(port, socket);
                self.tcp_listen(client, socket, sides, port.get(), backlog)
            }
            Role::Stream { bound: None } => Err(ListenError::NotBound),
            _ => Err(ListenError::WrongState),
        }
    }

    /// Queues bytes (streams) or one datagram; `to` is for datagrams only. Completes with `Sent`.
    /// (Every call is told the time; this one has no use for it today.)
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        client: ClientId,
        socket: SocketId,
        data: Data<'_>,
        to: Option<SocketAddr>,
        token: Token,
        _now: Instant,
    ) -> Result<(), SendError> {
        let entry = self
            .clients
            .socket(client, socket)
            .map_err(|_| SendError::BadSocket)?;
        match entry.role {
            Role::Datagram(index) => self.udp_send(index, data, to, token),
            Role::Connection { index, .. } => {
                let buffer = self.clients.option_sets.get(entry.options).send_buffer;
                self.tcp_send::<Ipv4Addr>(index, data, buffer, token)
            }
            Role::Connection6 { index, .. } => {
                let buffer = self.clients.option_sets.get(entry.options).send_buffer;
                self.tcp_send::<Ipv6Addr>(index, data, buffer, token)
            }
            _ => Err(SendError::NotConnected),
        }
    }

    /// Asks when all that was sent on a datagram socket before has left. Completes with `Sent` of no bytes,
    /// unless there is nothing to wait for: then this is `false`.
    ///
    /// # Errors
    /// [`SendError::BadSocket`]; [`SendError::NotConnected`] for other sockets;
    /// [`SendError::TooMany`].
    pub fn flush(
        &mut self,
        client: ClientId,
        socket: SocketId,
        token: Token,
    ) -> Result<bool, SendError> {
        let entry = self
            .clients
            .socket(client, socket)
            .map_err(|_| SendError::BadSocket)?;
        match entry.role {
            Role::Datagram(index) => self.udp_flush(index, token),
            _ => Err(SendError::NotConnected),
        }
    }

    /// Gives room to receive into. Completes with `Received`, several times while `more` says so,
    /// or with `Eof`. Datagrams are packed into the room, each at a multiple of 8 bytes from its
    /// start; one that does not fit in what is left ends the room (a `Received` of no bytes from
    /// nobody), one that would not fit in the whole room is discarded.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(
        &mut self,
        client: ClientId,
        socket: SocketId,
        room: Range,
        token: Token,
        now: Instant,
    ) -> Result<(), ReceiveError> {
        let role = self
            .role(client, socket)
            .map_err(|_| ReceiveError::BadSocket)?;
        if room.length == 0 || room.offset.checked_add(room.length.into()).is_none() {
            return Err(ReceiveError::BadRoom);
        }
        match role {
            Role::Datagram(index) => self.udp_receive(index, room, token),
            Role::Connection { index, .. } => self.tcp_receive::<Ipv4Addr>(index, room, token, now),
            Role::Connection6 { index, .. } => {
                self.tcp_receive::<Ipv6Addr>(index, room, token, now)
            }
            _ => Err(ReceiveError::NotConnected),
        }
    }

    /// Ends one or both halves of a connection.
    ///
    /// # Errors
    /// See [`ShutdownError`].
    pub fn shutdown(
        &mut self,
        client: ClientId,
        socket: SocketId,
        half: Half,
        now: Instant,
    ) -> Result<(), ShutdownError> {
        match self
            .role(client, socket)
            .map_err(|_| ShutdownError::BadSocket)?
        {
            Role::Connection { index, .. } => self.tcp_shutdown::<Ipv4Addr>(index, half, now),
            Role::Connection6 { index, .. } => self.tcp_shutdown::<Ipv6Addr>(index, half, now),
            _ => Err(ShutdownError::NotConnected),
        }
    }

    /// Ends the socket: waiting receives and accepts are cancelled, queued bytes are still sent
    /// (not with [`Ending::Abort`]). The name is dead at once. Completes with `Closed`.
    ///
    /// # Errors
    /// Not a socket of this client; or there is no place to keep the completion in, because the
    /// client has not taken thousands of others: the socket is not closed then.
    pub fn close(
        &mut self,
        client: ClientId,
        socket: SocketId,
        ending: Ending,
        token: Token,
        now: Instant,
    ) -> Result<(), BadSocket> {
        let entry = self.clients.socket(client, socket)?;
        let role = entry.role;
        // Only streams have this option.
        let resets = self.clients.option_sets.get(entry.options).reset_on_close;
        let ending = if resets { Ending::Abort } else { ending };
        match role {
            Role::Stream { .. } | Role::Stream6 { .. } => self.client_notice(client, token)?,
            Role::Listener(index) => self.listener_close(index, token, now),
            Role::Connection { index, .. } => {
                self.tcp_close::<Ipv4Addr>(index, client, ending, token, now);
            }
            Role::Connection6 { index, .. } => {
                self.tcp_close::<Ipv6Addr>(index, client, ending, token, now);
            }
            Role::Datagram(index) => {
                self.leave_groups(index, now);
                self.udp_close(index, ending == Ending::Abort, token);
            }
        }
        self.unbind(socket, role);
        self.clients.forget(socket);
        Ok(())
    }

    /// Frees the port that a stream socket is bound to, in both families: it may take part in both.
    fn unbind(&mut self, socket: SocketId, role: Role) {
        let port = match role {
            Role::Stream { bound } => bound.map(|bound| bound.port.get()),
            Role::Stream6 { port } => Some(port.get()),
            Role::Connection { bound, .. } | Role::Connection6 { bound, .. } => {
                bound.map(NonZeroU16::get)
            }
            Role::Listener(index) => self.tcp.listeners.at(index).map(|listener| listener.port),
            Role::Datagram(_) => None,
        };
        if let Some(port) = port {
            self.tcp.tables.v4.bindings.remove(port, socket);
            self.tcp.tables.v6.bindings.remove(port, socket);
        }
    }

    /// What the socket is ready for.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn status(&self, client: ClientId, socket: SocketId) -> Result<Status, BadSocket> {
        let entry = self.clients.socket(client, socket)?;
        let idle = Status {
            state: "CLOSED",
            local: None,
            remote: None,
            readable: false,
            writable: false,
            eof: false,
            send_queued: 0,
            room: 0,
            urgent: 0,
            doubt: None,
        };
        let status = match entry.role {
            Role::Stream { bound } => Status {
                local: bound.map(|bound| bound.end().into()),
                ..idle
            },
            Role::Stream6 { port } => Status {
                local: Some(self.sides(port, socket).end(port.get())),
                ..idle
            },
            Role::Listener(index) => self.listener_status(index, idle),
            Role::Connection { index, .. } => {
                let buffer = self.clients.option_sets.get(entry.options).send_buffer;
                let status = self.connection_status::<Ipv4Addr>(index, buffer);
                let is_dual = self.clients.is_dual(client, socket);
                let shown = |status: Status| Status {
                    local: status.local.map(mapped),
                    remote: status.remote.map(mapped),
                    ..status
                };
                let status = status.map(|status| if is_dual { shown(status) } else { status });
                status.unwrap_or(idle)
            }
            Role::Connection6 { index, .. } => {
                let buffer = self.clients.option_sets.get(entry.options).send_buffer;
                let status = self.connection_status::<Ipv6Addr>(index, buffer);
                status.unwrap_or(idle)
            }
            Role::Datagram(index) => self.datagram_status(index).unwrap_or(idle),
        };
        Ok(status)
    }

    fn listener_status(&self, index: u32, idle: Status) -> Status {
        let listener = self.tcp.listeners.at(index);
        listener.map_or(idle, |listener| Status {
            state: "LISTEN",
            local: Some(listener.local()),
            readable: listener.queue.waiting() > 0,
            ..idle
        })
    }

    fn connection_status<A: Family>(&self, index: u32, send_buffer: u32) -> Option<Status> {
        let conn = self.tcp.tables.of::<A>().connections.at(index)?;
        let limit = u32::from(self.config.requests_per_socket);
        Some(Status {
            state: if conn.is(Fact::Over) {
                "CLOSED"
            } else {
                conn.tcp.state().name()
            },
            local: Some(conn.local()),
            remote: Some(conn.remote()),
            readable: conn.told() < conn.arrived() || conn.at_eof() || conn.error().is_some(),
            writable: !conn.is(Fact::Over)
                && !conn.is(Fact::SendClosed)
                && self.requests.len(&conn.sends) < limit
                && conn.has_send_room(1, send_buffer),
            eof: conn.at_eof(),
            send_queued: conn.queued().saturating_sub(conn.acked()),
            room: self.stream_room::<A>(index),
            urgent: self.tcp.tables.of::<A>().urgent(conn),
            doubt: conn.doubt(),
        })
    }

    fn datagram_status(&self, index: u32) -> Option<Status> {
        let socket = self.udp.sockets.at(index)?;
        let limit = u32::from(self.config.requests_per_socket);
        Some(Status {
            state: if socket.is_bound() {
                "BOUND"
            } else {
                "UNBOUND"
            },
            local: socket.local(),
            remote: socket.remote(),
            readable: !socket.arrivals.is_empty() || socket.error.is_some(),
            writable: self.requests.len(&socket.sends) + self.requests.len(&socket.done) < limit,
            eof: false,
            send_queued: self.requests.len(&socket.sends).into(),
            room: self.datagram_room(index),
            urgent: 0,
            doubt: None,
        })
    }

    /// Takes back a request that waits: a datagram receive or an accept of `socket`, or, without a
    /// socket, a ping or look-up. Its completion says `Cancelled`. A stream's receive cannot be
    /// taken back: the peer has been told of the room; it ends with the connection.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub fn cancel(
        &mut self,
        client: ClientId,
        socket: Option<SocketId>,
        token: Token,
    ) -> Result<(), CancelError> {
        let Some(socket) = socket else {
            return self.cancel_unbound(client, token);
        };
        match self
            .role(client, socket)
            .map_err(|_| CancelError::BadSocket)?
        {
            Role::Datagram(index) => self.udp_cancel(index, token),
            Role::Listener(index) => self.listener_cancel(index, token),
            Role::Connection { index, .. } => Err(self.why_not_cancelled::<Ipv4Addr>(index, token)),
            Role::Connection6 { index, .. } => {
                Err(self.why_not_cancelled::<Ipv6Addr>(index, token))
            }
            Role::Stream { .. } | Role::Stream6 { .. } => Err(CancelError::NotFound),
        }
    }

    /// A stream's requests cannot be taken back.
    fn why_not_cancelled<A: Family>(&self, index: u32, token: Token) -> CancelError {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return CancelError::BadSocket;
        };
        debug_assert!(
            matches!(conn.holder(), Holder::Socket(..)),
            "found by its socket"
        );
        let waits = [&conn.rooms, &conn.sends].into_iter().any(|chain| {
            self.requests
                .iter(chain)
                .any(|request| request.token() == token)
        });
        if waits {
            CancelError::InProgress
        } else {
            CancelError::NotFound
        }
    }

    /// Keeps the completion of a close that concerns nothing but a name.
    fn client_notice(&mut self, client: ClientId, token: Token) -> Result<(), BadSocket> {
        let index = self.clients.index(client);
        let mut notices = self.clients.take_notices(client).ok_or(BadSocket)?;
        let notice = crate::requests::Request::Notice(crate::requests::Notice {
            token,
            error: crate::error::SocketError::Closed,
            left: 0,
        });
        let kept = self.requests.push(&mut notices, index, notice);
        self.clients.put_notices(client, notices);
        kept.map_err(|_| BadSocket)?;
        self.tell(client, Actor::Client(index));
        Ok(())
    }
}
