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
    /// Bytes that were sent again, less those reported as having come twice.
    unconfirmed: u32,
    has_resent: bool,
    has_confirmed: bool,
    pub(crate) frto: Frto,
}

impl Suspicion {
    /// There is nothing to suspect.
    pub(crate) const NONE: Self = Self {
        is_open: false,
        stamp: None,
        unconfirmed: 0,
        has_resent: false,
        has_confirmed: false,
        frto: Frto::Off,
    };

    /// A recovery begins.
    pub(crate) const fn begin(frto: Frto) -> Self {
        Self {
            is_open: true,
            frto,
            ..Self::NONE
        }
    }

    /// `bytes` are sent again, with this timestamp.
    pub(crate) fn note_resent(&mut self, bytes: u32, stamp: Option<u32>) {
        if self.is_open {
            // Asked once: the answer to a later one proves nothing.
            if !self.has_resent {
                self.stamp = stamp.map(Seq::new);
            }
            self.has_resent = true;
            self.unconfirmed = self.unconfirmed.saturating_add(bytes);
        }
    }

    /// The peer says that `bytes` came twice.
    pub(crate) fn note_duplicate(&mut self, bytes: u32) {
        self.has_confirmed = true;
        self.unconfirmed = self.unconfirmed.saturating_sub(bytes);
    }

    /// RFC 3708 section 2: whether all that was sent again had arrived before.
    pub(crate) const fn is_mistake_by_duplicates(&self) -> bool {
        self.is_open && self.has_resent && self.has_confirmed && self.unconfirmed == 0
    }

    /// Nothing was sent again: if everything arrives, nothing was lost.
    pub(crate) const fn is_untouched(&self) -> bool {
        self.is_open && !self.has_resent
    }

    /// RFC 3522 section 3.2 step 5: whether `echo`, in the first acknowledgement of something new,
    /// is from before the first retransmission. It is asked once.
    pub(crate) fn is_mistake_by_echo(&mut self, echo: Option<u32>) -> bool {
        let (Some(stamp), Some(echo)) = (self.stamp.take(), echo) else {
            return false;
        };
        self.is_open && Seq::new(echo).is_before(stamp)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_sent_again_must_have_come_twice() {
        let mut suspicion = Suspicion::begin(Frto::Off);
        assert!(!suspicion.is_mistake_by_duplicates(), "nothing was sent");
        suspicion.note_resent(2_000, None);
        suspicion.note_duplicate(1_000);
        assert!(!suspicion.is_mistake_by_duplicates());
        suspicion.note_duplicate(1_000);
        assert!(suspicion.is_mistake_by_duplicates());
        let mut none = Suspicion::NONE;
        none.note_duplicate(1_000);
        assert!(!none.is_mistake_by_duplicates());
    }

    #[test]
    fn an_old_echo_counts_once() {
        let mut suspicion = Suspicion::begin(Frto::Off);
        suspicion.note_resent(1_000, Some(5));
        suspicion.note_resent(1_000, Some(9));
        let mut other = suspicion;
        assert!(suspicion.is_mistake_by_echo(Some(4)));
        assert!(!suspicion.is_mistake_by_echo(Some(4)));
        assert!(!other.is_mistake_by_echo(Some(5)));
    }

    #[test]
    fn who_was_asked_is_not_asked_about_what_is_sent_again_later() {
        let mut suspicion = Suspicion::begin(Frto::Off);
        suspicion.note_resent(1_000, Some(5));
        assert!(!suspicion.is_mistake_by_echo(Some(5)));
        // The next acknowledgement is of what was sent again first, and older than this.
        suspicion.note_resent(1_000, Some(9));
        assert!(!suspicion.is_mistake_by_echo(Some(6)));
    }

    #[test]
    fn a_recovery_that_sends_nothing_again_is_untouched() {
        assert!(!Suspicion::NONE.is_untouched());
        let mut suspicion = Suspicion::begin(Frto::Off);
        assert!(suspicion.is_untouched());
        suspicion.note_resent(1_000, None);
        assert!(!suspicion.is_untouched());
    }

    #[test]
    fn frto_needs_two_acknowledgements() {
        let mut suspicion = Suspicion::begin(Frto::FirstResent);
        assert!(!suspicion.on_frto(true, true));
        assert_eq!(suspicion.frto, Frto::TryingNew { left: 2 });
        assert!(suspicion.on_frto(true, true));
        let mut suspicion = Suspicion::begin(Frto::FirstResent);
        assert!(!suspicion.on_frto(false, false));
        assert_eq!(suspicion.frto, Frto::Off);
    }
}
