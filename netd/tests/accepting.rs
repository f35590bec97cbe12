//! Many connections for one request: who gets which room, what a cancelled request leaves, and what a
//! client that takes nothing or asks for the impossible does to others.

use std::collections::BTreeSet;

use crate::common;
use crate::common::{
    ARENA, RawClient, World, connect, listen, loopback, settle, small, within_turns,
};
use net::protocol::{
    Accept, AcceptError, Accepted, AttachArena, Bind, Cancel, Code, Connect, Listen, Message,
    Operation, OperationBody, Payload, REPLY, Range, Receive, Received, Send, SocketCreate,
    SocketId, SocketKind, outcome, request,
};
use net::{Error, TcpStream};
use ring::Message as Slot;

const ACCEPTED: u16 = Accept::NUMBER | REPLY;
const RECEIVED: u16 = Receive::NUMBER | REPLY;
/// Bytes of each room.
const EACH: u32 = 2048;

fn ask(world: &World, client: &mut RawClient, operation: &impl Operation, id: u32) {
    let message = request(operation, id);
    let slot = Slot::from_bytes(message.bytes());
    client.link.push(&slot).expect("room");
    (0..8).for_each(|_| _ = world.turn());
}

fn told(client: &mut RawClient) -> Vec<Message> {
    let next = || client.link.try_receive().expect("not expelled");
    std::iter::from_fn(next)
        .map(|slot| *Message::view(slot.words()))
        .collect()
}

/// The only answer to a request.
fn answer<O: Operation>(
    world: &World,
    client: &mut RawClient,
    operation: &O,
) -> Result<O::Reply, O::Error> {
    ask(world, client, operation, 1);
    let told = told(client);
    assert_eq!(told.len(), 1, "{told:?}");
    outcome::<O>(&told[0])
}

fn with_arena(world: &World) -> RawClient {
    let mut client = world.raw_client(false, 64);
    let size = u32::try_from(ARENA).unwrap();
    answer(world, &mut client, &AttachArena { size }).unwrap();
    client
}

fn stream(world: &World, client: &mut RawClient) -> SocketId {
    let kind = SocketKind::Stream;
    answer(world, client, &SocketCreate { kind })
        .unwrap()
        .socket
}

fn listener(world: &World, client: &mut RawClient) -> SocketId {
    let socket = stream(world, client);
    let local = loopback(80);
    answer(world, client, &Bind { socket, local }).unwrap();
    answer(world, client, &Listen { socket, backlog: 8 }).unwrap();
    socket
}

/// Opens a connection, which does not end as long as its client lives.
fn open(world: &World, client: &mut RawClient) -> SocketId {
    let (socket, remote) = (stream(world, client), loopback(80));
    answer(world, client, &Connect { socket, remote }).unwrap();
    socket
}

fn several(socket: SocketId, offset: u64, rooms: u32) -> Accept {
    let length = rooms * EACH;
    Accept {
        socket,
        room: Some(Range { offset, length }),
        each: EACH,
    }
}

fn accepted(message: &Message) -> Accepted {
    assert_eq!(message.header.operation.get(), ACCEPTED);
    let accepted = outcome::<Accept>(message).expect("a connection");
    assert!(accepted.more);
    accepted
}

fn send(world: &World, client: &mut RawClient, socket: SocketId, bytes: &[u8]) {
    client.arena.write(0, bytes).unwrap();
    let range = Range {
        offset: 0,
        length: u32::try_from(bytes.len()).unwrap(),
    };
    let send = Send {
        socket,
        payload: Payload::Arena(range),
        to: None,
        unanswered: false,
        along: false,
    };
    ask(world, client, &send, 9);
}

#[test]
fn one_request_takes_as_many_connections_as_it_has_rooms() {
    let world = World::new();
    let (mut server, mut client) = (with_arena(&world), with_arena(&world));
    let listening = listener(&world, &mut server);
    ask(&world, &mut server, &several(listening, 8192, 3), 50);
    assert!(told(&mut server).is_empty(), "nobody is there");
    let ends: Vec<SocketId> = (0..5).map(|_| open(&world, &mut client)).collect();
    let connections: Vec<Accepted> = told(&mut server).iter().map(accepted).collect();
    assert_eq!(connections.len(), 3, "the others wait");
    let offsets: BTreeSet<u32> = connections.iter().map(|one| one.offset).collect();
    let rooms = [8192, 8192 + EACH, 8192 + 2 * EACH];
    assert_eq!(offsets, BTreeSet::from(rooms));
    // What comes lies in the room of its connection, and is told under the accept's request.
    for (number, (end, one)) in ends.iter().zip(&connections).enumerate() {
        send(&world, &mut client, *end, &[7; 100][..=number]);
        let told = told(&mut server);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].header.request.get(), 50);
        let received: Received = outcome::<Receive>(&told[0]).unwrap();
        let place = (one.offset - 8192) / EACH;
        assert_eq!(received.socket, SocketId(3 - place));
        let expected = Range {
            offset: one.offset.into(),
            length: u32::try_from(number + 1).unwrap(),
        };
        assert_eq!((received.piece, received.more), (expected, true));
    }
    // Those that wait come with the next rooms; a room alone is for one, as ever.
    ask(&world, &mut server, &several(listening, 65_536, 2), 51);
    let later = told(&mut server);
    let later: Vec<u32> = later.iter().map(|told| accepted(told).offset).collect();
    assert_eq!(later, [65_536, 65_536 + EACH]);
    // A connection that fails says so for itself.
    drop(client);
    (0..64).for_each(|_| _ = world.turn());
    let failed = told(&mut server);
    for message in &failed {
        assert_eq!(message.header.operation.get(), RECEIVED);
    }
    let whose = |told: &Message| (told.header.request.get(), told.header.socket.get());
    let whose: BTreeSet<_> = failed.iter().map(whose).collect();
    assert_eq!(whose, [(50, 1), (50, 2), (50, 3), (51, 1), (51, 2)].into());
}

#[test]
fn a_cancelled_request_tells_how_many_rooms_are_left() {
    let world = World::new();
    let (mut server, mut client) = (with_arena(&world), with_arena(&world));
    let listening = listener(&world, &mut server);
    ask(&world, &mut server, &several(listening, 0, 5), 50);
    let end = open(&world, &mut client);
    let one = accepted(&told(&mut server)[0]);
    let number = Accept::NUMBER.into();
    let cancel = Cancel {
        request: 50,
        socket: listening,
        operation: OperationBody { number },
    };
    ask(&world, &mut server, &cancel, 51);
    let ended = told(&mut server);
    let of_accept = ended
        .iter()
        .find(|told| told.header.request.get() == 50)
        .expect("an end");
    assert_eq!(of_accept.header.status.get(), Code::Cancelled as u32);
    assert_eq!(of_accept.header.argument.get(), 4);
    // The connection keeps its room.
    send(&world, &mut client, end, b"still here");
    let received = outcome::<Receive>(&told(&mut server)[0]).unwrap();
    assert_eq!(received.socket, SocketId(5));
    assert_eq!(received.piece.offset, one.offset.into());
    ask(&world, &mut server, &cancel, 52);
    let again = told(&mut server);
    assert_eq!(again[0].header.status.get(), Code::NotFound as u32);
}

#[test]
fn impossible_areas_are_refused() {
    let world = World::new();
    let mut server = with_arena(&world);
    let socket = listener(&world, &mut server);
    let whole = u32::try_from(ARENA).unwrap();
    let room = |offset, length| Some(Range { offset, length });
    for (room, each) in [
        (None, 1),
        (None, u32::MAX),
        (room(0, 1024), 1025),
        (room(0, 1024), u32::MAX),
        (room(1, whole), 1024),
        (room(u64::MAX, 1024), 1),
        (room(0, u32::MAX), 1),
        (room(0, 1 << 15), 1),
    ] {
        let accept = Accept { socket, room, each };
        let refused = answer(&world, &mut server, &accept);
        assert_eq!(refused, Err(AcceptError::BadRange));
    }
    // Rooms of a byte: nobody is kept from asking for that.
    let all = Accept {
        socket,
        room: room(0, (1 << 15) - 1),
        each: 1,
    };
    ask(&world, &mut server, &all, 5);
    assert!(told(&mut server).is_empty());
    let mut client = with_arena(&world);
    let _end = open(&world, &mut client);
    assert_eq!(accepted(&told(&mut server)[0]).offset, 0);
}

#[test]
fn who_takes_no_connections_keeps_none_from_others() {
    // A server with few requests of its own, all of which its connections take.
    let world = World::with_config(stack::Config {
        requests_per_client: 12,
        ..small()
    });
    let (mut greedy, mut client) = (with_arena(&world), with_arena(&world));
    let listening = listener(&world, &mut greedy);
    ask(&world, &mut greedy, &several(listening, 0, 64), 50);
    let mut ends = 0;
    for _ in 0..20 {
        let (socket, remote) = (stream(&world, &mut client), loopback(80));
        ask(&world, &mut client, &Connect { socket, remote }, 1);
        ends += told(&mut client).len();
    }
    let taken = told(&mut greedy).len();
    assert_eq!(taken, 11, "one is the accept's own");
    assert!(ends >= taken);
    // Somebody else is served as ever.
    world.run(async {
        let (server, _one) = world.client(false).await;
        let (client, _other) = world.client(false).await;
        let listener = listen(&server, 7).await;
        let mut stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        stream.write_all(b"!").await.unwrap();
        let mut byte = [0];
        assert_eq!(peer.read(&mut byte).await, Ok(1));
    });
}

#[test]
fn a_burst_is_taken_and_a_dropped_listener_gives_everything_back() {
    common::between(async |server, client| {
        let free = server.arena_free();
        let listener = listen(&server, 7).await;
        let opening: Vec<_> = (0..40)
            .map(|_| {
                let client = client.clone();
                rt::spawn(async move { TcpStream::connect(&client, loopback(7)).await })
            })
            .collect();
        let mut streams = Vec::new();
        for task in opening {
            streams.push(task.await.unwrap());
        }
        let mut taken = Vec::new();
        for _ in 0..24 {
            let accepted = within_turns(listener.accept()).await;
            taken.push(accepted.expect("it was there").unwrap());
        }
        let locals: BTreeSet<_> = taken.iter().map(TcpStream::remote).collect();
        assert_eq!(locals.len(), 24, "each is another");
        // The rest are told or wait; nobody takes them.
        drop(listener);
        settle().await;
        let mut reset = 0;
        for stream in &mut streams {
            if !locals.contains(&stream.local()) {
                let mut byte = [0];
                let ended = within_turns(stream.read(&mut byte)).await;
                assert_eq!(ended, Some(Err(Error::Reset)));
                reset += 1;
            }
        }
        assert_eq!(reset, 16);
        // Those that were taken go on.
        for peer in &mut taken {
            peer.write_all(b"on").await.unwrap();
        }
        drop((taken, streams));
        settle().await;
        assert_eq!(server.arena_free(), free);
    });
}
