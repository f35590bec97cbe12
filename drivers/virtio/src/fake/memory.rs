//! Memory that a driver under test and its device in software both reach.
//!
//! The device's side checks every address: a driver that hands out one it does not own fails its
//! test at once.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use hardware::Dma;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

#[repr(C, align(4096))]
struct Page([u8; 4096]);

/// The device's view of the memory.
#[derive(Clone, Copy)]
pub struct GuestMemory {
    base: NonNull<u8>,
    physical: u64,
    length: usize,
}

// SAFETY: the memory is leaked; sides and threads share it as a device would, ring cells by
// atomics, buffers by turns.
unsafe impl Send for GuestMemory {}

/// Zeroed, page-aligned memory, for the driver and for the device.
#[must_use]
pub fn memory(physical: u64, bytes: usize) -> (Dma, GuestMemory) {
    let pages = bytes.div_ceil(4096);
    let pages: Vec<Page> = (0..pages).map(|_| Page([0; 4096])).collect();
    let base = NonNull::from(Box::leak(pages.into_boxed_slice())).cast();
    let length = bytes;
    // SAFETY: leaked just now; the device's view obeys the rules of a device.
    let dma = unsafe { Dma::new(base, physical, length) };
    let guest = GuestMemory {
        base,
        physical,
        length,
    };
    (dma, guest)
}

impl GuestMemory {
    fn at(&self, physical: u64, bytes: usize) -> NonNull<u8> {
        let offset = physical.checked_sub(self.physical);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let offset = offset.filter(|offset| {
            offset
                .checked_add(bytes)
                .is_some_and(|end| end <= self.length)
        });
        let offset = offset.expect("the driver names memory that it does not own");
        // SAFETY: inside the leaked memory, checked above.
        unsafe { self.base.add(offset) }
    }

    /// Copies bytes out.
    #[must_use]
    pub fn read(&self, physical: u64, bytes: usize) -> Vec<u8> {
        let mut copy = vec![0; bytes];
        let from = self.at(physical, bytes);
        // SAFETY: checked range; the buffer is the device's by the rules of the queue.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(copy.as_mut_slice()).cast(), bytes) };
        copy
    }

    /// Copies bytes in.
    pub fn write(&self, physical: u64, bytes: &[u8]) {
        let to = self.at(physical, bytes.len());
        // SAFETY: checked range; the buffer is the device's by the rules of the queue.
        unsafe { to.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    /// A 16-bit cell.
    #[must_use]
    pub fn load16(&self, physical: u64) -> u16 {
        // SAFETY: checked range, aligned by the specification, atomic on both sides.
        let cell = unsafe { AtomicU16::from_ptr(self.at(physical, 2).cast().as_ptr()) };
        u16::from_le(cell.load(Ordering::Acquire))
    }

    /// A 64-bit cell.
    #[must_use]
    pub fn load64(&self, physical: u64) -> u64 {
        // SAFETY: checked range, aligned by the specification, atomic on both sides.
        let cell = unsafe { AtomicU64::from_ptr(self.at(physical, 8).cast().as_ptr()) };
        u64::from_le(cell.load(Ordering::Relaxed))
    }

    /// Sets a 16-bit cell, after everything before it.
    pub fn store16(&self, physical: u64, value: u16) {
        // SAFETY: checked range, aligned by the specification, atomic on both sides.
        let cell = unsafe { AtomicU16::from_ptr(self.at(physical, 2).cast().as_ptr()) };
        cell.store(value.to_le(), Ordering::Release);
    }

    /// Sets a 32-bit cell.
    pub fn store32(&self, physical: u64, value: u32) {
        // SAFETY: checked range, aligned by the specification, atomic on both sides.
        let cell = unsafe { AtomicU32::from_ptr(self.at(physical, 4).cast().as_ptr()) };
        cell.store(value.to_le(), Ordering::Relaxed);
    }
}
