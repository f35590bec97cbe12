//! Addresses that the standard library does not have.
//!
//! *Owns*: Ethernet addresses and IPv4 prefixes. IP addresses are `core::net`'s.

mod cidr;
mod mac;

pub use cidr::{BadPrefix, Cidr4};
pub use mac::MacAddress;
