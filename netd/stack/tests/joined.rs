//! Frames that stand for several segments: taken in as one, acknowledged as what they were.

use crate::world;
use crate::world::craft::{Peer, Seen, plain, segments};
use crate::world::{Host, config, mac, plan};
use stack::{AddressPlan, ClientId, EventKind, Instant, Range, ReceiveMeta, SocketId, Token};
use std::time::Duration;
use wire::tcp::{Flags, Options};

const ISN: u32 = u32::MAX - 5_000;
/// Rooms of a stream lie in turn in one of so many places.
const PLACES: u64 = 4;
const ROOM: u32 = 16_000;
/// Payload of a segment of a peer whose own link is narrow: two are less than a full segment of ours.
const SMALL: usize = 500;

/// A host with a connection to a peer made by hand, past the acknowledgements that are never delayed.
struct Reader {
    host: Host,
    client: ClientId,
    socket: SocketId,
    peer: Peer,
    now: Instant,
    position: u32,
    host_seq: u32,
    read: Vec<u8>,
    rooms: u64,
}

fn byte(position: usize) -> u8 {
    (position / 3).to_le_bytes()[0]
}

impl Reader {
    fn new() -> Self {
        let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
        let mut now = Instant::ZERO;
        for _ in 0..3 {
            now = now + Duration::from_secs(1);
            host.stack.fire(&mut host.memory, now);
            host.frames(now);
        }
        let address = world::ip(2).into();
        let known = host.stack.add_neighbour(host.link, address, mac(2), now);
        known.expect("room for a neighbour");
        let client = host.client();
        let listener = host.listen(client, 80, 8);
        let peer = Peer::neighbour(2, 1_000, 1, 80);
        let mut syn = plain(Flags::SYN, ISN, 0);
        syn.options = Options {
            mss: Some(1_460),
            ..Options::NONE
        };
        host.input(&peer.frame(syn, &[]), now);
        let answers = segments(&host.frames(now));
        let host_seq = answers
            .first()
            .expect("a SYN-ACK")
            .header
            .seq
            .wrapping_add(1);
        let ack = plain(Flags::ACK, ISN.wrapping_add(1), host_seq);
        host.input(&peer.frame(ack, &[]), now);
        let accept = host.stack.accept(client, listener, None, Token(1), now);
        accept.expect("a place for an accept");
        host.publish(now);
        let socket = std::mem::take(&mut host.events)
            .iter()
            .find_map(|event| match event.kind {
                EventKind::Accepted { socket, .. } => Some(socket),
                _ => None,
            });
        let socket = socket.expect("a connection");
        let mut reader = Self {
            host,
            client,
            socket,
            peer,
            now,
            position: 0,
            host_seq,
            read: Vec::new(),
            rooms: 0,
        };
        for _ in 0..PLACES {
            reader.give_room();
        }
        for _ in 0..40 {
            reader.hear(&[(SMALL, false)]);
            reader.sleep();
        }
        assert!(
            reader.hear(&[(SMALL, false)]).is_empty(),
            "one waits for a second"
        );
        reader.sleep();
        reader
    }

    fn give_room(&mut self) {
        let place = self.rooms % PLACES * u64::from(ROOM);
        self.rooms += 1;
        let (stack, range) = (&mut self.host.stack, Range::new(place, ROOM));
        let given = stack.receive(self.client, self.socket, range, Token(2), self.now);
        given.expect("a place for a room");
    }

    /// Time for acknowledgements that are delayed.
    fn sleep(&mut self) {
        self.now = self.now + Duration::from_millis(300);
        self.host.stack.fire(&mut self.host.memory, self.now);
        self.host.frames(self.now);
    }

    fn frame(&mut self, len: usize) -> Vec<u8> {
        let start = self.position as usize;
        let payload: Vec<u8> = (start..start + len).map(byte).collect();
        let seq = ISN.wrapping_add(1).wrapping_add(self.position);
        self.position += u32::try_from(len).expect("a small number");
        self.peer
            .frame(plain(Flags::ACK, seq, self.host_seq), &payload)
    }

    /// Takes frames in together, of so many bytes and joined or not, reads, and gives the answers.
    fn hear(&mut self, frames: &[(usize, bool)]) -> Vec<Seen> {
        let frames: Vec<_> = frames
            .iter()
            .map(|(len, is_joined)| (self.frame(*len), *is_joined))
            .collect();
        let Host {
            stack,
            memory,
            link,
            ..
        } = &mut self.host;
        let mut burst = stack.burst(*link, memory, self.now);
        for (frame, is_joined) in &frames {
            burst.input(
                frame,
                ReceiveMeta {
                    checksum_verified: false,
                    is_joined: *is_joined,
                },
            );
        }
        drop(burst);
        self.host.publish(self.now);
        for event in std::mem::take(&mut self.host.events) {
            if let EventKind::Received {
                offset,
                length,
                more,
                ..
            } = event.kind
            {
                let part = self.host.memory.bytes(self.client, offset, length);
                self.read.extend_from_slice(part);
                if !more {
                    self.give_room();
                }
            }
        }
        segments(&self.host.frames(self.now))
    }

    fn is_acknowledged(&self, answers: &[Seen]) -> bool {
        let next = ISN.wrapping_add(1).wrapping_add(self.position);
        answers.len() == 1 && answers[0].header.ack == next
    }

    fn assert_stream(&self) {
        let sent: Vec<u8> = (0..self.position as usize).map(byte).collect();
        assert!(self.read == sent, "the stream is not as it was sent");
    }
}

// RFC 9293: SHLD-18, SHLD-19
#[test]
fn two_small_segments_in_one_frame_are_acknowledged_at_once() {
    let mut reader = Reader::new();
    let answers = reader.hear(&[(2 * SMALL, false)]);
    assert!(answers.is_empty(), "one segment of that size is delayed");
    reader.sleep();
    let answers = reader.hear(&[(2 * SMALL, true)]);
    assert!(reader.is_acknowledged(&answers), "{answers:?}");
    reader.assert_stream();
}

#[test]
fn what_is_joined_within_a_run_counts_as_well() {
    let mut reader = Reader::new();
    let answers = reader.hear(&[(SMALL, false), (2 * SMALL, true), (3 * SMALL, true)]);
    assert!(reader.is_acknowledged(&answers), "{answers:?}");
    assert!(
        reader.hear(&[(SMALL, false)]).is_empty(),
        "and not beyond it"
    );
    reader.sleep();
    reader.assert_stream();
}

#[test]
fn a_frame_of_many_segments_is_one_delivery_and_one_acknowledgement() {
    let mut reader = Reader::new();
    let received = reader.host.counter("tcp.received");
    for _ in 0..3 {
        let answers = reader.hear(&[(30 * 1_448, true)]);
        assert!(reader.is_acknowledged(&answers), "{answers:?}");
    }
    assert_eq!(reader.host.counter("tcp.received"), received + 3);
    reader.host.assert_balance();
    reader.assert_stream();
}
