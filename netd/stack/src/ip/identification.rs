//! What tells the parts of one packet of ours from another's.
//!
//! *Owns* a counter for each of some places, and two secrets: where a conversation has its place, and
//! from which number on it counts. So a number comes again for two hosts and a protocol only when
//! all others were used (RFC 6864 section 4.2), nobody learns from it how much we send to others, and
//! nobody can guess the next (RFC 7739 section 5.3). *Never* grows.

use crate::hash::{Address, Hasher, Spread, Tuple};
use crate::rng::Rng;
use alloc::vec;
use alloc::vec::Vec;
use wire::Protocol;

/// Counters: conversations that share one only use up its numbers faster.
const PLACES: usize = 256;

#[derive(Debug)]
pub(crate) struct Identifications {
    spread: Spread,
    hasher: Hasher,
    counters: Vec<u32>,
}

impl Identifications {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            spread: Spread::new(rng),
            hasher: Hasher::new(rng),
            counters: vec![0; PLACES],
        }
    }

    /// The next number for packets that are sent in parts.
    pub(crate) fn next<A: Address>(&mut self, local: A, remote: A, protocol: Protocol) -> u32 {
        let tuple = Tuple {
            local,
            local_port: 0,
            remote,
            remote_port: 0,
        };
        let place = self.spread.tuple(&tuple) as usize % PLACES;
        let start = self.hasher.tuple_and(&tuple, protocol.0.into());
        let [a, b, c, d, ..] = start.to_le_bytes();
        let start = u32::from_le_bytes([a, b, c, d]);
        let Some(counter) = self.counters.get_mut(place) else {
            return start;
        };
        *counter = counter.wrapping_add(1);
        start.wrapping_add(*counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::collections::HashSet;

    // RFC 6864 section 4.2
    #[test]
    fn no_number_comes_again_before_all_others() {
        let mut it = Identifications::new(&mut Rng::new([3; 32]));
        let host = |last| Ipv4Addr::new(10, 0, 0, last);
        let mut next = |to| it.next(host(1), host(to), Protocol::UDP) as u16;
        let mut seen: HashSet<_> = (0..65_536).map(|_| next(2)).collect();
        assert_eq!(seen.len(), 65_536);
        // Another's start elsewhere.
        seen = (2..100).map(next).collect();
        assert!(seen.len() > 90, "{}", seen.len());
    }
}
