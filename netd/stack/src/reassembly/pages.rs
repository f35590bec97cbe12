//! Memory for parts of packets: pages that a packet gets where its parts lie.
//!
//! *Owns* the pages, allocated once, and which blocks of eight bytes in them are filled. *Never*
//! knows whose a page is.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes of a page.
pub(super) const PAGE: usize = 2_048;
/// Parts of packets begin at multiples of this.
pub(super) const BLOCK: usize = 8;
/// Blocks of a page: four words of bits.
const BLOCKS: usize = PAGE / BLOCK;
const WORDS: usize = BLOCKS / 64;

/// How much of a range is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    None,
    Some,
    All,
}

impl Filled {
    /// Of two ranges together.
    pub(super) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Some }
    }
}

/// The blocks that bytes of a page lie in.
fn blocks(bytes: &Range<usize>) -> Range<usize> {
    bytes.start / BLOCK..bytes.end.div_ceil(BLOCK)
}

/// The bits of a page's word that stand for blocks in a range.
fn bits(word: usize, range: &Range<usize>) -> u64 {
    let within = |block: usize| block.saturating_sub(word * 64).min(64);
    let below = |count: usize| match count {
        64 => u64::MAX,
        count => (1 << count) - 1,
    };
    below(within(range.end)) & !below(within(range.start))
}

/// All pages.
#[derive(Debug)]
pub(super) struct Pages {
    bytes: Vec<u8>,
    filled: Vec<[u64; WORDS]>,
    free: Vec<u16>,
}

impl Pages {
    pub(super) fn new(count: u16) -> Self {
        Self {
            bytes: vec![0; usize::from(count) * PAGE],
            filled: vec![[0; WORDS]; count.into()],
            free: (0..count).rev().collect(),
        }
    }

    /// A page of which nothing is filled.
    pub(super) fn take(&mut self) -> Option<u16> {
        let page = self.free.pop()?;
        if let Some(filled) = self.filled.get_mut(usize::from(page)) {
            *filled = [0; WORDS];
        }
        Some(page)
    }

    pub(super) fn give_back(&mut self, page: u16) {
        self.free.push(page);
    }

    /// How many nobody has.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.free.len()
    }

    pub(super) fn bytes(&self, page: u16) -> &[u8] {
        let start = usize::from(page) * PAGE;
        self.bytes.get(start..start + PAGE).unwrap_or_default()
    }

    fn bytes_mut(&mut self, page: u16) -> &mut [u8] {
        let start = usize::from(page) * PAGE;
        self.bytes.get_mut(start..start + PAGE).unwrap_or_default()
    }

    /// How much of these bytes of a page is filled.
    pub(super) fn state(&self, page: u16, bytes: &Range<usize>) -> Filled {
        let range = blocks(bytes);
        let Some(filled) = self.filled.get(usize::from(page)) else {
            return Filled::None;
        };
        let words = filled.iter().enumerate();
        let (mut wanted, mut found) = (0, 0);
        for (word, filled) in words {
            let bits = bits(word, &range);
            wanted += bits.count_ones();
            found += (bits & filled).count_ones();
        }
        match found {
            0 => Filled::None,
            _ if found == wanted => Filled::All,
            _ => Filled::Some,
        }
    }

    /// Puts bytes at a place in a page, which counts as filled from then on. Gives how many blocks.
    pub(super) fn fill(&mut self, page: u16, at: usize, bytes: &[u8]) -> u32 {
        let place = at..at + bytes.len();
        if let Some(slot) = self.bytes_mut(page).get_mut(place.clone()) {
            slot.copy_from_slice(bytes);
        }
        let range = blocks(&place);
        if let Some(filled) = self.filled.get_mut(usize::from(page)) {
            for (word, filled) in filled.iter_mut().enumerate() {
                *filled |= bits(word, &range);
            }
        }
        u32::try_from(range.len()).unwrap_or(0)
    }

    /// Puts bytes at a place in a page that do not count.
    pub(super) fn note(&mut self, page: u16, at: usize, bytes: &[u8]) {
        if let Some(slot) = self.bytes_mut(page).get_mut(at..at + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_of_blocks_is_told_apart() {
        for start in (0..BLOCKS).step_by(7) {
            for end in start + 1..=BLOCKS {
                let mut pages = Pages::new(1);
                let page = pages.take().unwrap();
                let place = start * BLOCK..end * BLOCK;
                assert_eq!(pages.state(page, &place), Filled::None);
                let count = pages.fill(page, place.start, &vec![1; place.len()]);
                assert_eq!(count as usize, end - start);
                assert_eq!(pages.state(page, &place), Filled::All);
                if start > 0 {
                    let wider = place.start - BLOCK..place.end;
                    assert_eq!(pages.state(page, &wider), Filled::Some);
                    assert_eq!(pages.state(page, &(0..place.start)), Filled::None);
                }
                if end < BLOCKS {
                    let wider = place.start..place.end + 1;
                    assert_eq!(pages.state(page, &wider), Filled::Some);
                    assert_eq!(pages.state(page, &(place.end..PAGE)), Filled::None);
                }
            }
        }
    }

    #[test]
    fn a_page_that_comes_back_is_empty() {
        let mut pages = Pages::new(1);
        let page = pages.take().unwrap();
        assert_eq!(pages.take(), None);
        pages.fill(page, 8, &[7; 3]);
        pages.give_back(page);
        let page = pages.take().unwrap();
        assert_eq!(pages.state(page, &(0..PAGE)), Filled::None);
    }
}
