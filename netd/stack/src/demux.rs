//! Which conversation a segment belongs to: one keyed hash of both ends.
//!
//! *Owns* the table; connections, half-open ones and TIME-WAIT records are all in it, so that one
//! look-up decides. A place has four bytes: an index, and as many bits of the hash as that leaves; who
//! looks up compares the ends that the index leads to, which with ten million conversations is in vain
//! once in 64 times that a place is taken by another. *Never* grows: its size follows from the sum of
//! the tables it points into.
//!
//! Open addressing with linear probing at a load of two thirds at most, so that a look-up mostly
//! touches one cache line; removal moves later entries back, so that nothing is left that would have
//! to be skipped (Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R). Where
//! they want to be is not kept: it is hashed again.

use crate::hash::{Address, Spread, Tuple};
use crate::rng::Rng;
use alloc::vec;
use alloc::vec::Vec;

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

/// The kind of the target is above all other bits.
const KIND: u32 = 30;

/// A place in the table: kind, never zero, some bits of the hash, and index; zero when it is empty.
type Slot = u32;

const EMPTY: Slot = 0;

/// All conversations.
#[derive(Debug)]
pub(crate) struct Demux {
    slots: Vec<Slot>,
    /// Bits of an index.
    index_bits: u32,
    spread: Spread,
}

impl Demux {
    /// Room for as many conversations as the three tables have.
    pub(crate) fn new(limits: [usize; 3], rng: &mut Rng) -> Self {
        let limit = limits
            .iter()
            .fold(0usize, |sum, limit| sum.saturating_add(*limit));
        let size = limit.saturating_add(limit / 2).max(8);
        let largest = limits.into_iter().max().unwrap_or(0);
        Self {
            slots: vec![EMPTY; size],
            index_bits: (usize::BITS - largest.leading_zeros()).min(KIND),
            spread: Spread::new(rng),
        }
    }

    /// Where a hash wants to be: hashes are spread over the table in their order.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        let place = (u64::from(hash) * self.slots.len() as u64) >> 32;
        usize::try_from(place).unwrap_or(0)
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        let next = place + 1;
        if next < self.slots.len() { next } else { 0 }
    }

    #[inline]
    fn slot(&self, place: usize) -> Slot {
        self.slots.get(place).copied().unwrap_or(EMPTY)
    }

    /// The bits of an index.
    #[inline]
    fn indices(&self) -> u32 {
        (1 << self.index_bits) - 1
    }

    /// What a slot keeps of a hash: its lowest bits, for the highest decide where it is.
    #[inline]
    fn tag(&self, hash: u32) -> u32 {
        (hash << self.index_bits) & ((1 << KIND) - 1)
    }

    #[inline]
    fn filled(&self, hash: u32, target: Target) -> Slot {
        let (kind, index) = match target {
            Target::Connection(index) => (1, index),
            Target::HalfOpen(index) => (2, index),
            Target::TimeWait(index) => (3, index),
        };
        kind << KIND | self.tag(hash) | index & self.indices()
    }

    #[inline]
    fn target(&self, slot: Slot) -> Option<Target> {
        let index = slot & self.indices();
        match slot >> KIND {
            1 => Some(Target::Connection(index)),
            2 => Some(Target::HalfOpen(index)),
            3 => Some(Target::TimeWait(index)),
            _ => None,
        }
    }

    /// The conversation between these ends; `is_same` says whether a target has them.
    #[inline]
    pub(crate) fn find<A: Address>(
        &self,
        tuple: &Tuple<A>,
        is_same: impl Fn(Target) -> bool,
    ) -> Option<Target> {
        let hash = self.spread.tuple(tuple);
        let (tag, tags) = (self.tag(hash), self.tag(u32::MAX));
        let mut place = self.home(hash);
        // There is always an empty place; the limit is for whoever reads this.
        for _ in 0..self.slots.len() {
            let slot = self.slot(place);
            let target = self.target(slot)?;
            if slot & tags == tag && is_same(target) {
                return Some(target);
            }
            place = self.after(place);
        }
        None
    }

    /// Adds a conversation.
    pub(crate) fn insert<A: Address>(&mut self, tuple: &Tuple<A>, target: Target) {
        let hash = self.spread.tuple(tuple);
        let filled = self.filled(hash, target);
        let mut place = self.home(hash);
        for _ in 0..self.slots.len() {
            if self.slot(place) == EMPTY {
                if let Some(slot) = self.slots.get_mut(place) {
                    *slot = filled;
                }
                return;
            }
            place = self.after(place);
        }
        debug_assert!(false, "more conversations than there can be");
    }

    /// Where the slot of a conversation is.
    #[inline]
    fn place_of(&self, hash: u32, target: Target) -> Option<usize> {
        let wanted = self.filled(hash, target);
        let mut place = self.home(hash);
        for _ in 0..self.slots.len() {
            let slot = self.slot(place);
            if slot == wanted {
                return Some(place);
            }
            if slot == EMPTY {
                return None;
            }
            place = self.after(place);
        }
        None
    }

    /// A conversation that led to one target leads to another from now on.
    pub(crate) fn turn<A: Address>(&mut self, tuple: &Tuple<A>, from: Target, to: Target) {
        let hash = self.spread.tuple(tuple);
        let (place, filled) = (self.place_of(hash, from), self.filled(hash, to));
        debug_assert!(place.is_some(), "a conversation that is there");
        if let Some(slot) = place.and_then(|place| self.slots.get_mut(place)) {
            *slot = filled;
        }
    }

    /// Removes a conversation if it leads to this target. `ends` gives the ends of others.
    pub(crate) fn remove<A: Address>(
        &mut self,
        tuple: &Tuple<A>,
        target: Target,
        ends: impl Fn(Target) -> Option<Tuple<A>>,
    ) {
        if let Some(place) = self.place_of(self.spread.tuple(tuple), target) {
            self.close_gap(place, ends);
        }
    }

    /// Moves back what stands behind a place because that place was taken.
    fn close_gap<A: Address>(&mut self, mut gap: usize, ends: impl Fn(Target) -> Option<Tuple<A>>) {
        let size = self.slots.len();
        let distance = |from: usize, to: usize| {
            if to >= from {
                to - from
            } else {
                to + size - from
            }
        };
        let mut place = gap;
        loop {
            place = self.after(place);
            let slot = self.slot(place);
            let Some(target) = self.target(slot).filter(|_| place != gap) else {
                break;
            };
            let Some(other) = ends(target) else {
                debug_assert!(false, "what is in the table has ends");
                break;
            };
            let home = self.home(self.spread.tuple(&other));
            // It may move to the gap if that is no farther forward than where it wants to be.
            if distance(home, place) >= distance(gap, place) {
                if let Some(to) = self.slots.get_mut(gap) {
                    *to = slot;
                }
                gap = place;
            }
        }
        if let Some(slot) = self.slots.get_mut(gap) {
            *slot = EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::collections::HashMap;

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
    fn conversations_are_found_and_removed() {
        let mut demux = Demux::new([10, 1, 2], &mut Rng::new([0; 32]));
        let alone = |_| None;
        let find = |demux: &Demux, port, target| demux.find(&tuple(port), |it| it == target);
        let (half_open, open) = (Target::HalfOpen(7), Target::Connection(9));
        demux.insert(&tuple(1), half_open);
        demux.insert(&tuple(2), Target::TimeWait(8));
        assert_eq!(find(&demux, 1, half_open), Some(half_open));
        demux.turn(&tuple(1), half_open, open);
        assert_eq!(find(&demux, 1, open), Some(open));
        assert_eq!(find(&demux, 1, half_open), None);
        demux.remove(&tuple(2), Target::TimeWait(7), alone);
        let waiting = Target::TimeWait(8);
        assert_eq!(find(&demux, 2, waiting), Some(waiting));
        demux.remove(&tuple(2), waiting, alone);
        assert_eq!(find(&demux, 2, waiting), None);
    }

    #[test]
    fn agrees_with_a_naive_model_up_to_the_limit() {
        const LIMIT: usize = 100;
        let mut demux = Demux::new([1 << 17, 0, 0], &mut Rng::new([3; 32]));
        // As full as it gets, with few bits of hashes.
        demux.slots.truncate(LIMIT + LIMIT / 2);
        let size = demux.slots.len();
        let mut model: HashMap<u16, u32> = HashMap::new();
        let mut ports: HashMap<u32, u16> = HashMap::new();
        let mut rng = Rng::new([4; 32]);
        for round in 0..50_000 {
            let port = u16::try_from(rng.below(250)).unwrap();
            if let Some(index) = model.remove(&port) {
                demux.remove(&tuple(port), Target::Connection(index), |other| {
                    let Target::Connection(other) = other else {
                        return None;
                    };
                    ports.get(&other).map(|port| tuple(*port))
                });
                ports.remove(&index);
            } else if model.len() < LIMIT {
                model.insert(port, round);
                ports.insert(round, port);
                demux.insert(&tuple(port), Target::Connection(round));
            }
            let port = u16::try_from(rng.below(250)).unwrap();
            let expected = model.get(&port).map(|index| Target::Connection(*index));
            let found = demux.find(&tuple(port), |target| Some(target) == expected);
            assert_eq!(found, expected);
        }
        let used = demux.slots.iter().filter(|slot| **slot != EMPTY).count();
        assert_eq!((used, demux.slots.len()), (model.len(), size));
    }

    #[test]
    fn a_full_table_is_searched_a_few_places_far() {
        const LIMIT: u32 = 40_000;
        let mut demux = Demux::new([LIMIT as usize, 0, 0], &mut Rng::new([5; 32]));
        // Ports in their order, as a flood or an honest crowd has them.
        for index in 0..LIMIT {
            let port = u16::try_from(index).unwrap();
            demux.insert(&tuple(port), Target::Connection(index));
        }
        let distance = |(place, slot): (usize, &Slot)| {
            let Some(Target::Connection(index)) = demux.target(*slot) else {
                panic!("{slot}");
            };
            let port = u16::try_from(index).unwrap();
            let home = demux.home(demux.spread.tuple(&tuple(port)));
            (place + demux.slots.len() - home) % demux.slots.len()
        };
        let used = demux.slots.iter().enumerate();
        let used = used.filter(|(_, slot)| **slot != EMPTY);
        let distances: std::vec::Vec<usize> = used.map(distance).collect();
        let sum: usize = distances.iter().sum();
        assert!(sum < 2 * LIMIT as usize, "{sum} places for {LIMIT}");
        assert!(*distances.iter().max().unwrap() < 200);
    }
}
