//! BBR's model of the path: how fast, how far, and when a round begins.
//!
//! *Owns* the two filters (sections 5.5.5 and 5.5.7 of the draft). *Never* decides what to send.

use super::super::max_filter::MaxFilter;
use super::super::{AckSample, MAX_WINDOW};
use super::gain::Gain;
use crate::time::{Instant, Span};

/// How many more cycles a rate counts after its own.
const RATE_CYCLES: u32 = 1;
/// How long the least round trip is believed.
const ROUND_TRIP_TIME: Span = Span::from_secs(10);
/// How often the path is emptied to see it.
const PROBE_TIME: Span = Span::from_secs(5);

/// A round trip is the least one again when it is longer by one part in so many.
const SAME_PART: u32 = 64;

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// `BBR.max_bw`, bytes per second.
    rate: MaxFilter,
    /// Cycles of the search for bandwidth.
    cycle: u32,
    /// `BBR.min_rtt`; [`Span::MAX`] while unknown.
    min_rtt: Span,
    min_rtt_at: Instant,
    /// The least round trip since the path was to be emptied last.
    recent_rtt: Span,
    recent_rtt_at: Instant,
    /// The round ends when a segment arrives before whose departure so much was delivered.
    round_end: u64,
    delivered: u64,
    /// Segments that left before so much was delivered left slowly on purpose.
    distrusted: u64,
}

impl Model {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            rate: MaxFilter::new(RATE_CYCLES),
            cycle: 0,
            min_rtt: Span::MAX,
            min_rtt_at: now,
            recent_rtt: Span::MAX,
            recent_rtt_at: now,
            round_end: 0,
            delivered: 0,
            distrusted: 0,
        }
    }

    /// Bytes per second; zero while unknown.
    pub(super) const fn rate(&self) -> u64 {
        self.rate.get()
    }

    #[cfg(test)]
    pub(super) const fn min_rtt(&self) -> Span {
        self.min_rtt
    }

    /// What was delivered so far.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether there is a product.
    pub(super) fn is_known(&self) -> bool {
        self.rate() > 0 && self.min_rtt != Span::MAX
    }

    /// What `rate` holds in flight, times `gain`, in bytes.
    pub(super) fn product(&self, rate: u64, gain: Gain) -> u32 {
        if !self.is_known() {
            return 0;
        }
        let microseconds = self.min_rtt.as_micros();
        let bytes = rate.saturating_mul(microseconds) / 1_000_000;
        u32::try_from(gain.of(bytes)).map_or(MAX_WINDOW, |bytes| bytes.min(MAX_WINDOW))
    }

    /// Takes a delivery rate: `seen`. Returns whether a round begins. `is_slow`: less than the path
    /// can carry is sent on purpose.
    pub(super) fn take_rate(&mut self, sample: &AckSample, seen: u64, is_slow: bool) -> bool {
        let Some(taken) = sample.rate else {
            return false;
        };
        self.delivered = taken.total_delivered();
        let is_round_start = taken.prior_delivered >= self.round_end;
        if is_round_start {
            self.round_end = self.delivered;
        }
        let is_limited = is_slow || taken.is_app_limited || taken.prior_delivered < self.distrusted;
        // What the sender held back says nothing, unless it is a new record.
        if !is_limited || seen >= self.rate.get() {
            self.rate.update(self.cycle, seen);
        }
        is_round_start
    }

    /// A cycle of the search is over; what the one before it saw is forgotten.
    pub(super) const fn end_cycle(&mut self) {
        self.cycle = self.cycle.wrapping_add(1);
    }

    /// A round begins with what is sent from now on.
    pub(super) const fn begin_round(&mut self) {
        self.round_end = self.delivered;
    }

    /// What is in flight now was sent slowly on purpose.
    pub(super) fn distrust(&mut self, sample: &AckSample) {
        self.distrusted = self.delivered.saturating_add(sample.in_flight.into());
    }

    /// Takes a round trip. Returns whether the path should be emptied to see the least one.
    pub(super) fn take_round_trip(&mut self, sample: &AckSample) -> bool {
        let is_due = sample.now.span_since(self.recent_rtt_at) > PROBE_TIME;
        if let Some(rtt) = sample.rtt {
            if rtt < self.recent_rtt || is_due {
                self.recent_rtt = rtt;
                self.recent_rtt_at = sample.now;
            } else if rtt.saturating_sub(self.recent_rtt) <= self.recent_rtt / SAME_PART {
                // Who sees the least one again need not empty the path for it.
                self.recent_rtt_at = sample.now;
            }
        }
        let is_old = sample.now.span_since(self.min_rtt_at) > ROUND_TRIP_TIME;
        if self.recent_rtt < self.min_rtt || is_old {
            self.min_rtt = self.recent_rtt;
            self.min_rtt_at = self.recent_rtt_at;
        }
        is_due
    }

    /// The path was emptied: what was seen is the least.
    pub(super) const fn renew_round_trip(&mut self, now: Instant) {
        self.recent_rtt_at = now;
    }
}
