//! Requests that wait: first-in-first-out chains of values out of one bounded store.
//!
//! *Owns* the values. A [`Chain`] lives in the socket it belongs to and is only one number: how long
//! it is stands with its last value, which is touched anyway when it gets longer or shorter.
//! *Never* allocates after construction, and never grows beyond its limit: who wants to wait when
//! the store is full is told so.
//!
//! An owner (a client) has a share of the store, so that none can keep the others from waiting.
//!
//! *Invariant*: a chain is only used with the store it was filled from.

use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Node<T> {
    value: Option<T>,
    next: u32,
    owner: u16,
    /// Of the last in a chain: how many there are, as far as can be counted.
    len: u16,
}

/// A store of chained values.
#[derive(Debug)]
pub(crate) struct Nodes<T> {
    nodes: Vec<Node<T>>,
    free: u32,
    /// How many values each owner has in the store, and may have.
    held: Vec<u32>,
    quota: u32,
}

/// One chain of values: a ring, so that its last leads to its first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    last: u32,
}

/// The store is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Chain {
    /// No value.
    pub(crate) const EMPTY: Self = Self { last: NONE };

    pub(crate) fn is_empty(&self) -> bool {
        self.last == NONE
    }
}

/// A place in a chain: where a walk has come to. Good until that value is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(u32);

impl Cursor {
    /// No place: behind the last value.
    pub(crate) const NOWHERE: Self = Self(NONE);
}

impl<T> Nodes<T> {
    /// Bytes of one place.
    pub(crate) const PLACE: usize = size_of::<Node<T>>();

    /// How many values all owners have in the store.
    pub(crate) fn in_use(&self) -> u32 {
        self.held.iter().sum()
    }

    /// Room for `limit` values, of each of the `owners` at most `quota`.
    pub(crate) fn new(limit: usize, owners: usize, quota: u32) -> Self {
        let limit = u32::try_from(limit).unwrap_or(NONE - 1);
        let node = |next| Node {
            value: None,
            next,
            owner: 0,
            len: 0,
        };
        let nodes = (1..=limit).map(|next| node(if next == limit { NONE } else { next }));
        Self {
            nodes: nodes.collect(),
            free: if limit == 0 { NONE } else { 0 },
            held: alloc::vec![0; owners],
            quota,
        }
    }

    /// How many values the chain has; if more than 65,535, then that many.
    pub(crate) fn len(&self, chain: &Chain) -> u32 {
        let last = self.nodes.get(chain.last as usize);
        last.map_or(0, |last| last.len.into())
    }

    /// Whether a value of `owner` would be taken.
    pub(crate) fn has_place(&self, owner: u32) -> bool {
        let held = self.held.get(owner as usize);
        held.is_some_and(|held| *held < self.quota) && self.free != NONE
    }

    /// Puts a value of `owner` at the end of the chain. (Inlined: the value's fields go to their place
    /// one by one. Passed on in memory and copied as a whole, it would be waited for.)
    #[inline(always)]
    pub(crate) fn push(&mut self, chain: &mut Chain, owner: u32, value: T) -> Result<(), Full> {
        let held = self.held.get_mut(owner as usize).ok_or(Full)?;
        let owner = u16::try_from(owner).map_err(|_| Full)?;
        if *held >= self.quota {
            return Err(Full);
        }
        let index = self.free;
        let node = self.nodes.get_mut(index as usize).ok_or(Full)?;
        self.free = node.next;
        *node = Node {
            value: Some(value),
            next: NONE,
            owner,
            len: 0,
        };
        *held += 1;
        self.link(chain, index);
        Ok(())
    }

    fn link(&mut self, chain: &mut Chain, index: u32) {
        let (first, before) = match self.nodes.get_mut(chain.last as usize) {
            Some(last) => (core::mem::replace(&mut last.next, index), last.len),
            None => (index, 0),
        };
        if let Some(node) = self.nodes.get_mut(index as usize) {
            node.next = first;
            node.len = before.saturating_add(1);
        }
        chain.last = index;
    }

    fn unlink_first(&mut self, chain: &mut Chain) -> Option<u32> {
        let index = self.start(chain).0;
        let second = self.nodes.get(index as usize)?.next;
        if index == chain.last {
            chain.last = NONE;
        } else if let Some(last) = self.nodes.get_mut(chain.last as usize) {
            last.next = second;
            last.len = last.len.saturating_sub(1);
        }
        Some(index)
    }

    /// Takes the first value out.
    pub(crate) fn pop(&mut self, chain: &mut Chain) -> Option<T> {
        let index = self.unlink_first(chain)?;
        let node = self.nodes.get_mut(index as usize)?;
        node.next = self.free;
        self.free = index;
        if let Some(held) = self.held.get_mut(usize::from(node.owner)) {
            *held = held.saturating_sub(1);
        }
        node.value.take()
    }

    /// The first value.
    pub(crate) fn first(&self, chain: &Chain) -> Option<&T> {
        self.get(self.start(chain))
    }

    /// The first value.
    pub(crate) fn first_mut(&mut self, chain: &Chain) -> Option<&mut T> {
        let first = self.start(chain).0;
        self.nodes.get_mut(first as usize)?.value.as_mut()
    }

    /// Where a walk of the chain begins.
    pub(crate) fn start(&self, chain: &Chain) -> Cursor {
        Cursor(
            self.nodes
                .get(chain.last as usize)
                .map_or(NONE, |last| last.next),
        )
    }

    /// The value a walk has come to.
    pub(crate) fn get(&self, at: Cursor) -> Option<&T> {
        self.nodes.get(at.0 as usize)?.value.as_ref()
    }

    /// One step of a walk of this chain.
    pub(crate) fn next(&self, chain: &Chain, at: Cursor) -> Cursor {
        if at.0 == chain.last {
            return Cursor::NOWHERE;
        }
        Cursor(self.nodes.get(at.0 as usize).map_or(NONE, |node| node.next))
    }

    /// All values of a chain, oldest first.
    pub(crate) fn iter(&self, chain: &Chain) -> impl Iterator<Item = &T> + '_ {
        let (chain, mut at) = (*chain, self.start(chain));
        core::iter::from_fn(move || {
            let value = self.get(at)?;
            at = self.next(&chain, at);
            Some(value)
        })
    }

    /// Moves the first value to the end of another chain, changed: needs no free place.
    pub(crate) fn move_first(
        &mut self,
        from: &mut Chain,
        to: &mut Chain,
        change: impl FnOnce(&mut T),
    ) -> bool {
        let Some(index) = self.unlink_first(from) else {
            return false;
        };
        let node = self.nodes.get_mut(index as usize);
        if let Some(value) = node.and_then(|node| node.value.as_mut()) {
            change(value);
        }
        self.link(to, index);
        true
    }

    /// Moves the first value that `wanted` picks to the end of another chain, changed. Walks the
    /// chain: not for a packet's way.
    pub(crate) fn move_where(
        &mut self,
        from: &mut Chain,
        to: &mut Chain,
        wanted: impl Fn(&T) -> bool,
        change: impl FnOnce(&mut T),
    ) -> bool {
        let mut rest = Chain::EMPTY;
        let mut change = Some(change);
        while let Some(value) = self.first(from) {
            match change.take_if(|_| wanted(value)) {
                Some(change) => self.move_first(from, to, change),
                None => self.move_first(from, &mut rest, |_| ()),
            };
        }
        *from = rest;
        change.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn content(nodes: &Nodes<u32>, chain: &Chain) -> Vec<u32> {
        nodes.iter(chain).copied().collect()
    }

    #[test]
    fn chains_share_a_bounded_store() {
        let mut nodes = Nodes::new(4, 1, 9);
        let (mut a, mut b) = (Chain::EMPTY, Chain::EMPTY);
        for value in 0..4u32 {
            nodes
                .push(if value % 2 == 0 { &mut a } else { &mut b }, 0, value)
                .unwrap();
        }
        assert_eq!(nodes.push(&mut a, 0, 4), Err(Full));
        assert_eq!(
            (content(&nodes, &a), content(&nodes, &b)),
            (std::vec![0, 2], std::vec![1, 3])
        );
        assert_eq!(nodes.pop(&mut b), Some(1));
        nodes.push(&mut a, 0, 5).unwrap();
        assert_eq!(content(&nodes, &a), [0, 2, 5]);
        assert_eq!((nodes.len(&a), nodes.len(&b)), (3, 1));
        while nodes.pop(&mut a).is_some() {}
        assert!(a.is_empty());
        nodes.push(&mut a, 0, 6).unwrap();
        assert_eq!(content(&nodes, &a), [6]);
    }

    #[test]
    fn takes_from_the_middle_and_keeps_the_order() {
        let mut nodes = Nodes::new(4, 1, 9);
        let mut chain = Chain::EMPTY;
        (0..4).for_each(|value| nodes.push(&mut chain, 0, value).unwrap());
        let mut other = Chain::EMPTY;
        assert!(nodes.move_where(
            &mut chain,
            &mut other,
            |value| *value == 2,
            |value| *value *= 10
        ));
        assert!(!nodes.move_where(&mut chain, &mut other, |value| *value == 2, |_| ()));
        assert!(nodes.move_first(&mut chain, &mut other, |value| *value += 1));
        assert_eq!(content(&nodes, &chain), [1, 3]);
        assert_eq!(content(&nodes, &other), [20, 1]);
    }

    #[test]
    fn nobody_has_more_than_its_share() {
        let mut nodes = Nodes::new(8, 2, 3);
        let (mut greedy, mut modest) = (Chain::EMPTY, Chain::EMPTY);
        let taken = (0..8)
            .filter(|value| nodes.push(&mut greedy, 0, *value).is_ok())
            .count();
        assert_eq!(taken, 3);
        assert_eq!(nodes.push(&mut modest, 1, 0), Ok(()));
        assert_eq!(nodes.push(&mut modest, 2, 0), Err(Full), "no such owner");
        // Moved values stay their owner's; taken ones make room.
        assert!(nodes.move_first(&mut greedy, &mut modest, |_| ()));
        assert_eq!(nodes.push(&mut greedy, 0, 9), Err(Full));
        nodes.pop(&mut greedy);
        assert_eq!(nodes.push(&mut greedy, 0, 9), Ok(()));
    }

    #[test]
    fn nothing_fits_into_nothing() {
        let mut nodes = Nodes::new(0, 1, 9);
        let mut chain = Chain::EMPTY;
        assert_eq!(nodes.push(&mut chain, 0, 1), Err(Full));
        assert_eq!(nodes.pop(&mut chain), None);
    }
}
