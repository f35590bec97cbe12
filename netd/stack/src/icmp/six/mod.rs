//! ICMP for IPv6: echo both ways, errors both ways.
//!
//! [`input`] takes messages in, [`errors`] makes errors and limits them. Messages of neighbour
//! discovery go on to `neigh/ndp.rs`.

pub(crate) mod errors;
pub(crate) mod input;
