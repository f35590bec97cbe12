//! IPv4 and ICMP, packet by packet: what is discarded and why, what is answered and what is not.

use crate::world;
use crate::world::{Host, World, ip, mac, ping};
use stack::{Config, Drop, EventKind, Ping, PingError, SocketError, Token};
use std::net::{IpAddr, Ipv4Addr};
use wire::ethernet::{EtherType, Header as Link};
use wire::icmp4::{Header, Message, TimeExceeded, Unreachable};
use wire::{Headroom, MacAddress, Protocol, ipv4};

/// A frame for host 1 with an IPv4 packet from 10.0.0.9, and options in its header.
fn frame(to: MacAddress, header: &ipv4::Header, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let start = 14 + 20 + options.len();
    let mut frame = vec![0; start + payload.len()];
    frame[start..].copy_from_slice(payload);
    frame[34..start].copy_from_slice(options);
    let length = options.len() + payload.len();
    header
        .emit(&mut Headroom::new(&mut frame[14..34]), length)
        .expect("fits");
    frame[14] = 0x45 + options.len() as u8 / 4;
    seal(&mut frame);
    let link = Link {
        destination: to,
        source: mac(9),
        ethertype: EtherType::IPV4,
    };
    link.emit(&mut Headroom::new(&mut frame[..14]))
        .expect("fits");
    frame
}

/// Makes the header's checksum right.
fn seal(frame: &mut [u8]) {
    let end = 14 + usize::from(frame[14] & 15) * 4;
    frame[24..26].fill(0);
    let sum = wire::sum(&frame[14..end.min(frame.len())]).finish();
    frame[24..26].copy_from_slice(&sum);
}

fn icmp(header: &Header, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8 + body.len()];
    bytes[8..].copy_from_slice(body);
    header
        .emit(&mut Headroom::new(&mut bytes[..8]), wire::sum(body))
        .expect("fits");
    bytes
}

fn echo() -> Vec<u8> {
    icmp(
        &Header::EchoRequest {
            identifier: 7,
            sequence: 1,
        },
        b"echo, echo, echo",
    )
}

fn header(protocol: Protocol) -> ipv4::Header {
    ipv4::Header::atomic(ip(9), ip(1), protocol, 64)
}

/// A plain frame for host 1 with an ICMP message.
fn icmp_frame(message: &[u8]) -> Vec<u8> {
    frame(mac(1), &header(Protocol::ICMP), &[], message)
}

/// The IPv4 packets that a host sends, with 10.0.0.9 known to it.
fn answers(host: &mut Host, now: stack::Instant) -> Vec<Vec<u8>> {
    let frames = host.frames(now);
    frames
        .into_iter()
        .filter(|frame| frame[12..14] == [8, 0])
        .map(|frame| frame[14..].to_vec())
        .collect()
}

fn host() -> World {
    let mut world = World::new();
    world.a.know(9, world.now);
    world
}

// RFC 1122: version, header-checksum, source-valid, loopback
#[test]
fn malformed_and_martian_packets_are_counted_and_not_answered() {
    let sound = icmp_frame(&echo());
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Drop, Damage); 15] = [
        ("version", Drop::Ipv4Version, |it| it[14] = 0x65),
        ("header length", Drop::Ipv4HeaderLength, |it| it[14] = 0x44),
        ("total length", Drop::Ipv4TotalLength, |it| it[16] = 9),
        ("checksum", Drop::Ipv4Checksum, |it| it[24] ^= 1),
        ("no time to live", Drop::Ipv4TimeToLive, |it| it[22] = 0),
        ("a fragment too short", Drop::FragmentTiny, |it| {
            it[16..18].copy_from_slice(&[0, 27]);
            it[20..22].copy_from_slice(&[0x20, 0]);
        }),
        ("from loopback", Drop::Ipv4Loopback, |it| it[26] = 127),
        ("to loopback", Drop::Ipv4Loopback, |it| it[30] = 127),
        ("from nobody", Drop::Ipv4Source, |it| it[26..30].fill(0)),
        ("from a broadcast", Drop::Ipv4Source, |it| it[29] = 255),
        ("from ourselves", Drop::Ipv4Source, |it| it[29] = 1),
        ("from class E", Drop::Ipv4Source, |it| it[26] = 240),
        ("for another", Drop::Ipv4NotForUs, |it| it[33] = 77),
        ("for nobody", Drop::Ipv4NotForUs, |it| it[30..34].fill(0)),
        ("for a group", Drop::Ipv4NotForUs, |it| {
            it[30..34].copy_from_slice(&[224, 0, 0, 9]);
        }),
    ];
    for (what, reason, damage) in cases {
        let mut world = host();
        let mut damaged = sound.clone();
        damage(&mut damaged);
        if reason != Drop::Ipv4Checksum {
            seal(&mut damaged);
        }
        world.a.input(&damaged, world.now);
        assert_eq!(world.a.stack.drops(reason), 1, "{what}");
        assert!(answers(&mut world.a, world.now).is_empty(), "{what}");
        world.a.assert_balance();
    }
}

#[test]
fn who_was_let_in_is_judged_anew_when_addresses_change() {
    let mut world = host();
    let echo = icmp_frame(&echo());
    for _ in 0..2 {
        world.a.input(&echo, world.now);
        assert_eq!(answers(&mut world.a, world.now).len(), 1);
    }
    // To everybody on the link, the same is still not for us.
    let mut shared = echo.clone();
    shared[..6].fill(0xff);
    world.a.input(&shared, world.now);
    assert_eq!(world.a.stack.drops(Drop::Ipv4NotForUs), 1);
    // The peer's address becomes ours: nobody else may speak with it.
    world.a.add_address(9, world.now);
    world.a.input(&echo, world.now);
    assert_eq!(world.a.stack.drops(Drop::Ipv4Source), 1);
    // And back, and then ours is none any more.
    let (link, now) = (world.a.link, world.now);
    let removed = world.a.stack.remove_address(link, ip(9).into(), now);
    removed.expect("removed");
    world.a.input(&echo, world.now);
    let removed = world.a.stack.remove_address(link, ip(1).into(), now);
    removed.expect("removed");
    world.a.input(&echo, world.now);
    assert_eq!(world.a.stack.drops(Drop::Ipv4NotForUs), 2);
    world.a.assert_balance();
}

// RFC 1122: echo-server, echo-whole
#[test]
fn an_echo_is_answered_with_what_came() {
    let mut world = host();
    // With options in the header, which are skipped: record route, and no operation.
    for options in [&[][..], &[7, 7, 4, 0, 0, 0, 0, 1]] {
        world.a.input(
            &frame(mac(1), &header(Protocol::ICMP), options, &echo()),
            world.now,
        );
        let [answer] = &answers(&mut world.a, world.now)[..] else {
            panic!("no answer")
        };
        let packet = ipv4::Packet::parse(answer).expect("sound");
        assert_eq!(
            (packet.header.source, packet.header.destination),
            (ip(1), ip(9))
        );
        let message = Message::parse(packet.payload).expect("sound");
        assert_eq!(
            message.header,
            Header::EchoReply {
                identifier: 7,
                sequence: 1
            }
        );
        assert_eq!(message.body, b"echo, echo, echo");
    }
    let source_route = [131, 7, 4, 10, 0, 0, 7, 0];
    world.a.input(
        &frame(mac(1), &header(Protocol::ICMP), &source_route, &echo()),
        world.now,
    );
    assert_eq!(world.a.stack.drops(Drop::Ipv4SourceRoute), 1);
    assert!(answers(&mut world.a, world.now).is_empty());
}

// RFC 1122: echo-broadcast, no-error-about-group
#[test]
fn groups_and_broadcasts_are_never_answered() {
    let mut world = host();
    let all_hosts = Ipv4Addr::new(224, 0, 0, 1);
    for (to, link) in [
        (Ipv4Addr::BROADCAST, MacAddress::BROADCAST),
        (ip(255), MacAddress::BROADCAST),
        (all_hosts, MacAddress::for_multicast4(all_hosts)),
    ] {
        let to_all = ipv4::Header {
            destination: to,
            ..header(Protocol::ICMP)
        };
        world
            .a
            .input(&frame(link, &to_all, &[], &echo()), world.now);
        // A datagram that nobody wants, and a protocol that nobody speaks.
        let to_all = ipv4::Header {
            destination: to,
            ..header(Protocol::UDP)
        };
        world.a.input(
            &frame(link, &to_all, &[], &[0, 9, 0, 99, 0, 8, 0, 0]),
            world.now,
        );
        let to_all = ipv4::Header {
            destination: to,
            ..header(Protocol(200))
        };
        world.a.input(&frame(link, &to_all, &[], b"?"), world.now);
    }
    // To us, but by a broadcast of the link (RFC 1122 3.3.6).
    world.a.input(
        &frame(MacAddress::BROADCAST, &header(Protocol::ICMP), &[], &echo()),
        world.now,
    );
    assert!(answers(&mut world.a, world.now).is_empty());
    assert_eq!(world.a.stack.drops(Drop::Icmp4EchoToGroup), 3);
    assert_eq!(world.a.stack.drops(Drop::Ipv4NotForUs), 1);
    world.a.assert_balance();
}

// RFC 1122: unknown-protocol, no-error-about-error
#[test]
fn unknown_protocols_are_answered_and_errors_never() {
    let mut world = host();
    let stranger = frame(mac(1), &header(Protocol(200)), &[], b"what is this?");
    world.a.input(&stranger, world.now);
    let [answer] = &answers(&mut world.a, world.now)[..] else {
        panic!("no answer")
    };
    let packet = ipv4::Packet::parse(answer).expect("sound");
    let message = Message::parse(packet.payload).expect("sound");
    assert_eq!(message.header, Header::Unreachable(Unreachable::Protocol));
    assert_eq!(message.body, &stranger[14..]);
    // An error about nothing that we have sent.
    let error = icmp(&Header::Unreachable(Unreachable::Port), &stranger[14..]);
    world.a.input(&icmp_frame(&error), world.now);
    assert_eq!(world.a.stack.drops(Drop::Icmp4Unrelated), 1);
    assert!(answers(&mut world.a, world.now).is_empty());
    world.a.assert_balance();
}

#[test]
fn echoes_can_be_switched_off() {
    let config = Config {
        answer_echo: false,
        ..world::config()
    };
    let mut world = World::with(config, world::config());
    world.a.input(&icmp_frame(&echo()), world.now);
    assert_eq!(world.a.stack.drops(Drop::Icmp4EchoDisabled), 1);
    assert!(answers(&mut world.a, world.now).is_empty());
}

// RFC 1122: echo-errors, errors-passed
#[test]
fn routers_errors_reach_the_ping_they_are_about() {
    let mut world = host();
    let client = world.a.client();
    let far = Ipv4Addr::new(192, 0, 2, 1);
    world.a.know(254, world.now);
    for (token, says, error) in [
        (
            1,
            Header::TimeExceeded(TimeExceeded::Transit),
            SocketError::TimeExceeded,
        ),
        (
            2,
            Header::Unreachable(Unreachable::Host),
            SocketError::HostUnreachable,
        ),
        (
            3,
            Header::Unreachable(Unreachable::Prohibited { code: 13 }),
            SocketError::Prohibited,
        ),
    ] {
        let ping = Ping {
            address: IpAddr::V4(far),
            sequence: 5,
            ttl: Some(1),
            ..world::ping(254)
        };
        world.a.ping(client, ping, token, world.now);
        let [request] = &answers(&mut world.a, world.now)[..] else {
            panic!("no request")
        };
        assert_eq!(request[8], 1, "the time to live that was asked for");
        // One who cannot know the sequence number does not fool it.
        let mut forged = request[..28].to_vec();
        forged[26] ^= 1;
        for (quote, believed) in [(&forged[..], false), (&request[..28], true)] {
            let message = icmp(&says, quote);
            world.a.input(&icmp_frame(&message), world.now);
            world.a.publish(world.now);
            let told = world.a.take(token);
            let failed = EventKind::PingFailed {
                from: Some(IpAddr::V4(ip(9))),
                error,
                sequence: 5,
            };
            assert_eq!(told, if believed { vec![failed] } else { vec![] });
        }
    }
    world.a.assert_balance();
}

// RFC 1122: error-quote, error-quote-unchanged
#[test]
fn errors_quote_what_there_is_up_to_576_bytes() {
    // RFC 1812 section 4.3.2.3.
    for (len, answer_len) in [(0, 48), (1, 49), (528, 576), (529, 576), (1_400, 576)] {
        let mut world = host();
        let stranger = frame(mac(1), &header(Protocol(200)), &[], &vec![0x2a; len]);
        world.a.input(&stranger, world.now);
        let [answer] = &answers(&mut world.a, world.now)[..] else {
            panic!("no answer")
        };
        let packet = ipv4::Packet::parse(answer).expect("sound");
        assert_eq!(packet.bytes.len(), answer_len);
        let message = Message::parse(packet.payload).expect("sound");
        assert_eq!(message.header, Header::Unreachable(Unreachable::Protocol));
        assert_eq!(message.body, &stranger[14..14 + answer_len - 28]);
    }
}

// RFC 1122: echo-client, echo-reply-passed
#[test]
fn only_who_was_asked_answers_a_ping() {
    let mut world = host();
    let client = world.a.client();
    for nobody in [
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(224, 0, 0, 1),
    ] {
        let ping = Ping {
            address: nobody.into(),
            ..ping(9)
        };
        let result = world.a.stack.ping(client, ping, Token(1), world.now);
        assert_eq!(result, Err(PingError::BadAddress), "{nobody}");
    }
    world.a.ping(client, ping(9), 2, world.now);
    let [request] = &answers(&mut world.a, world.now)[..] else {
        panic!("no request")
    };
    let packet = ipv4::Packet::parse(request).expect("sound");
    let request = Message::parse(packet.payload).expect("sound");
    let Header::EchoRequest {
        identifier,
        sequence,
    } = request.header
    else {
        panic!("{request:?}")
    };
    for (from, by_id, by_sequence) in [(9, 1, 0), (9, 0, 1), (8, 0, 0)] {
        let reply = Header::EchoReply {
            identifier: identifier ^ by_id,
            sequence: sequence ^ by_sequence,
        };
        let header = ipv4::Header::atomic(ip(from), ip(1), Protocol::ICMP, 64);
        let forged = frame(mac(1), &header, &[], &icmp(&reply, request.body));
        world.a.input(&forged, world.now);
    }
    assert_eq!(world.a.stack.drops(Drop::Icmp4Unrelated), 3);
    let reply = Header::EchoReply {
        identifier,
        sequence,
    };
    let honest = icmp_frame(&icmp(&reply, request.body));
    world.a.input(&honest, world.now);
    world.a.publish(world.now);
    assert!(matches!(world.a.take(2)[..], [EventKind::PingReply { .. }]));
    world.a.assert_balance();
}

#[test]
fn identifications_differ() {
    let mut world = host();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..100 {
        world.a.input(&icmp_frame(&echo()), world.now);
        for answer in answers(&mut world.a, world.now) {
            seen.insert([answer[4], answer[5]]);
        }
    }
    assert!(seen.len() > 95 && !seen.contains(&[0, 0]));
}

// RFC 1122: route-local
#[test]
fn the_longest_prefix_decides_the_way() {
    let mut world = host();
    let link = world.a.link;
    let client = world.a.client();
    let net = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    for (gateway, network, prefix) in [
        (20, net(172, 16, 0, 0), 12),
        (21, net(172, 16, 5, 0), 24),
        (22, net(172, 16, 5, 7), 32),
    ] {
        let by = IpAddr::V4(ip(gateway));
        world
            .a
            .stack
            .add_route(link, network, prefix, Some(by), 0)
            .expect("route");
        world.a.know(gateway, world.now);
    }
    world.a.know(254, world.now);
    for (to, gateway) in [
        (net(172, 16, 5, 7), 22),
        (net(172, 16, 5, 8), 21),
        (net(172, 31, 0, 1), 20),
        (net(172, 32, 0, 1), 254),
    ] {
        let ping = Ping {
            address: to,
            ..world::ping(gateway)
        };
        world.a.ping(client, ping, 1, world.now);
        let frames = world.a.frames(world.now);
        assert_eq!(frames[0][..6], mac(gateway).0, "{to}");
    }
}
