//! Addresses that the standard library does not have.
//!
//! *Owns*: Ethernet addresses, and prefixes of both families. IP addresses are `core::net`'s.

mod cidr;
mod mac;

pub use cidr::{BadPrefix, Cidr, Cidr4, Cidr6, Prefixed};
pub use mac::MacAddress;
