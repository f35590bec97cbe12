//! Sixth step: the urgent pointer. (RFC 9293 sections 3.8.5 and 3.10.7.4)
//!
//! Urgent bytes come in line, as RFC 6093 section 3.4 wants it; the user can only learn where they end.

use wire::tcp::Flags;

use super::Processing;

impl Processing<'_> {
    pub(super) fn note_urgent(&mut self) {
        // "Ignore the URG" behind the peer's FIN.
        if !self.arrival.has(Flags::URG) || self.open.is_fin_seen {
            return;
        }
        let end = self
            .arrival
            .start
            .saturating_add(i64::from(self.arrival.header.urgent));
        let behind = end.saturating_sub_unsigned(self.open.rcv.nxt).max(0);
        self.outcome.urgent = u16::try_from(behind).unwrap_or(u16::MAX);
    }
}
