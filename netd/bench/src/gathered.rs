//! The wire of a measurement whose devices gather and scatter: frames pass as headers and the places
//! of their payload in the sender's memory, from which the receiver copies.
//!
//! That is what DMA does for a processor: the bytes are in the receiver's frame without anybody
//! having copied them. *Owns* fixed room for so many frames. The places are good for as long as
//! frames are here: memory is its client's again only when the peer has acknowledged it.

use stack::{Gathered, Pieces};

use crate::ours::Arena;

/// Places of a frame at most: sends are longer than segments.
const PIECES: usize = 4;

/// A burst of frames.
pub struct Wire {
    bytes: Box<[u8]>,
    stride: usize,
    frames: Box<[(Pieces, usize)]>,
    count: usize,
    next: usize,
}

/// A frame that has passed.
pub struct Frame<'a> {
    /// Its first slice.
    pub head: &'a [u8],
    slices: [&'a [u8]; PIECES],
    count: usize,
}

impl<'a> Frame<'a> {
    /// Its other slices.
    #[inline]
    pub fn others(&self) -> &[&'a [u8]] {
        &self.slices[..self.count]
    }
}

impl Wire {
    /// Room for `slots` frames whose heads have at most `stride` bytes.
    pub fn new(slots: usize, stride: usize) -> Self {
        Self {
            bytes: vec![0; slots * stride].into(),
            stride,
            frames: vec![(Pieces::new(PIECES), 0); slots].into(),
            count: 0,
            next: 0,
        }
    }

    /// Room for one more frame.
    #[inline]
    pub fn room(&mut self) -> Option<(&mut [u8], &mut Pieces)> {
        let (pieces, _) = self.frames.get_mut(self.count)?;
        let start = self.count * self.stride;
        let bytes = self.bytes.get_mut(start..start + self.stride)?;
        Some((bytes, pieces))
    }

    /// A frame has been written into the room.
    #[inline]
    pub fn filled(&mut self, frame: &Gathered) {
        assert_eq!(frame.tail, 0, "a stream from one arena needs no copies");
        self.frames[self.count].1 = frame.head;
        self.count += 1;
    }

    /// The next frame that has not been taken, of a sender with this memory; when there is none, all
    /// room is free again.
    #[inline]
    pub fn take<'a>(&'a mut self, memory: &'a Arena) -> Option<Frame<'a>> {
        if self.next == self.count {
            (self.count, self.next) = (0, 0);
            return None;
        }
        let (pieces, head) = &self.frames[self.next];
        let start = self.next * self.stride;
        let mut frame = Frame {
            head: &self.bytes[start..start + head],
            slices: [&[]; PIECES],
            count: pieces.ranges().len(),
        };
        for (slice, range) in frame.slices.iter_mut().zip(pieces.ranges()) {
            let len = usize::try_from(range.length).expect("in memory");
            *slice = memory.part(range.offset, len).expect("in the arena");
        }
        self.next += 1;
        Some(frame)
    }
}
