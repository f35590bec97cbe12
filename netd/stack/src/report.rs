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
use crate::tcp::connection::{Conn, Fact};
use ::tcp::{Instant, State};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::time::Duration;
use wire::Drop;

impl Stack {
    /// All interfaces, loopback first.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceInfo> + '_ {
        self.interfaces.iter().map(|interface| InterfaceInfo {
            id: interface.id,
            mac: interface.mac,
            mtu: interface.mtu,
            up: interface.up,
            loopback: interface.medium == Medium::Loopback,
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
    pub(crate) fn stream_room(&self, index: u32) -> u64 {
        let Some(conn) = self.tcp.connections.at(index) else {
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

    /// All sockets, connections and remains of connections.
    pub fn sockets(&self) -> impl Iterator<Item = SocketInfo> + '_ {
        let listeners = self.tcp.listeners.iter().map(|(_, listener)| SocketInfo {
            state: "LISTEN",
            send_queued: listener.backlog.into(),
            receive_queued: u64::try_from(listener.queue.waiting()).unwrap_or(u64::MAX),
            ..blank(
                "tcp",
                listener.local,
                listener.socket,
                Some(listener.client),
            )
        });
        let connections = self
            .tcp
            .connections
            .iter()
            .map(|(index, conn)| self.connection_info(index, conn));
        let half_open = self.tcp.half_open.iter().map(|(_, half_open)| SocketInfo {
            state: State::SynReceived.name(),
            remote: Some(half_open.tuple.remote_end()),
            ..blank("tcp", half_open.tuple.local_end(), None, None)
        });
        let time_waits = self.tcp.time_waits.iter().map(|(_, waiting)| SocketInfo {
            state: State::TimeWait.name(),
            remote: Some(waiting.tuple.remote_end()),
            ..blank("tcp", waiting.tuple.local_end(), None, None)
        });
        let datagrams = self.udp.sockets.iter().map(|(index, socket)| SocketInfo {
            remote: socket.remote(),
            send_queued: self.requests.len(&socket.sends).into(),
            receive_queued: self.requests.len(&socket.arrivals).into(),
            room: self.datagram_room(index),
            ..blank(
                "udp",
                socket
                    .local()
                    .unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into()),
                Some(socket.socket),
                Some(socket.client),
            )
        });
        listeners
            .chain(connections)
            .chain(half_open)
            .chain(time_waits)
            .chain(datagrams)
    }

    fn connection_info(&self, index: u32, conn: &Conn) -> SocketInfo {
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
            remote: Some(conn.remote()),
            send_queued: conn.queued().saturating_sub(conn.acked()),
            receive_queued: conn.arrived().saturating_sub(conn.told()),
            room: self.stream_room(index),
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
                path_mtu: self.tcp.ways.get(conn.way).map_or(0, |way| way.mtu),
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
        let v6 = self.autoconf6.iter().flat_map(|auto| &auto.servers);
        let v6 = v6.map(|server| server.address.end(DNS_PORT));
        v4.map(SocketAddr::V4).chain(v6).take(NAME_SERVERS)
    }

    /// Sums over everything.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let mut received = Traffic::default();
        let mut sent = Traffic::default();
        for interface in &self.interfaces {
            received.packets += interface.received.packets;
            received.bytes += interface.received.bytes;
            sent.packets += interface.sent.packets;
            sent.bytes += interface.sent.bytes;
        }
        let synchronised = |conn: &Conn| conn.is(Fact::Established) && !conn.is(Fact::Over);
        let connections = self
            .tcp
            .connections
            .iter()
            .filter(|(_, conn)| synchronised(conn));
        Totals {
            received,
            sent,
            delivered: self.stats.delivered(),
            dropped: self.stats.dropped(),
            connections: count(connections.count()),
            half_open: count(self.tcp.half_open.len()),
            time_waits: count(self.tcp.time_waits.len()),
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
            asides: u32::try_from(self.tcp.asides.len()).unwrap_or(u32::MAX),
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
        let alive = self
            .tcp
            .connections
            .iter()
            .filter(|(_, conn)| !conn.is(Fact::Over));
        let again: u64 = alive
            .map(|(_, conn)| u64::from(conn.tcp.retransmits()))
            .sum();
        let own = self.stats.iter().map(move |(name, value)| match name {
            RETRANSMITS => (name, value + again),
            _ => (name, value),
        });
        own.chain(self.tcp.shared.counts().iter())
    }
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
        remote: None,
        send_queued: 0,
        receive_queued: 0,
        room: 0,
        tcp: None,
    }
}
