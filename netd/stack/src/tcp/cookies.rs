//! Secrets that rotate: those of SYN cookies, which answer a SYN when no half-open connection fits
//! any more, and those of Fast Open's cookies.
//!
//! *Owns* the secrets: one for each tick of a clock, so that they rotate and no cookie is good for
//! more than two ticks. *Never* keeps anything for a peer: the SYN cookie's layout is `netd/tcp`'s.
//!
//! Spec: RFC 4987 3.6; RFC 7413 4.1.2.

use crate::hash::{Address, Hasher, Tuple};
use crate::rng::Rng;
use ::tcp::Instant;

/// Seconds of a tick of SYN cookies: one is good for one to two ticks, as long as a patient peer
/// takes.
pub(crate) const HANDSHAKE: u64 = 64;

/// The secrets, and whether cookies are about.
#[derive(Debug)]
pub(crate) struct Cookies {
    /// Of the even and of the odd ticks.
    secrets: [Hasher; 2],
    tick: u64,
    /// How long a tick lasts.
    tick_seconds: u64,
    /// The tick in which the last cookie was made.
    last_made: Option<u64>,
}

impl Cookies {
    /// Secrets that last so many seconds, at least one.
    pub(crate) fn new(rng: &mut Rng, tick_seconds: u64) -> Self {
        Self {
            secrets: [Hasher::new(rng), Hasher::new(rng)],
            tick: 0,
            tick_seconds: tick_seconds.max(1),
            last_made: None,
        }
    }

    /// The present tick. Secrets of ticks that are over are forgotten.
    fn advance(&mut self, rng: &mut Rng, now: Instant) -> u64 {
        let tick = now.as_micros() / 1_000_000 / self.tick_seconds;
        if tick > self.tick {
            if tick > self.tick + 1 {
                self.secrets = [Hasher::new(rng), Hasher::new(rng)];
            } else if let Some(secret) = self.secrets.get_mut(parity(tick)) {
                *secret = Hasher::new(rng);
            }
            self.tick = tick;
        }
        self.tick
    }

    /// A cookie is about to be made: in which tick.
    pub(crate) fn make(&mut self, rng: &mut Rng, now: Instant) -> u64 {
        let tick = self.advance(rng, now);
        self.last_made = Some(tick);
        tick
    }

    /// The present tick, if a cookie that was made can still be good. When none was made lately, no
    /// guess is worth a look.
    pub(crate) fn expect(&mut self, rng: &mut Rng, now: Instant) -> Option<u64> {
        let tick = self.advance(rng, now);
        self.last_made.filter(|made| tick - made <= 1).map(|_| tick)
    }

    /// The keyed hash of both ends and a word, under the secret of a tick.
    pub(crate) fn hash<A: Address>(&self, tuple: &Tuple<A>, tick: u64, word: u64) -> u64 {
        let secret = self.secrets.get(parity(tick));
        secret.map_or(0, |secret| secret.tuple_and(tuple, word))
    }
}

fn parity(tick: u64) -> usize {
    usize::from(tick % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use core::time::Duration;

    fn tuple(remote_port: u16) -> Tuple<Ipv4Addr> {
        Tuple {
            local: Ipv4Addr::LOCALHOST,
            local_port: 80,
            remote: Ipv4Addr::LOCALHOST,
            remote_port,
        }
    }

    #[test]
    fn a_secret_lives_two_ticks() {
        let mut rng = Rng::new([7; 32]);
        let mut cookies = Cookies::new(&mut rng, HANDSHAKE);
        let start = Instant::from_secs(HANDSHAKE * 100);
        assert_eq!(cookies.expect(&mut rng, start), None);
        let made = cookies.make(&mut rng, start);
        let hash = cookies.hash(&tuple(1), made, 5);
        for (later, is_good) in [(0, true), (HANDSHAKE, true), (2 * HANDSHAKE, false)] {
            let tick = cookies.expect(&mut rng, start + Duration::from_secs(later));
            assert_eq!(tick.is_some(), is_good, "{later} s");
            assert_eq!(
                cookies.hash(&tuple(1), made, 5) == hash,
                is_good,
                "{later} s"
            );
        }
    }

    #[test]
    fn ends_and_word_count() {
        let mut rng = Rng::new([7; 32]);
        let cookies = Cookies::new(&mut rng, HANDSHAKE);
        let hash = cookies.hash(&tuple(1), 0, 5);
        assert_ne!(hash, cookies.hash(&tuple(2), 0, 5));
        assert_ne!(hash, cookies.hash(&tuple(1), 0, 6));
        assert_ne!(hash, cookies.hash(&tuple(1), 1, 5));
    }
}
