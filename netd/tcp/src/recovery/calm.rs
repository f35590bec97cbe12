//! The acknowledgement with which nothing is wrong: what left once, and in order, has arrived.
//!
//! *Owns* the short way for it, beside [`Busy::hear`], which would come to the same: of all that it
//! asks, only the measurements and the congestion control are left. *Never* decides: while anything is
//! lost, reported, sent again, suspected or probed, it does nothing, and the long way is gone.

use super::delivery::Newest;
use super::{Phase, Reaction};
use crate::busy::Busy;
use crate::cc::AckSample;
use crate::rate::Departure;
use crate::time::Instant;
use crate::window::Mss;

/// What such an acknowledgement has delivered: see [`super::Delivery`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) bytes: u32,
    /// The lowest end of a record, and when that left.
    pub(crate) lowest: u64,
    pub(crate) oldest_at: Instant,
    /// The latest to leave.
    pub(crate) newest: Newest,
    pub(crate) departure: Departure,
    /// When the latest left of those of which it is known exactly.
    pub(crate) measured_at: Option<Instant>,
}

impl Busy {
    /// Whether what is acknowledged next can only mean that it has arrived.
    #[inline]
    fn is_calm(&self) -> bool {
        let recovery = &self.recovery;
        self.is_untroubled()
            && !self.board.may_find_losses()
            && !recovery.probe.is_sent()
            && !recovery.suspicion.is_open()
            && recovery.plain.is_quiet()
    }

    /// SND.UNA has moved by `acked`, to `una`; `flight` bytes behind it are in flight. Nothing was
    /// reported. `None`, and nothing is done, if something is not as always.
    #[inline]
    pub(crate) fn hear_calmly(
        &mut self,
        acked: u32,
        una: u64,
        flight: u32,
        mss: Mss,
        now: Instant,
    ) -> Option<Reaction> {
        if !self.is_calm() {
            return None;
        }
        let was_limited = self.is_window_limited(una.saturating_sub(acked.into()));
        let arrived = self.board.acknowledge_in_order(una)?;
        let rack = &mut self.recovery.rack;
        let rtt = arrived.measured_at.map(|at| now.span_since(at));
        rack.update_in_order(&arrived, rtt, now);
        let min_rtt = rack.min_rtt();
        let newest = Some(arrived.departure);
        let sample = AckSample {
            now,
            acked,
            delivered: arrived.bytes,
            lost: 0,
            prior_in_flight: flight.saturating_add(acked),
            in_flight: flight,
            rtt,
            rate: self.delivered.deliver(arrived.bytes, newest, min_rtt, now),
            is_window_limited: was_limited,
            phase: Phase::Open,
        };
        self.congestion.on_ack(&sample, mss);
        // One measurement a round trip is enough.
        let is_measured = arrived.newest.end > self.sampled_to;
        if is_measured {
            self.sampled_to = una.saturating_add(flight.into());
        }
        Some(Reaction {
            has_progress: true,
            rtt: is_measured.then(|| now.span_since(arrived.oldest_at)),
            ..Reaction::default()
        })
    }
}
