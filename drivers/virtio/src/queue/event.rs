//! When an index passes an event, on numbers that wrap around.
//!
//! *Spec* 2.7.7.1 and 2.7.10.1 (notification suppression by event index).

/// Whether an index that moved from `old` to `new` (exclusive to inclusive) has passed `event`:
/// the other side wants to be told as soon as the index is `event + 1`.
///
/// All three live on a circle of 65,536: how far `new` is beyond the event is compared with how
/// far it has moved. Comparing the indices themselves goes wrong at the seam, and for good.
#[must_use]
pub const fn passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use super::passed;
    use crate::queue::tests::seeded;
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn around_the_seam() {
        // (event, new, old, passed)
        let table = [
            (0, 1, 0, true),
            (0, 0, 0, false),
            (1, 1, 0, false),
            (1, 2, 0, true),
            (0, 2, 1, false),
            (65_535, 0, 65_535, true),
            (65_535, 7, 65_535, true),
            (65_535, 7, 0, false),
            (65_534, 3, 65_530, true),
            (3, 3, 65_530, false),
            (3, 4, 65_530, true),
            (65_529, 4, 65_530, false),
        ];
        for (event, new, old, expected) in table {
            assert_eq!(passed(event, new, old), expected, "{event} {new} {old}");
        }
    }

    proptest! {
        #![proptest_config(seeded(4096))]

        #[test]
        fn is_the_same_as_walking(event: u16, old: u16, steps in 0_u16..4096) {
            let new = old.wrapping_add(steps);
            let walked = (0..steps).any(|step| old.wrapping_add(step) == event);
            prop_assert_eq!(passed(event, new, old), walked);
        }
    }
}
