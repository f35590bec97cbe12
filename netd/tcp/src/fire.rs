//! What the timers of an open connection mean when they fire, and how an answer sets them.
//!
//! *Owns* the order of precedence: what is late (RACK), then the tail, then the retransmission
//! timer. *Never* sends: what is due is `output`'s.
//! *Spec*: RFC 6298 section 5, RFC 8985 sections 6.3 and 7.2, RFC 9293 sections 3.8.3 and 3.8.6.1.

use crate::counts::Count;
use crate::open::Open;
use crate::outcome::{Events, Outcome};
use crate::receive::AckNeed;
use crate::recovery::{Reaction, TailProbe};
use crate::rtt::Rto;
use crate::shared::Shared;
use crate::state::Cause;
use crate::time::Instant;
use crate::timers::Purpose;
use crate::watch::Verdict;

impl Open {
    /// The earliest time at which [`Open::fire`] has something to do.
    pub(crate) fn next_deadline(&self, shared: &Shared) -> Option<Instant> {
        let own = self.timers.next_deadline();
        if !self.timers.is_paced() {
            return own;
        }
        let free = self.busy(shared).map(|busy| busy.pacer.free_at());
        own.into_iter().chain(free).min()
    }

    /// Fires the timers that are due.
    pub(crate) fn fire(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if self.timers.is_paced() {
            let free = self.busy(shared).map(|busy| busy.pacer.free_at());
            self.timers.pace(free.is_some_and(|free| free > now));
        }
        if self.timers.fire_ack(now) {
            self.rcv.need = AckNeed::WithSmallWindow;
        }
        match self.timers.fire(now) {
            None | Some(Purpose::Idle) => {}
            Some(Purpose::Orphan) => self.time_out(shared, &mut outcome),
            Some(Purpose::Rest) => self.rest(shared, now),
            Some(Purpose::KeepAlive) => self.fire_keep_alive(shared, now, &mut outcome),
            Some(Purpose::Reorder) => self.look_again(shared, now),
            Some(Purpose::Tail) => self.fire_tail(shared, now),
            Some(purpose @ (Purpose::Retransmit | Purpose::Probe)) => {
                // RFC 9293 section 3.8.3: R2. A peer that answers is never given up, even if it
                // keeps its window closed (section 3.8.6.1, MUST-37).
                let default = shared.limits.user_timeout;
                let watch = self.watch_in(shared);
                let limit = watch.map_or(default, |watch| watch.user_timeout(default));
                if self.timers.silence(now) >= limit.into() {
                    self.time_out(shared, &mut outcome);
                } else {
                    // Into a closed window nothing large goes that could be lost for its size.
                    if purpose == Purpose::Retransmit && self.snd.window > 0 {
                        self.suspect_black_hole(shared, now);
                    }
                    self.send_again(purpose, shared, now);
                }
            }
        }
        outcome
    }

    /// RFC 9293 section 3.8.4.
    fn fire_keep_alive(&mut self, shared: &mut Shared, now: Instant, outcome: &mut Outcome) {
        self.timers.disarm();
        match self.watch_in(shared).map(|watch| watch.fire(now)) {
            None | Some(Verdict::Early) => {}
            Some(Verdict::Ask) => shared.counts.count(Count::KeepAliveProbes),
            Some(Verdict::Gone) => {
                shared.counts.count(Count::KeepAliveTimeouts);
                self.time_out(shared, outcome);
            }
        }
    }

    /// Nothing was sent for a retransmission timeout: others may need the busy part.
    fn rest(&mut self, shared: &mut Shared, now: Instant) {
        self.timers.disarm();
        if let Some(busy) = self.snd.busy_in(&mut shared.busy) {
            // RFC 5681 section 4.1: the window is not to be trusted any more.
            busy.congestion.on_idle(self.snd.mss, now);
        }
        self.snd.give_back_busy(&mut shared.busy);
    }

    /// RFC 8985 section 6.3: what did not come in time is lost.
    fn look_again(&mut self, shared: &mut Shared, now: Instant) {
        let standing = self.snd.standing(self.has_sack, now);
        let busy = self.snd.busy_in(&mut shared.busy);
        let wait = busy.and_then(|busy| busy.look_again(&standing));
        match wait {
            Some(wait) => self.timers.arm_for(Purpose::Reorder, wait, now),
            None => self.arm_retransmit(shared.least_rto, now),
        }
    }

    /// RFC 8985 section 7.3: a probe is sent, unless something left since the timer was set; then
    /// the retransmission timer takes over.
    fn fire_tail(&mut self, shared: &mut Shared, now: Instant) {
        let wait = TailProbe::timeout(&self.snd.rtt, self.is_alone());
        let least = shared.least_rto;
        let Some(busy) = self.snd.busy_in(&mut shared.busy) else {
            // A FIN alone is its own probe.
            self.snd.is_resend_due = self.snd.flight > 0;
            return self.arm_retransmit(least, now);
        };
        let due = busy.last_sent_at + wait;
        if due > now {
            self.timers.arm_for(Purpose::Tail, due.span_since(now), now);
        } else {
            busy.recovery.probe.is_due = busy.may_probe_tail(self.has_sack);
            self.arm_retransmit(least, now);
        }
    }

    /// Whether all that is in flight is one segment.
    fn is_alone(&self) -> bool {
        self.snd.flight <= self.snd.mss.get().into()
    }

    fn send_again(&mut self, purpose: Purpose, shared: &mut Shared, now: Instant) {
        let busy = self.snd.busy_in(&mut shared.busy);
        match (purpose, busy) {
            (Purpose::Retransmit, Some(busy)) => {
                let is_first = self.timers.backoff() <= 1;
                busy.time_out(is_first, &self.snd.standing(self.has_sack, now));
                // RFC 9293 section 3.8.6 (MUST-35): into a window that was taken back only a probe goes.
                self.is_probe_due = self.snd.window == 0;
            }
            (Purpose::Retransmit, None) => self.snd.is_resend_due = true,
            (_, busy) => {
                self.is_probe_due = true;
                if let Some(busy) = busy {
                    // RFC 5681 section 4.1: nothing was sent for a retransmission timeout.
                    busy.congestion.on_idle(self.snd.mss, now);
                }
            }
        }
        self.timers
            .arm(purpose, self.snd.rtt.rto(shared.least_rto), now);
    }

    fn time_out(&mut self, shared: &mut Shared, outcome: &mut Outcome) {
        outcome.events.insert(Events::TIMED_OUT);
        self.cut(Cause::TimedOut, shared, outcome);
    }

    /// Sets the retransmission timer; no timeout is shorter than `least`.
    pub(crate) fn arm_retransmit(&mut self, least: Rto, now: Instant) {
        self.timers
            .arm(Purpose::Retransmit, self.snd.rtt.rto(least), now);
    }

    /// The peer has answered; `reaction` is what came of it, if it said anything.
    pub(crate) fn rearm_after_ack(
        &mut self,
        shared: &mut Shared,
        reaction: Option<Reaction>,
        now: Instant,
    ) {
        let has_progress = reaction.is_some_and(|reaction| reaction.has_progress);
        if has_progress {
            self.timers.note_progress(now);
        } else if self.snd.window == 0 {
            self.timers.note_answer(now);
        }
        if self.timers.purpose() == Purpose::Probe && (has_progress || self.snd.window > 0) {
            // The window opens, or what is left is another probe's matter: `output` decides.
            self.timers.disarm();
            self.snd.is_resend_due |= !self.snd.is_busy() && self.snd.flight > 0;
        }
        if let Some(reaction) = reaction {
            self.await_answer(shared, reaction, now);
        }
    }

    /// Sets how long what is in flight may take.
    fn await_answer(&mut self, shared: &mut Shared, reaction: Reaction, now: Instant) {
        if self.snd.flight == 0 {
            // RFC 6298 section 5.2.
            if reaction.has_progress {
                self.timers.disarm();
                if self.snd.is_busy() {
                    let rto = self.snd.rtt.rto(shared.least_rto);
                    self.timers.arm(Purpose::Rest, rto, now);
                }
                self.watch_orphan(&shared.limits, now);
            }
            return;
        }
        let busy = self.snd.busy_in(&mut shared.busy);
        let is_anything_in_flight = busy
            .as_ref()
            .is_none_or(|busy| busy.in_flight(self.snd.flight) > 0);
        let may_probe_tail = busy.is_some_and(|busy| busy.may_probe_tail(self.has_sack));
        if let Some(wait) = reaction.look_again {
            self.timers.arm_for(Purpose::Reorder, wait, now);
        } else if may_probe_tail && is_anything_in_flight {
            self.arm_tail(shared.least_rto, now);
        } else if (reaction.has_progress && is_anything_in_flight)
            || matches!(self.timers.purpose(), Purpose::Tail | Purpose::Reorder)
        {
            // RFC 6298 section 5.3.
            self.arm_retransmit(shared.least_rto, now);
        }
    }

    /// RFC 8985 section 7.2: the probe's timer, unless the retransmission timer is due earlier.
    fn arm_tail(&mut self, least: Rto, now: Instant) {
        let wait = TailProbe::timeout(&self.snd.rtt, self.is_alone());
        if wait < self.snd.rtt.rto(least).duration() {
            self.timers.arm_for(Purpose::Tail, wait, now);
        } else {
            self.arm_retransmit(least, now);
        }
    }

    /// New bytes have left. A timer that runs is not set again (RFC 6298 section 5.1), but for the
    /// probe of the tail, which is due earlier (RFC 8985 section 7.2).
    pub(crate) fn await_answer_to_new(&mut self, may_probe_tail: bool, least: Rto, now: Instant) {
        if self.timers.purpose() == Purpose::Tail {
            return;
        }
        let is_running = self.timers.awaits_answer();
        let wait = TailProbe::timeout(&self.snd.rtt, self.is_alone());
        let rto = self.snd.rtt.rto(least);
        if may_probe_tail && wait < rto.duration() {
            self.timers.arm_for(Purpose::Tail, wait, now);
        } else if !is_running {
            self.timers.disarm();
            self.timers.arm(Purpose::Retransmit, rto, now);
        }
    }
}
