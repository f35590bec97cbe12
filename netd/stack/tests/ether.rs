//! Sockets for frames of Ethernet: what they hear, what they send, and what nobody gets.

use crate::world::{Host, World, at, mac};
use stack::{
    ClientId, ConnectError, Data, Drop, EventKind, Instant, InterfaceId, MacAddress, OptionError,
    Range, RawError, SendError, SocketId, SocketOption, Token,
};
use wire::ethernet::{EtherType, Frame};

/// For experiments (IEEE 802 clause 9.2.3).
const LOCAL: u16 = 0x88b5;
const GROUP: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0x77, 0x77]);
const ROOM: u64 = 5;

fn frame(to: MacAddress, from: MacAddress, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &ethertype.to_be_bytes(), payload].concat()
}

/// A socket with a room.
fn open(host: &mut Host, client: ClientId, group: Option<MacAddress>, room: u64) -> SocketId {
    let made = host.stack.socket_frames(client, host.link, LOCAL, group);
    let socket = made.expect("a socket");
    host.receive(client, socket, Range::new(room, 5_120), ROOM, Instant::ZERO);
    socket
}

/// What has come for a client.
fn heard(host: &mut Host, client: ClientId, now: Instant) -> Vec<Vec<u8>> {
    host.publish(now);
    let events = host.take(ROOM);
    let pieces = events.iter().filter_map(|kind| match kind {
        EventKind::Received { offset, length, .. } if *length > 0 => {
            Some(host.memory.bytes(client, *offset, *length).to_vec())
        }
        _ => None,
    });
    pieces.collect()
}

#[test]
fn frames_of_a_type_come_to_each_that_hears_them_and_to_nobody_else() {
    let mut world = World::new();
    let now = world.now;
    let client = world.a.client();
    let one = open(&mut world.a, client, None, 0);
    let other = open(&mut world.a, client, Some(GROUP), 10_000);
    let whole = vec![7; 1_500];
    for (to, copies) in [
        (mac(1), 2),
        (MacAddress::BROADCAST, 2),
        (GROUP, 1),
        (mac(9), 0),
        (MacAddress([0x33, 0x33, 0, 0, 0x77, 0x78]), 0),
    ] {
        for payload in [&b"hello"[..], &whole] {
            let frame = frame(to, mac(8), LOCAL, payload);
            world.a.input(&frame, now);
            let got = heard(&mut world.a, client, now);
            assert_eq!(got, vec![frame; copies], "{to:?}");
        }
    }
    // Another type, which nobody here speaks.
    world.a.input(&frame(mac(1), mac(8), LOCAL + 1, b"x"), now);
    assert_eq!(world.a.stack.drops(Drop::EthernetUnknownType), 1);
    assert_eq!(world.a.stack.drops(Drop::EthernetNotForUs), 4);
    // Whose rooms are full loses the frame, and it is counted.
    for _ in 0..3 {
        world.a.input(&frame(mac(1), mac(8), LOCAL, &whole), now);
    }
    assert!(world.a.stack.drops(Drop::RawQueueFull) > 0);
    for socket in [one, other] {
        world.a.close(client, socket, 9, now);
    }
    world.settle();
    world.a.input(&frame(mac(1), mac(8), LOCAL, b"gone"), now);
    assert_eq!(world.a.stack.drops(Drop::EthernetUnknownType), 2);
    world.a.assert_balance();
}

#[test]
fn what_is_sent_goes_to_whom_it_says_and_is_from_us() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    let sender = open(&mut world.a, one, None, 0);
    open(&mut world.b, other, None, 0);
    let forged = frame(mac(2), mac(99), 0x0800, b"hello");
    let from = frame(mac(2), mac(1), LOCAL, b"hello");
    let long = frame(mac(2), mac(1), LOCAL, &[3; 1_500]);
    for (bytes, expected) in [(&forged, &from), (&long, &long)] {
        world.a.memory.put(one, 500_000, bytes);
        let data = Data::Arena(Range::new(500_000, bytes.len() as u32));
        let queued = world
            .a
            .stack
            .send(one, sender, data, None, Token(1), world.now);
        queued.expect("a frame");
        world.settle();
        let mut padded = expected.clone();
        padded.resize(expected.len().max(60), 0);
        assert_eq!(world.sent(0), [padded.clone()]);
        let now = world.now;
        assert_eq!(heard(&mut world.b, other, now), [padded]);
        assert!(matches!(world.a.take(1)[..], [EventKind::Sent { .. }]));
    }
    let mut refused = |bytes: &[u8], to| {
        world.a.memory.put(one, 500_000, bytes);
        let data = Data::Arena(Range::new(500_000, bytes.len() as u32));
        let stack = &mut world.a.stack;
        stack.send(one, sender, data, to, Token(1), world.now).err()
    };
    assert_eq!(refused(&forged[..13], None), Some(SendError::TooShort));
    assert_eq!(refused(&[0; 1_515], None), Some(SendError::TooBig));
    assert_eq!(
        refused(&forged, Some(at(2, 9))),
        Some(SendError::BadAddress)
    );
    let stack = &mut world.a.stack;
    let connected = stack.connect(one, sender, at(2, 9), Token(1), world.now);
    assert_eq!(connected, Err(ConnectError::WrongState));
    let details = stack.set_option(one, sender, SocketOption::Details(false), world.now);
    assert_eq!(details, Err(OptionError::BadValue));
    // In turns with everything else, and on a VLAN with a tag.
    let vlan = stack.add_vlan(world.a.link, 7, stack::AddressPlan::None, world.now);
    let vlan = vlan.expect("a link");
    let tagged = stack
        .socket_frames(one, vlan, LOCAL, None)
        .expect("a socket");
    let (data, now) = (Data::Inline(&forged), world.now);
    stack
        .send(one, tagged, data, None, Token(2), now)
        .expect("a frame");
    let mut buffer = [0; 1_600];
    let written = stack.output(vlan, &mut buffer, &mut world.a.memory, now);
    assert_eq!(written.map(|(len, _)| len), Some(64));
    assert_eq!(buffer[12..18], [0x81, 0, 0, 7, 0x88, 0xb5]);
    assert_eq!(buffer[18..23], *b"hello");
}

#[test]
fn what_the_stack_speaks_itself_nobody_gets_nor_more_than_a_share() {
    let mut world = World::new();
    let client = world.a.client();
    let link = world.a.link;
    let stack = &mut world.a.stack;
    let mut refused =
        |link, ethertype, group| stack.socket_frames(client, link, ethertype, group).err();
    for ethertype in [0x0800, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x05ff, 0] {
        assert_eq!(refused(link, ethertype, None), Some(RawError::BadProtocol));
    }
    for nowhere in [InterfaceId::LOOPBACK, InterfaceId::from_raw(9)] {
        assert_eq!(
            refused(nowhere, LOCAL, None),
            Some(RawError::AddressNotLocal)
        );
    }
    for group in [mac(9), MacAddress::BROADCAST] {
        assert_eq!(
            refused(link, LOCAL, Some(group)),
            Some(RawError::AddressNotLocal)
        );
    }
    let most = (0..).find(|_| refused(link, LOCAL, None).is_some());
    assert_eq!(most, Some(16), "as many as may be raw");
    let parsed = Frame::parse(&frame(mac(1), mac(2), LOCAL, b"")).map(|it| it.header.ethertype);
    assert_eq!(parsed, Ok(EtherType(LOCAL)));
}
