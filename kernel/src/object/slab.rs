//! Tables of objects: index plus generation, so that a key never names a later object.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;
use core::ops::{Index, IndexMut};

/// Names an entry of a [`Slab`]: the generation, which is never zero, above the index.
pub struct Key<T> {
    raw: NonZeroU32,
    kind: PhantomData<fn() -> T>,
}

const INDEX_BITS: u32 = 16;
const FIRST_GENERATION: u32 = 1 << INDEX_BITS;

impl<T> Key<T> {
    const fn new(raw: NonZeroU32) -> Self {
        Self {
            raw,
            kind: PhantomData,
        }
    }

    /// Place in the table: unique among the entries that live.
    #[inline]
    pub const fn index(self) -> usize {
        (self.raw.get() & (FIRST_GENERATION - 1)) as usize
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T> Eq for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.raw)
    }
}

struct Slot<T> {
    /// The key of the entry that is here, or of the next one.
    key: NonZeroU32,
    next_free: Option<u16>,
    value: Option<T>,
}

/// A table of at most 65,536 entries.
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
                    key: NonZeroU32::new(FIRST_GENERATION | u32::from(index))?,
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
        Some(Key::new(slot.key))
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let slot = self.slots.get_mut(key.index())?;
        if slot.key != key.raw {
            return None;
        }
        let value = slot.value.take()?;
        // The index stays, the generation goes on; it skips zero when it wraps.
        let index = key.raw.get() & (FIRST_GENERATION - 1);
        let next = key.raw.get().wrapping_add(FIRST_GENERATION);
        slot.key = NonZeroU32::new(next)
            .filter(|next| next.get() >= FIRST_GENERATION)
            .unwrap_or(NonZeroU32::MIN.saturating_add((FIRST_GENERATION | index) - 1));
        slot.next_free = self.free;
        self.free = Some(index as u16);
        self.used -= 1;
        Some(value)
    }

    /// The entry, if it still lives.
    #[inline]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        match self.slots.get(key.index()) {
            Some(slot) if slot.key == key.raw => slot.value.as_ref(),
            _ => None,
        }
    }

    /// The entry, if it still lives.
    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        match self.slots.get_mut(key.index()) {
            Some(slot) if slot.key == key.raw => slot.value.as_mut(),
            _ => None,
        }
    }

    /// Two different entries that live, at once.
    #[inline]
    pub fn pair_mut(&mut self, one: Key<T>, other: Key<T>) -> Option<(&mut T, &mut T)> {
        let places = [one.index(), other.index()];
        let [first, second] = self.slots.get_disjoint_mut(places).ok()?;
        if first.key != one.raw || second.key != other.raw {
            return None;
        }
        Some((first.value.as_mut()?, second.value.as_mut()?))
    }

    /// Keys of all entries that live.
    pub fn keys(&self) -> impl Iterator<Item = Key<T>> + '_ {
        let used = self.slots.iter().filter(|slot| slot.value.is_some());
        used.map(|slot| Key::new(slot.key))
    }
}

/// For keys that must live: kept by whoever holds the reference. A dead one is a bug.
impl<T> Index<Key<T>> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, key: Key<T>) -> &T {
        match self.get(key) {
            Some(entry) => entry,
            None => dead_key(),
        }
    }
}

impl<T> IndexMut<Key<T>> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, key: Key<T>) -> &mut T {
        match self.get_mut(key) {
            Some(entry) => entry,
            None => dead_key(),
        }
    }
}

#[cold]
#[inline(never)]
fn dead_key() -> ! {
    panic!("a key outlived its entry")
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
    fn generations_wrap_without_zero() {
        let mut slab = Slab::new();
        let first = slab.insert(0).unwrap();
        let mut last = first;
        for n in 1..70_000 {
            slab.remove(last);
            last = slab.insert(n).unwrap();
            assert_eq!(last.index(), first.index());
            assert_eq!(slab.get(last), Some(&n));
        }
    }

    #[test]
    fn keys_lists_what_lives() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..5).map(|n| slab.insert(n).unwrap()).collect();
        assert_eq!(slab.pair_mut(keys[4], keys[1]), Some((&mut 4, &mut 1)));
        assert_eq!(slab.pair_mut(keys[4], keys[4]), None);
        slab.remove(keys[2]);
        assert_eq!(slab.pair_mut(keys[4], keys[2]), None);
        let listed: Vec<_> = slab.keys().map(|key| slab[key]).collect();
        assert_eq!(listed, [0, 1, 3, 4]);
    }
}
