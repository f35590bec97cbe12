//! UDP and ICMP between two stacks.

use crate::world;
use crate::world::{World, any, at, ip, ping};
use stack::{
    BindError, CancelError, Data, Drop, EventKind, Ping, PingError, Range, SendError, SocketError,
    SocketOption, Token,
};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[test]
fn the_first_datagram_waits_for_its_neighbour() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    let room = Range::new(0, 4_096);
    world.b.receive(other, server, room, 5, world.now);
    let socket = world.a.datagram(one);
    for (token, size) in [(1, 1), (2, 200), (3, 1_472)] {
        world.a.memory.put(one, 0, &vec![token as u8; size]);
        let data = Data::Arena(Range::new(0, size as u32));
        world
            .a
            .stack
            .send(one, socket, data, Some(at(2, 9)), Token(token), world.now)
            .expect("send");
        world.settle();
        assert_eq!(
            world.a.take(token),
            [EventKind::Sent { bytes: size as u32 }]
        );
    }
    let received = world.b.take(5);
    let places: Vec<_> = received
        .iter()
        .map(|kind| match kind {
            EventKind::Received {
                offset,
                length,
                from: Some(from),
                more: true,
                ..
            } => {
                assert_eq!(from.ip(), IpAddr::V4(ip(1)));
                (*offset, *length)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [(0, 1), (8, 200), (208, 1_472)]);
    assert_eq!(world.b.memory.bytes(other, 208, 1_472), [3; 1_472]);
}

#[test]
fn who_wants_no_answer_hears_of_failures_only_and_may_ask_when_all_have_left() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    world
        .b
        .receive(other, server, Range::new(0, 4_096), 5, world.now);
    let socket = world.a.datagram(one);
    let token = Token(7).unanswered();
    let now = world.now;
    let send = |world: &mut World, data| {
        let sent = world
            .a
            .stack
            .send(one, socket, data, Some(at(2, 9)), token, now);
        sent.expect("send");
    };
    for _ in 0..3 {
        send(&mut world, Data::Inline(b"hello"));
    }
    assert_eq!(world.a.stack.flush(one, socket, Token(8)), Ok(true));
    world.settle();
    assert_eq!(world.a.take(8), [EventKind::Sent { bytes: 0 }]);
    assert_eq!(world.a.take(token.0), []);
    assert_eq!(world.b.take(5).len(), 3, "they have come");
    assert_eq!(world.a.stack.flush(one, socket, Token(8)), Ok(false));
    // Outside of the client's memory: that shows only when it is to leave.
    send(&mut world, Data::Arena(Range::new(1 << 40, 100)));
    send(&mut world, Data::Inline(b"hello"));
    assert_eq!(world.a.stack.flush(one, socket, Token(9)), Ok(true));
    world.settle();
    let told: Vec<_> = std::mem::take(&mut world.a.events)
        .into_iter()
        .map(|event| (event.token, event.kind))
        .collect();
    let failed = (token, EventKind::Error(SocketError::BadMemory));
    assert_eq!(told, [failed, (Token(9), EventKind::Sent { bytes: 0 })]);
    assert_eq!(world.b.take(5).len(), 1);
    // Nothing but datagram sockets has this.
    let stream = world.a.stack.socket_create(one, stack::Kind::Stream);
    let refused = world.a.stack.flush(one, stream.unwrap(), Token(10));
    assert_eq!(refused, Err(SendError::NotConnected));
    world.a.assert_balance();
}

#[test]
fn many_datagrams_wait_in_order_in_their_rooms() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    // Two rooms: the first ends in the middle.
    for (token, offset) in [(5, 0), (6, 8_192)] {
        let room = Range::new(offset, 1_000);
        world.b.receive(other, server, room, token, world.now);
    }
    world.b.deaf = true;
    let socket = world.a.datagram(one);
    world.a.connect(one, socket, at(2, 9), 1, world.now);
    for byte in 0..32u8 {
        let data = [byte; 60];
        world.a.say(one, socket, &data, None, 2, world.now);
        world.settle();
    }
    world.b.deaf = false;
    world.settle();
    let mut bytes = Vec::new();
    let mut ends = 0;
    for event in std::mem::take(&mut world.b.events) {
        match event.kind {
            EventKind::Received {
                offset,
                length,
                from: Some(_),
                ..
            } => {
                bytes.push(world.b.memory.bytes(other, offset, length)[0]);
            }
            EventKind::Received {
                length: 0,
                from: None,
                more: false,
                ..
            } => ends += 1,
            kind => panic!("{kind:?}"),
        }
    }
    // Fifteen at multiples of 64 in each room of 1,000; the rest found no room and was counted.
    assert_eq!(bytes, (0..30).collect::<Vec<u8>>());
    assert_eq!((ends, world.b.stack.drops(Drop::UdpQueueFull)), (2, 2));
    world.b.assert_balance();
}

#[test]
fn a_datagram_that_no_room_holds_is_lost_and_counted() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    world
        .b
        .receive(other, server, Range::new(0, 4), 5, world.now);
    let socket = world.a.datagram(one);
    for bytes in [&b"abcdef"[..], b"abcd"] {
        world
            .a
            .say(one, socket, bytes, Some(at(2, 9)), 1, world.now);
        world.settle();
    }
    // The room is as it was for the next one, which fits.
    let received = world.b.take(5);
    assert!(
        matches!(received[..], [EventKind::Received { length: 4, .. }]),
        "{received:?}"
    );
    assert_eq!(world.b.memory.bytes(other, 0, 6), b"abcd\0\0");
    assert_eq!(world.b.stack.drops(Drop::UdpQueueFull), 1);
    world.b.assert_balance();
}

#[test]
fn a_closed_port_answers_and_the_socket_hears_of_it() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    world.a.connect(client, socket, at(2, 99), 1, world.now);
    let room = Range::new(0, 100);
    world.a.receive(client, socket, room, 2, world.now);
    world.a.say(client, socket, b"?", None, 3, world.now);
    world.settle();
    assert!(matches!(world.a.take(1)[..], [EventKind::Connected { .. }]));
    assert_eq!(world.a.take(2), [EventKind::Error(SocketError::Refused)]);
    assert_eq!(world.b.stack.drops(Drop::UdpNoSocket), 1);
    // At most a hundred errors a second, however many datagrams.
    for _ in 0..500 {
        world.a.say(client, socket, b"?", None, 3, world.now);
        world.settle();
    }
    assert_eq!(world.b.counter("icmp.errors_sent"), 100);
    assert_eq!(world.b.counter("icmp.errors_limited"), 401);
    world.a.assert_balance();
    world.b.assert_balance();
}

#[test]
fn ports_and_addresses_are_told_apart() {
    let mut world = World::new();
    let (one, other) = (world.b.client(), world.b.client());
    world.b.add_address(3, world.now);
    let (first, second) = (world.b.datagram(one), world.b.datagram(other));
    world.b.stack.bind(one, first, at(2, 9)).expect("bind");
    world
        .b
        .stack
        .bind(other, second, at(3, 9))
        .expect("another address");
    let third = world.b.datagram(other);
    assert_eq!(
        world.b.stack.bind(other, third, any(9)),
        Err(BindError::AddressInUse)
    );
    assert_eq!(
        world.b.stack.bind(other, third, at(77, 9)),
        Err(BindError::AddressNotLocal)
    );
    for (client, socket, token) in [(one, first, 1), (other, second, 2)] {
        world
            .b
            .receive(client, socket, Range::new(0, 64), token, world.now);
    }
    let client = world.a.client();
    let socket = world.a.datagram(client);
    for last in [3, 2] {
        let data = [last];
        world
            .a
            .say(client, socket, &data, Some(at(last, 9)), 7, world.now);
        world.settle();
    }
    assert_eq!((world.b.take(1).len(), world.b.take(2).len()), (1, 1));
    assert_eq!(world.b.memory.bytes(one, 0, 1), [2]);
    assert_eq!(world.b.memory.bytes(other, 0, 1), [3]);
}

#[test]
fn broadcasts_need_leave_and_reach_everybody() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    let room = Range::new(0, 100);
    world.b.receive(other, server, room, 5, world.now);
    let socket = world.a.datagram(one);
    for to in [at(255, 9), SocketAddr::from(([255; 4], 9))] {
        let send = world.a.stack.send(
            one,
            socket,
            Data::Inline(b"all"),
            Some(to),
            Token(1),
            world.now,
        );
        assert_eq!(send, Err(SendError::BadAddress));
    }
    world
        .a
        .set_option(one, socket, SocketOption::Broadcast(true), world.now);
    for to in [at(255, 9), SocketAddr::from(([255; 4], 9))] {
        world.a.say(one, socket, b"all", Some(to), 1, world.now);
        world.settle();
    }
    assert_eq!(world.b.take(5).len(), 2);
}

#[test]
fn what_is_too_big_is_refused() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    let data = Data::Arena(Range::new(0, 65_508));
    let send = world
        .a
        .stack
        .send(client, socket, data, Some(at(2, 9)), Token(1), world.now);
    assert_eq!(send, Err(SendError::TooBig));
}

#[test]
fn cancel_and_close_end_what_waits() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.bound(client, 0);
    for token in [1, 2, 3] {
        world
            .a
            .receive(client, socket, Range::new(0, 64), token, world.now);
    }
    assert_eq!(world.a.stack.cancel(client, Some(socket), Token(2)), Ok(()));
    assert_eq!(
        world.a.stack.cancel(client, Some(socket), Token(9)),
        Err(CancelError::NotFound)
    );
    world.settle();
    let cancelled = EventKind::Error(SocketError::Cancelled);
    assert_eq!(world.a.take(2), [cancelled]);
    world.a.close(client, socket, 4, world.now);
    world.settle();
    let kinds: Vec<_> = world.a.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [cancelled, cancelled, EventKind::Closed]);
    assert_eq!(world.a.stack.sockets().count(), 0);
}

#[test]
fn ping_measures_from_the_wire() {
    let mut world = World::new();
    let client = world.a.client();
    for sequence in 1..=5 {
        let ping = Ping {
            sequence,
            ..ping(2)
        };
        world.a.ping(client, ping, sequence.into(), world.now);
        // More than four would not all wait for one unknown neighbour.
        if sequence == 1 {
            world.settle();
        }
    }
    world.settle();
    for sequence in 1..=5u16 {
        let [
            EventKind::PingReply {
                from,
                size: 56,
                sequence: seen,
                ttl: 64,
                ..
            },
        ] = world.a.take(sequence.into())[..]
        else {
            panic!("no reply to {sequence}");
        };
        assert_eq!((from, seen), (IpAddr::V4(ip(2)), sequence));
    }
    let largest = Ping {
        size: 1_472,
        ..ping(2)
    };
    world.a.ping(client, largest, 9, world.now);
    let too_large = Ping {
        size: 65_508,
        ..ping(2)
    };
    assert_eq!(
        world.a.stack.ping(client, too_large, Token(9), world.now),
        Err(PingError::TooBig)
    );
    world.settle();
    assert!(matches!(
        world.a.take(9)[..],
        [EventKind::PingReply { size: 1_472, .. }]
    ));
}

#[test]
fn pings_to_ourselves_and_to_nobody() {
    let mut world = World::new();
    let client = world.a.client();
    let ping = |address: &str| Ping {
        link: 0,
        address: address.parse().expect("address"),
        size: 8,
        sequence: 3,
        ttl: Some(9),
        timeout: Duration::from_secs(10),
    };
    for (token, address) in [(1, "127.0.0.1"), (2, "10.0.0.1"), (3, "10.0.0.99")] {
        world.a.ping(client, ping(address), token, world.now);
    }
    let silent = Ping {
        timeout: Duration::from_millis(100),
        ..ping("10.0.0.98")
    };
    world.a.ping(client, silent, 4, world.now);
    world.run(Duration::from_secs(6));
    assert!(matches!(
        world.a.take(1)[..],
        [EventKind::PingReply { ttl: 9 | 64, .. }]
    ));
    assert!(matches!(world.a.take(2)[..], [EventKind::PingReply { .. }]));
    let failed = |error| {
        [EventKind::PingFailed {
            from: None,
            error,
            sequence: 3,
        }]
    };
    assert_eq!(world.a.take(3), failed(SocketError::HostUnreachable));
    assert_eq!(world.a.take(4), failed(SocketError::TimedOut));
}

#[test]
fn thousand_sockets_have_thousand_ports() {
    let config = stack::Config {
        datagram_sockets: 1_000,
        sockets: 1_100,
        sockets_per_client: 1_100,
        ..world::config()
    };
    let mut world = World::with(config, world::config());
    let client = world.a.client();
    let mut ports = std::collections::HashSet::new();
    for _ in 0..1_000 {
        let socket = world.a.datagram(client);
        ports.insert(
            world
                .a
                .stack
                .bind(client, socket, any(0))
                .expect("bind")
                .port(),
        );
    }
    assert_eq!(ports.len(), 1_000);
}
