//! Memory that a device reads and writes.
//!
//! *Owns* the proof that a range of memory belongs to nobody else: a [`Dma`] can be split, lent as
//! bytes, or turned for good into [`Shared`] cells, but not copied. A queue that gives a buffer to
//! a device keeps the `Dma` until the device has returned it, so that program and device never
//! have the same bytes at once.
//! *Never* frees: the memory outlives every user.
//!
//! The bytes are ordinary cacheable memory; the devices that these drivers serve are coherent
//! (virtio-mmio is marked `dma-coherent` in the device tree).

use core::fmt;
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64};

/// A range of memory, alone with its owner, that a device reaches at a physical address.
pub struct Dma {
    base: NonNull<u8>,
    physical: u64,
    length: usize,
}

// SAFETY: a `Dma` is the only way to its bytes, so it may move to another thread like a `Box`.
unsafe impl Send for Dma {}

impl Dma {
    /// Takes charge of memory.
    ///
    /// # Safety
    ///
    /// For the rest of the program, `length` bytes from `base` must be mapped, readable, writable
    /// and initialised, and nothing but the returned value and devices may touch them; a device
    /// must reach the same bytes, contiguously, at `physical`. When the program dies, the memory
    /// must not be used for anything else before the device has been reset.
    ///
    /// # Panics
    ///
    /// When virtual or physical range would wrap around.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, physical: u64, length: usize) -> Self {
        assert!(
            base.addr().get().checked_add(length).is_some()
                && physical.checked_add(length as u64).is_some(),
            "memory wraps around"
        );
        Self {
            base,
            physical,
            length,
        }
    }

    /// Where a device finds the first byte.
    #[must_use]
    pub fn physical(&self) -> u64 {
        self.physical
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the constructor's caller vouched for the range; `self` owns it and is borrowed.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.length) }
    }

    /// The bytes, to be written.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.length) }
    }

    /// Takes the first `length` bytes off; `None` and unchanged if there are not so many.
    #[must_use]
    pub fn split_to(&mut self, length: usize) -> Option<Self> {
        let rest = self.length.checked_sub(length)?;
        let front = Self {
            base: self.base,
            physical: self.physical,
            length,
        };
        // SAFETY: `length` is at most `self.length`, so this stays within the same allocation.
        self.base = unsafe { self.base.add(length) };
        self.physical += length as u64;
        self.length = rest;
        Some(front)
    }

    /// Takes bytes off the front until a device sees the rest aligned to `alignment`, a power of
    /// two, and returns whether that many bytes were there.
    #[must_use]
    pub fn align_to(&mut self, alignment: usize) -> bool {
        let Some(aligned) = self.physical.checked_next_multiple_of(alignment as u64) else {
            return false;
        };
        usize::try_from(aligned - self.physical)
            .ok()
            .and_then(|skip| self.split_to(skip))
            .is_some()
    }

    /// Gives the memory up to be shared with a device from now on: as many cells as fit. `None`
    /// if it is not aligned for them.
    #[must_use]
    pub fn into_shared<T: Shared>(self) -> Option<&'static [T]> {
        let cells = self.base.cast::<T>();
        if !cells.is_aligned() {
            return None;
        }
        // SAFETY: aligned, inside the range, valid for ever, and `T` is an atomic integer: any
        // bytes are a value, and it may change at any time.
        Some(unsafe { slice::from_raw_parts(cells.as_ptr(), self.length / size_of::<T>()) })
    }
}

impl fmt::Debug for Dma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dma({:#x}+{:#x})", self.physical, self.length)
    }
}

/// A cell of memory that program and device may both use at any time.
///
/// # Safety
///
/// Only for atomic integers: every bit pattern must be a value and every access atomic.
pub unsafe trait Shared {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU16 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU64 {}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Dma;
    use core::ptr::NonNull;
    use core::sync::atomic::{AtomicU16, AtomicU32, Ordering};
    use std::boxed::Box;

    fn memory(physical: u64, words: usize) -> Dma {
        let words = Box::leak(std::vec![0_u64; words].into_boxed_slice());
        let base = NonNull::from(&mut *words).cast::<u8>();
        // SAFETY: leaked above and named only here.
        unsafe { Dma::new(base, physical, size_of_val(words)) }
    }

    #[test]
    fn splitting_keeps_addresses_together() {
        let mut rest = memory(0x1000, 8);
        let mut front = rest.split_to(24).unwrap();
        assert_eq!((front.physical(), front.len()), (0x1000, 24));
        assert_eq!((rest.physical(), rest.len()), (0x1018, 40));
        front.bytes_mut().fill(1);
        rest.bytes_mut().fill(2);
        assert!(front.bytes().iter().all(|byte| *byte == 1));
        assert!(rest.split_to(41).is_none());
        assert_eq!(rest.len(), 40);
        assert!(rest.split_to(40).is_some());
        assert!(rest.is_empty());
    }

    #[test]
    fn alignment_is_what_the_device_sees() {
        let mut dma = memory(0x1008, 8);
        assert!(dma.align_to(8));
        assert_eq!(dma.len(), 64);
        assert!(dma.align_to(32));
        assert_eq!((dma.physical(), dma.len()), (0x1020, 40));
        assert!(!dma.align_to(4096));
        assert_eq!(dma.len(), 40);
    }

    #[test]
    fn shared_cells_must_be_aligned() {
        let mut dma = memory(0, 4);
        let cells = dma.split_to(6).unwrap().into_shared::<AtomicU16>().unwrap();
        assert_eq!(cells.len(), 3);
        cells[2].store(7, Ordering::Relaxed);
        assert_eq!(cells[2].load(Ordering::Relaxed), 7);
        assert!(dma.into_shared::<AtomicU32>().is_none());
    }
}
