//! NewReno: RFC 5681 with the window inflation of RFC 6582, bytes counted as in RFC 3465, and the
//! initial window of RFC 6928.

use crate::window::Mss;

/// Congestion window, threshold, and bytes acknowledged since the window last grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewReno {
    window: u32,
    threshold: u32,
    counted: u32,
}

impl NewReno {
    /// More than this is never useful: the largest window that TCP can offer.
    const MAX_WINDOW: u32 = 1 << 30;

    pub(super) fn new(mss: Mss) -> Self {
        Self {
            window: initial_window(mss),
            threshold: u32::MAX,
            counted: 0,
        }
    }

    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    pub(super) const fn threshold(&self) -> u32 {
        self.threshold
    }

    pub(super) fn on_ack(&mut self, acked: u64, mss: Mss) {
        let acked = u32::try_from(acked).unwrap_or(Self::MAX_WINDOW);
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

    pub(super) fn on_fast_retransmit(&mut self, flight: u32, mss: Mss) {
        self.halve(flight, mss);
        // RFC 5681 section 3.2 step 3: three segments have left the network.
        self.window = self
            .threshold
            .saturating_add(u32::from(mss.get()).saturating_mul(3));
    }

    pub(super) fn on_duplicate(&mut self, mss: Mss) {
        self.grow(u32::from(mss.get()));
    }

    pub(super) fn on_partial_ack(&mut self, acked: u64, mss: Mss) {
        // RFC 6582 section 3.2 step 5: deflate by what was acknowledged, give one segment back.
        let size = u32::from(mss.get());
        let acked = u32::try_from(acked).unwrap_or(Self::MAX_WINDOW);
        let give_back = if acked >= size { size } else { 0 };
        self.window = self
            .window
            .saturating_sub(acked)
            .saturating_add(give_back)
            .max(size);
    }

    pub(super) fn on_recovered(&mut self, flight: u32, mss: Mss) {
        // RFC 6582 section 3.2 step 5, full acknowledgement, option 1: no burst afterwards.
        let size = u32::from(mss.get());
        self.window = self.threshold.min(flight.max(size).saturating_add(size));
        self.counted = 0;
    }

    pub(super) fn on_first_timeout(&mut self, flight: u32, mss: Mss) {
        self.halve(flight, mss);
        self.on_repeated_timeout(mss);
    }

    pub(super) fn on_repeated_timeout(&mut self, mss: Mss) {
        // RFC 5681 section 3.1: the loss window is one segment, the threshold stays.
        self.window = u32::from(mss.get());
        self.counted = 0;
    }

    pub(super) fn on_idle(&mut self, mss: Mss) {
        // RFC 5681 section 4.1: the restart window.
        self.window = self.window.min(initial_window(mss));
    }

    /// RFC 5681 equation 4.
    fn halve(&mut self, flight: u32, mss: Mss) {
        self.threshold = (flight / 2).max(u32::from(mss.get()).saturating_mul(2));
        self.counted = 0;
    }

    fn grow(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes).min(Self::MAX_WINDOW);
    }
}

/// RFC 6928: min(10 * MSS, max(2 * MSS, 14600)).
fn initial_window(mss: Mss) -> u32 {
    let mss = u32::from(mss.get());
    (mss * 10).min((mss * 2).max(14_600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: Mss = Mss::at_least(1_000);

    #[test]
    fn initial_window_is_ten_segments() {
        for (mss, window) in [
            (1_460, 14_600),
            (536, 5_360),
            (9_000, 18_000),
            (2_000, 14_600),
        ] {
            assert_eq!(initial_window(Mss::at_least(mss)), window);
        }
    }

    // RFC 9293: MUST-19
    #[test]
    fn slow_start_doubles_and_avoidance_adds_one_segment_per_window() {
        let mut reno = NewReno::new(MSS);
        reno.on_ack(10_000, MSS);
        assert_eq!(reno.window(), 20_000);
        reno.on_first_timeout(20_000, MSS);
        assert_eq!((reno.window(), reno.threshold()), (1_000, 10_000));
        for _ in 0..9 {
            reno.on_ack(1_000, MSS);
        }
        assert_eq!(reno.window(), 10_000);
        for _ in 0..10 {
            reno.on_ack(1_000, MSS);
        }
        assert_eq!(reno.window(), 11_000);
    }

    #[test]
    fn recovery_inflates_and_deflates() {
        let mut reno = NewReno::new(MSS);
        reno.on_fast_retransmit(20_000, MSS);
        assert_eq!((reno.threshold(), reno.window()), (10_000, 13_000));
        reno.on_duplicate(MSS);
        assert_eq!(reno.window(), 14_000);
        reno.on_partial_ack(3_000, MSS);
        assert_eq!(reno.window(), 12_000);
        reno.on_recovered(2_000, MSS);
        assert_eq!(reno.window(), 3_000);
    }

    #[test]
    fn the_window_never_goes_below_one_segment_nor_above_the_largest() {
        let mut reno = NewReno::new(MSS);
        reno.on_partial_ack(u64::MAX, MSS);
        assert!(reno.window() >= 1_000);
        reno.on_ack(u64::MAX, MSS);
        reno.on_ack(u64::MAX, MSS);
        assert_eq!(reno.window(), NewReno::MAX_WINDOW);
        reno.on_first_timeout(0, MSS);
        assert_eq!((reno.window(), reno.threshold()), (1_000, 2_000));
    }
}
