//! Neighbour discovery, packet by packet: addresses, neighbours and routers, what is believed and what is not.

use crate::world::listeners::said6;
use crate::world::six::{
    ALL_NODES, advertisement, errors, icmp6_frame, local, ndp_frame, own_global, own_local, plan6,
    prefix, router, said, settled, six, solicitation, starting, state, wait,
};
use crate::world::{Host, config, mac};
use stack::{
    AddressState, Drop, EventKind, Identifiers, Instant, Ipv6Plan, NeighbourState, Ping,
    SocketError, Token,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use wire::ipv6::solicited_node;
use wire::ndp::{self, Item};
use wire::{Protocol, Pseudo, icmp6};

const PEER: &str = "2001:db8:1::9";

fn drops(host: &Host, reason: Drop) -> u64 {
    host.stack.drops(reason)
}

/// An echo request from neighbour 9 to host 1.
fn echo(to: Ipv6Addr) -> Vec<u8> {
    let message = icmp6::Header::EchoRequest {
        identifier: 7,
        sequence: 1,
    };
    icmp6_frame((local(9), to), message, b"echo, echo, echo")
}

/// RFC 4862 5.4: the address is asked for before it is used, by a packet from nowhere.
// RFC 4862: link-local, dad-all, dad-send, dad-source, dad-target, tentative-deaf
#[test]
fn a_link_local_address_is_probed_and_then_used() {
    let mut host = starting(plan6(), config());
    let mut now = Instant::ZERO;
    let own = own_local(1);
    let sent = said(&host.frames(now));
    let [(header, ndp::Header::NeighborSolicitation { target }, false)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (header.source, header.hop_limit),
        (Ipv6Addr::UNSPECIFIED, 255)
    );
    assert_eq!((header.destination, target), (solicited_node(own), own));
    assert_eq!(state(&host, own), Some(AddressState::Tentative));
    // Nobody is answered meanwhile.
    host.input(&solicitation(local(9), own), now);
    assert_eq!(drops(&host, Drop::NdpNotForUs), 1);
    let sent = said(&wait(&mut host, &mut now, 1_500));
    assert_eq!(state(&host, own), Some(AddressState::Preferred));
    // And now routers are asked, by name.
    let [(header, ndp::Header::RouterSolicitation, true)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(header.source, own);
    host.assert_balance();
}

/// RFC 4429: a new address is used at once, but takes nothing from who may have it.
// RFC 4862: dad-delay
#[test]
fn an_optimistic_address_is_used_at_once() {
    let plan = Ipv6Plan {
        is_optimistic: true,
        ..plan6()
    };
    let mut host = starting(plan, config());
    let mut now = Instant::ZERO;
    let own = own_local(1);
    let sent = said(&host.frames(now));
    // A question for routers that does not say our hardware address; that for others' waits a little.
    let [(header, ndp::Header::RouterSolicitation, false)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(header.source, own);
    assert_eq!(state(&host, own), Some(AddressState::Optimistic));
    host.input(&solicitation(local(9), own), now);
    let sent = said(&host.frames(now));
    let [
        (
            _,
            ndp::Header::NeighborAdvertisement {
                replace: false,
                solicited: true,
                ..
            },
            true,
        ),
    ] = sent[..]
    else {
        panic!("{sent:?}");
    };
    let sent = said(&wait(&mut host, &mut now, 1_000));
    let question = ndp::Header::NeighborSolicitation { target: own };
    assert!(sent.iter().any(|it| it.1 == question), "{sent:?}");
    // The owner appears.
    let message = ndp::Header::NeighborAdvertisement {
        target: own,
        router: false,
        solicited: false,
        replace: true,
    };
    let owner = ndp_frame((own, ALL_NODES), message, &[Item::TargetLink(mac(9))]);
    host.input(&owner, now);
    assert_eq!(state(&host, own), Some(AddressState::Duplicate));
}

/// RFC 4862 5.4.3 and 5.4.4, RFC 7527: who else wants it or has it, and who is only our echo.
// RFC 4862: dad-ns, dad-own-echo, dad-failed
#[test]
fn duplicates_are_found_and_our_own_question_is_none() {
    let own = own_local(1);
    let nowhere = Ipv6Addr::UNSPECIFIED;
    let solicit = ndp::Header::NeighborSolicitation { target: own };
    let other = ndp_frame((nowhere, solicited_node(own)), solicit, &[]);
    let mut host = starting(plan6(), config());
    // Before it, the host has said that it listens to its group.
    let mut echoed = host.frames(Instant::ZERO).remove(1);
    echoed[6..12].copy_from_slice(&mac(9).0);
    host.input(&echoed, Instant::ZERO);
    assert_eq!(state(&host, own), Some(AddressState::Tentative), "our own");
    host.input(&other, Instant::ZERO);
    assert_eq!(state(&host, own), Some(AddressState::Duplicate));
    assert_eq!(drops(&host, Drop::NdpConflict), 1);
    assert_eq!(host.counter("ndp.conflicts"), 1);
    let mut now = Instant::ZERO;
    let later = wait(&mut host, &mut now, 10_000);
    assert!(said(&later).is_empty(), "it is silent");
    assert_eq!(said6(&later).len(), 2, "but for its leaving the group");
    host.assert_balance();
}

/// RFC 7217 section 6: another address is made, but not for ever.
#[test]
fn a_stable_address_evades_others() {
    let plan = Ipv6Plan {
        identifiers: Identifiers::Stable { secret: Some(7) },
        ..plan6()
    };
    let mut host = starting(plan, config());
    let now = Instant::ZERO;
    let mut targets = Vec::new();
    for _ in 0..10 {
        let sent = said(&host.frames(now));
        let Some((_, ndp::Header::NeighborSolicitation { target }, _)) = sent.last() else {
            break;
        };
        targets.push(*target);
        let solicit = ndp::Header::NeighborSolicitation { target: *target };
        let ends = (Ipv6Addr::UNSPECIFIED, solicited_node(*target));
        host.input(&ndp_frame(ends, solicit, &[]), now);
    }
    assert_eq!(targets.len(), 4, "{targets:?}");
    targets.dedup();
    assert_eq!(targets.len(), 4, "another each time");
}

/// RFC 4861 6.1.2 and 7.1: what breaks a rule is counted and changes nothing.
// RFC 4861: ra-hop-limit, ra-checksum, ra-code, ra-option-length, ns-hop-limit, ns-checksum, ns-code, ns-option-length, na-hop-limit, na-checksum, na-code, na-option-length
#[test]
fn what_breaks_a_rule_of_neighbour_discovery_is_not_believed() {
    type Damage = fn(&mut Vec<u8>);
    let (host, now) = settled();
    let own = own_local(1);
    drop(host);
    let announce = ndp::Header::NeighborAdvertisement {
        target: six(PEER),
        router: false,
        solicited: true,
        replace: true,
    };
    let sound = [
        advertisement(&[prefix(3_600, 1_800)]),
        solicitation(local(9), own),
        ndp_frame((six(PEER), own), announce, &[Item::TargetLink(mac(9))]),
    ];
    let cases: [(&str, Drop, Damage); 4] = [
        ("hop limit", Drop::NdpHopLimit, |it| it[21] = 254),
        ("checksum", Drop::Icmp6Checksum, |it| it[56] ^= 1),
        ("code", Drop::NdpCode, |it| it[55] = 1),
        ("an option of no length", Drop::NdpOption, |it| {
            let option = it.len() - 8;
            if it[54] == 134 {
                it[71] = 0;
            } else {
                it[option + 1] = 0;
            }
        }),
    ];
    for frame in &sound {
        for (what, reason, damage) in &cases {
            let (mut host, _) = settled();
            let routes = host.stack.routes().count();
            let mut damaged = frame.clone();
            damage(&mut damaged);
            if *reason != Drop::Icmp6Checksum {
                seal(&mut damaged);
            }
            host.input(&damaged, now);
            assert_eq!(drops(&host, *reason), 1, "{what} of {}", frame[54]);
            assert!(host.frames(now).is_empty(), "{what} was answered");
            assert_eq!(host.stack.routes().count(), routes);
            host.assert_balance();
        }
    }
}

/// Makes the checksum of an ICMPv6 message right.
fn seal(frame: &mut [u8]) {
    frame[56..58].fill(0);
    let source: [u8; 16] = frame[22..38].try_into().expect("an address");
    let destination: [u8; 16] = frame[38..54].try_into().expect("an address");
    let pseudo = Pseudo::v6(source.into(), destination.into());
    let sum = pseudo.with(Protocol::ICMPV6, frame.len() as u32 - 54);
    let sum = sum.plus(wire::sum(&frame[54..])).finish();
    frame[56..58].copy_from_slice(&sum);
}

/// RFC 4861 6.3.4, RFC 4862 5.5.3: a router's word, and what becomes of it in time.
// RFC 4861: ra-lifetime, ra-lifetime-zero, prefix-lifetime
// RFC 4862: deprecated, invalid
#[test]
fn what_a_router_says_holds_as_long_as_it_says() {
    let (mut host, mut now) = settled();
    let own = own_global(1);
    assert_eq!(state(&host, own), Some(AddressState::Preferred));
    let routes = |host: &Host| -> Vec<(IpAddr, u8, Option<IpAddr>)> {
        let all = host.stack.routes();
        all.map(|it| (it.destination, it.prefix, it.gateway))
            .collect()
    };
    let link = (IpAddr::V6(six("2001:db8:1::")), 64, None);
    let default = (IpAddr::V6(six("::")), 0, Some(IpAddr::V6(local(9))));
    assert!(routes(&host).contains(&link) && routes(&host).contains(&default));
    now = now + Duration::from_secs(1_801);
    wait(&mut host, &mut now, 100);
    assert_eq!(state(&host, own), Some(AddressState::Deprecated));
    assert!(!routes(&host).contains(&default) && routes(&host).contains(&link));
    now = now + Duration::from_secs(1_800);
    wait(&mut host, &mut now, 100);
    assert_eq!(state(&host, own), None);
    assert!(!routes(&host).contains(&link));
    // It comes again, and goes by its own word.
    host.input(&advertisement(&[prefix(u32::MAX, u32::MAX)]), now);
    assert!(routes(&host).contains(&link) && routes(&host).contains(&default));
    let leaving = ndp::Header::RouterAdvertisement(router(0));
    host.input(&ndp_frame((local(9), ALL_NODES), leaving, &[]), now);
    assert!(!routes(&host).contains(&default) && routes(&host).contains(&link));
    host.assert_balance();
}

/// RFC 4862 5.5.3: prefixes of which no address is made.
// RFC 4862: link-local-prefix, not-autonomous, preferred-above-valid, valid-zero, prefix-length
#[test]
fn senseless_prefixes_make_no_address() {
    let item = |text: &str, autonomous, valid, preferred| {
        Item::Prefix(ndp::Prefix {
            prefix: text.parse().expect("a prefix"),
            on_link: true,
            autonomous,
            valid,
            preferred,
        })
    };
    for item in [
        item("fe80::/64", true, 100, 100),
        item("2001:db8:2::/64", false, 100, 100),
        item("2001:db8:2::/64", true, 100, 101),
        item("2001:db8:2::/64", true, 0, 0),
        item("2001:db8:2::/63", true, 100, 100),
        item("ff05::/64", true, 100, 100),
    ] {
        let (mut host, now) = settled();
        let before = host.stack.addresses().count();
        host.input(&advertisement(&[item]), now);
        assert_eq!(host.stack.addresses().count(), before, "{item:?}");
    }
}

/// A stranger who floods the link with advertisements takes a bounded place.
#[test]
fn floods_of_advertisements_take_a_bounded_place() {
    let (mut host, now) = settled();
    for number in 0..1_000_u16 {
        let prefix = Item::Prefix(ndp::Prefix {
            prefix: format!("2001:db8:{number:x}::/64")
                .parse()
                .expect("a prefix"),
            on_link: true,
            autonomous: true,
            valid: 1_000,
            preferred: 1_000,
        });
        let message = ndp::Header::RouterAdvertisement(router(1_800));
        let from = local(1_000 + number);
        host.input(&ndp_frame((from, ALL_NODES), message, &[prefix]), now);
        host.frames(now);
    }
    assert!(
        host.stack.routes().count() < 40,
        "{}",
        host.stack.routes().count()
    );
    assert!(host.stack.addresses().count() < 40);
    host.assert_balance();
}

/// RFC 8106, and the MTU of RFC 4861 6.3.4.
// RFC 4861: ra-mtu
#[test]
fn name_servers_and_the_mtu_come_from_routers() {
    let (mut host, now) = settled();
    let servers = [six("2001:db8::53").octets(), six("fe80::53").octets()];
    let item = |lifetime| Item::Servers {
        lifetime,
        addresses: ndp::Addresses::from_octets(&servers),
    };
    host.input(&advertisement(&[item(600), Item::Mtu(1_400)]), now);
    let known: Vec<SocketAddr> = host.stack.name_servers().collect();
    let expected: Vec<SocketAddr> = ["[2001:db8::53]:53", "[fe80::53]:53"]
        .map(|text| text.parse().expect("an end"))
        .to_vec();
    assert_eq!(known, expected);
    let ping = |size| Ping {
        link: 0,
        address: IpAddr::V6(local(9)),
        sequence: 1,
        size,
        ttl: None,
        timeout: Duration::from_secs(1),
    };
    let client = host.client();
    let fits = host.stack.ping(client, ping(1_352), Token(1), now);
    let beyond = host.stack.ping(client, ping(1_353), Token(2), now);
    assert_eq!((fits, beyond), (Ok(()), Ok(())));
    let to = IpAddr::V6(local(9));
    let known = host.stack.add_neighbour(host.link, to, mac(9), now);
    known.expect("a neighbour");
    // One byte more than a packet of that MTU takes leaves in two.
    let sizes: Vec<_> = host.frames(now).iter().map(Vec::len).collect();
    assert!(sizes.ends_with(&[1_414, 1_414, 71]), "{sizes:?}");
    host.input(&advertisement(&[item(0)]), now);
    assert_eq!(host.stack.name_servers().count(), 0);
}

/// RFC 4861 7.2: a neighbour is asked for by the group of its address, and answers for itself.
// RFC 4443: echo-client, echo-reply-passed
// RFC 4861: resolve-multicast, resolve-queue
#[test]
fn a_neighbour_is_asked_for_and_pinged() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let ping = Ping {
        link: 0,
        address: IpAddr::V6(six(PEER)),
        sequence: 3,
        size: 56,
        ttl: Some(9),
        timeout: Duration::from_secs(5),
    };
    host.stack
        .ping(client, ping, Token(1), now)
        .expect("queued");
    let sent = said(&host.frames(now));
    let [(header, ndp::Header::NeighborSolicitation { target }, true)] = sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!((header.source, target), (own_global(1), six(PEER)));
    assert_eq!(header.destination, solicited_node(six(PEER)));
    let message = ndp::Header::NeighborAdvertisement {
        target: six(PEER),
        router: false,
        solicited: true,
        replace: true,
    };
    let answer = ndp_frame(
        (six(PEER), own_global(1)),
        message,
        &[Item::TargetLink(mac(9))],
    );
    host.input(&answer, now);
    let asked = errors(&host.frames(now));
    let [
        (
            header,
            icmp6::Header::EchoRequest {
                identifier,
                sequence: 3,
            },
            body,
        ),
    ] = &asked[..]
    else {
        panic!("{asked:?}");
    };
    assert_eq!((header.hop_limit, body.len()), (9, 56));
    now = now + Duration::from_millis(7);
    let reply = icmp6::Header::EchoReply {
        identifier: *identifier,
        sequence: 3,
    };
    // Somebody else's answer is none.
    host.input(&icmp6_frame((local(9), own_global(1)), reply, body), now);
    assert_eq!(drops(&host, Drop::Icmp6Unrelated), 1);
    host.input(&icmp6_frame((six(PEER), own_global(1)), reply, body), now);
    host.publish(now);
    let told = host.take(1);
    let [
        EventKind::PingReply {
            from,
            round_trip,
            size: 56,
            sequence: 3,
            ..
        },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(
        (from, round_trip),
        (IpAddr::V6(six(PEER)), Duration::from_millis(7))
    );
    host.assert_balance();
}

/// Who answers nobody: three questions, then the ping has failed.
// RFC 4861: resolve-gives-up
#[test]
fn a_silent_neighbour_is_given_up() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let ping = Ping {
        link: 0,
        address: IpAddr::V6(six(PEER)),
        sequence: 3,
        size: 56,
        ttl: None,
        timeout: Duration::from_secs(9),
    };
    host.stack
        .ping(client, ping, Token(1), now)
        .expect("queued");
    let sent = said(&wait(&mut host, &mut now, 5_000));
    assert_eq!(sent.len(), 3, "{sent:?}");
    let told = host.take(1);
    assert!(
        matches!(
            told[..],
            [EventKind::PingFailed {
                error: SocketError::HostUnreachable,
                ..
            }]
        ),
        "{told:?}"
    );
}

/// RFC 4861 7.2.5, and more: nobody moves a neighbour in use by one unasked message.
#[test]
fn an_unasked_advertisement_moves_no_neighbour() {
    let (mut host, now) = settled();
    host.input(&echo(own_local(1)), now);
    host.frames(now);
    let message = ndp::Header::NeighborAdvertisement {
        target: local(9),
        router: true,
        solicited: false,
        replace: true,
    };
    let frame = ndp_frame((local(9), ALL_NODES), message, &[Item::TargetLink(mac(66))]);
    host.input(&frame, now + Duration::from_secs(2));
    assert_eq!(drops(&host, Drop::NdpSuspicious), 1);
    let known = host
        .stack
        .neighbours(now)
        .find(|it| it.address == IpAddr::V6(local(9)));
    let known = known.expect("known");
    assert_eq!(
        (known.mac, known.state),
        (Some(mac(9)), NeighbourState::Probe)
    );
    // It is asked, and its answer counts.
    let asked = said(&host.frames(now + Duration::from_secs(2)));
    assert!(
        matches!(
            asked[..],
            [(_, ndp::Header::NeighborSolicitation { .. }, _)]
        ),
        "{asked:?}"
    );
    // About nobody whom we know: nothing is remembered.
    let stranger = ndp::Header::NeighborAdvertisement {
        target: local(55),
        router: false,
        solicited: false,
        replace: true,
    };
    host.input(
        &ndp_frame(
            (local(55), ALL_NODES),
            stranger,
            &[Item::TargetLink(mac(9))],
        ),
        now,
    );
    assert_eq!(drops(&host, Drop::NdpUnrelated), 1);
    host.assert_balance();
}

/// RFC 4861 section 8: only the first hop sends elsewhere.
// RFC 4861: redirect-heeded, redirect-first-hop
#[test]
fn redirects_are_believed_of_the_first_hop_alone() {
    let far = six("2001:db8:ffff::1");
    let message = ndp::Header::Redirect {
        target: local(8),
        destination: far,
    };
    let gateway = |host: &Host| {
        let mut all = host.stack.routes();
        let found = all.find(|it| it.destination == IpAddr::V6(far));
        found.and_then(|it| it.gateway)
    };
    let (mut host, now) = settled();
    host.input(&ndp_frame((local(7), own_local(1)), message, &[]), now);
    assert_eq!(
        (drops(&host, Drop::NdpUnrelated), gateway(&host)),
        (1, None)
    );
    host.input(&ndp_frame((local(9), own_local(1)), message, &[]), now);
    assert_eq!(gateway(&host), Some(IpAddr::V6(local(8))));
    // They are kept in a bounded place.
    for number in 0..500_u16 {
        let message = ndp::Header::Redirect {
            target: local(8),
            destination: Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, number),
        };
        host.input(&ndp_frame((local(9), own_local(1)), message, &[]), now);
    }
    assert!(host.stack.routes().count() < 50);
    assert_eq!(gateway(&host), None, "the oldest made way");
}
