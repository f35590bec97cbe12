//! Prefixes: an address and how many of its leading bits name the network (RFC 4632, RFC 4291 section 2.3).

use core::error::Error;
use core::fmt;
use core::hash::Hash;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// An address of which prefixes are made: of one family or the other, never of either.
pub trait Prefixed: Copy + Eq + Hash + fmt::Display + FromStr {
    /// Bits of an address.
    const WIDTH: u8;
    /// The address whose bits are all zero.
    const ZERO: Self;

    /// The address with all bits behind the first `prefix` cleared.
    #[must_use]
    fn network(self, prefix: u8) -> Self;
}

impl Prefixed for Ipv4Addr {
    const WIDTH: u8 = 32;
    const ZERO: Self = Self::UNSPECIFIED;

    #[inline]
    fn network(self, prefix: u8) -> Self {
        Self::from_bits(self.to_bits() & !u32::MAX.checked_shr(prefix.into()).unwrap_or(0))
    }
}

impl Prefixed for Ipv6Addr {
    const WIDTH: u8 = 128;
    const ZERO: Self = Self::UNSPECIFIED;

    #[inline]
    fn network(self, prefix: u8) -> Self {
        Self::from_bits(self.to_bits() & !u128::MAX.checked_shr(prefix.into()).unwrap_or(0))
    }
}

/// An address together with the length of its network's prefix: `10.0.2.15/24`, `2001:db8::15/64`.
///
/// *Invariant*: the prefix is no longer than the address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr<A> {
    address: A,
    prefix: u8,
}

/// A prefix of IPv4.
pub type Cidr4 = Cidr<Ipv4Addr>;

/// A prefix of IPv6.
pub type Cidr6 = Cidr<Ipv6Addr>;

/// A prefix longer than an address, a mask with holes, or a text that is no `address/prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPrefix;

impl fmt::Display for BadPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a prefix such as 10.0.2.15/24 or 2001:db8::15/64")
    }
}

impl Error for BadPrefix {}

impl<A: Prefixed> Cidr<A> {
    /// Every address: the destination of the default route.
    pub const ALL: Self = Self {
        address: A::ZERO,
        prefix: 0,
    };

    /// An address and its prefix length in bits.
    ///
    /// # Errors
    /// [`BadPrefix`] when `prefix` is longer than an address.
    pub const fn new(address: A, prefix: u8) -> Result<Self, BadPrefix> {
        if prefix <= A::WIDTH {
            Ok(Self { address, prefix })
        } else {
            Err(BadPrefix)
        }
    }

    /// The prefix that contains one address only.
    #[must_use]
    pub const fn host(address: A) -> Self {
        Self {
            address,
            prefix: A::WIDTH,
        }
    }

    /// The address, host bits included.
    #[inline]
    #[must_use]
    pub const fn address(self) -> A {
        self.address
    }

    /// The length of the prefix in bits, at most that of an address.
    #[inline]
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network: the host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        Self {
            address: self.address.network(self.prefix),
            prefix: self.prefix,
        }
    }

    /// Whether `address` is in the network.
    #[inline]
    #[must_use]
    pub fn contains(self, address: A) -> bool {
        self.address.network(self.prefix) == address.network(self.prefix)
    }
}

/// What only IPv4 has: masks, and an address for all hosts of a network.
impl Cidr4 {
    /// An address and its network's mask, such as `255.255.255.0`.
    ///
    /// # Errors
    /// [`BadPrefix`] when the mask's ones are not all in front.
    pub fn with_mask(address: Ipv4Addr, mask: Ipv4Addr) -> Result<Self, BadPrefix> {
        let prefix = mask.to_bits().leading_ones();
        let prefix = u8::try_from(prefix).map_err(|_| BadPrefix)?;
        let cidr = Self::new(address, prefix)?;
        if cidr.mask() == mask {
            Ok(cidr)
        } else {
            Err(BadPrefix)
        }
    }

    /// The network's mask.
    #[inline]
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::BROADCAST.network(self.prefix)
    }

    /// The address that reaches all hosts of the network (RFC 919 section 7). Networks of 31 and
    /// 32 bits have none (RFC 3021 section 2.2).
    #[must_use]
    pub fn broadcast(self) -> Option<Ipv4Addr> {
        (self.prefix < 31)
            .then(|| Ipv4Addr::from_bits(self.address.to_bits() | !self.mask().to_bits()))
    }
}

impl<A: fmt::Display> fmt::Display for Cidr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl<A: fmt::Display> fmt::Debug for Cidr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<A: Prefixed> FromStr for Cidr<A> {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let (address, prefix) = text.split_once('/').ok_or(BadPrefix)?;
        let address = address.parse().map_err(|_| BadPrefix)?;
        Self::new(address, prefix.parse().map_err(|_| BadPrefix)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn cidr(text: &str) -> Cidr4 {
        text.parse().expect(text)
    }

    #[test]
    fn texts() {
        for good in [
            "0.0.0.0/0",
            "10.0.2.15/24",
            "255.255.255.255/32",
            "192.168.0.1/31",
        ] {
            assert_eq!(format!("{}", cidr(good)), good);
        }
        for bad in [
            "",
            "/",
            "10.0.2.15",
            "10.0.2/24",
            "10.0.2.15/33",
            "10.0.2.15/-1",
            "a/8",
        ] {
            assert_eq!(bad.parse::<Cidr4>(), Err(BadPrefix), "{bad}");
        }
    }

    #[test]
    fn parts() {
        for (text, mask, network, broadcast) in [
            (
                "10.0.2.15/24",
                "255.255.255.0",
                "10.0.2.0/24",
                Some("10.0.2.255"),
            ),
            (
                "10.1.2.3/0",
                "0.0.0.0",
                "0.0.0.0/0",
                Some("255.255.255.255"),
            ),
            ("10.1.2.3/32", "255.255.255.255", "10.1.2.3/32", None),
            ("10.1.2.3/31", "255.255.255.254", "10.1.2.2/31", None),
            (
                "10.1.2.3/9",
                "255.128.0.0",
                "10.0.0.0/9",
                Some("10.127.255.255"),
            ),
        ] {
            let it = cidr(text);
            assert_eq!(format!("{}", it.mask()), mask);
            assert_eq!(it.network(), cidr(network));
            assert_eq!(
                it.broadcast()
                    .map(|address| format!("{address}"))
                    .as_deref(),
                broadcast
            );
            assert_eq!(Cidr4::with_mask(it.address(), it.mask()), Ok(it));
        }
    }

    #[test]
    fn masks_with_holes_are_refused() {
        for mask in [[255, 0, 255, 0], [0, 255, 255, 255], [255, 255, 255, 253]] {
            let it = Cidr4::with_mask(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::from(mask));
            assert_eq!(it, Err(BadPrefix));
        }
    }

    #[test]
    fn membership() {
        assert!(cidr("10.0.2.15/24").contains(Ipv4Addr::new(10, 0, 2, 255)));
        assert!(!cidr("10.0.2.15/24").contains(Ipv4Addr::new(10, 0, 3, 15)));
        assert!(Cidr4::ALL.contains(Ipv4Addr::BROADCAST));
        assert!(!Cidr4::host(Ipv4Addr::LOCALHOST).contains(Ipv4Addr::new(127, 0, 0, 2)));
    }

    #[test]
    fn prefixes_of_ipv6() {
        let it: Cidr6 = "2001:db8:1:2:3::4/61".parse().expect("a prefix");
        assert_eq!(format!("{}", it.network()), "2001:db8:1::/61");
        assert!(it.contains(Ipv6Addr::new(0x2001, 0xdb8, 1, 7, 9, 0, 0, 1)));
        assert!(!it.contains(Ipv6Addr::new(0x2001, 0xdb8, 1, 8, 3, 0, 0, 4)));
        assert!(Cidr6::ALL.contains(Ipv6Addr::LOCALHOST));
        assert!(Cidr6::host(Ipv6Addr::LOCALHOST).contains(Ipv6Addr::LOCALHOST));
        assert!(!Cidr6::host(Ipv6Addr::LOCALHOST).contains(Ipv6Addr::UNSPECIFIED));
        for bad in ["::/129", "10.0.0.1/8", "::1", "fe80::1%1/64", "::/"] {
            assert_eq!(bad.parse::<Cidr6>(), Err(BadPrefix), "{bad}");
        }
    }

    #[test]
    fn networks_of_either_family() {
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
}
