//! RACK: a segment is lost if one that left later has arrived, and time for reordering has passed.
//!
//! *Owns* what RFC 8985 section 5.3 keeps per connection, the reordering window and the smallest
//! round trip. *Never* marks anything: it says which records are lost ([`Rack::verdict`]).
//! *Spec*: RFC 8985 section 6.2.

use super::delivery::{Delivery, Newest};
use super::scoreboard::Record;
use super::{Arrived, Phase};
use crate::time::{Instant, Span};

/// Detection by time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq: of all that has arrived, what left last.
    newest: Option<Newest>,
    /// RACK.rtt: its round trip.
    rtt: Span,
    min_rtt: MinRtt,
    /// RACK.fack: the highest position that has arrived.
    highest: u64,
    is_reordering_seen: bool,
    /// RACK.reo_wnd_mult: the reordering window in quarters of the smallest round trip.
    quarters: u8,
    /// RACK.reo_wnd_persist: for so many recoveries more the window stays as large as it is.
    persist: u8,
    /// RACK.dsack_round: until so much is acknowledged, one duplicate counts for all.
    duplicate_round: Option<u64>,
}

/// What is to become of a record in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing that left later has arrived.
    Unknown,
    /// It is lost unless it arrives within this time.
    LostIn(Span),
    /// It is lost.
    Lost,
}

impl Rack {
    /// RFC 8985 section 6.2 step 4: a wide window narrows again after so many recoveries.
    const PERSIST: u8 = 16;
    /// The window is never wider than so many quarters; the smoothed round trip limits it anyway.
    const MAX_QUARTERS: u8 = 64;
    /// So many arrived segments replace the wait for reordering while none was seen.
    const DUPLICATES: u32 = 3;

    pub(crate) const fn new() -> Self {
        Self {
            newest: None,
            rtt: Span::ZERO,
            min_rtt: MinRtt::new(),
            highest: 0,
            is_reordering_seen: false,
            quarters: 1,
            persist: 0,
            duplicate_round: None,
        }
    }

    /// The smallest round trip of late; zero while unknown.
    pub(crate) const fn min_rtt(&self) -> Span {
        self.min_rtt.best
    }

    /// Section 6.2 steps 1 to 3. `is_resent_believed`: what was sent again did arrive, as far as
    /// timestamps tell.
    pub(crate) fn update(
        &mut self,
        delivery: &Delivery,
        is_resent_believed: bool,
        srtt: Option<Span>,
        now: Instant,
    ) {
        if let Some(measured) = delivery.round_trip(now) {
            self.min_rtt.sample(measured, now);
        }
        // Step 3: something that was sent once arrives below what had arrived before.
        self.is_reordering_seen |= delivery.lowest_original < self.highest;
        // Step 2: what was sent again and arrives too soon is the original's arrival.
        let least = match self.min_rtt.best {
            Span::ZERO => srtt.unwrap_or(Span::MAX),
            known => known,
        };
        let resent = delivery
            .newest_resent
            .filter(|newest| is_resent_believed && now.span_since(newest.at) >= least);
        for newest in [delivery.newest_original, resent].into_iter().flatten() {
            self.take_newest(newest, now);
        }
    }

    /// The same, when nothing was sent again; `measured`: the round trip of the latest.
    #[inline]
    pub(crate) fn update_in_order(
        &mut self,
        arrived: &Arrived,
        measured: Option<Span>,
        now: Instant,
    ) {
        if let Some(measured) = measured {
            self.min_rtt.sample(measured, now);
        }
        self.is_reordering_seen |= arrived.lowest < self.highest;
        self.take_newest(arrived.newest, now);
    }

    #[inline]
    fn take_newest(&mut self, newest: Newest, now: Instant) {
        self.highest = self.highest.max(newest.end);
        if self.newest.is_none_or(|known| known < newest) {
            self.newest = Some(newest);
            self.rtt = now.span_since(newest.at);
        }
    }

    /// Section 6.2 step 4: the peer says that it got something twice, so waiting was too short.
    pub(crate) fn note_duplicate(&mut self, una: u64, nxt: u64) {
        if self.duplicate_round.is_some_and(|round| una < round) {
            return;
        }
        self.duplicate_round = Some(nxt);
        self.quarters = self.quarters.saturating_add(1).min(Self::MAX_QUARTERS);
        self.persist = Self::PERSIST;
    }

    /// A loss was found where there was none: by time, because of `reordering`, or by a timeout.
    /// What arrived meanwhile proves nothing against what is still on its way.
    pub(crate) fn note_mistake(&mut self, reordering: bool) {
        self.is_reordering_seen |= reordering;
        self.newest = None;
    }

    /// Section 6.2 step 4: a recovery is over.
    pub(crate) fn note_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.quarters = 1;
        }
    }

    /// Section 6.2 step 4: how long to wait for what is late. `arrived` and `mss` in bytes.
    pub(crate) fn reordering_window(
        &self,
        phase: Phase,
        arrived: u32,
        mss: u32,
        srtt: Option<Span>,
    ) -> Span {
        let has_many = arrived >= mss.saturating_mul(Self::DUPLICATES);
        if !self.is_reordering_seen && (phase != Phase::Open || has_many) {
            return Span::ZERO;
        }
        let quarter = self.min_rtt.best / 4;
        let window = quarter.saturating_mul(u32::from(self.quarters));
        window.min(srtt.unwrap_or(window))
    }

    /// Section 6.2 step 5: whether `record`, which is in flight, is lost.
    pub(crate) fn verdict(&self, record: &Record, window: Span, now: Instant) -> Verdict {
        let this = Newest {
            at: record.departure.at,
            end: record.end,
        };
        if self.newest.is_none_or(|newest| newest <= this) {
            return Verdict::Unknown;
        }
        let deadline = this.at + self.rtt + window;
        if deadline <= now {
            Verdict::Lost
        } else {
            Verdict::LostIn(deadline.span_since(now))
        }
    }
}

/// The smallest round trip within the last ten to twenty seconds, so that a path that has become
/// longer is believed at last.
#[derive(Clone, Copy, Debug)]
struct MinRtt {
    best: Span,
    /// The smallest since `began`: it takes over when the other is too old.
    next: Span,
    began: Instant,
}

impl MinRtt {
    const LIFE: Span = Span::from_secs(10);

    const fn new() -> Self {
        Self {
            best: Span::ZERO,
            next: Span::MAX,
            began: Instant::ZERO,
        }
    }

    fn sample(&mut self, measured: Span, now: Instant) {
        if self.best.is_zero() {
            self.best = measured;
            self.began = now;
        }
        self.next = self.next.min(measured);
        if now.span_since(self.began) > Self::LIFE {
            self.best = self.next;
            self.next = measured;
            self.began = now;
        }
        self.best = self.best.min(measured);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Delivered;
    use crate::recovery::scoreboard::Condition;

    fn at(milliseconds: u64) -> Instant {
        Instant::from_millis(milliseconds)
    }

    fn record(end: u64, left: u64, was_resent: bool) -> Record {
        Record {
            end,
            departure: Delivered::new(at(0)).depart(false, at(left)),
            first_at: at(left),
            is_front: false,
            condition: Condition::InFlight,
            was_resent,
        }
    }

    fn arrival(end: u64, left: u64, was_resent: bool) -> Delivery {
        let mut delivery = Delivery::NONE;
        delivery.take(&record(end, left, was_resent), 1_000, end);
        delivery
    }

    fn window(rack: &Rack, arrived: u32) -> Span {
        rack.reordering_window(Phase::Open, arrived, 1_000, Some(Span::from_millis(100)))
    }

    #[test]
    fn what_left_before_what_has_arrived_is_lost_after_a_while() {
        let mut rack = Rack::new();
        rack.update(&arrival(2_000, 1, false), true, None, at(101));
        assert_eq!(window(&rack, 1_000), Span::from_millis(25));
        let early = record(1_000, 0, false);
        let wait = Span::from_millis(25);
        assert_eq!(
            rack.verdict(&early, wait, at(101)),
            Verdict::LostIn(Span::from_millis(24))
        );
        assert_eq!(rack.verdict(&early, wait, at(125)), Verdict::Lost);
        // The same time, but behind it.
        assert_eq!(
            rack.verdict(&record(3_000, 1, false), wait, at(999)),
            Verdict::Unknown
        );
        // Three segments that have arrived make the wait unnecessary, until reordering is seen.
        assert_eq!(window(&rack, 3_000), Span::ZERO);
        rack.update(&arrival(1_000, 0, false), true, None, at(110));
        assert_eq!(window(&rack, 3_000), Span::from_millis(25));
    }

    #[test]
    fn duplicates_widen_the_window_once_a_round_and_for_sixteen_recoveries() {
        let mut rack = Rack::new();
        rack.update(&arrival(1_000, 0, false), true, None, at(40));
        for _ in 0..3 {
            rack.note_duplicate(1_000, 9_000);
        }
        assert_eq!(window(&rack, 1_000), Span::from_millis(20));
        rack.note_duplicate(9_000, 20_000);
        assert_eq!(window(&rack, 1_000), Span::from_millis(30));
        for _ in 0..16 {
            assert_eq!(window(&rack, 1_000), Span::from_millis(30));
            rack.note_recovered();
        }
        assert_eq!(window(&rack, 1_000), Span::from_millis(10));
    }

    #[test]
    fn the_window_is_at_most_the_smoothed_round_trip() {
        let mut rack = Rack::new();
        rack.update(&arrival(1_000, 0, false), true, None, at(100));
        for round in 0..100 {
            rack.note_duplicate(round * 1_000, round * 1_000 + 1);
        }
        assert_eq!(window(&rack, 1_000), Span::from_millis(100));
    }

    #[test]
    fn what_was_sent_again_and_arrives_too_soon_is_the_original() {
        let mut rack = Rack::new();
        rack.update(&arrival(1_000, 0, false), true, None, at(100));
        rack.update(&arrival(5_000, 150, true), true, None, at(160));
        assert_eq!(rack.rtt, Span::from_millis(100));
        rack.update(&arrival(5_000, 150, true), false, None, at(300));
        assert_eq!(rack.rtt, Span::from_millis(100));
        rack.update(&arrival(5_000, 150, true), true, None, at(300));
        assert_eq!(rack.rtt, Span::from_millis(150));
    }

    #[test]
    fn a_path_that_has_become_longer_is_believed_at_last() {
        let mut shortest = MinRtt::new();
        for second in 0..40 {
            let measured = if second < 5 { 10 } else { 30 };
            shortest.sample(
                Span::from_millis(measured),
                Instant::from_secs(100 + second),
            );
        }
        assert_eq!(shortest.best, Span::from_millis(30));
    }
}
