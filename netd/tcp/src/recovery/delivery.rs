//! What one acknowledgement has delivered.
//!
//! *Owns* [`Delivery`], which the scoreboard fills while it takes over what the peer reports, and
//! which measurement, loss detection and congestion control read. Lives as long as one segment is
//! processed.

use super::scoreboard::Record;
use crate::rate::Departure;
use crate::time::{Instant, Span};

/// A delivered segment: when it left, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Newest {
    /// When it left.
    pub(crate) at: Instant,
    /// The position after it.
    pub(crate) end: u64,
}

/// What one acknowledgement has delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// Bytes that are new to the scoreboard.
    pub(crate) bytes: u32,
    /// Of those, bytes that a selective report delivered.
    pub(crate) selected: u32,
    /// The latest to leave of those that were sent once, and of those that were sent again.
    pub(crate) newest_original: Option<Newest>,
    pub(crate) newest_resent: Option<Newest>,
    /// When the latest to leave of those that were sent once did, of which that is known exactly.
    measured_at: Option<Instant>,
    /// When the earliest to leave of those that were sent once did.
    oldest_original_at: Option<Instant>,
    /// The lowest end of one that was sent once; `u64::MAX` if there is none.
    pub(crate) lowest_original: u64,
    /// How the latest to leave of all left.
    pub(crate) departure: Option<Departure>,
}

impl Delivery {
    pub(crate) const NONE: Self = Self {
        bytes: 0,
        selected: 0,
        newest_original: None,
        newest_resent: None,
        measured_at: None,
        oldest_original_at: None,
        lowest_original: u64::MAX,
        departure: None,
    };

    /// `len` bytes of `record`, up to position `end`, are delivered.
    pub(crate) fn take(&mut self, record: &Record, len: u32, end: u64) {
        self.bytes = self.bytes.saturating_add(len);
        let left = record.departure;
        // Evidence of a loss must not be younger than it is: what left last of a record says nothing
        // of the rest.
        let exact = record.left_at(end);
        let at = exact.unwrap_or(record.first_at);
        let newest = Some(Newest { at, end });
        if record.was_resent {
            self.newest_resent = self.newest_resent.max(newest);
        } else {
            self.newest_original = self.newest_original.max(newest);
            self.lowest_original = self.lowest_original.min(end);
            let oldest = self.oldest_original_at.unwrap_or(at);
            self.oldest_original_at = Some(oldest.min(at));
            self.measured_at = self.measured_at.max(exact);
        }
        if self.departure.is_none_or(|latest| latest.at <= left.at) {
            self.departure = Some(left);
        }
    }

    /// The round trip of the latest segment that was sent once (RFC 6298 section 3: Karn's rule).
    pub(crate) fn round_trip(&self, now: Instant) -> Option<Span> {
        self.measured_at.map(|at| now.span_since(at))
    }

    /// The round trip of the earliest one: what the retransmission timer must wait for, delayed
    /// acknowledgements included.
    pub(crate) fn longest_round_trip(&self, now: Instant) -> Option<Span> {
        self.oldest_original_at.map(|at| now.span_since(at))
    }
}
