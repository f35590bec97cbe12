//! Queues that know which of them an index is in.
//!
//! *Owns* the name of each index's list; the rest is [`Queues`]'. For those who ask where an index is:
//! who only moves indices about spares the four bytes.
//!
//! *Invariant*: an index is in the list its record names, and in no other.

use crate::queues::Queues;
use alloc::vec;
use alloc::vec::Vec;

/// No list.
const NONE: u32 = u32::MAX;

/// Some number of lists over the indices below a limit.
#[derive(Debug)]
pub(crate) struct Lists {
    queues: Queues,
    names: Vec<u32>,
}

impl Lists {
    /// `lists` empty lists over the indices `0..indices`.
    pub(crate) fn new(lists: usize, indices: usize) -> Self {
        Self {
            queues: Queues::new(lists, indices),
            names: vec![NONE; indices],
        }
    }

    /// The list that holds `index`.
    pub(crate) fn list_of(&self, index: u32) -> Option<u32> {
        let name = self.names.get(index as usize).copied();
        name.filter(|_| self.queues.holds(index))
    }

    /// See [`Queues::is_empty`].
    pub(crate) fn is_empty(&self, list: u32) -> bool {
        self.queues.is_empty(list)
    }

    /// See [`Queues::first`].
    pub(crate) fn first(&self, list: u32) -> Option<u32> {
        self.queues.first(list)
    }

    /// See [`Queues::last`].
    pub(crate) fn last(&self, list: u32) -> Option<u32> {
        self.queues.last(list)
    }

    /// See [`Queues::push`].
    pub(crate) fn push(&mut self, list: u32, index: u32) {
        if let Some(name) = self.names.get_mut(index as usize) {
            *name = list;
        }
        self.queues.push(list, index);
    }

    /// See [`Queues::pop`].
    pub(crate) fn pop(&mut self, list: u32) -> Option<u32> {
        self.queues.pop(list)
    }

    /// See [`Queues::remove`].
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        self.queues.remove(index)
    }

    /// See [`Queues::iter`].
    pub(crate) fn iter(&self, list: u32) -> impl Iterator<Item = u32> + '_ {
        self.queues.iter(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_knows_its_list_while_it_is_in_one() {
        let mut lists = Lists::new(2, 3);
        assert_eq!(lists.list_of(1), None);
        lists.push(0, 1);
        assert_eq!(
            (lists.list_of(1), lists.last(0), lists.first(1)),
            (Some(0), Some(1), None)
        );
        lists.push(1, 1);
        lists.push(1, 2);
        assert_eq!(lists.list_of(1), Some(1));
        assert_eq!(lists.iter(1).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((lists.pop(1), lists.list_of(1)), (Some(1), None));
        assert!(lists.remove(2) && lists.is_empty(1));
        assert_eq!((lists.list_of(2), lists.list_of(3)), (None, None));
    }
}
