//! Datagrams to groups: who gets a copy, what leaves, and what comes back.

use crate::world;
use crate::world::six::{content, plan6, six};
use crate::world::{World, any, at, ip};
use stack::{
    BindError, ClientId, Data, Drop, EventKind, Ipv6Plan, Membership, Range, SendError, SocketId,
    SocketOption, Token,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use wire::ethernet::{EtherType, Frame};
use wire::{MacAddress, Protocol, ipv4};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 9);

/// Two hosts with both families.
fn world() -> World {
    let mut world = World::new();
    let plan = Ipv6Plan {
        follows_routers: false,
        ..plan6()
    };
    for host in [&mut world.a, &mut world.b] {
        host.stack
            .start_ipv6(host.link, plan, world.now)
            .expect("an interface");
    }
    world.run(Duration::from_secs(5));
    world.log.clear();
    world
}

/// A socket of host `side` that is bound, shares its port, and has room.
fn listener(
    world: &mut World,
    side: usize,
    client: ClientId,
    local: SocketAddr,
    token: u64,
) -> SocketId {
    let now = world.now;
    let host = if side == 0 {
        &mut world.a
    } else {
        &mut world.b
    };
    let socket = host.datagram(client);
    host.set_option(client, socket, SocketOption::ReuseAddress(true), now);
    host.stack.bind(client, socket, local).expect("bind");
    let room = Range::new(token * 4_096, 4_096);
    host.receive(client, socket, room, token, now);
    socket
}

fn wish(
    world: &mut World,
    who: (ClientId, SocketId),
    group: impl Into<IpAddr>,
    wanted: Membership,
) {
    let (group, now) = (group.into(), world.now);
    world
        .b
        .stack
        .membership(who, (group, None), wanted, now)
        .expect("a change");
}

/// How many datagrams a receive of host b has got.
fn heard(world: &mut World, token: u64) -> usize {
    world.settle();
    let all = world.b.take(token).into_iter();
    all.filter(|kind| matches!(kind, EventKind::Received { from: Some(_), .. }))
        .count()
}

#[test]
fn members_hear_and_nobody_else() {
    for (group, any) in [
        (IpAddr::from(GROUP), any(9)),
        (GROUP6.into(), SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9))),
    ] {
        let mut world = world();
        let (one, other) = (world.a.client(), world.b.client());
        let first = listener(&mut world, 1, other, any, 5);
        let second = listener(&mut world, 1, other, any, 6);
        listener(&mut world, 1, other, any, 7);
        let sender = world.a.datagram(one);
        let to = Some(SocketAddr::new(group, 9));
        let before = world.b.stack.drops(Drop::EthernetNotForUs);
        world.a.say(one, sender, b"0", to, 1, world.now);
        assert_eq!([5, 6, 7].map(|it| heard(&mut world, it)), [0; 3]);
        let dropped = world.b.stack.drops(Drop::EthernetNotForUs);
        assert_eq!(dropped, before + 1);
        wish(&mut world, (other, first), group, Membership::Join);
        wish(&mut world, (other, second), group, Membership::Join);
        world.a.say(one, sender, b"1", to, 1, world.now);
        assert_eq!([5, 6, 7].map(|it| heard(&mut world, it)), [1, 1, 0]);
        for token in [5, 6] {
            assert_eq!(world.b.memory.bytes(other, token * 4_096, 1), b"1");
        }
        wish(&mut world, (other, first), group, Membership::Leave);
        world.a.say(one, sender, b"2", to, 1, world.now);
        assert_eq!([5, 6, 7].map(|it| heard(&mut world, it)), [0, 1, 0]);
        wish(&mut world, (other, second), group, Membership::Leave);
        world.a.say(one, sender, b"3", to, 1, world.now);
        assert_eq!([5, 6, 7].map(|it| heard(&mut world, it)), [0; 3]);
        world.a.assert_balance();
        world.b.assert_balance();
    }
}

// RFC 3376 section 3.1: each socket by its own filter.
#[test]
fn sources_are_filtered_for_each_socket() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    world.a.add_address(3, world.now);
    world.run(Duration::from_secs(3));
    let sockets = [5, 6].map(|token| listener(&mut world, 1, other, any(9), token));
    let from = [1, 3].map(|last| {
        let socket = world.a.datagram(one);
        world.a.stack.bind(one, socket, at(last, 0)).expect("bind");
        socket
    });
    let say = |world: &mut World| {
        for socket in from {
            let to = Some(SocketAddr::from((GROUP, 9)));
            world.a.say(one, socket, b"x", to, 1, world.now);
        }
        [5, 6].map(|token| heard(world, token))
    };
    wish(
        &mut world,
        (other, sockets[0]),
        GROUP,
        Membership::Include(ip(1).into()),
    );
    assert_eq!(say(&mut world), [1, 0]);
    assert_eq!(world.b.stack.drops(Drop::GroupSource), 1);
    wish(&mut world, (other, sockets[1]), GROUP, Membership::Join);
    wish(
        &mut world,
        (other, sockets[1]),
        GROUP,
        Membership::Block(ip(1).into()),
    );
    assert_eq!(say(&mut world), [1, 1]);
    wish(
        &mut world,
        (other, sockets[0]),
        GROUP,
        Membership::Include(ip(3).into()),
    );
    wish(
        &mut world,
        (other, sockets[1]),
        GROUP,
        Membership::Unblock(ip(1).into()),
    );
    assert_eq!(say(&mut world), [2, 2]);
    assert_eq!(world.b.stack.drops(Drop::GroupSource), 1);
    world.b.assert_balance();
}

/// The frames with datagrams that host a has sent, their hops and hardware addresses.
fn sent(world: &mut World) -> Vec<(u8, MacAddress)> {
    let frames = world.sent(0).into_iter();
    let datagram = |bytes: Vec<u8>| {
        let frame = Frame::parse(&bytes).expect("a frame");
        let to = frame.header.destination;
        match frame.header.ethertype {
            EtherType::IPV4 => {
                let packet = ipv4::Packet::parse(frame.payload).expect("a packet");
                let is_it = packet.header.protocol == Protocol::UDP;
                is_it.then_some((packet.header.ttl, to))
            }
            EtherType::IPV6 => match content(&bytes) {
                Some((header, Protocol::UDP, _)) => Some((header.hop_limit, to)),
                _ => None,
            },
            _ => None,
        }
    };
    frames.filter_map(datagram).collect()
}

// RFC 1112 sections 6.1, 6.4 and 7.2; RFC 2464 section 7.
#[test]
fn what_is_sent_goes_as_far_as_its_socket_wants() {
    for (group, mac) in [
        (IpAddr::from(GROUP), MacAddress([1, 0, 0x5e, 1, 2, 3])),
        (GROUP6.into(), MacAddress([0x33, 0x33, 0, 0, 0, 9])),
    ] {
        let mut world = world();
        let client = world.a.client();
        let socket = world.a.datagram(client);
        let to = Some(SocketAddr::new(group, 9));
        world.a.say(client, socket, b"x", to, 1, world.now);
        world.settle();
        assert_eq!(
            sent(&mut world),
            [(1, mac)],
            "and nobody is asked who that is"
        );
        for (hops, expected) in [(7, vec![(7, mac)]), (0, vec![])] {
            let option = SocketOption::MulticastTimeToLive(hops);
            world.a.set_option(client, socket, option, world.now);
            world.a.say(client, socket, b"x", to, 2, world.now);
            world.settle();
            assert_eq!(sent(&mut world), expected);
            assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 1 }]);
        }
        world
            .a
            .set_option(client, socket, SocketOption::TimeToLive(9), world.now);
        world.a.say(client, socket, b"x", to, 2, world.now);
        world.settle();
        assert_eq!(sent(&mut world), [], "that is for single hosts");
    }
}

// RFC 1112 section 6.1: members on this host hear it, unless the sender does not want that.
#[test]
fn own_members_hear_what_is_sent() {
    for group in [IpAddr::from(GROUP), GROUP6.into()] {
        let mut world = world();
        let client = world.b.client();
        let any = match group {
            IpAddr::V4(_) => any(9),
            IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9)),
        };
        let member = listener(&mut world, 1, client, any, 5);
        let to = Some(SocketAddr::new(group, 9));
        let say = |world: &mut World, len: u32| {
            world.b.memory.put(client, 100_000, &vec![7; len as usize]);
            let data = Data::Arena(Range::new(100_000, len));
            let now = world.now;
            let sent = world.b.stack.send(client, member, data, to, Token(1), now);
            sent.expect("send");
            heard(world, 5)
        };
        assert_eq!(say(&mut world, 3), 0, "no member yet");
        wish(&mut world, (client, member), group, Membership::Join);
        assert_eq!(say(&mut world, 3), 1);
        assert_eq!(say(&mut world, 3_000), 1, "one that leaves in parts");
        let local = world.b.memory.bytes(client, 5 * 4_096 + 8, 3_000);
        assert!(local.iter().all(|byte| *byte == 7));
        world.log.clear();
        let option = SocketOption::MulticastTimeToLive(0);
        world.b.set_option(client, member, option, world.now);
        assert_eq!(say(&mut world, 3), 1, "within the host");
        assert_eq!(world.sent(1), [] as [Vec<u8>; 0]);
        world.b.set_option(
            client,
            member,
            SocketOption::MulticastLoop(false),
            world.now,
        );
        assert_eq!(say(&mut world, 3), 0);
        assert_eq!(world.b.counter("group.looped"), 3);
    }
}

#[test]
fn everybody_in_the_group_of_everybody_hears() {
    let mut world = world();
    let (one, other) = (world.a.client(), world.b.client());
    listener(&mut world, 1, other, any(9), 5);
    let any6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 9));
    listener(&mut world, 1, other, any6, 6);
    let sender = world.a.datagram(one);
    for (group, token) in [("224.0.0.1", 5), ("ff02::1", 6)] {
        let group: IpAddr = group.parse().expect("a group");
        let sender = match group {
            IpAddr::V4(_) => sender,
            IpAddr::V6(_) => world.a.datagram(one),
        };
        let to = Some(SocketAddr::new(group, 9));
        world.a.say(one, sender, b"x", to, 1, world.now);
        assert_eq!(heard(&mut world, token), 1, "{group}");
    }
}

#[test]
fn a_socket_bound_to_a_group_hears_that_alone_and_shares_its_port() {
    let mut world = World::new();
    let (one, other, third) = (world.a.client(), world.b.client(), world.b.client());
    let local = SocketAddr::from((GROUP, 9));
    let socket = listener(&mut world, 1, other, local, 5);
    wish(&mut world, (other, socket), GROUP, Membership::Join);
    // Another client may hear the group as well; a port of all addresses it may not have.
    let foreign = listener(&mut world, 1, third, local, 6);
    wish(&mut world, (third, foreign), GROUP, Membership::Join);
    let sole = world.b.datagram(third);
    assert_eq!(
        world.b.stack.bind(third, sole, local),
        Err(BindError::AddressInUse),
        "it does not want to share"
    );
    let mine = listener(&mut world, 1, other, any(9), 7);
    let thief = world.b.datagram(third);
    world
        .b
        .set_option(third, thief, SocketOption::ReuseAddress(true), world.now);
    assert_eq!(
        world.b.stack.bind(third, thief, any(9)),
        Err(BindError::AddressInUse)
    );
    let sender = world.a.datagram(one);
    for to in [at(2, 9), SocketAddr::from((GROUP, 9))] {
        world.a.say(one, sender, b"x", Some(to), 1, world.now);
    }
    assert_eq!([5, 6, 7].map(|token| heard(&mut world, token)), [1, 1, 1]);
    // What it says comes from an address of its host.
    world
        .b
        .say(other, socket, b"y", Some(at(1, 77)), 1, world.now);
    world.settle();
    assert_eq!(world.b.take(1), [EventKind::Sent { bytes: 1 }]);
    world.b.close(other, mine, 2, world.now);
}

#[test]
fn only_so_many_sockets_share_a_port() {
    let mut world = World::new();
    let config = stack::Config {
        datagram_sockets: 200,
        ..world::config()
    };
    world.b = world::Host::new(2, config, stack::AddressPlan::Static(world::plan(2)));
    let client = world.b.client();
    let mut taken = 0;
    for _ in 0..100 {
        let socket = world.b.datagram(client);
        world
            .b
            .set_option(client, socket, SocketOption::ReuseAddress(true), world.now);
        taken += usize::from(world.b.stack.bind(client, socket, any(9)).is_ok());
    }
    assert_eq!(taken, 64);
}

// RFC 1122 4.1.3.1: a broadcast is for all who have the port.
#[test]
fn broadcasts_reach_all_who_share_a_port() {
    let mut world = World::new();
    let (one, other) = (world.a.client(), world.b.client());
    for token in [5, 6] {
        listener(&mut world, 1, other, any(9), token);
    }
    let sender = world.a.datagram(one);
    let to = at(255, 9);
    let data = Data::Inline(b"all");
    let refused = world
        .a
        .stack
        .send(one, sender, data, Some(to), Token(1), world.now);
    assert_eq!(refused, Err(SendError::BadAddress));
    world
        .a
        .set_option(one, sender, SocketOption::Broadcast(true), world.now);
    world.a.say(one, sender, b"all", Some(to), 1, world.now);
    assert_eq!([5, 6].map(|token| heard(&mut world, token)), [1, 1]);
}

#[test]
fn an_interface_may_be_chosen() {
    let mut world = world();
    let client = world.a.client();
    let socket = world.a.datagram(client);
    let link = world.a.link.raw();
    let option = SocketOption::MulticastInterface(link);
    world.a.set_option(client, socket, option, world.now);
    let to = Some(SocketAddr::new(six("ff02::9").into(), 9));
    world.a.say(client, socket, b"x", to, 1, world.now);
    world.settle();
    assert_eq!(sent(&mut world).len(), 1);
    let option = SocketOption::MulticastInterface(link + 1);
    world.a.set_option(client, socket, option, world.now);
    let data = Data::Inline(b"x");
    let refused = world
        .a
        .stack
        .send(client, socket, data, to, Token(1), world.now);
    assert_eq!(refused, Err(SendError::NoRoute));
}
