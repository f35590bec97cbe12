//! Servers that are slow, silent, unwilling or terse; many lookups at a time.

use super::super::{Ask, Kind, Lookup, Outcome, QueryId, Refusal};
use super::world::{FIRST, Over, SECOND, World, a, addresses, built, name, record};
use crate::Instant;
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::format;
use std::vec::Vec;
use wire::dns::{Data, Header, ResponseCode, Strings};

#[test]
fn the_first_server_is_dead() {
    let mut world = World::new(|asked| {
        (asked.server == SECOND).then(|| (5, asked.reply(&[a("www.example", 1)])))
    });
    assert_eq!(world.ask(1, "www.example", Kind::A), Ok(Lookup::Waiting));
    world.run();
    let (owner, answer, took) = world.done[0];
    assert_eq!(
        (owner, answer.outcome, answer.server),
        (1, addresses(&[1]), Some(SECOND))
    );
    assert_eq!(took, 1005);
    assert_eq!(world.servers(), [FIRST, SECOND]);
    // From now on the living one is asked first.
    world.ask(2, "other.example", Kind::A).expect("accepted");
    world.run();
    assert_eq!(world.servers(), [FIRST, SECOND, SECOND]);
}

#[test]
fn everybody_is_dead() {
    let mut world = World::new(|_| None);
    world.ask(1, "www.example", Kind::A).expect("accepted");
    world.run();
    let (_, answer, took) = world.done[0];
    assert_eq!((answer.outcome, answer.ttl), (Outcome::TimedOut, 0));
    // Both servers in turns, for one, two and four seconds each.
    assert_eq!(
        world.servers(),
        [FIRST, SECOND, FIRST, SECOND, FIRST, SECOND]
    );
    assert_eq!(took, 14_000);
    // Not remembered.
    world.ask(1, "www.example", Kind::A).expect("accepted");
    world.run();
    assert_eq!(world.asked.len(), 12);
}

#[test]
fn patience_ends() {
    let mut world = World::new(|_| None);
    let servers: Vec<_> = (1..=4)
        .map(|last| SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 53))
        .collect();
    let ask = Ask {
        owner: 1,
        name: "www.example",
        kind: Kind::A,
        servers: &servers,
        is_cached: true,
    };
    world.resolver.resolve(&ask, world.now).expect("accepted");
    world.run();
    // Two rounds of four and eight seconds, and three of a third round's sixteen.
    let (_, answer, took) = world.done[0];
    assert_eq!((answer.outcome, took), (Outcome::TimedOut, 15_000));
    assert_eq!(
        world.servers(),
        [&servers[..], &servers, &servers[..1]].concat()
    );
}

#[test]
fn questions_that_do_not_get_through() {
    // Another server is asked at once; then there is nothing but to wait for better times.
    let mut world = World::new(|_| None);
    world.ask(1, "www.example", Kind::A).expect("accepted");
    for expected in [&[FIRST][..], &[FIRST, SECOND], &[FIRST, SECOND]] {
        world.work();
        assert_eq!(world.servers(), expected);
        world.resolver.unreachable(QueryId(0), world.now);
    }
    assert_eq!(world.now.since(Instant::from_secs(10)), Duration::ZERO);
    world.run();
    assert_eq!(world.done[0].1.outcome, Outcome::TimedOut);
    assert_eq!(world.asked.len(), 6);
    // A closed port is final.
    let mut world = World::new(|_| None);
    world.ask(1, "www.example", Kind::A).expect("accepted");
    for _ in 0..2 {
        world.work();
        world.resolver.refused(QueryId(0), world.now);
    }
    world.run();
    let (_, answer, took) = world.done[0];
    assert_eq!((answer.outcome, took), (Outcome::ServerFailed, 0));
}

#[test]
fn a_slow_server_is_given_time() {
    let mut answers = 0;
    let mut world = World::new(move |asked| {
        answers += 1;
        // Its answers to the first two questions come to ports that are closed by then.
        let after = if answers < 3 { 5000 } else { 100 };
        Some((after, asked.reply(&[a("www.example", 1)])))
    });
    assert_eq!(
        world.look_up("www.example", Kind::A).outcome,
        addresses(&[1])
    );
    assert_eq!(world.asked.len(), 3);
}

#[test]
fn every_attempt_has_an_id_of_its_own() {
    let mut world = World::new(|_| None);
    world
        .ask(1, "www.example.with.many.letters", Kind::A)
        .expect("accepted");
    world.run();
    let mut marks: Vec<_> = world
        .asked
        .iter()
        .map(|asked| (asked.header.id, format!("{}", asked.question.name)))
        .collect();
    marks.sort();
    marks.dedup_by(|one, other| one.0 == other.0 || one.1 == other.1);
    assert_eq!(marks.len(), 6);
}

#[test]
fn unwilling_servers_are_not_asked_twice() {
    for code in [ResponseCode::SERVER_FAILURE, ResponseCode::REFUSED] {
        let mut world = World::new(move |asked| Some((1, asked.reply_with(code, &[]))));
        assert_eq!(
            world.look_up("www.example", Kind::A).outcome,
            Outcome::ServerFailed
        );
        assert_eq!(world.servers(), [FIRST, SECOND]);
        let mut world = World::new(move |asked| {
            let code = if asked.server == FIRST {
                code
            } else {
                ResponseCode::NO_ERROR
            };
            Some((1, asked.reply_with(code, &[a("www.example", 1)])))
        });
        assert_eq!(
            world.look_up("www.example", Kind::A).outcome,
            addresses(&[1])
        );
    }
}

#[test]
fn servers_that_do_not_know_edns() {
    for repeats_question in [true, false] {
        let mut world = World::new(move |asked| {
            let reply = if !asked.has_edns {
                asked.reply(&[a("www.example", 1)])
            } else if repeats_question {
                asked.reply_with(ResponseCode::FORMAT_ERROR, &[])
            } else {
                let response_code = ResponseCode::FORMAT_ERROR;
                built(
                    Header {
                        is_response: true,
                        response_code,
                        ..asked.header
                    },
                    None,
                    &[],
                )
            };
            Some((1, reply))
        });
        assert_eq!(
            world.look_up("www.example", Kind::A).outcome,
            addresses(&[1])
        );
        assert_eq!(world.servers(), [FIRST, FIRST]);
    }
}

#[test]
fn servers_that_do_not_keep_the_case() {
    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.question.name = name("www.example");
        Some((1, asked.reply(&[a("www.example", 1)])))
    });
    assert_eq!(
        world.look_up("www.example", Kind::A).outcome,
        addresses(&[1])
    );
    assert_eq!(world.servers(), [FIRST, FIRST]);
}

#[test]
fn truncated_answers_come_over_tcp() {
    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.header.truncated = asked.over == Over::Udp;
        let last = if asked.over == Over::Udp { 66 } else { 1 };
        Some((10, asked.reply(&[a("www.example", last)])))
    });
    assert_eq!(
        world.look_up("www.example", Kind::A).outcome,
        addresses(&[1])
    );
    let over: Vec<_> = world
        .asked
        .iter()
        .map(|asked| (asked.server, asked.over))
        .collect();
    assert_eq!(over, [(FIRST, Over::Udp), (FIRST, Over::Tcp)]);
}

#[test]
fn of_a_long_answer_over_tcp_the_beginning_counts() {
    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.header.truncated = asked.over == Over::Udp;
        if asked.over == Over::Udp {
            return Some((1, asked.reply(&[])));
        }
        let mut text = [b'x'; 256];
        text[0] = 255;
        let text = Data::Txt(Strings::new(&text).expect("whole"));
        let mut records: Vec<_> = (0..60).map(|_| record("www.example", 9, text)).collect();
        records.insert(0, a("www.example", 1));
        Some((1, asked.reply(&records)))
    });
    assert_eq!(
        world.look_up("www.example", Kind::A).outcome,
        addresses(&[1])
    );
    assert!(world.drops.is_empty());
}

#[test]
fn tcp_that_is_refused_or_silent() {
    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.header.truncated = asked.server == FIRST;
        Some((1, asked.reply(&[a("www.example", 1)])))
    });
    world.refuses_tcp = true;
    assert_eq!(world.look_up("www.example", Kind::A).server, Some(SECOND));

    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.header.truncated = asked.server == FIRST;
        (asked.over == Over::Udp).then(|| (1, asked.reply(&[a("www.example", 1)])))
    });
    world.ask(1, "www.example", Kind::A).expect("accepted");
    world.run();
    let (_, answer, took) = world.done[0];
    assert_eq!((answer.server, took), (Some(SECOND), 5002));
}

#[test]
fn more_truncated_answers_than_buffers() {
    let mut world = World::new(|asked| {
        let mut asked = asked.clone();
        asked.header.truncated = asked.over == Over::Udp;
        let text = format!("{}", asked.question.name);
        Some((100, asked.reply(&[a(&text, 1)])))
    });
    for owner in 0..8 {
        world
            .ask(owner, &format!("n{owner}.example"), Kind::A)
            .expect("accepted");
    }
    world.run();
    assert_eq!(world.done.len(), 8);
    assert!(
        world
            .done
            .iter()
            .all(|(_, answer, _)| answer.outcome == addresses(&[1]))
    );
    assert!(world.done.iter().all(|(_, _, took)| *took < 500));
}

#[test]
fn lookups_do_not_wait_for_each_other() {
    let mut world = World::new(|asked| {
        let is_slow = asked.question.name == name("slow.example");
        let text = format!("{}", asked.question.name);
        (!is_slow).then(|| (3, asked.reply(&[a(&text, 1)])))
    });
    world.ask(0, "slow.example", Kind::A).expect("accepted");
    for owner in 1..8 {
        world
            .ask(owner, &format!("n{owner}.example"), Kind::A)
            .expect("accepted");
    }
    world.run();
    let took: Vec<_> = world
        .done
        .iter()
        .map(|(owner, _, took)| (*owner, *took))
        .collect();
    assert_eq!(took[..7].iter().map(|(_, took)| *took).max(), Some(3));
    assert_eq!(took[7], (0, 14_000));
}

#[test]
fn the_same_question_is_asked_once() {
    let mut world = World::new(|asked| Some((3, asked.reply(&[a("www.example", 1)]))));
    for owner in 0..8 {
        world.ask(owner, "www.example", Kind::A).expect("accepted");
    }
    assert_eq!(
        world.ask(8, "other.example", Kind::A),
        Err(Refusal::TooMany)
    );
    world.run();
    assert_eq!((world.asked.len(), world.done.len()), (1, 8));
    let mut owners: Vec<_> = world.done.iter().map(|(owner, ..)| *owner).collect();
    owners.sort_unstable();
    assert_eq!(owners, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn cancelled_lookups() {
    let mut world = World::new(|asked| Some((3, asked.reply(&[a("www.example", 1)]))));
    world.ask(1, "www.example", Kind::A).expect("accepted");
    world.ask(2, "www.example", Kind::A).expect("accepted");
    world.ask(3, "other.example", Kind::A).expect("accepted");
    world.work();
    world.resolver.cancel(1);
    world.resolver.cancel(3);
    world.run();
    let owners: Vec<_> = world.done.iter().map(|(owner, ..)| *owner).collect();
    assert_eq!(owners, [2]);
    assert_eq!(world.resolver.next_deadline(), None);
}

#[test]
fn refusals() {
    let mut world = World::new(|_| None);
    assert_eq!(world.ask(1, "a..b", Kind::A), Err(Refusal::BadName));
    let nobody = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 53);
    for servers in [&[][..], &[nobody]] {
        let ask = Ask {
            owner: 1,
            name: "a.example",
            kind: Kind::A,
            servers,
            is_cached: true,
        };
        assert_eq!(
            world.resolver.resolve(&ask, world.now),
            Err(Refusal::NoServer)
        );
    }
    assert!(world.resolver.poll(world.now).is_none());
}
