//! Neighbour discovery: the neighbour cache's voice over IPv6, and the defence of our own addresses.
//!
//! *Owns* what is asked, answered and believed of neighbours (RFC 4861 section 7), and the questions
//! whether somebody else has an address (RFC 4862 section 5.4). What routers say is `autoconf6`'s.
//! *Never* keeps neighbours: that is the cache's, which believes no unasked change of an entry in use,
//! but verifies it first. The checks that take nothing but the packet are `wire`'s.
//!
//! Spec: RFC 4861 7.2 and 7.3; RFC 4862 5.4; RFC 4429 3.3; RFC 7527.

use crate::id::InterfaceId;
use crate::info::{AddressState, NeighbourState};
use crate::interface::Scope;
use crate::interface6::{ALL_NODES, Address6};
use crate::ip::incoming::Incoming;
use crate::ip::out::Path;
use crate::ip::source6;
use crate::neigh::cache::{Ask, Heard};
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use wire::ipv6::solicited_node;
use wire::ndp::{HOP_LIMIT, Header, Item, Message};
use wire::{Drop, Headroom, MacAddress, Protocol, Pseudo};

/// Type, code and checksum, and the fixed part of a message about a neighbour.
const MESSAGE: usize = 24;
/// What each option that we send takes.
const OPTION: usize = 8;

/// What a neighbour says of itself.
#[derive(Clone, Copy, Debug)]
struct Advertised {
    target: Ipv6Addr,
    router: bool,
    solicited: bool,
    replace: bool,
    mac: Option<MacAddress>,
}

impl Stack {
    /// Queues a message of neighbour discovery, whose fixed part has so many bytes.
    pub(crate) fn ndp_send(
        &mut self,
        id: InterfaceId,
        (source, to): (Ipv6Addr, Ipv6Addr),
        (message, len): (Header, usize),
        items: &[Item<'_>],
    ) -> bool {
        let Some(interface) = self.interfaces.get(id.index()) else {
            return false;
        };
        let path = Path {
            interface: id,
            next_hop: to,
            source,
            mtu: interface.six.mtu,
            shared: to.is_multicast(),
            version: self.nets.v6.routes.version(),
        };
        let header = self.header(&path, to, Protocol::ICMPV6, HOP_LIMIT);
        let len = len + items.len() * OPTION;
        let pseudo = Pseudo::v6(source, to);
        self.queue_packet(&path, &header, len, Owner::None, |space| {
            message.emit(&mut Headroom::new(space), items, pseudo).ok()
        })
    }

    /// Asks the link for a neighbour.
    pub(crate) fn ndp_ask(&mut self, id: InterfaceId, target: Ipv6Addr, ask: Ask) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let mac = interface.mac;
        let Some(source) = source6::choose(&interface.six.addresses, target, &self.policies) else {
            return;
        };
        let own = interface.six.find(source);
        // RFC 4429 section 3.2: who may not be who it says asks without its hardware address.
        let is_proven = own.is_some_and(|own| !own.is_unproven());
        let all = [Item::SourceLink(mac)];
        let items = if is_proven { &all[..] } else { &[] };
        let to = match ask {
            Ask::Everybody => solicited_node(target),
            Ask::Directly(_) => target,
        };
        let message = Header::NeighborSolicitation { target };
        if self.ndp_send(id, (source, to), (message, MESSAGE), items) {
            self.stats.count(Counter::NdpSolicitationsSent);
        }
    }

    /// Asks whether somebody else has an address (RFC 4862 section 5.4.2).
    pub(crate) fn ndp_probe(&mut self, id: InterfaceId, target: Ipv6Addr) {
        let nonce = self.rng.u64().to_le_bytes();
        let [a, b, c, d, e, f, ..] = nonce;
        let nonce = [a, b, c, d, e, f];
        let own = self
            .interfaces
            .get_mut(id.index())
            .and_then(|it| it.six.find(target));
        let Some(own) = own else { return };
        own.nonce = Some(nonce);
        let message = Header::NeighborSolicitation { target };
        let ends = (Ipv6Addr::UNSPECIFIED, solicited_node(target));
        if self.ndp_send(id, ends, (message, MESSAGE), &[Item::Nonce(nonce)]) {
            self.stats.count(Counter::NdpSolicitationsSent);
        }
    }

    /// Takes in a message whose own checks it has passed.
    pub(crate) fn ndp_input(
        &mut self,
        id: InterfaceId,
        incoming: &Incoming<'_, Ipv6Addr>,
        message: &Message<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        if id == InterfaceId::LOOPBACK {
            return Err(Drop::NdpNotForUs);
        }
        let from = incoming.source();
        match message.header {
            // Only routers answer these (RFC 4861 section 6.2.6).
            Header::RouterSolicitation => Err(Drop::NdpNotForUs),
            Header::RouterAdvertisement(router) => {
                self.router_input(id, from, &router, message.items, now)
            }
            Header::NeighborSolicitation { target } => {
                self.solicitation_input(id, incoming, target, message, now)
            }
            Header::NeighborAdvertisement {
                target,
                router,
                solicited,
                replace,
            } => {
                let mac = message.items.target_link();
                let advertised = Advertised {
                    target,
                    router,
                    solicited,
                    replace,
                    mac,
                };
                self.advertisement_input(id, incoming, &advertised, now)
            }
            Header::Redirect {
                target,
                destination,
            } => {
                let mac = message.items.target_link();
                self.redirect_input(id, from, (target, destination), mac, now)
            }
        }
    }

    /// Somebody asks for an address (RFC 4861 section 7.2.3, RFC 4862 section 5.4.3).
    fn solicitation_input(
        &mut self,
        id: InterfaceId,
        incoming: &Incoming<'_, Ipv6Addr>,
        target: Ipv6Addr,
        message: &Message<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        let from = incoming.source();
        let own = self.own_entry(id, target).ok_or(Drop::NdpNotForUs)?;
        if from.is_unspecified() {
            // RFC 7527 section 4.2: what we have asked ourselves may come back from the link.
            let nonce = message.items.nonce();
            if nonce.is_some() && nonce == own.nonce {
                return Err(Drop::NdpNotForUs);
            }
            match own.state {
                AddressState::Duplicate => return Err(Drop::NdpConflict),
                AddressState::Tentative | AddressState::Optimistic => {
                    self.address_is_anothers(id, target, now);
                    return Err(Drop::NdpConflict);
                }
                AddressState::Preferred | AddressState::Deprecated => {}
            }
            // RFC 4861 section 7.2.4: everybody hears who has it.
            self.ndp_advertise(id, &own, ALL_NODES, false);
            return Ok(());
        }
        if !own.is_usable() {
            return Err(Drop::NdpNotForUs);
        }
        if let Some(mac) = message.items.source_link() {
            let change = self.nets.v6.neighbours.learn(id, from, mac, now);
            if let Some(change) = change {
                self.apply::<Ipv6Addr>(change, now);
            }
        }
        self.ndp_advertise(id, &own, from, true);
        Ok(())
    }

    /// The entry of an address of this interface.
    fn own_entry(&mut self, id: InterfaceId, address: Ipv6Addr) -> Option<Address6> {
        let interface = self.interfaces.get_mut(id.index())?;
        interface.six.find(address).copied()
    }

    /// Says that an address is ours (RFC 4861 section 7.2.4).
    fn ndp_advertise(&mut self, id: InterfaceId, own: &Address6, to: Ipv6Addr, solicited: bool) {
        let mac = self.interfaces.get(id.index()).map(|it| it.mac);
        let Some(mac) = mac else { return };
        let message = Header::NeighborAdvertisement {
            target: own.address(),
            router: false,
            solicited,
            // RFC 4429 section 3.3: what may be another's takes nothing from it.
            replace: !own.is_unproven(),
        };
        let ends = (own.address(), to);
        if self.ndp_send(id, ends, (message, MESSAGE), &[Item::TargetLink(mac)]) {
            self.stats.count(Counter::NdpAdvertisementsSent);
        }
    }

    /// A neighbour says that it is there (RFC 4861 section 7.2.5, RFC 4862 section 5.4.4).
    fn advertisement_input(
        &mut self,
        id: InterfaceId,
        incoming: &Incoming<'_, Ipv6Addr>,
        said: &Advertised,
        now: Instant,
    ) -> Result<(), Drop> {
        let target = said.target;
        if let Some(own) = self.own_entry(id, target) {
            if own.is_unproven() {
                self.address_is_anothers(id, target, now);
            }
            return Err(Drop::NdpConflict);
        }
        let neighbours = &mut self.nets.v6.neighbours;
        let index = neighbours.index_of(id, target).ok_or(Drop::NdpUnrelated)?;
        let known = neighbours.get(index).ok_or(Drop::NdpUnrelated)?;
        let (state, known_mac) = (known.state, known.mac);
        // A direct answer comes to us alone (section 7.1.2), and to a question of ours.
        let solicited = said.solicited && incoming.scope == Scope::Own;
        let is_known = known.has_mac();
        // Without an address it says the one that is known.
        let mac = match said.mac {
            Some(mac) => mac,
            None if is_known => known_mac,
            None => return Err(Drop::NdpUnrelated),
        };
        if is_known && mac != known_mac && !said.replace {
            // Somebody else answers, too; what is known is to be verified.
            if state == NeighbourState::Reachable {
                neighbours.doubt(index);
                self.timers.disarm(crate::timers::Timer::Neighbour6(index));
            }
            return Err(Drop::NdpSuspicious);
        }
        if !solicited && is_known && mac == known_mac {
            // That it is there does not say that our packets reach it (section 7.3.1).
            self.heed_role(id, target, said.router, now);
            return Ok(());
        }
        let heard = neighbours.heard(id, target, mac, solicited, now);
        match heard {
            Heard::Learned(change) => {
                self.apply::<Ipv6Addr>(change, now);
                if !solicited {
                    self.nets.v6.neighbours.doubt(index);
                }
                self.heed_role(id, target, said.router, now);
                Ok(())
            }
            Heard::Suspicious(change) => {
                if let Some(change) = change {
                    self.apply::<Ipv6Addr>(change, now);
                }
                Err(Drop::NdpSuspicious)
            }
            Heard::Unchanged => Ok(()),
            Heard::Unknown => Err(Drop::NdpUnrelated),
        }
    }

    /// A neighbour that does not pass on packets any more is no router of ours (section 7.2.5).
    fn heed_role(&mut self, id: InterfaceId, neighbour: Ipv6Addr, is_router: bool, now: Instant) {
        if !is_router {
            self.router_gone(id, neighbour, now);
        }
    }
}
