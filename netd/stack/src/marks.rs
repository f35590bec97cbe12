//! Which of a few are marked: a bit for each index.
//!
//! *Owns* the bits. Marked again is marked once. *Never* allocates after construction, and knows no order but that
//! of the indices: it is for those who are asked all in one go, however many are marked.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bits of a word.
const BITS: u32 = u64::BITS;
/// No word.
const NONE: Range<usize> = Range {
    start: usize::MAX,
    end: 0,
};

/// Marks of the indices below a limit.
#[derive(Debug)]
pub(crate) struct Marks {
    words: Vec<u64>,
    /// The words that may have some.
    marked: Range<usize>,
}

impl Marks {
    /// None of so many indices is marked.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            words: vec![0; limit.div_ceil(BITS as usize)],
            marked: NONE,
        }
    }

    /// The word of an index that is in range, and its bit.
    #[inline]
    fn place(&mut self, index: u32) -> Option<(&mut u64, u64)> {
        let word = self.words.get_mut((index / BITS) as usize)?;
        Some((word, 1 << (index % BITS)))
    }

    /// Marks an index.
    #[inline]
    pub(crate) fn mark(&mut self, index: u32) {
        if let Some((word, bit)) = self.place(index) {
            *word |= bit;
            let at = (index / BITS) as usize;
            self.marked.start = self.marked.start.min(at);
            self.marked.end = self.marked.end.max(at + 1);
        }
    }

    /// Takes the mark of an index, if it has one.
    #[inline]
    pub(crate) fn clear(&mut self, index: u32) {
        if let Some((word, bit)) = self.place(index) {
            *word &= !bit;
        }
    }

    /// The words that have all marks: who asks takes them out, one by one.
    #[inline]
    pub(crate) fn marked(&mut self) -> Range<usize> {
        core::mem::replace(&mut self.marked, NONE)
    }

    /// Takes all marks of a word.
    #[inline]
    pub(crate) fn take(&mut self, word: usize) -> Marked {
        let bits = self.words.get_mut(word).map_or(0, core::mem::take);
        let first = u32::try_from(word).unwrap_or(0).saturating_mul(BITS);
        Marked { bits, first }
    }
}

/// Indices that were marked, the least first.
#[derive(Debug)]
pub(crate) struct Marked {
    bits: u64,
    /// The index of the lowest bit.
    first: u32,
}

impl Iterator for Marked {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.bits == 0 {
            return None;
        }
        let lowest = self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        Some(self.first + lowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn taken(marks: &mut Marks) -> Vec<u32> {
        marks.marked().flat_map(|word| marks.take(word)).collect()
    }

    #[test]
    fn marks_are_taken_in_order_and_once() {
        let mut marks = Marks::new(130);
        assert_eq!(taken(&mut marks), []);
        for index in [129, 0, 64, 63, 64, 65] {
            marks.mark(index);
        }
        marks.clear(65);
        marks.clear(1);
        assert_eq!(taken(&mut marks), [0, 63, 64, 129]);
        assert_eq!(taken(&mut marks), []);
    }

    #[test]
    fn what_is_out_of_range_is_ignored() {
        let mut marks = Marks::new(0);
        marks.mark(0);
        marks.clear(0);
        assert_eq!(
            (taken(&mut marks), marks.take(0).next()),
            (Vec::new(), None)
        );
    }
}
