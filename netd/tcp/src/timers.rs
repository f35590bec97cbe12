//! The timers of one connection: which exist, and which exclude each other.
//!
//! *Owns* deadlines. *Never* acts: who fires a timer decides what it means.
//!
//! At most one of the [`Purpose`]s is armed at a time. Beside it runs the delayed
//! acknowledgement, which excludes none of them.

use crate::rtt::Rto;
use crate::time::{Instant, Span};
use core::time::Duration;

/// What the main timer is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Nothing is outstanding.
    Idle,
    /// Something is in flight (RFC 6298 section 5). Excludes the others: acknowledgements are due.
    Retransmit,
    /// The last segments in flight may be lost: a probe is to be sent (RFC 8985 section 7.2).
    Tail,
    /// What is late may be lost: look again (RFC 8985 section 6.3).
    Reorder,
    /// Nothing is in flight, something is to be sent, and the peer's window does not let it out
    /// (RFC 9293 section 3.8.6.1).
    Probe,
    /// Everything is acknowledged, and what only a busy connection needs may be given back soon.
    Rest,
    /// Everything is acknowledged, and the peer is to be asked some day whether it is still there.
    KeepAlive,
    /// The user has left and our FIN is acknowledged: only the peer's FIN is missing.
    Orphan,
}

/// How long an acknowledgement may be delayed (RFC 9293 section 3.8.6.3: less than 500 ms).
pub(crate) const ACK_DELAY: Span = Span::from_millis(40);

/// After how long even a small window is offered again.
pub(crate) const WINDOW_DELAY: Span = Span::from_millis(200);

/// All timers of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    at: Instant,
    ack_at: Instant,
    /// When the peer last answered, or when something first became unanswered: in milliseconds
    /// modulo 2³² (seven weeks; no timeout is longer).
    since: u32,
    purpose: Purpose,
    backoff: u8,
    /// Pacing holds a segment back; until when, the pacer knows.
    is_paced: bool,
}

// Every connection has them.
const _: () = assert!(size_of::<Timers>() <= 24);

impl Timers {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            at: Instant::FAR_FUTURE,
            ack_at: Instant::FAR_FUTURE,
            since: milliseconds(now),
            purpose: Purpose::Idle,
            backoff: 0,
            is_paced: false,
        }
    }

    pub(crate) const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether it waits for the peer to answer what is in flight.
    pub(crate) const fn awaits_answer(&self) -> bool {
        matches!(
            self.purpose,
            Purpose::Retransmit | Purpose::Tail | Purpose::Reorder
        )
    }

    /// How often in a row the main timer has fired without an answer.
    pub(crate) const fn backoff(&self) -> u8 {
        self.backoff
    }

    /// Arms the main timer, which waits `rto` times 2 to the power of the back-off.
    pub(crate) fn arm(&mut self, purpose: Purpose, rto: Rto, now: Instant) {
        self.arm_for(purpose, rto.backed_off(self.backoff).duration(), now);
    }

    /// Arms the main timer, which waits this long.
    pub(crate) fn arm_for(&mut self, purpose: Purpose, wait: Span, now: Instant) {
        if matches!(
            self.purpose,
            Purpose::Idle | Purpose::Rest | Purpose::KeepAlive
        ) {
            self.since = milliseconds(now);
        }
        self.purpose = purpose;
        self.at = now + wait;
    }

    /// Arms the main timer for the peer's FIN.
    pub(crate) fn arm_orphan(&mut self, timeout: Duration, now: Instant) {
        self.purpose = Purpose::Orphan;
        self.at = now + timeout;
    }

    /// Arms the main timer for the next look at an idle peer.
    pub(crate) fn arm_keep_alive(&mut self, at: Instant) {
        self.purpose = Purpose::KeepAlive;
        self.at = at;
    }

    /// The peer's FIN has come.
    pub(crate) fn forget_orphan(&mut self) {
        if self.purpose == Purpose::Orphan {
            self.disarm();
        }
    }

    /// Stops the main timer.
    pub(crate) fn disarm(&mut self) {
        self.purpose = Purpose::Idle;
        self.at = Instant::FAR_FUTURE;
        self.backoff = 0;
    }

    /// The peer has acknowledged something new.
    pub(crate) fn note_progress(&mut self, now: Instant) {
        self.since = milliseconds(now);
        self.backoff = 0;
    }

    /// The peer is alive, although it acknowledges nothing new.
    pub(crate) fn note_answer(&mut self, now: Instant) {
        self.since = milliseconds(now);
    }

    /// How long the peer has been silent, or nothing was to be answered.
    pub(crate) fn silence(&self, now: Instant) -> Span {
        Span::from_millis(u64::from(milliseconds(now).wrapping_sub(self.since)))
    }

    /// If the main timer is due: what it was armed for. It must be armed again; if it was waiting
    /// for an answer that did not come, it backs off.
    pub(crate) fn fire(&mut self, now: Instant) -> Option<Purpose> {
        if self.at > now {
            return None;
        }
        self.at = Instant::FAR_FUTURE;
        if matches!(self.purpose, Purpose::Retransmit | Purpose::Probe) {
            self.backoff = self.backoff.saturating_add(1);
        }
        Some(self.purpose)
    }

    /// Delays an acknowledgement by `delay`, unless it is due earlier anyway.
    pub(crate) fn delay_ack(&mut self, delay: Span, now: Instant) {
        self.ack_at = self.ack_at.min(now + delay);
    }

    pub(crate) fn is_ack_delayed(&self) -> bool {
        self.ack_at != Instant::FAR_FUTURE
    }

    /// An acknowledgement was sent.
    pub(crate) fn ack_sent(&mut self) {
        self.ack_at = Instant::FAR_FUTURE;
    }

    /// If the delayed acknowledgement is due: `true`, once.
    pub(crate) fn fire_ack(&mut self, now: Instant) -> bool {
        let is_due = self.ack_at <= now;
        if is_due {
            self.ack_at = Instant::FAR_FUTURE;
        }
        is_due
    }

    /// Pacing holds a segment back, or nothing.
    pub(crate) fn pace(&mut self, is_paced: bool) {
        self.is_paced = is_paced;
    }

    /// Whether pacing holds a segment back.
    pub(crate) const fn is_paced(&self) -> bool {
        self.is_paced
    }

    /// The earliest deadline but for that of pacing.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let at = self.at.min(self.ack_at);
        (at != Instant::FAR_FUTURE).then_some(at)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "kept modulo 2^32")]
const fn milliseconds(now: Instant) -> u32 {
    now.as_millis() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(50);

    #[test]
    fn firing_backs_off_and_progress_ends_it() {
        let mut timers = Timers::new(NOW);
        assert_eq!(timers.next_deadline(), None);
        timers.arm(Purpose::Retransmit, Rto::INITIAL, NOW);
        assert_eq!(timers.fire(NOW), None);
        for (round, seconds) in [2, 4, 8].into_iter().enumerate() {
            let at = timers.next_deadline().unwrap();
            assert_eq!(timers.fire(at), Some(Purpose::Retransmit));
            assert_eq!(usize::from(timers.backoff()), round + 1);
            timers.arm(Purpose::Retransmit, Rto::INITIAL, at);
            assert_eq!(timers.next_deadline(), Some(at + Span::from_secs(seconds)));
        }
        assert_eq!(timers.silence(NOW + Span::from_secs(9)), Span::from_secs(9));
        timers.note_progress(NOW + Span::from_secs(9));
        assert_eq!(timers.backoff(), 0);
    }

    #[test]
    fn the_acknowledgement_keeps_its_earliest_time() {
        let mut timers = Timers::new(NOW);
        timers.delay_ack(ACK_DELAY, NOW);
        timers.delay_ack(ACK_DELAY, NOW + Span::from_millis(30));
        assert_eq!(timers.next_deadline(), Some(NOW + ACK_DELAY));
        assert!(!timers.fire_ack(NOW));
        assert!(timers.fire_ack(NOW + ACK_DELAY));
        assert!(!timers.fire_ack(NOW + ACK_DELAY));
    }
}
