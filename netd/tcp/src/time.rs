//! Instants: nanoseconds since an origin that only the caller knows; and the time between two.
//!
//! *Owns* the one time type of the network crates, and [`Span`], what lies between two of them in one
//! word: a [`Duration`] is two, seconds and the rest, which each acknowledgement would take apart and
//! put together again some twenty times. *Never* asks a clock: every call that depends
//! on time takes `now`. All arithmetic saturates, so no instant can overflow or panic.

use core::ops::{Add, Div};
use core::time::Duration;

/// A point in time: nanoseconds since the owner's origin (584 years fit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The owner's origin.
    pub const ZERO: Self = Self(0);
    /// Later than every instant that can be reached: a deadline that never comes.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant `nanoseconds` after the origin.
    #[must_use]
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// The instant `microseconds` after the origin.
    #[must_use]
    pub const fn from_micros(microseconds: u64) -> Self {
        Self(microseconds.saturating_mul(1_000))
    }

    /// The instant `milliseconds` after the origin.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// The instant `seconds` after the origin.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The instant `duration` before this one, but not before the origin.
    #[must_use]
    pub fn earlier(self, duration: Duration) -> Self {
        self.before_span(Span::from(duration))
    }

    /// The same, of what is in one word.
    pub(crate) const fn before_span(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The time that passed from `earlier` to `self`; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same in one word.
    #[inline]
    pub(crate) const fn span_since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        self + Span::from(duration)
    }
}

impl Add<Span> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A length of time: nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u64);

impl Span {
    /// No time at all.
    pub(crate) const ZERO: Self = Self(0);
    /// Longer than everything: 584 years.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// So many nanoseconds.
    pub(crate) const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// So many microseconds.
    pub(crate) const fn from_micros(microseconds: u64) -> Self {
        Self(microseconds.saturating_mul(1_000))
    }

    /// So many milliseconds.
    pub(crate) const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// So many seconds.
    pub(crate) const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// In nanoseconds.
    pub(crate) const fn as_nanos(self) -> u64 {
        self.0
    }

    /// In whole microseconds.
    pub(crate) const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// In whole milliseconds.
    pub(crate) const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whether it is no time at all.
    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both, one after the other.
    pub(crate) const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// So much longer than `other`, or zero.
    pub(crate) const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `times` as long.
    pub(crate) const fn saturating_mul(self, times: u32) -> Self {
        Self(self.0.saturating_mul(times as u64))
    }
}

impl Div<u32> for Span {
    type Output = Self;

    fn div(self, parts: u32) -> Self {
        Self(self.0 / u64::from(parts.max(1)))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_nanos(span.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let far = Instant::from_secs(u64::MAX);
        assert_eq!(far, Instant::FAR_FUTURE);
        assert_eq!(far + Duration::from_secs(1), Instant::FAR_FUTURE);
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::FAR_FUTURE);
        assert_eq!(Instant::ZERO.since(far), Duration::ZERO);
        assert_eq!(Instant::from_secs(1).earlier(Duration::MAX), Instant::ZERO);
        assert_eq!(
            Instant::from_millis(5)
                .since(Instant::from_micros(2_000))
                .as_millis(),
            3
        );
    }

    #[test]
    fn units_agree() {
        assert_eq!(Instant::from_secs(2), Instant::from_millis(2_000));
        assert_eq!(Instant::from_millis(2), Instant::from_micros(2_000));
        assert_eq!(Instant::from_micros(2), Instant::from_nanos(2_000));
        assert_eq!(Instant::from_nanos(2_999).as_micros(), 2);
    }
}
