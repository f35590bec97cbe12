//! How large a segment the path takes: what routers say, what silence means, and trying for more.
//!
//! Three things make segments smaller: a router's message (checked by the owner), the memory of an
//! earlier message, and a black hole: large segments that go unanswered time after time although a
//! router should have said why. Ten minutes later one larger segment is tried; if it arrives, more
//! follow, up to what both ends allow.
//!
//! *Owns* the steps and [`PathProbe`], which lives in the part that watches the peer: a connection
//! whose path takes everything pays nothing. A probe that is lost is sent again in smaller segments
//! and counts as a loss, which errs on the safe side (RFC 4821 section 7.5 would not count it).
//! *Spec*: RFC 1191, RFC 4821 sections 7.2 to 7.7, RFC 8899 section 5 (search and black holes).

use core::time::Duration;

use crate::counts::Count;
use crate::open::Open;
use crate::outcome::Emit;
use crate::shared::Shared;
use crate::time::Instant;
use crate::window::Mss;

/// Payload sizes to fall back to and to climb by: those that real links have (RFC 1191 section 7),
/// less the headers of either family.
const STEPS: [u16; 6] = [516, 1_024, 1_220, 1_360, 1_440, 8_940];

/// So many timeouts in a row make silence suspicious (RFC 8899 section 5.1.2: `MAX_PROBES` is 3).
const TIMEOUTS: u8 = 2;

/// After how long more is tried (RFC 1191 section 6.3; RFC 8899 section 5.1.1: `PMTU_RAISE_TIMER`).
const RAISE_AFTER: Duration = Duration::from_secs(600);

/// The same when silence was all that told of the path: it may have had another reason.
const DOUBT_AFTER: Duration = Duration::from_secs(60);

/// The search for a larger segment size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathProbe {
    /// What both ends allow.
    limit: Mss,
    next_at: Instant,
    outstanding: Option<Outstanding>,
}

/// A larger segment on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outstanding {
    size: Mss,
    /// The position behind it.
    end: u64,
    /// How many segments had been sent again when it left.
    retransmits: u16,
}

/// The next size below.
fn below(mss: Mss) -> Option<Mss> {
    let lower = STEPS.into_iter().rev().find(|step| *step < mss.get());
    lower.map(Mss::at_least)
}

/// The next size above, up to a limit.
fn above(mss: Mss, limit: Mss) -> Mss {
    let higher = STEPS.into_iter().find(|step| *step > mss.get());
    higher.map_or(limit, |step| Mss::at_least(step).min(limit))
}

impl Open {
    /// The path takes no larger payload than `mss`, options not counted. What was larger and is on
    /// its way is lost: it is sent again at once (RFC 1191 section 6.4).
    pub(crate) fn limit_path(&mut self, mss: Mss, shared: &mut Shared, now: Instant) {
        let options = if self.stamps.is_some() { 12 } else { 0 };
        if self.shrink(mss.less(options), RAISE_AFTER, shared, now) && self.snd.flight > 0 {
            // Not congestion, but the window must be filled anew: slow start, the threshold kept.
            match self.snd.busy_in(&mut shared.busy) {
                Some(busy) => busy.time_out(false, &self.snd.standing(self.has_sack, now)),
                None => self.snd.is_resend_due = true,
            }
            self.arm_retransmit(shared.least_rto, now);
        }
    }

    /// The retransmission timer fired: is it because of the size? Only of what is sent again: the
    /// first segment need not be full, and a step that leaves it as it is finds nothing out.
    pub(crate) fn suspect_black_hole(&mut self, shared: &mut Shared, now: Instant) {
        if self.timers.backoff() < TIMEOUTS {
            return;
        }
        let sent = self.snd.nxt().min(self.snd.end());
        let outstanding = sent.saturating_sub(self.snd.una);
        let first = u16::try_from(outstanding)
            .map_or(self.snd.mss, |len| self.snd.mss.min(Mss::at_least(len)));
        if let Some(lower) = below(first)
            && self.shrink(lower, DOUBT_AFTER, shared, now)
        {
            shared.counts.count(Count::PathBlackHoles);
        }
    }

    /// Whether segments are smaller from now on.
    fn shrink(&mut self, mss: Mss, wait: Duration, shared: &mut Shared, now: Instant) -> bool {
        if mss >= self.snd.mss {
            return false;
        }
        let limit = self.snd.mss;
        self.snd.mss = mss;
        // Without a part to remember it in, segments stay small.
        if self.watch.is_none() {
            self.watch = shared.watches.take();
        }
        if let Some(watch) = self.watch_in(shared) {
            let limit = watch.path.map_or(limit, |probe| probe.limit);
            watch.path = Some(PathProbe {
                limit,
                next_at: now + wait,
                outstanding: None,
            });
        }
        true
    }

    /// One larger segment, if it is time for one and nothing else is wrong.
    pub(crate) fn probe_path(&mut self, shared: &mut Shared, now: Instant) -> Option<Emit> {
        let probe = self.watch_in(shared)?.path?;
        let size = above(self.snd.mss, probe.limit);
        let len = u32::from(size.get());
        let snd = &self.snd;
        // RFC 4821 section 7.4: enough behind it that a loss is found soon, and no loss about.
        let is_time = now >= probe.next_at && probe.outstanding.is_none() && size > snd.mss;
        let has_bytes = snd.unsent() >= u64::from(len).saturating_mul(4);
        let is_calm = self
            .busy(shared)
            .is_some_and(|busy| busy.is_untroubled() && busy.room(snd.flight) >= len);
        if !is_time || !has_bytes || !is_calm || snd.usable_window() < len {
            return None;
        }
        let end = snd.nxt().saturating_add(u64::from(len));
        let retransmits = snd.retransmits;
        let mut emit = self.send_large(len, shared, now)?;
        if let Some(path) = &mut self.watch_in(shared)?.path {
            path.outstanding = Some(Outstanding {
                size,
                end,
                retransmits,
            });
        }
        shared.counts.count(Count::PathProbes);
        emit.segment_len = size.get();
        Some(emit)
    }

    /// Something was acknowledged: also a larger segment?
    pub(crate) fn judge_probe(&mut self, shared: &mut Shared, now: Instant) {
        let (una, retransmits) = (self.snd.una, self.snd.retransmits);
        let Some(probe) = self.watch_in(shared).and_then(|watch| watch.path.as_mut()) else {
            return;
        };
        let Some(sent) = probe.outstanding.filter(|sent| una >= sent.end) else {
            return;
        };
        probe.outstanding = None;
        if sent.retransmits != retransmits {
            // Something was lost meanwhile, most likely this.
            probe.next_at = now + RAISE_AFTER;
            return;
        }
        if sent.size >= probe.limit
            && let Some(watch) = self.watch_in(shared)
        {
            watch.path = None;
        }
        self.snd.mss = sent.size;
        shared.counts.count(Count::PathRaised);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_lead_down_to_the_least_and_up_to_the_limit() {
        let mut mss = Mss::at_least(1_448);
        let mut down = std::vec::Vec::new();
        while let Some(lower) = below(mss) {
            mss = lower;
            down.push(mss.get());
        }
        assert_eq!(down, [1_440, 1_360, 1_220, 1_024, 516]);
        let limit = Mss::at_least(1_448);
        let mut up = std::vec::Vec::new();
        while mss < limit {
            mss = above(mss, limit);
            up.push(mss.get());
        }
        assert_eq!(up, [1_024, 1_220, 1_360, 1_440, 1_448]);
    }
}
