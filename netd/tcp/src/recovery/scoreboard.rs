//! The scoreboard: what of the bytes in flight has arrived, is lost, or is on its way.
//!
//! *Owns* the send records: ranges of the stream that left together, with how they left. *Never*
//! decides what is lost: RACK, the timer and duplicate acknowledgements do. *Invariants*: the
//! records lie side by side from SND.UNA to SND.NXT; there are at most [`Scoreboard::CAPACITY`],
//! whatever a peer reports; what is reported as arrived is never thrown away before it is
//! acknowledged (RFC 2018 section 8).
//!
//! A record is a super-segment, or several segments that left at the same time, or, when records
//! get scarce, within a small part of a round trip: then the latest time stands for all, which
//! finds a loss a little later, but never a wrong one. When even that is not enough, a report that
//! would need one more record is not noted; its bytes are then sent again for nothing.
//!
//! *Spec*: RFC 6675 sections 2 to 4, RFC 8985 section 5.2 (per-segment variables).

use super::Arrived;
use super::delivery::{Delivery, Newest};
use crate::assemble::Range;
use crate::rate::Departure;
use crate::time::{Instant, Span};

/// Where the bytes of a record are, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// On their way.
    InFlight,
    /// The peer has reported them, but not acknowledged all before them.
    Arrived,
    /// Taken for lost, and not sent again yet.
    Lost,
}

/// A range of the stream that left together. It begins where the one before it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The position after it.
    pub(crate) end: u64,
    /// How it left, the last time: what left last of it, if not all left at once.
    pub(crate) departure: Departure,
    /// When the first of it left.
    pub(crate) first_at: Instant,
    /// It is the front of a larger one: `departure` is later than when its end left.
    pub(crate) is_front: bool,
    pub(crate) condition: Condition,
    /// It left more than once.
    pub(crate) was_resent: bool,
}

impl Record {
    const NONE: Self = Self {
        end: 0,
        departure: Departure::NONE,
        first_at: Instant::ZERO,
        is_front: false,
        condition: Condition::InFlight,
        was_resent: false,
    };

    /// Whether one record can stand for both, `self` before `next`, and nothing is forgotten.
    fn is_like(&self, next: &Self) -> bool {
        self.condition == next.condition
            && match self.condition {
                Condition::Arrived => true,
                Condition::Lost | Condition::InFlight => {
                    self.was_resent == next.was_resent
                        && self.departure.at == next.departure.at
                        && self.departure.is_app_limited == next.departure.is_app_limited
                }
            }
    }

    /// Whether new bytes that leave behind it, like this, leave with it.
    fn goes_on(&self, departure: Departure) -> bool {
        self.condition == Condition::InFlight
            && !self.was_resent
            && self.departure.at == departure.at
            && self.departure.is_app_limited == departure.is_app_limited
    }

    /// The same, if it does not matter when within a while they left.
    fn is_nearly_like(&self, next: &Self) -> bool {
        self.condition == next.condition && self.was_resent == next.was_resent
    }

    /// Takes in the record that follows.
    fn absorb(&mut self, next: &Self) {
        self.end = next.end;
        self.first_at = self.first_at.min(next.first_at);
        if next.departure.at >= self.departure.at {
            self.departure = next.departure;
            self.is_front = next.is_front;
        } else {
            self.is_front = true;
        }
    }

    /// When the part of it that ends at `end` left, if that is known exactly.
    pub(crate) fn left_at(&self, end: u64) -> Option<Instant> {
        let is_end = end == self.end && !self.is_front;
        (is_end || self.first_at == self.departure.at).then_some(self.departure.at)
    }
}

/// The records of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Scoreboard {
    records: [Record; Self::CAPACITY],
    /// Those in use: `first..last`.
    first: usize,
    last: usize,
    /// SND.UNA.
    una: u64,
    /// Bytes of all records that have arrived, and of all that are lost.
    arrived: u32,
    lost: u32,
    /// Nothing that was sent again reaches beyond.
    resent_to: u64,
}

impl Scoreboard {
    /// How many records one connection can have.
    pub(crate) const CAPACITY: usize = 256;
    /// So many are kept for reports and for what is sent again: new data gets none of them.
    const RESERVE: usize = 32;
    /// From here on segments that left shortly one after the other share a record.
    const CROWDED: usize = Self::CAPACITY / 4;

    pub(crate) const fn new() -> Self {
        Self {
            records: [Record::NONE; Self::CAPACITY],
            first: 0,
            last: 0,
            una: 0,
            arrived: 0,
            lost: 0,
            resent_to: 0,
        }
    }

    /// Begins with nothing in flight at `una`.
    pub(crate) fn reset(&mut self, una: u64) {
        self.first = 0;
        self.last = 0;
        self.una = una;
        self.arrived = 0;
        self.lost = 0;
        self.resent_to = una;
    }

    pub(crate) fn records(&self) -> &[Record] {
        self.records.get(self.first..self.last).unwrap_or(&[])
    }

    fn records_mut(&mut self) -> &mut [Record] {
        self.records
            .get_mut(self.first..self.last)
            .unwrap_or(&mut [])
    }

    /// Bytes that have arrived beyond SND.UNA.
    pub(crate) const fn arrived(&self) -> u32 {
        self.arrived
    }

    /// Bytes that are lost and not sent again yet.
    pub(crate) const fn lost(&self) -> u32 {
        self.lost
    }

    /// Whether something beyond SND.UNA was sent again, or has arrived: only then can anything be
    /// found to be lost.
    pub(crate) const fn may_find_losses(&self) -> bool {
        self.arrived > 0 || self.resent_to > self.una
    }

    /// Whether the first byte in flight was reported as arrived: a peer that does not acknowledge
    /// it has thrown it away (RFC 2018 section 8).
    pub(crate) fn is_reneged(&self) -> bool {
        self.records()
            .first()
            .is_some_and(|record| record.condition == Condition::Arrived)
    }

    /// Whether new data can be noted.
    pub(crate) fn has_room(&self) -> bool {
        let last = self.records().last();
        let can_join =
            last.is_some_and(|last| last.condition == Condition::InFlight && !last.was_resent);
        can_join || self.records().len() < Self::CAPACITY - Self::RESERVE
    }

    /// The range of the record at `place` among those in use.
    fn start_of(&self, place: usize) -> u64 {
        let before = place
            .checked_sub(1)
            .and_then(|place| self.records().get(place));
        before.map_or(self.una, |record| record.end)
    }

    /// `len` new positions left; those within `while_short` may share a record.
    pub(crate) fn depart(
        &mut self,
        len: u32,
        departure: Departure,
        while_short: impl FnOnce() -> Span,
    ) {
        if let Some(last) = self.records_mut().last_mut()
            && last.goes_on(departure)
        {
            last.end = last.end.saturating_add(len.into());
            last.departure = departure;
            last.is_front = false;
            return;
        }
        let count = self.records().len();
        let start = self.start_of(count);
        let record = Record {
            end: start.saturating_add(u64::from(len)),
            departure,
            first_at: departure.at,
            is_front: false,
            condition: Condition::InFlight,
            was_resent: false,
        };
        let is_full = count >= Self::CAPACITY - Self::RESERVE;
        let is_short = count >= Self::CROWDED && {
            let before = self.records().get(count.saturating_sub(2));
            before.is_some_and(|it| departure.at.span_since(it.departure.at) <= while_short())
        };
        if (is_full || is_short)
            && let Some(last) = self.records_mut().last_mut()
            && last.is_nearly_like(&record)
        {
            last.absorb(&record);
            return;
        }
        if let Some(free) = self.records.get_mut(self.last) {
            *free = record;
            self.last = self.last.saturating_add(1);
        } else {
            let is_noted = self.insert(count, record);
            debug_assert!(is_noted, "the reserve was not respected");
        }
    }

    /// Puts a record in the place `place` among those in use. `false` if there is no room.
    fn insert(&mut self, place: usize, record: Record) -> bool {
        if self.records().len() >= Self::CAPACITY {
            return false;
        }
        let mut at = self.first.saturating_add(place);
        if self.last < Self::CAPACITY {
            self.records
                .copy_within(at..self.last, at.saturating_add(1));
            self.last = self.last.saturating_add(1);
        } else {
            self.records
                .copy_within(self.first..at, self.first.saturating_sub(1));
            self.first = self.first.saturating_sub(1);
            at = at.saturating_sub(1);
        }
        if let Some(free) = self.records.get_mut(at) {
            *free = record;
        }
        true
    }

    /// Everything before `una` is acknowledged.
    pub(crate) fn acknowledge(&mut self, una: u64, delivery: &mut Delivery) {
        while let Some(record) = self.records().first().copied() {
            let end = record.end.min(una);
            let len = small(end.saturating_sub(self.una));
            if len == 0 {
                break;
            }
            match record.condition {
                Condition::Arrived => self.arrived = self.arrived.saturating_sub(len),
                Condition::InFlight => delivery.take(&record, len, end),
                Condition::Lost => {
                    self.lost = self.lost.saturating_sub(len);
                    delivery.take(&record, len, end);
                }
            }
            self.una = end;
            if end < record.end {
                break;
            }
            self.first = self.first.saturating_add(1);
        }
        self.una = self.una.max(una);
        if self.first >= self.last {
            self.first = 0;
            self.last = 0;
        }
    }

    /// The same, if all of it is on its way and left once, each record no earlier than the one before
    /// it. `None`, and nothing is done, if nothing is in flight.
    #[inline]
    pub(crate) fn acknowledge_in_order(&mut self, una: u64) -> Option<Arrived> {
        let records = self.records.get(self.first..self.last)?;
        let mut record = records.first()?;
        let lowest = record.end.min(una);
        let mut measured_at = record.left_at(lowest);
        let oldest_at = measured_at.unwrap_or(record.first_at);
        let (mut taken, mut end, mut at) = (0_usize, lowest, oldest_at);
        while record.end <= una {
            taken = taken.saturating_add(1);
            let Some(next) = records.get(taken).filter(|_| end < una) else {
                break;
            };
            record = next;
            end = record.end.min(una);
            let exact = record.left_at(end);
            at = exact.unwrap_or(record.first_at);
            measured_at = exact.or(measured_at);
        }
        let arrived = Arrived {
            bytes: small(end.saturating_sub(self.una)),
            lowest,
            oldest_at,
            newest: Newest { at, end },
            departure: record.departure,
            measured_at,
        };
        self.una = una;
        self.first = self.first.saturating_add(taken);
        if self.first >= self.last {
            self.first = 0;
            self.last = 0;
        }
        Some(arrived)
    }

    /// The peer has reported `start..end`, which lie between SND.UNA and SND.NXT.
    pub(crate) fn report(&mut self, start: u64, end: u64, delivery: &mut Delivery) {
        self.make_room();
        // Without room to split, only records that lie within as a whole are noted.
        let _is_noted = self.split_at(start) && self.split_at(end);
        let records = self.records();
        let front = records.partition_point(|record| record.end <= start);
        let front = front.saturating_add(usize::from(self.start_of(front) < start));
        let behind = records.partition_point(|record| record.end <= end);
        if front >= behind {
            return;
        }
        let mut position = self.start_of(front);
        for place in front..behind {
            let Some(record) = self.records().get(place).copied() else {
                continue;
            };
            let len = small(record.end.saturating_sub(position));
            position = record.end;
            if record.condition != Condition::Arrived {
                if record.condition == Condition::Lost {
                    self.lost = self.lost.saturating_sub(len);
                }
                self.arrived = self.arrived.saturating_add(len);
                delivery.selected = delivery.selected.saturating_add(len);
                delivery.take(&record, len, record.end);
            }
        }
        self.join_arrived(front, behind);
    }

    /// The records `front..behind` have arrived: one is enough for them, and for their neighbours
    /// that have arrived, too.
    fn join_arrived(&mut self, front: usize, behind: usize) {
        let has_arrived = |record: Option<&Record>| {
            record.is_some_and(|record| record.condition == Condition::Arrived)
        };
        let records = self.records();
        let before = front
            .checked_sub(1)
            .filter(|place| has_arrived(records.get(*place)));
        let front = before.unwrap_or(front);
        let behind = behind.saturating_add(usize::from(has_arrived(records.get(behind))));
        let last = behind.saturating_sub(1);
        if let Some(record) = self.records_mut().get_mut(last) {
            record.condition = Condition::Arrived;
        }
        self.remove(front, last);
    }

    /// Takes the records `from..to` out; the next one covers their range.
    fn remove(&mut self, from: usize, to: usize) {
        let (from, to) = (
            self.first.saturating_add(from),
            self.first.saturating_add(to),
        );
        // The shorter part moves.
        if from.saturating_sub(self.first) <= self.last.saturating_sub(to) {
            let count = to.saturating_sub(from);
            self.records
                .copy_within(self.first..from, self.first.saturating_add(count));
            self.first = self.first.saturating_add(count);
        } else {
            self.records.copy_within(to..self.last, from);
            self.last = self.last.saturating_sub(to.saturating_sub(from));
        }
    }

    /// Makes `position` the end of a record. `false` if there is no room for one more.
    fn split_at(&mut self, position: u64) -> bool {
        let place = self
            .records()
            .partition_point(|record| record.end < position);
        let Some(record) = self.records().get(place).copied() else {
            return true;
        };
        if record.end == position || self.start_of(place) >= position {
            return true;
        }
        let front = Record {
            end: position,
            is_front: true,
            ..record
        };
        self.insert(place, front)
    }

    /// Asks of every record in flight whether it is lost. Returns how many bytes are.
    pub(crate) fn lose_where(&mut self, mut is_lost: impl FnMut(&Record) -> bool) -> u32 {
        let mut start = self.una;
        let mut lost = 0_u32;
        for record in self.records_mut() {
            if record.condition == Condition::InFlight && is_lost(record) {
                record.condition = Condition::Lost;
                lost = lost.saturating_add(small(record.end.saturating_sub(start)));
            }
            start = record.end;
        }
        if lost > 0 {
            self.lost = self.lost.saturating_add(lost);
            self.tidy(Record::is_like);
        }
        lost
    }

    /// The first `len` bytes are lost, as far as they are one record and not known to be.
    pub(crate) fn lose_first(&mut self, len: u32) -> u32 {
        self.make_room();
        self.split_at(self.una.saturating_add(u64::from(len)));
        let first = self.records().first().map(|record| record.end);
        self.lose_where(|record| Some(record.end) == first)
    }

    /// Everything that has not arrived is lost, and what has arrived, too, if the peer cannot be
    /// believed.
    pub(crate) fn lose_all(&mut self, is_peer_believed: bool) {
        let is_believed = is_peer_believed && self.records().len() < Self::CAPACITY / 2;
        if !is_believed {
            for record in self.records_mut() {
                if record.condition == Condition::Arrived {
                    record.condition = Condition::InFlight;
                }
            }
            self.arrived = 0;
        }
        self.lose_where(|_| true);
    }

    /// Nothing was lost after all.
    pub(crate) fn forgive(&mut self) {
        for record in self.records_mut() {
            if record.condition == Condition::Lost {
                record.condition = Condition::InFlight;
            }
        }
        self.lost = 0;
    }

    /// The first range that is lost.
    pub(crate) fn first_lost(&self) -> Option<Range> {
        let place = self.first_lost_place()?;
        let records = self.records().get(place..)?;
        let lost = records
            .iter()
            .take_while(|record| record.condition == Condition::Lost);
        Some(Range {
            start: self.start_of(place),
            end: lost.last()?.end,
        })
    }

    fn first_lost_place(&self) -> Option<usize> {
        if self.lost == 0 {
            return None;
        }
        let mut records = self.records().iter();
        records.position(|record| record.condition == Condition::Lost)
    }

    /// The first `len` positions of the first lost range leave again. Returns their range; `None`
    /// if that cannot be noted.
    pub(crate) fn resend(&mut self, len: u32, departure: Departure) -> Option<Range> {
        self.make_room();
        let Range { start, end } = self.first_lost()?;
        let end = end.min(start.saturating_add(u64::from(len)));
        if !self.split_at(end) {
            return None;
        }
        let records = self.records();
        let front = records.partition_point(|record| record.end <= start);
        let last = records.partition_point(|record| record.end < end);
        self.remove(front, last);
        self.lost = self.lost.saturating_sub(small(end.saturating_sub(start)));
        self.note_resent(front, departure);
        Some(Range { start, end })
    }

    /// The last `len` bytes in flight leave again (RFC 8985 section 7.3). Returns their range:
    /// it is shorter if the last record is.
    pub(crate) fn resend_last(&mut self, len: u32, departure: Departure) -> Option<Range> {
        let end = self.records().last()?.end;
        self.make_room();
        self.split_at(end.saturating_sub(u64::from(len)).max(self.una));
        let place = self.records().len().checked_sub(1)?;
        let start = self.start_of(place);
        if self.records().get(place)?.condition != Condition::InFlight {
            return None;
        }
        self.note_resent(place, departure);
        Some(Range { start, end })
    }

    fn note_resent(&mut self, place: usize, departure: Departure) {
        let Some(record) = self.records_mut().get_mut(place) else {
            return;
        };
        record.condition = Condition::InFlight;
        record.was_resent = true;
        record.departure = departure;
        record.first_at = departure.at;
        record.is_front = false;
        let record = *record;
        self.resent_to = self.resent_to.max(record.end);
        let before = place.checked_sub(1);
        if let Some(before) = before
            && let Some(earlier) = self.records_mut().get_mut(before)
            && earlier.is_like(&record)
        {
            self.remove(before, place);
        }
    }

    /// Merges neighbours of which one can stand for both.
    fn tidy(&mut self, is_like: impl Fn(&Record, &Record) -> bool) {
        let records = self.records_mut();
        let mut kept = 0_usize;
        for place in 1..records.len() {
            let Some(next) = records.get(place).copied() else {
                break;
            };
            match records.get_mut(kept) {
                Some(last) if is_like(last, &next) => last.absorb(&next),
                _ => {
                    kept = kept.saturating_add(1);
                    if let Some(free) = records.get_mut(kept) {
                        *free = next;
                    }
                }
            }
        }
        let used = kept.saturating_add(1).min(records.len());
        self.last = self.first.saturating_add(used);
    }

    /// Makes room for two splits, if it can: times within a flight are forgotten.
    fn make_room(&mut self) {
        if self.records().len() > Self::CAPACITY - 2 {
            self.tidy(Record::is_nearly_like);
        }
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "scoreboard_tests.rs"]
mod tests;
