//! What the kernel tells about objects, processes and the machine.

use crate::NAME_BYTES;

/// Most CPUs that the kernel runs on.
pub const MAX_CPUS: usize = 8;

/// Answer of `ObjectInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ObjectInfo {
    /// Number of an [`crate::ObjectKind`].
    pub kind: u32,
    /// Bits of [`crate::Rights`] of the handle asked about.
    pub rights: u32,
    /// Memory: bytes. Device: bytes of the range. Channel: bytes of shared memory. Else zero.
    pub size: u64,
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ProcessState {
    /// Created, not started.
    New = 0,
    /// Has threads.
    Running = 1,
    /// Ended by itself.
    Exited = 2,
    /// Ended by a fault; the record tells which.
    Faulted = 3,
    /// Ended by `ProcessKill`.
    Killed = 4,
}

impl ProcessState {
    /// The state for a number; `None` for unknown numbers.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::New,
            1 => Self::Running,
            2 => Self::Exited,
            3 => Self::Faulted,
            4 => Self::Killed,
            _ => return None,
        })
    }
}

/// [`FaultRecord::kind`]: there was no fault.
pub const FAULT_KIND_NONE: u32 = 0;
/// [`FaultRecord::kind`]: instruction or data abort, alignment included.
pub const FAULT_KIND_ABORT: u32 = 1;
/// [`FaultRecord::kind`]: undefined or forbidden instruction.
pub const FAULT_KIND_ILLEGAL: u32 = 2;
/// [`FaultRecord::kind`]: any other synchronous exception; see the syndrome.
pub const FAULT_KIND_OTHER: u32 = 3;
/// [`FaultRecord::kind`]: ended from outside; registers are those at that moment.
pub const FAULT_KIND_KILLED: u32 = 4;

/// The registers of a thread at the fault that ended its process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FaultRecord {
    /// One of the `FAULT_KIND_` numbers.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// Exception syndrome (`ESR_EL1`).
    pub syndrome: u64,
    /// Faulting address (`FAR_EL1`), where the syndrome says it is valid.
    pub address: u64,
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Saved program status.
    pub pstate: u64,
    /// `x0` to `x30`.
    pub registers: [u64; 31],
}

/// Answer of `ProcessInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessInfo {
    /// Number of a [`ProcessState`].
    pub state: u32,
    /// Exit or kill code.
    pub code: i32,
    /// Name, padded with zeros.
    pub name: [u8; NAME_BYTES],
    /// Bytes of memory charged to the process.
    pub memory: u64,
    /// Most it may have.
    pub memory_limit: u64,
    /// Processor time in ticks of the system counter.
    pub cpu_ticks: u64,
    /// Live threads.
    pub threads: u32,
    /// Open handles.
    pub handles: u32,
    /// Filled when `state` is faulted or killed.
    pub fault: FaultRecord,
}

/// Answer of `SystemInfo`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SystemInfo {
    /// Bytes of RAM that the kernel manages.
    pub memory_total: u64,
    /// Bytes of it that are free.
    pub memory_free: u64,
    /// Bytes of kernel heap in use.
    pub kernel_heap: u64,
    /// CPUs that run.
    pub cpus: u32,
    /// Processes that exist, ended ones with open handles included.
    pub processes: u32,
    /// Ticks of the system counter that each CPU spent idle.
    pub idle_ticks: [u64; MAX_CPUS],
    /// System calls since boot.
    pub syscalls: u64,
    /// Interrupts since boot.
    pub interrupts: u64,
    /// Switches between threads since boot.
    pub switches: u64,
}
