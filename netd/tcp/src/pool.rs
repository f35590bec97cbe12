//! Storage that only busy connections need: a fixed number of parts, lent and given back.
//!
//! *Owns* [`Pool`] and [`Slot`], the receipt for a borrowed part. *Never* allocates after it was
//! made: memory for all parts is reserved then, and a part is touched for the first time when it
//! is lent for the first time.

extern crate alloc;

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::num::NonZeroU32;

/// What a pool lends.
pub(crate) trait Part {
    /// One that was never used.
    fn new() -> Self;
    /// Makes a used one like new, at less cost.
    fn clear(&mut self);
}

/// A part borrowed from a [`Pool`]. It must be given back to the same pool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slot<T> {
    number: NonZeroU32,
    part: PhantomData<fn() -> T>,
}

impl<T> Slot<T> {
    const fn new(number: NonZeroU32) -> Self {
        Self {
            number,
            part: PhantomData,
        }
    }
}

/// All parts of one owner.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    parts: Vec<T>,
    free: Vec<NonZeroU32>,
    capacity: usize,
}

impl<T: Part> Pool<T> {
    pub(crate) fn new(capacity: u32) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
        Self {
            parts: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// Borrows a part that is like new, if one is left.
    pub(crate) fn take(&mut self) -> Option<Slot<T>> {
        if let Some(number) = self.free.pop() {
            let slot = Slot::new(number);
            self.get_mut(&slot)?.clear();
            return Some(slot);
        }
        if self.parts.len() >= self.capacity {
            return None;
        }
        self.parts.push(T::new());
        let number = u32::try_from(self.parts.len()).ok()?;
        NonZeroU32::new(number).map(Slot::new)
    }

    /// Gives a part back.
    #[expect(clippy::needless_pass_by_value, reason = "the receipt is used up")]
    pub(crate) fn give_back(&mut self, slot: Slot<T>) {
        self.free.push(slot.number);
    }

    pub(crate) fn get(&self, slot: &Slot<T>) -> Option<&T> {
        self.parts.get(Self::index(slot))
    }

    pub(crate) fn get_mut(&mut self, slot: &Slot<T>) -> Option<&mut T> {
        self.parts.get_mut(Self::index(slot))
    }

    /// How many parts are borrowed.
    pub(crate) fn in_use(&self) -> u32 {
        let used = self.parts.len().saturating_sub(self.free.len());
        u32::try_from(used).unwrap_or(u32::MAX)
    }

    fn index(slot: &Slot<T>) -> usize {
        // A slot's number is at most the number of parts, which fits in memory.
        usize::try_from(slot.number.get())
            .unwrap_or(usize::MAX)
            .wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    struct Number(u8);

    impl Part for Number {
        fn new() -> Self {
            Self(1)
        }

        fn clear(&mut self) {
            self.0 = 1;
        }
    }

    #[test]
    fn no_more_is_lent_than_there_is_and_what_comes_back_is_lent_like_new() {
        let mut pool = Pool::<Number>::new(2);
        let first = pool.take().unwrap();
        let second = pool.take().unwrap();
        assert_eq!((pool.take(), pool.in_use()), (None, 2));
        *pool.get_mut(&first).unwrap() = Number(7);
        pool.give_back(first);
        assert_eq!(pool.in_use(), 1);
        let again = pool.take().unwrap();
        assert_ne!(again, second);
        assert_eq!(pool.get(&again), Some(&Number(1)));
        assert_eq!(Pool::<Number>::new(0).take(), None);
    }
}
