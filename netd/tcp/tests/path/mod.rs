//! A bulk transfer over one path: a rate, a queue, a delay, random loss and reordering. No bytes,
//! only lengths, so that a second at 1 Gbit/s takes a moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use tcp::{Algorithm, Connection, Info, Instant, Limits, Mss, Seq, Setup, Shared, Tuning};
use wire::tcp::{Flags, Header};

#[path = "../world/random.rs"]
#[allow(dead_code, reason = "not all of it is needed here")]
mod random;

use random::Random;

/// What the path is like. Acknowledgements only meet the delay.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Bits per second.
    pub rate: u64,
    pub round_trip: Duration,
    /// Bytes that wait for the link at most.
    pub queue: u64,
    /// In ten thousandths of segments: lost; held back for `hold`; sent twice.
    pub loss: u64,
    pub reordering: u64,
    pub hold: Duration,
    pub duplication: u64,
}

impl Path {
    pub const fn clean(rate: u64, round_trip: Duration) -> Self {
        Self {
            rate,
            round_trip,
            queue: 4_000_000,
            loss: 0,
            reordering: 0,
            hold: Duration::ZERO,
            duplication: 0,
        }
    }
}

/// What came of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Bits per second that the receiver got in order.
    pub goodput: u64,
    /// Segments that the path lost, and that left again.
    pub lost: u64,
    pub resent: u64,
    pub sent: u64,
    pub info: Info,
}

/// What both ends have agreed to use.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    pub sack: bool,
    pub timestamps: bool,
}

struct Side {
    connection: Connection,
    shared: Shared,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Instant,
    number: u64,
    to: usize,
    packet: usize,
}

/// Framing, IP and TCP headers, in bytes.
const OVERHEAD: u64 = 78;
const MSS: u16 = 1_460;

struct World {
    now: Instant,
    path: Path,
    random: Random,
    sides: [Side; 2],
    arrivals: BinaryHeap<Reverse<Arrival>>,
    packets: Vec<(Header, u32)>,
    free: Vec<usize>,
    count: u64,
    /// When the link has sent everything that waits.
    busy_until: Instant,
    highest: Option<Seq>,
    lost: u64,
    resent: u64,
    sent: u64,
}

/// Sends for so long, and says what came of it.
pub fn bulk(path: Path, ends: Ends, algorithm: Algorithm, time: Duration, seed: u64) -> Report {
    let mut world = World::new(path, ends, algorithm, seed);
    let end = world.now + time;
    world.run_until(end);
    let bits = world.sides[1].connection.received() * 8;
    Report {
        goodput: (u128::from(bits) * 1_000_000_000 / time.as_nanos()) as u64,
        lost: world.lost,
        resent: world.resent,
        sent: world.sent,
        info: world.sides[0].connection.info(&world.sides[0].shared),
    }
}

impl World {
    fn new(path: Path, ends: Ends, algorithm: Algorithm, seed: u64) -> Self {
        let now = Instant::from_secs(1_000);
        let limits = Limits {
            max_window: 16 << 20,
            busy_parts: 1,
            hole_lists: 1,
            congestion_control: algorithm,
            ..Limits::default()
        };
        let setup = |isn| Setup {
            isn: Seq::new(isn),
            mss: Mss::at_least(MSS),
            peer_mss: Mss::DEFAULT_V4,
            timestamps: ends.timestamps.then_some(77),
            sack: ends.sack,
            ecn: false,
            tuning: Tuning::default(),
        };
        let side = |isn| {
            let shared = Shared::new(limits);
            let mut connection = Connection::connect(setup(isn), &shared, now);
            connection.give_room(8 << 20, now);
            Side { connection, shared }
        };
        Self {
            now,
            path,
            random: Random::new(seed),
            sides: [side(7), side(1 << 31)],
            arrivals: BinaryHeap::new(),
            packets: Vec::new(),
            free: Vec::new(),
            count: 0,
            busy_until: now,
            highest: None,
            lost: 0,
            resent: 0,
            sent: 0,
        }
    }

    fn run_until(&mut self, end: Instant) {
        self.settle(0);
        self.settle(1);
        loop {
            let deadlines = self.sides.each_ref().map(|side| {
                let deadline = side.connection.next_deadline(&side.shared);
                deadline.unwrap_or(Instant::FAR_FUTURE)
            });
            let arrival = self
                .arrivals
                .peek()
                .map_or(Instant::FAR_FUTURE, |next| next.0.at);
            let at = arrival.min(deadlines[0]).min(deadlines[1]);
            if at > end {
                return;
            }
            self.now = self.now.max(at);
            if arrival == at
                && let Some(Reverse(next)) = self.arrivals.pop()
            {
                self.arrive(next);
            } else {
                for (side, deadline) in deadlines.into_iter().enumerate() {
                    if deadline == at {
                        let Side { connection, shared } = &mut self.sides[side];
                        assert!(
                            !connection
                                .fire(shared, self.now)
                                .events
                                .contains(tcp::Events::OVER)
                        );
                        self.settle(side);
                    }
                }
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let (header, len) = self.packets[arrival.packet];
        self.free.push(arrival.packet);
        let Side { connection, shared } = &mut self.sides[arrival.to];
        let outcome = connection.input(shared, &header, len, self.now);
        if outcome.advanced > 0 {
            connection.publish(u64::MAX, self.now);
            connection.give_room(outcome.advanced as u32, self.now);
        }
        self.settle(arrival.to);
    }

    fn settle(&mut self, from: usize) {
        if from == 0 {
            let connection = &mut self.sides[0].connection;
            let waiting = connection.info(&self.sides[0].shared).send_queue;
            if waiting < 8 << 20 {
                connection.queue(8 << 20);
            }
        }
        loop {
            let Side { connection, shared } = &mut self.sides[from];
            let Some(emit) = connection.output(shared, 65_000, self.now) else {
                return;
            };
            let size = u32::from(emit.segment_len);
            for place in 0..emit.len.div_ceil(size).max(1) {
                let mut header = emit.header;
                header.seq = header.seq.wrapping_add(place * size);
                let len = (emit.len - place * size).min(size);
                self.transmit(from, header, len);
            }
        }
    }

    fn transmit(&mut self, from: usize, header: Header, len: u32) {
        let half = self.path.round_trip / 2;
        let mut at = self.now + half;
        if from == 0 && len > 0 {
            self.note(&header, len);
            let bits = (u64::from(len) + OVERHEAD) * 8;
            let waits = self.busy_until.since(self.now);
            let waiting = waits.as_nanos() as u64 * self.path.rate / 8_000_000_000;
            if waiting > self.path.queue || self.random.below(10_000) < self.path.loss {
                self.lost += 1;
                return;
            }
            let takes = Duration::from_nanos(bits * 1_000_000_000 / self.path.rate);
            self.busy_until = self.busy_until.max(self.now) + takes;
            at = self.busy_until + half;
            if self.random.below(10_000) < self.path.reordering {
                at = at + self.path.hold;
            }
            if self.random.below(10_000) < self.path.duplication {
                self.schedule(1 - from, at, header, len);
            }
        }
        self.schedule(1 - from, at, header, len);
    }

    fn schedule(&mut self, to: usize, at: Instant, header: Header, len: u32) {
        self.count += 1;
        let packet = self.free.pop().unwrap_or(self.packets.len());
        if packet == self.packets.len() {
            self.packets.push((header, len));
        } else {
            self.packets[packet] = (header, len);
        }
        let number = self.count;
        self.arrivals.push(Reverse(Arrival {
            at,
            number,
            to,
            packet,
        }));
    }

    fn note(&mut self, header: &Header, len: u32) {
        assert!(!header.flags.contains(Flags::SYN));
        self.sent += 1;
        let end = Seq::new(header.seq).plus(len);
        if self.highest.is_some_and(|highest| !end.is_after(highest)) {
            self.resent += 1;
        } else {
            self.highest = Some(end);
        }
    }
}
