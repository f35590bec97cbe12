//! What a program hears, or can ask, of a connection that goes on: soft errors, doubt, urgent bytes. RFC 9293
//! sections 3.8.3, 3.8.5 and 3.9.1.8.

use crate::world::craft::{Peer, last_of, logged, router, seen};
use crate::world::{Pair, World, joined};
use stack::{EventKind, Range, SocketError};
use std::time::Duration;
use wire::icmp4::{Header as Icmp, Unreachable};
use wire::tcp::{Flags, Header};

/// A connection on which host 1 sends into the void.
fn unheard() -> (World, Pair) {
    let (mut world, pair) = joined();
    world.lose = Box::new(|_, _| true);
    world.send(pair, b"anybody?", 2);
    world.settle();
    (world, pair)
}

/// And then a router speaks about the segment.
fn doubtful(says: Icmp) -> (World, Pair) {
    let (mut world, pair) = unheard();
    let about = last_of(&world, Flags::PSH);
    world.a.input(&router().error(says, &about), world.now);
    world.settle();
    (world, pair)
}

fn doubt(world: &World, pair: Pair) -> Option<SocketError> {
    let status = world.a.stack.status(pair.client, pair.socket);
    status.expect("status").doubt
}

#[test]
fn soft_errors_are_told_and_can_be_asked_for() {
    // RFC 9293: SHLD-25, MUST-47
    let unreachable = Icmp::Unreachable(Unreachable::Host);
    let (mut world, pair) = doubtful(unreachable);
    assert_eq!(doubt(&world, pair), Some(SocketError::HostUnreachable));
    let told = EventKind::Doubtful(SocketError::HostUnreachable);
    assert_eq!(world.a.take(0), [told], "and is told, once");
    // The peer is there after all.
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(5));
    assert_eq!(
        world.a.take(2),
        [EventKind::Sent { bytes: 8 }],
        "the connection went on"
    );
    assert_eq!(doubt(&world, pair), None);
    // Or it is not: then the last word of a router is the reason.
    let (mut world, _) = doubtful(unreachable);
    world.run(Duration::from_secs(400));
    let ends = EventKind::Error(SocketError::HostUnreachable);
    assert_eq!(world.a.take(2), [ends]);
}

#[test]
fn three_retransmissions_raise_a_doubt() {
    // RFC 9293: SHLD-9, SHLD-10, MUST-20, MUST-47
    let (mut world, pair) = unheard();
    let mut sent = 1;
    while doubt(&world, pair).is_none() {
        world.log.clear();
        world.run(Duration::from_millis(100));
        sent += logged(&world).len();
        assert!(sent < 10);
    }
    assert!(sent >= 4, "the first and three more, not {sent}");
    let told = EventKind::Doubtful(SocketError::TimedOut);
    world.settle();
    assert_eq!(world.a.take(0), [told]);
    assert_eq!(doubt(&world, pair), Some(SocketError::TimedOut));
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(30));
    assert_eq!(doubt(&world, pair), None);
}

#[test]
fn what_is_urgent_is_told_and_can_be_asked_for() {
    // RFC 9293: MUST-30, MUST-32, MUST-33, MUST-47
    let mut world = World::new();
    let pair = world.connected(None);
    let (client, socket) = (pair.client, pair.socket);
    let room = Range::new(0, 1_000);
    world.a.receive(client, socket, room, 3, world.now);
    world.settle();
    // Seven bytes from the peer, on which somebody writes that the first ten are urgent.
    world.lose = Box::new(|_, _| true);
    let (server, peer) = (pair.server, pair.peer);
    world
        .b
        .send(server, peer, b"at once", 20_000, 30, world.now);
    world.settle();
    let sent = world.log.iter().rev().find(|(sender, _)| *sender == 1);
    let sent = seen(&sent.expect("sent").1).expect("a segment");
    let header = Header {
        flags: sent.header.flags | Flags::URG,
        urgent: 10,
        ..sent.header
    };
    let forger = Peer::neighbour(2, sent.header.src_port, 1, sent.header.dst_port);
    let marked = forger.frame(header, &sent.payload);
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
