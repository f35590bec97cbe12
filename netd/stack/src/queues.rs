//! Queues of table indices: many first-in-first-out lists over one range of indices, in which each
//! index is in at most one list.
//!
//! *Owns* the links, eight bytes per index, apart from the tables whose indices it links. *Never*
//! allocates after construction; every operation but [`Queues::iter`] takes constant time.
//! Ready queues, event queues, waiting queues and age orders are all this.
//!
//! A list is a ring through a link of its own, which stands behind those of the indices: so an index
//! is taken out without anybody knowing which list it was in. Who must know takes
//! [`crate::lists::Lists`].
//!
//! *Invariants*: an index that is in no list links to nothing; an index or list beyond the limits is
//! ignored.

use alloc::vec::Vec;

/// No index.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
}

const FREE: Link = Link {
    next: NONE,
    previous: NONE,
};

/// Some number of lists over the indices below a limit.
#[derive(Debug)]
pub(crate) struct Queues {
    /// Of all indices, then of all lists.
    links: Vec<Link>,
    indices: u32,
}

impl Queues {
    /// `lists` empty lists over the indices `0..indices`.
    pub(crate) fn new(lists: usize, indices: usize) -> Self {
        let indices = u32::try_from(indices).unwrap_or(NONE);
        let end = indices.saturating_add(u32::try_from(lists).unwrap_or(NONE));
        let mut links = alloc::vec![FREE; end as usize];
        for (list, link) in (indices..end).zip(links.iter_mut().skip(indices as usize)) {
            *link = Link {
                next: list,
                previous: list,
            };
        }
        Self { links, indices }
    }

    #[inline]
    fn link(&self, at: u32) -> Link {
        self.links.get(at as usize).copied().unwrap_or(FREE)
    }

    #[inline]
    fn next(&self, at: u32) -> u32 {
        self.links.get(at as usize).map_or(NONE, |link| link.next)
    }

    #[inline]
    fn join(&mut self, first: u32, second: u32) {
        if let Some(link) = self.links.get_mut(first as usize) {
            link.next = second;
        }
        if let Some(link) = self.links.get_mut(second as usize) {
            link.previous = first;
        }
    }

    /// The link of a list.
    #[inline]
    fn ring(&self, list: u32) -> u32 {
        self.indices.saturating_add(list)
    }

    #[inline]
    fn index(&self, at: u32) -> Option<u32> {
        (at < self.indices).then_some(at)
    }

    /// Whether some list has the index.
    #[inline]
    pub(crate) fn holds(&self, index: u32) -> bool {
        index < self.indices && self.next(index) != NONE
    }

    /// Whether the list has no index.
    #[inline]
    pub(crate) fn is_empty(&self, list: u32) -> bool {
        self.first(list).is_none()
    }

    /// The index that has been in the list for longest.
    #[inline]
    pub(crate) fn first(&self, list: u32) -> Option<u32> {
        self.index(self.next(self.ring(list)))
    }

    /// The index that came to the list last.
    pub(crate) fn last(&self, list: u32) -> Option<u32> {
        self.index(self.link(self.ring(list)).previous)
    }

    /// Puts `index` at the end of `list`, out of whichever list it was in.
    pub(crate) fn push(&mut self, list: u32, index: u32) {
        self.remove(index);
        let ring = self.ring(list);
        if index >= self.indices || ring as usize >= self.links.len() {
            return;
        }
        self.join(self.link(ring).previous, index);
        self.join(index, ring);
    }

    /// Puts `index` at the end of `list` unless it is in some list already.
    pub(crate) fn push_if_free(&mut self, list: u32, index: u32) {
        if !self.holds(index) {
            self.push(list, index);
        }
    }

    /// Takes the first index out of the list.
    pub(crate) fn pop(&mut self, list: u32) -> Option<u32> {
        let first = self.first(list)?;
        self.remove(first);
        Some(first)
    }

    /// Takes `index` out of its list; `false` if it was in none.
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        if !self.holds(index) {
            return false;
        }
        let Link { next, previous } = self.link(index);
        self.join(previous, next);
        if let Some(link) = self.links.get_mut(index as usize) {
            *link = FREE;
        }
        true
    }

    /// Puts all of `from` behind all of `to`, one by one: for short lists.
    pub(crate) fn append(&mut self, from: u32, to: u32) {
        while let Some(index) = self.pop(from) {
            self.push(to, index);
        }
    }

    /// The indices of a list, oldest first.
    pub(crate) fn iter(&self, list: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.first(list);
        core::iter::successors(first, |index| self.index(self.next(*index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn content(queues: &Queues, list: u32) -> Vec<u32> {
        queues.iter(list).collect()
    }

    #[test]
    fn first_in_first_out() {
        let mut queues = Queues::new(2, 4);
        for index in [2, 0, 3] {
            queues.push(0, index);
        }
        assert_eq!(content(&queues, 0), [2, 0, 3]);
        assert!(queues.remove(0));
        assert!(!queues.remove(0));
        assert_eq!(
            (queues.pop(0), queues.pop(0), queues.pop(0)),
            (Some(2), Some(3), None)
        );
        assert!(queues.is_empty(0) && queues.is_empty(1));
    }

    #[test]
    fn what_is_out_of_range_is_ignored() {
        let mut queues = Queues::new(1, 1);
        queues.push(0, 1);
        queues.push(1, 0);
        assert_eq!(
            (queues.pop(0), queues.pop(1), queues.holds(0)),
            (None, None, false)
        );
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let mut queues = Queues::new(3, 16);
        let mut model = [const { VecDeque::new() }; 3];
        let mut state = 7u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (list, index) = ((state >> 8) % 3, (state >> 16) % 16);
            match (state >> 28) % 4 {
                0 | 1 => {
                    model
                        .iter_mut()
                        .for_each(|queue| queue.retain(|other| *other != index));
                    model[list as usize].push_back(index);
                    queues.push(list, index);
                }
                2 => assert_eq!(queues.pop(list), model[list as usize].pop_front()),
                _ => {
                    model
                        .iter_mut()
                        .for_each(|queue| queue.retain(|other| *other != index));
                    queues.remove(index);
                }
            }
            let queued = model.iter().any(|queue| queue.contains(&index));
            assert_eq!(queues.holds(index), queued);
            for (list, queue) in model.iter().enumerate() {
                assert_eq!(
                    content(&queues, list as u32),
                    queue.iter().copied().collect::<Vec<_>>()
                );
            }
        }
    }
}
