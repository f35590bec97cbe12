//! Challenge acknowledgements: how many, and for whom.
//!
//! A doubtful segment is answered by an acknowledgement, which makes an honest peer prove itself
//! (RFC 5961). Without a limit that would be an amplifier; with a fixed limit for all connections
//! together, whoever can make us use it up on one connection can see, on a connection of its own,
//! what happens on the first (CVE-2016-5696). So the limit of each second is a secret random number,
//! and one connection gets only a few of them.
//!
//! *Owns* both limits. *Spec*: RFC 5961 section 7.

use core::time::Duration;

use crate::time::Instant;

/// So many per second for all connections, more or less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    per_second: u32,
    left: u32,
    refilled: Instant,
    state: u64,
}

impl Budget {
    pub(crate) const fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: per_second,
            refilled: Instant::ZERO,
            state: 0,
        }
    }

    pub(crate) fn seed(&mut self, secret: u64) {
        self.state = secret;
    }

    /// Takes one, if one is left in this second.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        if now.since(self.refilled) >= Duration::from_secs(1) {
            self.refilled = now;
            self.left = self.next_limit();
        }
        let is_granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_granted
    }

    /// Between half and one and a half of what is wanted, evenly; never none, unless none is wanted.
    fn next_limit(&mut self) -> u32 {
        let spread = u64::from(self.per_second);
        let random = (u64::from(random(&mut self.state)) * (spread + 1)) >> 32;
        let limit = spread / 2 + random;
        u32::try_from(limit.max(spread.min(1))).unwrap_or(u32::MAX)
    }
}

/// The upper half of the next number of SplitMix64. Its state cannot be told from the few numbers
/// between two limits that anybody outside can count.
fn random(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(0)
}

/// How many challenges one connection gets in half a second.
const PER_CONNECTION: u8 = 5;

/// What one connection has had of them lately, in one byte: how many, and above that the half second,
/// counted modulo 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share(u8);

impl Share {
    /// Whether the connection may have one more.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        const USED: u8 = 0b111;
        let [period, ..] = (now.as_millis() / 512).to_le_bytes();
        let period = period << USED.count_ones();
        if period != self.0 & !USED {
            self.0 = period;
        }
        let is_granted = self.0 & USED < PER_CONNECTION;
        self.0 += u8::from(is_granted);
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_a_second_is_random_around_the_mean() {
        let mut budget = Budget::new(100);
        budget.seed(7);
        let mut limits = std::vec::Vec::new();
        for second in 1..=1_000 {
            let now = Instant::from_secs(second);
            limits.push((0..1_000).filter(|_| budget.take(now)).count());
        }
        assert!(limits.iter().all(|limit| (50..=150).contains(limit)));
        let mean = limits.iter().sum::<usize>() / limits.len();
        assert!((95..=105).contains(&mean), "mean {mean}");
        let different: std::collections::HashSet<_> = limits.iter().collect();
        assert!(different.len() > 90, "only {} limits", different.len());
        let mut other = Budget::new(100);
        other.seed(8);
        let now = Instant::from_secs(1);
        let first = (0..1_000).filter(|_| other.take(now)).count();
        assert_ne!(first, limits[0], "another secret");
    }

    #[test]
    fn a_budget_of_nothing_is_nothing() {
        let mut budget = Budget::new(0);
        assert!((1..100).all(|second| !budget.take(Instant::from_secs(second))));
    }

    #[test]
    fn one_connection_cannot_use_up_the_budget_of_all() {
        let mut share = Share::default();
        let now = Instant::from_secs(9);
        assert_eq!((0..100).filter(|_| share.take(now)).count(), 5);
        assert!(share.take(now + Duration::from_millis(600)));
    }
}
