//! Bulk transfers over one bottleneck: connections without hosts, segments without bytes.
//!
//! *Owns* a path and the flows that share it. Only lengths travel, so that seconds at gigabits are
//! simulated in moments: for congestion control, where the bytes do not matter. *Never* checks the
//! protocol: that is the world's, with whole hosts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use stack::Instant;
use tcp::{Algorithm, Connection, Info, Limits, Mss, Seq, Setup, Shared};
use wire::tcp::Header;
use wire::{Ecn, ethernet, ipv4};

use crate::random::Random;

/// A path whose data direction is narrow. Acknowledgements only meet the delay.
#[derive(Clone, Copy, Debug)]
pub struct Bottleneck {
    /// Bits per second.
    pub rate: u64,
    /// Round trip when nothing waits.
    pub round_trip: Duration,
    /// Bytes that wait for the line at most; more are dropped at the tail.
    pub queue: u64,
    /// With so many bytes waiting, packets that allow it are marked instead of made to wait for a
    /// loss (RFC 3168); `None`: never.
    pub mark_above: Option<u64>,
    /// Segments in a million that are lost by chance.
    pub loss: u32,
    /// Segments in a million that are late, and by how much.
    pub late: (u32, Duration),
}

/// Payload of a segment, timestamps not counted.
const MSS: u16 = 1_460;
/// Room at the receiver: never the limit.
const ROOM: u32 = 32 << 20;
/// What the sender keeps queued, what is in flight included.
const QUEUED: u32 = 64 << 20;

/// One end of a flow.
struct End {
    connection: Connection,
    shared: Shared,
}

/// A segment on its way: to which end of which flow.
#[derive(Debug)]
struct Segment {
    flow: usize,
    to: usize,
    header: Header,
    len: u32,
    mark: Ecn,
}

/// Flows over a bottleneck.
pub struct Bulk {
    now: Instant,
    path: Bottleneck,
    random: Random,
    flows: Vec<[End; 2]>,
    /// Arrivals by time and order of departure; where the segment is.
    arrivals: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    segments: Vec<Segment>,
    free: Vec<usize>,
    count: u64,
    /// When the line has sent everything that waits.
    busy_until: Instant,
    lost: u64,
    marked: u64,
}

impl Bulk {
    /// A path on which nothing flows yet.
    #[must_use]
    pub fn new(path: Bottleneck, seed: u64) -> Self {
        let now = Instant::from_secs(1_000);
        Self {
            now,
            path,
            random: Random::new(seed),
            flows: Vec::new(),
            arrivals: BinaryHeap::new(),
            segments: Vec::new(),
            free: Vec::new(),
            count: 0,
            busy_until: now,
            lost: 0,
            marked: 0,
        }
    }

    /// Begins a flow without end. Returns its number.
    pub fn flow(&mut self, algorithm: Algorithm) -> usize {
        let limits = Limits {
            max_window: ROOM,
            busy_parts: 1,
            hole_lists: 1,
            congestion_control: algorithm,
            ..Limits::default()
        };
        let flow = self.flows.len();
        let ends = [0, 1].map(|side| {
            let setup = Setup {
                isn: Seq::new(7 + side),
                mss: Mss::at_least(MSS),
                peer_mss: Mss::DEFAULT_V4,
                timestamps: Some(side),
                sack: true,
                ecn: true,
                tuning: tcp::Tuning::default(),
            };
            let shared = Shared::new(limits);
            // Both connect: the opens cross (RFC 9293 figure 8), and no listener is needed.
            let mut connection = Connection::connect(setup, &shared, self.now);
            connection.give_room(ROOM, self.now);
            End { connection, shared }
        });
        self.flows.push(ends);
        self.settle(flow, 0);
        self.settle(flow, 1);
        flow
    }

    /// The time since the path was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(Instant::from_secs(1_000))
    }

    /// What a flow's sender knows.
    #[must_use]
    pub fn info(&self, flow: usize) -> Info {
        let [sender, _] = &self.flows[flow];
        sender.connection.info(&sender.shared)
    }

    /// Bytes that a flow's receiver got in order.
    #[must_use]
    pub fn received(&self, flow: usize) -> u64 {
        self.flows[flow][1].connection.received()
    }

    /// Segments that the path lost, by chance or because the queue was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Segments that the path marked.
    #[must_use]
    pub fn marked(&self) -> u64 {
        self.marked
    }

    /// Changes the path; what is on it stays as it is.
    pub fn change(&mut self, path: Bottleneck) {
        self.path = path;
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            while let Some(Reverse((at, _, place))) = self.arrivals.peek().copied()
                && at <= self.now
            {
                self.arrivals.pop();
                self.arrive(place);
            }
            self.fire();
        }
        self.now = end;
    }

    fn next_event(&self) -> Option<Instant> {
        let arrival = self.arrivals.peek().map(|Reverse((at, _, _))| *at);
        let ends = self.flows.iter().flatten();
        let deadline = ends
            .filter_map(|end| end.connection.next_deadline(&end.shared))
            .min();
        arrival.into_iter().chain(deadline).min()
    }

    fn fire(&mut self) {
        for flow in 0..self.flows.len() {
            for side in [0, 1] {
                let End { connection, shared } = &mut self.flows[flow][side];
                if connection
                    .next_deadline(shared)
                    .is_some_and(|at| at <= self.now)
                {
                    let outcome = connection.fire(shared, self.now);
                    assert!(!outcome.events.contains(tcp::Events::OVER), "a flow ended");
                    self.settle(flow, side);
                }
            }
        }
    }

    fn arrive(&mut self, place: usize) {
        let Segment {
            flow,
            to,
            header,
            len,
            mark,
        } = self.segments[place];
        self.free.push(place);
        let End { connection, shared } = &mut self.flows[flow][to];
        let outcome = connection.input_marked(shared, &header, len, mark, self.now);
        if outcome.advanced > 0 {
            connection.publish(u64::MAX, self.now);
            let advanced = u32::try_from(outcome.advanced).expect("within the room");
            connection.give_room(advanced, self.now);
        }
        self.settle(flow, to);
    }

    /// Lets an end send what it can.
    fn settle(&mut self, flow: usize, side: usize) {
        if side == 0 {
            let waiting = self.info(flow).send_queue;
            if waiting < u64::from(QUEUED / 2) {
                self.flows[flow][0].connection.queue(QUEUED);
            }
        }
        loop {
            let End { connection, shared } = &mut self.flows[flow][side];
            let Some(emit) = connection.output(shared, 0, self.now) else {
                return;
            };
            self.transmit(Segment {
                flow,
                to: 1 - side,
                header: emit.header,
                len: emit.len,
                mark: emit.ecn,
            });
        }
    }

    fn transmit(&mut self, mut segment: Segment) {
        let mut at = self.now + self.path.round_trip / 2;
        if segment.to == 1 && segment.len > 0 {
            let Some(leaves) = self.squeeze(&mut segment) else {
                self.lost += 1;
                return;
            };
            at = at.max(leaves + self.path.round_trip / 2);
            let (often, by) = self.path.late;
            if self.random.chance(often) {
                at = at + by;
            }
        }
        self.count += 1;
        let place = self.free.pop().unwrap_or(self.segments.len());
        if place == self.segments.len() {
            self.segments.push(segment);
        } else {
            self.segments[place] = segment;
        }
        self.arrivals.push(Reverse((at, self.count, place)));
    }

    /// Through the narrow place: when the last bit has left, unless it is lost.
    fn squeeze(&mut self, segment: &mut Segment) -> Option<Instant> {
        let (path, now) = (self.path, self.now);
        let takes = |bytes: u64| Duration::from_nanos(bytes * 8_000_000_000 / path.rate);
        let waits = self.busy_until.since(now);
        if waits > takes(path.queue) || self.random.chance(path.loss) {
            return None;
        }
        let is_long = path.mark_above.is_some_and(|above| waits > takes(above));
        if is_long && segment.mark == Ecn::Capable0 {
            segment.mark = Ecn::Congested;
            self.marked += 1;
        }
        let headers = ethernet::HEADER_LEN + ipv4::HEADER_LEN + segment.header.header_len();
        let frame = u64::from(segment.len) + headers as u64;
        self.busy_until = self.busy_until.max(now) + takes(frame);
        Some(self.busy_until)
    }
}
