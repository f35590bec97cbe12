//! NewReno: RFC 5681, bytes counted as in RFC 3465.
//!
//! The inflated windows of RFC 6582 are not here: during recovery, what may be sent is `recovery`'s.

use super::{AckSample, MAX_WINDOW, Remembered, initial_window, minimum_window};
use crate::window::Mss;

/// Congestion window, threshold, and bytes acknowledged since the window last grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewReno {
    window: u32,
    threshold: u32,
    counted: u32,
    /// As they were before the last congestion signal or timeout.
    before: Remembered,
}

impl NewReno {
    pub(super) const fn new(remembered: Remembered) -> Self {
        Self {
            window: remembered.window,
            threshold: remembered.threshold,
            counted: 0,
            before: remembered,
        }
    }

    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    pub(super) const fn threshold(&self) -> u32 {
        self.threshold
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample, mss: Mss) {
        if !sample.lets_grow(self.window) {
            return;
        }
        let acked = sample.counted();
        if self.window < self.threshold {
            // RFC 5681 section 3.1: slow start. Whole byte counts (RFC 3465), because one
            // acknowledgement may stand for many segments.
            self.grow(acked);
        } else {
            // RFC 5681 section 3.1: congestion avoidance, one segment per window acknowledged.
            self.counted = self.counted.saturating_add(acked);
            if self.counted >= self.window {
                self.counted = self.counted.saturating_sub(self.window).min(self.window);
                self.grow(u32::from(mss.get()));
            }
        }
    }

    pub(super) fn on_congestion(&mut self, in_flight: u32, mss: Mss) {
        self.halve(in_flight, mss);
        self.window = self.threshold;
    }

    pub(super) fn on_recovered(&mut self, in_flight: u32, mss: Mss) {
        // RFC 6582 section 3.2 step 5, full acknowledgement, option 1: no burst afterwards.
        let size = u32::from(mss.get());
        self.window = self.threshold.min(in_flight.max(size).saturating_add(size));
        self.counted = 0;
    }

    pub(super) fn on_timeout(&mut self, is_first: bool, in_flight: u32, mss: Mss) {
        if is_first {
            self.halve(in_flight, mss);
        }
        // RFC 5681 section 3.1: the loss window is one segment; the second time, the threshold
        // stays.
        self.window = u32::from(mss.get());
        self.counted = 0;
    }

    pub(super) fn on_spurious(&mut self) {
        self.window = self.window.max(self.before.window);
        self.threshold = self.before.threshold;
        self.counted = 0;
    }

    pub(super) fn on_idle(&mut self, mss: Mss) {
        // RFC 5681 section 4.1: the restart window.
        self.window = self.window.min(initial_window(mss));
    }

    /// RFC 5681 equation 4.
    fn halve(&mut self, in_flight: u32, mss: Mss) {
        self.before = Remembered {
            window: self.window,
            threshold: self.threshold,
        };
        self.threshold = (in_flight / 2).max(minimum_window(mss));
        self.counted = 0;
    }

    fn grow(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes).min(MAX_WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::Phase;
    use crate::time::Instant;

    const MSS: Mss = Mss::at_least(1_000);

    fn reno() -> NewReno {
        NewReno::new(Remembered::initial(MSS))
    }

    fn acked(bytes: u32) -> AckSample {
        AckSample {
            now: Instant::ZERO,
            acked: bytes,
            delivered: bytes,
            lost: 0,
            prior_in_flight: MAX_WINDOW,
            in_flight: 0,
            rtt: None,
            rate: None,
            is_window_limited: true,
            phase: Phase::Open,
        }
    }

    // RFC 9293: MUST-19
    #[test]
    fn slow_start_doubles_and_avoidance_adds_one_segment_per_window() {
        let mut reno = reno();
        reno.on_ack(&acked(10_000), MSS);
        assert_eq!(reno.window(), 20_000);
        reno.on_timeout(true, 20_000, MSS);
        assert_eq!((reno.window(), reno.threshold()), (1_000, 10_000));
        for _ in 0..9 {
            reno.on_ack(&acked(1_000), MSS);
        }
        assert_eq!(reno.window(), 10_000);
        for _ in 0..10 {
            reno.on_ack(&acked(1_000), MSS);
        }
        assert_eq!(reno.window(), 11_000);
    }

    #[test]
    fn it_grows_only_when_that_means_something() {
        let mut reno = reno();
        for sample in [
            AckSample {
                is_window_limited: false,
                ..acked(1_000)
            },
            AckSample {
                phase: Phase::Fast,
                ..acked(1_000)
            },
            AckSample {
                prior_in_flight: 4_999,
                ..acked(1_000)
            },
            AckSample {
                phase: Phase::Loss,
                delivered: 0,
                ..acked(1_000)
            },
        ] {
            reno.on_ack(&sample, MSS);
            assert_eq!(reno.window(), 10_000);
        }
    }

    #[test]
    fn a_loss_halves_and_a_mistake_is_taken_back() {
        let mut reno = reno();
        reno.on_congestion(20_000, MSS);
        assert_eq!((reno.threshold(), reno.window()), (10_000, 10_000));
        reno.on_recovered(2_000, MSS);
        assert_eq!(reno.window(), 3_000);
        reno.on_spurious();
        assert_eq!((reno.threshold(), reno.window()), (u32::MAX, 10_000));
    }

    #[test]
    fn the_window_never_goes_below_one_segment_nor_above_the_largest() {
        let mut reno = reno();
        reno.on_ack(&acked(u32::MAX), MSS);
        reno.on_ack(&acked(u32::MAX), MSS);
        assert_eq!(reno.window(), MAX_WINDOW);
        reno.on_timeout(true, 0, MSS);
        assert_eq!((reno.window(), reno.threshold()), (1_000, 2_000));
        reno.on_timeout(false, 0, MSS);
        assert_eq!((reno.window(), reno.threshold()), (1_000, 2_000));
    }
}
