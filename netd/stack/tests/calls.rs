//! What the calls of a socket refuse, and whom a socket listens to.

use crate::world;
use crate::world::craft::{Peer, logged};
use crate::world::{Pair, World, any, at, ip, joined};
use stack::{
    BindError, ConnectError, Data, Drop, EventKind, ListenError, Range, ReceiveError, SendError,
    SocketError, SocketOption, Token,
};
use std::time::Duration;
use wire::tcp::{Flags, Header, Options};

#[test]
fn a_stream_connects_once_and_somewhere() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    let (stack, now) = (&mut world.a.stack, world.now);
    let mut connect = |to| stack.connect(client, socket, to, Token(1), now);
    assert_eq!(connect(at(2, 0)), Err(ConnectError::BadAddress));
    assert_eq!(connect(any(80)), Err(ConnectError::BadAddress));
    assert_eq!(connect(at(2, 80)), Ok(()));
    assert_eq!(connect(at(2, 80)), Err(ConnectError::WrongState));
    let bind = stack.bind(client, socket, any(81));
    assert_eq!(bind, Err(BindError::AlreadyBound));
    let listen = stack.listen(client, socket, 1);
    assert_eq!(listen, Err(ListenError::WrongState));
}

#[test]
fn a_stream_is_bound_before_it_listens_and_listens_once() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    let stack = &mut world.a.stack;
    let listen = stack.listen(client, socket, 1);
    assert_eq!(listen, Err(ListenError::NotBound));
    stack.bind(client, socket, any(80)).expect("bind");
    let bind = stack.bind(client, socket, any(81));
    assert_eq!(bind, Err(BindError::AlreadyBound));
    assert_eq!(stack.listen(client, socket, 1), Ok(()));
    let listen = stack.listen(client, socket, 1);
    assert_eq!(listen, Err(ListenError::WrongState));
    let connect = stack.connect(client, socket, at(2, 80), Token(1), world.now);
    assert_eq!(connect, Err(ConnectError::WrongState));
}

#[test]
fn a_socket_that_was_never_connected_is_closed_at_once() {
    let mut world = World::new();
    let client = world.a.client();
    for is_bound in [false, true] {
        let socket = world.a.stream(client);
        if is_bound {
            world.a.stack.bind(client, socket, any(80)).expect("bind");
        }
        world.a.close(client, socket, 2, world.now);
        world.settle();
        assert_eq!(world.a.take(2), [EventKind::Closed]);
    }
    assert_eq!(world.a.stack.sockets().count(), 0);
    assert!(world.log.is_empty());
}

#[test]
fn a_datagram_goes_somewhere() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    let (stack, now) = (&mut world.a.stack, world.now);
    let mut send = |to| stack.send(client, socket, Data::Inline(b"abcdef"), to, Token(1), now);
    assert_eq!(send(None), Err(SendError::NoDestination));
    assert_eq!(send(Some(any(9))), Err(SendError::BadAddress));
    assert_eq!(send(Some(at(2, 0))), Err(SendError::BadAddress));
    assert_eq!(send(Some(at(2, 9))), Ok(()));
    // It has a port by now, and keeps it.
    let bind = stack.bind(client, socket, any(9));
    assert_eq!(bind, Err(BindError::AlreadyBound));
}

#[test]
fn so_many_datagrams_wait_for_the_device_and_no_more() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    let to = Some(at(2, 9));
    for token in 0..64 {
        world.a.say(client, socket, b"wait", to, token, world.now);
    }
    let (stack, now) = (&mut world.a.stack, world.now);
    let data = Data::Inline(b"too many");
    let refused = stack.send(client, socket, data, to, Token(64), now);
    assert_eq!(refused, Err(SendError::TooMany));
    world.settle();
    for token in 0..64 {
        assert_eq!(world.a.take(token), [EventKind::Sent { bytes: 4 }]);
    }
    world
        .a
        .say(client, socket, b"room again", to, 64, world.now);
}

#[test]
fn a_datagram_may_be_empty_and_has_the_life_that_was_chosen() {
    let mut world = World::new();
    let (client, server) = (world.a.client(), world.b.client());
    let room = Range::new(0, 64);
    let unbound = world.b.datagram(server);
    let refused = world
        .b
        .stack
        .receive(server, unbound, room, Token(4), world.now);
    assert_eq!(refused, Err(ReceiveError::NotConnected));
    let bound = world.b.bound(server, 9);
    world.b.receive(server, bound, room, 5, world.now);
    let socket = world.a.datagram(client);
    let option = SocketOption::TimeToLive(42);
    world.a.set_option(client, socket, option, world.now);
    let local = world.a.stack.bind(client, socket, at(1, 7)).expect("bind");
    world
        .a
        .say(client, socket, b"", Some(at(2, 9)), 1, world.now);
    world.settle();
    assert_eq!(world.a.take(1), [EventKind::Sent { bytes: 0 }]);
    let expected = EventKind::Received {
        offset: 0,
        length: 0,
        from: Some(local),
        more: true,
        round_trip: 0,
        sent: None,
    };
    assert_eq!(world.b.take(5), [expected]);
    let (_, datagram) = world.log.last().expect("the datagram");
    assert_eq!(datagram[22], 42);
}

#[test]
fn a_connection_hears_its_peer_alone() {
    let (mut world, pair) = joined();
    world.b.add_address(3, world.now);
    world.send(pair, b"known", 2);
    world.run(Duration::from_secs(3));
    let own = |seen: &&world::craft::Seen| seen.ip.source == ip(1) && !seen.payload.is_empty();
    let known = logged(&world).iter().rfind(own).expect("sent").clone();
    // The very next bytes, but from another host, and to another address of the server's.
    for (from, to) in [(9, 2), (1, 3)] {
        let header = Header {
            seq: known.header.seq.wrapping_add(5),
            flags: Flags::ACK | Flags::PSH,
            options: Options::NONE,
            ..known.header
        };
        let mut peer = Peer::neighbour(from, header.src_port, to, 80);
        peer.macs.1 = world::mac(2);
        world.b.input(&peer.frame(header, b"forged"), world.now);
        world.settle();
        let bytes = world.b.memory.bytes(pair.server, 0, 6);
        assert_eq!(bytes, b"known\0", "from {from} to {to}");
    }
    assert_eq!(world.b.stack.drops(Drop::TcpNoSocket), 2);
    world.send(pair, b" well", 3);
    world.run(Duration::from_secs(1));
    assert_eq!(world.b.memory.bytes(pair.server, 0, 10), b"known well");
}

#[test]
fn a_connection_ends_with_its_address() {
    let (mut world, pair) = joined();
    world.send(pair, b"abc", 2);
    world.run(Duration::from_millis(500));
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 3 }]);
    world.log.clear();
    let (link, address) = (world.a.link, ip(1).into());
    let removed = world.a.stack.remove_address(link, address, world.now);
    removed.expect("removed");
    world.run(Duration::from_secs(1));
    let told: Vec<_> = world.a.events.drain(..).map(|event| event.kind).collect();
    assert_eq!(told, [EventKind::Lost(SocketError::AddressLost)]);
    // Nothing is said in the name of an address that is no longer ours.
    assert!(logged(&world).is_empty());
    let Pair { client, socket, .. } = pair;
    let data = Data::Inline(b"def");
    let send = world
        .a
        .stack
        .send(client, socket, data, None, Token(3), world.now);
    assert_eq!(send, Err(SendError::NotConnected));
}
