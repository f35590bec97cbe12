//! The stack in conversation with stacks that others wrote.
//!
//! A [`Plan`] says what passes over one connection; both ends carry it out, ours by the programs of
//! the simulator, the other by a [`smoltcp`](Smoltcp) interface in memory or by ordinary sockets of
//! the host's kernel ([`Linux`]). Between them is a [`Path`]: the simulator's lines, with
//! losses, delay, reordering, duplicates and a rate. In memory time jumps and every run of a seed is
//! the same; with the kernel everything happens in real time.
//!
//! *Owns* no protocol. Every byte is checked by our programs, and every stream by its SHA-256.
#![forbid(unsafe_code)]

mod in_memory;
mod linux;
mod path;
mod plan;
mod real_time;
mod smoltcp_end;

pub use in_memory::converse;
pub use linux::Linux;
pub use path::{Frame, Path};
pub use plan::{Digests, Plan, Side, digest};
pub use real_time::converse_with_linux;
pub use smoltcp_end::Smoltcp;
