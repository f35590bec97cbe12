//! What a connection needs only while it sends: congestion control, loss recovery, measurements.
//!
//! *Owns* [`Busy`], the part that a connection borrows from [`crate::Shared`] when it has something
//! to send and gives back when it has been idle for a retransmission timeout. *Never* holds what
//! must outlive an idle time: what was learnt of the path goes to [`Remembered`].
//!
//! A connection that finds no part left goes on without: one segment at a time, the retransmission
//! timer alone to find losses.

use crate::assemble::Range;
use crate::cc::{Algorithm, Congestion, Remembered, Signal};
use crate::pace::Pacer;
use crate::pool::Part;
use crate::rate::{Delivered, Departure};
use crate::recovery::{Frto, Phase, Recovery, Scoreboard, Standing};
use crate::rtt::Rtt;
use crate::time::{Instant, Span};
use crate::window::Mss;

/// The part of a connection that sends.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    pub(crate) congestion: Congestion,
    pub(crate) board: Scoreboard,
    pub(crate) recovery: Recovery,
    pub(crate) delivered: Delivered,
    pub(crate) pacer: Pacer,
    /// Until this position is acknowledged, the congestion window is known to be used up.
    limited_to: u64,
    /// Until this position is acknowledged, an echo of a mark is old news.
    heeded_to: u64,
    /// The next round-trip time is measured beyond this position.
    pub(crate) sampled_to: u64,
    /// When a segment left last.
    pub(crate) last_sent_at: Instant,
}

// Each connection that sends has one.
const _: () = assert!(size_of::<Busy>() <= 14_336);

impl Part for Busy {
    fn new() -> Self {
        let mss = Mss::at_least(0);
        let remembered = Remembered::initial(mss);
        Self {
            congestion: Congestion::new(Algorithm::default(), remembered, Instant::ZERO),
            board: Scoreboard::new(),
            recovery: Recovery::new(),
            delivered: Delivered::new(Instant::ZERO),
            pacer: Pacer::new(0),
            limited_to: 0,
            heeded_to: 0,
            sampled_to: 0,
            last_sent_at: Instant::ZERO,
        }
    }

    fn clear(&mut self) {
        self.recovery.renew();
        self.limited_to = 0;
        self.sampled_to = 0;
    }
}

impl Busy {
    /// Begins to serve a connection of which nothing before `una` is in flight.
    /// `burst` bytes may leave at once.
    pub(crate) fn begin(&mut self, congestion: Congestion, burst: u32, una: u64, now: Instant) {
        self.congestion = congestion;
        self.board.reset(una);
        self.pacer = Pacer::new(burst);
        self.delivered = Delivered::new(now);
        self.sampled_to = una;
        self.heeded_to = una;
        self.last_sent_at = now;
    }

    /// `flight` bytes were sent without this part; nobody knows when, or how often.
    pub(crate) fn adopt(&mut self, flight: u32, now: Instant) {
        let departure = self.delivered.depart(true, now);
        self.board.depart(flight, departure, || Span::ZERO);
        let _range = self.board.resend_last(flight, departure);
    }

    /// The peer has seen a mark (RFC 3168 section 6.1.2): a sign of congestion like a loss, but not
    /// more than once a round trip, losses included. Returns whether it was news.
    pub(crate) fn heed_echo(&mut self, standing: &Standing) -> bool {
        if standing.una < self.heeded_to {
            return false;
        }
        self.heeded_to = standing.nxt;
        if self.recovery.phase() == Phase::Open {
            let flight = standing.flight();
            self.congestion
                .on_congestion(Signal::Ecn, flight, standing.mss);
        }
        true
    }

    /// How many of `wanted` bytes pacing lets out now, or more. `is_paced`: also those of a window.
    pub(crate) fn allowance(
        &mut self,
        is_paced: bool,
        wanted: u32,
        rtt: &Rtt,
        mss: Mss,
        now: Instant,
    ) -> u32 {
        if self.pacer.covers(wanted, now) {
            return self.pacer.quantum_left();
        }
        let is_paced = is_paced || self.congestion.must_pace();
        let rate = is_paced
            .then(|| self.congestion.pacing_rate(rtt.smoothed()))
            .flatten();
        self.pacer.allowance(rate, mss, now)
    }

    /// How much may be in flight, in bytes: what recovery allows, or congestion control.
    pub(crate) fn window(&self) -> u32 {
        if self.recovery.phase() == Phase::Fast && self.congestion.uses_prr() {
            self.recovery.prr_window()
        } else {
            self.congestion.window()
        }
    }

    /// Of `flight` bytes that are not acknowledged: those that are on their way, as far as is known
    /// ("pipe" of RFC 6675 section 4).
    pub(crate) fn in_flight(&self, flight: u32) -> u32 {
        flight
            .saturating_sub(self.board.arrived())
            .saturating_sub(self.board.lost())
            .saturating_sub(self.recovery.presumed_arrived())
    }

    /// How many bytes more may leave, with `flight` bytes not acknowledged.
    pub(crate) fn room(&self, flight: u32) -> u32 {
        self.window().saturating_sub(self.in_flight(flight))
    }

    /// Whether bytes that were not sent before go first, to find out whether the timeout was a
    /// mistake: how many segments of them. `Some(0)`: that is being waited for.
    pub(crate) fn trial_segments(&self) -> Option<u8> {
        match self.recovery.suspicion.frto {
            Frto::TryingNew { left } => Some(left),
            Frto::Off | Frto::FirstResent => None,
        }
    }

    /// Whether the congestion window was used up within the last round trip before `una`
    /// (RFC 7661 section 4.3).
    pub(crate) fn is_window_limited(&self, una: u64) -> bool {
        una < self.limited_to
    }

    /// Nothing more leaves now, with `flight` bytes up to `nxt` not acknowledged. `has_more`: there
    /// is something to send that the peer would take.
    pub(crate) fn note_pause(&mut self, flight: u32, nxt: u64, mss: Mss, has_more: bool) {
        if self.recovery.phase() == Phase::Fast {
            // Recovery is the limit, and a short one.
        } else if self.room(flight) < u32::from(mss.get()) {
            self.limited_to = nxt;
        } else if !has_more {
            self.delivered.limit_by_application(self.in_flight(flight));
        }
    }

    /// `len` new positions leave, the last being `nxt`; `flight` bytes were not acknowledged before.
    pub(crate) fn depart(&mut self, len: u32, flight: u32, mss: Mss, now: Instant) {
        let departure = self.departure(flight, now);
        self.charge(len, now);
        // Within 1/32 of a round trip, the time of leaving need not be exact.
        let recovery = &self.recovery;
        self.board
            .depart(len, departure, || recovery.min_rtt() / 32);
        if let Frto::TryingNew { left } = &mut self.recovery.suspicion.frto {
            let segments = len.div_ceil(mss.get().into());
            *left = left.saturating_sub(u8::try_from(segments).unwrap_or(u8::MAX));
        }
    }

    /// `len` lost positions leave again. `false` if they must not; then nothing has left.
    pub(crate) fn depart_again(
        &mut self,
        len: u32,
        flight: u32,
        stamp: Option<u32>,
        now: Instant,
    ) -> bool {
        let departure = self.departure(flight, now);
        let again = self.board.resend(len, departure);
        if let Some(range) = again {
            self.charge(len, now);
            self.recovery.suspicion.note_resent(range, stamp);
        }
        again.is_some()
    }

    /// The last segment leaves again (RFC 8985 section 7.3), as far as it is one record. Returns
    /// its range.
    pub(crate) fn depart_last_again(
        &mut self,
        mss: u32,
        flight: u32,
        now: Instant,
    ) -> Option<Range> {
        let departure = self.departure(flight, now);
        let range = self.board.resend_last(mss, departure)?;
        let len = range.end.saturating_sub(range.start);
        self.charge(u32::try_from(len).unwrap_or(u32::MAX), now);
        Some(range)
    }

    /// A probe of the peer's window leaves: the first `len` positions, `flight` of which were not
    /// acknowledged before. `is_beyond`: the peer cannot take them, so they count as lost.
    pub(crate) fn depart_probe(
        &mut self,
        len: u32,
        flight: u32,
        mss: Mss,
        is_beyond: bool,
        now: Instant,
    ) {
        if flight < len {
            self.depart(len.saturating_sub(flight), flight, mss, now);
            self.board.lose_where(|_| true);
        }
        // What is a probe now is sent again later, or was sent before: it is not measured.
        if !self.depart_again(len, len.max(flight), None, now) {
            self.charge(len, now);
        }
        if is_beyond {
            self.board.lose_where(|_| true);
        }
    }

    /// New bytes were to show whether a timeout was a mistake, and there are none (any more). If
    /// none left, the old ones go on; `false`: some did, and their answer is waited for.
    pub(crate) fn end_trial(&mut self) -> bool {
        let frto = &mut self.recovery.suspicion.frto;
        let has_none = *frto
            == Frto::TryingNew {
                left: Frto::NEW_SEGMENTS,
            };
        if has_none {
            *frto = Frto::Off;
        }
        has_none
    }

    /// What is to be known of a segment that leaves now, with `flight` bytes not acknowledged.
    fn departure(&mut self, flight: u32, now: Instant) -> Departure {
        let in_flight = self.in_flight(flight);
        self.delivered.depart(in_flight == 0, now)
    }

    /// `len` bytes have left.
    fn charge(&mut self, len: u32, now: Instant) {
        self.last_sent_at = now;
        self.recovery.note_sent(len);
        self.pacer.sent(len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::Delivery;

    const START: Instant = Instant::from_secs(10);
    const MSS: Mss = Mss::at_least(1_000);

    /// Two segments in flight, paced.
    fn busy() -> Busy {
        let mut busy = Busy::new();
        let remembered = Remembered::initial(MSS);
        let congestion = Congestion::new(Algorithm::NewReno, remembered, START);
        busy.begin(congestion, 0, 0, START);
        let mut rtt = Rtt::new();
        rtt.sample(Span::from_millis(10));
        assert!(busy.allowance(true, 2_000, &rtt, MSS, START) > 0);
        busy.depart(2_000, 0, MSS, START);
        busy
    }

    #[test]
    fn what_does_not_leave_costs_nothing() {
        let mut busy = busy();
        let later = START + Span::from_millis(1);
        let before = busy.pacer;
        // Nothing is lost.
        assert!(!busy.depart_again(1_000, 2_000, None, later));
        // The last one has arrived.
        let mut delivery = Delivery::NONE;
        busy.board.report(1_000, 2_000, &mut delivery);
        assert_eq!(busy.depart_last_again(1_000, 2_000, later), None);
        assert_eq!((busy.pacer, busy.last_sent_at), (before, START));
        // But what does leave is counted.
        busy.board.lose_where(|_| true);
        assert!(busy.depart_again(1_000, 2_000, None, later));
        assert_ne!(busy.pacer, before);
        assert_eq!(busy.last_sent_at, later);
    }
}
