//! Physical frames, by the buddy system.
//!
//! *Owns* all RAM that the kernel manages. Memory is handed out in runs of a power of two of
//! frames; large requests are cut into few runs, so that an object of any size is described by a
//! short list.

use super::{PAGE, Physical, heap};
use alloc::vec::Vec;
use buddy_system_allocator::FrameAllocator;

/// Blocks of up to 2^20 frames (4 GiB).
const ORDERS: usize = 21;

/// Consecutive frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Address of the first.
    pub start: Physical,
    /// How many.
    pub frames: usize,
}

/// The allocator.
pub struct Frames {
    buddies: FrameAllocator<ORDERS>,
    total: usize,
    free: usize,
    /// Runs in use; each may need a node in the buddies' free lists one day.
    runs: usize,
}

impl Frames {
    /// Nothing to give yet.
    pub const fn new() -> Self {
        Self {
            buddies: FrameAllocator::new(),
            total: 0,
            free: 0,
            runs: 0,
        }
    }

    /// Takes over the whole frames within `start..end`.
    pub fn add(&mut self, start: Physical, end: Physical) {
        let first = (start as usize).div_ceil(PAGE);
        let last = end as usize / PAGE;
        if first < last {
            self.buddies.add_frame(first, last);
            self.total += last - first;
            self.free += last - first;
        }
    }

    /// Counts RAM that is in use for ever (kernel image, heap) into the total.
    pub fn add_reserved(&mut self, bytes: u64) {
        self.total += bytes as usize / PAGE;
    }

    /// Frames managed.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Frames free.
    pub const fn free(&self) -> usize {
        self.free
    }

    /// Runs in use.
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// One frame, not cleared.
    pub fn allocate(&mut self) -> Option<Physical> {
        self.take(1).map(|run| run.start)
    }

    /// One cleared frame.
    pub fn allocate_zeroed(&mut self) -> Option<Physical> {
        let frame = self.allocate()?;
        super::physical::zero(frame, 1);
        Some(frame)
    }

    /// Gives back a frame of `allocate`.
    pub fn release(&mut self, frame: Physical) {
        self.give(Run {
            start: frame,
            frames: 1,
        });
    }

    /// `count` cleared frames in as few runs as there are, or in one if they must be `contiguous`.
    pub fn allocate_runs(&mut self, count: usize, contiguous: bool) -> Option<Vec<Run>> {
        if count > self.free {
            return None;
        }
        let mut runs = Vec::new();
        if contiguous {
            runs.push(self.take_contiguous(count)?);
        } else {
            let mut left = count;
            let mut largest = 1 << (ORDERS - 1);
            while left > 0 {
                let size = prev_power_of_two(left).min(largest);
                let grows = runs.len() == runs.capacity();
                if grows && !heap::has_room(2 * runs.len() * size_of::<Run>() + 256, self.runs) {
                    self.release_runs(&runs);
                    return None;
                }
                match self.take(size) {
                    Some(run) => {
                        left -= size;
                        runs.push(run);
                    }
                    None if size > 1 => largest = size / 2,
                    None => {
                        self.release_runs(&runs);
                        return None;
                    }
                }
            }
        }
        for run in &runs {
            super::physical::zero(run.start, run.frames);
        }
        Some(runs)
    }

    /// Gives back the runs of `allocate_runs`.
    pub fn release_runs(&mut self, runs: &[Run]) {
        for run in runs {
            let mut at = run.start;
            let mut left = run.frames;
            // A contiguous run of any length goes back in the powers of two it was cut to.
            while left > 0 {
                let size = prev_power_of_two(left);
                self.give(Run {
                    start: at,
                    frames: size,
                });
                at += (size * PAGE) as u64;
                left -= size;
            }
        }
    }

    /// One run of exactly `count` frames: a power of two, its tail given back.
    fn take_contiguous(&mut self, count: usize) -> Option<Run> {
        let size = count.checked_next_power_of_two()?;
        let run = self.take(size)?;
        // The kept part counts as the pieces in which it will come back.
        self.runs += count.count_ones() as usize - 1;
        let mut at = count;
        while at < size {
            let piece = 1 << at.trailing_zeros();
            self.buddies.dealloc(run.start as usize / PAGE + at, piece);
            self.free += piece;
            at += piece;
        }
        Some(Run {
            start: run.start,
            frames: count,
        })
    }

    /// A run of `size` frames, a power of two.
    fn take(&mut self, size: usize) -> Option<Run> {
        if size > 1 << (ORDERS - 1) {
            return None;
        }
        let first = self.buddies.alloc(size)?;
        self.free -= size;
        self.runs += 1;
        Some(Run {
            start: (first * PAGE) as u64,
            frames: size,
        })
    }

    fn give(&mut self, run: Run) {
        self.buddies.dealloc(run.start as usize / PAGE, run.frames);
        self.free += run.frames;
        self.runs = self.runs.saturating_sub(1);
    }
}

/// The largest power of two not above `number`, which is not zero.
const fn prev_power_of_two(number: usize) -> usize {
    1 << (usize::BITS - 1 - number.leading_zeros())
}
