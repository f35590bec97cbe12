//! ICMP for IPv4: echo both ways, errors both ways.
//!
//! [`input`] takes messages in, [`errors`] makes errors and limits them, [`ping`] asks for echoes,
//! [`redirect`] heeds routers that know a better way.

pub(crate) mod errors;
pub(crate) mod input;
pub(crate) mod ping;
mod redirect;
pub(crate) mod six;
