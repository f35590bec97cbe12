//! The sending half of an open connection.
//!
//! *Owns* the send sequence space of RFC 9293 section 3.3.1 in stream positions, the peer's window
//! and the round-trip measurement. *Never* decides what to send: that is `output`'s.
//!
//! ```text
//!   una             una + flight        end
//!    |-- was sent ------|-- never sent ---|
//! ```
//!
//! Our FIN sits at position `end` and counts as one byte. What of the bytes in flight has arrived
//! or is lost is the scoreboard's, in the busy part.

use crate::busy::Busy;
use crate::cc::{Algorithm, Congestion, Remembered, initial_window};
use crate::options::Agreed;
use crate::pool::{Pool, Slot};
use crate::recovery::Standing;
use crate::rtt::Rtt;
use crate::seq::{Seq, low};
use crate::shared::{Limits, Shared};
use crate::time::Instant;
use crate::window::{Mss, WindowScale};
use core::num::NonZeroU32;

/// The sending half.
#[derive(Debug)]
pub(crate) struct Sender {
    /// SND.UNA: everything before is acknowledged.
    pub(crate) una: u64,
    /// Everything before was queued by the user; modulo 2³²: see [`Sender::end`].
    end: u32,
    /// SND.NXT - SND.UNA: how much was ever sent and is not acknowledged.
    pub(crate) flight: u32,
    /// SND.WND, scaled.
    pub(crate) window: u32,
    /// The largest SND.WND so far.
    pub(crate) max_window: u32,
    /// SND.WL1: the segment that last set the window. (SND.WL2 is not needed: an acknowledgement
    /// that is used is never older than SND.UNA, and so never older than SND.WL2.)
    pub(crate) window_set_by: Seq,
    /// The number of position 0: ISS + 1.
    base: Seq,
    pub(crate) rtt: Rtt,
    /// Without a busy part: the segment at SND.UNA is to be sent again.
    pub(crate) is_resend_due: bool,
    means: Means,
    /// The congestion control that the user chose.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) mss: Mss,
    scale: WindowScale,
    pub(crate) small: Small,
    /// Segments sent again, as far as can be counted.
    pub(crate) retransmits: u16,
}

// Every connection has one.
const _: () = assert!(size_of::<Sender>() <= 56);

/// The most bytes of the user's that can wait to be acknowledged.
pub const MOST_QUEUED: u32 = u32::MAX - 1;

/// What a connection sends with.
#[derive(Debug)]
enum Means {
    /// What is needed only while something is sent.
    Busy(Slot<Busy>),
    /// Nothing. What congestion control had learnt when the busy part was given back last: the window,
    /// and where slow start ends, which is nowhere near zero.
    Idle { window: u32, threshold: NonZeroU32 },
}

const _: () = assert!(size_of::<Means>() <= 8);

impl Means {
    fn idle(Remembered { window, threshold }: Remembered) -> Self {
        Self::Idle {
            window,
            threshold: NonZeroU32::new(threshold).unwrap_or(NonZeroU32::MIN),
        }
    }

    const fn slot(&self) -> Option<&Slot<Busy>> {
        match self {
            Self::Busy(slot) => Some(slot),
            Self::Idle { .. } => None,
        }
    }
}

/// What is done with segments that are not full (RFC 9293 section 3.7.4), in one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Small(u8);

impl Small {
    const AT_ONCE: u8 = 1;
    const HELD: u8 = 1 << 1;

    pub(crate) const fn new(is_nodelay: bool, is_corked: bool) -> Self {
        Self(if is_nodelay { Self::AT_ONCE } else { 0 } | if is_corked { Self::HELD } else { 0 })
    }

    /// They are sent at once: no Nagle algorithm.
    pub(crate) const fn are_sent_at_once(self) -> bool {
        self.0 & Self::AT_ONCE != 0
    }

    /// They are held back, whatever else was chosen.
    pub(crate) const fn are_held(self) -> bool {
        self.0 & Self::HELD != 0
    }
}

impl Sender {
    pub(crate) fn new(isn: Seq, agreed: &Agreed, window: u32, set_by: Seq, rtt: Rtt) -> Self {
        Self {
            una: 0,
            end: 0,
            flight: 0,
            is_resend_due: false,
            window,
            max_window: window,
            window_set_by: set_by,
            base: isn.plus(1),
            rtt,
            means: Means::idle(Remembered::initial(agreed.send_mss)),
            algorithm: None,
            mss: agreed.send_mss,
            scale: agreed.send_scale,
            small: Small::default(),
            retransmits: 0,
        }
    }

    pub(crate) const fn base(&self) -> Seq {
        self.base
    }

    pub(crate) const fn scale(&self) -> WindowScale {
        self.scale
    }

    /// SND.NXT, in positions: one after the last ever sent.
    pub(crate) fn nxt(&self) -> u64 {
        self.una.saturating_add(u64::from(self.flight))
    }

    /// How many new bytes the peer's window still lets out.
    pub(crate) fn usable_window(&self) -> u32 {
        self.window.saturating_sub(self.flight)
    }

    /// Everything before was queued by the user. It is no more than [`MOST_QUEUED`] beyond SND.UNA, and
    /// one before it when our FIN is acknowledged.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        let least = self.una.wrapping_sub(1);
        least.wrapping_add(self.end.wrapping_sub(low(least)).into())
    }

    /// Everything before this position was queued.
    pub(crate) fn set_end(&mut self, end: u64) {
        self.end = low(end.min(self.una.saturating_add(MOST_QUEUED.into())));
    }

    /// The user queues `bytes` more, as far as they are no more than [`MOST_QUEUED`] with what waits.
    pub(crate) fn queue(&mut self, bytes: u32) {
        self.set_end(self.end().saturating_add(bytes.into()));
    }

    /// Queued bytes that were never sent.
    pub(crate) fn unsent(&self) -> u64 {
        self.end().saturating_sub(self.nxt())
    }

    /// A field of a segment's header, in bytes.
    pub(crate) fn scaled(&self, field: u16) -> u32 {
        self.scale.apply(field)
    }

    /// RFC 9293 section 3.10.7.4, fifth step: the peer's newest word on its window.
    /// `is_new_ack`: the segment acknowledges something new, so it cannot be an old one. (The RFC
    /// would keep the old window if the segment is a retransmission, whose sequence number is old;
    /// measured from the new SND.UNA that is more than the peer ever offered.)
    pub(crate) fn update_window(&mut self, field: u16, seq: Seq, is_new_ack: bool) {
        let is_older = self.window_set_by.is_after(seq);
        if is_new_ack || !is_older {
            self.window = self.scaled(field);
            self.max_window = self.max_window.max(self.window);
        }
        if !is_older {
            self.window_set_by = seq;
        }
    }

    /// The same of a segment that acknowledges nothing new and tells the window that is known.
    pub(crate) fn note_same_window(&mut self, seq: Seq) {
        if !self.window_set_by.is_after(seq) {
            self.window_set_by = seq;
        }
    }

    /// `count` positions from SND.UNA on are acknowledged. Returns how many of them were the
    /// user's bytes: all, or all but a FIN.
    pub(crate) fn acknowledge(&mut self, count: u32) -> u64 {
        let bytes = self.end().saturating_sub(self.una).min(u64::from(count));
        self.una = self.una.saturating_add(u64::from(count));
        self.flight = self.flight.saturating_sub(count);
        bytes
    }

    /// `count` positions were sent again.
    pub(crate) fn note_retransmit(&mut self, count: u32) {
        let segments = count.div_ceil(self.mss.get().into());
        let segments = u16::try_from(segments).unwrap_or(u16::MAX);
        self.retransmits = self.retransmits.saturating_add(segments);
    }

    /// Borrows the busy part if it is not here and one is left.
    #[inline]
    pub(crate) fn borrow_busy(&mut self, shared: &mut Shared, now: Instant) {
        if let Some(remembered) = self.remembered() {
            self.begin_busy(remembered, shared, now);
        }
    }

    /// (On its own, for a new busy part passes over the stack, which takes pages of it.)
    #[inline(never)]
    fn begin_busy(&mut self, remembered: Remembered, shared: &mut Shared, now: Instant) {
        let algorithm = self.algorithm_in(&shared.limits);
        let pool = &mut shared.busy;
        let Some(slot) = pool.take() else {
            return;
        };
        self.means = Means::Busy(slot);
        let standing = self.standing(false, now);
        if let Some(busy) = self.busy_in(pool) {
            let congestion = Congestion::new(algorithm, remembered, now);
            busy.begin(congestion, initial_window(self.mss), self.una, now);
            if self.flight > 0 {
                busy.adopt(self.flight, now);
                if core::mem::take(&mut self.is_resend_due) {
                    // What of it has arrived, nobody knows.
                    busy.time_out(true, &standing);
                }
            }
        }
    }

    /// Where the sender stands now.
    pub(crate) fn standing(&self, has_sack: bool, now: Instant) -> Standing {
        Standing {
            now,
            una: self.una,
            nxt: self.nxt(),
            mss: self.mss,
            has_sack,
            srtt: self.rtt.smoothed(),
        }
    }

    /// The congestion control: the user's choice, or else that of all.
    pub(crate) fn algorithm_in(&self, limits: &Limits) -> Algorithm {
        self.algorithm.unwrap_or(limits.congestion_control)
    }

    /// The user chooses a congestion control. What is known of the path stays.
    pub(crate) fn set_algorithm(
        &mut self,
        algorithm: Algorithm,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.algorithm = Some(algorithm);
        if let Some(busy) = self.busy_in(&mut shared.busy) {
            busy.congestion = Congestion::new(algorithm, busy.congestion.remember(), now);
        }
    }

    /// Whether the busy part was borrowed.
    pub(crate) const fn is_busy(&self) -> bool {
        self.means.slot().is_some()
    }

    /// The busy part, if it was borrowed.
    pub(crate) fn busy_in<'a>(&self, pool: &'a mut Pool<Busy>) -> Option<&'a mut Busy> {
        pool.get_mut(self.means.slot()?)
    }

    /// The busy part, if it was borrowed.
    pub(crate) fn busy<'a>(&self, pool: &'a Pool<Busy>) -> Option<&'a Busy> {
        pool.get(self.means.slot()?)
    }

    /// Without a busy part: what congestion control had learnt when there was one last.
    pub(crate) fn remembered(&self) -> Option<Remembered> {
        match self.means {
            Means::Busy(_) => None,
            Means::Idle { window, threshold } => Some(Remembered {
                window,
                threshold: threshold.get(),
            }),
        }
    }

    /// Gives the busy part back, and remembers what it knew.
    pub(crate) fn give_back_busy(&mut self, pool: &mut Pool<Busy>) {
        let Some(busy) = self.busy(pool) else {
            return;
        };
        let idle = Means::idle(busy.congestion.remember());
        if let Means::Busy(slot) = core::mem::replace(&mut self.means, idle) {
            pool.give_back(slot);
        }
    }

    /// The connection is rebuilt from its record: positions and windows as they were told.
    pub(crate) fn restore(&mut self, una: u64, flight: u32, end: u64, max_window: u32) {
        self.una = una;
        self.flight = flight;
        // What of it has arrived, nobody knows any more.
        self.is_resend_due = flight > 0;
        self.set_end(end);
        self.max_window = max_window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender() -> Sender {
        let agreed = Agreed {
            send_mss: Mss::at_least(1_000),
            receive_mss: Mss::at_least(1_000),
            send_scale: WindowScale::clamped(2),
            receive_scale: WindowScale::NONE,
            stamps: None,
            has_sack: false,
            has_ecn: false,
        };
        Sender::new(Seq::new(u32::MAX), &agreed, 4_000, Seq::new(10), Rtt::new())
    }

    #[test]
    fn an_old_segment_does_not_set_the_window() {
        let mut sender = sender();
        sender.update_window(2_000, Seq::new(9), false);
        assert_eq!(sender.window, 4_000);
        sender.update_window(2_000, Seq::new(10), false);
        assert_eq!((sender.window, sender.max_window), (8_000, 8_000));
        sender.update_window(0, Seq::new(11), false);
        assert_eq!((sender.window, sender.max_window), (0, 8_000));
        // But an old number with a new acknowledgement is a retransmission.
        sender.update_window(500, Seq::new(9), true);
        assert_eq!((sender.window, sender.window_set_by), (2_000, Seq::new(11)));
    }

    #[test]
    fn the_end_is_known_wherever_it_may_be() {
        for una in [0, 1, u64::from(u32::MAX), 7 << 32, (7 << 32) + 1] {
            let mut sender = sender();
            sender.una = una;
            for ahead in [0, 1, 1 << 31, u64::from(MOST_QUEUED)] {
                sender.set_end(una + ahead);
                assert_eq!(sender.end(), una + ahead);
                assert_eq!(sender.unsent(), ahead);
            }
            sender.queue(5);
            assert_eq!(sender.unsent(), u64::from(MOST_QUEUED), "more is not taken");
            // An acknowledged FIN.
            sender.set_end(una);
            sender.una += 1;
            assert_eq!((sender.end(), sender.unsent()), (una, 0));
        }
    }

    #[test]
    fn a_fin_is_not_one_of_the_users_bytes() {
        let mut sender = sender();
        sender.queue(10);
        sender.flight = 11;
        assert_eq!(sender.acknowledge(4), 4);
        assert_eq!(sender.acknowledge(7), 6);
        assert_eq!((sender.una, sender.flight, sender.unsent()), (11, 0, 0));
    }
}
