//! A far end that is only frames: any number of peers that open connections and send small segments.
//!
//! *Owns* what it must know of each: the number that the server began with. Nothing of it is a stack.

use std::net::Ipv4Addr;

use stack::{Config, Range, SocketId};
use wire::{Protocol, Pseudo, Sum};

use crate::burst::Burst;
use crate::ours::{Host, address, mac};
use crate::wire_setup::WireSetup;

const PORT: u16 = 80;
/// The numbers that all peers begin with.
const START: u32 = 1_000;
/// Bytes of the room that every connection has waiting, all at the same place.
pub const ROOM: u32 = 4_096;
/// Handshakes that are under way at the same time.
const BATCH: usize = 256;
const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20 + 20;
const SYN: u8 = 2;
const ACK: u8 = 16;
const PUSH: u8 = 8;

/// A server and its peers.
pub struct Crowd {
    /// The server.
    pub server: Host,
    burst: Burst,
    /// What the server numbers its first byte to each peer, less one.
    starts: Vec<u32>,
    /// Bytes sent by each peer.
    sent: Vec<u32>,
    listener: SocketId,
    frame: Vec<u8>,
}

/// Tables for so many connections, and small ones for everything else.
fn tables(connections: u32) -> Config {
    Config {
        clients: 4,
        sockets: connections + 16,
        sockets_per_client: connections + 16,
        connections: connections + 16,
        time_waits: 1_024,
        half_open: 1_024,
        requests: connections + 2_048,
        requests_per_socket: 1_024,
        requests_per_client: connections + 2_048,
        inline_payloads: 64,
        packets: 1_024,
        neighbours: 64,
        ..Config::default()
    }
}

impl Crowd {
    /// Bytes that the far end keeps of each connection.
    pub const KEPT: f64 = 8.0;

    /// A server for `limit` connections, without any.
    pub fn new(limit: u32) -> Self {
        let setup = WireSetup::PLAIN;
        let mut server = Host::new(2, setup, tables(limit), 1 << 16);
        // All peers are behind one router.
        let link = server.link();
        let (all, router) = (Ipv4Addr::UNSPECIFIED.into(), address(1).into());
        server
            .stack
            .add_route(link, all, 0, Some(router), 1)
            .expect("room for a route");
        let listener = server.listen(PORT, 1_024);
        Self {
            server,
            burst: Burst::new(BATCH, setup.stride()),
            starts: Vec::with_capacity(limit as usize),
            sent: Vec::with_capacity(limit as usize),
            listener,
            frame: vec![0; setup.stride()],
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Opens connections until there are `count`. Each has a room waiting, and is idle.
    pub fn grow(&mut self, count: usize) {
        while self.len() < count {
            let from = self.len();
            let to = count.min(from + BATCH);
            for peer in from..to {
                self.send(peer, SYN, (START, 0), &[]);
                self.server.accept(self.listener, Some(Range::new(0, ROOM)));
            }
            self.server.send(&mut self.burst);
            assert_eq!(self.burst.count(), to - from, "an answer for each SYN");
            for _ in from..to {
                let answer = self.burst.take().expect("counted");
                let number = &answer[ETHERNET + 24..ETHERNET + 28];
                let number = number.try_into().expect("four bytes");
                self.starts.push(u32::from_be_bytes(number));
                self.sent.push(0);
            }
            self.burst.clear();
            for peer in from..to {
                let next = (START + 1, self.starts[peer].wrapping_add(1));
                self.send(peer, ACK, next, &[]);
            }
            self.server.publish();
            assert_eq!(
                self.server.events.len(),
                to - from,
                "one event for each accept"
            );
            self.settle();
        }
    }

    /// Takes what the server has to send.
    pub fn settle(&mut self) {
        loop {
            self.server.send(&mut self.burst);
            if self.burst.count() == 0 {
                break;
            }
            self.burst.clear();
        }
        self.server.now = self.server.now + std::time::Duration::from_micros(100);
        self.server.fire();
    }

    /// The next segment of a peer, with so many bytes in it.
    pub fn segment(&mut self, peer: usize, payload: &[u8]) -> Vec<u8> {
        let sent = &mut self.sent[peer];
        let numbers = (
            START.wrapping_add(1).wrapping_add(*sent),
            self.starts[peer].wrapping_add(1),
        );
        *sent = sent.wrapping_add(u32::try_from(payload.len()).expect("short"));
        let len = write(&mut self.frame, peer, ACK | PUSH, numbers, payload);
        self.frame[..len].to_vec()
    }

    fn send(&mut self, peer: usize, flags: u8, numbers: (u32, u32), payload: &[u8]) {
        let len = write(&mut self.frame, peer, flags, numbers, payload);
        self.server.input(&self.frame[..len]);
    }
}

/// The address and port of a peer: 32,768 ports each.
fn end(peer: usize) -> (Ipv4Addr, u16) {
    let peer = u32::try_from(peer).expect("fewer than that");
    let host = Ipv4Addr::from_bits(u32::from_be_bytes([203, 0, 0, 1]) + (peer >> 15));
    let port = u16::try_from(peer & 0x7fff).expect("15 bits") + 10_000;
    (host, port)
}

/// Writes a frame from a peer to the server; its length.
fn write(
    frame: &mut [u8],
    peer: usize,
    flags: u8,
    (number, acknowledged): (u32, u32),
    payload: &[u8],
) -> usize {
    let (host, port) = end(peer);
    let server = address(2);
    let len = HEADERS + payload.len();
    frame[..6].copy_from_slice(&mac(2).0);
    frame[6..12].copy_from_slice(&mac(1).0);
    frame[12..14].copy_from_slice(&[8, 0]);
    let total = u16::try_from(len - ETHERNET).expect("short");
    let ip = &mut frame[ETHERNET..ETHERNET + 20];
    ip.copy_from_slice(&[
        0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    ip[2..4].copy_from_slice(&total.to_be_bytes());
    ip[12..16].copy_from_slice(&host.octets());
    ip[16..20].copy_from_slice(&server.octets());
    let sum = wire::sum(ip).finish();
    ip[10..12].copy_from_slice(&sum);
    let segment = &mut frame[ETHERNET + 20..len];
    segment[..2].copy_from_slice(&port.to_be_bytes());
    segment[2..4].copy_from_slice(&PORT.to_be_bytes());
    segment[4..8].copy_from_slice(&number.to_be_bytes());
    segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
    segment[12..14].copy_from_slice(&[0x50, flags]);
    segment[14..16].copy_from_slice(&0xffff_u16.to_be_bytes());
    segment[16..20].fill(0);
    segment[20..].copy_from_slice(payload);
    let length = u32::try_from(segment.len()).expect("short");
    let sum: Sum = Pseudo::v4(host, server).with(Protocol::TCP, length);
    let sum = sum.plus(wire::sum(segment)).finish();
    segment[16..18].copy_from_slice(&sum);
    len
}

#[cfg(test)]
mod tests {
    use super::{BATCH, Crowd};
    use stack::EventKind;

    #[test]
    fn sixty_five_thousand_connections_each_hear_their_peer() {
        const COUNT: usize = 65_536;
        let mut crowd = Crowd::new(65_536);
        crowd.grow(COUNT);
        assert_eq!(crowd.server.stack.totals().connections, 65_536);
        for peer in 0..COUNT {
            let message = peer.to_le_bytes();
            let frame = crowd.segment(peer, &message);
            let server = &mut crowd.server;
            server.input(&frame);
            server.publish();
            let [event] = server.events[..] else {
                panic!("{peer}: {:?}", server.events);
            };
            let EventKind::Received { offset, length, .. } = event.kind else {
                panic!("{peer}: {event:?}");
            };
            let bytes = server.memory.part(offset, message.len());
            assert_eq!((length, bytes), (8, Ok(&message[..])));
            if peer % BATCH == 0 {
                crowd.settle();
            }
        }
        let totals = crowd.server.stack.totals();
        assert_eq!(totals.received.packets, totals.delivered + totals.dropped);
    }
}
