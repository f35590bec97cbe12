//! Which conversation a segment belongs to: one keyed hash of both ends.
//!
//! *Owns* the table; connections, half-open ones and TIME-WAIT records are all in it, so that one
//! look-up decides. *Never* grows: its limit is the sum of the tables it points into.

use crate::hash::{Address, Hasher, Tuple};
use crate::rng::Rng;
use hashbrown::HashTable;

/// What a pair of ends leads to: an index in one of three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A connection.
    Connection(u32),
    /// A half-open passive connection.
    HalfOpen(u32),
    /// What remains of a connection.
    TimeWait(u32),
}

/// All conversations of one family.
#[derive(Debug)]
pub(crate) struct Demux<A> {
    table: HashTable<(Tuple<A>, Target)>,
    hasher: Hasher,
}

impl<A: Address> Demux<A> {
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        // Twice the limit, so that removals never make the table grow.
        Self {
            table: HashTable::with_capacity(limit * 2),
            hasher: Hasher::new(rng),
        }
    }

    #[inline]
    pub(crate) fn find(&self, tuple: &Tuple<A>) -> Option<Target> {
        let hash = self.hasher.tuple(tuple);
        self.table
            .find(hash, |(other, _)| other == tuple)
            .map(|(_, target)| *target)
    }

    /// Adds a conversation, or gives it a new target.
    pub(crate) fn set(&mut self, tuple: Tuple<A>, target: Target) {
        let hash = self.hasher.tuple(&tuple);
        if let Some((_, known)) = self.table.find_mut(hash, |(other, _)| *other == tuple) {
            *known = target;
            return;
        }
        let hasher = &self.hasher;
        self.table
            .insert_unique(hash, (tuple, target), |(other, _)| hasher.tuple(other));
    }

    /// Removes a conversation if it leads to this target.
    pub(crate) fn remove(&mut self, tuple: &Tuple<A>, target: Target) {
        let hash = self.hasher.tuple(tuple);
        let same = |other: &(Tuple<A>, Target)| other.0 == *tuple && other.1 == target;
        if let Ok(found) = self.table.find_entry(hash, same) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn tuple(remote_port: u16) -> Tuple<Ipv4Addr> {
        let local = Ipv4Addr::new(10, 0, 0, 1);
        Tuple {
            local,
            local_port: 80,
            remote: Ipv4Addr::new(10, 0, 0, 2),
            remote_port,
        }
    }

    #[test]
    fn conversations_are_found_replaced_and_removed() {
        let mut demux = Demux::new(4, &mut Rng::new([0; 32]));
        demux.set(tuple(1), Target::HalfOpen(7));
        demux.set(tuple(2), Target::Connection(8));
        assert_eq!(demux.find(&tuple(1)), Some(Target::HalfOpen(7)));
        demux.set(tuple(1), Target::Connection(9));
        demux.remove(&tuple(1), Target::HalfOpen(7));
        assert_eq!(demux.find(&tuple(1)), Some(Target::Connection(9)));
        demux.remove(&tuple(1), Target::Connection(9));
        assert_eq!((demux.find(&tuple(1)), demux.find(&tuple(3))), (None, None));
    }

    #[test]
    fn coming_and_going_never_grows_the_table() {
        let mut demux = Demux::new(16, &mut Rng::new([0; 32]));
        let size = demux.table.allocation_size();
        for round in 0..10_000u16 {
            demux.set(tuple(round), Target::Connection(0));
            if round >= 16 {
                demux.remove(&tuple(round - 16), Target::Connection(0));
            }
        }
        assert_eq!(demux.table.allocation_size(), size);
    }
}
