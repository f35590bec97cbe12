//! Snapshots for tools: plain data, made on request, never on a packet's way.
//!
//! *Owns* the shapes only; `report.rs` fills them.

use crate::error::SocketError;
use crate::id::{ClientId, InterfaceId, SocketId};
use crate::multicast::filter::FilterMode;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use wire::MacAddress;

/// Packets and bytes, one direction. Bytes count whole frames as the device sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// An interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Its number.
    pub id: InterfaceId,
    /// Hardware address; zero for loopback.
    pub mac: MacAddress,
    /// Largest packet in bytes.
    pub mtu: u16,
    /// Whether the link is up.
    pub up: bool,
    /// Whether it is the loopback interface.
    pub loopback: bool,
    /// The number of its VLAN and the interface that carries it, if it is tagged.
    pub vlan: Option<(u16, InterfaceId)>,
    /// Received.
    pub received: Traffic,
    /// Sent.
    pub sent: Traffic,
    /// Received frames that were discarded.
    pub dropped: u64,
}

/// How sure an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Being asked for (RFC 5227, RFC 4862 5.4); not used yet.
    Tentative,
    /// Being asked for; used meanwhile (RFC 4429).
    Optimistic,
    /// In use.
    Preferred,
    /// In use by whoever uses it already; others are preferred to it (RFC 4862 5.5.4).
    Deprecated,
    /// Somebody else has it; not used.
    Duplicate,
}

/// Where an address or route came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Given by a person or the command line, or belongs to loopback.
    Static,
    /// Leased.
    Dhcp,
    /// Of one's own making, good on its link alone.
    LinkLocal,
    /// By what a router has said.
    Advertised,
    /// The same, and changed before long.
    Temporary,
    /// A router has sent the destination elsewhere.
    Redirected,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressInfo {
    /// Whose.
    pub interface: InterfaceId,
    /// The address.
    pub address: IpAddr,
    /// Bits that name the network.
    pub prefix: u8,
    /// How sure it is.
    pub state: AddressState,
    /// Where it came from.
    pub origin: Origin,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// Where to.
    pub destination: IpAddr,
    /// Bits of the destination that count.
    pub prefix: u8,
    /// By whom; `None` on the link itself.
    pub gateway: Option<IpAddr>,
    /// Through which interface.
    pub interface: InterfaceId,
    /// Lower wins among equal prefixes.
    pub metric: u16,
    /// Where it came from.
    pub origin: Origin,
}

/// A group that an interface listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// By which interface.
    pub interface: InterfaceId,
    /// The group.
    pub group: IpAddr,
    /// What its sources are.
    pub mode: FilterMode,
    /// How many are named.
    pub sources: u16,
    /// How many sockets listen.
    pub sockets: u16,
    /// The interface itself listens.
    pub is_own: bool,
    /// The version of IGMP or MLD that is spoken on the link.
    pub version: u8,
}

/// What is known of a neighbour (names of RFC 4861 7.3.2, used for ARP as well).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Asked for, not known yet.
    Incomplete,
    /// Heard recently.
    Reachable,
    /// Known, but not heard recently.
    Stale,
    /// In use although stale; asked again soon.
    Delay,
    /// Being asked again, directly.
    Probe,
    /// Does not answer.
    Failed,
    /// Given by a person; never asked for.
    Static,
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourInfo {
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address, if known.
    pub mac: Option<MacAddress>,
    /// What is known.
    pub state: NeighbourState,
    /// Through which interface.
    pub interface: InterfaceId,
    /// Time since it was last heard.
    pub age: Duration,
    /// Packets that wait for it.
    pub waiting: u8,
}

/// A socket, connection, half-open connection or TIME-WAIT record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketInfo {
    /// Its name; `None` when no socket holds it any more.
    pub id: Option<SocketId>,
    /// Its owner.
    pub client: Option<ClientId>,
    /// `"tcp"`, `"udp"`, `"raw"` or `"ether"`.
    pub protocol: &'static str,
    /// RFC name of the state; empty for datagram sockets.
    pub state: &'static str,
    /// Our end; of a raw socket with the protocol in the port's place.
    pub local: SocketAddr,
    /// It takes part in both families.
    pub is_dual: bool,
    /// The other end, if any.
    pub remote: Option<SocketAddr>,
    /// Bytes the client has queued that are not acknowledged (listener: its backlog).
    pub send_queued: u64,
    /// Bytes that the client has not been told about (listener: connections that wait).
    pub receive_queued: u64,
    /// Room that the client has given and nothing has come for.
    pub room: u64,
    /// What only a connection knows.
    pub tcp: Option<TcpDetail>,
}

/// What only a connection knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpDetail {
    /// Name of the congestion control.
    pub congestion_control: &'static str,
    /// Congestion window in bytes.
    pub congestion_window: u32,
    /// Where slow start ends, in bytes; `u32::MAX` before the first loss.
    pub slow_start_threshold: u32,
    /// Smoothed round-trip time, if measured.
    pub smoothed_rtt: Option<Duration>,
    /// Its mean deviation, if measured.
    pub rtt_variation: Option<Duration>,
    /// Retransmission time-out.
    pub retransmission_timeout: Duration,
    /// Segments sent again.
    pub retransmits: u32,
    /// Bytes sent and not acknowledged.
    pub in_flight: u32,
    /// Largest payload of a segment, in bytes.
    pub segment: u16,
    /// Largest packet that the path is known to take, in bytes.
    pub path_mtu: u16,
    /// Window that the peer offers, in bytes.
    pub send_window: u32,
    /// Window that we offer, in bytes.
    pub receive_window: u32,
    /// How far the peer's windows are shifted, and ours.
    pub window_scales: (u8, u8),
    /// Segments carry timestamps.
    pub has_timestamps: bool,
    /// Both ends understand selective acknowledgements.
    pub has_sack: bool,
    /// Both ends understand explicit congestion notification.
    pub has_ecn: bool,
    /// Bytes that the peer has acknowledged.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes per second that the peer has lately acknowledged, if measured.
    pub delivery_rate: Option<u64>,
}

/// What a socket is ready for, without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// RFC name of the state, `"BOUND"`/`"UNBOUND"` for datagram sockets.
    pub state: &'static str,
    /// Our end, if bound.
    pub local: Option<SocketAddr>,
    /// The other end, if connected.
    pub remote: Option<SocketAddr>,
    /// Completions wait to be published.
    pub readable: bool,
    /// A send would be taken.
    pub writable: bool,
    /// The peer will send no more.
    pub eof: bool,
    /// Bytes queued and not acknowledged.
    pub send_queued: u64,
    /// Room that nothing has come for yet.
    pub room: u64,
    /// Bytes up to the end of what the peer calls urgent that the client has not been told of
    /// (RFC 9293 3.8.5). They come in line.
    pub urgent: u64,
    /// Why a connection that goes on may not for long: what a router has said since the peer last
    /// acknowledged something, or a time-out after three retransmissions (RFC 9293 3.8.3, R1).
    pub doubt: Option<SocketError>,
}

/// What DHCP has obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseInfo {
    /// The interface.
    pub interface: InterfaceId,
    /// State of the client, for example `"BOUND"`.
    pub state: &'static str,
    /// The address, once there is one.
    pub address: Option<Ipv4Addr>,
    /// Bits that name the network.
    pub prefix: u8,
    /// Who leased it.
    pub server: Option<Ipv4Addr>,
    /// Router.
    pub router: Option<Ipv4Addr>,
    /// Name servers; unspecified ones do not count.
    pub name_servers: [core::net::SocketAddrV4; crate::config::NAME_SERVERS],
    /// Length of the lease.
    pub lease: Duration,
    /// Time until it ends.
    pub remaining: Duration,
}

/// Sums over the whole stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Received by all interfaces, loopback included.
    pub received: Traffic,
    /// Sent by all interfaces, loopback included.
    pub sent: Traffic,
    /// Frames that reached somebody.
    pub delivered: u64,
    /// Frames that were discarded, all reasons together.
    pub dropped: u64,
    /// Connections in a synchronised state.
    pub connections: u32,
    /// Half-open passive connections.
    pub half_open: u32,
    /// TIME-WAIT records.
    pub time_waits: u32,
    /// Listening sockets.
    pub listeners: u32,
    /// Datagram sockets.
    pub datagram_sockets: u32,
    /// Clients.
    pub clients: u32,
    /// Answers in the name cache.
    pub dns_cache: u32,
}

/// What is lent out of the stores that all sockets share. All zero when nobody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Requests that wait.
    pub requests: u32,
    /// Payloads that came inside a request.
    pub inline_payloads: u32,
    /// Packets that wait.
    pub packets: u32,
    /// Datagrams over IPv6 that wait.
    pub datagram_peers: u32,
    /// Connections with bytes that came out of order.
    pub hole_lists: u32,
    /// Connections with something to send.
    pub busy_parts: u32,
    /// Connections with what few have: urgent bytes, many sends, an end that is waited for.
    pub asides: u32,
}
