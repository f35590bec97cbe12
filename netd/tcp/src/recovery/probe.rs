//! The tail loss probe: what is lost at the end of a flight is found in two round trips.
//!
//! *Owns* when a probe may be sent and what its acknowledgement means. *Spec*: RFC 8985 section 7.

use crate::rtt::Rtt;
use crate::time::Span;

/// The probe of a flight, if there was one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailProbe {
    /// TLP.end_seq: where SND.NXT was when it left.
    end: Option<u64>,
    /// TLP.is_retrans: it was old bytes.
    is_old: bool,
    /// It is to be sent now.
    pub(crate) is_due: bool,
}

impl TailProbe {
    /// None was sent.
    pub(crate) const NONE: Self = Self {
        end: None,
        is_old: false,
        is_due: false,
    };
    /// The worst delay of an acknowledgement (section 7.2: WCDelAckT).
    const ACK_DELAY: Span = Span::from_millis(200);
    /// While no round trip is known.
    const UNKNOWN: Span = Span::from_secs(1);
    /// Below this a timer is not worth its noise.
    const LEAST: Span = Span::from_millis(1);

    /// Section 7.2: how long to wait for the acknowledgement of the last segment.
    /// `is_alone`: only one segment is in flight, so its acknowledgement may be delayed.
    pub(crate) fn timeout(rtt: &Rtt, is_alone: bool) -> Span {
        let Some(smoothed) = rtt.smoothed() else {
            return Self::UNKNOWN;
        };
        let twice = smoothed.saturating_mul(2).max(Self::LEAST);
        if is_alone {
            twice.saturating_add(Self::ACK_DELAY)
        } else {
            twice
        }
    }

    /// One probe a flight (section 7.3).
    pub(crate) const fn is_sent(&self) -> bool {
        self.end.is_some()
    }

    /// The probe leaves; SND.NXT is now `nxt`.
    pub(crate) const fn depart(nxt: u64, is_old: bool) -> Self {
        Self {
            end: Some(nxt),
            is_old,
            is_due: false,
        }
    }

    /// Section 7.4.2: everything before `una` is acknowledged. `has_duplicate`: the peer reports
    /// bytes as having come twice; `is_plain_duplicate`: it repeats itself and reports nothing.
    /// Whether the probe has repaired a loss, which congestion control must hear of.
    pub(crate) fn on_ack(
        &mut self,
        una: u64,
        has_duplicate: bool,
        is_plain_duplicate: bool,
    ) -> bool {
        let Some(end) = self.end.filter(|end| una >= *end) else {
            return false;
        };
        // Two copies have arrived, or it was new bytes: nothing was lost. Something beyond is
        // acknowledged, and a second copy was never heard of: the first was lost.
        let is_over = !self.is_old || has_duplicate || is_plain_duplicate;
        let has_repaired = !is_over && una > end;
        if is_over || has_repaired {
            *self = Self::NONE;
        }
        has_repaired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_round_trips_and_more_for_one_segment() {
        let mut rtt = Rtt::new();
        assert_eq!(TailProbe::timeout(&rtt, false), Span::from_secs(1));
        rtt.sample(Span::from_millis(30));
        assert_eq!(TailProbe::timeout(&rtt, false), Span::from_millis(60));
        assert_eq!(TailProbe::timeout(&rtt, true), Span::from_millis(260));
    }

    #[test]
    fn what_the_answer_means() {
        // New bytes: nothing follows.
        let mut probe = TailProbe::depart(5_000, false);
        assert!(!probe.on_ack(4_000, false, false) && probe.is_sent());
        assert!(!probe.on_ack(5_000, false, false) && !probe.is_sent());
        // Old bytes that came twice: nothing was lost.
        for (has_duplicate, is_plain_duplicate) in [(true, false), (false, true)] {
            let mut probe = TailProbe::depart(5_000, true);
            assert!(!probe.on_ack(5_000, false, false) && probe.is_sent());
            assert!(!probe.on_ack(5_000, has_duplicate, is_plain_duplicate) && !probe.is_sent());
        }
        // Old bytes that came once: the original was lost.
        let mut probe = TailProbe::depart(5_000, true);
        assert!(!probe.on_ack(5_000, false, false));
        assert!(probe.on_ack(6_000, false, false) && !probe.is_sent());
    }
}
