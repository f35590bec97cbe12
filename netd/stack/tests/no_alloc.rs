//! Nothing is allocated on a packet's way: an allocator that counts says so.
#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers in tests are small"
)]

mod world;

use stack::{Data, Ending, EventKind, Offer, Ping, Range, ReceiveMeta, Token};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;
use world::{Host, World, at, ip};

thread_local! {
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting touches only this thread's
// own cells, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTING.get() {
            ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs a call of the stack and counts what it allocates.
fn counted<T>(call: impl FnOnce() -> T) -> T {
    COUNTING.set(true);
    let result = call();
    COUNTING.set(false);
    result
}

/// Carries frames between both until they are quiet, counting inside of the stacks only.
fn carry(world: &mut World, frame: &mut [u8]) {
    loop {
        let mut quiet = true;
        for turn in 0..2 {
            let now = world.now;
            let World { a, b, .. } = world;
            let (from, to) = if turn == 0 { (a, b) } else { (b, a) };
            counted(|| from.stack.fire(&mut from.memory, now));
            while let Some((len, _)) =
                counted(|| from.stack.output(from.link, frame, &mut from.memory, now))
            {
                quiet = false;
                let meta = ReceiveMeta::default();
                let stack = &mut to.stack;
                counted(|| stack.input(to.link, &frame[..len], meta, &mut to.memory, now));
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
    counted(|| {
        host.stack.publish(now, &mut |_, event| {
            events[count] = Some(*event);
            count += 1;
            Offer::Published
        })
    });
    host.events.extend(events.into_iter().flatten());
}

#[test]
fn streams_datagrams_pings_and_connections_allocate_nothing() {
    let mut world = World::new();
    let (client, server) = (world.a.client(), world.b.client());
    let listener = world.b.listen(server, 80, 16);
    let echo = world.b.datagram(server);
    world.b.stack.bind(server, echo, at(2, 7)).expect("bind");
    let datagram = world.a.datagram(client);
    let mut frame = [0; 1_600];
    for round in 0..50 {
        let now = world.now;
        let room = Some(Range::new(0, 40_000));
        counted(|| world.b.stack.accept(server, listener, room, Token(1), now)).expect("accept");
        let socket =
            counted(|| world.a.stack.socket_create(client, stack::Kind::Stream)).expect("socket");
        counted(|| {
            world
                .a
                .stack
                .connect(client, socket, at(2, 80), Token(2), now)
        })
        .expect("connect");
        carry(&mut world, &mut frame);
        let [
            EventKind::Accepted {
                socket: accepted, ..
            },
        ] = world.b.take(1)[..]
        else {
            panic!("round {round}: not accepted");
        };
        let data = Data::Arena(Range::new(0, 30_000));
        counted(|| {
            world
                .a
                .stack
                .send(client, socket, data, None, Token(3), now)
        })
        .expect("send");
        let room = Range::new(50_000, 4_000);
        counted(|| world.b.stack.receive(server, echo, room, Token(4), now)).expect("room");
        let data = Data::Inline(b"datagram");
        counted(|| {
            world
                .a
                .stack
                .send(client, datagram, data, Some(at(2, 7)), Token(5), now)
        })
        .expect("send");
        let ping = Ping {
            address: IpAddr::V4(ip(2)),
            size: 56,
            sequence: round,
            ttl: None,
            timeout: Duration::from_secs(1),
        };
        counted(|| world.a.stack.ping(client, ping, Token(6), now)).expect("ping");
        carry(&mut world, &mut frame);
        assert!(matches!(world.a.take(6)[..], [EventKind::PingReply { .. }]));
        for (host, client, socket) in [
            (&mut world.a, client, socket),
            (&mut world.b, server, accepted),
        ] {
            counted(|| {
                host.stack
                    .close(client, socket, Ending::Graceful, Token(7), now)
            })
            .expect("close");
        }
        carry(&mut world, &mut frame);
        world.now = world.now + Duration::from_millis(300);
        carry(&mut world, &mut frame);
        world.a.events.clear();
        world.b.events.clear();
    }
    assert_eq!(world.a.counter("tcp.active_opens"), 50);
    assert_eq!(world.b.counter("tcp.passive_opens"), 50);
    assert_eq!(ALLOCATIONS.get(), 0);
}
