//! What a host says in MLD of the groups that it listens to, and when, at exact times.

use crate::world;
use crate::world::listeners::{Query6, Said, change, others6, query6, record, said6, told6};
use crate::world::six::{own_global, own_local, plan6, settled, six, starting, wait};
use crate::world::{Host, config};
use stack::Instant;
use stack::{Drop, Membership};
use std::net::Ipv6Addr;
use wire::ipv6::solicited_node;
use wire::membership::RecordKind::{Allow, IsExclude, IsInclude, ToExclude, ToInclude};

// RFC 3810 sections 5.2.13 and 6, RFC 3590 section 4, RFC 4862 section 5.4.2: who may have an address
// says that he listens before he asks for it, and again once he can say who he is.
#[test]
fn groups_of_addresses_are_told_before_others_are_asked() {
    let mut host = starting(plan6(), config());
    let group = solicited_node(own_local(1));
    let frames = host.frames(Instant::ZERO);
    let report = (Ipv6Addr::UNSPECIFIED, record(ToExclude, group));
    assert_eq!(
        said6(&frames[..1]),
        std::slice::from_ref(&report),
        "first of all"
    );
    assert_eq!(world::six::said(&frames[1..]).len(), 1, "then the question");
    let mut now = Instant::ZERO;
    let later = said6(&wait(&mut host, &mut now, 900));
    assert!(later.iter().all(|said| *said == report), "{later:?}");
    let proven = said6(&wait(&mut host, &mut now, 3_000));
    let named = (own_local(1), record(ToExclude, group));
    assert!(proven.contains(&named), "{proven:?}");
    assert_eq!(proven.iter().filter(|said| **said == named).count(), 2);
}

#[test]
fn an_address_that_goes_takes_its_group_along() {
    let (mut host, mut now) = settled();
    let groups = |host: &Host, now| {
        let all = host.stack.groups(now);
        all.filter(|it| it.is_own && it.group.is_ipv6()).count()
    };
    // Both addresses have one group, besides that of everybody.
    assert_eq!(groups(&host, now), 2);
    let address = six("fd00::1:2:3");
    host.stack
        .add_address(host.link, address.into(), 64, now)
        .expect("added");
    told6(&mut host, &mut now, 3_000);
    assert_eq!(groups(&host, now), 3);
    host.stack
        .remove_address(host.link, address.into(), now)
        .expect("removed");
    let said = told6(&mut host, &mut now, 3_000);
    let expected = record(ToInclude, solicited_node(address));
    assert!(
        said.len() == 2 && said.iter().all(|(_, it)| *it == expected),
        "{said:?}"
    );
    host.stack
        .remove_address(host.link, own_global(1).into(), now)
        .expect("removed");
    assert_eq!(
        told6(&mut host, &mut now, 3_000),
        [],
        "another has the group"
    );
}

// RFC 3810 sections 6.1 to 6.3.
#[test]
fn mld_answers_what_is_asked() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let (group, a, b) = (six("ff15::9"), six("fd00::a"), six("fd00::b"));
    change(
        &mut host,
        (client, socket),
        group,
        Membership::Include(a.into()),
        now,
    )
    .expect("join");
    let said = told6(&mut host, &mut now, 3_000);
    let allow = Said::Records(vec![(Allow, group, vec![a])]);
    assert!(
        matches!(&said[..], [(0, x), (0..=1_000, y)] if *x == allow && *y == allow),
        "{said:?}"
    );
    host.input(&query6(2, 5_000, Ipv6Addr::UNSPECIFIED, &[]).frame(), now);
    let said = told6(&mut host, &mut now, 6_000);
    let state = Said::Records(vec![
        (IsExclude, solicited_node(own_local(1)), vec![]),
        (IsInclude, group, vec![a]),
    ]);
    assert!(
        matches!(&said[..], [(0..=5_000, it)] if *it == state),
        "{said:?}"
    );
    host.input(&query6(2, 1_000, group, &[a, b]).frame(), now);
    let said = told6(&mut host, &mut now, 2_000);
    let answer = Said::Records(vec![(IsInclude, group, vec![a])]);
    assert!(
        matches!(&said[..], [(0..=1_000, it)] if *it == answer),
        "{said:?}"
    );
    // Of the interface and of nothing there is nothing to say.
    for narrow in ["ff11::9", "ff02::1"] {
        change(
            &mut host,
            (client, socket),
            six(narrow),
            Membership::Join,
            now,
        )
        .expect("join");
    }
    assert_eq!(told6(&mut host, &mut now, 3_000), []);
    host.assert_balance();
}

// RFC 3810 section 8.2, RFC 2710 section 4.
#[test]
fn a_router_of_mld_1_is_spoken_to_in_its_words() {
    let (mut host, mut now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let group = six("ff15::9");
    host.input(&query6(1, 1_000, Ipv6Addr::UNSPECIFIED, &[]).frame(), now);
    let said = told6(&mut host, &mut now, 2_000);
    let own = solicited_node(own_local(1));
    assert!(
        matches!(&said[..], [(0..=1_000, it)] if *it == Said::Report(own)),
        "{said:?}"
    );
    change(&mut host, (client, socket), group, Membership::Join, now).expect("join");
    let said = told6(&mut host, &mut now, 11_000);
    assert!(
        said.len() == 2 && said.iter().all(|(_, it)| *it == Said::Report(group)),
        "{said:?}"
    );
    // Another says the same: this one need not.
    host.input(&query6(1, 1_000, group, &[]).frame(), now);
    host.input(&others6(true, group), now);
    assert_eq!(told6(&mut host, &mut now, 2_000), []);
    host.input(&query6(1, 1_000, group, &[]).frame(), now);
    assert_eq!(told6(&mut host, &mut now, 2_000).len(), 1);
    change(&mut host, (client, socket), group, Membership::Leave, now).expect("leave");
    assert_eq!(
        told6(&mut host, &mut now, 11_000),
        [(0, Said::Leave(group))]
    );
    told6(&mut host, &mut now, 260_000);
    change(&mut host, (client, socket), group, Membership::Join, now).expect("join");
    let said = told6(&mut host, &mut now, 3_000);
    assert_eq!(said.first(), Some(&(0, record(ToExclude, group))));
}

// RFC 3810 section 6.2.
#[test]
fn questions_of_mld_that_cannot_be_a_routers_are_dropped() {
    let (mut host, mut now) = settled();
    let good = query6(2, 100, Ipv6Addr::UNSPECIFIED, &[]);
    let mut cases = vec![];
    let mut bad = |reason, spoil: fn(&mut Query6)| {
        let mut query = good.clone();
        spoil(&mut query);
        cases.push((reason, query.frame()));
    };
    bad(Drop::MldHopLimit, |it| it.hops = 2);
    bad(Drop::MldSource, |it| it.source = six("2001:db8::9"));
    bad(Drop::MldSource, |it| it.source = Ipv6Addr::UNSPECIFIED);
    bad(Drop::MldRouterAlert, |it| it.alert = false);
    bad(Drop::MldGroup, |it| it.sources = vec![six("fd00::9")]);
    cases.push((
        Drop::MldNotForUs,
        others6(false, solicited_node(own_local(1))),
    ));
    for (reason, frame) in cases {
        let before = host.stack.drops(reason);
        host.input(&frame, now);
        assert_eq!(host.stack.drops(reason), before + 1, "{reason}");
        assert_eq!(told6(&mut host, &mut now, 2_000), [], "{reason}");
    }
    for _ in 0..200 {
        host.input(&good.frame(), now);
    }
    assert_eq!(host.stack.drops(Drop::MldFlood), 150);
    host.assert_balance();
}
