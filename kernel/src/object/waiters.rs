//! Who sleeps for an object's signals.

use super::slab::Key;
use super::thread::Thread;
use abi::Signals;
use alloc::vec::Vec;

/// Threads with the signals that they want. Nearly always one, which needs no heap.
pub struct Waiters {
    first: Option<(Key<Thread>, Signals)>,
    rest: Vec<(Key<Thread>, Signals)>,
}

/// A short answer to who sleeps.
pub enum Sleepers {
    /// Nobody does.
    Nobody,
    /// One thread, which wants these signals.
    One(Key<Thread>, Signals),
    /// More; see `at`.
    Several,
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
    pub fn add(&mut self, thread: Key<Thread>, wanted: Signals) {
        if self.first.is_none() {
            self.first = Some((thread, wanted));
        } else {
            self.rest.push((thread, wanted));
        }
    }

    /// Removes one entry of a thread.
    #[inline]
    pub fn remove(&mut self, thread: Key<Thread>) {
        if self.first.is_some_and(|(first, _)| first == thread) {
            self.first = if self.rest.is_empty() {
                None
            } else {
                self.rest.pop()
            };
        } else if let Some(place) = self.rest.iter().position(|&(other, _)| other == thread) {
            self.rest.swap_remove(place);
        }
    }

    /// Who it is, in the usual case.
    #[inline]
    pub fn only(&self) -> Sleepers {
        match self.first {
            None => Sleepers::Nobody,
            Some((thread, wanted)) if self.rest.is_empty() => Sleepers::One(thread, wanted),
            Some(_) => Sleepers::Several,
        }
    }

    /// The entry at a place, counted from zero.
    pub fn at(&self, place: usize) -> Option<(Key<Thread>, Signals)> {
        match place {
            0 => self.first,
            _ => self.rest.get(place - 1).copied(),
        }
    }
}
