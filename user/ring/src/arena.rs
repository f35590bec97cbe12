//! Memory that a client shares with a server for payload.
//!
//! *Owns* the bounds check of every offset and length that comes out of a message. *Never* hands
//! out a reference to plain bytes: the other process may write at any time, so bytes are copied out
//! and only then looked at, or looked at where they lie, each on its own, as what may change.

use alloc::{boxed::Box, sync::Arc, vec};
use core::{ptr::NonNull, sync::atomic::AtomicU8};

use crate::region::Keeper;
use crate::summed;

/// The range does not lie within the arena, or the arena is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfArena;

impl core::fmt::Display for OutOfArena {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("range outside of the arena")
    }
}

impl core::error::Error for OutOfArena {}

/// A mapping of a client's memory.
pub struct Arena {
    base: NonNull<u8>,
    length: usize,
    keeper: Option<Keeper>,
}

// SAFETY: the memory is reached only through raw copies, no thread keeps a reference into it, and
// the keeper is `Send`. Not `Sync`: two threads could copy to the same place at once.
unsafe impl Send for Arena {}

impl Arena {
    /// Takes `length` bytes at `base`.
    ///
    /// # Safety
    ///
    /// The memory must stay mapped, readable and writable until `keeper` is dropped, and no Rust
    /// reference into it may exist in this process.
    #[must_use]
    pub const unsafe fn new(base: NonNull<u8>, length: usize, keeper: Keeper) -> Self {
        Self {
            base,
            length,
            keeper: Some(keeper),
        }
    }

    /// Two views of one zeroed allocation: client and server within one process.
    ///
    /// # Panics
    ///
    /// When there is no memory.
    #[must_use]
    pub fn shared(length: usize) -> (Self, Self) {
        /// Frees the allocation when the last view is gone.
        struct Allocation(NonNull<[u8]>);
        // SAFETY: only the pointer is kept; it is used again in `drop`, by the last owner.
        unsafe impl Send for Allocation {}
        // SAFETY: as above.
        unsafe impl Sync for Allocation {}
        impl Drop for Allocation {
            fn drop(&mut self) {
                // SAFETY: made from a box of this type, and every view is gone.
                drop(unsafe { Box::from_raw(self.0.as_ptr()) });
            }
        }
        let bytes = NonNull::from(Box::leak(vec![0; length].into_boxed_slice()));
        let keeper: Keeper = Arc::new(Allocation(bytes));
        let view = |keeper| Self {
            base: bytes.cast(),
            length,
            keeper: Some(keeper),
        };
        (view(Arc::clone(&keeper)), view(keeper))
    }

    /// Another view of the same memory within this process.
    #[must_use]
    pub fn view(&self) -> Self {
        Self {
            base: self.base,
            length: self.length,
            keeper: self.keeper.clone(),
        }
    }

    /// Bytes of the arena; zero after [`Self::unmap`].
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// True if no range fits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// True if `length` bytes from `offset` lie within the arena.
    #[must_use]
    pub fn contains(&self, offset: u64, length: usize) -> bool {
        self.at(offset, length).is_ok()
    }

    /// Copies bytes out.
    ///
    /// # Errors
    ///
    /// [`OutOfArena`] if the range does not lie within the arena; nothing is copied.
    pub fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfArena> {
        let length = into.len();
        let from = self.at(offset, length)?;
        // SAFETY: `at` checked that the range is mapped; `into` is ours alone, so they do not
        // overlap. The peer may write meanwhile: every byte pattern is a valid `u8`, and nobody
        // has looked at these bytes before this copy of them.
        unsafe { from.copy_to_nonoverlapping(NonNull::from(into).cast(), length) };
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    ///
    /// [`OutOfArena`] if the range does not lie within the arena; nothing is copied.
    pub fn write(&self, offset: u64, from: &[u8]) -> Result<(), OutOfArena> {
        let into = self.at(offset, from.len())?;
        // SAFETY: `at` checked that the range is mapped; `from` is borrowed, and no reference into
        // the arena exists, so they do not overlap.
        unsafe { into.copy_from_nonoverlapping(NonNull::from(from).cast(), from.len()) };
        Ok(())
    }

    /// Like [`Self::read`], in one pass with the sum of what was copied: of 64-bit words as they stand in memory,
    /// zeros behind the last, carries added round.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_summed(&self, offset: u64, into: &mut [u8]) -> Result<u64, OutOfArena> {
        let from = self.at(offset, into.len())?;
        // SAFETY: `at` checked that the range is mapped; `into` is ours alone, so they do not overlap.
        Ok(unsafe { summed::copy(from.as_ptr(), into.as_mut_ptr(), into.len()) })
    }

    /// Like [`Self::write`], in one pass with the sum of what was copied, as [`Self::read_summed`] has it.
    ///
    /// # Errors
    ///
    /// As [`Self::write`].
    pub fn write_summed(&self, offset: u64, from: &[u8]) -> Result<u64, OutOfArena> {
        let into = self.at(offset, from.len())?;
        // SAFETY: `at` checked that the range is mapped; `from` is borrowed, and no reference into
        // the arena exists, so they do not overlap.
        Ok(unsafe { summed::copy(from.as_ptr(), into.as_ptr(), from.len()) })
    }

    /// The bytes where they lie. Each may change while it is not being looked at.
    ///
    /// # Errors
    ///
    /// [`OutOfArena`] if the range does not lie within the arena.
    pub fn bytes(&self, offset: u64, length: usize) -> Result<&[AtomicU8], OutOfArena> {
        let start = self.at(offset, length)?.cast::<AtomicU8>();
        let bytes = NonNull::slice_from_raw_parts(start, length);
        // SAFETY: `at` checked that the range is mapped, which it stays for as long as `self` is
        // borrowed. An atomic byte is laid out as a byte, needs no alignment, allows writes by
        // anyone meanwhile, and excludes no copy to or from the same place.
        Ok(unsafe { bytes.as_ref() })
    }

    /// Gives the mapping up; every later access is [`OutOfArena`].
    pub fn unmap(&mut self) {
        self.length = 0;
        self.keeper = None;
    }

    /// Address of `offset`, if `length` bytes from there lie within the arena.
    fn at(&self, offset: u64, length: usize) -> Result<NonNull<u8>, OutOfArena> {
        let offset = usize::try_from(offset).map_err(|_| OutOfArena)?;
        let end = offset.checked_add(length).ok_or(OutOfArena)?;
        if self.keeper.is_none() || end > self.length {
            return Err(OutOfArena);
        }
        // SAFETY: at most the end of the mapping.
        Ok(unsafe { self.base.add(offset) })
    }
}
