//! What a peer reports selectively, checked: ranges that have arrived, and bytes that came twice.
//!
//! *Owns* the check of every block of a segment. *Never* lets a block through that speaks of bytes
//! that were not sent; what it refuses is counted. At most four blocks, so the cost is bounded.
//! *Spec*: RFC 2018 section 3, RFC 2883 section 4.

use wire::tcp::{SackBlock, SackBlocks};

use crate::assemble::Range;
use crate::seq::Seq;

/// The reports of one segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports {
    ranges: [Range; SackBlocks::MAX],
    count: usize,
    /// These bytes came twice.
    pub(crate) duplicate: Option<Range>,
    /// So many blocks made no sense.
    pub(crate) odd: u32,
}

/// The send stream as the check needs it: the number of position 0, what the segment acknowledges,
/// SND.NXT, and how far back a duplicate may lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) base: Seq,
    pub(crate) ack: u64,
    pub(crate) nxt: u64,
    pub(crate) max_window: u32,
}

impl Reports {
    /// Checks the blocks of a segment.
    pub(crate) fn check(blocks: &SackBlocks, sent: &Sent) -> Self {
        let mut reports = Self::default();
        let mut blocks = blocks.as_slice().iter();
        let first = blocks.next();
        let second = blocks.as_slice().first();
        if let Some(first) = first {
            reports.take_first(first, second, sent);
        }
        for block in blocks {
            match range(block, sent) {
                Some(range) => reports.push(range),
                None => reports.odd = reports.odd.saturating_add(1),
            }
        }
        reports
    }

    /// RFC 2883 section 4: the first block tells of a duplicate if it lies before what is
    /// acknowledged, or within the second.
    fn take_first(&mut self, first: &SackBlock, second: Option<&SackBlock>, sent: &Sent) {
        let len = first.right.wrapping_sub(first.left);
        let end = Seq::new(first.right).position(sent.base, sent.ack);
        let start = end.saturating_sub(len.into());
        let ack = i64::try_from(sent.ack).unwrap_or(i64::MAX);
        let oldest = ack.saturating_sub(sent.max_window.into());
        if end <= ack && len > 0 && start >= oldest.max(0) {
            self.duplicate = Some(Range {
                start: start.cast_unsigned(),
                end: end.cast_unsigned(),
            });
            return;
        }
        let Some(here) = range(first, sent) else {
            self.odd = self.odd.saturating_add(1);
            return;
        };
        let around = second.and_then(|block| range(block, sent));
        if around.is_some_and(|around| around.start <= here.start && here.end <= around.end) {
            self.duplicate = Some(here);
        } else {
            self.push(here);
        }
    }

    fn push(&mut self, range: Range) {
        if let Some(place) = self.ranges.get_mut(self.count) {
            *place = range;
            self.count = self.count.saturating_add(1);
        }
    }

    /// The ranges that have arrived: each lies between what is acknowledged and SND.NXT.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range> + '_ {
        self.ranges.iter().take(self.count).copied()
    }

    /// Whether nothing is reported.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0 && self.duplicate.is_none()
    }
}

/// The range of a block that speaks of bytes in flight.
fn range(block: &SackBlock, sent: &Sent) -> Option<Range> {
    let position = |number| Seq::new(number).position(sent.base, sent.ack);
    let start = u64::try_from(position(block.left)).ok()?;
    let end = u64::try_from(position(block.right)).ok()?;
    let is_sound = sent.ack <= start && start < end && end <= sent.nxt;
    is_sound.then_some(Range { start, end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SENT: Sent = Sent {
        base: Seq::new(u32::MAX - 1_000),
        ack: 2_000,
        nxt: 9_000,
        max_window: 1_500,
    };

    fn check(blocks: &[(u32, u32)]) -> (Vec<(u64, u64)>, u64, u32) {
        let number = |position: u32| SENT.base.plus(position).get();
        let blocks = blocks.iter().map(|(left, right)| SackBlock {
            left: number(*left),
            right: number(*right),
        });
        let reports = Reports::check(&blocks.collect(), &SENT);
        let ranges = reports.ranges().map(|range| (range.start, range.end));
        let duplicate = reports.duplicate.map_or(0, |twice| twice.end - twice.start);
        (ranges.collect(), duplicate, reports.odd)
    }

    #[test]
    fn ranges_in_flight_are_taken() {
        assert_eq!(
            check(&[(4_000, 5_000), (2_000, 2_001), (8_000, 9_000)]),
            (vec![(4_000, 5_000), (2_000, 2_001), (8_000, 9_000)], 0, 0)
        );
    }

    #[test]
    fn duplicates_come_first() {
        // Below the acknowledgement; within the second block; and not: overlapping it.
        assert_eq!(check(&[(1_000, 2_000)]), (vec![], 1_000, 0));
        assert_eq!(
            check(&[(4_000, 4_500), (4_000, 6_000)]),
            (vec![(4_000, 6_000)], 500, 0)
        );
        assert_eq!(
            check(&[(3_000, 4_500), (4_000, 6_000)]),
            (vec![(3_000, 4_500), (4_000, 6_000)], 0, 0)
        );
    }

    #[test]
    fn nonsense_is_counted() {
        for block in [
            (5_000, 4_000),
            (5_000, 5_000),
            (8_000, 9_001),
            (1_000, 3_000),
            (0, 100),
            (5_000, 5_000 + (1 << 31)),
            (9_000, 2_000),
        ] {
            assert_eq!(check(&[block]), (vec![], 0, 1), "{block:?}");
            assert_eq!(
                check(&[(4_000, 5_000), block]),
                (vec![(4_000, 5_000)], 0, 1),
                "{block:?}"
            );
        }
        // Below the acknowledgement, but not first.
        assert_eq!(
            check(&[(4_000, 5_000), (1_000, 2_000)]),
            (vec![(4_000, 5_000)], 0, 1)
        );
    }

    proptest! {
        #[test]
        fn what_passes_was_sent(blocks in prop::collection::vec(any::<(u32, u32)>(), 0..5)) {
            let (ranges, duplicate, odd) = check(&blocks);
            prop_assert!(ranges.len() + odd as usize <= blocks.len().min(4));
            prop_assert!(duplicate <= u64::from(SENT.max_window).max(7_000));
            for (start, end) in ranges {
                prop_assert!(2_000 <= start && start < end && end <= 9_000);
            }
        }
    }
}
