//! IPv6 and neighbour discovery, packet by packet: what is believed, what is answered, what is not.
#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers in tests are small"
)]

mod world;

use stack::{
    AddressState, Data, Drop, EventKind, Identifiers, Instant, Ipv6Plan, NeighbourState, Ping,
    PingError, SocketError, SocketOption, Token,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use wire::ipv6::{self, solicited_node};
use wire::ndp::{self, Item};
use wire::{Headroom, Protocol, Pseudo, Seal, icmp6, udp};
use world::six::{
    ALL_NODES, advertisement, errors, frame6, icmp6_frame, local, ndp_frame, own_global, own_local,
    plan6, prefix, router, said, settled, six, solicitation, starting, state, wait,
};
use world::{Host, config, mac};

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
#[test]
fn an_optimistic_address_is_used_at_once() {
    let plan = Ipv6Plan {
        is_optimistic: true,
        ..plan6()
    };
    let mut host = starting(plan, config());
    let now = Instant::ZERO;
    let own = own_local(1);
    let sent = said(&host.frames(now));
    // The question, and one for routers that does not say our hardware address.
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!((sent[1].0.source, sent[1].2), (own, false));
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
#[test]
fn duplicates_are_found_and_our_own_question_is_none() {
    let own = own_local(1);
    let nowhere = Ipv6Addr::UNSPECIFIED;
    let solicit = ndp::Header::NeighborSolicitation { target: own };
    let other = ndp_frame((nowhere, solicited_node(own)), solicit, &[]);
    let mut host = starting(plan6(), config());
    let mut echoed = host.frames(Instant::ZERO).remove(0);
    echoed[6..12].copy_from_slice(&mac(9).0);
    host.input(&echoed, Instant::ZERO);
    assert_eq!(state(&host, own), Some(AddressState::Tentative), "our own");
    host.input(&other, Instant::ZERO);
    assert_eq!(state(&host, own), Some(AddressState::Duplicate));
    assert_eq!(drops(&host, Drop::NdpConflict), 1);
    assert_eq!(host.counter("ndp.conflicts"), 1);
    let mut now = Instant::ZERO;
    assert!(wait(&mut host, &mut now, 10_000).is_empty(), "it is silent");
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

/// RFC 4291 2.5 to 2.8, and what RFC 8200 asks of headers.
#[test]
fn packets_that_are_not_for_us_are_counted_and_not_answered() {
    let own = own_local(1);
    let cases: [(&str, Drop, Ipv6Addr, Ipv6Addr); 9] = [
        ("from loopback", Drop::Ipv6Loopback, six("::1"), own),
        ("from a group", Drop::Ipv6Source, ALL_NODES, own),
        ("from nobody", Drop::Ipv6Source, six("::"), own),
        ("from ourselves", Drop::Ipv6Source, own_global(1), own),
        ("from IPv4", Drop::Ipv6Source, six("::ffff:10.0.0.9"), own),
        ("for another", Drop::Ipv6NotForUs, local(9), local(77)),
        ("for routers", Drop::Ipv6NotForUs, local(9), six("ff02::2")),
        (
            "for another's group",
            Drop::Ipv6NotForUs,
            local(9),
            solicited_node(local(77)),
        ),
        ("for loopback", Drop::Ipv6Loopback, local(9), six("::1")),
    ];
    for (what, reason, from, to) in cases {
        let (mut host, now) = settled();
        let header = ipv6::Header::new(from, to, Protocol(200), 64);
        let mut frame = frame6(mac(9), &header, b"anything");
        // Also what no filter of hardware addresses keeps away.
        frame[..6].copy_from_slice(&mac(1).0);
        host.input(&frame, now);
        assert_eq!(drops(&host, reason), 1, "{what}");
        assert!(host.frames(now).is_empty(), "{what} was answered");
        host.assert_balance();
    }
}

#[test]
fn an_interface_that_takes_no_part_hears_nothing() {
    let mut host = Host::new(1, config(), stack::AddressPlan::None);
    host.input(&echo(own_local(1)), Instant::ZERO);
    assert_eq!(drops(&host, Drop::Ipv6Disabled), 1);
    host.input(&advertisement(&[]), Instant::ZERO);
    assert_eq!(drops(&host, Drop::EthernetNotForUs), 1);
    assert!(host.frames(Instant::ZERO).is_empty());
}

/// RFC 4443 4.2 and RFC 4861 7.2.
#[test]
fn an_echo_is_answered_when_the_neighbour_is_known() {
    let (mut host, now) = settled();
    host.input(&echo(own_local(1)), now);
    // 9 has told its hardware address as a router.
    let frames = host.frames(now);
    let answers = errors(&frames);
    let [
        (
            header,
            icmp6::Header::EchoReply {
                identifier: 7,
                sequence: 1,
            },
            body,
        ),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (header.source, header.destination),
        (own_local(1), local(9))
    );
    assert_eq!(body, b"echo, echo, echo");
    assert_eq!(frames[0][..6], mac(9).0);
    // To all nodes: from an address of its own.
    host.input(&echo(ALL_NODES), now);
    let answers = errors(&host.frames(now));
    assert_eq!(answers[0].0.source, own_local(1));
    host.assert_balance();
}

/// RFC 8200 section 4: headers that nobody speaks, routing headers, bad options.
#[test]
fn headers_that_cannot_be_heeded_are_told_of() {
    use icmp6::{Cause, ParameterProblem};
    type Case = (&'static str, u8, Vec<u8>, Drop, Option<(Cause, u32)>);
    let cases: [Case; 5] = [
        (
            "unknown",
            200,
            vec![0; 8],
            Drop::Ipv6UnknownProtocol,
            Some((Cause::NextHeader, 6)),
        ),
        ("nothing", 59, vec![0; 8], Drop::Ipv6NoContent, None),
        (
            "routing",
            43,
            vec![59, 0, 0, 1, 0, 0, 0, 0],
            Drop::Ipv6Routing,
            Some((Cause::Field, 42)),
        ),
        (
            "option",
            60,
            vec![59, 0, 0x81, 0, 1, 2, 0, 0],
            Drop::Ipv6UnknownOption,
            Some((Cause::Option, 42)),
        ),
        (
            "silent option",
            60,
            vec![59, 0, 0x41, 0, 1, 2, 0, 0],
            Drop::Ipv6UnknownOption,
            None,
        ),
    ];
    for (what, next, payload, reason, told) in cases {
        let (mut host, now) = settled();
        let header = ipv6::Header::new(local(9), own_local(1), Protocol(next), 64);
        let frame = frame6(mac(9), &header, &payload);
        host.input(&frame, now);
        assert_eq!(drops(&host, reason), 1, "{what}");
        let answers = errors(&host.frames(now));
        let answered = answers.first().map(|(_, header, _)| *header);
        let expected = told.map(|(cause, pointer)| {
            icmp6::Header::ParameterProblem(ParameterProblem { cause, pointer })
        });
        assert_eq!(answered, expected, "{what}");
        if let Some((_, _, quote)) = answers.first() {
            assert_eq!(quote[..], frame[14..], "{what}");
        }
    }
}

/// RFC 4443 2.4 e and f.
#[test]
fn errors_are_never_answered_by_errors_and_are_limited() {
    let (mut host, now) = settled();
    let about = ipv6::Header::new(own_local(1), local(9), Protocol::UDP, 64);
    let mut quoted = vec![0; 40];
    about
        .emit(&mut Headroom::new(&mut quoted), 8)
        .expect("room");
    quoted.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    let error = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    host.input(&icmp6_frame((local(9), own_local(1)), error, &quoted), now);
    assert_eq!(drops(&host, Drop::Icmp6Unrelated), 1);
    assert!(host.frames(now).is_empty());
    // A group's packet is answered only where its option says so.
    let header = ipv6::Header::new(local(9), ALL_NODES, Protocol(200), 64);
    host.input(&frame6(mac(9), &header, &[0; 8]), now);
    assert!(host.frames(now).is_empty());
    for _ in 0..1_000 {
        let header = ipv6::Header::new(local(9), own_local(1), Protocol(200), 64);
        host.input(&frame6(mac(9), &header, &[0; 8]), now);
        if host.counter("icmp.errors_limited") > 0 {
            break;
        }
        host.frames(now);
    }
    assert_eq!(host.counter("icmp.errors_limited"), 1);
    assert_eq!(host.counter("icmp.errors_sent"), 100);
    host.assert_balance();
}

/// RFC 4861 6.3.4, RFC 4862 5.5.3: a router's word, and what becomes of it in time.
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
        address: IpAddr::V6(local(9)),
        sequence: 1,
        size,
        ttl: None,
        timeout: Duration::from_secs(1),
    };
    let client = host.client();
    let fits = host.stack.ping(client, ping(1_352), Token(1), now);
    let beyond = host.stack.ping(client, ping(1_353), Token(2), now);
    assert_eq!((fits, beyond), (Ok(()), Err(PingError::TooBig)));
    host.input(&advertisement(&[item(0)]), now);
    assert_eq!(host.stack.name_servers().count(), 0);
}

/// RFC 4861 7.2: a neighbour is asked for by the group of its address, and answers for itself.
#[test]
fn a_neighbour_is_asked_for_and_pinged() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let ping = Ping {
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
#[test]
fn a_silent_neighbour_is_given_up() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let ping = Ping {
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

/// A datagram from neighbour 9, whose hardware address is known.
fn datagram(to: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(local(9), to),
        payload: wire::sum(payload),
    };
    let header = udp::Header {
        src_port: ports.0,
        dst_port: ports.1,
    };
    header
        .emit(&mut Headroom::new(&mut bytes), payload.len(), seal)
        .expect("room");
    bytes.extend_from_slice(payload);
    let header = ipv6::Header::new(local(9), to, Protocol::UDP, 64);
    frame6(mac(9), &header, &bytes)
}

#[test]
fn datagrams_come_and_go() {
    let (mut host, now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let any = "[::]:7".parse().expect("an end");
    host.stack.bind(client, socket, any).expect("free");
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, socket, room, Token(1), now)
        .expect("room");
    host.input(&datagram(own_local(1), (4_000, 7), b"over six"), now);
    host.publish(now);
    let told = host.take(1);
    let [
        EventKind::Received {
            length: 8,
            from: Some(from),
            ..
        },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(from, SocketAddr::new(local(9).into(), 4_000));
    assert_eq!(host.memory.bytes(client, 0, 8), b"over six");
    let answer = Data::Inline(b"and back");
    host.stack
        .send(client, socket, answer, Some(from), Token(2), now)
        .expect("queued");
    let frames = host.frames(now);
    let (header, protocol, payload) = world::six::content(&frames[0]).expect("a packet");
    assert_eq!(
        (header.source, header.destination, protocol),
        (own_local(1), local(9), Protocol::UDP)
    );
    let check = wire::Check::Verify(Pseudo::v6(header.source, header.destination));
    let sent = udp::Datagram::parse(payload, check, udp::NoChecksum::Refuse).expect("sound");
    assert_eq!(
        (sent.header.src_port, sent.header.dst_port, sent.payload),
        (7, 4_000, &b"and back"[..])
    );
    // RFC 8200 8.1: a checksum must be there; RFC 4443 3.1: and somebody.
    let mut bare = datagram(own_local(1), (4_000, 7), b"over six");
    bare[60..62].fill(0);
    host.input(&bare, now);
    assert_eq!(drops(&host, Drop::UdpNoChecksum), 1);
    host.input(&datagram(own_local(1), (4_000, 8), b"nobody"), now);
    let answers = errors(&host.frames(now));
    let unreachable = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    assert_eq!(answers.first().map(|it| it.1), Some(unreachable));
    // What waits is given back.
    host.publish(now);
    host.stack.client_close(client, now);
    assert_eq!(host.stack.holdings(), stack::Holdings::default());
    host.assert_balance();
}

/// RFC 3493 section 5.3: a port is a family's, unless its owner wants both.
#[test]
fn ports_are_of_one_family_or_of_both() {
    let (mut host, now) = settled();
    let client = host.client();
    let end = |text: &str| -> SocketAddr { text.parse().expect(text) };
    let one = host.datagram(client);
    host.stack.bind(client, one, end("[::]:7")).expect("free");
    let other = host.datagram(client);
    host.stack
        .bind(client, other, end("0.0.0.0:7"))
        .expect("another family's");
    let both = host.datagram(client);
    let dual = SocketOption::DualStack(true);
    host.stack
        .set_option(client, both, dual, now)
        .expect("an option");
    assert!(host.stack.bind(client, both, end("[::]:7")).is_err());
    host.stack.bind(client, both, end("[::]:9")).expect("free");
    let taken = host.datagram(client);
    for text in ["0.0.0.0:9", "[::]:9", "127.0.0.1:9", "[::1]:9"] {
        assert!(host.stack.bind(client, taken, end(text)).is_err(), "{text}");
    }
    // Through loopback, of both families; IPv4 is seen as it is written over IPv6.
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, both, room, Token(1), now)
        .expect("room");
    for (socket, to) in [(one, "[::1]:9"), (other, "127.0.0.1:9")] {
        let data = Data::Inline(b"here");
        host.stack
            .send(client, socket, data, Some(end(to)), Token(9), now)
            .expect("queued");
        host.stack.fire(&mut host.memory, now);
    }
    host.publish(now);
    let from = |kind: &EventKind| match kind {
        EventKind::Received { from, .. } => *from,
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = host.take(1).iter().map(from).collect();
    assert_eq!(
        told,
        [Some(end("[::1]:7")), Some(end("[::ffff:127.0.0.1]:7"))]
    );
    // And answered so.
    let to = Some(end("[::ffff:127.0.0.1]:7"));
    host.stack
        .receive(client, other, stack::Range::new(512, 64), Token(2), now)
        .expect("room");
    host.stack
        .send(client, both, Data::Inline(b"back"), to, Token(9), now)
        .expect("queued");
    host.stack.fire(&mut host.memory, now);
    host.publish(now);
    let told: Vec<_> = host.take(2).iter().map(from).collect();
    assert_eq!(told, [Some(end("127.0.0.1:9"))]);
    // A socket of one family does not speak the other.
    let wrong = host.stack.send(
        client,
        one,
        Data::Inline(b"x"),
        Some(end("127.0.0.1:9")),
        Token(9),
        now,
    );
    assert_eq!(wrong, Err(stack::SendError::AddressFamily));
}

/// RFC 5927: an error is for who has sent what it quotes.
#[test]
fn errors_reach_the_socket_concerned() {
    let (mut host, now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let peer = SocketAddr::new(local(9).into(), 4_000);
    host.stack
        .connect(client, socket, peer, Token(1), now)
        .expect("a way");
    host.stack
        .send(client, socket, Data::Inline(b"hello"), None, Token(2), now)
        .expect("queued");
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, socket, room, Token(3), now)
        .expect("room");
    let frames = host.frames(now);
    let error = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    let mut foreign = frames[0][14..].to_vec();
    foreign[42] ^= 1;
    host.input(&icmp6_frame((local(9), own_local(1)), error, &foreign), now);
    assert_eq!(drops(&host, Drop::Icmp6Unrelated), 1);
    host.input(
        &icmp6_frame((local(9), own_local(1)), error, &frames[0][14..]),
        now,
    );
    host.publish(now);
    let told = host.take(3);
    assert!(
        matches!(told[..], [EventKind::Error(SocketError::Refused)]),
        "{told:?}"
    );
}
