//! What kernel and programs agree on: system calls, handles, rights, signals, errors, the
//! boot information of the first process.
//!
//! *Owns* numbers and layouts, nothing else. *Never* changes a number once it is released.
//! *Used by* the kernel, `ring`, `rt` and `protocol`.
#![no_std]
#![forbid(unsafe_code)]

mod boot;
mod error;
mod handle;
mod info;
mod syscall;
mod wait;

pub use boot::{BootInfo, COMMAND_LINE_BYTES, DeviceWindow, MAX_VIRTIO_WINDOWS};
pub use error::Error;
pub use handle::{Handle, ObjectKind, Rights};
pub use info::{
    FAULT_KIND_ABORT, FAULT_KIND_ILLEGAL, FAULT_KIND_KILLED, FAULT_KIND_NONE, FAULT_KIND_OTHER,
    FaultRecord, MAX_CPUS, ObjectInfo, ProcessInfo, ProcessState, SystemInfo,
};
pub use syscall::{
    CHANNEL_HANDLE_QUEUE, MAX_WAIT_ITEMS, NAME_BYTES, PAGE_SIZE, PRIORITIES, Protection,
    STACK_SIZE, Syscall, SystemOperation,
};
pub use wait::{DEADLINE_NEVER, Signals, WaitFlags, WaitItem, settle};
