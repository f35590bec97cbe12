//! What a caller can be told: one enum per operation, and the errors that come later as events.
//!
//! *Owns* the vocabulary. Every variant is something the caller can act on; trouble that the
//! network makes is a [`wire::Drop`], never one of these.

/// Why a client cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// All places for clients are taken.
    TooManyClients,
    /// Another client has the number.
    NumberTaken,
}

/// Why a record is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptError {
    /// It is not believed.
    Record(::tcp::BadRecord),
    /// There is no such slot, or it is taken.
    Slot,
    /// Nobody can be connected so, or another has the same ends.
    Ends,
    /// Another has the socket's name.
    Name,
}

impl From<::tcp::BadRecord> for AdoptError {
    fn from(bad: ::tcp::BadRecord) -> Self {
        Self::Record(bad)
    }
}

/// Why a client does not get a connection back. It still waits, where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError {
    /// It is not one of this client's that waits for it.
    BadSurvivor,
    /// Not a listener of this client.
    NotListening,
    /// A place in an arena, or a payload, is not possible.
    BadRange,
    /// As many sockets, requests or connections to be accepted are there as may.
    TooMany,
    /// The client was told otherwise than the record says, or gives less than was sent or received.
    /// The connection is reset.
    Contradiction,
    /// Another connection has the same ends; this one is gone.
    Taken,
}

/// Why an interface cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterfaceError {
    /// All places for interfaces are taken.
    TooManyInterfaces,
    /// The MTU is below 576 (RFC 791) or above what frame buffers hold.
    BadMtu,
    /// There is no such interface.
    NoInterface,
    /// No VLAN has this number, or there is an interface of it already.
    BadVlan,
}

/// Why an address, route or neighbour cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminError {
    /// There is no such interface.
    NoInterface,
    /// The address or prefix cannot be used so (multicast, broadcast, prefix too long, not on link).
    BadAddress,
    /// This family is not served.
    AddressFamily,
    /// The table is full.
    TableFull,
    /// It is there already.
    Exists,
    /// It is not there.
    NotFound,
}

/// Why a socket cannot be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateError {
    /// The client is not known.
    BadClient,
    /// All sockets are in use.
    NoFreeSocket,
    /// The client has as many sockets as it may have.
    ClientLimit,
}

/// Why a raw socket cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawError {
    /// The client is not known.
    BadClient,
    /// All sockets are in use.
    NoFreeSocket,
    /// The client has as many sockets, or as many that want details of what comes, as it may have.
    ClientLimit,
    /// Nobody can have this protocol or type: it is TCP, names a header of IPv6, or is what the stack
    /// speaks itself.
    BadProtocol,
    /// The address belongs to no interface, there is no such interface on a wire, or a group is none.
    AddressNotLocal,
}

impl From<CreateError> for RawError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::BadClient => Self::BadClient,
            CreateError::NoFreeSocket => Self::NoFreeSocket,
            CreateError::ClientLimit => Self::ClientLimit,
        }
    }
}

/// Why a socket cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// Not a socket of this client.
    BadSocket,
    /// It is bound already.
    AlreadyBound,
    /// The address belongs to no interface.
    AddressNotLocal,
    /// Address and port are taken.
    AddressInUse,
    /// No ephemeral port is free.
    NoFreePort,
    /// This family is not served.
    AddressFamily,
}

/// Why a connection cannot be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Not a socket of this client.
    BadSocket,
    /// It is connected, connecting or listening.
    WrongState,
    /// Nobody can be connected to by that address or port (unspecified, multicast, port 0).
    BadAddress,
    /// No route leads there.
    NoRoute,
    /// This local and remote address and port are in use together.
    AddressInUse,
    /// No ephemeral port is free.
    NoFreePort,
    /// All connections are in use, or as many requests wait as may.
    NoFreeConnection,
    /// This family is not served.
    AddressFamily,
}

/// Why a socket cannot listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// Not a socket of this client.
    BadSocket,
    /// Not a stream, or connected already.
    WrongState,
    /// It was never bound to a port.
    NotBound,
    /// All listeners are in use.
    NoFreeListener,
    /// Another listener has the address and port.
    AddressInUse,
}

/// Why an accept cannot be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptError {
    /// Not a socket of this client.
    BadSocket,
    /// It does not listen.
    NotListening,
    /// As many accepts wait as may wait.
    TooMany,
    /// The area holds no room for even one connection, or for more than can be told apart.
    BadRoom,
}

/// Why a send cannot be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Not a socket of this client.
    BadSocket,
    /// It is not connected.
    NotConnected,
    /// The sending side was shut down.
    ShutDown,
    /// No destination was given and none is connected.
    NoDestination,
    /// Nobody can be sent to by that address or port, or it needs the broadcast option.
    BadAddress,
    /// No route leads there.
    NoRoute,
    /// The datagram does not fit into one packet.
    TooBig,
    /// A message of ICMPv6 without room for its checksum.
    TooShort,
    /// As many sends wait as may wait; try again after a completion.
    TooMany,
    /// No ephemeral port is free.
    NoFreePort,
    /// This family is not served.
    AddressFamily,
}

/// Why room cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// Not a socket of this client.
    BadSocket,
    /// It is not connected, not bound, or it listens.
    NotConnected,
    /// The receiving side was shut down.
    ShutDown,
    /// The room is empty, or its end is beyond every arena.
    BadRoom,
    /// As many rooms wait as may wait; try again after a completion.
    TooMany,
}

/// Why a socket cannot be shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownError {
    /// Not a socket of this client.
    BadSocket,
    /// It is not connected.
    NotConnected,
}

/// Why a socket cannot be closed or asked for its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSocket;

/// Why an option cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// Not a socket of this client.
    BadSocket,
    /// The value is not possible.
    BadValue,
    /// This kind of socket does not have the option.
    WrongKind,
    /// As many connections have peers to watch as may have, or sockets as many different options; the
    /// option is not followed.
    TooMany,
}

/// Why a socket cannot listen to a group, or not as it wants to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupError {
    /// Not a socket of this client.
    BadSocket,
    /// Only datagram sockets listen to groups.
    WrongKind,
    /// The address is no group's.
    BadGroup,
    /// The source is no host's address, or one of the other family.
    BadSource,
    /// There is no such interface, or nobody can be heard by it.
    NoInterface,
    /// It listens to the group, or has named the source, already.
    AlreadyMember,
    /// It does not listen to the group, or has not named the source.
    NotMember,
    /// It names whom it hears where it named whom it does not, or the other way round.
    WrongMode,
    /// As many groups, sockets that listen, or sources are there as may be.
    TooMany,
}

/// Why a request cannot be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelError {
    /// Not a socket of this client.
    BadSocket,
    /// No request with this token waits.
    NotFound,
    /// Its bytes may be on their way already; it completes by itself.
    InProgress,
}

/// Why a name cannot be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The client is not known.
    BadClient,
    /// The name is empty, too long, or has an empty or too long label (RFC 1035 2.3.4).
    BadName,
    /// No name server is known.
    NoServer,
    /// As many questions wait as may wait.
    TooMany,
    /// The server's family is not served.
    AddressFamily,
}

/// Why a service cannot be offered or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferError {
    /// The client is not known.
    BadClient,
    /// The name is longer than 63 bytes, or there is no port.
    BadName,
    /// Not the form of a kind: `_http._tcp` is one.
    BadKind,
    /// The text is too long, or no strings behind their lengths.
    BadText,
    /// A service of this host has name and kind.
    Exists,
    /// The client offers no such service.
    NotFound,
    /// As many services are offered as may be.
    TooMany,
}

/// Why services cannot be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrowseError {
    /// The client is not known.
    BadClient,
    /// Not the form of a kind: `_http._tcp` is one.
    BadKind,
    /// There is no link where names are answered for.
    NoLink,
    /// As many are looked for as may be.
    TooMany,
}

/// Why a ping cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingError {
    /// The client is not known.
    BadClient,
    /// Nobody can be pinged by that address.
    BadAddress,
    /// No route leads there.
    NoRoute,
    /// It does not fit into one packet.
    TooBig,
    /// As many pings wait as may wait.
    TooMany,
    /// This family is not served.
    AddressFamily,
}

/// What went wrong with a socket or a request after it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// The peer refused the connection, or nobody has the port.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// Nothing came back in time.
    TimedOut,
    /// The neighbour or a router says that the host cannot be reached.
    HostUnreachable,
    /// No route, or a router says that the network cannot be reached.
    NetworkUnreachable,
    /// The peer does not serve the protocol.
    ProtocolUnreachable,
    /// A router forbids it.
    Prohibited,
    /// A packet's time to live ran out on the way.
    TimeExceeded,
    /// A packet was too big for the path.
    TooBig,
    /// The request was cancelled, or its socket closed, before it was done.
    Cancelled,
    /// The local address was taken away.
    AddressLost,
    /// The client's memory did not hold what was promised.
    BadMemory,
    /// The connection was closed while the request waited.
    Closed,
}
