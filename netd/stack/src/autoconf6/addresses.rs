//! The lives of our addresses over IPv6.
//!
//! *Owns* how they begin (RFC 4862 section 5.4: is somebody else's; RFC 4429: in use meanwhile), that
//! others are preferred to them in time, and how they end.

use crate::autoconf6::identifier;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface6::Address6;
use crate::route::Route;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use core::time::Duration;
use wire::Cidr6;
use wire::ipv6::solicited_node;

/// How often others are asked (RFC 4862 section 5.1, DupAddrDetectTransmits).
const PROBES: u8 = 1;
/// The first question waits for so many milliseconds at most (RFC 4861 section 10,
/// MAX_RTR_SOLICITATION_DELAY).
const MOST_DELAY: u32 = 1_000;
/// Others' addresses are evaded so often (RFC 7217 section 6, IDGEN_RETRIES).
const RETRIES: u8 = 3;
/// The prefix of link-local addresses, and what of them is on the link (RFC 4291 section 2.5.6).
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
const LINK_LOCAL_PREFIX: u8 = 64;

/// How long an address lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lives {
    pub(crate) valid_until: Option<Instant>,
    pub(crate) preferred_until: Option<Instant>,
}

impl Lives {
    pub(crate) const ENDLESS: Self = Self {
        valid_until: None,
        preferred_until: None,
    };
}

impl Stack {
    /// Makes the interface's link-local address, unless it has one.
    pub(crate) fn make_link_local(&mut self, id: InterfaceId, collisions: u8, now: Instant) {
        let has_one = self.interfaces.get(id.index()).is_some_and(|it| {
            let mut own = it.six.addresses.iter();
            own.any(|own| {
                own.address().is_unicast_link_local() && own.state != AddressState::Duplicate
            })
        });
        let Some(identifier) = self.identifier(id, LINK_LOCAL, collisions) else {
            return;
        };
        let address = identifier::join(LINK_LOCAL, identifier);
        let Ok(cidr) = Cidr6::new(address, LINK_LOCAL_PREFIX) else {
            return;
        };
        if has_one {
            return;
        }
        let origin = Origin::LinkLocal;
        if self.put_address6(id, cidr, origin, Lives::ENDLESS, collisions) {
            self.add_route_quietly(Route {
                network: LINK_LOCAL,
                prefix: LINK_LOCAL_PREFIX,
                gateway: None,
                interface: id,
                metric: 0,
                origin,
            });
            self.claim6(id, address, now);
        }
    }

    /// Puts in an address that is not in use yet; `false` if there are too many, or it is there.
    pub(crate) fn put_address6(
        &mut self,
        id: InterfaceId,
        cidr: Cidr6,
        origin: Origin,
        lives: Lives,
        collisions: u8,
    ) -> bool {
        let limit = usize::from(self.config.addresses_per_interface);
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return false;
        };
        let six = &mut interface.six;
        if six.addresses.len() >= limit || six.find(cidr.address()).is_some() {
            return false;
        }
        six.addresses.push(Address6 {
            valid_until: lives.valid_until,
            preferred_until: lives.preferred_until,
            collisions,
            ..Address6::fixed(cidr, AddressState::Tentative, origin)
        });
        self.configuration_changed();
        true
    }

    /// Begins to ask whether somebody else has an address; it may be used meanwhile, if that is
    /// planned.
    pub(crate) fn claim6(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let plan = self.autoconf6.get(id.index()).and_then(|it| it.plan);
        let is_optimistic = plan.is_some_and(|plan| plan.is_optimistic);
        let interface = self.interfaces.get_mut(id.index());
        let Some(own) = interface.and_then(|it| it.six.find(address)) else {
            return;
        };
        // RFC 4429 section 3.1: not what a person has given.
        own.state = if is_optimistic && own.origin != Origin::Static {
            AddressState::Optimistic
        } else {
            AddressState::Tentative
        };
        own.probes = PROBES;
        own.next_probe = Some(now);
        if own.state == AddressState::Optimistic {
            // RFC 4862 section 5.4.2: all that hear of a link or a prefix together do not ask together. What
            // is not used meanwhile does not wait.
            let delay = self.rng.below(MOST_DELAY).into();
            own.next_probe = Some(now + Duration::from_millis(delay));
        }
        self.configuration_changed();
        // RFC 4862 section 5.4.2: before others are asked, so that the question of who asks for it at
        // the same time is heard.
        self.listen_by_itself(id, solicited_node(address), true, now);
    }

    /// All addresses are asked about again: the link may be another (RFC 4862 section 5.4).
    pub(crate) fn claim_all(&mut self, id: InterfaceId, now: Instant) {
        let mut place = 0;
        while let Some(own) = self.own_at(id, place) {
            if own.state != AddressState::Duplicate {
                self.claim6(id, own.address(), now);
            }
            place += 1;
        }
    }

    fn own_at(&self, id: InterfaceId, place: usize) -> Option<Address6> {
        let interface = self.interfaces.get(id.index())?;
        interface.six.addresses.get(place).copied()
    }

    /// Does what is due for the addresses of an interface.
    pub(crate) fn fire_addresses(&mut self, id: InterfaceId, now: Instant) {
        let mut place = 0;
        while let Some(own) = self.own_at(id, place) {
            let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if is_due(own.valid_until) {
                self.take_address6(id, own.address(), now);
                continue;
            }
            if is_due(own.next_probe) {
                self.probe_or_prove(id, own.address(), now);
            }
            self.heed_preference(id, own.address(), now);
            self.succeed(id, own.address(), now);
            place += 1;
        }
    }

    /// Asks once more, or nobody else has it.
    fn probe_or_prove(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let interval = self.nets.v6.neighbours.pace(id).retry;
        let interface = self.interfaces.get_mut(id.index());
        let Some(own) = interface.and_then(|it| it.six.find(address)) else {
            return;
        };
        if own.probes > 0 {
            own.probes -= 1;
            // RFC 4862 section 5.1: RetransTimer, in which they may answer.
            own.next_probe = Some(now + interval);
            self.ndp_probe(id, address);
            return;
        }
        own.next_probe = None;
        own.nonce = None;
        let was_tentative = own.state == AddressState::Tentative;
        own.state = AddressState::Preferred;
        self.configuration_changed();
        if address.is_unicast_link_local() {
            if was_tentative {
                // RFC 3590 section 4: not all believe what nobody says.
                self.tell_groups_again::<Ipv6Addr>(id, now);
            }
            self.solicit_soon(id, now);
        }
    }

    /// An address in use is preferred or not, as its time says (RFC 4862 section 5.5.4).
    pub(crate) fn heed_preference(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let interface = self.interfaces.get_mut(id.index());
        let Some(own) = interface.and_then(|it| it.six.find(address)) else {
            return;
        };
        let state = match own.preferred_until {
            Some(until) if until <= now => AddressState::Deprecated,
            _ => AddressState::Preferred,
        };
        let is_proven = matches!(
            own.state,
            AddressState::Preferred | AddressState::Deprecated
        );
        if is_proven && own.state != state {
            own.state = state;
            self.configuration_changed();
        }
    }

    /// Removes an address.
    pub(crate) fn take_address6(
        &mut self,
        id: InterfaceId,
        address: Ipv6Addr,
        now: Instant,
    ) -> bool {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return false;
        };
        let before = interface.six.addresses.len();
        interface
            .six
            .addresses
            .retain(|own| own.address() != address);
        if interface.six.addresses.len() == before {
            return false;
        }
        self.configuration_changed();
        self.leave_solicited(id, address, now);
        self.address_lost(address, now);
        true
    }

    /// An address is not ours: nor is its group, unless another of ours has the same.
    fn leave_solicited(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let group = solicited_node(address);
        let interface = self.interfaces.get(id.index());
        if interface.is_some_and(|it| !it.six.is_in(group)) {
            self.listen_by_itself(id, group, false, now);
        }
    }

    /// Somebody else has an address that was not proven: it is not used, and another is made in its
    /// place where that can be (RFC 7217 section 6).
    pub(crate) fn address_is_anothers(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        self.stats.count(Counter::NdpConflicts);
        let interface = self.interfaces.get_mut(id.index());
        let Some(own) = interface.and_then(|it| it.six.find(address)) else {
            return;
        };
        own.state = AddressState::Duplicate;
        own.next_probe = None;
        let own = *own;
        self.configuration_changed();
        self.leave_solicited(id, address, now);
        self.address_lost(address, now);
        if own.origin == Origin::Dhcp {
            return self.leased_is_anothers(id, address, now);
        }
        let collisions = own.collisions.saturating_add(1);
        if own.temporary.is_some() {
            if collisions <= RETRIES {
                self.redraw_temporary(id, &own, collisions, now);
            }
            return self.fire_interface6(u32::from(id.raw()), now);
        }
        let network = own.cidr.network().address();
        let next = self.identifier(id, network, collisions);
        if collisions <= RETRIES
            && own.origin != Origin::Static
            && let Some(next) = next
        {
            self.take_address6(id, address, now);
            if own.origin == Origin::LinkLocal {
                self.make_link_local(id, collisions, now);
            } else if let Ok(cidr) = Cidr6::new(identifier::join(network, next), own.cidr.prefix())
            {
                let lives = Lives {
                    valid_until: own.valid_until,
                    preferred_until: own.preferred_until,
                };
                if self.put_address6(id, cidr, own.origin, lives, collisions) {
                    self.claim6(id, cidr.address(), now);
                }
            }
        }
        self.fire_interface6(u32::from(id.raw()), now);
    }
}
