//! The two families of addresses, and what is the same about them.
//!
//! *Owns* [`Family`], by which code that serves both is written once and compiled for each: which it
//! is, is decided where the ethertype is read, and never asked again. Addresses stay two types: one
//! cannot be passed where the other is meant. *Never* holds what only one family has: headers,
//! control messages and neighbour protocols are modules of their own.

use crate::actors::Actor;
use crate::bindings::Bindings;
use crate::burst::Landing;
use crate::client::Role;
use crate::config::Config;
use crate::hash::{Address, Spread, Tuple};
use crate::icmp::errors::Problem;
use crate::id::InterfaceId;
use crate::interface::Interface;
use crate::ip::identification::Identifications;
use crate::ip::incoming::Incoming;
use crate::ip::out::next_identification;
use crate::ip::policies::Policies;
use crate::multicast::grouping::Grouping;
use crate::names::transport::Transport;
use crate::neigh::cache::Ask;
use crate::net::{Net, Nets};
use crate::packets::Progress;
use crate::records::{Entry, Place};
use crate::requests::Peer;
use crate::stack::Stack;
use crate::tcp::connection::{Both, Tables};
use crate::tcp::cut::{AnyCut, Cut};
use crate::tcp::listener::Waiting;
use crate::timers::{Timer, Timers};
use crate::udp::socket::{Datagram, Holder, Ports, Side};
use ::tcp::{Instant, Mss};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use core::num::NonZeroU16;
use core::time::Duration;
use wire::udp::NoChecksum;
use wire::{Ecn, EtherType, Headroom, MacAddress, Network, Protocol, Pseudo, Sum, icmp4, ipv4};

mod six;

mod sealed {
    pub(crate) trait Sealed {}
    impl Sealed for core::net::Ipv4Addr {}
    impl Sealed for core::net::Ipv6Addr {}
}

/// What a packet of ours says of itself, whatever its family calls it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<A> {
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) protocol: Protocol,
    /// How many routers it may pass.
    pub(crate) hops: u8,
    pub(crate) dscp: u8,
    pub(crate) ecn: Ecn,
    /// What its flow is called, for families that call flows anything; zero for none.
    pub(crate) flow: u32,
}

/// A family of addresses.
pub(crate) trait Family:
    Address + Grouping + Network + Into<IpAddr> + sealed::Sealed
{
    /// Its length in bytes, as it is sent.
    const HEADER_LEN: usize;
    /// What frames call its packets.
    const ETHERTYPE: EtherType;

    /// Its tables.
    fn net(nets: &Nets) -> &Net<Self>;
    /// Its tables.
    fn net_mut(nets: &mut Nets) -> &mut Net<Self>;
    /// Address and port as the world outside knows them.
    fn end(self, port: u16) -> SocketAddr;
    /// What transport checksums cover of the header.
    fn pseudo(source: Self, destination: Self) -> Pseudo;
    /// The header of a packet that will not be fragmented. `identification` is what the last one was
    /// made of, for families that have one.
    fn header(packet: &Outgoing<Self>, identification: &mut u64) -> Self::Header;
    /// What the flow between these ends is called on its way (RFC 6437 section 3); zero for nothing.
    fn flow_label(flows: &Spread, protocol: Protocol, tuple: &Tuple<Self>) -> u32;
    /// From whom a received packet is.
    fn source(header: &Self::Header) -> Self;
    /// To whom it is.
    fn destination(header: &Self::Header) -> Self;
    /// How congestion has marked it.
    fn ecn(header: &Self::Header) -> Ecn;
    /// How many routers it may still pass.
    fn hops(header: &Self::Header) -> u8;
    /// Without its zone, and that, if it may have one ([`crate::ip::zones`]).
    fn apart(self) -> (Self, Option<InterfaceId>);
    /// As it is told of to clients who hear it by this link.
    fn heard_on(self, link: InterfaceId) -> Self;
    /// The address of a link that is good on it alone, if links of the family have such.
    fn link_local(interface: &Interface) -> Option<Self>;
    /// Whether a packet to it leads back into this host, whatever addresses that has.
    fn is_inside(self) -> bool;
    /// Whether a packet to it may leave the host.
    fn may_leave(self) -> bool;
    /// The hardware address of a next hop that is nobody to ask: everybody, or a group.
    fn group_mac(self) -> Option<MacAddress>;
    /// Whether the interface has this address, and it may be used.
    fn is_of(self, interface: &Interface) -> bool;
    /// Whether it is a neighbour's address, as far as the interface's own say.
    fn is_beside(self, interface: &Interface) -> bool;
    /// A neighbour does not answer, or does again.
    fn neighbour_answers(stack: &mut Stack, id: InterfaceId, address: Self, answers: bool);
    /// Interface, next hop and whether that is more than one host.
    fn next_hop(stack: &Stack, to: Self, bound: Option<Self>) -> Option<(InterfaceId, Self, bool)>;
    /// The address to speak from to `to` by way of `next_hop`.
    fn source_for(
        interface: &Interface,
        policies: &Policies,
        to: Self,
        next_hop: Self,
    ) -> Option<Self>;
    /// Largest packet of an interface, in bytes.
    fn mtu(interface: &Interface) -> u16;
    /// Hops that packets have by an interface if nobody has chosen: `usual`, or what a router says.
    fn hops_by(interface: &Interface, usual: u8) -> u8;
    /// What a datagram socket is in the family.
    fn side(socket: &Datagram) -> &Side<Self>;
    /// What a datagram socket is in the family.
    fn side_mut(socket: &mut Datagram) -> &mut Side<Self>;
    /// Who has which port of UDP.
    fn ports(ports: &Ports) -> &Bindings<Self, Holder>;
    /// Who has which port of UDP.
    fn ports_mut(ports: &mut Ports) -> &mut Bindings<Self, Holder>;
    /// Whether checksums of UDP may be missing.
    const NO_CHECKSUM: NoChecksum;
    /// Tells the sender of a packet that nobody here has its port.
    fn refuse_port(stack: &mut Stack, incoming: &Incoming<'_, Self>, now: Instant);
    /// The peer of a datagram, which waits with it.
    fn peer(self, port: u16) -> (Peer, Option<Ipv6Addr>);
    /// The header of an echo request, in front of its data.
    fn echo_request(
        room: &mut Headroom<'_>,
        asked: (u16, u16),
        pseudo: Pseudo,
        data: (usize, Sum),
    ) -> Option<()>;
    /// What carries echo requests.
    const ICMP: Protocol;
    /// TCP's tables.
    fn tables(both: &Both) -> &Tables<Self>;
    /// TCP's tables.
    fn tables_mut(both: &mut Both) -> &mut Tables<Self>;
    /// What a peer that says no maximum takes in a segment (RFC 9293 3.7.1).
    const DEFAULT_MSS: Mss;
    /// Where the durable record of a connection is.
    fn record_place(entry: Entry) -> Place;
    /// The address, if it is of this family.
    fn of(ip: IpAddr) -> Option<Self>;
    /// Whether it is an address that one host may have.
    fn is_host(self) -> bool;
    /// The rest of a super-segment, as a link keeps it.
    fn any_cut(cut: Cut<Self>) -> AnyCut;
    /// The rest of a super-segment of the family that a link keeps.
    fn cut_of(any: &mut Option<AnyCut>) -> Option<&mut Cut<Self>>;
    /// The rest of a super-segment, if it is of the family.
    fn taken(any: AnyCut) -> Option<Cut<Self>>;
    /// What a burst needs to know of the connection that took a segment in.
    fn landing(connection: u32) -> Landing;
    /// A connection that has something to send or to tell.
    fn connection(index: u32) -> Actor;
    /// A connection that waits to be accepted.
    fn waiting(index: u32) -> Waiting;
    /// The timer of a connection.
    fn connection_timer(index: u32) -> Timer;
    /// A connection's timer fires then, and at no other time.
    fn set_connection_timer(timers: &mut Timers, index: u32, deadline: Option<Instant>);
    /// The timer of a half-open connection.
    fn half_open_timer(index: u32) -> Timer;
    /// The timer of what is in TIME-WAIT.
    const TIME_WAIT_TIMER: Timer;
    /// What carries a question to a name server by a connection.
    fn transport(connection: u32, buffer: usize) -> Transport;
    /// What a stream socket is that has a connection.
    fn connection_role(index: u32, bound: Option<NonZeroU16>) -> Role;
    /// Asks the link for a neighbour.
    fn ask(stack: &mut Stack, interface: InterfaceId, address: Self, ask: Ask);
    /// The timer of a neighbour.
    fn neighbour_timer(index: u32) -> Timer;
    /// Bytes of a packet behind its header, at most.
    const LONGEST_PAYLOAD: usize;
    /// Length in bytes of the header of a part of a packet.
    const PART_HEADER_LEN: usize;
    /// Puts the header of a part, of `len` bytes, in front of it: where in the packet it belongs,
    /// whether others follow, and the packet's identification.
    fn emit_part(
        header: &Self::Header,
        room: &mut Headroom<'_>,
        place: (usize, bool, u32),
        len: usize,
    ) -> Option<()>;
    /// To whom a packet of ours is, and what it carries.
    fn carries(packet: &[u8]) -> Option<(Self, Protocol)>;
    /// Writes the next part of a packet of ours into `into`, which is as long as that may be. Gives its
    /// length and how much has left by then; no more than that when it was the last.
    fn cut_packet(
        packet: &[u8],
        progress: Progress,
        identifications: &mut Identifications,
        into: &mut [u8],
    ) -> Option<(usize, Option<Progress>)>;
    /// The timer of parts of packets, and how long they wait for the others.
    const REASSEMBLY: (Timer, Duration);
    /// Tells a sender that its packet was not whole in time, of which this came first.
    fn reassembly_failed(stack: &mut Stack, id: InterfaceId, first: &[u8], now: Instant);
    /// A neighbour's place behind all that wait for their turn at a link.
    fn waiting_place(config: &Config, neighbour: u32) -> u32;
}

impl Family for Ipv4Addr {
    const HEADER_LEN: usize = ipv4::HEADER_LEN;
    const ETHERTYPE: EtherType = EtherType::IPV4;

    #[inline(always)]
    fn net(nets: &Nets) -> &Net<Self> {
        &nets.v4
    }

    #[inline(always)]
    fn net_mut(nets: &mut Nets) -> &mut Net<Self> {
        &mut nets.v4
    }

    fn end(self, port: u16) -> SocketAddr {
        SocketAddrV4::new(self, port).into()
    }

    #[inline(always)]
    fn pseudo(source: Self, destination: Self) -> Pseudo {
        Pseudo::v4(source, destination)
    }

    #[inline(always)]
    fn header(packet: &Outgoing<Self>, identification: &mut u64) -> ipv4::Header {
        let &Outgoing {
            source,
            destination,
            protocol,
            hops,
            dscp,
            ecn,
            flow: _,
        } = packet;
        ipv4::Header {
            dscp,
            ecn,
            identification: next_identification(identification),
            ..ipv4::Header::atomic(source, destination, protocol, hops)
        }
    }

    #[inline(always)]
    fn flow_label(_: &Spread, _: Protocol, _: &Tuple<Self>) -> u32 {
        0
    }

    #[inline(always)]
    fn source(header: &ipv4::Header) -> Self {
        header.source
    }

    #[inline(always)]
    fn destination(header: &ipv4::Header) -> Self {
        header.destination
    }

    #[inline(always)]
    fn ecn(header: &ipv4::Header) -> Ecn {
        header.ecn
    }

    #[inline(always)]
    fn hops(header: &ipv4::Header) -> u8 {
        header.ttl
    }

    #[inline(always)]
    fn apart(self) -> (Self, Option<InterfaceId>) {
        (self, None)
    }

    #[inline(always)]
    fn heard_on(self, _: InterfaceId) -> Self {
        self
    }

    fn link_local(_: &Interface) -> Option<Self> {
        None
    }

    /// RFC 1122 3.2.1.3 (g): all of 127/8.
    #[inline(always)]
    fn is_inside(self) -> bool {
        self.is_loopback()
    }

    /// RFC 1122 3.2.1.3: 127/8 and 0/8 never leave the host.
    fn may_leave(self) -> bool {
        !self.is_loopback() && self.octets().first() != Some(&0)
    }

    #[inline(always)]
    fn group_mac(self) -> Option<MacAddress> {
        if self.is_broadcast() {
            Some(MacAddress::BROADCAST)
        } else if self.is_multicast() {
            Some(MacAddress::for_multicast4(self))
        } else {
            None
        }
    }

    #[inline(always)]
    fn is_of(self, interface: &Interface) -> bool {
        interface.owns(self)
    }

    fn is_beside(self, interface: &Interface) -> bool {
        interface.usable().any(|own| own.cidr.contains(self))
    }

    /// RFC 1122 3.3.1.4: nobody is sent to who is silent.
    fn neighbour_answers(stack: &mut Stack, id: InterfaceId, address: Self, answers: bool) {
        if !answers {
            stack.forget_redirects::<Self>(&|it| it.link == id && it.to == address);
        }
    }

    fn next_hop(stack: &Stack, to: Self, bound: Option<Self>) -> Option<(InterfaceId, Self, bool)> {
        stack.next_hop4(to, bound)
    }

    fn source_for(interface: &Interface, _: &Policies, to: Self, next_hop: Self) -> Option<Self> {
        // Seen from the gateway, if there is one: the address that it routes back to.
        let is_shared = next_hop.is_broadcast() || next_hop.is_multicast();
        interface.source_for(if is_shared { to } else { next_hop })
    }

    #[inline(always)]
    fn mtu(interface: &Interface) -> u16 {
        interface.mtu
    }

    #[inline(always)]
    fn hops_by(_: &Interface, usual: u8) -> u8 {
        usual
    }

    #[inline(always)]
    fn side(socket: &Datagram) -> &Side<Self> {
        &socket.v4
    }

    #[inline(always)]
    fn side_mut(socket: &mut Datagram) -> &mut Side<Self> {
        &mut socket.v4
    }

    #[inline(always)]
    fn ports(ports: &Ports) -> &Bindings<Self, Holder> {
        &ports.v4
    }

    #[inline(always)]
    fn ports_mut(ports: &mut Ports) -> &mut Bindings<Self, Holder> {
        &mut ports.v4
    }

    const NO_CHECKSUM: NoChecksum = NoChecksum::Accept;

    fn refuse_port(stack: &mut Stack, incoming: &Incoming<'_>, now: Instant) {
        stack.icmp_error(incoming, Problem::PortUnreachable, now);
    }

    #[inline(always)]
    fn peer(self, port: u16) -> (Peer, Option<Ipv6Addr>) {
        (Peer::V4(SocketAddrV4::new(self, port)), None)
    }

    fn echo_request(
        room: &mut Headroom<'_>,
        (identifier, sequence): (u16, u16),
        _pseudo: Pseudo,
        (_, sum): (usize, Sum),
    ) -> Option<()> {
        let header = icmp4::Header::EchoRequest {
            identifier,
            sequence,
        };
        header.emit(room, sum).ok()
    }

    const ICMP: Protocol = Protocol::ICMP;

    #[inline(always)]
    fn tables(both: &Both) -> &Tables<Self> {
        &both.v4
    }

    #[inline(always)]
    fn tables_mut(both: &mut Both) -> &mut Tables<Self> {
        &mut both.v4
    }

    const DEFAULT_MSS: Mss = Mss::DEFAULT_V4;

    fn record_place(entry: Entry) -> Place {
        Place::V4(entry)
    }

    fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }

    fn is_host(self) -> bool {
        !self.is_unspecified() && !self.is_multicast() && !self.is_broadcast()
    }

    fn any_cut(cut: Cut<Self>) -> AnyCut {
        AnyCut::V4(cut)
    }

    #[inline(always)]
    fn cut_of(any: &mut Option<AnyCut>) -> Option<&mut Cut<Self>> {
        match any {
            Some(AnyCut::V4(cut)) => Some(cut),
            _ => None,
        }
    }

    fn taken(any: AnyCut) -> Option<Cut<Self>> {
        match any {
            AnyCut::V4(cut) => Some(cut),
            AnyCut::V6(_) => None,
        }
    }

    #[inline(always)]
    fn landing(connection: u32) -> Landing {
        Landing::V4(connection)
    }

    #[inline(always)]
    fn connection(index: u32) -> Actor {
        Actor::Connection(index)
    }

    fn waiting(index: u32) -> Waiting {
        Waiting::V4(index)
    }

    #[inline(always)]
    fn connection_timer(index: u32) -> Timer {
        Timer::Connection(index)
    }

    #[inline(always)]
    fn set_connection_timer(timers: &mut Timers, index: u32, deadline: Option<Instant>) {
        timers.set_connection(index, deadline);
    }

    #[inline(always)]
    fn half_open_timer(index: u32) -> Timer {
        Timer::HalfOpen(index)
    }

    const TIME_WAIT_TIMER: Timer = Timer::TimeWait;

    fn transport(connection: u32, buffer: usize) -> Transport {
        Transport::Tcp { connection, buffer }
    }

    fn connection_role(index: u32, bound: Option<NonZeroU16>) -> Role {
        Role::Connection { index, bound }
    }

    fn ask(stack: &mut Stack, interface: InterfaceId, address: Self, ask: Ask) {
        stack.arp_ask(interface, address, ask);
    }

    #[inline(always)]
    fn neighbour_timer(index: u32) -> Timer {
        Timer::Neighbour(index)
    }

    fn carries(packet: &[u8]) -> Option<(Self, Protocol)> {
        let to = packet.get(16..)?.first_chunk::<4>()?;
        Some((Self::from(*to), ipv4::protocol(packet)?))
    }

    fn cut_packet(
        packet: &[u8],
        progress: Progress,
        identifications: &mut Identifications,
        into: &mut [u8],
    ) -> Option<(usize, Option<Progress>)> {
        let identification = match progress.identification {
            Some(identification) => identification,
            None => {
                let it = ipv4::Quote::parse(packet).ok()?.header;
                identifications.next(it.source, it.destination, it.protocol)
            }
        };
        let [.., high, low] = identification.to_be_bytes();
        let cut = ipv4::cut(packet, progress.from, u16::from_be_bytes([high, low]), into)?;
        let next = cut.next.map(|from| Progress {
            from,
            identification: Some(identification),
        });
        Some((cut.len, next))
    }

    /// RFC 1122 3.3.2 wants a minute or two. At today's rates an identification comes again long
    /// before (RFC 4963), so that parts of two packets might be taken for those of one.
    const REASSEMBLY: (Timer, Duration) = (Timer::Reassembly(0), Duration::from_secs(30));

    fn reassembly_failed(stack: &mut Stack, id: InterfaceId, first: &[u8], now: Instant) {
        stack.v4_reassembly_failed(id, first, now);
    }

    const LONGEST_PAYLOAD: usize = u16::MAX as usize - ipv4::HEADER_LEN;
    const PART_HEADER_LEN: usize = ipv4::HEADER_LEN;

    fn emit_part(
        header: &ipv4::Header,
        room: &mut Headroom<'_>,
        (from, more_fragments, identification): (usize, bool, u32),
        len: usize,
    ) -> Option<()> {
        let [.., high, low] = identification.to_be_bytes();
        let header = ipv4::Header {
            identification: u16::from_be_bytes([high, low]),
            dont_fragment: false,
            more_fragments,
            fragment_offset: u16::try_from(from >> 3).ok()?,
            ..*header
        };
        header.emit(room, len).ok()
    }

    #[inline(always)]
    fn waiting_place(config: &Config, neighbour: u32) -> u32 {
        u32::from(config.interfaces).saturating_add(neighbour)
    }
}

/// An end as a socket of IPv6 sees it that takes part in IPv4: an address of IPv6 that stands for it
/// (RFC 3493 section 3.7).
pub(crate) fn mapped(end: SocketAddr) -> SocketAddr {
    match end {
        SocketAddr::V4(end) => end.ip().to_ipv6_mapped().end(end.port()),
        end @ SocketAddr::V6(_) => end,
    }
}

/// Whether it stands for an address of IPv4 (RFC 4291 2.5.5.2). No packet has such addresses.
pub(crate) fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}
