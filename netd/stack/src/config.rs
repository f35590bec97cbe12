//! Limits and parameters: everything that bounds the stack is a number here, none a feature flag.
//!
//! *Owns* the defaults and their units. All tables are sized once, in [`crate::Stack::new`].

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use wire::MacAddress;

/// Sizes of all tables, and behaviour that an owner may want different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Clients at a time; 65,535 at most.
    pub clients: u32,
    /// Sockets at a time, all clients together.
    pub sockets: u32,
    /// Sockets of one client.
    pub sockets_per_client: u32,
    /// Different sets of options that stream sockets have at a time, beside that which all begin
    /// with: sockets of one client with equal options take one place.
    pub option_sets: u16,
    /// Such sets of one client.
    pub option_sets_per_client: u16,
    /// TCP connections at a time over IPv4, also those that no socket holds any more.
    pub connections: u32,
    /// The same over IPv6.
    pub connections6: u32,
    /// Connections that have more than one segment in flight at a time, or had within the last
    /// retransmission timeout, of [`Config::SENDING_BYTES`] each. More go on one segment at a time.
    pub sending: u32,
    /// Connections that hold bytes that came out of order at a time, of
    /// [`Config::DISORDERED_BYTES`] each. More throw such bytes away.
    pub disordered: u32,
    /// Connections whose peers are watched: keep-alive, a user timeout of their own, a path that
    /// takes less than the link.
    pub watched: u32,
    /// TIME-WAIT records of each family; when full the oldest makes way.
    pub time_waits: u32,
    /// Half-open passive connections, of each family.
    pub half_open: u32,
    /// When they are too many: answer by cookies (RFC 4987 3.6). Else the oldest makes way.
    pub syn_cookies: bool,
    /// Connections opened by Fast Open whose peers have not yet shown that they are there; beyond,
    /// the ordinary handshake is made (RFC 7413 5.1). They are half open too.
    pub fast_opens: u32,
    /// Peers whose cookies of Fast Open are kept.
    pub fast_open_peers: u32,
    /// Listening sockets, of each family.
    pub listeners: u32,
    /// Datagram sockets.
    pub datagram_sockets: u32,
    /// Sockets that want details of what comes, raw ones among them.
    pub detailed_sockets: u16,
    /// Such sockets of one client.
    pub detailed_per_client: u16,
    /// Datagrams over IPv6 that wait at a time, to be sent or to be told of; half of them may be of one
    /// client.
    pub datagram_peers: u32,
    /// Requests that wait, of all kinds and sockets: sends, receives, accepts, unpublished datagrams.
    pub requests: u32,
    /// Requests of one kind that may wait on one socket.
    pub requests_per_socket: u16,
    /// Requests that wait of one client; a share, so that no client keeps the others from waiting.
    pub requests_per_client: u32,
    /// Inline payloads of one client that wait.
    pub inline_per_client: u32,
    /// Inline payloads (at most 200 bytes) that wait to be acknowledged.
    pub inline_payloads: u32,
    /// Frames that refer to clients' memory and are out with devices at a time; more are copied.
    pub loans: u16,
    /// Packets that wait for a neighbour or for the link, of a full frame each; of each family.
    pub packets: u32,
    /// Packets of our own, of one family, that leave in parts, of 64 KiB each.
    pub long_packets: u8,
    /// Packets of one family that come in parts, at a time; parts of one too many displace others.
    pub reassemblies: u16,
    /// Memory for their parts, in pages of 2,048 bytes; the longest packet takes 33.
    pub reassembly_pages: u16,
    /// Neighbours remembered; of each family.
    pub neighbours: u32,
    /// Packets that wait for one neighbour.
    pub packets_per_neighbour: u8,
    /// Routes; of each family.
    pub routes: u32,
    /// Destinations whose path is remembered to take less than the link.
    pub path_mtus: u32,
    /// Interfaces, loopback included.
    pub interfaces: u8,
    /// Addresses of one interface; of each family.
    pub addresses_per_interface: u8,
    /// Groups of one interface that its sockets listen to; of each family.
    pub groups: u16,
    /// Sockets that listen to groups, each counted once for each of its groups; of each family.
    pub memberships: u16,
    /// The same of one client.
    pub memberships_per_client: u16,
    /// Pings that wait for their answer.
    pub pings: u32,
    /// Look-ups that wait for their answer.
    pub resolutions: u16,
    /// Answers that are remembered.
    pub dns_cache: u16,
    /// Largest packet an interface may be configured for.
    pub largest_mtu: u16,
    /// Largest packet through loopback.
    pub loopback_mtu: u16,
    /// Time to live of packets that no socket says otherwise for.
    pub ttl: u8,
    /// Whether echo requests are answered.
    pub answer_echo: bool,
    /// Whether routers may send us to a better first hop over IPv4 (RFC 1122 section 3.2.2.2).
    pub heed_redirects: bool,
    /// ICMP errors sent in a second, and at once.
    pub icmp_errors_per_second: u16,
    /// What DHCP servers are told that we are called.
    pub host_name: &'static str,
    /// How long a neighbour counts as reachable after it was heard.
    pub neighbour_reachable: Duration,
    /// Connections left by their client are reset when the peer does not close in this time.
    pub fin_wait_2: Duration,
    /// How long TIME-WAIT lasts (twice the maximum segment lifetime, RFC 9293 3.4.2).
    pub time_wait: Duration,
    /// The shortest retransmission timeout; it may be microseconds where peers answer at once.
    pub min_rto: Duration,
    /// The largest receive window that is ever offered, in bytes; it decides the scale of windows
    /// (RFC 7323 section 2.2), whatever room clients give.
    pub largest_window: u32,
    /// What new connections do about congestion.
    pub congestion_control: ::tcp::Algorithm,
    /// The stack's place among several that share its addresses; `None`: it has them alone.
    pub shard: Option<crate::steering::Shard>,
}

impl Config {
    /// What one of [`Config::sending`] takes, in bytes.
    pub const SENDING_BYTES: usize = ::tcp::Limits::BUSY_PART;
    /// What one of [`Config::disordered`] takes, in bytes.
    pub const DISORDERED_BYTES: usize = ::tcp::Limits::HOLE_LIST;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            clients: 256,
            sockets: 5_120,
            sockets_per_client: 4_096,
            option_sets: 1_024,
            option_sets_per_client: 256,
            connections: 4_096,
            connections6: 4_096,
            sending: ::tcp::Limits::default().busy_parts,
            disordered: ::tcp::Limits::default().hole_lists,
            watched: 4_096,
            time_waits: 4_096,
            half_open: 1_024,
            syn_cookies: true,
            fast_opens: 128,
            fast_open_peers: 512,
            listeners: 64,
            datagram_sockets: 1_024,
            detailed_sockets: 64,
            detailed_per_client: 16,
            datagram_peers: 4_096,
            requests: 16_384,
            requests_per_socket: 256,
            requests_per_client: 8_192,
            inline_per_client: 512,
            inline_payloads: 2_048,
            loans: 256,
            packets: 256,
            long_packets: 4,
            reassemblies: 64,
            reassembly_pages: 192,
            neighbours: 1_024,
            packets_per_neighbour: 16,
            routes: 256,
            path_mtus: 1_024,
            interfaces: 8,
            addresses_per_interface: 16,
            groups: 64,
            memberships: 256,
            memberships_per_client: 64,
            pings: 256,
            resolutions: 256,
            dns_cache: 512,
            largest_mtu: 1_500,
            loopback_mtu: 16_384,
            ttl: 64,
            answer_echo: true,
            heed_redirects: true,
            icmp_errors_per_second: 100,
            host_name: "skerry",
            neighbour_reachable: Duration::from_secs(30),
            fin_wait_2: Duration::from_secs(60),
            time_wait: Duration::from_secs(60),
            min_rto: ::tcp::Limits::default().min_rto,
            largest_window: ::tcp::Limits::default().max_window,
            congestion_control: ::tcp::Algorithm::default(),
            shard: None,
        }
    }
}

/// What is known of a link when its interface is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// Hardware address.
    pub mac: MacAddress,
    /// Largest IP packet in bytes; at least 576.
    pub mtu: u16,
    /// Whether the link is up.
    pub up: bool,
    /// The device completes transport checksums when asked.
    pub checksum_transmit: bool,
}

/// Where an interface gets its address from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPlan {
    /// Nowhere; addresses are added by hand.
    None,
    /// It is given.
    Static(StaticPlan),
    /// Of its own making, good on the link alone (RFC 3927).
    LinkLocal,
    /// By DHCP.
    Dhcp {
        /// Taken for as long as no server answers.
        fallback: Fallback,
    },
}

/// What an interface does while no DHCP server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// It has no address.
    None,
    /// It takes this one.
    Static(StaticPlan),
    /// It makes one (RFC 3927).
    LinkLocal,
}

/// What an interface does over IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Plan {
    /// What its addresses are made of.
    pub identifiers: Identifiers,
    /// Its addresses are used while it is still asked whether somebody else has them (RFC 4429).
    pub is_optimistic: bool,
    /// It believes what routers say: where they are, what is on the link, what addresses to make,
    /// whom to ask for names.
    pub follows_routers: bool,
    /// Beside each address that it makes of a router's prefix it has another, from which it speaks,
    /// and which changes every day (RFC 8981).
    pub has_temporary: bool,
}

/// What the lower halves of addresses are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifiers {
    /// Of this secret, the hardware address and the network: the same whenever the interface comes to
    /// one network, and of no use to who follows it to another (RFC 7217).
    Stable {
        /// Must come from an entropy source, once; `None`: the stack draws one, and its addresses last
        /// as long as itself.
        secret: Option<u128>,
    },
    /// Of the hardware address (RFC 4291 appendix A).
    Hardware,
}

/// The port of name servers that none is named for (RFC 1035 section 4.2).
pub(crate) const DNS_PORT: u16 = 53;

/// Servers for names at most.
pub const NAME_SERVERS: usize = 4;

/// An address with all that belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticPlan {
    /// The interface's address.
    pub address: Ipv4Addr,
    /// Bits of the address that name the network.
    pub prefix: u8,
    /// Where everything else is sent.
    pub gateway: Option<Ipv4Addr>,
    /// Who is asked for names; unspecified addresses do not count.
    pub name_servers: [SocketAddrV4; NAME_SERVERS],
}

impl StaticPlan {
    /// The addresses of QEMU's user network: 10.0.2.15/24, gateway 10.0.2.2, names 10.0.2.3.
    #[must_use]
    pub fn qemu_user() -> Self {
        let none = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let names = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 3), 53);
        Self {
            address: Ipv4Addr::new(10, 0, 2, 15),
            prefix: 24,
            gateway: Some(Ipv4Addr::new(10, 0, 2, 2)),
            name_servers: [names, none, none, none],
        }
    }
}

/// What the device knows of a received frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveMeta {
    /// The transport checksum is known to be right, or the frame never crossed a wire.
    pub checksum_verified: bool,
    /// It stands for several segments, which the device or the peer's own host has joined.
    pub is_joined: bool,
}

/// What the device must do with a frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitMeta {
    /// Transport checksum.
    pub checksum: TransmitChecksum,
    /// Bytes of payload in each of the segments that the device is to cut this one into; zero: it is
    /// to be sent as it is. Only where [`crate::Stack::offload_segments`] was called.
    pub segment: u16,
}

/// Transport checksum of a frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitChecksum {
    /// Complete in the frame.
    Complete,
    /// The device sums from `start` to the end and stores the result `offset` bytes after `start`;
    /// the field holds the pseudo-header's sum. Only where [`LinkFacts::checksum_transmit`].
    Partial {
        /// Where the sum starts, from the first byte of the frame.
        start: u16,
        /// Where the result goes, from `start`.
        offset: u16,
    },
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Bytes in the client's arena, which stay there until [`crate::EventKind::Sent`].
    Arena(crate::memory::Range),
    /// At most [`INLINE_PAYLOAD`] bytes, copied at once.
    Inline(&'a [u8]),
}

/// Bytes of payload that may come inline.
pub const INLINE_PAYLOAD: usize = 200;

/// Which half of a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// No more is sent (FIN after what is queued).
    Send,
    /// No more is received.
    Receive,
    /// Both.
    Both,
}

/// How a socket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What is queued is still sent, then FIN.
    Graceful,
    /// At once, with RST.
    Abort,
}
