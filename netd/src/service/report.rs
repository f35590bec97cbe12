//! Figures and tables as the protocol lays them out.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use protocol::{
    Address, AddressRow, ConnectionRow, CounterRow, InfoBody, InterfaceRow, LeaseBody,
    NeighbourRow, RouteRow, Rows, SocketKind, SocketRow, Source, State, StatsBody, VERSION, agreed,
    fixed_text, link,
};
use stack::{AddressState, Drop, Instant, NeighbourState, Origin, SocketInfo, Stack, TcpDetail};

use crate::server::Facts;

fn socket_address(address: Option<SocketAddr>) -> Address {
    address.map_or(Address::NONE, Address::from_socket)
}

fn ip_address(address: Option<IpAddr>) -> Address {
    address.map_or(Address::NONE, Address::from_ip)
}

fn word(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Rows from an iterator that starts at the cursor.
fn rows<R: protocol::Body>(cursor: u32, mut rest: impl Iterator<Item = R>) -> Rows<R> {
    Rows::collect(cursor, |at| {
        rest.next().map(|row| (row, at.saturating_add(1)))
    })
}

fn start(cursor: u32) -> usize {
    usize::try_from(cursor).unwrap_or(usize::MAX)
}

pub fn stats(stack: &Stack, facts: &Facts, now: Instant) -> StatsBody {
    let totals = stack.totals();
    StatsBody {
        received_frames: totals.received.packets.into(),
        received_bytes: totals.received.bytes.into(),
        sent_frames: totals.sent.packets.into(),
        sent_bytes: totals.sent.bytes.into(),
        delivered: totals.delivered.into(),
        dropped: totals.dropped.into(),
        connections: u64::from(totals.connections).into(),
        half_open: u64::from(totals.half_open).into(),
        time_waits: u64::from(totals.time_waits).into(),
        listeners: u64::from(totals.listeners).into(),
        datagram_sockets: u64::from(totals.datagram_sockets).into(),
        names_cached: u64::from(totals.dns_cache).into(),
        clients: u64::from(totals.clients).into(),
        expelled: facts.expelled.into(),
        requests: facts.requests.into(),
        malformed: facts.malformed.into(),
        uptime: u64::try_from(now.since(facts.started).as_nanos())
            .unwrap_or(u64::MAX)
            .into(),
        sleeps: facts.sleeps.into(),
        device_faults: facts.device_faults.into(),
    }
}

/// Where an address is from, as a client is told.
fn source(address: &stack::AddressInfo, facts: &Facts) -> Source {
    match address.origin {
        Origin::Dhcp => Source::Dhcp,
        Origin::Static if facts.is_fallback(address) => Source::Fallback,
        Origin::Static => Source::Static,
        Origin::LinkLocal => Source::LinkLocal,
        Origin::Advertised | Origin::Redirected | Origin::Temporary => Source::Router,
    }
}

pub fn info(stack: &Stack, facts: &Facts) -> InfoBody {
    let mut body = InfoBody {
        mac: [0; 6],
        mtu: 0.into(),
        state: 0,
        source: Source::None as u8,
        version: VERSION.into(),
        offloads: u32::from(facts.offloads.bits()).into(),
        address: Address::NONE,
        gateway: Address::NONE,
        name_servers: [Address::NONE; 3],
        hostname: fixed_text(&facts.hostname),
    };
    for (slot, server) in body.name_servers.iter_mut().zip(stack.name_servers()) {
        *slot = Address::from_socket(server);
    }
    let default = stack.routes().find(|route| route.prefix == 0);
    body.gateway = ip_address(default.and_then(|route| route.gateway));
    let Some(interface) = stack.interfaces().find(|interface| !interface.loopback) else {
        return body;
    };
    body.mac = interface.mac.0;
    body.mtu = interface.mtu.into();
    body.state = link::PRESENT | if interface.up { link::UP } else { 0 };
    let usable = |address: &stack::AddressInfo| {
        address.interface == interface.id && address.state == AddressState::Preferred
    };
    if let Some(first) = stack.addresses().find(usable) {
        body.state |= link::CONFIGURED;
        body.address = Address::from_network(first.address, first.prefix);
        body.source = source(&first, facts) as u8;
    }
    body
}

/// The lease of an interface; of zero the first that there is.
pub fn lease(stack: &Stack, interface: u32, now: Instant) -> Option<LeaseBody> {
    let mut leases = stack.leases(now).filter(|lease| lease.address.is_some());
    let is_it = |id: stack::InterfaceId| interface == 0 || u32::from(id.raw()) == interface;
    let lease = leases.find(|lease| is_it(lease.interface))?;
    let address = lease.address?;
    let mut body = LeaseBody {
        address: Address::from_network(address.into(), lease.prefix),
        server: ip_address(lease.server.map(IpAddr::V4)),
        router: ip_address(lease.router.map(IpAddr::V4)),
        seconds: word(lease.lease.as_secs()).into(),
        remaining: word(lease.remaining.as_secs()).into(),
        state: fixed_text(lease.state),
        name_servers: [Address::NONE; 3],
    };
    let servers = lease
        .name_servers
        .iter()
        .filter(|server| !server.ip().is_unspecified());
    for (slot, server) in body.name_servers.iter_mut().zip(servers) {
        *slot = Address::from_socket((*server).into());
    }
    Some(body)
}

pub fn interfaces(stack: &Stack, cursor: u32) -> Rows<InterfaceRow> {
    let from_cursor = stack.interfaces().skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|interface| InterfaceRow {
            interface: u32::from(interface.id.raw()).into(),
            mtu: interface.mtu.into(),
            mac: interface.mac.0,
            up: interface.up.into(),
            loopback: interface.loopback.into(),
            vlan: interface.vlan.map_or(0, |(number, _)| number).into(),
            received_frames: interface.received.packets.into(),
            received_bytes: interface.received.bytes.into(),
            sent_frames: interface.sent.packets.into(),
            sent_bytes: interface.sent.bytes.into(),
            dropped: interface.dropped.into(),
        }),
    )
}

pub fn addresses(stack: &Stack, facts: &Facts, cursor: u32) -> Rows<AddressRow> {
    let from_cursor = stack.addresses().skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|address| AddressRow {
            interface: u32::from(address.interface.raw()).into(),
            state: match address.state {
                AddressState::Tentative => 0,
                AddressState::Preferred => 1,
                AddressState::Duplicate => 2,
                AddressState::Optimistic => 3,
                AddressState::Deprecated => 4,
            },
            source: source(&address, facts) as u8,
            reserved: 0.into(),
            address: Address::from_network(address.address, address.prefix),
        }),
    )
}

pub fn routes(stack: &Stack, cursor: u32) -> Rows<RouteRow> {
    let from_cursor = stack.routes().skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|route| RouteRow {
            destination: Address::from_network(route.destination, route.prefix),
            gateway: ip_address(route.gateway),
            interface: u32::from(route.interface.raw()).into(),
            metric: u32::from(route.metric).into(),
        }),
    )
}

pub fn neighbours(stack: &Stack, cursor: u32, now: Instant) -> Rows<NeighbourRow> {
    let state = |state| match state {
        NeighbourState::Incomplete => protocol::NeighbourState::Incomplete,
        NeighbourState::Reachable => protocol::NeighbourState::Reachable,
        NeighbourState::Stale => protocol::NeighbourState::Stale,
        NeighbourState::Delay => protocol::NeighbourState::Delay,
        NeighbourState::Probe => protocol::NeighbourState::Probe,
        NeighbourState::Failed => protocol::NeighbourState::Failed,
        NeighbourState::Static => protocol::NeighbourState::Permanent,
    };
    let from_cursor = stack.neighbours(now).skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|neighbour| NeighbourRow {
            address: Address::from_ip(neighbour.address),
            mac: neighbour.mac.map_or([0; 6], |mac| mac.0),
            state: state(neighbour.state) as u8,
            waiting: neighbour.waiting,
            interface: u32::from(neighbour.interface.raw()).into(),
            age: word(neighbour.age.as_secs()).into(),
        }),
    )
}

pub fn sockets(stack: &Stack, cursor: u32) -> Rows<SocketRow> {
    let from_cursor = stack.sockets().skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|socket| {
            let stream = socket.protocol == "tcp";
            let kind = match socket.protocol {
                "tcp" => SocketKind::Stream,
                "raw" => SocketKind::Raw,
                "ether" => SocketKind::Ethernet,
                _ => SocketKind::Datagram,
            };
            let idle = if stream { State::Closed } else { State::Bound };
            let tcp = socket.tcp.unwrap_or_default();
            let round_trip = tcp.smoothed_rtt.map_or(0, |time| time.as_micros());
            SocketRow {
                socket: socket.id.map_or(0, stack::SocketId::raw).into(),
                client: socket.client.map_or(0, stack::ClientId::raw).into(),
                kind: kind as u8,
                state: State::from_name(socket.state).unwrap_or(idle) as u8,
                is_dual: socket.is_dual.into(),
                reserved: 0,
                receive_queued: word(socket.receive_queued).into(),
                send_queued: word(socket.send_queued).into(),
                retransmits: tcp.retransmits.into(),
                round_trip: u32::try_from(round_trip).unwrap_or(u32::MAX).into(),
                window: tcp.congestion_window.into(),
                local: Address::from_socket(socket.local),
                remote: socket_address(socket.remote),
            }
        }),
    )
}

pub fn connections(stack: &Stack, cursor: u32) -> Rows<ConnectionRow> {
    let connections = stack
        .sockets()
        .filter_map(|socket| socket.tcp.map(|tcp| (socket, tcp)));
    rows(
        cursor,
        connections
            .skip(start(cursor))
            .map(|(socket, tcp)| connection(&socket, &tcp)),
    )
}

fn connection(socket: &SocketInfo, tcp: &TcpDetail) -> ConnectionRow {
    let microseconds = |time: Option<Duration>| {
        let microseconds = time.map_or(0, |time| time.as_micros());
        u32::try_from(microseconds).unwrap_or(u32::MAX).into()
    };
    let bits = [
        (tcp.has_timestamps, agreed::TIMESTAMPS),
        (tcp.has_sack, agreed::SACK),
        (tcp.has_ecn, agreed::ECN),
    ];
    ConnectionRow {
        socket: socket.id.map_or(0, stack::SocketId::raw).into(),
        client: socket.client.map_or(0, stack::ClientId::raw).into(),
        state: State::from_name(socket.state).unwrap_or(State::Closed) as u8,
        options: bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum(),
        send_scale: tcp.window_scales.0,
        receive_scale: tcp.window_scales.1,
        segment: tcp.segment.into(),
        path_mtu: tcp.path_mtu.into(),
        congestion_control: fixed_text(tcp.congestion_control),
        congestion_window: tcp.congestion_window.into(),
        slow_start_threshold: tcp.slow_start_threshold.into(),
        send_window: tcp.send_window.into(),
        receive_window: tcp.receive_window.into(),
        in_flight: tcp.in_flight.into(),
        round_trip: microseconds(tcp.smoothed_rtt),
        round_trip_variation: microseconds(tcp.rtt_variation),
        retransmission_timeout: microseconds(Some(tcp.retransmission_timeout)),
        retransmits: tcp.retransmits.into(),
        send_queued: word(socket.send_queued).into(),
        receive_queued: word(socket.receive_queued).into(),
        delivery_rate: word(tcp.delivery_rate.unwrap_or(0)).into(),
        bytes_sent: tcp.bytes_sent.into(),
        bytes_received: tcp.bytes_received.into(),
        reserved: [0; 24],
        local: Address::from_socket(socket.local),
        remote: socket_address(socket.remote),
    }
}

pub fn drops(stack: &Stack, cursor: u32) -> Rows<CounterRow> {
    let from_cursor = Drop::ALL.iter().skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|reason| CounterRow {
            name: fixed_text(reason.name()),
            count: stack.drops(*reason).into(),
        }),
    )
}

pub fn counters(stack: &Stack, facts: &Facts, cursor: u32) -> Rows<CounterRow> {
    let (given, lost) = facts.crossed;
    let crossed = [("cores.given", given), ("cores.lost", lost)];
    let crossed = crossed.into_iter().filter(|_| facts.cores > 1);
    let from_cursor = stack.counters().chain(crossed).skip(start(cursor));
    rows(
        cursor,
        from_cursor.map(|(name, count)| CounterRow {
            name: fixed_text(name),
            count: count.into(),
        }),
    )
}

#[cfg(test)]
mod tests {
    use device::{Offload, Offloads};

    use super::*;
    use alloc::string::String;
    use core::net::{IpAddr, Ipv4Addr};
    use stack::InterfaceId;

    #[test]
    fn offloads_have_the_same_names_on_both_sides() {
        assert_eq!(Offload::ALL.map(Offload::name), protocol::OFFLOADS);
        for (place, offload) in Offload::ALL.into_iter().enumerate() {
            assert_eq!(Offloads::NONE.with(offload).bits(), 1 << place);
        }
    }

    #[test]
    fn only_the_address_of_the_plan_is_a_fallback() {
        let own = Ipv4Addr::new(10, 0, 2, 15);
        let facts = |fallback| Facts {
            cores: 1,
            crossed: (0, 0),
            hostname: String::new(),
            fallback,
            started: Instant::from_nanos(0),
            expelled: 0,
            requests: 0,
            malformed: 0,
            sleeps: 0,
            device_faults: 0,
            offloads: Offloads::NONE,
        };
        let address = |address: Ipv4Addr, origin| stack::AddressInfo {
            interface: InterfaceId::LOOPBACK,
            address: IpAddr::V4(address),
            prefix: 24,
            state: AddressState::Preferred,
            origin,
        };
        let by_hand = address(Ipv4Addr::new(10, 9, 9, 9), Origin::Static);
        let planned = address(own, Origin::Static);
        let leased = address(own, Origin::Dhcp);
        let dhcp = facts(Some(own));
        assert!(matches!(source(&by_hand, &dhcp), Source::Static));
        assert!(matches!(source(&planned, &dhcp), Source::Fallback));
        assert!(matches!(source(&leased, &dhcp), Source::Dhcp));
        assert!(matches!(source(&planned, &facts(None)), Source::Static));
    }
}
