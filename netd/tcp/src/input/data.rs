//! Seventh step: the payload. (RFC 9293 section 3.10.7.4)
//!
//! Bytes go straight to their place in the user's room, in order or not; what lies beyond the room
//! is dropped and comes again. RCV.NXT moves when there is no hole before it.

use wire::Drop;
use wire::tcp::Flags;

use super::Processing;
use crate::assemble::{Range, Ranges, TooManyRanges};
use crate::counts::Count;
use crate::outcome::{Events, Place};
use crate::state::Cause;

impl Processing<'_> {
    pub(super) fn take_data(&mut self) -> Result<(), Drop> {
        if self.open.is_fin_seen && self.arrival.sequence_len() > 0 {
            // Nothing can follow a FIN; what came before it is here already.
            self.open.rcv.want_ack();
            return Err(Drop::TcpDuplicate);
        }
        if self.arrival.len == 0 {
            return Ok(());
        }
        let flags = self.arrival.header.flags;
        if self.open.notice.take_data(flags, self.arrival.mark) {
            self.outcome.events.insert(Events::MARKED);
        }
        let Some(range) = self.wanted_part()? else {
            return Ok(());
        };
        if self.open.is_orphan {
            return Err(self.refuse_data());
        }
        if range.start == self.open.rcv.nxt {
            self.take_in_order(range);
        } else {
            self.take_early(range)?;
        }
        // `wanted_part` lies within the payload, whose length is a u32.
        self.place(
            range.start,
            small(range.start.saturating_sub_signed(self.arrival.start)),
            small(range.end.saturating_sub(range.start)),
        );
        Ok(())
    }

    /// Says where a part of the payload belongs.
    pub(super) fn place(&mut self, stream_offset: u64, skip: u32, len: u32) {
        self.outcome.place = Some(Place {
            stream_offset,
            skip,
            len,
        });
    }

    /// The part of the payload that is new and has room; `None` if all of it is old, but the FIN
    /// behind it may be new.
    fn wanted_part(&mut self) -> Result<Option<Range>, Drop> {
        let rcv = &mut self.open.rcv;
        let start = u64::try_from(self.arrival.start).unwrap_or(0).max(rcv.nxt);
        let end = u64::try_from(self.arrival.end()).unwrap_or(0);
        if self.arrival.start < signed(rcv.nxt) {
            self.note_old_bytes();
        }
        let rcv = &mut self.open.rcv;
        if end <= start {
            // An old copy: our acknowledgement was lost, or waits to be published.
            rcv.want_ack();
            let may_end_here = end == start && self.arrival.has(Flags::FIN);
            return if may_end_here {
                Ok(None)
            } else {
                Err(Drop::TcpDuplicate)
            };
        }
        let room = if self.open.is_orphan { end } else { rcv.room() };
        if start >= room {
            rcv.want_ack();
            return Err(Drop::TcpBeyondRoom);
        }
        if end > room {
            self.shared.counts.count(Count::CutByRoom);
        }
        Ok(Some(Range {
            start,
            end: end.min(room),
        }))
    }

    fn take_in_order(&mut self, range: Range) {
        let rcv = &mut self.open.rcv;
        let before = rcv.nxt;
        let mut position = range.end;
        if let Some(ranges) = rcv
            .holes
            .as_ref()
            .and_then(|slot| self.shared.holes.get_mut(slot))
        {
            position = ranges.advance(position);
            // RFC 5681 section 4.2: "immediately ... when the incoming segment fills in all or
            // part of a gap". It leaves when the bytes are published.
            rcv.segments = 2;
        }
        rcv.advance_to(position);
        rcv.count_segment(self.arrival.len);
        self.outcome.advanced = position.saturating_sub(before);
    }

    fn take_early(&mut self, range: Range) -> Result<(), Drop> {
        // RFC 5681 section 4.2: an out-of-order segment is acknowledged at once.
        self.open.rcv.want_ack();
        let ranges = self.borrow_holes().ok_or(TooManyRanges)?;
        let twice = ranges.overlap(range.start, range.end);
        ranges.insert(range.start, range.end)?;
        if let Some(twice) = twice {
            let start = self.open.rcv.base().at(twice.start);
            let len = small(twice.end.saturating_sub(twice.start));
            self.open.rcv.note_duplicate(start, len);
        }
        Ok(())
    }

    /// The list of what came early, if there is one left to borrow.
    pub(super) fn borrow_holes(&mut self) -> Option<&mut Ranges> {
        let (rcv, pool) = (&mut self.open.rcv, &mut self.shared.holes);
        if rcv.holes.is_none() {
            rcv.holes = pool.take();
        }
        let ranges = pool.get_mut(rcv.holes.as_ref()?)?;
        if let Some(stamps) = self.open.stamps {
            ranges.note_stamp(stamps.recent, rcv.nxt);
        }
        Some(ranges)
    }

    /// The segment begins with bytes that came before. The peer is told, as far as they are below
    /// the acknowledgement (RFC 2883 section 4.1).
    pub(super) fn note_old_bytes(&mut self) {
        let known = signed(self.open.rcv.published());
        let count = self
            .arrival
            .end()
            .min(known)
            .saturating_sub(self.arrival.start);
        if let Ok(count @ 1..) = u32::try_from(count) {
            let start = self.open.rcv.base().at(self.arrival.start.cast_unsigned());
            self.open.rcv.note_duplicate(start, count);
        }
    }

    /// The user has left, and the peer still sends (RFC 9293 section 3.6.1: reset it, because the
    /// data is lost).
    fn refuse_data(&mut self) -> Drop {
        self.outcome.reply = Some(self.open.reset());
        self.open.cut(Cause::UserAborted, self.shared, self.outcome);
        Drop::TcpNobodyReads
    }
}

impl From<TooManyRanges> for Drop {
    fn from(TooManyRanges: TooManyRanges) -> Self {
        Self::TcpTooManyHoles
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
