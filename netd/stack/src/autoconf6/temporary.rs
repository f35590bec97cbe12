//! Addresses that change, so that nobody can follow who speaks from them.
//!
//! *Owns* when one is made beside the stable one of a prefix, how long it lives, and that the next is
//! there before it is not preferred any more.
//!
//! Spec: RFC 8981 sections 3.3.1 (random identifiers), 3.4, 3.5 and 3.8.

use crate::autoconf6::addresses::Lives;
use crate::autoconf6::identifier;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface6::Address6;
use crate::stack::Stack;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use core::time::Duration;
use wire::Cidr6;

const DAY: u64 = 86_400;
/// TEMP_VALID_LIFETIME and TEMP_PREFERRED_LIFETIME (RFC 8981 section 3.8).
const VALID: Duration = Duration::from_secs(2 * DAY);
const PREFERRED: Duration = Duration::from_secs(DAY);
/// MAX_DESYNC_FACTOR: hosts that were switched on together do not change together. In seconds.
const MOST_EARLY: u32 = 34_560;
/// REGEN_ADVANCE: the next one is made so long before, to be proven in time.
const ADVANCE: Duration = Duration::from_secs(5);

/// What an address has that is to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Temporary {
    /// It lives and is preferred no longer, whatever routers say.
    limits: Lives,
    /// The next one has been made.
    is_succeeded: bool,
}

impl Temporary {
    /// The lives that a router gives, within the limits.
    fn bound(&self, said: Lives) -> Lives {
        let earlier = |limit: Option<Instant>, said| limit.into_iter().chain(said).min();
        Lives {
            valid_until: earlier(self.limits.valid_until, said.valid_until),
            preferred_until: earlier(self.limits.preferred_until, said.preferred_until),
        }
    }
}

impl Address6 {
    /// When the next one is to be made, if this is one that changes and is the last of its prefix.
    pub(crate) fn succession(&self) -> Option<Instant> {
        let temporary = self.temporary.filter(|it| !it.is_succeeded)?;
        let until = self.preferred_until.or(temporary.limits.preferred_until)?;
        Some(until.earlier(ADVANCE))
    }
}

impl Stack {
    /// A router says how long the addresses of a prefix live: those that change heed it within their
    /// limits, and there is one (RFC 8981 section 3.4).
    pub(crate) fn heed_temporary(
        &mut self,
        id: InterfaceId,
        prefix: Cidr6,
        said: Lives,
        now: Instant,
    ) {
        let plan = self.autoconf6.get(id.index()).and_then(|it| it.plan);
        if !plan.is_some_and(|plan| plan.has_temporary) {
            return;
        }
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let mut is_there = false;
        for own in &mut interface.six.addresses {
            if own.cidr.network() == prefix
                && let Some(temporary) = own.temporary
            {
                is_there |= !temporary.is_succeeded;
                let lives = temporary.bound(said);
                own.valid_until = lives.valid_until;
                own.preferred_until = lives.preferred_until;
            }
        }
        if !is_there {
            self.make_temporary(id, prefix, said, 0, now);
        }
    }

    /// Makes an address of a prefix that lives so long by the router's word.
    fn make_temporary(
        &mut self,
        id: InterfaceId,
        prefix: Cidr6,
        said: Lives,
        collisions: u8,
        now: Instant,
    ) {
        let early = Duration::from_secs(self.rng.below(MOST_EARLY).into());
        let temporary = Temporary {
            limits: Lives {
                valid_until: Some(now + VALID),
                preferred_until: Some(now + PREFERRED.saturating_sub(early)),
            },
            is_succeeded: false,
        };
        let lives = temporary.bound(said);
        // Section 3.4: none that is to be replaced at once.
        if lives.preferred_until.is_some_and(|it| it <= now + ADVANCE) {
            return;
        }
        let address = identifier::join(prefix.address(), identifier::random(&mut self.rng));
        let Ok(cidr) = Cidr6::new(address, prefix.prefix()) else {
            return;
        };
        if self.put_address6(id, cidr, Origin::Temporary, lives, collisions) {
            let interface = self.interfaces.get_mut(id.index());
            if let Some(own) = interface.and_then(|it| it.six.find(address)) {
                own.temporary = Some(temporary);
            }
            self.claim6(id, address, now);
        }
    }

    /// Makes the next one where it is time.
    pub(crate) fn succeed(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let interface = self.interfaces.get_mut(id.index());
        let Some(own) = interface.and_then(|it| it.six.find(address)) else {
            return;
        };
        if own.succession().is_none_or(|due| due > now) {
            return;
        }
        if let Some(temporary) = &mut own.temporary {
            temporary.is_succeeded = true;
        }
        let prefix = own.cidr.network();
        if let Some(said) = self.prefix_lives(id, prefix) {
            self.make_temporary(id, prefix, said, 0, now);
        }
    }

    /// How long a prefix lives by its routers' word: as long as its stable address.
    fn prefix_lives(&self, id: InterfaceId, prefix: Cidr6) -> Option<Lives> {
        let mut own = self.interfaces.get(id.index())?.six.addresses.iter();
        let stable = own.find(|own| {
            own.origin == Origin::Advertised
                && own.cidr.network() == prefix
                && own.state != AddressState::Duplicate
        })?;
        Some(Lives {
            valid_until: stable.valid_until,
            preferred_until: stable.preferred_until,
        })
    }

    /// Somebody else has one: another is drawn, but not for ever (TEMP_IDGEN_RETRIES).
    pub(crate) fn redraw_temporary(
        &mut self,
        id: InterfaceId,
        own: &Address6,
        collisions: u8,
        now: Instant,
    ) {
        let prefix = own.cidr.network();
        self.take_address6(id, own.address(), now);
        if let Some(said) = self.prefix_lives(id, prefix) {
            self.make_temporary(id, prefix, said, collisions, now);
        }
    }
}
