//! A process's handles.
//!
//! *Owns* the mapping from numbers to objects with rights. A number is an index and a generation:
//! 12 and 20 bits, the generation never zero, so that no handle is zero and a stale one names
//! nothing. *Never* counts references: `object` does when entries come and go.

use super::ObjectRef;
use abi::{Error, Handle, Rights};
use alloc::vec::Vec;

const INDEX_BITS: u32 = 12;
/// Most handles of a process.
pub const MAX_HANDLES: usize = 1 << INDEX_BITS;
const LAST_GENERATION: u32 = (1 << (32 - INDEX_BITS)) - 1;

/// What a handle stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The object.
    pub object: ObjectRef,
    /// What its holder may do.
    pub rights: Rights,
}

#[derive(Clone, Copy)]
struct Slot {
    generation: u32,
    next_free: u32,
    entry: Option<Entry>,
}

/// All handles of a process.
pub struct HandleTable {
    slots: Vec<Slot>,
    /// Index of the first free slot; the number of slots if there is none.
    free: u32,
    open: u32,
}

impl HandleTable {
    /// No handles.
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: 0,
            open: 0,
        }
    }

    /// How many are open.
    pub const fn open(&self) -> u32 {
        self.open
    }

    /// Whether `count` more fit.
    pub const fn has_room(&self, count: usize) -> bool {
        self.open as usize + count <= MAX_HANDLES
    }

    /// A new handle for `entry`.
    pub fn insert(&mut self, entry: Entry) -> Result<Handle, Error> {
        if !self.has_room(1) {
            return Err(Error::TooManyHandles);
        }
        let index = self.free;
        if index as usize == self.slots.len() {
            self.slots.push(Slot {
                generation: 1,
                next_free: index + 1,
                entry: None,
            });
        }
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        slot.entry = Some(entry);
        self.open += 1;
        Ok(Handle(slot.generation << INDEX_BITS | index))
    }

    /// What a handle stands for.
    #[inline]
    pub fn get(&self, handle: Handle) -> Result<Entry, Error> {
        let index = handle.0 & (MAX_HANDLES as u32 - 1);
        match self.slots.get(index as usize) {
            Some(slot) if slot.generation == handle.0 >> INDEX_BITS => {
                slot.entry.ok_or(Error::BadHandle)
            }
            _ => Err(Error::BadHandle),
        }
    }

    /// Takes a handle away. Of a process that runs, by [`super::Kernel::give_up`].
    pub fn remove(&mut self, handle: Handle) -> Result<Entry, Error> {
        let entry = self.get(handle)?;
        let index = handle.0 & (MAX_HANDLES as u32 - 1);
        let slot = &mut self.slots[index as usize];
        slot.entry = None;
        slot.generation = if slot.generation == LAST_GENERATION {
            1
        } else {
            slot.generation + 1
        };
        slot.next_free = self.free;
        self.free = index;
        self.open -= 1;
        Ok(entry)
    }

    /// Takes any handle away; `None` when all are gone.
    pub fn pop(&mut self) -> Option<Entry> {
        while let Some(slot) = self.slots.pop() {
            if let Some(entry) = slot.entry {
                self.open -= 1;
                return Some(entry);
            }
        }
        self.free = 0;
        None
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.slots.iter().filter_map(|slot| slot.entry)
    }
}
