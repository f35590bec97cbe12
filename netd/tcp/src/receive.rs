//! The receiving half of an open connection.
//!
//! *Owns* the receive sequence space of RFC 9293 section 3.3.1 in stream positions, the room that
//! the user gave, and what is told to the peer: acknowledgement number and window. *Never* takes
//! back a window that was offered (RFC 9293 section 3.8.6), and never acknowledges a byte that is
//! not published.
//!
//! ```text
//!   published        nxt                       edge          room
//!       |-- in order --|-- holes, later bytes ---|-- secret ---|
//!       `- what is acknowledged                  `- what is offered
//! ```

use wire::tcp::{SackBlock, SackBlocks};

use crate::assemble::Ranges;
use crate::options::Agreed;
use crate::pool::{Pool, Slot};
use crate::seq::{Seq, low};
use crate::tuning::Tuning;
use crate::window::{Mss, WindowScale};

/// How urgent an acknowledgement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AckNeed {
    /// None is owed, or the timer of the delayed one runs.
    #[default]
    None,
    /// At once.
    Now,
    /// At once, with the window as it is, however small.
    WithSmallWindow,
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Everything before is in the user's memory, in order.
    pub(crate) nxt: u64,
    /// Right edge of the room that the user gave, modulo 2³²: it is never farther from `nxt`. Only grows.
    room: u32,
    /// Right edge of the offered window, RCV.NXT + RCV.WND, modulo 2³²: it is never farther from `nxt`
    /// than a window. Only grows.
    edge: u32,
    /// How many bytes before `nxt` are not published yet.
    pub(crate) unpublished: u32,
    /// A quarter of the largest room there ever was, as far as that may be less than a segment: Fr * RCV.BUFF
    /// of RFC 9293 section 3.8.6.2.2. With the half that it recommends, a peer that waits until half a window
    /// is usable and we would wait for each other where both have a little less; who gives half of a room
    /// would be short of it by what windows are rounded by.
    worthwhile: u16,
    /// The most that the user wants to be offered, in KiB; zero: all.
    limit: u16,
    /// The number of position 0: IRS + 1.
    base: Seq,
    /// Last.ACK.sent of RFC 7323.
    pub(crate) ack_sent: Seq,
    pub(crate) holes: Option<Slot<Ranges>>,
    /// Bytes that came twice and that the peer is to be told of: their first number and how many.
    duplicate: Seq,
    duplicate_len: u16,
    /// What we told the peer to send at most in one segment.
    pub(crate) mss: Mss,
    scale: WindowScale,
    /// Full segments since the last acknowledgement, up to two.
    pub(crate) segments: u8,
    /// So many acknowledgements are still sent without delay; [`ALL_QUICK`]: none is ever delayed.
    pub(crate) quick: u8,
    pub(crate) need: AckNeed,
}

// Every connection has one.
const _: () = assert!(size_of::<Receiver>() <= 48);

/// How many acknowledgements are not delayed at the start, while the peer's window is small.
const QUICK_ACKS: u8 = 16;

/// The user wants no acknowledgement to be delayed.
const ALL_QUICK: u8 = u8::MAX;

impl Receiver {
    pub(crate) fn new(irs: Seq, agreed: &Agreed, offered: u64) -> Self {
        Self {
            nxt: 0,
            room: 0,
            edge: low(offered),
            unpublished: 0,
            worthwhile: 0,
            limit: 0,
            base: irs.plus(1),
            ack_sent: irs.plus(1),
            holes: None,
            duplicate: Seq::new(0),
            duplicate_len: 0,
            mss: agreed.receive_mss,
            scale: agreed.receive_scale,
            segments: 0,
            quick: QUICK_ACKS,
            need: AckNeed::None,
        }
    }

    pub(crate) const fn base(&self) -> Seq {
        self.base
    }

    pub(crate) const fn scale(&self) -> WindowScale {
        self.scale
    }

    /// Right edge of the offered window: RCV.NXT + RCV.WND.
    #[inline]
    pub(crate) fn edge(&self) -> u64 {
        self.nxt.saturating_add_signed(self.ahead())
    }

    /// How far it lies beyond `nxt`; less than nothing where bytes were taken for which there was room,
    /// but no window.
    #[inline]
    fn ahead(&self) -> i64 {
        self.edge.wrapping_sub(low(self.nxt)).cast_signed().into()
    }

    /// The same from what is published on: the window as the peer has it once it hears of that.
    #[inline]
    fn on_offer(&self) -> i64 {
        self.ahead() + i64::from(self.unpublished)
    }

    /// Everything before is published and may be acknowledged.
    pub(crate) fn published(&self) -> u64 {
        self.nxt.saturating_sub(u64::from(self.unpublished))
    }

    /// The acknowledgement number that may be sent. `is_fin_published`: so is the peer's FIN.
    pub(crate) fn ack_number(&self, is_fin_published: bool) -> Seq {
        self.base
            .at(self.published())
            .plus(u32::from(is_fin_published))
    }

    /// How many bytes behind those that are here would all be taken now, in however many segments:
    /// nothing but room and window stops them.
    pub(crate) fn expected(&self) -> u64 {
        if self.holes.is_some() {
            return 0;
        }
        let end = self.room().min(self.told_edge());
        end.saturating_sub(self.nxt)
    }

    /// Bytes were placed in order: `nxt` moves to `position`.
    pub(crate) fn advance_to(&mut self, position: u64) {
        let advanced = u32::try_from(position.saturating_sub(self.nxt)).unwrap_or(u32::MAX);
        self.unpublished = self.unpublished.saturating_add(advanced);
        self.nxt = position;
    }

    /// A segment of `len` bytes came in order; one that is longer than any was is several.
    pub(crate) fn count_segment(&mut self, len: u32) {
        let count = 1 + u8::from(len > self.mss.get().into());
        self.segments = self.segments.saturating_add(count).min(2);
    }

    /// `len` bytes from number `start` on came although they were here, below the acknowledgement
    /// or in a range that is reported. The next acknowledgement says so (RFC 2883 section 4), of no more
    /// than 65,535.
    pub(crate) fn note_duplicate(&mut self, start: Seq, len: u32) {
        self.duplicate = start;
        self.duplicate_len = u16::try_from(len).unwrap_or(u16::MAX);
    }

    /// What selective acknowledgements say now (RFC 2018 section 4): first bytes that came twice
    /// (RFC 2883), then the ranges that grew last. While bytes in order wait to be published there
    /// are none of the latter: a sender would take what waits for lost.
    pub(crate) fn blocks(&self, holes: &Pool<Ranges>) -> SackBlocks {
        let block = |start: Seq, len: u32| SackBlock {
            left: start.get(),
            right: start.plus(len).get(),
        };
        let (start, len) = (self.duplicate, self.duplicate_len.into());
        let twice = (len > 0).then(|| block(start, len));
        let list = self.holes.as_ref().filter(|_| self.unpublished == 0);
        let ranges = list.and_then(|slot| holes.get(slot));
        let early = ranges.into_iter().flat_map(Ranges::recent).map(|range| {
            let len = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
            block(self.base.at(range.start), len)
        });
        twice.into_iter().chain(early).collect()
    }

    /// Whether [`Self::blocks`] may have something to say.
    #[inline]
    pub(crate) const fn may_have_blocks(&self) -> bool {
        self.holes.is_some() || self.duplicate_len > 0
    }

    /// Asks for an acknowledgement at once.
    pub(crate) fn want_ack(&mut self) {
        self.need = self.need.max(AckNeed::Now);
    }

    /// How many bytes behind `nxt` there is room for.
    pub(crate) fn room_left(&self) -> u32 {
        self.room.wrapping_sub(low(self.nxt))
    }

    /// Right edge of the room that the user gave.
    #[inline]
    pub(crate) fn room(&self) -> u64 {
        self.nxt.saturating_add(self.room_left().into())
    }

    /// The user gave `bytes` more room, as far as there is no more of it than 2³² - 1 bytes.
    pub(crate) fn give_room(&mut self, bytes: u32) {
        let left = self.room_left().saturating_add(bytes);
        self.room = low(self.nxt).wrapping_add(left);
        let part = u16::try_from(left / 4).unwrap_or(u16::MAX);
        self.worthwhile = self.worthwhile.max(part);
    }

    /// There is no room behind `nxt`.
    pub(crate) fn drop_room(&mut self) {
        self.room = low(self.nxt);
    }

    /// The user chooses; what was offered stands.
    pub(crate) fn set_tuning(&mut self, tuning: &Tuning) {
        self.limit = tuning.window_limit;
        if tuning.is_quick_ack {
            self.quick = ALL_QUICK;
        } else if self.quick == ALL_QUICK {
            self.quick = 0;
        }
    }

    fn limit(&self) -> u32 {
        match self.limit {
            0 => u32::MAX,
            kibibytes => u32::from(kibibytes) << 10,
        }
    }

    /// By how much the right edge could be moved now, in bytes.
    pub(crate) fn possible_gain(&self) -> u64 {
        let room = u64::from(self.room_left()) + u64::from(self.unpublished);
        // A room that is less than can be offered is told as a unit: what it does not hold comes again.
        let window = match self.window_in(room) {
            0 => self.wanted(room),
            whole => whole,
        };
        let gain = window.cast_signed().saturating_sub(self.on_offer());
        gain.max(0).cast_unsigned()
    }

    /// The window that can be offered of so much room behind what is published, in whole units. Later
    /// windows have to be rounded up ([`Self::offer_window`]): that is left of the room, or the peer
    /// would be told of bytes that have no place, send them, and take them for lost to congestion. A
    /// room that was never more than a few units has none to leave.
    fn window_in(&self, room: u64) -> u64 {
        let unit = self.scale.unit();
        let is_small = u32::from(self.worthwhile) < 2 * unit;
        let left = if is_small { 0 } else { unit - 1 };
        self.whole_units(self.wanted(room.saturating_sub(left.into())))
    }

    /// How much of `room` the user wants to be offered.
    fn wanted(&self, room: u64) -> u64 {
        room.min(self.limit().into())
    }

    /// The largest window in whole units of the scale that is no more than `bytes`.
    fn whole_units(&self, bytes: u64) -> u64 {
        self.scale.apply(self.scale.floor(bytes)).into()
    }

    /// Whether the room ends in a rest that the peer has not been offered, and that is too small to be
    /// offered once all that is here is published: more room would have to come first.
    pub(crate) fn has_stranded_rest(&self) -> bool {
        let rest = self.room_left().into();
        rest > 0
            && self.edge() <= self.nxt
            && self.holes.is_none()
            && !self.is_worth(self.window_in(rest))
    }

    /// The user takes the rest of the room back, which the peer was never offered.
    pub(crate) fn drop_rest(&mut self) {
        self.room = low(self.room().min(self.nxt.max(self.edge())));
    }

    /// Whether the peer has less than a full segment left of what it was offered: it cannot send
    /// the second one that an acknowledgement would wait for.
    pub(crate) fn is_nearly_used_up(&self) -> bool {
        self.edge().saturating_sub(self.nxt) < self.mss.get().into()
    }

    /// RFC 9293 section 3.8.6.2.2 (MUST-39): whether moving the edge by `gain` is worth it:
    /// a full segment, or a good part of the buffer.
    pub(crate) fn is_worth(&self, gain: u64) -> bool {
        gain > 0
            && gain
                >= u64::from(u32::from(self.mss.get().min(self.worthwhile)).min(self.limit() / 4))
    }

    /// The window field for a segment sent now, and the edge it offers from now on.
    pub(crate) fn offer_window(&mut self) -> u16 {
        let gain = self.possible_gain();
        if self.is_worth(gain) || self.need == AckNeed::WithSmallWindow {
            self.edge = self.edge.wrapping_add(low(gain));
        }
        // What was offered stands (RFC 9293 section 3.8.6, SHLD-14). Where the scale forces us to
        // round we round up, and not for good, so that the difference never grows to a whole unit
        // (RFC 7323 section 2.4 describes the effect).
        self.scale.ceil(self.on_offer().max(0).cast_unsigned())
    }

    /// The furthest right edge that a peer can have computed from our windows.
    pub(crate) fn told_edge(&self) -> u64 {
        self.edge().saturating_add(u64::from(self.scale.unit()) - 1)
    }

    /// The acknowledgement number `ack` was sent: nothing is owed.
    pub(crate) fn note_ack_sent(&mut self, ack: Seq) {
        let counts = ack != self.ack_sent && self.quick != ALL_QUICK;
        self.quick = self.quick.saturating_sub(u8::from(counts));
        self.ack_sent = ack;
        self.segments = 0;
        self.need = AckNeed::None;
        self.duplicate_len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receiver(scale: u8) -> Receiver {
        let agreed = Agreed {
            send_mss: Mss::at_least(1_000),
            receive_mss: Mss::at_least(1_000),
            send_scale: WindowScale::NONE,
            receive_scale: WindowScale::clamped(scale),
            stamps: None,
            has_sack: false,
            has_ecn: false,
        };
        Receiver::new(Seq::new(7), &agreed, 0)
    }

    // RFC 9293: MUST-39
    #[test]
    fn small_gains_are_not_offered() {
        let mut receiver = receiver(0);
        receiver.give_room(10_000);
        assert_eq!(receiver.offer_window(), 10_000);
        receiver.advance_to(10_000);
        receiver.unpublished = 0;
        assert_eq!(receiver.offer_window(), 0);
        receiver.give_room(999);
        assert_eq!(receiver.offer_window(), 0);
        receiver.give_room(1);
        assert_eq!(receiver.offer_window(), 1_000);
        receiver.give_room(1);
        assert_eq!(receiver.offer_window(), 1_000);
        receiver.need = AckNeed::WithSmallWindow;
        assert_eq!(receiver.offer_window(), 1_001);
    }

    // RFC 9293: MUST-39
    #[test]
    fn a_small_buffer_is_offered_by_quarters() {
        let mut receiver = receiver(0);
        receiver.give_room(100);
        assert_eq!(receiver.offer_window(), 100);
        receiver.advance_to(100);
        receiver.unpublished = 0;
        receiver.give_room(24);
        assert_eq!(receiver.offer_window(), 0);
        receiver.give_room(1);
        assert_eq!(receiver.offer_window(), 25);
    }

    /// So is a window that the user limits.
    #[test]
    fn a_limited_window_is_offered_by_quarters() {
        let mut receiver = receiver(5);
        receiver.mss = Mss::at_least(16_332);
        receiver.limit = 16;
        receiver.give_room(200_000);
        assert_eq!(receiver.offer_window(), 512);
        for (used, told) in [(4_064, 385), (4_096, 512)] {
            receiver.advance_to(used);
            receiver.unpublished = 0;
            assert_eq!(receiver.offer_window(), told, "{used} used");
        }
    }

    /// A peer with segments as long as the window sends what is half of it at least (RFC 9293 section
    /// 3.8.6.2.1), so it must not be left with less while there is room.
    #[test]
    fn who_waits_for_half_a_window_gets_it() {
        for used in [8_500, 9_000, 12_000, 16_352] {
            let mut receiver = receiver(5);
            receiver.mss = Mss::at_least(16_332);
            receiver.give_room(16_384);
            let whole = receiver.offer_window();
            receiver.advance_to(used);
            receiver.unpublished = 0;
            // As much as keeps three quarters open.
            let left = u32::try_from(16_384 - used).unwrap();
            receiver.give_room(12_288 - left.min(12_288));
            assert!(receiver.offer_window() >= whole / 2, "{used} used");
        }
    }

    #[test]
    fn the_end_of_a_room_is_stranded_when_it_is_too_small_to_be_offered() {
        // Units of 32 bytes: the last 4 of 100 are less.
        let mut receiver = receiver(5);
        receiver.give_room(100);
        assert_eq!(receiver.offer_window(), 3);
        receiver.advance_to(90);
        assert!(!receiver.has_stranded_rest(), "six bytes are on offer");
        receiver.advance_to(96);
        assert!(receiver.has_stranded_rest());
        receiver.drop_rest();
        assert!(!receiver.has_stranded_rest());
        receiver.unpublished = 0;
        receiver.give_room(20);
        // A room that is less than a unit is offered as one, in the end.
        receiver.need = AckNeed::WithSmallWindow;
        assert_eq!((receiver.room(), receiver.offer_window()), (116, 1));
        receiver.advance_to(116);
        assert!(!receiver.has_stranded_rest());
    }

    #[test]
    fn a_room_beyond_what_the_limit_allows_is_not_stranded() {
        let mut receiver = receiver(5);
        receiver.limit = 1;
        receiver.give_room(65_000);
        assert_eq!(receiver.offer_window(), 32);
        receiver.advance_to(1_024);
        assert!(!receiver.has_stranded_rest());
    }

    #[test]
    fn no_more_room_is_taken_than_numbers_tell_apart() {
        let mut receiver = receiver(7);
        receiver.advance_to(9 << 32);
        receiver.give_room(u32::MAX);
        receiver.give_room(7);
        assert_eq!(receiver.room(), (9 << 32) + u64::from(u32::MAX));
        receiver.advance_to((9 << 32) + 100);
        assert_eq!(receiver.room_left(), u32::MAX - 100);
        receiver.drop_room();
        assert_eq!(receiver.room(), receiver.nxt);
    }

    #[test]
    fn what_is_not_published_is_not_acknowledged() {
        let mut receiver = receiver(0);
        receiver.give_room(100);
        receiver.advance_to(60);
        assert_eq!(receiver.ack_number(false), Seq::new(8));
        receiver.unpublished = 0;
        assert_eq!(receiver.ack_number(false), Seq::new(68));
        assert_eq!(receiver.ack_number(true), Seq::new(69));
    }

    proptest! {
        // RFC 9293: SHLD-14
        /// RFC 9293 section 3.8.6: the right edge that a peer computes never moves left, but for the
        /// rounding, and never lies beyond the room; of a room of a few units, not by a unit.
        #[test]
        fn the_edge_never_shrinks(scale in 0..8_u8, steps in prop::collection::vec((0..3, 0..5_000_u32), 1..100)) {
            let mut receiver = receiver(scale);
            let mut told = 0;
            for (action, amount) in steps {
                match action {
                    0 => receiver.give_room(amount),
                    1 => {
                        let most = receiver.edge().min(receiver.room()).saturating_sub(receiver.nxt);
                        receiver.advance_to(receiver.nxt + most.min(u64::from(amount)));
                    }
                    _ => receiver.unpublished = 0,
                }
                let field = receiver.offer_window();
                let edge = receiver.published() + (u64::from(field) << scale);
                prop_assert!(edge >= told && edge <= receiver.told_edge());
                let unit = receiver.scale.unit();
                let is_small = u32::from(receiver.worthwhile) < 2 * unit;
                let beyond = if is_small { u64::from(unit) - 1 } else { 0 };
                prop_assert!(edge <= receiver.room() + beyond);
                told = receiver.edge();
            }
        }
    }
}
