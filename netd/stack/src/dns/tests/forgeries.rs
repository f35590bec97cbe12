//! Answers that are not: the resolver refuses them and goes on waiting for the right one.

use super::super::Kind;
use super::world::{Asked, FIRST, SECOND, World, a, addresses, name};
use crate::Instant;
use std::vec;
use std::vec::Vec;
use wire::Drop;
use wire::dns::{Class, Type};

/// What a liar sends, given what was asked.
type Lie = fn(&mut Asked);

#[test]
fn answers_to_something_else() {
    let lies: [Lie; 7] = [
        |asked| asked.header.id ^= 1,
        |asked| asked.header.opcode = 1,
        |asked| asked.question.name = name("www.example.evil"),
        |asked| asked.question.name = name("ww.example"),
        |asked| asked.question.kind = Type::AAAA,
        |asked| asked.question.class = Class(3),
        |asked| asked.question.name = name("www.example").within(&name("x")).expect("short"),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut world = World::new(move |asked| {
            let mut asked = asked.clone();
            if asked.server == FIRST {
                lie(&mut asked);
                return Some((1, asked.reply(&[a("www.example", 66)])));
            }
            Some((1, asked.reply(&[a("www.example", 1)])))
        });
        let answer = world.look_up("www.example", Kind::A);
        assert_eq!(
            (answer.outcome, answer.server),
            (addresses(&[1]), Some(SECOND)),
            "lie {number}"
        );
        assert_eq!(world.drops, [Drop::DnsUnexpected], "lie {number}");
    }
}

#[test]
fn questions_sent_back() {
    let mut world = World::new(|asked| {
        let mut reply = asked.reply(&[a("www.example", 66)]);
        if asked.server == FIRST {
            reply[2] &= 0x7f;
        }
        Some((1, reply))
    });
    assert_eq!(world.look_up("www.example", Kind::A).server, Some(SECOND));
    assert_eq!(world.drops, [Drop::DnsUnexpected]);
}

#[test]
fn other_senders() {
    let mut world = World::new(|_| None);
    world.ask(1, "www.example", Kind::A).expect("accepted");
    world.work();
    let reply = world.asked[0].reply(&[a("www.example", 66)]);
    let query = super::super::QueryId(0);
    for from in [SECOND, core::net::SocketAddr::new(FIRST.ip(), 5353)] {
        let refused = world.resolver.udp_input(query, from, &reply, world.now);
        assert_eq!(refused, Err(Drop::DnsUnexpected));
    }
    // Not over the transport that is in use, and not for a question that does not exist.
    assert_eq!(
        world.resolver.tcp_input(query, &reply, world.now),
        Err(Drop::DnsUnexpected)
    );
    for number in [1, 7, 8, u16::MAX] {
        let query = super::super::QueryId(number);
        let refused = world.resolver.udp_input(query, FIRST, &reply, world.now);
        assert_eq!(refused, Err(Drop::DnsUnexpected));
    }
    assert_eq!(
        world.resolver.udp_input(query, FIRST, &reply, world.now),
        Ok(())
    );
    // One answer is enough.
    let again = world.resolver.udp_input(query, FIRST, &reply, world.now);
    assert_eq!(again, Err(Drop::DnsUnexpected));
    world.run();
    assert_eq!(world.done.len(), 1);
}

#[test]
fn malformed_answers() {
    let mut world = World::new(|asked| {
        let mut reply = asked.reply(&[a("www.example", 1), a("www.example", 2)]);
        if asked.server == FIRST {
            reply.pop();
        }
        Some((1, reply))
    });
    assert_eq!(world.look_up("www.example", Kind::A).server, Some(SECOND));
    assert_eq!(world.drops, [Drop::DnsShort]);
}

#[test]
fn records_that_were_not_asked_for_are_not_believed() {
    let mut world = World::new(|asked| {
        let poison = a("bank.example", 66);
        Some((1, asked.reply(&[a("www.example", 1), poison])))
    });
    world.look_up("www.example", Kind::A);
    world.look_up("bank.example", Kind::A);
    let last = world.asked.last().expect("asked");
    assert_eq!(last.question.name, name("bank.example"));
}

#[test]
fn damaged_answers_never_hurt() {
    let mut noise = 0x5eed_u64;
    let mut next = move || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        usize::try_from(noise & 0xffff).expect("small")
    };
    let mut world = World::new(move |asked| {
        let mut reply = asked.reply(&[a("www.example", 1), a("www.example", 2)]);
        for _ in 0..next() % 3 {
            // Behind the id, so that most of them are looked at.
            let at = 2 + next() % (reply.len() - 2);
            reply[at] = u8::try_from(next() & 0xff).expect("a byte");
        }
        Some((1, reply))
    });
    for _ in 0..2000 {
        world.resolver.flush();
        world.look_up("www.example", Kind::A);
    }
}

#[test]
fn noise_over_tcp() {
    for (noise, expected) in [
        (vec![0; 10], Err(Drop::DnsShort)),
        (vec![0xff; 5000], Err(Drop::DnsName)),
        (vec![0, 12, 1, 2, 3], Ok(())),
        (Vec::new(), Ok(())),
    ] {
        let mut world = World::new(|asked| {
            let mut asked = asked.clone();
            asked.header.truncated = true;
            Some((1, asked.reply(&[])))
        });
        world.ask(1, "www.example", Kind::A).expect("accepted");
        let mut now = Instant::ZERO;
        while world.asked.len() < 2 {
            world.work();
            now = world.now;
            world.step();
        }
        let query = super::super::QueryId(0);
        assert_eq!(world.resolver.tcp_input(query, &noise, now), expected);
        world.run();
        assert_eq!(world.done.len(), 1);
    }
}
