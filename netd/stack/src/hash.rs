//! Keyed hashing: table positions that nobody outside can choose.
//!
//! *Owns* the secret of one table. SipHash 1-3, keyed per boot and per table, so that a flood of
//! chosen addresses and ports spreads like any other (RFC 6528's F is built on the same).

use crate::rng::Rng;
use core::hash::Hasher as _;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use siphasher::sip::SipHasher13;

/// An address of either family, as far as tables care.
pub(crate) trait Address: Copy + Eq + core::fmt::Debug {
    /// The address whose bits are all zero: "any".
    const UNSPECIFIED: Self;
    /// Feeds the address to a hash.
    fn feed(self, hasher: &mut SipHasher13);
    /// The address with all bits behind the prefix cleared.
    fn network(self, prefix: u8) -> Self;
}

impl Address for Ipv4Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    #[inline]
    fn feed(self, hasher: &mut SipHasher13) {
        hasher.write_u32(self.to_bits());
    }

    fn network(self, prefix: u8) -> Self {
        Self::from_bits(self.to_bits() & !u32::MAX.checked_shr(prefix.into()).unwrap_or(0))
    }
}

impl Address for Ipv6Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    #[inline]
    fn feed(self, hasher: &mut SipHasher13) {
        hasher.write(&self.octets());
    }

    fn network(self, prefix: u8) -> Self {
        Self::from_bits(self.to_bits() & !u128::MAX.checked_shr(prefix.into()).unwrap_or(0))
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

impl Tuple<Ipv4Addr> {
    /// Our end.
    pub(crate) fn local_end(&self) -> SocketAddr {
        SocketAddrV4::new(self.local, self.local_port).into()
    }

    /// The peer's end.
    pub(crate) fn remote_end(&self) -> SocketAddr {
        SocketAddrV4::new(self.remote, self.remote_port).into()
    }
}

/// A secret and what is computed with it.
#[derive(Clone, Debug)]
pub(crate) struct Hasher(SipHasher13);

impl Hasher {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        Self(SipHasher13::new_with_keys(rng.u64(), rng.u64()))
    }

    /// For tables of connections and for initial sequence numbers.
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

    /// For tables of addresses.
    #[inline]
    pub(crate) fn address<A: Address>(&self, address: A) -> u64 {
        let mut hasher = self.0;
        address.feed(&mut hasher);
        hasher.finish()
    }

    /// For tables of ports.
    #[inline]
    pub(crate) fn port(&self, port: u16) -> u64 {
        let mut hasher = self.0;
        hasher.write_u16(port);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let address = Ipv4Addr::new(10, 1, 2, 3);
        assert_eq!(address.network(0), Ipv4Addr::UNSPECIFIED);
        assert_eq!(address.network(8), Ipv4Addr::new(10, 0, 0, 0));
        assert_eq!(address.network(32), address);
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);
        assert_eq!(
            address.network(64),
            Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, 0)
        );
        assert_eq!(address.network(128), address);
    }

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
}
