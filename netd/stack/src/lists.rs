//! Queues of table indices: many first-in-first-out lists over one range of indices, in which each
//! index is in at most one list.
//!
//! *Owns* the links, one small record per index, apart from the tables whose indices it links.
//! *Never* allocates after construction; every operation but [`Lists::iter`] takes constant time.
//! Ready queues, event queues, waiting queues, age orders and the slots of the timing wheel are all this.
//!
//! *Invariants*: an index is in the list its record names, and in no other; an index or list
//! beyond the limits is ignored.

use alloc::vec;
use alloc::vec::Vec;

/// No index.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    next: u32,
    previous: u32,
    list: u32,
}

const FREE: Link = Link {
    next: NONE,
    previous: NONE,
    list: NONE,
};

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u32,
    last: u32,
}

/// Some number of lists over the indices below a limit.
#[derive(Debug)]
pub(crate) struct Lists {
    links: Vec<Link>,
    ends: Vec<Ends>,
}

impl Lists {
    /// `lists` empty lists over the indices `0..indices`.
    pub(crate) fn new(lists: usize, indices: usize) -> Self {
        Self {
            links: vec![FREE; indices],
            ends: vec![
                Ends {
                    first: NONE,
                    last: NONE
                };
                lists
            ],
        }
    }

    fn link(&mut self, index: u32) -> Option<&mut Link> {
        self.links.get_mut(index as usize)
    }

    /// The list that holds `index`.
    pub(crate) fn list_of(&self, index: u32) -> Option<u32> {
        self.links
            .get(index as usize)
            .map(|link| link.list)
            .filter(|list| *list != NONE)
    }

    /// Whether the list has no index.
    pub(crate) fn is_empty(&self, list: u32) -> bool {
        self.first(list).is_none()
    }

    /// The index that has been in the list for longest.
    pub(crate) fn first(&self, list: u32) -> Option<u32> {
        self.ends
            .get(list as usize)
            .map(|ends| ends.first)
            .filter(|first| *first != NONE)
    }

    /// The index that came to the list last.
    pub(crate) fn last(&self, list: u32) -> Option<u32> {
        self.ends
            .get(list as usize)
            .map(|ends| ends.last)
            .filter(|last| *last != NONE)
    }

    /// Puts `index` at the end of `list`, out of whichever list it was in.
    pub(crate) fn push(&mut self, list: u32, index: u32) {
        self.remove(index);
        let Some(ends) = self.ends.get_mut(list as usize) else {
            return;
        };
        let previous = ends.last;
        let Some(link) = self.links.get_mut(index as usize) else {
            return;
        };
        *link = Link {
            next: NONE,
            previous,
            list,
        };
        ends.last = index;
        if previous == NONE {
            ends.first = index;
        } else if let Some(link) = self.link(previous) {
            link.next = index;
        }
    }

    /// Puts `index` at the end of `list` unless it is in some list already.
    pub(crate) fn push_if_free(&mut self, list: u32, index: u32) {
        if self.list_of(index).is_none() {
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
        let Some(link) = self.link(index) else {
            return false;
        };
        let Link {
            next,
            previous,
            list,
        } = core::mem::replace(link, FREE);
        let Some(ends) = self.ends.get_mut(list as usize) else {
            return false;
        };
        if ends.first == index {
            ends.first = next;
        }
        if ends.last == index {
            ends.last = previous;
        }
        if let Some(link) = self.link(next) {
            link.previous = previous;
        }
        if let Some(link) = self.link(previous) {
            link.next = next;
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
        core::iter::successors(first, |index| {
            self.links
                .get(*index as usize)
                .map(|link| link.next)
                .filter(|next| *next != NONE)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::vec::Vec;

    fn content(lists: &Lists, list: u32) -> Vec<u32> {
        lists.iter(list).collect()
    }

    #[test]
    fn first_in_first_out() {
        let mut lists = Lists::new(2, 4);
        for index in [2, 0, 3] {
            lists.push(0, index);
        }
        assert_eq!(content(&lists, 0), [2, 0, 3]);
        assert!(lists.remove(0));
        assert!(!lists.remove(0));
        assert_eq!(
            (lists.pop(0), lists.pop(0), lists.pop(0)),
            (Some(2), Some(3), None)
        );
        assert!(lists.is_empty(0) && lists.is_empty(1));
    }

    #[test]
    fn what_is_out_of_range_is_ignored() {
        let mut lists = Lists::new(1, 1);
        lists.push(0, 1);
        lists.push(1, 0);
        assert_eq!(
            (lists.pop(0), lists.pop(1), lists.list_of(0)),
            (None, None, None)
        );
    }

    #[test]
    fn agrees_with_a_naive_model() {
        let mut lists = Lists::new(3, 16);
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
                    lists.push(list, index);
                }
                2 => assert_eq!(lists.pop(list), model[list as usize].pop_front()),
                _ => {
                    model
                        .iter_mut()
                        .for_each(|queue| queue.retain(|other| *other != index));
                    lists.remove(index);
                }
            }
            for (list, queue) in model.iter().enumerate() {
                assert_eq!(
                    content(&lists, list as u32),
                    queue.iter().copied().collect::<Vec<_>>()
                );
            }
        }
    }
}
