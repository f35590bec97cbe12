//! Memory in the address space of this process, unmapped when dropped.

use alloc::sync::Arc;
use core::ptr::NonNull;

use ring::Keeper;

use crate::syscall;

/// A mapping that the kernel made. Only the place: what may be done with the bytes is for the
/// owner to argue.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: holds an address and gives no access to what is there.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Takes over a mapping of `bytes` at `base`.
    pub(crate) const fn from_kernel(base: NonNull<u8>, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// First byte.
    #[must_use]
    pub const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// True if there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Shares the ownership: unmapped when the last clone is dropped.
    #[must_use]
    pub fn into_keeper(self) -> Keeper {
        Arc::new(self)
    }

    /// Stays mapped for ever.
    pub const fn leak(self) -> NonNull<u8> {
        let base = self.base;
        core::mem::forget(self);
        base
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: whoever made a pointer from `base` had to keep `self` for as long as it used it.
        let result = unsafe { syscall::memory_unmap(self.base, self.bytes) };
        debug_assert!(
            result.is_ok(),
            "a mapping that the kernel made can be taken away"
        );
    }
}
