//! TCP between two stacks: connections, bytes, ends, and what clients do to them.

use crate::world;
use crate::world::craft::last_of;
use crate::world::{Host, World, at};
use stack::{Data, EventKind, Half, Range, SendError, SocketError, Token};
use std::time::Duration;
use wire::tcp::Flags;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 251) as u8).collect()
}

#[test]
fn bytes_arrive_in_the_room_of_the_accept() {
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(4_096, 1_000)));
    world.send(pair, b"hello, world", 2);
    world.run(Duration::from_millis(500));
    let received = world.b.take(10);
    let [
        EventKind::Received {
            offset: 4_096,
            length: 12,
            from: None,
            more: true,
            round_trip,
            sent: None,
        },
    ] = received[..]
    else {
        panic!("{received:?}");
    };
    assert!(round_trip > 0, "measured by the handshake");
    assert_eq!(
        world.b.memory.bytes(pair.server, 4_096, 12),
        b"hello, world"
    );
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 12 }]);
    world.a.assert_balance();
    world.b.assert_balance();
}

#[test]
fn a_megabyte_in_many_rooms_and_sends() {
    let mut world = World::new();
    let pair = world.connected(None);
    let bytes = pattern(700_000);
    world.a.memory.put(pair.client, 0, &bytes);
    // Odd sizes on both sides, so that segments span sends and rooms at odd offsets.
    let (mut sent, mut token) = (0usize, 100);
    for _ in 0..50 {
        let length = (bytes.len() - sent).min(14_001);
        let data = Data::Arena(Range::new(sent as u64, length as u32));
        world
            .a
            .stack
            .send(
                pair.client,
                pair.socket,
                data,
                None,
                Token(token),
                world.now,
            )
            .expect("send");
        (sent, token) = (sent + length, token + 1);
    }
    let mut arrived = Vec::new();
    let mut rooms = 0;
    while arrived.len() < sent {
        let room = Range::new(64 + (rooms % 7) * 10_000, 9_999);
        world.b.receive(pair.server, pair.peer, room, 7, world.now);
        rooms += 1;
        world.run(Duration::from_millis(1));
        for event in world.b.take(7) {
            let EventKind::Received { offset, length, .. } = event else {
                panic!("{event:?}")
            };
            arrived.extend_from_slice(world.b.memory.bytes(pair.server, offset, length));
        }
        assert!(rooms < 10_000, "stalled at {}", arrived.len());
    }
    assert!(arrived == bytes[..sent], "the bytes differ");
    world.run(Duration::from_secs(1));
    let done: Vec<_> = (100..token).flat_map(|token| world.a.take(token)).collect();
    assert_eq!(done.len(), 50);
    assert!(
        done.iter()
            .all(|kind| matches!(kind, EventKind::Sent { .. }))
    );
}

#[test]
fn lost_frames_are_sent_again() {
    let mut world = World::new();
    let pair = world.connected(None);
    let mut state = 5u32;
    world.lose = Box::new(move |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16).is_multiple_of(10)
    });
    let bytes = pattern(200_000);
    world
        .b
        .receive(pair.server, pair.peer, Range::new(0, 200_032), 7, world.now);
    world.send(pair, &bytes, 2);
    world.run(Duration::from_secs(300));
    assert_eq!(world.b.memory.bytes(pair.server, 0, 200_000), bytes);
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 200_000 }]);
    assert!(world.a.counter("tcp.retransmits") >= 10);
    assert!(matches!(
        world.b.take(7).last(),
        Some(EventKind::Received { more: false, .. })
    ));
}

#[test]
fn a_deaf_client_holds_back_its_acknowledgements() {
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(0, 1_000)));
    world.b.deaf = true;
    world.send(pair, b"unheard", 2);
    world.run(Duration::from_secs(2));
    assert_eq!(
        world.a.take(2),
        [],
        "acknowledged although the client does not know"
    );
    world.b.deaf = false;
    world.run(Duration::from_secs(20));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 7 }]);
    assert!(matches!(
        world.b.take(10)[..],
        [EventKind::Received { length: 7, .. }]
    ));
}

#[test]
fn half_close_and_close() {
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(0, 100)));
    world.send(pair, b"question", 2);
    world
        .a
        .stack
        .shutdown(pair.client, pair.socket, Half::Send, world.now)
        .expect("shutdown");
    let after = world.a.stack.send(
        pair.client,
        pair.socket,
        Data::Inline(b"x"),
        None,
        Token(3),
        world.now,
    );
    assert_eq!(after, Err(SendError::ShutDown));
    world.run(Duration::from_secs(1));
    let got = world.b.take(10);
    assert!(
        matches!(
            got[..],
            [
                EventKind::Received {
                    length: 8,
                    more: true,
                    ..
                },
                EventKind::Eof
            ]
        ),
        "{got:?}"
    );
    // The other direction still works.
    world
        .a
        .receive(pair.client, pair.socket, Range::new(500, 100), 4, world.now);
    world
        .b
        .say(pair.server, pair.peer, b"answer", None, 11, world.now);
    world.run(Duration::from_secs(1));
    assert!(matches!(
        world.a.take(4)[..],
        [EventKind::Received { length: 6, .. }]
    ));
    assert_eq!(world.a.memory.bytes(pair.client, 500, 6), b"answer");
    world.b.close(pair.server, pair.peer, 12, world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.b.take(12), [EventKind::Closed]);
    assert_eq!(world.a.take(4), [EventKind::Eof]);
    world.a.close(pair.client, pair.socket, 5, world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.a.take(5), [EventKind::Closed]);
    assert_eq!(
        (
            world.a.stack.totals().time_waits,
            world.b.stack.totals().time_waits
        ),
        (1, 0)
    );
    world.run(Duration::from_secs(61));
    assert_eq!(world.a.stack.totals().time_waits, 0);
    assert_eq!(
        world.a.stack.sockets().count() + world.b.stack.sockets().count(),
        1,
        "the listener"
    );
    world.a.assert_balance();
    world.b.assert_balance();
}

#[test]
fn what_is_over_is_forgotten_in_its_own_time() {
    let mut world = World::new();
    let mut ends = Vec::new();
    for port in [80, 81] {
        let pair = world.connected_with(port, None, &[]);
        world.b.close(pair.server, pair.peer, 12, world.now);
        world.run(Duration::from_secs(1));
        world.a.close(pair.client, pair.socket, 5, world.now);
        world.run(Duration::from_secs(19));
        ends.push(last_of(&world, Flags::FIN));
    }
    let waiting = |world: &World| world.b.stack.totals().time_waits;
    assert_eq!(waiting(&world), 2);
    // The first one's end comes again: its time begins anew, 20 seconds after the second's.
    world.b.input(&ends[0], world.now);
    for (seconds, left) in [(40, 2), (5, 1), (14, 1), (6, 0)] {
        world.run(Duration::from_secs(seconds));
        assert_eq!(waiting(&world), left);
    }
    assert_eq!(world.b.stack.next_deadline(), None);
}

#[test]
fn nobody_listens() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at(2, 81), 1, world.now);
    world.settle();
    assert_eq!(world.a.take(1), [EventKind::Error(SocketError::Refused)]);
    world.a.close(client, socket, 2, world.now);
    world.settle();
    assert_eq!(world.a.take(2), [EventKind::Closed]);
    assert_eq!(world.a.stack.sockets().count(), 0);
}

#[test]
fn nobody_is_there() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at(77, 80), 1, world.now);
    world.run(Duration::from_secs(5));
    assert_eq!(
        world.a.take(1),
        [EventKind::Error(SocketError::HostUnreachable)]
    );
}

// RFC 9293: MUST-12
#[test]
fn a_client_that_dies_takes_its_connections_along() {
    for unsent in [false, true] {
        let mut world = World::new();
        let pair = world.connected(Some(Range::new(0, 10)));
        if unsent {
            world.send(pair, &[7; 100], 2);
            world.settle();
        }
        world.a.memory.close(pair.client);
        world.a.stack.client_close(pair.client, world.now);
        world.run(Duration::from_secs(1));
        let (end, lost) = (world.b.take(10), world.b.take(0));
        match unsent {
            // A reset: the rest can never come. Its one receive is done with already.
            true => assert_eq!(lost, [EventKind::Lost(SocketError::Reset)], "{end:?}"),
            false => assert_eq!(end.last(), Some(&EventKind::Eof), "{end:?}"),
        }
        assert!(world.a.stack.client_open().is_ok());
    }
}

#[test]
fn connections_wait_for_their_accept_up_to_the_backlog() {
    let mut world = World::new();
    let server = world.b.client();
    let listener = world.b.listen(server, 80, 4);
    let client = world.a.client();
    for token in 0..6 {
        let socket = world.a.stream(client);
        world.a.connect(client, socket, at(2, 80), token, world.now);
        world.settle();
    }
    let connected = (0..6)
        .filter(|token| !world.a.take(*token).is_empty())
        .count();
    assert_eq!(connected, 4);
    assert_eq!(world.b.counter("tcp.accept_overflows"), 2);
    for token in 10..16 {
        world.b.accept(server, listener, None, token, world.now);
    }
    world.run(Duration::from_secs(10));
    assert!((10..16).all(|token| matches!(world.b.take(token)[..], [EventKind::Accepted { .. }])));
}

#[test]
fn loopback_needs_no_wire() {
    let mut world = World::new();
    let server = world.a.client();
    let listener = world.a.listen(server, 7, 4);
    let room = Some(Range::new(0, 300_100));
    world.a.accept(server, listener, room, 10, world.now);
    let client = world.a.client();
    let socket = world.a.stream(client);
    let local = "127.0.0.1:7".parse().expect("address");
    world.a.connect(client, socket, local, 1, world.now);
    let bytes = pattern(300_000);
    world.a.send(client, socket, &bytes, 0, 2, world.now);
    world.run(Duration::from_secs(2));
    assert_eq!(world.a.memory.bytes(server, 0, 300_000), bytes);
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
    assert!(world.log.is_empty(), "a frame on the wire");
    world.a.assert_balance();
}

#[test]
fn a_device_that_sums_is_given_the_rest() {
    use stack::{AddressPlan, Instant, LinkFacts, Ping, TransmitChecksum};
    let link = LinkFacts {
        checksum_transmit: true,
        ..world::facts(1)
    };
    let (plan, now) = (AddressPlan::Static(world::plan(1)), Instant::ZERO);
    let mut host = Host::with_link(1, link, world::config(), plan);
    host.know(2, now);
    let client = host.client();
    let tcp = host.stream(client);
    host.connect(client, tcp, at(2, 80), 1, now);
    let udp = host.datagram(client);
    host.memory.put(client, 0, &pattern(999));
    let (data, to) = (Data::Arena(Range::new(0, 999)), Some(at(2, 9)));
    let sent = host.stack.send(client, udp, data, to, Token(2), now);
    sent.expect("send");
    let odd = Ping {
        size: 9,
        ..world::ping(2)
    };
    host.ping(client, odd, 3, now);
    let mut seen = Vec::new();
    let mut frame = [0; 1_600];
    while let Some((len, meta)) = host.output(&mut frame, now) {
        if frame[12..14] != [8, 0] {
            continue;
        }
        let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        assert!(end <= len);
        if let TransmitChecksum::Partial { start, offset } = meta.checksum {
            // What a device does: sum from `start` to the end, store at `offset`.
            let (start, field) = (usize::from(start), usize::from(start + offset));
            let sum = wire::sum(&frame[start..end]).finish();
            frame[field..field + 2].copy_from_slice(&sum);
        }
        let packet = wire::ipv4::Packet::parse(&frame[14..]).expect("sound");
        let pseudo = wire::Pseudo::v4(packet.header.source, packet.header.destination);
        let check = wire::Check::Verify(pseudo);
        let partial = matches!(meta.checksum, TransmitChecksum::Partial { .. });
        match packet.header.protocol {
            wire::Protocol::TCP => {
                wire::tcp::Segment::parse(packet.payload, check).expect("right sum");
                assert!(partial);
            }
            wire::Protocol::UDP => {
                let absent = wire::udp::NoChecksum::Refuse;
                wire::udp::Datagram::parse(packet.payload, check, absent).expect("right sum");
                assert!(partial);
            }
            _ => {
                wire::icmp4::Message::parse(packet.payload).expect("right sum");
                assert!(!partial);
            }
        }
        seen.push(packet.header.protocol.0);
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 6, 17]);
}
