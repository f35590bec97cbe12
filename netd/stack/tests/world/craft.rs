//! A peer made by hand: segments and ICMP errors as frames, and frames read back.

use super::{World, at, mac};
use stack::MacAddress;
use std::net::{SocketAddr, SocketAddrV4};
use wire::ethernet::{self, EtherType};
use wire::tcp::{Flags, Header, Options, Segment};
use wire::{Check, Headroom, Protocol, Pseudo, Seal, checksum, icmp4, ipv4};

/// One end of a conversation with a host, and that host's end.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub own: SocketAddrV4,
    pub host: SocketAddrV4,
    /// The link address it sends from and the host's.
    pub macs: (MacAddress, MacAddress),
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(address) => panic!("{address}"),
    }
}

/// A plain segment.
pub fn plain(flags: Flags, seq: u32, ack: u32) -> Header {
    Header {
        src_port: 0,
        dst_port: 0,
        seq,
        ack,
        flags,
        window: 50_000,
        urgent: 0,
        options: Options::NONE,
    }
}

/// A router on the way, which tells host 1 what became of a packet.
pub fn router() -> Peer {
    Peer::neighbour(77, 0, 1, 0)
}

impl Peer {
    /// A neighbour of host `host`, which listens on `port`.
    pub fn neighbour(last: u8, own_port: u16, host: u8, port: u16) -> Self {
        Self {
            own: v4(at(last, own_port)),
            host: v4(at(host, port)),
            macs: (mac(last), mac(host)),
        }
    }

    /// Somebody behind host `host`'s gateway.
    pub fn far(own: SocketAddrV4, host: u8, port: u16) -> Self {
        Self {
            own,
            host: v4(at(host, port)),
            macs: (mac(254), mac(host)),
        }
    }

    /// The frame of a packet of any protocol.
    pub fn packet(&self, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 34];
        let mut room = Headroom::new(&mut bytes);
        ipv4::Header::atomic(*self.own.ip(), *self.host.ip(), protocol, 64)
            .emit(&mut room, payload.len())
            .expect("room");
        ethernet::Header {
            destination: self.macs.1,
            source: self.macs.0,
            ethertype: EtherType::IPV4,
        }
        .emit(&mut room)
        .expect("room");
        bytes.extend_from_slice(payload);
        bytes
    }

    /// The frame of a segment; its ports are filled in.
    pub fn frame(&self, mut header: Header, payload: &[u8]) -> Vec<u8> {
        header.src_port = self.own.port();
        header.dst_port = self.host.port();
        let mut bytes = vec![0; header.header_len()];
        let seal = Seal::Full {
            pseudo: Pseudo::v4(*self.own.ip(), *self.host.ip()),
            payload: checksum::sum(payload),
        };
        header
            .emit(&mut Headroom::new(&mut bytes), payload.len(), seal)
            .expect("room");
        bytes.extend_from_slice(payload);
        self.packet(Protocol::TCP, &bytes)
    }

    /// The frame of an ICMP message from this peer's address, about a frame of the host's.
    pub fn error(&self, message: icmp4::Header, about: &[u8]) -> Vec<u8> {
        self.packet(Protocol::ICMP, &icmp(message, about))
    }
}

/// An ICMP message about a frame: it quotes the headers.
pub fn icmp(message: icmp4::Header, about: &[u8]) -> Vec<u8> {
    let body = &about[14..about.len().min(14 + 20 + 28)];
    let mut bytes = vec![0; icmp4::HEADER_LEN];
    message
        .emit(&mut Headroom::new(&mut bytes), checksum::sum(body))
        .expect("room");
    bytes.extend_from_slice(body);
    bytes
}

/// A segment, and where it is from and goes.
#[derive(Clone, Debug)]
pub struct Seen {
    pub ip: ipv4::Header,
    pub header: Header,
    pub payload: Vec<u8>,
}

/// Reads a frame that carries a segment.
pub fn seen(frame: &[u8]) -> Option<Seen> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    if frame.header.ethertype != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    if packet.header.protocol != Protocol::TCP {
        return None;
    }
    let pseudo = Pseudo::v4(packet.header.source, packet.header.destination);
    let segment = Segment::parse(packet.payload, Check::Verify(pseudo)).expect("a sound segment");
    Some(Seen {
        ip: packet.header,
        header: segment.header,
        payload: segment.payload.to_vec(),
    })
}

/// The segments among frames.
pub fn segments(frames: &[Vec<u8>]) -> Vec<Seen> {
    frames.iter().filter_map(|frame| seen(frame)).collect()
}

/// All segments in the log.
pub fn logged(world: &World) -> Vec<Seen> {
    let frames = world.log.iter();
    frames.filter_map(|(_, frame)| seen(frame)).collect()
}

/// The last frame that host 1 has sent with this flag.
pub fn last_of(world: &World, flag: Flags) -> Vec<u8> {
    let has = |frame: &[u8]| seen(frame).is_some_and(|seen| seen.header.flags.contains(flag));
    let mut frames = world.log.iter().rev();
    let found = frames.find(|(sender, frame)| *sender == 0 && has(frame));
    found.expect("sent").1.clone()
}

/// The segments of one side since the log was last looked at.
pub fn sent(world: &mut World, side: usize) -> Vec<Seen> {
    segments(&world.sent(side))
}
