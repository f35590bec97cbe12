//! The shelf of durable records: the memory of a host's that outlives its stack.
//!
//! *Owns* the records by slot. Once the stack is dead nothing changes on it any more, whatever the
//! remains of the stack still do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stack::{Record, Records};

type Bytes = [u8; Record::LEN];

#[derive(Clone, Debug, Default)]
struct Content {
    records: BTreeMap<u32, Bytes>,
    /// What was written, or forgotten, but is not on the shelf yet.
    late: Vec<(u32, Option<Bytes>)>,
    is_late: bool,
    is_sealed: bool,
}

/// A shelf; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(Arc<Mutex<Content>>);

impl Shelf {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on what is written comes to the shelf only with [`Shelf::catch_up`]: the mistake that
    /// the oracles must find.
    pub(crate) fn be_late(&self) {
        self.content().is_late = true;
    }

    /// What was written comes to the shelf.
    pub(crate) fn catch_up(&self) {
        let mut content = self.content();
        if content.is_sealed {
            return;
        }
        for (slot, record) in std::mem::take(&mut content.late) {
            content.put(slot, record);
        }
    }

    /// The stack is dead.
    pub(crate) fn seal(&self) {
        self.content().is_sealed = true;
    }

    /// A shelf with the same records for the stack that comes after.
    pub(crate) fn handed_on(&self) -> Self {
        let content = self.content();
        Self(Arc::new(Mutex::new(Content {
            records: content.records.clone(),
            is_late: content.is_late,
            ..Content::default()
        })))
    }

    /// All records.
    pub(crate) fn records(&self) -> Vec<(u32, Bytes)> {
        let content = self.content();
        content
            .records
            .iter()
            .map(|(slot, bytes)| (*slot, *bytes))
            .collect()
    }

    fn write(&self, slot: u32, record: Option<Bytes>) {
        let mut content = self.content();
        match (content.is_sealed, content.is_late) {
            (true, _) => {}
            (false, true) => content.late.push((slot, record)),
            (false, false) => content.put(slot, record),
        }
    }
}

impl Content {
    fn put(&mut self, slot: u32, record: Option<Bytes>) {
        match record {
            Some(record) => self.records.insert(slot, record),
            None => self.records.remove(&slot),
        };
    }
}

impl Records for Shelf {
    fn commit(&mut self, slot: u32, record: &Bytes) {
        self.write(slot, Some(*record));
    }

    fn forget(&mut self, slot: u32) {
        self.write(slot, None);
    }
}
