//! New data, or an acknowledgement alone, of a connection with which nothing is wrong: what nearly all
//! segments are.
//!
//! *Owns* the short way to them. Both ends are open, and nothing is lost, reported, suspected or probed: of
//! all that [`Open::next_segment`] looks for, only these can apply. *Never* comes to anything else than
//! that would, and leaves to it all that does not come to a segment.

use crate::open::Open;
use crate::outcome::Emit;
use crate::receive::AckNeed;
use crate::shared::Shared;
use crate::state::Facts;
use crate::time::Instant;

use super::{Part, small};

impl Open {
    /// The next segment, or `None` if something else may be to be sent, or nothing: then nothing has
    /// changed.
    #[inline]
    pub(crate) fn plain_segment(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        let is_plain = self.facts == Facts::default()
            && self.watch.is_none()
            && !self.is_probe_due
            && !self.snd.is_resend_due
            && !self.rcv.may_have_blocks();
        if !is_plain {
            return None;
        }
        match self.snd.unsent() {
            0 => self.plain_acknowledgement(now),
            unsent => self.plain_data(unsent, shared, max_payload, now),
        }
    }

    /// An acknowledgement, where there was nothing to send for a while.
    #[inline]
    fn plain_acknowledgement(&mut self, now: Instant) -> Option<Emit> {
        let is_owed = self.rcv.need != AckNeed::None;
        if !is_owed || self.snd.flight > 0 || self.snd.is_busy() {
            return None;
        }
        self.timers.pace(false);
        let part = Part {
            start: self.snd.nxt(),
            len: 0,
            has_fin: false,
        };
        let mut emit = self.emit(part.into(), now);
        emit.is_last = true;
        Some(emit)
    }

    /// The next of `unsent` bytes that never left.
    #[inline]
    fn plain_data(
        &mut self,
        unsent: u64,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        let (is_paced, least) = (shared.limits.is_paced, shared.least_rto);
        let busy = self.snd.busy_in(&mut shared.busy)?;
        if !busy.only_sends_on() || !busy.board.has_room() || busy.pacer.may_hold(now) {
            return None;
        }
        let wanted = small(unsent);
        let (flight, mss) = (self.snd.flight, self.snd.mss);
        let room = busy.congestion.window().saturating_sub(flight);
        if room.min(self.snd.usable_window()) < wanted.min(mss.get().into()) {
            return None;
        }
        // To ask the pacer twice at the same moment changes nothing.
        let allowance = busy.allowance(is_paced, wanted, &self.snd.rtt, mss, now);
        let len = self.sendable(room, max_payload.min(allowance));
        if len == 0 || allowance == 0 {
            return None;
        }
        self.timers.pace(false);
        let part = Part {
            start: self.snd.nxt(),
            len,
            has_fin: false,
        };
        let departure = self.send_new(busy, part, least, now);
        let is_last = unsent == u64::from(len);
        if is_last {
            // All that is left of watching the window, with something on its way.
            busy.note_pause(self.snd.flight, self.snd.nxt(), mss, false);
        }
        let mut emit = self.emit(departure, now);
        emit.is_last = is_last;
        Some(emit)
    }
}
