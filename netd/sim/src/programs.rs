//! Programs for simulated hosts.

mod client;
mod datagrams;
mod end;
mod names;
mod pinger;
mod server;
mod stream;

pub(crate) use end::Held;

pub use client::{Client, Visits};
pub use datagrams::{DatagramClient, DatagramEcho};
pub use end::{Manner, Options, Speaks};
pub use names::{NameServer, Resolver};
pub use pinger::Pinger;
pub use server::{Server, Serves};
pub use stream::{Habits, Role, Stream};

/// Byte number `offset` of stream `flow`: every byte of every stream has its own.
#[must_use]
pub fn pattern(flow: u64, offset: u64) -> u8 {
    let mixed = (offset ^ flow << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., top] = mixed.to_le_bytes();
    top
}
