//! System call numbers and their register convention.
//!
//! `svc #0` with the number in `x8` and arguments in `x0` to `x5`. On return `x0` is zero or a
//! negated [`crate::Error`], `x1` and `x2` carry results; all other registers are kept. Pointers
//! are addresses in the caller; structures are those of this crate, 8-byte aligned.

use bitflags::bitflags;

/// Bytes of a page.
pub const PAGE_SIZE: usize = 4096;
/// Bytes of stack that a process's first thread starts with; the page below is a guard.
pub const STACK_SIZE: usize = 128 * 1024;
/// Most items of one `Wait`.
pub const MAX_WAIT_ITEMS: usize = 256;
/// Bytes of a process's name; longer names are cut.
pub const NAME_BYTES: usize = 16;
/// Handles that may wait in one direction of a channel.
pub const CHANNEL_HANDLE_QUEUE: usize = 16;
/// Priorities run from 0 (lowest) to this minus one.
pub const PRIORITIES: usize = 8;

/// The system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Syscall {
    /// Does nothing; the price of a kernel entry.
    Null = 0,
    /// `(handle)`: forgets a handle; the object goes when nothing refers to it.
    HandleClose = 1,
    /// `(handle, rights)` -> handle. Needs `DUPLICATE`; rights beyond the original: `Denied`.
    HandleDuplicate = 2,
    /// `(handle, *mut ObjectInfo)`: kind, rights and size of what a handle names.
    ObjectInfo = 3,
    /// `(*mut WaitItem, count, deadline, channel, WaitFlags)` -> number of items with signals; if
    /// it is one, `x2` has its index and, from bit 32 on, the signals. Sleeps until one item has one
    /// of its wanted signals or the system counter (`CNTVCT_EL0`) reaches `deadline` (`TimedOut`).
    /// A deadline of zero only looks. No items: a plain sleep. If several items have signals, they
    /// are written to each of those; nothing else is written. A channel other than zero is rung
    /// first, as by `ChannelRing`, in the same entry; that its peer has gone is no error here.
    Wait = 4,
    /// `(bytes)` -> two handles in `x1`, `x2`: a channel with that much shared memory, zeroed.
    ChannelCreate = 5,
    /// `(channel)` -> address, length: maps the channel's shared memory, once per end.
    ChannelMap = 6,
    /// `(channel)`: rings the doorbell of the other end. Needs `SIGNAL`. `PeerClosed`.
    ChannelRing = 7,
    /// `(channel, handle, tag)`: moves a handle into the other end's queue. The handle needs
    /// `TRANSFER`. `WouldBlock` when the queue is full, `PeerClosed`.
    ChannelSendHandle = 8,
    /// `(channel)` -> handle, tag: takes the oldest queued handle. `WouldBlock` when there is none.
    ChannelReceiveHandle = 9,
    /// `(bytes, device)` -> handle: zeroed pages, rounded up. Charged to the caller. With a device
    /// other than zero they are physically contiguous, and their place may be learned, because the
    /// device is to read and write them; the handle to the device needs `DMA`.
    MemoryCreate = 10,
    /// `(memory or device, offset, bytes, Protection)` -> address chosen by the kernel. Writable
    /// and executable together: `BadArgument`. Devices are mapped as device memory.
    MemoryMap = 11,
    /// `(address, bytes)`: takes away exactly one earlier mapping.
    MemoryUnmap = 12,
    /// `(memory, offset)` -> physical address of that byte. Needs `DMA`. Contiguous memory stays
    /// contiguous over its whole length.
    MemoryPhysical = 13,
    /// `(interrupt)`: the device has been served; unmask the line. Needs `SIGNAL`.
    InterruptAcknowledge = 14,
    /// `(memory, offset, bytes, name, name bytes, memory limit)` -> process. Loads an ELF image
    /// from a Memory with `READ` and `EXECUTE`. The new process holds no handle and does not run yet.
    ProcessCreate = 15,
    /// `(process, handle, priority)`: moves `handle` into the process and starts it; its number
    /// there is in `x0` of the entry point. Needs `SIGNAL`.
    ProcessStart = 16,
    /// `(process, code)`: ends it. Needs `SIGNAL`.
    ProcessKill = 17,
    /// `(process, *mut ProcessInfo)`. Needs `READ`.
    ProcessInfo = 18,
    /// `(code)`: ends the calling process. Does not return.
    ProcessExit = 19,
    /// `(entry, stack top, argument, priority)` -> thread of the calling process.
    ThreadCreate = 20,
    /// `()`: ends the calling thread; with the last thread the process exits with code 0.
    ThreadExit = 21,
    /// `(debug console, pointer, bytes)`: polled output. Needs `WRITE`.
    DebugWrite = 22,
    /// `(system, *mut SystemInfo)`. Needs `READ`.
    SystemInfo = 23,
    /// `(system, SystemOperation, code)`: power off or reset. Needs `SIGNAL`. Does not return.
    SystemControl = 24,
}

impl Syscall {
    /// The call for a number in `x8`; `None` for unknown numbers.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::HandleClose,
            2 => Self::HandleDuplicate,
            3 => Self::ObjectInfo,
            4 => Self::Wait,
            5 => Self::ChannelCreate,
            6 => Self::ChannelMap,
            7 => Self::ChannelRing,
            8 => Self::ChannelSendHandle,
            9 => Self::ChannelReceiveHandle,
            10 => Self::MemoryCreate,
            11 => Self::MemoryMap,
            12 => Self::MemoryUnmap,
            13 => Self::MemoryPhysical,
            14 => Self::InterruptAcknowledge,
            15 => Self::ProcessCreate,
            16 => Self::ProcessStart,
            17 => Self::ProcessKill,
            18 => Self::ProcessInfo,
            19 => Self::ProcessExit,
            20 => Self::ThreadCreate,
            21 => Self::ThreadExit,
            22 => Self::DebugWrite,
            23 => Self::SystemInfo,
            24 => Self::SystemControl,
            _ => return None,
        })
    }

    /// How many system calls there are; numbers run from zero without a gap.
    pub const COUNT: u64 = 25;
}

bitflags! {
    /// How memory is mapped.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Protection: u64 {
        /// Loads.
        const READ = 1 << 0;
        /// Stores.
        const WRITE = 1 << 1;
        /// Instruction fetches.
        const EXECUTE = 1 << 2;
    }
}

/// What `SystemControl` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum SystemOperation {
    /// Powers the machine off; `code` becomes the emulator's exit status where it offers one.
    PowerOff = 0,
    /// Resets the machine.
    Reset = 1,
}

#[cfg(test)]
mod tests {
    use super::Syscall;

    #[test]
    fn numbers_are_dense_and_round_trip() {
        for number in 0..Syscall::COUNT {
            assert_eq!(
                Syscall::from_number(number).map(|call| call as u64),
                Some(number)
            );
        }
        assert_eq!(Syscall::from_number(Syscall::COUNT), None);
        assert_eq!(Syscall::from_number(u64::MAX), None);
    }
}
