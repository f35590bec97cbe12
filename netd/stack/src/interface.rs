//! Interfaces and their addresses.
//!
//! *Owns* what is true of a link right now, the life of each address on it, and the ARP packets
//! that wait to be sent. Interface 0 is loopback. *Never* sends by itself.

use crate::config::{LinkFacts, TransmitChecksum};
use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::{AddressState, Origin, Traffic};
use crate::interface6::Link6;
use crate::multicast::table::Groups;
use crate::tcp::cut::{self, AnyCut};
use crate::vlan::Tag;
use ::tcp::Instant;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use wire::{Cidr4, MacAddress, Pseudo, Seal, Sum, ethernet};

/// ARP packets at most that wait for one link; what is more is not sent.
const ARP_QUEUE: usize = 64;

/// What an interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// Packets come back.
    Loopback,
    /// Ethernet.
    Ethernet,
}

/// What an address is doing about others who might have it (RFC 5227).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Asking whether somebody has it; so many probes are still to be sent.
    Probing { left: u8 },
    /// Telling everybody that it is ours; so many times still.
    Announcing { left: u8 },
    /// Nothing.
    Quiet,
    /// Nothing: another shard does what there is to do.
    Anothers,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address4 {
    pub(crate) cidr: Cidr4,
    pub(crate) state: AddressState,
    pub(crate) origin: Origin,
    pub(crate) claim: Claim,
    /// When the claim goes on.
    pub(crate) next: Option<Instant>,
    /// When it was last defended.
    pub(crate) defended: Option<Instant>,
}

/// An ARP packet to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArpOut {
    pub(crate) to: MacAddress,
    pub(crate) packet: wire::arp::Packet,
}

/// One interface.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) id: InterfaceId,
    pub(crate) medium: Medium,
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    /// The device's own MTU, which configuration may only lower.
    pub(crate) link_mtu: u16,
    pub(crate) up: bool,
    pub(crate) checksum_transmit: bool,
    /// Its frames have this tag, and are another interface's to carry.
    pub(crate) tag: Option<Tag>,
    /// Bytes of payload that the device cuts into segments, at most; zero: it cuts none.
    pub(crate) longest_payload: u32,
    /// The super-segment that is leaving.
    pub(crate) cut: Option<AnyCut>,
    pub(crate) addresses: Vec<Address4>,
    pub(crate) arp: VecDeque<ArpOut>,
    /// Source and destination of the last packet that was for us alone, and the version of the routes
    /// then.
    pub(crate) admitted: Option<((Ipv4Addr, Ipv4Addr), u32)>,
    /// The groups that it listens to.
    pub(crate) groups: Groups<Ipv4Addr>,
    /// What it is over IPv6.
    pub(crate) six: Link6,
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
    pub(crate) dropped: u64,
}

/// Who sums up what a transport checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summing {
    /// We do.
    Software,
    /// The device does.
    Device,
    /// Nobody: the packet never leaves.
    Nobody,
}

impl Summing {
    /// What goes into the checksum field. `payload` is its sum if that is ours to know.
    #[inline]
    pub(crate) fn seal(self, pseudo: Pseudo, payload: Sum) -> Seal {
        match self {
            Self::Software => Seal::Full { pseudo, payload },
            Self::Device => Seal::Partial { pseudo },
            Self::Nobody => Seal::Omitted,
        }
    }

    /// What the device is told: the field lies `offset` bytes behind the network header.
    #[inline]
    pub(crate) fn told<A: Family>(self, offset: u16) -> TransmitChecksum {
        match self {
            Self::Software | Self::Nobody => TransmitChecksum::Complete,
            Self::Device => TransmitChecksum::Partial {
                start: const { transport_start::<A>() },
                offset,
            },
        }
    }
}

/// Where the transport header begins in a frame.
#[expect(clippy::cast_possible_truncation, reason = "54 at most")]
const fn transport_start<A: Family>() -> u16 {
    (ethernet::HEADER_LEN + A::HEADER_LEN) as u16
}

/// Whom an address means, seen from an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Us.
    Own,
    /// Everybody on the link.
    Broadcast,
    /// A group.
    Multicast,
    /// Somebody else.
    Other,
}

impl Interface {
    /// One on a wire, with room for so many addresses and, beside its own, groups of each family.
    pub(crate) fn ethernet(
        id: InterfaceId,
        facts: &LinkFacts,
        (addresses, groups): (u8, u16),
    ) -> Self {
        Self {
            id,
            medium: Medium::Ethernet,
            mac: facts.mac,
            mtu: facts.mtu,
            link_mtu: facts.mtu,
            up: facts.up,
            checksum_transmit: facts.checksum_transmit,
            tag: None,
            longest_payload: 0,
            cut: None,
            addresses: Vec::with_capacity(addresses.into()),
            arp: VecDeque::with_capacity(ARP_QUEUE),
            admitted: None,
            groups: Groups::new(groups.into()),
            six: Link6::new(facts.mtu, addresses, groups),
            received: Traffic::default(),
            sent: Traffic::default(),
            dropped: 0,
        }
    }

    pub(crate) fn loopback(mtu: u16) -> Self {
        let facts = LinkFacts {
            mac: MacAddress::ZERO,
            mtu,
            up: true,
            checksum_transmit: false,
        };
        let mut interface = Self::ethernet(InterfaceId::LOOPBACK, &facts, (1, 0));
        interface.medium = Medium::Loopback;
        interface.six = Link6::loopback(mtu);
        if let Ok(cidr) = Cidr4::new(Ipv4Addr::LOCALHOST, 8) {
            interface.addresses.push(Address4 {
                cidr,
                state: AddressState::Preferred,
                origin: Origin::Static,
                claim: Claim::Quiet,
                next: None,
                defended: None,
            });
        }
        interface
    }

    /// Who sums up packets that leave here.
    #[inline]
    pub(crate) fn summing(&self) -> Summing {
        match self.medium {
            Medium::Loopback => Summing::Nobody,
            Medium::Ethernet if self.checksum_transmit => Summing::Device,
            Medium::Ethernet => Summing::Software,
        }
    }

    /// Bytes of payload that one connection may send in its turn, in a super-segment that the device
    /// cuts; where it does not, we do.
    #[inline]
    pub(crate) fn longest(&self) -> u32 {
        match self.medium {
            Medium::Loopback => 0,
            Medium::Ethernet if self.longest_payload > 0 => self.longest_payload,
            Medium::Ethernet => cut::LONGEST,
        }
    }

    /// Queues an ARP packet; `false` when too many wait.
    pub(crate) fn push_arp(&mut self, to: MacAddress, packet: wire::arp::Packet) -> bool {
        if self.arp.len() >= ARP_QUEUE {
            return false;
        }
        self.arp.push_back(ArpOut { to, packet });
        true
    }

    /// The addresses that may be used.
    pub(crate) fn usable(&self) -> impl Iterator<Item = &Address4> + Clone + '_ {
        self.addresses
            .iter()
            .filter(|address| address.state == AddressState::Preferred)
    }

    /// Whether a usable address of this interface is `address`.
    #[inline]
    pub(crate) fn owns(&self, address: Ipv4Addr) -> bool {
        self.usable().any(|own| own.cidr.address() == address)
    }

    /// The entry of an address, usable or not.
    pub(crate) fn find(&mut self, address: Ipv4Addr) -> Option<&mut Address4> {
        self.addresses
            .iter_mut()
            .find(|own| own.cidr.address() == address)
    }

    /// Whether the address reaches everybody on this link: all ones, or all host bits one.
    pub(crate) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast()
            || self
                .addresses
                .iter()
                .any(|own| own.cidr.broadcast() == Some(address))
    }

    /// Whom a destination means.
    #[inline]
    pub(crate) fn scope(&self, address: Ipv4Addr) -> Scope {
        if self.owns(address) {
            Scope::Own
        } else if address.is_multicast() {
            Scope::Multicast
        } else if self.is_broadcast(address) {
            Scope::Broadcast
        } else {
            Scope::Other
        }
    }

    /// The address to speak from to `to`: one in the same network if there is one.
    pub(crate) fn source_for(&self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let near = self.usable().find(|own| own.cidr.contains(to));
        near.or_else(|| self.usable().next())
            .map(|own| own.cidr.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface() -> Interface {
        let facts = LinkFacts {
            mac: MacAddress([2, 0, 0, 0, 0, 1]),
            mtu: 1_500,
            up: true,
            checksum_transmit: false,
        };
        let mut interface = Interface::ethernet(InterfaceId(1), &facts, (4, 0));
        for (text, state) in [
            ("10.0.0.5/24", AddressState::Preferred),
            ("10.0.0.6/24", AddressState::Tentative),
            ("192.168.1.1/31", AddressState::Preferred),
        ] {
            interface.addresses.push(Address4 {
                cidr: text.parse().unwrap(),
                state,
                origin: Origin::Static,
                claim: Claim::Quiet,
                next: None,
                defended: None,
            });
        }
        interface
    }

    #[test]
    fn scopes() {
        let interface = interface();
        for (address, scope) in [
            ("10.0.0.5", Scope::Own),
            ("10.0.0.6", Scope::Other),
            ("10.0.0.255", Scope::Broadcast),
            ("255.255.255.255", Scope::Broadcast),
            ("192.168.1.1", Scope::Own),
            ("192.168.1.0", Scope::Other),
            ("224.0.0.1", Scope::Multicast),
        ] {
            assert_eq!(
                interface.scope(address.parse().unwrap()),
                scope,
                "{address}"
            );
        }
    }

    // RFC 9293: MUST-44
    #[test]
    fn source_selection() {
        let interface = interface();
        for (to, source) in [
            ("10.0.0.77", "10.0.0.5"),
            ("192.168.1.0", "192.168.1.1"),
            ("8.8.8.8", "10.0.0.5"),
        ] {
            assert_eq!(
                interface.source_for(to.parse().unwrap()),
                Some(source.parse().unwrap())
            );
        }
        assert_eq!(
            Interface::loopback(1_500).source_for(Ipv4Addr::LOCALHOST),
            Some(Ipv4Addr::LOCALHOST)
        );
    }

    #[test]
    fn without_addresses_there_is_no_source() {
        let mut interface = interface();
        interface.addresses.clear();
        for to in ["10.0.0.77", "192.168.1.0", "8.8.8.8"] {
            assert_eq!(interface.source_for(to.parse().unwrap()), None);
        }
    }

    #[test]
    fn the_arp_queue_is_bounded() {
        let mut interface = interface();
        let packet = wire::arp::Packet::probe(interface.mac, Ipv4Addr::LOCALHOST);
        let taken = (0..1_000)
            .filter(|_| interface.push_arp(MacAddress::BROADCAST, packet))
            .count();
        assert_eq!(taken, ARP_QUEUE);
    }
}
