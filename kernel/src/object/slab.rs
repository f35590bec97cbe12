//! Tables of objects: index plus generation, so that a key never names a later object.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

/// Names an entry of a [`Slab`].
pub struct Key<T> {
    index: u16,
    generation: u16,
    kind: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Place in the table: unique among the entries that live.
    pub const fn index(self) -> usize {
        self.index as usize
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index && self.generation == other.generation
    }
}

impl<T> Eq for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

struct Slot<T> {
    generation: u16,
    next_free: Option<u16>,
    value: Option<T>,
}

/// A table of at most 65,535 entries.
pub struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Option<u16>,
    used: usize,
}

impl<T> Slab<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: None,
            used: 0,
        }
    }

    /// Entries that live.
    pub const fn len(&self) -> usize {
        self.used
    }

    /// Puts an entry into a free place; `None` when all are taken.
    pub fn insert(&mut self, value: T) -> Option<Key<T>> {
        let index = match self.free {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot {
                    generation: 0,
                    next_free: None,
                    value: None,
                });
                index
            }
        };
        let slot = &mut self.slots[usize::from(index)];
        self.free = slot.next_free.take();
        slot.value = Some(value);
        self.used += 1;
        Some(Key {
            index,
            generation: slot.generation,
            kind: PhantomData,
        })
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next_free = self.free;
        self.free = Some(key.index);
        self.used -= 1;
        Some(value)
    }

    /// The entry, if it still lives.
    #[inline]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let slot = self.slots.get(key.index())?;
        if slot.generation == key.generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The entry, if it still lives.
    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// Keys of all entries that live.
    pub fn keys(&self) -> impl Iterator<Item = Key<T>> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.value.as_ref()?;
            Some(Key {
                index: u16::try_from(index).ok()?,
                generation: slot.generation,
                kind: PhantomData,
            })
        })
    }
}

/// For keys that must live: kept by whoever holds the reference. A dead one is a bug.
impl<T> Index<Key<T>> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: Key<T>) -> &T {
        self.get(key).expect("key of a live entry")
    }
}

impl<T> IndexMut<Key<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, key: Key<T>) -> &mut T {
        self.get_mut(key).expect("key of a live entry")
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_removed_key_never_names_the_next_entry() {
        let mut slab = Slab::new();
        let first = slab.insert(1).unwrap();
        assert_eq!(slab.remove(first), Some(1));
        let second = slab.insert(2).unwrap();
        assert_eq!(first.index(), second.index());
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab[second], 2);
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn keys_lists_what_lives() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..5).map(|n| slab.insert(n).unwrap()).collect();
        slab.remove(keys[2]);
        let listed: Vec<_> = slab.keys().map(|key| slab[key]).collect();
        assert_eq!(listed, [0, 1, 3, 4]);
    }
}
