//! Who has which local port: one table per protocol, looked up by port, decided by address.
//!
//! *Owns* the bindings. *Invariant*: no two bindings of one port overlap, that is have the same
//! address or one of them any address, unless their holders have agreed to share.
//!
//! Spec: RFC 1122 4.1.3.5; ports by RFC 6056 3.3.2 (random start, then onwards).

use crate::hash::{Address, Spread};
use crate::rng::Rng;
use hashbrown::HashTable;

/// Ephemeral ports: the upper half (RFC 6056 3.2 asks for as large a range as possible; the lower
/// half is left to services).
const FIRST_EPHEMERAL: u16 = 32_768;

#[derive(Clone, Copy, Debug)]
struct Binding<A, T> {
    address: A,
    port: u16,
    shares: bool,
    holder: T,
}

/// All bindings of one protocol.
#[derive(Debug)]
pub(crate) struct Bindings<A, T> {
    table: HashTable<Binding<A, T>>,
    spread: Spread,
    limit: usize,
}

impl<A: Address, T: Copy + Eq> Bindings<A, T> {
    /// Room for `limit` bindings, or one for each port there is.
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        let limit = limit.min(usize::from(u16::MAX));
        // Twice the limit, so that removals never make the table grow.
        Self {
            table: HashTable::with_capacity(limit * 2),
            spread: Spread::new(rng),
            limit,
        }
    }

    fn of_port(&self, port: u16) -> impl Iterator<Item = &Binding<A, T>> + '_ {
        self.table
            .iter_hash(self.spread.port(port))
            .filter(move |binding| binding.port == port)
    }

    /// Who has the port at this address: a holder of just this address before one of any.
    #[inline]
    pub(crate) fn find(&self, address: A, port: u16) -> Option<T> {
        let mut any = None;
        for binding in self.of_port(port) {
            if binding.address == address {
                return Some(binding.holder);
            }
            if binding.address == A::UNSPECIFIED {
                any = Some(binding.holder);
            }
        }
        any
    }

    /// Whether a new binding would overlap another one; `may_share` decides about holders that share,
    /// each with its address.
    pub(crate) fn is_taken(&self, address: A, port: u16, may_share: impl Fn(T, A) -> bool) -> bool {
        let any = A::UNSPECIFIED;
        self.of_port(port).any(|other| {
            let overlap = [other.address, any].contains(&address) || other.address == any;
            overlap && (!other.shares || !may_share(other.holder, other.address))
        })
    }

    /// How many have the port.
    pub(crate) fn count(&self, port: u16) -> usize {
        self.of_port(port).count()
    }

    /// Of those who have the port at this address, or at any, the one at a place.
    pub(crate) fn holder(&self, address: A, port: u16, place: usize) -> Option<T> {
        let has_it = |it: &&Binding<A, T>| it.address == address || it.address == A::UNSPECIFIED;
        let binding = self.of_port(port).filter(has_it).nth(place)?;
        Some(binding.holder)
    }

    /// Adds a binding; `false` when there are too many.
    pub(crate) fn insert(&mut self, address: A, port: u16, shares: bool, holder: T) -> bool {
        if self.table.len() >= self.limit {
            return false;
        }
        let spread = &self.spread;
        let binding = Binding {
            address,
            port,
            shares,
            holder,
        };
        self.table
            .insert_unique(spread.port(port), binding, |other| spread.port(other.port));
        true
    }

    /// The address of a holder's binding.
    pub(crate) fn address(&self, port: u16, holder: T) -> Option<A> {
        let mut all = self.of_port(port);
        let found = all.find(|binding| binding.holder == holder)?;
        Some(found.address)
    }

    /// Removes a holder's binding.
    pub(crate) fn remove(&mut self, port: u16, holder: T) {
        let same = |other: &Binding<A, T>| other.port == port && other.holder == holder;
        if let Ok(found) = self.table.find_entry(self.spread.port(port), same) {
            found.remove();
        }
    }

    /// Changes the address of a holder's binding.
    pub(crate) fn rebind(&mut self, port: u16, holder: T, address: A) {
        let same = |other: &Binding<A, T>| other.port == port && other.holder == holder;
        if let Some(found) = self.table.find_mut(self.spread.port(port), same) {
            found.address = address;
        }
    }
}

/// A random ephemeral port that `is_free`: all are tried, from a random one on (RFC 6056 3.3.1), but
/// first some at random, so that ports in use do not make the next one predictable.
pub(crate) fn ephemeral(rng: &mut Rng, is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let range = u32::from(u16::MAX - FIRST_EPHEMERAL) + 1;
    let port =
        |offset: u32| FIRST_EPHEMERAL.saturating_add(u16::try_from(offset % range).unwrap_or(0));
    for _ in 0..16 {
        let port = port(rng.below(range));
        if is_free(port) {
            return Some(port);
        }
    }
    let start = rng.below(range);
    (0..range)
        .map(|step| port(start + step))
        .find(|port| is_free(*port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const ONE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const TWO: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    fn bindings() -> Bindings<Ipv4Addr, u32> {
        Bindings::new(4, &mut Rng::new([0; 32]))
    }

    #[test]
    fn the_nearest_address_wins() {
        let mut bindings = bindings();
        bindings.insert(ANY, 7, false, 1);
        bindings.insert(ONE, 7, false, 2);
        bindings.insert(ONE, 8, false, 3);
        assert_eq!(bindings.find(ONE, 7), Some(2));
        assert_eq!(bindings.find(TWO, 7), Some(1));
        assert_eq!(bindings.find(TWO, 8), None);
        bindings.remove(7, 1);
        assert_eq!(bindings.find(TWO, 7), None);
        bindings.rebind(8, 3, TWO);
        assert_eq!(bindings.find(TWO, 8), Some(3));
    }

    #[test]
    fn overlaps_need_consent_on_both_sides() {
        let mut bindings = bindings();
        bindings.insert(ONE, 7, true, 1);
        bindings.insert(ONE, 8, false, 2);
        for (address, port, consent, taken) in [
            (ONE, 7, true, true),
            (TWO, 7, false, false),
            (ANY, 7, false, true),
            (ANY, 7, true, false),
            (ANY, 8, true, true),
            (TWO, 8, true, false),
            (ANY, 9, false, false),
        ] {
            assert_eq!(
                bindings.is_taken(address, port, |_, at| consent && at != address),
                taken,
                "{address} {port}"
            );
        }
    }

    #[test]
    fn no_more_memory_is_taken_than_there_are_ports() {
        let bindings = Bindings::<Ipv4Addr, u32>::new(10_000_000, &mut Rng::new([0; 32]));
        assert!(bindings.table.capacity() < 1 << 18);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut bindings = bindings();
        let taken = (0..10)
            .filter(|port| bindings.insert(ANY, *port, false, 0))
            .count();
        assert_eq!(taken, 4);
    }

    #[test]
    fn ephemeral_ports_are_found_to_the_last_one() {
        let mut rng = Rng::new([5; 32]);
        assert_eq!(ephemeral(&mut rng, |port| port == 40_000), Some(40_000));
        assert_eq!(ephemeral(&mut rng, |_| false), None);
        let ports: std::collections::HashSet<u16> = (0..1_000)
            .filter_map(|_| ephemeral(&mut rng, |_| true))
            .collect();
        assert!(ports.len() > 950, "not random: {}", ports.len());
        assert!(ports.iter().all(|port| *port >= FIRST_EPHEMERAL));
    }
}
