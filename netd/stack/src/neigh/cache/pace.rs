//! How often neighbours are asked, and how long an answer counts.
//!
//! *Owns* the two times of each link (RFC 4861 section 6.3.2). *Never* says whose word they are.

use super::Cache;
use crate::hash::Address;
use crate::id::InterfaceId;
use core::time::Duration;

/// The times of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Who was heard is reachable for so long.
    pub(crate) reachable: Duration,
    /// From one question to the next.
    pub(crate) retry: Duration,
}

impl<A: Address> Cache<A> {
    /// The times of a link: those that were set, or the usual ones.
    pub(crate) fn pace(&self, link: InterfaceId) -> Pace {
        let set = self.paces.get(link.index()).copied().flatten();
        set.unwrap_or(self.usual)
    }

    /// These are the times of a link from now on.
    pub(crate) fn set_pace(&mut self, link: InterfaceId, pace: Pace) {
        if self.paces.len() <= link.index() {
            self.paces.resize(link.index() + 1, None);
        }
        if let Some(place) = self.paces.get_mut(link.index()) {
            *place = Some(pace);
        }
    }
}
