//! What clients ask of datagram sockets.
//!
//! *Owns* the checks of each call; the socket is already known to be the caller's.

use crate::actors::Actor;
use crate::bindings;
use crate::config::{Data, INLINE_PAYLOAD};
use crate::error::{
    BindError, CancelError, ConnectError, OptionError, ReceiveError, SendError, SocketError,
};
use crate::family::Family;
use crate::id::{InterfaceId, Token};
use crate::ip::out::Path;
use crate::ip::zones;
use crate::memory::Range;
use crate::options::SocketOptions;
use crate::requests::{Peer, Request, Room, Send, Source, To};
use crate::stack::Stack;
use crate::steering::Shard;
use crate::udp::socket::{Holder, KnownWay, Raw};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU16;
use wire::{MacAddress, udp};

/// Sockets that have one port together, at most: each gets a copy of what is for all.
const SHARERS: usize = 64;

/// Why a socket cannot speak in a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnyError {
    NoFreePort,
    /// It is bound to an address of the other.
    Family,
}

/// An address of IPv6 that stands for one of IPv4 is that (RFC 3493 section 3.7).
pub(crate) fn plain(end: SocketAddr) -> SocketAddr {
    match end.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::new(v4.into(), end.port()),
        IpAddr::V6(_) => end,
    }
}

impl Stack {
    /// Binds a datagram socket; port 0 means any.
    pub(crate) fn udp_bind(
        &mut self,
        index: u32,
        local: SocketAddr,
    ) -> Result<SocketAddr, BindError> {
        let socket = self.udp.sockets.at(index).ok_or(BindError::BadSocket)?;
        let is_dual = socket.options.dual_stack;
        let (v4, v6) = match local {
            SocketAddr::V4(local) => (Some(*local.ip()), None),
            SocketAddr::V6(local) if is_dual && local.ip().is_unspecified() => {
                (Some(Ipv4Addr::UNSPECIFIED), Some(Ipv6Addr::UNSPECIFIED))
            }
            SocketAddr::V6(local) => (None, Some(*local.ip())),
        };
        // RFC 1122 4.1.3.5: one that hears a group alone is bound to it.
        self.check_local(v4.filter(|v4| !v4.is_multicast()))?;
        self.check_local(v6.filter(|v6| !v6.is_multicast()))?;
        self.udp_bind_sides(index, (v4, v6), local.port())
    }

    /// What a socket is bound to is all addresses, or one of ours. Which are, the first shard knows: another
    /// may not have been told yet, or never is, of what comes by a link that it has no part of.
    pub(crate) fn check_local<A: Family>(&self, address: Option<A>) -> Result<(), BindError> {
        let is_good = |address: A| address == A::UNSPECIFIED || self.is_own(address);
        let follows = self.config.shard.is_some_and(Shard::follows);
        if follows || address.is_none_or(is_good) {
            Ok(())
        } else {
            Err(BindError::AddressNotLocal)
        }
    }

    fn udp_bind_sides(
        &mut self,
        index: u32,
        (v4, v6): (Option<Ipv4Addr>, Option<Ipv6Addr>),
        port: u16,
    ) -> Result<SocketAddr, BindError> {
        let socket = self.udp.sockets.at(index).ok_or(BindError::BadSocket)?;
        if socket.is_bound() {
            return Err(BindError::AlreadyBound);
        }
        let (client, shares) = (socket.client, socket.options.reuse_address);
        let sockets = &self.udp.sockets;
        // Sharing is for sockets of one client: nobody takes datagrams from another. What is for a
        // group all get who listen.
        let is_for_group =
            v4.is_none_or(|v4| v4.is_multicast()) && v6.is_none_or(|v6| v6.is_multicast());
        let may_share = |holder: Holder, is_at_group: bool| match holder {
            Holder::Socket(other) => {
                let other = sockets.at(other);
                let is_own = other.is_some_and(|other| other.client == client);
                shares && (is_own || is_for_group || is_at_group)
            }
            Holder::Query(_) => false,
        };
        let (ports, shard) = (&self.udp.ports, self.config.shard);
        // A port of one's own is nobody else's at any address.
        let is_used = |port: u16| {
            v4.is_some_and(|_| ports.v4.count(port) > 0)
                || v6.is_some_and(|_| ports.v6.count(port) > 0)
        };
        let is_taken = |port: u16| {
            let is_full = ports.v4.count(port).max(ports.v6.count(port)) >= SHARERS;
            let may4 = |holder, at: Ipv4Addr| may_share(holder, at.is_multicast());
            let may6 = |holder, at: Ipv6Addr| may_share(holder, at.is_multicast());
            is_full
                || v4.is_some_and(|v4| ports.v4.is_taken(v4, port, may4))
                || v6.is_some_and(|v6| ports.v6.is_taken(v6, port, may6))
        };
        let port = match port {
            0 => bindings::ephemeral(&mut self.rng, |port| {
                shard.is_none_or(|shard| shard.has_port(port)) && !is_used(port)
            })
            .ok_or(BindError::NoFreePort)?,
            port if is_taken(port) => return Err(BindError::AddressInUse),
            port => port,
        };
        let (ports, holder) = (&mut self.udp.ports, Holder::Socket(index));
        if let Some(v4) = v4
            && !ports.v4.insert(v4, port, shares, holder)
        {
            return Err(BindError::NoFreePort);
        }
        if let Some(v6) = v6
            && !ports.v6.insert(v6, port, shares, holder)
        {
            ports.v4.remove(port, holder);
            return Err(BindError::NoFreePort);
        }
        let socket = self.udp.sockets.at_mut(index).ok_or(BindError::BadSocket)?;
        socket.port = NonZeroU16::new(port);
        (socket.v4.local, socket.v6.local) = (v4, v6);
        socket.local().ok_or(BindError::BadSocket)
    }

    /// Gives an unbound socket a port of its own, in the family of what it speaks to. One that is
    /// bound must take part in that.
    fn udp_bind_any<A: Family>(&mut self, index: u32) -> Result<(), AnyError> {
        let socket = self.udp.sockets.at(index).ok_or(AnyError::NoFreePort)?;
        if socket.is_bound() {
            let takes_part = A::side(socket).local.is_some();
            return takes_part.then_some(()).ok_or(AnyError::Family);
        }
        let any = A::UNSPECIFIED.end(0);
        let bound = self.udp_bind(index, any);
        bound.map(|_| ()).map_err(|_| AnyError::NoFreePort)
    }

    /// Fixes the peer of a datagram socket.
    pub(crate) fn udp_connect(
        &mut self,
        index: u32,
        remote: SocketAddr,
        token: Token,
    ) -> Result<(), ConnectError> {
        match plain(remote) {
            SocketAddr::V4(remote) => {
                self.udp_connect_to(index, (*remote.ip(), remote.port()), token)
            }
            SocketAddr::V6(remote) => {
                self.udp_connect_to(index, (zones::of_end(&remote), remote.port()), token)
            }
        }
    }

    fn udp_connect_to<A: Family>(
        &mut self,
        index: u32,
        remote: (A, u16),
        token: Token,
    ) -> Result<(), ConnectError> {
        let socket = self.udp.sockets.at(index).ok_or(ConnectError::BadSocket)?;
        if socket.connected.is_some() || matches!(socket.raw, Some(Raw::Frames(_))) {
            return Err(ConnectError::WrongState);
        }
        let remote = (remote.0, socket.peers_port(remote.1));
        if (remote.1 == 0 && socket.raw.is_none()) || remote.0 == A::UNSPECIFIED {
            return Err(ConnectError::BadAddress);
        }
        let bound = A::side(socket).bound();
        let path = self.path_within(remote.0, bound);
        let (peer, path) = path.ok_or(ConnectError::NoRoute)?;
        let remote = (peer, remote.1);
        self.udp_bind_any::<A>(index).map_err(|error| match error {
            AnyError::NoFreePort => ConnectError::NoFreePort,
            AnyError::Family => ConnectError::AddressFamily,
        })?;
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return Err(ConnectError::BadSocket);
        };
        let port = socket.port;
        (socket.v4.remote, socket.v6.remote) = (None, None);
        let side = A::side_mut(socket);
        side.remote = Some(remote);
        // RFC 1122 4.1.3.5: from now on the socket has the address that the peer sees.
        side.local = Some(path.source);
        let holder = Holder::Socket(index);
        if let Some(port) = port {
            let ports = self.udp.ports.of_mut();
            ports.rebind(port.get(), holder, path.source);
        }
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
        match to.map(plain) {
            Some(SocketAddr::V4(to)) => self.udp_send_to(index, data, (*to.ip(), to.port()), token),
            Some(SocketAddr::V6(to)) => {
                self.udp_send_to(index, data, (zones::of_end(&to), to.port()), token)
            }
            None => {
                let socket = self.udp.sockets.at(index).ok_or(SendError::BadSocket)?;
                match (socket.v4.remote, socket.v6.remote) {
                    (Some(to), _) => self.udp_send_to(index, data, to, token),
                    (None, Some(to)) => self.udp_send_to(index, data, to, token),
                    (None, None) => self.frames_send(index, data, token),
                }
            }
        }
    }

    fn udp_send_to<A: Family>(
        &mut self,
        index: u32,
        data: Data<'_>,
        to: (A, u16),
        token: Token,
    ) -> Result<(), SendError> {
        let limit = u32::from(self.config.requests_per_socket);
        let socket = self.udp.sockets.at(index).ok_or(SendError::BadSocket)?;
        let owner = self.clients.index(socket.client);
        let to = (to.0, socket.peers_port(to.1));
        if (to.1 == 0 && socket.raw.is_none()) || to.0 == A::UNSPECIFIED {
            return Err(SendError::BadAddress);
        }
        if self.requests.len(&socket.sends) + self.requests.len(&socket.done) >= limit {
            return Err(SendError::TooMany);
        }
        let (broadcast, raw) = (socket.options.broadcast, socket.raw);
        let path = self.udp_path(index, to.0).ok_or(SendError::NoRoute)?;
        // RFC 1122 4.1.3.1 leaves broadcasts to who says so.
        if path.next_hop.group_mac() == Some(MacAddress::BROADCAST) && !broadcast {
            return Err(SendError::BadAddress);
        }
        let length = match data {
            Data::Arena(range) => range.length as usize,
            Data::Inline(bytes) => bytes.len(),
        };
        let header = match raw {
            None => udp::HEADER_LEN,
            // RFC 3542 section 3.1: its checksum is ours to put in.
            Some(Raw::Packets(packets)) if !packets.has_room(length) => {
                return Err(SendError::TooShort);
            }
            Some(Raw::Packets(_)) => 0,
            Some(Raw::Frames(_)) => return Err(SendError::BadAddress),
        };
        if length > A::LONGEST_PAYLOAD - header
            || matches!(data, Data::Inline(bytes) if bytes.len() > INLINE_PAYLOAD)
        {
            return Err(SendError::TooBig);
        }
        self.udp_bind_any::<A>(index).map_err(|error| match error {
            AnyError::NoFreePort => SendError::NoFreePort,
            AnyError::Family => SendError::AddressFamily,
        })?;
        let (peer, address) = to.0.peer(to.1);
        if address.is_some() && !self.udp.peers.has_place(owner) {
            return Err(SendError::TooMany);
        }
        let send = Send {
            token,
            source: Source::Spent,
            length: u32::try_from(length).map_err(|_| SendError::TooBig)?,
            to: To::Peer(peer),
        };
        // Each by itself, so that what kind of request it is is known where it is written down.
        match data {
            Data::Arena(range) => {
                let source = Source::Arena(range.offset);
                let send = (Send { source, ..send }, address);
                self.udp_queue(index, owner, send, path.interface)
            }
            Data::Inline(bytes) => {
                let kept = self.inline.keep(owner, bytes);
                let source = Source::Inline(kept.ok_or(SendError::TooMany)?);
                let send = (Send { source, ..send }, address);
                self.udp_queue(index, owner, send, path.interface)
            }
        }
    }

    /// Queues a datagram that leaves by this link.
    #[inline(always)]
    pub(crate) fn udp_queue(
        &mut self,
        index: u32,
        owner: u32,
        (send, address): (Send, Option<Ipv6Addr>),
        link: InterfaceId,
    ) -> Result<(), SendError> {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return Err(SendError::BadSocket);
        };
        if self.requests.push(&mut socket.sends, owner, send).is_err() {
            self.release(send.source);
            return Err(SendError::TooMany);
        }
        if let Some(address) = address {
            let pushed = self
                .udp
                .peers
                .push(&mut socket.destinations, owner, address);
            debug_assert!(pushed.is_ok(), "there was a place");
        }
        let number = self.numbering.number(Actor::Datagram(index));
        self.senders.push_if_free(Self::ready_queue(link), number);
        Ok(())
    }

    /// Queues a mark behind the datagrams that wait; `false` if none does.
    pub(crate) fn udp_flush(&mut self, index: u32, token: Token) -> Result<bool, SendError> {
        let limit = u32::from(self.config.requests_per_socket);
        let socket = self.udp.sockets.at_mut(index).ok_or(SendError::BadSocket)?;
        // An error that was not told yet comes first.
        if socket.sends.is_empty() && socket.notices.is_empty() {
            return Ok(false);
        }
        if self.requests.len(&socket.sends) + self.requests.len(&socket.done) >= limit {
            return Err(SendError::TooMany);
        }
        let mark = Send {
            token,
            source: Source::Spent,
            length: 0,
            to: To::Stream(0),
        };
        let (client, owner) = (socket.client, self.clients.index(socket.client));
        // Behind nothing that waits to leave, it is through already, and told after the errors.
        let is_through = socket.sends.is_empty();
        let chain = if is_through {
            &mut socket.done
        } else {
            &mut socket.sends
        };
        let pushed = self.requests.push(chain, owner, mark);
        pushed.map_err(|_| SendError::TooMany)?;
        if is_through {
            self.tell(client, Actor::Datagram(index));
        }
        Ok(true)
    }

    /// The way a socket's datagram takes, looked up again when routes or ends have changed.
    pub(crate) fn udp_path<A: Family>(&mut self, index: u32, to: A) -> Option<Path<A>> {
        let version = self.net::<A>().routes.version();
        let side = A::side(self.udp.sockets.at(index)?);
        let bound = side.bound();
        if let Some(known) = &side.way
            && known.path.version == version
            && (known.to, known.bound) == (to, bound)
        {
            return Some(known.path);
        }
        let chosen = self.udp.sockets.at(index)?.options.multicast_interface;
        let path = match chosen.filter(|_| to.is_group()) {
            Some(chosen) => self.group_path(to, bound, chosen)?,
            None => self.path_within(to, bound)?.1,
        };
        let socket = self.udp.sockets.at_mut(index)?;
        A::side_mut(socket).way = Some(KnownWay { to, bound, path });
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
        if !socket.is_bound() {
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
    pub(crate) fn udp_options(
        &mut self,
        index: u32,
        options: SocketOptions,
    ) -> Result<(), OptionError> {
        let socket = self.udp.sockets.at_mut(index);
        let socket = socket.ok_or(OptionError::BadSocket)?;
        match (options.details, socket.trace) {
            (true, None) => {
                let trace = self.traces.open(socket.client);
                socket.trace = Some(trace.ok_or(OptionError::TooMany)?);
            }
            // A raw socket has them always.
            (false, Some(_)) if socket.raw.is_some() => return Err(OptionError::BadValue),
            (false, Some(trace)) => {
                self.traces.close(trace);
                socket.trace = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        socket.options = options;
        (socket.v4.way, socket.v6.way) = (None, None);
        Ok(())
    }

    /// Nothing of a raw socket's protocol is its own any more, and no socket is told details.
    fn udp_stop_hearing(&mut self, index: u32) {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return;
        };
        if let Some(port) = socket.port {
            self.udp.ports.free(port, Holder::Socket(index));
        }
        if let Some(trace) = socket.trace.take() {
            self.traces.close(trace);
        }
        if socket.raw.is_some() {
            self.udp.raws.retain(|raw| *raw != index);
            self.udp.frames.retain(|raw| *raw != index);
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
        self.udp_stop_hearing(index);
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return;
        };
        socket.closing = Some(token);
        socket.error = None;
        let cancelled = |request: Request| request.failed(SocketError::Cancelled);
        while self
            .requests
            .move_first(&mut socket.rooms, &mut socket.notices, cancelled)
        {}
        if abort {
            socket.cutting = None;
            while let Some(Request::Send(send)) = self.requests.first(&socket.sends) {
                self.requests
                    .move_first(&mut socket.sends, &mut socket.notices, cancelled);
                if let To::Peer(Peer::V6(_)) = send.to {
                    self.udp.peers.pop(&mut socket.destinations);
                }
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
        self.udp_stop_hearing(index);
        let Some(mut socket) = self.udp.sockets.remove_at(index) else {
            return;
        };
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
        for chain in [&mut socket.destinations, &mut socket.sources] {
            while self.udp.peers.pop(chain).is_some() {}
        }
    }
}
