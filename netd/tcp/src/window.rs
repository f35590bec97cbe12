//! Witness types for windows, their scale, and segment sizes.
//!
//! *Owns* the limits of RFC 9293 section 3.7.1 (MSS) and RFC 7323 section 2 (window scale). A value
//! of these types has passed its check, so nobody checks twice.

use core::num::{NonZeroU8, NonZeroU16};

/// How far a window field is shifted, 0 to 14 (RFC 7323 section 2.3). One more is stored, so that
/// "no scale" takes no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowScale(NonZeroU8);

impl Default for WindowScale {
    fn default() -> Self {
        Self::NONE
    }
}

impl WindowScale {
    /// No scaling.
    pub const NONE: Self = Self::clamped(0);
    /// The largest shift.
    pub const MAX: Self = Self::clamped(14);

    /// The shift that a peer asked for. RFC 7323 section 2.3: above 14, use 14.
    #[must_use]
    pub const fn clamped(shift: u8) -> Self {
        let shift = if shift > 14 { 14 } else { shift };
        Self(NonZeroU8::MIN.saturating_add(shift))
    }

    /// The smallest shift with which a window of `bytes` can be offered.
    #[must_use]
    pub const fn for_window(bytes: u32) -> Self {
        let mut shift = 0;
        while shift < Self::MAX.get() && bytes >> shift > u16::MAX as u32 {
            shift += 1;
        }
        Self::clamped(shift)
    }

    /// The shift.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get() - 1
    }

    /// What one unit of a window field stands for, in bytes.
    #[must_use]
    pub const fn unit(self) -> u32 {
        1 << self.get()
    }

    /// The window that a field with value `field` offers, in bytes.
    #[must_use]
    pub const fn apply(self, field: u16) -> u32 {
        (field as u32) << self.get()
    }

    /// The field that offers as much of `bytes` as it can without offering more.
    #[must_use]
    pub fn floor(self, bytes: u64) -> u16 {
        u16::try_from(bytes >> self.get()).unwrap_or(u16::MAX)
    }

    /// The smallest field that offers at least `bytes`, or the largest there is.
    #[must_use]
    pub fn ceil(self, bytes: u64) -> u16 {
        self.floor(bytes.saturating_add(u64::from(self.unit()) - 1))
    }
}

/// A maximum segment size: the largest payload of one segment, options not counted, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mss(NonZeroU16);

impl Mss {
    /// What a peer that sends no MSS option accepts over IPv4 (RFC 9293 section 3.7.1).
    pub const DEFAULT_V4: Self = Self::at_least(536);
    /// What a peer that sends no MSS option accepts over IPv6 (RFC 9293 section 3.7.1).
    pub const DEFAULT_V6: Self = Self::at_least(1_220);
    /// The least that is believed: a smaller offer would make us send dwarf segments at the
    /// peer's will.
    pub const MIN: u16 = 64;

    /// The size `bytes`, raised to [`Mss::MIN`] if it is smaller.
    #[must_use]
    pub const fn at_least(bytes: u16) -> Self {
        let bytes = if bytes < Self::MIN { Self::MIN } else { bytes };
        match NonZeroU16::new(bytes) {
            Some(size) => Self(size),
            None => Self(NonZeroU16::MIN),
        }
    }

    /// The size in bytes.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The smaller of two sizes.
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.get() < self.get() {
            other
        } else {
            self
        }
    }

    /// This size less `bytes` of options in every segment, but not below [`Mss::MIN`].
    #[must_use]
    pub const fn less(self, bytes: u16) -> Self {
        Self::at_least(self.get().saturating_sub(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_the_smallest_that_fits() {
        for (window, shift) in [
            (0, 0),
            (65_535, 0),
            (65_536, 1),
            (1 << 20, 5),
            (1 << 30, 14),
            (u32::MAX, 14),
        ] {
            assert_eq!(
                WindowScale::for_window(window).get(),
                shift,
                "window {window}"
            );
        }
    }

    #[test]
    fn a_peer_cannot_ask_for_more_than_fourteen() {
        assert_eq!(WindowScale::clamped(14), WindowScale::MAX);
        assert_eq!(WindowScale::clamped(255), WindowScale::MAX);
        assert_eq!(WindowScale::MAX.apply(u16::MAX), 65_535 << 14);
    }

    #[test]
    fn floor_never_offers_more_and_ceil_never_less() {
        for shift in 0..=14 {
            let scale = WindowScale::clamped(shift);
            for bytes in [0, 1, 127, 128, 129, 65_535, 65_536, 1 << 20, (1 << 20) + 1] {
                let floor = u64::from(scale.apply(scale.floor(bytes)));
                assert!(floor <= bytes);
                if bytes < u64::from(u16::MAX) << shift {
                    let ceil = u64::from(scale.apply(scale.ceil(bytes)));
                    assert!(ceil >= bytes && ceil - floor <= 1 << shift);
                }
            }
        }
    }

    #[test]
    fn segment_sizes_have_a_floor() {
        assert_eq!(Mss::at_least(0).get(), Mss::MIN);
        assert_eq!(Mss::at_least(1_460).less(12).get(), 1_448);
        assert_eq!(Mss::at_least(70).less(12).get(), Mss::MIN);
        assert_eq!(Mss::at_least(9_000).min(Mss::at_least(500)).get(), 500);
    }
}
