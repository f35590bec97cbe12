//! TCP over IPv6: the same as over IPv4, between other addresses.

use crate::world;
use crate::world::six::{any6, at6, icmp6_frame, own_local, two_hosts};
use crate::world::{World, any, at};
use stack::{
    BindError, ClientId, ConnectError, Data, Drop, Ending, EventKind, Half, NeighbourState, Range,
    SocketError, SocketId, Token,
};
use std::cell::RefCell;
use std::net::{SocketAddr, SocketAddrV6};
use std::rc::Rc;
use std::time::Duration;
use wire::icmp6;

const ROOM: u32 = 400_000;

/// A client of `b` that listens there, with a room for one connection, whose token is 10.
fn listen(world: &mut World, local: SocketAddr) -> (ClientId, SocketId) {
    let server = world.b.client();
    let listener = world.b.stream(server);
    let bound = world.b.stack.bind(server, listener, local);
    assert_eq!(bound, Ok(local));
    world.b.stack.listen(server, listener, 8).expect("listens");
    let room = Some(Range::new(0, ROOM));
    let waits = world
        .b
        .stack
        .accept(server, listener, room, Token(10), world.now);
    waits.expect("waits");
    (server, listener)
}

/// Both are told of the connection; the server's socket.
fn accepted(world: &mut World, to: SocketAddr) -> SocketId {
    world.settle();
    let connected = world.a.take(1);
    assert!(
        matches!(connected[..], [EventKind::Connected { remote, .. }] if remote == to),
        "{connected:?}"
    );
    let told = world.b.take(10);
    let [EventKind::Accepted { socket, local, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(local, to);
    socket
}

fn pattern(len: u32) -> Vec<u8> {
    (0..len).map(|byte| (byte % 251) as u8).collect()
}

#[test]
fn bytes_go_both_ways_and_the_connection_ends() {
    let mut world = two_hosts();
    let (server, listener) = listen(&mut world, any6(80));
    let to = at6(2, 80);
    let (client, socket) = world.calling(to, &[]);
    let peer = accepted(&mut world, to);
    let bytes = pattern(300_000);
    world.a.memory.put(client, 0, &bytes);
    let data = Data::Arena(Range::new(0, 300_000));
    let sent = world
        .a
        .stack
        .send(client, socket, data, None, Token(2), world.now);
    sent.expect("queued");
    world.run(Duration::from_secs(5));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(world.b.memory.bytes(server, 0, 300_000), bytes);
    let room = Range::new(500_000, 100);
    let waits = world
        .a
        .stack
        .receive(client, socket, room, Token(3), world.now);
    waits.expect("room");
    let answer = Data::Inline(b"well received");
    let sent = world
        .b
        .stack
        .send(server, peer, answer, None, Token(4), world.now);
    sent.expect("queued");
    world.settle();
    let told = world.a.take(3);
    assert!(
        matches!(told[..], [EventKind::Received { length: 13, .. }]),
        "{told:?}"
    );
    assert_eq!(world.a.memory.bytes(client, 500_000, 13), b"well received");
    // Both tables know it, and both are empty in the end.
    let sockets: Vec<_> = world.a.stack.sockets().collect();
    let shown = sockets.iter().find(|info| info.id == Some(socket));
    assert_eq!(shown.and_then(|info| info.remote), Some(to));
    let status = world.b.stack.status(server, listener).expect("a socket");
    assert_eq!((status.state, status.local), ("LISTEN", Some(any6(80))));
    let ended = world
        .a
        .stack
        .shutdown(client, socket, Half::Send, world.now);
    ended.expect("connected");
    world.settle();
    let graceful = Ending::Graceful;
    for (host, client, socket) in [
        (1, server, peer),
        (1, server, listener),
        (0, client, socket),
    ] {
        let host = if host == 0 {
            &mut world.a
        } else {
            &mut world.b
        };
        let closed = host
            .stack
            .close(client, socket, graceful, Token(9), world.now);
        closed.expect("a socket");
    }
    world.run(Duration::from_secs(100));
    for (host, client) in [(&mut world.a, client), (&mut world.b, server)] {
        host.stack.client_close(client, world.now);
        assert_eq!(host.stack.holdings(), stack::Holdings::default());
        assert_eq!(host.stack.sockets().count(), 0);
        host.assert_balance();
    }
}

#[test]
fn a_closed_port_refuses() {
    let mut world = two_hosts();
    world.calling(at6(2, 81), &[]);
    world.settle();
    let told = world.a.take(1);
    assert!(
        matches!(told[..], [EventKind::Error(SocketError::Refused)]),
        "{told:?}"
    );
    assert_eq!(world.b.stack.drops(Drop::TcpNoSocket), 1);
}

/// A listener hears the family of the address that it is bound to.
#[test]
fn ports_of_the_families_are_apart() {
    let mut world = two_hosts();
    listen(&mut world, any6(80));
    let v4 = world.b.client();
    let other = world.b.stream(v4);
    assert_eq!(world.b.stack.bind(v4, other, any(80)), Ok(any(80)));
    world.b.stack.listen(v4, other, 8).expect("listens");
    let third = world.b.stream(v4);
    let taken = world.b.stack.bind(v4, third, any6(80));
    assert_eq!(taken, Err(BindError::AddressInUse));
    let foreign = SocketAddrV6::new("fe80::77".parse().expect("an address"), 80, 0, 0);
    let foreign = world.b.stack.bind(v4, third, foreign.into());
    assert_eq!(foreign, Err(BindError::AddressNotLocal));
    world.calling(at6(2, 80), &[]);
    accepted(&mut world, at6(2, 80));
    world.calling(at(2, 80), &[]);
    world.settle();
    let told = world.a.take(1);
    assert!(
        matches!(told[..], [EventKind::Connected { remote, .. }] if remote == at(2, 80)),
        "{told:?}"
    );
    // Who is bound in one family does not reach the other.
    let client = world.a.client();
    let socket = world.a.stream(client);
    let bound = world.a.stack.bind(client, socket, at6(1, 5_000));
    assert_eq!(bound, Ok(at6(1, 5_000)));
    let wrong = world
        .a
        .stack
        .connect(client, socket, at(2, 80), Token(5), world.now);
    assert_eq!(wrong, Err(ConnectError::AddressFamily));
    let right = world
        .a
        .stack
        .connect(client, socket, at6(2, 80), Token(5), world.now);
    right.expect("a way");
    world.settle();
    let told = world.a.take(5);
    assert!(
        matches!(told[..], [EventKind::Connected { local, .. }] if local == at6(1, 5_000)),
        "{told:?}"
    );
}

// RFC 8201: reduce, never-below, notify
// RFC 4443: too-big-passed
#[test]
fn a_routers_word_makes_segments_fit() {
    let mut world = two_hosts();
    let (server, _) = listen(&mut world, any6(80));
    let to = at6(2, 80);
    let (client, socket) = world.calling(to, &[]);
    accepted(&mut world, to);
    let dropped = Rc::new(RefCell::new(None));
    let last = Rc::clone(&dropped);
    world.lose = Box::new(move |_, frame| {
        let is_big = frame.len() > 1_300 + 14;
        if is_big {
            *last.borrow_mut() = Some(frame.to_vec());
        }
        is_big
    });
    let bytes = pattern(50_000);
    world.a.memory.put(client, 0, &bytes);
    let data = Data::Arena(Range::new(0, 50_000));
    let sent = world
        .a
        .stack
        .send(client, socket, data, None, Token(2), world.now);
    sent.expect("queued");
    world.settle();
    let about = dropped.borrow().clone().expect("something was too big");
    let segment = |world: &World| {
        let mut all = world.a.stack.sockets();
        let found = all.find(|info| info.id == Some(socket));
        found
            .and_then(|info| info.tcp)
            .expect("a connection")
            .segment
    };
    let word = |world: &mut World, mtu| {
        let message = icmp6::Header::PacketTooBig { mtu };
        let quoted = &about[14..about.len().min(1_200)];
        let mut frame = icmp6_frame((own_local(77), own_local(1)), message, quoted);
        frame[..6].copy_from_slice(&world::mac(1).0);
        world.a.input(&frame, world.now);
    };
    let before = segment(&world);
    word(&mut world, 1_000);
    assert_eq!(segment(&world), before, "less than every link takes");
    word(&mut world, 1_300);
    assert_eq!(segment(&world), 1_300 - 72);
    world.run(Duration::from_secs(20));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 50_000 }]);
    assert_eq!(world.b.memory.bytes(server, 0, 50_000), bytes);
}

/// An address that goes takes its connections along.
#[test]
fn an_address_that_goes_ends_its_connections() {
    let mut world = two_hosts();
    listen(&mut world, any6(80));
    world.calling(at6(2, 80), &[]);
    accepted(&mut world, at6(2, 80));
    let link = world.a.link;
    let own = own_local(1).into();
    let gone = world.a.stack.remove_address(link, own, world.now);
    gone.expect("there");
    world.a.publish(world.now);
    let lost = |event: &stack::Event| event.kind == EventKind::Lost(SocketError::AddressLost);
    assert!(world.a.events.iter().any(lost), "{:?}", world.a.events);
}

/// RFC 4861 section 7.3.1: who acknowledges is there, and is not asked.
#[test]
fn a_neighbour_that_acknowledges_is_not_asked() {
    let mut world = two_hosts();
    listen(&mut world, any6(80));
    let to = at6(2, 80);
    let (client, socket) = world.calling(to, &[]);
    accepted(&mut world, to);
    let state = |world: &World| {
        let mut all = world.a.stack.neighbours(world.now);
        all.find(|it| it.address == to.ip()).map(|it| it.state)
    };
    let say = |world: &mut World, token| {
        let data = Data::Inline(b"are you there?");
        let (stack, now) = (&mut world.a.stack, world.now);
        let sent = stack.send(client, socket, data, None, Token(token), now);
        sent.expect("queued");
    };
    let mut seen = Vec::new();
    for token in 100..220 {
        say(&mut world, token);
        world.run(Duration::from_secs(1));
        assert_eq!(world.a.take(token), [EventKind::Sent { bytes: 14 }]);
        seen.push(state(&world).expect("known"));
    }
    assert!(!seen.contains(&NeighbourState::Probe), "{seen:?}");
    // It was in doubt now and then, and confirmed by the next acknowledgement.
    assert!(seen.contains(&NeighbourState::Delay), "{seen:?}");
    assert_eq!(seen.last(), Some(&NeighbourState::Reachable));
    // What was acknowledged long ago says nothing.
    world.run(Duration::from_secs(600));
    say(&mut world, 7);
    world.run(Duration::from_secs(1));
    assert_eq!(state(&world), Some(NeighbourState::Delay));
    world.run(Duration::from_secs(10));
    assert_eq!(
        state(&world),
        Some(NeighbourState::Reachable),
        "it was asked"
    );
}
