//! The network server, everything but its first lines: sessions with clients, the service they
//! are given, the network device, and one turn of the loop. All of it runs on the host too, over
//! rings in memory and any [`device::Device`].
//!
//! | file | what |
//! | --- | --- |
//! | `server` | the loop's turn: the order of everything |
//! | `session` | one client: its link, what it is owed |
//! | `arenas` | clients' memory, the stack's only way to payload |
//! | `service` | the operations of the protocol over the stack |
//! | `links`, `nic` | the cards, and bursts between each and the stack |
//! | `cores`, `crossing` | several loops: what they tell each other, frames that change hands |
//! | `settings` | the kernel's command line |
//! | `tables` | how large the tables are |
//! | `hardware` | the device that the process was given |
//! | `process` | from what it was given to a server, and the end |
//! | `linked` | the same inside of a program, without a process of its own |
//!
//! *Never* trusts a client: a wrong message is answered, a broken ring or a dead peer ends that
//! session and nothing else. *Never* waits while it serves.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arenas;
mod clients;
pub mod cores;
mod crossing;
mod hardware;
pub mod linked;
mod links;
mod nic;
pub mod process;
mod server;
mod service;
mod session;
mod settings;
mod tables;

pub use arenas::Ground;
pub use hardware::NetworkDevice;
pub use nic::{Lends, Nic};
pub use server::{Server, Turn};
pub use session::{Peer, Privileges};
pub use settings::{MOST_CORES, Settings};
pub use tables::tables;
