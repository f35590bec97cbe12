//! Loss recovery without selective acknowledgements: fast retransmit and fast recovery (RFC 5681
//! section 3.2, RFC 6582), limited transmit (RFC 3042), and going back after a timeout.
//!
//! *Owns* the question *what must be sent again*. *Never* sends, and never touches timers.
//!
//! | phase | when | sent again |
//! | --- | --- | --- |
//! | open | nothing is known to be lost | nothing |
//! | fast | three duplicate acknowledgements came | one segment at SND.UNA per partial one |
//! | loss | the timer fired | everything, as the window allows |

use crate::send::Sender;

/// Which of the phases a connection is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    Fast,
    Loss,
}

/// The state of recovery.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recovery {
    /// Recovery ends when so many positions beyond SND.UNA are acknowledged.
    remaining: u32,
    phase: Phase,
    duplicates: u8,
    /// A timeout's recovery has just ended: duplicates may be the echo of what went back.
    is_echo_possible: bool,
    /// The segment at SND.UNA is to be sent again, whatever the windows say.
    is_resend_due: bool,
}

/// This many duplicate acknowledgements mean a loss (RFC 5681 section 3.2).
const DUPLICATES_OF_LOSS: u8 = 3;

impl Recovery {
    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the segment at SND.UNA must be sent again; asked once.
    pub(crate) fn take_resend(&mut self) -> bool {
        core::mem::take(&mut self.is_resend_due)
    }

    /// Whether the segment at SND.UNA must be sent again.
    pub(crate) const fn is_resend_due(&self) -> bool {
        self.is_resend_due
    }

    /// How many segments limited transmit lets out beyond the congestion window (RFC 3042).
    pub(crate) fn extra_segments(&self) -> u32 {
        match self.phase {
            Phase::Open => u32::from(self.duplicates.min(2)),
            Phase::Fast | Phase::Loss => 0,
        }
    }
}

impl Sender {
    /// `acked` new positions were acknowledged; SND.UNA has moved already. `was_full`: before, the
    /// congestion window was used up, so growing it has a meaning (RFC 7661 section 4.3).
    pub(crate) fn recover_on_ack(&mut self, acked: u32, was_full: bool) {
        self.recovery.duplicates = 0;
        self.recovery.is_echo_possible = false;
        self.recovery.remaining = self.recovery.remaining.saturating_sub(acked);
        let is_all_acknowledged = self.recovery.remaining == 0;
        let acked = u64::from(acked);
        match self.recovery.phase {
            Phase::Open => {
                if was_full {
                    self.congestion.on_ack(acked, self.mss);
                }
            }
            Phase::Fast if is_all_acknowledged => {
                self.congestion.on_recovered(self.flight, self.mss);
                self.recovery = Recovery::default();
            }
            Phase::Fast => {
                // RFC 6582 section 3.2 step 5: a partial acknowledgement shows the next hole.
                self.congestion.on_partial_ack(acked, self.mss);
                self.recovery.is_resend_due = true;
            }
            Phase::Loss => {
                self.congestion.on_ack(acked, self.mss);
                if is_all_acknowledged {
                    self.recovery = Recovery {
                        is_echo_possible: true,
                        ..Recovery::default()
                    };
                    self.sent = self.flight;
                }
            }
        }
    }

    /// A duplicate acknowledgement came (RFC 5681 section 2).
    pub(crate) fn recover_on_duplicate(&mut self) {
        self.recovery.duplicates = self.recovery.duplicates.saturating_add(1);
        match self.recovery.phase {
            Phase::Fast => self.congestion.on_duplicate(self.mss),
            // RFC 6582 section 3.2 step 2: duplicates of what went back after a timeout are no
            // sign of a new loss.
            Phase::Open if self.recovery.is_echo_possible => {}
            Phase::Open if self.recovery.duplicates >= DUPLICATES_OF_LOSS => {
                self.congestion.on_fast_retransmit(self.flight, self.mss);
                self.recovery.phase = Phase::Fast;
                self.recovery.remaining = self.flight;
                self.recovery.is_resend_due = true;
                self.stop_timing();
            }
            Phase::Open | Phase::Loss => {}
        }
    }

    /// The retransmission timer fired (RFC 6298 section 5.4): all that is in flight is taken for
    /// lost. `is_repeated`: nothing was acknowledged since it fired last.
    pub(crate) fn recover_on_timeout(&mut self, is_repeated: bool) {
        if is_repeated {
            self.congestion.on_repeated_timeout(self.mss);
        } else {
            self.congestion.on_first_timeout(self.flight, self.mss);
        }
        self.recovery = Recovery {
            remaining: self.flight,
            phase: Phase::Loss,
            ..Recovery::default()
        };
        self.sent = 0;
        self.stop_timing();
    }
}
