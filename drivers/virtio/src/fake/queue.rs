//! The device's side of a split queue, written independently of the driver's.

use super::memory::GuestMemory;
use crate::init::{EVENT_INDEX, INDIRECT};
use core::sync::atomic::{Ordering, fence};
use std::vec::Vec;

/// A run of guest memory in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub length: usize,
    /// The device may write it (and must not read it).
    pub writable: bool,
}

/// A chain of descriptors that the driver made available.
#[derive(Clone, Debug)]
pub struct Chain {
    /// First descriptor: the id to return.
    pub id: u16,
    /// The memory, in order.
    pub segments: Vec<Segment>,
}

impl Chain {
    /// Bytes of all segments.
    #[must_use]
    pub fn length(&self) -> usize {
        self.segments.iter().map(|segment| segment.length).sum()
    }
}

/// A queue as the device sees it.
pub struct DeviceQueue {
    pub(super) memory: GuestMemory,
    pub(super) size: u16,
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
    pub(super) event_index: bool,
    /// Descriptors may lie in tables of their own.
    pub(super) indirect: bool,
    /// Chains taken that did.
    pub tables: u64,
    /// Chains taken.
    pub taken: u16,
    /// Chains returned.
    pub returned: u16,
    signalled: Option<u16>,
    /// Chains taken since the start.
    pub total: u64,
}

impl DeviceQueue {
    pub(super) fn new(memory: GuestMemory, size: u16, at: [u64; 3], accepted: u64) -> Self {
        let [descriptors, available, used] = at;
        Self {
            memory,
            size,
            descriptors,
            available,
            used,
            event_index: accepted & EVENT_INDEX != 0,
            indirect: accepted & INDIRECT != 0,
            tables: 0,
            taken: 0,
            returned: 0,
            signalled: None,
            total: 0,
        }
    }

    fn available_index(&self) -> u16 {
        self.memory.load16(self.available + 2)
    }

    /// Chains waiting to be taken.
    #[must_use]
    pub fn waiting(&self) -> u16 {
        let waiting = self.available_index().wrapping_sub(self.taken);
        assert!(waiting <= self.size, "the available index ran away");
        waiting
    }

    /// Takes the next chain.
    pub fn take(&mut self) -> Option<Chain> {
        if self.waiting() == 0 {
            return None;
        }
        let entry = u64::from(self.taken % self.size);
        let id = self.memory.load16(self.available + 4 + 2 * entry);
        self.taken = self.taken.wrapping_add(1);
        self.total += 1;
        assert!(id < self.size, "a chain leaves the table");
        let (address, length, flags, _) = self.descriptor(self.descriptors, id);
        let (table, entries, first) = if flags & 4 == 0 {
            (self.descriptors, self.size, id)
        } else {
            // 2.7.5.3.1: only if agreed on, never with NEXT, and a table has no tables.
            assert!(
                self.indirect && flags & 1 == 0,
                "an indirect table out of place"
            );
            assert!(
                length > 0 && length.is_multiple_of(16),
                "{length} bytes of a table"
            );
            self.tables += 1;
            (
                address,
                u16::try_from(length / 16).expect("a small table"),
                0,
            )
        };
        let (mut segments, mut next) = (Vec::new(), first);
        loop {
            assert!(next < entries, "a chain leaves the table");
            assert!(segments.len() < usize::from(entries), "a chain is a ring");
            let (address, length, flags, after) = self.descriptor(table, next);
            assert_eq!(flags & 4, 0, "a table in a chain");
            segments.push(Segment {
                address,
                length,
                writable: flags & 2 != 0,
            });
            if flags & 1 == 0 {
                return Some(Chain { id, segments });
            }
            next = after;
        }
    }

    /// Address, length, flags and next of a descriptor.
    fn descriptor(&self, table: u64, number: u16) -> (u64, usize, u8, u16) {
        let at = table + 16 * u64::from(number);
        let rest = self.memory.load64(at + 8).to_le_bytes();
        let [length @ .., flags, _, next_low, next_high] = rest;
        let length = usize::try_from(u32::from_le_bytes(length)).expect("not a 16-bit host");
        let next = u16::from_le_bytes([next_low, next_high]);
        (self.memory.load64(at), length, flags, next)
    }

    /// Reads what the driver filled of a chain, and writes an answer into the rest of it.
    ///
    /// # Panics
    ///
    /// When something is to be read behind what is to be written (2.7.4.2).
    pub fn answer(&mut self, chain: &Chain, answer: impl FnOnce(&[u8]) -> Vec<u8>) -> u32 {
        let (mut question, mut rest) = (Vec::new(), Vec::new());
        for segment in &chain.segments {
            if segment.writable {
                rest.push(*segment);
            } else {
                assert!(rest.is_empty(), "a question behind the answer");
                question.extend(self.memory.read(segment.address, segment.length));
            }
        }
        let rest = Chain {
            id: chain.id,
            segments: rest,
        };
        self.write(&rest, &answer(&question))
    }

    /// Reads the whole of a chain that the driver filled.
    #[must_use]
    pub fn read(&self, chain: &Chain) -> Vec<u8> {
        let mut bytes = Vec::new();
        for segment in &chain.segments {
            assert!(!segment.writable, "a buffer to read is writable");
            bytes.extend(self.memory.read(segment.address, segment.length));
        }
        bytes
    }

    /// Writes into a chain that the driver wants filled; returns how many bytes fitted.
    ///
    /// # Panics
    ///
    /// When the driver wants the buffer read, not filled.
    pub fn write(&self, chain: &Chain, mut bytes: &[u8]) -> u32 {
        let whole = bytes.len();
        for segment in &chain.segments {
            assert!(segment.writable, "a buffer to fill is read-only");
            let here = bytes.len().min(segment.length);
            self.memory.write(segment.address, &bytes[..here]);
            bytes = &bytes[here..];
        }
        u32::try_from(whole - bytes.len()).expect("a frame")
    }

    /// Writes a used element, true or not, and shows it.
    pub fn give_back(&mut self, id: u32, length: u32) {
        let element = self.used + 4 + 8 * u64::from(self.returned % self.size);
        self.memory.store32(element, id);
        self.memory.store32(element + 4, length);
        self.set_used_index(self.returned.wrapping_add(1));
    }

    /// Shows a used index, true or not.
    pub fn set_used_index(&mut self, index: u16) {
        self.returned = index;
        self.memory.store16(self.used + 2, index);
    }

    /// Asks to be notified of the next chain, and looks again: whether there is one already.
    pub fn rest(&mut self) -> bool {
        if self.event_index {
            self.set_event(self.taken);
        } else {
            self.memory.store16(self.used, 0);
        }
        fence(Ordering::SeqCst);
        self.waiting() != 0
    }

    /// Asks not to be notified.
    pub fn quiet(&mut self) {
        if self.event_index {
            self.set_event(self.taken.wrapping_sub(1));
        } else {
            self.memory.store16(self.used, 1);
        }
    }

    /// Writes the device's event, true or not.
    pub fn set_event(&mut self, event: u16) {
        let at = self.used + 4 + 8 * u64::from(self.size);
        self.memory.store16(at, event);
    }

    /// Whether the driver wants an interrupt for what was returned since the last time this was
    /// asked. Walks the indices one by one instead of computing.
    pub fn wants_interrupt(&mut self) -> bool {
        fence(Ordering::SeqCst);
        let old = self.signalled.replace(self.returned);
        if !self.event_index {
            return self.memory.load16(self.available) & 1 == 0;
        }
        let event = self
            .memory
            .load16(self.available + 4 + 2 * u64::from(self.size));
        let Some(mut index) = old else { return true };
        while index != self.returned {
            if index == event {
                return true;
            }
            index = index.wrapping_add(1);
        }
        false
    }
}
