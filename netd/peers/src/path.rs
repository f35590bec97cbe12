//! The way between the two ends: a line for each direction, and what is on them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sim::{Line, Random, Weather};
use stack::Instant;

use crate::plan::Side;

/// A frame, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frame {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// The transport checksum is known to be right, or was never filled in.
    pub is_verified: bool,
}

impl Frame {
    /// A frame as it comes from a wire.
    #[must_use]
    pub fn unverified(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            is_verified: false,
        }
    }
}

/// Two lines with frames on them.
pub struct Path {
    lines: [Line; 2],
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Side, Frame)>>,
    /// Frames at the same time arrive in the order they were sent in.
    count: u64,
}

impl Path {
    /// The same weather both ways, with chances of their own.
    #[must_use]
    pub fn new(weather: Weather, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            lines: [(); 2].map(|()| Line::new(weather, random.fork())),
            on_the_way: BinaryHeap::new(),
            count: 0,
        }
    }

    /// This side sends a frame.
    pub fn send(&mut self, from: Side, frame: &Frame, now: Instant) {
        let (line, to) = match from {
            Side::Ours => (0, Side::Theirs),
            Side::Theirs => (1, Side::Ours),
        };
        for (at, bytes) in self.lines[line].carry(&frame.bytes, now) {
            self.count += 1;
            let arriving = Frame { bytes, ..*frame };
            self.on_the_way
                .push(Reverse((at, self.count, to, arriving)));
        }
    }

    /// The next frame that has arrived, and at which side.
    pub fn arrival(&mut self, now: Instant) -> Option<(Side, Frame)> {
        if self.next_arrival()? > now {
            return None;
        }
        let Reverse((_, _, to, frame)) = self.on_the_way.pop()?;
        Some((to, frame))
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.on_the_way.peek().map(|Reverse((at, ..))| *at)
    }

    /// Frames that were sent, both ways together, and how many of them were lost.
    #[must_use]
    pub fn frames(&self) -> (u64, u64) {
        self.lines.iter().fold((0, 0), |(sent, lost), line| {
            (sent + line.sent, lost + line.lost)
        })
    }
}
