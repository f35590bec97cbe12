//! What clients ask of datagram sockets.
//!
//! *Owns* the checks of each call; the socket is already known to be the caller's.

use crate::actors::Actor;
use crate::bindings;
use crate::config::{Data, INLINE_PAYLOAD};
use crate::error::{BindError, CancelError, ConnectError, ReceiveError, SendError, SocketError};
use crate::id::{InterfaceId, Token};
use crate::ip::out::Path;
use crate::memory::Range;
use crate::options::SocketOptions;
use crate::requests::{Request, Room, Send, Source, To};
use crate::stack::Stack;
use crate::udp::socket::{Holder, KnownWay};
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use wire::{ipv4, udp};

impl Stack {
    /// Binds a datagram socket; port 0 means any.
    pub(crate) fn udp_bind(
        &mut self,
        index: u32,
        local: SocketAddrV4,
    ) -> Result<SocketAddrV4, BindError> {
        let address = *local.ip();
        if !address.is_unspecified() && !self.is_own(address) {
            return Err(BindError::AddressNotLocal);
        }
        let socket = self.udp.sockets.at(index).ok_or(BindError::BadSocket)?;
        if socket.local.is_some() {
            return Err(BindError::AlreadyBound);
        }
        let (client, shares) = (socket.client, socket.options.reuse_address);
        let sockets = &self.udp.sockets;
        // Sharing is for sockets of one client: nobody takes datagrams from another.
        let may_share = |holder: Holder| match holder {
            Holder::Socket(other) => {
                shares
                    && sockets
                        .at(other)
                        .is_some_and(|other| other.client == client)
            }
            Holder::Query(_) => false,
        };
        let bindings = &self.udp.bindings;
        let shard = self.config.shard;
        let port = match local.port() {
            0 => bindings::ephemeral(&mut self.rng, |port| {
                shard.is_none_or(|shard| shard.has_port(port))
                    && !bindings.is_taken(Ipv4Addr::UNSPECIFIED, port, |_| false)
            })
            .ok_or(BindError::NoFreePort)?,
            port if bindings.is_taken(address, port, may_share) => {
                return Err(BindError::AddressInUse);
            }
            port => port,
        };
        if !self
            .udp
            .bindings
            .insert(address, port, shares, Holder::Socket(index))
        {
            return Err(BindError::NoFreePort);
        }
        let local = SocketAddrV4::new(address, port);
        if let Some(socket) = self.udp.sockets.at_mut(index) {
            socket.local = Some(local);
        }
        Ok(local)
    }

    /// Gives an unbound socket a port of its own.
    fn udp_bind_any(&mut self, index: u32) -> Result<(), BindError> {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        match self.udp_bind(index, any) {
            Ok(_) | Err(BindError::AlreadyBound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Fixes the peer of a datagram socket.
    pub(crate) fn udp_connect(
        &mut self,
        index: u32,
        remote: SocketAddrV4,
        token: Token,
    ) -> Result<(), ConnectError> {
        let socket = self.udp.sockets.at(index).ok_or(ConnectError::BadSocket)?;
        if socket.connected.is_some() {
            return Err(ConnectError::WrongState);
        }
        if remote.port() == 0 || remote.ip().is_unspecified() {
            return Err(ConnectError::BadAddress);
        }
        let bound = socket
            .local
            .map(|local| *local.ip())
            .filter(|ip| !ip.is_unspecified());
        let path = self
            .path(*remote.ip(), bound)
            .ok_or(ConnectError::NoRoute)?;
        self.udp_bind_any(index)
            .map_err(|_| ConnectError::NoFreePort)?;
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return Err(ConnectError::BadSocket);
        };
        // RFC 1122 4.1.3.5: from now on the socket has the address that the peer sees.
        if let Some(local) = &mut socket.local {
            local.set_ip(path.source);
            self.udp
                .bindings
                .rebind(local.port(), Holder::Socket(index), path.source);
        }
        socket.remote = Some(remote);
        socket.error = None;
        socket.connected = Some(token);
        let client = socket.client;
        self.tell(client, Actor::Datagram(index));
        Ok(())
    }

    /// Queues one datagram.
    pub(crate) fn udp_send(
        &mut self,
        index: u32,
        data: Data<'_>,
        to: Option<SocketAddr>,
        token: Token,
    ) -> Result<(), SendError> {
        let limit = u32::from(self.config.requests_per_socket);
        let socket = self.udp.sockets.at(index).ok_or(SendError::BadSocket)?;
        let owner = self.clients.index(socket.client);
        let to = match (to, socket.remote) {
            (Some(SocketAddr::V4(to)), _) | (None, Some(to)) => to,
            (Some(SocketAddr::V6(_)), _) => return Err(SendError::AddressFamily),
            (None, None) => return Err(SendError::NoDestination),
        };
        if to.port() == 0 || to.ip().is_unspecified() {
            return Err(SendError::BadAddress);
        }
        if self.requests.len(&socket.sends) + self.requests.len(&socket.done) >= limit {
            return Err(SendError::TooMany);
        }
        let broadcast = socket.options.broadcast;
        let path = self.udp_path(index, *to.ip()).ok_or(SendError::NoRoute)?;
        // RFC 1122 4.1.3.1 leaves broadcasts to who says so.
        if path.next_hop.is_broadcast() && !broadcast {
            return Err(SendError::BadAddress);
        }
        let length = match data {
            Data::Arena(range) => range.length as usize,
            Data::Inline(bytes) => bytes.len(),
        };
        let most = usize::from(path.mtu) - ipv4::HEADER_LEN - udp::HEADER_LEN;
        if length > most || matches!(data, Data::Inline(bytes) if bytes.len() > INLINE_PAYLOAD) {
            return Err(SendError::TooBig);
        }
        self.udp_bind_any(index)
            .map_err(|_| SendError::NoFreePort)?;
        let send = Send {
            token,
            source: Source::Spent,
            length: u32::try_from(length).map_err(|_| SendError::TooBig)?,
            to: To::Peer(to),
        };
        // Each by itself, so that what kind of request it is is known where it is written down.
        match data {
            Data::Arena(range) => {
                let source = Source::Arena(range.offset);
                self.udp_queue(index, owner, Send { source, ..send }, path.interface)
            }
            Data::Inline(bytes) => {
                let kept = self.inline.keep(owner, bytes);
                let source = Source::Inline(kept.ok_or(SendError::TooMany)?);
                self.udp_queue(index, owner, Send { source, ..send }, path.interface)
            }
        }
    }

    /// Queues a datagram that leaves by this link.
    #[inline(always)]
    fn udp_queue(
        &mut self,
        index: u32,
        owner: u32,
        send: Send,
        link: InterfaceId,
    ) -> Result<(), SendError> {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return Err(SendError::BadSocket);
        };
        if self.requests.push(&mut socket.sends, owner, send).is_err() {
            self.release(send.source);
            return Err(SendError::TooMany);
        }
        let number = self.numbering.number(Actor::Datagram(index));
        self.senders.push_if_free(Self::ready_queue(link), number);
        Ok(())
    }

    /// The way a socket's datagram takes, looked up again when routes or ends have changed.
    pub(crate) fn udp_path(&mut self, index: u32, to: Ipv4Addr) -> Option<Path> {
        let version = self.nets.v4.routes.version();
        let socket = self.udp.sockets.at(index)?;
        let bound = socket
            .local
            .map(|local| *local.ip())
            .filter(|ip| !ip.is_unspecified());
        if let Some(known) = socket.way
            && known.path.version == version
            && (known.to, known.bound) == (to, bound)
        {
            return Some(known.path);
        }
        let path = self.path(to, bound)?;
        self.udp.sockets.at_mut(index)?.way = Some(KnownWay { to, bound, path });
        Some(path)
    }

    /// Takes room to receive into.
    pub(crate) fn udp_receive(
        &mut self,
        index: u32,
        room: Range,
        token: Token,
    ) -> Result<(), ReceiveError> {
        let limit = u32::from(self.config.requests_per_socket);
        let socket = self
            .udp
            .sockets
            .at_mut(index)
            .ok_or(ReceiveError::BadSocket)?;
        let owner = self.clients.index(socket.client);
        if socket.local.is_none() {
            return Err(ReceiveError::NotConnected);
        }
        if self.requests.len(&socket.rooms) >= limit {
            return Err(ReceiveError::TooMany);
        }
        let room = Room {
            token,
            range: room,
            used: 0,
        };
        let pushed = self.requests.push(&mut socket.rooms, owner, room);
        pushed.map_err(|_| ReceiveError::TooMany)?;
        if socket.error.is_some() {
            let client = socket.client;
            self.tell(client, Actor::Datagram(index));
        }
        Ok(())
    }

    /// Changes how a socket behaves.
    pub(crate) fn udp_options(&mut self, index: u32, options: SocketOptions) {
        if let Some(socket) = self.udp.sockets.at_mut(index) {
            socket.options = options;
        }
    }

    /// Takes a waiting receive back.
    pub(crate) fn udp_cancel(&mut self, index: u32, token: Token) -> Result<(), CancelError> {
        let socket = self
            .udp
            .sockets
            .at_mut(index)
            .ok_or(CancelError::BadSocket)?;
        let found = self.requests.move_where(
            &mut socket.rooms,
            &mut socket.notices,
            |request| request.token() == token,
            |request| request.failed(SocketError::Cancelled),
        );
        if !found {
            let sending = self
                .requests
                .iter(&socket.sends)
                .any(|send| send.token() == token);
            return Err(if sending {
                CancelError::InProgress
            } else {
                CancelError::NotFound
            });
        }
        let client = socket.client;
        self.tell(client, Actor::Datagram(index));
        Ok(())
    }

    /// Ends a socket: its port is free at once, what is queued is still sent unless `abort`.
    pub(crate) fn udp_close(&mut self, index: u32, abort: bool, token: Token) {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return;
        };
        if let Some(local) = socket.local {
            self.udp
                .bindings
                .remove(local.port(), Holder::Socket(index));
        }
        socket.closing = Some(token);
        socket.error = None;
        let cancelled = |request: Request| request.failed(SocketError::Cancelled);
        while self
            .requests
            .move_first(&mut socket.rooms, &mut socket.notices, cancelled)
        {}
        if abort {
            while let Some(Request::Send(send)) = self.requests.first(&socket.sends) {
                self.requests
                    .move_first(&mut socket.sends, &mut socket.notices, cancelled);
                if let Source::Inline(index) = send.source {
                    self.inline.release(index);
                }
            }
            self.senders
                .remove(self.numbering.number(Actor::Datagram(index)));
        }
        let client = socket.client;
        self.tell(client, Actor::Datagram(index));
    }

    /// Forgets a socket and everything that waits on it.
    pub(crate) fn udp_forget(&mut self, index: u32) {
        let number = self.numbering.number(Actor::Datagram(index));
        self.senders.remove(number);
        self.dirty.remove(number);
        let Some(mut socket) = self.udp.sockets.remove_at(index) else {
            return;
        };
        if let Some(local) = socket.local {
            self.udp
                .bindings
                .remove(local.port(), Holder::Socket(index));
        }
        let chains = [
            &mut socket.sends,
            &mut socket.done,
            &mut socket.rooms,
            &mut socket.arrivals,
            &mut socket.notices,
        ];
        for chain in chains {
            self.forget_requests(chain);
        }
    }
}
