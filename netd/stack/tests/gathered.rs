//! Frames whose payload stays in clients' memory: on the wire there is nothing to see of it.

use crate::world;
use crate::world::craft::seen;
use crate::world::sender::{Device, Sender, cut_by_device, is_segment, pattern};
use stack::{Ending, Gathered, PIECES, Pieces, Range, Token};
use std::time::Duration;
use wire::icmp4;
use wire::tcp::Flags;

/// A device that gathers from as many places as there can be, and neither sums nor cuts.
const GATHERS: Device = Device {
    sums: false,
    cuts: false,
    gathers: Some(PIECES),
};

/// Senders with the same seed, client and peer, of which the first copies and the next three refer to
/// their client's memory; the others are as the first two, and write their frames in rows.
struct Alike {
    senders: [Sender; 6],
    device: Device,
    acked: u32,
    sent: u32,
    ended: bool,
}

impl Alike {
    fn new(device: Device, mss: u16, has_stamps: bool) -> Self {
        let one_by_one = [None, Some(PIECES), Some(1), Some(0)].map(|gathers| (gathers, false));
        let [a, b, c, d] = one_by_one;
        let sender = |(gathers, in_rows)| {
            let mut sender = Sender::new(Device { gathers, ..device }, mss, has_stamps);
            sender.in_rows = in_rows;
            sender
        };
        Self {
            senders: [a, b, c, d, (a.0, true), (b.0, true)].map(sender),
            device,
            acked: 0,
            sent: 0,
            ended: false,
        }
    }

    fn each(&mut self, act: impl Fn(&mut Sender)) {
        self.senders.iter_mut().for_each(act);
    }

    /// Something happens to all: sends of all lengths, inline and not, acknowledgements, losses.
    fn step(&mut self, random: &mut dyn FnMut(u32) -> u32) {
        match random(9) {
            0..=2 => {
                let most = [90, 400, 20_000][random(3) as usize];
                for _ in 0..1 + random(6) {
                    let len = 1 + random(most) as usize;
                    self.each(|sender| sender.send(len));
                }
            }
            3 | 4 => {
                self.acked += random(self.sent - self.acked + 1);
                let window = random(60_000) as u16;
                let flags = Flags::from_bits([0, Flags::ECE.bits()][random(2) as usize]);
                let acked = self.acked;
                self.each(|sender| sender.ack(acked, window, flags));
            }
            5 => {
                // Three duplicates: something is lost.
                let acked = self.acked;
                for _ in 0..4 {
                    self.each(|sender| sender.ack(acked, 50_000, Flags::NONE));
                }
            }
            6 => {
                // A question, whose answer takes its turn.
                let request = icmp4::Header::EchoRequest {
                    identifier: 1,
                    sequence: 1,
                };
                self.each(|sender| {
                    let request = sender.peer.error(request, &[0; 62]);
                    sender.host.input(&request, sender.now);
                });
            }
            _ => {
                let time = Duration::from_millis(random(100).pow(2).into());
                self.each(|sender| sender.wait(time));
            }
        }
    }

    /// What all send now is the same.
    fn compare(&mut self) {
        let cuts = self.device.cuts;
        let [copied, others @ ..] = self.senders.each_mut().map(|sender| {
            let mut segments = Vec::new();
            let mut frames = Vec::new();
            for (frame, size) in sender.frames() {
                if is_segment(&frame) {
                    segments.extend(cut_by_device(&frame, size));
                }
                frames.extend((!cuts).then_some(frame));
            }
            (segments, frames)
        });
        assert!(others.iter().all(|other| *other == copied));
        if !self.device.sums {
            let mut segments = copied.1.iter().filter(|frame| is_segment(frame));
            assert!(segments.all(|frame| seen(frame).is_some()));
        }
        for (header, _, payload) in copied.0 {
            let place = header.seq.wrapping_sub(self.senders[0].isn.wrapping_add(1));
            if !payload.is_empty() {
                assert!(payload == pattern(place as usize, payload.len()));
                self.sent = self.sent.max(place + payload.len() as u32);
            }
            self.ended |= header.flags.contains(Flags::FIN);
        }
    }

    /// All is sent that is queued, then the end.
    fn end(&mut self) {
        self.each(|sender| {
            let (client, socket, now) = (sender.client, sender.socket, sender.now);
            let stack = &mut sender.host.stack;
            let shut = stack.shutdown(client, socket, stack::Half::Send, now);
            shut.expect("a connection");
        });
        for _ in 0..1_000 {
            self.compare();
            let sent = self.sent;
            self.each(|sender| sender.ack(sent, 60_000, Flags::NONE));
            self.each(|sender| sender.wait(Duration::from_millis(50)));
        }
        assert!(self.ended, "no end");
        assert_eq!(self.sent as usize, self.senders[0].queued);
    }
}

/// Frames that refer to their client's memory are those that are copied, to the last byte; where the
/// device cuts, what it makes of them is.
#[test]
fn gathered_frames_are_those_that_are_copied() {
    let mut state = 1_u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let (mut pieces, mut longest) = (0, 0);
    for (sums, cuts) in [(false, false), (true, false), (true, true)] {
        for (mss, has_stamps) in [(1_460, true), (999, false), (537, true)] {
            let device = Device {
                sums,
                cuts,
                gathers: None,
            };
            let mut alike = Alike::new(device, mss, has_stamps);
            for _ in 0..400 {
                alike.step(&mut random);
                alike.compare();
            }
            alike.end();
            let [copied, all, one, none, ..] = alike.senders.map(|sender| sender.pieces);
            assert_eq!((copied, none), ((0, 0), (0, 0)));
            assert!(all.1 >= one.1 && one.1 > 30_000, "{all:?} {one:?}");
            pieces += all.0 - one.0;
            longest = longest.max(all.1 / all.0);
        }
    }
    assert!(pieces > 200, "{pieces}");
    assert!(longest > 1_000, "{longest}");
}

#[test]
fn what_is_short_or_inline_is_copied_and_the_rest_is_not() {
    let mut sender = Sender::new(GATHERS, 1_460, false);
    // In front: one inline, one short. Then two places, then inline, then a place behind that.
    for len in [50, 110, 301, 299, 7, 200] {
        sender.send(len);
    }
    let segment = sender.segment().expect("a segment");
    assert_eq!(segment.payload.len(), 50 + 110 + 301 + 299 + 7 + 200);
    assert_eq!(sender.pieces, (2, 600));
    assert_eq!(sender.host.counter("copy.bytes_referred"), 600);
    assert_eq!(sender.host.counter("copy.bytes_out"), 50 + 110 + 7 + 200);
}

#[test]
fn a_part_of_a_piece_is_sent_again() {
    let mut sender = Sender::new(GATHERS, 1_000, false);
    sender.send(3_000);
    for _ in 0..3 {
        assert_eq!(sender.segment().expect("a segment").payload.len(), 1_000);
    }
    // The peer has half of the second.
    sender.ack(1_333, 50_000, Flags::NONE);
    sender.wait(Duration::from_secs(2));
    let again = sender.segment().expect("the retransmission");
    assert_eq!(sender.place(&again), 1_333);
    assert!(again.payload.len() > 600);
    assert!(sender.pieces.1 > 3_000);
}

#[test]
fn nothing_of_a_frames_pieces_stays_for_the_next() {
    let mut sender = Sender::new(GATHERS, 1_000, false);
    sender.send(1_000);
    let mut pieces = Pieces::new(PIECES);
    let mut buffer = [0; 1_514];
    let (host, now) = (&mut sender.host, sender.now);
    host.ping(sender.client, world::ping(9), 7, now);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (stack, memory) = (&mut host.stack, &mut host.memory);
        let written = stack.output_gathered(host.link, &mut buffer, &mut pieces, memory, now);
        let Gathered { head, tail, .. } = written.expect("a frame");
        kinds.push(buffer[23]);
        if buffer[23] == 6 {
            assert_eq!((head, tail), (54, 0));
            assert_eq!(pieces.ranges(), [Range::new(0, 1_000)]);
        } else {
            assert!(head >= 60 && tail == 0);
            assert!(pieces.ranges().is_empty() && pieces.client().is_none());
        }
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [1, 6]);
}

#[test]
fn memory_that_is_gone_ends_the_connection() {
    for sums in [false, true] {
        let device = Device { sums, ..GATHERS };
        let mut sender = Sender::new(device, 1_000, false);
        sender.send(10_000);
        for _ in 0..3 {
            sender.frame().expect("a frame");
        }
        sender.host.memory.close(sender.client);
        let reset = sender.segment().expect("a reset");
        assert!(reset.header.flags.contains(Flags::RST));
        assert!(sender.frame().is_none());
    }
}

#[test]
fn memory_that_is_not_lent_is_copied() {
    let mut sender = Sender::new(GATHERS, 1_000, false);
    sender.send(3_000);
    sender.segment().expect("a segment");
    assert_eq!(sender.pieces, (1, 1_000));
    sender.host.memory.lends = false;
    sender.segment().expect("a segment");
    sender.host.memory.lends = true;
    sender.segment().expect("a segment");
    assert_eq!(sender.pieces, (2, 2_000));
    let (client, socket, now) = (sender.client, sender.socket, sender.now);
    let stack = &mut sender.host.stack;
    let closed = stack.close(client, socket, Ending::Abort, Token(2), now);
    closed.expect("a socket");
}
