//! The network layer, by direction: what comes in ([`v4_in`], [`v6_in`]), what is made of it for those
//! above ([`incoming`]), and the way out ([`out`], [`v6_out`], [`source6`]), which may be [`narrow`].

pub(crate) mod identification;
pub(crate) mod incoming;
pub(crate) mod narrow;
pub(crate) mod out;
pub(crate) mod policies;
pub(crate) mod source6;
pub(crate) mod v4_in;
pub(crate) mod v6_in;
pub(crate) mod v6_out;
pub(crate) mod zones;
