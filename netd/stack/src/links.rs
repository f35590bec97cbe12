//! Links: they come, and go up and down.
//!
//! *Owns* what is done when they do. Links never go for good: their numbers are names.

use crate::autoconf::Autoconf;
use crate::autoconf6::Autoconf6;
use crate::config::{AddressPlan, LinkFacts};
use crate::error::InterfaceError;
use crate::id::InterfaceId;
use crate::interface::{Interface, Medium};
use crate::stack::Stack;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The smallest MTU that is taken: what every host must be able to receive (RFC 791 3.1).
const LEAST_MTU: u16 = 576;

/// The longest TCP payload that any IPv4 packet carries, whatever its options (RFC 791 3.1).
const LONGEST_PAYLOAD: u32 = u16::MAX as u32 - 20 - 60;

impl Stack {
    /// Adds a link.
    ///
    /// # Errors
    /// See [`InterfaceError`].
    pub fn add_interface(
        &mut self,
        facts: LinkFacts,
        plan: AddressPlan,
        now: Instant,
    ) -> Result<InterfaceId, InterfaceError> {
        let id = self.insert_interface(&facts, plan)?;
        self.start_autoconf(id, now);
        Ok(id)
    }

    /// The next interface, which has not begun to do anything.
    pub(crate) fn insert_interface(
        &mut self,
        facts: &LinkFacts,
        plan: AddressPlan,
    ) -> Result<InterfaceId, InterfaceError> {
        if self.interfaces.len() >= usize::from(self.config.interfaces) {
            return Err(InterfaceError::TooManyInterfaces);
        }
        if facts.mtu < LEAST_MTU || facts.mtu > self.config.largest_mtu {
            return Err(InterfaceError::BadMtu);
        }
        let raw = u8::try_from(self.interfaces.len());
        let id = InterfaceId(raw.map_err(|_| InterfaceError::TooManyInterfaces)?);
        let limits = (self.config.addresses_per_interface, self.config.groups);
        self.interfaces.push(Interface::ethernet(id, facts, limits));
        self.autoconf.push(Autoconf::new(facts, plan, &self.config));
        self.autoconf6.push(Autoconf6::none());
        self.responders.push(None);
        self.configuration_changed();
        Ok(id)
    }

    /// The link's device cuts segments into those that the MTU allows, from payloads of at most
    /// `longest` bytes on; zero: it does not. Frames then get as long as that, where the room and the
    /// pieces that [`Stack::output_gathered`] is given allow. Takes effect only where the device
    /// completes checksums.
    pub fn offload_segments(&mut self, id: InterfaceId, longest: u32) {
        if let Some(interface) = self.interfaces.get_mut(id.index()) {
            interface.longest_payload = if interface.checksum_transmit {
                longest.min(LONGEST_PAYLOAD)
            } else {
                0
            };
        }
    }

    /// The link went up or down.
    pub fn link_changed(&mut self, id: InterfaceId, up: bool, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        if interface.medium == Medium::Loopback || interface.up == up {
            return;
        }
        interface.up = up;
        self.configuration_changed();
        if up {
            self.link_up(id, now);
            self.tell_groups_again::<Ipv4Addr>(id, now);
            self.tell_groups_again::<Ipv6Addr>(id, now);
            self.link_up6(id, now);
            self.restart_responder(id, now);
        }
        self.arm_interface(id);
        self.arm_interface6(id);
        self.arm_groups::<Ipv4Addr>(id);
        self.arm_groups::<Ipv6Addr>(id);
    }
}
