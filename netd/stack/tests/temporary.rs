//! Addresses that change: when they are made, from which one speaks, how they end (RFC 8981).

use crate::world;
use crate::world::six::{
    ALL_NODES, advertisement, local, ndp_frame, own_global, plan6, prefix, six, starting, wait,
};
use crate::world::{Host, config, mac};
use stack::{AddressInfo, AddressState, Instant, Ipv6Plan, Origin};
use std::net::{IpAddr, Ipv6Addr};
use wire::ipv6;
use wire::ndp::{self, Item};

/// A host that has heard of a prefix that lives so long.
fn told(valid: u32, preferred: u32) -> (Host, Instant) {
    let plan = Ipv6Plan {
        has_temporary: true,
        ..plan6()
    };
    let mut host = starting(plan, config());
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 2_000);
    host.input(&advertisement(&[prefix(valid, preferred)]), now);
    (host, now)
}

fn temporary(host: &Host) -> Vec<AddressInfo> {
    let all = host.stack.addresses();
    all.filter(|it| it.origin == Origin::Temporary).collect()
}

fn v6(info: &AddressInfo) -> Ipv6Addr {
    match info.address {
        IpAddr::V6(address) => address,
        IpAddr::V4(address) => panic!("{address}"),
    }
}

/// Lets days pass; the router repeats itself every half hour.
fn days(host: &mut Host, now: &mut Instant, count: u64) -> usize {
    let mut most = 0;
    for _ in 0..count * 48 {
        host.input(&advertisement(&[prefix(u32::MAX, u32::MAX)]), *now);
        for _ in 0..180 {
            *now = *now + std::time::Duration::from_secs(10);
            host.stack.fire(&mut host.memory, *now);
            host.frames(*now);
        }
        most = most.max(temporary(host).len());
    }
    most
}

#[test]
fn one_is_made_beside_the_stable_one_and_spoken_from() {
    let (mut host, mut now) = told(3_600, 1_800);
    let made = temporary(&host);
    assert_eq!(made.len(), 1);
    let own = v6(&made[0]);
    assert_eq!(made[0].state, AddressState::Tentative, "it is asked about");
    assert_eq!((own.to_bits() >> 64) << 64, six("2001:db8:1::").to_bits());
    assert_ne!(own, own_global(1));
    wait(&mut host, &mut now, 2_000);
    assert_eq!(temporary(&host)[0].state, AddressState::Preferred);
    // Who is asked for by the stable address answers from it; who speaks first, from the other.
    host.stack
        .add_neighbour(host.link, six("2001:db8:1::9").into(), mac(9), now)
        .expect("room for a neighbour");
    let client = host.client();
    let ping = stack::Ping {
        address: IpAddr::V6(six("2001:db8:1::9")),
        ..world::ping(9)
    };
    host.ping(client, ping, 1, now);
    let sources: Vec<Ipv6Addr> = host
        .frames(now)
        .iter()
        .filter_map(|frame| source(frame))
        .collect();
    assert_eq!(sources, [own]);
}

fn source(frame: &[u8]) -> Option<Ipv6Addr> {
    let packet = ipv6::Packet::parse(frame.get(14..)?).ok()?;
    Some(packet.header.source)
}

#[test]
fn the_next_is_there_before_the_last_goes() {
    let (mut host, mut now) = told(u32::MAX, u32::MAX);
    let first = v6(&temporary(&host)[0]);
    let most = days(&mut host, &mut now, 1);
    assert!(most <= 3, "{most} at once");
    let all = temporary(&host);
    let state = |address| all.iter().find(|it| v6(it) == address).map(|it| it.state);
    assert_eq!(state(first), Some(AddressState::Deprecated));
    let preferred: Vec<_> = all
        .iter()
        .filter(|it| it.state == AddressState::Preferred)
        .collect();
    assert_eq!(preferred.len(), 1, "{all:?}");
    let most = days(&mut host, &mut now, 2);
    assert!(most <= 4, "{most} at once");
    assert!(
        temporary(&host).iter().all(|it| v6(it) != first),
        "it has ended"
    );
}

#[test]
fn routers_can_make_it_shorter_and_not_longer() {
    let (mut host, mut now) = told(3_600, 600);
    let own = v6(&temporary(&host)[0]);
    wait(&mut host, &mut now, 590_000);
    assert_eq!(
        temporary(&host).len(),
        1,
        "no other: the prefix is at its end"
    );
    wait(&mut host, &mut now, 20_000);
    assert_eq!(temporary(&host)[0].state, AddressState::Deprecated);
    // The prefix is good again: what was not over goes on.
    host.input(&advertisement(&[prefix(172_800, 86_400)]), now);
    wait(&mut host, &mut now, 5_000);
    let states: Vec<_> = temporary(&host)
        .iter()
        .map(|it| (v6(it), it.state))
        .collect();
    assert!(
        states.contains(&(own, AddressState::Preferred)),
        "{states:?}"
    );
}

#[test]
fn one_that_somebody_has_is_drawn_anew_but_not_for_ever() {
    let (mut host, now) = told(3_600, 1_800);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let own = v6(temporary(&host).last().expect("one"));
        assert!(!seen.contains(&own));
        seen.push(own);
        let message = ndp::Header::NeighborAdvertisement {
            target: own,
            router: false,
            solicited: false,
            replace: true,
        };
        let items = [Item::TargetLink(mac(9))];
        host.input(&ndp_frame((local(9), ALL_NODES), message, &items), now);
        host.frames(now);
    }
    let left = temporary(&host);
    assert!(
        left.iter().all(|it| it.state == AddressState::Duplicate),
        "{left:?}"
    );
    host.assert_balance();
}

#[test]
fn without_the_plan_there_is_none() {
    let (host, _) = world::six::settled();
    assert!(temporary(&host).is_empty());
}
