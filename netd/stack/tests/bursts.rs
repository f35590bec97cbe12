//! Frames taken in together and one by one: the same streams, answers and counters.

mod writer;

use crate::world;
use crate::world::craft::{Peer, Seen, segments};
use crate::world::{Host, config, mac, plan};
use proptest::prelude::*;
use stack::{AddressPlan, ClientId, Drop, EventKind, Instant, Range, ReceiveMeta, SocketId, Token};
use std::time::Duration;
use wire::tcp::Flags;
use writer::{Step, Writer, play, step};

/// A room of a stream lies in one of so many places of its own, each of this many bytes.
const PLACES: u64 = 8;
const PLACE: u64 = 8_192;
/// The counter that tells bursts from single frames.
const COALESCED: &str = "tcp.coalesced";
const ISN: u32 = u32::MAX - 5_000;

/// The byte at a position of a peer's stream.
fn byte(flow: usize, position: u32) -> u8 {
    (position.wrapping_mul(31) >> 3) as u8 ^ flow as u8
}

fn bytes(flow: usize, start: u32, len: u32) -> Vec<u8> {
    (start..start + len)
        .map(|position| byte(flow, position))
        .collect()
}

/// One connection at the host, as its client sees it.
struct Stream {
    socket: SocketId,
    /// Bytes of the stream that were read.
    read: Vec<u8>,
    rooms: u64,
}

/// How frames are taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Manner {
    /// As a burst.
    together: bool,
    /// In slices, as devices leave frames that fill more than one buffer.
    scattered: bool,
}

/// Bytes of a slice at most, other than the first: odd, so that sums are made of odd pieces.
const SLICE: usize = 77;
/// Bytes of payload in a first slice, behind the headers.
const HEADS: [usize; 4] = [0, 1, 34, 8];

/// A host with two connections, and how it takes frames in.
struct Reader {
    host: Host,
    client: ClientId,
    listener: SocketId,
    streams: Vec<Stream>,
    manner: Manner,
    now: Instant,
}

impl Reader {
    fn new(manner: Manner) -> Self {
        let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
        let mut now = Instant::ZERO;
        for _ in 0..3 {
            now = now + Duration::from_secs(1);
            host.stack.fire(&mut host.memory, now);
            host.frames(now);
        }
        for last in [2, 3] {
            let address = world::ip(last).into();
            let known = host.stack.add_neighbour(host.link, address, mac(last), now);
            known.expect("room for a neighbour");
        }
        let client = host.client();
        let listener = host.listen(client, 80, 8);
        Self {
            host,
            client,
            listener,
            streams: Vec::new(),
            manner,
            now,
        }
    }

    fn take_in(&mut self, frames: &[Vec<u8>]) {
        let Host {
            stack,
            memory,
            link,
            ..
        } = &mut self.host;
        let meta = ReceiveMeta::default();
        let Manner {
            together,
            scattered,
        } = self.manner;
        let parts = frames.iter().enumerate().map(|(number, frame)| {
            let headers = (34 + usize::from(frame[46] >> 4) * 4).max(54);
            let head = frame.len().min(headers + HEADS[number % HEADS.len()]);
            let (head, rest) = frame.split_at(if scattered { head } else { frame.len() });
            (head, rest.chunks(SLICE).collect::<Vec<_>>())
        });
        if together {
            let mut burst = stack.burst(*link, memory, self.now);
            for (head, rest) in parts {
                burst.input_scattered(head, &rest, meta);
            }
        } else {
            for (head, rest) in parts {
                stack.input_scattered(*link, head, &rest, meta, memory, self.now);
            }
        }
    }

    fn give_room(&mut self, flow: usize, length: u32) {
        let stream = &mut self.streams[flow];
        let place = flow as u64 * PLACES + stream.rooms % PLACES;
        stream.rooms += 1;
        let range = Range::new(place * PLACE, length);
        let token = Token(100 + flow as u64);
        self.host
            .stack
            .receive(self.client, stream.socket, range, token, self.now)
            .expect("a place for a room");
    }

    /// Hears of everything and reads it; rooms that are full are replaced by one of `length`.
    fn read(&mut self, length: u32) -> Vec<EventKind> {
        self.host.publish(self.now);
        let events = std::mem::take(&mut self.host.events);
        for event in &events {
            let EventKind::Received {
                offset,
                length: count,
                more,
                ..
            } = event.kind
            else {
                continue;
            };
            let flow = (event.token.0 - 100) as usize;
            let part = self.host.memory.bytes(self.client, offset, count);
            self.streams[flow].read.extend_from_slice(part);
            if !more {
                self.give_room(flow, length);
            }
        }
        events.into_iter().map(|event| event.kind).collect()
    }

    fn frames(&mut self) -> Vec<Vec<u8>> {
        self.host.frames(self.now)
    }

    /// All that it counts.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        let stack = &self.host.stack;
        let drops = Drop::ALL.iter();
        let drops = drops.map(|reason| (reason.name(), stack.drops(*reason)));
        let counters = stack.counters().filter(|(name, _)| *name != COALESCED);
        drops.chain(counters).collect()
    }
}

/// Hosts that hear the same, each in its manner, the first in bursts.
struct Both {
    readers: [Reader; 4],
    writers: Vec<Writer>,
}

impl Both {
    fn new(room: u32) -> Self {
        let mut both = Self {
            readers: [(true, false), (false, false), (true, true), (false, true)].map(
                |(together, scattered)| {
                    Reader::new(Manner {
                        together,
                        scattered,
                    })
                },
            ),
            writers: Vec::new(),
        };
        for flow in 0..2 {
            both.connect(flow);
            for _ in 0..4 {
                for reader in &mut both.readers {
                    reader.give_room(flow, room);
                }
            }
        }
        both
    }

    /// A handshake by hand.
    fn connect(&mut self, flow: usize) {
        let last = 2 + flow as u8;
        let mut writer = Writer {
            flow,
            peer: Peer::neighbour(last, 1_000 + u16::from(last), 1, 80),
            una: 0,
            nxt: 0,
            host_seq: 0,
            stamp: 7_000,
            window: 50_000,
            is_congested: false,
        };
        let mut syn = writer.header(Flags::SYN, 0);
        syn.seq = ISN;
        syn.options.mss = Some(1_460);
        syn.options.sack_permitted = true;
        syn.options.window_scale = Some(4);
        let syn = [writer.peer.frame(syn, &[])];
        let answers = self.exchange(&syn);
        let syn_ack = |it: &&Seen| it.header.flags.contains(Flags::SYN);
        let syn_ack = answers.iter().find(syn_ack).expect("a SYN-ACK");
        writer.host_seq = syn_ack.header.seq.wrapping_add(1);
        let ack = [writer.frame(Flags::ACK, 0, 0)];
        self.exchange(&ack);
        for reader in &mut self.readers {
            let (client, now) = (reader.client, reader.now);
            let stack = &mut reader.host.stack;
            let accepted = stack.accept(client, reader.listener, None, Token(1), now);
            accepted.expect("a place for an accept");
            reader.host.publish(reader.now);
            let events = std::mem::take(&mut reader.host.events);
            let socket = events.iter().find_map(|event| match event.kind {
                EventKind::Accepted { socket, .. } => Some(socket),
                _ => None,
            });
            reader.streams.push(Stream {
                socket: socket.expect("a connection"),
                read: Vec::new(),
                rooms: 0,
            });
        }
        self.writers.push(writer);
    }

    /// Both take the frames in, tell, read and answer; and all of that is the same.
    fn exchange(&mut self, frames: &[Vec<u8>]) -> Vec<Seen> {
        self.exchange_with_rooms(frames, 4_000)
    }

    fn exchange_with_rooms(&mut self, frames: &[Vec<u8>], room: u32) -> Vec<Seen> {
        let [first, others @ ..] = self.readers.each_mut().map(|reader| {
            reader.take_in(frames);
            reader.host.assert_balance();
            let events = reader.read(room);
            let sent = reader.frames();
            reader.now = reader.now + Duration::from_millis(1);
            reader.host.stack.fire(&mut reader.host.memory, reader.now);
            (events, sent)
        });
        let counts = self.readers[0].counts();
        for (other, reader) in others.iter().zip(&self.readers[1..]) {
            assert_eq!(first, *other);
            assert_eq!(counts, reader.counts());
        }
        let [alone, scattered] = [0, 2].map(|reader| self.readers[reader].host.counter(COALESCED));
        assert_eq!(alone, scattered);
        let seen = segments(&first.1);
        for writer in &mut self.writers {
            writer.hear(&seen);
        }
        seen
    }

    /// What each has read is what its peer sent.
    fn assert_streams(&self) {
        for reader in &self.readers {
            for (flow, stream) in reader.streams.iter().enumerate() {
                let sent = bytes(flow, 0, stream.read.len() as u32);
                assert!(stream.read == sent, "stream {flow} is not as it was sent");
            }
        }
    }

    /// The peers repair what was lost, until all that they ever sent is read.
    fn finish(&mut self) {
        for flow in [0, 1] {
            for round in 0.. {
                let writer = &mut self.writers[flow];
                writer.stamp += 1_000;
                writer.is_congested = false;
                let (una, nxt) = (writer.una, writer.nxt);
                if una == nxt {
                    break;
                }
                assert!(round < 2_000, "{una} of {nxt} acknowledged");
                let frame = writer.frame(Flags::ACK, una, (nxt - una).min(500));
                self.exchange(&[frame]);
                // For acknowledgements that are delayed.
                for reader in &mut self.readers {
                    reader.now = reader.now + Duration::from_millis(300);
                    reader.host.stack.fire(&mut reader.host.memory, reader.now);
                }
                self.exchange(&[]);
            }
            let len = self.writers[flow].nxt as usize;
            for reader in &self.readers {
                assert_eq!(reader.streams[flow].read.len(), len);
            }
        }
        self.assert_streams();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn bursts_are_nothing_but_faster(
        bursts in prop::collection::vec(
            (prop::collection::vec((0..2_usize, step()), 1..40), 1_usize..6, 100..8_000_u32),
            1..20,
        ),
        room in 100..8_000_u32,
    ) {
        let mut both = Both::new(room);
        for (steps, stay, room) in bursts {
            let mut frames = Vec::new();
            for (number, (flow, step)) in steps.iter().enumerate() {
                // Flows have runs of their own, or else hardly anything would ever follow.
                let flow = if number % stay == 0 { *flow } else { steps[number - number % stay].0 };
                if both.writers[flow].nxt > 200_000 {
                    continue;
                }
                let frame = play(&mut both.writers[flow], *step, frames.last());
                frames.extend(frame);
            }
            both.exchange_with_rooms(&frames, room);
            both.assert_streams();
        }
        both.finish();
    }
}

fn next(both: &mut Both, flow: usize, len: u32) -> Vec<u8> {
    play(&mut both.writers[flow], Step::Next(len, false), None).expect("a frame")
}

fn received(reader: &Reader, flow: usize) -> usize {
    reader.streams[flow].read.len()
}

#[test]
fn many_segments_are_one_to_their_connection_and_one_acknowledgement() {
    let mut both = Both::new(8_000);
    let frames: Vec<_> = (0..20).map(|_| next(&mut both, 0, 1_000)).collect();
    let answers = both.exchange(&frames);
    assert_eq!(received(&both.readers[0], 0), 20_000);
    both.assert_streams();
    let last = answers.last().expect("an acknowledgement");
    assert_eq!(last.header.ack, ISN.wrapping_add(20_001));
    let coalesced = both.readers.map(|it| it.host.counter(COALESCED));
    assert_eq!(coalesced, [19, 0, 19, 0]);
}

#[test]
fn a_wrong_checksum_within_a_run_leaves_a_hole_and_a_count() {
    let mut both = Both::new(8_000);
    let mut frames: Vec<_> = (0..9).map(|_| next(&mut both, 0, 1_000)).collect();
    let whole = frames[4].clone();
    *frames[4].last_mut().expect("a byte") ^= 0x10;
    let answers = both.exchange(&frames);
    for reader in &both.readers {
        assert_eq!(received(reader, 0), 4_000);
        assert_eq!(reader.host.stack.drops(Drop::TcpChecksum), 1);
    }
    let last = answers.last().expect("an acknowledgement");
    assert_eq!(last.header.ack, ISN.wrapping_add(4_001));
    assert_eq!(last.header.options.sack.as_slice().len(), 1);
    both.exchange(&[whole]);
    assert_eq!(received(&both.readers[0], 0), 9_000);
    both.assert_streams();
}

#[test]
fn a_segment_that_fills_a_hole_begins_no_run() {
    let mut both = Both::new(8_000);
    let frames: Vec<_> = (0..8).map(|_| next(&mut both, 0, 1_000)).collect();
    let mut early = frames[..6].to_vec();
    early.remove(1);
    both.exchange(&early);
    assert_eq!(received(&both.readers[0], 0), 1_000);
    // What comes behind it is here already, but for the last two.
    both.exchange(&frames[1..]);
    assert_eq!(received(&both.readers[0], 0), 8_000);
    both.assert_streams();
}

#[test]
fn a_run_ends_where_the_room_ends() {
    let mut both = Both::new(1_500);
    let frames: Vec<_> = (0..12).map(|_| next(&mut both, 0, 1_000)).collect();
    both.exchange_with_rooms(&frames, 1_500);
    for reader in &both.readers {
        // Four rooms of 1,500 bytes.
        assert_eq!(received(reader, 0), 6_000);
        let drops = [Drop::TcpBeyondRoom, Drop::TcpOutOfWindow];
        let drops = drops.map(|reason| reader.host.stack.drops(reason));
        assert_eq!(drops.iter().sum::<u64>(), 6);
    }
    both.finish();
}

#[test]
fn flows_that_take_turns_are_kept_apart() {
    let mut both = Both::new(8_000);
    let mut frames = Vec::new();
    for number in 0..24 {
        let flow = usize::from(number % 5 < 2);
        frames.push(next(&mut both, flow, 700 + number));
    }
    both.exchange(&frames);
    for (flow, writer) in both.writers.iter().enumerate() {
        assert_eq!(received(&both.readers[0], flow), writer.nxt as usize);
    }
    both.assert_streams();
}

#[test]
fn a_client_that_is_gone_loses_its_connection_and_nothing_else() {
    let mut both = Both::new(8_000);
    let frames: Vec<_> = (0..4).map(|_| next(&mut both, 0, 1_000)).collect();
    for reader in &mut both.readers {
        reader.host.memory.close(reader.client);
    }
    for reader in &mut both.readers {
        reader.take_in(&frames);
        reader.host.assert_balance();
        assert_eq!(reader.host.stack.drops(Drop::ClientMemoryGone), 1);
    }
    assert_eq!(both.readers[0].counts(), both.readers[1].counts());
}

#[test]
fn an_old_timestamp_that_fills_a_hole_begins_no_run() {
    let mut both = Both::new(8_000);
    let whole = next(&mut both, 0, 1_000);
    let behind = next(&mut both, 0, 500);
    let early = both.writers[0].frame(Flags::ACK, 500, 500);
    both.exchange(&[early]);
    // The peer's clock has moved when it repairs the beginning.
    both.writers[0].stamp += 5;
    let first = both.writers[0].frame(Flags::ACK, 0, 300);
    both.exchange(&[first]);
    both.exchange(&[whole, behind]);
    for reader in &both.readers {
        assert_eq!(received(reader, 0), 1_000);
        assert_eq!(reader.host.stack.drops(Drop::TcpOldTimestamp), 1);
    }
    both.finish();
}
