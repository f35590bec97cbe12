//! Paths that take less than the link: routers that say so, routers that do not, and liars.

use crate::world::craft::{router, seen};
use crate::world::{Pair, World};
use stack::{EventKind, Range};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wire::icmp4::{Header, Unreachable};

const ROOM: u32 = 400_000;

fn connect(world: &mut World, port: u16) -> Pair {
    // What an earlier connection has received.
    world.b.take(10);
    world.connected_with(port, Some(Range::new(0, ROOM)), &[])
}

/// A path that drops packets of more than `mtu` bytes, and keeps the last one dropped.
fn narrow(world: &mut World, mtu: usize) -> Rc<RefCell<Option<Vec<u8>>>> {
    let dropped = Rc::new(RefCell::new(None));
    let last = Rc::clone(&dropped);
    world.lose = Box::new(move |_, frame| {
        let is_big = frame.len() > mtu + 14;
        if is_big {
            *last.borrow_mut() = Some(frame.to_vec());
        }
        is_big
    });
    dropped
}

fn pattern() -> Vec<u8> {
    (0..300_000_u32).map(|byte| (byte % 251) as u8).collect()
}

fn segment_size(world: &World, pair: &Pair) -> u16 {
    let info = world
        .a
        .stack
        .sockets()
        .find(|info| info.id == Some(pair.socket));
    info.and_then(|info| info.tcp)
        .expect("a connection")
        .segment
}

/// A router says that it has dropped this, and why.
fn too_big(world: &mut World, mtu: u16, about: &[u8]) {
    let needed = Header::Unreachable(Unreachable::FragmentationNeeded { mtu });
    let frame = router().error(needed, about);
    world.a.input(&frame, world.now);
}

// RFC 1191: reduce, aging, tcp-mss, dont-fragment
#[test]
fn a_routers_word_makes_segments_fit_at_once() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    let dropped = narrow(&mut world, 1_200);
    let bytes = pattern();
    world.send(pair, &bytes, 2);
    world.settle();
    let about = dropped.borrow().clone().expect("something was too big");
    too_big(&mut world, 1_200, &about);
    assert_eq!(segment_size(&world, &pair), 1_200 - 52);
    let before = world.now;
    world.run(Duration::from_secs(20));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(world.b.memory.bytes(pair.server, 0, 300_000), bytes);
    assert_eq!(world.a.counter("tcp.path_mtus_learnt"), 1);
    assert_eq!(world.a.counter("tcp.path_black_holes"), 0);
    // It is remembered: another connection begins with it, but tells its peer what the link takes.
    world.log.clear();
    let other = connect(&mut world, 81);
    assert_eq!(segment_size(&world, &other), 1_200 - 52);
    let syn = world.log.iter().find_map(|(_, frame)| seen(frame));
    let syn = syn.expect("a SYN");
    assert_eq!(syn.header.options.mss, Some(1_460));
    assert!(syn.ip.dont_fragment);
    // And forgotten ten minutes after it was heard.
    world.run(Duration::from_secs(600));
    assert!(world.now.since(before) > Duration::from_secs(600));
    let third = connect(&mut world, 82);
    assert_eq!(segment_size(&world, &third), 1_448);
}

// RFC 1191: old-router
#[test]
fn a_router_that_does_not_say_how_much_is_believed_step_by_step() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    let dropped = narrow(&mut world, 1_006);
    world.send(pair, &pattern(), 2);
    world.settle();
    for size in [1_492, 1_006] {
        let about = dropped.borrow().clone().expect("too big");
        too_big(&mut world, 0, &about);
        assert_eq!(segment_size(&world, &pair), size - 52);
        world.settle();
    }
    world.run(Duration::from_secs(20));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
}

// RFC 1191: never-above, floor
#[test]
fn liars_are_not_believed() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    world.send(pair, &[7; 3_000], 2);
    world.settle();
    let segment = world
        .log
        .iter()
        .rev()
        .find_map(|(sender, frame)| (*sender == 0 && frame.len() > 500).then(|| frame.clone()));
    let segment = segment.expect("a segment");
    // All of it is acknowledged by now: nothing in flight can have been too big.
    world.run(Duration::from_secs(1));
    too_big(&mut world, 600, &segment);
    assert_eq!(segment_size(&world, &pair), 1_448);
    assert_eq!(world.a.stack.drops(stack::Drop::Icmp4Unrelated), 1);
    // In flight, but more than is known, or absurdly little.
    world.lose = Box::new(|_, _| true);
    world.log.clear();
    world.send(pair, &[7; 3_000], 3);
    world.settle();
    let (_, segment) = world.log[0].clone();
    too_big(&mut world, 9_000, &segment);
    assert_eq!(segment_size(&world, &pair), 1_448);
    too_big(&mut world, 68, &segment);
    assert_eq!(segment_size(&world, &pair), 552 - 52);
    world.a.assert_balance();
}

#[test]
fn a_black_hole_is_found_out_and_left_again() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    narrow(&mut world, 1_100);
    let bytes = pattern();
    world.send(pair, &bytes, 2);
    world.run(Duration::from_secs(30));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(world.b.memory.bytes(pair.server, 0, 300_000), bytes);
    assert!(world.a.counter("tcp.path_black_holes") >= 1);
    assert_eq!(segment_size(&world, &pair), 1_024);
    // The path is mended, but nobody says so: larger segments are tried one by one.
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(90));
    let room = Range::new(400_000, ROOM);
    world.b.receive(pair.server, pair.peer, room, 7, world.now);
    world.send(pair, &bytes, 3);
    world.run(Duration::from_secs(30));
    assert_eq!(world.a.take(3), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(segment_size(&world, &pair), 1_448);
    assert_eq!(world.a.counter("tcp.path_raised"), 4);
    assert_eq!(world.a.counter("tcp.path_probes"), 4);
}

#[test]
fn a_segment_that_is_not_full_falls_into_the_black_hole_too() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    narrow(&mut world, 1_100);
    let bytes = &pattern()[..1_200];
    world.send(pair, bytes, 2);
    world.run(Duration::from_secs(10));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 1_200 }]);
    assert_eq!(world.b.memory.bytes(pair.server, 0, 1_200), bytes);
    // At once to the step that makes a difference to it.
    assert_eq!(world.a.counter("tcp.path_black_holes"), 1);
    assert_eq!(segment_size(&world, &pair), 1_024);
}

#[test]
fn what_would_fit_anyway_is_not_the_fault_of_its_size() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    narrow(&mut world, 500);
    world.send(pair, &[7; 516], 2);
    world.run(Duration::from_secs(20));
    assert_eq!(world.a.counter("tcp.path_black_holes"), 0);
    assert_eq!(segment_size(&world, &pair), 1_448);
}

#[test]
fn a_larger_segment_that_is_lost_costs_one_loss() {
    let mut world = World::new();
    let pair = connect(&mut world, 80);
    narrow(&mut world, 1_100);
    let bytes = pattern();
    world.send(pair, &bytes, 2);
    world.run(Duration::from_secs(100));
    let room = Range::new(400_000, ROOM);
    world.b.receive(pair.server, pair.peer, room, 7, world.now);
    // The path is as narrow as before: the larger segment is lost, and nothing else.
    world.send(pair, &bytes, 3);
    world.run(Duration::from_secs(30));
    assert_eq!(world.a.take(3), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(world.a.counter("tcp.path_probes"), 1);
    assert_eq!(world.a.counter("tcp.path_raised"), 0);
    assert_eq!(segment_size(&world, &pair), 1_024);
}
