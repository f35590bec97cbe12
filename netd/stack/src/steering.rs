//! Steering: which of several stacks a frame is for.
//!
//! Cores share nothing. Each has a whole stack of its own, a *shard*, with the same addresses and
//! tables for its part; one loop owns it, and no lock is taken. Whoever has the device asks here and
//! hands each frame on. Both directions of a TCP connection, and errors about it, come to the same
//! shard; a shard that connects chooses a port with which the connection is its own. Datagrams go by
//! our port, so that a socket hears all its peers. It is the same in both families.
//!
//! *Owns* the choice. *Never* believes a frame: what makes no sense goes to the first shard, which
//! counts it like any stack.

use crate::family::Family;
use crate::hash::Tuple;
use crate::id::InterfaceId;
use core::net::{IpAddr, SocketAddr};
use core::num::NonZeroU16;
use wire::ethernet::{EtherType, Frame};
use wire::{Protocol, ipv4, ipv6};

/// The rule by which frames are dealt out; the same for all shards and the device's edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steering {
    shards: NonZeroU16,
    key: u64,
    /// Datagrams are all the first one's.
    are_datagrams_first: bool,
}

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steered {
    /// The shard of this number.
    Shard(u16),
    /// Every shard: what a neighbour says of itself.
    Every,
}

/// One stack's place among the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The rule.
    pub steering: Steering,
    /// Which shard it is, from zero.
    pub number: u16,
    /// The link whose frames are dealt out. What comes by others, by its VLANs too, comes to the first
    /// shard alone and is its own.
    pub link: InterfaceId,
}

/// ICMP's messages about a packet (RFC 792): unreachable, redirect, time exceeded, parameter problem.
const ICMP_ERRORS: [u8; 4] = [3, 5, 11, 12];
/// Bytes before the packet that an ICMP error quotes.
const ICMP_HEADER_LEN: usize = 8;
/// Where an ARP packet says what it is, and the addresses of both sides (RFC 826).
const ARP_REPLY: [u8; 2] = [0, 2];

impl Steering {
    /// A rule for so many shards. `key` must come from an entropy source: nobody outside may be
    /// able to aim at one shard.
    #[must_use]
    pub fn new(shards: NonZeroU16, key: u64) -> Self {
        Self {
            shards,
            key: key | 1,
            are_datagrams_first: false,
        }
    }

    /// The same with all datagrams for the first shard: where programs have their datagram sockets there,
    /// and leases and names are its own.
    #[must_use]
    pub const fn with_datagrams_first(mut self) -> Self {
        self.are_datagrams_first = true;
        self
    }

    /// Whom a received frame is for.
    #[must_use]
    pub fn frame(&self, frame: &[u8]) -> Steered {
        match Frame::parse(frame) {
            Ok(frame) if frame.header.ethertype == EtherType::IPV4 => {
                Steered::Shard(self.packet4(frame.payload))
            }
            Ok(frame) if frame.header.ethertype == EtherType::IPV6 => self.packet6(frame.payload),
            Ok(frame) if frame.header.ethertype == EtherType::ARP && tells(frame.payload) => {
                Steered::Every
            }
            _ => Steered::Shard(0),
        }
    }

    /// The shard of a received packet. Its parts go to the first: only together do they say more.
    fn packet4(&self, bytes: &[u8]) -> u16 {
        // A light look: the shard checks it all, checksums too.
        let Ok(packet) = ipv4::Quote::parse(bytes) else {
            return 0;
        };
        if packet.header.is_fragment() {
            return 0;
        }
        if packet.header.protocol == Protocol::ICMP {
            let kind = packet.payload.first();
            let is_error = kind.is_some_and(|kind| ICMP_ERRORS.contains(kind));
            let quoted = packet.payload.get(ICMP_HEADER_LEN..);
            return quoted
                .filter(|_| is_error)
                .and_then(|quoted| ipv4::Quote::parse(quoted).ok())
                .map_or(0, |quoted| self.conversation(&quoted.into(), Ours::Source));
        }
        self.conversation(&packet.into(), Ours::Destination)
    }

    /// The same of a packet of IPv6.
    fn packet6(&self, bytes: &[u8]) -> Steered {
        const NEIGHBOR_ADVERTISEMENT: u8 = 136;
        let first = Steered::Shard(0);
        let packet = match ipv6::Quote::parse(bytes) {
            Ok(packet) if !packet.is_part => packet,
            _ => return first,
        };
        if packet.protocol != Protocol::ICMPV6 {
            return Steered::Shard(self.conversation(&packet.into(), Ours::Destination));
        }
        match packet.payload.split_first() {
            // RFC 4443 section 2.1: errors.
            Some((0..128, _)) => {
                let quoted = packet.payload.get(ICMP_HEADER_LEN..);
                let quoted = quoted.and_then(|quoted| ipv6::Quote::parse(quoted).ok());
                quoted.map_or(first, |quoted| {
                    Steered::Shard(self.conversation(&quoted.into(), Ours::Source))
                })
            }
            Some((&NEIGHBOR_ADVERTISEMENT, _)) => Steered::Every,
            _ => first,
        }
    }

    fn conversation(&self, between: &Between, ours: Ours) -> u16 {
        let Some((source, destination)) = between.ports else {
            return 0;
        };
        if between.protocol == Protocol::UDP {
            return self.datagrams(match ours {
                Ours::Source => source,
                Ours::Destination => destination,
            });
        }
        let from = SocketAddr::new(between.from, source);
        self.flow(from, SocketAddr::new(between.to, destination))
    }

    /// The shard of a TCP connection, whichever end comes first.
    #[must_use]
    pub fn flow(&self, one: SocketAddr, other: SocketAddr) -> u16 {
        self.deal(self.end(one).wrapping_add(self.end(other)))
    }

    fn end(&self, end: SocketAddr) -> u64 {
        let port = u64::from(end.port());
        match end.ip() {
            IpAddr::V4(ip) => self.mix(u64::from(ip.to_bits()) << 16 | port),
            IpAddr::V6(ip) => {
                let [upper, lower] = crate::hash::halves(ip.to_bits());
                self.mix(self.mix(self.mix(upper) ^ lower) ^ port)
            }
        }
    }

    /// The shard where datagrams to this port of ours arrive.
    #[must_use]
    pub fn datagrams(&self, port: u16) -> u16 {
        if self.are_datagrams_first {
            return 0;
        }
        self.deal(self.mix(port.into()))
    }

    fn mix(&self, value: u64) -> u64 {
        let product = u128::from(value ^ self.key.rotate_left(32)) * u128::from(self.key);
        let [upper, lower] = crate::hash::halves(product);
        upper ^ lower
    }

    fn deal(&self, hash: u64) -> u16 {
        let mixed = self.mix(hash) >> 32;
        u16::try_from((mixed * u64::from(self.shards.get())) >> 32).unwrap_or(0)
    }
}

/// Whether an ARP packet tells rather than asks: answers, and announcements of one's own address.
fn tells(arp: &[u8]) -> bool {
    let part = |from: usize, len: usize| arp.get(from..from + len);
    part(6, 2) == Some(&ARP_REPLY) || (part(14, 4).is_some() && part(14, 4) == part(24, 4))
}

/// Which end of a packet is ours.
#[derive(Clone, Copy)]
enum Ours {
    Source,
    Destination,
}

/// Between whom a packet is.
struct Between {
    from: IpAddr,
    to: IpAddr,
    protocol: Protocol,
    ports: Option<(u16, u16)>,
}

impl From<ipv4::Quote<'_>> for Between {
    fn from(packet: ipv4::Quote<'_>) -> Self {
        Self {
            from: packet.header.source.into(),
            to: packet.header.destination.into(),
            protocol: packet.header.protocol,
            ports: packet.ports(),
        }
    }
}

impl From<ipv6::Quote<'_>> for Between {
    fn from(packet: ipv6::Quote<'_>) -> Self {
        Self {
            from: packet.header.source.into(),
            // Its connection is that of the address it is led on to.
            to: packet.home.unwrap_or(packet.header.destination).into(),
            protocol: packet.protocol,
            ports: packet.ports(),
        }
    }
}

impl Shard {
    /// Whether another shard speaks for the host.
    pub(crate) fn follows(self) -> bool {
        self.number > 0
    }

    /// Whether a connection between these ends would come to this shard.
    pub(crate) fn has_flow<A: Family>(&self, tuple: &Tuple<A>) -> bool {
        let flow = self.steering.flow(tuple.local_end(), tuple.remote_end());
        flow == self.number
    }

    /// Whether a packet that has become whole, by a link, is another shard's.
    pub(crate) fn is_elsewhere(&self, link: InterfaceId, packet: &[u8]) -> bool {
        let steered = match packet.first() {
            Some(first) if first >> 4 == 6 => self.steering.packet6(packet),
            _ => Steered::Shard(self.steering.packet4(packet)),
        };
        link == self.link
            && !matches!(steered, Steered::Every)
            && steered != Steered::Shard(self.number)
    }

    /// Whether datagrams to this port would come to this shard.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.steering.datagrams(port) == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec;
    use std::vec::Vec;

    fn steering(shards: u16) -> Steering {
        Steering::new(NonZeroU16::new(shards).unwrap(), 0x1234_5678_9abc_def0)
    }

    fn end(last: u8, port: u16) -> SocketAddr {
        (Ipv4Addr::new(10, 0, 0, last), port).into()
    }

    fn six(last: u8, port: u16) -> SocketAddr {
        (Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last.into()), port).into()
    }

    /// Both families' ends.
    const FAMILIES: [fn(u8, u16) -> SocketAddr; 2] = [end, six];

    fn icmp(from: SocketAddr) -> u8 {
        if from.is_ipv4() { 1 } else { 58 }
    }

    /// A frame with so much of a packet as steering looks at.
    fn frame(protocol: u8, from: SocketAddr, to: SocketAddr, rest: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(if from.is_ipv4() { [8, 0] } else { [0x86, 0xdd] });
        frame.extend(packet(protocol, from, to, rest));
        frame.resize(frame.len().max(60), 0);
        frame
    }

    fn packet(protocol: u8, from: SocketAddr, to: SocketAddr, rest: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        if protocol == 6 || protocol == 17 {
            payload.extend(from.port().to_be_bytes());
            payload.extend(to.port().to_be_bytes());
            payload.extend([0; 12]);
        }
        payload.extend(rest);
        wrapped(protocol, from, to, &payload)
    }

    fn wrapped(protocol: u8, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).unwrap();
        let mut packet = Vec::new();
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                packet.extend([0x45, 0]);
                packet.extend((len + 20).to_be_bytes());
                packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
                packet.extend(from.octets());
                packet.extend(to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                packet.extend([0x60, 0, 0, 0]);
                packet.extend(len.to_be_bytes());
                packet.extend([protocol, 64]);
                packet.extend(from.octets());
                packet.extend(to.octets());
            }
            _ => panic!("of one family"),
        }
        packet.extend(payload);
        packet
    }

    /// An error about a packet.
    fn error(about: &[u8]) -> Vec<u8> {
        [&[3, 1, 0, 0, 0, 0, 0, 0], about].concat()
    }

    #[test]
    fn both_directions_and_errors_come_to_one_shard() {
        let steering = steering(4);
        for (end, port) in FAMILIES
            .into_iter()
            .flat_map(|end| (1..500).map(move |port| (end, port)))
        {
            let (ours, theirs) = (end(1, 80), end(2, port));
            let shard = steering.flow(ours, theirs);
            assert_eq!(shard, steering.flow(theirs, ours));
            let comes = frame(6, theirs, ours, &[]);
            assert_eq!(steering.frame(&comes), Steered::Shard(shard));
            let error = error(&packet(6, ours, theirs, &[]));
            let error = frame(icmp(ours), end(9, 0), ours, &error);
            assert_eq!(steering.frame(&error), Steered::Shard(shard));
        }
    }

    #[test]
    fn whatever_is_said_of_a_packet_comes_to_whose_it_is() {
        let steering = steering(4);
        for (port, kind) in (1..100).flat_map(|port| [3, 5, 11, 12].map(|kind| (port, kind))) {
            let (ours, theirs) = (end(1, 80), end(2, port));
            let mut about = error(&packet(6, ours, theirs, &[]));
            about[0] = kind;
            let comes = frame(1, end(9, 0), ours, &about);
            let shard = Steered::Shard(steering.flow(ours, theirs));
            assert_eq!(steering.frame(&comes), shard, "{kind}");
        }
    }

    #[test]
    fn datagrams_go_by_our_port_and_so_do_errors_about_them() {
        let steering = steering(4);
        for (end, port) in FAMILIES
            .into_iter()
            .flat_map(|end| (1..500).map(move |port| (end, port)))
        {
            let ours = end(1, port);
            let shard = Steered::Shard(steering.datagrams(port));
            for peer in [end(2, 53), end(3, 4_000)] {
                assert_eq!(steering.frame(&frame(17, peer, ours, &[])), shard);
                let error = error(&packet(17, ours, peer, &[]));
                let error = frame(icmp(ours), peer, ours, &error);
                assert_eq!(steering.frame(&error), shard);
            }
        }
    }

    /// Headers in front of a segment do not hide whose it is, but a part of one is the first's.
    #[test]
    fn headers_of_ipv6_are_passed_over_and_parts_meet_in_the_first() {
        let steering = steering(4);
        for port in 1..200 {
            let (ours, theirs) = (six(1, 80), six(2, port));
            let shard = Steered::Shard(steering.flow(ours, theirs));
            let segment = packet(6, theirs, ours, &[]);
            let behind = |next: u8, header: [u8; 8]| {
                let payload = [&header, &segment[40..]].concat();
                let whole = wrapped(next, theirs, ours, &payload);
                steering.packet6(&whole)
            };
            assert_eq!(behind(60, [6, 0, 1, 4, 0, 0, 0, 0]), shard);
            // One that leads to another address of ours: the connection is that one's (RFC 6275).
            let home = six(1, 0).ip();
            let IpAddr::V6(home) = home else {
                panic!("of IPv6")
            };
            let leads = [
                &[6, 2, 2, 1, 0, 0, 0, 0][..],
                &home.octets(),
                &segment[40..],
            ]
            .concat();
            let care_of = wrapped(43, theirs, six(7, 80), &leads);
            assert_eq!(steering.packet6(&care_of), shard);
            // A part that is all (RFC 6946 section 4).
            assert_eq!(behind(44, [6, 0, 0, 0, 0, 0, 0, 9]), shard);
            for place in [[0, 1], [0, 8], [0, 9]] {
                let header = [6, 0, place[0], place[1], 0, 0, 0, 9];
                assert_eq!(behind(44, header), Steered::Shard(0));
            }
        }
    }

    #[test]
    fn datagrams_may_all_be_for_the_first() {
        let steering = steering(4).with_datagrams_first();
        for port in 1..500 {
            let comes = frame(17, end(2, 53), end(1, port), &[]);
            assert_eq!(steering.frame(&comes), Steered::Shard(0));
            let shard = Shard {
                steering,
                number: 0,
                link: InterfaceId(1),
            };
            assert!(shard.has_port(port));
        }
        let flows: Vec<_> = (1..50)
            .map(|port| steering.flow(end(1, 80), end(2, port)))
            .collect();
        assert!(flows.iter().any(|shard| *shard != flows[0]));
    }

    #[test]
    fn flows_are_dealt_out_evenly() {
        let steering = steering(3);
        let mut counts = [0; 3];
        for port in 0..30_000 {
            counts[usize::from(steering.flow(end(1, 80), end(2, port)))] += 1;
        }
        assert!(
            counts.iter().all(|count| (9_500..10_500).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn what_neighbours_say_is_for_all_and_what_they_ask_for_one() {
        let steering = steering(2);
        let arp = |kind: u8, sender: u8, target: u8| {
            let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6];
            frame.extend([
                0, 1, 8, 0, 6, 4, 0, kind, 2, 0, 0, 0, 0, 2, 10, 0, 0, sender,
            ]);
            frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, target]);
            frame.resize(60, 0);
            steering.frame(&frame)
        };
        assert_eq!(arp(1, 2, 1), Steered::Shard(0));
        assert_eq!(arp(2, 2, 1), Steered::Every);
        assert_eq!(arp(1, 2, 2), Steered::Every);
        let ndp = |kind: u8| steering.frame(&frame(58, six(2, 0), six(1, 0), &[kind; 32]));
        // They ask, routers tell of themselves; a neighbour does.
        for kind in [128, 133, 134, 135, 137] {
            assert_eq!(ndp(kind), Steered::Shard(0));
        }
        assert_eq!(ndp(136), Steered::Every);
    }

    #[test]
    fn rubbish_goes_to_the_first() {
        let steering = steering(8);
        for len in 0..80 {
            assert_eq!(steering.frame(&vec![0x45; len]), Steered::Shard(0));
        }
        let whole = frame(6, end(2, 9), end(1, 80), &[]);
        for len in 0..38 {
            assert_eq!(steering.frame(&whole[..len]), Steered::Shard(0), "{len}");
        }
        let whole = frame(6, six(2, 9), six(1, 80), &[]);
        for len in 0..58 {
            assert_eq!(steering.frame(&whole[..len]), Steered::Shard(0), "{len}");
        }
    }
}
