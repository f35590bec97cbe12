//! ARP and links, frame by frame.

use crate::world;
use crate::world::{Host, World, ip, mac};
use stack::{Drop, EventKind, Ping, Token};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use wire::arp::{Operation, Packet};
use wire::ethernet::{EtherType, Header};
use wire::{Headroom, MacAddress};

pub fn frame(from: MacAddress, to: MacAddress, packet: Packet) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    packet
        .emit(&mut Headroom::new(&mut bytes[14..42]))
        .expect("fits");
    let header = Header {
        destination: to,
        source: from,
        ethertype: EtherType::ARP,
    };
    header
        .emit(&mut Headroom::new(&mut bytes[..14]))
        .expect("fits");
    bytes
}

fn ping(host: &mut Host, client: stack::ClientId, last: u8, now: stack::Instant) {
    let ping = Ping {
        timeout: Duration::from_secs(30),
        ..world::ping(last)
    };
    host.ping(client, ping, last.into(), now);
}

/// The ARP packets among some frames.
fn arps(frames: &[Vec<u8>]) -> Vec<Packet> {
    let arp = |frame: &&Vec<u8>| frame[12..14] == [8, 6];
    frames
        .iter()
        .filter(arp)
        .map(|frame| Packet::parse(&frame[14..]).expect("sound"))
        .collect()
}

// RFC 826: reply, table-update
#[test]
fn requests_for_our_address_are_answered() {
    let mut world = World::new();
    let request = Packet::request(mac(9), ip(9), ip(1));
    world
        .a
        .input(&frame(mac(9), MacAddress::BROADCAST, request), world.now);
    let frames = world.a.frames(world.now);
    let expected = request.reply(mac(1));
    assert_eq!(arps(&frames), [expected]);
    assert_eq!(&frames[0][..6], mac(9).0);
    assert_eq!(frames[0].len(), 60);
    // Others' addresses are not our business, and make no entry.
    let request = Packet::request(mac(9), ip(9), ip(8));
    world
        .a
        .input(&frame(mac(9), MacAddress::BROADCAST, request), world.now);
    let announcement = Packet::announcement(mac(8), ip(8));
    let shouted = frame(mac(8), MacAddress::BROADCAST, announcement);
    world.a.input(&shouted, world.now);
    assert_eq!(world.a.frames(world.now).len(), 0);
    let known: Vec<_> = world
        .a
        .stack
        .neighbours(world.now)
        .map(|it| it.address)
        .collect();
    assert_eq!(known, [IpAddr::V4(ip(9))]);
    world.a.assert_balance();
}

// RFC 1122: arp-flood
#[test]
fn an_unanswered_neighbour_is_asked_thrice_a_second_apart() {
    let mut world = World::new();
    let client = world.a.client();
    ping(&mut world.a, client, 50, world.now);
    world.log.clear();
    let mut asked = 0;
    for second in 0..3 {
        world.run(Duration::from_millis(900));
        asked += arps(&world.sent(0)).len();
        assert_eq!(asked, second + 1);
        world.run(Duration::from_millis(100));
    }
    world.run(Duration::from_secs(1));
    assert!(matches!(
        world.a.take(50)[..],
        [EventKind::PingFailed { .. }]
    ));
}

// RFC 1122: arp-queue
#[test]
fn packets_that_wait_are_bounded_and_the_newest_stay() {
    let mut world = World::new();
    world.lose = Box::new(|_, _| true);
    let client = world.a.client();
    for sequence in 0..10 {
        let ping = Ping {
            sequence,
            timeout: Duration::from_secs(9),
            ..world::ping(2)
        };
        world.a.ping(client, ping, sequence.into(), world.now);
        world.settle();
    }
    assert_eq!(world.a.stack.drops(Drop::NeighbourQueueFull), 6);
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(2));
    for sequence in 0..10 {
        let answered = matches!(world.a.take(sequence)[..], [EventKind::PingReply { .. }]);
        assert_eq!(answered, sequence >= 6, "{sequence}");
    }
}

#[test]
fn two_hundred_peers() {
    let mut world = World::new();
    let client = world.a.client();
    for last in 3..=203 {
        // Each peer asks for us, is learned within the bounds, and can be talked to.
        let request = Packet::request(mac(last), ip(last), ip(1));
        world
            .a
            .input(&frame(mac(last), MacAddress::BROADCAST, request), world.now);
        world.a.frames(world.now);
        ping(&mut world.a, client, last, world.now);
        let frames = world.a.frames(world.now);
        for sent in frames {
            if sent[12..14] == [8, 6] {
                let asked = Packet::parse(&sent[14..]).expect("sound");
                assert_eq!(
                    (asked.operation, asked.target_ip),
                    (Operation::Request, ip(last))
                );
                world
                    .a
                    .input(&frame(mac(last), mac(1), asked.reply(mac(last))), world.now);
            }
        }
        world.a.frames(world.now);
        world
            .a
            .stack
            .cancel(client, None, Token(last.into()))
            .expect("still waits");
        world.a.publish(world.now);
        assert!(world.a.stack.neighbours(world.now).count() <= 64);
    }
    world.a.assert_balance();
}

#[test]
fn poison_does_not_take() {
    let mut world = World::new();
    let client = world.a.client();
    ping(&mut world.a, client, 2, world.now);
    world.settle();
    let lie = Packet {
        sender_mac: mac(66),
        target_mac: mac(1),
        ..Packet::request(mac(1), ip(1), ip(2)).reply(mac(66))
    };
    world.now = world.now + Duration::from_secs(5);
    for _ in 0..100 {
        world.a.input(&frame(mac(66), mac(1), lie), world.now);
        world.settle();
    }
    let known = world
        .a
        .stack
        .neighbours(world.now)
        .find(|it| it.address == IpAddr::V4(ip(2)));
    assert_eq!(known.and_then(|it| it.mac), Some(mac(2)));
    assert!(world.a.stack.drops(Drop::ArpSuspicious) >= 99);
    // A sender that does not even agree with its own frame is worth nothing.
    world.a.input(&frame(mac(67), mac(1), lie), world.now);
    world.a.assert_balance();
}

// RFC 5227: defend, defend-once
#[test]
fn our_address_is_defended_but_not_shouted_about() {
    let mut world = World::new();
    let claim = Packet::announcement(mac(66), ip(1));
    let mut defences = 0;
    for _ in 0..50 {
        world
            .a
            .input(&frame(mac(66), MacAddress::BROADCAST, claim), world.now);
        defences += arps(&world.a.frames(world.now)).len();
    }
    assert_eq!(defences, 1);
    world.now = world.now + Duration::from_secs(11);
    world
        .a
        .input(&frame(mac(66), MacAddress::BROADCAST, claim), world.now);
    assert_eq!(
        arps(&world.a.frames(world.now)),
        [Packet::announcement(mac(1), ip(1))]
    );
    assert_eq!(world.a.counter("arp.conflicts"), 51);
}

// RFC 5227: announce
#[test]
fn new_addresses_are_announced_and_work() {
    let mut world = World::new();
    world.a.add_address(7, world.now);
    world.log.clear();
    world.run(Duration::from_secs(3));
    assert_eq!(
        arps(&world.sent(0)),
        [Packet::announcement(mac(1), ip(7)); 2]
    );
    let client = world.b.client();
    for last in [1, 7] {
        ping(&mut world.b, client, last, world.now);
    }
    world.settle();
    for last in [1, 7] {
        assert!(
            matches!(world.b.take(last)[..], [EventKind::PingReply { .. }]),
            "{last}"
        );
    }
    world
        .a
        .stack
        .remove_address(world.a.link, IpAddr::V4(ip(7)), world.now)
        .expect("remove");
    ping(&mut world.b, client, 7, world.now);
    world.run(Duration::from_secs(31));
    assert!(matches!(
        world.b.take(7)[..],
        [EventKind::PingFailed { .. }]
    ));
}

#[test]
fn a_static_neighbour_is_never_asked_for() {
    let mut world = World::new();
    let client = world.a.client();
    world.a.know(50, world.now);
    ping(&mut world.a, client, 50, world.now);
    let frames = world.a.frames(world.now);
    assert_eq!((frames.len(), arps(&frames).len()), (1, 0));
    assert_eq!(&frames[0][..6], mac(50).0);
    world
        .a
        .stack
        .remove_neighbour(world.a.link, IpAddr::V4(ip(50)), world.now)
        .expect("remove");
}

#[test]
fn a_neighbour_is_known_until_it_is_removed_wherever_we_move() {
    let mut world = World::new();
    let request = Packet::request(mac(9), ip(9), ip(1));
    world
        .a
        .input(&frame(mac(9), MacAddress::BROADCAST, request), world.now);
    world.settle();
    let known = |world: &World| {
        let mut neighbours = world.a.stack.neighbours(world.now);
        neighbours.any(|it| it.address == IpAddr::V4(ip(9)) && it.mac == Some(mac(9)))
    };
    assert!(known(&world));
    world.a.add_address(7, world.now);
    let (link, first) = (world.a.link, IpAddr::V4(ip(1)));
    let removed = world.a.stack.remove_address(link, first, world.now);
    removed.expect("removed");
    world.settle();
    assert!(known(&world));
    let forgotten = world
        .a
        .stack
        .remove_neighbour(link, ip(9).into(), world.now);
    forgotten.expect("forgotten");
    assert!(!known(&world));
}

// RFC 1122: route-local
#[test]
fn off_link_packets_go_to_the_gateway() {
    let mut world = World::new();
    let client = world.a.client();
    let ping = Ping {
        address: IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8)),
        ..world::ping(8)
    };
    world.a.ping(client, ping, 1, world.now);
    let frames = world.a.frames(world.now);
    let asked = arps(&frames);
    assert_eq!(asked[0].target_ip, ip(254));
    world.a.input(
        &frame(mac(254), mac(1), asked[0].reply(mac(254))),
        world.now,
    );
    let frames = world.a.frames(world.now);
    assert_eq!(&frames[0][..6], mac(254).0);
    assert_eq!(&frames[0][30..34], [8, 8, 8, 8]);
}

#[test]
fn frames_for_others_and_frames_of_nothing() {
    let mut world = World::new();
    let mut sound = frame(mac(9), mac(77), Packet::request(mac(9), ip(9), ip(1)));
    world.a.input(&sound, world.now);
    assert_eq!(world.a.stack.drops(Drop::EthernetNotForUs), 1);
    sound[..6].copy_from_slice(&mac(1).0);
    sound[12..14].copy_from_slice(&[0x12, 0x34]);
    world.a.input(&sound, world.now);
    assert_eq!(world.a.stack.drops(Drop::EthernetUnknownType), 1);
    world.a.input(&[], world.now);
    world.a.input(&sound[..13], world.now);
    assert_eq!(world.a.stack.drops(Drop::EthernetShort), 2);
    world.a.stack.link_changed(world.a.link, false, world.now);
    world.a.input(&sound, world.now);
    assert_eq!(world.a.stack.drops(Drop::InterfaceDown), 1);
    world.a.assert_balance();
}
