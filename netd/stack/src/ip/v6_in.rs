//! IPv6, inwards: is the packet sound, is it for us, whose is it?
//!
//! *Owns* the checks that take our addresses; the headers' own are `wire`'s. *Never* forwards.
//!
//! Spec: RFC 8200 section 4; RFC 4291 section 2.5 to 2.8; RFC 4443 section 2.4.

use crate::burst::Landing;
use crate::family::is_mapped;
use crate::icmp::six::errors::Problem6;
use crate::id::InterfaceId;
use crate::interface::{Medium, Scope};
use crate::interface6::Address6;
use crate::ip::incoming::{Incoming, LinkScope};
use crate::ip::zones;
use crate::memory::ClientMemory;
use crate::reassembly::{Key, Piece};
use crate::stack::Stack;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use wire::ipv6::{self, Content, Packet, Part, Refusal, Whole};
use wire::{Drop, Protocol, Rest, ndp};

/// Whether a packet that has become whole is a message of neighbour discovery.
#[cold]
fn is_about_neighbours(bytes: &[u8]) -> bool {
    let packet = Packet::parse(bytes);
    packet.is_ok_and(|packet| match packet.content() {
        Ok(Content::Whole(whole)) if whole.protocol == Protocol::ICMPV6 => whole
            .payload
            .first()
            .is_some_and(|kind| ndp::is_kind(*kind)),
        _ => false,
    })
}

impl Stack {
    /// Takes in a packet: the payload of a frame, or what comes back by loopback.
    pub(crate) fn v6_input<M: ClientMemory>(
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
        let scope = self.v6_admit_again(id, link, (header.source, header.destination))?;
        let mut incoming = Incoming {
            interface: id,
            header,
            payload: packet.payload,
            rest: packet.rest,
            bytes: packet.bytes,
            scope,
            trusted,
        };
        let whole = match packet.content() {
            Ok(Content::Whole(whole)) => whole,
            Ok(Content::Part(part)) => {
                return self.v6_part((id, link), &packet, &part, scope, memory, now);
            }
            Err(refusal) => return Err(self.v6_refused(&incoming, refusal, now)),
        };
        incoming.payload = whole.payload;
        let led;
        if whole.home_at > 0 {
            led = self.led_home(&incoming, &whole)?;
            incoming.header = &led;
        }
        if whole.protocol == Protocol::TCP {
            return self.tcp_input(&incoming, memory, now);
        }
        let heard = self.raw_input(&incoming, whole.protocol, memory);
        match whole.protocol {
            Protocol::UDP if self.dhcp6_wants(&incoming) => self.dhcp6_input(&incoming, now)?,
            Protocol::UDP => self.udp_input(&incoming, memory, now)?,
            Protocol::ICMPV6 => self.icmp6_input(&incoming, &whole, memory, now)?,
            // RFC 8200 section 4.7: nothing follows.
            Protocol::NOTHING => return Err(Drop::Ipv6NoContent),
            _ => heard.unwrap_or_else(|| Err(self.v6_unknown(&incoming, &whole, now)))?,
        }
        Ok(Landing::None)
    }

    /// The header of a packet that a routing header leads on to another address of ours (RFC 6275
    /// section 6.4): it was for that one. What would leave this host is dropped without a word.
    #[cold]
    fn led_home(
        &self,
        incoming: &Incoming<'_, Ipv6Addr>,
        whole: &Whole<'_>,
    ) -> Result<ipv6::Header, Drop> {
        let home = incoming.bytes.get(usize::from(whole.home_at)..);
        let home = home.and_then(|rest| rest.first_chunk::<16>());
        let is_ours = |home: &Ipv6Addr| !home.is_loopback() && self.is_own(*home);
        let home = home.map(|octets| Ipv6Addr::from(*octets)).filter(is_ours);
        match home.filter(|_| incoming.scope == Scope::Own) {
            Some(destination) => Ok(ipv6::Header {
                destination,
                ..*incoming.header
            }),
            None => Err(Drop::Ipv6Routing),
        }
    }

    /// Takes in a part of a packet, and the packet if it is whole by that.
    #[cold]
    fn v6_part<M: ClientMemory>(
        &mut self,
        (id, link): (InterfaceId, LinkScope),
        packet: &Packet<'_>,
        part: &Part<'_>,
        scope: Scope,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        let header = &packet.header;
        let headers = packet.bytes.len().saturating_sub(part.payload.len());
        let piece = Piece {
            key: Key {
                interface: id.raw(),
                source: header.source,
                destination: header.destination,
                identification: part.fragment.identification,
                protocol: 0,
            },
            head: packet.bytes.get(..headers).unwrap_or_default(),
            offset: usize::from(part.fragment.offset) << 3,
            more: part.fragment.more,
            bytes: part.payload,
            ecn: header.ecn,
            is_own: scope == Scope::Own,
        };
        let Some(mut whole) = self.take_part(&piece, now)? else {
            return Ok(Landing::None);
        };
        let (len, ecn) = (whole.len(), whole.ecn);
        let shard = self.config.shard;
        let is_elsewhere = |packet: &[u8]| shard.is_some_and(|it| it.is_elsewhere(id, packet));
        let result = match ipv6::reassembled(whole.head_mut(), len, ecn) {
            // RFC 6980 section 5: who speaks of neighbours in parts is not listened to.
            Some(skipped) if is_about_neighbours(whole.packet(skipped)) => Err(Drop::NdpFragment),
            Some(skipped) if is_elsewhere(whole.packet(skipped)) => Err(Drop::FragmentElsewhere),
            Some(skipped) => {
                let packet = (whole.packet(skipped), Rest::NONE);
                self.v6_input(id, link, packet, false, memory, now)
            }
            None => Err(Drop::FragmentTooLong),
        };
        self.nets.v6.reassembler.give_back(whole);
        result
    }

    /// RFC 8200 section 4.5: the sender of a packet that was not whole in time is told so if its first
    /// part has come.
    pub(crate) fn v6_reassembly_failed(&mut self, id: InterfaceId, first: &[u8], now: Instant) {
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
        self.icmp6_error(&incoming, Problem6::ReassemblyTime, now);
    }

    /// Tells the sender of a packet with such headers what is to be told.
    #[cold]
    fn v6_refused(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        refusal: Refusal,
        now: Instant,
    ) -> Drop {
        if let Some(answer) = refusal.answer {
            self.icmp6_error(incoming, Problem6::Header(answer), now);
        }
        refusal.reason
    }

    /// RFC 8200 section 4: what nobody here speaks is answered.
    #[cold]
    fn v6_unknown(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        whole: &Whole<'_>,
        now: Instant,
    ) -> Drop {
        self.icmp6_error(incoming, Problem6::UnknownNext(whole.named_at), now);
        Drop::Ipv6UnknownProtocol
    }

    /// [`Stack::v6_admit`], which is not asked again of the two that a link's last packet was between:
    /// nothing but the configuration can change the answer.
    #[inline]
    fn v6_admit_again(
        &mut self,
        id: InterfaceId,
        link: LinkScope,
        ends: (Ipv6Addr, Ipv6Addr),
    ) -> Result<Scope, Drop> {
        let admitted = Some((ends, self.nets.v6.routes.version()));
        let last = self
            .interfaces
            .get(id.index())
            .and_then(|it| it.six.admitted);
        if link == LinkScope::Own && last == admitted {
            return Ok(Scope::Own);
        }
        let scope = self.v6_admit(id, link, ends)?;
        if scope == Scope::Own
            && let Some(interface) = self.interfaces.get_mut(id.index())
        {
            interface.six.admitted = admitted;
        }
        Ok(scope)
    }

    /// Whether the address is ours, and known to be nobody else's.
    fn is_surely_own(&self, address: Ipv6Addr) -> bool {
        let is_it = |own: &Address6| own.address() == address && own.is_usable();
        let mut all = self.interfaces.iter().flat_map(|it| &it.six.addresses);
        all.any(|own| is_it(own) && !own.is_unproven())
    }

    /// Whether a packet between these addresses may come in through this interface, and whom its
    /// destination means.
    fn v6_admit(
        &self,
        id: InterfaceId,
        link: LinkScope,
        (source, destination): (Ipv6Addr, Ipv6Addr),
    ) -> Result<Scope, Drop> {
        let interface = self.interfaces.get(id.index()).ok_or(Drop::Ipv6NotForUs)?;
        if link == LinkScope::Looped {
            return interface.hears(destination);
        }
        if interface.medium == Medium::Loopback {
            // What we send to ourselves has passed our own checks; it is for any address of ours.
            return match self.is_own(destination) {
                true => Ok(Scope::Own),
                false => Err(Drop::Ipv6NotForUs),
            };
        }
        let six = &interface.six;
        if !six.enabled {
            return Err(Drop::Ipv6Disabled);
        }
        // RFC 4291 2.5.3: neither leaves a host.
        if source.is_loopback() || destination.is_loopback() {
            return Err(Drop::Ipv6Loopback);
        }
        // Who has no address yet speaks to groups only. Nobody else speaks with one of ours, and
        // nobody with what stands for an address of IPv4, or for one on another link.
        let is_nameless = source.is_unspecified() && !destination.is_multicast();
        let is_no_address = is_mapped(source) || zones::is_zoned(source);
        if is_nameless || is_no_address || self.is_surely_own(source) {
            return Err(Drop::Ipv6Source);
        }
        if destination.is_multicast() {
            // Its own groups are heard even if there was no place for them.
            return match six.is_in(destination) {
                true => Ok(Scope::Multicast),
                false => interface.hears(destination),
            };
        }
        // An address is its interface's: what is for another's did not come from here by itself. And
        // what is for us alone is not told to everybody.
        if six.owns(destination) && link == LinkScope::Own {
            return Ok(Scope::Own);
        }
        Err(Drop::Ipv6NotForUs)
    }
}
