//! Frames that pass from one end to the other together: the wire of a measurement.
//!
//! *Owns* fixed room for so many frames. Nothing is allocated for a frame, and a burst changes
//! hands whole.

/// A burst of frames.
pub struct Burst {
    bytes: Box<[u8]>,
    lens: Box<[usize]>,
    stride: usize,
    count: usize,
    next: usize,
}

impl Burst {
    /// Room for `slots` frames of at most `stride` bytes.
    pub fn new(slots: usize, stride: usize) -> Self {
        Self {
            bytes: vec![0; slots * stride].into(),
            lens: vec![0; slots].into(),
            stride,
            count: 0,
            next: 0,
        }
    }

    /// Room for one more frame.
    #[inline]
    pub fn room(&mut self) -> Option<&mut [u8]> {
        if self.count == self.lens.len() {
            return None;
        }
        let start = self.count * self.stride;
        self.bytes.get_mut(start..start + self.stride)
    }

    /// A frame has been written into the room.
    #[inline]
    pub fn filled(&mut self, len: usize) {
        self.lens[self.count] = len;
        self.count += 1;
    }

    /// Whether there is a frame that has not been taken.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.next < self.count
    }

    /// The next frame that has not been taken; when there is none, all room is free again.
    #[inline]
    pub fn take(&mut self) -> Option<&[u8]> {
        if !self.is_waiting() {
            self.clear();
            return None;
        }
        let (start, len) = (self.next * self.stride, self.lens[self.next]);
        self.next += 1;
        self.bytes.get(start..start + len)
    }

    /// Frames in it.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Throws all frames away.
    pub fn clear(&mut self) {
        (self.count, self.next) = (0, 0);
    }
}
