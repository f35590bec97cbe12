//! Who stands at a wire of a host that has two, and sees what leaves by the wrong one.
//!
//! *Owns* the strong model of RFC 1122 section 3.3.4.2: what comes by one link for an address of the other is
//! not answered, and nothing leaves but from an address of the link.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use stack::Instant;
use wire::arp::{Operation, Packet};
use wire::{EtherType, MacAddress, ethernet, ipv4, ipv6};

use super::address::{ANNEX, annex4, annex6, four, is_of};
use super::frames::{arp, echo4};
use crate::random::Random;
use crate::world::Device;

/// Between two questions, at most.
const LONGEST: Duration = Duration::from_secs(4);

pub(super) struct Border {
    /// It stands at the second wire.
    pub(super) is_annex: bool,
    /// The host's hardware address on the wire.
    pub(super) host: MacAddress,
    pub(super) random: Random,
    pub(super) next: Instant,
    /// It has asked all when this time comes.
    pub(super) ends: Instant,
    pub(super) faults: Rc<RefCell<Vec<String>>>,
}

impl Border {
    const OWN: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x33]);

    fn own(&self) -> Ipv4Addr {
        let [a, b, c, _] = if self.is_annex { annex4(0) } else { four(0) }.octets();
        Ipv4Addr::new(a, b, c, 200)
    }

    /// The host's address on the other wire.
    fn other(&self) -> Ipv4Addr {
        if self.is_annex { four(0) } else { annex4(0) }
    }

    /// Whether an address is one that packets of the host have here.
    fn is_here(&self, source: IpAddr) -> bool {
        match source {
            IpAddr::V4(source) if source.is_unspecified() => true,
            IpAddr::V4(source) => source.octets()[..3] == self.own().octets()[..3],
            IpAddr::V6(source) if source.is_unspecified() || source.is_unicast_link_local() => true,
            IpAddr::V6(source) => is_of(ANNEX, source) == self.is_annex,
        }
    }

    fn judge(&self, frame: &ethernet::Frame<'_>) -> Result<(), String> {
        let source = match frame.header.ethertype {
            EtherType::ARP => {
                let packet = Packet::parse(frame.payload).ok();
                if packet.is_some_and(|it| it.target_ip == self.own()) {
                    return Err(format!(
                        "an address of another link answers: {:?}",
                        self.other()
                    ));
                }
                packet.map(|it| it.sender_ip.into())
            }
            EtherType::IPV4 => {
                let packet = ipv4::Packet::parse(frame.payload).ok();
                packet.map(|it| it.header.source.into())
            }
            EtherType::IPV6 => {
                let packet = ipv6::Packet::parse(frame.payload).ok();
                packet.map(|it| it.header.source.into())
            }
            _ => None,
        };
        match source.filter(|source| !self.is_here(*source)) {
            Some(source) => Err(format!("a packet leaves by the wrong link: {source}")),
            None => Ok(()),
        }
    }
}

impl Device for Border {
    fn answer(&mut self, frame: &[u8], _: Instant) -> Vec<Vec<u8>> {
        let frame = ethernet::Frame::parse(frame).ok();
        let frame = frame.filter(|frame| frame.header.source == self.host);
        if let Some(Err(fault)) = frame.map(|frame| self.judge(&frame)) {
            self.faults.borrow_mut().push(fault);
        }
        Vec::new()
    }

    fn due(&self) -> Option<Instant> {
        (self.next < self.ends).then_some(self.next)
    }

    fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.next = now + self.random.up_to(LONGEST).max(Duration::from_millis(1));
        let all = (Self::OWN, MacAddress::BROADCAST);
        // In the name of nobody who is known: who answers asks for it first.
        vec![
            echo4((Self::OWN, self.host), (self.own(), self.other())),
            arp(Operation::Request, all, self.own(), self.other()),
        ]
    }
}

/// The host's address of each family on the second wire.
pub(super) fn of_annex(host: usize) -> [IpAddr; 2] {
    [annex4(host).into(), annex6(host).into()]
}

#[cfg(test)]
mod tests {
    use super::super::address::mac;
    use super::*;

    #[test]
    fn each_rule_sees_what_breaks_it() {
        let faults = Rc::default();
        let mut border = Border {
            is_annex: false,
            host: mac(0),
            random: Random::new(1),
            next: Instant::ZERO,
            ends: Instant::ZERO,
            faults: Rc::clone(&faults),
        };
        let to = (mac(0), Border::OWN);
        let own = border.own();
        for (frame, fault) in [
            (echo4(to, (four(0), own)), ""),
            (
                echo4(to, (annex4(0), own)),
                "a packet leaves by the wrong link",
            ),
            (
                arp(Operation::Reply, to, annex4(0), own),
                "an address of another link answers",
            ),
        ] {
            border.answer(&frame, Instant::ZERO);
            let found: Vec<String> = faults.borrow_mut().drain(..).collect();
            let found = found.first().map_or("", String::as_str);
            assert_eq!(found.split(':').next(), Some(fault));
        }
    }
}
