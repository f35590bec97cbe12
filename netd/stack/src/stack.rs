//! The object that owns everything: frames and requests in, frames and events out.
//!
//! *Owns* all tables. *Never* waits, allocates on a packet's way, or knows the time: `now` comes in.

use crate::config::{
    AddressPlan, Config, Data, Ending, Half, Kind, LinkFacts, ReceiveMeta, SocketOption,
    SocketOptions, TransmitMeta,
};
use crate::error::{
    AcceptError, AdminError, BadSocket, BindError, CancelError, ClientError, ConnectError,
    CreateError, InterfaceError, ListenError, OptionError, PingError, ReceiveError, ResolveError,
    SendError, ShutdownError,
};
use crate::event::{Event, Offer};
use crate::id::{ClientId, InterfaceId, SocketId, Token};
use crate::info::{
    AddressInfo, InterfaceInfo, LeaseInfo, NeighbourInfo, RouteInfo, SocketInfo, Status, Totals,
};
use crate::memory::{ClientMemory, Range};
use crate::{Lookup, Ping};
use core::net::{IpAddr, SocketAddr};
use tcp::Instant;
use wire::{Drop, MacAddress};

/// The whole stack.
#[derive(Debug)]
pub struct Stack {
    config: Config,
}

impl Stack {
    /// A stack with loopback and nothing else. `seed` must come from an entropy source; equal
    /// seeds and equal inputs give equal outputs.
    #[must_use]
    pub fn new(config: Config, _seed: [u8; 32], _now: Instant) -> Self {
        Self { config }
    }

    /// The limits it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Links and packets.
impl Stack {
    /// Adds a link.
    ///
    /// # Errors
    /// See [`InterfaceError`].
    pub fn add_interface(
        &mut self,
        _facts: LinkFacts,
        _plan: AddressPlan,
        _now: Instant,
    ) -> Result<InterfaceId, InterfaceError> {
        Err(InterfaceError::TooManyInterfaces)
    }

    /// The link went up or down.
    pub fn link_changed(&mut self, _interface: InterfaceId, _up: bool, _now: Instant) {}

    /// Takes in one received frame. Ends in exactly one delivery or one counted [`Drop`].
    pub fn input<M: ClientMemory>(
        &mut self,
        _interface: InterfaceId,
        _frame: &[u8],
        _meta: ReceiveMeta,
        _memory: &mut M,
        _now: Instant,
    ) {
    }

    /// Does what is due: timers, and packets through loopback.
    pub fn fire<M: ClientMemory>(&mut self, _memory: &mut M, _now: Instant) {}

    /// When [`Stack::fire`] must be called at the latest; `None` when nothing is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Writes the next frame for `interface` into `frame` (at least MTU + 14 bytes long) and
    /// returns its length; `None` when there is nothing to send now.
    pub fn output<M: ClientMemory>(
        &mut self,
        _interface: InterfaceId,
        _frame: &mut [u8],
        _memory: &mut M,
        _now: Instant,
    ) -> Option<(usize, TransmitMeta)> {
        None
    }

    /// Offers every waiting event once to `offer`, client after client. A client whose ring is
    /// full keeps its events, and their bytes stay unacknowledged. Returns how many were published.
    pub fn publish(
        &mut self,
        _now: Instant,
        _offer: &mut dyn FnMut(ClientId, &Event) -> Offer,
    ) -> usize {
        0
    }

    /// Gives back what was borrowed from the network: releases leases. Call before power-off, then
    /// [`Stack::output`] until `None`.
    pub fn shut_down(&mut self, _now: Instant) {}
}

/// Clients and their sockets. Each refuses what is not the client's own.
impl Stack {
    /// A new client.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn client_open(&mut self) -> Result<ClientId, ClientError> {
        Err(ClientError::TooManyClients)
    }

    /// The client is gone with its memory: connections with unsent bytes are reset, others are
    /// closed; everything it waited for is forgotten.
    pub fn client_close(&mut self, _client: ClientId, _now: Instant) {}

    /// A new socket, unbound.
    ///
    /// # Errors
    /// See [`CreateError`].
    pub fn socket_create(
        &mut self,
        _client: ClientId,
        _kind: Kind,
    ) -> Result<SocketId, CreateError> {
        Err(CreateError::BadClient)
    }

    /// Gives the socket a local address (unspecified: all) and port (0: an ephemeral one, RFC 6056).
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn bind(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _local: SocketAddr,
    ) -> Result<SocketAddr, BindError> {
        Err(BindError::BadSocket)
    }

    /// Streams: starts a connection; completes with `Connected` or `Error`. Datagrams: fixes the
    /// peer; completes at once with `Connected`.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _remote: SocketAddr,
        _token: Token,
        _now: Instant,
    ) -> Result<(), ConnectError> {
        Err(ConnectError::BadSocket)
    }

    /// Starts to listen; at most `backlog` connections wait to be accepted.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn listen(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _backlog: u16,
    ) -> Result<(), ListenError> {
        Err(ListenError::BadSocket)
    }

    /// Asks for one connection; several may be asked for. Completes with `Accepted`. With a room,
    /// that is the connection's first receive, completed with the same token.
    ///
    /// # Errors
    /// See [`AcceptError`].
    pub fn accept(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _room: Option<Range>,
        _token: Token,
        _now: Instant,
    ) -> Result<(), AcceptError> {
        Err(AcceptError::BadSocket)
    }

    /// Queues bytes (streams) or one datagram; `to` is for datagrams only. Completes with `Sent`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _data: Data<'_>,
        _to: Option<SocketAddr>,
        _token: Token,
        _now: Instant,
    ) -> Result<(), SendError> {
        Err(SendError::BadSocket)
    }

    /// Gives room to receive into. Completes with `Received`, several times while `more` says so,
    /// or with `Eof`. Datagrams are packed into the room, each at a multiple of 8 bytes.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub fn receive(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _room: Range,
        _token: Token,
        _now: Instant,
    ) -> Result<(), ReceiveError> {
        Err(ReceiveError::BadSocket)
    }

    /// Ends one or both halves of a connection.
    ///
    /// # Errors
    /// See [`ShutdownError`].
    pub fn shutdown(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _half: Half,
        _now: Instant,
    ) -> Result<(), ShutdownError> {
        Err(ShutdownError::BadSocket)
    }

    /// Ends the socket: waiting receives and accepts are cancelled, queued bytes are still sent
    /// (not with [`Ending::Abort`]). The name is dead at once. Completes with `Closed`.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn close(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _ending: Ending,
        _token: Token,
        _now: Instant,
    ) -> Result<(), BadSocket> {
        Err(BadSocket)
    }

    /// What the socket is ready for.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn status(&self, _client: ClientId, _socket: SocketId) -> Result<Status, BadSocket> {
        Err(BadSocket)
    }

    /// Changes one option.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_option(
        &mut self,
        _client: ClientId,
        _socket: SocketId,
        _option: SocketOption,
    ) -> Result<(), OptionError> {
        Err(OptionError::BadSocket)
    }

    /// All options.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn options(
        &self,
        _client: ClientId,
        _socket: SocketId,
    ) -> Result<SocketOptions, BadSocket> {
        Err(BadSocket)
    }

    /// Takes back a request that waits: a receive or accept of `socket`, or, without a socket, a
    /// ping or look-up. Its completion says `Cancelled`.
    ///
    /// # Errors
    /// See [`CancelError`].
    pub fn cancel(
        &mut self,
        _client: ClientId,
        _socket: Option<SocketId>,
        _token: Token,
    ) -> Result<(), CancelError> {
        Err(CancelError::NotFound)
    }

    /// Looks up the addresses of a name. Completes with `Resolved`.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub fn resolve(
        &mut self,
        _client: ClientId,
        _lookup: Lookup<'_>,
        _token: Token,
        _now: Instant,
    ) -> Result<(), ResolveError> {
        Err(ResolveError::BadClient)
    }

    /// Sends one echo request. Completes with `PingReply`, `PingFailed`.
    ///
    /// # Errors
    /// See [`PingError`].
    pub fn ping(
        &mut self,
        _client: ClientId,
        _ping: Ping,
        _token: Token,
        _now: Instant,
    ) -> Result<(), PingError> {
        Err(PingError::BadClient)
    }
}

/// Configuration by hand.
impl Stack {
    /// Adds an address; it is announced. Adds the route to its network as well.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_address(
        &mut self,
        _interface: InterfaceId,
        _address: IpAddr,
        _prefix: u8,
        _now: Instant,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }

    /// Removes an address; sockets bound to it get `AddressLost`.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_address(
        &mut self,
        _interface: InterfaceId,
        _address: IpAddr,
        _now: Instant,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }

    /// Adds a route: through a gateway that is on a link, or, without one, to the link itself.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_route(
        &mut self,
        _interface: InterfaceId,
        _destination: IpAddr,
        _prefix: u8,
        _gateway: Option<IpAddr>,
        _metric: u16,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }

    /// Removes the routes to a prefix on an interface.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_route(
        &mut self,
        _interface: InterfaceId,
        _destination: IpAddr,
        _prefix: u8,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }

    /// Gives a neighbour's hardware address; it is never asked for.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn add_neighbour(
        &mut self,
        _interface: InterfaceId,
        _address: IpAddr,
        _mac: MacAddress,
        _now: Instant,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }

    /// Forgets a neighbour.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub fn remove_neighbour(
        &mut self,
        _interface: InterfaceId,
        _address: IpAddr,
    ) -> Result<(), AdminError> {
        Err(AdminError::NoInterface)
    }
}

/// Snapshots for tools.
impl Stack {
    /// All interfaces, loopback first.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceInfo> + '_ {
        core::iter::empty()
    }

    /// All addresses.
    pub fn addresses(&self) -> impl Iterator<Item = AddressInfo> + '_ {
        core::iter::empty()
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = RouteInfo> + '_ {
        core::iter::empty()
    }

    /// All neighbours.
    pub fn neighbours(&self, _now: Instant) -> impl Iterator<Item = NeighbourInfo> + '_ {
        core::iter::empty()
    }

    /// All sockets, connections and remains of connections.
    pub fn sockets(&self) -> impl Iterator<Item = SocketInfo> + '_ {
        core::iter::empty()
    }

    /// What DHCP has obtained, interface by interface.
    pub fn leases(&self, _now: Instant) -> impl Iterator<Item = LeaseInfo> + '_ {
        core::iter::empty()
    }

    /// Who is asked for names.
    pub fn name_servers(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        core::iter::empty()
    }

    /// Sums over everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals::default()
    }

    /// Frames that were discarded for this reason.
    #[must_use]
    pub fn drops(&self, _reason: Drop) -> u64 {
        0
    }

    /// All counters that are not drops, with their names.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        core::iter::empty()
    }
}
