//! Cookies of Fast Open that peers have given us, and peers with whom it does not work.
//!
//! *Owns* the entries: a destination belongs to one row of a few places, in which whoever was used
//! least lately makes way. *Never* grows, and never searches more than a row.
//!
//! Spec: RFC 7413 4.1.3 (cookies are kept by destination, with the segment size), 4.1.3.1 (peers
//! that do not answer).

use crate::hash::{Address, Spread};
use crate::rng::Rng;
use ::tcp::{FastOpen, Instant, Mss};
use alloc::vec::Vec;
use core::time::Duration;
use wire::tcp::FastOpenCookie;

/// Places of a row.
const ROW: usize = 4;

/// How long a peer is spared that did not answer a SYN with bytes.
const SPARED: Duration = Duration::from_secs(3_600);

/// What is known of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Cookie(FastOpen),
    /// The last SYN with bytes was lost, then.
    Lost(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Entry<A> {
    destination: A,
    used: Instant,
    known: Known,
}

/// The cache for one family.
#[derive(Debug)]
pub(crate) struct CookieCache<A> {
    rows: Vec<[Option<Entry<A>>; ROW]>,
    spread: Spread,
}

impl<A: Address> CookieCache<A> {
    /// A cache for at most `limit` destinations, rounded up to a whole row.
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        Self {
            rows: alloc::vec![[None; ROW]; limit.div_ceil(ROW).max(1)],
            spread: Spread::new(rng),
        }
    }

    fn row(&mut self, destination: A) -> Option<&mut [Option<Entry<A>>; ROW]> {
        let hash = self.spread.address(destination);
        let place = usize::try_from(hash % self.rows.len().max(1) as u64).ok()?;
        self.rows.get_mut(place)
    }

    /// What to bring to a peer: its cookie, or a request for one. `None` while it is spared.
    pub(crate) fn bring(&mut self, destination: A, now: Instant) -> Option<FastOpen> {
        let ask = FastOpen {
            cookie: FastOpenCookie::default(),
            mss: Mss::DEFAULT_V4,
        };
        let of_peer = |entry: &&mut Entry<A>| entry.destination == destination;
        let row = self.row(destination)?;
        let Some(entry) = row.iter_mut().flatten().find(of_peer) else {
            return Some(ask);
        };
        entry.used = now;
        match entry.known {
            Known::Cookie(fast_open) => Some(fast_open),
            Known::Lost(at) if now.since(at) < SPARED => None,
            Known::Lost(_) => Some(ask),
        }
    }

    /// A peer has given us a cookie.
    pub(crate) fn learn(&mut self, destination: A, fast_open: FastOpen, now: Instant) {
        self.note(destination, Known::Cookie(fast_open), now);
    }

    /// A SYN with bytes was not answered: what the peer has given us is forgotten.
    pub(crate) fn spare(&mut self, destination: A, now: Instant) {
        self.note(destination, Known::Lost(now), now);
    }

    fn note(&mut self, destination: A, known: Known, now: Instant) {
        let Some(row) = self.row(destination) else {
            return;
        };
        // Its own place; else a free one; else that of whoever was used least lately.
        let rank = |place: &&mut Option<Entry<A>>| match place {
            Some(entry) if entry.destination == destination => (0, Instant::ZERO),
            None => (1, Instant::ZERO),
            Some(entry) => (2, entry.used),
        };
        if let Some(place) = row.iter_mut().min_by_key(rank) {
            *place = Some(Entry {
                destination,
                used: now,
                known,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn peer(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(number)
    }

    fn fast_open(number: u8) -> FastOpen {
        FastOpen {
            cookie: FastOpenCookie::from_slice(&[number; 8]).unwrap(),
            mss: Mss::at_least(1_400),
        }
    }

    #[test]
    fn whoever_was_used_least_lately_makes_way() {
        let mut cache = CookieCache::new(ROW, &mut Rng::new([1; 32]));
        let at = Instant::from_secs;
        for number in 0..4 {
            cache.learn(peer(number.into()), fast_open(number), at(number.into()));
        }
        assert_eq!(cache.bring(peer(0), at(10)), Some(fast_open(0)));
        cache.learn(peer(4), fast_open(4), at(11));
        let known = |cache: &mut CookieCache<_>, number: u8| {
            cache.bring(peer(number.into()), at(12)) == Some(fast_open(number))
        };
        let still: Vec<_> = (0..5).filter(|number| known(&mut cache, *number)).collect();
        assert_eq!(still, [0, 2, 3, 4]);
        // A new cookie of the same peer takes the old one's place.
        cache.learn(peer(2), fast_open(9), at(13));
        assert_eq!(cache.bring(peer(2), at(13)), Some(fast_open(9)));
        assert!(known(&mut cache, 3) && known(&mut cache, 4) && known(&mut cache, 0));
    }

    #[test]
    fn who_did_not_answer_is_spared_for_a_while() {
        let mut cache = CookieCache::new(64, &mut Rng::new([1; 32]));
        let start = Instant::from_secs(9);
        cache.learn(peer(1), fast_open(1), start);
        cache.spare(peer(1), start);
        assert_eq!(cache.bring(peer(1), start), None);
        let later = start + SPARED;
        let asked = cache.bring(peer(1), later).expect("asked again");
        assert!(asked.cookie.as_slice().is_empty());
    }

    #[test]
    fn a_thousand_peers_take_no_more_than_their_places() {
        let mut cache = CookieCache::new(16, &mut Rng::new([1; 32]));
        for number in 0..1_000 {
            cache.learn(peer(number), fast_open(7), Instant::ZERO);
        }
        let known = (0..1_000)
            .filter(|number| cache.bring(peer(*number), Instant::ZERO) == Some(fast_open(7)));
        assert_eq!(known.count(), 16);
    }
}
