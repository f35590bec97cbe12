//! Explicit congestion notification: what one end remembers of it (RFC 3168 section 6.1).
//!
//! *Owns* [`Notice`]: the news that we owe the peer, and the answer to the peer's. *Never* reduces a
//! window: that is congestion control's, once a round trip ([`crate::busy::Busy::heed_echo`]).
//! Agreeing on it is the handshake's (`options`).
//!
//! Only new data asks routers to mark: no acknowledgement on its own (section 6.1.4), nothing that
//! is sent again (section 6.1.5) and no probe of the window (section 6.1.6).

use wire::Ecn;
use wire::tcp::Flags;

/// What one end knows and has to tell: one byte of every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice(u8);

/// Both ends have agreed on it; without that nothing is heard or told.
const AGREED: u8 = 1;
/// A router has marked what we received, and the peer has not yet said that it knows.
const ECHOING: u8 = 1 << 1;
/// The peer's news was heeded; it is to learn so with the next new data.
const ANSWER_DUE: u8 = 1 << 2;

impl Notice {
    pub(crate) const fn new(is_agreed: bool) -> Self {
        Self(if is_agreed { AGREED } else { 0 })
    }

    pub(crate) const fn is_agreed(self) -> bool {
        self.0 & AGREED != 0
    }

    /// Data came with these flags, marked or not. Returns whether it was marked.
    pub(crate) fn take_data(&mut self, flags: Flags, mark: Ecn) -> bool {
        if !self.is_agreed() {
            return false;
        }
        // Section 6.1.3: the answer ends the echo, and a mark begins it again.
        if flags.contains(Flags::CWR) {
            self.0 &= !ECHOING;
        }
        let is_marked = mark == Ecn::Congested;
        if is_marked {
            self.0 |= ECHOING;
        }
        is_marked
    }

    /// Whether a segment with these flags brings the news of a mark.
    pub(crate) const fn is_echo(self, flags: Flags) -> bool {
        self.is_agreed() && flags.contains(Flags::ECE)
    }

    /// The peer's news was heeded.
    pub(crate) fn answer(&mut self) {
        self.0 |= ANSWER_DUE;
    }

    /// What every segment with an acknowledgement tells.
    pub(crate) const fn flags(self) -> Flags {
        if self.0 & ECHOING != 0 {
            Flags::ECE
        } else {
            Flags::NONE
        }
    }

    /// What new data tells, once.
    pub(crate) fn take_answer(&mut self) -> Flags {
        let is_due = self.0 & ANSWER_DUE != 0;
        self.0 &= !ANSWER_DUE;
        if is_due { Flags::CWR } else { Flags::NONE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_echoed_until_it_is_answered() {
        let mut notice = Notice::new(true);
        assert!(!notice.take_data(Flags::ACK, Ecn::Capable0));
        assert_eq!(notice.flags(), Flags::NONE);
        assert!(notice.take_data(Flags::ACK, Ecn::Congested));
        assert!(!notice.take_data(Flags::ACK, Ecn::Capable0));
        assert_eq!(notice.flags(), Flags::ECE);
        // The answer may itself be marked: that is news again.
        assert!(notice.take_data(Flags::CWR, Ecn::Congested));
        assert_eq!(notice.flags(), Flags::ECE);
        assert!(!notice.take_data(Flags::CWR, Ecn::Capable0));
        assert_eq!(notice.flags(), Flags::NONE);
    }

    #[test]
    fn without_an_agreement_nothing_is_heard() {
        let mut notice = Notice::new(false);
        assert!(!notice.take_data(Flags::ACK, Ecn::Congested));
        assert_eq!(notice.flags(), Flags::NONE);
        assert!(!notice.is_echo(Flags::ECE));
        assert!(Notice::new(true).is_echo(Flags::ACK | Flags::ECE));
    }

    #[test]
    fn an_answer_is_given_once() {
        let mut notice = Notice::new(true);
        notice.answer();
        assert_eq!(
            [notice.take_answer(), notice.take_answer()],
            [Flags::CWR, Flags::NONE]
        );
    }
}
