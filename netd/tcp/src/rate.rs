//! Delivery rate: how many bytes per second the path takes.
//!
//! *Owns* the estimator ([`Delivered`]) and what is written down when a segment leaves
//! ([`Departure`]). *Never* decides anything: congestion control and people read it.
//! *Spec*: draft-cheng-iccrg-delivery-rate-estimation, sections 3.1 to 3.4.

use crate::cc::RateSample;
use crate::time::{Instant, Span};

/// What was true when a segment left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// When it left.
    pub(crate) at: Instant,
    /// How long before that the latest bytes had been delivered (P.delivered_time), in
    /// microseconds; a record of every segment has these, so they are short.
    since_delivery: u32,
    /// How long before that the flight began that it belongs to (P.first_sent_time), likewise.
    since_first: u32,
    /// How many bytes had been delivered (P.delivered), modulo 2³².
    delivered: u32,
    /// There was not enough to send (P.is_app_limited).
    pub(crate) is_app_limited: bool,
}

impl Departure {
    pub(crate) const NONE: Self = Self {
        at: Instant::ZERO,
        since_delivery: 0,
        since_first: 0,
        delivered: 0,
        is_app_limited: false,
    };
}

/// What has been delivered so far, while the connection is busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    /// C.delivered, in bytes.
    bytes: u64,
    /// C.delivered_time.
    at: Instant,
    /// C.first_sent_time.
    first_sent_at: Instant,
    /// C.app_limited: samples are limited by the application until so many bytes are delivered.
    limited_until: u64,
    /// The latest sample that was not limited by the application, in bytes per second.
    rate: u64,
}

impl Delivered {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            bytes: 0,
            at: now,
            first_sent_at: now,
            limited_until: 0,
            rate: 0,
        }
    }

    /// The latest rate, in bytes per second; 0 when none is known.
    pub(crate) const fn rate(&self) -> u64 {
        self.rate
    }

    /// A segment leaves (section 3.2). `is_idle`: nothing is in flight.
    pub(crate) fn depart(&mut self, is_idle: bool, now: Instant) -> Departure {
        if is_idle {
            self.first_sent_at = now;
            self.at = now;
        }
        Departure {
            at: now,
            since_delivery: microseconds(self.at, now),
            since_first: microseconds(self.first_sent_at, now),
            delivered: low_half(self.bytes),
            is_app_limited: self.limited_until > self.bytes,
        }
    }

    /// There is nothing more to send although there is room (section 3.4).
    pub(crate) fn limit_by_application(&mut self, in_flight: u32) {
        // At least one: zero would mean "not limited".
        self.limited_until = self.bytes.saturating_add(u64::from(in_flight)).max(1);
    }

    /// `bytes` were delivered, among them what left at `newest` (section 3.3).
    pub(crate) fn deliver(
        &mut self,
        bytes: u32,
        newest: Option<Departure>,
        min_rtt: Span,
        now: Instant,
    ) -> Option<RateSample> {
        if bytes == 0 {
            return None;
        }
        self.bytes = self.bytes.saturating_add(u64::from(bytes));
        self.at = now;
        if self.bytes > self.limited_until {
            self.limited_until = 0;
        }
        let newest = newest?;
        self.first_sent_at = self.first_sent_at.max(newest.at);
        let send_elapsed = Span::from_micros(newest.since_first.into());
        let since_delivery = Span::from_micros(newest.since_delivery.into());
        let ack_elapsed = now.span_since(newest.at).saturating_add(since_delivery);
        let interval = ack_elapsed.max(send_elapsed);
        // Less than a round trip would be an acknowledgement of something else.
        if interval < min_rtt || interval.is_zero() {
            return None;
        }
        let delivered = low_half(self.bytes).wrapping_sub(newest.delivered);
        // Less than 2^62; the interval is not zero.
        let rate = u64::from(delivered).saturating_mul(1_000_000_000) / interval.as_nanos().max(1);
        if !newest.is_app_limited || rate > self.rate {
            self.rate = rate;
        }
        Some(RateSample {
            delivered,
            interval,
            prior_delivered: self.bytes.saturating_sub(u64::from(delivered)),
            is_app_limited: newest.is_app_limited,
        })
    }
}

/// From one instant to a later one.
fn microseconds(from: Instant, to: Instant) -> u32 {
    let nanoseconds = to.as_nanos().saturating_sub(from.as_nanos());
    u32::try_from(nanoseconds / 1_000).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_possible_truncation, reason = "kept modulo 2^32")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_millis(milliseconds)
    }

    #[test]
    fn a_steady_flow_is_measured_exactly() {
        // 1,000 bytes every millisecond, 10 ms round trip: 1 MB/s.
        let mut delivered = Delivered::new(at(0));
        let mut departures = std::collections::VecDeque::new();
        for time in 0..100 {
            if time >= 10 {
                let newest = departures.pop_front().unwrap();
                let sample =
                    delivered.deliver(1_000, Some(newest), Span::from_millis(10), at(time));
                if time >= 30 {
                    let sample = sample.unwrap();
                    assert_eq!((sample.delivered, sample.is_app_limited), (10_000, false));
                    assert_eq!(sample.interval, Span::from_millis(10));
                    assert_eq!(sample.prior_delivered, (time - 19) * 1_000);
                }
            }
            departures.push_back(delivered.depart(time == 0, at(time)));
        }
        assert_eq!(delivered.rate(), 1_000_000);
    }

    #[test]
    fn a_burst_is_not_taken_for_a_fast_path() {
        // Section 3.1.2: acknowledgements in a bunch; what was sent over 10 ms took that long.
        let mut delivered = Delivered::new(at(0));
        let departures: Vec<_> = (0..10)
            .map(|time| delivered.depart(time == 0, at(time)))
            .collect();
        let sample = delivered.deliver(10_000, departures.last().copied(), Span::ZERO, at(20));
        assert_eq!(sample.unwrap().interval, Span::from_millis(20));
        assert_eq!(
            delivered.deliver(0, departures.last().copied(), Span::from_secs(9), at(20)),
            None
        );
    }

    #[test]
    fn a_slow_application_is_marked_until_its_bytes_are_delivered() {
        let mut delivered = Delivered::new(at(0));
        let first = delivered.depart(true, at(0));
        delivered.limit_by_application(1_000);
        let second = delivered.depart(false, at(1));
        assert!(!first.is_app_limited && second.is_app_limited);
        let _ = delivered.deliver(1_001, Some(first), Span::ZERO, at(10));
        assert!(!delivered.depart(false, at(11)).is_app_limited);
    }
}
