//! Initial sequence numbers: RFC 6528.
//!
//! *Owns* the formula ISN = M + F(addresses, ports, secret). *Never* knows the addresses: F, a
//! keyed hash of them, comes from outside.

use crate::seq::Seq;
use crate::time::Instant;

/// The initial sequence number for a connection whose addresses and ports hash, under a secret key,
/// to `keyed_hash`. M is a clock of four microseconds a tick, as RFC 9293 section 3.4.1 has it.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "clock and hash are taken modulo 2^32"
)]
pub const fn isn(now: Instant, keyed_hash: u64) -> Seq {
    let hash = (keyed_hash >> 32) as u32 ^ keyed_hash as u32;
    Seq::new((now.as_micros() / 4) as u32).plus(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    // RFC 9293: MUST-8
    #[test]
    fn numbers_of_one_pair_grow_with_time_and_wrap() {
        let start = Instant::from_secs(17_179);
        let later = start + Duration::from_secs(4);
        assert_eq!(isn(later, 99).distance_from(isn(start, 99)), 1_000_000);
    }

    // RFC 9293: SHLD-1
    #[test]
    fn both_halves_of_the_hash_count() {
        let now = Instant::from_secs(1);
        assert_ne!(isn(now, 1), isn(now, 2));
        assert_ne!(isn(now, 1 << 40), isn(now, 2 << 40));
    }
}
