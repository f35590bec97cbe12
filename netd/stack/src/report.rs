//! Snapshots for tools, read off the tables.

use crate::config::{DNS_PORT, NAME_SERVERS};
use crate::family::Family;
use crate::id::{ClientId, SocketId};
use crate::info::{
    AddressInfo, Holdings, InterfaceInfo, LeaseInfo, NeighbourInfo, RouteInfo, SocketInfo,
    TcpDetail, Totals, Traffic,
};
use crate::interface::Medium;
use crate::nodes::Chain;
use crate::stack::Stack;
use crate::tcp::connection::{Conn, Fact, Tables};
use crate::udp::socket::{Datagram, Raw};
use ::tcp::{Instant, State};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use wire::Drop;

/// Our end of a datagram socket; the protocol of a raw one, or the type of its frames, stands in the place of
/// a port.
fn end_of(socket: &Datagram) -> SocketAddr {
    let unbound = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into();
    let mut end = socket.local().unwrap_or(unbound);
    match socket.raw {
        None => {}
        Some(Raw::Packets(packets)) => end.set_port(packets.protocol.0.into()),
        Some(Raw::Frames(frames)) => end.set_port(frames.ethertype.0),
    }
    end
}

impl Stack {
    /// All interfaces, loopback first.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceInfo> + '_ {
        self.interfaces.iter().map(|interface| InterfaceInfo {
            id: interface.id,
            mac: interface.mac,
            mtu: interface.mtu,
            up: interface.up,
            loopback: interface.medium == Medium::Loopback,
            vlan: interface.tag.map(|tag| (tag.vlan.get(), tag.carrier)),
            received: interface.received,
            sent: interface.sent,
            dropped: interface.dropped,
        })
    }

    /// All addresses: of each interface those of IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = AddressInfo> + '_ {
        self.interfaces.iter().flat_map(|interface| {
            let v4 = interface.addresses.iter().map(|entry| AddressInfo {
                interface: interface.id,
                address: IpAddr::V4(entry.cidr.address()),
                prefix: entry.cidr.prefix(),
                state: entry.state,
                origin: entry.origin,
            });
            let v6 = interface.six.addresses.iter().map(|entry| AddressInfo {
                interface: interface.id,
                address: IpAddr::V6(entry.address()),
                prefix: entry.cidr.prefix(),
                state: entry.state,
                origin: entry.origin,
            });
            v4.chain(v6)
        })
    }

    /// All routes: those of IPv4 first.
    pub fn routes(&self) -> impl Iterator<Item = RouteInfo> + '_ {
        self.routes_of::<Ipv4Addr>()
            .chain(self.routes_of::<Ipv6Addr>())
    }

    fn routes_of<A: Family>(&self) -> impl Iterator<Item = RouteInfo> + '_ {
        self.net::<A>().routes.iter().map(|route| RouteInfo {
            destination: route.network.into(),
            prefix: route.prefix,
            gateway: route.gateway.map(A::into),
            interface: route.interface,
            metric: route.metric,
            origin: route.origin,
        })
    }

    /// All neighbours: those of IPv4 first.
    pub fn neighbours(&self, now: Instant) -> impl Iterator<Item = NeighbourInfo> + '_ {
        self.neighbours_of::<Ipv4Addr>(now)
            .chain(self.neighbours_of::<Ipv6Addr>(now))
    }

    fn neighbours_of<A: Family>(&self, now: Instant) -> impl Iterator<Item = NeighbourInfo> + '_ {
        let net = self.net::<A>();
        net.neighbours.iter().map(move |(index, neighbour)| {
            let waiting = net.packets.len(self.waiting_queue(index));
            NeighbourInfo {
                address: neighbour.address.into(),
                mac: neighbour.has_mac().then_some(neighbour.mac),
                state: neighbour.state,
                interface: neighbour.interface,
                age: now.since(neighbour.heard),
                waiting: u8::try_from(waiting).unwrap_or(u8::MAX),
            }
        })
    }

    fn room_in(&self, chain: &Chain) -> u64 {
        let rooms = self.requests.spaces(chain);
        rooms
            .map(|(range, used)| u64::from(range.length.saturating_sub(used)))
            .sum()
    }

    /// Room of a connection that nothing has come for.
    pub(crate) fn stream_room<A: Family>(&self, index: u32) -> u64 {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return 0;
        };
        let untold = conn.arrived().saturating_sub(conn.told());
        self.room_in(&conn.rooms).saturating_sub(untold)
    }

    /// Room of a datagram socket that is left.
    pub(crate) fn datagram_room(&self, index: u32) -> u64 {
        self.udp
            .sockets
            .at(index)
            .map_or(0, |socket| self.room_in(&socket.rooms))
    }

    /// All sockets, connections and remains of connections: listeners first, then TCP over IPv4.
    pub fn sockets(&self) -> impl Iterator<Item = SocketInfo> + '_ {
        let datagrams = self.udp.sockets.iter().map(|(index, socket)| SocketInfo {
            is_dual: socket.v4.local.is_some() && socket.v6.local.is_some(),
            remote: socket.remote(),
            send_queued: self.requests.len(&socket.sends).into(),
            receive_queued: self.requests.len(&socket.arrivals).into(),
            room: self.datagram_room(index),
            ..blank(
                match socket.raw {
                    None => "udp",
                    Some(Raw::Packets(_)) => "raw",
                    Some(Raw::Frames(_)) => "ether",
                },
                end_of(socket),
                Some(socket.socket),
                Some(socket.client),
            )
        });
        let listeners = self.tcp.listeners.iter().map(|(_, listener)| SocketInfo {
            state: "LISTEN",
            is_dual: listener.sides.v4.is_some() && listener.sides.v6.is_some(),
            send_queued: listener.backlog.into(),
            receive_queued: u64::try_from(listener.queue.waiting()).unwrap_or(u64::MAX),
            ..blank(
                "tcp",
                listener.local(),
                listener.socket,
                Some(listener.client),
            )
        });
        listeners
            .chain(self.streams::<Ipv4Addr>())
            .chain(self.streams::<Ipv6Addr>())
            .chain(datagrams)
    }

    fn streams<A: Family>(&self) -> impl Iterator<Item = SocketInfo> + '_ {
        let tables = self.tcp.tables.of::<A>();
        let connections = tables.connections.iter();
        let connections = connections.map(|(index, conn)| self.connection_info(index, conn));
        let half_open = tables.half_open.iter().map(|(_, half_open)| SocketInfo {
            state: State::SynReceived.name(),
            remote: Some(half_open.tuple.remote_end()),
            ..blank("tcp", half_open.tuple.local_end(), None, None)
        });
        let time_waits = tables.time_waits.iter().map(|(_, waiting)| SocketInfo {
            state: State::TimeWait.name(),
            remote: Some(waiting.tuple.remote_end()),
            ..blank("tcp", waiting.tuple.local_end(), None, None)
        });
        connections.chain(half_open).chain(time_waits)
    }

    fn connection_info<A: Family>(&self, index: u32, conn: &Conn<A>) -> SocketInfo {
        let info = conn.tcp.info(&self.tcp.shared);
        SocketInfo {
            id: conn.socket(),
            client: conn.client(),
            protocol: "tcp",
            state: if conn.is(Fact::Over) {
                "CLOSED"
            } else {
                info.state.name()
            },
            local: conn.local(),
            is_dual: false,
            remote: Some(conn.remote()),
            send_queued: conn.queued().saturating_sub(conn.acked()),
            receive_queued: conn.arrived().saturating_sub(conn.told()),
            room: self.stream_room::<A>(index),
            tcp: Some(TcpDetail {
                congestion_control: info.congestion_control,
                congestion_window: info.congestion_window,
                slow_start_threshold: info.slow_start_threshold,
                smoothed_rtt: info.rtt.map(|(smoothed, _)| smoothed),
                rtt_variation: info.rtt.map(|(_, variation)| variation),
                retransmission_timeout: info.rto,
                retransmits: info.retransmits.into(),
                in_flight: info.in_flight,
                segment: info.mss,
                path_mtu: self.tcp_mtu::<A>(index).unwrap_or(0),
                send_window: info.send_window,
                receive_window: info.receive_window,
                window_scales: info.window_scales,
                has_timestamps: info.has_timestamps,
                has_sack: info.has_sack,
                has_ecn: info.has_ecn,
                bytes_sent: info.bytes_sent,
                bytes_received: info.bytes_received,
                delivery_rate: (info.delivery_rate > 0).then_some(info.delivery_rate),
            }),
        }
    }

    /// What DHCP has obtained, interface by interface.
    pub fn leases(&self, now: Instant) -> impl Iterator<Item = LeaseInfo> + '_ {
        let both = self.interfaces.iter().zip(&self.autoconf);
        both.filter_map(move |(interface, auto)| {
            let client = auto.dhcp.as_ref()?;
            let lease = client.lease();
            Some(LeaseInfo {
                interface: interface.id,
                state: client.state_name(),
                address: lease.map(|lease| lease.address.address()),
                prefix: lease.map_or(0, |lease| lease.address.prefix()),
                server: lease.map(|lease| lease.server),
                router: lease.and_then(|lease| lease.default_router()),
                name_servers: auto.name_servers,
                lease: lease
                    .and_then(|lease| lease.duration)
                    .unwrap_or(Duration::MAX),
                remaining: lease.map_or(Duration::ZERO, |lease| lease.expiry().since(now)),
            })
        })
    }

    /// Who is asked for names: over IPv4 first.
    pub fn name_servers(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        let v4 = self.autoconf.iter().flat_map(|auto| auto.name_servers);
        let v4 = v4.filter(|server| !server.ip().is_unspecified());
        let v6 = self.autoconf6.iter().flat_map(|auto| &auto.advice.servers);
        let v6 = v6.map(|server| server.value.end(DNS_PORT));
        v4.map(SocketAddr::V4).chain(v6).take(NAME_SERVERS)
    }

    /// Sums over everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let mut received = Traffic::default();
        let mut sent = Traffic::default();
        // What is tagged is in the figures of the link that carries it.
        for interface in self.interfaces.iter().filter(|it| it.tag.is_none()) {
            received.packets += interface.received.packets;
            received.bytes += interface.received.bytes;
            sent.packets += interface.sent.packets;
            sent.bytes += interface.sent.bytes;
        }
        let tables = &self.tcp.tables;
        Totals {
            received,
            sent,
            delivered: self.stats.delivered(),
            dropped: self.stats.dropped(),
            connections: count(synchronised(&tables.v4) + synchronised(&tables.v6)),
            half_open: count(tables.v4.half_open.len() + tables.v6.half_open.len()),
            time_waits: count(tables.v4.time_waits.len() + tables.v6.time_waits.len()),
            listeners: count(self.tcp.listeners.len()),
            datagram_sockets: count(self.udp.sockets.len()),
            clients: count(self.clients.len()),
            dns_cache: self.names_cached(),
        }
    }

    /// What is lent out of the shared stores.
    #[must_use]
    pub fn holdings(&self) -> Holdings {
        Holdings {
            requests: self.requests.in_use(),
            inline_payloads: self.inline.in_use(),
            packets: u32::try_from(self.nets.v4.packets.in_use() + self.nets.v6.packets.in_use())
                .unwrap_or(u32::MAX),
            datagram_peers: self.udp.peers.in_use(),
            hole_lists: self.tcp.shared.hole_lists_in_use(),
            busy_parts: self.tcp.shared.busy_parts_in_use(),
            asides: u32::try_from(
                self.tcp.tables.v4.asides.len() + self.tcp.tables.v6.asides.len(),
            )
            .unwrap_or(u32::MAX),
        }
    }

    /// Frames that were discarded for this reason.
    #[must_use]
    pub fn drops(&self, reason: Drop) -> u64 {
        self.stats.drops(reason)
    }

    /// All counters that are not drops, with their names.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        // Connections count for themselves what they send again, and hand it over at their end.
        let again = retransmits(&self.tcp.tables.v4) + retransmits(&self.tcp.tables.v6);
        let own = self.stats.iter().map(move |(name, value)| match name {
            RETRANSMITS => (name, value + again),
            _ => (name, value),
        });
        own.chain(self.tcp.shared.counts().iter())
    }
}

/// Connections in a synchronised state.
fn synchronised<A: Family>(tables: &Tables<A>) -> usize {
    let is_it = |conn: &Conn<A>| conn.is(Fact::Established) && !conn.is(Fact::Over);
    let all = tables.connections.iter();
    all.filter(|(_, conn)| is_it(conn)).count()
}

/// Segments that connections have sent again which are not over.
fn retransmits<A: Family>(tables: &Tables<A>) -> u64 {
    let alive = tables
        .connections
        .iter()
        .filter(|(_, conn)| !conn.is(Fact::Over));
    alive
        .map(|(_, conn)| u64::from(conn.tcp.retransmits()))
        .sum()
}

/// The name of the counter that connections keep themselves.
const RETRANSMITS: &str = "tcp.retransmits";

fn blank(
    protocol: &'static str,
    local: impl Into<SocketAddr>,
    id: Option<SocketId>,
    client: Option<ClientId>,
) -> SocketInfo {
    SocketInfo {
        id,
        client,
        protocol,
        state: "",
        local: local.into(),
        is_dual: false,
        remote: None,
        send_queued: 0,
        receive_queued: 0,
        room: 0,
        tcp: None,
    }
}
