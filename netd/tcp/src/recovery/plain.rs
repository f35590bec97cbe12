//! Peers without selective acknowledgements: duplicate acknowledgements are all they say.
//!
//! *Owns* their count. *Spec*: RFC 5681 section 3.2, RFC 6582; RFC 3042 follows from counting a
//! segment as arrived for each duplicate: there is room for a new one.

use super::Heard;

/// What duplicates have told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    duplicates: u8,
    /// Bytes that they stand for: one segment each.
    arrived: u32,
    /// "recover" of RFC 6582 section 3.2: duplicates of this and less are echoes of the last
    /// recovery.
    recover: Option<u64>,
}

impl Plain {
    /// This many duplicate acknowledgements mean a loss (RFC 5681 section 3.2).
    const DUPLICATES_OF_LOSS: u8 = 3;

    pub(crate) const fn new() -> Self {
        Self {
            duplicates: 0,
            arrived: 0,
            recover: None,
        }
    }

    /// Bytes that are taken for arrived.
    pub(crate) const fn arrived(&self) -> u32 {
        self.arrived
    }

    /// Whether there were no duplicates since something new was acknowledged.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.duplicates == 0 && self.arrived == 0
    }

    /// An acknowledgement came; `flight` bytes are not acknowledged, and duplicates can tell of
    /// `most` bytes. Returns by how much more (or less) has arrived than is acknowledged (RFC 6937
    /// section 3.1: DeliveredData without SACK).
    pub(crate) fn hear(&mut self, heard: &Heard, mss: u32, flight: u32, most: u32) -> i32 {
        let before = self.arrived;
        if heard.acked > 0 {
            // One segment filled the hole; the others were told of by duplicates.
            self.duplicates = 0;
            self.arrived = before
                .saturating_sub(heard.acked.saturating_sub(mss))
                .min(flight);
        } else if heard.is_duplicate {
            self.duplicates = self.duplicates.saturating_add(1);
            // The first segment in flight is the one that is missing.
            let most = flight.saturating_sub(mss).min(most);
            self.arrived = before.saturating_add(mss).min(most).max(before.min(most));
        }
        let change = i64::from(self.arrived).saturating_sub(i64::from(before));
        i32::try_from(change).unwrap_or(0)
    }

    /// Whether duplicates of `una` mean a loss (RFC 6582 section 3.2 step 2).
    pub(crate) fn is_loss(&self, una: u64) -> bool {
        self.duplicates >= Self::DUPLICATES_OF_LOSS
            && self.recover.is_none_or(|recover| una > recover)
    }

    /// A recovery up to `point` is over.
    pub(crate) fn end(&mut self, point: u64) {
        self.forget_duplicates();
        self.recover = Some(point);
    }

    /// What duplicates told means nothing any more.
    pub(crate) fn forget_duplicates(&mut self) {
        self.duplicates = 0;
        self.arrived = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::Reports;

    fn hear(plain: &mut Plain, acked: u32, is_duplicate: bool, flight: u32) -> i32 {
        let heard = Heard {
            acked,
            reports: &Reports::default(),
            is_duplicate,
            echo: None,
        };
        plain.hear(&heard, 1_000, flight, u32::MAX)
    }

    #[test]
    fn each_duplicate_stands_for_a_segment_but_never_for_the_first() {
        let mut plain = Plain::new();
        for arrived in [1_000, 2_000, 3_000, 3_000] {
            hear(&mut plain, 0, true, 4_000);
            assert_eq!(plain.arrived(), arrived);
        }
        assert!(plain.is_loss(0));
        // The hole is filled: what duplicates told of is acknowledged now.
        assert_eq!(hear(&mut plain, 4_000, false, 0), -3_000);
        assert_eq!((plain.arrived(), plain.is_loss(0)), (0, false));
    }

    #[test]
    fn echoes_of_a_recovery_are_no_loss() {
        // RFC 6582 section 3.2 step 2.
        let mut plain = Plain::new();
        plain.end(5_000);
        for _ in 0..3 {
            hear(&mut plain, 0, true, 9_000);
        }
        assert!(!plain.is_loss(5_000) && plain.is_loss(5_001));
    }
}
