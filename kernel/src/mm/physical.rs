//! RAM by physical address, through the linear map.
//!
//! *Owns* every raw access to RAM that is not a Rust object: page tables, frames of processes.
//! Callers pass frames that they got from `frame` (or that the device tree names); memory of
//! programs may change under the kernel's hands, so bytes are copied out before they are looked at
//! and no reference to them ever exists.

use super::user::Plain;
use super::{PAGE, Physical};
use crate::arch::{clear, ram_pointer};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Clears whole frames.
pub fn zero(frame: Physical, frames: usize) {
    // SAFETY: RAM owned by the caller's object, mapped writable, whole pages.
    unsafe { clear(ram_pointer(frame), frames * PAGE) }
}

/// Reads one entry of a translation table.
#[inline]
pub fn read_entry(table: Physical, index: usize) -> u64 {
    let entries = ram_pointer(table).cast::<u64>();
    // SAFETY: `table` is a frame in use as translation table, `index` is masked to 512.
    unsafe { entries.wrapping_add(index & 511).read_volatile() }
}

/// Writes one entry of a translation table.
#[inline]
pub fn write_entry(table: Physical, index: usize, entry: u64) {
    let entries = ram_pointer(table).cast::<u64>();
    // SAFETY: as in `read_entry`; the kernel lock is held, so nobody else writes.
    unsafe { entries.wrapping_add(index & 511).write_volatile(entry) }
}

/// Copies out of RAM.
#[inline]
pub fn read(from: Physical, into: &mut [u8]) {
    // SAFETY: the caller has checked that the bytes are RAM of an object that lives; `into` is a
    // kernel object, which never lies in such frames. A program that writes meanwhile only
    // changes which bytes are copied.
    unsafe { ptr::copy_nonoverlapping(ram_pointer(from), into.as_mut_ptr(), into.len()) }
}

/// Copies into RAM.
#[inline]
pub fn write(to: Physical, bytes: &[u8]) {
    // SAFETY: as in `read`.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), ram_pointer(to), bytes.len()) }
}

/// Reads a value that lies within a page, aligned.
#[inline]
pub fn read_value<T: Plain>(from: Physical) -> T {
    // SAFETY: as in `read`; every bit pattern is a value.
    unsafe { ram_pointer(from).cast::<T>().read() }
}

/// Writes a value that lies within a page, aligned.
#[inline]
pub fn write_value<T: Plain>(to: Physical, value: &T) {
    // SAFETY: as in `read`.
    unsafe { ram_pointer(to).cast::<T>().write(*value) }
}

/// Copies between two places of RAM that do not overlap.
pub fn copy(from: Physical, to: Physical, bytes: usize) {
    // SAFETY: as in `read`; the ranges belong to different objects.
    unsafe { ptr::copy_nonoverlapping(ram_pointer(from), ram_pointer(to), bytes) }
}

/// Makes code in RAM visible to instruction fetches.
pub fn synchronise_code(start: Physical, bytes: usize) {
    crate::arch::synchronise_instructions(ram_pointer(start), bytes);
}

/// Stores to a device register that the final map covers.
pub fn write_register(address: Physical, value: u32) {
    // SAFETY: called for windows of the device tree below 1 GiB, mapped as device memory at boot.
    unsafe { ram_pointer(address).cast::<u32>().write_volatile(value) }
}

/// Whether frames have been given to the allocator.
static RAM_IN_USE: AtomicBool = AtomicBool::new(false);

/// The device tree's bytes, while boot is alone with RAM. Boot keeps the range out of the free list,
/// so they never change. `None` once frames are in use.
pub fn boot_bytes(start: Physical, bytes: usize) -> Option<&'static [u8]> {
    if RAM_IN_USE.load(Ordering::Relaxed) {
        return None;
    }
    // SAFETY: one CPU runs, nothing but the image and the boot loader's data is in RAM, and nobody
    // writes to what the boot loader left.
    Some(unsafe { core::slice::from_raw_parts(ram_pointer(start), bytes) })
}

/// From now on RAM belongs to the heap and the frame allocator.
pub fn end_boot() {
    RAM_IN_USE.store(true, Ordering::Relaxed);
}

/// RAM for the kernel's heap.
pub fn heap_pointer(start: Physical) -> *mut u8 {
    ram_pointer(start)
}
