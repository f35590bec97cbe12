//! Ways to peers: each is kept once, and connections know it by a number of two bytes.
//!
//! *Owns* the ways that were found last, and their numbers. Numbers are given in order, so that those
//! which were given before routes changed are known to be old without anybody being told; so are those
//! whose place another has. Who has an old one looks the way up again. *Never* grows.

use crate::hash::{Address, Spread};
use crate::id::InterfaceId;
use crate::ip::out::Path;
use crate::rng::Rng;
use alloc::vec::Vec;

/// The way to a peer: a [`Path`] less the address to speak from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way<A> {
    pub(crate) interface: InterfaceId,
    pub(crate) next_hop: A,
    /// The largest packet that is known to get there, in bytes.
    pub(crate) mtu: u16,
    pub(crate) shared: bool,
}

/// Of a way; zero is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayNumber(u16);

impl WayNumber {
    /// No way is known.
    pub(crate) const NONE: Self = Self(0);
}

/// No number is left that was not given before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp;

impl<A> From<&Path<A>> for Way<A>
where
    A: Copy,
{
    fn from(path: &Path<A>) -> Self {
        Self {
            interface: path.interface,
            next_hop: path.next_hop,
            mtu: path.mtu,
            shared: path.shared,
        }
    }
}

impl<A> Way<A> {
    /// The path that begins at this address of ours, found with this version of the routes.
    #[inline]
    pub(crate) fn starting_at(self, source: A, version: u32) -> Path<A> {
        Path {
            interface: self.interface,
            next_hop: self.next_hop,
            source,
            mtu: self.mtu,
            shared: self.shared,
            version,
        }
    }
}

/// All ways of one family.
#[derive(Debug)]
pub(crate) struct Ways<A> {
    /// Each at its number, modulo how many places there are.
    ways: Vec<Option<Way<A>>>,
    /// By what a way is: the number that one like it was given last.
    numbers: Vec<u16>,
    spread: Spread,
    /// The version of the routes with which all good ones were found.
    version: u32,
    /// The oldest number that may be good, and the next that is given.
    first: u16,
    next: u16,
}

impl<A: Address> Ways<A> {
    /// Odd, and without a pattern: 2^64 by the golden ratio.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

    /// Room for `limit` ways at a time.
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        let limit = limit.clamp(16, 1 << 14).next_power_of_two();
        Self {
            ways: alloc::vec![None; limit],
            numbers: alloc::vec![0; limit * 2],
            spread: Spread::new(rng),
            version: 0,
            first: 1,
            next: 1,
        }
    }

    /// Ways are known only as long as routes stay.
    #[inline]
    pub(crate) fn heed_version(&mut self, version: u32) {
        if version != self.version {
            self.version = version;
            self.first = self.next;
        }
    }

    #[inline]
    fn place(&self, number: u16) -> usize {
        // A power of two.
        usize::from(number) & (self.ways.len() - 1)
    }

    /// The way of a number, as long as that is good.
    #[inline]
    pub(crate) fn get(&self, number: WayNumber) -> Option<Way<A>> {
        let number = number.0;
        if number.wrapping_sub(self.first) >= self.next.wrapping_sub(self.first) {
            return None;
        }
        self.ways.get(self.place(number)).copied()?
    }

    /// The number of a way that was found with the version heeded last.
    ///
    /// # Errors
    /// [`UsedUp`]: whoever has a number is to forget it, and [`Ways::forget`] is to be called.
    pub(crate) fn number(&mut self, way: Way<A>) -> Result<WayNumber, UsedUp> {
        // What else it is changes the upper bits, by which its place is chosen.
        let more = u64::from(way.mtu) << 8 | u64::from(way.interface.raw());
        let hash = self.spread.address(way.next_hop) ^ more.wrapping_mul(Self::SPREAD);
        let place = (hash >> 32) * self.numbers.len() as u64;
        let place = usize::try_from(place >> 32).unwrap_or(0);
        let known = WayNumber(self.numbers.get(place).copied().unwrap_or(0));
        if self.get(known) == Some(way) {
            return Ok(known);
        }
        let number = self.next;
        self.next = number.checked_add(1).ok_or(UsedUp)?;
        // Whose place this one takes is old.
        let places = u16::try_from(self.ways.len()).unwrap_or(u16::MAX);
        self.first = self.first.max(self.next.saturating_sub(places));
        let at = self.place(number);
        if let (Some(at), Some(last)) = (self.ways.get_mut(at), self.numbers.get_mut(place)) {
            (*at, *last) = (Some(way), number);
        }
        Ok(WayNumber(number))
    }

    /// Numbers begin again, and nobody has any.
    pub(crate) fn forget(&mut self) {
        self.ways.fill(None);
        self.numbers.fill(0);
        (self.first, self.next) = (1, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn way(last: u8, mtu: u16) -> Way<Ipv4Addr> {
        Way {
            interface: InterfaceId(1),
            next_hop: Ipv4Addr::new(10, 0, 0, last),
            mtu,
            shared: false,
        }
    }

    fn ways() -> Ways<Ipv4Addr> {
        Ways::new(16, &mut Rng::new([3; 32]))
    }

    #[test]
    fn equal_ways_have_one_number_until_routes_change() {
        let mut ways = ways();
        ways.heed_version(7);
        let one = ways.number(way(1, 1_500)).unwrap();
        let narrow = ways.number(way(1, 1_400)).unwrap();
        assert_eq!(ways.number(way(1, 1_500)), Ok(one));
        assert_eq!(ways.number(way(1, 1_400)), Ok(narrow));
        assert_eq!(ways.get(one), Some(way(1, 1_500)));
        assert_eq!(ways.get(narrow), Some(way(1, 1_400)));
        ways.heed_version(7);
        assert!(ways.get(one).is_some());
        ways.heed_version(8);
        assert_eq!((ways.get(one), ways.get(narrow)), (None, None));
        let again = ways.number(way(1, 1_500)).unwrap();
        assert!(again != one && ways.get(one).is_none());
        // An earlier version that comes again is another.
        ways.heed_version(7);
        assert_eq!((ways.get(one), ways.get(again)), (None, None));
        assert_eq!(ways.get(WayNumber::NONE), None);
    }

    #[test]
    fn a_number_never_leads_another_way() {
        let mut ways = ways();
        let mut given = std::vec::Vec::new();
        for round in 0..40 {
            for last in 0..=round {
                let number = ways.number(way(last, 1_500)).unwrap();
                assert_eq!(ways.get(number), Some(way(last, 1_500)));
                given.push((number, last));
            }
            for (number, last) in &given {
                let found = ways.get(*number);
                assert!(found.is_none_or(|found| found == way(*last, 1_500)));
            }
        }
    }

    #[test]
    fn numbers_are_used_up_and_begin_again() {
        let mut ways = ways();
        let mut version = 0;
        let last = loop {
            version += 1;
            ways.heed_version(version);
            match ways.number(way(1, 1_500)) {
                Ok(_) => {}
                Err(UsedUp) => break version,
            }
        };
        assert_eq!(last, u32::from(u16::MAX));
        ways.forget();
        let number = ways.number(way(2, 1_500)).unwrap();
        assert_eq!(ways.get(number), Some(way(2, 1_500)));
    }
}
