//! Who is to be told of an object's signals.

use super::slab::Key;
use super::thread::Thread;
use abi::Signals;
use alloc::vec::Vec;

/// A thread that has an object among the items of its `Wait`.
#[derive(Clone, Copy)]
pub struct Waiter {
    /// Who.
    pub thread: Key<Thread>,
    /// Which of its items.
    pub item: u16,
    /// What for.
    pub wanted: Signals,
}

/// All of them. Nearly always one, which needs no heap.
pub struct Waiters {
    first: Option<Waiter>,
    rest: Vec<Waiter>,
}

impl Waiters {
    /// Nobody.
    pub const fn new() -> Self {
        Self {
            first: None,
            rest: Vec::new(),
        }
    }

    /// One more.
    #[inline]
    pub fn add(&mut self, waiter: Waiter) {
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.rest.push(waiter);
        }
    }

    /// Removes the entry of a thread's item.
    #[inline]
    pub fn remove(&mut self, thread: Key<Thread>, item: u16) {
        let is_it = |waiter: &Waiter| waiter.thread == thread && waiter.item == item;
        if self.first.as_ref().is_some_and(is_it) {
            self.first = self.rest.pop();
        } else if let Some(place) = self.rest.iter().position(is_it) {
            self.rest.swap_remove(place);
        }
    }

    /// The first one, and whether there are more.
    #[inline]
    pub const fn first(&self) -> (Option<Waiter>, bool) {
        (self.first, !self.rest.is_empty())
    }

    /// The entry at a place, counted from zero.
    #[inline]
    pub fn at(&self, place: usize) -> Option<Waiter> {
        match place {
            0 => self.first,
            _ => self.rest.get(place - 1).copied(),
        }
    }
}
