//! What sockets want to hear: merged, bounded, and gone with them.

use crate::world::listeners::{GROUP, OTHER, Said, change, host, record, told};
use crate::world::six::{six, wait};
use crate::world::{Host, config, ip, plan};
use stack::{AddressPlan, Config, FilterMode, GroupError, Instant, Membership};
use std::net::Ipv4Addr;
use wire::membership::RecordKind::{Allow, Block, ToExclude, ToInclude};

#[test]
fn a_client_that_cannot_make_up_its_mind_is_not_told_of_each_time() {
    let (mut host, client, socket, mut now) = host();
    for _ in 0..500 {
        change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
        change(&mut host, (client, socket), GROUP, Membership::Leave, now).expect("leave");
    }
    let said = told(&mut host, &mut now, 3_000);
    assert!(said.len() < 60, "{}", said.len());
    assert_eq!(
        said.last().map(|(_, it)| it),
        Some(&record(ToInclude, GROUP))
    );
}

#[test]
fn who_ends_leaves_all_groups() {
    let (mut host, client, socket, mut now) = host();
    let other = host.datagram(client);
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    change(&mut host, (client, other), GROUP, Membership::Join, now).expect("join");
    change(&mut host, (client, other), OTHER, Membership::Join, now).expect("join");
    told(&mut host, &mut now, 3_000);
    host.close(client, socket, 1, now);
    assert_eq!(told(&mut host, &mut now, 3_000), [], "one still listens");
    host.stack.client_close(client, now);
    let said = told(&mut host, &mut now, 3_000);
    let left = |group| {
        said.iter()
            .filter(move |(_, it)| *it == record(ToInclude, group))
    };
    assert_eq!((left(GROUP).count(), said.len()), (2, 4), "{said:?}");
    assert_eq!(left(OTHER).count(), 2);
    assert_eq!(host.stack.groups(now).count(), 1);
}

#[test]
fn places_are_bounded_and_shared_out() {
    let config = Config {
        groups: 8,
        memberships: 10,
        memberships_per_client: 6,
        ..config()
    };
    let mut host = Host::new(1, config, AddressPlan::Static(plan(1)));
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 5_000);
    let join = |host: &mut Host, client, third: u8, now| {
        let socket = host.datagram(client);
        let groups = (1..=20).map(|last| Ipv4Addr::new(239, 0, third, last));
        groups
            .map(|group| change(host, (client, socket), group, Membership::Join, now))
            .collect::<Vec<_>>()
    };
    let (one, two) = (host.client(), host.client());
    let first = join(&mut host, one, 1, now);
    assert_eq!(first.iter().filter(|it| it.is_ok()).count(), 6);
    let second = join(&mut host, two, 2, now);
    assert_eq!(
        second.iter().filter(|it| it.is_ok()).count(),
        2,
        "no more groups"
    );
    assert!(
        second
            .iter()
            .skip(2)
            .all(|it| *it == Err(GroupError::TooMany))
    );
    let socket = host.datagram(two);
    for last in 0..=255 {
        let source = Ipv4Addr::new(10, 0, 1, last).into();
        let group = Ipv4Addr::new(239, 0, 1, 1);
        let outcome = change(
            &mut host,
            (two, socket),
            group,
            Membership::Include(source),
            now,
        );
        assert_eq!(outcome.is_ok(), last < 64, "{last}");
    }
}

// RFC 3376 section 3.2 and 5.1: what sockets want together is told, and only its changes.
#[test]
fn filters_of_sockets_are_told_as_one() {
    let (mut host, client, socket, mut now) = host();
    let other = host.datagram(client);
    let (a, b) = (ip(50), ip(51));
    let mut expect = |host: &mut Host, socket, wanted, expected: &[_]| {
        change(host, (client, socket), GROUP, wanted, now).expect("a change");
        let said = told(host, &mut now, 2_000);
        let first = said.into_iter().find(|(at, _)| *at == 0);
        let records = match first {
            Some((_, Said::Records(records))) => records,
            None => Vec::new(),
            other => panic!("{other:?}"),
        };
        assert_eq!(records, expected);
    };
    let one = |kind, sources: &[Ipv4Addr]| (kind, GROUP, sources.to_vec());
    expect(
        &mut host,
        socket,
        Membership::Include(a.into()),
        &[one(Allow, &[a])],
    );
    expect(
        &mut host,
        other,
        Membership::Include(b.into()),
        &[one(Allow, &[b])],
    );
    expect(&mut host, other, Membership::Include(a.into()), &[]);
    expect(
        &mut host,
        other,
        Membership::Remove(b.into()),
        &[one(Block, &[b])],
    );
    expect(&mut host, other, Membership::Leave, &[]);
    expect(&mut host, other, Membership::Join, &[one(ToExclude, &[])]);
    expect(
        &mut host,
        other,
        Membership::Block(b.into()),
        &[one(Block, &[b])],
    );
    // The first socket wants to hear it.
    expect(&mut host, other, Membership::Block(a.into()), &[]);
    expect(&mut host, socket, Membership::Leave, &[one(Block, &[a])]);
    expect(
        &mut host,
        other,
        Membership::Unblock(b.into()),
        &[one(Allow, &[b])],
    );
    expect(&mut host, other, Membership::Leave, &[one(ToInclude, &[])]);
}

#[test]
fn what_cannot_be_listened_to_is_refused() {
    let (mut host, client, socket, now) = host();
    let stream = host.stream(client);
    let who = (client, socket);
    let cases = [
        (
            change(&mut host, who, ip(5), Membership::Join, now),
            GroupError::BadGroup,
        ),
        (
            change(&mut host, (client, stream), GROUP, Membership::Join, now),
            GroupError::WrongKind,
        ),
        (
            change(
                &mut host,
                who,
                GROUP,
                Membership::Include(six("fd00::1").into()),
                now,
            ),
            GroupError::BadSource,
        ),
        (
            change(
                &mut host,
                who,
                GROUP,
                Membership::Include(OTHER.into()),
                now,
            ),
            GroupError::BadSource,
        ),
        (
            change(&mut host, who, GROUP, Membership::Leave, now),
            GroupError::NotMember,
        ),
        (
            host.stack.membership(
                who,
                (GROUP.into(), Some(stack::InterfaceId::from_raw(0))),
                Membership::Join,
                now,
            ),
            GroupError::NoInterface,
        ),
    ];
    for (outcome, expected) in cases {
        assert_eq!(outcome, Err(expected));
    }
    let stranger = host.client();
    let foreign = change(&mut host, (stranger, socket), GROUP, Membership::Join, now);
    assert_eq!(foreign, Err(GroupError::BadSocket));
}

#[test]
fn a_link_that_comes_back_is_told_again() {
    let (mut host, client, socket, mut now) = host();
    host.stack.link_changed(host.link, false, now);
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    assert_eq!(told(&mut host, &mut now, 5_000), []);
    host.stack.link_changed(host.link, true, now);
    let said = told(&mut host, &mut now, 5_000);
    let joined: Vec<_> = said.iter().map(|(_, said)| said).collect();
    assert_eq!(joined, [&record(ToExclude, GROUP); 2]);
}

#[test]
fn the_list_of_groups_says_who_listens() {
    let (mut host, client, socket, now) = host();
    let other = host.datagram(client);
    change(&mut host, (client, socket), GROUP, Membership::Join, now).expect("join");
    change(
        &mut host,
        (client, other),
        GROUP,
        Membership::Include(ip(5).into()),
        now,
    )
    .expect("join");
    change(
        &mut host,
        (client, other),
        OTHER,
        Membership::Include(ip(5).into()),
        now,
    )
    .expect("join");
    let list: Vec<_> = host
        .stack
        .groups(now)
        .map(|it| {
            (
                it.group, it.mode, it.sources, it.sockets, it.is_own, it.version,
            )
        })
        .collect();
    let everybody = Ipv4Addr::new(224, 0, 0, 1);
    let expected = [
        (everybody.into(), FilterMode::Exclude, 0, 0, true, 3),
        (GROUP.into(), FilterMode::Exclude, 0, 2, false, 3),
        (OTHER.into(), FilterMode::Include, 1, 1, false, 3),
    ];
    assert_eq!(list, expected);
}
