//! Tagged frames: links that share a card.

use crate::world::craft::{Peer, plain};
use crate::world::{Host, config, facts, ip, mac, plan};
use stack::{
    AddressPlan, Data, Drop, Instant, InterfaceError, InterfaceId, LinkFacts, Range, ReceiveMeta,
    StaticPlan, Token, TransmitChecksum, TransmitMeta,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;
use wire::ethernet::EtherType;
use wire::tcp::{Flags, Segment};
use wire::{Check, Headroom, Protocol, Pseudo, Sum, icmp4, ipv4};

/// A card, and a VLAN on it, in different networks.
struct Shared {
    host: Host,
    vlan: InterfaceId,
    now: Instant,
}

const NUMBER: u16 = 42;
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 42, 1);
const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 42, 2);

/// `checksum_transmit` as the card has it.
fn shared(checksum_transmit: bool) -> Shared {
    let now = Instant::ZERO;
    let facts = LinkFacts {
        checksum_transmit,
        ..facts(1)
    };
    let mut host = Host::with_link(1, facts, config(), AddressPlan::Static(plan(1)));
    host.stack.offload_segments(host.link, u32::MAX);
    let tagged = StaticPlan {
        address: OWN,
        gateway: None,
        ..plan(1)
    };
    let tagged = AddressPlan::Static(tagged);
    let vlan = host.stack.add_vlan(host.link, NUMBER, tagged, now);
    let vlan = vlan.expect("a link");
    let mut shared = Shared { host, vlan, now };
    for _ in 0..50 {
        shared.now = shared.now + Duration::from_millis(100);
        let Host { stack, memory, .. } = &mut shared.host;
        stack.fire(memory, shared.now);
        shared.sent();
    }
    shared
}

/// The frame with a tag.
fn tagged(frame: &[u8], control: u16) -> Vec<u8> {
    let [high, low] = control.to_be_bytes();
    let tag = [0x81, 0, high, low];
    [&frame[..12], &tag, &frame[12..]].concat()
}

/// The frame without its tag, which it must have.
fn untagged(frame: &[u8]) -> Vec<u8> {
    assert_eq!(frame[12..16], [0x81, 0, 0, 42], "{frame:x?}");
    [&frame[..12], &frame[16..]].concat()
}

impl Shared {
    fn input(&mut self, frame: &[u8]) {
        self.host.input(frame, self.now);
    }

    /// What leaves by the card, and by the VLAN.
    fn sent(&mut self) -> [Vec<(Vec<u8>, TransmitMeta)>; 2] {
        let mut frame = vec![0; 70_000];
        let Host {
            stack,
            memory,
            link,
            ..
        } = &mut self.host;
        [*link, self.vlan].map(|link| {
            let mut frames = Vec::new();
            while let Some((len, meta)) = stack.output(link, &mut frame, memory, self.now) {
                frames.push((frame[..len].to_vec(), meta));
            }
            frames
        })
    }
}

/// An echo request from a neighbour on either link.
fn echo(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0; 8];
    let header = icmp4::Header::EchoRequest {
        identifier: 1,
        sequence: 1,
    };
    let room = &mut Headroom::new(&mut message);
    header.emit(room, Sum::ZERO).unwrap();
    let peer = Peer {
        own: SocketAddrV4::new(from, 0),
        host: SocketAddrV4::new(to, 0),
        macs: (mac(9), mac(1)),
    };
    peer.packet(Protocol::ICMP, &message)
}

#[test]
fn what_has_a_tag_is_its_vlans_and_answers_have_it_too() {
    let mut shared = shared(false);
    for (from, link) in [(PEER, shared.vlan), (ip(9), shared.host.link)] {
        let known = shared
            .host
            .stack
            .add_neighbour(link, from.into(), mac(9), shared.now);
        known.expect("a neighbour");
    }
    // A priority and the mark for what is dropped first change nothing.
    for control in [NUMBER, 0xf000 | NUMBER] {
        shared.input(&tagged(&echo(PEER, OWN), control));
        let [card, vlan] = shared.sent();
        assert!(card.is_empty() && vlan.len() == 1);
        let frame = untagged(&vlan[0].0);
        assert_eq!(vlan[0].0.len(), 64, "as long as it must be without its tag");
        let packet = ipv4::Packet::parse(&frame[14..]).expect("sound");
        assert_eq!(
            (packet.header.source, packet.header.destination),
            (OWN, PEER)
        );
        assert_eq!(frame[..6], mac(9).0);
        assert_eq!(frame[6..12], mac(1).0);
    }
    // What is of no VLAN is the card's, and so are its addresses.
    for frame in [echo(ip(9), ip(1)), tagged(&echo(ip(9), ip(1)), 0xe000)] {
        shared.input(&frame);
        let [card, vlan] = shared.sent();
        assert!(card.len() == 1 && vlan.is_empty());
        assert_eq!(card[0].0[12..14], [8, 0]);
    }
    shared.input(&echo(PEER, OWN));
    shared.input(&tagged(&echo(ip(9), ip(1)), NUMBER));
    assert_eq!(shared.host.stack.drops(Drop::Ipv4NotForUs), 2);
    let infos: Vec<_> = shared.host.stack.interfaces().collect();
    assert_eq!(infos[2].vlan, Some((NUMBER, shared.host.link)));
    assert_eq!((infos[1].received.packets, infos[1].dropped), (6, 1));
    assert_eq!((infos[2].received.packets, infos[2].dropped), (3, 1));
    assert_eq!(
        infos[1].sent.packets,
        shared.host.stack.totals().sent.packets
    );
    shared.host.assert_balance();
}

#[test]
fn tags_that_are_not_ours_have_reasons() {
    let mut shared = shared(false);
    let inside = tagged(&echo(PEER, OWN), NUMBER);
    let mut service = tagged(&inside, NUMBER);
    service[16..18].copy_from_slice(&[0x88, 0xa8]);
    let short = &inside[..17];
    for frame in [
        &tagged(&echo(PEER, OWN), 43),
        &tagged(&echo(PEER, OWN), 4_095),
        &tagged(&inside, NUMBER),
        &tagged(&inside, 0),
        &service,
        short,
    ] {
        shared.input(frame);
    }
    assert!(shared.sent().iter().all(Vec::is_empty));
    let drops = |reason| shared.host.stack.drops(reason);
    let counts = [Drop::VlanForeign, Drop::VlanDouble, Drop::VlanShort].map(drops);
    assert_eq!(counts, [2, 3, 1]);
    shared.host.assert_balance();
}

/// Completes the checksum as a device does, and gives the frame without its tag.
fn completed(frame: &[u8], meta: TransmitMeta) -> Vec<u8> {
    let TransmitChecksum::Partial { start, offset } = meta.checksum else {
        panic!("the device completes checksums");
    };
    assert_eq!((start, offset), (38, 16));
    let mut frame = frame.to_vec();
    let field = usize::from(start + offset);
    let sum = wire::sum(&frame[start.into()..]);
    frame[field..field + 2].copy_from_slice(&sum.finish());
    untagged(&frame)
}

#[test]
fn sums_and_segments_of_a_device_begin_behind_the_tag() {
    let mut shared = shared(true);
    let stack = &mut shared.host.stack;
    let known = stack.add_neighbour(shared.vlan, PEER.into(), mac(9), shared.now);
    known.expect("a neighbour");
    let client = shared.host.client();
    let socket = shared.host.stream(client);
    let to = SocketAddrV4::new(PEER, 80);
    shared
        .host
        .connect(client, socket, to.into(), 1, shared.now);
    let [_, vlan] = shared.sent();
    let segment = |frame: &[u8]| {
        let packet = ipv4::Packet::parse(&frame[14..]).expect("sound");
        let check = Check::Verify(Pseudo::v4(OWN, PEER));
        let segment = Segment::parse(packet.payload, check).expect("the sum is right");
        (segment.header, segment.payload.to_vec())
    };
    let (syn, _) = segment(&completed(&vlan[0].0, vlan[0].1));
    let peer = Peer {
        own: to,
        host: SocketAddrV4::new(OWN, syn.src_port),
        macs: (mac(9), mac(1)),
    };
    let answer = plain(Flags::SYN | Flags::ACK, 7, syn.seq.wrapping_add(1));
    shared.input(&tagged(&peer.frame(answer, &[]), NUMBER));
    let bytes: Vec<u8> = (0..8_000_u32).map(|at| (at % 251) as u8).collect();
    shared.host.memory.put(client, 0, &bytes);
    let data = Data::Arena(Range::new(0, 8_000));
    let stack = &mut shared.host.stack;
    let queued = stack.send(client, socket, data, None, Token(2), shared.now);
    queued.expect("connected");
    let (mut got, mut is_large) = (Vec::new(), false);
    for _ in 0..100 {
        shared.now = shared.now + Duration::from_millis(10);
        let Host { stack, memory, .. } = &mut shared.host;
        stack.fire(memory, shared.now);
        let [card, vlan] = shared.sent();
        assert!(card.is_empty());
        for (frame, meta) in vlan {
            is_large |= meta.segment > 0 && frame.len() > 1_518;
            let (_, payload) = segment(&completed(&frame, meta));
            got.extend(payload);
        }
        let read = syn.seq.wrapping_add(1).wrapping_add(got.len() as u32);
        let ack = plain(Flags::ACK, 8, read);
        // Joined by the device: it says so of tagged frames as of others.
        let meta = ReceiveMeta {
            checksum_verified: true,
            is_joined: true,
        };
        let frame = tagged(&peer.frame(ack, &[]), NUMBER);
        let Host {
            stack,
            memory,
            link,
            ..
        } = &mut shared.host;
        stack.burst(*link, memory, shared.now).input(&frame, meta);
    }
    assert!(is_large, "the device cuts for the VLAN as well");
    assert_eq!(got, bytes);
    shared.host.assert_balance();
}

#[test]
fn a_vlan_is_one_of_4094_and_there_once() {
    let mut shared = shared(false);
    let (link, vlan, now) = (shared.host.link, shared.vlan, shared.now);
    let mut add = |on, number| {
        shared
            .host
            .stack
            .add_vlan(on, number, AddressPlan::None, now)
    };
    for number in [0, 4_095, u16::MAX, NUMBER] {
        assert_eq!(add(link, number), Err(InterfaceError::BadVlan));
    }
    for on in [vlan, InterfaceId::LOOPBACK, InterfaceId::from_raw(9)] {
        assert_eq!(add(on, 7), Err(InterfaceError::NoInterface));
    }
    for number in 100..105 {
        add(link, number).expect("a place");
    }
    assert_eq!(add(link, 4_094), Err(InterfaceError::TooManyInterfaces));
    assert_eq!(EtherType::VLAN, EtherType(0x8100));
}
