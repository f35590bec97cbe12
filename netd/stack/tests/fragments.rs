//! Packets longer than the link's: in parts out, in parts in, and what hostile parts do.

use crate::world::craft::Peer;
use crate::world::{Host, World, at, config, ip, ping};
use proptest::prelude::{any, proptest};
use stack::{Config, Data, Drop, EventKind, Ping, Range, SendError, SocketError, Token};
use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;
use wire::{Protocol, icmp4, ipv4};

/// All of a packet's payload that any header leaves room for.
const LONGEST: u32 = 65_507;

fn headers(frames: &[Vec<u8>]) -> Vec<ipv4::Header> {
    let packets = frames.iter().filter(|frame| frame[12..14] == [8, 0]);
    packets
        .map(|frame| ipv4::Packet::parse(&frame[14..]).expect("sound").header)
        .collect()
}

#[test]
fn pings_of_all_lengths_are_answered() {
    let mut world = World::new();
    let client = world.a.client();
    for (token, size) in [(1, 1_472), (2, 1_473), (3, 1_480), (4, 9_000), (5, 65_507)] {
        let ping = Ping { size, ..ping(2) };
        // The first waits for its neighbour, in one piece.
        world.a.ping(client, ping, token, world.now);
        world.settle();
        match world.a.take(token)[..] {
            [EventKind::PingReply { size: found, .. }] => assert_eq!(found, size),
            ref other => panic!("{size}: {other:?}"),
        }
    }
    // 1,480 bytes in each part: 2 + 2 + 7 + 45 requests, and as many answers.
    assert_eq!(world.a.counter("fragment.sent"), 56);
    assert_eq!(world.b.counter("fragment.sent"), 56);
    assert_eq!(world.b.counter("fragment.reassembled"), 4);
    world.a.assert_balance();
    world.b.assert_balance();
}

// RFC 6864 section 4
#[test]
fn parts_say_which_packet_they_are_of() {
    let mut world = World::new();
    let client = world.a.client();
    for token in 1..=2 {
        let ping = Ping {
            size: 4_000,
            ..ping(2)
        };
        world.a.ping(client, ping, token, world.now);
    }
    world.settle();
    let seen = headers(&world.sent(0));
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|header| !header.dont_fragment));
    let offsets: Vec<_> = seen.iter().map(|it| it.fragment_offset).collect();
    assert_eq!(offsets, [0, 185, 370, 0, 185, 370]);
    let more: Vec<_> = seen.iter().map(|it| it.more_fragments).collect();
    assert_eq!(more, [true, true, false, true, true, false]);
    let ids: HashSet<_> = seen.iter().map(|it| it.identification).collect();
    assert_eq!(ids.len(), 2);
    assert!(seen[0].identification == seen[2].identification);
}

#[test]
fn datagrams_of_all_lengths_arrive_as_they_were_sent() {
    for lends in [false, true] {
        let mut world = World::new();
        world.a.memory.lends = lends;
        let (one, other) = (world.a.client(), world.b.client());
        let server = world.b.bound(other, 9);
        let socket = world.a.datagram(one);
        let lengths = [1_472, 1_473, 1_480, 2_952, 2_953, 20_001, LONGEST];
        for (length, token) in lengths.into_iter().zip(1..) {
            let room = Range::new(0, 70_000);
            world.b.receive(other, server, room, 100 + token, world.now);
            let bytes: Vec<u8> = (0..length).map(|at| ((at * 31) >> 4) as u8).collect();
            world.a.memory.put(one, 3, &bytes);
            let data = Data::Arena(Range::new(3, length));
            let sent =
                world
                    .a
                    .stack
                    .send(one, socket, data, Some(at(2, 9)), Token(token), world.now);
            sent.expect("it fits");
            world.settle();
            assert_eq!(world.a.take(token), [EventKind::Sent { bytes: length }]);
            let found: Vec<_> = (101..=100 + token)
                .flat_map(|it| world.b.take(it))
                .collect();
            let place = found.iter().find_map(|kind| match *kind {
                EventKind::Received {
                    offset,
                    length: found,
                    from: Some(from),
                    ..
                } => {
                    assert_eq!((found, from.ip()), (length, IpAddr::V4(ip(1))));
                    Some(offset)
                }
                _ => None,
            });
            let place = place.expect("it arrived");
            assert_eq!(world.b.memory.bytes(other, place, length), bytes);
        }
        let too_long = Data::Arena(Range::new(0, LONGEST + 1));
        let refused =
            world
                .a
                .stack
                .send(one, socket, too_long, Some(at(2, 9)), Token(9), world.now);
        assert_eq!(refused, Err(SendError::TooBig));
        world.b.assert_balance();
    }
}

#[test]
fn several_long_datagrams_take_their_turns() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    world
        .b
        .receive(other, server, Range::new(0, 200_000), 1, world.now);
    let sockets = [(); 3].map(|()| world.a.datagram(one));
    let data = Data::Arena(Range::new(0, 20_000));
    for socket in sockets {
        for _ in 0..2 {
            let to = Some(at(2, 9));
            let sent = world
                .a
                .stack
                .send(one, socket, data, to, Token(7), world.now);
            sent.expect("it fits");
        }
    }
    world.settle();
    assert_eq!(world.a.take(7).len(), 6);
    assert_eq!(world.b.take(1).len(), 6);
    assert_eq!(world.b.counter("fragment.reassembled"), 6);
    // The sockets' parts were on the link side by side.
    let ids = headers(&world.sent(0));
    assert_ne!(ids[0].identification, ids[1].identification);
}

#[test]
fn long_datagrams_to_ourselves_come_back() {
    let mut world = World::new();
    let client = world.a.client();
    let server = world.a.bound(client, 9);
    world
        .a
        .receive(client, server, Range::new(500_000, 100_000), 1, world.now);
    let socket = world.a.datagram(client);
    world.a.memory.put(client, 0, &[7; 60_000]);
    let data = Data::Arena(Range::new(0, 60_000));
    world
        .a
        .stack
        .send(client, socket, data, Some(at(1, 9)), Token(2), world.now)
        .expect("it fits");
    let longest = Ping {
        size: 65_507,
        ..ping(1)
    };
    world.a.ping(client, longest, 3, world.now);
    world.settle();
    let received = world.a.take(1);
    assert!(matches!(
        received[..],
        [EventKind::Received { length: 60_000, .. }]
    ));
    assert_eq!(world.a.memory.bytes(client, 500_000, 60_000), [7; 60_000]);
    let answered = world.a.take(3);
    assert!(matches!(
        answered[..],
        [EventKind::PingReply { size: 65_507, .. }]
    ));
}

#[test]
fn ipv6_is_no_different() {
    let mut world = World::new();
    let client = world.a.client();
    for (size, token) in [(16_336, 1), (16_337, 2), (65_507, 3)] {
        let ping = Ping {
            address: std::net::Ipv6Addr::LOCALHOST.into(),
            size,
            ..ping(1)
        };
        world.a.ping(client, ping, token, world.now);
        world.settle();
        match world.a.take(token)[..] {
            [EventKind::PingReply { size: found, .. }] => assert_eq!(found, size),
            ref other => panic!("{size}: {other:?}"),
        }
    }
    // There and back: the second and the third, in two and in five parts.
    assert_eq!(world.a.counter("fragment.reassembled"), 4);
    assert_eq!(world.a.counter("fragment.sent"), 14);
    let server = world.a.datagram(client);
    let any = (std::net::Ipv6Addr::UNSPECIFIED, 9).into();
    world.a.stack.bind(client, server, any).expect("bind");
    let room = Range::new(500_000, 100_000);
    world.a.receive(client, server, room, 4, world.now);
    let socket = world.a.datagram(client);
    world.a.memory.put(client, 0, &[7; 60_000]);
    let data = Data::Arena(Range::new(0, 60_000));
    let to = Some((std::net::Ipv6Addr::LOCALHOST, 9).into());
    let sent = world
        .a
        .stack
        .send(client, socket, data, to, Token(5), world.now);
    sent.expect("it fits");
    world.settle();
    let received = world.a.take(4);
    assert!(matches!(
        received[..],
        [EventKind::Received { length: 60_000, .. }]
    ));
    let bytes = world.a.memory.bytes(client, 500_000, 60_000);
    assert_eq!(bytes, [7; 60_000]);
}

#[test]
fn a_long_datagram_to_nobody_fails_and_the_next_leaves() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    for (to, token) in [(99, 1), (2, 2)] {
        let data = Data::Arena(Range::new(0, 5_000));
        let to = Some(at(to, 9));
        let sent = world
            .a
            .stack
            .send(client, socket, data, to, Token(token), world.now);
        sent.expect("it fits");
    }
    world.run(Duration::from_secs(10));
    let unreachable = EventKind::Error(SocketError::HostUnreachable);
    assert_eq!(world.a.take(1), [unreachable]);
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 5_000 }]);
}

// RFC 1122: reassembly-timeout, reassembly-timeout-told
#[test]
fn who_loses_a_part_is_told_when_time_is_over() {
    let mut world = World::new();
    let client = world.a.client();
    let mut left = 3;
    world.lose = Box::new(move |_, frame| {
        left -= i32::from(frame[12..14] == [8, 0]);
        left == 0
    });
    let ping = Ping {
        size: 9_000,
        timeout: Duration::from_secs(60),
        ..ping(2)
    };
    world.a.ping(client, ping, 1, world.now);
    world.run(Duration::from_secs(29));
    assert_eq!(world.a.take(1), []);
    world.b.assert_balance();
    world.run(Duration::from_secs(2));
    let failed = EventKind::PingFailed {
        from: Some(IpAddr::V4(ip(2))),
        error: SocketError::TimeExceeded,
        sequence: 1,
    };
    assert_eq!(world.a.take(1), [failed]);
    assert_eq!(world.b.counter("fragment.timeouts"), 1);
    // All seven parts but the lost one.
    assert_eq!(world.b.stack.drops(Drop::FragmentTimeout), 6);
    world.b.assert_balance();
}

#[test]
fn a_long_datagram_for_nobody_is_answered_like_a_short_one() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    world.a.connect(client, socket, at(2, 99), 1, world.now);
    let data = Data::Arena(Range::new(0, 5_000));
    let sent = world
        .a
        .stack
        .send(client, socket, data, None, Token(2), world.now);
    sent.expect("it fits");
    world.settle();
    assert_eq!(world.b.stack.drops(Drop::UdpNoSocket), 1);
    world
        .a
        .receive(client, socket, Range::new(0, 99), 3, world.now);
    world.settle();
    assert_eq!(world.a.take(3), [EventKind::Error(SocketError::Refused)]);
}

/// The frame of a part of a packet from a neighbour.
fn part(from: u8, id: u16, offset: u16, more: bool, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Peer::neighbour(from, 0, 1, 0).packet(Protocol::ICMP, bytes);
    let field = offset >> 3 | u16::from(more) << 13;
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    frame[20..22].copy_from_slice(&field.to_be_bytes());
    seal(&mut frame);
    frame
}

fn seal(frame: &mut [u8]) {
    frame[24..26].fill(0);
    let field = wire::sum(&frame[14..34]).finish();
    frame[24..26].copy_from_slice(&field);
}

fn host() -> Host {
    let mut world = World::new();
    world.a.know(9, world.now);
    world.a
}

/// An echo request in parts of 64 bytes.
fn parts(id: u16) -> Vec<(u16, bool, Vec<u8>)> {
    let mut bytes = vec![0; icmp4::HEADER_LEN];
    let request = icmp4::Header::EchoRequest {
        identifier: 1,
        sequence: id,
    };
    let body = [5; 300];
    request
        .emit(&mut wire::Headroom::new(&mut bytes), wire::sum(&body))
        .expect("room");
    bytes.extend(body);
    let count = bytes.len().div_ceil(64);
    let parts = bytes.chunks(64).map(<[u8]>::to_vec).zip(0..);
    parts
        .map(|(part, n)| (n * 64, usize::from(n) + 1 < count, part))
        .collect()
}

// RFC 5722: overlap
#[test]
fn parts_that_overlap_end_their_packet_without_a_word() {
    let mut host = host();
    let now = stack::Instant::from_secs(10);
    let frames: Vec<_> = parts(1)
        .iter()
        .map(|(at, more, it)| part(9, 1, *at, *more, it))
        .collect();
    let overlap = part(9, 1, 32, true, &[6; 64]);
    for frame in frames[..2].iter().chain([&overlap]).chain(&frames[2..]) {
        host.input(frame, now);
    }
    assert!(host.frames(now).is_empty());
    assert_eq!(
        host.stack.drops(Drop::FragmentOverlap),
        frames.len() as u64 + 1
    );
    host.assert_balance();
    // Nobody is told when its time is over, either.
    let later = now + Duration::from_secs(31);
    host.stack.fire(&mut host.memory, later);
    assert!(host.frames(later).is_empty());
    // Under another identification all is well.
    for (at, more, bytes) in parts(2) {
        host.input(&part(9, 2, at, more, &bytes), later);
    }
    assert_eq!(host.frames(later).len(), 1);
    host.assert_balance();
}

#[test]
fn duplicates_and_any_order_do_no_harm() {
    let mut host = host();
    let now = stack::Instant::from_secs(10);
    let mut frames: Vec<_> = parts(1)
        .iter()
        .map(|(at, more, it)| part(9, 1, *at, *more, it))
        .collect();
    frames.reverse();
    let count = frames.len() as u64;
    for frame in &frames[1..] {
        host.input(frame, now);
        host.input(frame, now);
    }
    assert_eq!(host.stack.drops(Drop::FragmentDuplicate), count - 1);
    host.input(&frames[0], now);
    let answers = host.frames(now);
    assert_eq!(answers.len(), 1);
    assert!(answers[0].ends_with(&[5; 300]));
    host.assert_balance();
}

#[test]
fn a_flood_of_first_parts_keeps_nobody_from_being_heard() {
    let mut world = World::with(
        Config {
            reassemblies: 8,
            reassembly_pages: 16,
            ..config()
        },
        config(),
    );
    world.a.know(9, world.now);
    let now = world.now;
    let whole = parts(1);
    for (at, more, bytes) in &whole {
        for flood in 0..100 {
            let id = 1_000 + at * 100 + flood;
            world.a.input(&part(66, id, 0, true, &[1; 1_480]), now);
        }
        world.a.input(&part(9, 1, *at, *more, bytes), now);
    }
    let answered = |frame: &Vec<u8>| frame.ends_with(&[5; 300]);
    assert_eq!(
        world.a.frames(now).iter().filter(|it| answered(it)).count(),
        1
    );
    assert_eq!(
        world.a.stack.drops(Drop::FragmentNoRoom),
        100 * whole.len() as u64 - 7
    );
    world.a.assert_balance();
}

#[test]
fn only_who_may_speak_is_put_together() {
    let mut host = host();
    let now = stack::Instant::from_secs(10);
    for (reason, at, byte) in [
        (Drop::Ipv4Source, 26, 240),
        (Drop::Ipv4Loopback, 26, 127),
        (Drop::Ipv4NotForUs, 33, 77),
    ] {
        let mut frame = part(9, 1, 0, true, &[1; 64]);
        frame[at] = byte;
        seal(&mut frame);
        host.input(&frame, now);
        assert_eq!(host.stack.drops(reason), 1);
    }
    // Nobody sends so little in front but to deceive.
    host.input(&part(9, 2, 0, true, &[]), now);
    assert_eq!(host.stack.drops(Drop::FragmentTiny), 1);
    host.input(&part(9, 3, 8, true, &[1; 7]), now);
    assert_eq!(host.stack.drops(Drop::FragmentLength), 1);
    host.input(&part(9, 4, 0xffc0, false, &[1; 65]), now);
    assert_eq!(host.stack.drops(Drop::FragmentTooLong), 1);
    host.assert_balance();
}

proptest! {
    /// Whatever parts come, the books balance, and in the end the next packet is put together.
    #[test]
    fn any_parts_at_all(
        floods in proptest::collection::vec(
            (1_u8..5, 0_u16..4, 0_u16..9, 0_u16..90, any::<bool>(), any::<u8>()), 0..120),
    ) {
        let mut host = host();
        let mut now = stack::Instant::from_secs(10);
        for (from, id, at, len, more, byte) in floods {
            let bytes = vec![byte; usize::from(len)];
            let frame = part(50 + from, id, (at * 32) & !7, more, &bytes);
            host.input(&frame, now);
            host.assert_balance();
            now = now + Duration::from_millis(500);
            host.stack.fire(&mut host.memory, now);
        }
        let answers = host.frames(now).len();
        for (at, more, bytes) in parts(7) {
            host.input(&part(9, 7, at, more, &bytes), now);
        }
        assert!(!host.frames(now).is_empty(), "{answers}");
        now = now + Duration::from_secs(31);
        host.stack.fire(&mut host.memory, now);
        host.frames(now);
        host.assert_balance();
    }
}
