//! The options of stream sockets, each set of choices kept once.
//!
//! *Owns* the sets, and how many sockets have each. Most sockets have the options of all others or of
//! their listener, so a socket holds a number of two bytes. *Never* lets a client take more than its
//! share of the places, and never refuses what a new socket begins with.

use crate::options::SocketOptions;
use alloc::vec::Vec;

/// A set of options, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionSet(u16);

impl OptionSet {
    /// What a new socket begins with.
    pub(crate) const INITIAL: Self = Self(0);
}

#[derive(Debug)]
struct Entry {
    options: SocketOptions,
    /// Whose it is, by place among the clients.
    client: u32,
    /// How many sockets have it; none: the place is free.
    users: u32,
}

/// All sets.
#[derive(Debug)]
pub(crate) struct OptionSets {
    initial: SocketOptions,
    /// Those behind the initial one. Only as many as were ever there at a time.
    entries: Vec<Entry>,
    limit: usize,
    share: usize,
}

impl OptionSets {
    /// Room for `limit` sets beside the initial one, `share` of them for each client.
    pub(crate) fn new(initial: SocketOptions, limit: u16, share: u16) -> Self {
        Self {
            initial,
            entries: Vec::with_capacity(limit.into()),
            limit: limit.into(),
            share: share.into(),
        }
    }

    fn entry_mut(&mut self, set: OptionSet) -> Option<&mut Entry> {
        self.entries.get_mut(usize::from(set.0.checked_sub(1)?))
    }

    /// The options of a set.
    pub(crate) fn get(&self, set: OptionSet) -> &SocketOptions {
        let place = set.0.checked_sub(1);
        let entry = place.and_then(|place| self.entries.get(usize::from(place)));
        entry.map_or(&self.initial, |entry| &entry.options)
    }

    /// One more socket has the set.
    pub(crate) fn share(&mut self, set: OptionSet) -> OptionSet {
        if let Some(entry) = self.entry_mut(set) {
            entry.users += 1;
        }
        set
    }

    /// A socket no longer has the set.
    pub(crate) fn give_back(&mut self, set: OptionSet) {
        if let Some(entry) = self.entry_mut(set) {
            entry.users = entry.users.saturating_sub(1);
        }
    }

    /// The set of these options for one more socket of this client; `None` when no place is left.
    pub(crate) fn take(&mut self, client: u32, options: SocketOptions) -> Option<OptionSet> {
        if options == self.initial {
            return Some(OptionSet::INITIAL);
        }
        let (mut own, mut free) = (0, None);
        for (number, entry) in (1..).zip(&mut self.entries) {
            if entry.users == 0 {
                free = free.or(Some(number));
            } else if entry.client == client {
                if entry.options == options {
                    entry.users += 1;
                    return Some(OptionSet(number));
                }
                own += 1;
            }
        }
        if own >= self.share {
            return None;
        }
        let entry = Entry {
            options,
            client,
            users: 1,
        };
        if let Some(number) = free {
            *self.entry_mut(OptionSet(number))? = entry;
            return Some(OptionSet(number));
        }
        if self.entries.len() >= self.limit {
            return None;
        }
        self.entries.push(entry);
        u16::try_from(self.entries.len()).ok().map(OptionSet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(dscp: u8) -> SocketOptions {
        SocketOptions {
            dscp,
            ..SocketOptions::new()
        }
    }

    #[test]
    fn equal_choices_of_one_client_are_one_set() {
        let mut sets = OptionSets::new(options(0), 3, 2);
        assert_eq!(sets.take(7, options(0)), Some(OptionSet::INITIAL));
        let one = sets.take(7, options(1)).unwrap();
        assert_eq!(sets.take(7, options(1)), Some(one));
        let other = sets.take(8, options(1)).unwrap();
        assert_ne!(one, other, "nobody lives of another's share");
        assert_eq!((sets.get(one), sets.get(other)), (&options(1), &options(1)));
        assert_eq!(sets.get(OptionSet::INITIAL), &options(0));
    }

    #[test]
    fn places_are_bounded_and_come_back() {
        let mut sets = OptionSets::new(options(0), 3, 2);
        let one = sets.take(7, options(1)).unwrap();
        sets.take(7, options(2)).unwrap();
        assert_eq!(sets.take(7, options(3)), None, "its share");
        sets.take(8, options(3)).unwrap();
        assert_eq!(sets.take(8, options(4)), None, "no place at all");
        assert_eq!(sets.share(one), one);
        sets.give_back(one);
        assert_eq!(sets.take(7, options(3)), None, "one socket still has it");
        sets.give_back(one);
        assert_eq!(sets.take(8, options(4)), Some(one));
        sets.give_back(OptionSet::INITIAL);
        assert_eq!(sets.take(7, options(0)), Some(OptionSet::INITIAL));
    }
}
