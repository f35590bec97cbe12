//! Paths that take less than the link, for what is no segment: datagrams, echoes, raw packets.
//!
//! *Owns* the memory of what was sent lately and may have been too long for its path, and what a router's
//! word does: packets leave in parts that fit. A word is believed only of a packet that is remembered and
//! was longer than it says (RFC 5927 section 4.1 asks the same of TCP's), and never below what every link
//! takes. *Never* grows; of what was shorter than that nothing is remembered.
//!
//! Spec: RFC 8201, RFC 1191.

use crate::client::Role;
use crate::error::BadSocket;
use crate::family::Family;
use crate::hash::Address;
use crate::id::{ClientId, SocketId};
use crate::path_mtus::PathMtus;
use crate::rng::Rng;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::path::plateau_below;
use crate::udp::details::Report;
use crate::udp::parcel::Parcel;
use crate::udp::socket::Side;
use crate::udp::traces::beginning;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::Protocol;

/// Flows that are remembered.
const REMEMBERED: usize = 64;

/// A flow with long packets, by how they begin behind their network header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow<A> {
    to: A,
    protocol: Protocol,
    beginning: u64,
}

impl<A> Flow<A> {
    /// Of protocols that nobody here speaks one beginning is as good as another: checksums may be in it.
    fn new(to: A, protocol: Protocol, beginning: u64) -> Self {
        let is_spoken = matches!(protocol, Protocol::UDP | Protocol::ICMP | Protocol::ICMPV6);
        Self {
            to,
            protocol,
            beginning: if is_spoken { beginning } else { 0 },
        }
    }
}

/// The flows whose packets were long lately, and how long.
#[derive(Debug)]
pub(crate) struct LongPackets<A> {
    flows: Vec<(Flow<A>, u16)>,
    /// The one that was noted last.
    last: usize,
}

impl<A: Address> LongPackets<A> {
    pub(crate) fn new() -> Self {
        Self {
            flows: Vec::with_capacity(REMEMBERED),
            last: 0,
        }
    }

    /// A packet of so many bytes leaves.
    fn note(&mut self, flow: Flow<A>, len: u16) {
        if let Some((known, longest)) = self.flows.get_mut(self.last)
            && *known == flow
        {
            *longest = len;
            return;
        }
        if self.flows.len() < REMEMBERED {
            self.last = self.flows.len();
            self.flows.push((flow, len));
        } else {
            self.last = (self.last + 1) % REMEMBERED;
            if let Some(place) = self.flows.get_mut(self.last) {
                *place = (flow, len);
            }
        }
    }

    /// How long a packet of this flow was.
    fn longest(&self, flow: &Flow<A>) -> Option<u16> {
        let of_it = self.flows.iter().filter(|(known, _)| known == flow);
        of_it.map(|(_, len)| *len).max()
    }
}

/// What is known of paths.
#[derive(Debug)]
pub(crate) struct Narrow<A> {
    /// What routers have said.
    pub(crate) mtus: PathMtus<A>,
    sent: LongPackets<A>,
}

impl<A: Family> Narrow<A> {
    pub(crate) fn new(limit: usize, rng: &mut Rng) -> Self {
        Self {
            mtus: PathMtus::new(limit, rng),
            sent: LongPackets::new(),
        }
    }

    /// How much of a packet of our own making may leave at once by a link that takes so much.
    #[inline]
    pub(crate) fn part_of(&mut self, packet: &[u8], link: u16, now: Instant) -> u16 {
        if packet.len() > A::LEAST_MTU.into() {
            self.part_of_long(packet, link, now)
        } else {
            link
        }
    }

    #[inline(never)]
    fn part_of_long(&mut self, packet: &[u8], link: u16, now: Instant) -> u16 {
        let Some((to, protocol)) = A::carries(packet) else {
            return link;
        };
        let mtu = link.min(self.mtus.get(to, now));
        let payload = packet.get(A::HEADER_LEN..).unwrap_or_default();
        let flow = Flow::new(to, protocol, beginning(protocol, payload));
        let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        self.sent.note(flow, len.min(mtu));
        mtu
    }
}

impl Stack {
    /// The largest packet that the path to a socket's fixed peer is known to take (RFC 3542 section
    /// 11.3, where it is of IPv6); `None` without such a peer, or a way to it.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn path_mtu(
        &self,
        client: ClientId,
        socket: SocketId,
        now: Instant,
    ) -> Result<Option<u16>, BadSocket> {
        Ok(match self.clients.socket(client, socket)?.role {
            Role::Datagram(index) => self.udp.sockets.at(index).and_then(|socket| {
                let six = || self.datagram_mtu(&socket.v6, now);
                self.datagram_mtu(&socket.v4, now).or_else(six)
            }),
            Role::Connection { index, .. } => self.tcp_mtu::<Ipv4Addr>(index),
            Role::Connection6 { index, .. } => self.tcp_mtu::<Ipv6Addr>(index),
            _ => None,
        })
    }

    fn datagram_mtu<A: Family>(&self, side: &Side<A>, now: Instant) -> Option<u16> {
        let (peer, _) = side.remote?;
        let path = self.path(peer, side.bound())?;
        Some(path.mtu.min(self.net::<A>().narrow.mtus.get(peer, now)))
    }

    /// What every path takes leaves as it is; of what is longer the path is asked for.
    #[inline(always)]
    pub(crate) fn heed_narrow<A: Family>(&mut self, parcel: &mut Parcel<A>, now: Instant) {
        if parcel.whole_len() > usize::from(A::LEAST_MTU) {
            self.heed_narrow_long(parcel, now);
        }
    }

    #[inline(never)]
    fn heed_narrow_long<A: Family>(&mut self, parcel: &mut Parcel<A>, now: Instant) {
        let narrow = &mut self.net_mut::<A>().narrow;
        let mtu = parcel.path.mtu.min(narrow.mtus.get(parcel.to, now));
        parcel.path.mtu = mtu;
        let flow = Flow::new(parcel.to, parcel.front.protocol(), parcel.front.beginning());
        // Of one that leaves in parts each is as long as the path takes.
        let len = u16::try_from(parcel.whole_len()).unwrap_or(u16::MAX);
        narrow.sent.note(flow, len.min(mtu));
    }

    /// A router has dropped a packet of ours that was no segment: it was too big, and `mtu` bytes would
    /// not be; zero from an old router that does not say (RFC 1191 section 5). Whether it is believed.
    pub(crate) fn packet_too_big<A: Family>(
        &mut self,
        report: &Report<'_, A>,
        mtu: u16,
        now: Instant,
    ) -> bool {
        let begins = beginning(report.protocol, report.quoted);
        let flow = Flow::new(report.ends.1, report.protocol, begins);
        let Some(len) = self.net::<A>().narrow.sent.longest(&flow) else {
            return false;
        };
        let mtu = match mtu {
            0 => plateau_below(len),
            mtu => Some(mtu),
        };
        let Some(mtu) = mtu.filter(|mtu| *mtu < len) else {
            return false;
        };
        let mtus = &mut self.net_mut::<A>().narrow.mtus;
        if mtu < mtus.get(flow.to, now) {
            mtus.learn(flow.to, mtu, now);
            self.stats.count(Counter::PathsNarrowed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn flow(number: u64) -> Flow<Ipv4Addr> {
        Flow {
            to: Ipv4Addr::LOCALHOST,
            protocol: Protocol::UDP,
            beginning: number,
        }
    }

    #[test]
    fn the_latest_flows_are_remembered_and_no_more() {
        let mut packets = LongPackets::new();
        for number in 0..1_000 {
            packets.note(flow(number), 600);
            packets.note(flow(number), 1_500);
        }
        assert_eq!(packets.longest(&flow(999)), Some(1_500));
        let oldest = 1_000 - REMEMBERED as u64;
        assert_eq!(packets.longest(&flow(oldest)), Some(1_500));
        assert_eq!(packets.longest(&flow(oldest - 1)), None);
        assert_eq!(packets.flows.len(), REMEMBERED);
    }
}
