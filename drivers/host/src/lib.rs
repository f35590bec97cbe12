//! Link devices of a Linux host, so that the stack runs as an ordinary process there.
//!
//! [`Tap`] is an interface whose other end is the host's kernel; [`PacketSocket`] shares an
//! interface that exists. An [`Adapter`] makes a [`device::Device`] of either; [`wait`] sleeps until
//! one of them has something, or until a deadline. [`VnetSocket`] is for who wants to be a card's far end:
//! its frames have the card's headers. [`testing`] is for tests alone.
//!
//! *Owns* the buffers, the descriptors and every call of the operating system that they need.
//! *Never* blocks (but in [`wait`], and with a [`VnetSocket`]), and allocates nothing after construction.
//!
//! Both need the capability CAP_NET_ADMIN or CAP_NET_RAW in the network namespace that they are
//! opened in; `unshare --user --map-root-user --net` makes one where everybody has them.

mod adapter;
mod interface;
mod packet_socket;
mod tap;
pub mod testing;
pub mod vnet_socket;
mod wait;

pub use adapter::{Adapter, Buffer, Port};
pub use packet_socket::PacketSocket;
pub use tap::Tap;
pub use vnet_socket::VnetSocket;
pub use wait::wait;
