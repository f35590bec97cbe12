//! Neighbours: who on a link has which hardware address.
//!
//! One state machine (the states of RFC 4861 7.3.2) for every protocol that asks: [`cache`] owns the
//! machine and its table, [`resolve`] carries out what it says, [`arp`] speaks for it over IPv4 and
//! [`ndp`] over IPv6.

pub(crate) mod arp;
pub(crate) mod cache;
pub(crate) mod ndp;
pub(crate) mod resolve;
