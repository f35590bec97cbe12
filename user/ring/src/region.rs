//! The words of a channel's shared memory.
//!
//! *Owns* the pointer and the way words are read and written: always as atomics, because the peer
//! may write any word at any moment, honest or not. *Never* interprets a word.

use alloc::sync::Arc;
use core::{any::Any, ops::Deref};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use {
    alloc::boxed::Box,
    core::{
        ptr::NonNull,
        sync::atomic::{AtomicU64, Ordering},
    },
};

/// Whatever keeps memory mapped; the mapping may go when the last clone of this is dropped.
pub type Keeper = Arc<dyn Any + Send + Sync>;

/// The memory is too small for two rings, or not aligned to 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRegion;

impl core::fmt::Display for BadRegion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("shared memory too small or misaligned")
    }
}

impl core::error::Error for BadRegion {}

/// Shared memory as 64-bit words.
#[cfg(not(loom))]
pub struct Region {
    base: NonNull<AtomicU64>,
    words: usize,
    keeper: Keeper,
}

// SAFETY: the memory is reached only through atomics, which any thread may use, and the keeper
// that makes the pointer valid is itself `Send + Sync`.
#[cfg(not(loom))]
unsafe impl Send for Region {}
// SAFETY: as above; every method that takes `&self` uses atomics.
#[cfg(not(loom))]
unsafe impl Sync for Region {}

#[cfg(not(loom))]
impl Region {
    /// Takes `bytes` bytes at `base`.
    ///
    /// # Errors
    ///
    /// [`BadRegion`] if `base` is not aligned to 8 bytes.
    ///
    /// # Safety
    ///
    /// The memory must stay mapped, readable and writable until `keeper` is dropped, and whoever
    /// else reaches it within this process must do so through a `Region` as well. Other processes
    /// may do with it what they like.
    pub unsafe fn new(base: NonNull<u8>, bytes: usize, keeper: Keeper) -> Result<Self, BadRegion> {
        let base = base.cast::<AtomicU64>();
        if !base.is_aligned() {
            return Err(BadRegion);
        }
        Ok(Self {
            base,
            words: bytes / size_of::<AtomicU64>(),
            keeper,
        })
    }

    /// Two views of one zeroed allocation: both ends of a channel within one process.
    ///
    /// # Panics
    ///
    /// When there is no memory.
    #[must_use]
    pub fn shared(bytes: usize) -> (Self, Self) {
        let words: Box<[AtomicU64]> = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
        let keeper: Arc<Box<[AtomicU64]>> = Arc::new(words);
        let region = Self {
            base: NonNull::from(&**keeper).cast(),
            words: keeper.len(),
            keeper,
        };
        (region.view(), region)
    }

    /// Bytes of the region.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.words * 8
    }

    /// Another view of the same memory.
    pub(crate) fn view(&self) -> Self {
        Self {
            base: self.base,
            words: self.words,
            keeper: Arc::clone(&self.keeper),
        }
    }

    /// The word at a place, which is checked once and for all.
    pub(crate) fn word(&self, index: usize) -> Word {
        assert!(index < self.words, "word outside of the region");
        Word {
            // SAFETY: in bounds by the line above, so within the same mapping as `base`.
            word: unsafe { self.base.add(index) },
            keeper: Arc::clone(&self.keeper),
        }
    }

    /// Words `first` to `first + count`.
    fn range(&self, first: usize, count: usize) -> &[AtomicU64] {
        let end = first.checked_add(count);
        assert!(
            end.is_some_and(|end| end <= self.words),
            "words outside of the region"
        );
        // SAFETY: in bounds by the line above.
        let start = unsafe { self.base.add(first) };
        let words = NonNull::slice_from_raw_parts(start, count);
        // SAFETY: as for `Word`, for each of the words.
        unsafe { words.as_ref() }
    }
}

/// One word of a region.
#[cfg(not(loom))]
pub struct Word {
    word: NonNull<AtomicU64>,
    #[expect(dead_code, reason = "keeps the memory mapped")]
    keeper: Keeper,
}

// SAFETY: as for `Region`.
#[cfg(not(loom))]
unsafe impl Send for Word {}
// SAFETY: as for `Region`.
#[cfg(not(loom))]
unsafe impl Sync for Word {}

#[cfg(not(loom))]
impl Deref for Word {
    type Target = AtomicU64;

    #[inline]
    fn deref(&self) -> &AtomicU64 {
        // SAFETY: in bounds by `Region::word`, mapped and aligned as `Region::new` demands for as
        // long as `self` holds the keeper; `AtomicU64` allows concurrent writes by anyone.
        unsafe { self.word.as_ref() }
    }
}

/// One word of the model.
#[cfg(loom)]
pub struct Word {
    words: Arc<[AtomicU64]>,
    index: usize,
}

#[cfg(loom)]
impl Deref for Word {
    type Target = AtomicU64;

    fn deref(&self) -> &AtomicU64 {
        &self.words[self.index]
    }
}

/// Shared memory as words of the loom model.
#[cfg(loom)]
pub struct Region {
    words: Arc<[AtomicU64]>,
}

#[cfg(loom)]
impl Region {
    /// Two views of one zeroed allocation.
    #[must_use]
    pub fn shared(bytes: usize) -> (Self, Self) {
        let words: Arc<[AtomicU64]> = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
        let region = Self { words };
        (region.view(), region)
    }

    /// Another view of the same memory.
    pub(crate) fn view(&self) -> Self {
        Self {
            words: Arc::clone(&self.words),
        }
    }

    /// The word at a place.
    pub(crate) fn word(&self, index: usize) -> Word {
        Word {
            words: Arc::clone(&self.words),
            index,
        }
    }

    fn range(&self, first: usize, count: usize) -> &[AtomicU64] {
        &self.words[first..first + count]
    }
}

impl Region {
    /// How many words there are.
    pub(crate) fn words(&self) -> usize {
        #[cfg(not(loom))]
        return self.words;
        #[cfg(loom)]
        return self.words.len();
    }

    /// Copies words out. Each is one relaxed load: order comes from the index that was loaded
    /// before, and a peer that writes meanwhile can only spoil its own message.
    #[inline]
    pub(crate) fn read(&self, first: usize, into: &mut [u64]) {
        let words = self.range(first, into.len());
        #[cfg(all(target_os = "none", not(loom)))]
        if let Some(message) = into.as_mut_array() {
            return pairs::load(words, message);
        }
        for (value, word) in into.iter_mut().zip(words) {
            *value = word.load(Ordering::Relaxed);
        }
    }

    /// Copies words in, relaxed as in [`Self::read`]; the index stored afterwards publishes them.
    #[inline]
    pub(crate) fn write(&self, first: usize, from: &[u64]) {
        let words = self.range(first, from.len());
        #[cfg(all(target_os = "none", not(loom)))]
        if let Some(message) = from.as_array() {
            return pairs::store(message, words);
        }
        for (value, word) in from.iter().zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
    }
}

/// A whole message by pairs of registers: the compiler never joins atomic accesses, and one word at
/// a time takes twice the instructions. A pair's two words are each accessed whole, as two atomics.
#[cfg(all(target_os = "none", not(loom)))]
mod pairs {
    use core::arch::asm;

    use super::AtomicU64;
    use crate::message::MESSAGE_WORDS;

    /// Four words a step.
    macro_rules! copy {
        ($from:expr, $to:expr) => {
            asm!(
                ".rept 8",
                "ldp {a}, {b}, [{from}], #16",
                "ldp {c}, {d}, [{from}], #16",
                "stp {a}, {b}, [{to}], #16",
                "stp {c}, {d}, [{to}], #16",
                ".endr",
                from = inout(reg) $from => _,
                to = inout(reg) $to => _,
                a = out(reg) _,
                b = out(reg) _,
                c = out(reg) _,
                d = out(reg) _,
                options(nostack),
            )
        };
    }

    const _: () = assert!(MESSAGE_WORDS == 8 * 4);

    #[inline]
    pub fn load(words: &[AtomicU64], message: &mut [u64; MESSAGE_WORDS]) {
        assert!(words.len() == MESSAGE_WORDS, "not a slot");
        // SAFETY: reads the words of the slice, writes those of the array, as many as both have. Peers may
        // write the slice's meanwhile: that is why it is no ordinary copy.
        unsafe { copy!(words.as_ptr(), message.as_mut_ptr()) }
    }

    #[inline]
    pub fn store(message: &[u64; MESSAGE_WORDS], words: &[AtomicU64]) {
        assert!(words.len() == MESSAGE_WORDS, "not a slot");
        // SAFETY: as in `load`, the other way; the slice's words allow writes through a shared
        // reference because they are atomics.
        unsafe { copy!(message.as_ptr(), words.as_ptr()) }
    }
}
