//! The accept queue of a listener: who is half open, and who waits for the user.
//!
//! *Owns* the counts and the order. *Never* owns connections: it holds whatever names them for the
//! owner. *Invariant*: half-open and waiting connections together never exceed the backlog, so
//! whoever completes its handshake finds its place kept.
//!
//! Overflow policy: a SYN that finds no place is dropped and counted; the peer sends it again.

extern crate alloc;

use alloc::collections::VecDeque;

/// An accept queue for connections named by `T`.
#[derive(Debug)]
pub struct AcceptQueue<T> {
    backlog: usize,
    half_open: usize,
    ready: VecDeque<T>,
    overflows: u64,
}

impl<T> AcceptQueue<T> {
    /// A queue for at most `backlog` connections, at least one. All memory is taken now.
    #[must_use]
    pub fn new(backlog: u16) -> Self {
        let backlog = usize::from(backlog.max(1));
        Self {
            backlog,
            half_open: 0,
            ready: VecDeque::with_capacity(backlog),
            overflows: 0,
        }
    }

    /// Keeps a place for one more half-open connection. `false`, and counted, if there is none.
    #[must_use]
    pub fn reserve(&mut self) -> bool {
        let has_place = self.half_open.saturating_add(self.ready.len()) < self.backlog;
        if has_place {
            self.half_open = self.half_open.saturating_add(1);
        } else {
            self.overflows = self.overflows.saturating_add(1);
        }
        has_place
    }

    /// A half-open connection came to nothing: its place is free.
    pub fn release(&mut self) {
        self.half_open = self.half_open.saturating_sub(1);
    }

    /// A half-open connection has completed its handshake and waits, in the place kept for it.
    pub fn complete(&mut self, connection: T) {
        self.release();
        self.ready.push_back(connection);
    }

    /// The connection that has waited longest.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.ready.front()
    }

    /// Takes out the connection that has waited longest.
    pub fn pop(&mut self) -> Option<T> {
        self.ready.pop_front()
    }

    /// Takes out a waiting connection that is over.
    pub fn remove(&mut self, connection: &T) -> bool
    where
        T: PartialEq,
    {
        let place = self.ready.iter().position(|waiting| waiting == connection);
        place.and_then(|place| self.ready.remove(place)).is_some()
    }

    /// How many connections wait for the user.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// How many connections are half open.
    #[must_use]
    pub const fn half_open(&self) -> usize {
        self.half_open
    }

    /// How many SYNs found no place.
    #[must_use]
    pub const fn overflows(&self) -> u64 {
        self.overflows
    }

    /// The listener closes: all that waited, to be reset.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.ready.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_open_and_waiting_share_the_backlog() {
        let mut queue = AcceptQueue::new(2);
        assert!(queue.reserve() && queue.reserve());
        assert!(!queue.reserve());
        queue.complete('a');
        assert!(!queue.reserve());
        queue.release();
        assert!(queue.reserve());
        queue.complete('b');
        assert_eq!(
            (queue.waiting(), queue.half_open(), queue.overflows()),
            (2, 0, 2)
        );
        assert_eq!(queue.first(), Some(&'a'));
        assert_eq!(
            (queue.pop(), queue.pop(), queue.pop()),
            (Some('a'), Some('b'), None)
        );
        assert!(queue.reserve());
    }

    #[test]
    fn a_backlog_of_zero_is_one() {
        let mut queue = AcceptQueue::<u8>::new(0);
        assert!(queue.reserve() && !queue.reserve());
    }

    #[test]
    fn who_is_over_is_taken_out() {
        let mut queue = AcceptQueue::new(3);
        for name in ['a', 'b', 'c'] {
            assert!(queue.reserve());
            queue.complete(name);
        }
        assert!(queue.remove(&'b') && !queue.remove(&'b'));
        assert!(queue.drain().eq(['a', 'c']));
        assert_eq!(queue.waiting(), 0);
    }
}
