//! A stack that takes over from one that is gone: what it believes, and what it refuses.

use crate::world;
use crate::world::craft::segments;
use crate::world::six::{any6, at6, plan6, two_hosts};
use crate::world::{Host, World, any, at, config};
use proptest::prelude::*;
use stack::{
    AddressPlan, AdoptError, BadRecord, ClientError, ClientId, Data, EventKind, Instant, Ipv6Plan,
    Owner, Range, Record, Records, ResumeError, Resumption, SocketError, SocketId, Survivor, Token,
};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wire::tcp::Flags;

type Slots = Vec<(u32, [u8; Record::LEN])>;

/// A shelf for records; clones are the same one.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<(Slots, u64)>>);

impl Shelf {
    fn slots(&self) -> Slots {
        self.0.lock().unwrap().0.clone()
    }

    fn writes(&self) -> u64 {
        self.0.lock().unwrap().1
    }
}

impl Records for Shelf {
    fn commit(&mut self, slot: u32, record: &[u8; Record::LEN]) {
        self.forget(slot);
        let mut content = self.0.lock().unwrap();
        content.0.push((slot, *record));
        content.1 += 1;
    }

    fn forget(&mut self, slot: u32) {
        self.0.lock().unwrap().0.retain(|(other, _)| *other != slot);
    }
}

const NUMBER: NonZeroU32 = NonZeroU32::new(7).unwrap();

fn open(host: &mut Host) -> ClientId {
    let client = host.stack.client_open_as(NUMBER).expect("a client");
    host.memory.open(client);
    client
}

/// A client of `a`, without records, and a server of `b` with room for 10,000 bytes, whose records
/// are kept.
struct Joined {
    world: World,
    /// They talk over IPv6.
    six: bool,
    shelf: Shelf,
    client: ClientId,
    socket: SocketId,
    peer: SocketId,
}

const ROOM: Range = Range {
    offset: 0,
    length: 10_000,
};

fn joined() -> Joined {
    joined_over(false)
}

fn joined_over(six: bool) -> Joined {
    let world = if six { two_hosts() } else { World::new() };
    let (mut world, shelf) = (world, Shelf::default());
    world.b.stack.keep_records(Box::new(shelf.clone()));
    let server = open(&mut world.b);
    let (all, end) = if six {
        (any6(80), at6(2, 80))
    } else {
        (any(80), at(2, 80))
    };
    let listener = world.b.listen_at(server, all, 8);
    world.b.accept(server, listener, Some(ROOM), 10, world.now);
    let (client, socket) = world.calling(end, &[]);
    let peer = world.accepted_at(end);
    Joined {
        world,
        six,
        shelf,
        client,
        socket,
        peer,
    }
}

/// A stack on the address of `b`.
fn fresh(now: Instant) -> Host {
    let mut host = Host::new(2, config(), AddressPlan::None);
    host.add_address(2, now);
    host
}

fn adopt(host: &mut Host, slots: &Slots, now: Instant) -> Vec<(u32, AdoptError)> {
    let records = slots.iter().map(|(slot, bytes)| (*slot, bytes));
    host.stack.adopt(records, now)
}

fn count(host: &Host, counter: &str) -> u64 {
    let found = host.stack.counters().find(|(name, _)| *name == counter);
    found.map_or(0, |(_, count)| count)
}

impl Joined {
    /// The stack of `b` is gone; another has adopted its records, and its client is back.
    fn restart(&mut self) -> (ClientId, Survivor) {
        let now = self.world.now;
        self.world.b = fresh(now);
        if self.six {
            let plan = Ipv6Plan {
                is_optimistic: true,
                ..plan6()
            };
            let link = self.world.b.link;
            let started = self.world.b.stack.start_ipv6(link, plan, now);
            started.expect("an interface");
        }
        let records = Box::new(self.shelf.clone());
        self.world.b.stack.keep_records(records);
        assert_eq!(adopt(&mut self.world.b, &self.shelf.slots(), now), []);
        let server = open(&mut self.world.b);
        let survivors: Vec<_> = self.world.b.stack.survivors(server).collect();
        let [survivor] = survivors[..] else {
            panic!("{survivors:?}");
        };
        (server, survivor)
    }

    fn send(&mut self, len: usize) {
        let (client, socket, now) = (self.client, self.socket, self.world.now);
        self.world.a.send(client, socket, &vec![3; len], 0, 2, now);
    }

    /// What the client of `a` has heard last.
    fn heard(&mut self) -> Option<EventKind> {
        self.world.a.events.pop().map(|event| event.kind)
    }
}

#[test]
fn a_client_gets_its_connection_back_by_its_name() {
    for six in [false, true] {
        gets_it_back(joined_over(six));
    }
}

fn gets_it_back(mut joined: Joined) {
    let local = if joined.six { at6(2, 80) } else { at(2, 80) };
    joined.send(500);
    joined.world.settle();
    let (server, survivor) = joined.restart();
    assert_eq!(survivor.owner, Owner::Socket(joined.peer));
    assert_eq!((survivor.received, survivor.acknowledged), (500, 0));
    assert_eq!(survivor.local, local);
    let rooms = [(Range::new(500, 9_500), Token(10))];
    let sends = [(Data::Inline(b"welcome back"), Token(11))];
    let held = Resumption {
        received: 500,
        rooms: &rooms,
        sent: 0,
        sends: &sends,
    };
    let now = joined.world.now;
    let stack = &mut joined.world.b.stack;
    assert_eq!(stack.resume(server, &survivor, &held, now), Ok(()));
    assert_eq!(
        stack.resume(server, &survivor, &held, now),
        Err(ResumeError::BadSurvivor),
        "once"
    );
    assert_eq!(stack.survivors(server).count(), 0);
    stack.end_adoption(now);
    let (client, socket) = (joined.client, joined.socket);
    joined
        .world
        .a
        .receive(client, socket, Range::new(1_000, 100), 5, now);
    joined.send(700);
    joined.world.run(Duration::from_secs(3));
    assert_eq!(
        joined.world.a.memory.bytes(client, 1_000, 12),
        b"welcome back"
    );
    let received = joined.world.b.take(10);
    assert!(
        matches!(
            received[..],
            [EventKind::Received {
                offset: 500,
                length: 700,
                ..
            }]
        ),
        "{received:?}"
    );
    assert_eq!(joined.world.b.take(11), [EventKind::Sent { bytes: 12 }]);
}

#[test]
fn what_was_not_told_is_told_and_no_more() {
    let mut joined = joined();
    joined.send(500);
    // It is in the server's memory, and recorded; then the ring is full, and the stack dies.
    let frames = joined.world.a.frames(joined.world.now);
    for frame in frames {
        joined.world.b.input(&frame, joined.world.now);
    }
    joined.world.b.deaf = true;
    joined.world.b.publish(joined.world.now);
    let (server, survivor) = joined.restart();
    assert_eq!(survivor.received, 500);
    let held = Resumption {
        rooms: &[(ROOM, Token(10))],
        ..Resumption::default()
    };
    let now = joined.world.now;
    let resumed = joined.world.b.stack.resume(server, &survivor, &held, now);
    assert_eq!(resumed, Ok(()));
    joined.world.run(Duration::from_secs(3));
    let told = joined.world.b.take(10);
    assert!(
        matches!(
            told[..],
            [EventKind::Received {
                offset: 0,
                length: 500,
                ..
            }]
        ),
        "{told:?}"
    );
    assert_eq!(joined.heard(), Some(EventKind::Sent { bytes: 500 }));
}

#[test]
fn one_record_is_enough_for_all_that_comes_together() {
    let mut joined = joined();
    joined.send(10_000);
    joined.world.settle();
    let before = joined.shelf.writes();
    let (client, socket) = (joined.client, joined.socket);
    let (server, peer, now) = (
        joined.world.b.events[0].client,
        joined.peer,
        joined.world.now,
    );
    joined
        .world
        .b
        .receive(server, peer, Range::new(0, 100_000), 10, now);
    joined.world.settle();
    joined.world.a.send(client, socket, &[4; 8_000], 0, 3, now);
    let after_room = joined.shelf.writes();
    assert!(after_room > before);
    let frames = joined.world.a.frames(now);
    assert!(frames.len() > 3, "{} segments", frames.len());
    for frame in &frames {
        joined.world.b.input(frame, now);
    }
    joined.world.b.publish(now);
    let acks = joined.world.b.frames(now);
    assert!(!acks.is_empty());
    assert_eq!(joined.shelf.writes(), after_room + 1);
}

#[test]
fn torn_records_are_refused_and_counted() {
    let joined = joined();
    let slots = joined.shelf.slots();
    let [(slot, whole)] = slots[..] else {
        panic!("{slots:?}");
    };
    for place in 0..Record::LEN {
        for bit in 0..8 {
            let mut torn = whole;
            torn[place] ^= 1 << bit;
            let mut host = fresh(joined.world.now);
            let shelf = Shelf::default();
            host.stack.keep_records(Box::new(shelf.clone()));
            let refused = adopt(&mut host, &vec![(slot, torn)], joined.world.now);
            let [(_, AdoptError::Record(BadRecord::Check | BadRecord::Version))] = refused[..]
            else {
                panic!("bit {bit} of byte {place}: {refused:?}");
            };
            let server = open(&mut host);
            assert_eq!(host.stack.survivors(server).count(), 0);
            assert_eq!(count(&host, "record.refused"), 1);
        }
    }
}

#[test]
fn records_of_others_and_of_the_impossible_are_refused() {
    let joined = joined();
    let now = joined.world.now;
    let (slot, whole) = joined.shelf.slots()[0];
    let record = Record::parse(&whole).unwrap();
    let with = |change: &dyn Fn(&mut Record)| {
        let mut record = record;
        change(&mut record);
        record.emit()
    };
    let to = |remote: SocketAddr| with(&|record| record.remote = remote);
    let elsewhere = to(at(9, 9));
    for (second, error) in [
        ((slot, elsewhere), AdoptError::Slot),
        ((config().record_slots(), elsewhere), AdoptError::Slot),
        ((slot + 1, elsewhere), AdoptError::Name),
        (
            (slot + 1, to("224.0.0.1:80".parse().unwrap())),
            AdoptError::Ends,
        ),
        (
            (slot + 1, to("255.255.255.255:80".parse().unwrap())),
            AdoptError::Ends,
        ),
        (
            (
                slot + 1,
                with(&|record| {
                    record.local = "[fd00::2]:80".parse().unwrap();
                    record.remote = "[fd00::1]:80".parse().unwrap();
                }),
            ),
            AdoptError::Ends,
        ),
        // Not a connection that has come so far.
        (
            (config().connections, whole),
            AdoptError::Record(BadRecord::Contradiction),
        ),
    ] {
        let (mut host, shelf) = (fresh(now), Shelf::default());
        shelf.clone().commit(slot, &whole);
        host.stack.keep_records(Box::new(shelf.clone()));
        let refused = adopt(&mut host, &vec![(slot, whole), second], now);
        assert_eq!(refused, [(second.0, error)]);
        assert_eq!(shelf.slots(), [(slot, whole)], "{error:?}");
        let server = open(&mut host);
        assert_eq!(host.stack.survivors(server).count(), 1);
    }
}

#[test]
fn who_remembers_otherwise_than_the_record_loses_the_connection() {
    let sends = [(Data::Inline(b"less"), Token(1))];
    let rooms = [(ROOM, Token(10))];
    let held = |received, rooms, sent, sends| Resumption {
        received,
        rooms,
        sent,
        sends,
    };
    for wrong in [
        // Told of what was never received, or of what there is no room for.
        held(501, &rooms, 0, &[][..]),
        held(0, &[][..], 0, &[][..]),
        held(u64::MAX, &rooms, 0, &[][..]),
        // Told of what was never sent; or less is there to be sent than was.
        held(500, &rooms, 1, &[][..]),
        held(500, &rooms, u64::MAX, &sends[..]),
    ] {
        let mut joined = joined();
        joined.send(500);
        joined.world.settle();
        let (server, survivor) = joined.restart();
        let now = joined.world.now;
        let stack = &mut joined.world.b.stack;
        let resumed = stack.resume(server, &survivor, &wrong, now);
        assert_eq!(resumed, Err(ResumeError::Contradiction), "{wrong:?}");
        assert_eq!(stack.survivors(server).count(), 0);
        joined.world.settle();
        assert_eq!(joined.heard(), Some(EventKind::Lost(SocketError::Reset)));
        assert_eq!(joined.shelf.slots(), []);
    }
}

#[test]
fn what_is_impossible_leaves_the_connection_waiting() {
    let mut joined = joined();
    let (server, survivor) = joined.restart();
    let now = joined.world.now;
    let other = joined.world.b.client();
    let stack = &mut joined.world.b.stack;
    let held = Resumption {
        rooms: &[(ROOM, Token(10))],
        ..Resumption::default()
    };
    let resumed = stack.resume(other, &survivor, &held, now);
    assert_eq!(resumed, Err(ResumeError::BadSurvivor), "another's");
    assert_eq!(
        stack.client_open_as(NUMBER),
        Err(ClientError::NumberTaken),
        "there is one of each number"
    );
    for rooms in [
        [(Range::new(0, 0), Token(1))],
        [(Range::new(u64::MAX, 2), Token(1))],
    ] {
        let held = Resumption {
            rooms: &rooms,
            ..held
        };
        let resumed = stack.resume(server, &survivor, &held, now);
        assert_eq!(resumed, Err(ResumeError::BadRange));
    }
    let many = vec![(ROOM, Token(1)); usize::from(config().requests_per_socket) + 1];
    let too_many = Resumption {
        rooms: &many,
        ..held
    };
    let resumed = stack.resume(server, &survivor, &too_many, now);
    assert_eq!(resumed, Err(ResumeError::TooMany));
    let socket = stack.socket_create(server, stack::Kind::Stream).unwrap();
    assert_eq!(
        stack.requeue(server, &survivor, socket, now),
        Err(ResumeError::NotListening)
    );
    stack.bind(server, socket, any(80)).unwrap();
    stack.listen(server, socket, 1).unwrap();
    assert_eq!(
        stack.requeue(server, &survivor, socket, now),
        Err(ResumeError::BadSurvivor),
        "it was accepted"
    );
    assert_eq!(stack.resume(server, &survivor, &held, now), Ok(()));
    joined.world.settle();
    joined.send(10);
    joined.world.run(Duration::from_secs(1));
    assert_eq!(joined.heard(), Some(EventKind::Sent { bytes: 10 }));
}

#[test]
fn what_nobody_comes_back_for_is_reset_and_nobody_else_is_before() {
    let mut joined = joined();
    let (_, _) = joined.restart();
    // Segments of the connection, and a SYN to a port that nobody has yet.
    joined.send(10);
    joined.world.connecting(81, &[]);
    joined.world.log.clear();
    joined.world.settle();
    let answers = segments(&joined.world.sent(1));
    assert!(answers.is_empty(), "{answers:?}");
    let dropped = joined.world.b.stack.drops(stack::Drop::TcpAdoption);
    assert!(dropped >= 2, "{dropped}");
    let now = joined.world.now;
    joined.world.b.stack.end_adoption(now);
    joined.world.settle();
    assert_eq!(joined.heard(), Some(EventKind::Error(SocketError::Reset)));
    assert_eq!(joined.shelf.slots(), []);
    joined.world.run(Duration::from_secs(2));
    let answers = segments(&joined.world.sent(1));
    let refused = |it: &world::craft::Seen| it.header.flags.contains(Flags::RST);
    assert!(answers.iter().any(refused), "{answers:?}");
}

/// The hash that both halves of a record end with.
fn sealed(mut bytes: [u8; Record::LEN]) -> [u8; Record::LEN] {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    for (start, begin) in [(0, FACTOR), (64, !FACTOR)] {
        bytes[start + 60..start + 64].fill(0);
        let words = bytes[start..start + 64].chunks(8);
        let hash = words.fold(begin, |hash, word| {
            let word = u64::from_le_bytes(word.try_into().unwrap());
            (hash ^ word).wrapping_mul(FACTOR).rotate_left(29)
        });
        let check = (hash ^ hash >> 32) as u32;
        bytes[start + 60..start + 64].copy_from_slice(&check.to_le_bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever records say, with a right check, and whatever clients say to it: it is refused, or
    /// something like a connection.
    #[test]
    fn strange_records_are_refused_or_gone_on_with(
        changes in prop::collection::vec((1..124_usize, 0..=u8::MAX), 1..8),
        place in 0..8_usize,
        six in prop::bool::ANY,
        (received, sent) in (0..2_000_u64, 0..20_u64),
    ) {
        let mut joined = joined_over(six);
        let config = config();
        let behind = config.connections + config.time_waits + config.half_open;
        let second = behind + config.connections6;
        let waits = [config.connections, second, second + config.time_waits];
        let slot = [0, 1, waits[0], waits[0] + config.time_waits, behind, behind + 1, waits[1], waits[2]][place];
        joined.send(500);
        joined.world.settle();
        let now = joined.world.now;
        let (_, mut bytes) = joined.shelf.slots()[0];
        prop_assert_eq!(sealed(bytes), bytes);
        for (place, byte) in changes {
            bytes[place] = byte;
        }
        joined.world.b = fresh(now);
        adopt(&mut joined.world.b, &vec![(slot, sealed(bytes))], now);
        let server = open(&mut joined.world.b);
        let survivors: Vec<_> = joined.world.b.stack.survivors(server).collect();
        let sends = [(Data::Inline(&[1; 200]), Token(11))];
        for survivor in survivors {
            let held = Resumption { received, rooms: &[(ROOM, Token(10))], sent, sends: &sends };
            let resumed = joined.world.b.stack.resume(server, &survivor, &held, now);
            prop_assert_ne!(resumed, Err(ResumeError::BadRange));
        }
        joined.world.b.stack.end_adoption(now);
        joined.send(300);
        joined.world.run(Duration::from_secs(30));
        joined.world.b.stack.client_close(server, now);
        joined.world.run(Duration::from_secs(30));
    }
}
