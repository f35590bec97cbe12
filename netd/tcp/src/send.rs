//! The sending half of an open connection.
//!
//! *Owns* the send sequence space of RFC 9293 section 3.3.1 in stream positions, the peer's window
//! and the round-trip measurement. *Never* decides what to send: that is `output`'s.
//!
//! ```text
//!   una            una + sent      una + flight       end
//!    |-- sent again --|-- lost? -------|-- never sent --|
//! ```
//!
//! Usually `sent == flight`. After a timeout `sent` starts again from nothing and what lies
//! between the two is taken for lost. Our FIN sits at position `end` and counts as one byte.

use core::time::Duration;

use crate::cc::Congestion;
use crate::options::Agreed;
use crate::recovery::Recovery;
use crate::rtt::Rtt;
use crate::seq::Seq;
use crate::time::Instant;
use crate::window::{Mss, WindowScale};

/// The sending half.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// SND.UNA: everything before is acknowledged.
    pub(crate) una: u64,
    /// Everything before was queued by the user.
    pub(crate) end: u64,
    /// SND.NXT - SND.UNA: how much was ever sent and is not acknowledged.
    pub(crate) flight: u32,
    /// How much of that is believed to be on its way, or to have arrived.
    pub(crate) sent: u32,
    /// SND.WND, scaled.
    pub(crate) window: u32,
    /// The largest SND.WND so far.
    pub(crate) max_window: u32,
    /// SND.WL1: the segment that last set the window. (SND.WL2 is not needed: an acknowledgement
    /// that is used is never older than SND.UNA, and so never older than SND.WL2.)
    pub(crate) window_set_by: Seq,
    /// The number of position 0: ISS + 1.
    base: Seq,
    pub(crate) congestion: Congestion,
    pub(crate) rtt: Rtt,
    /// The low half of the position whose acknowledgement ends the running measurement, and when
    /// it began, in microseconds modulo 2³². Meaningful while `is_timing`.
    timed_position: u32,
    timed_at: u32,
    is_timing: bool,
    pub(crate) recovery: Recovery,
    pub(crate) mss: Mss,
    scale: WindowScale,
    /// Segments sent again, as far as can be counted.
    pub(crate) retransmits: u16,
}

impl Sender {
    pub(crate) fn new(isn: Seq, agreed: &Agreed, window: u32, set_by: Seq, rtt: Rtt) -> Self {
        Self {
            una: 0,
            end: 0,
            flight: 0,
            sent: 0,
            window,
            max_window: window,
            window_set_by: set_by,
            base: isn.plus(1),
            congestion: Congestion::new(agreed.send_mss),
            rtt,
            timed_position: 0,
            timed_at: 0,
            is_timing: false,
            recovery: Recovery::default(),
            mss: agreed.send_mss,
            scale: agreed.send_scale,
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

    /// Where sending goes on: SND.NXT, or earlier while lost data is sent again.
    pub(crate) fn cursor(&self) -> u64 {
        self.una.saturating_add(u64::from(self.sent))
    }

    /// How many bytes the peer's window still lets out.
    pub(crate) fn usable_window(&self) -> u32 {
        self.window.saturating_sub(self.sent)
    }

    /// Queued bytes not sent, or to be sent again.
    pub(crate) fn unsent(&self) -> u64 {
        self.end.saturating_sub(self.cursor())
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

    /// `count` positions from SND.UNA on are acknowledged. Returns how many of them were the
    /// user's bytes: all, or all but a FIN.
    pub(crate) fn acknowledge(&mut self, count: u32) -> u64 {
        let bytes = self.end.saturating_sub(self.una).min(u64::from(count));
        self.una = self.una.saturating_add(u64::from(count));
        self.flight = self.flight.saturating_sub(count);
        self.sent = self.sent.saturating_sub(count);
        bytes
    }

    /// `count` positions from the cursor on were sent.
    pub(crate) fn advance_cursor(&mut self, count: u32) {
        self.sent = self.sent.saturating_add(count);
        self.flight = self.flight.max(self.sent);
    }

    /// Begins to measure the round trip of a segment that ends at `position` and was never sent
    /// before, unless a measurement is running.
    pub(crate) fn start_timing(&mut self, position: u64, now: Instant) {
        if !self.is_timing {
            self.is_timing = true;
            self.timed_position = low_half(position);
            self.timed_at = low_half(now.as_micros());
        }
    }

    /// Karn's rule (RFC 6298 section 3): what is sent again cannot be measured.
    pub(crate) fn stop_timing(&mut self) {
        self.is_timing = false;
    }

    /// Ends the measurement if the acknowledgement of SND.UNA does.
    pub(crate) fn finish_timing(&mut self, now: Instant) -> Option<Duration> {
        let una = Seq::new(low_half(self.una));
        if !self.is_timing || una.is_before(Seq::new(self.timed_position)) {
            return None;
        }
        self.is_timing = false;
        let elapsed = low_half(now.as_micros()).wrapping_sub(self.timed_at);
        Some(Duration::from_micros(u64::from(elapsed)))
    }

    /// The connection is rebuilt from its record: positions and windows as they were told.
    pub(crate) fn restore(&mut self, una: u64, flight: u32, end: u64, max_window: u32) {
        self.una = una;
        self.flight = flight;
        self.sent = flight;
        self.end = end;
        self.max_window = max_window;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "compared modulo 2^32")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtt::Rto;

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
    fn a_fin_is_not_one_of_the_users_bytes() {
        let mut sender = sender();
        sender.end = 10;
        sender.advance_cursor(11);
        assert_eq!(sender.acknowledge(4), 4);
        assert_eq!(sender.acknowledge(7), 6);
        assert_eq!((sender.una, sender.flight, sender.unsent()), (11, 0, 0));
    }

    #[test]
    fn a_measurement_survives_the_wrap_of_both_its_halves() {
        let mut sender = sender();
        let start = Instant::from_micros((1 << 32) - 5);
        sender.restore((1 << 32) - 100, 0, 1 << 33, 0);
        sender.start_timing((1 << 32) + 50, start);
        sender.una = (1 << 32) + 49;
        assert_eq!(sender.finish_timing(start), None);
        sender.una = (1 << 32) + 50;
        let measured = sender.finish_timing(start + Duration::from_micros(700));
        assert_eq!(measured, Some(Duration::from_micros(700)));
        assert_eq!(sender.finish_timing(start), None);
        assert_eq!(sender.rtt.rto(), Rto::INITIAL);
    }
}
