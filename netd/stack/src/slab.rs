//! Tables of plain data, addressed by index with a generation.
//!
//! *Owns* its entries and who may name them: a [`Key`] is good for one life of one place. *Never*
//! grows: the limit is fixed at construction.
//!
//! *Invariants*: a key of a removed entry finds nothing until the generation has gone round; places
//! are reused oldest first, so that this takes as long as it can. No key is zero.

use alloc::vec::Vec;
use core::num::NonZeroU32;

/// The name of an entry: generation above, index below, split by the table's size.
pub(crate) type Key = NonZeroU32;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    /// Free; `next` is the place that is to be used after this one.
    Free {
        next: u32,
    },
    Entry(T),
}

impl<T> Place<T> {
    #[inline]
    fn entry(&self) -> Option<&T> {
        match &self.content {
            Content::Entry(entry) => Some(entry),
            Content::Free { .. } => None,
        }
    }

    #[inline]
    fn entry_mut(&mut self) -> Option<&mut T> {
        match &mut self.content {
            Content::Entry(entry) => Some(entry),
            Content::Free { .. } => None,
        }
    }
}

/// A table of at most as many entries as it was made for.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    /// The free places, the one that has been free for longest first.
    first_free: u32,
    last_free: u32,
    index_bits: u32,
    used: usize,
}

impl<T> Slab<T> {
    /// An empty table for `limit` entries.
    pub(crate) fn new(limit: usize) -> Self {
        let index_bits = usize::BITS - limit.saturating_sub(1).leading_zeros();
        let count = u32::try_from(limit).unwrap_or(NONE);
        let place = |next| Place {
            generation: 1,
            content: Content::Free {
                next: if next < count { next } else { NONE },
            },
        };
        // At least eight bits are left for generations: no table has more than 16 million entries.
        Self {
            places: (1..=count).map(place).collect(),
            first_free: if count == 0 { NONE } else { 0 },
            last_free: count.checked_sub(1).unwrap_or(NONE),
            index_bits: index_bits.min(24),
            used: 0,
        }
    }

    fn key(&self, index: u32, generation: u32) -> Option<Key> {
        NonZeroU32::new((generation << self.index_bits) | index)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// How many entries there can be.
    pub(crate) fn limit(&self) -> usize {
        self.places.len()
    }

    /// The place of a key, whether it is still good or not.
    pub(crate) fn index(&self, key: Key) -> u32 {
        key.get() & !(u32::MAX << self.index_bits)
    }

    /// Takes in an entry; gives it back when the table is full.
    pub(crate) fn insert(&mut self, entry: T) -> Result<Key, T> {
        let index = self.first_free;
        let Some(generation) = self.places.get(index as usize).map(|it| it.generation) else {
            return Err(entry);
        };
        let (Some(key), Some(place)) = (
            self.key(index, generation),
            self.places.get_mut(index as usize),
        ) else {
            return Err(entry);
        };
        if let Content::Free { next } =
            core::mem::replace(&mut place.content, Content::Entry(entry))
        {
            self.first_free = next;
        }
        if self.first_free == NONE {
            self.last_free = NONE;
        }
        self.used += 1;
        Ok(key)
    }

    fn place(&self, key: Key) -> Option<&Place<T>> {
        let place = self.places.get(self.index(key) as usize)?;
        (place.generation == key.get() >> self.index_bits).then_some(place)
    }

    /// The entry of a key.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.place(key)?.entry()
    }

    /// The entry of a key.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.place(key)?;
        let index = self.index(key) as usize;
        self.places.get_mut(index)?.entry_mut()
    }

    /// The entry at an index that the table itself has given out, and its key.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        let place = self.places.get(index as usize)?;
        place.entry()?;
        self.key(index, place.generation)
    }

    /// The entry at a place.
    pub(crate) fn at(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.entry()
    }

    /// The entry at a place.
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.entry_mut()
    }

    /// Takes an entry out; its key is dead from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.place(key)?;
        self.remove_at(self.index(key))
    }

    /// Takes the entry at a place out.
    pub(crate) fn remove_at(&mut self, index: u32) -> Option<T> {
        let largest = u32::MAX >> self.index_bits;
        let place = self.places.get_mut(index as usize)?;
        place.entry()?;
        let content = core::mem::replace(&mut place.content, Content::Free { next: NONE });
        place.generation = if place.generation >= largest {
            1
        } else {
            place.generation + 1
        };
        self.used -= 1;
        match self.places.get_mut(self.last_free as usize) {
            Some(last) => last.content = Content::Free { next: index },
            None => self.first_free = index,
        }
        self.last_free = index;
        match content {
            Content::Entry(entry) => Some(entry),
            Content::Free { .. } => None,
        }
    }

    /// All entries with their keys, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> + '_ {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            let entry = place.entry()?;
            Some((
                self.key(u32::try_from(index).ok()?, place.generation)?,
                entry,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_entrys_key_finds_nothing() {
        let mut slab = Slab::new(2);
        let first = slab.insert("a").unwrap();
        let second = slab.insert("b").unwrap();
        assert_eq!(slab.insert("c"), Err("c"));
        assert_eq!(slab.remove(first), Some("a"));
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        let third = slab.insert("c").unwrap();
        assert_eq!(slab.index(third), slab.index(first));
        assert_ne!(third, first);
        assert_eq!(
            (slab.get(first), slab.get(second), slab.get(third)),
            (None, Some(&"b"), Some(&"c"))
        );
    }

    #[test]
    fn generations_go_round_without_a_zero_key() {
        let mut slab = Slab::new(1);
        for round in 0..10u32 {
            let key = slab.insert(round).unwrap();
            assert_eq!(slab.remove(key), Some(round));
        }
        let mut slab: Slab<()> = Slab::new(1 << 24);
        for _ in 0..600 {
            let key = slab.insert(()).unwrap();
            assert!(slab.get(key).is_some());
            slab.remove(key);
        }
        assert_eq!(slab.len(), 0);
    }

    #[test]
    fn places_are_reused_oldest_first() {
        let mut slab = Slab::new(3);
        let keys: std::vec::Vec<Key> = (0..3).map(|n| slab.insert(n).unwrap()).collect();
        slab.remove(keys[1]);
        slab.remove(keys[0]);
        let next = slab.insert(9).unwrap();
        assert_eq!(slab.index(next), slab.index(keys[1]));
    }

    #[test]
    fn forged_keys_find_nothing() {
        let mut slab = Slab::new(5);
        let key = slab.insert(1).unwrap();
        let mut found = 0;
        for raw in 1..100_000u32 {
            found += usize::from(slab.get(Key::new(raw).unwrap()).is_some());
        }
        assert_eq!(found, 1);
        assert!(slab.get(key).is_some());
        assert!(slab.get(Key::new(u32::MAX).unwrap()).is_none());
    }
}
