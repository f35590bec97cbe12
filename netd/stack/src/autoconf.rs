//! Getting addresses: from a plan, or from a DHCP server with the plan to fall back on.
//!
//! *Owns* what each interface does about its configuration, and carries out what the DHCP client
//! says: probe, use, stop using. *Never* speaks DHCP itself (`dhcp4`), nor ARP (`neigh/arp.rs`).

pub(crate) mod dhcp;

use crate::config::{AddressPlan, Config, DNS_PORT, Fallback, LinkFacts, NAME_SERVERS, StaticPlan};
use crate::dhcp4::{Action, Client, Lease, Settings};
use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface::{Address4, Claim};
use crate::link_local4::LinkLocal4;
use crate::route::Route;
use crate::stack::Stack;
use crate::timers::Timer;
use ::tcp::Instant;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use wire::dhcp4::Text;
use wire::{Cidr4, Drop};

/// How long no server may answer before the fall-back is used.
const FALLBACK_AFTER: Duration = Duration::from_secs(8);

/// What one interface does about its configuration.
#[derive(Debug)]
pub(crate) struct Autoconf {
    pub(crate) dhcp: Option<Client>,
    fixed: Option<StaticPlan>,
    /// Makes an address of its own: at once, or when no server answers.
    makes_own: bool,
    pub(crate) link_local: LinkLocal4,
    /// The fall-back is in use.
    fallen_back: bool,
    pub(crate) name_servers: [SocketAddrV4; NAME_SERVERS],
}

const NOBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

impl Autoconf {
    /// Nothing to do.
    pub(crate) fn none() -> Self {
        Self {
            dhcp: None,
            fixed: None,
            makes_own: false,
            link_local: LinkLocal4::default(),
            fallen_back: false,
            name_servers: [NOBODY; NAME_SERVERS],
        }
    }

    pub(crate) fn new(facts: &LinkFacts, plan: AddressPlan, config: &Config) -> Self {
        match plan {
            AddressPlan::None => Self::none(),
            AddressPlan::Static(fixed) => Self {
                fixed: Some(fixed),
                ..Self::none()
            },
            AddressPlan::LinkLocal => Self {
                makes_own: true,
                ..Self::none()
            },
            AddressPlan::Dhcp { fallback } => {
                let fixed = match fallback {
                    Fallback::Static(plan) => Some(plan),
                    Fallback::None | Fallback::LinkLocal => None,
                };
                let host_name = Text::new(config.host_name.as_bytes()).unwrap_or_default();
                let settings = Settings {
                    mac: facts.mac,
                    host_name,
                    fallback_after: (fallback != Fallback::None).then_some(FALLBACK_AFTER),
                };
                Self {
                    dhcp: Some(Client::new(settings)),
                    fixed,
                    makes_own: fallback == Fallback::LinkLocal,
                    ..Self::none()
                }
            }
        }
    }
}

impl Stack {
    /// Starts what an interface is planned to do.
    pub(crate) fn start_autoconf(&mut self, id: InterfaceId, now: Instant) {
        let Some(auto) = self.autoconf.get_mut(id.index()) else {
            return;
        };
        // With DHCP the plan is only what to fall back on.
        if let Some(plan) = auto.fixed.filter(|_| auto.dhcp.is_none()) {
            self.use_plan(id, plan, now);
        }
        if self.interfaces.get(id.index()).is_some_and(|it| it.up) {
            self.link_up(id, now);
        }
        self.arm_interface(id);
    }

    /// The link came up.
    pub(crate) fn link_up(&mut self, id: InterfaceId, now: Instant) {
        if let Some(client) = self
            .autoconf
            .get_mut(id.index())
            .and_then(|auto| auto.dhcp.as_mut())
        {
            client.link_up(&mut self.rng, now);
        }
        // RFC 5227 2.1: a host that comes to a link claims its addresses again.
        let count = self
            .interfaces
            .get(id.index())
            .map_or(0, |it| it.addresses.len());
        for place in 0..count {
            let address = self
                .interfaces
                .get(id.index())
                .and_then(|it| it.addresses.get(place));
            if let Some(address) = address.map(|entry| entry.cidr.address()) {
                self.start_claim(id, address, now);
            }
        }
        let auto = self.autoconf.get(id.index());
        if auto.is_some_and(|auto| auto.makes_own && auto.dhcp.is_none()) {
            self.begin_link_local(id, now);
        }
        self.fire_dhcp(id, now);
    }

    /// Who is asked for names from now on; what others have said is forgotten.
    fn use_name_servers(&mut self, id: InterfaceId, servers: [SocketAddrV4; NAME_SERVERS]) {
        if let Some(auto) = self.autoconf.get_mut(id.index())
            && auto.name_servers != servers
        {
            auto.name_servers = servers;
            self.names.resolver.flush();
        }
    }

    /// Uses a plan given by a person.
    fn use_plan(&mut self, id: InterfaceId, plan: StaticPlan, now: Instant) {
        let Ok(cidr) = Cidr4::new(plan.address, plan.prefix) else {
            return;
        };
        self.put_address(id, cidr, AddressState::Preferred, Origin::Static);
        if let Some(gateway) = plan.gateway {
            self.put_default_route(id, gateway, Origin::Static);
        }
        self.use_name_servers(id, plan.name_servers);
        self.start_claim(id, plan.address, now);
    }

    /// Puts in an address and the route to its network.
    pub(crate) fn put_address(
        &mut self,
        id: InterfaceId,
        cidr: Cidr4,
        state: AddressState,
        origin: Origin,
    ) -> bool {
        let limit = usize::from(self.config.addresses_per_interface);
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return false;
        };
        if interface.addresses.len() >= limit || interface.find(cidr.address()).is_some() {
            return false;
        }
        interface.addresses.push(Address4 {
            cidr,
            state,
            origin,
            claim: Claim::Quiet,
            next: None,
            defended: None,
        });
        if state == AddressState::Preferred {
            self.put_network_route(id, cidr, origin);
        }
        self.configuration_changed();
        true
    }

    fn put_network_route(&mut self, id: InterfaceId, cidr: Cidr4, origin: Origin) {
        // A full table means a host that can only be reached by its neighbours' gateways.
        let (network, prefix) = (cidr.network().address(), cidr.prefix());
        let route = Route {
            network,
            prefix,
            gateway: None,
            interface: id,
            metric: 0,
            origin,
        };
        self.add_route_quietly(route);
    }

    fn put_default_route(&mut self, id: InterfaceId, gateway: Ipv4Addr, origin: Origin) {
        let network = Ipv4Addr::UNSPECIFIED;
        let gateway = Some(gateway);
        self.add_route_quietly(Route {
            network,
            prefix: 0,
            gateway,
            interface: id,
            metric: 0,
            origin,
        });
    }

    /// Adds a route, if there is a place for it.
    pub(crate) fn add_route_quietly<A: Family>(&mut self, route: Route<A>) {
        match self.net_mut::<A>().routes.add(route) {
            Ok(()) | Err(crate::route::Refused::Exists) => {}
            Err(crate::route::Refused::Full) => self.stats.drop_sent(Drop::NoRoute),
        }
    }

    /// Removes an address and the routes that came with it.
    pub(crate) fn take_address(
        &mut self,
        id: InterfaceId,
        address: Ipv4Addr,
        now: Instant,
    ) -> bool {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return false;
        };
        let Some(place) = interface
            .addresses
            .iter()
            .position(|entry| entry.cidr.address() == address)
        else {
            return false;
        };
        let entry = interface.addresses.remove(place);
        let network = entry.cidr.network();
        let shared = interface
            .addresses
            .iter()
            .any(|other| other.cidr.network() == network);
        self.nets.v4.routes.remove(|route| {
            let of_network = route.network == network.address()
                && route.prefix == network.prefix()
                && route.gateway.is_none();
            let through = route
                .gateway
                .is_some_and(|gateway| network.contains(gateway));
            route.interface == id && !shared && (of_network || through)
        });
        self.forget_redirects::<Ipv4Addr>(&|it| it.link == id);
        self.configuration_changed();
        self.address_lost(address, now);
        true
    }

    /// The configuration timer of an interface fired.
    pub(crate) fn fire_interface(&mut self, index: u32, now: Instant) {
        let id = InterfaceId(u8::try_from(index).unwrap_or(u8::MAX));
        self.fire_claims(id, now);
        self.fire_link_local(id, now);
        self.fire_dhcp(id, now);
        self.arm_interface(id);
    }

    /// Arms the interface's timer for whatever comes first.
    pub(crate) fn arm_interface(&mut self, id: InterfaceId) {
        let up = self.interfaces.get(id.index()).is_some_and(|it| it.up);
        let dhcp = self
            .autoconf
            .get(id.index())
            .and_then(|auto| auto.dhcp.as_ref());
        let dhcp = dhcp.and_then(Client::next_deadline).filter(|_| up);
        let retry = self
            .autoconf
            .get(id.index())
            .and_then(|it| it.link_local.retry);
        let next = [self.next_claim(id), dhcp, retry];
        let next = next.into_iter().flatten().min();
        self.timers.set(Timer::Interface(id.raw().into()), next);
    }

    /// Does what is due for DHCP, and sends what it has to say.
    fn fire_dhcp(&mut self, id: InterfaceId, now: Instant) {
        // One round for each action that can follow another.
        for _ in 0..8 {
            let Some(auto) = self.autoconf.get_mut(id.index()) else {
                return;
            };
            let Some(client) = &mut auto.dhcp else { return };
            let action = client.fire(&mut self.rng, now);
            if action == Action::None {
                break;
            }
            self.act(id, action, now);
        }
        self.dhcp_output(id);
    }

    fn act(&mut self, id: InterfaceId, action: Action, now: Instant) {
        match action {
            Action::None => {}
            Action::Probe(address) => {
                self.put_address(
                    id,
                    Cidr4::host(address),
                    AddressState::Tentative,
                    Origin::Dhcp,
                );
                self.start_claim(id, address, now);
            }
            Action::Bound(lease) => self.use_lease(id, &lease, now),
            Action::Renewed(lease) => self.renew(id, &lease),
            Action::Lost => self.drop_leased(id, now),
            Action::Fallback => {
                let Some(auto) = self.autoconf.get_mut(id.index()) else {
                    return;
                };
                auto.fallen_back = true;
                match auto.fixed {
                    Some(plan) => self.use_plan(id, plan, now),
                    None => self.begin_link_local(id, now),
                }
            }
        }
    }

    /// Nobody else has the address that was probed.
    pub(crate) fn claim_won(
        &mut self,
        id: InterfaceId,
        address: Ipv4Addr,
        origin: Origin,
        now: Instant,
    ) {
        if origin == Origin::Dhcp
            && let Some(client) = self
                .autoconf
                .get_mut(id.index())
                .and_then(|it| it.dhcp.as_mut())
        {
            let action = client.probed(true, now);
            self.act(id, action, now);
            self.dhcp_output(id);
            return;
        }
        let cidr = self
            .interfaces
            .get_mut(id.index())
            .and_then(|it| it.find(address))
            .map(|it| it.cidr);
        if let Some(cidr) = cidr {
            self.put_network_route(id, cidr, origin);
        }
        self.configuration_changed();
    }

    /// Somebody else has an address of ours.
    pub(crate) fn claim_lost(
        &mut self,
        id: InterfaceId,
        address: Ipv4Addr,
        origin: Origin,
        now: Instant,
    ) {
        self.configuration_changed();
        if origin == Origin::Static {
            return;
        }
        self.take_address(id, address, now);
        if origin == Origin::LinkLocal {
            return self.link_local_lost(id, now);
        }
        if let Some(client) = self
            .autoconf
            .get_mut(id.index())
            .and_then(|it| it.dhcp.as_mut())
        {
            let action = client.conflict(now);
            self.act(id, action, now);
            self.dhcp_output(id);
            self.arm_interface(id);
        }
    }

    /// Everything that a lease brings.
    fn use_lease(&mut self, id: InterfaceId, lease: &Lease, now: Instant) {
        // The fall-back has done its duty.
        let fallback = self.autoconf.get_mut(id.index()).and_then(|auto| {
            core::mem::take(&mut auto.fallen_back)
                .then_some(auto.fixed)
                .flatten()
        });
        self.end_link_local(id, now);
        let leased = lease.address.address();
        if let Some(plan) = fallback {
            self.nets
                .v4
                .routes
                .remove(|route| route.interface == id && route.origin == Origin::Static);
            if plan.address != leased {
                self.take_address(id, plan.address, now);
            }
        }
        if let Some(entry) = self
            .interfaces
            .get_mut(id.index())
            .and_then(|it| it.find(leased))
        {
            entry.cidr = lease.address;
            entry.origin = Origin::Dhcp;
            entry.state = AddressState::Preferred;
        } else {
            self.put_address(id, lease.address, AddressState::Preferred, Origin::Dhcp);
        }
        self.put_network_route(id, lease.address, Origin::Dhcp);
        self.use_parameters(id, lease);
    }

    fn renew(&mut self, id: InterfaceId, lease: &Lease) {
        self.nets.v4.routes.remove(|route| {
            route.interface == id && route.origin == Origin::Dhcp && route.gateway.is_some()
        });
        self.forget_redirects::<Ipv4Addr>(&|it| it.link == id);
        self.use_parameters(id, lease);
    }

    /// Routes, name servers and MTU of a lease.
    fn use_parameters(&mut self, id: InterfaceId, lease: &Lease) {
        // RFC 3442: classless routes replace the routers.
        if lease.classless_routes.as_slice().is_empty()
            && let Some(router) = lease.default_router()
        {
            self.put_default_route(id, router, Origin::Dhcp);
        }
        for route in lease.classless_routes.as_slice() {
            let gateway = (!route.router.is_unspecified()).then_some(route.router);
            self.add_route_quietly(Route {
                network: route.destination.network().address(),
                prefix: route.destination.prefix(),
                gateway,
                interface: id,
                metric: 0,
                origin: Origin::Dhcp,
            });
        }
        let mut servers = [NOBODY; NAME_SERVERS];
        for (place, server) in servers.iter_mut().zip(lease.dns_servers.as_slice()) {
            *place = SocketAddrV4::new(*server, DNS_PORT);
        }
        self.use_name_servers(id, servers);
        if let Some(interface) = self.interfaces.get_mut(id.index()) {
            let asked = lease.mtu.unwrap_or(interface.link_mtu);
            interface.mtu = asked.clamp(576, interface.link_mtu.max(576));
        }
        self.configuration_changed();
    }

    /// The leased address must not be used any more.
    fn drop_leased(&mut self, id: InterfaceId, now: Instant) {
        let leased = |stack: &Self| {
            let interface = stack.interfaces.get(id.index())?;
            let entry = interface
                .addresses
                .iter()
                .find(|entry| entry.origin == Origin::Dhcp)?;
            Some(entry.cidr.address())
        };
        while let Some(address) = leased(self) {
            self.take_address(id, address, now);
        }
        self.nets
            .v4
            .routes
            .remove(|route| route.interface == id && route.origin == Origin::Dhcp);
        self.use_name_servers(id, [NOBODY; NAME_SERVERS]);
        if let Some(interface) = self.interfaces.get_mut(id.index()) {
            interface.mtu = interface.link_mtu;
        }
        self.configuration_changed();
    }

    /// Gives back what was borrowed from the network: releases leases. Call before power-off, then
    /// [`Stack::output`] until `None`.
    pub fn shut_down(&mut self, now: Instant) {
        for index in 0..self.interfaces.len() {
            let id = InterfaceId(u8::try_from(index).unwrap_or(u8::MAX));
            self.release_dhcp6(id, now);
            let Some(client) = self
                .autoconf
                .get_mut(index)
                .and_then(|auto| auto.dhcp.as_mut())
            else {
                continue;
            };
            let action = client.release();
            // The message needs the address and the route that it gives back.
            self.dhcp_output(id);
            self.act(id, action, now);
            self.arm_interface(id);
        }
    }
}
