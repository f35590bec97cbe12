//! Access to the memory of programs: the only place.
//!
//! A pointer from a program is an allegation. [`UserRange`] proves no more than that the range does
//! not wrap and lies in the lower half; each page of it is then looked up in the program's own
//! tables, with the right that the program itself would need, and the bytes are copied through the
//! linear map. The kernel never uses the address itself, so it cannot fault, PAN is never lifted,
//! and the memory of a process that is not running can be reached as well.

use super::space::{AddressSpace, USER_END};
use super::{physical, table};
use abi::{BootInfo, Error, ObjectInfo, ProcessInfo, SystemInfo, WaitItem};
use core::slice;

/// Addresses that a program says it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserRange {
    start: usize,
    bytes: usize,
}

impl UserRange {
    /// The range, if it is one of the lower half.
    #[inline]
    pub fn new(start: u64, bytes: usize) -> Result<Self, Error> {
        let start = usize::try_from(start).map_err(|_| Error::BadAddress)?;
        match start.checked_add(bytes) {
            Some(end) if end <= USER_END => Ok(Self { start, bytes }),
            _ => Err(Error::BadAddress),
        }
    }

    /// The range of `count` values from an aligned address.
    #[inline]
    pub fn of<T: Plain>(start: u64, count: usize) -> Result<Self, Error> {
        let bytes = count.checked_mul(size_of::<T>()).ok_or(Error::BadAddress)?;
        if !start.is_multiple_of(align_of::<T>() as u64) {
            return Err(Error::BadAddress);
        }
        Self::new(start, bytes)
    }

    /// Copies the range into `into`, which has its size.
    #[inline]
    pub fn read(self, space: &AddressSpace, into: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < self.bytes {
            let (start, length) = table::translate(space.root(), self.start + done, false)
                .ok_or(Error::BadAddress)?;
            let length = length.min(self.bytes - done);
            let piece = into
                .get_mut(done..done + length)
                .ok_or(Error::BadArgument)?;
            physical::read(start, piece);
            done += length;
        }
        Ok(())
    }

    /// Copies `bytes`, which has its size, into the range. What lies before a page that may not be
    /// written is written.
    #[inline]
    pub fn write(self, space: &AddressSpace, bytes: &[u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < self.bytes {
            let (start, length) =
                table::translate(space.root(), self.start + done, true).ok_or(Error::BadAddress)?;
            let length = length.min(self.bytes - done);
            let piece = bytes.get(done..done + length).ok_or(Error::BadArgument)?;
            physical::write(start, piece);
            done += length;
        }
        Ok(())
    }
}

/// Copies one value from a program.
#[inline]
pub fn read_value<T: Plain>(space: &AddressSpace, address: u64) -> Result<T, Error> {
    let range = UserRange::of::<T>(address, 1)?;
    let (start, length) =
        table::translate(space.root(), range.start, false).ok_or(Error::BadAddress)?;
    if length >= range.bytes {
        return Ok(physical::read_value(start));
    }
    let mut value = physical::read_value::<T>(start & !(super::PAGE as u64 - 1));
    range.read(space, bytes_of_mut(slice::from_mut(&mut value)))?;
    Ok(value)
}

/// Copies one value to a program.
#[inline]
pub fn write_value<T: Plain>(space: &AddressSpace, address: u64, value: &T) -> Result<(), Error> {
    let range = UserRange::of::<T>(address, 1)?;
    let (start, length) =
        table::translate(space.root(), range.start, true).ok_or(Error::BadAddress)?;
    if length >= range.bytes {
        physical::write_value(start, value);
        return Ok(());
    }
    range.write(space, bytes_of(slice::from_ref(value)))
}

/// Structures that are nothing but their bytes: `repr(C)`, no padding, every bit pattern valid.
///
/// # Safety
/// The implementer has checked just that.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($structure:ty: $bytes:expr;)*) => {$(
        // SAFETY: an integer or `repr(C)` of integers and arrays of integers; the sizes of the fields add up to
        // the size of the structure (asserted), so there is no padding.
        unsafe impl Plain for $structure {}
        const _: () = assert!(size_of::<$structure>() == $bytes);
    )*};
}

plain! {
    u32: 4;
    WaitItem: 16;
    ObjectInfo: 16;
    ProcessInfo: 8 + abi::NAME_BYTES + 3 * 8 + 2 * 4 + size_of::<abi::FaultRecord>();
    SystemInfo: 3 * 8 + 2 * 4 + 8 * abi::MAX_CPUS + 3 * 8;
}
const _: () = assert!(size_of::<abi::FaultRecord>() == 2 * 4 + 5 * 8 + 31 * 8);

// SAFETY: `repr(C)` of integers, `Handle` (one integer), arrays and `DeviceWindow` (`repr(C)`, two
// 64-bit integers and two handles); the sizes add up.
unsafe impl Plain for BootInfo {}
const _: () = assert!(
    size_of::<BootInfo>()
        == 6 * 4 + 8 + 32 + 8 + (2 + abi::MAX_VIRTIO_WINDOWS) * 24 + 8 + abi::COMMAND_LINE_BYTES
);

/// The bytes of plain values.
pub const fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain` has no padding, so all bytes are initialised; the lengths agree.
    unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

/// The bytes of plain values, to be overwritten.
pub const fn bytes_of_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: every bit pattern is a valid value of a `Plain` type; the lengths agree.
    unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}
