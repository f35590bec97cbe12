//! A few values in place.
//!
//! *Owns*: lists of a handful of plain values whose greatest number the format itself sets.
//! *Never*: allocates; a value too many is refused, not stored.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A plain value of which lists are made.
pub trait Blank: Copy {
    /// What stands in the places that are not in use.
    const BLANK: Self;
}

impl Blank for u8 {
    const BLANK: Self = 0;
}

impl Blank for Ipv4Addr {
    const BLANK: Self = Self::UNSPECIFIED;
}

impl Blank for Ipv6Addr {
    const BLANK: Self = Self::UNSPECIFIED;
}

impl Blank for IpAddr {
    const BLANK: Self = Self::V4(Ipv4Addr::UNSPECIFIED);
}

impl Blank for SocketAddr {
    const BLANK: Self = Self::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
}

impl<T: Blank, const N: usize> Blank for List<T, N> {
    const BLANK: Self = Self::NONE;
}

/// Up to `N` values (at most 255), compared and shown like a slice of them.
#[derive(Clone, Copy)]
pub struct List<T, const N: usize> {
    values: [T; N],
    len: u8,
}

impl<T: Blank, const N: usize> List<T, N> {
    /// No values.
    pub const NONE: Self = Self {
        values: [T::BLANK; N],
        len: 0,
    };

    /// The most values that fit.
    pub const MAX: usize = N;

    /// The values so far.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.values.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How many there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a value behind the others; when the list is full, leaves it out and gives `false`.
    pub fn push(&mut self, value: T) -> bool {
        let (Some(slot), Some(len)) = (
            self.values.get_mut(usize::from(self.len)),
            self.len.checked_add(1),
        ) else {
            return false;
        };
        *slot = value;
        self.len = len;
        true
    }

    /// The first `count` of these values.
    #[must_use]
    pub fn truncated(mut self, count: usize) -> Self {
        self.len = self.len.min(u8::try_from(count).unwrap_or(u8::MAX));
        self
    }

    /// All of `values`, if they fit.
    #[must_use]
    pub fn from_slice(values: &[T]) -> Option<Self> {
        let mut list = Self::NONE;
        values.iter().all(|value| list.push(*value)).then_some(list)
    }
}

impl<T: Blank, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::NONE
    }
}

/// The first `N` of the values.
impl<T: Blank, const N: usize> FromIterator<T> for List<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::NONE;
        for value in values.into_iter().take(N) {
            list.push(value);
        }
        list
    }
}

impl<T: Blank + fmt::Debug, const N: usize> fmt::Debug for List<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

impl<T: Blank + PartialEq, const N: usize> PartialEq for List<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Blank + Eq, const N: usize> Eq for List<T, N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_fits() {
        let mut list = List::<u8, 2>::default();
        assert!(list.is_empty());
        assert!(list.push(1) && list.push(2) && !list.push(3));
        assert_eq!((list.as_slice(), list.len()), (&[1, 2][..], 2));
        assert_eq!((0..9).collect::<List<u8, 3>>().as_slice(), [0, 1, 2]);
        assert_eq!(List::<u8, 2>::from_slice(&[1, 2]), Some(list));
        assert_eq!(List::<u8, 2>::from_slice(&[1, 2, 3]), None);
    }

    #[test]
    fn values_cut_off_do_not_count() {
        let long: List<u8, 3> = [1, 2, 3].into_iter().collect();
        let short: List<u8, 3> = [1, 2].into_iter().collect();
        assert_ne!(long, short);
        assert_eq!(long.truncated(2), short);
        assert_eq!(long.truncated(1000), long);
        assert_eq!(std::format!("{short:?}"), "[1, 2]");
    }

    #[test]
    fn the_longest_list_is_not_overrun() {
        let mut list: List<u8, 256> = (0..=254).collect();
        assert!(!list.push(255));
        assert_eq!(list.len(), 255);
    }
}
