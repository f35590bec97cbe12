//! Operations on sockets that end promptly, and the making of connections.

use core::net::{IpAddr, SocketAddr};

use zerocopy::little_endian::{U32, U64};

use crate::field::{Range, Word, at, fixed, layout, word_enum};
use crate::message::flag;
use crate::operation::operations;

/// Names a socket of this client. Zero names none. Ids carry a generation: a stale one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

impl Word for SocketId {
    fn to_word(self) -> u32 {
        self.0
    }
    fn from_word(word: u32) -> Option<Self> {
        Some(Self(word))
    }
}

word_enum! {
    /// What a socket carries.
    SocketKind {
        /// A stream of bytes (TCP).
        Stream = 1,
        /// Datagrams (UDP).
        Datagram = 2,
        /// Packets of one protocol of IP. NET_SOCKET_RAW makes such.
        Raw = 3,
        /// Frames of one type of Ethernet. NET_SOCKET_ETHERNET makes such.
        Ethernet = 4,
    }
}

word_enum! {
    /// Which side of a connection ends.
    Side {
        /// What arrives from now on is thrown away.
        Receive = 1,
        /// A FIN follows what has been sent.
        Send = 2,
        /// Both.
        Both = 3,
    }
}

/// Names of the states, in the order of their numbers.
const STATE_NAMES: [&str; 13] = [
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
    "BOUND",
    "UNBOUND",
];

impl State {
    /// The name: for streams that of RFC 9293 3.3.2.
    #[must_use]
    pub fn name(self) -> &'static str {
        STATE_NAMES.get(self as usize).unwrap_or(&"")
    }

    /// The state of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let index = STATE_NAMES.iter().position(|known| *known == name)?;
        Self::from_word(u32::try_from(index).ok()?)
    }
}

word_enum! {
    /// Where a socket is in its life; the names of RFC 9293 3.3.2 for streams.
    State {
        /// New, or over.
        Closed = 0,
        /// Waits for connections.
        Listen = 1,
        /// Opening.
        SynSent = 2,
        /// Opening from the other side.
        SynReceived = 3,
        /// Open.
        Established = 4,
        /// Our FIN is out.
        FinWait1 = 5,
        /// Our FIN is acknowledged.
        FinWait2 = 6,
        /// The peer has finished.
        CloseWait = 7,
        /// Both FINs crossed.
        Closing = 8,
        /// Ours is the last FIN.
        LastAck = 9,
        /// Waits for old segments to die.
        TimeWait = 10,
        /// Datagram socket with a port.
        Bound = 11,
        /// Datagram socket without.
        Unbound = 12,
    }
}

word_enum! {
    /// What can be set on a socket.
    SocketOption {
        /// Time to live of packets sent; 1 to 255.
        Ttl = 1,
        /// Datagrams may go to broadcast addresses; 0 or 1.
        Broadcast = 2,
        /// Small segments are not held back; 0 or 1.
        NoDelay = 3,
        /// The port may be bound while old connections linger; 0 or 1.
        ReuseAddress = 4,
        /// An idle peer is asked whether it is still there; 0 or 1.
        KeepAlive = 5,
        /// After how many seconds of silence it is asked; 1 to 65535.
        KeepAliveIdle = 6,
        /// Seconds between two questions; 1 to 65535.
        KeepAliveInterval = 7,
        /// Questions without an answer after which the connection is given up; 1 to 255.
        KeepAliveCount = 8,
        /// Seconds that bytes may stay unacknowledged, and a SYN unanswered; 0: netd's own limits; to 65535.
        UserTimeout = 9,
        /// The peer is told of that time, and may lengthen it (RFC 5482); 0 or 1.
        TellUserTimeout = 10,
        /// Closing resets the connection and discards what is queued; 0 or 1.
        ResetOnClose = 11,
        /// Small segments are held back until they are full; 0 or 1.
        Cork = 12,
        /// No acknowledgement is delayed; 0 or 1.
        QuickAck = 13,
        /// Most bytes offered to the peer as a window, rounded up to KiB; 0: all the rooms posted.
        ReceiveBuffer = 14,
        /// Most bytes that may wait to be acknowledged; 0: no limit. What is beyond ends with
        /// Limit, but one send is always taken.
        SendBuffer = 15,
        /// Largest payload of a segment, for connections opened from now on; 0: what the path
        /// allows; 64 to 65535.
        MaxSegment = 16,
        /// Routers may mark congestion (RFC 3168), on connections opened from now on; 0 or 1.
        CongestionNotification = 17,
        /// The congestion control; 0: netd's own choice, 1: NewReno, 2: CUBIC, 3: BBR.
        CongestionControl = 18,
        /// The codepoint in the Differentiated Services field of packets sent (RFC 2474); 0 to 63.
        DifferentiatedServices = 19,
        /// A listener takes bytes with the SYN of a peer that has its cookie (RFC 7413); what is sent
        /// together with a connect goes with the SYN; 0 or 1. For services to whom being asked twice
        /// is as being asked once.
        FastOpen = 20,
        /// A datagram socket that is bound to all addresses of IPv6 takes part in IPv4 as well, whose
        /// addresses it sees as ::ffff:0:0/96; 0 or 1.
        DualStack = 21,
        /// How many routers what is sent to a group may pass, and one more; 0 to 255, 0: it stays in
        /// this machine.
        MulticastTtl = 22,
        /// Sockets of this machine that listen hear what is sent to a group; 0 or 1.
        MulticastLoop = 23,
        /// Number of the interface by which is sent to groups, and listened where none is named; 0:
        /// as the routes say.
        MulticastInterface = 24,
        /// Datagram sockets: what comes has [`Details`](crate::Details) in front, and errors of ICMP about
        /// what the socket has sent come as well, also to one without a fixed peer; 0 or 1. Always 1 of
        /// raw sockets.
        Details = 25,
        /// Datagram sockets: what is longer than its path takes is refused with TooBig and does not leave in
        /// parts (RFC 3542 section 11.2); [`PathMtu`](Self::PathMtu) tells how much that is; 0 or 1.
        DontFragment = 30,
        /// Read only: the largest packet, in bytes with its headers, that the path to the fixed peer is
        /// known to take (RFC 3542 section 11.3); 0 without one.
        PathMtu = 31,
        /// Raw sockets for ICMPv6: the types 0 to 63 that it does not hear, a bit each (RFC 3542
        /// section 3.2).
        Icmp6Blocked0 = 32,
        /// The types 64 to 127.
        Icmp6Blocked1 = 33,
        /// The types 128 to 191.
        Icmp6Blocked2 = 34,
        /// The types 192 to 255.
        Icmp6Blocked3 = 35,
        /// Raw sockets of IPv6: where in what is sent the checksum is that netd fills in, and verifies
        /// in what comes; even, 0 to 14; 65535: nowhere (RFC 3542 section 3.1). Of ICMPv6 always 2.
        ChecksumAt = 36,
    }
}

fixed! {
    /// A socket option's value.
    pub struct OptionValue: 8 {
        /// By option.
        pub value: U64,
    }
}

fixed! {
    /// What [`SocketStatus`] tells.
    pub struct StatusBody: 24 {
        /// Bits of [`ready`].
        pub ready: U32,
        /// Number of a [`State`].
        pub state: U32,
        /// Bytes given for sending and not yet acknowledged.
        pub send_bytes: U64,
        /// Bytes of room that nothing has come for yet.
        pub room: U64,
    }
}

/// Bits of [`StatusBody::ready`] and of readiness events.
pub mod ready {
    /// Data, a datagram or a connection waits.
    pub const READABLE: u32 = 1;
    /// Sending would be taken up.
    pub const WRITABLE: u32 = 2;
    /// The peer has finished sending.
    pub const END: u32 = 4;
    /// The connection is over by an error.
    pub const ERROR: u32 = 8;
    /// A connection waits to be accepted.
    pub const ACCEPTABLE: u32 = 16;
    /// A router has reported an error, or the peer has not answered three times: the connection
    /// goes on, but perhaps not for long (RFC 9293 section 3.9.1.8).
    pub const DOUBTFUL: u32 = 32;
    /// Urgent bytes are still to be read (RFC 9293 section 3.8.5); an event says that they are new,
    /// or more.
    pub const URGENT: u32 = 64;
}

fixed! {
    /// Which frames a socket hears and sends.
    pub struct EthernetBody: 16 {
        /// Number of the interface; zero: the first that is not loopback.
        pub interface: U32,
        /// Frames to this group are heard, beside those to us and to everybody; zero: to none.
        pub group: [u8; 6],
        /// Zero.
        pub reserved: [u8; 6],
    }
}

layout! {
    /// Makes a socket.
    pub struct SocketCreate {
        /// Stream or datagram.
        kind: SocketKind => at::Argument,
    }

    /// Makes a raw socket: it gets a copy of each packet of a protocol that is for this machine, and
    /// sends such packets. It is used as a datagram socket is, without ports.
    pub struct SocketRaw {
        /// The number of the protocol, as IANA lists them.
        protocol: u32 => at::Argument,
        /// Family, and own address; unspecified: all.
        local: IpAddr => at::Address,
    }

    /// Makes a socket for frames of Ethernet. It is used as a datagram socket is, without addresses: what is
    /// sent and what comes begins with the header of Ethernet, 14 bytes. Of what is sent only the destination
    /// is heeded; the source is the link's own address, the type that of the socket.
    pub struct SocketEthernet {
        /// The type: at least 0x0600, and none that netd speaks itself.
        ethertype: u32 => at::Argument,
        /// Which frames.
        body: EthernetBody => at::Body,
    }

    /// The new socket.
    pub struct SocketCreated {
        /// Its id.
        socket: SocketId => at::Socket,
    }

    /// Opens a connection, or fixes a datagram socket's peer.
    pub struct Connect {
        /// The socket.
        socket: SocketId => at::Socket,
        /// The peer.
        remote: SocketAddr => at::Address,
    }

    /// The socket has a peer.
    pub struct Connected {
        /// Own address.
        local: SocketAddr => at::Address,
    }

    /// Gives a socket its local address.
    pub struct Bind {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Unspecified address: all. Port zero: one that is free.
        local: SocketAddr => at::Address,
    }

    /// The socket has a local address.
    pub struct Bound {
        /// With the port chosen.
        local: SocketAddr => at::Address,
    }

    /// Makes a bound stream socket take connections.
    pub struct Listen {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Connections that may wait to be accepted; netd may take less.
        backlog: u32 => at::Argument,
    }

    /// Takes one connection, or several, one after the other: as many as the room has parts of
    /// `each` bytes. Several may be posted. With a room, a connection's first data completions follow
    /// as NET_SOCKET_RECV replies with this request's id; of several connections these tell whose they
    /// are, also when they fail, by how many rooms there were, this one among them, when it was given:
    /// that stands in the socket's place. Cancelled, it takes no more, and tells as the argument how
    /// many rooms were given to none, if any; the others stay those of their connections, which have
    /// been told or will be.
    pub struct Accept {
        /// The listening socket.
        socket: SocketId => at::Socket,
        /// First receive room of the connection, or those of all, one behind the other.
        room: Option<Range> => at::Room,
        /// Zero: one connection. Else several, and bytes of the room for each.
        each: u32 => at::Argument,
    }

    /// A connection.
    pub struct Accepted {
        /// Its socket.
        socket: SocketId => at::Socket,
        /// The peer.
        remote: SocketAddr => at::Address,
        /// Own address.
        local: SocketAddr => at::Body,
        /// Data completions of the room follow.
        more: bool => at::Flag<{ flag::MORE }>,
        /// Where in the arena its room begins; zero without one.
        offset: u32 => at::Argument,
    }

    /// Gives a socket up: its id is dead at once, posted receives and accepts end with `Cancelled`,
    /// what was sent before still goes out. The completion comes when all of it and the FIN are
    /// acknowledged, or the connection is over.
    pub struct Close {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Reset instead of FIN.
        abort: bool => at::Flag<{ flag::ABORT }>,
    }

    /// Ends one or both sides of a connection.
    pub struct Shutdown {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Which.
        side: Side => at::Argument,
    }

    /// Asks how a socket is.
    pub struct SocketStatus {
        /// The socket.
        socket: SocketId => at::Socket,
    }

    /// How a socket is.
    pub struct StatusReply {
        /// All of it.
        status: StatusBody => at::Body,
    }

    /// Asks for a socket's addresses.
    pub struct SocketNames {
        /// The socket.
        socket: SocketId => at::Socket,
    }

    /// A socket's addresses.
    pub struct NamesReply {
        /// Peer; none when not connected.
        remote: Option<SocketAddr> => at::Address,
        /// Own; unspecified when not bound.
        local: SocketAddr => at::Body,
    }

    /// Sets an option.
    pub struct OptionSet {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Which.
        option: SocketOption => at::Argument,
        /// To what.
        value: OptionValue => at::Body,
    }

    /// Reads an option.
    pub struct OptionGet {
        /// The socket.
        socket: SocketId => at::Socket,
        /// Which.
        option: SocketOption => at::Argument,
    }

    /// An option's value.
    pub struct OptionReply {
        /// The value.
        value: OptionValue => at::Body,
    }

    /// Success that has nothing to tell.
    pub struct Done {}
}

operations! {
    1 "NET_SOCKET_CREATE" SocketCreate -> SocketCreated, CreateError,
        Anyone, Promptly, idempotent: false,
        "Makes a socket.", restart: "No socket was made that outlives netd.";
    24 "NET_SOCKET_RAW" SocketRaw -> SocketCreated, RawError,
        Raw, Promptly, idempotent: false,
        "Makes a raw socket for a protocol, other than TCP, in one family.",
        restart: "No socket was made that outlives netd.";
    25 "NET_SOCKET_ETHERNET" SocketEthernet -> SocketCreated, RawError,
        Raw, Promptly, idempotent: false,
        "Makes a socket for frames of one type on one link.",
        restart: "No socket was made that outlives netd.";
    2 "NET_SOCKET_CONNECT" Connect -> Connected, ConnectError,
        Anyone, Later, idempotent: false,
        "Opens a connection, or fixes a datagram socket's peer.",
        restart: "The attempt is over; make a new socket.";
    3 "NET_SOCKET_BIND" Bind -> Bound, BindError,
        Anyone, Promptly, idempotent: false,
        "Gives a socket its local address.", restart: "The socket is gone.";
    4 "NET_SOCKET_LISTEN" Listen -> Bound, ListenError,
        Anyone, Promptly, idempotent: true,
        "Makes a bound stream socket take connections.", restart: "The socket is gone.";
    5 "NET_SOCKET_ACCEPT" Accept -> Accepted, AcceptError,
        Anyone, Stream, idempotent: false,
        "Takes connections, optionally with their first receive rooms.",
        restart: "Connections not yet told are reset when their peer speaks.";
    8 "NET_SOCKET_CLOSE" Close -> Done, SocketError,
        Anyone, Later, idempotent: false,
        "Gives a socket up, in order or at once.", restart: "The socket is gone: as wanted.";
    9 "NET_SOCKET_SHUTDOWN" Shutdown -> Done, SocketError,
        Anyone, Promptly, idempotent: true,
        "Ends one or both sides of a connection.", restart: "The connection is gone.";
    10 "NET_SOCKET_STATUS" SocketStatus -> StatusReply, SocketError,
        Anyone, Promptly, idempotent: true,
        "Tells how a socket is.", restart: "Nothing was changed.";
    13 "NET_OPTION_SET" OptionSet -> Done, SocketError,
        Anyone, Promptly, idempotent: true,
        "Sets a socket option.", restart: "The socket is gone.";
    14 "NET_OPTION_GET" OptionGet -> OptionReply, SocketError,
        Anyone, Promptly, idempotent: true,
        "Reads a socket option.", restart: "Nothing was changed.";
    15 "NET_SOCKET_NAMES" SocketNames -> NamesReply, SocketError,
        Anyone, Promptly, idempotent: true,
        "Tells a socket's own and its peer's address.", restart: "Nothing was changed.";
}
