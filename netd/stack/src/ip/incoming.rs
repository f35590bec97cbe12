//! A packet on its way in, of either family.
//!
//! *Owns* nothing: it is lent for one call.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::Scope;
use core::net::Ipv4Addr;
use wire::{Check, Ecn, Rest};

/// Whom a frame was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkScope {
    /// Us alone.
    Own,
    /// Everybody, or a group.
    Group,
    /// None: it is a copy of what we have sent to a group.
    Looped,
}

/// A packet past the network layer's checks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a, A: Family = Ipv4Addr> {
    /// By which interface it came.
    pub(crate) interface: InterfaceId,
    /// Its header.
    pub(crate) header: &'a A::Header,
    /// What it carries.
    pub(crate) payload: &'a [u8],
    /// What it carries behind that, if it came in several slices.
    pub(crate) rest: Rest<'a>,
    /// The packet from its header to the end of its first slice: what an error about it quotes.
    pub(crate) bytes: &'a [u8],
    /// Whom its destination means.
    pub(crate) scope: Scope,
    /// Its transport checksum is known to be right.
    pub(crate) trusted: bool,
}

impl<A: Family> Incoming<'_, A> {
    #[inline(always)]
    pub(crate) fn source(&self) -> A {
        A::source(self.header)
    }

    #[inline(always)]
    pub(crate) fn destination(&self) -> A {
        A::destination(self.header)
    }

    /// How congestion has marked it.
    #[inline(always)]
    pub(crate) fn ecn(&self) -> Ecn {
        A::ecn(self.header)
    }

    /// How many routers it may still have passed.
    pub(crate) fn hops(&self) -> u8 {
        A::hops(self.header)
    }

    /// How the transport checksum is to be treated.
    #[inline(always)]
    pub(crate) fn check(&self) -> Check {
        if self.trusted {
            Check::Trusted
        } else {
            Check::Verify(A::pseudo(self.source(), self.destination()))
        }
    }
}
