//! Bytes that came out of order: which ranges of the stream, beyond what is in order, are there.
//!
//! *Owns* [`Ranges`], one connection's list, borrowed from a pool while there is something in it.
//! *Never* holds bytes: they already lie in the user's room. *Invariants*: ranges are sorted, not
//! empty, and neither overlap nor touch; a list is bounded by [`Ranges::CAPACITY`], whatever a
//! peer sends.
//! *Spec*: RFC 9293 section 3.10.7.4 (a receiver may hold segments that arrive early), RFC 2018
//! section 4 (which ranges to report first).

use crate::pool::Part;

/// A half-open range of stream positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// There is no place for one more separate range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyRanges;

/// A bounded, sorted set of ranges, and the place of a FIN that came early.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    list: [Range; Self::CAPACITY],
    len: usize,
    fin: Option<u64>,
    /// The timestamp of the last bytes before the holes, and where these bytes ended.
    before: (u32, u64),
    /// Where the ranges that grew last begin, the latest first.
    recent: [Option<u64>; Self::RECENT],
}

impl Ranges {
    /// How many separate ranges one connection can hold.
    pub(crate) const CAPACITY: usize = 512;
    /// How many ranges are remembered as recent: more than one segment can report.
    const RECENT: usize = 4;

    const EMPTY: Self = Self {
        list: [Range { start: 0, end: 0 }; Self::CAPACITY],
        len: 0,
        fin: None,
        before: (0, 0),
        recent: [None; Self::RECENT],
    };

    /// How many bytes of the stream the timestamp from before the holes is good for.
    const STAMP_SPAN: u64 = 1 << 30;

    /// Notes the timestamp of what is in order up to `position`, unless one is known that is still
    /// good: what is missing behind was not sent earlier.
    pub(crate) fn note_stamp(&mut self, stamp: u32, position: u64) {
        if self.is_empty() || self.stamp_before(position).is_none() {
            self.before = (stamp, position);
        }
    }

    /// A timestamp that is not younger than any of what is missing, with everything in order up to
    /// `position`.
    pub(crate) fn stamp_before(&self, position: u64) -> Option<u32> {
        let (stamp, noted_at) = self.before;
        (position.saturating_sub(noted_at) <= Self::STAMP_SPAN).then_some(stamp)
    }

    /// The ranges, in order.
    pub(crate) fn as_slice(&self) -> &[Range] {
        self.list.get(..self.len).unwrap_or(&[])
    }

    /// Adds `start..end`, joining what overlaps or touches. On failure nothing has changed.
    pub(crate) fn insert(&mut self, start: u64, end: u64) -> Result<(), TooManyRanges> {
        if start >= end {
            return Ok(());
        }
        let held = self.as_slice();
        // Ranges that end before `start` stay in front; those that start after `end` stay behind;
        // those between are joined with the new one.
        let front = held.partition_point(|range| range.end < start);
        let behind = held.partition_point(|range| range.start <= end);
        let joined = held.get(front..behind).unwrap_or(&[]);
        let merged = Range {
            start: joined.first().map_or(start, |first| first.start.min(start)),
            end: joined.last().map_or(end, |last| last.end.max(end)),
        };
        let removed = joined.len();
        let new_len = self.len.saturating_sub(removed).saturating_add(1);
        if new_len > Self::CAPACITY {
            return Err(TooManyRanges);
        }
        self.list
            .copy_within(behind..self.len, front.saturating_add(1));
        if let Some(place) = self.list.get_mut(front) {
            *place = merged;
        }
        self.len = new_len;
        self.note_recent(merged);
        Ok(())
    }

    fn note_recent(&mut self, grown: Range) {
        let before = self.recent;
        let others = before.into_iter().flatten();
        let others = others.filter(|start| !(grown.start..grown.end).contains(start));
        let starts = core::iter::once(grown.start).chain(others).map(Some);
        for (place, start) in self
            .recent
            .iter_mut()
            .zip(starts.chain(core::iter::repeat(None)))
        {
            *place = start;
        }
    }

    /// The ranges that grew last, the latest first (RFC 2018 section 4: those to report).
    pub(crate) fn recent(&self) -> impl Iterator<Item = Range> + '_ {
        let starts = self.recent.iter().flatten();
        starts.filter_map(|start| self.range_at(*start))
    }

    /// The first part of `start..end` that is held already.
    pub(crate) fn overlap(&self, start: u64, end: u64) -> Option<Range> {
        let place = self.as_slice().partition_point(|range| range.end <= start);
        let range = self
            .as_slice()
            .get(place)
            .filter(|range| range.start < end)?;
        Some(Range {
            start: range.start.max(start),
            end: range.end.min(end),
        })
    }

    fn range_at(&self, position: u64) -> Option<Range> {
        let place = self
            .as_slice()
            .partition_point(|range| range.end <= position);
        let range = self.as_slice().get(place).copied();
        range.filter(|range| range.start <= position)
    }

    /// Removes everything that `position` has reached and returns how far the bytes in order go
    /// now: `position` itself, or the end of the range that contains or touches it.
    pub(crate) fn advance(&mut self, position: u64) -> u64 {
        let reached = self
            .as_slice()
            .partition_point(|range| range.start <= position);
        let furthest = self.as_slice().get(..reached).and_then(<[Range]>::last);
        let position = furthest.map_or(position, |range| range.end.max(position));
        self.list.copy_within(reached..self.len, 0);
        self.len = self.len.saturating_sub(reached);
        position
    }

    /// Notes that the stream ends at `position`.
    pub(crate) fn note_fin(&mut self, position: u64) {
        self.fin = Some(position);
    }

    /// Where the stream ends, if a FIN came early.
    pub(crate) fn fin(&self) -> Option<u64> {
        self.fin
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.fin.is_none()
    }
}

impl Part for Ranges {
    fn new() -> Self {
        Self::EMPTY
    }

    fn clear(&mut self) {
        self.len = 0;
        self.fin = None;
        self.recent = [None; Self::RECENT];
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
