//! A neighbour that lies: that others' addresses are its own, that it is a router, that a host's
//! address is taken.
//!
//! *Owns* lies that rules see through (RFC 4861 sections 6.1.2, 7.1.2, 7.2.5 and 8.1, RFC 1122 section
//! 2.3.2): what nobody has asked for only makes hosts ask the one that they know, and who lies is not that one.
//! It keeps silent while a question to all is open: who answers for another then is believed, by any host.

use std::time::Duration;

use stack::Instant;
use wire::arp::Operation;
use wire::ndp::{self, Item, Preference, Prefix, RouterAdvertisement};
use wire::{Cidr6, EtherType, MacAddress, ethernet};

use super::address::{FALSE, FAR, LIAR, OLD, four, local, mac, router, six};
use super::frames::{ALL_NODES, arp, neighbourly};
use crate::random::Random;
use crate::world::Device;

/// So long it says nothing after a question: hosts ask again once a second, three times.
const POLITE: Duration = Duration::from_millis(3_500);
/// Between two lies, at most.
const LONGEST: Duration = Duration::from_secs(6);
/// Where neighbour discovery says what it is.
const KIND: usize = 54;

pub(super) struct Liar {
    pub(super) hosts: usize,
    /// A router that stays: who claims an address that nobody has any more is believed.
    pub(super) router: u8,
    pub(super) random: Random,
    pub(super) next: Instant,
    /// It has said all when this time comes.
    pub(super) ends: Instant,
    pub(super) asked: Instant,
}

impl Liar {
    fn lie(&mut self) -> Vec<u8> {
        let heard = self.random.index(self.hosts);
        let others = self.hosts - 1;
        let about = (heard + 1 + self.random.index(others)) % self.hosts;
        let (links, all) = (
            (LIAR, mac(heard)),
            (LIAR, MacAddress::for_multicast6(ALL_NODES)),
        );
        let about6 = match self.random.below(3) {
            0 => local(about),
            1 => six(OLD, about),
            _ => router(self.router),
        };
        let own = [Item::TargetLink(LIAR)];
        let has = |target, solicited| ndp::Header::NeighborAdvertisement {
            target,
            router: true,
            solicited,
            replace: true,
        };
        match self.random.below(9) {
            0 => arp(Operation::Reply, links, four(about), four(heard)),
            1 => arp(
                Operation::Request,
                (LIAR, MacAddress::BROADCAST),
                four(about),
                four(about),
            ),
            2 => neighbourly(all, (about6, ALL_NODES), 255, has(about6, false), &own),
            3 => neighbourly(links, (about6, local(heard)), 255, has(about6, true), &own),
            // From beyond a router.
            4 => neighbourly(links, (about6, local(heard)), 254, has(about6, true), &own),
            // It asks in another's name.
            5 => {
                let asks = ndp::Header::NeighborSolicitation {
                    target: local(heard),
                };
                let ends = (about6, wire::ipv6::solicited_node(local(heard)));
                let links = (LIAR, MacAddress::for_multicast6(ends.1));
                neighbourly(links, ends, 255, asks, &[Item::SourceLink(LIAR)])
            }
            // A router of no link of ours: from beyond another, or with an address that is not of the link.
            6 if self.random.below(2) == 0 => self.advertise(router(0x66), 64),
            6 => self.advertise(FALSE, 255),
            // Who is no router knows no better way.
            7 => {
                let better = ndp::Header::Redirect {
                    target: router(0x66),
                    destination: FAR,
                };
                let ends = (router(0x66), local(heard));
                neighbourly(links, ends, 255, better, &own)
            }
            // What a host has proven to be its own is not given away.
            _ => {
                let ends = (local(heard), ALL_NODES);
                neighbourly(all, ends, 255, has(local(heard), false), &own)
            }
        }
    }

    fn advertise(&self, from: std::net::Ipv6Addr, hops: u8) -> Vec<u8> {
        let message = ndp::Header::RouterAdvertisement(RouterAdvertisement {
            hop_limit: 1,
            managed: false,
            other: false,
            preference: Preference::High,
            lifetime: 1_800,
            reachable: 0,
            retransmit: 0,
        });
        let prefix = Item::Prefix(Prefix {
            prefix: Cidr6::new(FALSE, 64).expect("a prefix"),
            on_link: true,
            autonomous: true,
            valid: 3_600,
            preferred: 3_600,
        });
        let links = (LIAR, MacAddress::for_multicast6(ALL_NODES));
        let items = [Item::SourceLink(LIAR), prefix];
        neighbourly(links, (from, ALL_NODES), hops, message, &items)
    }
}

/// Whether a frame asks everybody.
fn is_question(frame: &[u8]) -> bool {
    let Ok(parsed) = ethernet::Frame::parse(frame) else {
        return false;
    };
    let [first, ..] = parsed.header.destination.0;
    match parsed.header.ethertype {
        _ if first & 1 == 0 => false,
        EtherType::ARP => true,
        EtherType::IPV6 => frame.get(KIND) == Some(&135),
        _ => false,
    }
}

impl Device for Liar {
    fn answer(&mut self, frame: &[u8], now: Instant) -> Vec<Vec<u8>> {
        if is_question(frame) {
            self.asked = now;
        }
        Vec::new()
    }

    fn due(&self) -> Option<Instant> {
        (self.next < self.ends).then_some(self.next)
    }

    fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let polite = self.asked + POLITE;
        if polite > now {
            self.next = polite + self.random.up_to(Duration::from_millis(500));
            return Vec::new();
        }
        self.next = now + self.random.up_to(LONGEST).max(Duration::from_millis(1));
        vec![self.lie()]
    }
}
