//! The two families of addresses, and what is the same about them.
//!
//! *Owns* [`Family`], by which code that serves both is written once and compiled for each: which it
//! is, is decided where the ethertype is read, and never asked again. Addresses stay two types: one
//! cannot be passed where the other is meant. *Never* holds what only one family has: headers,
//! control messages and neighbour protocols are modules of their own.

use crate::config::Config;
use crate::hash::Address;
use crate::id::InterfaceId;
use crate::interface::Interface;
use crate::ip::out::next_identification;
use crate::neigh::cache::Ask;
use crate::net::{Net, Nets};
use crate::stack::Stack;
use crate::timers::Timer;
use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use wire::{Ecn, EtherType, Headroom, MacAddress, NoRoom, Protocol, Pseudo, ipv4};

mod sealed {
    pub(crate) trait Sealed {}
    impl Sealed for core::net::Ipv4Addr {}
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
}

/// A family of addresses.
pub(crate) trait Family: Address + Into<IpAddr> + sealed::Sealed {
    /// The header of its packets.
    type Header: Copy;
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
    /// Puts a header in front of a payload.
    fn emit(
        header: &Self::Header,
        room: &mut Headroom<'_>,
        payload_len: usize,
    ) -> Result<(), NoRoom>;
    /// From whom a received packet is.
    fn source(header: &Self::Header) -> Self;
    /// To whom it is.
    fn destination(header: &Self::Header) -> Self;
    /// How congestion has marked it.
    fn ecn(header: &Self::Header) -> Ecn;
    /// How many routers it may still pass.
    fn hops(header: &Self::Header) -> u8;
    /// Whether a packet to it leads back into this host, whatever addresses that has.
    fn is_inside(self) -> bool;
    /// Whether a packet to it may leave the host.
    fn may_leave(self) -> bool;
    /// The hardware address of a next hop that is nobody to ask: everybody, or a group.
    fn group_mac(self) -> Option<MacAddress>;
    /// Whether the interface has this address, and it may be used.
    fn is_of(self, interface: &Interface) -> bool;
    /// Interface, next hop and whether that is more than one host.
    fn next_hop(stack: &Stack, to: Self, bound: Option<Self>) -> Option<(InterfaceId, Self, bool)>;
    /// The address to speak from to `to` by way of `next_hop`.
    fn source_for(interface: &Interface, to: Self, next_hop: Self) -> Option<Self>;
    /// Largest packet of an interface, in bytes.
    fn mtu(interface: &Interface) -> u16;
    /// Asks the link for a neighbour.
    fn ask(stack: &mut Stack, interface: InterfaceId, address: Self, ask: Ask);
    /// The timer of a neighbour.
    fn neighbour_timer(index: u32) -> Timer;
    /// A neighbour's place behind all that wait for their turn at a link.
    fn waiting_place(config: &Config, neighbour: u32) -> u32;
}

impl Family for Ipv4Addr {
    type Header = ipv4::Header;
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
        } = packet;
        ipv4::Header {
            dscp,
            ecn,
            identification: next_identification(identification),
            ..ipv4::Header::atomic(source, destination, protocol, hops)
        }
    }

    #[inline(always)]
    fn emit(
        header: &ipv4::Header,
        room: &mut Headroom<'_>,
        payload_len: usize,
    ) -> Result<(), NoRoom> {
        header.emit(room, payload_len)
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

    fn next_hop(stack: &Stack, to: Self, bound: Option<Self>) -> Option<(InterfaceId, Self, bool)> {
        stack.next_hop4(to, bound)
    }

    fn source_for(interface: &Interface, to: Self, next_hop: Self) -> Option<Self> {
        // Seen from the gateway, if there is one: the address that it routes back to.
        let is_shared = next_hop.is_broadcast() || next_hop.is_multicast();
        interface.source_for(if is_shared { to } else { next_hop })
    }

    #[inline(always)]
    fn mtu(interface: &Interface) -> u16 {
        interface.mtu
    }

    fn ask(stack: &mut Stack, interface: InterfaceId, address: Self, ask: Ask) {
        stack.arp_ask(interface, address, ask);
    }

    #[inline(always)]
    fn neighbour_timer(index: u32) -> Timer {
        Timer::Neighbour(index)
    }

    #[inline(always)]
    fn waiting_place(config: &Config, neighbour: u32) -> u32 {
        u32::from(config.interfaces).saturating_add(neighbour)
    }
}
