//! First step: is the segment within the window? (RFC 9293 section 3.10.7.4; RFC 7323 section 5.3)

use wire::Drop;
use wire::tcp::Flags;

use super::Processing;
use crate::seq::Seq;

impl Processing<'_> {
    /// Protection against wrapped sequence numbers. RFC 7323 section 5.3 R1, loosened for what was
    /// overtaken: a segment sent again to fill a hole moves TS.Recent beyond the timestamps of
    /// originals that are still on their way behind the hole.
    pub(super) fn check_timestamp(&mut self) -> Result<(), Drop> {
        // RFC 7323 section 5.3 R1: a reset is not held up.
        let Some(stamps) = self.open.stamps.filter(|_| !self.arrival.has(Flags::RST)) else {
            return Ok(());
        };
        match self.arrival.header.options.timestamps {
            // RFC 7323 section 3.2: once agreed, every segment but a reset must carry them.
            None => Err(Drop::TcpNoTimestamp),
            Some(theirs)
                if stamps.is_old(theirs.value, self.now) && !self.is_overtaken(theirs.value) =>
            {
                self.open.challenge(self.shared, self.now);
                Err(Drop::TcpOldTimestamp)
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether there are holes, and the timestamp is not older than what came in order before them.
    /// That one was sent at most a gibibyte of the stream ago, and windows are no larger: whatever is
    /// not older is of this turn of the sequence numbers.
    fn is_overtaken(&self, stamp: u32) -> bool {
        let rcv = &self.open.rcv;
        let holes = rcv.holes.as_ref();
        let holes = holes.and_then(|slot| self.shared.holes.get(slot));
        let before = holes.and_then(|ranges| ranges.stamp_before(rcv.nxt));
        before.is_some_and(|before| !Seq::new(stamp).is_before(Seq::new(before)))
    }

    /// RFC 7323 section 4.3: the timestamp to echo.
    pub(super) fn note_timestamp(&mut self) {
        let last_ack_sent = self.open.rcv.ack_sent;
        if let (Some(stamps), Some(theirs)) = (
            &mut self.open.stamps,
            self.arrival.header.options.timestamps,
        ) {
            let seq = Seq::new(self.arrival.header.seq);
            stamps.note(theirs.value, seq, last_ack_sent, self.now);
        }
    }

    /// What was told of RCV.NXT, RCV.NXT, and the right edge of the window.
    pub(super) fn receive_window(&self) -> (i64, i64, i64) {
        let rcv = &self.open.rcv;
        let fin_seen = self.open.is_fin_seen;
        let fin_told = self.open.facts.is_their_side_closed();
        // RCV.NXT, as the user's memory has it; what the peer knows may lag behind.
        let left = rcv.nxt.saturating_add(u64::from(fin_seen));
        let told = rcv.published().saturating_add(u64::from(fin_told));
        let right = if fin_seen {
            left
        } else {
            rcv.told_edge().max(left)
        };
        (signed(told), signed(left), signed(right))
    }

    /// The table of RFC 9293 section 3.10.7.4, first step, in positions.
    pub(super) fn check_sequence(&mut self) -> Result<(), Drop> {
        let (told, left, right) = self.receive_window();
        let start = self.arrival.start;
        let end = start.saturating_add(self.arrival.sequence_len());
        let is_acceptable = if start == end {
            // Without data: at RCV.NXT or within the window. A peer that has used its window up
            // stands at its very edge, and one that has not heard of our last bytes before them.
            start >= told && start <= right
        } else {
            // With data: some of it lies in the window. With a window of zero, "special allowance"
            // for what stands exactly at RCV.NXT: its acknowledgement counts, its data does not.
            (end > left && start < right) || start == left
        };
        if is_acceptable {
            return Ok(());
        }
        if !self.arrival.has(Flags::RST) {
            // "If an incoming segment is not acceptable, an acknowledgment should be sent in reply
            // (unless the RST bit is set)." Empty ones share a budget, so that two confused ends
            // cannot answer each other for ever.
            if start == end {
                self.open.challenge(self.shared, self.now);
            } else {
                self.open.rcv.want_ack();
                self.note_old_bytes();
            }
        }
        Err(if end <= left {
            Drop::TcpDuplicate
        } else {
            Drop::TcpOutOfWindow
        })
    }
}

fn signed(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
