//! Links that carry 9,216 bytes: nothing is cut for what they carry whole.

use crate::world::craft::segments;
use crate::world::six::{self, advertisement, plan6, prefix};
use crate::world::{Host, World, at, config, facts, plan};
use stack::{AddressPlan, Config, EventKind, Instant, LinkFacts, Range};
use std::time::Duration;
use wire::ndp::Item;

const JUMBO: u16 = 9_216;

fn tables() -> Config {
    Config {
        largest_mtu: JUMBO,
        ..config()
    }
}

fn host(last: u8, mtu: u16) -> Host {
    let link = LinkFacts { mtu, ..facts(last) };
    Host::with_link(last, link, tables(), AddressPlan::Static(plan(last)))
}

/// Two hosts with links of these MTUs.
fn world(one: u16, other: u16) -> World {
    let mut world = World::new();
    (world.a, world.b) = (host(1, one), host(2, other));
    world.run(Duration::from_secs(3));
    world.log.clear();
    world
}

#[test]
fn segments_and_datagrams_are_as_long_as_the_link_and_no_longer_than_the_peer_takes() {
    // (ours, the peer's, payload of a segment)
    for (one, other, segment) in [
        (JUMBO, JUMBO, 9_176),
        (9_000, 9_000, 8_960),
        (9_000, 1_500, 1_460),
        (1_500, 9_000, 1_460),
    ] {
        let mut world = world(one, other);
        let pair = world.connected(Some(Range::new(0, 200_000)));
        world.sent(0);
        let bytes: Vec<u8> = (0..100_000u32).map(|at| (at * 7) as u8).collect();
        let now = world.now;
        world.a.send(pair.client, pair.socket, &bytes, 0, 20, now);
        world.run(Duration::from_secs(2));
        assert_eq!(world.b.memory.bytes(pair.server, 0, 100_000), bytes);
        let sent = segments(&world.sent(0));
        let longest = sent.iter().map(|seen| seen.payload.len()).max();
        // Time stamps take twelve bytes of each.
        assert_eq!(longest, Some(segment - 12), "{one} to {other}");
        world.a.assert_balance();
        world.b.assert_balance();
    }
    let mut world = world(9_000, 9_000);
    let (one, other) = (world.a.client(), world.b.client());
    let server = world.b.bound(other, 9);
    world
        .b
        .receive(other, server, Range::new(0, 32_768), 5, world.now);
    let socket = world.a.datagram(one);
    for (size, frames) in [(8_972, 1), (8_973, 2)] {
        let bytes = vec![7; size];
        world.a.memory.put(one, 0, &bytes);
        let data = stack::Data::Arena(Range::new(0, size as u32));
        let now = world.now;
        let sent = world
            .a
            .stack
            .send(one, socket, data, Some(at(2, 9)), stack::Token(1), now);
        sent.expect("sent");
        world.settle();
        let long = world
            .sent(0)
            .into_iter()
            .filter(|frame| frame[12..14] == [8, 0]);
        assert_eq!(long.count(), frames, "{size}");
        match world.b.take(5)[..] {
            [EventKind::Received { length, .. }] => assert_eq!(length as usize, size),
            ref other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_router_says_what_the_link_carries_of_ipv6_within_what_the_device_does() {
    for (said, mtu) in [
        (1_500, 1_500),
        (9_000, 9_000),
        (9_001, 9_000),
        (1_279, 9_000),
    ] {
        let link = LinkFacts {
            mtu: 9_000,
            ..facts(1)
        };
        let mut host = Host::with_link(1, link, tables(), AddressPlan::None);
        let mut now = Instant::ZERO;
        host.stack
            .start_ipv6(host.link, plan6(), now)
            .expect("started");
        six::wait(&mut host, &mut now, 2_000);
        let items = [Item::Mtu(said), prefix(3_600, 1_800)];
        host.input(&advertisement(&items), now);
        six::wait(&mut host, &mut now, 2_000);
        let client = host.client();
        let socket = host.datagram(client);
        let far = "[2001:db8:1::9]:9".parse().expect("an address");
        host.input(
            &six::solicitation(six::six("2001:db8:1::9"), six::own_global(1)),
            now,
        );
        let bytes = vec![1; 8_000];
        host.memory.put(client, 0, &bytes);
        let data = stack::Data::Arena(Range::new(0, 8_000));
        let sent = host
            .stack
            .send(client, socket, data, Some(far), stack::Token(1), now);
        sent.expect("sent");
        let frames = host.frames(now);
        let longest = frames.iter().map(|frame| frame.len() - 14).max();
        let longest = longest.expect("sent");
        assert!(longest <= mtu, "{said}: {longest}");
        assert_eq!(longest > 8_000, mtu == 9_000, "{said}: {longest}");
    }
}
