//! Raw sockets, and sockets that are told details: what they hear, what is believed of errors.

use crate::world::craft::{Peer, icmp, router};
use crate::world::six::{at6, local, own_local, two_hosts};
use crate::world::{Host, World, any, at, ip};
use stack::{
    BindError, ClientId, DETAILS_LEN, Data, Details, Drop, EventKind, OptionError, Range, RawError,
    SendError, SocketError, SocketId, SocketOption, Token,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use wire::{Protocol, icmp4, icmp6};

/// OSPF, which nobody here speaks.
const OSPF: u8 = 89;
const ALL4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const ALL6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// The token of every receive.
const ROOM: u64 = 5;

/// A raw socket with a room of this many bytes somewhere in its client's arena.
fn raw(host: &mut Host, client: ClientId, protocol: u8, local: IpAddr, room: Range) -> SocketId {
    let socket = host.stack.socket_raw(client, protocol, local).expect("raw");
    host.receive(client, socket, room, ROOM, stack::Instant::ZERO);
    socket
}

fn room(at: u64) -> Range {
    Range::new(at, 16_384)
}

/// What has come for a client: details and bytes.
fn heard(host: &mut Host, client: ClientId) -> Vec<([u8; DETAILS_LEN], Vec<u8>)> {
    let events = host.take(ROOM);
    let pieces = events.iter().filter_map(|kind| match kind {
        EventKind::Received { offset, length, .. } => {
            let bytes = host.memory.bytes(client, *offset, *length);
            let (details, payload) = bytes.split_first_chunk().expect("details");
            Some((*details, payload.to_vec()))
        }
        // The rooms of those that were closed.
        EventKind::Error(SocketError::Cancelled) => None,
        other => panic!("{other:?}"),
    });
    pieces.collect()
}

fn packet(from: SocketAddr, to: SocketAddr) -> [u8; DETAILS_LEN] {
    let details = Details {
        source: from,
        destination: to,
        hops: 64,
        error: None,
    };
    details.bytes()
}

fn error((from, hops): (IpAddr, u8), about: SocketAddr, error: (u8, u8, u32)) -> [u8; DETAILS_LEN] {
    let details = Details {
        source: SocketAddr::new(from, 0),
        destination: about,
        hops,
        error: Some(error),
    };
    details.bytes()
}

fn send(host: &mut Host, who: (ClientId, SocketId), bytes: &[u8], to: SocketAddr) {
    host.memory.put(who.0, 500_000, bytes);
    let data = Data::Arena(Range::new(500_000, bytes.len() as u32));
    let sent = host
        .stack
        .send(who.0, who.1, data, Some(to), Token(1), stack::Instant::ZERO);
    sent.expect("send");
}

#[test]
fn each_raw_socket_hears_its_protocol_and_nobody_is_refused_who_is_heard() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    for (all, to, from) in [(ALL4, at(2, 0), at(1, 0)), (ALL6, at6(2, 0), at6(1, 0))] {
        let sender = world.a.stack.socket_raw(one, OSPF, all).unwrap();
        let sends = |world: &mut World, bytes: &[u8]| {
            send(&mut world.a, (one, sender), bytes, to);
            world.settle();
            let answered = world.b.counter("icmp.errors_sent");
            (answered, heard(&mut world.b, other))
        };
        let (refused, nothing) = sends(&mut world, b"anybody?");
        assert_eq!(nothing, []);
        let first = raw(&mut world.b, other, OSPF, all, room(0));
        let second = raw(&mut world.b, other, OSPF, to.ip(), room(100_000));
        // Who has another protocol, peer or address hears nothing.
        raw(&mut world.b, other, 90, all, room(200_000));
        let picky = raw(&mut world.b, other, OSPF, all, room(300_000));
        let elsewhere = match to {
            SocketAddr::V4(_) => at(77, 0),
            SocketAddr::V6(_) => SocketAddr::new(local(77).into(), 0),
        };
        world.b.connect(other, picky, elsewhere, 9, world.now);
        let (still, told) = sends(&mut world, b"hello");
        assert_eq!(still, refused, "it is heard");
        assert_eq!(told, vec![(packet(from, to), b"hello".to_vec()); 2]);
        for socket in [first, second] {
            world.b.close(other, socket, 8, world.now);
        }
        // Whom nobody is left to hear is refused again; the one that is picky never counted.
        world.run(Duration::from_secs(2));
        assert_eq!(sends(&mut world, b"nobody?"), (refused + 1, vec![]));
        assert!(refused > 0);
        world.b.assert_balance();
        world.b.take(8);
        world.b.take(9);
    }
    let drops = |reason| world.b.stack.drops(reason);
    assert_eq!(drops(Drop::Ipv4UnknownProtocol), 2);
    assert_eq!(drops(Drop::Ipv6UnknownProtocol), 2);
}

#[test]
fn protocols_that_are_spoken_here_are_heard_as_well_and_served_as_ever() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    // A datagram is its socket's, and a raw socket sees it with its header.
    let server = world.b.bound(other, 9);
    world
        .b
        .receive(other, server, Range::new(0, 4_096), 6, world.now);
    raw(&mut world.b, other, 17, ALL4, room(100_000));
    let socket = world.a.bound(one, 40_000);
    world
        .a
        .say(one, socket, b"hi", Some(at(2, 9)), 1, world.now);
    world.settle();
    assert_eq!(world.b.take(6).len(), 1);
    let told = heard(&mut world.b, other);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, packet(at(1, 0), at(2, 0)));
    assert_eq!(told[0].1[..6], [0x9c, 0x40, 0, 9, 0, 10]);
    assert_eq!(told[0].1[8..], *b"hi");
    // An echo request is answered, and seen; its answer too. The checksum of ICMPv6 is ours to make.
    raw(&mut world.b, other, 58, ALL6, room(200_000));
    let pinger = raw(&mut world.a, one, 58, ALL6, room(0));
    let request = [128, 0, 0xde, 0xad, 0, 7, 0, 1, b'x', b'y', b'z'];
    send(&mut world.a, (one, pinger), &request, at6(2, 0));
    world.settle();
    let echo = |told: Vec<([u8; DETAILS_LEN], Vec<u8>)>, kind| {
        let mut echoes = told.into_iter().filter(|(_, bytes)| bytes[0] == kind);
        let (details, bytes) = echoes.next().expect("an echo");
        assert_eq!(bytes[4..], request[4..]);
        details
    };
    let at_b = echo(heard(&mut world.b, other), 128);
    assert_eq!(at_b, packet(at6(1, 0), at6(2, 0)));
    let at_a = echo(heard(&mut world.a, one), 129);
    assert_eq!(at_a, packet(at6(2, 0), at6(1, 0)));
    // There has to be a place for it.
    let short = Data::Inline(&[128, 0, 0]);
    let now = world.now;
    let refused = world
        .a
        .stack
        .send(one, pinger, short, Some(at6(2, 0)), Token(1), now);
    assert_eq!(refused, Err(SendError::TooShort));
    world.a.assert_balance();
    world.b.assert_balance();
}

#[test]
fn long_packets_leave_in_parts_and_come_whole_and_those_for_ourselves_come_too() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    let long: Vec<u8> = (0..5_000u32).map(|at| (at * 7) as u8).collect();
    for (protocol, to) in [(OSPF, at(2, 0)), (OSPF, at6(2, 0)), (58, at6(2, 0))] {
        let all = if to.is_ipv4() { ALL4 } else { ALL6 };
        let ours = raw(&mut world.b, other, protocol, all, room(0));
        let sender = raw(&mut world.a, one, protocol, all, room(0));
        let mut bytes = long.clone();
        // A type of ICMPv6 that is for experiments (RFC 4443 section 2.1): its checksum is made, and
        // was right, or nobody would have heard it.
        bytes[0] = 200;
        send(&mut world.a, (one, sender), &bytes, to);
        world.settle();
        let told = heard(&mut world.b, other);
        assert_eq!(told.len(), 1, "{protocol} to {to}");
        assert_eq!(told[0].1.len(), bytes.len());
        assert_eq!(told[0].1[4..], bytes[4..]);
        // Loopback: what is for an address of ours.
        let own = if to.is_ipv4() { at(1, 0) } else { at6(1, 0) };
        send(&mut world.a, (one, sender), &bytes[..100], own);
        world.settle();
        let told = heard(&mut world.a, one);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].0, &told[0].1[4..]),
            (packet(own, own), &bytes[4..100])
        );
        world.a.close(one, sender, 8, world.now);
        world.b.close(other, ours, 8, world.now);
        world.settle();
        world.a.take(8);
        world.b.take(8);
    }
    assert!(world.a.counter("fragment.sent") >= 12);
    assert_eq!(world.a.counter("raw.sent"), 6);
}

#[test]
fn errors_are_told_of_what_was_sent_and_of_nothing_else() {
    let mut world = World::new();
    let one = world.a.client();
    let socket = raw(&mut world.a, one, OSPF, ALL4, room(0));
    let about = at(2, 0);
    send(
        &mut world.a,
        (one, socket),
        b"knock knock, who is there?",
        about,
    );
    world.settle();
    // Host 2 says that it does not speak it.
    let told = heard(&mut world.a, one);
    let unreachable = (3, 2, 0);
    let expected = error((ip(2).into(), 64), about, unreachable);
    assert_eq!(told, [(expected, b"knock knock, who is there?".to_vec())]);
    let sent = world.sent(0);
    let own = sent.iter().find(|frame| frame[23] == OSPF).expect("sent");
    // A router says the same of it, and is believed.
    let ttl = icmp4::Header::TimeExceeded(icmp4::TimeExceeded::Transit);
    world.a.input(&router().error(ttl, own), world.now);
    world.settle();
    let told = heard(&mut world.a, one);
    let expected = error((ip(77).into(), 64), about, (11, 0, 0));
    assert_eq!(told, [(expected, b"knock knock, who is there?".to_vec())]);
    // Forged: to somebody else, of another protocol, that began otherwise, from another address.
    let forge = |at: usize, byte: u8| {
        let mut quoted = own.clone();
        quoted[at] = byte;
        quoted
    };
    for quoted in [
        forge(33, 3),
        forge(23, 90),
        forge(34, b'K'),
        forge(41, 0),
        forge(29, 9),
    ] {
        world.a.input(&router().error(ttl, &quoted), world.now);
    }
    // Of a later part nothing shows how the packet began.
    world
        .a
        .input(&router().error(ttl, &forge(21, 1)), world.now);
    world.settle();
    assert_eq!(heard(&mut world.a, one), []);
    assert_eq!(world.a.stack.drops(Drop::Icmp4Unrelated), 6);
    world.a.assert_balance();
}

#[test]
fn a_flood_is_lost_and_counted_and_a_checksum_that_is_wrong_is_nobodys() {
    let mut world = World::new();
    let one = world.a.client();
    let socket = world.a.stack.socket_raw(one, OSPF, ALL4).unwrap();
    let small = Range::new(0, 3 * 64);
    world.a.receive(one, socket, small, ROOM, world.now);
    let peer = Peer::neighbour(2, 0, 1, 0);
    let flood = peer.packet(Protocol(OSPF), b"12345678");
    for _ in 0..1_000 {
        world.a.input(&flood, world.now);
    }
    // What has no place for its details neither.
    world.a.publish(world.now);
    assert_eq!(heard(&mut world.a, one).len(), 3);
    assert_eq!(world.a.stack.drops(Drop::RawQueueFull), 997);
    assert_eq!(world.a.counter("raw.lost"), 997);
    assert_eq!(world.a.counter("icmp.errors_sent"), 0);
    // A copy that is lost takes nothing from whom the packet is for.
    world.a.stack.socket_raw(one, 1, ALL4).unwrap();
    let mut ping = icmp(
        icmp4::Header::EchoRequest {
            identifier: 1,
            sequence: 1,
        },
        &flood,
    );
    world
        .a
        .input(&peer.packet(Protocol::ICMP, &ping), world.now);
    assert_eq!(world.a.counter("icmp.echo_replies_sent"), 1);
    assert_eq!(world.a.counter("raw.lost"), 998);
    ping[10] ^= 1;
    world
        .a
        .input(&peer.packet(Protocol::ICMP, &ping), world.now);
    assert_eq!(world.a.counter("raw.lost"), 998);
    assert_eq!(world.a.stack.drops(Drop::Icmp4Checksum), 1);
    world.a.assert_balance();
}

#[test]
fn what_no_raw_socket_can_be_is_refused_and_what_is_closed_is_free_again() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.a.client());
    let stack = &mut world.a.stack;
    let mapped = "::ffff:10.0.0.1".parse().unwrap();
    for (protocol, local, refusal) in [
        (6, ALL4, RawError::BadProtocol),
        (44, ALL6, RawError::BadProtocol),
        (59, ALL6, RawError::BadProtocol),
        (OSPF, ip(9).into(), RawError::AddressNotLocal),
        (OSPF, mapped, RawError::AddressNotLocal),
    ] {
        assert_eq!(stack.socket_raw(one, protocol, local), Err(refusal));
    }
    let now = world.now;
    for _ in 0..3 {
        let open = || stack.socket_raw(one, OSPF, ALL4);
        let sockets: Vec<_> = std::iter::repeat_with(open).map_while(Result::ok).collect();
        assert_eq!(sockets.len(), 16);
        assert_eq!(
            stack.socket_raw(one, OSPF, ALL4),
            Err(RawError::ClientLimit)
        );
        // Others have theirs, and datagram sockets that want details count as well.
        assert!(stack.socket_raw(other, OSPF, ALL4).is_ok());
        let datagram = stack.socket_create(one, stack::Kind::Datagram).unwrap();
        let details = SocketOption::Details(true);
        let refused = stack.set_option(one, datagram, details, now);
        assert_eq!(refused, Err(OptionError::TooMany));
        let without = SocketOption::Details(false);
        let refused = stack.set_option(one, sockets[0], without, now);
        assert_eq!(refused, Err(OptionError::BadValue));
        // It is bound, to one family, and speaks no other.
        let bound = stack.bind(one, sockets[0], any(7));
        assert_eq!(bound, Err(BindError::AlreadyBound));
        let data = Data::Inline(b"x");
        let refused = stack.send(one, sockets[0], data, Some(at6(1, 0)), Token(1), now);
        assert!(refused.is_err());
        for socket in sockets {
            let closed = stack.close(one, socket, stack::Ending::Graceful, Token(2), now);
            closed.expect("closed");
        }
    }
}

#[test]
fn a_datagram_socket_that_wants_details_is_told_who_says_what_of_which_datagram() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    let (now, details) = (world.now, SocketOption::Details(true));
    for (all, to, from, unreachable) in [
        (any(40_000), at(2, 33_434), at(1, 40_000), (3, 3, 0)),
        (
            crate::world::six::any6(40_000),
            at6(2, 33_434),
            at6(1, 40_000),
            (1, 4, 0),
        ),
    ] {
        let socket = world.a.datagram(one);
        world.a.stack.bind(one, socket, all).unwrap();
        world.a.receive(one, socket, room(0), ROOM, now);
        world.a.stack.set_option(one, socket, details, now).unwrap();
        world.a.say(one, socket, b"probe", Some(to), 1, now);
        world.settle();
        let expected = error((to.ip(), 64), to, unreachable);
        assert_eq!(heard(&mut world.a, one), [(expected, b"probe".to_vec())]);
        // What comes has them as well.
        let server = world.b.datagram(other);
        world.b.stack.bind(other, server, to).unwrap();
        world.b.say(other, server, b"answer", Some(from), 1, now);
        world.settle();
        let told = heard(&mut world.a, one);
        assert_eq!(told, [(packet(to, from), b"answer".to_vec())]);
        // A port that nothing was sent to: forged.
        let sent = world.sent(0);
        let is_probe = |frame: &&Vec<u8>| frame.ends_with(b"probe") || frame[42..47] == *b"probe";
        let mut forged = sent.iter().find(is_probe).expect("sent").clone();
        let ports = if to.is_ipv4() { 34 } else { 54 };
        let about = |frame: &[u8]| match to {
            SocketAddr::V4(_) => {
                let ttl = icmp4::Header::TimeExceeded(icmp4::TimeExceeded::Transit);
                router().error(ttl, frame)
            }
            SocketAddr::V6(_) => {
                let ttl = icmp6::Header::TimeExceeded(icmp6::TimeExceeded::Transit);
                let ends = (local(9), own_local(1));
                crate::world::six::icmp6_frame(ends, ttl, &frame[14..])
            }
        };
        let honest = about(&forged);
        world.a.input(&honest, now);
        forged[ports + 3] ^= 1;
        world.a.input(&about(&forged), now);
        world.settle();
        let told = heard(&mut world.a, one);
        assert_eq!(told.len(), 1, "{told:?}");
        let exceeded = if to.is_ipv4() { (11, 0, 0) } else { (3, 0, 0) };
        let reporter = if to.is_ipv4() {
            ip(77).into()
        } else {
            local(9).into()
        };
        assert_eq!(told[0].0, error((reporter, 64), to, exceeded));
        // Without, it is as ever: an unconnected socket is told nothing.
        let off = SocketOption::Details(false);
        world.a.stack.set_option(one, socket, off, now).unwrap();
        world.a.input(&honest, now);
        world.b.say(other, server, b"plain", Some(from), 1, now);
        world.settle();
        match world.a.take(ROOM)[..] {
            [EventKind::Received { length: 5, .. }] => {}
            ref other => panic!("{other:?}"),
        }
        world.a.close(one, socket, 8, now);
        world.b.close(other, server, 8, now);
    }
    world.a.assert_balance();
}

/// RFC 3542 section 3.2.
#[test]
fn types_of_icmp6_that_a_socket_blocks_it_does_not_hear() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    let pinger = raw(&mut world.a, one, 58, ALL6, room(0));
    let deaf = raw(&mut world.b, other, 58, ALL6, room(0));
    let now = world.now;
    // All but what it wants: echo requests.
    for (group, types) in [(0, u64::MAX), (1, u64::MAX), (2, !1), (3, u64::MAX)] {
        let option = SocketOption::Icmp6Blocked(group, types);
        world.b.set_option(other, deaf, option, now);
    }
    let chosen = world.b.stack.raw_options(other, deaf).unwrap().unwrap();
    assert_eq!(chosen.blocked, [u64::MAX, u64::MAX, !1, u64::MAX]);
    for kind in [129, 200, 128, 1, 255] {
        let message = [kind, 0, 0, 0, 0, 7, 0, 1, b'x'];
        send(&mut world.a, (one, pinger), &message, at6(2, 0));
        world.settle();
    }
    let told = heard(&mut world.b, other);
    let kinds: Vec<u8> = told.iter().map(|(_, bytes)| bytes[0]).collect();
    assert_eq!(kinds, [128]);
    // It is none of other sockets.
    let wrong = Err(OptionError::WrongKind);
    let plain = world.b.datagram(other);
    let ospf = raw(&mut world.b, other, OSPF, ALL6, room(100_000));
    let old = raw(&mut world.b, other, 1, ALL4, room(200_000));
    let stack = &mut world.b.stack;
    for socket in [plain, ospf, old] {
        let option = SocketOption::Icmp6Blocked(0, 1);
        assert_eq!(stack.set_option(other, socket, option, now), wrong);
    }
    let beyond = stack.set_option(other, deaf, SocketOption::Icmp6Blocked(4, 1), now);
    assert_eq!(beyond, Err(OptionError::BadValue));
}

/// RFC 3542 section 3.1.
#[test]
fn checksums_of_other_protocols_are_filled_in_and_verified() {
    let mut world = two_hosts();
    let (one, other) = (world.a.client(), world.b.client());
    let sender = raw(&mut world.a, one, OSPF, ALL6, room(0));
    let plain = raw(&mut world.b, other, OSPF, ALL6, room(0));
    let now = world.now;
    let say = |world: &mut World, bytes: &[u8]| {
        send(&mut world.a, (one, sender), bytes, at6(2, 0));
        world.settle();
        let told = heard(&mut world.b, other);
        told.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>()
    };
    let hello: Vec<u8> = (1..=33).collect();
    assert_eq!(
        say(&mut world, &hello),
        std::slice::from_ref(&hello),
        "nobody looks at it"
    );
    let option = SocketOption::ChecksumAt(Some(12));
    world.b.set_option(other, plain, option, now);
    assert_eq!(say(&mut world, &hello), [[0; 0]; 0], "it is wrong");
    world.a.set_option(one, sender, option, now);
    let told = say(&mut world, &hello);
    assert_eq!(
        (&told[0][..12], &told[0][14..]),
        (&hello[..12], &hello[14..])
    );
    let (IpAddr::V6(from), IpAddr::V6(to)) = (at6(1, 0).ip(), at6(2, 0).ip()) else {
        panic!("of IPv6");
    };
    let pseudo = wire::Pseudo::v6(from, to).with(Protocol(OSPF), 33);
    assert!(pseudo.plus(wire::sum(&told[0])).is_valid());
    // What has no place for it is not sent, nor heard.
    let data = Data::Inline(&hello[..13]);
    let short = world
        .a
        .stack
        .send(one, sender, data, Some(at6(2, 0)), Token(1), now);
    assert_eq!(short, Err(SendError::TooShort));
    let off = SocketOption::ChecksumAt(None);
    world.a.set_option(one, sender, off, now);
    assert_eq!(say(&mut world, &[0; 8]), [[0; 0]; 0]);
    // At even places near the start alone; ICMPv6's is where it is.
    let stack = &mut world.a.stack;
    let icmp = stack.socket_raw(one, 58, ALL6).expect("raw");
    let old = stack.socket_raw(one, OSPF, ALL4).expect("raw");
    for (socket, at, error) in [
        (sender, 3, OptionError::BadValue),
        (sender, 16, OptionError::BadValue),
        (icmp, 4, OptionError::WrongKind),
        (old, 4, OptionError::WrongKind),
    ] {
        let option = SocketOption::ChecksumAt(Some(at));
        assert_eq!(stack.set_option(one, socket, option, now), Err(error));
    }
}
