//! Gains: what a rate or a product is multiplied with.
//!
//! *Owns* the numbers of BBR, as 256ths.

/// A factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gain(u32);

impl Gain {
    /// 4 ln 2: the least that doubles what is delivered in each round.
    pub(super) const STARTUP: Self = Self(710);
    /// What startup queued in one round is gone after one more.
    pub(super) const DRAIN: Self = Self(88);
    /// Looking for more bandwidth, and the window for it.
    pub(super) const UP: Self = Self(320);
    pub(super) const UP_WINDOW: Self = Self(576);
    /// Taking back the queue that this made.
    pub(super) const DOWN: Self = Self(230);
    /// What is left of a bound when too much is lost: 0.7.
    pub(super) const BETA: Self = Self(179);
    /// What is left free for others: 0.15.
    pub(super) const HEADROOM: Self = Self(38);
    pub(super) const HALF: Self = Self(128);
    pub(super) const ONE: Self = Self(256);
    pub(super) const TWO: Self = Self(512);

    /// This times `value`.
    pub(super) const fn of(self, value: u64) -> u64 {
        // Rates are at most 2^52 or so; what is more saturates.
        value.saturating_mul(self.0 as u64) / 256
    }

    /// This times `bytes` of a window.
    pub(super) fn of_window(self, bytes: u32) -> u32 {
        u32::try_from(self.of(bytes.into())).unwrap_or(u32::MAX)
    }
}
