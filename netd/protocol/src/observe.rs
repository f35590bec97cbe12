//! Operations that look: ping, figures, configuration, events.

use core::net::IpAddr;

use zerocopy::little_endian::{U16, U32, U64};

use crate::field::{at, fixed, layout, word_enum};
use crate::message::{Address, flag};
use crate::operation::operations;
use crate::socket::SocketId;

/// Version of the protocol that this crate describes.
pub const VERSION: u16 = 1;

fixed! {
    /// How a ping is sent.
    pub struct PingBody: 16 {
        /// Bytes of echo data.
        pub size: U16,
        /// Sequence number in the echo header.
        pub sequence: U16,
        /// Milliseconds to wait; zero: netd's own limit.
        pub timeout: U32,
        /// Time to live; zero: the default.
        pub ttl: u8,
        /// The link that a link-local address over IPv6 is on; zero: the first that there is a way by.
        pub link: u8,
        /// Zero.
        pub reserved: [u8; 6],
    }
}

word_enum! {
    /// What came back of a ping.
    PingOutcome {
        /// The echo.
        Echo = 0,
        /// A router has no way there.
        NoRoute = 1,
        /// A router does not find the host, or the host does not want.
        Unreachable = 2,
        /// A router forbids it.
        Prohibited = 3,
        /// The packet lived too short.
        TimeExceeded = 4,
        /// The packet is too big for the way.
        TooBig = 5,
    }
}

fixed! {
    /// What came back of a ping, in figures.
    pub struct PongBody: 16 {
        /// Nanoseconds from sending to the answer.
        pub round_trip: U64,
        /// Bytes of echo data in the answer.
        pub size: U16,
        /// Sequence number in the echo header.
        pub sequence: U16,
        /// Time to live of the answer.
        pub ttl: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

fixed! {
    /// netd's figures since it started.
    pub struct StatsBody: 152 {
        /// Frames received.
        pub received_frames: U64,
        /// Bytes received.
        pub received_bytes: U64,
        /// Frames sent.
        pub sent_frames: U64,
        /// Bytes sent.
        pub sent_bytes: U64,
        /// Frames that reached somebody.
        pub delivered: U64,
        /// Frames thrown away; the table of drops says why.
        pub dropped: U64,
        /// Connections in a synchronised state.
        pub connections: U64,
        /// Half-open passive connections.
        pub half_open: U64,
        /// Connections in TIME-WAIT.
        pub time_waits: U64,
        /// Listening sockets.
        pub listeners: U64,
        /// Datagram sockets.
        pub datagram_sockets: U64,
        /// Answers in the name cache.
        pub names_cached: U64,
        /// Clients connected.
        pub clients: U64,
        /// Clients thrown out for breaking the rules.
        pub expelled: U64,
        /// Requests served.
        pub requests: U64,
        /// Requests that made no sense.
        pub malformed: U64,
        /// Nanoseconds since netd started.
        pub uptime: U64,
        /// Times the loop went to sleep.
        pub sleeps: U64,
        /// Faults of the network device.
        pub device_faults: U64,
    }
}

/// Bits of [`InfoBody::state`].
pub mod link {
    /// There is a network device.
    pub const PRESENT: u8 = 1;
    /// Its link is up.
    pub const UP: u8 = 2;
    /// It has an address.
    pub const CONFIGURED: u8 = 4;
}

/// Names of the bits of [`InfoBody::offloads`], from the lowest on; also what turns each off on the
/// kernel's command line.
pub const OFFLOADS: [&str; 10] = [
    "checksum-out",
    "checksum-in",
    "segmentation",
    "large-receive",
    "merged-buffers",
    "event-index",
    "indirect",
    "quiet",
    "mq",
    "gather",
];

word_enum! {
    /// Where the address is from.
    Source {
        /// There is none.
        None = 0,
        /// The kernel command line.
        Static = 1,
        /// A lease.
        Dhcp = 2,
        /// Nobody answered; the built-in one.
        Fallback = 3,
        /// An administrator.
        Manual = 4,
        /// Made by ourselves, good on its link alone.
        LinkLocal = 5,
        /// Made of what a router has said.
        Router = 6,
    }
}

fixed! {
    /// How the machine is on the network.
    pub struct InfoBody: 168 {
        /// Hardware address.
        pub mac: [u8; 6],
        /// Largest packet in bytes.
        pub mtu: U16,
        /// Bits of [`link`].
        pub state: u8,
        /// Number of a [`Source`].
        pub source: u8,
        /// [`VERSION`].
        pub version: U16,
        /// What the device does for the stack: bits, named by [`OFFLOADS`].
        pub offloads: U32,
        /// First address and its prefix length.
        pub address: Address,
        /// Default gateway.
        pub gateway: Address,
        /// Name servers.
        pub name_servers: [Address; 3],
        /// Host name, padded with zeros.
        pub hostname: [u8; 32],
    }
}

fixed! {
    /// The DHCP lease.
    pub struct LeaseBody: 168 {
        /// Address and prefix.
        pub address: Address,
        /// Who gave it.
        pub server: Address,
        /// First router.
        pub router: Address,
        /// Seconds it was given for; `u32::MAX`: for ever.
        pub seconds: U32,
        /// Seconds of them that are left.
        pub remaining: U32,
        /// State of the client by the names of RFC 2131 4.4, padded with zeros.
        pub state: [u8; 16],
        /// Name servers.
        pub name_servers: [Address; 3],
    }
}

word_enum! {
    /// What has happened.
    EventKind {
        /// A socket of this client has become ready; `detail` has bits of [`crate::ready`].
        Ready = 1,
        /// The link has come or gone; `detail` is 1 or 0.
        Link = 2,
        /// The address has changed; ask NET_INFO.
        Address = 3,
    }
}

fixed! {
    /// Further facts of an event.
    pub struct EventBody: 4 {
        /// By kind.
        pub detail: U32,
    }
}

layout! {
    /// Sends one ICMP echo request.
    pub struct Ping {
        /// Whom.
        to: IpAddr => at::Address,
        /// How.
        how: PingBody => at::Body,
    }

    /// What came back.
    pub struct Pong {
        /// Who answered.
        from: IpAddr => at::Address,
        /// What it said.
        outcome: PingOutcome => at::Argument,
        /// In figures.
        figures: PongBody => at::Body,
    }

    /// Asks for figures.
    pub struct Stats {}

    /// Figures.
    pub struct StatsReply {
        /// All of them.
        stats: StatsBody => at::Body,
    }

    /// Asks how the machine is on the network.
    pub struct Info {}

    /// How the machine is on the network.
    pub struct InfoReply {
        /// All of it.
        info: InfoBody => at::Body,
    }

    /// Asks for the DHCP lease of a link.
    pub struct Lease {
        /// Number of the interface; zero: the first that has one.
        interface: u32 => at::Argument,
    }

    /// The lease.
    pub struct LeaseReply {
        /// All of it.
        lease: LeaseBody => at::Body,
    }

    /// Asks to be told what happens to this client's sockets and to the link.
    pub struct Subscribe {}

    /// Something has happened. Of events that come faster than they are taken, the newest state
    /// of each socket is kept.
    pub struct Event {
        /// What.
        kind: EventKind => at::Argument,
        /// To which socket, or zero.
        socket: SocketId => at::Socket,
        /// Further facts.
        body: EventBody => at::Body,
        /// Until cancelled, more follow.
        more: bool => at::Flag<{ flag::MORE }>,
    }
}

operations! {
    40 "NET_PING" Ping -> Pong, PingError,
        Anyone, Later, idempotent: true,
        "Sends one ICMP echo request and tells what came back.", restart: "Ask again.";
    41 "NET_STATS" Stats -> StatsReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Tells netd's figures.", restart: "Figures start at zero again.";
    42 "NET_INFO" Info -> InfoReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Tells how the machine is on the network.", restart: "Ask again.";
    43 "NET_SUBSCRIBE_EVENTS" Subscribe -> Event, SubscribeError,
        Anyone, Stream, idempotent: false,
        "Tells what happens to this client's sockets and to the link.", restart: "Subscribe again.";
    44 "NET_LEASE" Lease -> LeaseReply, ObserveError,
        Anyone, Promptly, idempotent: true,
        "Tells the DHCP lease; `NotFound` without one.", restart: "Ask again.";
}
