//! What a host says in IGMP of the groups that it listens to, and when, at exact times.

use crate::world;
use crate::world::listeners::{
    GROUP, OTHER, Query4, Said, ask4, change, host, igmp_frame, others4, query4, record, told,
    version_of,
};
use crate::world::{Host, ip};
use stack::{Drop, Membership};
use std::net::Ipv4Addr;
use wire::membership::RecordKind::{IsExclude, IsInclude, ToExclude, ToInclude};

fn excluded(group: Ipv4Addr) -> Said<Ipv4Addr> {
    record(IsExclude, group)
}

// RFC 3376 section 5.1: a change is told at once, and again within the unsolicited report interval.
#[test]
fn joining_and_leaving_are_told_twice() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    let said = told(&mut host, &mut now, 5_000);
    let [(0, first), (again @ 0..=1_000, second)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((first, second), (&record(ToExclude, GROUP), first));
    assert!(*again > 0, "by chance not at once");
    change(&mut host, (client, socket), GROUP, Membership::Leave, now).expect("leave");
    let said = told(&mut host, &mut now, 5_000);
    let [(0, first), (0..=1_000, second)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((first, second), (&record(ToInclude, GROUP), first));
    assert_eq!(host.counter("group.reports_sent"), 4);
    assert_eq!(host.stack.groups(now).count(), 1, "that of everybody");
}

// RFC 3376 section 5.2: within the time that the router gives, all in one message.
#[test]
fn a_question_about_all_is_answered_once_in_time() {
    let (mut host, client, socket, mut now) = host();
    for group in [GROUP, OTHER, Ipv4Addr::new(224, 0, 0, 1)] {
        change(&mut host, (client, socket), group, Membership::Join, now).expect("join");
    }
    told(&mut host, &mut now, 3_000);
    let mut times = Vec::new();
    for _ in 0..20 {
        host.input(&query4(3, 100).frame(), now);
        host.input(&query4(3, 100).frame(), now);
        let said = told(&mut host, &mut now, 11_000);
        let [(at, Said::Records(records))] = &said[..] else {
            panic!("{said:?}");
        };
        let state = |group| (IsExclude, group, Vec::new());
        assert_eq!(records[..], [state(GROUP), state(OTHER)]);
        times.push(*at);
    }
    assert!(times.iter().all(|at| *at <= 10_000), "{times:?}");
    let spread = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert!(spread > 3_000, "at random: {times:?}");
    assert_eq!(host.counter("group.queries_heard"), 40);
    host.assert_balance();
}

// RFC 3376 section 5.2, rules 2 to 5.
#[test]
fn a_question_about_a_group_or_sources_is_answered_for_those() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    change(
        &mut host,
        (client, socket),
        GROUP,
        Membership::Block(ip(50).into()),
        now,
    )
    .expect("block");
    change(&mut host, (client, socket), OTHER, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    host.input(&ask4(3, 10, OTHER, &[]).frame(), now);
    let said = told(&mut host, &mut now, 2_000);
    assert!(
        matches!(&said[..], [(0..=1_000, it)] if *it == excluded(OTHER)),
        "{said:?}"
    );
    let asked = [ip(50), ip(51), ip(52)];
    host.input(&ask4(3, 10, GROUP, &asked[..2]).frame(), now);
    host.input(&ask4(3, 10, GROUP, &asked[1..]).frame(), now);
    let said = told(&mut host, &mut now, 2_000);
    let expected = Said::Records(vec![(IsInclude, GROUP, vec![ip(51), ip(52)])]);
    assert!(
        matches!(&said[..], [(0..=1_000, it)] if *it == expected),
        "{said:?}"
    );
    host.input(&ask4(3, 10, GROUP, &asked[..1]).frame(), now);
    assert_eq!(
        told(&mut host, &mut now, 2_000),
        [],
        "nobody hears that one"
    );
    // Not listened to: not even for us.
    let absent = ask4(3, 10, Ipv4Addr::new(239, 9, 9, 9), &[]);
    host.input(&absent.frame(), now);
    assert_eq!(told(&mut host, &mut now, 2_000), []);
    assert_eq!(host.stack.drops(Drop::EthernetNotForUs), 1);
    host.assert_balance();
}

// RFC 3376 section 8.1: a router may want more repetitions.
#[test]
fn a_router_says_how_often_changes_are_told() {
    let (mut host, client, socket, mut now) = host();
    let query = Query4 {
        robustness: 5,
        ..query4(3, 1)
    };
    host.input(&query.frame(), now);
    assert_eq!(told(&mut host, &mut now, 1_000), []);
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    assert_eq!(told(&mut host, &mut now, 10_000).len(), 5);
}

// RFC 2236 section 3, RFC 3376 section 7.2.
#[test]
fn a_router_of_version_2_is_spoken_to_in_its_words() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    assert_eq!(version_of(&query4(2, 100).frame()), 2);
    host.input(&query4(2, 100).frame(), now);
    let version = host.stack.groups(now).next().map(|it| it.version);
    assert_eq!(version, Some(2));
    let said = told(&mut host, &mut now, 11_000);
    assert!(
        matches!(&said[..], [(0..=10_000, it)] if *it == Said::Report(GROUP)),
        "{said:?}"
    );
    change(
        &mut host,
        (client, socket),
        OTHER,
        Membership::Include(ip(5).into()),
        now,
    )
    .expect("join");
    let said = told(&mut host, &mut now, 11_000);
    let [(0, first), (0..=10_000, second)] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!((first, second), (&Said::Report(OTHER), first));
    change(&mut host, (client, socket), OTHER, Membership::Leave, now).expect("leave");
    assert_eq!(told(&mut host, &mut now, 11_000), [(0, Said::Leave(OTHER))]);
    // Twice 125 seconds and the time of the last question later, the newest version again.
    host.input(&query4(2, 100).frame(), now);
    told(&mut host, &mut now, 259_900);
    let version = |host: &Host, now| host.stack.groups(now).next().map(|it| it.version);
    assert_eq!(version(&host, now), Some(2));
    told(&mut host, &mut now, 200);
    assert_eq!(version(&host, now), Some(3));
    change(&mut host, (client, socket), GROUP, Membership::Leave, now).expect("leave");
    assert_eq!(told(&mut host, &mut now, 3_000).len(), 2);
    assert_eq!(host.counter("group.leaves_sent"), 1);
}

// RFC 2236 section 3: one that listens is enough for the link, and who said it last says when he leaves.
#[test]
fn who_hears_another_listener_is_silent() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    host.input(&query4(2, 100).frame(), now);
    host.input(&others4(true, GROUP), now);
    assert_eq!(told(&mut host, &mut now, 11_000), []);
    change(&mut host, (client, socket), GROUP, Membership::Leave, now).expect("leave");
    assert_eq!(told(&mut host, &mut now, 11_000), []);
    // In the newest version others are of no interest.
    let (mut host, client, socket, mut now) = self::host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    host.input(&query4(3, 100).frame(), now);
    host.input(&others4(true, GROUP), now);
    assert_eq!(told(&mut host, &mut now, 11_000).len(), 1);
    assert_eq!(host.stack.drops(Drop::IgmpNotForUs), 1);
    host.assert_balance();
}

// RFC 2236 section 4: nobody told routers of version 1 that he left.
#[test]
fn a_router_of_version_1_is_not_told_of_leaving() {
    let (mut host, client, socket, mut now) = host();
    assert_eq!(version_of(&query4(1, 0).frame()), 1);
    host.input(&query4(1, 0).frame(), now);
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    let said = told(&mut host, &mut now, 11_000);
    assert!(
        said.iter().all(|(_, it)| *it == Said::OldReport(GROUP)),
        "{said:?}"
    );
    assert_eq!(said.len(), 2);
    // One of version 2 beside it changes nothing.
    host.input(&query4(2, 10).frame(), now);
    let said = told(&mut host, &mut now, 2_000);
    assert!(
        matches!(&said[..], [(_, Said::OldReport(GROUP))]),
        "{said:?}"
    );
    change(&mut host, (client, socket), GROUP, Membership::Leave, now).expect("leave");
    assert_eq!(told(&mut host, &mut now, 11_000), []);
}

// RFC 3376 sections 4 and 9.1.
#[test]
fn questions_that_cannot_be_a_routers_are_dropped() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    let good = query4(3, 10);
    let mut bad_sum = good.frame();
    *bad_sum.last_mut().unwrap() ^= 1;
    let short = igmp_frame(&good, &[0x11, 1, 0, 0]);
    let unknown = igmp_frame(&good, &[0x55, 0, 0xaa, 0xff, 0, 0, 0, 0]);
    let cases = [
        (
            Drop::IgmpTimeToLive,
            Query4 {
                ttl: 2,
                ..good.clone()
            }
            .frame(),
        ),
        (
            Drop::IgmpRouterAlert,
            Query4 {
                alert: false,
                ..good.clone()
            }
            .frame(),
        ),
        (
            Drop::IgmpDestination,
            Query4 {
                to: GROUP,
                ..good.clone()
            }
            .frame(),
        ),
        (
            Drop::IgmpGroup,
            Query4 {
                group: ip(7),
                ..good.clone()
            }
            .frame(),
        ),
        (
            Drop::IgmpGroup,
            Query4 {
                sources: vec![ip(7)],
                ..good.clone()
            }
            .frame(),
        ),
        (Drop::IgmpChecksum, bad_sum),
        (Drop::IgmpShort, short),
        (Drop::IgmpUnknownType, unknown),
        (Drop::IgmpNotForUs, others4(false, GROUP)),
    ];
    for (reason, frame) in cases {
        let before = host.stack.drops(reason);
        host.input(&frame, now);
        assert_eq!(host.stack.drops(reason), before + 1, "{reason}");
        assert_eq!(told(&mut host, &mut now, 2_000), [], "{reason}");
    }
    assert_eq!(host.counter("group.queries_heard"), 0);
    host.assert_balance();
}

// RFC 4541 section 2.1.1: switches without an address ask so.
#[test]
fn nobody_may_ask_but_say_nothing_else() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    let nobody = Query4 {
        source: Ipv4Addr::UNSPECIFIED,
        ..query4(3, 10)
    };
    host.input(&nobody.frame(), now);
    assert_eq!(told(&mut host, &mut now, 2_000).len(), 1);
    let to_us = Query4 {
        to: ip(1),
        ..nobody
    };
    let mut frame = to_us.frame();
    frame[..6].copy_from_slice(&world::mac(1).0);
    host.input(&frame, now);
    assert_eq!(told(&mut host, &mut now, 2_000), []);
    assert_eq!(host.stack.drops(Drop::Ipv4Source), 1);
}

#[test]
fn a_flood_of_questions_is_answered_now_and_then() {
    let (mut host, client, socket, mut now) = host();
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    let mut answers = 0;
    for _ in 0..1_000 {
        host.input(&query4(3, 0).frame(), now);
        answers += told(&mut host, &mut now, 1).len();
    }
    assert!((50..=101).contains(&answers), "{answers}");
    let dropped = host.stack.drops(Drop::IgmpFlood);
    assert_eq!(dropped + host.counter("group.queries_heard"), 1_000);
    host.assert_balance();
}

// RFC 3376 section 4.2.16: a report that is too long is several.
#[test]
fn many_groups_are_told_of_by_several_reports() {
    let (mut host, client, socket, mut now) = host();
    for last in 0..20 {
        let group = Ipv4Addr::new(239, 1, 1, last);
        for source in 0..30 {
            let source = Ipv4Addr::new(10, 0, 2, source).into();
            change(
                &mut host,
                (client, socket),
                group,
                Membership::Include(source),
                now,
            )
            .expect("join");
        }
    }
    told(&mut host, &mut now, 5_000);
    host.input(&query4(3, 1).frame(), now);
    let said = told(&mut host, &mut now, 1_000);
    let mut groups = Vec::new();
    for (_, said) in &said {
        let Said::Records(records) = said else {
            panic!("{said:?}");
        };
        groups.extend(records.iter().map(|(kind, group, sources)| {
            assert_eq!((*kind, sources.len()), (IsInclude, 30));
            *group
        }));
    }
    assert_eq!((said.len(), groups.len()), (2, 20));
    groups.dedup();
    assert_eq!(groups.len(), 20);
}
