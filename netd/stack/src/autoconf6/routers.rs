//! What routers say: who they are, what is on the link, what addresses to make.
//!
//! *Owns* the lists, each bounded, and the ends of all that is in them. What they mean is in the table
//! of routes: a default route for each router, by its preference, and behind all others as long as the
//! router does not answer; a route without a gateway for each prefix on the link. *Never* believes more than a person has planned.
//!
//! Spec: RFC 4861 sections 6.3 and 8.3; RFC 4862 section 5.5.3; RFC 4191 section 3 (preferences).

use crate::autoconf6::addresses::Lives;
use crate::autoconf6::identifier;
use crate::id::InterfaceId;
use crate::info::Origin;
use crate::route::Route;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use core::num::NonZeroU8;
use core::time::Duration;
use wire::ndp::{Item, Items, Preference, Prefix, RouterAdvertisement};
use wire::{Cidr6, Drop, MacAddress};

/// Of each, so many are kept for one interface; what is more is not believed.
const ROUTERS: usize = 8;
const PREFIXES: usize = 16;
/// What routers say of a router that does not answer: nobody is asked behind so many others.
const UNREACHABLE: u16 = 1_000;
/// No advertisement makes an address end sooner (RFC 4862 section 5.5.3 e).
const TWO_HOURS: Duration = Duration::from_secs(7_200);
/// Milliseconds between questions that a router may ask for: with three of them, nobody is waited for longer
/// than a program waits.
const RETRANSMIT: core::ops::RangeInclusive<u32> = 100..=5_000;
/// Hops that a router may ask for at least: with fewer, packets do not reach everybody.
const LEAST_HOPS: u8 = 32;
/// Neighbours are never taken to be reachable for longer (RFC 4861 section 6.2.1).
const MOST_REACHABLE: u32 = 3_600_000;
/// For ever (RFC 4861 section 4.6.2).
const ENDLESS: u32 = u32::MAX;

/// A router that may be asked by default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Router {
    address: Ipv6Addr,
    preference: Preference,
    /// It has not answered when it was asked last.
    is_silent: bool,
    pub(crate) until: Option<Instant>,
}

impl Router {
    fn metric(&self) -> u16 {
        let metric = match self.preference {
            Preference::High => 0,
            Preference::Medium => 100,
            Preference::Low => 200,
        };
        if self.is_silent {
            metric + UNREACHABLE
        } else {
            metric
        }
    }
}

/// Addresses that are on the link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnLink {
    prefix: Cidr6,
    pub(crate) until: Option<Instant>,
}

/// The end of what lives for so many seconds.
fn end(seconds: u32, now: Instant) -> Option<Instant> {
    (seconds != ENDLESS).then(|| now + Duration::from_secs(seconds.into()))
}

fn is_over(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| until <= now)
}

impl Stack {
    /// A router tells how it is here.
    pub(crate) fn router_input(
        &mut self,
        id: InterfaceId,
        from: Ipv6Addr,
        router: &RouterAdvertisement,
        items: Items<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        let plan = self.autoconf6.get(id.index()).and_then(|it| it.plan);
        if !plan.is_some_and(|plan| plan.follows_routers) {
            return Err(Drop::NdpNotForUs);
        }
        self.stats.count(Counter::NdpRoutersHeard);
        self.hear_router(id, from, router, now);
        self.heed_link(id, router);
        if let Some(mac) = items.source_link() {
            let change = self.nets.v6.neighbours.learn(id, from, mac, now);
            if let Some(change) = change {
                self.apply::<Ipv6Addr>(change, now);
            }
        }
        for item in items.iter() {
            match item {
                Item::Mtu(mtu) => self.heed_mtu(id, mtu),
                Item::Prefix(prefix) => {
                    self.heed_prefix(id, &prefix, now);
                    self.heed_autonomous(id, &prefix, now);
                }
                Item::Servers {
                    lifetime,
                    addresses,
                } => self.heed_servers(id, (lifetime, end(lifetime, now)), addresses),
                Item::Search { lifetime, names } => {
                    self.heed_domains(id, (lifetime, end(lifetime, now)), names);
                }
                _ => {}
            }
        }
        self.heed_managed(id, router, now);
        if router.lifetime > 0 {
            self.solicited(id);
        }
        self.fire_interface6(u32::from(id.raw()), now);
        Ok(())
    }

    /// What the link is like (RFC 4861 section 6.3.4).
    fn heed_link(&mut self, id: InterfaceId, router: &RouterAdvertisement) {
        let mut pace = self.nets.v6.neighbours.pace(id);
        if (1..=MOST_REACHABLE).contains(&router.reachable) {
            let base = router.reachable;
            let jittered = base / 2 + self.rng.below(base.max(1));
            pace.reachable = Duration::from_millis(jittered.into());
        }
        // What is too often or too seldom to find anybody is not heeded.
        if RETRANSMIT.contains(&router.retransmit) {
            pace.retry = Duration::from_millis(router.retransmit.into());
        }
        self.nets.v6.neighbours.set_pace(id, pace);
        let hops = NonZeroU8::new(router.hop_limit).filter(|hops| hops.get() >= LEAST_HOPS);
        if let Some(interface) = self.interfaces.get_mut(id.index()) {
            interface.six.hops = hops.or(interface.six.hops);
        }
        // Other shards are told.
        self.generation += 1;
    }

    /// The router itself: whether it may be asked, and for how long.
    fn hear_router(
        &mut self,
        id: InterfaceId,
        from: Ipv6Addr,
        said: &RouterAdvertisement,
        now: Instant,
    ) {
        if said.lifetime == 0 {
            return self.router_gone(id, from, now);
        }
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let until = end(said.lifetime.into(), now);
        let preference = said.preference;
        if let Some(known) = auto.routers.iter_mut().find(|it| it.address == from) {
            known.until = until;
            if known.preference == preference {
                return;
            }
            known.preference = preference;
        } else if auto.routers.len() < ROUTERS {
            auto.routers.push(Router {
                address: from,
                preference,
                is_silent: false,
                until,
            });
        } else {
            return;
        }
        self.route_by(id, from);
    }

    /// The default route by a router is as its entry says.
    fn route_by(&mut self, id: InterfaceId, router: Ipv6Addr) {
        let auto = self.autoconf6.get(id.index());
        let entry = auto.and_then(|it| it.routers.iter().find(|it| it.address == router));
        let metric = entry.map(Router::metric);
        self.forget_routes(id, |route| {
            route.prefix == 0 && route.gateway == Some(router)
        });
        if let Some(metric) = metric {
            self.add_route_quietly(Route {
                network: Ipv6Addr::UNSPECIFIED,
                prefix: 0,
                gateway: Some(router),
                interface: id,
                metric,
                origin: Origin::Advertised,
            });
        }
        self.configuration_changed();
    }

    fn forget_routes(&mut self, id: InterfaceId, unwanted: impl Fn(&Route<Ipv6Addr>) -> bool) {
        self.nets.v6.routes.remove(|route| {
            route.interface == id && route.origin == Origin::Advertised && unwanted(route)
        });
    }

    /// A router is not to be asked any more.
    pub(crate) fn router_gone(&mut self, id: InterfaceId, router: Ipv6Addr, now: Instant) {
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let before = auto.routers.len();
        auto.routers.retain(|it| it.address != router);
        if auto.routers.len() < before {
            self.route_by(id, router);
            self.forget_redirects::<Ipv6Addr>(&|it| it.link == id && it.by == router);
            self.solicit_soon(id, now);
            self.arm_interface6(id);
        }
    }

    /// A neighbour does not answer, or does again: if it is a router, others are asked before it, or
    /// not (RFC 4861 section 6.3.6); nobody is sent to it by another's word (section 7.3.3).
    pub(crate) fn router_is_silent(&mut self, id: InterfaceId, router: Ipv6Addr, is_silent: bool) {
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let known = auto.routers.iter_mut().find(|it| it.address == router);
        if let Some(known) = known
            && known.is_silent != is_silent
        {
            known.is_silent = is_silent;
            self.route_by(id, router);
        }
        if is_silent {
            self.forget_redirects::<Ipv6Addr>(&|it| it.link == id && it.to == router);
        }
    }

    /// RFC 4861 section 6.3.4: a router may only lower the link's own MTU.
    fn heed_mtu(&mut self, id: InterfaceId, mtu: u32) {
        let interface = self.interfaces.get_mut(id.index());
        let Some(interface) = interface else { return };
        let mtu = u16::try_from(mtu)
            .unwrap_or(u16::MAX)
            .min(interface.link_mtu);
        if interface.six.mtu != mtu {
            interface.six.mtu = mtu;
            self.configuration_changed();
        }
    }

    /// What is on the link (RFC 4861 section 6.3.4).
    fn heed_prefix(&mut self, id: InterfaceId, said: &Prefix, now: Instant) {
        let prefix = said.prefix;
        let network = prefix.address();
        if !said.on_link || network.is_unicast_link_local() || network.is_multicast() {
            return;
        }
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let until = end(said.valid, now);
        if said.valid == 0 {
            auto.prefixes.retain(|it| it.prefix != prefix);
            return self.forget_on_link(id, prefix);
        }
        if let Some(known) = auto.prefixes.iter_mut().find(|it| it.prefix == prefix) {
            known.until = until;
        } else if auto.prefixes.len() < PREFIXES {
            auto.prefixes.push(OnLink { prefix, until });
            self.add_route_quietly(Route {
                network,
                prefix: prefix.prefix(),
                gateway: None,
                interface: id,
                metric: 0,
                origin: Origin::Advertised,
            });
            self.configuration_changed();
        }
    }

    fn forget_on_link(&mut self, id: InterfaceId, prefix: Cidr6) {
        self.forget_routes(id, |route| {
            route.gateway.is_none()
                && route.network == prefix.address()
                && route.prefix == prefix.prefix()
        });
        self.configuration_changed();
    }

    /// What addresses to make (RFC 4862 section 5.5.3).
    fn heed_autonomous(&mut self, id: InterfaceId, said: &Prefix, now: Instant) {
        let prefix = said.prefix;
        let network = prefix.address();
        let is_foreign = network.is_unicast_link_local() || network.is_multicast();
        if !said.autonomous || is_foreign || said.preferred > said.valid || prefix.prefix() != 64 {
            return;
        }
        let lives = Lives {
            valid_until: end(said.valid, now),
            preferred_until: end(said.preferred, now),
        };
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let mut found = None;
        for own in &mut interface.six.addresses {
            if own.origin == Origin::Advertised && own.cidr.network() == prefix {
                own.preferred_until = lives.preferred_until;
                own.valid_until = lengthened(own.valid_until, said.valid, now);
                found = Some(own.address());
            }
        }
        if let Some(address) = found {
            self.heed_preference(id, address, now);
        } else if !self.make_stable(id, prefix, lives, now) {
            return;
        }
        self.heed_temporary(id, prefix, lives, now);
    }

    /// Makes the address of a prefix that stays, unless the prefix is over.
    fn make_stable(&mut self, id: InterfaceId, prefix: Cidr6, lives: Lives, now: Instant) -> bool {
        let network = prefix.address();
        let identifier = self.identifier(id, network, 0);
        let Some(identifier) = identifier.filter(|_| !is_over(lives.valid_until, now)) else {
            return false;
        };
        let Ok(cidr) = Cidr6::new(identifier::join(network, identifier), prefix.prefix()) else {
            return false;
        };
        if self.put_address6(id, cidr, Origin::Advertised, lives, 0) {
            self.claim6(id, cidr.address(), now);
        }
        true
    }

    /// A router says that a destination has a better first hop (RFC 4861 section 8.3). Only who is
    /// asked now may say so.
    pub(crate) fn redirect_input(
        &mut self,
        id: InterfaceId,
        by: Ipv6Addr,
        (to, destination): (Ipv6Addr, Ipv6Addr),
        mac: Option<MacAddress>,
        now: Instant,
    ) -> Result<(), Drop> {
        let follows = self.autoconf6.get(id.index()).and_then(|it| it.plan);
        let follows = follows.is_some_and(|plan| plan.follows_routers);
        if !(follows && self.redirect(id, by, (to, destination))) {
            return Err(Drop::NdpUnrelated);
        }
        if let Some(mac) = mac
            && let Some(change) = self.nets.v6.neighbours.learn(id, to, mac, now)
        {
            self.apply::<Ipv6Addr>(change, now);
        }
        Ok(())
    }

    /// Forgets what is over.
    pub(crate) fn fire_routers(&mut self, id: InterfaceId, now: Instant) {
        while let Some(router) = self.autoconf6.get(id.index()).and_then(|auto| {
            let over = auto.routers.iter().find(|it| is_over(it.until, now));
            over.map(|it| it.address)
        }) {
            self.router_gone(id, router, now);
        }
        while let Some(prefix) = self.autoconf6.get_mut(id.index()).and_then(|auto| {
            let over = auto.prefixes.iter().position(|it| is_over(it.until, now))?;
            Some(auto.prefixes.swap_remove(over).prefix)
        }) {
            self.forget_on_link(id, prefix);
        }
    }
}

/// When an address ends that a router gives so many seconds (RFC 4862 section 5.5.3 e): nobody who
/// can send one packet ends it within two hours.
fn lengthened(until: Option<Instant>, seconds: u32, now: Instant) -> Option<Instant> {
    let said = Duration::from_secs(seconds.into());
    let remaining = until.map(|until| until.since(now));
    if seconds == ENDLESS || said > TWO_HOURS || remaining.is_some_and(|remaining| said > remaining)
    {
        end(seconds, now)
    } else if remaining.is_some_and(|remaining| remaining <= TWO_HOURS) {
        until
    } else {
        Some(now + TWO_HOURS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_advertisement_ends_an_address_within_two_hours() {
        let now = Instant::from_secs(50_000);
        let after = |seconds: u64| Some(now + Duration::from_secs(seconds));
        for (until, said, expected) in [
            (after(100), 200, after(200)),
            (after(100), 50, after(100)),
            (after(10_000), 50, after(7_200)),
            (after(10_000), 8_000, after(8_000)),
            (after(7_200), 0, after(7_200)),
            (None, 0, after(7_200)),
            (None, ENDLESS, None),
            (after(10), ENDLESS, None),
        ] {
            assert_eq!(lengthened(until, said, now), expected, "{until:?} {said}");
        }
    }
}
