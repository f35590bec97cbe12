//! Header prediction: the two segments that nearly all are, known by one look.
//!
//! *Owns* the look, and the short way. A segment of an ESTABLISHED connection that begins where the one
//! before it ended, says nothing but ACK and PSH, and is not older than the last: of the steps of
//! RFC 9293 section 3.10.7.4 only the acknowledgement and the payload are left, and the first is short
//! where nothing is acknowledged anew and the window is what it was. *Never* comes to anything else than
//! the steps do in their order.
//! *Spec*: RFC 9293 section 3.10.7.4; RFC 7323 section 4.3 for the timestamp to echo.

use wire::tcp::{Flags, Header};

use super::Processing;
use crate::open::Open;
use crate::outcome::Events;
use crate::seq::Seq;
use crate::state::Facts;
use crate::timers::Purpose;

impl Open {
    /// If it is a segment that was expected: how many positions it acknowledges.
    #[inline]
    pub(super) fn predict(&self, header: &Header, len: u32) -> Option<u32> {
        let (snd, rcv) = (&self.snd, &self.rcv);
        let is_plain = header.flags.union(Flags::PSH) == Flags::ACK.union(Flags::PSH)
            && Seq::new(header.seq) == rcv.base().at(rcv.nxt)
            && len <= rcv.room_left()
            && rcv.holes.is_none()
            && self.facts == Facts::default()
            && !self.is_fin_seen
            && !self.is_orphan
            && self.watch.is_none();
        if !is_plain {
            return None;
        }
        if let Some(stamps) = &self.stamps {
            header
                .options
                .timestamps
                .filter(|theirs| !stamps.is_behind(theirs.value))?;
        }
        let advance = Seq::new(header.ack).distance_from(snd.base().at(snd.una));
        let advance = u32::try_from(advance).ok()?;
        let is_known = match advance {
            // With nothing new, data, and the same window, there is nobody to tell.
            0 => {
                len > 0
                    && snd.scaled(header.window) == snd.window
                    && snd.window > 0
                    && header.options.sack.is_empty()
                    && self.timers.purpose() != Purpose::Probe
            }
            count => count <= snd.flight,
        };
        is_known.then_some(advance)
    }
}

impl Processing<'_> {
    /// Takes a segment that was expected and acknowledges `advance` positions.
    #[inline]
    pub(super) fn run_predicted(&mut self, advance: u32) {
        let (header, len) = (self.arrival.header, self.arrival.len);
        let seq = Seq::new(header.seq);
        if let (Some(stamps), Some(theirs)) = (&mut self.open.stamps, header.options.timestamps)
            && !seq.is_after(self.open.rcv.ack_sent)
        {
            stamps.set(theirs.value, self.now);
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
            let rcv = &mut self.open.rcv;
            let start = rcv.nxt;
            rcv.advance_to(start.saturating_add(len.into()));
            rcv.count_segment(len);
            self.outcome.advanced = len.into();
            self.place(start, 0, len);
        }
    }
}

#[cfg(test)]
#[path = "predicted_tests.rs"]
mod tests;
