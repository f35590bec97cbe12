//! ICMP for IPv4: echo both ways, errors both ways.
//!
//! [`input`] takes messages in, [`errors`] makes errors and limits them, [`ping`] asks for echoes.

pub(crate) mod errors;
pub(crate) mod input;
pub(crate) mod ping;
pub(crate) mod six;
