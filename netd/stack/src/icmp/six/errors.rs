//! ICMPv6 errors that we send.
//!
//! *Owns* the rules of RFC 4443 section 2.4 (e) and (f) on what must never be answered by an error, and
//! how many are sent. *Never* decides that something is wrong: layers above and below say so.

use crate::id::InterfaceId;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::ip::out::{Path, USUAL_HOPS};
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use wire::icmp6::{
    self, Cause, Header, MAX_ERROR_PACKET, ParameterProblem, TimeExceeded, Unreachable,
};
use wire::ipv6::{self, Answer, Quote};
use wire::{Headroom, Protocol, Pseudo, Seal};

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem6 {
    /// Nobody here has its port.
    PortUnreachable,
    /// Nobody here speaks what is named at this place of it.
    UnknownNext(usize),
    /// Something in its headers.
    Header(Answer),
    /// Not all of its parts came in time.
    ReassemblyTime,
}

impl Problem6 {
    fn message(self) -> Header {
        match self {
            Self::PortUnreachable => Header::Unreachable(Unreachable::Port),
            Self::UnknownNext(at) => Header::ParameterProblem(ParameterProblem {
                cause: Cause::NextHeader,
                pointer: u32::try_from(at).unwrap_or(0),
            }),
            Self::Header(answer) => Header::ParameterProblem(answer.problem),
            Self::ReassemblyTime => Header::TimeExceeded(TimeExceeded::Reassembly),
        }
    }

    /// Whether it is told although the packet was for a group (RFC 4443 section 2.4 e.3).
    fn is_told_to_groups(self) -> bool {
        matches!(self, Self::Header(answer) if answer.even_to_group)
    }
}

/// Whether a packet that is quoted so is an error itself, or one that neighbours must not be told of
/// (RFC 4443 section 2.4 e.1 and e.2).
fn is_error(packet: &[u8]) -> bool {
    const REDIRECT: u8 = 137;
    Quote::parse(packet).is_ok_and(|quote| {
        // Of a later part, or of one that is cut off, nobody knows.
        let kind = quote.payload.first().filter(|_| quote.is_start);
        quote.protocol == Protocol::ICMPV6
            && kind.is_none_or(|kind| *kind < 128 || *kind == REDIRECT)
    })
}

impl Stack {
    /// Tells the sender of a packet what is wrong with it, where that is allowed.
    pub(crate) fn icmp6_error(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        problem: Problem6,
        now: Instant,
    ) {
        let to = incoming.source();
        // Section 2.4 e.6: not to what is not one node.
        let is_for_us = incoming.scope == Scope::Own || problem.is_told_to_groups();
        if !is_for_us || to.is_unspecified() || is_error(incoming.bytes) {
            return;
        }
        if !self.icmp6_limit.take(now) {
            self.stats.count(Counter::IcmpErrorsLimited);
            return;
        }
        let Some(path) = self.answer_path(incoming) else {
            return;
        };
        let most = MAX_ERROR_PACKET - ipv6::HEADER_LEN - icmp6::HEADER_LEN;
        let quote = incoming.bytes.get(..most).unwrap_or(incoming.bytes);
        if self.queue_icmp6(&path, to, &problem.message(), quote, Owner::None) {
            self.stats.count(Counter::IcmpErrorsSent);
        }
    }

    /// The way back to who sent a packet, from the address that it was for (RFC 4443 section 2.2).
    pub(crate) fn answer_path(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
    ) -> Option<Path<Ipv6Addr>> {
        let path = if incoming.scope == Scope::Own {
            self.path_again(incoming.source(), incoming.destination())?
        } else {
            self.path(incoming.source(), None)?
        };
        // What is meant for one link stays there.
        let is_local = incoming.source().is_unicast_link_local();
        (path.interface == incoming.interface
            || !is_local
            || path.interface == InterfaceId::LOOPBACK)
            .then_some(path)
    }

    /// Queues a message with a body that is known.
    pub(crate) fn queue_icmp6(
        &mut self,
        path: &Path<Ipv6Addr>,
        to: Ipv6Addr,
        message: &Header,
        body: &[u8],
        owner: Owner,
    ) -> bool {
        let header = self.header(path, to, Protocol::ICMPV6, USUAL_HOPS);
        let len = icmp6::HEADER_LEN + body.len();
        let pseudo = Pseudo::v6(path.source, to);
        self.queue_packet(path, &header, len, owner, |space| {
            let (front, place) = space.split_at_mut_checked(icmp6::HEADER_LEN)?;
            let payload = wire::copy_and_sum(place, body);
            let seal = Seal::Full { pseudo, payload };
            message
                .emit(&mut Headroom::new(front), body.len(), seal)
                .ok()
        })
    }
}
