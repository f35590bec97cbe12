//! The run queue: one list of ready threads per priority, linked through the threads.

use crate::object::slab::{Key, Slab};
use crate::object::thread::Thread;
use abi::PRIORITIES;

/// A thread's place in a list.
pub struct Links {
    next: Option<Key<Thread>>,
    previous: Option<Key<Thread>>,
    queued: bool,
}

impl Links {
    /// In no list.
    pub const fn new() -> Self {
        Self {
            next: None,
            previous: None,
            queued: false,
        }
    }
}

#[derive(Clone, Copy)]
struct List {
    first: Option<Key<Thread>>,
    last: Option<Key<Thread>>,
}

/// Ready threads of the whole system.
pub struct RunQueue {
    lists: [List; PRIORITIES],
    /// Bit per priority that has threads.
    occupied: u8,
}

impl RunQueue {
    /// Nobody is ready.
    pub const fn new() -> Self {
        Self {
            lists: [List {
                first: None,
                last: None,
            }; PRIORITIES],
            occupied: 0,
        }
    }

    /// The most urgent priority that has a ready thread.
    #[inline]
    pub const fn most_urgent(&self) -> Option<u8> {
        if self.occupied == 0 {
            None
        } else {
            Some((7 - self.occupied.leading_zeros()) as u8)
        }
    }

    /// Whether a thread of that priority is ready.
    #[inline]
    pub const fn has(&self, priority: u8) -> bool {
        self.occupied & (1 << priority) != 0
    }

    /// Puts a thread behind the others of its priority.
    #[inline]
    pub fn push_back(&mut self, threads: &mut Slab<Thread>, key: Key<Thread>) {
        let thread = &mut threads[key];
        let list = &mut self.lists[usize::from(thread.priority)];
        self.occupied |= 1 << thread.priority;
        thread.links = Links {
            next: None,
            previous: list.last,
            queued: true,
        };
        let last = list.last.replace(key);
        match last {
            Some(last) => threads[last].links.next = Some(key),
            None => list.first = Some(key),
        }
    }

    /// Puts a thread that lost its CPU to a more urgent one before the others of its priority.
    pub fn push_front(&mut self, threads: &mut Slab<Thread>, key: Key<Thread>) {
        let thread = &mut threads[key];
        let list = &mut self.lists[usize::from(thread.priority)];
        self.occupied |= 1 << thread.priority;
        thread.links = Links {
            next: list.first,
            previous: None,
            queued: true,
        };
        let first = list.first.replace(key);
        match first {
            Some(first) => threads[first].links.previous = Some(key),
            None => list.last = Some(key),
        }
    }

    /// Takes the first thread of the most urgent priority.
    #[inline]
    pub fn pop(&mut self, threads: &mut Slab<Thread>) -> Option<Key<Thread>> {
        let priority = self.most_urgent()?;
        let key = self.lists[usize::from(priority)].first?;
        self.remove(threads, key);
        Some(key)
    }

    /// Takes a thread out, wherever it is. No effect on one that is in no list.
    #[inline]
    pub fn remove(&mut self, threads: &mut Slab<Thread>, key: Key<Thread>) {
        let thread = &mut threads[key];
        let priority = thread.priority;
        if !thread.links.queued {
            return;
        }
        let links = core::mem::replace(&mut thread.links, Links::new());
        let list = &mut self.lists[usize::from(priority)];
        match links.previous {
            Some(previous) => threads[previous].links.next = links.next,
            None => list.first = links.next,
        }
        match links.next {
            Some(next) => threads[next].links.previous = links.previous,
            None => list.last = links.previous,
        }
        if list.first.is_none() {
            self.occupied &= !(1 << priority);
        }
    }
}
