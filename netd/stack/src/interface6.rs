//! What an interface is over IPv6: its addresses, the groups that it hears, its MTU.
//!
//! *Owns* the life of each address. An interface has at least the loopback's address or a link-local
//! one, or it does not take part. *Never* sends, or reads what routers say: that is `autoconf6`'s.
//!
//! Spec: RFC 4291 2.7.1 and 2.8 (groups of a host), RFC 4862 5.4 and 5.5.4 (lives of addresses).

use crate::autoconf6::temporary::Temporary;
use crate::info::{AddressState, Origin};
use crate::multicast::table::Groups;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::num::NonZeroU8;
use wire::ipv6::solicited_node;
use wire::ndp::Nonce;
use wire::{Cidr6, MacAddress};

/// The group of all nodes of a link (RFC 4291 section 2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The group of all routers of a link.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// An address of an interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address6 {
    pub(crate) cidr: Cidr6,
    pub(crate) state: AddressState,
    pub(crate) origin: Origin,
    /// When it ends; `None`: never.
    pub(crate) valid_until: Option<Instant>,
    /// When others are preferred to it; `None`: never.
    pub(crate) preferred_until: Option<Instant>,
    /// Others are still to be asked so many times whether they have it.
    pub(crate) probes: u8,
    /// When the next question is due, or the answer to the last has not come.
    pub(crate) next_probe: Option<Instant>,
    /// By which the last question is known when it comes back (RFC 7527).
    pub(crate) nonce: Option<Nonce>,
    /// How many addresses before it somebody else had (RFC 7217 section 6).
    pub(crate) collisions: u8,
    /// If it is one that changes.
    pub(crate) temporary: Option<Temporary>,
}

impl Address6 {
    /// An address that nobody else is asked about, for ever.
    pub(crate) fn fixed(cidr: Cidr6, state: AddressState, origin: Origin) -> Self {
        Self {
            cidr,
            state,
            origin,
            valid_until: None,
            preferred_until: None,
            probes: 0,
            next_probe: None,
            nonce: None,
            collisions: 0,
            temporary: None,
        }
    }

    pub(crate) fn address(&self) -> Ipv6Addr {
        self.cidr.address()
    }

    /// Whether packets may be sent from it and to it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(
            self.state,
            AddressState::Optimistic | AddressState::Preferred | AddressState::Deprecated
        )
    }

    /// Whether it is not known yet that nobody else has it (RFC 4862 5.4, RFC 4429).
    pub(crate) fn is_unproven(&self) -> bool {
        matches!(
            self.state,
            AddressState::Tentative | AddressState::Optimistic
        )
    }
}

/// An interface over IPv6.
#[derive(Debug)]
pub(crate) struct Link6 {
    /// Takes part in IPv6.
    pub(crate) enabled: bool,
    /// Largest packet in bytes, as a router may have said (RFC 4861 section 6.3.4).
    pub(crate) mtu: u16,
    /// Hops of packets that nobody has chosen some for, if a router has said how many.
    pub(crate) hops: Option<NonZeroU8>,
    pub(crate) addresses: Vec<Address6>,
    /// The groups that it listens to.
    pub(crate) groups: Groups<Ipv6Addr>,
    /// Source and destination of the last packet that was for us alone, and the version of the routes
    /// then.
    pub(crate) admitted: Option<((Ipv6Addr, Ipv6Addr), u32)>,
}

impl Link6 {
    pub(crate) fn new(mtu: u16, addresses: u8, groups: u16) -> Self {
        Self {
            enabled: false,
            mtu,
            hops: None,
            addresses: Vec::with_capacity(addresses.into()),
            // Its own are as many as its addresses: those of sockets leave them their places.
            groups: Groups::new(usize::from(groups) + usize::from(addresses)),
            admitted: None,
        }
    }

    /// That of the loopback interface (RFC 4291 2.5.3).
    pub(crate) fn loopback(mtu: u16) -> Self {
        let cidr = Cidr6::host(Ipv6Addr::LOCALHOST);
        let state = AddressState::Preferred;
        let mut link = Self::new(mtu, 1, 0);
        link.enabled = true;
        link.addresses
            .push(Address6::fixed(cidr, state, Origin::Static));
        link
    }

    /// Whether a usable address is this one.
    #[inline]
    pub(crate) fn owns(&self, address: Ipv6Addr) -> bool {
        self.addresses
            .iter()
            .any(|own| own.address() == address && own.is_usable())
    }

    /// The entry of an address, usable or not.
    pub(crate) fn find(&mut self, address: Ipv6Addr) -> Option<&mut Address6> {
        self.addresses
            .iter_mut()
            .find(|own| own.address() == address)
    }

    /// The link-local address to speak from; also one that is not proven yet.
    pub(crate) fn link_local(&self) -> Option<&Address6> {
        self.addresses
            .iter()
            .find(|own| own.address().is_unicast_link_local() && own.is_usable())
    }

    /// Whether the group is one that this interface has joined: all nodes, and the nodes that may
    /// have each of its addresses.
    pub(crate) fn is_in(&self, group: Ipv6Addr) -> bool {
        let is_solicited = |own: &Address6| {
            own.state != AddressState::Duplicate && solicited_node(own.address()) == group
        };
        self.enabled && (group == ALL_NODES || self.addresses.iter().any(is_solicited))
    }

    /// Whether frames to this group's hardware address are for us.
    pub(crate) fn hears(&self, to: MacAddress) -> bool {
        let of = MacAddress::for_multicast6;
        let is_solicited = |own: &Address6| of(solicited_node(own.address())) == to;
        self.enabled && (to == of(ALL_NODES) || self.addresses.iter().any(is_solicited))
    }

    /// When the first of all addresses changes.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        let changes = |own: &Address6| {
            let preferred = own
                .preferred_until
                .filter(|_| own.state == AddressState::Preferred);
            [own.valid_until, preferred, own.next_probe, own.succession()]
                .into_iter()
                .flatten()
                .min()
        };
        self.addresses.iter().filter_map(changes).min()
    }
}
