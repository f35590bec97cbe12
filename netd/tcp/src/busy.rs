//! What a connection needs only while it sends: congestion control, loss recovery, measurements.
//!
//! *Owns* [`Busy`], the part that a connection borrows from [`crate::Shared`] when it has something
//! to send and gives back when it has been idle for a retransmission timeout. *Never* holds what
//! must outlive an idle time: what was learnt of the path goes to [`Remembered`].
//!
//! A connection that finds no part left goes on without: one segment at a time, the retransmission
//! timer alone to find losses.

use core::time::Duration;

use crate::cc::{Algorithm, Congestion, Remembered};
use crate::pace::Pacer;
use crate::pool::Part;
use crate::recovery::Recovery;
use crate::seq::Seq;
use crate::time::Instant;
use crate::window::Mss;

/// The part of a connection that sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    pub(crate) congestion: Congestion,
    pub(crate) recovery: Recovery,
    pub(crate) pacer: Pacer,
    /// The low half of the position whose acknowledgement ends the running measurement, and when
    /// it began.
    timed: Option<(Seq, Instant)>,
}

impl Part for Busy {
    fn new() -> Self {
        let mss = Mss::at_least(0);
        let remembered = Remembered::initial(mss);
        Self {
            congestion: Congestion::new(Algorithm::default(), remembered, mss, Instant::ZERO),
            recovery: Recovery::default(),
            pacer: Pacer::new(0),
            timed: None,
        }
    }

    fn clear(&mut self) {
        *self = Self::new();
    }
}

impl Busy {
    /// Begins to measure the round trip of a segment that ends at `position` and was never sent
    /// before, unless a measurement is running.
    pub(crate) fn start_timing(&mut self, position: u64, now: Instant) {
        self.timed.get_or_insert((low_half(position), now));
    }

    /// Karn's rule (RFC 6298 section 3): what is sent again cannot be measured.
    pub(crate) fn stop_timing(&mut self) {
        self.timed = None;
    }

    /// How many bytes pacing lets out now. `is_paced`: also those of a window.
    pub(crate) fn allowance(
        &mut self,
        is_paced: bool,
        srtt: Option<Duration>,
        mss: Mss,
        now: Instant,
    ) -> u32 {
        let is_paced = is_paced || self.congestion.must_pace();
        let rate = is_paced
            .then(|| self.congestion.pacing_rate(srtt))
            .flatten();
        self.pacer.allowance(rate, mss, now)
    }

    /// Ends the measurement if the acknowledgement of everything before `una` does.
    pub(crate) fn finish_timing(&mut self, una: u64, now: Instant) -> Option<Duration> {
        let (position, began) = self.timed?;
        if low_half(una).is_before(position) {
            return None;
        }
        self.timed = None;
        Some(now.since(began))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "compared modulo 2^32")]
const fn low_half(value: u64) -> Seq {
    Seq::new(value as u32)
}
