//! Controlled delay: RFC 8289, whole, for a line whose delays are known beforehand.
//!
//! *Owns* the state of section 5.3. *Never* keeps frames: the line has no jitter of its own, so
//! when a frame will have waited how long is known when it comes, and frames are judged in the
//! order in which they will leave. One thing differs from the RFC: whether a frame is nearly the
//! last of the queue, which spares it, is judged when it comes, not when it leaves.

use std::time::Duration;

use stack::Instant;

/// A standing delay that is acceptable (RFC 8289 section 4.2: 5 % of the interval).
const TARGET: Duration = Duration::from_millis(5);
/// How long a delay must stand before something is done (RFC 8289 section 4.3).
const INTERVAL: Duration = Duration::from_millis(100);
/// A queue no longer than one packet is none.
const PACKET: u64 = 1_514;

/// The state of one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Codel {
    /// When the delay will have been above the target for an interval.
    first_above_at: Option<Instant>,
    is_dropping: bool,
    drop_next: Instant,
    /// Drops since dropping began, and when it began the time before.
    count: u32,
    last_count: u32,
}

impl Codel {
    /// Whether the frame that leaves the queue at `now`, having waited for `sojourn` behind
    /// `backlog` bytes, is to be dropped or marked.
    pub(crate) fn strikes(&mut self, now: Instant, sojourn: Duration, backlog: u64) -> bool {
        let is_late = self.is_late(now, sojourn, backlog);
        if self.is_dropping {
            if !is_late {
                self.is_dropping = false;
                return false;
            }
            if now < self.drop_next {
                return false;
            }
            self.count += 1;
            self.drop_next = self.next_after(self.drop_next);
            return true;
        }
        if !is_late {
            return false;
        }
        // RFC 8289 section 5.6: begin where it was if that is not long ago.
        self.is_dropping = true;
        let delta = self.count - self.last_count;
        let is_recent = now.since(self.drop_next) < INTERVAL * 16;
        self.count = if delta > 1 && is_recent { delta } else { 1 };
        self.drop_next = self.next_after(now);
        self.last_count = self.count;
        true
    }

    /// RFC 8289 section 5.5: whether the delay has been above the target for an interval.
    fn is_late(&mut self, now: Instant, sojourn: Duration, backlog: u64) -> bool {
        if sojourn < TARGET || backlog <= PACKET {
            self.first_above_at = None;
            return false;
        }
        match self.first_above_at {
            None => {
                self.first_above_at = Some(now + INTERVAL);
                false
            }
            Some(at) => now >= at,
        }
    }

    /// The control law: drops come closer with the square root of their number.
    fn next_after(&self, time: Instant) -> Instant {
        time + INTERVAL.div_f64(f64::from(self.count).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet each millisecond, each waiting for `sojourn`; when something is done.
    fn strikes(codel: &mut Codel, from: u64, to: u64, sojourn: Duration) -> Vec<u64> {
        (from..to)
            .filter(|millisecond| {
                let now = Instant::from_secs(1) + Duration::from_millis(*millisecond);
                codel.strikes(now, sojourn, 10_000)
            })
            .collect()
    }

    #[test]
    fn a_standing_queue_is_cut_ever_more_often() {
        let mut codel = Codel::default();
        let found = strikes(&mut codel, 0, 500, Duration::from_millis(20));
        // 100, and from there 100/sqrt(1), 100/sqrt(2), 100/sqrt(3), 100/2, 100/sqrt(5) later.
        assert_eq!(found, [100, 200, 271, 329, 379, 424, 464]);
    }

    #[test]
    fn short_delays_and_short_bursts_are_left_alone() {
        let mut codel = Codel::default();
        assert!(strikes(&mut codel, 0, 500, Duration::from_millis(4)).is_empty());
        assert!(strikes(&mut codel, 500, 590, Duration::from_millis(50)).is_empty());
        assert!(strikes(&mut codel, 590, 600, Duration::from_millis(1)).is_empty());
        assert!(strikes(&mut codel, 600, 690, Duration::from_millis(50)).is_empty());
    }

    #[test]
    fn a_queue_of_one_packet_is_none() {
        let mut codel = Codel::default();
        for second in 1..10 {
            let now = Instant::from_secs(second);
            assert!(!codel.strikes(now, Duration::from_secs(1), 1_514));
        }
    }
}
