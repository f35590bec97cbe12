//! What losses tell BBR of the path: how much it holds, and how little it can carry for the moment.
//!
//! *Owns* the losses of a round and the bounds that follow from them. The upper one holds until a
//! probe finds more room; the lower ones hold until the next probe begins. *Never* takes losses of up
//! to a fiftieth of what was in flight for more than chance.
//!
//! A round's sums stand for what the draft keeps with each packet: how much was in flight when it
//! left, and what has been lost since.

use super::super::AckSample;
use super::gain::Gain;

/// No bound.
pub(super) const UNBOUNDED: u32 = u32::MAX;
/// One part in so many of a flight may be lost (`BBR.LossThresh`: 2 %).
const TOLERATED_PART: u64 = 50;
/// So many losses within a round end startup (`BBR.StartupFullLossCnt`).
const STARTUP_LOSSES: u8 = 6;

/// The bounds, and the round that they are judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// `BBR.inflight_longterm`: more in flight loses too much, in bytes.
    pub(super) high: u32,
    /// `BBR.inflight_shortterm`, in bytes.
    low: u32,
    /// `BBR.bw_shortterm`, in bytes per second.
    rate_low: u64,
    /// In this round: bytes lost, acknowledgements that told of losses, the greatest delivery rate, and
    /// the most bytes delivered within a round trip.
    lost: u32,
    losses: u8,
    rate: u64,
    delivered: u32,
    /// The most that was in flight, in this round and in the one before.
    flight: u32,
    last_flight: u32,
}

impl Bounds {
    pub(super) const fn new() -> Self {
        Self {
            high: UNBOUNDED,
            low: UNBOUNDED,
            rate_low: u64::MAX,
            lost: 0,
            losses: 0,
            rate: 0,
            delivered: 0,
            flight: 0,
            last_flight: 0,
        }
    }

    pub(super) const fn low(&self) -> u32 {
        self.low
    }

    pub(super) const fn rate_low(&self) -> u64 {
        self.rate_low
    }

    /// The most that was in flight of late.
    pub(super) fn flight(&self) -> u32 {
        self.flight.max(self.last_flight)
    }

    /// Takes an acknowledgement; `rate` is its delivery rate, zero if it has none.
    pub(super) fn take(&mut self, sample: &AckSample, rate: u64) {
        let delivered = sample.rate.map_or(0, |rate| rate.delivered);
        self.rate = self.rate.max(rate);
        self.delivered = self.delivered.max(delivered);
        self.flight = self.flight.max(sample.prior_in_flight);
        self.lost = self.lost.saturating_add(sample.lost);
        self.losses = self.losses.saturating_add(u8::from(sample.lost > 0));
    }

    /// The round is over; the acknowledgement that ends it belongs to the next one, too.
    pub(super) fn end_round(&mut self, sample: &AckSample, rate: u64) {
        *self = Self {
            lost: 0,
            losses: 0,
            rate,
            delivered: sample.rate.map_or(0, |rate| rate.delivered),
            flight: sample.in_flight,
            last_flight: self.flight,
            ..*self
        };
    }

    /// What this round has told so far is not to be judged.
    pub(super) fn forget_round(&mut self) {
        (self.lost, self.losses, self.rate, self.delivered) = (0, 0, 0, 0);
    }

    /// Whether more was lost in this round than chance explains.
    pub(super) fn is_too_high(&self) -> bool {
        u64::from(self.lost) * TOLERATED_PART > u64::from(self.flight())
    }

    /// The same in startup, where a burst of losses may have one cause.
    pub(super) fn ends_startup(&self) -> bool {
        self.losses >= STARTUP_LOSSES && self.is_too_high()
    }

    /// Startup ended by losses: what was delivered is what the path holds, or `product`, if it is more.
    pub(super) fn bound_startup(&mut self, product: u32) {
        self.high = product.max(self.delivered);
    }

    /// A round outside of a probe is over: if it lost too much, there is less for the moment. `window`
    /// and `rate` are what was used until now.
    pub(super) fn lower(&mut self, window: u32, rate: u64) {
        if !self.is_too_high() {
            return;
        }
        let (low, rate_low) = (self.low.min(window), self.rate_low.min(rate));
        self.low = self.delivered.max(Gain::BETA.of_window(low));
        self.rate_low = self.rate.max(Gain::BETA.of(rate_low));
    }

    /// What was there for a moment is forgotten: a probe begins.
    pub(super) fn forget_low(&mut self) {
        self.low = UNBOUNDED;
        self.rate_low = u64::MAX;
    }

    /// A probe has lost too much: no more than was in flight, though not much less than `target`.
    pub(super) fn bound(&mut self, target: u32) {
        self.high = self.flight().max(Gain::BETA.of_window(target));
    }

    /// A whole round did not lose too much.
    pub(super) fn confirm(&mut self) {
        if self.high != UNBOUNDED {
            self.high = self.high.max(self.last_flight);
        }
    }

    /// A probe has used up the upper bound without losses.
    pub(super) fn raise(&mut self, bytes: u32) {
        self.high = self.high.saturating_add(bytes);
    }

    /// The upper bound with a part left free for others (`BBR.Headroom`).
    pub(super) fn high_with_headroom(&self, segment: u32) -> u32 {
        if self.high == UNBOUNDED {
            return UNBOUNDED;
        }
        let headroom = Gain::HEADROOM.of_window(self.high).max(segment);
        self.high.saturating_sub(headroom)
    }
}
