//! Deadlines of sleeping threads: a binary heap, the earliest on top.
//!
//! Each CPU has the deadlines of the threads that went to sleep on it. A thread knows its place, so
//! that a wake-up takes the entry out in logarithmic time.

use crate::object::slab::{Key, Slab};
use crate::object::thread::Thread;
use alloc::vec::Vec;

/// The heap.
pub struct Deadlines {
    entries: Vec<(u64, Key<Thread>)>,
}

impl Deadlines {
    /// No deadline.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// The earliest.
    #[inline]
    pub fn first(&self) -> Option<(u64, Key<Thread>)> {
        self.entries.first().copied()
    }

    /// Adds the deadline of a thread that has none.
    pub fn insert(&mut self, threads: &mut Slab<Thread>, thread: Key<Thread>, at: u64) {
        self.entries.push((at, thread));
        let place = self.rise(threads, self.entries.len() - 1);
        self.note(threads, place);
    }

    /// Changes the deadline at a place.
    pub fn change(&mut self, threads: &mut Slab<Thread>, place: usize, at: u64) {
        let before = core::mem::replace(&mut self.entries[place].0, at);
        let moved_to = if at < before {
            self.rise(threads, place)
        } else {
            self.sink(threads, place)
        };
        if moved_to != place {
            self.note(threads, moved_to);
        }
    }

    /// Takes out the entry at a place.
    pub fn remove(&mut self, threads: &mut Slab<Thread>, place: usize) {
        let (_, thread) = self.entries.swap_remove(place);
        let wait = &mut threads[thread].wait;
        wait.heap_place = None;
        wait.noted = abi::DEADLINE_NEVER;
        if place < self.entries.len() {
            let place = self.rise(threads, place);
            let place = self.sink(threads, place);
            self.note(threads, place);
        }
    }

    /// Moves an entry up as far as it belongs. Its own thread is to be told its place.
    fn rise(&mut self, threads: &mut Slab<Thread>, mut place: usize) -> usize {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.entries[parent].0 <= self.entries[place].0 {
                break;
            }
            self.entries.swap(parent, place);
            self.note(threads, place);
            place = parent;
        }
        place
    }

    /// As [`Self::rise`], down.
    fn sink(&mut self, threads: &mut Slab<Thread>, mut place: usize) -> usize {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.entries.len() && self.entries[child].0 < self.entries[least].0 {
                    least = child;
                }
            }
            if least == place {
                break;
            }
            self.entries.swap(least, place);
            self.note(threads, place);
            place = least;
        }
        place
    }

    fn note(&self, threads: &mut Slab<Thread>, place: usize) {
        threads[self.entries[place].1].wait.heap_place = Some(place);
    }
}
