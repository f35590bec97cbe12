//! Pacing: when the next segment may leave.
//!
//! *Owns* the time before which nothing is sent, one [`Pacer`] per busy connection. *Never* knows why
//! a rate is what it is (`cc` says it), and holds no timer: it answers when, and `output` reports
//! that to the timing wheel.
//!
//! What is sent pushes the time back by as long as it takes at the rate. Timers cost, and large
//! segments are cheap, so the line is not kept for each segment: once it is free, a quantum may
//! leave in one go, about half a millisecond's worth.

use crate::time::{Instant, Span};
use crate::window::Mss;

/// The largest quantum: one super-segment, as far as that is whole segments.
const MAX_QUANTUM: u32 = 65_536;

/// Segments that may leave in one go at first, and a few more.
const BURST: u32 = 16;

/// The time before which nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pacer {
    /// When everything sent so far has left, at the rate.
    free_at: Instant,
    /// Bytes per second; `None`: there is no limit.
    rate: Option<u64>,
    /// How much of the quantum may still follow.
    quantum_left: u32,
    /// When this was worked out last.
    asked_at: Instant,
}

/// How much may leave in one go at `rate` bytes per second: two segments at least, because the peer
/// acknowledges every second one.
pub(crate) fn quantum(rate: u64, mss: Mss) -> u32 {
    let half_millisecond = u32::try_from(rate / 2_000).unwrap_or(u32::MAX);
    let segment = u32::from(mss.get());
    // What would be left behind a super-segment would leave as a single short frame.
    let most = MAX_QUANTUM - MAX_QUANTUM % segment;
    half_millisecond.min(most).max(segment * 2)
}

impl Pacer {
    /// Nothing was sent yet. `burst` bytes may leave in one go first: the initial window, which
    /// RFC 6928 takes for harmless and which short conversations should not wait for.
    pub(crate) const fn new(burst: u32) -> Self {
        Self {
            free_at: Instant::ZERO,
            rate: None,
            quantum_left: burst,
            asked_at: Instant::ZERO,
        }
    }

    /// Whether `bytes` may leave without asking again: what is left of a quantum may leave in one
    /// go, whatever the rate has become at the same moment.
    pub(crate) fn covers(&self, bytes: u32, now: Instant) -> bool {
        self.asked_at == now && self.rate.is_some() && self.quantum_left >= bytes
    }

    /// Whether nothing may leave now, if there is a limit.
    pub(crate) fn may_hold(&self, now: Instant) -> bool {
        self.quantum_left == 0 && self.free_at > now
    }

    /// How many bytes may leave now, if `rate` is what it is from now on.
    pub(crate) fn allowance(&mut self, rate: Option<u64>, mss: Mss, now: Instant) -> u32 {
        self.rate = rate;
        self.asked_at = now;
        let Some(rate) = rate else {
            return u32::MAX;
        };
        let quantum = quantum(rate, mss);
        if self.free_at > now {
            // Probes of the window and what a timeout sends again do not ask, and are counted all
            // the same: no debt is greater than what may be sent in one go.
            let debt = duration(quantum.saturating_add(u32::from(mss.get()) * BURST), rate);
            self.free_at = self.free_at.min(now + debt);
        }
        if self.free_at <= now {
            self.quantum_left = self.quantum_left.max(quantum);
            // What a late timer missed is made good, up to one quantum.
            let most = duration(quantum, rate);
            self.free_at = now.before_span(now.span_since(self.free_at).min(most));
        }
        self.quantum_left
    }

    /// How much of the quantum is left.
    pub(crate) const fn quantum_left(&self) -> u32 {
        self.quantum_left
    }

    /// When [`Pacer::allowance`] will be more than nothing again.
    pub(crate) const fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Bytes per second, if there is a limit.
    pub(crate) const fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// `bytes` are sent, as allowed.
    pub(crate) fn sent(&mut self, bytes: u32) {
        if let Some(rate) = self.rate {
            self.free_at = self.free_at + duration(bytes, rate);
            self.quantum_left = self.quantum_left.saturating_sub(bytes);
        }
    }
}

/// How long `bytes` take at `rate` bytes per second.
fn duration(bytes: u32, rate: u64) -> Span {
    Span::from_nanos(u64::from(bytes) * 1_000_000_000 / rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: Mss = Mss::at_least(1_000);
    const START: Instant = Instant::from_secs(1);

    /// Sends as much as the pacer lets out, with timers that are late by `lateness`. Returns the sum
    /// and the largest burst.
    fn send_for(seconds: u64, rate: u64, lateness: Span) -> (u64, u32) {
        let mut pacer = Pacer::new(0);
        let (mut now, mut total, mut largest) = (START, 0, 0);
        while now.span_since(START) < Span::from_secs(seconds) {
            let mut burst = 0;
            while pacer.allowance(Some(rate), MSS, now) > 0 {
                pacer.sent(1_000);
                burst += 1_000;
            }
            assert!(burst > 0, "a timer that lets nothing out");
            total += u64::from(burst);
            largest = largest.max(burst);
            now = now.max(pacer.free_at()) + lateness;
        }
        (total, largest)
    }

    #[test]
    fn the_rate_is_kept_whatever_it_is() {
        for rate in [1_000, 125_000, 12_500_000, 125_000_000, 5_000_000_000] {
            let (total, largest) = send_for(4, rate, Span::ZERO);
            let wanted = rate * 4;
            let quantum = quantum(rate, MSS);
            // The first quantum comes on top.
            let most = u64::from(quantum) * 2;
            assert!(total.abs_diff(wanted) <= most, "{rate}: {total}");
            assert!(largest <= quantum * 2 + 2_000, "{rate}: {largest}");
        }
    }

    #[test]
    fn a_timer_that_is_a_little_late_loses_nothing() {
        let (total, _) = send_for(4, 12_500_000, Span::from_micros(16));
        assert!(total.abs_diff(50_000_000) < 50_000, "{total}");
    }

    #[test]
    fn what_leaves_without_asking_makes_no_debt_for_ever() {
        let mut pacer = Pacer::new(0);
        assert!(pacer.allowance(Some(2_000), MSS, START) > 0);
        (0..1_000).for_each(|_| pacer.sent(1_000));
        assert_eq!(pacer.allowance(Some(2_000), MSS, START), 0);
        assert!(pacer.free_at() <= START + Span::from_secs(9));
    }

    #[test]
    fn a_pause_is_not_saved_up() {
        let mut pacer = Pacer::new(0);
        assert!(pacer.allowance(Some(1_000_000), MSS, START) > 0);
        pacer.sent(1_000);
        let later = START + Span::from_secs(5);
        let mut burst = 0;
        while pacer.allowance(Some(1_000_000), MSS, later) > 0 {
            pacer.sent(1_000);
            burst += 1_000;
        }
        assert_eq!(burst, 4_000, "the quantum that was missed, and this one");
    }

    #[test]
    fn the_first_burst_is_not_held_back() {
        let mut pacer = Pacer::new(10_000);
        let mut burst = 0;
        while pacer.allowance(Some(1_000_000), MSS, START) > 0 {
            pacer.sent(1_000);
            burst += 1_000;
        }
        assert_eq!(burst, 10_000);
        // The rest of it has to be waited for: 10 ms, less what was missed before the start.
        assert_eq!(pacer.free_at(), START + Span::from_millis(8));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut pacer = Pacer::new(0);
        assert_eq!(pacer.allowance(None, MSS, START), u32::MAX);
        pacer.sent(1_000_000);
        assert_eq!(pacer.allowance(None, MSS, START), u32::MAX);
        assert_eq!(pacer.rate(), None);
    }

    #[test]
    fn a_quantum_is_two_segments_at_least_and_one_super_segment_at_most() {
        let table = [
            (0, 2_000),
            (4_000_000, 2_000),
            (40_000_000, 20_000),
            (u64::MAX, 65_000),
        ];
        for (rate, bytes) in table {
            assert_eq!(quantum(rate, MSS), bytes);
        }
    }
}
