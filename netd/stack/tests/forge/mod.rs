//! Frames made by hand, read by hand, and a connection for them to be about.
#![allow(dead_code, reason = "every test file uses another part")]

use crate::world::{World, at, ip, mac};
use stack::{EventKind, Range, Token};
use std::net::Ipv4Addr;
use wire::icmp4::Header as Icmp;
use wire::tcp::{Flags, Header, Options, Segment};
use wire::{Check, EtherType, Headroom, MacAddress, Protocol, Pseudo, Seal, ethernet, ipv4, sum};

/// An Ethernet frame with an IPv4 packet, from host 9.
pub fn frame(
    to: MacAddress,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: Protocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes.extend_from_slice(payload);
    let mut room = Headroom::new(&mut bytes[..64]);
    ipv4::Header::atomic(source, destination, protocol, 64)
        .emit(&mut room, payload.len())
        .expect("room");
    ethernet::Header {
        destination: to,
        source: mac(9),
        ethertype: EtherType::IPV4,
    }
    .emit(&mut room)
    .expect("room");
    let left = room.left();
    bytes.split_off(left)
}

/// A SYN to port 80.
pub fn syn(source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    let mut room = Headroom::new(&mut bytes);
    let header = Header {
        src_port: 1_234,
        dst_port: 80,
        seq: 7,
        ack: 0,
        flags: Flags::SYN,
        window: 1_000,
        urgent: 0,
        options: Options::NONE,
    };
    let seal = Seal::Full {
        pseudo: Pseudo::v4(source, destination),
        payload: sum(&[]),
    };
    header.emit(&mut room, 0, seal).expect("room");
    let left = room.left();
    bytes.split_off(left)
}

/// An ICMP error about the packet in a frame.
pub fn error(says: &Icmp, about: &[u8]) -> Vec<u8> {
    let quoted = &about[14..14 + 28];
    let mut bytes = vec![0; 64];
    bytes.extend_from_slice(quoted);
    let mut room = Headroom::new(&mut bytes[..64]);
    says.emit(&mut room, sum(quoted)).expect("room");
    let left = room.left();
    bytes.split_off(left)
}

/// Everything TCP in frames: source, destination, header.
pub fn segments(frames: &[Vec<u8>]) -> Vec<(Ipv4Addr, Ipv4Addr, Header, u8)> {
    frames
        .iter()
        .filter_map(|frame| {
            let packet = ipv4::Packet::parse(&frame[14..]).ok()?;
            let header = packet.header;
            (header.protocol == Protocol::TCP).then_some(())?;
            let pseudo = Pseudo::v4(header.source, header.destination);
            let segment = Segment::parse(packet.payload, Check::Verify(pseudo)).expect("sound");
            Some((
                header.source,
                header.destination,
                segment.header,
                header.ttl,
            ))
        })
        .collect()
}

/// A socket of a client of host 1 that is connected to a client of host 2.
pub struct Joined {
    pub world: World,
    pub client: stack::ClientId,
    pub socket: stack::SocketId,
    pub server: stack::ClientId,
    pub listener: stack::SocketId,
}

pub fn joined() -> Joined {
    let mut world = World::new();
    let server = world.b.client();
    let listener = world.b.listen(server, 80, 8);
    let room = Some(Range::new(0, 10_000));
    world
        .b
        .stack
        .accept(server, listener, room, Token(10), world.now)
        .expect("accept");
    let client = world.a.client();
    let socket = world.a.stream(client);
    world
        .a
        .stack
        .connect(client, socket, at(2, 80), Token(1), world.now)
        .expect("connect");
    world.settle();
    assert!(matches!(world.a.take(1)[..], [EventKind::Connected { .. }]));
    Joined {
        world,
        client,
        socket,
        server,
        listener,
    }
}

pub fn all_frames(world: &World) -> Vec<Vec<u8>> {
    world.log.iter().map(|(_, frame)| frame.clone()).collect()
}

/// The last frame that host 1 has sent with this flag.
pub fn last_of(world: &World, flag: Flags) -> Vec<u8> {
    let own = |frame: &Vec<u8>| {
        segments(std::slice::from_ref(frame))
            .iter()
            .any(|(source, _, header, _)| *source == ip(1) && header.flags.contains(flag))
    };
    let found = world.log.iter().rev().find(|(_, frame)| own(frame));
    found.expect("sent").1.clone()
}
