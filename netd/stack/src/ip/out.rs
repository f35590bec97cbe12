//! Outwards: which way, from which address, and onto the link.
//!
//! *Owns* the choice of a path, packets of our own making (control messages), and the last step of
//! every packet. *Never* copies a client's payload: senders write straight into the frame.
//!
//! Spec: RFC 1122 3.3.1 (routing), 3.3.4 (source address), 3.2.1; RFC 6864 (atomic packets).

use crate::error::SocketError;
use crate::family::{Family, Outgoing};
use crate::hash::Tuple;
use crate::id::InterfaceId;
use crate::interface::{Interface, Medium};
use crate::ip::incoming::LinkScope;
use crate::memory::ClientMemory;
use crate::neigh::cache::Found;
use crate::net::Net;
use crate::packets::Owner;
use crate::pieces::{Draft, Extent};
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::ethernet::{self, EtherType, MIN_FRAME_LEN};
use wire::{Drop, Ecn, Headroom, Protocol, Rest, Seal, udp};

/// Hops that nobody has chosen: as many as is usual on the link.
pub(crate) const USUAL_HOPS: u8 = 0;

/// A way to an address, good while [`crate::route::Routes::version`] stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path<A = Ipv4Addr> {
    /// Through which interface; loopback for our own addresses.
    pub(crate) interface: InterfaceId,
    /// The next hop: a neighbour, a group, or all ones for every broadcast.
    pub(crate) next_hop: A,
    /// The address to speak from.
    pub(crate) source: A,
    /// Largest packet in bytes.
    pub(crate) mtu: u16,
    /// Whether it reaches more than one host.
    pub(crate) shared: bool,
    /// The version of the routes it was found with.
    pub(crate) version: u32,
}

/// The identification of the next packet. It means nothing (RFC 6864 4.1), but some middle boxes
/// dislike zero, and none should learn from it how much we send to others.
#[inline]
pub(crate) fn next_identification(state: &mut u64) -> u16 {
    const MULTIPLIER: u64 = 6_364_136_223_846_793_005;
    *state = state.wrapping_mul(MULTIPLIER).wrapping_add(1);
    let [.., low, high] = state.to_le_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

impl Stack {
    /// The way to an address, from a given one of ours if the caller is bound to one.
    pub(crate) fn path<A: Family>(&self, to: A, bound: Option<A>) -> Option<Path<A>> {
        let version = self.net::<A>().routes.version();
        if self.is_own(to) {
            let loopback = self.interfaces.first()?;
            return Some(Path {
                interface: InterfaceId::LOOPBACK,
                next_hop: to,
                source: bound.unwrap_or(to),
                mtu: loopback.mtu,
                shared: false,
                version,
            });
        }
        if !to.may_leave() {
            return None;
        }
        let (id, next_hop, shared) = A::next_hop(self, to, bound)?;
        let interface = self.interfaces.get(id.index())?;
        let source = match bound {
            Some(bound) => bound,
            None => A::source_for(interface, &self.policies, to, next_hop)?,
        };
        Some(Path {
            interface: id,
            next_hop,
            source,
            mtu: A::mtu(interface),
            shared,
            version,
        })
    }

    /// [`Stack::path`] from an address of ours, which is not looked up again if it is the last one that was: who
    /// asks, or opens connections, mostly does so more than once.
    #[inline(never)]
    pub(crate) fn path_again<A: Family>(&mut self, to: A, bound: A) -> Option<Path<A>> {
        let net = self.net::<A>();
        if let Some((known, path)) = net.last_path
            && (known, path.source) == (to, bound)
            && path.version == net.routes.version()
        {
            return Some(path);
        }
        let path = self.path(to, Some(bound))?;
        self.net_mut::<A>().last_path = Some((to, path));
        Some(path)
    }

    /// The way to a group by an interface that the caller has chosen.
    pub(crate) fn group_path<A: Family>(
        &self,
        to: A,
        bound: Option<A>,
        id: InterfaceId,
    ) -> Option<Path<A>> {
        let interface = self.interfaces.get(id.index());
        let interface = interface.filter(|it| it.medium == Medium::Ethernet && it.up)?;
        if !A::takes_part(interface) || !to.may_leave() {
            return None;
        }
        Some(Path {
            interface: id,
            next_hop: to,
            source: bound.or_else(|| A::source_for(interface, &self.policies, to, to))?,
            mtu: A::mtu(interface),
            shared: true,
            version: self.net::<A>().routes.version(),
        })
    }

    /// Whether the address is ours, on whichever interface.
    pub(crate) fn is_own<A: Family>(&self, address: A) -> bool {
        address.is_inside()
            || self
                .interfaces
                .iter()
                .any(|interface| address.is_of(interface))
    }

    /// The interface that an address bound to belongs to. What is sent from it leaves there, or not at
    /// all, as what is sent to it is taken in nowhere else (RFC 1122 3.3.4.2: the strong model). One that
    /// is nobody's says nothing.
    #[inline]
    pub(crate) fn link_of<A: Family>(&self, bound: Option<A>) -> Option<InterfaceId> {
        let bound = bound?;
        // Beside loopback there is mostly one, and nothing to choose.
        if self.interfaces.len() <= 2 {
            return bound.is_inside().then_some(InterfaceId::LOOPBACK);
        }
        let owner = self.interfaces.iter().find(|it| bound.is_of(it))?;
        Some(owner.id)
    }

    /// Interface, next hop and whether it is a broadcast or group.
    pub(crate) fn next_hop4(
        &self,
        to: Ipv4Addr,
        bound: Option<Ipv4Addr>,
    ) -> Option<(InterfaceId, Ipv4Addr, bool)> {
        let of = self.link_of(bound);
        let may_leave_by = |it: &Interface| it.up && of.is_none_or(|of| of == it.id);
        let usable = |id: InterfaceId| self.interfaces.get(id.index()).is_some_and(may_leave_by);
        let ethernets = || {
            let all = self.interfaces.iter();
            all.filter(|it| it.medium == Medium::Ethernet && may_leave_by(it))
        };
        if to.is_broadcast() || to.is_multicast() {
            // Through the interface of the address bound to, else where the default route leads,
            // else the first.
            let route = self.nets.v4.routes.lookup(to, usable);
            let chosen = route.map(|route| route.interface);
            let chosen = chosen.or_else(|| ethernets().next().map(|it| it.id))?;
            return Some((chosen, to, true));
        }
        if let Some(interface) = ethernets().find(|it| it.is_broadcast(to)) {
            return Some((interface.id, Ipv4Addr::BROADCAST, true));
        }
        let route = self.nets.v4.routes.lookup(to, usable)?;
        // RFC 3927 2.6.2: who is on the link alone is asked for there, whatever else routes say.
        let gateway = route.gateway.filter(|_| !to.is_link_local());
        Some((route.interface, gateway.unwrap_or(to), false))
    }

    /// The hardware address of a next hop.
    pub(crate) fn link_address<A: Family>(
        &mut self,
        id: InterfaceId,
        next_hop: A,
        now: Instant,
    ) -> Found {
        match next_hop.group_mac() {
            Some(mac) => Found::Known(mac),
            None => self.neighbour(id, next_hop, now),
        }
    }

    /// The queue of packets and senders that an interface can send.
    pub(crate) fn ready_queue(id: InterfaceId) -> u32 {
        u32::from(id.raw())
    }

    /// The queue of packets that wait for a neighbour.
    pub(crate) fn waiting_queue(&self, neighbour: u32) -> u32 {
        u32::from(self.config.interfaces).saturating_add(neighbour)
    }

    /// The queue of senders that wait for a neighbour.
    pub(crate) fn waiting_senders<A: Family>(&self, neighbour: u32) -> u32 {
        A::waiting_place(&self.config, neighbour)
    }

    /// Makes a packet of our own and queues it for the link, which it leaves by in parts if it is too
    /// long. `write` puts the transport header in
    /// front of a payload that it also writes: it is given the space of `payload_len` bytes.
    pub(crate) fn queue_packet<A: Family>(
        &mut self,
        path: &Path<A>,
        header: &A::Header,
        payload_len: usize,
        owner: Owner,
        write: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> bool {
        let queue = Self::ready_queue(path.interface);
        let len = payload_len.saturating_add(A::HEADER_LEN);
        let packets = &mut self.nets.of_mut::<A>().packets;
        let queued = packets
            .push(queue, len, path.next_hop, owner, |bytes| {
                let (front, payload) = bytes.split_at_mut_checked(A::HEADER_LEN)?;
                write(payload)?;
                A::emit(header, &mut Headroom::new(front), payload_len).ok()
            })
            .is_some();
        if queued {
            self.stats.count(Counter::PacketsBuffered);
        } else {
            self.stats.drop_sent(Drop::NoBuffer);
        }
        queued
    }

    /// The same of a datagram of ours that no socket has sent: from our port to another, in a packet that
    /// may pass so many routers.
    pub(crate) fn queue_datagram<A: Family>(
        &mut self,
        path: &Path<A>,
        (to, hops): (A, u8),
        ports: udp::Header,
        owner: Owner,
        bytes: &[u8],
    ) -> bool {
        let header = self.header(path, to, Protocol::UDP, hops);
        let seal = Seal::Full {
            pseudo: A::pseudo(path.source, to),
            payload: wire::sum(bytes),
        };
        let len = bytes.len().saturating_add(udp::HEADER_LEN);
        self.queue_packet(path, &header, len, owner, |space| {
            let (front, payload) = space.split_at_mut_checked(udp::HEADER_LEN)?;
            payload.copy_from_slice(bytes);
            let room = &mut Headroom::new(front);
            ports.emit(room, bytes.len(), seal).ok()
        })
    }

    /// The header of a packet of ours that will not be fragmented.
    pub(crate) fn header<A: Family>(
        &mut self,
        path: &Path<A>,
        to: A,
        protocol: Protocol,
        hops: u8,
    ) -> A::Header {
        self.marked_header(path, to, (protocol, None), (hops, 0, Ecn::NotCapable))
    }

    /// The same, with the ports of both ends, ours first, if the protocol has some, and the hops, the
    /// codepoint and the mark that a socket has chosen.
    #[inline]
    pub(crate) fn marked_header<A: Family>(
        &mut self,
        path: &Path<A>,
        destination: A,
        (protocol, ports): (Protocol, Option<(u16, u16)>),
        (hops, dscp, ecn): (u8, u8, Ecn),
    ) -> A::Header {
        let flow = ports.map_or(0, |(local_port, remote_port)| {
            let tuple = Tuple {
                local: path.source,
                local_port,
                remote: destination,
                remote_port,
            };
            A::flow_label(&self.flows, protocol, &tuple)
        });
        let hops = if hops == USUAL_HOPS {
            self.usual_hops(path)
        } else {
            hops
        };
        let packet = Outgoing {
            source: path.source,
            destination,
            protocol,
            hops,
            dscp,
            ecn,
            flow,
        };
        A::header(&packet, &mut self.identification)
    }

    /// Hops of a packet that nobody has chosen some for.
    #[inline]
    fn usual_hops<A: Family>(&self, path: &Path<A>) -> u8 {
        let usual = self.config.ttl;
        let interface = self.interfaces.get(path.interface.index());
        interface.map_or(usual, |it| A::hops_by(it, usual))
    }

    /// Writes the next packet of our own for a link into `frame`.
    pub(crate) fn output_packet<A: Family>(
        &mut self,
        id: InterfaceId,
        frame: &mut [u8],
        now: Instant,
    ) -> Option<Extent> {
        loop {
            let (index, packet) = self.net::<A>().packets.first(Self::ready_queue(id))?;
            let (next_hop, owner) = (packet.next_hop, packet.owner);
            match self.link_address(id, next_hop, now) {
                Found::Known(mac) => {
                    let len = self.write_packet::<A>(id, frame, now)?;
                    let packet = Extent::copied(len);
                    ethernet::emit_destination(frame, mac).ok()?;
                    return self.finish_frame(id, A::ETHERTYPE, frame, packet);
                }
                Found::Wait(neighbour) => self.wait_for::<A>(index, neighbour),
                Found::Unreachable => {
                    self.net_mut::<A>().packets.release(index);
                    self.stats.drop_sent(Drop::NeighbourUnreachable);
                    self.packet_failed(owner, SocketError::HostUnreachable, now);
                }
            }
        }
    }

    /// Writes the first packet of a link's queue, or its next part, behind the frame's header. Gives
    /// its length.
    fn write_packet<A: Family>(
        &mut self,
        id: InterfaceId,
        frame: &mut [u8],
        now: Instant,
    ) -> Option<usize> {
        let link = A::mtu(self.interfaces.get(id.index())?);
        let Net {
            packets, narrow, ..
        } = self.nets.of_mut::<A>();
        let (index, packet) = packets.first(Self::ready_queue(id))?;
        let (bytes, owner) = (packet.bytes(), packet.owner);
        let mtu = usize::from(narrow.part_of(bytes, link, now));
        let place = frame.get_mut(ethernet::HEADER_LEN..)?;
        let (len, next) = if bytes.len() <= mtu && packet.progress.from == 0 {
            place.get_mut(..bytes.len())?.copy_from_slice(bytes);
            (bytes.len(), None)
        } else {
            self.stats.count(Counter::FragmentsSent);
            let place = place.get_mut(..mtu)?;
            A::cut_packet(bytes, packet.progress, &mut self.identifications, place)?
        };
        match next {
            Some(next) => packets.advance(index, next),
            None => {
                packets.release(index);
                self.packet_sent(owner, now);
            }
        }
        Some(len)
    }

    /// Moves a packet to those that wait for a neighbour.
    fn wait_for<A: Family>(&mut self, index: u32, neighbour: u32) {
        let waiting = self.queue_to_wait::<A>(neighbour);
        let packets = &mut self.net_mut::<A>().packets;
        if !packets.requeue(index, waiting) {
            packets.release(index);
            self.stats.drop_sent(Drop::NoBuffer);
        }
    }

    /// The queue of packets that wait for a neighbour, with room for one more: the oldest of too
    /// many makes way. It is lost like any packet on its way, and who sent it finds out by its own
    /// time.
    pub(crate) fn queue_to_wait<A: Family>(&mut self, neighbour: u32) -> u32 {
        let waiting = self.waiting_queue(neighbour);
        let most = usize::from(self.config.packets_per_neighbour);
        let packets = &mut self.net_mut::<A>().packets;
        if packets.len(waiting) >= most {
            packets.discard_first(waiting);
            self.stats.drop_sent(Drop::NeighbourQueueFull);
        }
        waiting
    }

    /// Puts the Ethernet header in front of a packet, but for the destination, which is there; pads,
    /// and counts. Gives where the frame is.
    pub(crate) fn finish_frame(
        &mut self,
        id: InterfaceId,
        ethertype: EtherType,
        frame: &mut [u8],
        packet: Extent,
    ) -> Option<Extent> {
        let interface = self.interfaces.get_mut(id.index())?;
        ethernet::emit_source(frame, interface.mac, ethertype).ok()?;
        let mut whole = packet.behind(ethernet::HEADER_LEN);
        if whole.len() < MIN_FRAME_LEN {
            // Which is in one piece: no frame refers to so little.
            frame.get_mut(whole.head..MIN_FRAME_LEN)?.fill(0);
            whole.head = MIN_FRAME_LEN;
        }
        interface.sent.note(whole.len());
        Some(whole)
    }

    /// Passes packets to ourselves back in, at most so many at a time. What they are answered with
    /// by ourselves (echo replies, resets) waits for the next time, so that times measured through
    /// loopback are those of a turn.
    pub(crate) fn run_loopback<M: ClientMemory>(&mut self, memory: &mut M, now: Instant) {
        const BURST: usize = 64;
        if !self.loopback_pending() {
            return;
        }
        let queue = Self::ready_queue(InterfaceId::LOOPBACK);
        let mut own = (
            self.nets.v4.packets.len(queue),
            self.nets.v6.packets.len(queue),
        );
        let mut frame = core::mem::take(&mut self.spare_frame);
        for _ in 0..BURST {
            let mut looped = None;
            let sent = if own.0 > 0 {
                own.0 -= 1;
                looped = self.looped_by::<Ipv4Addr>();
                let sent = self.write_packet::<Ipv4Addr>(InterfaceId::LOOPBACK, &mut frame, now);
                sent.map(|len| (len, EtherType::IPV4))
            } else if own.1 > 0 {
                own.1 -= 1;
                looped = self.looped_by::<Ipv6Addr>();
                let sent = self.write_packet::<Ipv6Addr>(InterfaceId::LOOPBACK, &mut frame, now);
                sent.map(|len| (len, EtherType::IPV6))
            } else {
                let mut draft = Draft {
                    buffer: &mut frame,
                    pieces: None,
                };
                let sent = self.output_sender(InterfaceId::LOOPBACK, &mut draft, memory, now);
                sent.map(|sent| (sent.extent.head, sent.ethertype))
            };
            let Some((len, ethertype)) = sent else { break };
            if let Some(interface) = self.interfaces.first_mut() {
                interface.sent.note(len);
                interface.received.note(len);
            }
            let end = ethernet::HEADER_LEN.saturating_add(len);
            let packet = frame.get(ethernet::HEADER_LEN..end).unwrap_or(&[]);
            let packet = (packet, Rest::NONE);
            let (id, scope) = match looped {
                Some(id) => (id, LinkScope::Looped),
                None => (InterfaceId::LOOPBACK, LinkScope::Own),
            };
            let result = if ethertype == EtherType::IPV6 {
                self.v6_input(id, scope, packet, true, memory, now)
            } else {
                self.v4_input(id, scope, packet, true, memory, now)
            };
            self.account(InterfaceId::LOOPBACK, result);
        }
        self.spare_frame = frame;
    }

    /// Whether packets to ourselves wait.
    pub(crate) fn loopback_pending(&self) -> bool {
        let queue = Self::ready_queue(InterfaceId::LOOPBACK);
        !self.nets.v4.packets.is_empty(queue)
            || !self.nets.v6.packets.is_empty(queue)
            || !self.senders.is_empty(queue)
    }
}
