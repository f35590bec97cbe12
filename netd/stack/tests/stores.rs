//! Stores that connections share: what happens when they are used up, and that nothing is lost.

use crate::world::{World, at, config};
use stack::{
    Config, ConnectError, Data, EventKind, Kind, OptionError, Range, ReceiveError, SendError,
    SocketOption, Token,
};

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
