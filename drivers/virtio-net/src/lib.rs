//! VirtIO network driver without system calls.
//!
//! *Owns* one network device over a VirtIO transport: negotiation, receive and transmit
//! queues with all their buffers, the link's state. Implements [`device::Device`].
//! *Never* maps, allocates per frame, waits, or believes a number that the device wrote.
//! *Spec* VirtIO 1.3, section 5.1 (network device); legacy and modern interface.
//!
//! | file | what |
//! | --- | --- |
//! | `config` | what the owner chooses, and how much memory that takes |
//! | `space` | the device's configuration space: MAC, MTU, link |
//! | `features` | which features are accepted |
//! | `header` | the header in front of each frame |
//! | `receive`, `transmit` | the four motions: provide and reap, each way |
//! | `commands` | what the device is told beside frames |
//! | `setup` | from features and memory to queues and buffers |
//! | `driver` | the device object, one for each pair of queues |
//!
//! Offloads are accepted as offered and wanted (`features` has the table): checksums both ways, frames
//! that are gathered and that the device cuts, large frames received in merged buffers, event index,
//! several pairs of queues ([`VirtioNet::pairs`]). Not accepted: datagrams that the device joins, other
//! commands.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod commands;
mod config;
mod driver;
mod features;
mod header;
mod receive;
mod setup;
mod space;
mod transmit;

pub use config::Config;
pub use driver::{Signs, VirtioNet};
pub use virtio::{Fault, Faults, InitError};
