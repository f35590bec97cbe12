//! Keyed hashing: numbers that nobody outside can choose or guess.
//!
//! *Owns* two kinds of secrets. [`Spread`] gives places in tables: a few multiplications, keyed per
//! boot and per table, so that chosen addresses and ports spread like any others; nobody outside
//! ever sees its results. [`Hasher`] gives numbers that peers do see (initial sequence numbers,
//! RFC 6528's F; timestamp offsets; cookies): SipHash 1-3.

use crate::family::Family;
use crate::rng::Rng;
use core::hash::Hasher as _;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use siphasher::sip::SipHasher13;
use wire::Prefixed;

/// An address of either family, as far as tables care.
pub(crate) trait Address: Prefixed + core::fmt::Debug {
    /// The address whose bits are all zero: "any".
    const UNSPECIFIED: Self;
    /// The least that a path is believed to take, in bytes.
    const LEAST_MTU: u16;
    /// Feeds the address to a hash.
    fn feed(self, hasher: &mut SipHasher13);
    /// Mixes the address into a place in a table.
    fn mix(self, state: u64, key: u64) -> u64;
}

impl Address for Ipv4Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    /// RFC 791 says 68; every link in use takes more, and whoever says less means harm.
    const LEAST_MTU: u16 = 552;

    #[inline]
    fn feed(self, hasher: &mut SipHasher13) {
        hasher.write_u32(self.to_bits());
    }

    #[inline]
    fn mix(self, state: u64, key: u64) -> u64 {
        fold(state ^ u64::from(self.to_bits()), key)
    }
}

impl Address for Ipv6Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    /// RFC 8200 section 5.
    const LEAST_MTU: u16 = 1_280;

    #[inline]
    fn feed(self, hasher: &mut SipHasher13) {
        hasher.write(&self.octets());
    }

    #[inline]
    fn mix(self, state: u64, key: u64) -> u64 {
        let [upper, lower] = halves(self.to_bits());
        fold(fold(state ^ upper, key) ^ lower, key)
    }
}

/// Both ends of a conversation, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple<A> {
    /// Our address.
    pub(crate) local: A,
    /// Our port.
    pub(crate) local_port: u16,
    /// The peer's address.
    pub(crate) remote: A,
    /// The peer's port.
    pub(crate) remote_port: u16,
}

impl<A: Family> Tuple<A> {
    /// Our end.
    pub(crate) fn local_end(&self) -> SocketAddr {
        self.local.end(self.local_port)
    }

    /// The peer's end.
    pub(crate) fn remote_end(&self) -> SocketAddr {
        self.remote.end(self.remote_port)
    }
}

/// Both halves of a number, the upper first.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "halves")]
pub(crate) const fn halves(number: u128) -> [u64; 2] {
    [(number >> 64) as u64, number as u64]
}

/// The whole product of two numbers, its halves laid over each other: every bit of both counts in
/// every bit of the result.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let [upper, lower] = halves(u128::from(one).wrapping_mul(u128::from(other)));
    upper ^ lower
}

/// A secret of one table: where things have their place in it.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    start: u64,
    keys: [u64; 2],
}

impl Spread {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self {
            start: rng.u64(),
            // Odd: no product with them loses what the other factor says.
            keys: [rng.u64() | 1, rng.u64() | 1],
        }
    }

    /// For tables of connections.
    #[inline]
    pub(crate) fn tuple<A: Address>(&self, tuple: &Tuple<A>) -> u32 {
        let ports = u64::from(tuple.local_port) << 16 | u64::from(tuple.remote_port);
        let [one, other] = self.keys;
        let local = tuple.local.mix(self.start ^ ports << 32, one);
        u32::try_from(tuple.remote.mix(local, other) >> 32).unwrap_or(0)
    }

    /// For tables of addresses.
    #[inline]
    pub(crate) fn address<A: Address>(&self, address: A) -> u64 {
        let [one, other] = self.keys;
        fold(address.mix(self.start, one), other)
    }

    /// Of what was sent somewhere and began so.
    pub(crate) fn print<A: Address>(&self, to: A, beginning: u64) -> u64 {
        let [one, other] = self.keys;
        fold(to.mix(self.start ^ beginning, one), other)
    }

    /// For tables of ports.
    #[inline]
    pub(crate) fn port(&self, port: u16) -> u64 {
        let [one, other] = self.keys;
        fold(fold(self.start ^ u64::from(port), one), other)
    }
}

/// A secret, and numbers that tell nothing about it.
#[derive(Clone, Debug)]
pub(crate) struct Hasher(SipHasher13);

impl Hasher {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self(SipHasher13::new_with_keys(rng.u64(), rng.u64()))
    }

    /// For what belongs to one conversation.
    #[inline]
    pub(crate) fn tuple<A: Address>(&self, tuple: &Tuple<A>) -> u64 {
        let mut hasher = self.0;
        tuple.local.feed(&mut hasher);
        tuple.remote.feed(&mut hasher);
        hasher.write_u32((u32::from(tuple.local_port) << 16) | u32::from(tuple.remote_port));
        hasher.finish()
    }

    /// For what both ends and a word prove together.
    pub(crate) fn tuple_and<A: Address>(&self, tuple: &Tuple<A>, word: u64) -> u64 {
        let mut keyed = self.clone();
        keyed.0.write_u64(word);
        keyed.tuple(tuple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9293: SHLD-1, MUST-9
    #[test]
    fn secrets_differ_and_every_field_counts() {
        let mut rng = Rng::new([0; 32]);
        let (one, other) = (Hasher::new(&mut rng), Hasher::new(&mut rng));
        let tuple = Tuple {
            local: Ipv4Addr::LOCALHOST,
            local_port: 1,
            remote: Ipv4Addr::LOCALHOST,
            remote_port: 2,
        };
        assert_ne!(one.tuple(&tuple), other.tuple(&tuple));
        assert_ne!(
            one.tuple(&tuple),
            one.tuple(&Tuple {
                local_port: 2,
                remote_port: 1,
                ..tuple
            })
        );
        assert_ne!(
            one.tuple(&tuple),
            one.tuple(&Tuple {
                remote: Ipv4Addr::BROADCAST,
                ..tuple
            })
        );
    }

    #[test]
    fn places_differ_by_secret_and_by_every_field() {
        let mut rng = Rng::new([1; 32]);
        let (one, other) = (Spread::new(&mut rng), Spread::new(&mut rng));
        let tuple = Tuple {
            local: Ipv6Addr::LOCALHOST,
            local_port: 1,
            remote: Ipv6Addr::LOCALHOST,
            remote_port: 2,
        };
        let changed = [
            Tuple {
                local_port: 2,
                remote_port: 1,
                ..tuple
            },
            Tuple {
                remote: Ipv6Addr::UNSPECIFIED,
                ..tuple
            },
            Tuple {
                local: Ipv6Addr::new(1, 0, 0, 0, 0, 0, 0, 1),
                ..tuple
            },
        ];
        assert_ne!(one.tuple(&tuple), other.tuple(&tuple));
        for changed in changed {
            assert_ne!(one.tuple(&tuple), one.tuple(&changed), "{changed:?}");
        }
        assert_ne!(one.port(80), one.port(81));
        let address = |last| one.address(Ipv4Addr::new(10, 0, 0, last));
        assert_ne!(address(1), address(2));
    }

    #[test]
    fn neighbouring_numbers_are_spread_evenly() {
        let spread = Spread::new(&mut Rng::new([2; 32]));
        let mut counts = [0; 64];
        for port in 0..=u16::MAX {
            let tuple = Tuple {
                local: Ipv4Addr::LOCALHOST,
                local_port: 80,
                remote: Ipv4Addr::LOCALHOST,
                remote_port: port,
            };
            counts[(spread.tuple(&tuple) >> 26) as usize] += 1;
        }
        // 1024 each; the standard deviation is 32.
        assert!(
            counts.iter().all(|count| (860..1190).contains(count)),
            "{counts:?}"
        );
    }
}
