//! Fifth step: what does the segment acknowledge? (RFC 9293 section 3.10.7.4; RFC 5961 section 5)

use wire::Drop;

use super::Processing;
use crate::cc::AckSample;
use crate::outcome::Events;
use crate::seq::Seq;
use crate::state::{Cause, OurFin};

impl Processing<'_> {
    pub(super) fn take_ack(&mut self) -> Result<(), Drop> {
        // "If the ACK bit is off, drop the segment and return."
        let ack = self.arrival.ack.ok_or(Drop::TcpNoAck)?;
        let snd = &self.open.snd;
        // Signed: an acknowledgement from before the start of the stream is merely old.
        let advance = ack.saturating_sub_unsigned(snd.una);
        if advance > i64::from(snd.flight) {
            // "If the ACK acks something not yet sent, then send an ACK, drop the segment."
            self.open.challenge(self.shared, self.now);
            return Err(Drop::TcpAckUnsent);
        }
        if advance < -i64::from(snd.max_window) {
            // RFC 5961 section 5.2: too old to be a reordered segment.
            self.open.challenge(self.shared, self.now);
            return Err(Drop::TcpAckOld);
        }
        match u32::try_from(advance) {
            // Old, but the payload is welcome.
            Err(_) => {}
            Ok(0) => self.take_same_ack(),
            Ok(count) => self.take_new_ack(count),
        }
        Ok(())
    }

    /// SND.UNA = SEG.ACK: perhaps a duplicate, perhaps a window update.
    fn take_same_ack(&mut self) {
        let snd = &mut self.open.snd;
        let header = self.arrival.header;
        // RFC 5681 section 2: data outstanding, no payload, no FIN, the window unchanged. (SYN
        // never comes so far.) The answer to a probe is no sign of a loss, and a probe is not `sent`.
        let is_duplicate = snd.sent > 0
            && self.arrival.sequence_len() == 0
            && snd.scaled(header.window) == snd.window;
        if is_duplicate && let Some(busy) = snd.busy_in(&mut self.shared.busy) {
            snd.recover_on_duplicate(busy, self.now);
        }
        snd.update_window(header.window, Seq::new(header.seq), false);
        self.open
            .rearm_after_ack(false, &self.shared.limits, self.now);
    }

    /// SND.UNA < SEG.ACK =< SND.NXT: progress.
    fn take_new_ack(&mut self, count: u32) {
        let header = self.arrival.header;
        let snd = &mut self.open.snd;
        let prior_in_flight = snd.sent;
        self.outcome.acked = snd.acknowledge(count);
        if let Some(busy) = snd.busy_in(&mut self.shared.busy) {
            // Only segments sent once are measured (RFC 6298 section 3, Karn). Echoed timestamps
            // are no help: an acknowledgement that was lost makes them as old as the timeout.
            let rtt = busy.finish_timing(snd.una, self.now);
            if let Some(sample) = rtt {
                snd.rtt.sample(sample);
            }
            let window = busy.congestion.window();
            let sample = AckSample {
                now: self.now,
                acked: count,
                delivered: count,
                lost: 0,
                prior_in_flight,
                in_flight: snd.sent,
                rtt,
                rate: None,
                is_window_limited: prior_in_flight.saturating_add(u32::from(snd.mss.get()))
                    > window,
                phase: busy.recovery.phase(),
            };
            snd.recover_on_ack(busy, &sample);
        }
        snd.update_window(header.window, Seq::new(header.seq), true);
        // Our FIN is the position after the last queued byte.
        if self.open.facts.ours() == OurFin::Queued && self.open.snd.una > self.open.snd.end {
            self.outcome
                .step(self.open.facts.change(Cause::FinAcknowledged));
            self.outcome.events.insert(Events::FIN_ACKNOWLEDGED);
            self.open.snd.give_back_busy(&mut self.shared.busy);
        }
        self.open
            .rearm_after_ack(true, &self.shared.limits, self.now);
    }
}
