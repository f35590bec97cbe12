//! What every VirtIO driver here needs: discovery, negotiation, the split queue.
//!
//! *Owns* the ladder of device initialisation, the ring structures and their memory ordering, and
//! the checks of everything that a device writes. *Never* knows what a device is for.
//! *Spec* Virtual I/O Device (VIRTIO) 1.3; clause numbers in the comments are its.
//! *Used by* the drivers; `window` also by whoever hands devices out.
#![no_std]

extern crate alloc;

mod window;

pub use virtio_drivers::transport::Transport;
pub use virtio_drivers::transport::mmio::MmioTransport;
pub use window::{Kind, Probe, Version, WINDOW_BYTES, probe, reset, transport};

/// How often a register is read until it says what it must. Generous: devices answer at once.
pub(crate) const PATIENCE: u32 = 100_000;
