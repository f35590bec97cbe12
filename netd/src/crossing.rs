//! Frames that came to one loop and belong to another: handed over by a ring.
//!
//! *Owns* the buffers on their way, which go round: each ring has as many as it has places, so a loop
//! that does not keep up costs no memory; what finds none is dropped and counted. *Never* looks at a
//! frame but to steer it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ring::{Giver, Taker, handover};
use stack::{ReceiveMeta, Steered, Steering};

/// Bytes of a buffer: a usual frame, or a part of a large one. All headers fit the first.
const PART: usize = 2048;
const _: () = assert!(PART >= device::FIRST_PIECE);
/// Buffers from one loop to another.
const PARTS: usize = 128;
/// Parts of the longest frame.
const MOST: usize = device::LONGEST_FRAME.div_ceil(PART);
const _: () = assert!(MOST <= PARTS);

type Buffer = Box<[u8; PART]>;

/// A buffer on its way.
struct Parcel {
    bytes: Buffer,
    length: usize,
    is_last: bool,
    meta: ReceiveMeta,
}

/// To one other loop.
struct Outgoing {
    full: Giver<Parcel>,
    spare: Taker<Buffer>,
    stock: Vec<Buffer>,
}

/// From one other loop.
struct Incoming {
    full: Taker<Parcel>,
    spare: Giver<Buffer>,
    /// The parts of a frame that is not complete.
    held: Vec<Parcel>,
}

/// Tells a loop, by its number, that it has been given something.
pub type Wake = Arc<dyn Fn(usize) + Send + Sync>;

/// One loop's part.
pub struct Crossing {
    steering: Steering,
    own: u16,
    /// By the other's number; none to itself.
    outgoing: Vec<Option<Outgoing>>,
    incoming: Vec<Incoming>,
    /// Whom something was given since they were told.
    untold: u64,
    wake: Wake,
    /// Frames given to others, and those for which there was no buffer.
    pub given: u64,
    pub dropped: u64,
}

/// The parts of so many loops, in order, between which frames are dealt out by `steering`.
pub fn crossings(steering: Steering, count: u16, wake: &Wake) -> Vec<Crossing> {
    let mut all: Vec<_> = (0..count)
        .map(|own| Crossing {
            steering,
            own,
            outgoing: Vec::with_capacity(count.into()),
            incoming: Vec::with_capacity(count.into()),
            untold: 0,
            wake: Arc::clone(wake),
            given: 0,
            dropped: 0,
        })
        .collect();
    for from in 0..usize::from(count) {
        for to in 0..usize::from(count) {
            let both = (from != to).then(way);
            let (outgoing, incoming) = both.unzip();
            if let Some(crossing) = all.get_mut(from) {
                crossing.outgoing.push(outgoing);
            }
            if let Some(crossing) = all.get_mut(to) {
                crossing.incoming.extend(incoming);
            }
        }
    }
    all
}

/// Both ends of the way from one loop to another.
fn way() -> (Outgoing, Incoming) {
    let (giver, full) = handover(PARTS);
    let (spare, taker) = handover(PARTS);
    let outgoing = Outgoing {
        full: giver,
        spare: taker,
        stock: (0..PARTS).map(|_| Box::new([0; PART])).collect(),
    };
    let incoming = Incoming {
        full,
        spare,
        held: Vec::with_capacity(MOST),
    };
    (outgoing, incoming)
}

impl Outgoing {
    /// Copies a frame into buffers and gives them. Whether there were enough.
    fn give(&mut self, frame: &[u8], rest: &[&[u8]], meta: ReceiveMeta) -> bool {
        let length = rest
            .iter()
            .fold(frame.len(), |sum, piece| sum + piece.len());
        let count = length.div_ceil(PART);
        while self.stock.len() < count
            && let Some(buffer) = self.spare.take()
        {
            self.stock.push(buffer);
        }
        if count > MOST || self.stock.len() < count {
            return false;
        }
        let (mut pieces, mut piece) = (rest.iter(), frame);
        for number in 1..=count {
            let Some(mut bytes) = self.stock.pop() else {
                return false;
            };
            let mut filled = 0;
            while let Some(free) = bytes.get_mut(filled..).filter(|free| !free.is_empty()) {
                if piece.is_empty() {
                    let Some(next) = pieces.next() else { break };
                    piece = next;
                }
                let some = free.len().min(piece.len());
                if let (Some(to), Some((from, left))) =
                    (free.get_mut(..some), piece.split_at_checked(some))
                {
                    to.copy_from_slice(from);
                    piece = left;
                }
                filled += some;
            }
            let parcel = Parcel {
                bytes,
                length: filled,
                is_last: number == count,
                meta,
            };
            if let Err(back) = self.full.give(parcel) {
                // There are no more buffers than places.
                self.stock.push(back.bytes);
                return false;
            }
        }
        true
    }
}

impl Incoming {
    /// The next frame that is complete.
    fn take(&mut self, visit: &mut impl FnMut(&[u8], &[&[u8]], ReceiveMeta)) -> bool {
        loop {
            let Some(parcel) = self.full.take() else {
                return false;
            };
            let is_last = parcel.is_last || self.held.len() >= MOST;
            self.held.push(parcel);
            if is_last {
                break;
            }
        }
        let mut pieces: [&[u8]; MOST] = [&[]; MOST];
        for (piece, parcel) in pieces.iter_mut().zip(&self.held) {
            *piece = parcel.bytes.get(..parcel.length).unwrap_or_default();
        }
        let pieces = pieces.get(..self.held.len()).unwrap_or_default();
        if let (Some((frame, rest)), Some(parcel)) = (pieces.split_first(), self.held.first()) {
            visit(frame, rest, parcel.meta);
        }
        for parcel in self.held.drain(..) {
            // As many places as buffers; one that did not fit would be freed.
            self.spare.give(parcel.bytes).ok();
        }
        true
    }
}

impl Crossing {
    /// Hands a received frame on if it is for others. Whether it is for this loop, too.
    pub fn keeps(&mut self, frame: &[u8], rest: &[&[u8]], meta: ReceiveMeta) -> bool {
        match self.steering.frame(frame) {
            Steered::Shard(shard) if shard == self.own => true,
            Steered::Shard(shard) => {
                self.give(shard.into(), frame, rest, meta);
                false
            }
            Steered::Every => {
                for other in 0..self.outgoing.len() {
                    self.give(other, frame, rest, meta);
                }
                true
            }
        }
    }

    fn give(&mut self, other: usize, frame: &[u8], rest: &[&[u8]], meta: ReceiveMeta) {
        let Some(Some(outgoing)) = self.outgoing.get_mut(other) else {
            return;
        };
        if outgoing.give(frame, rest, meta) {
            self.given += 1;
            self.untold |= 1 << other;
        } else {
            self.dropped += 1;
        }
    }

    /// Wakes those who were given something.
    pub fn tell(&mut self) {
        let untold = core::mem::take(&mut self.untold);
        for other in 0..self.outgoing.len() {
            if untold & (1 << other) != 0 {
                (self.wake)(other);
            }
        }
    }

    /// Whether others have given something.
    pub fn has_frames(&mut self) -> bool {
        self.incoming.iter_mut().any(|it| !it.full.is_empty())
    }

    /// Shows at most so many frames of each of the others. How many there were.
    pub fn take(
        &mut self,
        budget: usize,
        mut visit: impl FnMut(&[u8], &[&[u8]], ReceiveMeta),
    ) -> usize {
        let mut frames = 0;
        for incoming in &mut self.incoming {
            let mut left = budget;
            while left > 0 && incoming.take(&mut visit) {
                left -= 1;
            }
            frames += budget - left;
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::num::NonZeroU16;
    use std::sync::Mutex;
    use std::vec;

    const META: ReceiveMeta = ReceiveMeta {
        checksum_verified: true,
        is_joined: false,
    };

    /// Two loops, and who was woken.
    fn two() -> (Crossing, Crossing, Arc<Mutex<Vec<usize>>>) {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&woken);
        let wake: Wake = Arc::new(move |other| log.lock().unwrap().push(other));
        let steering = Steering::new(NonZeroU16::new(2).unwrap(), 0x1234_5678_9abc_def1)
            .with_datagrams_first();
        let mut both = crossings(steering, 2, &wake);
        let second = both.pop().unwrap();
        (both.pop().unwrap(), second, woken)
    }

    /// A segment from this port to port 80, of so many bytes.
    fn segment(port: u16, length: usize) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        let total = u16::try_from(length - 14).unwrap();
        frame.extend(total.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
        frame.extend(port.to_be_bytes());
        frame.extend(80_u16.to_be_bytes());
        frame.extend((frame.len()..length).map(|at| at.to_le_bytes()[0]));
        frame
    }

    /// A port whose segments are for the second loop.
    fn foreign(first: &Crossing) -> u16 {
        (1..)
            .find(|port| first.steering.frame(&segment(*port, 100)) == Steered::Shard(1))
            .unwrap()
    }

    fn taken(crossing: &mut Crossing) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        crossing.take(64, |frame, rest, meta| {
            assert_eq!(meta, META);
            frames.push([&[frame], rest].concat().concat());
        });
        frames
    }

    #[test]
    fn a_frame_of_the_other_changes_hands_whole_whatever_its_length() {
        let (mut first, mut second, woken) = two();
        let port = foreign(&first);
        for length in [54, 100, 1514, 2047, 2048, 2049, 4096, 65_549] {
            let frame = segment(port, length);
            assert!(!first.keeps(&frame, &[], META));
            // The same in pieces.
            let (head, rest) = frame.split_at(length.min(1024));
            let (some, others) = rest.split_at(rest.len() / 3);
            assert!(!first.keeps(head, &[some, &[], others], META));
            assert!(second.has_frames());
            first.tell();
            first.tell();
            assert_eq!(core::mem::take(&mut *woken.lock().unwrap()), [1]);
            assert_eq!(taken(&mut second), [frame.clone(), frame.clone()]);
            assert!(!second.has_frames() && taken(&mut second).is_empty());
            // Its own stays with the second.
            assert!(second.keeps(&frame, &[], META));
        }
        assert_eq!((first.given, first.dropped), (16, 0));
        assert!(!first.has_frames());
    }

    #[test]
    fn who_does_not_keep_up_loses_frames_and_nothing_else() {
        let (mut first, mut second, _) = two();
        let frame = segment(foreign(&first), 1514);
        for _ in 0..PARTS + 30 {
            assert!(!first.keeps(&frame, &[], META));
        }
        assert_eq!((first.given, first.dropped), (PARTS as u64, 30));
        let mut frames = 0;
        while !taken(&mut second).is_empty() {
            frames += 64;
        }
        assert_eq!(frames, PARTS);
        for _ in 0..PARTS {
            assert!(!first.keeps(&frame, &[], META));
        }
        assert_eq!(first.dropped, 30);
    }

    #[test]
    fn what_neighbours_say_is_for_all() {
        let (mut first, mut second, _) = two();
        let mut arp = vec![0xff; 6];
        arp.extend([2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
        arp.resize(60, 0);
        assert!(second.keeps(&arp, &[], META));
        assert_eq!(taken(&mut first), [arp]);
        assert!(
            first.keeps(&[0; 60], &[], META),
            "rubbish is the first one's"
        );
        assert!(!second.keeps(&[0; 60], &[], META));
    }
}
