//! Multicast: to which groups this host listens, who is told so, and to whom their datagrams go.
//!
//! *Owns* the state of a host in IGMP and MLD, once for both families: [`filter`] whom a listener wants
//! to hear, [`group`] what is still to be said about a group, [`table`] the groups of an interface and
//! the versions that its routers speak, [`queries`] what routers ask, [`reports`] what they are told,
//! [`sockets`] who listens, [`delivery`] who gets what comes. What differs is in [`grouping`]. *Never* forwards, and never asks.
//!
//! Spec: RFC 1112; RFC 2236; RFC 3376; RFC 2710; RFC 3810; RFC 3590.

pub(crate) mod delivery;
pub(crate) mod filter;
pub(crate) mod group;
pub(crate) mod grouping;
pub(crate) mod queries;
pub(crate) mod reports;
pub(crate) mod sockets;
pub(crate) mod table;
