//! The fast paths over IPv6: super-segments that are cut, segments that are taken in as one.

use crate::world;
use crate::world::six::{any6, at6, plan6, two_hosts};
use crate::world::{Host, World, facts};
use stack::{ClientId, Data, EventKind, Instant, LinkFacts, Range, ReceiveMeta, SocketId, Token};
use std::time::Duration;
use wire::ethernet::Frame;
use wire::ipv6::Packet;
use wire::tcp::Segment;
use wire::{Check, Pseudo};

const COALESCED: &str = "tcp.coalesced";
/// Bytes that one side sends the other.
const BYTES: u32 = 60_000;

/// A connection from `a` to `b`, which has room for many bytes: both clients, and the socket at `a`.
fn connected(world: &mut World) -> (ClientId, SocketId, ClientId) {
    let server = world.b.client();
    let listener = world.b.stream(server);
    assert_eq!(world.b.stack.bind(server, listener, any6(80)), Ok(any6(80)));
    world.b.stack.listen(server, listener, 8).expect("listens");
    let room = Some(Range::new(0, 400_000));
    let waits = world
        .b
        .stack
        .accept(server, listener, room, Token(10), world.now);
    waits.expect("waits");
    let (client, socket) = world.calling(at6(2, 80), &[]);
    world.settle();
    (client, socket, server)
}

/// The client of `a` sends so many bytes more.
fn send(world: &mut World, (client, socket): (ClientId, SocketId), len: u32) -> Vec<u8> {
    let bytes: Vec<u8> = (0..len).map(|n| (n * 7 + n / 251) as u8).collect();
    world.a.memory.put(client, 0, &bytes);
    let data = Data::Arena(Range::new(0, len));
    let sent = world
        .a
        .stack
        .send(client, socket, data, None, Token(2), world.now);
    sent.expect("queued");
    bytes
}

/// All frames that a host has to send now, and the size to which a device is to cut them.
fn frames(host: &mut Host, now: Instant) -> Vec<(Vec<u8>, u16)> {
    let mut frame = vec![0; 70_000];
    let mut all = Vec::new();
    while let Some((len, meta)) = host
        .stack
        .output(host.link, &mut frame, &mut host.memory, now)
    {
        all.push((frame[..len].to_vec(), meta.segment));
    }
    all
}

/// Host `b` takes frames in together.
fn take_in(world: &mut World, frames: &[(Vec<u8>, u16)]) {
    let Host {
        stack,
        memory,
        link,
        ..
    } = &mut world.b;
    let mut burst = stack.burst(*link, memory, world.now);
    for (frame, _) in frames {
        burst.input(frame, ReceiveMeta::default());
    }
}

/// The segment in a frame, whose checksum is right.
fn segment(frame: &[u8]) -> Segment<'_> {
    let packet = Packet::parse(Frame::parse(frame).expect("a frame").payload).expect("a packet");
    let pseudo = Pseudo::v6(packet.header.source, packet.header.destination);
    Segment::parse(packet.payload, Check::Verify(pseudo)).expect("a segment")
}

/// Software cuts what leaves in one turn, and each segment is what it would be alone; the segments are
/// taken in as one, and answered by one acknowledgement.
#[test]
fn segments_are_cut_and_taken_in_as_one() {
    let mut world = two_hosts();
    let (client, socket, server) = connected(&mut world);
    // The congestion window grows first.
    send(&mut world, (client, socket), BYTES);
    world.run(Duration::from_secs(2));
    let (received, before) = (BYTES, world.b.counter(COALESCED));
    let bytes = send(&mut world, (client, socket), BYTES);
    let sent = frames(&mut world.a, world.now);
    assert!(sent.len() >= 10, "{}", sent.len());
    let mut next = None;
    for (frame, size) in &sent {
        assert_eq!(*size, 0, "nobody else cuts");
        assert!(frame.len() <= 1_514);
        let segment = segment(frame);
        assert!(next.is_none_or(|next| next == segment.header.seq));
        next = Some(
            segment
                .header
                .seq
                .wrapping_add(segment.payload.len() as u32),
        );
    }
    take_in(&mut world, &sent);
    assert_eq!(world.b.counter(COALESCED) - before, sent.len() as u64 - 1);
    world.b.publish(world.now);
    let answers = frames(&mut world.b, world.now);
    assert_eq!(answers.len(), 1, "one acknowledgement");
    assert_eq!(Some(segment(&answers[0].0).header.ack), next);
    for (frame, _) in &answers {
        world.a.input(frame, world.now);
    }
    world.run(Duration::from_secs(2));
    let all = world.b.memory.bytes(server, u64::from(received), BYTES);
    assert_eq!(all, bytes);
    world.b.assert_balance();
}

/// RFC 6437: the packets of a conversation have a label in common, which others have not.
#[test]
fn a_flow_has_a_label_of_its_own() {
    let mut world = two_hosts();
    connected(&mut world);
    let first = std::mem::take(&mut world.log);
    let client = world.a.client();
    let socket = world.a.stream(client);
    let to = at6(2, 80);
    let asked = world
        .a
        .stack
        .connect(client, socket, to, Token(1), world.now);
    asked.expect("a way");
    world.settle();
    let labels = |log: &[(usize, Vec<u8>)], side| {
        let own = log.iter().filter(|(sender, _)| *sender == side);
        let packet = |frame: &[u8]| {
            Packet::parse(Frame::parse(frame).ok()?.payload)
                .map(|it| it.header)
                .ok()
        };
        let headers = own.filter_map(|(_, frame)| packet(frame));
        let segments = headers.filter(|header| header.next == wire::Protocol::TCP);
        segments.map(|header| header.flow_label).collect::<Vec<_>>()
    };
    let all = [(&first, 0), (&first, 1), (&world.log, 0), (&world.log, 1)];
    let all = all.map(|(log, side)| labels(log, side));
    for labels in &all {
        assert!(!labels.is_empty() && labels[0] != 0);
        assert!(
            labels.iter().all(|label| *label == labels[0]),
            "{labels:x?}"
        );
    }
    assert_ne!(all[0][0], all[2][0], "another connection");
}

/// A segment of a burst whose checksum is wrong is counted, and comes again.
#[test]
fn a_damaged_segment_of_a_burst_is_not_taken() {
    let mut world = two_hosts();
    let (client, socket, server) = connected(&mut world);
    send(&mut world, (client, socket), BYTES);
    world.run(Duration::from_secs(2));
    let bytes = send(&mut world, (client, socket), BYTES);
    let mut sent = frames(&mut world.a, world.now);
    *sent[5].0.last_mut().expect("a frame") ^= 1;
    take_in(&mut world, &sent);
    assert_eq!(world.b.stack.drops(stack::Drop::TcpChecksum), 1);
    world.b.publish(world.now);
    world.run(Duration::from_secs(5));
    assert_eq!(world.b.memory.bytes(server, BYTES.into(), BYTES), bytes);
    world.b.assert_balance();
}

/// A device that cuts is given long frames, and told the size of their segments.
#[test]
fn a_device_that_cuts_is_given_long_segments() {
    let facts = |last| LinkFacts {
        checksum_transmit: true,
        ..facts(last)
    };
    let mut world = World::new();
    for (last, host) in [(1, &mut world.a), (2, &mut world.b)] {
        *host = Host::with_link(last, facts(last), world::config(), stack::AddressPlan::None);
        host.stack.offload_segments(host.link, u32::MAX);
        let started = host.stack.start_ipv6(host.link, plan6(), world.now);
        started.expect("an interface");
    }
    // What has no checksum yet is trusted, as a device that leaves it out says.
    let trusted = ReceiveMeta {
        checksum_verified: true,
        ..ReceiveMeta::default()
    };
    let mut now = world.now;
    let exchange = |world: &mut World, now: &mut Instant| {
        let mut longest = 0;
        for _ in 0..60 {
            *now = *now + Duration::from_millis(50);
            for host in [&mut world.a, &mut world.b] {
                host.stack.fire(&mut host.memory, *now);
            }
            for side in [0, 1] {
                let (from, to) = match side {
                    0 => (&mut world.a, &mut world.b),
                    _ => (&mut world.b, &mut world.a),
                };
                for (frame, size) in frames(from, *now) {
                    assert_eq!(size > 0, frame.len() > 1_514, "{size} {}", frame.len());
                    longest = longest.max(frame.len());
                    to.stack
                        .input(to.link, &frame, trusted, &mut to.memory, *now);
                    to.publish(*now);
                }
                from.publish(*now);
            }
        }
        longest
    };
    exchange(&mut world, &mut now);
    world.now = now;
    let server = world.b.client();
    let listener = world.b.stream(server);
    assert_eq!(world.b.stack.bind(server, listener, any6(80)), Ok(any6(80)));
    world.b.stack.listen(server, listener, 8).expect("listens");
    let room = Some(Range::new(0, 400_000));
    let waits = world.b.stack.accept(server, listener, room, Token(10), now);
    waits.expect("waits");
    let client = world.a.client();
    let socket = world.a.stream(client);
    let asked = world
        .a
        .stack
        .connect(client, socket, at6(2, 80), Token(1), now);
    asked.expect("a way");
    exchange(&mut world, &mut now);
    world.now = now;
    let bytes = send(&mut world, (client, socket), 300_000);
    let longest = exchange(&mut world, &mut now);
    assert!(longest > 10_000, "{longest}");
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 300_000 }]);
    assert_eq!(world.b.memory.bytes(server, 0, 300_000), bytes);
}
