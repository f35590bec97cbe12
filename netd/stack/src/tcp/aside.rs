//! What only few connections have at a time, kept apart from them.
//!
//! *Owns* [`Aside`] and the store of them: a connection takes a place when it has the first of these
//! things, and gives it back with the last. *Never* is full: there is a place for every connection,
//! whose memory is touched for the first time when so many are needed.

use crate::id::Token;
use crate::nodes::Cursor;
use crate::tcp::fast_open::Early;
use alloc::vec::Vec;
use core::num::NonZeroU32;

/// What few connections have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    /// What its client is told when all is sent, of a connection that it has closed.
    pub(crate) closing: Option<Token>,
    /// All bytes before this position of the peer's stream are urgent, as far as the client does not
    /// know of them (RFC 9293 3.8.5, RCV.UP).
    pub(crate) urgent_to: u64,
    /// Its half-open record, as long as the peer has not acknowledged our SYN (RFC 7413).
    pub(crate) early: Option<Early>,
    /// The send that the last segment was read from, if it was not the first.
    pub(crate) cursor: Cursor,
}

impl Aside {
    /// Nothing of it.
    const NOTHING: Self = Self {
        closing: None,
        urgent_to: 0,
        early: None,
        cursor: Cursor::NOWHERE,
    };
}

/// Where a connection's is, if it has one.
#[derive(Debug, Default)]
pub(crate) struct AsidePlace(Option<NonZeroU32>);

impl AsidePlace {
    /// Beyond all, if it has none.
    #[inline]
    fn index(&self) -> usize {
        let place = self.0.map_or(0, NonZeroU32::get);
        (place as usize).wrapping_sub(1)
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Asides {
    /// Those that are or were lent.
    asides: Vec<Aside>,
    free: Vec<NonZeroU32>,
}

impl Asides {
    /// For so many connections.
    pub(crate) fn new(connections: usize) -> Self {
        Self {
            asides: Vec::with_capacity(connections),
            free: Vec::with_capacity(connections),
        }
    }

    /// How many connections have one.
    pub(crate) fn len(&self) -> usize {
        self.asides.len().saturating_sub(self.free.len())
    }

    /// What a connection has.
    #[inline]
    pub(crate) fn get(&self, place: &AsidePlace) -> &Aside {
        let aside = self.asides.get(place.index());
        aside.unwrap_or(const { &Aside::NOTHING })
    }

    /// Changes what a connection has.
    pub(crate) fn change(&mut self, place: &mut AsidePlace, change: impl FnOnce(&mut Aside)) {
        let mut aside = *self.get(place);
        change(&mut aside);
        if aside == Aside::NOTHING {
            self.give_back(place);
        } else {
            self.put(place, aside);
        }
    }

    fn put(&mut self, place: &mut AsidePlace, aside: Aside) {
        if place.0.is_none() {
            place.0 = self.free.pop().or_else(|| {
                // No more connections have one than there are.
                self.asides.push(Aside::NOTHING);
                let count = u32::try_from(self.asides.len()).ok()?;
                NonZeroU32::new(count)
            });
        }
        if let Some(before) = self.asides.get_mut(place.index()) {
            *before = aside;
        }
    }

    /// A segment was read from this send, which is not the first.
    #[inline]
    pub(crate) fn set_cursor(&mut self, place: &mut AsidePlace, cursor: Cursor) {
        match self.asides.get_mut(place.index()) {
            Some(aside) => aside.cursor = cursor,
            None => self.change(place, |aside| aside.cursor = cursor),
        }
    }

    /// The send at this place is about to be taken out.
    #[inline]
    pub(crate) fn forget_cursor(&mut self, place: &mut AsidePlace, cursor: Cursor) {
        if self.get(place).cursor == cursor {
            self.change(place, |aside| aside.cursor = Cursor::NOWHERE);
        }
    }

    /// The connection has none of it any more.
    #[inline]
    pub(crate) fn give_back(&mut self, place: &mut AsidePlace) {
        if let Some(place) = place.0.take() {
            self.free.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_with_the_first_thing_and_given_back_with_the_last() {
        let mut asides = Asides::new(1);
        let mut place = AsidePlace::default();
        asides.change(&mut place, |aside| aside.urgent_to = 0);
        assert_eq!(asides.len(), 0);
        asides.change(&mut place, |aside| aside.closing = Some(Token(0)));
        asides.change(&mut place, |aside| aside.urgent_to = 7);
        let aside = asides.get(&place);
        assert_eq!((aside.closing, aside.urgent_to), (Some(Token(0)), 7));
        asides.change(&mut place, |aside| aside.closing = None);
        assert_eq!((asides.get(&place).urgent_to, asides.len()), (7, 1));
        asides.change(&mut place, |aside| aside.urgent_to = 0);
        assert_eq!((asides.get(&place), asides.len()), (&Aside::NOTHING, 0));
        let mut other = AsidePlace::default();
        asides.change(&mut other, |aside| aside.urgent_to = 9);
        assert_eq!(asides.get(&place), &Aside::NOTHING);
        asides.give_back(&mut other);
        assert_eq!(asides.len(), 0);
    }
}
