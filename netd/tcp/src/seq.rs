//! Sequence numbers: positions on a circle of 2³² (RFC 9293 section 3.4).
//!
//! *Owns* [`Seq`] and the conversion between it and stream positions. *Never* orders: a circle has
//! no smallest number, so there is no `Ord`, only *before* and *after*, which mean "by less than
//! half the circle". Inside the crate positions are `u64` counters that never wrap; `Seq` exists
//! only where a number meets the wire. Nothing here panics or overflows.

use core::fmt;

/// A sequence number as the wire carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seq(u32);

impl Seq {
    /// The sequence number with this value.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The value for the wire.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number `count` places further round the circle.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The number of stream position `position`, when `self` is the number of position 0.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the wire carries positions modulo 2^32"
    )]
    pub const fn at(self, position: u64) -> Self {
        Self(self.0.wrapping_add(position as u32))
    }

    /// Places from `origin` to `self`: negative if `self` comes before. Exactly half the circle
    /// counts as before.
    #[must_use]
    pub const fn distance_from(self, origin: Self) -> i32 {
        self.0.wrapping_sub(origin.0).cast_signed()
    }

    /// Whether `self` comes before `other`, going the short way round.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// Whether `self` comes after `other`, going the short way round.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// The stream position that `self` names, given that position 0 has number `base` and that it
    /// is meant to be near `near`. Negative when it lies before the start of the stream.
    #[must_use]
    pub(crate) const fn position(self, base: Self, near: u64) -> i64 {
        let offset = self.distance_from(base.at(near));
        near.cast_signed().saturating_add(offset as i64)
    }
}

/// What is kept of a position that is never far from another.
#[expect(clippy::cast_possible_truncation, reason = "kept modulo 2^32")]
pub(crate) const fn low(position: u64) -> u32 {
    position as u32
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_the_circle_is_before_in_both_directions() {
        let a = Seq::new(7);
        let b = a.plus(1 << 31);
        assert!(a.is_before(b) && b.is_before(a));
        assert!(!a.is_after(b) && !b.is_after(a));
    }

    #[test]
    fn positions_follow_the_wrap() {
        let base = Seq::new(u32::MAX - 1);
        assert_eq!(Seq::new(1).position(base, 0), 3);
        assert_eq!(Seq::new(u32::MAX - 2).position(base, 0), -1);
        // Far into a stream, the high bits come from the neighbourhood.
        let near = (9 << 32) + 5;
        assert_eq!(base.at(near).plus(10).position(base, near), (9 << 32) + 15);
        assert_eq!(base.at(near - 6).position(base, near), (9 << 32) - 1);
    }

    proptest! {
        #[test]
        fn before_and_after_are_opposites(a: u32, step in 1..u32::MAX / 2) {
            let (a, b) = (Seq::new(a), Seq::new(a).plus(step));
            prop_assert!(a.is_before(b) && b.is_after(a));
            prop_assert!(!b.is_before(a) && !a.is_after(b));
            prop_assert!(!a.is_before(a) && !a.is_after(a));
        }

        #[test]
        fn before_is_transitive_within_half_a_circle(a: u32, s in 1..1u32 << 30, t in 1..1u32 << 30) {
            let a = Seq::new(a);
            let (b, c) = (a.plus(s), a.plus(s).plus(t));
            prop_assert!(a.is_before(b) && b.is_before(c) && a.is_before(c));
        }

        #[test]
        fn distance_undoes_plus(a: u32, count: u32) {
            let a = Seq::new(a);
            prop_assert_eq!(a.plus(count).distance_from(a).cast_unsigned(), count);
        }

        #[test]
        fn position_undoes_at(base: u32, near in 0..1u64 << 60, offset: i32) {
            let base = Seq::new(base);
            let position = near.cast_signed() + i64::from(offset);
            let number = base.at(position.cast_unsigned());
            prop_assert_eq!(number.position(base, near), position);
        }
    }
}
