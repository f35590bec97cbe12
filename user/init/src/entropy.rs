//! Randomness for the whole system: one generator, seeded from all there is.
//!
//! *Owns* the generator; every process gets a seed of its own from it. *Never* pretends: whoever
//! gets a seed is told whether there was anything to seed with.

use chacha20::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Bytes of true randomness from which on the generator counts as seeded.
const ENOUGH: usize = 16;

/// Collects randomness.
pub struct Pool {
    hash: Sha256,
    /// Bytes that came from sources of true randomness.
    bytes: usize,
}

impl Pool {
    /// A pool of nothing.
    pub fn new() -> Self {
        Self {
            hash: Sha256::new(),
            bytes: 0,
        }
    }

    /// Mixes in bytes of a source of true randomness.
    pub fn mix(&mut self, source: &[u8]) {
        self.hash.update(source);
        self.bytes = self.bytes.saturating_add(source.len());
    }

    /// Mixes in something that differs from boot to boot but can be guessed.
    pub fn mix_weak(&mut self, value: u64) {
        self.hash.update(value.to_le_bytes());
    }

    /// The generator.
    pub fn finish(self) -> Generator {
        Generator {
            random: ChaCha20Rng::from_seed(self.hash.finalize().into()),
            seeded: self.bytes >= ENOUGH,
        }
    }
}

/// Hands out seeds.
pub struct Generator {
    random: ChaCha20Rng,
    seeded: bool,
}

impl Generator {
    /// There was enough true randomness.
    pub const fn is_seeded(&self) -> bool {
        self.seeded
    }

    /// A seed that nobody else gets.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        seed
    }
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn every_seed_is_another() {
        let mut pool = Pool::new();
        pool.mix(&[1; 32]);
        let mut generator = pool.finish();
        assert!(generator.is_seeded());
        assert_ne!(generator.seed(), generator.seed());
    }

    #[test]
    fn every_source_matters() {
        let seed = |source: u8, weak| {
            let mut pool = Pool::new();
            pool.mix(&[source; 32]);
            pool.mix_weak(weak);
            pool.finish().seed()
        };
        assert_ne!(seed(1, 1), seed(2, 1));
        assert_ne!(seed(1, 1), seed(1, 2));
        assert_eq!(seed(1, 1), seed(1, 1));
    }

    #[test]
    fn guessable_numbers_are_no_seed() {
        let mut pool = Pool::new();
        for value in 0..100 {
            pool.mix_weak(value);
        }
        pool.mix(&[7; 8]);
        assert!(!pool.finish().is_seeded());
    }
}
