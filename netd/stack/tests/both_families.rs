//! Stream sockets that take part in both families (RFC 3493 section 5.3).

use crate::world::six::{any6, at6, two_hosts};
use crate::world::{World, any, at};
use stack::{
    BindError, ClientId, Data, Ending, Event, EventKind, Range, SocketError, SocketId,
    SocketOption, Token,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// An address of IPv4 as such a socket sees it.
fn mapped(end: SocketAddr) -> SocketAddr {
    match end {
        SocketAddr::V4(end) => (end.ip().to_ipv6_mapped(), end.port()).into(),
        SocketAddr::V6(_) => panic!("{end} is one of IPv6"),
    }
}

/// A socket of a client of host `b` that takes part in both, bound to this port.
fn bound(world: &mut World, client: ClientId, port: u16) -> SocketId {
    let socket = world.b.stream(client);
    let both = SocketOption::DualStack(true);
    let set = world.b.stack.set_option(client, socket, both, world.now);
    set.expect("a socket");
    let bound = world.b.stack.bind(client, socket, any6(port));
    assert_eq!(bound, Ok(any6(port)));
    socket
}

/// A client of `b` that listens at port 80 in both families.
fn listening(world: &mut World) -> (ClientId, SocketId) {
    let server = world.b.client();
    let listener = bound(world, server, 80);
    world.b.stack.listen(server, listener, 8).expect("listens");
    (server, listener)
}

fn accept(world: &mut World, server: ClientId, listener: SocketId, token: u64) {
    let room = Some(Range::new(token * 1_000, 1_000));
    let token = Token(token);
    let waits = world
        .b
        .stack
        .accept(server, listener, room, token, world.now);
    waits.expect("waits");
}

#[test]
fn one_listener_takes_connections_of_both_families() {
    let mut world = two_hosts();
    let (server, listener) = listening(&mut world);
    for token in [10, 11] {
        accept(&mut world, server, listener, token);
    }
    let mut callers = Vec::new();
    for (token, to, seen) in [
        (10, at6(2, 80), at6(2, 80)),
        (11, at(2, 80), mapped(at(2, 80))),
    ] {
        let (client, socket) = world.calling(to, &[]);
        world.settle();
        let told = world.b.take(token);
        let [
            EventKind::Accepted {
                socket: peer,
                local,
                remote,
                ..
            },
        ] = told[..]
        else {
            panic!("{told:?}");
        };
        assert_eq!((local, remote.is_ipv6()), (seen, true));
        let status = world.b.stack.status(server, peer).expect("a socket");
        assert_eq!((status.local, status.remote), (Some(local), Some(remote)));
        callers.push((client, socket, token));
    }
    for (client, socket, token) in callers {
        let data = Data::Inline(b"hello");
        let sent = world
            .a
            .stack
            .send(client, socket, data, None, Token(2), world.now);
        sent.expect("queued");
        world.settle();
        let told = world.b.take(token);
        assert!(
            matches!(told[..], [EventKind::Received { length: 5, .. }]),
            "{told:?}"
        );
        assert_eq!(world.b.memory.bytes(server, token * 1_000, 5), b"hello");
    }
    // What the machine's table shows are addresses as packets have them, and one listener.
    let sockets: Vec<_> = world.b.stack.sockets().collect();
    let listeners: Vec<_> = sockets.iter().filter(|it| it.state == "LISTEN").collect();
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].local, any6(80));
    assert!(sockets.iter().any(|it| it.local == at(2, 80)));
    assert!(sockets.iter().any(|it| it.local == at6(2, 80)));
}

/// Who waits is served in its order, whichever family it is of.
#[test]
fn accepts_go_to_who_has_waited_longest() {
    let mut world = two_hosts();
    let (server, listener) = listening(&mut world);
    for to in [at(2, 80), at6(2, 80), at(2, 80)] {
        world.calling(to, &[]);
        world.settle();
    }
    for (token, seen) in [
        (10, mapped(at(2, 80))),
        (11, at6(2, 80)),
        (12, mapped(at(2, 80))),
    ] {
        accept(&mut world, server, listener, token);
        world.settle();
        let told = world.b.take(token);
        assert!(
            matches!(told[..], [EventKind::Accepted { local, .. }] if local == seen),
            "{told:?}"
        );
    }
}

#[test]
fn its_port_is_taken_in_both_families_until_it_is_closed() {
    let mut world = two_hosts();
    let (server, listener) = listening(&mut world);
    let other = world.b.client();
    for local in [any(80), at(2, 80), any6(80), at6(2, 80)] {
        let socket = world.b.stream(other);
        let bound = world.b.stack.bind(other, socket, local);
        assert_eq!(bound, Err(BindError::AddressInUse), "{local}");
    }
    // One waits, one is half open: its answers are lost.
    world.calling(at(2, 80), &[]);
    world.calling(at6(2, 80), &[]);
    world.settle();
    world.lose = Box::new(|sender, _| sender == 1);
    world.calling(at(2, 80), &[]);
    world.calling(at6(2, 80), &[]);
    world.settle();
    world.lose = Box::new(|_, _| false);
    let ended = world
        .b
        .stack
        .close(server, listener, Ending::Graceful, Token(9), world.now);
    ended.expect("a socket");
    world.run(Duration::from_secs(10));
    let ended = |event: &Event| {
        matches!(
            event.kind,
            EventKind::Lost(SocketError::Reset) | EventKind::Error(SocketError::Refused)
        )
    };
    let count = world.a.events.iter().filter(|event| ended(event)).count();
    assert_eq!(count, 4, "{:?}", world.a.events);
    assert_eq!(world.b.stack.sockets().count(), 0);
    for local in [any(80), any6(80)] {
        let socket = world.b.stream(other);
        assert_eq!(world.b.stack.bind(other, socket, local), Ok(local));
    }
}

/// Bound to a port of both, it may call either; addresses of IPv4 are written as ones of IPv6.
#[test]
fn a_socket_of_both_calls_either_from_its_port() {
    let mut world = two_hosts();
    for (port, to) in [(5_000, mapped(at(1, 80))), (5_001, at6(1, 80))] {
        let server = world.a.client();
        let listener = world.a.stream(server);
        let at_all = if port == 5_000 { any(80) } else { any6(80) };
        assert_eq!(world.a.stack.bind(server, listener, at_all), Ok(at_all));
        world.a.stack.listen(server, listener, 8).expect("listens");
        let client = world.b.client();
        let socket = bound(&mut world, client, port);
        let asked = world
            .b
            .stack
            .connect(client, socket, to, Token(3), world.now);
        asked.expect("a way");
        world.settle();
        let told = world.b.take(3);
        assert!(
            matches!(told[..], [EventKind::Connected { local, remote }]
                if remote == to && local.port() == port),
            "{told:?}"
        );
        let ended = world
            .b
            .stack
            .close(client, socket, Ending::Abort, Token(4), world.now);
        ended.expect("a socket");
        world.settle();
        bound(&mut world, client, port);
    }
}

/// RFC 4291 2.5.5.2: what stands for an address of IPv4 within a program is no address of packets.
#[test]
fn no_packet_has_such_an_address() {
    let mut world = two_hosts();
    let client = world.a.client();
    let socket = world.a.stream(client);
    let local = (Ipv4Addr::new(10, 0, 0, 77).to_ipv6_mapped(), 80).into();
    let bound = world.a.stack.bind(client, socket, local);
    assert_eq!(bound, Err(BindError::AddressNotLocal));
    world.calling(mapped(at(2, 81)), &[]);
    world.settle();
    let has = |ethertype: [u8; 2]| {
        world
            .log
            .iter()
            .any(|(_, frame)| frame[12..14] == ethertype)
    };
    assert!(has([0x08, 0x00]) && !has([0x86, 0xdd]));
}
