//! Neighbours that are in doubt.
//!
//! *Owns* who is, and what ends that without a question. *Never* asks.

use super::{Cache, Change, Waiters};
use crate::hash::Address;
use crate::id::InterfaceId;
use crate::info::NeighbourState;
use ::tcp::Instant;

impl<A: Address> Cache<A> {
    /// Whether it is not sure any more that the neighbour answers that was used last, if it is the one.
    #[inline]
    pub(crate) fn is_doubted(&self, interface: InterfaceId, address: A) -> bool {
        self.get(self.last).is_some_and(|entry| {
            let is_doubted = matches!(
                entry.state,
                NeighbourState::Stale | NeighbourState::Delay | NeighbourState::Probe
            );
            is_doubted && entry.address == address && entry.interface == interface
        })
    }

    /// What was sent to the neighbour that was used last has arrived, since that was in doubt (RFC 4861
    /// section 7.3.1).
    pub(crate) fn confirm(&mut self, now: Instant) -> Option<Change> {
        let index = self.last;
        let reachable = self.pace(self.get(index)?.interface).reachable;
        let entry = self.get_mut(index)?;
        if !matches!(entry.state, NeighbourState::Delay | NeighbourState::Probe) {
            return None;
        }
        entry.state = NeighbourState::Reachable;
        entry.heard = now;
        entry.is_guest = false;
        self.note_change(index);
        Some(Change {
            index,
            ask: None,
            deadline: Some(now + reachable),
            waiters: Waiters::Stay,
            displaced: false,
        })
    }
}
