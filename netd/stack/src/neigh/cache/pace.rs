//! How often neighbours are asked, and how long an answer counts.
//!
//! *Owns* the two times. *Never* says whose word they are.

use super::Cache;
use crate::hash::Address;
use core::time::Duration;

impl<A: Address> Cache<A> {
    /// Neighbours that are heard from now on are reachable for so long.
    pub(crate) fn set_reachable(&mut self, reachable: Duration) {
        self.reachable = reachable;
    }

    /// So much time lies between questions from now on.
    pub(crate) fn set_retry(&mut self, retry: Duration) {
        self.retry = retry;
    }

    /// Time from one question to the next.
    pub(crate) fn retry(&self) -> Duration {
        self.retry
    }
}
