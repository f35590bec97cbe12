//! Header prediction: the two segments that nearly all are, known by one look.
//!
//! *Owns* the look, and the short way. A segment of an ESTABLISHED connection that begins where the one
//! before it ended, says nothing but ACK and PSH, and is not older than the last: of the steps of
//! RFC 9293 section 3.10.7.4 only the acknowledgement and the payload are left, and the first is short
//! where nothing is acknowledged anew and the window is what it was. *Never* comes to anything else than
//! the steps do in their order.
//! *Spec*: RFC 9293 section 3.10.7.4; RFC 7323 section 4.3 for the timestamp to echo.

use wire::tcp::Flags;

use super::Processing;
use crate::assemble::Range;
use crate::outcome::Events;
use crate::seq::Seq;
use crate::state::Facts;
use crate::timers::Purpose;

impl Processing<'_> {
    /// Takes the segment if it is what was expected. `false`, and nothing is done, if it is not.
    #[inline]
    pub(super) fn run_predicted(&mut self) -> bool {
        let (header, len) = (self.arrival.header, self.arrival.len);
        let (open, rcv) = (&*self.open, &self.open.rcv);
        let is_plain = header.flags.union(Flags::PSH) == Flags::ACK.union(Flags::PSH)
            && self.arrival.start == rcv.nxt.cast_signed()
            && len <= rcv.room_left()
            && rcv.holes.is_none()
            && open.facts == Facts::default()
            && !open.is_fin_seen
            && !open.is_orphan
            && open.watch.is_none();
        let stamp = match (&open.stamps, header.options.timestamps) {
            (None, _) => None,
            (Some(stamps), Some(theirs)) if !stamps.is_behind(theirs.value) => Some(theirs.value),
            (Some(_), _) => return false,
        };
        if !is_plain {
            return false;
        }
        let snd = &open.snd;
        let advance = Seq::new(header.ack).distance_from(snd.base().at(snd.una));
        let is_known = match u32::try_from(advance) {
            // With nothing new, data, and the same window, there is nobody to tell.
            Ok(0) => {
                len > 0
                    && snd.scaled(header.window) == snd.window
                    && snd.window > 0
                    && header.options.sack.is_empty()
                    && open.timers.purpose() != Purpose::Probe
            }
            Ok(count) => count <= snd.flight,
            Err(_) => false,
        };
        if !is_known {
            return false;
        }
        self.take_predicted(stamp, advance.unsigned_abs());
        true
    }

    #[inline]
    fn take_predicted(&mut self, stamp: Option<u32>, advance: u32) {
        let (header, len) = (self.arrival.header, self.arrival.len);
        let seq = Seq::new(header.seq);
        if let (Some(stamps), Some(value)) = (&mut self.open.stamps, stamp)
            && !seq.is_after(self.open.rcv.ack_sent)
        {
            stamps.set(value, self.now);
        }
        if advance > 0 {
            self.take_new_ack(advance);
        } else {
            self.open.snd.note_same_window(seq);
        }
        if len > 0 {
            if self.open.notice.take_data(header.flags, self.arrival.mark) {
                self.outcome.events.insert(Events::MARKED);
            }
            let start = self.open.rcv.nxt;
            self.take_in_order(Range {
                start,
                end: start.saturating_add(len.into()),
            });
            self.place(start, 0, len);
        }
    }
}

#[cfg(test)]
#[path = "predicted_tests.rs"]
mod tests;
