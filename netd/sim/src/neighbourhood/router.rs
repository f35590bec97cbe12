//! Routers that renumber, and fall silent.

use std::cell::Cell;
use std::net::Ipv6Addr;
use std::rc::Rc;
use std::time::Duration;

use stack::Instant;
use wire::ndp::{self, Item, Message, Preference, Prefix, RouterAdvertisement};
use wire::{Check, Cidr6, EtherType, MacAddress, Protocol, Pseudo, ethernet, icmp6, ipv6};

use super::address::{FAR, NEW, OLD, router, router_mac};
use super::frames::{ALL_NODES, echo_reply, neighbourly};
use crate::world::Device;

/// Between two advertisements.
const EVERY: Duration = Duration::from_secs(10);
/// How long hosts may keep an address that is told of no more.
pub(super) const VALID: Duration = Duration::from_secs(120);
const PREFERRED: u32 = 60;
/// How long hosts believe that a router is there (RFC 4861 section 4.2).
pub(super) const LIFETIME: u16 = 30;

/// What a router does at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It tells of the old prefix.
    Old,
    /// It tells of the new one, and that the old one is not to be preferred and ends then: until
    /// then it stays on the link.
    New(Instant),
    /// It is not there.
    Silent,
}

/// A router, which also answers for [`FAR`].
pub(super) struct Router {
    pub(super) number: u8,
    pub(super) phase: Rc<Cell<Phase>>,
    pub(super) next: Instant,
}

impl Router {
    fn prefix(prefix: Ipv6Addr, valid: Duration, preferred: u32) -> Item<'static> {
        Item::Prefix(Prefix {
            prefix: Cidr6::new(prefix, 64).expect("a prefix"),
            on_link: true,
            autonomous: true,
            valid: u32::try_from(valid.as_secs()).expect("minutes"),
            preferred,
        })
    }

    fn advertisement(&self, now: Instant) -> Vec<u8> {
        let message = ndp::Header::RouterAdvertisement(RouterAdvertisement {
            hop_limit: 64,
            managed: false,
            other: false,
            preference: Preference::Medium,
            lifetime: LIFETIME,
            reachable: 0,
            retransmit: 0,
        });
        let own = router_mac(self.number);
        let mut items = vec![Item::SourceLink(own)];
        match self.phase.get() {
            Phase::New(ends) => items.extend([
                Self::prefix(NEW, VALID, PREFERRED),
                Self::prefix(OLD, ends.since(now), 0),
            ]),
            Phase::Old | Phase::Silent => items.push(Self::prefix(OLD, VALID, PREFERRED)),
        }
        let links = (own, MacAddress::for_multicast6(ALL_NODES));
        let ends = (router(self.number), ALL_NODES);
        neighbourly(links, ends, ndp::HOP_LIMIT, message, &items)
    }

    /// The answer to a packet.
    fn reply(&self, frame: &ethernet::Frame<'_>, now: Instant) -> Option<Vec<u8>> {
        let packet = ipv6::Packet::parse(frame.payload).ok()?;
        let ipv6::Content::Whole(whole) = packet.content().ok()? else {
            return None;
        };
        if whole.protocol != Protocol::ICMPV6 {
            return None;
        }
        let header = packet.header;
        let pseudo = Pseudo::v6(header.source, header.destination);
        let envelope = icmp6::Envelope::parse(whole.payload, Check::Verify(pseudo)).ok()?;
        let own = router_mac(self.number);
        let links = (own, frame.header.source);
        if ndp::is_kind(envelope.kind) {
            return match Message::parse(&envelope, &header, false).ok()?.header {
                ndp::Header::RouterSolicitation => Some(self.advertisement(now)),
                ndp::Header::NeighborSolicitation { target }
                    if target == router(self.number) && !header.source.is_unspecified() =>
                {
                    let message = ndp::Header::NeighborAdvertisement {
                        target,
                        router: true,
                        solicited: true,
                        replace: true,
                    };
                    let ends = (target, header.source);
                    let items = [Item::TargetLink(own)];
                    Some(neighbourly(links, ends, ndp::HOP_LIMIT, message, &items))
                }
                _ => None,
            };
        }
        let message = icmp6::Message::parse(&envelope).ok()?;
        match message.header {
            icmp6::Header::EchoRequest {
                identifier,
                sequence,
            } if frame.header.destination == own && header.destination == FAR => {
                let reply = icmp6::Header::EchoReply {
                    identifier,
                    sequence,
                };
                Some(echo_reply(links, (FAR, header.source), reply, message.body))
            }
            _ => None,
        }
    }
}

impl Device for Router {
    fn answer(&mut self, frame: &[u8], now: Instant) -> Vec<Vec<u8>> {
        if self.phase.get() == Phase::Silent {
            return Vec::new();
        }
        let frame = ethernet::Frame::parse(frame).ok();
        let frame = frame.filter(|it| it.header.ethertype == EtherType::IPV6);
        frame
            .and_then(|it| self.reply(&it, now))
            .into_iter()
            .collect()
    }

    fn due(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.next = now + EVERY;
        if self.phase.get() == Phase::Silent {
            return Vec::new();
        }
        vec![self.advertisement(now)]
    }
}
