//! Steering: which of several stacks a frame is for.
//!
//! Cores share nothing. Each has a whole stack of its own, a *shard*, with the same addresses and
//! tables for its part; one loop owns it, and no lock is taken. Whoever has the device asks here and
//! hands each frame on. Both directions of a TCP connection, and errors about it, come to the same
//! shard; a shard that connects chooses a port with which the connection is its own. Datagrams go by
//! our port, so that a socket hears all its peers.
//!
//! *Owns* the choice. *Never* believes a frame: what makes no sense goes to the first shard, which
//! counts it like any stack.

use crate::hash::Tuple;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::num::NonZeroU16;
use wire::Protocol;
use wire::ethernet::{EtherType, Frame};
use wire::ipv4::Quote;

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
}

/// ICMP's error messages (RFC 792): unreachable, time exceeded, parameter problem.
const ICMP_ERRORS: [u8; 3] = [3, 11, 12];
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
                Steered::Shard(self.packet(frame.payload))
            }
            Ok(frame) if frame.header.ethertype == EtherType::ARP && tells(frame.payload) => {
                Steered::Every
            }
            _ => Steered::Shard(0),
        }
    }

    /// The shard of a received packet. Its parts go to the first: only together do they say more.
    pub(crate) fn packet(&self, bytes: &[u8]) -> u16 {
        // A light look: the shard checks it all, checksums too.
        let Ok(packet) = Quote::parse(bytes) else {
            return 0;
        };
        if packet.header.is_fragment() {
            return 0;
        }
        if packet.header.protocol == Protocol::ICMP {
            let kind = packet.payload.first();
            let quoted = packet.payload.get(ICMP_HEADER_LEN..);
            return kind
                .filter(|kind| ICMP_ERRORS.contains(kind))
                .and(quoted)
                .and_then(|quoted| Quote::parse(quoted).ok())
                .map_or(0, |quoted| {
                    let ours = quoted.ports().map_or(0, |(source, _)| source);
                    self.conversation(&quoted, ours)
                });
        }
        let ours = packet.ports().map_or(0, |(_, destination)| destination);
        self.conversation(&packet, ours)
    }

    fn conversation(&self, packet: &Quote<'_>, ours: u16) -> u16 {
        let Some((from, to)) = packet.ports() else {
            return 0;
        };
        if packet.header.protocol == Protocol::UDP {
            return self.datagrams(ours);
        }
        let from = SocketAddrV4::new(packet.header.source, from);
        let to = SocketAddrV4::new(packet.header.destination, to);
        self.flow(from, to)
    }

    /// The shard of a TCP connection, whichever end comes first.
    #[must_use]
    pub fn flow(&self, one: SocketAddrV4, other: SocketAddrV4) -> u16 {
        let end = |end: SocketAddrV4| {
            self.mix(u64::from(end.ip().to_bits()) << 16 | u64::from(end.port()))
        };
        self.deal(end(one).wrapping_add(end(other)))
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

impl Shard {
    /// Whether a connection between these ends would come to this shard.
    pub(crate) fn has_flow(&self, tuple: &Tuple<Ipv4Addr>) -> bool {
        let local = SocketAddrV4::new(tuple.local, tuple.local_port);
        let remote = SocketAddrV4::new(tuple.remote, tuple.remote_port);
        self.steering.flow(local, remote) == self.number
    }

    /// Whether datagrams to this port would come to this shard.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.steering.datagrams(port) == self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steering(shards: u16) -> Steering {
        Steering::new(NonZeroU16::new(shards).unwrap(), 0x1234_5678_9abc_def0)
    }

    fn end(last: u8, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, last), port)
    }

    /// A frame with so much of a packet as steering looks at.
    fn frame(
        protocol: u8,
        from: SocketAddrV4,
        to: SocketAddrV4,
        quoted: &[u8],
    ) -> std::vec::Vec<u8> {
        let mut frame = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend(packet(protocol, from, to, quoted));
        frame.resize(frame.len().max(60), 0);
        frame
    }

    fn packet(
        protocol: u8,
        from: SocketAddrV4,
        to: SocketAddrV4,
        rest: &[u8],
    ) -> std::vec::Vec<u8> {
        let mut packet = std::vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0];
        packet.extend(from.ip().octets());
        packet.extend(to.ip().octets());
        if protocol != 1 {
            packet.extend(from.port().to_be_bytes());
            packet.extend(to.port().to_be_bytes());
            packet.extend([0; 12]);
        }
        packet.extend(rest);
        let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
        packet[2..4].copy_from_slice(&len);
        packet
    }

    #[test]
    fn both_directions_and_errors_come_to_one_shard() {
        let steering = steering(4);
        for port in 1..500 {
            let (ours, theirs) = (end(1, 80), end(2, port));
            let shard = steering.flow(ours, theirs);
            assert_eq!(shard, steering.flow(theirs, ours));
            let comes = frame(6, theirs, ours, &[]);
            assert_eq!(steering.frame(&comes), Steered::Shard(shard));
            let mut error = std::vec![3, 1, 0, 0, 0, 0, 0, 0];
            error.extend(packet(6, ours, theirs, &[]));
            let error = frame(1, end(9, 0), ours, &error);
            assert_eq!(steering.frame(&error), Steered::Shard(shard));
        }
    }

    #[test]
    fn datagrams_go_by_our_port_and_so_do_errors_about_them() {
        let steering = steering(4);
        for port in 1..500 {
            let ours = end(1, port);
            let shard = Steered::Shard(steering.datagrams(port));
            for peer in [end(2, 53), end(3, 4_000)] {
                assert_eq!(steering.frame(&frame(17, peer, ours, &[])), shard);
                let mut error = std::vec![3, 3, 0, 0, 0, 0, 0, 0];
                error.extend(packet(17, ours, peer, &[]));
                let error = frame(1, peer, ours, &error);
                assert_eq!(steering.frame(&error), shard);
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
            };
            assert!(shard.has_port(port));
        }
        let flows: std::vec::Vec<_> = (1..50)
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
            let mut frame = std::vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6];
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
    }

    #[test]
    fn rubbish_goes_to_the_first() {
        let steering = steering(8);
        for len in 0..80 {
            assert_eq!(steering.frame(&std::vec![0x45; len]), Steered::Shard(0));
        }
        let whole = frame(6, end(2, 9), end(1, 80), &[]);
        for len in 0..38 {
            assert_eq!(steering.frame(&whole[..len]), Steered::Shard(0), "{len}");
        }
    }
}
