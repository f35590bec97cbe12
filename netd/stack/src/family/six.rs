//! IPv6 as a family of addresses.

use super::{Family, Outgoing, is_mapped};
use crate::actors::Actor;
use crate::bindings::Bindings;
use crate::burst::Landing;
use crate::client::Role;
use crate::config::Config;
use crate::hash::{Spread, Tuple};
use crate::icmp::six::errors::Problem6;
use crate::id::InterfaceId;
use crate::interface::Interface;
use crate::ip::identification::Identifications;
use crate::ip::incoming::Incoming;
use crate::ip::policies::Policies;
use crate::ip::{source6, zones};
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
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::num::{NonZeroU8, NonZeroU16};
use core::time::Duration;
use wire::udp::NoChecksum;
use wire::{Ecn, EtherType, Headroom, MacAddress, Protocol, Pseudo, Seal, Sum, icmp6, ipv6};

impl Family for Ipv6Addr {
    const HEADER_LEN: usize = ipv6::HEADER_LEN;
    const ETHERTYPE: EtherType = EtherType::IPV6;

    #[inline(always)]
    fn net(nets: &Nets) -> &Net<Self> {
        &nets.v6
    }

    #[inline(always)]
    fn net_mut(nets: &mut Nets) -> &mut Net<Self> {
        &mut nets.v6
    }

    fn end(self, port: u16) -> SocketAddr {
        zones::end(self, port).into()
    }

    #[inline(always)]
    fn pseudo(source: Self, destination: Self) -> Pseudo {
        Pseudo::v6(source, destination)
    }

    #[inline(always)]
    fn header(packet: &Outgoing<Self>, _identification: &mut u64) -> ipv6::Header {
        let &Outgoing {
            source,
            destination,
            protocol,
            hops,
            dscp,
            ecn,
            flow,
        } = packet;
        ipv6::Header {
            dscp,
            ecn,
            flow_label: flow,
            ..ipv6::Header::new(source, destination, protocol, hops)
        }
    }

    /// Nobody outside can tell from it what is inside, and the same flow keeps it for its life.
    #[inline(always)]
    fn flow_label(flows: &Spread, protocol: Protocol, tuple: &Tuple<Self>) -> u32 {
        let label = (flows.tuple(tuple) ^ u32::from(protocol.0)) & ipv6::FLOW_LABEL;
        label.max(1)
    }

    #[inline(always)]
    fn source(header: &ipv6::Header) -> Self {
        header.source
    }

    #[inline(always)]
    fn destination(header: &ipv6::Header) -> Self {
        header.destination
    }

    #[inline(always)]
    fn ecn(header: &ipv6::Header) -> Ecn {
        header.ecn
    }

    #[inline(always)]
    fn hops(header: &ipv6::Header) -> u8 {
        header.hop_limit
    }

    #[inline(always)]
    fn apart(self) -> (Self, Option<InterfaceId>) {
        zones::apart(self)
    }

    #[inline(always)]
    fn heard_on(self, link: InterfaceId) -> Self {
        zones::heard_on(link, self)
    }

    fn link_local(interface: &Interface) -> Option<Self> {
        zones::link_local(interface)
    }

    /// RFC 4291 2.5.3: one address.
    #[inline(always)]
    fn is_inside(self) -> bool {
        self.is_loopback()
    }

    /// RFC 4291 2.5.2, 2.5.3 and 2.7, RFC 4038 4.2: neither what is no address, nor what is the
    /// host's or the interface's own, nor what stands for an address of IPv4.
    fn may_leave(self) -> bool {
        let [first, ..] = self.segments();
        let is_narrow = first & 0xff0f == 0xff00 || first & 0xff0f == 0xff01;
        !self.is_loopback() && !self.is_unspecified() && !is_narrow && !is_mapped(self)
    }

    #[inline(always)]
    fn group_mac(self) -> Option<MacAddress> {
        self.is_multicast()
            .then(|| MacAddress::for_multicast6(self))
    }

    #[inline(always)]
    fn is_of(self, interface: &Interface) -> bool {
        interface.six.owns(self)
    }

    /// Routers have link-local addresses (RFC 4861 section 2.3).
    fn is_beside(self, interface: &Interface) -> bool {
        let mut own = interface.six.addresses.iter();
        self.is_unicast_link_local() || own.any(|own| own.is_usable() && own.cidr.contains(self))
    }

    fn neighbour_answers(stack: &mut Stack, id: InterfaceId, address: Self, answers: bool) {
        stack.router_is_silent(id, address, !answers);
    }

    fn next_hop(stack: &Stack, to: Self, bound: Option<Self>) -> Option<(InterfaceId, Self, bool)> {
        stack.next_hop6(to, bound)
    }

    fn source_for(interface: &Interface, policies: &Policies, to: Self, _: Self) -> Option<Self> {
        source6::choose(&interface.six.addresses, to, policies)
    }

    #[inline(always)]
    fn mtu(interface: &Interface) -> u16 {
        interface.six.mtu
    }

    #[inline(always)]
    fn hops_by(interface: &Interface, usual: u8) -> u8 {
        interface.six.hops.map_or(usual, NonZeroU8::get)
    }

    #[inline(always)]
    fn side(socket: &Datagram) -> &Side<Self> {
        &socket.v6
    }

    #[inline(always)]
    fn side_mut(socket: &mut Datagram) -> &mut Side<Self> {
        &mut socket.v6
    }

    #[inline(always)]
    fn ports(ports: &Ports) -> &Bindings<Self, Holder> {
        &ports.v6
    }

    #[inline(always)]
    fn ports_mut(ports: &mut Ports) -> &mut Bindings<Self, Holder> {
        &mut ports.v6
    }

    const NO_CHECKSUM: NoChecksum = NoChecksum::Refuse;

    fn refuse_port(stack: &mut Stack, incoming: &Incoming<'_, Self>, now: Instant) {
        stack.icmp6_error(incoming, Problem6::PortUnreachable, now);
    }

    #[inline(always)]
    fn peer(self, port: u16) -> (Peer, Option<Ipv6Addr>) {
        (Peer::V6(port), Some(self))
    }

    fn echo_request(
        room: &mut Headroom<'_>,
        (identifier, sequence): (u16, u16),
        pseudo: Pseudo,
        (len, payload): (usize, Sum),
    ) -> Option<()> {
        let header = icmp6::Header::EchoRequest {
            identifier,
            sequence,
        };
        header.emit(room, len, Seal::Full { pseudo, payload }).ok()
    }

    const ICMP: Protocol = Protocol::ICMPV6;

    #[inline(always)]
    fn tables(both: &Both) -> &Tables<Self> {
        &both.v6
    }

    #[inline(always)]
    fn tables_mut(both: &mut Both) -> &mut Tables<Self> {
        &mut both.v6
    }

    const DEFAULT_MSS: Mss = Mss::DEFAULT_V6;

    fn record_place(entry: Entry) -> Place {
        Place::V6(entry)
    }

    fn of(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        }
    }

    fn is_host(self) -> bool {
        !self.is_unspecified() && !self.is_multicast() && !is_mapped(self)
    }

    fn any_cut(cut: Cut<Self>) -> AnyCut {
        AnyCut::V6(cut)
    }

    #[inline(always)]
    fn cut_of(any: &mut Option<AnyCut>) -> Option<&mut Cut<Self>> {
        match any {
            Some(AnyCut::V6(cut)) => Some(cut),
            _ => None,
        }
    }

    fn taken(any: AnyCut) -> Option<Cut<Self>> {
        match any {
            AnyCut::V6(cut) => Some(cut),
            AnyCut::V4(_) => None,
        }
    }

    #[inline(always)]
    fn landing(connection: u32) -> Landing {
        Landing::V6(connection)
    }

    #[inline(always)]
    fn connection(index: u32) -> Actor {
        Actor::Connection6(index)
    }

    fn waiting(index: u32) -> Waiting {
        Waiting::V6(index)
    }

    #[inline(always)]
    fn connection_timer(index: u32) -> Timer {
        Timer::Connection6(index)
    }

    #[inline(always)]
    fn set_connection_timer(timers: &mut Timers, index: u32, deadline: Option<Instant>) {
        timers.set_connection6(index, deadline);
    }

    #[inline(always)]
    fn half_open_timer(index: u32) -> Timer {
        Timer::HalfOpen6(index)
    }

    const TIME_WAIT_TIMER: Timer = Timer::TimeWait6;

    fn transport(connection: u32, buffer: usize) -> Transport {
        Transport::Tcp6 { connection, buffer }
    }

    fn connection_role(index: u32, bound: Option<NonZeroU16>) -> Role {
        Role::Connection6 { index, bound }
    }

    fn ask(stack: &mut Stack, interface: InterfaceId, address: Self, ask: Ask) {
        stack.ndp_ask(interface, address, ask);
    }

    #[inline(always)]
    fn neighbour_timer(index: u32) -> Timer {
        Timer::Neighbour6(index)
    }

    const LONGEST_PAYLOAD: usize = u16::MAX as usize;
    const PART_HEADER_LEN: usize = ipv6::HEADER_LEN + ipv6::FRAGMENT_LEN;

    fn emit_part(
        header: &ipv6::Header,
        room: &mut Headroom<'_>,
        (from, more, identification): (usize, bool, u32),
        len: usize,
    ) -> Option<()> {
        let fragment = ipv6::Fragment {
            offset: u16::try_from(from >> 3).ok()?,
            more,
            identification,
        };
        fragment.emit(room, header.next).ok()?;
        let header = ipv6::Header {
            next: Protocol::FRAGMENT,
            ..*header
        };
        header.emit(room, len + ipv6::FRAGMENT_LEN).ok()
    }

    fn carries(packet: &[u8]) -> Option<(Self, Protocol)> {
        let to = packet.get(24..)?.first_chunk::<16>()?;
        Some((Self::from(*to), Protocol(*packet.get(6)?)))
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
                let it = ipv6::Quote::parse(packet).ok()?.header;
                identifications.next(it.source, it.destination, it.next)
            }
        };
        let cut = ipv6::cut(packet, progress.from, identification, into)?;
        let next = cut.next.map(|from| Progress {
            from,
            identification: Some(identification),
        });
        Some((cut.len, next))
    }

    /// RFC 8200 section 4.5.
    const REASSEMBLY: (Timer, Duration) = (Timer::Reassembly(1), Duration::from_secs(60));

    fn reassembly_failed(stack: &mut Stack, id: InterfaceId, first: &[u8], now: Instant) {
        stack.v6_reassembly_failed(id, first, now);
    }

    #[inline(always)]
    fn waiting_place(config: &Config, neighbour: u32) -> u32 {
        u32::from(config.interfaces)
            .saturating_add(config.neighbours)
            .saturating_add(neighbour)
    }
}
