//! Raw sockets: a protocol of IP as it comes, for programs that speak one that nobody here does, or
//! that want to see one that somebody does.
//!
//! A raw socket is a datagram socket without ports: rooms, queues, options, groups and the way out are
//! `udp/`'s. What it hears begins behind the network header, in both families (RFC 3542 section 3 for
//! IPv6), with [`crate::Details`] in front. TCP it cannot be opened for: segments are taken in by the
//! burst, and nobody else sees them.
//!
//! [`requests`] opens them, [`input`] makes the copies, [`options`] are what they alone can choose.
//!
//! Sockets for [`frames`] are datagram sockets, too, and share nothing else with these.

pub(crate) mod frames;
pub(crate) mod input;
pub(crate) mod options;
pub(crate) mod requests;
