//! Programs for simulated hosts.

mod datagrams;
mod names;
mod pinger;
mod stream;

pub use datagrams::{DatagramClient, DatagramEcho};
pub use names::{NameServer, Resolver};
pub use pinger::Pinger;
pub use stream::{Habits, Role, Stream};

/// Byte number `offset` of stream `flow`: every byte of every stream has its own.
#[must_use]
pub fn pattern(flow: u64, offset: u64) -> u8 {
    let mixed = (offset ^ flow << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., top] = mixed.to_le_bytes();
    top
}
