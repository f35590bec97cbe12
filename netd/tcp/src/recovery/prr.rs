//! Proportional Rate Reduction: how much may be sent while losses are repaired.
//!
//! *Owns* the window during fast recovery. For each byte that arrives about half a byte leaves
//! (as much as the new threshold wants), so that sending never stops for half a round trip, nor
//! bursts at its end. *Spec*: RFC 9937 (RFC 6937 with the choice of the reduction bound made).

/// The state of one recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prr {
    /// prr_delivered: bytes that have arrived in this recovery.
    delivered: u64,
    /// prr_out: bytes sent in this recovery.
    out: u64,
    /// RecoverFS: bytes that were in flight when it began.
    recover_flight: u32,
    /// What may be in flight now.
    window: u32,
}

/// What PRR wants to know of an acknowledgement; bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// DeliveredData.
    pub(crate) delivered: u32,
    pub(crate) in_flight: u32,
    /// ssthresh: what congestion control wants to be in flight in the end.
    pub(crate) target: u32,
    /// SafeACK: SND.UNA has moved and nothing more was found to be lost.
    pub(crate) is_safe: bool,
    /// A peer without reports has shown the next hole: it is filled at once (RFC 6582 section 3.2
    /// step 5).
    pub(crate) is_due: bool,
    pub(crate) mss: u32,
}

impl Prr {
    /// A recovery begins with so much in flight.
    pub(crate) const fn begin(recover_flight: u32) -> Self {
        Self {
            delivered: 0,
            out: 0,
            recover_flight,
            window: 0,
        }
    }

    pub(crate) const fn window(&self) -> u32 {
        self.window
    }

    /// `bytes` leave.
    pub(crate) fn depart(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(u64::from(bytes));
    }

    /// RFC 9937 section 6: an acknowledgement came during recovery.
    pub(crate) fn on_ack(&mut self, progress: Progress) {
        let Progress {
            delivered,
            in_flight,
            target,
            is_safe,
            is_due,
            mss,
        } = progress;
        if delivered == 0 && self.window > 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(u64::from(delivered));
        let mut count = if in_flight > target {
            // Proportional: as much of what has arrived as the target is of the flight.
            let share = self.delivered.saturating_mul(u64::from(target));
            let flight = u64::from(self.recover_flight.max(1));
            small(share.div_ceil(flight).saturating_sub(self.out))
        } else {
            // Conservative reduction bound: no more than has arrived; slow start reduction bound,
            // while nothing more is lost: a segment more.
            let arrived = small(self.delivered.saturating_sub(self.out)).max(delivered);
            let bound = arrived.saturating_add(if is_safe { mss } else { 0 });
            bound.min(target.saturating_sub(in_flight))
        };
        if self.out == 0 || is_due {
            // The first retransmission leaves at once.
            count = count.max(mss);
        }
        // And if all that was on its way is lost, sending does not end.
        self.window = in_flight.saturating_add(count).max(mss);
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recovery of 100 segments in flight with target 50, of which `lost` are lost, one
    /// acknowledgement a segment. Returns how many were sent in the round trip.
    fn round(lost: u32, target: u32) -> u32 {
        let mut prr = Prr::begin(100_000);
        let (mut in_flight, mut sent) = (100_000 - lost * 1_000, 0);
        for place in 0..100 - lost {
            in_flight -= 1_000;
            prr.on_ack(Progress {
                delivered: 1_000,
                in_flight,
                target,
                is_safe: place > 0,
                is_due: false,
                mss: 1_000,
            });
            while in_flight + 1_000 <= prr.window() {
                prr.depart(1_000);
                in_flight += 1_000;
                sent += 1;
            }
        }
        assert!(in_flight <= target, "{in_flight}");
        sent
    }

    #[test]
    fn one_loss_halves_the_flight_over_a_round_trip() {
        assert_eq!(round(1, 50_000), 50);
    }

    #[test]
    fn with_many_losses_it_catches_up_to_the_target() {
        // 40 arrive, of 100: less than the target is in flight, so each arrival lets more than
        // itself out.
        let sent = round(60, 50_000);
        assert!((41..=50).contains(&sent), "{sent}");
    }

    #[test]
    fn the_first_retransmission_is_not_held_back() {
        let mut prr = Prr::begin(100_000);
        prr.on_ack(Progress {
            delivered: 0,
            in_flight: 99_000,
            target: 50_000,
            is_safe: false,
            is_due: false,
            mss: 1_000,
        });
        assert_eq!(prr.window(), 100_000);
    }
}
