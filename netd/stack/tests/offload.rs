//! Segments that a device cuts: longer than the MTU, told so beside the frame.

use crate::world;
use crate::world::World;
use stack::Token;

#[test]
fn a_device_that_cuts_is_given_long_segments() {
    let mut world = World::new();
    let link = stack::LinkFacts {
        checksum_transmit: true,
        ..world::facts(3)
    };
    let plan = stack::StaticPlan {
        address: std::net::Ipv4Addr::new(10, 0, 1, 3),
        ..world::plan(3)
    };
    let mut now = world.now;
    let stack = &mut world.a.stack;
    let plan = stack::AddressPlan::Static(plan);
    let link = stack.add_interface(link, plan, now).expect("interface");
    stack.offload_segments(link, u32::MAX);
    let peer = std::net::SocketAddr::from(([10, 0, 1, 9], 80));
    stack
        .add_neighbour(link, peer.ip(), world::mac(9), now)
        .expect("neighbour");
    let client = world.a.client();
    let socket = world.a.stream(client);
    let stack = &mut world.a.stack;
    stack
        .connect(client, socket, peer, Token(1), now)
        .expect("connect");
    let mut frame = vec![0; 70_000];
    let mut next = |host: &mut world::Host, now| loop {
        let written = host.stack.output(link, &mut frame, &mut host.memory, now);
        let (len, meta) = written?;
        if frame[23] == 6 && frame[12..14] == [8, 0] {
            return Some((frame[..len].to_vec(), meta));
        }
    };
    let (syn, _) = next(&mut world.a, now).expect("a SYN");
    let port = u16::from_be_bytes([syn[34], syn[35]]);
    let isn = u32::from_be_bytes([syn[38], syn[39], syn[40], syn[41]]);
    let syn_ack = answer(port, 7, isn.wrapping_add(1), 0x12);
    let verified = stack::ReceiveMeta::default();
    let host = &mut world.a;
    host.stack
        .input(link, &syn_ack, verified, &mut host.memory, now);
    let bytes: Vec<u8> = (0..200_000)
        .map(|n: usize| (n * 7 + n / 251) as u8)
        .collect();
    host.send(client, socket, &bytes, 0, 2, now);
    let mut sent = 0;
    let mut longest = 0;
    for _ in 0..1_000 {
        now = now + std::time::Duration::from_millis(1);
        host.stack.fire(&mut host.memory, now);
        while let Some((frame, meta)) = next(host, now) {
            let packet = wire::ipv4::Packet::parse(&frame[14..]).expect("sound");
            let segment = wire::tcp::Segment::parse(packet.payload, wire::Check::Trusted);
            let payload = segment.expect("sound").payload;
            assert_eq!(payload, &bytes[sent..sent + payload.len()]);
            let cut = if payload.len() > 1_000 { 1_000 } else { 0 };
            assert_eq!(meta.segment, cut);
            assert!(meta.checksum != stack::TransmitChecksum::Complete);
            sent += payload.len();
            longest = longest.max(payload.len());
        }
        if sent == bytes.len() {
            break;
        }
        let ack = isn.wrapping_add(1 + sent as u32);
        let ack = answer(port, 8, ack, 0x10);
        host.stack
            .input(link, &ack, verified, &mut host.memory, now);
    }
    assert_eq!(sent, bytes.len());
    assert!(longest > 10_000, "{longest}");
}

/// A segment of a peer that takes 1000 bytes in each, and has room for 60 of them.
fn answer(port: u16, seq: u32, ack: u32, flags: u16) -> Vec<u8> {
    let options = wire::tcp::Options {
        mss: (flags & 2 != 0).then_some(1_000),
        ..wire::tcp::Options::default()
    };
    let header = wire::tcp::Header {
        src_port: 80,
        dst_port: port,
        seq,
        ack,
        flags: wire::tcp::Flags::from_bits(flags),
        window: 60_000,
        urgent: 0,
        options,
    };
    segment_frame(&header, [10, 0, 1, 9], [10, 0, 1, 3], world::mac(3))
}

fn segment_frame(
    header: &wire::tcp::Header,
    from: [u8; 4],
    to: [u8; 4],
    mac: stack::MacAddress,
) -> Vec<u8> {
    let headers = 14 + 20 + header.header_len();
    let mut frame = vec![0; headers];
    let (from, to) = (from.into(), to.into());
    let mut room = wire::Headroom::new(&mut frame);
    let seal = wire::Seal::Full {
        pseudo: wire::Pseudo::v4(from, to),
        payload: wire::Sum::ZERO,
    };
    header.emit(&mut room, 0, seal).expect("room");
    let ip = wire::ipv4::Header::atomic(from, to, wire::Protocol::TCP, 64);
    ip.emit(&mut room, header.header_len()).expect("room");
    let ethernet = wire::ethernet::Header {
        destination: mac,
        source: world::mac(9),
        ethertype: wire::EtherType::IPV4,
    };
    ethernet.emit(&mut room).expect("room");
    frame.resize(frame.len().max(60), 0);
    frame
}
