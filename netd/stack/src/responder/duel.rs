//! Two who want one name at the same time: whose records come later in order has it.
//!
//! *Owns* the comparison. *Never* decides what the loser does.
//!
//! Spec: RFC 6762 section 8.2.

use super::Responder;
use super::zone::Form;
use core::cmp::Ordering;
use core::time::Duration;
use tcp::Instant;
use wire::dns::{Builder, Message, Record, Section};

/// Room for what both would say.
pub(super) const SCRATCH: usize = 8_192;
/// Records of one side; who has more does not have them compared.
const RECORDS: usize = 40;
/// How long a loser waits before it asks again.
const PAUSE: Duration = Duration::from_secs(1);

/// Records of one side, in their order: where in the scratch each is.
struct Side {
    places: [(usize, usize); RECORDS],
    count: usize,
}

impl Side {
    const NONE: Self = Self {
        places: [(0, 0); RECORDS],
        count: 0,
    };

    /// Adds a record behind the bytes used: class, type and data, as they are compared.
    fn add(&mut self, record: &Record<'_>, scratch: &mut [u8], used: &mut usize) {
        let start = *used;
        let Some(place) = self.places.get_mut(self.count) else {
            return;
        };
        let Some(([class, kind], room)) = scratch
            .get_mut(start..)
            .and_then(|it| it.split_at_mut_checked(4))
            .and_then(|(head, room)| Some((head.as_chunks_mut::<2>().0.first_chunk_mut()?, room)))
        else {
            return;
        };
        *class = record.class.split_top().0.0.to_be_bytes();
        *kind = record.kind().0.to_be_bytes();
        if let Ok(len) = Builder::data_alone(room, &record.data) {
            *used = start + 4 + len;
            *place = (start, *used);
            self.count += 1;
        }
    }

    fn sort(&mut self, scratch: &[u8]) {
        if let Some(places) = self.places.get_mut(..self.count) {
            places.sort_unstable_by_key(|(start, end)| scratch.get(*start..*end));
        }
    }

    fn iter<'a>(&'a self, scratch: &'a [u8]) -> impl Iterator<Item = Option<&'a [u8]>> {
        let places = self.places.iter().take(self.count);
        places.map(|(start, end)| scratch.get(*start..*end))
    }
}

impl Responder {
    /// Somebody asks for names for himself that we are asking for, too: whoever loses waits.
    pub(super) fn duel(&mut self, message: &Message<'_>, now: Instant) {
        for question in message.questions() {
            let Some(number) = self.zone.claim_named(&question.name) else {
                continue;
            };
            let is_probing = self.zone.claim(number).is_some_and(|it| it.is_probing());
            if is_probing
                && self.compare(number, message) == Ordering::Less
                && let Some(claim) = self.zone.claim_mut(number)
            {
                claim.begin(now + PAUSE);
            }
        }
    }

    /// Our records against those that the message proposes.
    fn compare(&mut self, number: usize, message: &Message<'_>) -> Ordering {
        let Self { zone, scratch, .. } = self;
        let Some(name) = zone.claim(number).map(|it| it.name) else {
            return Ordering::Equal;
        };
        let (mut ours, mut theirs, mut used) = (Side::NONE, Side::NONE, 0);
        for (section, record) in message.records().flatten() {
            if section == Section::Authority && record.name == name {
                theirs.add(&record, scratch, &mut used);
            }
        }
        if theirs.count == 0 {
            // A question, nothing more.
            return Ordering::Equal;
        }
        for item in zone.proposed(number).iter() {
            let added = zone.records(item, Form::Proposed, |record| {
                ours.add(record, scratch, &mut used);
                Ok(())
            });
            debug_assert!(added.is_ok(), "adding never fails");
        }
        ours.sort(scratch);
        theirs.sort(scratch);
        ours.iter(scratch).cmp(theirs.iter(scratch))
    }
}
