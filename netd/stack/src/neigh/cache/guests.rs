//! Neighbours that have asked us.
//!
//! *Owns* who becomes one. They are in use as soon as they are answered, but nobody knows that they are
//! there: they make way before others, and who asks next finds a place. *Never* makes one of a neighbour
//! that is known.

use super::{Cache, Change, FREE, GUESTS, Heard, Neighbour, USED, Waiters};
use crate::hash::Address;
use crate::id::InterfaceId;
use crate::info::NeighbourState;
use ::tcp::Instant;
use wire::MacAddress;

impl<A: Address> Cache<A> {
    /// Somebody asks for our own address: it will want to hear from us, so its address may be
    /// learned (RFC 826), if that takes no place from a neighbour in use.
    pub(crate) fn learn(
        &mut self,
        interface: InterfaceId,
        address: A,
        mac: MacAddress,
        now: Instant,
    ) -> Option<Change> {
        match self.heard(interface, address, mac, false, now) {
            Heard::Learned(change) => return Some(change),
            Heard::Suspicious(change) => return change,
            Heard::Unchanged => return None,
            Heard::Unknown => {}
        }
        let entry = Neighbour {
            interface,
            address,
            mac,
            state: NeighbourState::Stale,
            heard: now,
            asked: now,
            tries: 0,
            is_guest: true,
        };
        let oldest = self.order.first(USED).and_then(|index| self.get(index));
        let idle = |state| matches!(state, NeighbourState::Stale | NeighbourState::Failed);
        let has_place = !self.order.is_empty(FREE) || !self.order.is_empty(GUESTS);
        if !has_place && !oldest.is_some_and(|oldest| idle(oldest.state)) {
            return None;
        }
        let (index, displaced) = self.insert(entry)?;
        Some(Change {
            index,
            ask: None,
            deadline: None,
            displaced,
            waiters: Waiters::Stay,
        })
    }
}
