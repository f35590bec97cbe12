//! Answers that are still good.
//!
//! *Owns* a table of fixed size: sets of a few entries each, chosen by a keyed hash of the name,
//! so that a search looks at one set only. In a full set the entry that would end first makes way.
//! *Never* gives an answer beyond its time.

use super::answer::{Answer, Kind};
use crate::Instant;
use crate::rng::Rng;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::time::Duration;
use siphasher::sip::SipHasher13;
use wire::dns::Name;

/// Entries of one set.
const WAYS: usize = 4;

#[derive(Clone, Debug)]
struct Entry {
    name: Name,
    kind: Kind,
    answer: Answer,
    expires: Instant,
}

/// The cache.
#[derive(Debug)]
pub(super) struct Cache {
    hasher: SipHasher13,
    entries: Vec<Option<Entry>>,
}

impl Cache {
    /// A cache of so many entries, rounded up to whole sets; none for zero.
    pub(super) fn new(entries: u16, rng: &mut Rng) -> Self {
        Self {
            hasher: SipHasher13::new_with_keys(rng.u64(), rng.u64()),
            entries: alloc::vec![None; usize::from(entries).next_multiple_of(WAYS)],
        }
    }

    /// The answer, if it is known and still good; its TTL is what is left of it.
    pub(super) fn get(&self, name: &Name, kind: Kind, now: Instant) -> Option<Answer> {
        let set = self.set(name, kind)?;
        let entry = self
            .entries
            .chunks(WAYS)
            .nth(set)?
            .iter()
            .flatten()
            .find(|entry| entry.expires > now && entry.kind == kind && entry.name == *name)?;
        let left = entry.expires.since(now).as_secs();
        let ttl = u32::try_from(left).unwrap_or(u32::MAX);
        Some(Answer {
            ttl,
            server: None,
            ..entry.answer
        })
    }

    /// Keeps an answer for its TTL.
    pub(super) fn put(&mut self, name: Name, kind: Kind, answer: Answer, now: Instant) {
        if answer.ttl == 0 {
            return;
        }
        let Some(set) = self.set(&name, kind) else {
            return;
        };
        let Some(places) = self.entries.chunks_mut(WAYS).nth(set) else {
            return;
        };
        let rank = |place: &Option<Entry>| match place {
            Some(entry) if entry.kind == kind && entry.name == name => Instant::ZERO,
            Some(entry) => entry.expires.max(Instant::from_nanos(2)),
            None => Instant::from_nanos(1),
        };
        let expires = now + Duration::from_secs(answer.ttl.into());
        if let Some(place) = places.iter_mut().min_by_key(|place| rank(place)) {
            *place = Some(Entry {
                name,
                kind,
                answer,
                expires,
            });
        }
    }

    /// Forgets everything.
    pub(super) fn flush(&mut self) {
        self.entries.fill(None);
    }

    /// Entries that are still good.
    pub(super) fn len(&self, now: Instant) -> usize {
        self.entries
            .iter()
            .flatten()
            .filter(|entry| entry.expires > now)
            .count()
    }

    fn set(&self, name: &Name, kind: Kind) -> Option<usize> {
        let mut hasher = self.hasher;
        name.hash(&mut hasher);
        kind.hash(&mut hasher);
        let sets = u64::try_from(self.entries.len() / WAYS).ok()?;
        usize::try_from(hasher.finish().checked_rem(sets)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Outcome;
    use super::*;
    use std::format;

    fn answer(ttl: u32) -> Answer {
        Answer {
            outcome: Outcome::NoData,
            ttl,
            server: None,
            aliases: 1,
        }
    }

    fn name(text: &str) -> Name {
        text.parse().expect(text)
    }

    fn seconds(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    #[test]
    fn answers_last_for_their_time() {
        let mut cache = Cache::new(8, &mut Rng::new([1; 32]));
        cache.put(name("a.example"), Kind::A, answer(10), seconds(100));
        cache.put(name("b.example"), Kind::A, answer(0), seconds(100));
        assert_eq!(
            cache.get(&name("A.Example"), Kind::A, seconds(103)),
            Some(answer(7))
        );
        assert_eq!(
            cache.get(&name("a.example"), Kind::Aaaa, seconds(103)),
            None
        );
        assert_eq!(cache.get(&name("b.example"), Kind::A, seconds(100)), None);
        assert_eq!(cache.len(seconds(109)), 1);
        assert_eq!(cache.get(&name("a.example"), Kind::A, seconds(110)), None);
        assert_eq!(cache.len(seconds(110)), 0);
    }

    #[test]
    fn a_newer_answer_replaces_the_older() {
        let mut cache = Cache::new(4, &mut Rng::new([1; 32]));
        cache.put(name("a"), Kind::A, answer(10), seconds(0));
        cache.put(name("a"), Kind::A, answer(5), seconds(1));
        assert_eq!(cache.get(&name("a"), Kind::A, seconds(1)), Some(answer(5)));
        assert_eq!(cache.len(seconds(1)), 1);
        cache.flush();
        assert_eq!(cache.len(seconds(1)), 0);
    }

    #[test]
    fn a_full_set_gives_up_what_ends_first() {
        let mut cache = Cache::new(4, &mut Rng::new([1; 32]));
        for (number, ttl) in [30, 20, 50, 40, 60].into_iter().enumerate() {
            cache.put(
                name(&format!("n{number}")),
                Kind::A,
                answer(ttl),
                seconds(0),
            );
        }
        assert_eq!(cache.len(seconds(0)), 4);
        assert_eq!(cache.get(&name("n1"), Kind::A, seconds(0)), None);
        assert!(cache.get(&name("n4"), Kind::A, seconds(0)).is_some());
        // What may not be kept displaces nothing.
        cache.put(name("n5"), Kind::A, answer(0), seconds(0));
        assert_eq!(cache.len(seconds(0)), 4);
    }

    #[test]
    fn no_cache_at_all() {
        let mut cache = Cache::new(0, &mut Rng::new([1; 32]));
        cache.put(name("a"), Kind::A, answer(10), seconds(0));
        assert_eq!(cache.get(&name("a"), Kind::A, seconds(0)), None);
    }
}
