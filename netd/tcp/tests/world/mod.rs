//! Two ends and a bad link between them: everything that happens follows from one seed.
//!
//! Bytes are a function of their offset, so that no end needs to remember what it sent. Each rule
//! that must never be broken is checked where it could be: see `end.rs` and `check.rs`.

mod check;
mod end;
mod random;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tcp::Instant;
use wire::tcp::Header;

pub use end::{Behaviour, End, Ending};
pub use random::Random;

/// A segment on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub header: Header,
    pub payload: Vec<u8>,
}

/// What the link does to packets.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub delay: Duration,
    /// Up to so much more, at random: reordering.
    pub jitter: Duration,
    /// In thousandths.
    pub loss: u64,
    pub duplication: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival { to: usize, packet: usize },
    Wake,
}

/// Two ends and the link.
pub struct World {
    pub now: Instant,
    pub ends: [End; 2],
    pub weather: Weather,
    random: Random,
    queue: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    packets: Vec<Option<Packet>>,
    count: u64,
    /// For when each end is scheduled to wake.
    wakes: [Option<Instant>; 2],
    /// Every packet that was sent: time, sender, packet.
    pub log: Vec<(Instant, usize, Packet)>,
}

impl World {
    pub fn new(seed: u64, weather: Weather, behaviours: [Behaviour; 2]) -> Self {
        let now = Instant::from_secs(1_000);
        let [first, second] = behaviours;
        let mut random = Random::new(seed);
        let ends = [
            End::new(0, random.next(), first, now),
            End::new(1, random.next(), second, now),
        ];
        Self {
            now,
            ends,
            weather,
            random,
            queue: BinaryHeap::new(),
            packets: Vec::new(),
            count: 0,
            wakes: [None; 2],
            log: Vec::new(),
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.queue.push(Reverse((at, self.count, happening)));
    }

    /// Lets both ends do what they can, now.
    fn settle(&mut self) {
        for side in 0..2 {
            self.ends[side].act(self.now);
            for packet in self.ends[side].drain_output(self.now) {
                self.note(side, &packet);
                self.transmit(side, packet);
            }
            let wake = self.ends[side].next_wake(self.now);
            if let Some(at) = wake.filter(|_| wake != self.wakes[side]) {
                assert!(at > self.now, "end {side} would spin");
                self.schedule(at, Happening::Wake);
            }
            self.wakes[side] = wake;
        }
    }

    /// Keeps, and on demand prints, a packet that `side` sends.
    fn note(&mut self, side: usize, packet: &Packet) {
        if std::env::var_os("PRINT").is_some() {
            let Header {
                seq,
                ack,
                flags,
                window,
                ..
            } = packet.header;
            let (time, len) = (self.now.as_micros(), packet.payload.len());
            eprintln!("{time:>12} end {side}: {flags} seq {seq} len {len} ack {ack} win {window}");
        }
        self.log.push((self.now, side, packet.clone()));
        assert!(self.log.len() < 200_000, "the two never come to an end");
    }

    /// Puts a packet on the link.
    pub fn transmit(&mut self, from: usize, packet: Packet) {
        if self.random.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + usize::from(self.random.chance(self.weather.duplication));
        for _ in 0..copies {
            let jitter = self.random.below(1 + self.weather.jitter.as_nanos() as u64);
            let at = self.now + self.weather.delay + Duration::from_nanos(jitter);
            self.packets.push(Some(packet.clone()));
            let packet = self.packets.len() - 1;
            self.schedule(
                at,
                Happening::Arrival {
                    to: 1 - from,
                    packet,
                },
            );
        }
    }

    /// Goes on until both ends are over or `limit` has passed. Returns whether both are over.
    pub fn run(&mut self, limit: Duration) -> bool {
        let end = self.now + limit;
        self.settle();
        if std::env::var_os("PRINT").is_some() {
            eprintln!(
                "{:?} {:?}",
                self.weather,
                self.ends.each_ref().map(|end| &end.behaviour)
            );
        }
        while let Some(Reverse((at, _, happening))) = self.queue.pop() {
            if at > end || self.ends.iter().all(End::is_over) {
                break;
            }
            self.now = at;
            if let Happening::Arrival { to, packet } = happening {
                let packet = self.packets[packet]
                    .take()
                    .expect("each packet arrives once");
                self.ends[to].input(&packet, at);
            }
            self.settle();
        }
        self.ends.iter().all(End::is_over)
    }
}
