//! Second and fourth step: RST and SYN, as RFC 5961 sections 3 and 4 have tightened them.

use wire::Drop;
use wire::tcp::Flags;

use super::{Processing, Stop};
use crate::outcome::Events;
use crate::seq::Seq;
use crate::state::Cause;

impl Processing<'_> {
    /// RFC 5961 section 3.2: only a reset with exactly the expected number is believed.
    pub(super) fn check_reset(&mut self) -> Result<(), Stop> {
        if !self.arrival.has(Flags::RST) {
            return Ok(());
        }
        let fin_told = self.open.facts.is_their_side_closed();
        let rcv = &self.open.rcv;
        let seq = Seq::new(self.arrival.header.seq);
        // The peer knows either what it has sent, or only what we have acknowledged.
        let expected = rcv
            .base()
            .at(rcv.nxt)
            .plus(u32::from(self.open.is_fin_seen));
        if seq == expected || seq == rcv.ack_number(fin_told) {
            self.outcome.events.insert(Events::RESET);
            self.open
                .cut(Cause::ResetArrived, self.shared, self.outcome);
            return Err(Stop::Done);
        }
        // The first check: what begins outside of the window is dropped without a word.
        let (told, _, right) = self.receive_window();
        if !(told..right).contains(&self.arrival.start) {
            return Err(Drop::TcpOutOfWindow.into());
        }
        self.open.challenge(self.shared, self.now);
        Err(Drop::TcpBadReset.into())
    }

    /// RFC 5961 section 4.2: a SYN on a synchronised connection is only ever answered by an
    /// acknowledgement; a peer that has restarted resets us then.
    pub(super) fn check_syn(&mut self) -> Result<(), Drop> {
        if !self.arrival.has(Flags::SYN) {
            return Ok(());
        }
        self.open.challenge(self.shared, self.now);
        Err(Drop::TcpSynInConnection)
    }
}
