//! A process's address space: which object is mapped where.
//!
//! | from | what |
//! | --- | --- |
//! | 0 | nothing, 64 KiB: a null pointer with an offset faults |
//! | `0x1_0000` | the program, where its file says |
//! | `0x10_0000_0000` | what `MemoryMap` and `ChannelMap` place, lowest gap first, a free page between |
//! | `0x7f_fff0_0000` | end of the first thread's stack; nothing is ever mapped below it |

use super::frame::Frames;
use super::table::{self, Attributes};
use super::{PAGE, Physical};
use crate::arch;
use crate::object::ObjectRef;
use alloc::vec::Vec;

/// First address of a program.
pub const PROGRAM_START: usize = 0x1_0000;
/// Addresses that the kernel chooses.
pub const FREE_START: usize = 0x10_0000_0000;
/// End of the addresses that the kernel chooses.
pub const FREE_END: usize = 0x7f_0000_0000;
/// End of the first thread's stack.
pub const STACK_TOP: usize = 0x7f_fff0_0000;
/// End of the lower half.
pub const USER_END: usize = 1 << 39;
/// Large mappings begin at multiples of this, so that blocks can be used.
const BLOCK: usize = 2 << 20;
/// Most mappings of a process.
const MAX_MAPPINGS: usize = 8192;

/// An object at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where it begins.
    pub start: usize,
    /// How long it is.
    pub bytes: usize,
    /// What is there: Memory or Device. The mapping counts as a reference.
    pub object: ObjectRef,
}

/// Translation tables and the list of mappings, sorted by address.
pub struct AddressSpace {
    root: Physical,
    /// Name of the space in the TLB.
    pub asid: u16,
    /// What is where.
    pub mappings: Vec<Mapping>,
    /// Frames in use as tables.
    tables: usize,
}

/// Why nothing was mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Something is there already.
    Occupied,
    /// No frame, or no budget, for a table; or too many mappings.
    NoRoom,
}

/// Names an address space to a CPU.
#[derive(Clone, Copy)]
pub struct Space {
    /// The top-level table.
    pub root: Physical,
    /// Its number.
    pub asid: u16,
}

impl AddressSpace {
    /// Nothing mapped; `root` is a cleared frame.
    pub const fn new(root: Physical) -> Self {
        Self {
            root,
            asid: 0,
            mappings: Vec::new(),
            tables: 1,
        }
    }

    /// The top-level table.
    pub const fn root(&self) -> Physical {
        self.root
    }

    /// What a CPU needs to know of it.
    pub const fn name(&self) -> Space {
        Space {
            root: self.root,
            asid: self.asid,
        }
    }

    /// Frames in use as tables.
    pub const fn tables(&self) -> usize {
        self.tables
    }

    /// A free range among the addresses that the kernel chooses, with a free page on both sides.
    pub fn find_gap(&self, bytes: usize) -> Option<usize> {
        let align = if bytes >= BLOCK { BLOCK } else { PAGE };
        let mut start = FREE_START;
        for mapping in &self.mappings {
            let end = mapping.start + mapping.bytes;
            if end <= start {
                continue;
            }
            if start.checked_add(bytes)?.checked_add(PAGE)? <= mapping.start {
                break;
            }
            start = (end + PAGE).checked_next_multiple_of(align)?;
        }
        (start.checked_add(bytes)? <= FREE_END).then_some(start)
    }

    /// Maps pieces of RAM or registers one behind the other from `start`. `table_budget` bounds the
    /// new tables (see `tables`). On failure nothing is mapped.
    pub fn map(
        &mut self,
        frames: &mut Frames,
        table_budget: usize,
        mapping: Mapping,
        pieces: impl Iterator<Item = (Physical, usize)>,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        let end = mapping.start + mapping.bytes;
        let place = self
            .mappings
            .partition_point(|other| other.start < mapping.start);
        let after = self
            .mappings
            .get(place)
            .is_some_and(|next| next.start < end);
        let before = place
            .checked_sub(1)
            .and_then(|index| self.mappings.get(index))
            .is_some_and(|last| last.start + last.bytes > mapping.start);
        if after || before {
            return Err(MapError::Occupied);
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            return Err(MapError::NoRoom);
        }
        let mut taken = 0;
        let mut new_table = || {
            if taken == table_budget {
                return None;
            }
            let table = frames.allocate_zeroed()?;
            taken += 1;
            Some(table)
        };
        let mut at = mapping.start;
        let mut failed = false;
        for (start, bytes) in pieces {
            if table::map(self.root, at, start, bytes, attributes, &mut new_table).is_err() {
                failed = true;
                break;
            }
            at += bytes;
        }
        self.tables += taken;
        if failed {
            table::unmap(self.root, mapping.start, mapping.bytes);
            self.flush(mapping.start, mapping.bytes);
            // Tables stay for the next attempt; the caller charges them.
            return Err(MapError::NoRoom);
        }
        arch::table_barrier();
        self.mappings.insert(place, mapping);
        Ok(())
    }

    /// Takes away the mapping of exactly this range.
    pub fn unmap(&mut self, start: usize, bytes: usize) -> Option<Mapping> {
        let place = self
            .mappings
            .binary_search_by_key(&start, |mapping| mapping.start)
            .ok()?;
        if self.mappings[place].bytes != bytes {
            return None;
        }
        let mapping = self.mappings.remove(place);
        table::unmap(self.root, start, bytes);
        self.flush(start, bytes);
        Some(mapping)
    }

    /// Gives back all tables and tells how many they were. Nothing may use the space any more.
    pub fn free_tables(&mut self, frames: &mut Frames) -> usize {
        table::free_tables(self.root, &mut |table| frames.release(table));
        core::mem::take(&mut self.tables)
    }

    fn flush(&self, start: usize, bytes: usize) {
        const FEW: usize = 16 * PAGE;
        if bytes > FEW {
            arch::flush_address_space(self.asid);
            return;
        }
        for address in (start..start + bytes).step_by(PAGE) {
            arch::flush_page(self.asid, address);
        }
    }
}
