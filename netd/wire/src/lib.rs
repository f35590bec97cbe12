//! Wire formats: bytes to validated values and back.
//!
//! *Owns*: the layout of every packet format, one file each, the Internet checksum, and [`Drop`],
//! the one list of reasons for which any layer may discard a packet.
//! *Never*: keeps state, reads a clock, allocates, logs or panics, whatever the bytes are.
//!
//! # The contract of a format
//!
//! A format is a `Header`, a value in which only meaningful states exist, and a packet type (a
//! frame, datagram, segment or message) that pairs it with the payload that was found behind it.
//!
//! * **`parse`** takes bytes and gives the packet, or the one [`Drop`] reason for which it is
//!   refused. What a value says has been checked: lengths lie inside the bytes, the checksum was
//!   right (or the device has vouched for it, [`Check::Trusted`]).
//! * **`emit`** writes a header *in front of* its payload, into a [`Headroom`] that shrinks from
//!   its end. A transmitter places the payload once and then emits transport, network and link
//!   header, in this order, each knowing the length and the sum of what is behind it.
//! * `parse(emit(value)) == value`, for every value; property tests hold each format to it.
//!
//! DHCP and DNS are payloads, not headers: their messages are written front to back.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(test)]
extern crate std;
#[cfg(test)]
mod testing;

mod acks;
pub mod addr;
pub mod arp;
pub mod checksum;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;

mod drop;
pub mod ethernet;
mod headroom;
pub mod icmp4;
pub mod icmp6;
pub mod igmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
mod list;
pub mod membership;
pub mod mld;
pub mod ndp;
mod network;
mod rest;
mod series;
mod summary;
pub mod tcp;
mod train;
pub mod udp;
mod view;
pub mod vlan;

pub use acks::Acknowledgement;
pub use addr::{Cidr, Cidr4, Cidr6, MacAddress, Prefixed};
pub use checksum::{Check, Pseudo, Seal, Sum, copy_and_sum, sum};
pub use drop::Drop;
pub use ethernet::EtherType;
pub use headroom::{Headroom, NoRoom};
pub use ip::{Ecn, Protocol};
pub use list::List;
pub use network::Network;
pub use rest::Rest;
pub use series::{Place, Series};
pub use summary::Summary;
pub use train::{Follower, Train};
pub use vlan::VlanId;
