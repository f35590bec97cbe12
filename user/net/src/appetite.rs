//! How much room a connection is given: what its program takes in two round trips.
//!
//! *Owns* the measurement and the window of one connection (dynamic right-sizing). A peer that is never
//! to wait for room needs as much as it can send until it hears of more, a round trip later, and as
//! much again while the program takes it. A program that reads slowly takes little, however fast its
//! peer is, and is given little. *Never* takes arena, knows no clock, and never takes room back: a
//! window that shrinks does so by smaller rooms to come.

/// Nanoseconds of a microsecond.
const MICROSECOND: u64 = 1_000;
/// The shortest round trip, in nanoseconds: netd and the program take turns, too.
const SHORTEST: u64 = 1_000 * MICROSECOND;
/// Small windows are used up badly, because segments do not divide them: up to so many bytes are
/// counted twice.
const SPARE: u128 = 8 << 10;
/// What is taken for the round trip while it is not known.
const UNKNOWN: u64 = 100_000 * MICROSECOND;

/// The window of a connection, and what it follows from.
#[derive(Clone, Copy)]
pub struct Appetite {
    /// What it began with, and comes back to; in bytes, like all that follows.
    first: u32,
    largest: u32,
    window: u32,
    is_fixed: bool,
    /// When the round began, in nanoseconds, and what was taken since.
    since: u64,
    taken: u64,
}

impl Appetite {
    /// A window of `first` bytes that may grow to `largest`.
    pub const fn new(first: u32, largest: u32) -> Self {
        Self {
            first,
            largest,
            window: first,
            is_fixed: false,
            since: 0,
            taken: 0,
        }
    }

    /// Bytes to give room for.
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// The program chooses: so many bytes; zero: what it takes, again.
    pub fn fix(&mut self, bytes: u32) {
        self.is_fixed = bytes > 0;
        self.window = if self.is_fixed { bytes } else { self.first };
    }

    /// The program has taken `bytes`, by `now` in nanoseconds. `round_trip` is in microseconds; zero:
    /// not known.
    pub fn take(&mut self, bytes: u32, round_trip: u32, now: u64) {
        self.taken = self.taken.saturating_add(bytes.into());
        let round = match u64::from(round_trip) {
            0 => UNKNOWN,
            known => (known * MICROSECOND).max(SHORTEST),
        };
        let elapsed = now.saturating_sub(self.since);
        if elapsed < round {
            return;
        }
        // In one round trip; a round may take longer.
        let taken = u128::from(self.taken) * u128::from(round) / u128::from(elapsed);
        let wanted = (taken + taken.min(SPARE)) * 2;
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        (self.since, self.taken) = (now, 0);
        if self.is_fixed {
            return;
        }
        if wanted > self.window {
            self.window = wanted.min(self.largest).max(self.first);
        } else if wanted < self.window / 4 {
            self.window = (self.window / 2).max(self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000 * MICROSECOND;
    const FIRST: u32 = 16 << 10;
    const LARGEST: u32 = 8 << 20;
    /// 20 ms, in microseconds.
    const ROUND_TRIP: u32 = 20_000;

    /// A peer that sends as fast as `rate` bytes in a millisecond and the window allow, to a program
    /// that takes no more than `appetite` of them: the window after a second.
    fn window_after(start: Appetite, rate: u32, appetite: u32, begin: u64) -> (Appetite, u64) {
        let (mut appetites, mut now, mut sum) = (start, begin, 0);
        for _ in 0..1_000 {
            now += MILLISECOND;
            // Whatever the window, it is used up once in a round trip at most.
            let allowed = appetites.window() / 20;
            let taken = rate.min(appetite).min(allowed);
            appetites.take(taken, ROUND_TRIP, now);
            sum += u64::from(taken);
        }
        (appetites, sum)
    }

    #[test]
    fn a_long_fat_path_is_filled_and_no_more_room_is_given_than_that_takes() {
        // 1 Gbit/s: 125,000 bytes in a millisecond, 2.5 MB in a round trip.
        let fresh = Appetite::new(FIRST, LARGEST);
        let (grown, _) = window_after(fresh, 125_000, u32::MAX, 0);
        let product = 2_500_000;
        assert!(
            (product..product * 5 / 2).contains(&grown.window()),
            "{}",
            grown.window()
        );
        let (same, sum) = window_after(grown, 125_000, u32::MAX, 1_000 * MILLISECOND);
        assert_eq!((same.window(), sum), (grown.window(), 125_000_000));
    }

    #[test]
    fn the_window_doubles_in_a_round_trip() {
        let mut appetite = Appetite::new(FIRST, LARGEST);
        appetite.take(0, ROUND_TRIP, 20 * MILLISECOND);
        for round in 2..9 {
            let window = appetite.window();
            appetite.take(window, ROUND_TRIP, round * 20 * MILLISECOND);
            assert!(appetite.window() >= window * 2);
        }
    }

    #[test]
    fn a_slow_reader_is_given_no_more_whatever_its_peer_can_send() {
        let fresh = Appetite::new(FIRST, LARGEST);
        // 4,000 bytes in a round trip.
        let (window, _) = window_after(fresh, 125_000, 200, 0);
        assert_eq!(window.window(), FIRST);
    }

    #[test]
    fn who_slows_down_is_given_less() {
        let fresh = Appetite::new(FIRST, LARGEST);
        let (grown, _) = window_after(fresh, 125_000, u32::MAX, 0);
        let (less, _) = window_after(grown, 125_000, 100, 1_000 * MILLISECOND);
        assert!(less.window() < 2 * FIRST, "{}", less.window());
        // A pause is one round, however long.
        let mut paused = grown;
        paused.take(1, ROUND_TRIP, 3_600_000 * MILLISECOND);
        assert_eq!(paused.window(), grown.window() / 2);
    }

    #[test]
    fn a_choice_holds_and_is_bounded_by_nothing_else() {
        let mut fixed = Appetite::new(FIRST, LARGEST);
        fixed.fix(3_000);
        let (after, _) = window_after(fixed, 125_000, u32::MAX, 0);
        assert_eq!(after.window(), 3_000);
        fixed.fix(0);
        assert_eq!(fixed.window(), FIRST);
        let (grown, _) = window_after(fixed, 1_000, u32::MAX, 0);
        assert!(grown.window() >= 20_000);
    }

    #[test]
    fn a_round_trip_that_is_not_known_is_a_long_one() {
        let mut appetite = Appetite::new(FIRST, LARGEST);
        appetite.take(0, 0, 100 * MILLISECOND);
        appetite.take(100_000, 0, 199 * MILLISECOND);
        assert_eq!(appetite.window(), FIRST);
        appetite.take(0, 0, 200 * MILLISECOND);
        assert_eq!(appetite.window(), 200_000 + 2 * (8 << 10));
    }
}
