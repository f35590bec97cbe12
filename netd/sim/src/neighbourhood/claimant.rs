//! Somebody who has the addresses of others over IPv4: those that a host is about to take, one that a
//! person has given to a host, and one that a host has taken.
//!
//! *Owns* what RFC 5227 and RFC 3927 ask of those hosts: who is told that an address is taken never speaks
//! from it; who has one defends it once in ten seconds at most; who has made its own gives it up when that
//! does not help, and takes another.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use stack::Instant;
use wire::arp::{Operation, Packet};
use wire::{EtherType, MacAddress, ethernet, ipv4};

use super::address::{CLAIMANT, WANDERER, four, mac};
use super::frames::arp;
use crate::random::Random;
use crate::world::Device;

/// Between two defences (RFC 5227 section 1.1, DEFEND_INTERVAL).
const DEFENCE: Duration = Duration::from_secs(10);
/// Between two claims on an address in use, at most.
const LONGEST: Duration = Duration::from_secs(6);
/// Between the two claims that make a host give its address up.
const SOON: Duration = Duration::from_secs(1);
/// What was sent before has arrived.
const PASSAGE: Duration = Duration::from_millis(100);

/// What is so of the addresses.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Those that are the claimant's, from when on.
    pub(super) taken: Vec<(Ipv4Addr, Instant)>,
    /// That of the host which makes its own.
    pub(super) wanderers: Option<Ipv4Addr>,
    /// When the address that a person has given was defended last.
    defended: Option<Instant>,
    /// What no host may do.
    pub(super) faults: Vec<String>,
}

impl Claims {
    pub(super) fn is_taken(&self, address: Ipv4Addr, now: Instant) -> bool {
        let mut taken = self.taken.iter();
        taken.any(|(it, from)| *it == address && *from <= now)
    }
}

pub(super) struct Claimant {
    /// The host whose given address it claims.
    pub(super) rival: Option<usize>,
    /// So many of those that the wanderer asks for it has.
    pub(super) squats: u8,
    /// When it claims what the wanderer has.
    pub(super) robs: Option<Instant>,
    pub(super) random: Random,
    /// When it claims its rival's.
    pub(super) next: Instant,
    /// It has said all when this time comes.
    pub(super) ends: Instant,
    /// Until then hosts tell of what they have taken, and nobody has contradicted.
    pub(super) told: Instant,
    pub(super) claims: Rc<RefCell<Claims>>,
}

impl Claimant {
    fn announcement(address: Ipv4Addr) -> Vec<u8> {
        let links = (CLAIMANT, MacAddress::BROADCAST);
        arp(Operation::Request, links, address, address)
    }

    /// Somebody asks whether an address is free.
    fn asked(&mut self, packet: &Packet, now: Instant) -> Option<Vec<u8>> {
        let (target, mut claims) = (packet.target_ip, self.claims.borrow_mut());
        if !claims.is_taken(target, now) {
            if self.squats == 0 || packet.sender_mac != WANDERER {
                return None;
            }
            self.squats -= 1;
            claims.taken.push((target, now));
        }
        let links = (CLAIMANT, packet.sender_mac);
        Some(arp(Operation::Reply, links, target, Ipv4Addr::UNSPECIFIED))
    }

    fn heard(&mut self, packet: &Packet, now: Instant) -> Option<Vec<u8>> {
        if packet.is_probe() {
            return self.asked(packet, now);
        }
        let mut claims = self.claims.borrow_mut();
        let (address, from) = (packet.sender_ip, packet.sender_mac);
        if address == packet.target_ip && from == WANDERER {
            claims.wanderers = Some(address);
        }
        let is_rivals = |rival| address == four(rival) && from == mac(rival);
        let is_defence = address == packet.target_ip && now > self.told;
        if is_defence && self.rival.is_some_and(is_rivals) {
            let before = claims.defended.replace(now);
            if before.is_some_and(|before| now.since(before) + PASSAGE < DEFENCE) {
                claims
                    .faults
                    .push("an address is defended too often".into());
            }
        }
        let fault = self.judge(&claims, address, now);
        claims.faults.extend(fault);
        None
    }

    fn judge(&self, claims: &Claims, source: Ipv4Addr, now: Instant) -> Option<String> {
        let is_taken = claims.is_taken(source, now);
        is_taken.then(|| format!("an address of somebody else is used: {source}"))
    }
}

impl Device for Claimant {
    fn answer(&mut self, frame: &[u8], now: Instant) -> Vec<Vec<u8>> {
        let Ok(frame) = ethernet::Frame::parse(frame) else {
            return Vec::new();
        };
        match frame.header.ethertype {
            EtherType::ARP => {
                let packet = Packet::parse(frame.payload).ok();
                let answer = packet.and_then(|packet| self.heard(&packet, now));
                answer.into_iter().collect()
            }
            EtherType::IPV4 => {
                if let Ok(packet) = ipv4::Packet::parse(frame.payload) {
                    let mut claims = self.claims.borrow_mut();
                    let fault = self.judge(&claims, packet.header.source, now);
                    claims.faults.extend(fault);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn due(&self) -> Option<Instant> {
        let next = self.rival.map(|_| self.next).filter(|at| *at < self.ends);
        next.into_iter().chain(self.robs).min()
    }

    fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        if let Some(rival) = self.rival.filter(|_| self.next <= now) {
            self.next = now + self.random.up_to(LONGEST).max(Duration::from_millis(1));
            said.push(Self::announcement(four(rival)));
        }
        if self.robs.is_some_and(|at| at <= now) {
            let mut claims = self.claims.borrow_mut();
            let address = claims.wanderers;
            // At the first claim it defends its own; the second takes it.
            let is_second = claims.taken.iter().any(|(it, _)| Some(*it) == address);
            self.robs = (!is_second).then_some(now + SOON);
            if let Some(address) = address {
                let taken = (address, now + SOON + PASSAGE);
                claims.taken.extend((!is_second).then_some(taken));
                said.push(Self::announcement(address));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::super::frames::echo4;
    use super::*;

    fn claimant() -> Claimant {
        Claimant {
            rival: Some(0),
            squats: 1,
            robs: None,
            random: Random::new(1),
            next: Instant::ZERO,
            ends: Instant::ZERO,
            told: Instant::ZERO,
            claims: Rc::default(),
        }
    }

    #[test]
    fn each_rule_sees_what_breaks_it() {
        let all = |from| (from, MacAddress::BROADCAST);
        let defence = arp(Operation::Request, all(mac(0)), four(0), four(0));
        for (seconds, fault) in [(11, None), (9, Some("an address is defended too often"))] {
            let mut claimant = claimant();
            for at in [1, 1 + seconds] {
                claimant.answer(&defence, Instant::from_secs(at));
            }
            let claims = claimant.claims.borrow();
            assert_eq!(claims.faults.first().map(String::as_str), fault);
        }
        // Who is told that an address is taken must not use it.
        let mut claimant = claimant();
        let own = Ipv4Addr::new(169, 254, 7, 7);
        let (nobody, now) = (Ipv4Addr::UNSPECIFIED, Instant::from_secs(1));
        let probe = arp(Operation::Request, all(WANDERER), nobody, own);
        assert_eq!(claimant.answer(&probe, now).len(), 1);
        assert!(claimant.claims.borrow().faults.is_empty());
        claimant.answer(&echo4(all(WANDERER), (own, four(0))), now);
        let announced = arp(Operation::Request, all(WANDERER), own, own);
        claimant.answer(&announced, now);
        assert_eq!(claimant.claims.borrow().faults.len(), 2);
    }
}
