//! The DHCP client for IPv4.
//!
//! *Owns* the state machine of RFC 2131 section 4.4, one [`Client`] for each interface: when to
//! say what to which server, and what has been leased until when. *Never* touches addresses,
//! routes or sockets: it gives an [`Action`], and the interface carries it out. Sans-IO: messages
//! and the time go in, messages and a deadline come out.
//!
//! *Spec*: RFC 2131; RFC 2132; RFC 3442; RFC 5227 (the probe before an address is used).
//! *Invariant*: an address is in the interface's hands from `Bound` to `Lost`, and at no other time.

mod client;
mod lease;
mod message;
#[cfg(test)]
mod tests;

pub(crate) use client::{Action, Client, Settings};
pub(crate) use lease::Lease;
