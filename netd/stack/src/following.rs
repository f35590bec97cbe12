//! What a shard has on a link, and another does as it says.
//!
//! One shard speaks for the host on a link that several serve: it asks for addresses, proves and defends
//! them, and hears routers. The others are told what came of it, in both families.
//!
//! *Owns* what is told, and how it is taken over. *Never* tells of an address that somebody else may have.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::{AddressInfo, AddressState, NeighbourState, RouteInfo};
use crate::interface::{Address4, Claim};
use crate::interface6::Address6;
use crate::neigh::cache::pace::Pace;
use crate::net::Net;
use crate::route::Route;
use crate::stack::Stack;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU8;
use wire::{Cidr4, Cidr6, MacAddress};

/// What a shard has on a link. Links have the same numbers in all shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfiguration {
    link: InterfaceId,
    mtu: u16,
    six: Six,
    addresses: Vec<AddressInfo>,
    routes: Vec<RouteInfo>,
    /// Those that a person has given.
    neighbours: Vec<(IpAddr, MacAddress)>,
}

/// What the link is over IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Six {
    enabled: bool,
    mtu: u16,
    hops: Option<NonZeroU8>,
    pace: Pace,
}

impl Stack {
    /// What this stack has on a link; `None`: there is no such link.
    pub fn link_configuration(&self, link: InterfaceId, now: Instant) -> Option<LinkConfiguration> {
        let interface = self.interfaces.get(link.index())?;
        let is_proven = |it: &AddressInfo| {
            matches!(it.state, AddressState::Preferred | AddressState::Deprecated)
        };
        let addresses = self.addresses().filter(|it| it.interface == link);
        Some(LinkConfiguration {
            link,
            mtu: interface.mtu,
            six: Six {
                enabled: interface.six.enabled,
                mtu: interface.six.mtu,
                hops: interface.six.hops,
                pace: self.nets.v6.neighbours.pace(link),
            },
            addresses: addresses.filter(is_proven).collect(),
            routes: self.routes().filter(|it| it.interface == link).collect(),
            neighbours: self.given_neighbours(link, now),
        })
    }

    fn given_neighbours(&self, link: InterfaceId, now: Instant) -> Vec<(IpAddr, MacAddress)> {
        self.neighbours(now)
            .filter(|it| it.interface == link && it.state == NeighbourState::Static)
            .filter_map(|it| Some((it.address, it.mac?)))
            .collect()
    }

    /// Does as another shard says, which speaks for both: its addresses are ours, and nobody is asked or
    /// told about them. Sockets bound to one that is not there any more get `AddressLost`.
    pub fn follow(&mut self, said: &LinkConfiguration, now: Instant) {
        let link = said.link;
        let before = self.addresses().filter(|it| it.interface == link);
        let before: Vec<_> = before.map(|it| it.address).collect();
        let Some(interface) = self.interfaces.get_mut(link.index()) else {
            return;
        };
        interface.mtu = said.mtu;
        interface.six.enabled = said.six.enabled;
        interface.six.mtu = said.six.mtu;
        interface.six.hops = said.six.hops;
        self.nets.v6.neighbours.set_pace(link, said.six.pace);
        interface.addresses.clear();
        interface.six.addresses.clear();
        for own in &said.addresses {
            match own.address {
                IpAddr::V4(address) => {
                    let cidr = Cidr4::new(address, own.prefix).ok();
                    let entry = cidr.map(|cidr| followed(cidr, own));
                    interface.addresses.extend(entry);
                }
                IpAddr::V6(address) => {
                    let cidr = Cidr6::new(address, own.prefix).ok();
                    let entry = cidr.map(|cidr| Address6::fixed(cidr, own.state, own.origin));
                    interface.six.addresses.extend(entry);
                }
            }
        }
        self.configuration_changed();
        for gone in before {
            let is_there = said.addresses.iter().any(|it| it.address == gone);
            match gone {
                _ if is_there => {}
                IpAddr::V4(gone) => self.address_lost(gone, now),
                IpAddr::V6(gone) => self.address_lost(gone, now),
            }
        }
        self.follow_routes(said);
        self.follow_neighbours(said, now);
    }

    fn follow_routes(&mut self, said: &LinkConfiguration) {
        self.nets.v4.leave(said.link);
        self.nets.v6.leave(said.link);
        for route in &said.routes {
            match (route.destination, route.gateway) {
                (IpAddr::V4(to), None) => self.follow_route::<Ipv4Addr>(route, to, None),
                (IpAddr::V4(to), Some(IpAddr::V4(by))) => self.follow_route(route, to, Some(by)),
                (IpAddr::V6(to), None) => self.follow_route::<Ipv6Addr>(route, to, None),
                (IpAddr::V6(to), Some(IpAddr::V6(by))) => self.follow_route(route, to, Some(by)),
                _ => {}
            }
        }
    }

    fn follow_route<A: Family>(&mut self, said: &RouteInfo, network: A, gateway: Option<A>) {
        self.add_route_quietly(Route {
            network,
            prefix: said.prefix,
            gateway,
            interface: said.interface,
            metric: said.metric,
            origin: said.origin,
        });
    }

    fn follow_neighbours(&mut self, said: &LinkConfiguration, now: Instant) {
        for (address, mac) in self.given_neighbours(said.link, now) {
            if !said.neighbours.contains(&(address, mac)) {
                // It was there a moment ago.
                self.remove_neighbour(said.link, address, now).ok();
            }
        }
        for (address, mac) in &said.neighbours {
            // Without a place it is asked for like others.
            self.add_neighbour(said.link, *address, *mac, now).ok();
        }
    }
}

impl<A: Family> Net<A> {
    /// Takes away the routes by a link, but for what routers have said to this shard about its own
    /// connections.
    fn leave(&mut self, link: InterfaceId) {
        let redirected = &self.redirected;
        self.routes.remove(|route| {
            route.interface == link && !redirected.iter().any(|it| it.is_of(route))
        });
    }
}

/// An address that another shard takes care of.
fn followed(cidr: Cidr4, said: &AddressInfo) -> Address4 {
    Address4 {
        cidr,
        state: said.state,
        origin: said.origin,
        claim: Claim::Anothers,
        next: None,
        defended: None,
    }
}
