//! Tables of plain data, addressed by index, and names for what outsiders hold on to.
//!
//! *Owns* its entries. A [`Table`]'s indices are for those who know whether an entry is still there; a
//! [`Slab`]'s [`Key`] is good for one life of one place, and may come from anybody. *Never* grows:
//! the limit is fixed at construction.
//!
//! *Invariants*: a key of a removed entry finds nothing until the generation has gone round; a slab's
//! places are reused oldest first, those never used before all others, so that this takes as long as it
//! can. A table's are reused youngest first: what was used last is still in the processor's caches. No
//! key is zero.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// The name of an entry: generation above, index below, split by the table's size.
pub(crate) type Key = NonZeroU32;

/// No place.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
enum Place<T> {
    /// `next` is the place that is to be used after this one.
    Free {
        next: u32,
    },
    Entry(T),
}

impl<T> Place<T> {
    #[inline]
    fn entry(&self) -> Option<&T> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Free { .. } => None,
        }
    }

    #[inline]
    fn entry_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Entry(entry) => Some(entry),
            Self::Free { .. } => None,
        }
    }
}

/// At most as many entries as it was made for. Memory is reserved for all of them, and touched for the
/// first time when so many are there at a time.
#[derive(Debug)]
pub(crate) struct Table<T> {
    /// Those that are or were used.
    places: Vec<Place<T>>,
    limit: usize,
    /// The free ones among them, in the order in which they are used.
    first_free: u32,
    last_free: u32,
    used: usize,
}

impl<T> Table<T> {
    /// An empty table for `limit` entries.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            places: Vec::with_capacity(limit),
            limit: limit.min(NONE as usize),
            first_free: NONE,
            last_free: NONE,
            used: 0,
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// How many entries there can be.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes in an entry, at the next of the places that were given back or else at a new one; `None`
    /// when the table is full.
    pub(crate) fn insert(&mut self, entry: T) -> Option<u32> {
        let index = self.first_free;
        let Some(place) = self.places.get_mut(index as usize) else {
            return self.insert_new(entry).ok();
        };
        if let Place::Free { next } = *place {
            self.first_free = next;
        }
        *place = Place::Entry(entry);
        if self.first_free == NONE {
            self.last_free = NONE;
        }
        self.used += 1;
        Some(index)
    }

    /// Takes in an entry at a place that was never used; gives it back if there is none.
    fn insert_new(&mut self, entry: T) -> Result<u32, T> {
        match u32::try_from(self.places.len()) {
            Ok(index) if self.places.len() < self.limit => {
                self.places.push(Place::Entry(entry));
                self.used += 1;
                Ok(index)
            }
            Ok(_) | Err(_) => Err(entry),
        }
    }

    /// Puts an entry at a place of its own; `false` if there is none or it is taken. Before anything
    /// else, [`Table::relink`] is to be called.
    pub(crate) fn put(&mut self, index: u32, entry: T) -> bool {
        let count = (index as usize).saturating_add(1);
        if count > self.limit {
            return false;
        }
        while self.places.len() < count {
            self.places.push(Place::Free { next: NONE });
        }
        match self.places.get_mut(index as usize) {
            Some(place @ Place::Free { .. }) => *place = Place::Entry(entry),
            Some(Place::Entry(_)) | None => return false,
        }
        self.used += 1;
        true
    }

    /// Finds the free places again, in their order.
    pub(crate) fn relink(&mut self) {
        (self.first_free, self.last_free) = (NONE, NONE);
        let mut index = u32::try_from(self.places.len()).unwrap_or(NONE);
        for place in self.places.iter_mut().rev() {
            index = index.saturating_sub(1);
            if let Place::Free { next } = place {
                *next = self.first_free;
                self.first_free = index;
                if self.last_free == NONE {
                    self.last_free = index;
                }
            }
        }
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn at(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.entry()
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.entry_mut()
    }

    /// Takes the entry at a place out; the place is the next to be used.
    #[inline]
    pub(crate) fn remove_at(&mut self, index: u32) -> Option<T> {
        let next = self.first_free;
        let removed = self.free(index, next)?;
        self.first_free = index;
        if next == NONE {
            self.last_free = index;
        }
        Some(removed)
    }

    /// Takes the entry at a place out; the place is used again when all other free ones were.
    fn retire_at(&mut self, index: u32) -> Option<T> {
        let removed = self.free(index, NONE)?;
        match self.places.get_mut(self.last_free as usize) {
            Some(last) => *last = Place::Free { next: index },
            None => self.first_free = index,
        }
        self.last_free = index;
        Some(removed)
    }

    #[inline]
    fn free(&mut self, index: u32, next: u32) -> Option<T> {
        let place = self.places.get_mut(index as usize)?;
        place.entry()?;
        self.used -= 1;
        match core::mem::replace(place, Place::Free { next }) {
            Place::Entry(entry) => Some(entry),
            Place::Free { .. } => None,
        }
    }

    /// All entries, in no particular order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> + '_ {
        self.places.iter_mut().filter_map(Place::entry_mut)
    }

    /// All entries with their indices, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> + '_ {
        (0..).zip(&self.places).filter_map(|(index, place)| {
            let entry = place.entry()?;
            Some((index, entry))
        })
    }
}

/// A table whose entries have names.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    table: Table<T>,
    /// Which life of each place is the present or the next one; apart from the entries, whose
    /// alignment it would spoil.
    generations: Vec<u16>,
    index_bits: u32,
}

impl<T> Slab<T> {
    /// An empty table for `limit` entries.
    pub(crate) fn new(limit: usize) -> Self {
        let index_bits = usize::BITS - limit.saturating_sub(1).leading_zeros();
        let table = Table::new(limit);
        // At least eight bits are left for generations: no table has more than 16 million entries.
        Self {
            generations: vec![1; table.limit()],
            table,
            index_bits: index_bits.min(24),
        }
    }

    fn key(&self, index: u32) -> Option<Key> {
        let generation = self.generations.get(index as usize)?;
        NonZeroU32::new((u32::from(*generation) << self.index_bits) | index)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many entries there can be.
    pub(crate) fn limit(&self) -> usize {
        self.table.limit()
    }

    /// The place of a key, whether it is still good or not.
    pub(crate) fn index(&self, key: Key) -> u32 {
        key.get() & !(u32::MAX << self.index_bits)
    }

    /// The place of a key that is still good, if there is an entry.
    fn place(&self, key: Key) -> Option<u32> {
        let index = self.index(key);
        let generation = self.generations.get(index as usize)?;
        (u32::from(*generation) == key.get() >> self.index_bits).then_some(index)
    }

    /// Puts an entry where it has this name; `false` if there is no such name, or its place is taken.
    /// Before anything else, [`Slab::relink`] is to be called.
    pub(crate) fn put(&mut self, key: Key, entry: T) -> bool {
        let index = self.index(key);
        let Ok(life) = u16::try_from(key.get() >> self.index_bits) else {
            return false;
        };
        if !self.table.put(index, entry) {
            return false;
        }
        if let Some(generation) = self.generations.get_mut(index as usize) {
            *generation = life;
        }
        true
    }

    /// See [`Table::relink`].
    pub(crate) fn relink(&mut self) {
        self.table.relink();
    }

    /// Takes in an entry; `None` when the table is full.
    pub(crate) fn insert(&mut self, entry: T) -> Option<Key> {
        let place = self.table.insert_new(entry);
        let index = place.or_else(|entry| self.table.insert(entry).ok_or(()));
        self.key(index.ok()?)
    }

    /// The entry of a key.
    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        self.table.at(self.place(key)?)
    }

    /// The entry of a key.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.table.at_mut(self.place(key)?)
    }

    /// The entry at a place.
    pub(crate) fn at(&self, index: u32) -> Option<&T> {
        self.table.at(index)
    }

    /// The entry at a place.
    pub(crate) fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.table.at_mut(index)
    }

    /// The key of the entry at a place.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        self.at(index)?;
        self.key(index)
    }

    /// Takes an entry out; its key is dead from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.place(key)?;
        let entry = self.table.retire_at(index)?;
        if let Some(generation) = self.generations.get_mut(index as usize) {
            let largest = u16::try_from(u32::MAX >> self.index_bits).unwrap_or(u16::MAX);
            *generation = if *generation >= largest {
                1
            } else {
                *generation + 1
            };
        }
        Some(entry)
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
        assert_eq!(slab.insert("c"), None);
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
    fn a_tables_places_are_reused_youngest_first() {
        let mut table = Table::new(3);
        let places: std::vec::Vec<u32> = (0..3).map(|n| table.insert(n).unwrap()).collect();
        assert_eq!(table.insert(3), None);
        assert_eq!(table.remove_at(places[2]), Some(2));
        assert_eq!(table.remove_at(places[0]), Some(0));
        assert_eq!(table.remove_at(places[0]), None);
        assert_eq!(table.insert(4), Some(places[0]));
        assert_eq!(table.insert(5), Some(places[2]));
        assert_eq!((table.insert(6), table.len()), (None, 3));
    }

    #[test]
    fn a_slabs_places_are_reused_oldest_first() {
        let mut slab = Slab::new(3);
        let keys: std::vec::Vec<Key> = (0..3).map(|n| slab.insert(n).unwrap()).collect();
        slab.remove(keys[1]);
        slab.remove(keys[0]);
        let next = slab.insert(9).unwrap();
        assert_eq!(slab.index(next), slab.index(keys[1]));
    }

    #[test]
    fn entries_at_places_of_their_own_leave_the_others_free() {
        let mut table = Table::new(5);
        assert!(table.put(3, 'd') && table.put(0, 'a'));
        assert!(!table.put(3, 'x') && !table.put(5, 'x'));
        table.relink();
        assert_eq!((table.len(), table.at(3)), (2, Some(&'d')));
        let places = ['b', 'c', 'e', 'f'].map(|entry| table.insert(entry));
        assert_eq!(places, [Some(1), Some(2), Some(4), None]);
        assert_eq!(
            (table.remove_at(3), table.insert('g')),
            (Some('d'), Some(3))
        );
    }

    #[test]
    fn an_entry_is_put_where_it_has_its_old_name() {
        let mut before = Slab::new(3);
        let keys = [(); 7].map(|()| {
            let key = before.insert('x').unwrap();
            before.remove(key);
            key
        });
        let mut slab = Slab::new(3);
        assert!(slab.put(keys[5], 'y') && !slab.put(keys[2], 'z'));
        slab.relink();
        assert_eq!((slab.get(keys[5]), slab.get(keys[2])), (Some(&'y'), None));
        assert_eq!(slab.remove(keys[5]), Some('y'));
        let names: std::vec::Vec<Key> = (0..3).filter_map(|_| slab.insert('w')).collect();
        assert!(names.len() == 3 && !names.contains(&keys[5]));
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
