//! A full table of neighbours: what it costs to learn of one more, to learn of one in another's place,
//! and to find one of all of them.
//!
//! They are learned as hosts learn of each other: somebody asks who has our address, and is answered.

use stack::{Config, Data, MacAddress, SocketId, Token};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::arp;
use wire::ethernet::{self, EtherType};
use wire::ndp::{self, Item};
use wire::{Headroom, Protocol, Pseudo, ipv6};

use crate::Effort;
use crate::burst::Burst;
use crate::clock::{median, wall};
use crate::figure::{Aim, Figure};
use crate::ours::{self, Family, address, address6};
use crate::wire_setup::WireSetup;

/// Neighbours in the table.
const MANY: u32 = 10_000;
/// A table that fits into any cache.
const FEW: u32 = 10;
/// Datagrams that one reading of the clock is for.
const BATCH: u32 = 100;

/// The address of a neighbour by its number.
fn neighbour(family: Family, number: u32) -> IpAddr {
    match family {
        // 198.19.0.0 and on: hosts of the bench are in the half before.
        Family::Four => Ipv4Addr::from_bits((198 << 24 | 19 << 16) + 1 + number).into(),
        Family::Six => Ipv6Addr::from_bits((0xfe80 << 112) + (1 << 32) + u128::from(number)).into(),
    }
}

fn mac_of(number: u32) -> MacAddress {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddress([6, 0, a, b, c, d])
}

/// That neighbour asks who has the address of host 1.
fn question(family: Family, number: u32) -> Vec<u8> {
    let from = mac_of(number);
    let mut frame = vec![0; 128];
    let mut room = Headroom::new(&mut frame);
    let (destination, ethertype) = match neighbour(family, number) {
        IpAddr::V4(sender) => {
            let question = arp::Packet::request(from, sender, address(1));
            question.emit(&mut room).expect("room");
            (MacAddress::BROADCAST, EtherType::ARP)
        }
        IpAddr::V6(sender) => {
            let target = address6(1);
            let to = ipv6::solicited_node(target);
            let message = ndp::Header::NeighborSolicitation { target };
            let before = room.left();
            let pseudo = Pseudo::v6(sender, to);
            message
                .emit(&mut room, &[Item::SourceLink(from)], pseudo)
                .expect("room");
            let len = before - room.left();
            ipv6::Header::new(sender, to, Protocol::ICMPV6, ndp::HOP_LIMIT)
                .emit(&mut room, len)
                .expect("room");
            (MacAddress::for_multicast6(to), EtherType::IPV6)
        }
    };
    let link = ethernet::Header {
        destination,
        source: from,
        ethertype,
    };
    link.emit(&mut room).expect("room");
    let start = room.left();
    frame.split_off(start)
}

/// A host with a table of a size, and those who are or were in it.
struct Table {
    family: Family,
    size: u32,
    host: ours::Host,
    socket: SocketId,
    burst: Burst,
    /// Who has asked last.
    asked: u32,
    next: u32,
}

impl Table {
    fn new(family: Family, size: u32) -> Self {
        let setup = WireSetup::PLAIN;
        let config = Config {
            neighbours: size,
            ..Config::default()
        };
        // No neighbours of the bench's own: they are fixed, and not displaced.
        let mut host = ours::Host::alone(1, setup, config, 1 << 12);
        host.start_six(setup);
        let socket = host.datagrams_at(family.any(5_000));
        Self {
            family,
            size,
            host,
            socket,
            burst: Burst::new(1, setup.stride()),
            asked: 0,
            next: 0,
        }
    }

    /// So many who have not asked before ask, and are answered; nanoseconds for each.
    fn learn(&mut self, count: u32) -> f64 {
        let questions: Vec<_> = (self.asked..self.asked + count)
            .map(|number| question(self.family, number))
            .collect();
        self.asked += count;
        wall(count, || self.answer_all(&questions))
    }

    #[inline(never)]
    fn answer_all(&mut self, questions: &[Vec<u8>]) {
        for question in questions {
            self.host.input(question);
            assert!(self.host.send_one(&mut self.burst), "an answer for each");
            self.burst.clear();
        }
    }

    /// Lets the time pass after which those who do not answer may be displaced: who is answered over IPv6
    /// is a neighbour in use (RFC 4861 section 7.3.3), and asked whether it is there.
    fn age(&mut self) {
        for _ in 0..20 {
            self.host.now = self.host.now + Duration::from_secs(1);
            self.host.fire();
            while self.host.send_one(&mut self.burst) {
                self.burst.clear();
            }
        }
    }

    /// A datagram to one after the other; nanoseconds for each.
    fn find(&mut self) -> f64 {
        wall(BATCH, || self.find_all())
    }

    #[inline(never)]
    fn find_all(&mut self) {
        for _ in 0..BATCH {
            let number = self.asked - self.size + self.next;
            // Not in the order in which they came: 7,919 is a prime.
            self.next = (self.next + 7_919) % self.size;
            let to = (neighbour(self.family, number), 9).into();
            let host = &mut self.host;
            let data = Data::Inline(&[7; 64]);
            host.stack
                .send(host.client, self.socket, data, Some(to), Token(1), host.now)
                .expect("a place for one more send");
            assert!(host.send_one(&mut self.burst), "a frame for each");
            let frame = self.burst.take().expect("it");
            assert_eq!(
                frame[..6],
                mac_of(number).0,
                "who is known is not asked for"
            );
            self.burst.clear();
            host.publish();
        }
    }
}

/// A table that is filled, filled anew with others, and of which each one is found.
pub fn work(family: Family) {
    let mut table = Table::new(family, MANY);
    table.learn(MANY);
    table.age();
    table.learn(MANY);
    for _ in 0..MANY / BATCH {
        table.find();
    }
    println!("{MANY} neighbours, twice");
}

/// Rows for each family.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let rounds = if effort == Effort::Quick { 20 } else { 500 };
    let mut figures = Vec::new();
    for (family, name) in [(Family::Four, "IPv4"), (Family::Six, "IPv6")] {
        let mut few = Table::new(family, FEW);
        let mut many = Table::new(family, MANY);
        few.learn(FEW);
        let learned = many.learn(MANY);
        many.age();
        let displaced = many.learn(MANY);
        let mut values = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            values[0].push(few.find());
            values[1].push(many.find());
        }
        let [few, many] = values.each_mut().map(|values| median(values));
        let mut row = |what: &str, value, aim| {
            let what = format!("neighbour over {name}{what}");
            figures.push(Figure::alone(what, value, "ns").aim(aim));
        };
        row(" asks, is learned and answered", learned, Aim::None);
        row(" the same, in another's place", displaced, Aim::None);
        row(", one of 10: datagram to it", few, Aim::None);
        row(
            ", one of 10,000: datagram to it",
            many,
            Aim::AtMost((few * 2.0).ceil()),
        );
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::{FEW, Family, Table};

    #[test]
    fn the_newest_are_known_and_the_table_does_not_grow() {
        for family in [Family::Four, Family::Six] {
            let mut table = Table::new(family, FEW);
            for _ in 0..3 {
                table.learn(FEW);
                table.find();
                let known = table.host.stack.neighbours(table.host.now).count();
                assert_eq!(known, FEW as usize);
                table.age();
            }
        }
    }
}
