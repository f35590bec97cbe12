//! The registers of a device.
//!
//! *Owns* the proof that nobody else drives the device. Accesses go through `safe-mmio`, which
//! uses exactly one plain load or store per access (a hypervisor cannot emulate other forms).
//! *Never* interprets a register.

use core::fmt;
use core::ptr::NonNull;
use safe_mmio::fields::ReadPureWrite;
use safe_mmio::{SharedMmioPointer, UniqueMmioPointer};

/// Words of 32 bits that belong to a device, alone with their owner.
pub struct Registers {
    words: UniqueMmioPointer<'static, [ReadPureWrite<u32>]>,
}

/// An offset beyond the registers, or not of a whole word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl Registers {
    /// Takes charge of the registers of a device.
    ///
    /// # Safety
    ///
    /// For the rest of the program, `length` bytes from `base` must be mapped as device memory,
    /// must be safe to read and write as 32-bit words, and must be used by nobody else in this
    /// program.
    ///
    /// # Panics
    ///
    /// When `base` is not aligned to a word.
    #[must_use]
    pub unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        let first = base.cast::<ReadPureWrite<u32>>();
        assert!(first.is_aligned(), "registers are words");
        let words = NonNull::slice_from_raw_parts(first, length / size_of::<u32>());
        Self {
            // SAFETY: what our caller promises is what `new` asks for.
            words: unsafe { UniqueMmioPointer::new(words) },
        }
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len() * size_of::<u32>()
    }

    /// Whether there is no register.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps `length` bytes from `offset` and forgets the rest: the window of one device in a page
    /// that several share.
    ///
    /// # Errors
    ///
    /// When they are not inside, or not whole words.
    pub fn narrow(mut self, offset: usize, length: usize) -> Result<Self, OutOfRange> {
        let from = word(offset)?;
        let to = from.checked_add(word(length)?).ok_or(OutOfRange)?;
        let part = self
            .words
            .get_range(from..to)
            .ok_or(OutOfRange)?
            .ptr_nonnull();
        Ok(Self {
            // SAFETY: a part of what `self` owns, and `self` ends here.
            words: unsafe { UniqueMmioPointer::new(part) },
        })
    }

    /// Reads the word at `offset` bytes.
    ///
    /// # Errors
    ///
    /// When there is no such word.
    pub fn read(&self, offset: usize) -> Result<u32, OutOfRange> {
        let words: &SharedMmioPointer<_> = &self.words;
        let register = words.get(word(offset)?).ok_or(OutOfRange)?;
        Ok(register.read())
    }

    /// Writes the word at `offset` bytes.
    ///
    /// # Errors
    ///
    /// When there is no such word.
    pub fn write(&mut self, offset: usize, value: u32) -> Result<(), OutOfRange> {
        let mut register = self.words.get(word(offset)?).ok_or(OutOfRange)?;
        register.write(value);
        Ok(())
    }

    /// The registers for a driver of somebody else's making.
    #[must_use]
    pub fn into_pointer(self) -> UniqueMmioPointer<'static, [ReadPureWrite<u32>]> {
        self.words
    }
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registers({:?})", self.words)
    }
}

/// Index of the word at a byte offset.
fn word(offset: usize) -> Result<usize, OutOfRange> {
    if offset.is_multiple_of(size_of::<u32>()) {
        Ok(offset / size_of::<u32>())
    } else {
        Err(OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{OutOfRange, Registers};
    use core::ptr::NonNull;
    use std::boxed::Box;

    fn registers(words: &'static mut [u32]) -> Registers {
        let length = size_of_val(words);
        // SAFETY: leaked memory stands in for registers.
        unsafe { Registers::new(NonNull::from(words).cast(), length) }
    }

    #[test]
    fn words_are_found_by_their_offset_in_bytes() {
        let mut all = registers(Box::leak(Box::new([1, 2, 3, 4])));
        assert_eq!(all.len(), 16);
        assert_eq!(all.read(8), Ok(3));
        assert_eq!(all.write(8, 9), Ok(()));
        assert_eq!(all.read(8), Ok(9));
        assert_eq!(all.read(16), Err(OutOfRange));
        assert_eq!(all.read(2), Err(OutOfRange));
        assert_eq!(all.write(usize::MAX - 3, 0), Err(OutOfRange));
    }

    #[test]
    fn a_window_is_a_part() {
        let window = registers(Box::leak(Box::new([1, 2, 3, 4])))
            .narrow(4, 8)
            .unwrap();
        assert_eq!(window.len(), 8);
        assert_eq!(window.read(0), Ok(2));
        assert_eq!(window.read(8), Err(OutOfRange));
        assert!(window.narrow(4, 8).is_err());
        let all = registers(Box::leak(Box::new([0; 2])));
        assert!(all.narrow(usize::MAX - 3, 8).is_err());
    }
}
