//! A shard that does as another says: the same addresses, routes and given neighbours, and not a word
//! about them.

use crate::arp::frame as arp_frame;
use crate::world::six::{
    ALL_NODES, local, ndp_frame, own_global, own_local, said, settled, six, starting, state, wait,
};
use crate::world::six::{at6, plan6};
use crate::world::{Host, at, config, facts, ip, mac};
use stack::{
    AddressPlan, AddressState, BindError, Drop, EventKind, Instant, InterfaceId, LinkConfiguration,
    MacAddress, Shard, SocketError, Steering,
};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use wire::ndp::{self, Item};

/// The first shard, with addresses of both families, a neighbour that was given, and a tagged link.
fn first() -> (Host, Instant) {
    let (mut host, mut now) = settled();
    host.stack
        .add_address(host.link, ip(1).into(), 24, now)
        .expect("added");
    for (to, by) in [
        (IpAddr::from([10, 9, 0, 0]), ip(254).into()),
        (six("2001:db8:9::").into(), six("fe80::fe").into()),
    ] {
        let added = host.stack.add_route(host.link, to, 24, Some(by), 7);
        added.expect("a gateway beside us");
        host.stack
            .add_neighbour(host.link, by, mac(254), now)
            .expect("a place");
    }
    let vlan = host.stack.add_vlan(host.link, 42, AddressPlan::None, now);
    let vlan = vlan.expect("room for a link");
    host.stack
        .add_address(vlan, Ipv4Addr::new(10, 42, 0, 7).into(), 24, now)
        .expect("added");
    wait(&mut host, &mut now, 5_000);
    (host, now)
}

fn told(host: &Host) -> LinkConfiguration {
    let told = host.stack.link_configuration(host.link, Instant::ZERO);
    told.expect("a link")
}

fn follower() -> Host {
    Host::with_link(1, facts(1), config(), AddressPlan::None)
}

#[test]
fn a_shard_has_what_the_first_has_and_says_nothing_of_it() {
    let (first, mut now) = first();
    let mut other = follower();
    other.stack.follow(&told(&first), now);
    assert_eq!(told(&other), told(&first));
    for address in [own_local(1), own_global(1)] {
        assert_eq!(state(&other, address), Some(AddressState::Preferred));
    }
    let link = other.link;
    let own = other.stack.addresses().filter(|it| it.interface == link);
    assert_eq!(own.count(), 3, "and none of the tagged link");
    // Not when the link comes again, either.
    for up in [false, true] {
        other.stack.link_changed(link, up, now);
        let sent = wait(&mut other, &mut now, 20_000);
        assert!(sent.is_empty(), "{sent:x?}");
    }
    assert_eq!(told(&other), told(&first));
    // It speaks from them.
    let client = other.client();
    for (to, seen) in [(at(9, 80), [8, 6]), (at6(9, 80), [0x86, 0xdd])] {
        let socket = other.stream(client);
        other.connect(client, socket, to, 1, now);
        let sent = other.frames(now);
        assert!(sent.iter().any(|frame| frame[12..14] == seen), "{sent:x?}");
    }
}

#[test]
fn what_is_gone_is_gone_in_all_and_its_users_are_told() {
    let (mut first, mut now) = first();
    let mut other = follower();
    other.stack.follow(&told(&first), now);
    let client = other.client();
    let mut bound = Vec::new();
    for own in [IpAddr::from(ip(1)), own_global(1).into()] {
        let socket = other.datagram(client);
        other
            .stack
            .bind(client, socket, (own, 70).into())
            .expect("its address");
        let room = stack::Range::new(0, 64);
        other.receive(client, socket, room, 9, now);
        bound.push(socket);
        first
            .stack
            .remove_address(first.link, own, now)
            .expect("there");
    }
    first
        .stack
        .remove_neighbour(first.link, ip(254).into(), now)
        .expect("there");
    other.stack.follow(&told(&first), now);
    assert_eq!(told(&other), told(&first));
    wait(&mut other, &mut now, 100);
    let lost = EventKind::Error(SocketError::AddressLost);
    assert_eq!(other.take(9), [lost, lost]);
    assert_eq!(other.stack.neighbours(now).count(), 1);
}

/// A program listens with all shards, and some may not know of the address.
#[test]
fn a_shard_listens_at_what_it_is_not_told_of() {
    let shards = NonZeroU16::new(2).expect("not zero");
    for number in [0, 1] {
        let shard = Shard {
            steering: Steering::new(shards, 7),
            number,
            link: InterfaceId::from_raw(1),
        };
        let config = stack::Config {
            shard: Some(shard),
            ..config()
        };
        let mut host = Host::with_link(1, facts(1), config, AddressPlan::None);
        let client = host.client();
        for own in [IpAddr::from(ip(1)), own_global(1).into()] {
            let socket = host.stream(client);
            let bound = host.stack.bind(client, socket, (own, 80).into());
            let expected = match number {
                0 => Err(BindError::AddressNotLocal),
                _ => Ok((own, 80).into()),
            };
            assert_eq!(bound, expected, "shard {number}");
        }
    }
}

/// What may be somebody else's is the first one's to prove.
#[test]
fn an_address_that_is_not_proven_is_not_told() {
    let first = starting(plan6(), config());
    assert_eq!(state(&first, own_local(1)), Some(AddressState::Tentative));
    let mut other = follower();
    other.stack.follow(&told(&first), Instant::ZERO);
    assert_eq!(state(&other, own_local(1)), None);
}

/// Who says that it has an address of ours is the first one's to answer: if all did, all would give it up.
#[test]
fn a_conflict_is_left_to_the_first() {
    let (first, mut now) = first();
    let mut other = follower();
    other.stack.follow(&told(&first), now);
    let claim = wire::arp::Packet::announcement(mac(9), ip(1));
    let frame = arp_frame(mac(9), MacAddress::BROADCAST, claim);
    let own = own_global(1);
    let message = ndp::Header::NeighborAdvertisement {
        target: own,
        router: false,
        solicited: false,
        replace: true,
    };
    let ends = (local(9), ALL_NODES);
    let other_claim = ndp_frame(ends, message, &[Item::TargetLink(mac(9))]);
    for _ in 0..3 {
        other.input(&frame, now);
        other.input(&other_claim, now);
        let sent = wait(&mut other, &mut now, 1_000);
        assert!(said(&sent).is_empty() && sent.is_empty(), "{sent:x?}");
    }
    assert_eq!(other.stack.drops(Drop::ArpConflict), 3);
    assert_eq!(other.stack.drops(Drop::NdpConflict), 3);
    assert_eq!(told(&other), told(&first));
}
