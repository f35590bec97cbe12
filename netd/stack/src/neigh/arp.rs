//! ARP: the neighbour cache's voice over IPv4, and the defence of our own addresses.
//!
//! *Owns* what is said and believed (RFC 826), and the claims on our addresses (RFC 5227): probe,
//! announce, defend, give up. *Never* keeps neighbours: that is the cache's.

use crate::id::InterfaceId;
use crate::info::{AddressState, Origin};
use crate::interface::Claim;
use crate::neigh::cache::{Ask, Heard};
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv4Addr;
use core::time::Duration;
use wire::arp::{Operation, Packet};
use wire::{Drop, MacAddress};

/// Probes before an address is used (RFC 5227 1.1 PROBE_NUM).
const PROBES: u8 = 3;
/// Time from a probe to the next, or to the use of the address. RFC 5227 1.1 asks for a second or two,
/// made for links of thousands of hosts with slow bridges; who has the address on today's links answers
/// within milliseconds, and a boot must not take seven seconds. Conflicts that come later are caught by
/// the defence, which never ends.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
/// Announcements of a new address (RFC 5227 1.1 ANNOUNCE_NUM).
const ANNOUNCEMENTS: u8 = 2;
/// Time between them (RFC 5227 1.1 ANNOUNCE_INTERVAL).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// At most one defence in this time (RFC 5227 1.1 DEFEND_INTERVAL).
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

impl Stack {
    /// Asks the link for a neighbour.
    pub(crate) fn arp_ask(&mut self, id: InterfaceId, address: Ipv4Addr, ask: Ask) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let Some(source) = interface.source_for(address) else {
            return;
        };
        let packet = Packet::request(interface.mac, source, address);
        let to = match ask {
            Ask::Everybody => MacAddress::BROADCAST,
            Ask::Directly(mac) => mac,
        };
        if interface.push_arp(to, packet) {
            self.stats.count(Counter::ArpRequestsSent);
        }
    }

    /// Takes in an ARP packet. Few frames have one: it is no part of what all pass.
    #[inline(never)]
    pub(crate) fn arp_input(
        &mut self,
        id: InterfaceId,
        from: MacAddress,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        let packet = Packet::parse(payload)?;
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return Err(Drop::ArpNotForUs);
        };
        let own_mac = interface.mac;
        // What we have sent ourselves may come back from a hub or a bridge.
        if packet.sender_mac == own_mac {
            return Err(Drop::ArpNotForUs);
        }
        // Two names for one sender are a forgery (or a proxy that we can do without).
        if packet.sender_mac != from {
            return Err(Drop::ArpSuspicious);
        }
        self.notice_conflict(id, &packet, now)?;
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return Err(Drop::ArpNotForUs);
        };
        let for_us = interface.owns(packet.target_ip);
        if packet.operation == Operation::Request && for_us {
            let (sender, mac) = (packet.sender_ip, packet.sender_mac);
            if !packet.is_probe()
                && let Some(change) = self.nets.v4.neighbours.learn(id, sender, mac, now)
            {
                self.apply::<Ipv4Addr>(change, now);
            }
            let Some(interface) = self.interfaces.get_mut(id.index()) else {
                return Ok(());
            };
            if interface.push_arp(packet.sender_mac, packet.reply(own_mac)) {
                self.stats.count(Counter::ArpRepliesSent);
            }
            return Ok(());
        }
        if packet.sender_ip.is_unspecified() {
            return Err(Drop::ArpNotForUs);
        }
        let solicited =
            packet.operation == Operation::Reply && for_us && packet.target_mac == own_mac;
        match self
            .nets
            .v4
            .neighbours
            .heard(id, packet.sender_ip, packet.sender_mac, solicited, now)
        {
            Heard::Learned(change) => {
                self.apply::<Ipv4Addr>(change, now);
                Ok(())
            }
            Heard::Suspicious(change) => {
                if let Some(change) = change {
                    self.apply::<Ipv4Addr>(change, now);
                }
                Err(Drop::ArpSuspicious)
            }
            Heard::Unchanged => Ok(()),
            Heard::Unknown => Err(Drop::ArpNotForUs),
        }
    }

    /// RFC 5227 2.1.1 and 2.4: somebody else uses, or probes for, an address of ours.
    fn notice_conflict(
        &mut self,
        id: InterfaceId,
        packet: &Packet,
        now: Instant,
    ) -> Result<(), Drop> {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return Ok(());
        };
        let own_mac = interface.mac;
        // While we probe, another probe for the same address is a conflict, too.
        let contested = if packet.is_probe() {
            packet.target_ip
        } else {
            packet.sender_ip
        };
        let probe = packet.is_probe();
        let Some(address) = interface.find(contested) else {
            return Ok(());
        };
        match address.state {
            _ if address.claim == Claim::Anothers => Err(Drop::ArpConflict),
            AddressState::Tentative | AddressState::Optimistic => {
                address.state = AddressState::Duplicate;
                address.claim = Claim::Quiet;
                address.next = None;
                let origin = address.origin;
                self.stats.count(Counter::ArpConflicts);
                self.claim_lost(id, contested, origin, now);
                Err(Drop::ArpConflict)
            }
            // A probe for an address that we use is answered like any request.
            AddressState::Preferred | AddressState::Deprecated if probe => Ok(()),
            AddressState::Preferred | AddressState::Deprecated => {
                let recently = address
                    .defended
                    .is_some_and(|at| now.since(at) < DEFEND_INTERVAL);
                address.defended = Some(now);
                let origin = address.origin;
                self.stats.count(Counter::ArpConflicts);
                // RFC 5227 2.4 (b): defend once; give a leased address up if that does not help.
                // One that a person has given is defended for ever (c), but not more often.
                if !recently {
                    interface.push_arp(
                        MacAddress::BROADCAST,
                        Packet::announcement(own_mac, contested),
                    );
                } else if matches!(origin, Origin::Dhcp | Origin::LinkLocal) {
                    address_lost_to_conflict(address);
                    self.claim_lost(id, contested, origin, now);
                }
                Err(Drop::ArpConflict)
            }
            AddressState::Duplicate => Err(Drop::ArpConflict),
        }
    }

    /// Starts to claim an address: with probes if it is tentative, else with announcements.
    pub(crate) fn start_claim(&mut self, id: InterfaceId, address: Ipv4Addr, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let entry = interface.find(address);
        if let Some(entry) = entry.filter(|it| it.claim != Claim::Anothers) {
            entry.claim = match entry.state {
                AddressState::Tentative => Claim::Probing { left: PROBES },
                _ => Claim::Announcing {
                    left: ANNOUNCEMENTS,
                },
            };
            entry.next = Some(now);
        }
        self.fire_claims(id, now);
    }

    /// Does what is due for the addresses of an interface.
    pub(crate) fn fire_claims(&mut self, id: InterfaceId, now: Instant) {
        let mut won = None;
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let (mac, up, arp) = (interface.mac, interface.up, &mut interface.arp);
        for entry in &mut interface.addresses {
            // One at a time: whoever comes second is due again at once.
            if !up || won.is_some() || entry.next.is_none_or(|next| next > now) {
                continue;
            }
            let address = entry.cidr.address();
            let mut say = |packet| {
                if arp.len() < arp.capacity() {
                    arp.push_back(crate::interface::ArpOut {
                        to: MacAddress::BROADCAST,
                        packet,
                    });
                }
            };
            (entry.claim, entry.next) = match entry.claim {
                Claim::Probing { left: 0 } => {
                    entry.state = AddressState::Preferred;
                    won = Some((address, entry.origin));
                    say(Packet::announcement(mac, address));
                    (
                        Claim::Announcing {
                            left: ANNOUNCEMENTS - 1,
                        },
                        Some(now + ANNOUNCE_INTERVAL),
                    )
                }
                Claim::Probing { left } => {
                    say(Packet::probe(mac, address));
                    (
                        Claim::Probing { left: left - 1 },
                        Some(now + PROBE_INTERVAL),
                    )
                }
                Claim::Announcing { left } if left > 0 => {
                    say(Packet::announcement(mac, address));
                    let next = (left > 1).then_some(now + ANNOUNCE_INTERVAL);
                    (Claim::Announcing { left: left - 1 }, next)
                }
                Claim::Announcing { .. } | Claim::Quiet => (Claim::Quiet, None),
                Claim::Anothers => (Claim::Anothers, None),
            };
        }
        if let Some((address, origin)) = won {
            self.claim_won(id, address, origin, now);
        }
    }

    /// When [`Stack::fire_claims`] must be called next.
    pub(crate) fn next_claim(&self, id: InterfaceId) -> Option<Instant> {
        let interface = self.interfaces.get(id.index())?;
        if !interface.up {
            return None;
        }
        interface
            .addresses
            .iter()
            .filter_map(|entry| entry.next)
            .min()
    }
}

fn address_lost_to_conflict(address: &mut crate::interface::Address4) {
    address.state = AddressState::Duplicate;
    address.claim = Claim::Quiet;
    address.next = None;
}
