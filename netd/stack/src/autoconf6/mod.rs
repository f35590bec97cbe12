//! Getting along on a link over IPv6: addresses of one's own making, and what routers say.
//!
//! *Owns* what each interface does about its configuration: [`addresses`] their lives and the question
//! whether somebody else has them, [`identifier`] what they are made of, [`temporary`] those that change, [`routers`] routers and
//! prefixes, [`names`] name servers and domains, `dhcp` what is leased. One timer serves all of an
//! interface. *Never* speaks neighbour discovery itself (`neigh/ndp.rs`).
//!
//! Spec: RFC 4862; RFC 4429; RFC 7217; RFC 4861 section 6.3; RFC 7559; RFC 8106.

pub(crate) mod addresses;
mod dhcp;
pub(crate) mod identifier;
pub(crate) mod names;
pub(crate) mod routers;
pub(crate) mod temporary;

use crate::autoconf6::names::Advice;
use crate::autoconf6::routers::{OnLink, Router};
use crate::config::{Identifiers, Ipv6Plan};
use crate::dhcp6::Client;
use crate::error::InterfaceError;
use crate::id::InterfaceId;
use crate::interface::Medium;
use crate::interface6::ALL_ROUTERS;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::timers::Timer;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use core::time::Duration;
use wire::ndp::{Header, Item};

/// Time from a solicitation of routers to the next (RFC 4861 section 10, RTR_SOLICITATION_INTERVAL),
/// doubled each time as long as none answers (RFC 7559 section 2), up to an hour.
const SOLICIT_FIRST: Duration = Duration::from_secs(4);
const SOLICIT_LAST: Duration = Duration::from_secs(3_600);
/// Type, code, checksum, reserved.
const SOLICITATION: usize = 8;

/// What one interface does about its configuration over IPv6.
#[derive(Debug)]
pub(crate) struct Autoconf6 {
    pub(crate) plan: Option<Ipv6Plan>,
    /// When routers are to be asked next, and how long to wait then.
    solicit: Option<Instant>,
    pause: Duration,
    pub(crate) routers: Vec<Router>,
    pub(crate) prefixes: Vec<OnLink>,
    pub(crate) advice: Advice,
    pub(crate) dhcp: Option<Client>,
}

impl Autoconf6 {
    /// Nothing to do.
    pub(crate) fn none() -> Self {
        Self {
            plan: None,
            solicit: None,
            pause: SOLICIT_FIRST,
            routers: Vec::new(),
            prefixes: Vec::new(),
            advice: Advice::default(),
            dhcp: None,
        }
    }

    /// When something of this is due.
    fn next_deadline(&self) -> Option<Instant> {
        let routers = self.routers.iter().map(|it| it.until);
        let prefixes = self.prefixes.iter().map(|it| it.until);
        let lives = routers.chain(prefixes).flatten();
        let others = [self.solicit, self.advice.next_end(), self.dhcp_deadline()];
        lives.chain(others.into_iter().flatten()).min()
    }
}

impl Stack {
    /// Begins to take part in IPv6 on a link: makes a link-local address, asks routers for more.
    ///
    /// # Errors
    /// See [`InterfaceError`]: no such interface on a wire, or its MTU is below IPv6's least.
    pub fn start_ipv6(
        &mut self,
        id: InterfaceId,
        mut plan: Ipv6Plan,
        now: Instant,
    ) -> Result<(), InterfaceError> {
        let interface = self.interfaces.get_mut(id.index());
        let interface = interface.filter(|it| it.medium == Medium::Ethernet);
        let interface = interface.ok_or(InterfaceError::NoInterface)?;
        if usize::from(interface.link_mtu) < wire::ipv6::MIN_MTU {
            return Err(InterfaceError::BadMtu);
        }
        interface.six.enabled = true;
        interface.six.mtu = interface.link_mtu;
        let (is_up, mac) = (interface.up, interface.mac);
        if let Identifiers::Stable { secret } = &mut plan.identifiers {
            let drawn = u128::from(self.rng.u64()) << 64 | u128::from(self.rng.u64());
            *secret = secret.or(Some(drawn));
        }
        if let Some(auto) = self.autoconf6.get_mut(id.index()) {
            auto.plan = Some(plan);
            auto.dhcp = plan
                .follows_routers
                .then(|| Client::new(mac, &mut self.rng));
        }
        self.configuration_changed();
        if is_up {
            self.link_up6(id, now);
        }
        Ok(())
    }

    /// The link came up: whatever was true of another link is not of this one.
    pub(crate) fn link_up6(&mut self, id: InterfaceId, now: Instant) {
        let Some(plan) = self.autoconf6.get(id.index()).and_then(|it| it.plan) else {
            return;
        };
        self.make_link_local(id, 0, now);
        self.claim_all(id, now);
        if let Some(auto) = self.autoconf6.get_mut(id.index()) {
            auto.pause = SOLICIT_FIRST;
            auto.solicit = plan.follows_routers.then_some(now);
        }
        self.dhcp6_link_up(id, now);
        self.fire_interface6(u32::from(id.raw()), now);
    }

    /// The interface's timer for IPv6 fired.
    pub(crate) fn fire_interface6(&mut self, index: u32, now: Instant) {
        let id = InterfaceId(u8::try_from(index).unwrap_or(u8::MAX));
        if self.interfaces.get(id.index()).is_some_and(|it| it.up) {
            self.fire_addresses(id, now);
            self.fire_routers(id, now);
            self.forget_old_names(id, now);
            self.solicit_routers(id, now);
            self.fire_dhcp6(id, now);
        }
        self.arm_interface6(id);
    }

    /// Arms the timer for whatever comes first.
    pub(crate) fn arm_interface6(&mut self, id: InterfaceId) {
        let interface = self.interfaces.get(id.index()).filter(|it| it.up);
        let addresses = interface.and_then(|it| it.six.next_change());
        let auto = self.autoconf6.get(id.index());
        let routers = auto.and_then(Autoconf6::next_deadline);
        let next = [addresses, routers.filter(|_| interface.is_some())];
        let next = next.into_iter().flatten().min();
        self.timers.set(Timer::Interface6(id.raw().into()), next);
    }

    /// Asks for routers (RFC 4861 section 6.3.7), as soon as there is an address to ask from.
    fn solicit_routers(&mut self, id: InterfaceId, now: Instant) {
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        if auto.solicit.is_none_or(|due| due > now) {
            return;
        }
        let Some(interface) = self.interfaces.get(id.index()) else {
            return;
        };
        let mac = interface.mac;
        let Some(own) = interface.six.link_local() else {
            // A proven address asks again.
            auto.solicit = None;
            return;
        };
        // RFC 4429 section 3.2.
        let all = [Item::SourceLink(mac)];
        let items = if own.is_unproven() { &[] } else { &all[..] };
        let source = own.address();
        auto.solicit = Some(now + auto.pause);
        auto.pause = (auto.pause * 2).min(SOLICIT_LAST);
        let message = (Header::RouterSolicitation, SOLICITATION);
        if self.ndp_send(id, (source, ALL_ROUTERS), message, items) {
            self.stats.count(Counter::NdpSolicitationsSent);
        }
    }

    /// There is an address to ask from, and nobody has been heard yet.
    fn solicit_soon(&mut self, id: InterfaceId, now: Instant) {
        if let Some(auto) = self.autoconf6.get_mut(id.index())
            && auto.plan.is_some_and(|plan| plan.follows_routers)
            && auto.routers.is_empty()
            && auto.solicit.is_none()
        {
            auto.solicit = Some(now);
        }
    }

    /// A router has been heard: nobody need be asked.
    pub(crate) fn solicited(&mut self, id: InterfaceId) {
        if let Some(auto) = self.autoconf6.get_mut(id.index()) {
            auto.solicit = None;
            auto.pause = SOLICIT_FIRST;
        }
    }

    /// The lower half of an address of this interface behind a prefix.
    fn identifier(&self, id: InterfaceId, prefix: Ipv6Addr, collisions: u8) -> Option<u64> {
        let plan = self.autoconf6.get(id.index())?.plan?;
        let interface = self.interfaces.get(id.index())?;
        // Links that share a card are told apart: an address of ours says which link is meant.
        let link = (interface.mac, interface.tag.map(|tag| tag.vlan));
        match plan.identifiers {
            Identifiers::Stable { secret } => {
                Some(identifier::stable(secret?, prefix, link, collisions))
            }
            // There is one, and another cannot be made (RFC 4862 section 5.4.5).
            Identifiers::Hardware => (collisions == 0).then(|| identifier::of_hardware(link)),
        }
    }
}
