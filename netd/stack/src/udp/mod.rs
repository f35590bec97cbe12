//! UDP: datagrams between sockets of clients and the network.
//!
//! [`socket`] owns what a socket has, [`requests`] takes clients' calls, [`input`] and [`output`]
//! move datagrams, [`events`] tells of them.

pub(crate) mod events;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod requests;
pub(crate) mod socket;
