//! What raw sockets hear: a copy each of what comes, and errors about what they have sent.
//!
//! *Never* takes anything from somebody else: whose protocol it is gets it as ever.

use crate::family::Family;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::memory::ClientMemory;
use crate::raw::options::RawPackets;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::details::Report;
use crate::udp::socket::Datagram;
use wire::{Drop, Protocol};

/// Whether a raw socket hears a protocol between these ends, ours first.
fn hears<A: Family>(socket: &Datagram, protocol: Protocol, (own, other): (A, A)) -> bool {
    let side = A::side(socket);
    let is_at = side.local.is_some_and(|local| {
        // What is for many is heard by who is bound to all, or to the group.
        local == A::UNSPECIFIED || local == own
    });
    let is_from = side.remote.is_none_or(|(remote, _)| remote == other);
    socket.packets().is_some_and(|raw| raw.protocol == protocol) && is_at && is_from
}

impl Stack {
    /// Gives each raw socket that hears it a copy of what a packet carries. `None` if none does.
    #[inline(always)]
    pub(crate) fn raw_input<A: Family, M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, A>,
        protocol: Protocol,
        memory: &mut M,
    ) -> Option<Result<(), Drop>> {
        if self.udp.raws.is_empty() {
            return None;
        }
        self.raw_copies(incoming, protocol, memory)
    }

    #[cold]
    fn raw_copies<A: Family, M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, A>,
        protocol: Protocol,
        memory: &mut M,
    ) -> Option<Result<(), Drop>> {
        // RFC 3542 section 3.1: what has a wrong checksum is nobody's to see.
        let length = u32::try_from(incoming.payload.len()).unwrap_or(u32::MAX);
        let own = wire::sum(incoming.payload);
        let pseudo = A::pseudo(incoming.source(), incoming.destination());
        let is_summed = pseudo.with(protocol, length).plus(own).is_valid();
        let is_sound = match protocol {
            Protocol::ICMP => own.is_valid(),
            Protocol::ICMPV6 => is_summed,
            _ => true,
        };
        let mut outcome = None;
        let ends = (incoming.destination(), incoming.source());
        for place in 0..self.udp.raws.len() {
            let Some(index) = self.udp.raws.get(place).copied() else {
                break;
            };
            let socket = self.udp.sockets.at(index);
            if !socket.is_some_and(|it| hears(it, protocol, ends)) {
                continue;
            }
            let members = &self.net::<A>().members;
            let is_for_group = incoming.scope == Scope::Multicast && ends.0 != A::EVERYBODY;
            if is_for_group && !members.hears(index, incoming.interface, (ends.1, ends.0)) {
                continue;
            }
            let payload = incoming.payload;
            let raw = self.udp.sockets.at(index).and_then(Datagram::packets);
            let wants = |raw: RawPackets| {
                let is_right = raw.checksum_at.is_none() || is_summed;
                is_right && raw.has_room(payload.len()) && raw.lets_in(payload)
            };
            if !is_sound || !raw.is_some_and(wants) {
                continue;
            }
            let given = self.deliver_detailed(index, incoming, (0, 0), payload, memory);
            let given = given.map_err(|_| Drop::RawQueueFull);
            if given.is_err() {
                self.stats.count(Counter::DetailedLost);
            }
            outcome = match outcome {
                Some(Ok(())) => outcome,
                _ => Some(given),
            };
        }
        outcome
    }

    /// Tells the raw sockets that have sent a packet what became of it; whether there is one.
    #[inline]
    pub(crate) fn raw_error<A: Family, M: ClientMemory>(
        &mut self,
        report: &Report<'_, A>,
        memory: &mut M,
    ) -> bool {
        let mut told = false;
        for place in 0..self.udp.raws.len() {
            let Some(index) = self.udp.raws.get(place).copied() else {
                break;
            };
            let socket = self.udp.sockets.at(index);
            if socket.is_some_and(|it| hears(it, report.protocol, report.ends)) {
                told |= self.report_detailed(index, report, (0, 0), memory);
            }
        }
        told
    }
}
