//! Oracles: what must hold for every host, judged from outside by what it sends and receives.
//!
//! *Owns* one [`Watch`] per station. *Never* asks the stack how it came to a decision: segments are
//! read off the wire, and states by their names.

mod diagram;
mod paths;
mod promises;
mod segments;

use stack::{Instant, Record, SocketInfo, Stack};

use diagram::States;
use paths::Paths;
use segments::Segments;

/// Follows one station.
pub(crate) struct Watch {
    segments: Segments,
    paths: Paths,
    states: States,
}

impl Watch {
    /// Follows the station `name`, which may answer SYNs by cookies if it `has_cookies`.
    pub(crate) fn new(name: &str, has_cookies: bool) -> Self {
        Self {
            segments: Segments::new(name, has_cookies),
            paths: Paths::default(),
            states: States::new(name),
        }
    }

    /// A frame was handed to the station.
    pub(crate) fn received(&mut self, frame: &[u8], now: Instant) {
        self.segments.received(frame);
        self.paths.received(frame, now);
    }

    /// The station has sent a frame.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn sent(&mut self, frame: &[u8], now: Instant) -> Result<(), String> {
        self.segments.sent(frame)?;
        self.paths.sent(frame, now)
    }

    /// The station's stack is another: its connections need not have kept the names of their states
    /// (one that has heard of a FIN, but not told of it, has not heard of it again), and it knows nothing
    /// of paths.
    pub(crate) fn restarted(&mut self) {
        self.states.forget();
        self.paths = Paths::default();
    }

    /// The connections that the station has now.
    ///
    /// # Errors
    /// The step that none of them may have taken.
    pub(crate) fn states(
        &mut self,
        sockets: impl Iterator<Item = SocketInfo>,
    ) -> Result<(), String> {
        self.states.note(sockets)
    }
}

/// What a frame says is in the records that are there when it leaves.
///
/// # Errors
/// What is not.
pub(crate) fn frame_is_recorded(
    frame: &[u8],
    records: &[(u32, [u8; Record::LEN])],
) -> Result<(), String> {
    promises::check(frame, records)
}

/// Every received frame is delivered or counted as dropped, at any time.
///
/// # Errors
/// The sums, if they differ.
pub(crate) fn frames_balance(stack: &Stack) -> Result<(), String> {
    let totals = stack.totals();
    let (received, delivered, dropped) =
        (totals.received.packets, totals.delivered, totals.dropped);
    if received == delivered + dropped {
        Ok(())
    } else {
        Err(format!(
            "{received} frames received, but {delivered} delivered and {dropped} dropped"
        ))
    }
}
