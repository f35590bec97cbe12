//! Stores that connections share: what happens when they are used up, and that nothing is lost.

use crate::world::{World, at, config, ip, mac};
use stack::{
    Config, ConnectError, Data, EventKind, Kind, MacAddress, OptionError, Range, ReceiveError,
    SendError, SocketOption, Token,
};
use std::time::Duration;
use wire::{EtherType, Headroom, arp, ethernet};

#[test]
fn sockets_with_equal_options_take_one_place() {
    let limits = Config {
        option_sets: 3,
        option_sets_per_client: 2,
        ..config()
    };
    let mut world = World::with(limits, config());
    let [greedy, modest] = [(); 2].map(|()| world.a.client());
    let dscp = SocketOption::DifferentiatedServices;
    for codepoint in [1, 1, 1, 2, 2, 0] {
        let socket = world.a.stream(greedy);
        let set = world
            .a
            .stack
            .set_option(greedy, socket, dscp(codepoint), world.now);
        assert_eq!(set, Ok(()), "{codepoint}");
    }
    let socket = world.a.stream(greedy);
    let set = world.a.stack.set_option(greedy, socket, dscp(3), world.now);
    assert_eq!(set, Err(OptionError::TooMany), "more than its share");
    let options = world.a.stack.options(greedy, socket).expect("a socket");
    assert_eq!(options.dscp, 0, "what is refused changes nothing");
    let other = world.a.stream(modest);
    let set = world.a.stack.set_option(modest, other, dscp(3), world.now);
    assert_eq!(set, Ok(()), "the share of another");
    // What a client has had is free for others when it leaves.
    world.a.stack.client_close(greedy, world.now);
    let set = world.a.stack.set_option(modest, other, dscp(4), world.now);
    assert_eq!(set, Ok(()));
}

#[test]
fn an_accepted_socket_has_its_listeners_options() {
    let mut world = World::new();
    let (server, client) = (world.b.client(), world.a.client());
    let listener = world.b.listen(server, 80, 8);
    let option = SocketOption::DifferentiatedServices(9);
    let set = world
        .b
        .stack
        .set_option(server, listener, option, world.now);
    set.expect("option");
    let accepted = world
        .b
        .stack
        .accept(server, listener, None, Token(1), world.now);
    accepted.expect("accept");
    let socket = world.a.stream(client);
    let connecting = world
        .a
        .stack
        .connect(client, socket, at(2, 80), Token(2), world.now);
    connecting.expect("connect");
    world.settle();
    let [EventKind::Accepted { socket, .. }] = world.b.take(1)[..] else {
        panic!("not accepted");
    };
    let options = world.b.stack.options(server, socket).expect("a socket");
    assert_eq!(options.dscp, 9);
}

#[test]
fn who_has_too_many_requests_waiting_connects_later() {
    let limits = Config {
        requests_per_client: 2,
        ..config()
    };
    let mut world = World::with(limits, config());
    let client = world.a.client();
    let connect = |world: &mut World, token| {
        let socket = world.a.stack.socket_create(client, Kind::Stream);
        let socket = socket.expect("a socket");
        let to = at(2, 80);
        world
            .a
            .stack
            .connect(client, socket, to, Token(token), world.now)
    };
    assert_eq!(connect(&mut world, 1), Ok(()));
    assert_eq!(connect(&mut world, 2), Ok(()));
    assert_eq!(connect(&mut world, 3), Err(ConnectError::NoFreeConnection));
    assert_eq!(world.a.stack.holdings().requests, 2);
    // Nobody listens there: both are told so, and their places are free.
    world.settle();
    assert_eq!((world.a.take(1).len(), world.a.take(2).len()), (1, 1));
    assert_eq!(world.a.stack.holdings().requests, 0);
    assert_eq!(connect(&mut world, 3), Ok(()));
}

#[test]
fn four_gibibytes_wait_to_be_sent_and_no_more() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    let connecting = world
        .a
        .stack
        .connect(client, socket, at(2, 80), Token(1), world.now);
    connecting.expect("connect");
    let mut send = |length, token| {
        let data = Data::Arena(Range::new(0, length));
        let stack = &mut world.a.stack;
        stack.send(client, socket, data, None, Token(token), world.now)
    };
    assert_eq!(send(u32::MAX, 2), Err(SendError::TooBig));
    assert_eq!(send(u32::MAX - 8, 3), Ok(()));
    assert_eq!(send(8, 4), Err(SendError::TooMany));
    assert_eq!(send(7, 5), Ok(()));
}

#[test]
fn four_gibibytes_of_room_wait_and_no_more() {
    let mut world = World::new();
    let pair = world.connected(None);
    let (client, socket) = (pair.server, pair.peer);
    let mut receive = |length, token| {
        let room = Range::new(0, length);
        let stack = &mut world.b.stack;
        stack.receive(client, socket, room, Token(token), world.now)
    };
    assert_eq!(receive(u32::MAX - 7, 2), Ok(()));
    assert_eq!(receive(8, 3), Err(ReceiveError::TooMany));
    assert_eq!(receive(7, 4), Ok(()));
}

/// Systems like ours stop at 16 neighbours, 32 connections, 16 datagram sockets and 8 KiB either way.
#[test]
fn ten_times_what_small_stacks_have_at_a_time_is_ordinary() {
    const NEIGHBOURS: u8 = 160;
    const CONNECTIONS: u32 = 320;
    const DATAGRAM_SOCKETS: u16 = 160;
    const BYTES: u32 = 80 << 10;
    let mut world = World::with(Config::default(), Config::default());
    for last in 10..10 + NEIGHBOURS {
        let request = arp::Packet::request(mac(last), ip(last), ip(2));
        let mut frame = vec![0; 60];
        let place = &mut frame[14..14 + arp::LEN];
        request.emit(&mut Headroom::new(place)).expect("room");
        ethernet::emit_destination(&mut frame, MacAddress::BROADCAST).expect("room");
        ethernet::emit_source(&mut frame, mac(last), EtherType::ARP).expect("room");
        world.b.input(&frame, world.now);
    }
    let known = world.b.stack.neighbours(world.now).count();
    assert!(known >= usize::from(NEIGHBOURS), "{known}");

    let (server, client) = (world.b.client(), world.a.client());
    let sockets: Vec<_> = (0..DATAGRAM_SOCKETS)
        .map(|number| world.b.bound(server, 5_000 + number))
        .collect();
    let listener = world.b.listen(server, 80, 400);
    let streams: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            world.b.accept(server, listener, None, 1, world.now);
            let socket = world.a.stream(client);
            world
                .a
                .connect(client, socket, at(2, 80), 2 + u64::from(number), world.now);
            world.settle();
            socket
        })
        .collect();
    let accepted = world.b.take(1);
    assert_eq!(accepted.len(), CONNECTIONS as usize);
    // Bytes of one connection in both directions' buffers, unread and unanswered.
    let bytes: Vec<u8> = (0..BYTES).map(|n| (n / 7) as u8).collect();
    world.a.memory.put(client, 0, &bytes);
    let EventKind::Accepted { socket: last, .. } = accepted[accepted.len() - 1] else {
        panic!("{accepted:?}");
    };
    // With something to spare, of which no window tells.
    let (room, now) = (Range::new(0, BYTES + 100), world.now);
    let given = world.b.stack.receive(server, last, room, Token(7), now);
    given.expect("room");
    let sending = streams[streams.len() - 1];
    let data = Data::Arena(Range::new(0, BYTES));
    let sent = world
        .a
        .stack
        .send(client, sending, data, None, Token(8), now);
    sent.expect("queued");
    world.run(Duration::from_secs(1));
    assert!(world.b.memory.bytes(server, 0, BYTES) == bytes);
    // All are there at the same time, and each hears.
    let speaker = world.a.bound(client, 6_000);
    for (number, socket) in (0..DATAGRAM_SOCKETS).zip(sockets) {
        let room = Range::new(BYTES.into(), 64);
        let now = world.now;
        let given = world.b.stack.receive(server, socket, room, Token(9), now);
        given.expect("room");
        let to = Some(at(2, 5_000 + number));
        let data = Data::Inline(b"knock");
        let sent = world
            .a
            .stack
            .send(client, speaker, data, to, Token(10), now);
        sent.expect("queued");
        world.settle();
        assert_eq!(world.b.take(9).len(), 1, "{number}");
    }
    world.b.assert_balance();
}

/// A server that closes first keeps a record of each connection for a minute: when there is room for
/// no more, the oldest makes way, and nobody has to wait.
#[test]
fn closed_connections_do_not_keep_others_from_being_opened() {
    const VISITS: u32 = 500;
    let limit = config().time_waits;
    let mut world = World::new();
    let (server, client) = (world.b.client(), world.a.client());
    let listener = world.b.listen(server, 80, 8);
    for visit in 0..VISITS {
        world.b.accept(server, listener, None, 1, world.now);
        let socket = world.a.stream(client);
        world.a.connect(client, socket, at(2, 80), 2, world.now);
        world.settle();
        let [EventKind::Accepted { socket: peer, .. }] = world.b.take(1)[..] else {
            panic!("visit {visit} has to wait");
        };
        world.b.close(server, peer, 3, world.now);
        world.a.close(client, socket, 4, world.now);
        world.run(Duration::from_millis(60));
        assert_eq!(world.b.take(3), [EventKind::Closed], "{visit}");
        assert_eq!(world.a.take(4), [EventKind::Closed], "{visit}");
        world.a.take(2);
    }
    let kept = world.a.stack.totals().time_waits + world.b.stack.totals().time_waits;
    assert!(kept >= limit && kept <= 2 * limit, "{kept}");
    assert!(world.b.counter("tcp.time_wait_overflows") > 0);
}
