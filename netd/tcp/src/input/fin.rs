//! Eighth step: the peer's FIN. (RFC 9293 section 3.10.7.4)
//!
//! A FIN counts when every byte before it is there. One that comes early is noted beside the
//! ranges that came early, so that it need not be sent again.

use wire::tcp::Flags;

use super::Processing;
use crate::outcome::Events;

impl Processing<'_> {
    pub(super) fn take_fin(&mut self) {
        let here = self.fin_of_segment();
        let nxt = self.open.rcv.nxt;
        let noted = self
            .open
            .rcv
            .holes
            .as_ref()
            .and_then(|slot| self.shared.holes.get(slot)?.fin());
        if here == Some(nxt) || noted == Some(nxt) {
            self.open.is_fin_seen = true;
            self.outcome.events.insert(Events::PEER_FIN);
            self.give_back_holes();
            if self.open.is_orphan {
                // There is nobody left to tell.
                let told = self.open.publish_fin(self.shared, self.now);
                *self.outcome = core::mem::take(self.outcome).followed_by(told);
            }
        } else if let Some(position) = here.filter(|position| *position > nxt) {
            self.note_early(position);
        }
        self.give_back_empty_holes();
    }

    /// Where the FIN of this segment stands, if it has one that is news and whose segment was
    /// taken whole.
    fn fin_of_segment(&self) -> Option<u64> {
        let is_news = self.arrival.has(Flags::FIN) && !self.open.is_fin_seen;
        let end = u64::try_from(self.arrival.end()).ok().filter(|_| is_news)?;
        let is_whole = self
            .outcome
            .place
            .is_none_or(|place| place.stream_offset.saturating_add(u64::from(place.len)) == end);
        is_whole.then_some(end)
    }

    fn note_early(&mut self, position: u64) {
        if let Some(ranges) = self.borrow_holes() {
            ranges.note_fin(position);
        }
        self.open.rcv.want_ack();
    }

    fn give_back_empty_holes(&mut self) {
        let list = self
            .open
            .rcv
            .holes
            .as_ref()
            .and_then(|slot| self.shared.holes.get(slot));
        if list.is_some_and(|ranges| ranges.is_empty()) {
            self.give_back_holes();
        }
    }

    fn give_back_holes(&mut self) {
        if let Some(slot) = self.open.rcv.holes.take() {
            self.shared.holes.give_back(slot);
        }
    }
}
