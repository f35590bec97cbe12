//! The network layer, by direction: what comes in ([`v4_in`]) and the way out ([`out`]).

pub(crate) mod out;
pub(crate) mod v4_in;
