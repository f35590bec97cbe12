//! Who uses which part of the arena.
//!
//! *Owns* a map of units of 1 KiB. A block is a run of units. First fit from a rover, so that
//! blocks of one connection lie close together and a search rarely starts among long-lived ones.

use alloc::vec;
use alloc::vec::Vec;

use protocol::Range;

/// Bytes of a unit.
pub const UNIT: u32 = 1024;

/// The arena's units.
pub struct Blocks {
    used: Vec<bool>,
    rover: usize,
    free: usize,
}

impl Blocks {
    /// All of an arena of `bytes` bytes, free.
    pub fn new(bytes: usize) -> Self {
        let units = bytes / UNIT as usize;
        Self {
            used: vec![false; units],
            rover: 0,
            free: units,
        }
    }

    /// A block of at least `bytes` bytes; `None` when no run is long enough.
    pub fn take(&mut self, bytes: u32) -> Option<Range> {
        let units = bytes.div_ceil(UNIT).max(1);
        let count = units as usize;
        if count > self.free {
            return None;
        }
        let wrapped = self.used.len().min(self.rover.saturating_add(count));
        let start = self
            .find(self.rover, self.used.len(), count)
            .or_else(|| self.find(0, wrapped, count))?;
        self.used.get_mut(start..start + count)?.fill(true);
        self.rover = start + count;
        self.free -= count;
        let offset = start as u64 * u64::from(UNIT);
        Some(Range {
            offset,
            length: units * UNIT,
        })
    }

    /// As [`Self::take`], for bytes to come: leaves a part of the arena to bytes to go, so that a
    /// program whose peers are all slow readers or fast senders can still answer.
    pub fn take_room(&mut self, bytes: u32) -> Option<Range> {
        let count = bytes.div_ceil(UNIT).max(1) as usize;
        (self.free >= self.reserve() + count).then(|| self.take(bytes))?
    }

    /// Units that rooms leave alone.
    const fn reserve(&self) -> usize {
        self.used.len() / 8
    }

    /// Bytes that rooms leave alone.
    pub const fn reserved_bytes(&self) -> usize {
        self.reserve() * UNIT as usize
    }

    /// Bytes that rooms may still take.
    pub const fn spare_bytes(&self) -> usize {
        self.free.saturating_sub(self.reserve()) * UNIT as usize
    }

    /// Gives a block back that [`Self::take`] returned.
    pub fn give(&mut self, block: Range) {
        let count = (block.length / UNIT) as usize;
        let Ok(start) = usize::try_from(block.offset / u64::from(UNIT)) else {
            return;
        };
        let Some(run) = self.used.get_mut(start..start.saturating_add(count)) else {
            return;
        };
        debug_assert!(run.iter().all(|used| *used), "a block is given back once");
        run.fill(false);
        self.free += count;
    }

    /// Bytes that nobody uses.
    pub const fn free_bytes(&self) -> usize {
        self.free * UNIT as usize
    }

    /// The start of the first free run of `count` units within `from..to`.
    fn find(&self, from: usize, to: usize, count: usize) -> Option<usize> {
        let mut start = from;
        while start.checked_add(count)? <= to {
            let run = self.used.get(start..start + count)?;
            // Of long runs most are free: that is seen many units at a time.
            if !run.contains(&true) {
                return Some(start);
            }
            start += run.iter().rposition(|used| *used)? + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_overlap_and_all_come_back() {
        let mut blocks = Blocks::new(64 * 1024);
        let mut held: Vec<Range> = Vec::new();
        let mut seed = 7u32;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed & 0x8000 == 0 && !held.is_empty() {
                let index = seed as usize % held.len();
                blocks.give(held.swap_remove(index));
            } else if let Some(block) = blocks.take(seed % 9_000) {
                let end = block.offset + u64::from(block.length);
                assert!(end <= 64 * 1024 && block.length >= seed % 9_000);
                for other in &held {
                    let other_end = other.offset + u64::from(other.length);
                    assert!(end <= other.offset || other_end <= block.offset);
                }
                held.push(block);
            }
        }
        for block in held {
            blocks.give(block);
        }
        assert_eq!(blocks.free_bytes(), 64 * 1024);
        assert!(blocks.take(64 * 1024).is_some());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut blocks = Blocks::new(4096);
        assert_eq!(blocks.take(4097), None);
        assert_eq!(blocks.take(u32::MAX), None);
        let all = blocks.take(4096).unwrap();
        assert_eq!(blocks.take(1), None);
        blocks.give(all);
        assert!(blocks.take(1).is_some());
    }

    #[test]
    fn rooms_leave_something_to_sends() {
        let mut blocks = Blocks::new(64 * 1024);
        let mut rooms = Vec::new();
        while let Some(room) = blocks.take_room(4096) {
            rooms.push(room);
        }
        assert_eq!(blocks.free_bytes(), 8 * 1024);
        assert!(blocks.take(4096).is_some());
    }

    #[test]
    fn a_run_across_the_rover_is_found() {
        let mut blocks = Blocks::new(8 * 1024);
        let (a, b) = (
            blocks.take(3 * 1024).unwrap(),
            blocks.take(3 * 1024).unwrap(),
        );
        blocks.give(a);
        blocks.give(b);
        assert_eq!(blocks.take(8 * 1024).map(|block| block.offset), Some(0));
    }
}
