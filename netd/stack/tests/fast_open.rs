//! Fast Open (RFC 7413): a listener takes bytes with the SYN of a peer that has its cookie.

use crate::world;
use crate::world::craft::{Peer, Seen, plain, segments, sent};
use crate::world::{World, config};
use stack::{ClientId, Config, EventKind, Range, SocketError, SocketId, SocketOption};
use std::time::Duration;
use wire::tcp::{FastOpenCookie, Flags, Header, Options};

const ROOM: u32 = 10_000;

/// Host `b`, which listens at port 80, and a neighbour made by hand.
struct House {
    world: World,
    server: ClientId,
    listener: SocketId,
}

impl House {
    fn new(config: Config) -> Self {
        let mut world = World::with(world::config(), config);
        let server = world.b.client();
        let listener = world.b.listen(server, 80, 16);
        let mut house = Self {
            world,
            server,
            listener,
        };
        house.set(true);
        for peer in 5..=6 {
            house.world.b.know(peer, house.world.now);
        }
        house
    }

    fn set(&mut self, on: bool) {
        let (host, now) = (&mut self.world.b, self.world.now);
        host.set_option(self.server, self.listener, SocketOption::FastOpen(on), now);
    }

    fn accept(&mut self, token: u64, room: Option<u32>) {
        let room = room.map(|length| Range::new(token * 20_000, length));
        let (host, now) = (&mut self.world.b, self.world.now);
        host.accept(self.server, self.listener, room, token, now);
    }

    /// A segment comes, the client looks, and the host answers.
    fn hear(&mut self, peer: Peer, header: Header, payload: &[u8]) -> Vec<Seen> {
        let (host, now) = (&mut self.world.b, self.world.now);
        host.input(&peer.frame(header, payload), now);
        host.publish(now);
        segments(&host.frames(now))
    }

    /// Time passes; what the host has sent meanwhile.
    fn wait(&mut self, time: Duration) -> Vec<Seen> {
        self.world.log.clear();
        self.world.run(time);
        sent(&mut self.world, 1)
    }

    /// Asks for a cookie in an ordinary handshake, which the peer then gives up.
    fn cookie(&mut self, last: u8) -> FastOpenCookie {
        let peer = neighbour(last, 999);
        let [answer] = &self.hear(peer, syn(FastOpenCookie::default()), &[])[..] else {
            panic!("no answer");
        };
        let cookie = answer.header.options.fast_open.expect("a cookie");
        assert_eq!((answer.header.ack, cookie.as_slice().len()), (1_001, 8));
        assert!(self.hear(peer, plain(Flags::RST, 1_001, 0), &[]).is_empty());
        cookie
    }

    fn count(&self, name: &str) -> u64 {
        self.world.b.counter(name)
    }

    /// The socket and the bytes that an accept was answered with.
    fn accepted(&mut self, token: u64) -> (SocketId, u32) {
        let events = self.world.b.take(token);
        let Some(EventKind::Accepted { socket, .. }) = events.first() else {
            panic!("{events:?}");
        };
        let received = events.iter().map(|event| match event {
            EventKind::Received { length, .. } => *length,
            _ => 0,
        });
        (*socket, received.sum())
    }
}

fn neighbour(last: u8, port: u16) -> Peer {
    Peer::neighbour(last, port, 2, 80)
}

/// A SYN with number 1000 and this cookie.
fn syn(cookie: FastOpenCookie) -> Header {
    Header {
        options: Options {
            mss: Some(1_460),
            fast_open: Some(cookie),
            ..Options::NONE
        },
        ..plain(Flags::SYN, 1_000, 0)
    }
}

#[test]
fn the_bytes_of_a_syn_are_answered_before_the_handshake_is_complete() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(10, Some(ROOM));
    let peer = neighbour(5, 2_000);
    let answers = house.hear(peer, syn(cookie), b"hello");
    let [answer] = &answers[..] else {
        panic!("{answers:?}");
    };
    // SYN and bytes are acknowledged; a good cookie is not told again.
    assert_eq!(answer.header.flags, Flags::SYN | Flags::ACK);
    assert_eq!(
        (answer.header.ack, answer.header.window),
        (1_006, ROOM as u16 - 5)
    );
    assert_eq!(answer.header.options.fast_open, None);
    let (socket, received) = house.accepted(10);
    assert_eq!(received, 5);
    assert_eq!(
        house.world.b.memory.bytes(house.server, 200_000, 5),
        b"hello"
    );

    // RFC 7413 section 4.2.2: the server may send before its SYN is acknowledged.
    let (host, now) = (&mut house.world.b, house.world.now);
    host.send(house.server, socket, b"welcome", 0, 11, now);
    let [reply] = &segments(&host.frames(now))[..] else {
        panic!("no reply");
    };
    let isn = answer.header.seq;
    assert_eq!(
        (reply.header.seq, &reply.payload[..]),
        (isn.wrapping_add(1), &b"welcome"[..])
    );
    // And the peer's acknowledgement completes the handshake: nothing is sent again.
    let ack = plain(Flags::ACK, 1_006, isn.wrapping_add(8));
    assert!(house.hear(peer, ack, &[]).is_empty());
    assert_eq!(house.wait(Duration::from_secs(10)).len(), 0);
    let totals = house.world.b.stack.totals();
    assert_eq!((totals.connections, totals.half_open), (1, 0));
    assert_eq!(house.count("tcp.fast_opens"), 1);
    house.world.b.assert_balance();
}

#[test]
fn off_by_default_and_silent_to_who_does_not_ask() {
    let mut house = House::new(config());
    house.accept(10, Some(ROOM));
    let mut without = syn(FastOpenCookie::default());
    without.options.fast_open = None;
    let answers = house.hear(neighbour(5, 2_000), without, b"hello");
    assert_eq!(answers[0].header.options.fast_open, None);
    assert_eq!(answers[0].header.ack, 1_001, "its bytes wait");
    let cookie = house.cookie(6);
    house.set(false);
    let answers = house.hear(neighbour(6, 2_000), syn(cookie), b"hello");
    assert_eq!(answers[0].header.options.fast_open, None);
    assert_eq!(answers[0].header.ack, 1_001, "its bytes wait");
    assert_eq!(house.count("tcp.fast_opens"), 0);
}

#[test]
fn a_cookie_is_good_for_one_address_and_not_for_ever() {
    let mut house = House::new(config());
    house.accept(10, Some(ROOM));
    let cookie = house.cookie(5);
    // Another address, a guess, and a cookie of another length: a handshake, and a new cookie.
    let guess = FastOpenCookie::from_slice(&[7; 8]).unwrap();
    let long = FastOpenCookie::from_slice(&[7; 16]).unwrap();
    for (port, last, cookie) in [(1, 6, cookie), (2, 5, guess), (3, 5, long)] {
        let answers = house.hear(neighbour(last, port), syn(cookie), b"hello");
        let header = answers[0].header;
        assert_eq!(header.ack, 1_001, "its bytes wait");
        assert!(header.options.fast_open.is_some_and(|new| new != cookie));
        let end = plain(Flags::RST, 1_001, 0);
        assert!(house.hear(neighbour(last, port), end, &[]).is_empty());
    }
    assert_eq!(house.count("tcp.fast_open_cookies_invalid"), 3);
    // An old one still opens, and the answer brings its successor; a very old one does not.
    house.wait(Duration::from_secs(6 * 3_600));
    let answers = house.hear(neighbour(5, 4), syn(cookie), b"hello");
    assert_eq!(answers[0].header.ack, 1_006);
    let next = answers[0].header.options.fast_open.expect("its successor");
    assert_ne!(next, cookie);
    house.wait(Duration::from_secs(6 * 3_600));
    house.accept(11, Some(ROOM));
    let answers = house.hear(neighbour(5, 5), syn(cookie), b"hello");
    assert_eq!(answers[0].header.ack, 1_001);
    assert_eq!(house.count("tcp.fast_opens"), 1);
    house.world.b.assert_balance();
}

#[test]
fn without_room_the_bytes_come_again_with_the_handshake() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    for (port, token, room) in [(1, 10, None), (2, 11, Some(0))] {
        house.accept(token, room);
        let answers = house.hear(neighbour(5, port), syn(cookie), b"hello");
        assert_eq!(answers[0].header.ack, 1_001);
        let end = plain(Flags::RST, 1_001, 0);
        house.hear(neighbour(5, port), end, &[]);
    }
    assert_eq!(house.count("tcp.fast_open_fallbacks"), 2);
    // Room for a part: the rest is not acknowledged.
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(12, Some(3));
    let peer = neighbour(5, 3);
    let answers = house.hear(peer, syn(cookie), b"hello");
    assert_eq!(
        (answers[0].header.ack, answers[0].header.window),
        (1_004, 0)
    );
    assert_eq!(house.accepted(12).1, 3);
    // An ordinary peer sends what was left out with its acknowledgement.
    let isn = answers[0].header.seq;
    let rest = plain(Flags::ACK, 1_004, isn.wrapping_add(1));
    house.hear(peer, rest, b"lo");
    assert_eq!(house.world.b.stack.totals().half_open, 0);
    house.world.b.assert_balance();
}

#[test]
fn what_the_client_does_not_know_is_not_acknowledged() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(10, Some(ROOM));
    house.world.b.deaf = true;
    let peer = neighbour(5, 2_000);
    assert!(house.hear(peer, syn(cookie), b"hello").is_empty());
    // The timer's SYN-ACK acknowledges the SYN alone.
    let answers = house.wait(Duration::from_millis(1_500));
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].header.flags, Flags::SYN | Flags::ACK);
    assert_eq!(answers[0].header.ack, 1_001);
    // The peer sends its bytes again, as it would in any handshake; they are here already.
    let isn = answers[0].header.seq;
    let again = plain(Flags::ACK, 1_001, isn.wrapping_add(1));
    house.hear(peer, again, b"hello");
    assert_eq!(house.world.b.stack.totals().half_open, 0);
    house.world.b.deaf = false;
    let answers = house.wait(Duration::from_millis(100));
    assert_eq!(answers.last().expect("an answer").header.ack, 1_006);
    assert_eq!(house.accepted(10).1, 5);
}

#[test]
fn too_many_under_way_make_the_ordinary_handshake() {
    let mut house = House::new(Config {
        fast_opens: 2,
        ..config()
    });
    let cookie = house.cookie(5);
    for token in 10..20 {
        house.accept(token, Some(ROOM));
    }
    let mut isns = Vec::new();
    for (port, ack) in [(1, 1_006), (2, 1_006), (3, 1_001)] {
        let answers = house.hear(neighbour(5, port), syn(cookie), b"hello");
        assert_eq!(answers[0].header.ack, ack, "{port}");
        isns.push(answers[0].header.seq);
    }
    // A reset makes no place at once (RFC 7413 section 5.1), an acknowledgement does.
    house.hear(neighbour(5, 1), plain(Flags::RST, 1_006, 0), &[]);
    assert_eq!(
        house.world.b.take(10).last(),
        Some(&EventKind::Error(SocketError::Reset))
    );
    let answers = house.hear(neighbour(5, 4), syn(cookie), b"hello");
    assert_eq!(answers[0].header.ack, 1_001);
    let ack = plain(Flags::ACK, 1_006, isns[1].wrapping_add(1));
    house.hear(neighbour(5, 2), ack, &[]);
    let answers = house.hear(neighbour(5, 5), syn(cookie), b"hello");
    assert_eq!(answers[0].header.ack, 1_006);
    let isn = answers[0].header.seq;
    let ack = plain(Flags::ACK, 1_006, isn.wrapping_add(1));
    house.hear(neighbour(5, 5), ack, &[]);
    // The reset is forgotten after a minute.
    house.wait(Duration::from_secs(61));
    for (port, ack) in [(6, 1_006), (7, 1_006), (8, 1_001)] {
        let answers = house.hear(neighbour(5, port), syn(cookie), b"hello");
        assert_eq!(answers[0].header.ack, ack, "{port}");
    }
    assert_eq!(house.count("tcp.fast_opens"), 5);
    assert_eq!(house.count("tcp.fast_open_fallbacks"), 3);
    house.world.b.assert_balance();
}

#[test]
fn the_answer_is_sent_again_until_the_peer_is_given_up() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(10, Some(ROOM));
    let peer = neighbour(5, 2_000);
    let first = house.hear(peer, syn(cookie), b"hello");
    // The same SYN again: the same answer, and no second connection.
    let second = house.hear(peer, syn(cookie), b"hello");
    assert_eq!(first[0].header, second[0].header);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_eq!(house.accepted(10).1, 5);
    let answers = house.wait(Duration::from_secs(300));
    let (resets, again): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|seen| seen.header.flags.contains(Flags::RST));
    assert!(again.len() >= 5, "{}", again.len());
    for seen in again {
        assert_eq!(seen.header.flags, Flags::SYN | Flags::ACK);
        assert_eq!(seen.header.ack, 1_006);
    }
    assert_eq!(resets.len(), 1);
    assert_eq!(
        house.world.b.take(10),
        [EventKind::Error(SocketError::TimedOut)]
    );
    let totals = house.world.b.stack.totals();
    assert_eq!(totals.half_open, 0);
    house.world.b.assert_balance();
}

#[test]
fn rubbish_in_the_handshake_does_no_harm() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(10, Some(ROOM));
    let peer = neighbour(5, 2_000);
    let answer = house.hear(peer, syn(cookie), b"hello")[0].header;
    let isn = answer.seq;
    // RFC 9293 section 3.10.7.4, SYN-RECEIVED: what was never sent is refused by a reset.
    for wrong in [isn, isn.wrapping_sub(1), isn.wrapping_add(2), !isn] {
        let answers = house.hear(peer, plain(Flags::ACK, 1_006, wrong), &[]);
        assert_eq!(answers.len(), 1);
        let header = answers[0].header;
        assert_eq!((header.flags, header.seq), (Flags::RST, wrong));
    }
    // None of these ends it or completes it: resets beside the number, a SYN of another number, a
    // segment outside the window, one without ACK.
    let good = isn.wrapping_add(1);
    for header in [
        plain(Flags::RST, 1_007, 0),
        plain(Flags::RST, 1_001, 0),
        plain(Flags::SYN, 4_000, 0),
        plain(Flags::SYN | Flags::ACK, 1_000, good),
        plain(Flags::ACK, 90_000, good),
        plain(Flags::ACK, 900, good),
        plain(Flags::PSH, 1_006, 0),
    ] {
        for seen in house.hear(peer, header, &[]) {
            assert!(!seen.header.flags.contains(Flags::RST), "{header:?}");
        }
        let totals = house.world.b.stack.totals();
        assert_eq!((totals.connections, totals.half_open), (1, 1), "{header:?}");
    }
    house.hear(peer, plain(Flags::ACK, 1_006, good), &[]);
    let totals = house.world.b.stack.totals();
    assert_eq!((totals.connections, totals.half_open), (1, 0));
    house.world.b.assert_balance();
}

#[test]
fn a_flood_of_cookies_leaves_nothing_behind() {
    let mut house = House::new(config());
    house.accept(10, Some(ROOM));
    let mut number = 1u64;
    for port in 1..5_000 {
        number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let cookie = FastOpenCookie::from_slice(&number.to_be_bytes()).unwrap();
        let answers = house.hear(neighbour(5, port), syn(cookie), b"hello");
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].header.ack, 1_001);
    }
    assert_eq!(house.count("tcp.fast_opens"), 0);
    house.wait(Duration::from_secs(300));
    let totals = house.world.b.stack.totals();
    assert_eq!((totals.connections, totals.half_open), (0, 0));
    // Who has a cookie is served as before.
    let cookie = house.cookie(6);
    let answers = house.hear(neighbour(6, 1), syn(cookie), b"hello");
    assert_eq!(answers[0].header.ack, 1_006);
    house.world.b.assert_balance();
}

#[test]
fn a_connection_outlives_its_listener() {
    let mut house = House::new(config());
    let cookie = house.cookie(5);
    house.accept(10, Some(ROOM));
    let peer = neighbour(5, 2_000);
    let answer = house.hear(peer, syn(cookie), b"hello")[0].header;
    let (host, now) = (&mut house.world.b, house.world.now);
    host.close(house.server, house.listener, 99, now);
    house.hear(
        peer,
        plain(Flags::ACK, 1_006, answer.seq.wrapping_add(1)),
        b" again",
    );
    let received: u32 = house.accepted(10).1;
    assert_eq!(received, 11);
    house.world.b.assert_balance();
}
