//! What RFC 9293 asks of TCP as a part of a host: addresses, ICMP, the Internet layer below.

use crate::world::craft::{Peer, icmp, last_of, logged, plain, router, segments};
use crate::world::{World, at, ip, joined, mac};
use stack::{BindError, ConnectError, EventKind, Range, SocketError, SocketOption, Token};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use wire::icmp4::{Header as Icmp, TimeExceeded, Unreachable};
use wire::tcp::Flags;
use wire::{Drop, MacAddress, Protocol, icmp4, sum};

/// A SYN for port 80 in a frame for this link address.
fn syn(link: MacAddress, from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let peer = Peer {
        own: SocketAddrV4::new(from, 1_234),
        host: SocketAddrV4::new(to, 80),
        macs: (mac(9), link),
    };
    peer.frame(plain(Flags::SYN, 7, 0), &[])
}

#[test]
fn groups_hear_nothing_from_tcp() {
    // RFC 9293: MUST-57
    let mut world = World::new();
    let server = world.a.client();
    world.a.listen(server, 80, 8);
    let all_hosts = Ipv4Addr::new(224, 0, 0, 1);
    for (link, to) in [
        (MacAddress::BROADCAST, Ipv4Addr::BROADCAST),
        (MacAddress::BROADCAST, ip(255)),
        (MacAddress::for_multicast4(all_hosts), all_hosts),
        (MacAddress::BROADCAST, ip(1)),
    ] {
        world.a.input(&syn(link, ip(9), to), world.now);
    }
    assert_eq!(world.a.stack.drops(Drop::TcpGroupAddress), 3);
    assert_eq!(world.a.stack.drops(Drop::Ipv4NotForUs), 1);
    assert_eq!(world.a.stack.totals().half_open, 0);
    assert!(segments(&world.a.frames(world.now)).is_empty());
    world.a.assert_balance();
}

#[test]
fn nobody_connects_from_an_address_of_no_host() {
    // RFC 9293: MUST-63
    for from in [
        ip(255),
        Ipv4Addr::BROADCAST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(0, 1, 2, 3),
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(239, 1, 2, 3),
        Ipv4Addr::new(250, 1, 2, 3),
        ip(1),
    ] {
        let mut world = World::new();
        let server = world.a.client();
        world.a.listen(server, 80, 8);
        world.a.input(&syn(mac(1), from, ip(1)), world.now);
        assert_eq!(world.a.stack.totals().half_open, 0, "{from}");
        assert!(segments(&world.a.frames(world.now)).is_empty(), "{from}");
        world.a.assert_balance();
    }
}

#[test]
fn nobody_connects_to_an_address_of_no_host() {
    // RFC 9293: MUST-46
    let mut world = World::new();
    let client = world.a.client();
    for to in [
        Ipv4Addr::BROADCAST,
        ip(255),
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(239, 1, 2, 3),
    ] {
        let socket = world.a.stream(client);
        let result = world.a.stack.connect(
            client,
            socket,
            SocketAddr::from((to, 80)),
            Token(1),
            world.now,
        );
        assert_eq!(result, Err(ConnectError::BadAddress), "{to}");
    }
    world.settle();
    assert!(logged(&world).is_empty());
}

#[test]
fn listening_disturbs_no_connection() {
    // RFC 9293: MUST-41, MUST-42
    let (mut world, pair) = joined();
    // On the port from which the client has connected, while another of its opens is under way.
    let status = world.a.stack.status(pair.client, pair.socket);
    let local = status.expect("status").local.expect("connected");
    let opening = world.a.stream(pair.client);
    let to = at(77, 80);
    world.a.connect(pair.client, opening, to, 2, world.now);
    let other = world.a.client();
    world.a.listen(other, local.port(), 4);
    // A second listener on a port that has one is refused, and the first goes on.
    let second = world.b.stream(pair.server);
    let taken = world.b.stack.bind(pair.server, second, at(2, 80));
    assert_eq!(taken, Err(BindError::AddressInUse));
    world.send(pair, b"still here", 3);
    world.run(Duration::from_millis(500));
    assert_eq!(world.a.take(3), [EventKind::Sent { bytes: 10 }]);
    assert_eq!(world.b.memory.bytes(pair.server, 0, 10), b"still here");
}

#[test]
fn a_listener_hears_of_others_while_one_is_half_open() {
    // RFC 9293: MUST-42
    let (mut world, pair) = joined();
    // A peer that never completes its handshake.
    world.b.input(&syn(mac(2), ip(9), ip(2)), world.now);
    assert_eq!(world.b.stack.totals().half_open, 1);
    let (server, listener) = (pair.server, pair.listener);
    world.b.accept(server, listener, None, 10, world.now);
    world.connecting(80, &[]);
    world.accepted(80);
}

#[test]
fn a_program_chooses_its_address_and_keeps_it() {
    // RFC 9293: MUST-43, MUST-45
    let mut world = World::new();
    world.a.add_address(101, world.now);
    world.run(Duration::from_secs(10));
    world.log.clear();
    world.listening(80, Some(Range::new(0, 10_000)));
    let client = world.a.client();
    let socket = world.a.stream(client);
    world
        .a
        .stack
        .bind(client, socket, at(101, 0))
        .expect("bind");
    world.a.connect(client, socket, at(2, 80), 1, world.now);
    world.a.send(client, socket, &[1; 5_000], 0, 2, world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 5_000 }]);
    let all = logged(&world);
    assert!(all.len() > 6);
    for seen in all {
        assert!([seen.ip.source, seen.ip.destination].contains(&ip(101)));
    }
}

#[test]
fn without_a_choice_the_address_is_of_the_way() {
    // RFC 9293: MUST-44
    let (world, _) = joined();
    let all = logged(&world);
    for seen in &all {
        let ends = [seen.ip.source, seen.ip.destination];
        assert!(ends.contains(&ip(1)) && ends.contains(&ip(2)));
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn the_time_to_live_can_be_set() {
    // RFC 9293: MUST-49
    let mut world = World::new();
    world.connecting(80, &[SocketOption::TimeToLive(7)]);
    world.settle();
    let ours: Vec<u8> = logged(&world)
        .iter()
        .filter(|seen| seen.ip.source == ip(1))
        .map(|seen| seen.ip.ttl)
        .collect();
    assert_eq!(ours, [7]);
}

#[test]
fn the_size_that_a_syn_names_fits_the_link() {
    // RFC 9293: MUST-67, SHLD-5
    let (world, _) = joined();
    let sizes: Vec<Option<u16>> = logged(&world)
        .iter()
        .map(|seen| seen.header.options.mss)
        .collect();
    // MTU less 20 bytes of IP and 20 of TCP, on the two SYNs.
    assert_eq!(sizes, [Some(1_460), Some(1_460), None]);
}

#[test]
fn hard_errors_end_an_open() {
    // RFC 9293: MUST-54, SHLD-26
    for (says, ends) in [
        (Icmp::Unreachable(Unreachable::Port), SocketError::Refused),
        (
            Icmp::Unreachable(Unreachable::Protocol),
            SocketError::ProtocolUnreachable,
        ),
    ] {
        let mut world = World::new();
        world.a.know(9, world.now);
        let client = world.a.client();
        let (socket, other) = (world.a.stream(client), world.a.stream(client));
        for (socket, token) in [(socket, 1), (other, 2)] {
            world.a.connect(client, socket, at(9, 80), token, world.now);
            world.settle();
        }
        // About the second of the two.
        let about = last_of(&world, Flags::SYN);
        let told = Peer::neighbour(9, 80, 1, 0).error(says, &about);
        world.a.input(&told, world.now);
        world.settle();
        assert_eq!(world.a.take(2), [EventKind::Error(ends)]);
        assert_eq!(world.a.take(1), []);
    }
}

#[test]
fn no_error_ends_an_open_connection() {
    // RFC 9293: MUST-56
    let soft = [
        Icmp::Unreachable(Unreachable::Network),
        Icmp::Unreachable(Unreachable::Host),
        Icmp::TimeExceeded(TimeExceeded::Transit),
        Icmp::TimeExceeded(TimeExceeded::Reassembly),
        Icmp::ParameterProblem(icmp4::ParameterProblem::Pointer(1)),
        Icmp::Unreachable(Unreachable::Port),
    ];
    for says in soft {
        let (mut world, pair) = joined();
        world.lose = Box::new(|_, _| true);
        world.send(pair, b"on its way", 2);
        world.settle();
        let about = last_of(&world, Flags::PSH);
        world.a.input(&router().error(says, &about), world.now);
        world.settle();
        assert_eq!(world.a.take(2), [], "{says:?}");
        world.lose = Box::new(|_, _| false);
        world.run(Duration::from_secs(5));
        assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 10 }], "{says:?}");
        assert_eq!(world.b.memory.bytes(pair.server, 0, 10), b"on its way");
    }
}

#[test]
fn source_quench_is_dropped() {
    // RFC 9293: MUST-55
    let (mut world, pair) = joined();
    world.lose = Box::new(|_, _| true);
    world.send(pair, &[1; 5_000], 2);
    world.settle();
    let status = |world: &World| {
        let status = world.a.stack.status(pair.client, pair.socket);
        format!("{:?}", status.expect("status"))
    };
    let before = status(&world);
    let about = last_of(&world, Flags::ACK);
    // Type 4, code 0 (RFC 6633 has retired it).
    let mut message = icmp(Icmp::Unreachable(Unreachable::Network), &about);
    message[0..4].copy_from_slice(&[4, 0, 0, 0]);
    let field = sum(&message).finish();
    message[2..4].copy_from_slice(&field);
    let packet = router().packet(Protocol::ICMP, &message);
    world.a.input(&packet, world.now);
    assert_eq!(world.a.stack.drops(Drop::Icmp4UnknownType), 1);
    assert!(world.a.frames(world.now).is_empty());
    assert_eq!(before, status(&world));
}

#[test]
fn a_neighbour_behind_retransmissions_is_asked_for_again() {
    // RFC 9293: MUST-20
    let (mut world, pair) = joined();
    world.log.clear();
    world.lose = Box::new(|_, _| true);
    world.send(pair, b"nobody hears", 2);
    world.run(Duration::from_secs(60));
    let questions = |world: &World| {
        let asks = |frame: &Vec<u8>| frame[12..14] == [8, 6];
        let ours = world.log.iter().filter(|(sender, _)| *sender == 0);
        ours.filter(|(_, frame)| asks(frame)).count()
    };
    assert!(world.a.counter("tcp.retransmits") >= 3);
    assert!(questions(&world) >= 3, "{}", questions(&world));
    // And then the program is told.
    world.run(Duration::from_secs(300));
    assert!(matches!(world.a.take(2)[..], [EventKind::Error(_)]));
}
