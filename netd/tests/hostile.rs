//! Clients that break every rule: they harm nobody but themselves.

use std::collections::BTreeSet;

use crate::common::{ARENA, Random, RawClient, World};
use net::protocol::{
    Accept, AttachArena, Bind, CATALOGUE, Cancel, Close, Code, Connect, Info, Listen, Message,
    Operation, OperationBody, Payload, REPLY, Range, Receive, RouteAdd, RouteBody, Send,
    SocketCreate, SocketId, SocketKind, SocketStatus, Stats, Subscribe, flag, outcome, request,
};
use ring::Message as Slot;

/// Sends a message and takes what comes back at once.
fn exchange(world: &World, client: &mut RawClient, message: &Message) -> Message {
    client
        .link
        .push(&Slot::from_bytes(message.bytes()))
        .expect("room");
    world.turn();
    let reply = client
        .link
        .try_receive()
        .expect("not expelled")
        .expect("an answer");
    *Message::view(reply.words())
}

fn status<O: Operation>(world: &World, client: &mut RawClient, operation: &O) -> Option<Code> {
    let reply = exchange(world, client, &request(operation, 1));
    assert_eq!(reply.header.operation.get(), O::NUMBER | REPLY);
    Code::from_number(reply.header.status.get())
}

fn create(world: &World, client: &mut RawClient, kind: SocketKind) -> SocketId {
    let reply = exchange(world, client, &request(&SocketCreate { kind }, 1));
    outcome::<SocketCreate>(&reply).expect("a socket").socket
}

fn attach(world: &World, client: &mut RawClient) {
    let size = u32::try_from(ARENA).unwrap();
    assert_eq!(status(world, client, &AttachArena { size }), None);
}

#[test]
fn a_hundred_thousand_rubbish_messages_are_all_answered() {
    let world = World::new();
    let mut client = world.raw_client(true, 64);
    attach(&world, &mut client);
    let mut random = Random(0x5eed_0001);
    let numbers: Vec<u16> = CATALOGUE.iter().map(|operation| operation.number).collect();
    let mut answered = BTreeSet::new();
    let mut replies = 0u32;
    for id in 0..100_000u32 {
        let mut bytes = [0; 256];
        random.fill(&mut bytes);
        let (mut message, _) = Message::from_slice(&bytes);
        // Half of them with a number that exists, so that fields are looked at.
        if random.below(2) == 0 {
            let number = numbers[usize::try_from(random.below(numbers.len() as u64)).unwrap()];
            message.header.operation.set(number);
        }
        // Some with little that is wrong, so that they get far.
        if random.below(4) == 0 {
            message
                .header
                .flags
                .set(u16::try_from(random.below(2)).unwrap());
            message
                .header
                .length
                .set(u32::try_from(random.below(201)).unwrap());
            message
                .header
                .socket
                .set(u32::try_from(random.below(600)).unwrap());
            message
                .header
                .argument
                .set(u32::try_from(random.below(4)).unwrap());
            message.header.address.family = [0, 4, 4, 6][usize::try_from(random.below(4)).unwrap()];
            message.header.offset.set(random.below(2 * ARENA as u64));
        }
        message.header.request.set(id);
        while client
            .link
            .push(&Slot::from_bytes(message.bytes()))
            .is_err()
        {
            world.turn();
            replies += drain(&mut client, &mut answered);
        }
    }
    for _ in 0..100 {
        world.turn();
        replies += drain(&mut client, &mut answered);
    }
    // Those with no immediate answer are connects, pings, look-ups and the like under way.
    assert!(answered.len() > 95_000, "{} of {replies}", answered.len());
    assert_eq!(world.server.borrow().expelled(), 0);
    let mut other = world.raw_client(false, 8);
    assert_eq!(status(&world, &mut other, &Stats {}), None);
}

fn drain(client: &mut RawClient, answered: &mut BTreeSet<u32>) -> u32 {
    let mut count = 0;
    while let Some(reply) = client.link.try_receive().expect("not expelled") {
        let reply = Message::view(reply.words());
        assert!(reply.header.operation.get() & REPLY != 0);
        answered.insert(reply.header.request.get());
        count += 1;
    }
    count
}

#[test]
fn every_number_is_answered_whatever_its_length() {
    let world = World::new();
    let mut client = world.raw_client(false, 64);
    for number in 0..300u16 {
        for length in [0, 1, 201, u32::MAX] {
            let mut message = Message::zeroed();
            message.header.operation.set(number);
            message.header.length.set(length);
            message.header.request.set(u32::from(number) << 8);
            if number == 43 && length == 0 {
                // A correct subscription, which is answered when something happens.
                continue;
            }
            let reply = exchange(&world, &mut client, &message);
            assert_eq!(reply.header.request.get(), u32::from(number) << 8);
            let known = CATALOGUE.iter().any(|operation| operation.number == number);
            let unknown = reply.header.status.get() == Code::UnknownOperation as u32;
            assert_eq!(unknown, !known, "{number}");
        }
    }
}

#[test]
fn somebody_elses_socket_is_nobodys() {
    let world = World::new();
    let mut owner = world.raw_client(false, 16);
    let mut thief = world.raw_client(false, 16);
    attach(&world, &mut owner);
    attach(&world, &mut thief);
    let socket = create(&world, &mut owner, SocketKind::Stream);
    let local = "127.0.0.1:80".parse().unwrap();
    let room = Range {
        offset: 0,
        length: 64,
    };
    let payload = Payload::Arena(room);
    for id in [
        socket,
        SocketId(0),
        SocketId(u32::MAX),
        SocketId(socket.0 ^ 1),
    ] {
        let socket = id;
        let attempts = [
            request(&Bind { socket, local }, 1),
            request(&Listen { socket, backlog: 1 }, 1),
            request(
                &Connect {
                    socket,
                    remote: local,
                },
                1,
            ),
            request(
                &Accept {
                    socket,
                    room: None,
                    each: 0,
                },
                1,
            ),
            request(
                &Send {
                    socket,
                    payload,
                    to: None,
                    unanswered: false,
                    along: false,
                },
                1,
            ),
            request(&Receive { socket, room }, 1),
            request(&SocketStatus { socket }, 1),
            request(
                &Close {
                    socket,
                    abort: true,
                },
                1,
            ),
        ];
        for attempt in attempts {
            let reply = exchange(&world, &mut thief, &attempt);
            assert_eq!(reply.header.status.get(), Code::BadSocket as u32);
        }
    }
    assert_eq!(status(&world, &mut owner, &Bind { socket, local }), None);
}

#[test]
fn ranges_outside_of_the_arena_are_refused() {
    let world = World::new();
    let mut client = world.raw_client(false, 16);
    let socket = create(&world, &mut client, SocketKind::Datagram);
    let local = "127.0.0.1:9".parse().unwrap();
    assert_eq!(status(&world, &mut client, &Bind { socket, local }), None);
    let inside = Range {
        offset: 0,
        length: 1,
    };
    let receive = |room| Receive { socket, room };
    assert_eq!(
        status(&world, &mut client, &receive(inside)),
        Some(Code::BadArena)
    );
    attach(&world, &mut client);
    let size = ARENA as u64;
    for (offset, length) in [
        (size, 1),
        (size - 1, 2),
        (0, u32::try_from(size).unwrap() + 1),
        (u64::MAX, 1),
        (u64::MAX - 10, 11),
        (1 << 63, u32::MAX),
    ] {
        let range = Range { offset, length };
        assert_eq!(
            status(&world, &mut client, &receive(range)),
            Some(Code::BadRange)
        );
        let send = Send {
            socket,
            payload: Payload::Arena(range),
            to: Some(local),
            unanswered: false,
            along: false,
        };
        assert_eq!(status(&world, &mut client, &send), Some(Code::BadRange));
    }
}

#[test]
fn an_arena_is_attached_once_and_not_larger_than_it_is() {
    let world = World::new();
    let mut client = world.raw_client(false, 8);
    let bad = Some(Code::BadArena);
    assert_eq!(status(&world, &mut client, &AttachArena { size: 0 }), bad);
    assert_eq!(
        status(&world, &mut client, &AttachArena { size: u32::MAX }),
        bad
    );
    attach(&world, &mut client);
    assert_eq!(
        status(&world, &mut client, &AttachArena { size: 4096 }),
        bad
    );
    let mut liar = world.raw_client(false, 8);
    let more = AttachArena {
        size: u32::try_from(ARENA).unwrap() + 1,
    };
    assert_eq!(status(&world, &mut liar, &more), bad);
}

#[test]
fn changes_need_the_right() {
    let world = World::new();
    let mut client = world.raw_client(false, 8);
    let any = net::protocol::Address::from_network("10.1.0.0".parse().unwrap(), 16);
    let route = RouteBody {
        destination: any,
        gateway: net::protocol::Address::NONE,
        interface: 0.into(),
        metric: 0.into(),
    };
    assert_eq!(
        status(&world, &mut client, &RouteAdd { route }),
        Some(Code::Denied)
    );
    let mut admin = world.raw_client(true, 8);
    assert_ne!(
        status(&world, &mut admin, &RouteAdd { route }),
        Some(Code::Denied)
    );
}

#[test]
fn what_was_never_asked_cannot_be_cancelled() {
    let world = World::new();
    let mut client = world.raw_client(false, 8);
    for number in [1u16, 5, 7, 20, 40, 43, 0, u16::MAX] {
        let operation = OperationBody {
            number: number.into(),
        };
        let cancel = Cancel {
            request: 77,
            socket: SocketId(0),
            operation,
        };
        let refused = status(&world, &mut client, &cancel);
        assert!(
            matches!(refused, Some(Code::NotFound | Code::BadSocket)),
            "{number}"
        );
    }
}

#[test]
fn a_client_that_never_reads_holds_back_only_itself() {
    let world = World::new();
    let mut deaf = world.raw_client(false, 8);
    let message = request(&Info {}, 1);
    let slot = Slot::from_bytes(message.bytes());
    for _ in 0..1_000 {
        // Full after some: that is the point.
        let _full = deaf.link.push(&slot);
        world.turn();
    }
    let mut other = world.raw_client(false, 8);
    assert_eq!(status(&world, &mut other, &Stats {}), None);
    // It reads at last, and nothing of what was taken is lost.
    let mut answers = 0;
    for _ in 0..100 {
        while deaf.link.try_receive().expect("still connected").is_some() {
            answers += 1;
        }
        world.turn();
    }
    assert!(answers >= 16, "{answers}");
}

#[test]
fn a_client_that_goes_takes_its_sockets_along() {
    let world = World::new();
    for _ in 0..1_000 {
        let mut client = world.raw_client(false, 8);
        attach(&world, &mut client);
        let socket = create(&world, &mut client, SocketKind::Stream);
        let local = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(status(&world, &mut client, &Bind { socket, local }), None);
        assert_eq!(
            status(&world, &mut client, &Listen { socket, backlog: 8 }),
            None
        );
        drop(client);
        world.turn();
    }
    let totals = world.server.borrow().stack().totals();
    assert_eq!((totals.clients, totals.listeners), (0, 0));
}

#[test]
fn flags_that_no_field_claims_are_malformed() {
    let world = World::new();
    let mut client = world.raw_client(false, 8);
    let mut message = request(&Stats {}, 5);
    message.header.flags.set(flag::MORE);
    let reply = exchange(&world, &mut client, &message);
    assert_eq!(reply.header.status.get(), Code::Malformed as u32);
}

#[test]
fn a_cancelled_subscription_has_a_last_completion() {
    let world = World::new();
    let mut client = world.raw_client(false, 8);
    let subscribe = request(&Subscribe {}, 7);
    client
        .link
        .push(&Slot::from_bytes(subscribe.bytes()))
        .expect("room");
    let number = Subscribe::NUMBER.into();
    let cancel = Cancel {
        request: 7,
        socket: SocketId(0),
        operation: OperationBody { number },
    };
    assert_eq!(status(&world, &mut client, &cancel), None);
    let last = client
        .link
        .try_receive()
        .expect("connected")
        .expect("a completion");
    let last = Message::view(last.words());
    assert_eq!(last.header.request.get(), 7);
    assert_eq!(last.header.status.get(), Code::Cancelled as u32);
    assert_eq!(status(&world, &mut client, &cancel), Some(Code::NotFound));
}
