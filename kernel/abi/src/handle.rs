//! Handles and rights.

use bitflags::bitflags;

/// A process's name for an object it may use: an index into its table with a generation, so that
/// a stale handle never names a newer object. Zero is never valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Handle(pub u32);

impl Handle {
    /// Names nothing.
    pub const NONE: Self = Self(0);
}

bitflags! {
    /// What a handle allows. A duplicate can have fewer rights than its original, never more.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Rights: u32 {
        /// May be duplicated.
        const DUPLICATE = 1 << 0;
        /// May be moved to another process.
        const TRANSFER = 1 << 1;
        /// Memory and devices: may be mapped readable. Processes and system: may be inspected.
        const READ = 1 << 2;
        /// Memory and devices: may be mapped writable. Debug console: may be written to.
        const WRITE = 1 << 3;
        /// Memory: may be mapped executable, or loaded as a program.
        const EXECUTE = 1 << 4;
        /// Channels: may be rung. Interrupts: may be acknowledged. Processes: may be started and
        /// killed. System: may be powered off or reset.
        const SIGNAL = 1 << 5;
        /// Devices: memory may be made for them to read and write. Memory: its physical addresses may
        /// be learned.
        const DMA = 1 << 6;
    }
}

/// What kind of object a handle names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ObjectKind {
    /// An address space with its handles and threads.
    Process = 1,
    /// A flow of execution.
    Thread = 2,
    /// One end of a channel.
    Channel = 3,
    /// Pages.
    Memory = 4,
    /// An interrupt line.
    Interrupt = 5,
    /// A range of device registers; also the debug console and the machine itself, which are
    /// devices without mappable registers.
    Device = 6,
}

impl ObjectKind {
    /// The kind for a number; `None` for unknown numbers.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Process,
            2 => Self::Thread,
            3 => Self::Channel,
            4 => Self::Memory,
            5 => Self::Interrupt,
            6 => Self::Device,
            _ => return None,
        })
    }
}
