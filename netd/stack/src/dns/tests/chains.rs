//! What answers say: addresses, aliases, "there is none", and for how long.

use super::super::{Kind, Lookup, Outcome};
use super::world::{FIRST, World, a, address, addresses, cname, name, record, soa};
use core::net::Ipv6Addr;
use core::time::Duration;
use std::string::ToString as _;
use wire::dns::{Data, ResponseCode, Section, Type};

#[test]
fn addresses_of_both_families() {
    let mut world = World::new(|asked| {
        let reply = match asked.question.kind {
            Type::A => asked.reply(&[a("www.example", 1), a("www.example", 2)]),
            Type::AAAA => {
                asked.reply(&[record("WWW.example", 60, Data::Aaaa(Ipv6Addr::LOCALHOST))])
            }
            _ => return None,
        };
        Some((1, reply))
    });
    let answer = world.look_up("www.example", Kind::A);
    assert_eq!(answer.outcome, addresses(&[1, 2]));
    assert_eq!(
        (answer.ttl, answer.server, answer.aliases),
        (300, Some(FIRST), 0)
    );
    let answer = world.look_up("www.example", Kind::Aaaa);
    let expected = [Ipv6Addr::LOCALHOST.into()].into_iter().collect();
    assert_eq!(
        (answer.outcome, answer.ttl),
        (Outcome::Addresses(expected), 60)
    );
    assert!(world.asked.iter().all(|asked| asked.has_edns));
}

#[test]
fn more_addresses_than_are_kept() {
    let mut world = World::new(|asked| {
        let all: std::vec::Vec<_> = (0..20).map(|last| a("many.example", last)).collect();
        Some((1, asked.reply(&all)))
    });
    let expected = addresses(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(world.look_up("many.example", Kind::A).outcome, expected);
}

#[test]
fn what_needs_no_server() {
    let mut world = World::new(|_| None);
    let expected = [core::net::Ipv4Addr::LOCALHOST.into()]
        .into_iter()
        .collect();
    let answer = world.look_up("localhost", Kind::A);
    assert_eq!(
        (answer.outcome, answer.server),
        (Outcome::Addresses(expected), None)
    );
    assert_eq!(world.look_up("192.0.2.7", Kind::A).outcome, addresses(&[7]));
    assert!(world.asked.is_empty());
}

#[test]
fn aliases_in_one_answer() {
    let mut world = World::new(|asked| {
        // In no order, with strangers in between.
        Some((
            1,
            asked.reply(&[
                a("c.example", 3),
                a("stranger.example", 66),
                cname("b.example", "c.example"),
                cname("a.example", "b.example"),
            ]),
        ))
    });
    let answer = world.look_up("a.example", Kind::A);
    assert_eq!(answer.outcome, addresses(&[3]));
    // The shortest time of the chain counts.
    assert_eq!((answer.aliases, answer.ttl), (2, 200));
}

#[test]
fn aliases_that_lead_to_another_question() {
    let mut world = World::new(|asked| {
        let reply = if asked.question.name == name("a.example") {
            asked.reply(&[cname("a.example", "far.test")])
        } else if asked.question.name == name("far.test") {
            asked.reply(&[record("far.test", 700, Data::A(address(9)))])
        } else {
            return None;
        };
        Some((1, reply))
    });
    let answer = world.look_up("a.example", Kind::A);
    assert_eq!(
        (answer.outcome, answer.aliases, answer.ttl),
        (addresses(&[9]), 1, 200)
    );
    assert_eq!(world.asked.len(), 2);
    // Kept under the name that was asked for.
    assert_eq!(world.look_up("a.example", Kind::A).outcome, addresses(&[9]));
    assert_eq!(world.asked.len(), 2);
}

#[test]
fn the_shortest_time_of_all_questions_counts() {
    let mut world = World::new(|asked| {
        let is = |text| asked.question.name == name(text);
        let reply = if is("a.example") {
            asked.reply(&[record("a.example", 100, Data::Cname(name("b.example")))])
        } else if is("b.example") {
            asked.reply(&[cname("b.example", "c.example")])
        } else {
            asked.reply(&[a("c.example", 1)])
        };
        Some((1, reply))
    });
    let answer = world.look_up("a.example", Kind::A);
    assert_eq!(
        (answer.outcome, answer.aliases, answer.ttl),
        (addresses(&[1]), 2, 100)
    );
}

#[test]
fn aliases_in_a_circle() {
    let mut world = World::new(|asked| {
        let circle = [
            cname("a.example", "b.example"),
            cname("b.example", "a.example"),
        ];
        Some((1, asked.reply(&circle)))
    });
    assert_eq!(
        world.look_up("a.example", Kind::A).outcome,
        Outcome::ServerFailed
    );
    let mut world = World::new(|asked| {
        let is_a = asked.question.name == name("a.example");
        let (from, to) = if is_a {
            ("a.example", "b.example")
        } else {
            ("b.example", "a.example")
        };
        Some((1, asked.reply(&[cname(from, to)])))
    });
    assert_eq!(
        world.look_up("a.example", Kind::A).outcome,
        Outcome::ServerFailed
    );
    assert!(world.asked.len() < 20);
}

#[test]
fn names_that_do_not_exist() {
    let mut world = World::new(|asked| {
        let soa = soa("example", 600, 30);
        Some((1, asked.reply_with(ResponseCode::NAME_ERROR, &[soa])))
    });
    let answer = world.look_up("no.example", Kind::A);
    assert_eq!((answer.outcome, answer.ttl), (Outcome::NoSuchName, 30));
    assert_eq!(
        world.look_up("NO.example", Kind::A).outcome,
        Outcome::NoSuchName
    );
    assert_eq!(world.asked.len(), 1, "remembered");
    world.now = world.now + Duration::from_secs(31);
    world.look_up("no.example", Kind::A);
    assert_eq!(world.asked.len(), 2, "forgotten");
}

#[test]
fn names_without_data() {
    let mut world = World::new(|asked| {
        let reply = if asked.question.name == name("alias.example") {
            asked.reply(&[cname("alias.example", "b.example"), soa("example", 50, 600)])
        } else if asked.question.name == name("bare.example") {
            asked.reply(&[])
        } else {
            asked.reply(&[soa("example", 9000, 9000)])
        };
        Some((1, reply))
    });
    let answer = world.look_up("a.example", Kind::Aaaa);
    assert_eq!((answer.outcome, answer.ttl), (Outcome::NoData, 900));
    let answer = world.look_up("alias.example", Kind::Aaaa);
    assert_eq!(
        (answer.outcome, answer.ttl, answer.aliases),
        (Outcome::NoData, 50, 1)
    );
    // Without the zone's word for it nothing is remembered.
    let answer = world.look_up("bare.example", Kind::Aaaa);
    assert_eq!((answer.outcome, answer.ttl), (Outcome::NoData, 0));
    assert_eq!(world.asked.len(), 3);
    world.look_up("bare.example", Kind::Aaaa);
    assert_eq!(world.asked.len(), 4);
    // And not on the word of a zone that the name is not in.
    let mut world = World::new(|asked| Some((1, asked.reply(&[soa("evil.test", 900, 900)]))));
    assert_eq!(world.look_up("a.example", Kind::Aaaa).ttl, 0);
}

#[test]
fn a_referral_is_no_answer() {
    let mut world = World::new(|asked| {
        let (_, ns) = record("example", 60, Data::Ns(name("ns.example")));
        Some((1, asked.reply(&[(Section::Authority, ns)])))
    });
    assert_eq!(
        world.look_up("a.example", Kind::A).outcome,
        Outcome::ServerFailed
    );
    assert_eq!(world.asked.len(), 2, "both servers were asked");
}

#[test]
fn the_cache() {
    let mut world = World::new(|asked| Some((1, asked.reply(&[a("www.example", 1)]))));
    world.look_up("www.example", Kind::A);
    world.now = world.now + Duration::from_secs(100);
    let answer = world.look_up("www.EXAMPLE", Kind::A);
    assert_eq!(
        (answer.outcome, answer.ttl, answer.server),
        (addresses(&[1]), 200, None)
    );
    assert_eq!(
        (world.asked.len(), world.resolver.cache_len(world.now)),
        (1, 1)
    );
    // Whoever names a server wants to hear that server.
    let ask = super::super::Ask {
        owner: 1,
        name: "www.example",
        kind: Kind::A,
        servers: &[FIRST],
        is_cached: false,
    };
    assert_eq!(world.resolver.resolve(&ask, world.now), Ok(Lookup::Waiting));
    world.run();
    assert_eq!(world.asked.len(), 2);
    world.resolver.flush();
    world.look_up("www.example", Kind::A);
    assert_eq!(world.asked.len(), 3);
}

#[test]
fn the_name_of_an_address_is_the_first_by_whatever_alias() {
    let mut world = World::new(|asked| {
        let back = |owner: &str, to: &str| record(owner, 60, Data::Ptr(name(to)));
        // RFC 2317: others speak for a part of a network.
        let reply = match asked
            .question
            .name
            .to_string()
            .to_ascii_lowercase()
            .as_str()
        {
            "7.2.0.192.in-addr.arpa" => asked.reply(&[
                cname("7.2.0.192.in-addr.arpa", "7.0/25.2.0.192.in-addr.arpa"),
                back("7.0/25.2.0.192.in-addr.arpa", "first.example"),
                back("7.0/25.2.0.192.in-addr.arpa", "second.example"),
                a("7.0/25.2.0.192.in-addr.arpa", 1),
            ]),
            "8.2.0.192.in-addr.arpa" => asked.reply(&[a("8.2.0.192.in-addr.arpa", 1)]),
            _ => return None,
        };
        assert_eq!(asked.question.kind, Type::PTR);
        Some((1, reply))
    });
    let answer = world.look_up("7.2.0.192.in-addr.arpa", Kind::Ptr);
    assert_eq!(answer.outcome, Outcome::Name(name("first.example")));
    assert_eq!((answer.aliases, answer.ttl), (1, 60));
    let again = world.look_up("7.2.0.192.in-addr.arpa", Kind::Ptr);
    assert_eq!((again.outcome, again.server), (answer.outcome, None));
    // What is of another type says nothing of it.
    let answer = world.look_up("8.2.0.192.in-addr.arpa", Kind::Ptr);
    assert_eq!(answer.outcome, Outcome::NoData);
}
