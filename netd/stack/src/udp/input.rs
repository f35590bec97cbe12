//! Datagrams that come in: found a socket, copied once into its client's room.
//!
//! Spec: RFC 768; RFC 1122 4.1.3.

use crate::actors::Actor;
use crate::error::SocketError;
use crate::family::Family;
use crate::icmp::input::Verdict;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::memory::ClientMemory;
use crate::requests::{Arrival, Request};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::details::Report;
use crate::udp::socket::Holder;
use ::tcp::Instant;
use wire::udp;
use wire::{Check, Drop};

/// Datagrams begin at multiples of this many bytes in a room.
const ALIGNMENT: u32 = 8;

impl Stack {
    /// Takes in a datagram.
    pub(crate) fn udp_input<A: Family, M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, A>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let check: Check = incoming.check();
        let datagram = udp::Datagram::parse(incoming.payload, check, A::NO_CHECKSUM)?;
        if incoming.scope != Scope::Own {
            return self.udp_input_for_many(incoming, &datagram, memory, now);
        }
        let to = incoming.destination();
        match self.udp.ports.of().find(to, datagram.header.dst_port) {
            Some(Holder::Socket(index)) => self.udp_deliver(index, incoming, &datagram, memory),
            Some(Holder::Query(query)) => {
                let from = (incoming.source(), datagram.header.src_port);
                let interface = self.interfaces.get(incoming.interface.index());
                let is_beside = interface.is_some_and(|it| from.0.is_beside(it));
                let from = (from.0.end(from.1), is_beside);
                self.dns_input(query, from, datagram.payload, now)
            }
            None if self.is_for_responder(incoming, &datagram) => {
                self.responder_input(incoming, &datagram, now)
            }
            None => {
                // RFC 1122 4.1.3.1, RFC 4443 3.1: port unreachable.
                A::refuse_port(self, incoming, now);
                Err(Drop::UdpNoSocket)
            }
        }
    }

    /// Copies a datagram into its socket's room.
    #[inline]
    pub(crate) fn udp_deliver<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        incoming: &Incoming<'_, A>,
        datagram: &udp::Datagram<'_>,
        memory: &mut M,
    ) -> Result<(), Drop> {
        let socket = self.udp.sockets.at_mut(index).ok_or(Drop::UdpNoSocket)?;
        let ports = (datagram.header.src_port, datagram.header.dst_port);
        let from = (incoming.source(), ports.0);
        // A connected socket hears its peer only. (The peer's broadcast is not its answer.)
        if A::side(socket).remote.is_some_and(|remote| remote != from) {
            return Err(Drop::UdpNoSocket);
        }
        debug_assert!(incoming.scope != Scope::Other, "not for us");
        if socket.trace.is_some() {
            return self.deliver_detailed(index, incoming, ports, datagram.payload, memory);
        }
        let from = (from.0.heard_on(incoming.interface), from.1);
        self.put_arrival(index, from, [datagram.payload], memory)?;
        self.stats.count(Counter::UdpReceived);
        Ok(())
    }

    /// Copies what has come into its socket's room, one part behind the other.
    #[inline(always)]
    pub(crate) fn put_arrival<A: Family, M: ClientMemory, const N: usize>(
        &mut self,
        index: u32,
        from: (A, u16),
        parts: [&[u8]; N],
        memory: &mut M,
    ) -> Result<(), Drop> {
        let socket = self.udp.sockets.at_mut(index).ok_or(Drop::UdpNoSocket)?;
        let owner = self.clients.index(socket.client);
        let limit = u32::from(self.config.requests_per_socket);
        if self.requests.len(&socket.arrivals) >= limit {
            return Err(Drop::UdpQueueFull);
        }
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        // What is longer than any datagram does not fit a request.
        let length = u16::try_from(length).map_err(|_| Drop::UdpLength)?;
        let length = u32::from(length);
        // At most one room is done with for each datagram: the next one is fresh.
        for _ in 0..2 {
            let Some(room) = self.requests.first_room(&socket.rooms) else {
                break;
            };
            let (token, offset) = (
                room.token,
                room.range.offset.saturating_add(room.used.into()),
            );
            if length > room.range.length.saturating_sub(room.used) {
                // Too small for what was never used: this datagram is lost, the room stays.
                if room.used == 0 {
                    break;
                }
                let done = Arrival {
                    token,
                    offset,
                    length: 0,
                    from: None,
                    more: false,
                };
                self.requests
                    .move_first(&mut socket.rooms, &mut socket.arrivals, |_| {
                        Request::Arrival(done)
                    });
                let client = self.clients.index(socket.client);
                self.dirty
                    .push_if_free(client, self.numbering.number(Actor::Datagram(index)));
                self.dirty_clients.mark(client);
                continue;
            }
            let used = room.used.saturating_add(length).next_multiple_of(ALIGNMENT);
            let more = used < room.range.length;
            let (peer, address) = from.0.peer(from.1);
            let arrival = Arrival {
                token,
                offset,
                length,
                from: Some(peer),
                more,
            };
            // What lies behind `used` is not the client's to look at yet: it may be written first.
            let mut place = offset;
            for part in parts {
                memory
                    .write(socket.client, place, part)
                    .map_err(|_| Drop::ClientMemoryGone)?;
                place = place.saturating_add(part.len() as u64);
            }
            if address.is_some() && !self.udp.peers.has_place(owner) {
                return Err(Drop::UdpQueueFull);
            }
            let pushed = self.requests.push(&mut socket.arrivals, owner, arrival);
            pushed.map_err(|_| Drop::UdpQueueFull)?;
            if let Some(address) = address {
                let pushed = self.udp.peers.push(&mut socket.sources, owner, address);
                debug_assert!(pushed.is_ok(), "there was a place");
            }
            if more {
                self.requests.use_first_room(&socket.rooms, used);
            } else {
                self.requests.discard(&mut socket.rooms);
            }
            let client = socket.client;
            self.stats.count(Counter::CopiesIn);
            self.stats.add(Counter::BytesCopiedIn, length.into());
            self.tell(client, Actor::Datagram(index));
            return Ok(());
        }
        Err(Drop::UdpQueueFull)
    }

    /// A datagram could not be sent, or the socket's address is gone: its client is told.
    pub(crate) fn udp_failed(&mut self, index: u32, error: SocketError) {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return;
        };
        socket.error = Some(error);
        let client = socket.client;
        self.tell(client, Actor::Datagram(index));
    }

    /// An error about a datagram of ours between these ports came: the socket is told if it is
    /// connected to that peer, or has sent it such a datagram and wants details.
    pub(crate) fn udp_error<A: Family, M: ClientMemory>(
        &mut self,
        report: &Report<'_, A>,
        ports: Option<(u16, u16)>,
        verdict: Verdict,
        memory: &mut M,
        now: Instant,
    ) -> bool {
        let (local, remote) = report.ends;
        let Some((local_port, remote_port)) = ports else {
            return false;
        };
        match self.udp.ports.of().find(local, local_port) {
            Some(Holder::Socket(index)) => {
                let Some(socket) = self.udp.sockets.at_mut(index) else {
                    return false;
                };
                if socket.trace.is_some() {
                    let place = (remote_port, udp::HEADER_LEN);
                    return self.report_detailed(index, report, place, memory);
                }
                // What only had to be in smaller parts will be.
                if verdict.mtu.is_some() && !socket.options.dont_fragment {
                    return false;
                }
                // RFC 1122 4.1.3.3; an unconnected socket could not tell which datagram it was.
                if A::side(socket).remote != Some((remote, remote_port)) {
                    return false;
                }
                socket.error = Some(verdict.error);
                let client = socket.client;
                self.tell(client, Actor::Datagram(index));
                true
            }
            Some(Holder::Query(query)) => self.dns_error(query, verdict.hard, now),
            None => false,
        }
    }
}
