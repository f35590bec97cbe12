//! Floods of SYNs and of acknowledgements: cookies, backlogs, and what they cost.

use crate::world;
use crate::world::craft::{Peer, plain, segments};
use crate::world::{World, at, config};
use stack::{Config, EventKind, Range};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use wire::tcp::{Flags, Header, Options, Timestamps};

/// Somebody behind the gateway; no two of 100,000 are the same.
fn stranger(number: u32) -> Peer {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + number % 100_000);
    Peer::far(
        SocketAddrV4::new(address, 1_024 + (number % 50_000) as u16),
        2,
        80,
    )
}

fn syn(number: u32) -> Header {
    Header {
        options: Options {
            mss: Some(1_460),
            window_scale: Some(7),
            sack_permitted: number.is_multiple_of(2),
            timestamps: (!number.is_multiple_of(3)).then_some(Timestamps { value: 9, echo: 0 }),
            ..Options::NONE
        },
        ..plain(Flags::SYN, number.wrapping_mul(0x9e37_79b9), 0)
    }
}

/// A world whose `b` listens at port 80 for a client with four accepts posted.
fn listening(config: Config) -> (World, stack::ClientId) {
    let mut world = World::with(world::config(), config);
    // The gateway, behind which all of them are.
    world.b.know(254, world.now);
    let server = world.b.client();
    let listener = world.b.listen(server, 80, 16);
    for token in 0..4 {
        let room = Some(Range::new(token * 200_000, 200_000));
        world.b.accept(server, listener, room, token, world.now);
    }
    (world, server)
}

/// Sends SYNs and takes the answers, in bursts that the link keeps up with.
fn flood(world: &mut World, numbers: std::ops::Range<u32>) -> u64 {
    let mut answers = 0;
    for number in numbers {
        world
            .b
            .input(&stranger(number).frame(syn(number), &[]), world.now);
        if number % 32 == 31 {
            answers += segments(&world.b.frames(world.now)).len() as u64;
        }
    }
    answers
}

#[test]
fn a_hundred_thousand_syns_and_one_who_means_it() {
    let (mut world, server) = listening(config());
    let limit = u64::from(config().half_open);
    let mut answers = flood(&mut world, 0..64_000);
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at(2, 80), 9, world.now);
    let asked = world.now;
    // The flood goes on meanwhile, forty thousand in a second.
    for round in 0..9 {
        let from = 64_000 + round * 4_000;
        answers += flood(&mut world, from..from + 4_000);
        world.run(Duration::from_millis(100));
    }
    assert!(world.now.since(asked) < Duration::from_secs(1));
    let connected = world.a.take(9);
    assert!(
        matches!(connected[..], [EventKind::Connected { .. }]),
        "{connected:?}"
    );
    // Memory: the cache and nothing else. Counters: all but what it holds were cookies.
    let totals = world.b.stack.totals();
    assert!(u64::from(totals.half_open) <= limit);
    assert_eq!((totals.connections, totals.time_waits), (1, 0));
    assert_eq!(answers, 100_000);
    assert_eq!(world.b.counter("tcp.cookies_sent"), 100_001 - limit);
    assert_eq!(world.b.counter("tcp.cookies_valid"), 1);
    assert_eq!(world.b.counter("tcp.syn_cache_overflows"), 0);
    world.b.assert_balance();
    // The connection that a cookie made has all options: a window beyond 16 bits, for one.
    let bytes: Vec<u8> = (0..150_000u32).map(|byte| (byte % 251) as u8).collect();
    world.a.send(client, socket, &bytes, 0, 3, world.now);
    world.run(Duration::from_secs(2));
    assert_eq!(world.a.take(3), [EventKind::Sent { bytes: 150_000 }]);
    assert_eq!(world.b.memory.bytes(server, 0, 150_000), bytes);
}

#[test]
fn after_a_flood_the_cache_serves_again() {
    let (mut world, _) = listening(config());
    flood(&mut world, 0..1_000);
    assert_eq!(world.b.stack.totals().half_open, config().half_open);
    let sent = world.b.counter("tcp.cookies_sent");
    // Every entry asks its peer six times, and then is forgotten.
    world.run(Duration::from_secs(64));
    assert_eq!(world.b.stack.totals().half_open, 0);
    assert_eq!(
        world.b.counter("tcp.failed_opens"),
        config().half_open.into()
    );
    flood(&mut world, 2_000..2_032);
    assert_eq!(world.b.counter("tcp.cookies_sent"), sent);
    assert_eq!(world.b.stack.totals().half_open, config().half_open);
}

#[test]
fn without_cookies_the_oldest_makes_way() {
    let (mut world, _) = listening(Config {
        syn_cookies: false,
        ..config()
    });
    flood(&mut world, 0..1_000);
    assert_eq!(world.b.counter("tcp.cookies_sent"), 0);
    let limit = config().half_open;
    assert_eq!(
        world.b.counter("tcp.syn_cache_overflows"),
        1_000 - u64::from(limit)
    );
    // The newest is still known: its acknowledgement completes a handshake.
    let peer = stranger(5_000);
    world.b.input(&peer.frame(syn(5_000), &[]), world.now);
    let answers = segments(&world.b.frames(world.now));
    let answer = answers.last().expect("an answer").header;
    let ack = plain(Flags::ACK, answer.ack, answer.seq.wrapping_add(1));
    let timestamps = Some(Timestamps { value: 10, echo: 0 });
    let options = Options {
        timestamps: answer.options.timestamps.and(timestamps),
        ..Options::NONE
    };
    world
        .b
        .input(&peer.frame(Header { options, ..ack }, &[]), world.now);
    assert_eq!(world.b.stack.totals().connections, 1);
}

#[test]
fn forged_acknowledgements_open_nothing() {
    let (mut world, _) = listening(config());
    // While no cookie is about, an acknowledgement is refused without a look.
    let probe = plain(Flags::ACK, 1, 1);
    world.b.input(&stranger(1).frame(probe, &[]), world.now);
    assert_eq!(world.b.counter("tcp.cookies_invalid"), 0);
    flood(&mut world, 0..100);
    world.b.frames(world.now);
    for number in 0..100_000u32 {
        let guess = number.wrapping_mul(0x85eb_ca6b);
        let ack = plain(Flags::ACK, guess ^ 0x5a5a, guess);
        world
            .b
            .input(&stranger(200 + number % 1_000).frame(ack, &[]), world.now);
        if number % 32 == 31 {
            let resets = segments(&world.b.frames(world.now));
            assert!(
                resets
                    .iter()
                    .all(|seen| seen.header.flags.contains(Flags::RST))
            );
        }
    }
    assert_eq!(world.b.counter("tcp.cookies_invalid"), 100_000);
    assert_eq!(world.b.counter("tcp.cookies_valid"), 0);
    assert_eq!(world.b.stack.totals().connections, 0);
}

#[test]
fn a_cookie_ages_and_a_full_queue_keeps_it_waiting() {
    let (mut world, server) = listening(config());
    flood(&mut world, 0..100);
    world.b.frames(world.now);
    let cookie = |world: &mut World, number| {
        let frame = stranger(number).frame(syn(number), &[]);
        world.b.input(&frame, world.now);
        let frames = segments(&world.b.frames(world.now));
        let mut answers = frames.iter().map(|seen| seen.header);
        answers
            .find(|header| header.flags.contains(Flags::SYN))
            .expect("a cookie")
    };
    let answer = |world: &mut World, number, made: &Header| {
        let stamp = made.options.timestamps.map(|stamps| Timestamps {
            value: 10,
            echo: stamps.value,
        });
        let ack = Header {
            options: Options {
                timestamps: stamp,
                ..Options::NONE
            },
            ..plain(Flags::ACK, made.ack, made.seq.wrapping_add(1))
        };
        world
            .b
            .input(&stranger(number).frame(ack, b"first bytes"), world.now);
    };
    let (stale, good) = (cookie(&mut world, 501), cookie(&mut world, 502));
    answer(&mut world, 502, &good);
    assert_eq!(world.b.stack.totals().connections, 1);
    world.run(Duration::from_secs(1));
    assert_eq!(world.b.memory.bytes(server, 0, 11), b"first bytes");
    // Four accepts are posted, sixteen more connections may wait; the next one must try again.
    for number in 600..619 {
        let made = cookie(&mut world, number);
        answer(&mut world, number, &made);
    }
    assert_eq!(world.b.stack.totals().connections, 20);
    let last = cookie_refused(&mut world, 700);
    assert!(last, "a SYN finds no place either");
    assert!(world.b.counter("tcp.accept_overflows") >= 1);
    // Two ticks of 64 seconds later a cookie is worth nothing.
    world.run(Duration::from_secs(130));
    flood(&mut world, 3_000..3_100);
    let before = world.b.stack.totals().connections;
    answer(&mut world, 501, &stale);
    assert_eq!(world.b.stack.totals().connections, before);
}

/// Whether a SYN is left without an answer.
fn cookie_refused(world: &mut World, number: u32) -> bool {
    let frame = stranger(number).frame(syn(number), &[]);
    world.b.input(&frame, world.now);
    let frames = segments(&world.b.frames(world.now));
    !frames
        .iter()
        .any(|seen| seen.header.flags.contains(Flags::SYN))
}
