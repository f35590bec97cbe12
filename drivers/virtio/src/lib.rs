//! What every VirtIO driver here needs: discovery, negotiation, the split queue.
//!
//! *Owns* the ladder of device initialisation, the ring structures and their memory ordering, and
//! the checks of everything that a device writes. *Never* knows what a device is for.
//! *Spec* Virtual I/O Device (VIRTIO) 1.3; clause numbers in the comments are its.
//! *Used by* the drivers; [`probe`] and [`reset`] also by whoever hands devices out.
#![no_std]

extern crate alloc;
#[cfg(any(test, feature = "fake"))]
extern crate std;

mod faults;
mod init;
mod queue;
mod shared;
mod window;

#[cfg(any(test, feature = "fake"))]
pub mod fake;

pub use faults::{Fault, Faults};
pub use init::{
    ANY_LAYOUT, EVENT_INDEX, INDIRECT, InitError, Reset, VERSION_1, give_up, go, negotiate,
    read_in_one_piece, reset_device,
};
pub use queue::{
    Direction, Piece, Plan, Returned, Sign, SplitQueue, Used, passed, queue_bytes, table_bytes,
};
pub use shared::Shared;
pub use virtio_drivers::transport::mmio::MmioTransport;
pub use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
pub use window::{Kind, Probe, Version, WINDOW_BYTES, probe, reset, transport};
