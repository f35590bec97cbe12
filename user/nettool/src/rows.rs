//! Rows of netd's tables as lines for people.

use alloc::{format, string::String, vec::Vec};
use core::net::IpAddr;

use net::Mac;
use net::protocol::{
    Address, AddressRow, ConnectionRow, CounterRow, GroupRow, InterfaceRow, NeighbourRow,
    NeighbourState, OFFLOADS, PolicyRow, RouteRow, SocketKind, SocketRow, Source, State, Word,
    agreed, text_of,
};

/// What the network device does for the stack.
pub fn offloads(bits: u32) -> String {
    let is_set = |place: usize| (bits >> place) & 1 == 1;
    let names = OFFLOADS.iter().enumerate();
    let set: Vec<_> = names
        .filter(|(place, _)| is_set(*place))
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "plain".into()
    } else {
        set.join(" ")
    }
}

/// An interface and its traffic.
pub fn link(row: &InterfaceRow) -> String {
    let name = if row.loopback == 1 {
        "loopback".into()
    } else {
        mac(row.mac)
    };
    let state = if row.up == 1 { "up" } else { "down" };
    let vlan = match row.vlan.get() {
        0 => String::new(),
        vlan => format!(" vlan {vlan}"),
    };
    format!(
        "{}: {name}{vlan} {state} mtu {} received {} frames {} bytes, {} dropped; sent {} frames {} bytes",
        row.interface,
        row.mtu,
        row.received_frames,
        row.received_bytes,
        row.dropped,
        row.sent_frames,
        row.sent_bytes,
    )
}

/// An interface, without its traffic: `link2` and so on, as the command line calls it.
pub fn link_in_short(row: &InterfaceRow) -> String {
    let state = if row.up == 1 { "up" } else { "down" };
    let vlan = match row.vlan.get() {
        0 => String::new(),
        vlan => format!(" vlan {vlan}"),
    };
    let name = format!("link{}", row.interface);
    format!("{name:<7} {}{vlan} {state} mtu {}", mac(row.mac), row.mtu)
}

/// An interface's address.
pub fn address(row: &AddressRow) -> String {
    let state = match row.state {
        0 => " (being probed)",
        2 => " (somebody else has it)",
        3 => " (in use, being probed)",
        4 => " (deprecated)",
        _ => "",
    };
    format!(
        "{}: {} {}{state}",
        row.interface,
        network(&row.address),
        source(row.source)
    )
}

/// A route.
pub fn route(row: &RouteRow) -> String {
    let destination = match row.destination.prefix {
        0 => "default".into(),
        _ => network(&row.destination),
    };
    let via = row
        .gateway
        .ip()
        .map_or_else(String::new, |gateway| format!(" via {gateway}"));
    format!(
        "{destination}{via} link {} metric {}",
        row.interface, row.metric
    )
}

/// A neighbour.
pub fn neighbour(row: &NeighbourRow) -> String {
    let state = match NeighbourState::from_word(row.state.into()) {
        Some(NeighbourState::Incomplete) => "INCOMPLETE",
        Some(NeighbourState::Reachable) => "REACHABLE",
        Some(NeighbourState::Stale) => "STALE",
        Some(NeighbourState::Delay) => "DELAY",
        Some(NeighbourState::Probe) => "PROBE",
        Some(NeighbourState::Failed) => "FAILED",
        Some(NeighbourState::Permanent) => "PERMANENT",
        None => "?",
    };
    let mac = if row.mac == [0; 6] {
        "unknown".into()
    } else {
        mac(row.mac)
    };
    format!(
        "{} {mac} link {} {state} age {} s",
        ip(&row.address),
        row.interface,
        row.age
    )
}

/// A group that is listened to.
pub fn group(row: &GroupRow) -> String {
    let protocol = match row.group.ip() {
        Some(IpAddr::V4(_)) => "igmp",
        _ => "mld",
    };
    let from = match (row.excludes, row.sources.get()) {
        (0, sources) => format!("from {sources}"),
        (_, 0) => String::from("from all"),
        (_, sources) => format!("from all but {sources}"),
    };
    let own = if row.own == 1 { " own" } else { "" };
    format!(
        "{}: {} {from} sockets {}{own} {protocol} {}",
        row.interface,
        ip(&row.group),
        row.sockets,
        row.version
    )
}

/// A policy.
pub fn policy(row: &PolicyRow) -> String {
    let PolicyRow {
        precedence, label, ..
    } = row;
    format!(
        "{} precedence {precedence} label {label}",
        network(&row.network)
    )
}

/// The head of the table of sockets.
pub const SOCKETS_HEAD: &str = "proto state         receive-q send-q local                 peer                  rtt-us retrans";

/// A socket.
pub fn socket(row: &SocketRow) -> String {
    let kind = match SocketKind::from_word(row.kind.into()) {
        Some(SocketKind::Stream) => "tcp",
        Some(SocketKind::Datagram) => "udp",
        Some(SocketKind::Raw) => "raw",
        Some(SocketKind::Ethernet) => "ether",
        None => "?",
    };
    let state = State::from_word(row.state.into()).map_or("?", State::name);
    let mut local = endpoint(&row.local);
    // Its address is [::], as that of one for IPv6 alone.
    if row.is_dual == 1 {
        local.replace_range(..local.rfind(':').unwrap_or(0), "*");
    }
    format!(
        "{kind:<5} {state:<13} {:>9} {:>6} {:<21} {:<21} {:>6} {:>7}",
        row.receive_queued,
        row.send_queued,
        local,
        endpoint(&row.remote),
        row.round_trip,
        row.retransmits,
    )
}

/// What TCP knows of a connection: who, then what is agreed, then how it goes.
pub fn connection(row: &ConnectionRow) -> String {
    let state = State::from_word(row.state.into()).map_or("?", State::name);
    let threshold = match row.slow_start_threshold.get() {
        u32::MAX => "none".into(),
        bytes => format!("{bytes}"),
    };
    let mut options = String::new();
    for (bit, name) in [
        (agreed::TIMESTAMPS, " timestamps"),
        (agreed::SACK, " sack"),
        (agreed::ECN, " ecn"),
    ] {
        if row.options & bit != 0 {
            options.push_str(name);
        }
    }
    format!(
        "tcp {state} {} {}\n\
         \x20   mss {} pmtu {} scale {}/{}{options}\n\
         \x20   {} cwnd {} ssthresh {threshold} flight {} rate {} retrans {}\n\
         \x20   rtt-us {} var-us {} rto-us {} window {}/{} bytes {}/{} queue {}/{}",
        endpoint(&row.local),
        endpoint(&row.remote),
        row.segment,
        row.path_mtu,
        row.send_scale,
        row.receive_scale,
        text_of(&row.congestion_control),
        row.congestion_window,
        row.in_flight,
        row.delivery_rate,
        row.retransmits,
        row.round_trip,
        row.round_trip_variation,
        row.retransmission_timeout,
        row.send_window,
        row.receive_window,
        row.bytes_sent,
        row.bytes_received,
        row.send_queued,
        row.receive_queued,
    )
}

/// A count, unless it is zero.
pub fn counter(row: &CounterRow) -> Option<String> {
    (row.count.get() > 0).then(|| format!("{} {}", text_of(&row.name), row.count))
}

/// A hardware address.
pub fn mac(bytes: [u8; 6]) -> String {
    format!("{}", Mac(bytes))
}

/// Address and prefix length.
pub fn network(address: &Address) -> String {
    format!("{}/{}", ip(address), address.prefix)
}

/// The address alone.
pub fn ip(address: &Address) -> String {
    address
        .ip()
        .map_or_else(|| "none".into(), |ip: IpAddr| format!("{ip}"))
}

/// Where an address comes from.
pub fn source(number: u8) -> &'static str {
    match Source::from_word(number.into()) {
        Some(Source::None) => "none",
        Some(Source::Static) => "static",
        Some(Source::Dhcp) => "dhcp",
        Some(Source::Fallback) => "fallback",
        Some(Source::Manual) => "manual",
        Some(Source::LinkLocal) => "link-local",
        Some(Source::Router) => "router",
        None => "?",
    }
}

/// Address and port, `*` for what there is not.
fn endpoint(address: &Address) -> String {
    match address.socket() {
        Ok(Some(endpoint)) => format!("{endpoint}"),
        Ok(None) | Err(_) => "*".into(),
    }
}

#[cfg(test)]
mod tests {
    use net::protocol::{
        Address, ConnectionRow, CounterRow, RouteRow, SocketKind, SocketRow, State, agreed,
        fixed_text,
    };

    use super::{connection, counter, endpoint, offloads, route, socket};

    #[test]
    fn offloads_are_told_by_name() {
        assert_eq!(offloads(0), "plain");
        assert_eq!(offloads(0b1001_0001), "checksum-out merged-buffers quiet");
        assert_eq!(offloads(1 << 31), "plain", "of a later version");
    }

    #[test]
    fn a_connection_takes_four_lines() {
        let row = ConnectionRow {
            socket: 1.into(),
            client: 2.into(),
            state: State::Established as u8,
            options: agreed::SACK | agreed::TIMESTAMPS,
            send_scale: 7,
            receive_scale: 5,
            segment: 1_448.into(),
            path_mtu: 1_500.into(),
            congestion_control: fixed_text("newreno"),
            congestion_window: 14_480.into(),
            slow_start_threshold: u32::MAX.into(),
            send_window: 65_535.into(),
            receive_window: 4_096.into(),
            in_flight: 10.into(),
            round_trip: 250.into(),
            round_trip_variation: 90.into(),
            retransmission_timeout: 200_000.into(),
            retransmits: 3.into(),
            send_queued: 10.into(),
            receive_queued: 0.into(),
            delivery_rate: 0.into(),
            bytes_sent: 5.into(),
            bytes_received: 6.into(),
            reserved: [0; 24],
            local: Address::from_socket("10.0.2.15:80".parse().unwrap()),
            remote: Address::from_socket("10.0.2.2:4000".parse().unwrap()),
        };
        let text = connection(&row);
        let wanted = [
            "tcp ESTABLISHED 10.0.2.15:80 10.0.2.2:4000",
            "    mss 1448 pmtu 1500 scale 7/5 timestamps sack",
            "    newreno cwnd 14480 ssthresh none flight 10 rate 0 retrans 3",
            "    rtt-us 250 var-us 90 rto-us 200000 window 65535/4096 bytes 5/6 queue 10/0",
        ];
        assert!(text.lines().eq(wanted), "{text}");
    }

    #[test]
    fn routes_read_like_sentences() {
        let ip = |text: &str| text.parse().unwrap();
        let mut row = RouteRow {
            destination: Address::from_network(ip("0.0.0.0"), 0),
            gateway: Address::from_ip(ip("10.0.2.2")),
            interface: 2.into(),
            metric: 0.into(),
        };
        assert_eq!(route(&row), "default via 10.0.2.2 link 2 metric 0");
        row.destination = Address::from_network(ip("10.0.2.0"), 24);
        row.gateway = Address::NONE;
        assert_eq!(route(&row), "10.0.2.0/24 link 2 metric 0");
    }

    #[test]
    fn of_the_three_kinds_of_open_ends_none_is_like_another() {
        assert_eq!(endpoint(&Address::NONE), "*");
        let shown = |local: &str, is_dual| {
            let line = socket(&SocketRow {
                socket: 1.into(),
                client: 1.into(),
                kind: SocketKind::Stream as u8,
                state: State::Listen as u8,
                is_dual,
                reserved: 0,
                receive_queued: 0.into(),
                send_queued: 0.into(),
                retransmits: 0.into(),
                round_trip: 0.into(),
                window: 0.into(),
                local: Address::from_socket(local.parse().unwrap()),
                remote: Address::NONE,
            });
            let word = line.split_whitespace().find(|word| word.ends_with(":80"));
            word.map(str::to_owned).unwrap()
        };
        assert_eq!(shown("0.0.0.0:80", 0), "0.0.0.0:80");
        assert_eq!(shown("[::]:80", 0), "[::]:80");
        assert_eq!(shown("[::]:80", 1), "*:80");
        assert_eq!(shown("10.0.2.15:80", 0), "10.0.2.15:80");
    }

    #[test]
    fn counts_of_zero_are_left_out() {
        let row = |count: u64| CounterRow {
            name: fixed_text("arp: malformed"),
            count: count.into(),
        };
        assert_eq!(counter(&row(0)), None);
        assert_eq!(counter(&row(3)).as_deref(), Some("arp: malformed 3"));
    }
}
