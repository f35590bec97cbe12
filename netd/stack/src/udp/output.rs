//! Datagrams that go out: one copy at most, from the client's arena into the frame.
//!
//! A datagram whose neighbour is unknown is copied into a packet buffer and waits there, so that one
//! silent neighbour does not hold up the socket's other datagrams. One that is too long for the link
//! leaves in parts, each taken from the arena when its turn comes; it waits for its neighbour there.

use crate::actors::Actor;
use crate::config::{TransmitChecksum, TransmitMeta};
use crate::error::SocketError;
use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::Summing;
use crate::memory::ClientMemory;
use crate::neigh::cache::Found;
use crate::packets::Owner;
use crate::pieces::{Draft, Extent, Payload};
use crate::raw::options::RawPackets;
use crate::requests::{Peer, Request, Send, To};
use crate::sender::{Next, Sent, Store, Turn};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::parcel::{Front, LEAD, Parcel};
use crate::udp::socket::{Cutting, Datagram, Raw};
use core::net::Ipv6Addr;
use core::num::NonZeroU16;
use tcp::Instant;
use wire::{Drop, Ecn, Headroom, MacAddress, Seal, ethernet, ip, udp};

/// Where the checksum lies in the header.
const CHECKSUM_OFFSET: u16 = 6;

impl Stack {
    /// Writes a socket's next datagram.
    pub(crate) fn udp_output<M: ClientMemory>(
        &mut self,
        index: u32,
        turn: Turn,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<Sent> {
        let Some(socket) = self.udp.sockets.at(index) else {
            return self.end_turn(turn, Next::Idle);
        };
        let Some(send) = self.requests.first_send(&socket.sends) else {
            return self.end_turn(turn, Next::Idle);
        };
        match send.to {
            To::Peer(Peer::V4(to)) => {
                // Nobody's port: the socket is raw.
                if to.port() == 0
                    && let Some(frames) = self.frames_of(index)
                {
                    return self.frames_output((index, frames), &send, turn, draft, memory);
                }
                let to = (*to.ip(), to.port());
                self.udp_output_to(index, (send, to), turn, draft, memory, now)
            }
            To::Peer(Peer::V6(port)) => {
                let address = self.udp.peers.first(&socket.destinations).copied();
                let to = (address.unwrap_or(Ipv6Addr::UNSPECIFIED), port);
                self.udp_output_to(index, (send, to), turn, draft, memory, now)
            }
            // A mark of [`Stack::udp_flush`].
            To::Stream(_) => self.udp_done(index, &send, None),
        }
    }

    /// Writes a datagram to a peer.
    fn udp_output_to<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        (send, to): (Send, (A, u16)),
        turn: Turn,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<Sent> {
        let id = turn.link;
        let socket = self.udp.sockets.at(index)?;
        let client = socket.client;
        let (mut ttl, dscp) = (socket.options.ttl, socket.options.dscp);
        let Some(front) = self.udp_front(socket, &send, to.1, memory) else {
            return self.udp_done(index, &send, Some(SocketError::BadMemory));
        };
        let (trace, whole) = (socket.trace, socket.options.dont_fragment);
        let Some(path) = self.udp_path(index, to.0) else {
            return self.udp_done(index, &send, Some(SocketError::NetworkUnreachable));
        };
        if path.interface != id {
            return self.end_turn(turn, Next::Elsewhere(path.interface));
        }
        let to = (to.0.apart().0, to.1);
        if path.shared && to.0.is_group() {
            ttl = self.udp.sockets.at(index)?.options.multicast_ttl;
        }
        let Some(mut parcel) = Parcel::new(client, send, (path, to.0), front, (ttl, dscp)) else {
            return self.udp_done(index, &send, Some(SocketError::BadMemory));
        };
        self.heed_narrow(&mut parcel, now);
        if whole && parcel.is_long() {
            return self.udp_done(index, &send, Some(SocketError::TooBig));
        }
        if let Some(trace) = trace {
            self.traces.note(trace, &parcel);
        }
        if path.shared && !self.udp_loop(index, &parcel, memory) {
            return self.udp_done(index, &send, None);
        }
        let found = match id {
            InterfaceId::LOOPBACK => Found::Known(MacAddress::ZERO),
            _ => self.link_address(id, path.next_hop, now),
        };
        match found {
            Found::Known(mac) if parcel.is_long() => {
                draft.address_to(mac);
                self.udp_part((index, turn), &parcel, draft, memory)
            }
            Found::Wait(neighbour) if parcel.is_long() => {
                let waiting = self.waiting_senders::<A>(neighbour);
                self.end_turn(turn, Next::Waits(waiting))
            }
            Found::Known(mac) => {
                draft.address_to(mac);
                let written = self.udp_write(&parcel, draft, memory);
                let error = written.is_none().then_some(SocketError::BadMemory);
                self.udp_done(index, &send, error);
                let sent = written?;
                // Who has nothing more to send is not asked again.
                let socket = self.udp.sockets.at(index);
                let is_last = socket.is_none_or(|it| it.sends.is_empty());
                self.end_turn(turn, if is_last { Next::Idle } else { Next::Later });
                Some(sent)
            }
            Found::Wait(neighbour) => {
                self.udp_park(index, &parcel, neighbour, memory);
                self.udp_done(index, &send, None)
            }
            Found::Unreachable => self.udp_done(index, &send, Some(SocketError::HostUnreachable)),
        }
    }

    /// What stands in front of a socket's bytes. `None` when the client's memory is gone.
    #[inline(always)]
    fn udp_front<M: ClientMemory>(
        &self,
        socket: &Datagram,
        send: &Send,
        to: u16,
        memory: &M,
    ) -> Option<Front> {
        match socket.raw {
            None => Some(Front::Datagram(udp::Header {
                src_port: socket.port.map_or(0, NonZeroU16::get),
                dst_port: to,
            })),
            Some(Raw::Packets(raw)) => self.raw_front(socket, send, raw, memory),
            Some(Raw::Frames(_)) => None,
        }
    }

    /// The same of a raw socket: how its bytes begin.
    #[cold]
    #[inline(never)]
    fn raw_front<M: ClientMemory>(
        &self,
        socket: &Datagram,
        send: &Send,
        raw: RawPackets,
        memory: &M,
    ) -> Option<Front> {
        let store = Store {
            inline: &self.inline,
            memory,
        };
        let mut lead = [0; LEAD];
        let len = usize::try_from(send.length).ok()?.min(LEAD);
        let client = Some(socket.client);
        store.copy(client, send.source, 0, lead.get_mut(..len)?, false)?;
        let RawPackets {
            protocol,
            checksum_at,
            ..
        } = raw;
        Some(Front::Raw {
            protocol,
            lead,
            checksum_at,
        })
    }

    /// One has left, or waits for its neighbour alone.
    #[inline]
    fn datagram_sent<A>(&mut self, parcel: &Parcel<A>) {
        self.stats.count(match parcel.front {
            Front::Datagram(_) => Counter::UdpSent,
            Front::Raw { .. } => Counter::RawSent,
        });
    }

    /// Passes a copy of a datagram for a group back to ourselves, if it is for us and its socket wants
    /// that (RFC 1112 section 6.1). Gives whether it leaves the host.
    fn udp_loop<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        parcel: &Parcel<A>,
        memory: &M,
    ) -> bool {
        let group = parcel.to;
        let Some(socket) = self.udp.sockets.at(index).filter(|_| group.is_group()) else {
            return true;
        };
        // Of one that leaves in parts, the first is not told from the whole.
        let loops = socket.options.multicast_loop && socket.cutting.is_none();
        if loops && self.is_for_own_members(&parcel.path, group) {
            let queue = Self::ready_queue(InterfaceId::LOOPBACK);
            let owner = Owner::Looped(parcel.path.interface);
            // No host takes in what has no time to live, not even its own.
            let copy = Parcel {
                ttl: parcel.ttl.max(1),
                ..*parcel
            };
            if self.udp_copy((queue, owner), &copy, memory) {
                self.stats.count(Counter::GroupLooped);
            }
        }
        parcel.ttl > 0
    }

    /// Writes a datagram into a frame, from the network header on.
    fn udp_write<A: Family, M: ClientMemory>(
        &mut self,
        parcel: &Parcel<A>,
        draft: &mut Draft<'_>,
        memory: &M,
    ) -> Option<Sent> {
        // A datagram is its client's again as soon as it has left: that is worth the copy.
        let mut draft = Draft {
            buffer: &mut *draft.buffer,
            pieces: None,
        };
        let len = parcel.len;
        let interface = self.interfaces.get(parcel.path.interface.index())?;
        // What is no datagram no device sums up, nor does loopback take it unseen.
        let summing = match parcel.front {
            Front::Datagram(_) => interface.summing(),
            Front::Raw { .. } => Summing::Software,
        };
        let headers = ethernet::HEADER_LEN + parcel.headers();
        let summed = summing == Summing::Software;
        let (front, mut payload) = Payload::behind(headers, &mut draft, summed)?;
        let store = Store {
            inline: &self.inline,
            memory,
        };
        let (client, source) = (Some(parcel.client), parcel.send.source);
        payload.add(&store, client, source, parcel.skipped, len)?;
        let Payload { extent, sum, .. } = payload;
        if extent.len() != len {
            return None;
        }
        let seal = summing.seal(parcel.pseudo(), sum);
        self.stats.taken_out(extent);
        let mut room = Headroom::new(front);
        parcel.front.emit(&mut room, len, seal).ok()?;
        let ip = self.datagram_header(parcel);
        A::emit(&ip, &mut room, len + parcel.front_len).ok()?;
        self.datagram_sent(parcel);
        let meta = TransmitMeta {
            checksum: summing.told::<A>(CHECKSUM_OFFSET),
            segment: 0,
        };
        Some(Sent {
            extent: extent.behind(parcel.headers()),
            ethertype: A::ETHERTYPE,
            meta,
        })
    }

    /// Writes the next part of a socket's first datagram, which is too long for the link. All parts
    /// are taken from where the client has put them; whoever changes them meanwhile has a wrong
    /// checksum, and nobody else any harm.
    fn udp_part<A: Family, M: ClientMemory>(
        &mut self,
        (index, turn): (u32, Turn),
        parcel: &Parcel<A>,
        draft: &mut Draft<'_>,
        memory: &M,
    ) -> Option<Sent> {
        let written = self.udp_write_part(index, parcel, draft, memory);
        let Some((extent, next)) = written else {
            return self.udp_done(index, &parcel.send, Some(SocketError::BadMemory));
        };
        self.stats.taken_out(extent);
        self.stats.count(Counter::FragmentsSent);
        match self.udp.sockets.at_mut(index) {
            Some(socket) if next.is_some() => socket.cutting = next,
            _ => {
                self.datagram_sent(parcel);
                self.udp_done(index, &parcel.send, None);
            }
        }
        self.end_turn(turn, Next::Later);
        let meta = TransmitMeta {
            checksum: TransmitChecksum::Complete,
            segment: 0,
        };
        Some(Sent {
            extent,
            ethertype: A::ETHERTYPE,
            meta,
        })
    }

    /// Writes it, from the network header on, and says how much has left by then; nothing when it was
    /// the last.
    fn udp_write_part<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        parcel: &Parcel<A>,
        draft: &mut Draft<'_>,
        memory: &M,
    ) -> Option<(Extent, Option<Cutting>)> {
        // As any datagram.
        let mut draft = Draft {
            buffer: &mut *draft.buffer,
            pieces: None,
        };
        let (length, front) = (parcel.len, parcel.front_len);
        let (source, destination) = (parcel.path.source, parcel.to);
        let cutting = self.udp.sockets.at(index)?.cutting;
        let Cutting {
            from,
            identification,
        } = cutting.unwrap_or_else(|| Cutting {
            from: 0,
            identification: self
                .identifications
                .next(source, destination, parcel.front.protocol()),
        });
        // The first part begins with the datagram's header.
        let skip = from.checked_sub(front).filter(|_| from > 0);
        let own = if skip.is_some() { 0 } else { front };
        let left = (length + front).checked_sub(from)?;
        let room = usize::from(parcel.path.mtu).checked_sub(A::PART_HEADER_LEN)?;
        let part = ip::stretch(left, room)?;
        let headers = ethernet::HEADER_LEN + A::PART_HEADER_LEN + own;
        let (front, mut payload) = Payload::behind(headers, &mut draft, false)?;
        let store = Store {
            inline: &self.inline,
            memory,
        };
        let (client, place) = (Some(parcel.client), parcel.send.source);
        let skip = u32::try_from(skip.unwrap_or(0)).ok()? + parcel.skipped;
        payload.add(&store, client, place, skip, part - own)?;
        let extent = payload.extent;
        if extent.len() != part - own {
            return None;
        }
        let mut room = Headroom::new(front);
        if own > 0 {
            let pseudo = parcel.pseudo();
            let all = (parcel.skipped, u32::try_from(length).ok()?);
            let payload = store.sum(client, place, all)?;
            let seal = Seal::Full { pseudo, payload };
            parcel.front.emit(&mut room, length, seal).ok()?;
        }
        let more = part < left;
        let header = self.datagram_header(parcel);
        A::emit_part(&header, &mut room, (from, more, identification), part)?;
        let next = Cutting {
            from: from + part,
            identification,
        };
        let next = more.then_some(next);
        Some((extent.behind(A::PART_HEADER_LEN + own), next))
    }

    /// The network header of a datagram.
    fn datagram_header<A: Family>(&mut self, parcel: &Parcel<A>) -> A::Header {
        let chosen = (parcel.ttl, parcel.dscp, Ecn::NotCapable);
        let carried = (parcel.front.protocol(), parcel.front.ports());
        self.marked_header(&parcel.path, parcel.to, carried, chosen)
    }

    /// Copies a datagram into a packet buffer, to wait for its neighbour.
    fn udp_park<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        parcel: &Parcel<A>,
        neighbour: u32,
        memory: &M,
    ) {
        let waiting = self.queue_to_wait::<A>(neighbour);
        if self.udp_copy((waiting, Owner::Datagram(index)), parcel, memory) {
            self.datagram_sent(parcel);
        }
    }

    /// Copies a datagram into a packet buffer, at the end of a queue.
    fn udp_copy<A: Family, M: ClientMemory>(
        &mut self,
        (queue, owner): (u32, Owner),
        parcel: &Parcel<A>,
        memory: &M,
    ) -> bool {
        let len = parcel.len;
        let ip = self.datagram_header(parcel);
        let next_hop = parcel.path.next_hop;
        let store = Store {
            inline: &self.inline,
            memory,
        };
        let headers = parcel.headers();
        let packets = &mut self.nets.of_mut::<A>().packets;
        let queued = packets.push(queue, len + headers, next_hop, owner, |bytes| {
            let (front, payload) = bytes.split_at_mut_checked(headers)?;
            let (client, source) = (Some(parcel.client), parcel.send.source);
            let sum = store.copy(client, source, parcel.skipped, payload, true)?;
            let seal = Seal::Full {
                pseudo: parcel.pseudo(),
                payload: sum,
            };
            let mut room = Headroom::new(front);
            parcel.front.emit(&mut room, len, seal).ok()?;
            A::emit(&ip, &mut room, len + parcel.front_len).ok()
        });
        if queued.is_some() {
            self.stats.count(Counter::PacketsBuffered);
        } else {
            self.stats.drop_sent(Drop::NoBuffer);
        }
        queued.is_some()
    }

    /// The socket's first send is over: with an error, or as well as datagrams can be.
    /// (Gives nothing, for who has sent nothing and is to be asked again.)
    #[inline]
    pub(crate) fn udp_done(
        &mut self,
        index: u32,
        send: &Send,
        error: Option<SocketError>,
    ) -> Option<Sent> {
        let socket = self.udp.sockets.at_mut(index)?;
        let client = socket.client;
        socket.cutting = None;
        if let To::Peer(Peer::V6(_)) = send.to {
            self.udp.peers.pop(&mut socket.destinations);
        }
        let is_unanswered = error.is_none() && send.token.is_unanswered();
        let is_closing = socket.closing.is_some();
        match error {
            None if is_unanswered => self.requests.discard(&mut socket.sends),
            None => self
                .requests
                .spend_first(&mut socket.sends, &mut socket.done),
            Some(error) => {
                let failed = |request: Request| request.failed(error);
                self.requests
                    .move_first(&mut socket.sends, &mut socket.notices, failed);
            }
        }
        self.release(send.source);
        if !is_unanswered || is_closing {
            self.tell(client, Actor::Datagram(index));
        }
        None
    }
}
