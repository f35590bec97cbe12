//! Queues of table indices: many first-in-first-out lists over one range of indices, in which each
//! index is in at most one list.
//!
//! *Owns* the links, apart from the tables whose indices they link. An index has four bytes here, and a
//! link while it is in a list: most are in none. *Never* allocates after construction, when room for
//! all links is reserved; one is touched for the first time when so many are needed at a time. Every
//! operation but [`Queues::iter`] takes constant time.
//! Ready queues, event queues, waiting queues, age orders and the timing wheel's slots are all this.
//!
//! A list is a ring through a link of its own, which stands before those that are lent.
//!
//! *Invariants*: an index or list beyond the limits is ignored; no index has a list's link, so that
//! zero, which is the first list's, says that it has none.

use alloc::vec::Vec;

/// No link.
const NONE: u32 = 0;

/// A place in a ring.
#[derive(Clone, Copy, Debug)]
struct Link {
    /// Of a link that nobody has: the next of these.
    next: u32,
    previous: u32,
    index: u32,
    list: u32,
}

/// Some number of lists over the indices below a limit.
#[derive(Debug)]
pub(crate) struct Queues {
    /// The link of each index.
    places: Vec<u32>,
    /// Those of all lists, then those that indices have or had.
    links: Vec<Link>,
    lists: u32,
    /// The link that was given back last.
    free: u32,
}

impl Queues {
    /// `lists` empty lists, of which there is at least one, over the indices `0..indices`.
    pub(crate) fn new(lists: usize, indices: usize) -> Self {
        let count = u32::try_from(lists.max(1)).unwrap_or(u32::MAX);
        let mut links = Vec::with_capacity((count as usize).saturating_add(indices));
        links.extend((0..count).map(|list| Link {
            next: list,
            previous: list,
            index: u32::MAX,
            list,
        }));
        Self {
            places: alloc::vec![NONE; indices],
            links,
            lists: count,
            free: NONE,
        }
    }

    /// The link of an index that is in a list.
    #[inline]
    fn place(&self, index: u32) -> Option<u32> {
        let place = self.places.get(index as usize).copied();
        place.filter(|place| *place != NONE)
    }

    #[inline]
    fn link(&self, at: u32) -> Option<&Link> {
        self.links.get(at as usize)
    }

    /// The link of a list.
    #[inline]
    fn ring(&self, list: u32) -> Option<&Link> {
        self.link(list).filter(|_| list < self.lists)
    }

    /// The index that has a link, if it is no list's.
    #[inline]
    fn index(&self, at: u32) -> Option<u32> {
        let link = self.link(at).filter(|_| at >= self.lists);
        link.map(|link| link.index)
    }

    /// Whether some list has the index.
    #[inline]
    pub(crate) fn holds(&self, index: u32) -> bool {
        self.place(index).is_some()
    }

    /// The list that has the index.
    #[inline]
    pub(crate) fn list_of(&self, index: u32) -> Option<u32> {
        self.link(self.place(index)?).map(|link| link.list)
    }

    /// Whether the list has no index.
    #[inline]
    pub(crate) fn is_empty(&self, list: u32) -> bool {
        self.ring(list).is_none_or(|ring| ring.next == list)
    }

    /// The index that has been in the list for longest.
    #[inline]
    pub(crate) fn first(&self, list: u32) -> Option<u32> {
        self.index(self.ring(list)?.next)
    }

    /// The index that came to the list last.
    pub(crate) fn last(&self, list: u32) -> Option<u32> {
        self.index(self.ring(list)?.previous)
    }

    /// Puts `index` at the end of `list`, out of whichever list it was in.
    pub(crate) fn push(&mut self, list: u32, index: u32) {
        if let Some(place) = self.place(index)
            && self.ring(list).is_some_and(|ring| ring.previous == place)
        {
            // It is there: as who takes turns with nobody else.
            return;
        }
        self.remove(index);
        self.enter(list, index);
    }

    /// Puts `index` at the end of `list` unless it is in some list already.
    #[inline]
    pub(crate) fn push_if_free(&mut self, list: u32, index: u32) {
        if !self.holds(index) {
            self.enter(list, index);
        }
    }

    /// Puts an index that is in no list at the end of `list`.
    #[inline]
    fn enter(&mut self, list: u32, index: u32) {
        let Some(last) = self.ring(list).map(|ring| ring.previous) else {
            return;
        };
        let Some(place) = self.places.get_mut(index as usize) else {
            return;
        };
        if self.free == NONE {
            self.free = Self::add_link(&mut self.links);
        }
        let at = self.free;
        let Some(link) = self.links.get_mut(at as usize) else {
            return;
        };
        self.free = link.next;
        *link = Link {
            next: list,
            previous: last,
            index,
            list,
        };
        *place = at;
        if let Some(last) = self.links.get_mut(last as usize) {
            last.next = at;
        }
        if let Some(ring) = self.links.get_mut(list as usize) {
            ring.previous = at;
        }
    }

    /// One more link than were needed at a time before; there is room for it.
    #[cold]
    #[inline(never)]
    fn add_link(links: &mut Vec<Link>) -> u32 {
        links.push(Link {
            next: NONE,
            previous: NONE,
            index: u32::MAX,
            list: NONE,
        });
        u32::try_from(links.len() - 1).unwrap_or(NONE)
    }

    /// Takes the first index out of the list.
    pub(crate) fn pop(&mut self, list: u32) -> Option<u32> {
        let first = self.first(list)?;
        self.remove(first);
        Some(first)
    }

    /// Takes `index` out of its list; `false` if it was in none.
    #[inline]
    pub(crate) fn remove(&mut self, index: u32) -> bool {
        let Some(place) = self.places.get_mut(index as usize) else {
            return false;
        };
        let at = core::mem::replace(place, NONE);
        if at == NONE {
            return false;
        }
        let Some(link) = self.links.get_mut(at as usize) else {
            return false;
        };
        let (next, previous) = (link.next, link.previous);
        link.next = core::mem::replace(&mut self.free, at);
        if let Some(link) = self.links.get_mut(previous as usize) {
            link.next = next;
        }
        if let Some(link) = self.links.get_mut(next as usize) {
            link.previous = previous;
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
        let mut at = self.ring(list).map_or(list, |ring| ring.next);
        core::iter::from_fn(move || {
            let index = self.index(at)?;
            at = self.link(at)?.next;
            Some(index)
        })
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
    fn there_are_no_more_links_than_were_needed_at_a_time() {
        let mut queues = Queues::new(2, 1_000);
        let room = queues.links.capacity();
        for index in 0..1_000 {
            queues.push(1, index);
            queues.push(0, index);
            queues.push_if_free(1, index);
            assert_eq!(queues.first(1), None);
            assert_eq!(queues.pop(0), Some(index));
        }
        assert_eq!(queues.links.len(), 3);
        (0..1_000).for_each(|index| queues.push(1, index));
        assert_eq!((queues.links.len(), queues.links.capacity()), (1_002, room));
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
            let queued = model.iter().position(|queue| queue.contains(&index));
            assert_eq!(queues.holds(index), queued.is_some());
            assert_eq!(queues.list_of(index), queued.map(|list| list as u32));
            for (list, queue) in model.iter().enumerate() {
                assert_eq!(
                    content(&queues, list as u32),
                    queue.iter().copied().collect::<Vec<_>>()
                );
            }
        }
    }
}
