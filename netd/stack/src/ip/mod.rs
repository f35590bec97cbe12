//! The network layer, by direction: what comes in ([`v4_in`]), what is made of it for those above
//! ([`incoming`]), and the way out ([`out`]).

pub(crate) mod incoming;
pub(crate) mod out;
pub(crate) mod v4_in;
