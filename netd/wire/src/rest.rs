//! What lies behind the first slice of a packet: a few slices more, or, nearly always, nothing.
//!
//! *Owns*: where bytes of a scattered packet are, up to the length that its header says.
//! *Never*: holds a header: those lie in the first slice, or the packet is short.

use crate::{Sum, checksum};

/// The slices of a packet behind its first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rest<'a> {
    slices: &'a [&'a [u8]],
    len: usize,
}

impl<'a> Rest<'a> {
    /// The packet is in one piece.
    pub const NONE: Self = Self {
        slices: &[],
        len: 0,
    };

    /// All of these.
    #[must_use]
    pub fn new(slices: &'a [&'a [u8]]) -> Self {
        let lens = slices.iter().map(|slice| slice.len());
        let len = lens.fold(0, usize::saturating_add);
        Self { slices, len }
    }

    /// Bytes.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether the packet is in one piece.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Only the first `len` bytes; `None` when there are not so many.
    #[inline]
    #[must_use]
    pub fn first(self, len: usize) -> Option<Self> {
        (len <= self.len).then_some(Self { len, ..self })
    }

    /// The bytes, slice by slice.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut left = self.len;
        self.slices.iter().map_while(move |slice| {
            let slice = slice.get(..left.min(slice.len()))?;
            left = left.saturating_sub(slice.len());
            (!slice.is_empty() || left > 0).then_some(slice)
        })
    }

    /// The sum of the bytes, of which the first lies behind `before` others.
    #[must_use]
    pub fn sum(self, before: usize) -> Sum {
        let mut sum = Sum::ZERO;
        let mut before = before;
        for slice in self.iter() {
            let part = checksum::sum(slice);
            sum = sum.plus(part.behind(before));
            before = before.wrapping_add(slice.len());
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn bytes(rest: Rest<'_>) -> Vec<u8> {
        rest.iter().flatten().copied().collect()
    }

    #[test]
    fn slices_end_where_the_packet_does() {
        let slices: [&[u8]; 4] = [b"abc", b"", b"de", b"fgh"];
        let rest = Rest::new(&slices);
        assert_eq!((rest.len(), bytes(rest)), (8, b"abcdefgh".to_vec()));
        for len in 0..=8 {
            let first = rest.first(len).unwrap();
            assert_eq!(
                (first.len(), bytes(first)),
                (len, b"abcdefgh"[..len].to_vec())
            );
            assert_eq!(first.is_empty(), len == 0);
        }
        assert_eq!(rest.first(9), None);
        assert_eq!(rest.first(4).unwrap().first(5), None);
        assert_eq!(Rest::NONE.first(1), None);
    }

    #[test]
    fn the_sum_is_that_of_all_bytes_in_their_places() {
        let whole: Vec<u8> = (0..200_u8).map(|n| n.wrapping_mul(37)).collect();
        for (first, second) in [(0, 0), (1, 2), (3, 64), (64, 3), (77, 77), (200, 200)] {
            let second = second.max(first);
            let slices = [&whole[first..second], &whole[second..]];
            let sum = checksum::sum(&whole[..first]).plus(Rest::new(&slices).sum(first));
            assert_eq!(sum, checksum::sum(&whole));
        }
    }
}
