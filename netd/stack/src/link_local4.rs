//! Addresses of one's own making over IPv4, good on their link alone.
//!
//! *Owns* which one is tried next, and how fast. *Never* asks whether somebody has it, or defends it:
//! that is every address's (`neigh/arp.rs`).
//!
//! Spec: RFC 3927 sections 2.1 (choosing), 2.2.1 (conflicts) and 2.5 (defence).

use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::stack::Stack;
use ::tcp::Instant;
use core::hash::Hasher as _;
use core::net::Ipv4Addr;
use core::time::Duration;
use siphasher::sip::SipHasher13;
use wire::{Cidr4, MacAddress};

/// Bits of 169.254/16 that name the network.
const PREFIX: u8 = 16;
/// 169.254.1.0, and so many addresses from there on: the first and last 256 are kept back.
const FIRST: u32 = 0xa9fe_0100;
const COUNT: u64 = 65_024;
/// MAX_CONFLICTS and RATE_LIMIT_INTERVAL (RFC 3927 section 9).
const MOST_CONFLICTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(60);

/// How far an interface has come in looking for an address.
#[derive(Debug, Default)]
pub(crate) struct LinkLocal4 {
    /// Addresses that somebody else had.
    conflicts: u32,
    /// When the next is tried.
    pub(crate) retry: Option<Instant>,
}

/// The address that a host tries after so many conflicts: always the same ones, so that it has today
/// what it had yesterday (section 2.1).
fn candidate(mac: MacAddress, conflicts: u32) -> Ipv4Addr {
    let mut hasher = SipHasher13::new();
    hasher.write(&mac.0);
    hasher.write(&conflicts.to_be_bytes());
    let place = u32::try_from(hasher.finish() % COUNT).unwrap_or(0);
    Ipv4Addr::from_bits(FIRST + place)
}

impl Stack {
    /// Tries an address, unless one is there.
    pub(crate) fn begin_link_local(&mut self, id: InterfaceId, now: Instant) {
        let Some(interface) = self.interfaces.get(id.index()) else {
            return;
        };
        let mac = interface.mac;
        let mut own = interface.addresses.iter();
        if own.any(|own| own.origin == Origin::LinkLocal) {
            return;
        }
        let Some(auto) = self.autoconf.get_mut(id.index()) else {
            return;
        };
        auto.link_local.retry = None;
        let address = candidate(mac, auto.link_local.conflicts);
        let Ok(cidr) = Cidr4::new(address, PREFIX) else {
            return;
        };
        if self.put_address(id, cidr, AddressState::Tentative, Origin::LinkLocal) {
            self.start_claim(id, address, now);
        }
    }

    /// Somebody else has the address: another is tried, and no sooner than in a while if that goes on.
    pub(crate) fn link_local_lost(&mut self, id: InterfaceId, now: Instant) {
        let Some(auto) = self.autoconf.get_mut(id.index()) else {
            return;
        };
        let state = &mut auto.link_local;
        state.conflicts = state.conflicts.saturating_add(1);
        if state.conflicts > MOST_CONFLICTS {
            state.retry = Some(now + PAUSE);
        } else {
            self.begin_link_local(id, now);
        }
        self.arm_interface(id);
    }

    /// The pause may be over.
    pub(crate) fn fire_link_local(&mut self, id: InterfaceId, now: Instant) {
        let auto = self.autoconf.get(id.index());
        let retry = auto.and_then(|auto| auto.link_local.retry);
        if retry.is_some_and(|due| due <= now) {
            self.begin_link_local(id, now);
        }
    }

    /// There is a better address (section 1.9).
    pub(crate) fn end_link_local(&mut self, id: InterfaceId, now: Instant) {
        if let Some(auto) = self.autoconf.get_mut(id.index()) {
            auto.link_local.retry = None;
        }
        let of = |stack: &Self| {
            let mut own = stack.interfaces.get(id.index())?.addresses.iter();
            let found = own.find(|own| own.origin == Origin::LinkLocal)?;
            Some(found.cidr.address())
        };
        while let Some(address) = of(self) {
            self.take_address(id, address, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_usable_differ_and_stay_the_same() {
        let mac = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        let mut seen = std::vec::Vec::new();
        for conflicts in 0..200 {
            let address = candidate(mac, conflicts);
            let [a, b, c, _] = address.octets();
            assert_eq!((a, b), (169, 254));
            assert!((1..=254).contains(&c), "{address}");
            assert_eq!(candidate(mac, conflicts), address);
            seen.push(address);
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 190);
        assert_ne!(candidate(mac, 0), candidate(MacAddress([2; 6]), 0));
    }
}
