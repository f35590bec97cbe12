//! Randomness: one ChaCha20 stream, seeded by the owner.
//!
//! *Owns* the generator. *Never* asks anybody for entropy: equal seeds give equal worlds, which is
//! what the simulator lives on.

use chacha20::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// The stack's random numbers; unpredictable for whoever does not know the seed.
#[derive(Debug)]
pub(crate) struct Rng(ChaCha20Rng);

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(crate) fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        let [low, high, ..] = self.u32().to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// A number below `limit` (0 for a limit of 0), biased by less than one in 2^32 / limit.
    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        let product = u64::from(self.u32()) * u64::from(limit);
        u32::try_from(product >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_streams() {
        let (mut a, mut b, mut c) = (Rng::new([1; 32]), Rng::new([1; 32]), Rng::new([2; 32]));
        let first = a.u64();
        assert_eq!(first, b.u64());
        assert_ne!(first, c.u64());
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut rng = Rng::new([3; 32]);
        let mut seen = [false; 10];
        for _ in 0..1_000 {
            seen[rng.below(10) as usize] = true;
        }
        assert_eq!(seen, [true; 10]);
        assert_eq!(rng.below(0), 0);
    }
}
