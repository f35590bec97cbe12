//! Mistakes: recoveries and timeouts for something that was not lost, found out and taken back.
//!
//! *Owns* the ways to find out. *Never* takes back itself: it answers "was it a mistake?".
//!
//! | way | what shows it | spec |
//! | --- | --- | --- |
//! | F-RTO | after a timeout, bytes arrive that were not sent again | RFC 5682 |
//! | Eifel | the acknowledgement of what was sent again echoes a time before that | RFC 3522 |
//! | D-SACK | everything that was sent again is reported as having come twice | RFC 3708 |
//! | | everything arrived, and nothing was sent again | |

use crate::assemble::Range;
use crate::seq::Seq;

/// How far F-RTO is (RFC 5682 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Frto {
    /// It is not running.
    #[default]
    Off,
    /// Step 1: the timer fired, the first segment was sent again.
    FirstResent,
    /// Step 2: it was acknowledged; new bytes are sent instead of old ones, to see whether what
    /// they provoke acknowledges the old ones.
    TryingNew {
        /// So many segments of new bytes may still leave.
        left: u8,
    },
}

impl Frto {
    /// Step 2: "up to two new segments".
    pub(crate) const NEW_SEGMENTS: u8 = 2;
}

/// What happened since the last recovery began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Suspicion {
    /// A recovery began, and was not found to be a mistake.
    is_open: bool,
    /// Our timestamp of the first segment that was sent again in it.
    stamp: Option<Seq>,
    unconfirmed: Unconfirmed,
    has_resent: bool,
    has_confirmed: bool,
    pub(crate) frto: Frto,
}

impl Suspicion {
    /// There is nothing to suspect.
    pub(crate) const NONE: Self = Self {
        is_open: false,
        stamp: None,
        unconfirmed: Unconfirmed::NONE,
        has_resent: false,
        has_confirmed: false,
        frto: Frto::Off,
    };

    /// Whether there is something to suspect.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// A recovery begins.
    pub(crate) fn begin(&mut self, frto: Frto) {
        self.close();
        self.is_open = true;
        self.frto = frto;
    }

    /// There is nothing to suspect any more.
    pub(crate) fn close(&mut self) {
        self.is_open = false;
        self.stamp = None;
        self.has_resent = false;
        self.has_confirmed = false;
        self.frto = Frto::Off;
        self.unconfirmed.len = 0;
        self.unconfirmed.is_full = false;
    }

    /// `range` is sent again, with this timestamp.
    pub(crate) fn note_resent(&mut self, range: Range, stamp: Option<u32>) {
        if self.is_open {
            // Asked once: the answer to a later one proves nothing.
            if !self.has_resent {
                self.stamp = stamp.map(Seq::new);
            }
            self.has_resent = true;
            self.unconfirmed.add(range);
        }
    }

    /// The peer says that `range` came twice. Whether that is because it was sent again.
    pub(crate) fn note_duplicate(&mut self, range: Range) -> bool {
        let is_ours = self.is_open && self.unconfirmed.remove(range);
        self.has_confirmed |= is_ours;
        is_ours
    }

    /// RFC 3708 section 2: whether all that was sent again had arrived before.
    pub(crate) fn is_mistake_by_duplicates(&self) -> bool {
        self.is_open && self.has_confirmed && self.unconfirmed.is_empty()
    }

    /// Nothing was sent again: if everything arrives, nothing was lost.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.is_open && !self.has_resent
    }

    /// RFC 3522 section 3.2 step 5: whether `echo`, in the first acknowledgement of something new,
    /// is from before the first retransmission. It is asked once. If more than that was sent again,
    /// an answer to the first proves nothing of the others.
    pub(crate) fn is_mistake_by_echo(&mut self, echo: Option<u32>) -> bool {
        let (Some(stamp), Some(echo)) = (self.stamp.take(), echo) else {
            return false;
        };
        self.is_open && self.unconfirmed.is_one() && Seq::new(echo).is_before(stamp)
    }

    /// Whether what was sent again can have been acknowledged by an acknowledgement with `echo`.
    pub(crate) fn is_resent_believed(stamp: Option<Seq>, echo: Option<u32>) -> bool {
        match (stamp, echo) {
            (Some(stamp), Some(echo)) => !Seq::new(echo).is_before(stamp),
            _ => true,
        }
    }

    pub(crate) const fn stamp(&self) -> Option<Seq> {
        self.stamp
    }

    /// RFC 5682 section 3.1, steps 2 and 3: something was acknowledged or reported after a timeout.
    /// `has_advanced`: SND.UNA moved; `has_original`: bytes arrived that left before the timeout
    /// and were not sent again. Whether the timeout was a mistake.
    pub(crate) fn on_frto(&mut self, has_advanced: bool, has_original: bool) -> bool {
        match self.frto {
            Frto::Off => false,
            Frto::FirstResent => {
                self.frto = if has_advanced {
                    Frto::TryingNew {
                        left: Frto::NEW_SEGMENTS,
                    }
                } else {
                    Frto::Off
                };
                false
            }
            Frto::TryingNew { .. } => {
                self.frto = Frto::Off;
                has_original
            }
        }
    }
}

/// Ranges that were sent again and not reported as having come twice: as many as a few lost
/// retransmissions are, so that bytes doubled by the network are not taken for ours.
#[derive(Clone, Copy, Debug)]
struct Unconfirmed {
    ranges: [Range; Self::CAPACITY],
    len: usize,
    /// There were more, so nobody will ever know.
    is_full: bool,
}

impl Unconfirmed {
    const CAPACITY: usize = 64;

    const NONE: Self = Self {
        ranges: [Range { start: 0, end: 0 }; Self::CAPACITY],
        len: 0,
        is_full: false,
    };

    const fn is_one(&self) -> bool {
        self.len == 1
    }

    const fn is_empty(&self) -> bool {
        self.len == 0 && !self.is_full
    }

    fn add(&mut self, range: Range) {
        let used = self.ranges.get_mut(..self.len);
        if let Some(last) = used.and_then(|used| used.last_mut())
            && last.end == range.start
        {
            last.end = range.end;
            return;
        }
        match self.ranges.get_mut(self.len) {
            Some(place) => {
                *place = range;
                self.len = self.len.saturating_add(1);
            }
            None => self.is_full = true,
        }
    }

    /// Takes `twice` out of one of the ranges, at its front or its back; one that was sent again
    /// twice is there twice. Whether it was in any.
    fn remove(&mut self, twice: Range) -> bool {
        let used = self.ranges.get_mut(..self.len).unwrap_or(&mut []);
        let overlaps = |range: &Range| range.start < twice.end && twice.start < range.end;
        let Some(place) = used.iter().position(overlaps) else {
            return false;
        };
        let last = used.last().copied();
        if let Some(range) = used.get_mut(place) {
            if twice.start <= range.start {
                range.start = range.end.min(twice.end);
            } else if twice.end >= range.end {
                range.end = twice.start;
            }
            if range.start >= range.end {
                *range = last.unwrap_or(*range);
                self.len = self.len.saturating_sub(1);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(start: u64, end: u64) -> Range {
        Range { start, end }
    }

    fn begun(frto: Frto) -> Suspicion {
        let mut suspicion = Suspicion::NONE;
        suspicion.begin(frto);
        suspicion
    }

    #[test]
    fn all_that_was_sent_again_must_have_come_twice() {
        let mut suspicion = begun(Frto::Off);
        assert!(!suspicion.note_duplicate(range(0, 1_000)));
        assert!(!suspicion.is_mistake_by_duplicates(), "nothing was sent");
        suspicion.note_resent(range(1_000, 2_000), None);
        suspicion.note_resent(range(2_000, 3_000), None);
        suspicion.note_resent(range(7_000, 8_000), None);
        assert!(!suspicion.note_duplicate(range(5_000, 6_000)), "not ours");
        for twice in [range(2_000, 3_000), range(7_000, 8_000), range(0, 1_500)] {
            assert!(suspicion.note_duplicate(twice));
            assert!(!suspicion.is_mistake_by_duplicates());
        }
        assert!(suspicion.note_duplicate(range(1_500, 2_000)));
        assert!(suspicion.is_mistake_by_duplicates());
        assert!(!Suspicion::NONE.is_mistake_by_duplicates());
    }

    #[test]
    fn what_was_sent_again_twice_must_have_come_three_times() {
        let mut suspicion = begun(Frto::Off);
        suspicion.note_resent(range(0, 1_000), None);
        suspicion.note_resent(range(0, 1_000), None);
        assert!(suspicion.note_duplicate(range(0, 1_000)));
        assert!(!suspicion.is_mistake_by_duplicates());
        assert!(suspicion.note_duplicate(range(0, 1_000)));
        assert!(suspicion.is_mistake_by_duplicates());
    }

    #[test]
    fn a_recovery_that_sent_too_much_again_is_no_mistake() {
        let mut suspicion = begun(Frto::Off);
        for place in 0..100 {
            suspicion.note_resent(range(place * 2_000, place * 2_000 + 1_000), None);
        }
        for place in 0..100 {
            suspicion.note_duplicate(range(place * 2_000, place * 2_000 + 1_000));
        }
        assert!(!suspicion.is_mistake_by_duplicates());
    }

    #[test]
    fn an_old_echo_counts_once() {
        let mut suspicion = begun(Frto::Off);
        suspicion.note_resent(range(0, 1_000), Some(5));
        suspicion.note_resent(range(1_000, 2_000), Some(9));
        let mut other = suspicion;
        assert!(suspicion.is_mistake_by_echo(Some(4)));
        assert!(!suspicion.is_mistake_by_echo(Some(4)));
        assert!(!other.is_mistake_by_echo(Some(5)));
    }

    #[test]
    fn who_was_asked_is_not_asked_about_what_is_sent_again_later() {
        let mut suspicion = begun(Frto::Off);
        suspicion.note_resent(range(0, 1_000), Some(5));
        assert!(!suspicion.is_mistake_by_echo(Some(5)));
        // The next acknowledgement is of what was sent again first, and older than this.
        suspicion.note_resent(range(1_000, 2_000), Some(9));
        assert!(!suspicion.is_mistake_by_echo(Some(6)));
    }

    #[test]
    fn a_recovery_that_sends_nothing_again_is_untouched() {
        assert!(!Suspicion::NONE.is_untouched());
        let mut suspicion = begun(Frto::Off);
        assert!(suspicion.is_untouched());
        suspicion.note_resent(range(0, 1_000), None);
        assert!(!suspicion.is_untouched());
    }

    #[test]
    fn frto_needs_two_acknowledgements() {
        let mut suspicion = begun(Frto::FirstResent);
        assert!(!suspicion.on_frto(true, true));
        assert_eq!(suspicion.frto, Frto::TryingNew { left: 2 });
        assert!(suspicion.on_frto(true, true));
        let mut suspicion = begun(Frto::FirstResent);
        assert!(!suspicion.on_frto(false, false));
        assert_eq!(suspicion.frto, Frto::Off);
    }
}
