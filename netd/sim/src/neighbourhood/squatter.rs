//! Somebody who has the address already that a host makes of the new prefix.

use std::net::Ipv6Addr;

use stack::Instant;
use wire::ndp::{self, Item, Message};
use wire::{Check, EtherType, MacAddress, Pseudo, ethernet, icmp6, ipv6};

use super::frames::{ALL_NODES, neighbourly};
use crate::world::Device;

const OWN: MacAddress = MacAddress([6, 0, 0, 0, 0, 0x55]);

/// It says so whenever it is asked (RFC 4862 section 5.4.4), and nothing else.
pub(super) struct Squatter {
    pub(super) address: Ipv6Addr,
}

impl Squatter {
    fn reply(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = ethernet::Frame::parse(frame).ok()?;
        if frame.header.ethertype != EtherType::IPV6 {
            return None;
        }
        let packet = ipv6::Packet::parse(frame.payload).ok()?;
        let ipv6::Content::Whole(whole) = packet.content().ok()? else {
            return None;
        };
        let header = packet.header;
        let pseudo = Pseudo::v6(header.source, header.destination);
        let envelope = icmp6::Envelope::parse(whole.payload, Check::Verify(pseudo)).ok()?;
        let asked = ndp::Header::NeighborSolicitation {
            target: self.address,
        };
        let message = Message::parse(&envelope, &header, false).ok()?;
        if message.header != asked {
            return None;
        }
        let is_claim = header.source.is_unspecified();
        let to = if is_claim { ALL_NODES } else { header.source };
        let link = if is_claim {
            MacAddress::for_multicast6(to)
        } else {
            frame.header.source
        };
        let answer = ndp::Header::NeighborAdvertisement {
            target: self.address,
            router: false,
            solicited: !is_claim,
            replace: true,
        };
        let ends = (self.address, to);
        let items = [Item::TargetLink(OWN)];
        Some(neighbourly(
            (OWN, link),
            ends,
            ndp::HOP_LIMIT,
            answer,
            &items,
        ))
    }
}

impl Device for Squatter {
    fn answer(&mut self, frame: &[u8], _: Instant) -> Vec<Vec<u8>> {
        self.reply(frame).into_iter().collect()
    }
}
