//! Explicit congestion notification, from a router's mark to the sender's answer (RFC 3168).

use crate::world::World;
use crate::world::craft::sent;
use stack::{Range, SocketOption};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use wire::tcp::Flags;
use wire::{Ecn, Headroom, ethernet, ipv4};

/// The same frame, marked by a router.
fn marked(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let ip = frame.split_off(ethernet::HEADER_LEN);
    let packet = ipv4::Packet::parse(&ip).expect("a packet");
    assert_eq!(packet.header.ecn, Ecn::Capable0, "it may be marked");
    let header = ipv4::Header {
        ecn: Ecn::Congested,
        ..packet.header
    };
    let mut front = [0; ipv4::HEADER_LEN];
    header
        .emit(&mut Headroom::new(&mut front), packet.payload.len())
        .expect("room");
    frame.extend_from_slice(&front);
    frame.extend_from_slice(packet.payload);
    frame
}

#[test]
fn a_routers_mark_is_heard_echoed_heeded_and_answered() {
    let mut world = World::new();
    // A connection both of whose ends have agreed that it may be marked.
    let notify = SocketOption::CongestionNotification(true);
    let (server, listener) = world.listening(80, Some(Range::new(0, 60_000)));
    world.b.set_option(server, listener, notify, world.now);
    let (client, socket) = world.connecting(80, &[notify]);
    world.accepted(80);
    world.log.clear();
    // The router takes one segment out of the middle, and passes it on marked.
    let taken = Rc::new(RefCell::new(None));
    let router = Rc::clone(&taken);
    let mut count = 0;
    world.lose = Box::new(move |side, frame| {
        count += u32::from(side == 0 && frame.len() > 1_000);
        let is_taken = count == 4 && router.borrow().is_none();
        if is_taken {
            *router.borrow_mut() = Some(frame.to_vec());
        }
        is_taken
    });
    world.a.send(client, socket, &[7; 14_000], 0, 2, world.now);
    world.a.stack.fire(&mut world.a.memory, world.now);
    for frame in world.a.frames(world.now) {
        let is_taken = (world.lose)(0, &frame);
        let frame = if is_taken { marked(&frame) } else { frame };
        world.b.input(&frame, world.now);
        world.log.push((0, frame));
    }
    world.b.publish(world.now);
    assert!(taken.borrow().is_some());
    assert_eq!(world.b.counter("tcp.marks_received"), 1);
    let data = sent(&mut world, 0);
    let notices: Vec<Ecn> = data.iter().map(|segment| segment.ip.ecn).collect();
    assert_eq!(
        notices.iter().filter(|ecn| **ecn == Ecn::Congested).count(),
        1
    );
    assert!(notices.iter().all(|ecn| *ecn != Ecn::NotCapable));

    // The last bytes, which waited for an acknowledgement, tell that the window is smaller.
    world.run(Duration::from_secs(1));
    let log = world.log.clone();
    let echoes = sent(&mut world, 1);
    assert!(echoes[0].header.flags.contains(Flags::ECE));
    assert!(echoes.iter().all(|it| it.ip.ecn == Ecn::NotCapable));
    let last = echoes.last().expect("an acknowledgement");
    assert!(!last.header.flags.contains(Flags::ECE), "it was answered");
    world.log = log;
    let answers = sent(&mut world, 0);
    let answers = answers
        .iter()
        .filter(|it| it.header.flags.contains(Flags::CWR));
    assert_eq!(answers.count(), 1);
    assert_eq!(world.a.counter("tcp.marks_heeded"), 1);
    assert_eq!(world.a.counter("tcp.retransmits"), 0);
    world.b.assert_balance();
}
