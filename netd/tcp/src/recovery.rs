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

use crate::busy::Busy;
use crate::cc::{AckSample, Signal};
use crate::send::Sender;
use crate::time::Instant;
use crate::window::Mss;

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
    /// What RFC 6582 adds to the congestion window during fast recovery, in bytes.
    inflation: i64,
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

    /// How many segments limited transmit lets out beyond the congestion window (RFC 3042).
    pub(crate) fn extra_segments(&self) -> u32 {
        match self.phase {
            Phase::Open => u32::from(self.duplicates.min(2)),
            Phase::Fast | Phase::Loss => 0,
        }
    }
}

impl Busy {
    /// How much may be in flight: the congestion window, inflated while recovery is fast.
    pub(crate) fn window(&self, mss: Mss) -> u32 {
        let inflation = self.recovery.inflation;
        let window = i64::from(self.congestion.window()).saturating_add(inflation);
        u32::try_from(window).unwrap_or(0).max(mss.get().into())
    }
}

impl Sender {
    /// An acknowledgement of new positions, as `sample` has it; SND.UNA has moved already.
    pub(crate) fn recover_on_ack(&mut self, busy: &mut Busy, sample: &AckSample) {
        let Busy {
            recovery,
            congestion,
            ..
        } = busy;
        recovery.duplicates = 0;
        recovery.is_echo_possible = false;
        recovery.remaining = recovery.remaining.saturating_sub(sample.acked);
        let is_all_acknowledged = recovery.remaining == 0;
        congestion.on_ack(sample, self.mss);
        match recovery.phase {
            Phase::Open => {}
            Phase::Fast if is_all_acknowledged => {
                congestion.on_recovered(self.flight, self.mss, sample.now);
                *recovery = Recovery::default();
            }
            Phase::Fast => {
                // RFC 6582 section 3.2 step 5: a partial acknowledgement shows the next hole.
                // Deflate by what was acknowledged, give one segment back.
                let size = i64::from(self.mss.get());
                let acked = i64::from(sample.acked);
                let give_back = if acked >= size { size } else { 0 };
                recovery.inflation = recovery.inflation.saturating_add(give_back - acked);
                recovery.is_resend_due = true;
            }
            Phase::Loss => {
                if is_all_acknowledged {
                    *recovery = Recovery {
                        is_echo_possible: true,
                        ..Recovery::default()
                    };
                    self.sent = self.flight;
                }
            }
        }
    }

    /// A duplicate acknowledgement came (RFC 5681 section 2).
    pub(crate) fn recover_on_duplicate(&mut self, busy: &mut Busy, now: Instant) {
        let size = i64::from(self.mss.get());
        let recovery = &mut busy.recovery;
        recovery.duplicates = recovery.duplicates.saturating_add(1);
        match recovery.phase {
            // One more segment has left the network.
            Phase::Fast => recovery.inflation = recovery.inflation.saturating_add(size),
            // RFC 6582 section 3.2 step 2: duplicates of what went back after a timeout are no
            // sign of a new loss.
            Phase::Open if recovery.is_echo_possible => {}
            Phase::Open if recovery.duplicates >= DUPLICATES_OF_LOSS => {
                recovery.phase = Phase::Fast;
                recovery.remaining = self.flight;
                recovery.is_resend_due = true;
                // RFC 5681 section 3.2 step 3: three segments have left the network.
                recovery.inflation = size * 3;
                busy.congestion
                    .on_congestion(Signal::Loss, self.flight, self.mss, now);
                busy.stop_timing();
            }
            Phase::Open | Phase::Loss => {}
        }
    }

    /// The retransmission timer fired (RFC 6298 section 5.4): all that is in flight is taken for
    /// lost. `is_first`: something was acknowledged since it fired last.
    pub(crate) fn recover_on_timeout(
        &mut self,
        busy: Option<&mut Busy>,
        is_first: bool,
        now: Instant,
    ) {
        self.sent = 0;
        if let Some(busy) = busy {
            let is_first = is_first || busy.recovery.phase != Phase::Loss;
            busy.congestion
                .on_timeout(is_first, self.flight, self.mss, now);
            busy.recovery = Recovery {
                remaining: self.flight,
                phase: Phase::Loss,
                ..Recovery::default()
            };
            busy.stop_timing();
        }
    }
}
