//! Sequence numbers without exception, on a circle small enough to walk: the upper bits of a number
//! are a circle of their own, so what holds for all of those holds for the arithmetic.

use tcp::Seq;

/// The number at a place of a circle of `1 << bits` places, and `below` it.
fn place(index: u32, bits: u32, below: u32) -> Seq {
    Seq::new((index << (32 - bits)).wrapping_add(below))
}

#[test]
fn every_pair_is_ordered_by_the_short_way_round() {
    for a in 0..=255_u8 {
        for b in 0..=255_u8 {
            let (first, second) = (place(a.into(), 8, 77), place(b.into(), 8, 77));
            // RFC 9293 section 3.4: modulo arithmetic; half the circle away is before.
            let ahead = a.wrapping_sub(b).cast_signed();
            assert_eq!(first.is_before(second), ahead < 0, "{a} {b}");
            assert_eq!(first.is_after(second), ahead > 0, "{a} {b}");
            assert_eq!(first.distance_from(second), i32::from(ahead) << 24);
            let is_opposite = ahead == i8::MIN;
            assert_eq!(
                second.is_after(first),
                first.is_before(second) != is_opposite
            );
            assert_eq!(first == second, a == b);
        }
    }
}

#[test]
fn order_is_transitive_within_half_a_circle() {
    const PLACES: u32 = 1 << 6;
    for a in 0..PLACES {
        for near in 0..PLACES / 2 {
            for far in 0..PLACES / 2 - near {
                let (a, b, c) = (
                    place(a, 6, 5),
                    place((a + near) % PLACES, 6, 5),
                    place((a + near + far) % PLACES, 6, 5),
                );
                let chained = !a.is_after(b) && !b.is_after(c);
                assert!(chained && !a.is_after(c), "{a} {b} {c}");
                assert_eq!(
                    i64::from(b.distance_from(a)) + i64::from(c.distance_from(b)),
                    i64::from(c.distance_from(a))
                );
            }
        }
    }
}

#[test]
fn steps_add_up_wherever_they_wrap() {
    for start in [0, 1, u32::MAX - 1, u32::MAX, 1 << 31, (1 << 31) - 1] {
        for first in [0, 1, 255, 1 << 31, u32::MAX] {
            for second in [0, 1, 255, 1 << 31, u32::MAX] {
                let start = Seq::new(start);
                let both = first.wrapping_add(second);
                assert_eq!(start.plus(first).plus(second), start.plus(both));
                let far = u64::from(first) + (u64::from(second) << 32);
                assert_eq!(start.at(far), start.plus(first));
                assert_eq!(
                    start.plus(first).distance_from(start).cast_unsigned(),
                    first
                );
            }
        }
    }
}
