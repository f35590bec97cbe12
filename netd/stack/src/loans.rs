//! Frames that are out with a device and refer to the memory of clients.
//!
//! *Owns* for each of them whose bytes it has, and from where in the stream on. *Invariant* what a
//! client is told makes no byte its own again that a frame refers to: whoever has such a thing to tell
//! asks here first, and is called when the frame that keeps it comes back.
//! *Never* grows: when there is no place for another, bytes are copied instead.

use crate::actors::Actor;
use crate::stack::Stack;
use crate::tcp::connection::Conn;
use alloc::boxed::Box;
use alloc::vec;

/// A frame that refers to a client's memory; to be given back by [`Stack::end_loan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan(u16);

impl Loan {
    /// A number that names it as long as it is out, below [`crate::Config::loans`].
    #[must_use]
    pub const fn raw(self) -> u16 {
        self.0
    }

    /// The loan with this number.
    #[must_use]
    pub const fn from_raw(raw: u16) -> Self {
        Self(raw)
    }
}

/// Whose bytes a frame refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lender {
    /// The number of a connection among all actors, of whichever family.
    pub(crate) connection: u32,
    /// The place in its stream of the first byte of the frame.
    pub(crate) from: u64,
}

/// No connection: it is gone, and nobody will ask for its frames.
const NOBODY: u32 = u32::MAX;

/// What is known of a frame.
#[derive(Clone, Copy, Debug)]
struct Out {
    lender: Lender,
    /// The connection has something to tell when it is back.
    is_missed: bool,
}

/// Neighbours in a list, which is a ring. The first links are where each list begins and ends, those
/// of frames are behind.
#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    behind: u32,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Loans {
    out: Box<[Out]>,
    /// In lists by connection, oldest first, so that only few of the others are looked at.
    links: Box<[Link]>,
    /// The first link of a frame's that is free; the others are behind it.
    free: u32,
    missed: usize,
}

/// Lists of frames.
const LISTS: u32 = 64;

/// Where the list that a connection's frames are in begins and ends.
const fn list_of(connection: u32) -> u32 {
    connection % LISTS
}

/// What is before a link that is free; and behind the last of them.
const NONE: u32 = u32::MAX;

impl Loans {
    /// For so many frames at a time.
    pub(crate) fn new(most: u16) -> Self {
        let lender = Lender {
            connection: NOBODY,
            from: 0,
        };
        let none = Out {
            lender,
            is_missed: false,
        };
        let end = LISTS + u32::from(most);
        let empty = (0..LISTS).map(|list| Link {
            before: list,
            behind: list,
        });
        let free = (LISTS + 1..=end).map(|next| Link {
            before: NONE,
            behind: if next == end { NONE } else { next },
        });
        Self {
            out: vec![none; most.into()].into_boxed_slice(),
            links: empty.chain(free).collect(),
            free: if most == 0 { NONE } else { LISTS },
            missed: 0,
        }
    }

    #[inline]
    fn link(&mut self, at: u32) -> Option<&mut Link> {
        self.links.get_mut(at as usize)
    }

    /// Which link is behind this one in a list, if not the list's own.
    #[inline]
    fn next(&self, list: u32, at: u32) -> Option<u32> {
        let next = self.links.get(at as usize)?.behind;
        (next != list).then_some(next)
    }

    /// The frame whose link this is.
    #[inline]
    fn out(&mut self, at: u32) -> Option<&mut Out> {
        self.out.get_mut(at.checked_sub(LISTS)? as usize)
    }

    /// Whether another frame may refer to clients' memory.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.free != NONE
    }

    /// A frame goes out. `None` when there is no place for it.
    #[inline]
    pub(crate) fn lend(&mut self, lender: Lender) -> Option<Loan> {
        // The one that came back last is still in the processor's caches.
        let at = self.free;
        *self.out(at)? = Out {
            lender,
            is_missed: false,
        };
        let list = list_of(lender.connection);
        let last = core::mem::replace(&mut self.link(list)?.before, at);
        self.link(last)?.behind = at;
        let link = self.link(at)?;
        let next = core::mem::replace(&mut link.behind, list);
        link.before = last;
        self.free = next;
        u16::try_from(at - LISTS).ok().map(Loan)
    }

    /// A frame is back. The connection that missed it.
    #[inline]
    fn end(&mut self, loan: Loan) -> Option<u32> {
        let (at, free) = (LISTS + u32::from(loan.0), self.free);
        let link = self.link(at)?;
        let Link { before, behind } = *link;
        if before == NONE {
            return None;
        }
        *link = Link {
            before: NONE,
            behind: free,
        };
        self.free = at;
        self.link(before)?.behind = behind;
        self.link(behind)?.before = before;
        let out = self.out(at)?;
        let was_missed = core::mem::take(&mut out.is_missed);
        let connection = out.lender.connection;
        self.missed -= usize::from(was_missed);
        (was_missed && connection != NOBODY).then_some(connection)
    }

    /// Whether a frame refers to bytes of the connection before this place of its stream. If so, the
    /// connection is called when it is back.
    pub(crate) fn keep(&mut self, connection: u32, before: u64) -> bool {
        let list = list_of(connection);
        let mut next = self.next(list, list);
        while let Some(at) = next {
            if let Some(out) = self.out(at)
                && out.lender.connection == connection
                && out.lender.from < before
            {
                self.missed += usize::from(!core::mem::replace(&mut out.is_missed, true));
                return true;
            }
            next = self.next(list, at);
        }
        false
    }

    /// The connection's index may become another's.
    pub(crate) fn forget(&mut self, connection: u32) {
        let list = list_of(connection);
        let mut next = self.next(list, list);
        while let Some(at) = next {
            if let Some(out) = self.out(at)
                && out.lender.connection == connection
            {
                out.lender.connection = NOBODY;
                self.missed -= usize::from(core::mem::take(&mut out.is_missed));
            }
            next = self.next(list, at);
        }
    }
}

impl Stack {
    /// The device has given a frame back whose loan this is ([`crate::Gathered::loan`]), or never had
    /// it: its pieces are referred to no more, and what waited for that can be told. To be called once
    /// for each.
    pub fn end_loan(&mut self, loan: Loan) {
        let Some(number) = self.loans.end(loan) else {
            return;
        };
        let (actor, tables) = (self.numbering.actor(number), &self.tcp.tables);
        let client = match actor {
            Actor::Connection(index) => tables.v4.connections.at(index).and_then(Conn::client),
            Actor::Connection6(index) => tables.v6.connections.at(index).and_then(Conn::client),
            _ => None,
        };
        if let Some(client) = client {
            self.tell(client, actor);
        }
    }

    /// Whether clients wait to be told something until frames are given back.
    #[inline]
    #[must_use]
    pub fn misses_loans(&self) -> bool {
        self.loans.missed > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lend(loans: &mut Loans, connection: u32, from: u64) -> Loan {
        let lender = Lender { connection, from };
        loans.lend(lender).expect("a place")
    }

    #[test]
    fn bytes_are_kept_by_the_frames_that_have_them() {
        let mut loans = Loans::new(4);
        let first = lend(&mut loans, 7, 100);
        assert_eq!(first, Loan::from_raw(0));
        let other = lend(&mut loans, 7 + LISTS, 0);
        let second = lend(&mut loans, 7, 50);
        assert!(loans.keep(7, 101) && loans.keep(7, 51));
        assert!(!loans.keep(7, 50) && !loans.keep(8, 1_000));
        assert_eq!(loans.end(other), None, "nobody missed it");
        assert_eq!(loans.end(first), Some(7));
        assert_eq!(loans.end(first), None, "once");
        assert!(loans.keep(7, 51));
        assert_eq!(loans.end(second), Some(7));
        assert!(!loans.keep(7, u64::MAX));
        assert_eq!(loans.missed, 0);
    }

    #[test]
    fn a_connection_that_is_gone_misses_nothing() {
        let mut loans = Loans::new(2);
        let loan = lend(&mut loans, 3, 0);
        assert!(loans.keep(3, 1));
        loans.forget(3);
        assert!(!loans.keep(3, u64::MAX), "its successor has none");
        assert_eq!(loans.missed, 0);
        assert_eq!(loans.end(loan), None);
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let mut loans = Loans::new(2);
        let both = [lend(&mut loans, 1, 0), lend(&mut loans, 1, 0)];
        let lender = Lender {
            connection: 1,
            from: 0,
        };
        assert!(!loans.has_room() && loans.lend(lender).is_none());
        assert_ne!(both[0], both[1]);
        assert_eq!(loans.end(both[1]), None);
        assert!(loans.has_room());
        assert_eq!(loans.end(Loan::from_raw(9)), None);
    }
}
