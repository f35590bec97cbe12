//! Frames that lie in several slices, of protocols that want them in one, and frames that are wrong.

use crate::world::craft::{Peer, plain};
use crate::world::{World, at, mac};
use stack::{EventKind, Range, ReceiveMeta};
use wire::icmp4;
use wire::tcp::Flags;

/// Takes a frame in, cut behind `head` bytes and then each `slice`.
fn take_in(world: &mut World, frame: &[u8], head: usize, slice: usize) {
    let (head, rest) = frame.split_at(head);
    let others: Vec<_> = rest.chunks(slice).collect();
    let (host, now, meta) = (&mut world.a, world.now, ReceiveMeta::default());
    let memory = &mut host.memory;
    let mut burst = host.stack.burst(host.link, memory, now);
    burst.input_scattered(head, &others, meta);
    drop(burst);
    host.assert_balance();
}

#[test]
fn an_echo_request_in_slices_is_answered() {
    let mut world = World::new();
    let peer = Peer::neighbour(2, 0, 1, 0);
    let message = icmp4::Header::EchoRequest {
        identifier: 1,
        sequence: 1,
    };
    let request = peer.error(message, &[0x5a; 60]);
    world
        .a
        .stack
        .add_neighbour(world.a.link, at(2, 0).ip(), mac(2), world.now)
        .expect("a neighbour");
    for (head, slice) in [(14, 1), (30, 7), (34, 100), (50, 3)] {
        take_in(&mut world, &request, head, slice);
        let now = world.now;
        let answers = world.a.frames(now);
        assert_eq!(answers.len(), 1, "{head} {slice}");
        assert_eq!(answers[0][42..], request[42..]);
    }
}

#[test]
fn a_datagram_in_slices_is_delivered() {
    let mut world = World::new();
    let (client, other) = (world.a.client(), world.b.client());
    let socket = world.a.bound(client, 7);
    let sender = world.b.datagram(other);
    let now = world.now;
    world
        .a
        .receive(client, socket, Range::new(100, 500), 1, now);
    let bytes: Vec<u8> = (0..199).collect();
    world.b.say(other, sender, &bytes, Some(at(1, 7)), 2, now);
    world.lose = Box::new(|_, frame| frame[23] == 17);
    world.settle();
    let (_, frame) = world
        .log
        .iter()
        .rfind(|it| it.1[23] == 17)
        .expect("lost")
        .clone();
    take_in(&mut world, &frame, 42, 50);
    world.a.publish(now);
    let [EventKind::Received { length: 199, .. }] = world.a.take(1)[..] else {
        panic!("not received");
    };
    assert_eq!(world.a.memory.bytes(client, 100, 199), bytes);
}

#[test]
fn what_is_too_long_or_has_torn_headers_is_dropped_and_counted() {
    let mut world = World::new();
    let peer = Peer::neighbour(2, 5, 1, 80);
    let long = peer.packet(wire::Protocol::UDP, &[0; 20_000]);
    take_in(&mut world, &long, 1_500, 1_500);
    assert_eq!(world.a.counter("udp.received"), 0);
    assert_eq!(world.a.stack.drops(stack::Drop::EthernetLong), 1);
    let segment = peer.frame(plain(Flags::SYN, 1, 0), &[]);
    for head in [34, 40, 53] {
        take_in(&mut world, &segment, head, 100);
    }
    assert_eq!(world.a.stack.drops(stack::Drop::TcpShort), 3);
    // Without so much as an IPv4 header it is no segment, and joined.
    take_in(&mut world, &segment, 20, 100);
    assert_eq!(world.a.stack.drops(stack::Drop::TcpNoSocket), 1);
    // Less than the packet says.
    take_in(&mut world, &segment[..50], 40, 100);
    assert_eq!(world.a.stack.drops(stack::Drop::Ipv4TotalLength), 1);
    take_in(&mut world, &[], 0, 1);
    assert_eq!(world.a.stack.drops(stack::Drop::EthernetShort), 1);
}
