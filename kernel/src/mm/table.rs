//! Translation tables: three levels of 512 entries for 39 bits of address.
//!
//! *Owns* the descriptor format. Entries go from invalid to valid and back, never from one valid
//! value to another, so break-before-make is kept by construction; the caller invalidates the
//! TLB after `unmap`.

use super::{PAGE, Physical, physical};
use abi::Protection;

const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 0b10;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PRIVILEGED_NO_EXECUTE: u64 = 1 << 53;
const USER_NO_EXECUTE: u64 = 1 << 54;
/// `MAIR` index 0: write-back memory; index 2: device memory.
const DEVICE: u64 = 2 << 2;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Attributes of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(u64);

impl Attributes {
    /// Kernel code.
    pub const KERNEL_CODE: Self = Self(INNER_SHAREABLE | ACCESSED | READ_ONLY | USER_NO_EXECUTE);
    /// Kernel constants.
    pub const KERNEL_CONSTANT: Self = Self(Self::KERNEL_CODE.0 | PRIVILEGED_NO_EXECUTE);
    /// Kernel data and the linear map.
    pub const KERNEL_DATA: Self =
        Self(INNER_SHAREABLE | ACCESSED | PRIVILEGED_NO_EXECUTE | USER_NO_EXECUTE);
    /// Registers that the kernel drives.
    pub const KERNEL_DEVICE: Self = Self(Self::KERNEL_DATA.0 | DEVICE);

    /// For a program. What is not executable is never fetched from, at no level.
    pub const fn user(protection: Protection, device: bool) -> Self {
        let mut bits = INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | USER | PRIVILEGED_NO_EXECUTE;
        if !protection.contains(Protection::WRITE) {
            bits |= READ_ONLY;
        }
        if !protection.contains(Protection::EXECUTE) || device {
            bits |= USER_NO_EXECUTE;
        }
        if device {
            bits |= DEVICE;
        }
        Self(bits)
    }
}

/// There was no frame for a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoTable;

/// Bytes that one entry of a level covers.
const fn span(level: u32) -> usize {
    PAGE << (9 * (3 - level))
}

const fn index(address: usize, level: u32) -> usize {
    (address / span(level)) & 511
}

/// Maps `bytes` at `address` to `target` with the largest blocks that fit. `new_table` gives a
/// cleared frame. On failure a part may be mapped; the caller unmaps the whole.
pub fn map(
    root: Physical,
    address: usize,
    target: Physical,
    bytes: usize,
    attributes: Attributes,
    new_table: &mut dyn FnMut() -> Option<Physical>,
) -> Result<(), NoTable> {
    let mut done = 0;
    while done < bytes {
        let at = address + done;
        let to = target + done as u64;
        let left = bytes - done;
        let mut table = root;
        let mut level = 1;
        loop {
            let entry = physical::read_entry(table, index(at, level));
            let fits = left >= span(level)
                && at.is_multiple_of(span(level))
                && (to as usize).is_multiple_of(span(level));
            if level == 3 || (fits && entry & VALID == 0) {
                break;
            }
            table = if entry & VALID == 0 {
                let fresh = new_table().ok_or(NoTable)?;
                let value = fresh | VALID | TABLE_OR_PAGE;
                physical::write_entry(table, index(at, level), value);
                fresh
            } else {
                entry & ADDRESS
            };
            level += 1;
        }
        let kind = if level == 3 { TABLE_OR_PAGE } else { 0 };
        if level == 3 {
            // A run of pages in one table: no walk for each of them.
            let run = (left / PAGE).min(512 - index(at, 3));
            for page in 0..run {
                let value = (to + (page * PAGE) as u64) | attributes.0 | kind | VALID;
                physical::write_entry(table, index(at, 3) + page, value);
            }
            done += run * PAGE;
        } else {
            physical::write_entry(table, index(at, level), to | attributes.0 | kind | VALID);
            done += span(level);
        }
    }
    Ok(())
}

/// Invalidates every leaf in the range, which must not cut a block.
pub fn unmap(root: Physical, address: usize, bytes: usize) {
    let mut done = 0;
    while done < bytes {
        let at = address + done;
        let mut table = root;
        let mut level = 1;
        loop {
            let entry = physical::read_entry(table, index(at, level));
            if level == 3 || entry & VALID == 0 || entry & TABLE_OR_PAGE == 0 {
                break;
            }
            table = entry & ADDRESS;
            level += 1;
        }
        physical::write_entry(table, index(at, level), 0);
        done += span(level) - at % span(level);
    }
}

/// Where a user address leads, if the program itself may read (or write) it there: the physical
/// address and how many bytes follow it in the same block.
#[inline]
pub fn translate(root: Physical, address: usize, write: bool) -> Option<(Physical, usize)> {
    let mut table = root;
    let mut level = 1;
    loop {
        let entry = physical::read_entry(table, index(address, level));
        if entry & VALID == 0 {
            return None;
        }
        if level < 3 && entry & TABLE_OR_PAGE != 0 {
            table = entry & ADDRESS;
            level += 1;
            continue;
        }
        // Device registers are never read or written on behalf of a program.
        if entry & USER == 0 || entry & DEVICE != 0 || (write && entry & READ_ONLY != 0) {
            return None;
        }
        let offset = address % span(level);
        return Some(((entry & ADDRESS) + offset as u64, span(level) - offset));
    }
}

/// The leaf entry that covers an address.
pub fn leaf(root: Physical, address: usize) -> Option<u64> {
    let mut table = root;
    for level in 1..=3 {
        let entry = physical::read_entry(table, index(address, level));
        if entry & VALID == 0 {
            return None;
        }
        if level == 3 || entry & TABLE_OR_PAGE == 0 {
            return Some(entry);
        }
        table = entry & ADDRESS;
    }
    None
}

/// Gives every table of an address space to `free`, the root last.
pub fn free_tables(root: Physical, free: &mut dyn FnMut(Physical)) {
    for first in 0..512 {
        let entry = physical::read_entry(root, first);
        if entry & VALID == 0 || entry & TABLE_OR_PAGE == 0 {
            continue;
        }
        let middle = entry & ADDRESS;
        for second in 0..512 {
            let entry = physical::read_entry(middle, second);
            if entry & VALID != 0 && entry & TABLE_OR_PAGE != 0 {
                free(entry & ADDRESS);
            }
        }
        free(middle);
    }
    free(root);
}
