//! Fast Open of a socket that connects (RFC 7413): what is queued before the SYN leaves goes with it.

use crate::world::craft::{Peer, Seen, logged, plain, seen, segments};
use crate::world::{World, at};
use stack::{ClientId, EventKind, Range, SocketId, SocketOption};
use std::time::Duration;
use wire::tcp::{FastOpenCookie, Flags, Header, Options};

/// A world in which `b` listens with Fast Open and `a` connects.
struct Pair {
    world: World,
    server: ClientId,
    listener: SocketId,
    client: ClientId,
    /// How many connections there were.
    count: u64,
}

impl Pair {
    fn new() -> Self {
        let mut world = World::new();
        let server = world.b.client();
        let listener = world.b.listen(server, 80, 8);
        let on = SocketOption::FastOpen(true);
        world.b.set_option(server, listener, on, world.now);
        let client = world.a.client();
        Self {
            world,
            server,
            listener,
            client,
            count: 0,
        }
    }

    /// Connects and sends these bytes at once; returns the socket, and what both have sent.
    fn open(&mut self, bytes: &[u8], room: u32) -> (SocketId, Vec<(usize, Seen)>) {
        self.count += 1;
        let (world, count) = (&mut self.world, self.count);
        let room = (room > 0).then(|| Range::new(count * 30_000, room));
        world
            .b
            .accept(self.server, self.listener, room, count, world.now);
        let socket = world.a.stream(self.client);
        let on = SocketOption::FastOpen(true);
        world.a.set_option(self.client, socket, on, world.now);
        world
            .a
            .connect(self.client, socket, at(2, 80), count, world.now);
        if !bytes.is_empty() {
            let token = 100 + count;
            world
                .a
                .send(self.client, socket, bytes, 0, token, world.now);
        }
        world.log.clear();
        world.settle();
        let sent = world.log.drain(..);
        let seen = sent.filter_map(|(side, frame)| Some((side, seen(&frame)?)));
        (socket, seen.collect())
    }

    /// The bytes that the server has of a connection.
    fn received(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in self.world.b.take(count) {
            if let EventKind::Received { offset, length, .. } = event {
                let host = &self.world.b;
                bytes.extend_from_slice(host.memory.bytes(self.server, offset, length));
            }
        }
        bytes
    }

    fn count(&self, name: &str) -> u64 {
        self.world.a.counter(name)
    }
}

#[test]
fn the_second_connection_brings_its_bytes_with_the_syn() {
    let mut pair = Pair::new();
    let (_, seen) = pair.open(b"first", 1_000);
    // The first one asks, and its bytes follow the handshake.
    let cookie = seen[0].1.header.options.fast_open.expect("a request");
    assert!(cookie.as_slice().is_empty() && seen[0].1.payload.is_empty());
    let given = seen[1].1.header.options.fast_open.expect("a cookie");
    assert_eq!(pair.received(1), b"first");

    let (_, seen) = pair.open(b"second", 1_000);
    let syn = &seen[0].1;
    assert_eq!(syn.header.flags, Flags::SYN);
    assert_eq!(syn.payload, b"second");
    assert_eq!(syn.header.options.fast_open, Some(given));
    let (_, answer) = &seen[1];
    assert_eq!(answer.header.ack, syn.header.seq.wrapping_add(7));
    assert!(seen.iter().skip(1).all(|(_, seen)| seen.payload.is_empty()));
    assert_eq!(pair.received(2), b"second");
    // The client hears that it is connected and that its bytes are there.
    let events = pair.world.a.take(2);
    assert!(matches!(events[..], [EventKind::Connected { .. }]));
    assert_eq!(pair.world.a.take(102), [EventKind::Sent { bytes: 6 }]);
    assert_eq!(pair.count("tcp.fast_opens_taken"), 1);
    assert_eq!(pair.world.b.counter("tcp.fast_opens"), 1);
    pair.world.a.assert_balance();
    pair.world.b.assert_balance();
}

#[test]
fn a_segment_of_bytes_goes_with_the_syn_and_the_rest_follows() {
    let mut pair = Pair::new();
    pair.open(&[], 0);
    let bytes: Vec<_> = (0..20_000u32).map(|at| (at % 251) as u8).collect();
    let (_, seen) = pair.open(&bytes, 25_000);
    let options = seen[0].1.header.header_len() - 20;
    assert_eq!(seen[0].1.payload.len(), 1_460 - options);
    assert_eq!(pair.received(1).len(), 0);
    let mut received = pair.received(2);
    pair.world.run(Duration::from_secs(1));
    received.extend(pair.received(2));
    assert!(received == bytes, "{}", received.len());
}

#[test]
fn what_the_peer_does_not_take_is_sent_again() {
    // No room: the SYN alone is acknowledged. Room for a part: the part is.
    for room in [0, 3] {
        let mut pair = Pair::new();
        pair.open(&[], 0);
        let (_, seen) = pair.open(b"hello", room);
        assert_eq!(seen[0].1.payload, b"hello");
        let taken = if room == 3 { 4 } else { 1 };
        let syn = seen[0].1.header.seq;
        assert_eq!(seen[1].1.header.ack, syn.wrapping_add(taken));
        let accepted = pair.world.b.take(2);
        let Some(EventKind::Accepted { socket, .. }) = accepted.first() else {
            panic!("{accepted:?}");
        };
        let (world, into) = (&mut pair.world, Range::new(90_000, 1_000));
        world.b.receive(pair.server, *socket, into, 77, world.now);
        world.run(Duration::from_secs(5));
        let rest = &b"hello"[room as usize..];
        assert_eq!(pair.received(77), rest, "{room}");
        assert_eq!(pair.world.a.take(102), [EventKind::Sent { bytes: 5 }]);
    }
}

#[test]
fn a_cookie_that_is_not_good_costs_nothing_but_the_round_trip() {
    let mut pair = Pair::new();
    pair.open(&[], 0);
    pair.world.run(Duration::from_secs(13 * 3_600));
    let (_, seen) = pair.open(b"hello", 1_000);
    assert_eq!(seen[0].1.payload, b"hello");
    assert_eq!(seen[1].1.header.ack, seen[0].1.header.seq.wrapping_add(1));
    assert_eq!(pair.received(2), b"hello");
    assert_eq!(pair.count("tcp.fast_opens_refused"), 1);
    // The new one that came with the answer is.
    let (_, seen) = pair.open(b"again", 1_000);
    assert_eq!(seen[1].1.header.ack, seen[0].1.header.seq.wrapping_add(6));
    assert_eq!(pair.received(3), b"again");
}

#[test]
fn a_syn_that_is_lost_goes_again_without_and_the_peer_is_spared() {
    let mut pair = Pair::new();
    pair.open(&[], 0);
    // Something on the way takes no SYN with bytes.
    pair.world.lose = Box::new(|side, frame| {
        let is_syn = |seen: Seen| seen.header.flags == Flags::SYN && !seen.payload.is_empty();
        side == 0 && seen(frame).is_some_and(is_syn)
    });
    pair.open(b"hello", 1_000);
    pair.world.run(Duration::from_secs(2));
    let mut syns = logged(&pair.world);
    syns.retain(|seen| seen.header.flags == Flags::SYN);
    assert_eq!(syns.len(), 1);
    assert!(syns[0].payload.is_empty() && syns[0].header.options.fast_open.is_none());
    assert_eq!(pair.received(2), b"hello");
    // The next one does not try.
    let (_, seen) = pair.open(b"again", 1_000);
    assert!(seen[0].1.payload.is_empty() && seen[0].1.header.options.fast_open.is_none());
    assert_eq!(pair.received(3), b"again");
}

#[test]
fn off_by_default() {
    let mut pair = Pair::new();
    pair.open(&[], 0);
    let world = &mut pair.world;
    let socket = world.a.stream(pair.client);
    world
        .a
        .connect(pair.client, socket, at(2, 80), 9, world.now);
    world
        .a
        .say(pair.client, socket, b"hello", None, 10, world.now);
    let syn = &segments(&world.a.frames(world.now))[0];
    assert!(syn.payload.is_empty() && syn.header.options.fast_open.is_none());
}

#[test]
fn forged_answers_do_no_harm() {
    let mut pair = Pair::new();
    pair.open(&[], 0);
    pair.world.lose = Box::new(|_, _| true);
    let (_, seen) = pair.open(b"hello", 1_000);
    let syn = seen[0].1.header;
    let (world, isn) = (&mut pair.world, syn.seq);
    let forger = Peer::neighbour(2, 80, 1, syn.src_port);
    // What was never sent cannot be acknowledged (RFC 9293 section 3.10.7.3, first step).
    for ack in [isn, isn.wrapping_add(7), isn.wrapping_sub(1), !isn] {
        let forged = plain(Flags::SYN | Flags::ACK, 7, ack);
        world.a.input(&forger.frame(forged, &[]), world.now);
        let answers = segments(&world.a.frames(world.now));
        assert_eq!(answers.len(), 1);
        assert_eq!(
            (answers[0].header.flags, answers[0].header.seq),
            (Flags::RST, ack)
        );
    }
    // A part of it can. An empty cookie is none.
    let answer = Header {
        options: Options {
            fast_open: Some(FastOpenCookie::default()),
            ..Options::NONE
        },
        ..plain(Flags::SYN | Flags::ACK, 7, isn.wrapping_add(3))
    };
    world.a.input(&forger.frame(answer, &[]), world.now);
    let answers = segments(&world.a.frames(world.now));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].header.seq, isn.wrapping_add(3));
    assert_eq!(answers[0].payload, b"llo");
    world.a.assert_balance();
    pair.world.lose = Box::new(|_, _| false);
    let (_, seen) = pair.open(b"again", 1_000);
    assert_eq!(seen[0].1.payload, b"again", "the cookie is still there");
}
