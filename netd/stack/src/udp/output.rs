//! Datagrams that go out: one copy, from the client's arena into the frame.
//!
//! A datagram whose neighbour is unknown is copied into a packet buffer and waits there, so that one
//! silent neighbour does not hold up the socket's other datagrams.

use crate::actors::Actor;
use crate::config::{TransmitChecksum, TransmitMeta};
use crate::error::SocketError;
use crate::id::{ClientId, InterfaceId};
use crate::ip::out::Path;
use crate::memory::ClientMemory;
use crate::neigh::cache::Found;
use crate::packets::Owner;
use crate::requests::{Request, Send};
use crate::sender::{Sent, Step};
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::SocketAddrV4;
use wire::{Drop, Headroom, MacAddress, Protocol, Pseudo, Seal, ethernet, ipv4, udp};

/// Bytes of headers in front of a datagram's payload, Ethernet's included.
const HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + udp::HEADER_LEN;

/// Where the checksum lies in the header.
const CHECKSUM_OFFSET: u16 = 6;

impl Stack {
    /// Writes a socket's next datagram.
    pub(crate) fn udp_output<M: ClientMemory>(
        &mut self,
        index: u32,
        id: InterfaceId,
        frame: &mut [u8],
        memory: &mut M,
        now: Instant,
    ) -> Step {
        let Some(socket) = self.udp.sockets.at(index) else {
            return Step::Idle;
        };
        let Some(Request::Send(send)) = self.requests.first(&socket.sends) else {
            return Step::Idle;
        };
        let (send, client, local, ttl) = (*send, socket.client, socket.local, socket.options.ttl);
        let (Some(to), Some(local)) = (send.to, local) else {
            return self.udp_done(index, None);
        };
        let Some(path) = self.udp_path(Some(local), to) else {
            return self.udp_done(index, Some(SocketError::NetworkUnreachable));
        };
        if path.interface != id {
            return Step::Elsewhere(path.interface);
        }
        let from = SocketAddrV4::new(path.source, local.port());
        let mac = if id == InterfaceId::LOOPBACK {
            MacAddress::ZERO
        } else {
            match self.link_address(id, path.next_hop, now) {
                Found::Known(mac) => mac,
                Found::Wait(neighbour) => {
                    self.udp_park(
                        index, client, &send, &path, neighbour, from, to, ttl, memory, now,
                    );
                    return self.udp_done(index, None);
                }
                Found::Unreachable => {
                    return self.udp_done(index, Some(SocketError::HostUnreachable));
                }
            }
        };
        let written = self.udp_write(client, &send, &path, from, to, ttl, frame, memory);
        let step = self.udp_done(index, written.is_none().then_some(SocketError::BadMemory));
        match written {
            Some((len, meta)) => Step::Sent(Sent { len, mac, meta }),
            None => step,
        }
    }

    /// Writes a datagram into a frame, from the network header on; its length from there.
    #[expect(clippy::too_many_arguments, reason = "a datagram has this many parts")]
    fn udp_write<M: ClientMemory>(
        &mut self,
        client: ClientId,
        send: &Send,
        path: &Path,
        from: SocketAddrV4,
        to: SocketAddrV4,
        ttl: u8,
        frame: &mut [u8],
        memory: &M,
    ) -> Option<(usize, TransmitMeta)> {
        let len = usize::try_from(send.length).ok()?;
        let (front, rest) = frame.split_at_mut_checked(HEADERS)?;
        let payload = rest.get_mut(..len)?;
        let pseudo = Pseudo::v4(*from.ip(), *to.ip());
        let (offloaded, device) = self.seal_for(path, pseudo);
        let seal = match offloaded {
            Some(seal) => {
                crate::sender::copy_only(
                    &self.inline,
                    Some(client),
                    send.source,
                    0,
                    payload,
                    memory,
                )?;
                seal
            }
            None => {
                let source = send.source;
                let sum =
                    crate::sender::copy(&self.inline, Some(client), source, 0, payload, memory)?;
                Seal::Full {
                    pseudo,
                    payload: sum,
                }
            }
        };
        self.stats.count(Counter::CopiesOut);
        self.stats.add(Counter::BytesCopiedOut, send.length.into());
        let meta = match device {
            None => TransmitChecksum::Complete,
            Some(start) => TransmitChecksum::Partial {
                start,
                offset: CHECKSUM_OFFSET,
            },
        };
        let mut room = Headroom::new(front);
        let header = udp::Header {
            src_port: from.port(),
            dst_port: to.port(),
        };
        header.emit(&mut room, len, seal).ok()?;
        let header = Self::header(path, *to.ip(), Protocol::UDP, ttl);
        header.emit(&mut room, len + udp::HEADER_LEN).ok()?;
        self.stats.count(Counter::UdpSent);
        Some((
            len + udp::HEADER_LEN + ipv4::HEADER_LEN,
            TransmitMeta { checksum: meta },
        ))
    }

    /// Copies a datagram into a packet buffer, to wait for its neighbour.
    #[expect(clippy::too_many_arguments, reason = "a datagram has this many parts")]
    fn udp_park<M: ClientMemory>(
        &mut self,
        index: u32,
        client: ClientId,
        send: &Send,
        path: &Path,
        neighbour: u32,
        from: SocketAddrV4,
        to: SocketAddrV4,
        ttl: u8,
        memory: &M,
        now: Instant,
    ) {
        let Ok(len) = usize::try_from(send.length) else {
            return;
        };
        let header = Self::header(path, *to.ip(), Protocol::UDP, ttl);
        let pseudo = Pseudo::v4(*from.ip(), *to.ip());
        let total = len + udp::HEADER_LEN + ipv4::HEADER_LEN;
        let waiting = self.waiting_queue(neighbour);
        if self.packets.len(waiting) >= usize::from(self.config.packets_per_neighbour) {
            self.stats.drop_sent(Drop::NeighbourQueueFull);
            if let Some(owner) = self.packets.discard_first(waiting) {
                self.packet_failed(owner, SocketError::HostUnreachable, now);
            }
        }
        let inline = &self.inline;
        let owner = Owner::Datagram(index);
        let queued = self
            .packets
            .push(waiting, total, path.next_hop, owner, |bytes| {
                let (front, payload) =
                    bytes.split_at_mut_checked(ipv4::HEADER_LEN + udp::HEADER_LEN)?;
                let sum =
                    crate::sender::copy(inline, Some(client), send.source, 0, payload, memory)?;
                let mut room = Headroom::new(front);
                let seal = Seal::Full {
                    pseudo,
                    payload: sum,
                };
                udp::Header {
                    src_port: from.port(),
                    dst_port: to.port(),
                }
                .emit(&mut room, len, seal)
                .ok()?;
                header.emit(&mut room, len + udp::HEADER_LEN).ok()
            });
        if queued.is_some() {
            self.stats.count(Counter::UdpSent);
            self.stats.count(Counter::PacketsBuffered);
        } else {
            self.stats.drop_sent(Drop::NoBuffer);
        }
    }

    /// The socket's first send is over: with an error, or as well as datagrams can be.
    fn udp_done(&mut self, index: u32, error: Option<SocketError>) -> Step {
        let Some(socket) = self.udp.sockets.at_mut(index) else {
            return Step::Idle;
        };
        let client = socket.client;
        if let Some(Request::Send(send)) = self.requests.first(&socket.sends).copied() {
            match error {
                None => {
                    self.requests
                        .move_first(&mut socket.sends, &mut socket.done, Request::spent)
                }
                Some(error) => {
                    let failed = |request: Request| request.failed(error);
                    self.requests
                        .move_first(&mut socket.sends, &mut socket.notices, failed)
                }
            };
            self.release(send.source);
        }
        self.tell(client, Actor::Datagram(index));
        Step::Again
    }
}
