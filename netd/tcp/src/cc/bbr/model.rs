//! BBR's model of the path: how fast, how far, and which round it is.
//!
//! *Owns* the two filters (draft-cardwell-iccrg-bbr section 4.1) and the count of rounds. *Never*
//! decides what to send.

use core::time::Duration;

use super::super::max_filter::MaxFilter;
use super::super::{AckSample, MAX_WINDOW, bytes_per_second};
use super::gain::Gain;
use crate::time::Instant;

/// Rounds for which a rate counts.
const RATE_ROUNDS: u32 = 10;
/// How long the least round trip is believed.
const ROUND_TRIP_TIME: Duration = Duration::from_secs(10);

/// The model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// BtlBw, bytes per second.
    rate: MaxFilter,
    /// RTprop; [`Duration::MAX`] while unknown.
    min_rtt: Duration,
    min_rtt_at: Instant,
    round: u32,
    /// The round ends when a segment arrives before whose departure so much was delivered.
    round_end: u64,
    delivered: u64,
    /// Segments that left before so much was delivered left slowly on purpose.
    distrusted: u64,
}

impl Model {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            rate: MaxFilter::new(RATE_ROUNDS),
            min_rtt: Duration::MAX,
            min_rtt_at: now,
            round: 0,
            round_end: 0,
            delivered: 0,
            distrusted: 0,
        }
    }

    /// Bytes per second; zero while unknown.
    pub(super) const fn rate(&self) -> u64 {
        self.rate.get()
    }

    pub(super) const fn min_rtt(&self) -> Duration {
        self.min_rtt
    }

    /// What was delivered so far.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether there is a product.
    pub(super) fn is_known(&self) -> bool {
        self.rate() > 0 && self.min_rtt != Duration::MAX
    }

    /// The bandwidth-delay product times `gain`, in bytes.
    pub(super) fn product(&self, gain: Gain) -> u32 {
        if !self.is_known() {
            return 0;
        }
        let microseconds = u64::try_from(self.min_rtt.as_micros()).unwrap_or(u64::MAX);
        let bytes = self.rate().saturating_mul(microseconds) / 1_000_000;
        u32::try_from(gain.of(bytes)).map_or(MAX_WINDOW, |bytes| bytes.min(MAX_WINDOW))
    }

    /// Takes a delivery rate (section 4.1.1.3). Returns whether a round begins. `is_slow`: less than
    /// the path can carry is sent on purpose.
    pub(super) fn take_rate(&mut self, sample: &AckSample, is_slow: bool) -> bool {
        let Some(taken) = sample.rate else {
            return false;
        };
        self.delivered = taken.total_delivered();
        let is_round_start = taken.prior_delivered >= self.round_end;
        if is_round_start {
            self.round_end = self.delivered;
            self.round = self.round.wrapping_add(1);
        }
        let seen = bytes_per_second(taken.delivered.into(), taken.interval);
        let is_limited = is_slow || taken.is_app_limited || taken.prior_delivered < self.distrusted;
        // Section 4.1.1.4: what the sender held back says nothing, unless it is a new record.
        if !is_limited || seen >= self.rate.get() {
            self.rate.update(self.round, seen);
        }
        is_round_start
    }

    /// A round begins with what is sent from now on.
    pub(super) fn begin_round(&mut self) {
        self.round_end = self.delivered;
    }

    /// What is in flight now was sent slowly on purpose.
    pub(super) fn distrust(&mut self, sample: &AckSample) {
        self.distrusted = self.delivered.saturating_add(sample.in_flight.into());
    }

    /// Takes a round trip (section 4.1.2.3). Returns whether the least one has become old.
    pub(super) fn take_round_trip(&mut self, sample: &AckSample) -> bool {
        let is_old = sample.now.since(self.min_rtt_at) > ROUND_TRIP_TIME;
        if let Some(rtt) = sample.rtt
            && (rtt <= self.min_rtt || is_old)
        {
            self.min_rtt = rtt;
            self.min_rtt_at = sample.now;
        }
        is_old
    }

    /// The path was emptied: what was seen is the least.
    pub(super) fn renew_round_trip(&mut self, now: Instant) {
        self.min_rtt_at = now;
    }
}
