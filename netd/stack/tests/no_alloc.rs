//! Nothing is allocated on a packet's way, as an allocator that counts for each thread says.

use crate::world::{Host, World, at, ping};
use allocation_counter::measure;
use stack::{ClientId, EventKind, Offer, PIECES, Pieces, Range, ReceiveMeta, Record, Records};
use std::num::NonZeroU32;
use std::time::Duration;

/// Runs a call of the stack, which allocates nothing.
#[track_caller]
fn frugal<T>(call: impl FnOnce() -> T) -> T {
    let mut result = None;
    let measured = measure(|| result = Some(call()));
    assert_eq!(measured.count_total, 0);
    result.expect("called")
}

/// Carries frames between both until they are quiet, and looks at the stacks' own calls only. What
/// the first sends is gathered from its clients' memory.
fn carry(world: &mut World, frame: &mut [u8]) {
    let (mut buffer, mut pieces) = ([0; 1_514], Pieces::new(PIECES));
    world.a.memory.lends = true;
    loop {
        let mut quiet = true;
        for turn in 0..2 {
            let now = world.now;
            let World { a, b, .. } = world;
            let (from, to) = if turn == 0 { (a, b) } else { (b, a) };
            frugal(|| from.stack.fire(&mut from.memory, now));
            loop {
                let (stack, memory) = (&mut from.stack, &mut from.memory);
                let len = if turn == 0 {
                    let link = from.link;
                    let buffer = &mut buffer;
                    frugal(|| stack.output_gathered(link, buffer, &mut pieces, memory, now)).map(
                        |written| {
                            if let Some(loan) = written.loan {
                                frugal(|| stack.end_loan(loan));
                            }
                            from.memory.assemble(&written, buffer, &pieces, frame)
                        },
                    )
                } else {
                    frugal(|| stack.output(from.link, frame, memory, now)).map(|(len, _)| len)
                };
                let Some(len) = len else { break };
                quiet = false;
                let meta = ReceiveMeta::default();
                let stack = &mut to.stack;
                frugal(|| stack.input(to.link, &frame[..len], meta, &mut to.memory, now));
            }
            publish(to, now);
        }
        if quiet {
            return;
        }
    }
}

fn publish(host: &mut Host, now: stack::Instant) {
    let mut events = [None; 64];
    let mut count = 0;
    frugal(|| {
        host.stack.publish(now, &mut |_, event| {
            events[count] = Some(*event);
            count += 1;
            Offer::Published
        })
    });
    host.events.extend(events.into_iter().flatten());
}

/// Records as netd would keep them, in memory that is there from the start.
#[derive(Debug)]
struct Slots(Vec<[u8; Record::LEN]>);

impl Records for Slots {
    fn commit(&mut self, slot: u32, record: &[u8; Record::LEN]) {
        self.0[slot as usize] = *record;
    }

    fn forget(&mut self, slot: u32) {
        self.0[slot as usize] = [0; Record::LEN];
    }
}

/// A client whose connections are recorded.
fn recorded(host: &mut Host) -> ClientId {
    let slots = host.stack.config().record_slots() as usize;
    let records = Slots(vec![[0; Record::LEN]; slots]);
    host.stack.keep_records(Box::new(records));
    let client = host
        .stack
        .client_open_as(NonZeroU32::MIN)
        .expect("a client");
    host.memory.open(client);
    client
}

#[test]
fn streams_datagrams_pings_and_connections_allocate_nothing() {
    let mut world = World::new();
    let [client, server] = [&mut world.a, &mut world.b].map(recorded);
    let listener = world.b.listen(server, 80, 16);
    let echo = world.b.bound(server, 7);
    let datagram = world.a.datagram(client);
    let mut frame = [0; 1_600];
    for round in 0..50 {
        let now = world.now;
        let room = Some(Range::new(0, 40_000));
        frugal(|| world.b.accept(server, listener, room, 1, now));
        let socket = frugal(|| world.a.stream(client));
        frugal(|| world.a.connect(client, socket, at(2, 80), 2, now));
        carry(&mut world, &mut frame);
        let [EventKind::Accepted { socket: peer, .. }] = world.b.take(1)[..] else {
            panic!("round {round}: not accepted");
        };
        frugal(|| world.a.send(client, socket, &[7; 30_000], 0, 3, now));
        let (room, to) = (Range::new(50_000, 4_000), Some(at(2, 7)));
        frugal(|| world.b.receive(server, echo, room, 4, now));
        frugal(|| world.a.say(client, datagram, b"datagram", to, 5, now));
        frugal(|| world.a.ping(client, ping(2), 6, now));
        // There and back in parts.
        let long = stack::Ping {
            size: 5_000,
            ..ping(2)
        };
        frugal(|| world.a.ping(client, long, 8, now));
        carry(&mut world, &mut frame);
        for token in [6, 8] {
            let answer = world.a.take(token);
            assert!(matches!(answer[..], [EventKind::PingReply { .. }]));
        }
        frugal(|| world.a.close(client, socket, 7, now));
        frugal(|| world.b.close(server, peer, 7, now));
        carry(&mut world, &mut frame);
        world.now = world.now + Duration::from_millis(300);
        carry(&mut world, &mut frame);
        world.a.events.clear();
        world.b.events.clear();
    }
    assert_eq!(world.a.counter("tcp.active_opens"), 50);
    assert_eq!(world.b.counter("tcp.passive_opens"), 50);
    for host in [&world.a, &world.b] {
        assert!(host.counter("record.committed") > 50);
    }
    assert_eq!(world.a.counter("fragment.reassembled"), 50);
    assert!(world.a.counter("copy.bytes_referred") >= 50 * 30_000);
}
