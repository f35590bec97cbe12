//! The greatest value of the last rounds, in constant space.
//!
//! *Owns* the best three of a window, each younger than the one before (the algorithm of Kathleen
//! Nichols). It is exact for values that fall, and never keeps one longer than the window. *Never*
//! knows what the values are.

/// A value and the round in which it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    value: u64,
    round: u32,
}

/// A windowed maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MaxFilter {
    best: [Seen; 3],
    window: u32,
}

impl MaxFilter {
    /// A window of so many rounds, in which nothing was seen.
    pub(super) const fn new(window: u32) -> Self {
        Self {
            best: [Seen { value: 0, round: 0 }; 3],
            window,
        }
    }

    /// The greatest value of the window; zero if there is none.
    pub(super) const fn get(&self) -> u64 {
        let [best, ..] = self.best;
        best.value
    }

    /// A value was seen; rounds never go back.
    pub(super) fn update(&mut self, round: u32, value: u64) {
        let seen = Seen { value, round };
        let [first, second, third] = self.best;
        let age = |of: Seen| round.wrapping_sub(of.round);
        if value >= first.value || age(third) > self.window {
            self.best = [seen; 3];
            return;
        }
        self.best = if value >= second.value {
            [first, seen, seen]
        } else if value >= third.value {
            [first, second, seen]
        } else {
            self.best
        };
        self.expire(seen);
    }

    /// The oldest goes when its window is over; the younger ones are spread over the window, so that
    /// there is always one to take its place.
    fn expire(&mut self, seen: Seen) {
        let [first, second, third] = self.best;
        let age = |of: Seen| seen.round.wrapping_sub(of.round);
        if age(first) > self.window {
            self.best = [second, third, seen];
            if age(second) > self.window {
                self.best = [third, seen, seen];
            }
        } else if second.round == first.round && age(first) > self.window / 4 {
            self.best = [first, seen, seen];
        } else if third.round == second.round && age(first) > self.window / 2 {
            self.best = [first, second, seen];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MaxFilter;

    #[test]
    fn the_greatest_counts_at_once_and_for_one_window() {
        let mut filter = MaxFilter::new(10);
        filter.update(1, 50);
        filter.update(2, 90);
        for round in 3..=12 {
            filter.update(round, 60);
            assert_eq!(filter.get(), 90, "round {round}");
        }
        filter.update(13, 60);
        assert_eq!(filter.get(), 60);
    }

    #[test]
    fn what_falls_is_followed_with_the_delay_of_a_window() {
        let mut filter = MaxFilter::new(10);
        for round in 0..100 {
            filter.update(round, u64::from(1_000 - round));
            // Exact would be the value of ten rounds ago; a third of the window may be missing.
            let exact = u64::from(1_000 - round.saturating_sub(10));
            assert!(
                filter.get() <= exact && filter.get() + 6 >= exact,
                "round {round}"
            );
        }
    }

    #[test]
    fn it_is_never_below_the_newest_nor_above_the_true_maximum() {
        let mut filter = MaxFilter::new(10);
        let mut noise: u64 = 1;
        let mut all = Vec::new();
        for round in 0..2_000u32 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let value = noise >> 54;
            filter.update(round, value);
            all.push(value);
            let from = all.len().saturating_sub(11);
            let exact = all[from..].iter().max().copied().unwrap();
            assert!(filter.get() >= value && filter.get() <= exact);
        }
    }

    #[test]
    fn a_long_pause_forgets_everything() {
        let mut filter = MaxFilter::new(10);
        filter.update(1, 90);
        filter.update(50, 10);
        assert_eq!(filter.get(), 10);
    }
}
