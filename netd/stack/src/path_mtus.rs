//! What paths are known to take: a small memory of routers' words, by destination.
//!
//! *Owns* the entries; each is forgotten ten minutes after it was heard (RFC 1191 6.3, RFC 8201 4).
//! *Never* grows, and never searches: a destination has one place, and a newcomer may take it from
//! another. *Never* remembers less than a link must take, whatever a router says.
//!
//! Spec: RFC 1191 for IPv4, RFC 8201 for IPv6.

use crate::hash::{Address, Spread};
use crate::rng::Rng;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::time::Duration;

/// How long a router's word counts.
const MEMORY: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
struct Entry<A> {
    destination: A,
    mtu: u16,
    heard: Instant,
}

/// The memory for one family.
#[derive(Debug)]
pub(crate) struct PathMtus<A> {
    entries: Vec<Option<Entry<A>>>,
    spread: Spread,
    /// No router has ever said anything.
    is_empty: bool,
}

impl<A: Address> PathMtus<A> {
    /// A memory for at most `limit` destinations.
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        Self {
            entries: alloc::vec![None; limit.max(1)],
            spread: Spread::new(rng),
            is_empty: true,
        }
    }

    fn place(&self, destination: A) -> usize {
        let hash = self.spread.address(destination);
        let places = self.entries.len() as u64;
        usize::try_from(hash % places.max(1)).unwrap_or(0)
    }

    /// The largest packet that is known to get there, in bytes: all, if nobody has said otherwise.
    #[inline]
    pub(crate) fn get(&self, destination: A, now: Instant) -> u16 {
        if self.is_empty {
            return u16::MAX;
        }
        self.find(destination, now).unwrap_or(u16::MAX)
    }

    #[cold]
    fn find(&self, destination: A, now: Instant) -> Option<u16> {
        let entry = self.entries.get(self.place(destination))?.as_ref()?;
        let counts = entry.destination == destination && now.since(entry.heard) < MEMORY;
        counts.then_some(entry.mtu)
    }

    /// A router said that no larger packet gets there.
    pub(crate) fn learn(&mut self, destination: A, mtu: u16, now: Instant) {
        let place = self.place(destination);
        self.is_empty = false;
        if let Some(entry) = self.entries.get_mut(place) {
            *entry = Some(Entry {
                destination,
                mtu: mtu.max(A::LEAST_MTU),
                heard: now,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};

    const ONE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    #[test]
    fn words_age() {
        let mut mtus = PathMtus::new(8, &mut Rng::new([1; 32]));
        let start = Instant::from_secs(50);
        assert_eq!(mtus.get(ONE, start), u16::MAX);
        mtus.learn(ONE, 1_400, start);
        assert_eq!(mtus.get(ONE, start), 1_400);
        assert_eq!(mtus.get(Ipv4Addr::BROADCAST, start), u16::MAX);
        assert_eq!(mtus.get(ONE, start + MEMORY), u16::MAX);
    }

    #[test]
    fn no_word_makes_packets_absurdly_small() {
        let mut rng = Rng::new([1; 32]);
        let mut v4 = PathMtus::new(8, &mut rng);
        v4.learn(ONE, 68, Instant::ZERO);
        assert_eq!(v4.get(ONE, Instant::ZERO), 552);
        let mut v6 = PathMtus::new(8, &mut rng);
        v6.learn(Ipv6Addr::LOCALHOST, 68, Instant::ZERO);
        assert_eq!(v6.get(Ipv6Addr::LOCALHOST, Instant::ZERO), 1_280);
    }

    #[test]
    fn a_thousand_destinations_take_no_more_than_their_places() {
        let mut mtus = PathMtus::new(16, &mut Rng::new([1; 32]));
        for number in 0..1_000 {
            mtus.learn(Ipv4Addr::from_bits(number), 1_400, Instant::ZERO);
        }
        let known = (0..1_000).filter(|number| {
            let found = mtus.get(Ipv4Addr::from_bits(*number), Instant::ZERO);
            found < u16::MAX
        });
        assert!(known.count() <= 16);
    }
}
