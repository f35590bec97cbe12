//! When each set of records is said to all of a link, in one family.
//!
//! *Owns* the times, and that none is said twice in a second. *Never* knows what the records are.
//!
//! Spec: RFC 6762 section 6 (rate), 7.1 and 7.2 (who knows the answer already).

use super::items::{Item, Part};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use tcp::Instant;

/// The time between twice (RFC 6762 section 6), and between defences against those who ask for
/// a name of ours for themselves.
const SPACING: Duration = Duration::from_secs(1);
const DEFENCE_SPACING: Duration = Duration::from_millis(250);

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    One(IpAddr),
    /// Several, or all.
    Many,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    due: Option<Instant>,
    asker: Asker,
    is_defence: bool,
    /// When it was said last.
    last: Option<Instant>,
}

const EMPTY: Slot = Slot {
    due: None,
    asker: Asker::Many,
    is_defence: false,
    last: None,
};

/// All sets, by their place.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
}

impl Schedule {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![EMPTY; Item::COUNT],
        }
    }

    fn slot(&mut self, item: Item) -> Option<&mut Slot> {
        self.slots.get_mut(item.place())
    }

    /// Somebody asks: it is said at that time, or sooner if others have asked.
    pub(super) fn ask(&mut self, item: Item, at: Instant, from: IpAddr, is_defence: bool) {
        let Some(slot) = self.slot(item) else { return };
        slot.asker = match (slot.due, slot.asker) {
            (Some(_), asker) if asker != Asker::One(from) => Asker::Many,
            _ => Asker::One(from),
        };
        slot.due = Some(slot.due.map_or(at, |due| due.min(at)));
        slot.is_defence |= is_defence;
    }

    /// It is said whoever knows it.
    pub(super) fn announce(&mut self, item: Item, now: Instant) {
        if let Some(slot) = self.slot(item) {
            slot.due = Some(now);
            slot.asker = Asker::Many;
        }
    }

    /// The only one who has asked knows it, as is heard later (RFC 6762 section 7.2).
    pub(super) fn is_known_by(&mut self, item: Item, asker: IpAddr) {
        if let Some(slot) = self.slot(item)
            && slot.asker == Asker::One(asker)
        {
            slot.due = None;
            slot.is_defence = false;
        }
    }

    /// The first that is to be said now. What was said a short time ago waits.
    pub(super) fn due(&mut self, now: Instant) -> Option<Item> {
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot.due.is_none_or(|due| due > now) {
                continue;
            }
            let spacing = if slot.is_defence {
                DEFENCE_SPACING
            } else {
                SPACING
            };
            match slot.last.map(|last| last + spacing) {
                Some(free) if free > now => slot.due = Some(free),
                _ => return Item::at(place),
            }
        }
        None
    }

    /// It is said now.
    pub(super) fn said(&mut self, item: Item, now: Instant) {
        if let Some(slot) = self.slot(item) {
            *slot = Slot {
                last: Some(now),
                ..EMPTY
            };
        }
    }

    /// It need not be said.
    pub(super) fn skip(&mut self, item: Item) {
        if let Some(slot) = self.slot(item) {
            slot.due = None;
            slot.is_defence = false;
        }
    }

    /// Whether it was said within this time.
    pub(super) fn was_said(&self, item: Item, within: Duration, now: Instant) -> bool {
        let last = self.slots.get(item.place()).and_then(|slot| slot.last);
        last.is_some_and(|last| now.since(last) < within)
    }

    /// Whether it may be said beside what is due.
    pub(super) fn may_be_added(&self, item: Item, now: Instant) -> bool {
        !self.was_said(item, SPACING, now)
    }

    /// Forgets what there was of a claim.
    pub(super) fn forget(&mut self, claim: usize) {
        for part in Part::ALL {
            if let Some(slot) = self.slot(Item { claim, part }) {
                *slot = EMPTY;
            }
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.due).min()
    }
}
