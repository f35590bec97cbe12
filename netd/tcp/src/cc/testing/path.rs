//! An even path for tests of the algorithms: acknowledgements of one segment each.

use super::super::{AckSample, RateSample};
use crate::recovery::Phase;
use crate::time::{Instant, Span};

/// A path with one round trip, on which nothing is lost unless a test says so.
pub(in super::super) struct Path {
    pub(in super::super) now: Instant,
    pub(in super::super) rtt: Span,
    pub(in super::super) is_app_limited: bool,
    mss: u32,
    delivered: u64,
}

impl Path {
    pub(in super::super) fn new(mss: u32) -> Self {
        Self {
            now: Instant::from_secs(1),
            rtt: Span::from_millis(20),
            is_app_limited: false,
            mss,
            delivered: 0,
        }
    }

    /// The acknowledgements of `bytes` that were sent within one round trip, evenly spread over it.
    pub(in super::super) fn round(&mut self, bytes: u32) -> Vec<AckSample> {
        let (start, count) = (self.delivered, (bytes / self.mss).max(1));
        let mut samples = Vec::new();
        for _ in 0..count {
            self.now = self.now + self.rtt / count;
            self.delivered += u64::from(self.mss);
            samples.push(self.sample(start, bytes));
        }
        samples
    }

    fn sample(&self, prior_delivered: u64, window: u32) -> AckSample {
        let delivered = u32::try_from(self.delivered - prior_delivered).unwrap();
        AckSample {
            now: self.now,
            acked: self.mss,
            delivered: self.mss,
            lost: 0,
            prior_in_flight: window,
            in_flight: window - self.mss.min(window),
            rtt: Some(self.rtt),
            rate: Some(RateSample {
                delivered,
                // What was delivered since the round began, in its part of the round trip.
                interval: self.rtt.saturating_mul(delivered) / window.max(1),
                prior_delivered,
                is_app_limited: self.is_app_limited,
            }),
            is_window_limited: !self.is_app_limited,
            phase: Phase::Open,
        }
    }
}
