//! IPv4, inwards: is the packet sound, is it for us, whose is it?
//!
//! *Owns* the checks that take our addresses; the header's own are `wire`'s. *Never* forwards.
//!
//! Spec: RFC 1122 3.2.1 and 3.3; RFC 1812 5.3.7 (martian addresses).

use crate::burst::Landing;
use crate::icmp::errors::Problem;
use crate::id::InterfaceId;
use crate::interface::{Medium, Scope};
use crate::ip::incoming::{Incoming, LinkScope};
use crate::memory::ClientMemory;
use crate::reassembly::{Key, Piece};
use crate::stack::Stack;
use crate::steering::Shard;
use ::tcp::Instant;
use core::net::Ipv4Addr;
use wire::ipv4::{self, Packet};
use wire::{Drop, Protocol, Rest};

impl Stack {
    /// Takes in a packet: the payload of a frame, or what comes back by loopback.
    pub(crate) fn v4_input<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        link: LinkScope,
        (bytes, rest): (&[u8], Rest<'_>),
        trusted: bool,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        let packet = Packet::parse_scattered(bytes, rest)?;
        let header = &packet.header;
        // RFC 1122 3.2.1.7: a datagram with no time to live must not be passed on, nor sent.
        if header.ttl == 0 {
            return Err(Drop::Ipv4TimeToLive);
        }
        let ends = (header.source, header.destination);
        let scope = self.v4_admit_again(id, link, ends);
        if header.is_fragment() {
            return self.v4_part(id, link, &packet, scope?, memory, now);
        }
        // A lease is offered to an address that is not ours yet (RFC 2131 4.1).
        if header.protocol == Protocol::UDP && self.dhcp_wants(id, &packet) {
            self.dhcp_input(id, &packet, trusted, now)?;
            return Ok(Landing::None);
        }
        let incoming = Incoming {
            interface: id,
            header: &packet.header,
            payload: packet.payload,
            rest: packet.rest,
            bytes: packet.bytes,
            scope: scope.or_else(|reason| self.v4_admit_nameless(id, header, reason))?,
            trusted,
        };
        if header.protocol == Protocol::TCP {
            return self.tcp_input(&incoming, memory, now);
        }
        let heard = self.raw_input(&incoming, header.protocol, memory);
        match header.protocol {
            Protocol::UDP => self.udp_input(&incoming, memory, now)?,
            Protocol::ICMP => self.icmp_input(&incoming, memory, now)?,
            Protocol::IGMP => self.igmp_input(id, &packet, now)?,
            _ => heard.unwrap_or_else(|| {
                // RFC 1122 3.2.2.1: protocol unreachable.
                self.icmp_error(&incoming, Problem::ProtocolUnreachable, now);
                Err(Drop::Ipv4UnknownProtocol)
            })?,
        }
        Ok(Landing::None)
    }

    /// Takes in a part of a packet, and the packet if it is whole by that.
    #[cold]
    fn v4_part<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        link: LinkScope,
        packet: &Packet<'_>,
        scope: Scope,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        let header = &packet.header;
        let headers = packet.bytes.len().saturating_sub(packet.payload.len());
        let piece = Piece {
            key: Key {
                interface: id.raw(),
                source: header.source,
                destination: header.destination,
                identification: header.identification.into(),
                protocol: header.protocol.0,
            },
            head: packet.bytes.get(..headers).unwrap_or_default(),
            offset: usize::from(header.fragment_offset) << 3,
            more: header.more_fragments,
            bytes: packet.payload,
            ecn: header.ecn,
            is_own: scope == Scope::Own,
        };
        // RFC 1858 section 3: what nobody sends but who wants to be misread on the way.
        if piece.offset == 0 && piece.bytes.len() < ipv4::least_first_fragment(header.protocol) {
            return Err(Drop::FragmentTiny);
        }
        let Some(mut whole) = self.take_part(&piece, now)? else {
            return Ok(Landing::None);
        };
        let (len, ecn) = (whole.len(), whole.ecn);
        let mended = ipv4::reassembled(whole.head_mut(), len, ecn);
        let bytes = whole.packet(0);
        let is_elsewhere = |shard: Shard| shard.is_elsewhere(id, bytes);
        let result = match mended {
            Some(()) if self.config.shard.is_some_and(is_elsewhere) => Err(Drop::FragmentElsewhere),
            Some(()) => self.v4_input(id, link, (bytes, Rest::NONE), false, memory, now),
            None => Err(Drop::FragmentTooLong),
        };
        self.nets.v4.reassembler.give_back(whole);
        result
    }

    /// RFC 1122 3.3.2: the sender of a packet that was not whole in time is told so if its first part
    /// has come.
    pub(crate) fn v4_reassembly_failed(&mut self, id: InterfaceId, first: &[u8], now: Instant) {
        let Ok(packet) = Packet::parse(first) else {
            return;
        };
        let incoming = Incoming {
            interface: id,
            header: &packet.header,
            payload: packet.payload,
            rest: Rest::NONE,
            bytes: packet.bytes,
            scope: Scope::Own,
            trusted: false,
        };
        self.icmp_error(&incoming, Problem::ReassemblyTime, now);
    }

    /// [`Stack::v4_admit`], which is not asked again of the two that a link's last packet was between:
    /// nothing but the configuration can change the answer.
    #[inline]
    fn v4_admit_again(
        &mut self,
        id: InterfaceId,
        link: LinkScope,
        ends: (Ipv4Addr, Ipv4Addr),
    ) -> Result<Scope, Drop> {
        let admitted = Some((ends, self.nets.v4.routes.version()));
        let last = self.interfaces.get(id.index()).and_then(|it| it.admitted);
        if link == LinkScope::Own && last == admitted {
            return Ok(Scope::Own);
        }
        let scope = self.v4_admit(id, link, ends)?;
        if scope == Scope::Own
            && let Some(interface) = self.interfaces.get_mut(id.index())
        {
            interface.admitted = admitted;
        }
        Ok(scope)
    }

    /// Whether a packet between these addresses may come in through this interface, and whom its
    /// destination means.
    fn v4_admit(
        &self,
        id: InterfaceId,
        link: LinkScope,
        (source, destination): (Ipv4Addr, Ipv4Addr),
    ) -> Result<Scope, Drop> {
        let interface = self.interfaces.get(id.index()).ok_or(Drop::Ipv4NotForUs)?;
        if link == LinkScope::Looped {
            return interface.hears(destination);
        }
        if interface.medium == Medium::Loopback {
            // What we send to ourselves has passed our own checks; it is for any address of ours.
            return match self.is_own(destination) {
                true => Ok(Scope::Own),
                false => Err(Drop::Ipv4NotForUs),
            };
        }
        // RFC 1122 3.2.1.3 (g): 127/8 must not appear outside of a host.
        if source.is_loopback() || destination.is_loopback() {
            return Err(Drop::Ipv4Loopback);
        }
        // RFC 1122 3.2.1.3: these cannot be the address of a host (0/8, class E, broadcasts).
        let [first, ..] = source.octets();
        if first == 0 || first >= 240 || interface.is_broadcast(source) {
            return Err(Drop::Ipv4Source);
        }
        // Nobody else speaks with an address of ours.
        if self.is_own(source) {
            return Err(Drop::Ipv4Source);
        }
        match (interface.scope(destination), link) {
            (Scope::Other, _) => Err(Drop::Ipv4NotForUs),
            // RFC 1122 3.3.6: a link broadcast that is not one for IP is silently discarded.
            (Scope::Own, LinkScope::Group) => Err(Drop::Ipv4NotForUs),
            (Scope::Multicast, _) => interface.hears(destination),
            (scope, _) => Ok(scope),
        }
    }

    /// Routers and switches that have no address ask about groups as nobody (RFC 4541 section 2.1.1):
    /// that alone is heard, of what was refused for its source.
    #[cold]
    fn v4_admit_nameless(
        &self,
        id: InterfaceId,
        header: &ipv4::Header,
        reason: Drop,
    ) -> Result<Scope, Drop> {
        let interface = self.interfaces.get(id.index()).ok_or(reason)?;
        let is_question = header.source.is_unspecified() && header.protocol == Protocol::IGMP;
        if !is_question || interface.medium != Medium::Ethernet || reason != Drop::Ipv4Source {
            return Err(reason);
        }
        match header.destination.is_multicast() {
            true => interface.hears(header.destination),
            false => Err(reason),
        }
    }
}
