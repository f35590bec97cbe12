//! UDP: datagrams between sockets of clients and the network.
//!
//! [`socket`] owns what a socket has, [`requests`] takes clients' calls, [`input`] and [`output`]
//! move datagrams, [`parcel`] is one on its way, [`events`] tells of them. What came is told of with
//! [`details`] to those who want them, and errors about what [`traces`] remember.

pub(crate) mod details;
pub(crate) mod events;
pub(crate) mod input;
pub(crate) mod output;
pub(crate) mod parcel;
pub(crate) mod requests;
pub(crate) mod socket;
pub(crate) mod traces;
