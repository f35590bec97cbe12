//! An accept of several connections: an area of the arena with a first room for each.
//!
//! *Owns* which rooms connections have and which are netd's still. A room's completions come under the
//! accept's request id, and by how many rooms there were when it was given they tell whose they are: to
//! the program each is a request of its own. *Never* trusts netd: a room that is none, or that was told before, makes no sense.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use protocol::Range;

use crate::error::Error;

/// Rooms of the largest area.
pub const MOST_ROOMS: u32 = 64;

/// What became of an accept of several connections so far.
pub struct Area {
    block: Range,
    each: u32,
    /// Rooms that are netd's still: as bits, and how many.
    open: u64,
    count: u32,
    /// First rooms that go on, by their places from the end, and their requests.
    rooms: Vec<(u32, u32)>,
    /// Requests of those of them that the program has not taken.
    pub accepted: VecDeque<u32>,
    /// Why there will be no more.
    pub error: Option<Error>,
}

impl Area {
    /// As many rooms of `each` bytes as the block has, at most [`MOST_ROOMS`].
    pub fn new(block: Range, each: u32) -> Self {
        let count = block.length.checked_div(each).unwrap_or(0).min(MOST_ROOMS);
        Self {
            block,
            each,
            open: u64::MAX.checked_shr(u64::BITS - count).unwrap_or(0),
            count,
            rooms: Vec::with_capacity(count as usize),
            accepted: VecDeque::with_capacity(count as usize),
            error: None,
        }
    }

    /// Rooms for connections to come.
    pub const fn open(&self) -> u32 {
        self.count
    }

    /// The room at `offset` has a connection: the room, and its place from the end. `None` when it is
    /// no room of ours, or has one already.
    pub fn take(&mut self, offset: u32) -> Option<(Range, u32)> {
        let inside = u64::from(offset).checked_sub(self.block.offset)?;
        let inside = u32::try_from(inside).ok()?;
        let number = inside.checked_div(self.each)?;
        let bit = 1_u64.checked_shl(number)?;
        if inside % self.each != 0 || self.open & bit == 0 {
            return None;
        }
        self.open &= !bit;
        self.count -= 1;
        let room = Range {
            offset: offset.into(),
            length: self.each,
        };
        Some((room, self.total().checked_sub(number)?))
    }

    /// Rooms that there were.
    fn total(&self) -> u32 {
        let count = self.block.length.checked_div(self.each).unwrap_or(0);
        count.min(MOST_ROOMS)
    }

    /// The room at that place from the end has the request `id`.
    pub fn enter(&mut self, place: u32, id: u32) {
        self.rooms.push((place, id));
    }

    /// The request of a room.
    pub fn request_of(&self, place: u32) -> Option<u32> {
        let found = self.rooms.iter().find(|(known, _)| *known == place);
        found.map(|(_, id)| *id)
    }

    /// A connection's first room is done with.
    pub fn leave(&mut self, id: u32) {
        self.rooms.retain(|(_, known)| *known != id);
    }

    /// netd takes no more connections: the last `left` rooms were given to none, or, if that is zero,
    /// not even the first. Those of others may still be told. What is free again; `None` when netd
    /// gives back what is no longer its own.
    pub fn stop(&mut self, left: u32, error: Error) -> Option<Range> {
        let total = self.total();
        let left = if left == 0 { total } else { left };
        let first = total.checked_sub(left)?;
        let bits = u64::MAX.checked_shr(u64::BITS - left).unwrap_or(0);
        let bits = bits.checked_shl(first).unwrap_or(0);
        if self.open & bits != bits {
            return None;
        }
        self.open &= !bits;
        self.count -= left;
        self.error = Some(error);
        Some(Range {
            offset: self.block.offset + u64::from(first * self.each),
            length: left * self.each,
        })
    }

    /// Nothing more will be told.
    pub fn is_over(&self) -> bool {
        self.open == 0 && self.rooms.is_empty()
    }

    /// The program has no use for it any more.
    pub fn is_spent(&self) -> bool {
        self.open == 0 && self.accepted.is_empty() && self.error.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(rooms: u32) -> Area {
        let block = Range {
            offset: 4096,
            length: rooms * 1024,
        };
        Area::new(block, 1024)
    }

    #[test]
    fn each_room_is_told_once_in_any_order() {
        for rooms in [1, 3, 8, 64] {
            let mut area = area(rooms);
            assert_eq!(area.open(), rooms);
            for number in (0..rooms).rev() {
                let offset = 4096 + number * 1024;
                let room = Range {
                    offset: offset.into(),
                    length: 1024,
                };
                assert_eq!(area.take(offset + 8), None, "no room begins there");
                let place = rooms - number;
                assert_eq!(area.take(offset), Some((room, place)));
                assert_eq!(area.take(offset), None, "it was told");
                area.enter(place, number + 100);
                assert_eq!(area.request_of(place), Some(number + 100));
            }
            assert_eq!((area.open(), area.is_over()), (0, false));
            assert_eq!((area.take(0), area.take(4096 + rooms * 1024)), (None, None));
            (0..rooms).for_each(|number| area.leave(number + 100));
            assert!(area.is_over() && area.is_spent());
        }
    }

    #[test]
    fn what_no_connection_was_given_comes_back() {
        let mut area = area(8);
        assert!(area.take(4096).is_some());
        // The second has one that was not told yet; six are free.
        let rest = Range {
            offset: 4096 + 2 * 1024,
            length: 6 * 1024,
        };
        assert_eq!(area.stop(6, Error::Closed), Some(rest));
        assert!(!area.is_over());
        assert_eq!(area.take(4096 + 2 * 1024), None, "it is free");
        assert!(area.take(4096 + 1024).is_some());
        assert!(area.is_over() && !area.is_spent(), "why is to be told");
    }

    #[test]
    fn impossible_ends_make_no_sense() {
        let mut some = area(8);
        assert!(some.take(4096 + 7 * 1024).is_some());
        assert_eq!(some.stop(1, Error::Closed), None, "the last was given");
        assert_eq!(some.stop(9, Error::Closed), None, "there are eight");
        let whole = Range {
            offset: 4096,
            length: 8 * 1024,
        };
        assert_eq!(area(8).stop(0, Error::Closed), Some(whole), "refused");
    }
}
