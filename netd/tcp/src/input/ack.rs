//! Fifth step: what does the segment acknowledge? (RFC 9293 section 3.10.7.4; RFC 5961 section 5)

use wire::Drop;

use super::Processing;
use crate::outcome::Events;
use crate::recovery::{Heard, Reaction};
use crate::reports::{Reports, Sent};
use crate::seq::Seq;
use crate::state::{Cause, OurFin};
use crate::timers::Purpose;

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

    /// SND.UNA = SEG.ACK: perhaps a duplicate, perhaps a window update, perhaps a report.
    fn take_same_ack(&mut self) {
        let snd = &mut self.open.snd;
        let header = self.arrival.header;
        // RFC 5681 section 2: data outstanding, no payload, no FIN, the window unchanged. (SYN
        // never comes so far.) The answer to a probe is no sign of a loss.
        let is_duplicate = snd.flight > 0
            && self.open.timers.purpose() != Purpose::Probe
            && self.arrival.sequence_len() == 0
            && snd.scaled(header.window) == snd.window;
        snd.update_window(header.window, Seq::new(header.seq), false);
        let reaction = self.hear(0, is_duplicate);
        self.open.rearm_after_ack(self.shared, reaction, self.now);
    }

    /// SND.UNA < SEG.ACK =< SND.NXT: progress.
    pub(super) fn take_new_ack(&mut self, count: u32) {
        let header = self.arrival.header;
        let snd = &mut self.open.snd;
        self.outcome.acked = snd.acknowledge(count);
        snd.update_window(header.window, Seq::new(header.seq), true);
        let reaction = self.hear_calmly(count).or_else(|| self.hear(count, false));
        // Our FIN is the position after the last queued byte.
        if self.open.facts.ours() == OurFin::Queued && self.open.snd.una > self.open.snd.end() {
            self.outcome
                .step(self.open.facts.change(Cause::FinAcknowledged));
            self.outcome.events.insert(Events::FIN_ACKNOWLEDGED);
            self.open.snd.give_back_busy(&mut self.shared.busy);
        }
        self.open.rearm_after_ack(self.shared, reaction, self.now);
    }

    /// The same as [`Self::hear`] for something new of which nothing needs to be asked. `None`: it is not
    /// that, and nothing is done.
    #[inline]
    fn hear_calmly(&mut self, acked: u32) -> Option<Reaction> {
        let header = self.arrival.header;
        let open = &mut *self.open;
        let busy = open.snd.busy_in(&mut self.shared.busy)?;
        if !header.options.sack.is_empty() || open.notice.is_echo(header.flags) {
            return None;
        }
        let snd = &mut open.snd;
        let reaction = busy.hear_calmly(acked, snd.una, snd.flight, snd.mss, self.now)?;
        if let Some(measured) = reaction.rtt {
            snd.rtt.sample(measured);
        }
        Some(reaction)
    }

    /// Loss recovery and congestion control hear of it, and the round trip is measured. `None`: it
    /// says nothing to them.
    #[inline(never)]
    fn hear(&mut self, acked: u32, is_duplicate: bool) -> Option<Reaction> {
        let open = &mut *self.open;
        let Some(busy) = open.snd.busy_in(&mut self.shared.busy) else {
            open.snd.is_resend_due |= acked > 0 && open.snd.flight > 0;
            return (acked > 0).then_some(Reaction {
                has_progress: true,
                ..Reaction::default()
            });
        };
        let options = &self.arrival.header.options;
        let reports = if open.has_sack {
            let sent = Sent {
                base: open.snd.base(),
                ack: open.snd.una,
                nxt: open.snd.nxt(),
                max_window: open.snd.max_window,
            };
            Reports::check(&options.sack, &sent)
        } else {
            Reports::default()
        };
        self.shared.odd_reports = self.shared.odd_reports.saturating_add(reports.odd.into());
        if acked == 0 && !is_duplicate && reports.is_empty() {
            return None;
        }
        let echo = options.timestamps.map(|stamps| stamps.echo);
        let heard = Heard {
            acked,
            reports: &reports,
            is_duplicate,
            echo: echo.filter(|_| open.stamps.is_some()),
        };
        let standing = open.snd.standing(open.has_sack, self.now);
        let reaction = busy.hear(&heard, &standing);
        // RFC 3168 section 6.1.2: the peer has seen a mark.
        if open.notice.is_echo(self.arrival.header.flags) && busy.heed_echo(&standing) {
            open.notice.answer();
            self.outcome.events.insert(Events::SLOWED);
        }
        let by_echo = || {
            open.stamps?
                .round_trip(reaction.resent_at?, echo?, self.now)
        };
        if let Some(measured) = reaction.rtt.or_else(by_echo) {
            open.snd.rtt.sample(measured);
        }
        Some(reaction)
    }
}
