//! What a program hears, or can ask, of a connection that goes on: soft errors, doubt, urgent bytes. RFC 9293
//! sections 3.8.3, 3.8.5 and 3.9.1.8.
#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers in tests are small"
)]

mod forge;
mod world;

use forge::{Joined, all_frames, error, frame, joined, last_of, segments};
use stack::{EventKind, Range, SocketError, Token};
use std::net::Ipv4Addr;
use std::time::Duration;
use wire::icmp4::{Header as Icmp, Unreachable};
use wire::tcp::{Flags, Header, Segment};
use wire::{Check, Headroom, Protocol, Pseudo, Seal, ipv4, sum};
use world::{World, ip, mac};

/// Host 1 sends into the void; then a router speaks about the segment.
fn doubtful(says: &Icmp) -> Joined {
    let mut joined = joined();
    let world = &mut joined.world;
    world.lose = Box::new(|_, _| true);
    world
        .a
        .send(joined.client, joined.socket, b"anybody?", 0, 2, world.now);
    world.settle();
    let about = last_of(world, Flags::PSH);
    let packet = frame(mac(1), ip(9), ip(1), Protocol::ICMP, &error(says, &about));
    world.a.input(&packet, world.now);
    world.settle();
    joined
}

fn doubt(joined: &Joined) -> Option<SocketError> {
    let status = joined.world.a.stack.status(joined.client, joined.socket);
    status.expect("status").doubt
}

#[test]
fn soft_errors_are_told_and_can_be_asked_for() {
    // RFC 9293: SHLD-25, MUST-47
    let unreachable = Icmp::Unreachable(Unreachable::Host);
    let mut joined = doubtful(&unreachable);
    assert_eq!(doubt(&joined), Some(SocketError::HostUnreachable));
    let told = EventKind::Doubtful(SocketError::HostUnreachable);
    assert_eq!(joined.world.a.take(0), [told], "and is told, once");
    // The peer is there after all.
    joined.world.lose = Box::new(|_, _| false);
    joined.world.run(Duration::from_secs(5));
    assert_eq!(
        joined.world.a.take(2),
        [EventKind::Sent { bytes: 8 }],
        "the connection went on"
    );
    assert_eq!(doubt(&joined), None);
    // Or it is not: then the last word of a router is the reason.
    let mut joined = doubtful(&unreachable);
    joined.world.run(Duration::from_secs(400));
    let ends = EventKind::Error(SocketError::HostUnreachable);
    assert_eq!(joined.world.a.take(2), [ends]);
}

#[test]
fn three_retransmissions_raise_a_doubt() {
    // RFC 9293: SHLD-9, SHLD-10, MUST-20, MUST-47
    let mut joined = joined();
    joined.world.lose = Box::new(|_, _| true);
    let (client, socket, now) = (joined.client, joined.socket, joined.world.now);
    joined.world.a.send(client, socket, b"anybody?", 0, 2, now);
    joined.world.settle();
    let mut sent = 1;
    while doubt(&joined).is_none() {
        joined.world.log.clear();
        joined.world.run(Duration::from_millis(100));
        sent += segments(&all_frames(&joined.world)).len();
        assert!(sent < 10);
    }
    assert!(sent >= 4, "the first and three more, not {sent}");
    let told = EventKind::Doubtful(SocketError::TimedOut);
    joined.world.settle();
    assert_eq!(joined.world.a.take(0), [told]);
    assert_eq!(doubt(&joined), Some(SocketError::TimedOut));
    joined.world.lose = Box::new(|_, _| false);
    joined.world.run(Duration::from_secs(30));
    assert_eq!(doubt(&joined), None);
}

#[test]
fn what_is_urgent_is_told_and_can_be_asked_for() {
    // RFC 9293: MUST-30, MUST-32, MUST-33, MUST-47
    let Joined {
        mut world,
        client,
        socket,
        server,
        ..
    } = joined();
    let [EventKind::Accepted { socket: peer, .. }] = world.b.take(10)[..] else {
        panic!("not accepted");
    };
    let room = Range::new(0, 1_000);
    let (now, token) = (world.now, Token(3));
    let taken = world.a.stack.receive(client, socket, room, token, now);
    taken.expect("room");
    world.settle();
    // Seven bytes from the peer, on which somebody writes that the first ten are urgent.
    world.lose = Box::new(|_, _| true);
    world
        .b
        .send(server, peer, b"at once", 20_000, 30, world.now);
    world.settle();
    let sent = world.log.iter().rev().find(|(sender, _)| *sender == 1);
    let (_, frame) = sent.expect("sent");
    let packet = ipv4::Packet::parse(&frame[14..]).expect("sound");
    let (source, destination) = (packet.header.source, packet.header.destination);
    let pseudo = Pseudo::v4(source, destination);
    let segment = Segment::parse(packet.payload, Check::Verify(pseudo)).expect("sound");
    let header = Header {
        flags: segment.header.flags | Flags::URG,
        urgent: 10,
        ..segment.header
    };
    let mut bytes = vec![0; 64];
    bytes.extend_from_slice(segment.payload);
    let mut space = Headroom::new(&mut bytes[..64]);
    let seal = Seal::Full {
        pseudo,
        payload: sum(segment.payload),
    };
    let len = segment.payload.len();
    header.emit(&mut space, len, seal).expect("room");
    let left = space.left();
    let marked = frame_of(source, destination, &bytes[left..]);
    let urgent = |world: &World| {
        let status = world.a.stack.status(client, socket);
        status.expect("status").urgent
    };
    assert_eq!(urgent(&world), 0);
    world.a.input(&marked, world.now);
    assert_eq!(urgent(&world), 10);
    world.a.publish(world.now);
    assert_eq!(urgent(&world), 3, "three are still to come");
    let told = EventKind::Urgent { bytes: 10 };
    assert_eq!(world.a.take(0), [told], "told without asking");
    world.a.input(&marked, world.now);
    world.a.publish(world.now);
    assert_eq!(world.a.take(0), [], "and once");
    assert_eq!(world.a.memory.bytes(client, 0, 7), b"at once");
}

fn frame_of(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    frame(mac(1), source, destination, Protocol::TCP, payload)
}
