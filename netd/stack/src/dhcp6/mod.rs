//! The DHCP client for IPv6.
//!
//! *Owns* what one [`Client`] for each interface says to servers, and when: it asks for addresses, or
//! only for what else there is to know, as routers say. *Never* touches addresses or sockets, nor
//! reads what is no lease: it gives an [`Action`], and the interface carries it out. Sans-IO: messages
//! and the time go in, messages and a deadline come out.
//!
//! *Spec*: RFC 8415 sections 15 (waiting), 16 (what is an answer), 18.2 (the client). One identity
//! association of addresses; no prefixes; no authentication, so nobody is believed who wants it to
//! begin anew (section 18.2.11).
//! *Invariant*: addresses are in the interface's hands from `Use` to `Lost`, and at no other time.

mod client;
mod exchange;
mod lease;
#[cfg(test)]
mod tests;

pub(crate) use client::{Action, Client, Mode};
pub(crate) use lease::Lease;
