//! IPv4 prefixes: an address and how many of its leading bits name the network (RFC 4632).

use core::error::Error;
use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

/// An IPv4 address together with the length of its network's prefix: `10.0.2.15/24`.
///
/// *Invariant*: the prefix is at most 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr4 {
    address: Ipv4Addr,
    prefix: u8,
}

/// A prefix longer than 32 bits, a mask with holes, or a text that is no `address/prefix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPrefix;

impl fmt::Display for BadPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an IPv4 prefix such as 10.0.2.15/24")
    }
}

impl Error for BadPrefix {}

impl Cidr4 {
    /// Every address: the destination of the default route.
    pub const ALL: Self = Self {
        address: Ipv4Addr::UNSPECIFIED,
        prefix: 0,
    };

    /// An address and its prefix length in bits.
    ///
    /// # Errors
    /// [`BadPrefix`] when `prefix` is above 32.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, BadPrefix> {
        if prefix <= 32 {
            Ok(Self { address, prefix })
        } else {
            Err(BadPrefix)
        }
    }

    /// The prefix that contains one address only.
    #[must_use]
    pub const fn host(address: Ipv4Addr) -> Self {
        Self {
            address,
            prefix: 32,
        }
    }

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

    /// The address, host bits included.
    #[inline]
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The length of the prefix in bits, 0 to 32.
    #[inline]
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The network's mask.
    #[inline]
    #[must_use]
    pub const fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask_bits())
    }

    /// The network: the host bits cleared.
    #[must_use]
    pub const fn network(self) -> Self {
        let address = Ipv4Addr::from_bits(self.address.to_bits() & self.mask_bits());
        Self {
            address,
            prefix: self.prefix,
        }
    }

    /// The address that reaches all hosts of the network (RFC 919 section 7). Networks of 31 and
    /// 32 bits have none (RFC 3021 section 2.2).
    #[must_use]
    pub const fn broadcast(self) -> Option<Ipv4Addr> {
        if self.prefix >= 31 {
            return None;
        }
        Some(Ipv4Addr::from_bits(
            self.address.to_bits() | !self.mask_bits(),
        ))
    }

    /// Whether `address` is in the network.
    #[inline]
    #[must_use]
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask_bits() == 0
    }

    #[inline]
    const fn mask_bits(self) -> u32 {
        match u32::MAX.checked_shr(self.prefix as u32) {
            Some(host_bits) => !host_bits,
            None => u32::MAX,
        }
    }
}

impl fmt::Display for Cidr4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl fmt::Debug for Cidr4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Cidr4 {
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
}
