//! Answering for the names that this host has on a link: its own, and those of its services.
//!
//! *Owns* a link's [`Responder`]: [`claim`] how a name becomes ours alone, [`zone`] the records there
//! are, in the sets of [`items`], [`schedule`] when each is said to all, [`input`] what others ask and say, [`duel`] who gets a
//! name that two want at once, [`output`] what leaves; [`services`] whose the services are. [`link`] joins it to the stack. [`browse`] finds others' services, for the
//! clients of [`browses`]. *Never* asks for others' names: that is `dns`'s. Sans-IO; nothing is allocated after construction.
//!
//! Spec: RFC 6762; RFC 6763 for services.
//!
//! *Invariants*: no record is said to all twice in a second; nothing is said of a name before the link
//! was asked for it; whatever a stranger sends, what is kept is bounded.

mod browse;
mod browses;
mod claim;
mod duel;
mod input;
mod items;
mod link;
mod output;
mod schedule;
mod services;
mod zone;

pub(crate) use browse::{BROWSES, Browse};
use items::SERVICES;
pub(crate) use services::Services;
use zone::Service;

use crate::icmp::errors::Limiter;
use crate::rng::Rng;
use alloc::vec::Vec;
use claim::{Claim, Conflicts, PROBING};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use items::Items;
use schedule::Schedule;
use tcp::Instant;
use wire::dns::{Name, Question};
use zone::Zone;

/// The port of all who ask and answer.
pub(crate) const PORT: u16 = 5_353;
/// Answers at a time that wait to be sent to their askers alone.
const DIRECT: usize = 8;
/// Such answers in a second.
const DIRECT_PER_SECOND: u16 = 50;
/// Addresses of a link that are told.
const ADDRESSES: usize = 32;
/// No probe begins at once (RFC 6762 section 8.1), in milliseconds.
const FIRST_PROBE: u32 = 250;

/// A label of a name.
type Label = wire::List<u8, 63>;

/// An answer for its asker alone.
#[derive(Clone, Copy, Debug)]
struct Direct {
    to: SocketAddr,
    due: Instant,
    items: Items,
    /// What an asker wants to see again that knows nothing of multicast DNS (RFC 6762 section 6.7).
    legacy: Option<(u16, Question)>,
}

/// What is no longer true, to be said once.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few, and said at once")]
enum Farewell {
    /// The name has no longer this address.
    Address(Name, IpAddr),
    /// The service is no longer offered under this name at this host.
    Service(Service, Name, Name),
}

/// What answers on one link.
#[derive(Debug)]
pub(crate) struct Responder {
    zone: Zone,
    /// When each record is said to all, over IPv4 and over IPv6.
    v4: Schedule,
    v6: Schedule,
    direct: [Option<Direct>; DIRECT],
    direct_limit: Limiter,
    farewells: Vec<Farewell>,
    conflicts: Conflicts,
    /// For the comparison of records.
    scratch: Vec<u8>,
}

impl Responder {
    /// One for a host that wants to be called so; it is silent until it has addresses.
    pub(crate) fn new(label: &[u8]) -> Self {
        Self {
            zone: Zone::new(label),
            v4: Schedule::new(),
            v6: Schedule::new(),
            direct: [None; DIRECT],
            direct_limit: Limiter::per_second(DIRECT_PER_SECOND),
            farewells: Vec::with_capacity(ADDRESSES + SERVICES),
            conflicts: Conflicts::default(),
            scratch: alloc::vec![0; duel::SCRATCH],
        }
    }

    /// The host's name on this link, once it is its own.
    pub(crate) fn host(&self) -> Option<&Name> {
        let host = self.zone.claim(0)?;
        host.is_ours().then_some(&host.name)
    }

    /// The name that is its own or that it asks for.
    pub(crate) fn name(&self) -> Option<&Name> {
        self.zone.claim(0).map(|host| &host.name)
    }

    /// These are the link's addresses from now on.
    pub(crate) fn set_addresses(
        &mut self,
        current: impl Iterator<Item = IpAddr> + Clone,
        rng: &mut Rng,
        now: Instant,
    ) {
        let had_any = !self.zone.addresses.is_empty();
        let is_told = self.zone.claim(0).is_some_and(Claim::is_ours);
        let host = self.zone.host_name();
        let mut place = 0;
        while let Some(address) = self.zone.addresses.get(place).copied() {
            if current.clone().any(|it| it == address) {
                place += 1;
                continue;
            }
            self.zone.addresses.swap_remove(place);
            if is_told {
                self.farewell(Farewell::Address(host, address));
            }
        }
        let mut has_new = false;
        for address in current {
            if !self.zone.addresses.contains(&address) && self.zone.addresses.len() < ADDRESSES {
                self.zone.addresses.push(address);
                has_new = true;
            }
        }
        if self.zone.addresses.is_empty() {
            self.zone.claims_mut().for_each(Claim::rest);
        } else if !had_any {
            self.restart(rng, now);
        } else if has_new && let Some(claim) = self.zone.claim_mut(0) {
            // RFC 6762 section 8.4: what is new is told as at the start.
            claim.announce_again(now);
        }
    }

    /// Everything is asked for anew, as when the link came up (RFC 6762 section 8.1).
    pub(crate) fn restart(&mut self, rng: &mut Rng, now: Instant) {
        if self.zone.addresses.is_empty() {
            return;
        }
        let at = first_probe(rng, now);
        self.zone.claims_mut().for_each(|claim| claim.begin(at));
    }

    /// Offers a service, in the place that it has among all.
    pub(crate) fn offer(&mut self, place: usize, service: Service, rng: &mut Rng, now: Instant) {
        self.zone.offer(place, service);
        let at = first_probe(rng, now);
        if !self.zone.addresses.is_empty()
            && let Some(claim) = self.zone.claim_mut(place + 1)
        {
            claim.begin(at);
        }
    }

    /// A service is of a subtype as well.
    pub(crate) fn add_subtype(&mut self, place: usize, label: Label, now: Instant) {
        if let Some(service) = self.zone.service_mut(place) {
            service.subtypes.push(label);
        }
        // RFC 6762 section 8.4: what is new is told as at the start.
        if let Some(claim) = self.zone.claim_mut(place + 1) {
            claim.announce_again(now);
        }
    }

    /// Offers it no longer.
    pub(crate) fn withdraw(&mut self, place: usize) {
        self.farewell_to_service(place);
        self.zone.withdraw(place);
        self.v4.forget(place + 1);
        self.v6.forget(place + 1);
        for direct in self.direct.iter_mut().flatten() {
            direct.items.remove_claim(place + 1);
        }
    }

    fn farewell_to_service(&mut self, place: usize) {
        let host = self.zone.host_name();
        if let Some(claim) = self.zone.claim(place + 1)
            && claim.was_told
            && let Some(service) = self.zone.service(place)
        {
            let farewell = Farewell::Service(*service, claim.name, host);
            self.farewell(farewell);
        }
    }

    /// Says it when there is a place; otherwise others find out when what they know is too old.
    fn farewell(&mut self, farewell: Farewell) {
        if self.farewells.len() < self.farewells.capacity() {
            self.farewells.push(farewell);
        }
    }

    /// Somebody else has the name: what was said of it is taken back, and another tried (RFC 6762
    /// section 9).
    fn rename(&mut self, number: usize, rng: &mut Rng, now: Instant) {
        let pause = self.conflicts.note(now);
        let Some(claim) = self.zone.claim(number) else {
            return;
        };
        let (old, was_told) = (claim.name, claim.was_told);
        if number > 0 {
            self.farewell_to_service(number - 1);
        } else if was_told {
            for place in 0..self.zone.addresses.len() {
                if let Some(address) = self.zone.addresses.get(place).copied() {
                    self.farewell(Farewell::Address(old, address));
                }
            }
        }
        let at = first_probe(rng, now) + pause;
        if let Some(claim) = self.zone.claim_mut(number) {
            claim.rename();
            claim.begin(at);
        }
        if number == 0 {
            // Services are at a host with another name, once that is its own.
            let told_at = at + PROBING;
            let services = self.zone.claims_mut().skip(1);
            services.for_each(|claim| claim.announce_again(told_at));
        }
    }

    /// When there is something to send at the latest.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let farewell = (!self.farewells.is_empty()).then_some(Instant::ZERO);
        let direct = self.direct.iter().flatten().map(|it| it.due).min();
        [
            farewell,
            direct,
            self.zone.claims().filter_map(Claim::next).min(),
            self.v4.next(),
            self.v6.next(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn first_probe(rng: &mut Rng, now: Instant) -> Instant {
    now + Duration::from_millis(rng.below(FIRST_PROBE + 1).into())
}
