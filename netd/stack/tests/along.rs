//! A send that is done, told along with bytes that have come.

use crate::world::{Pair, World, joined};
use stack::{Data, EventKind, Range, Token};
use std::time::Duration;

/// Where the answers come to, and the token of the room.
const ROOM: (u64, u32) = (20_000, 1_000);
const ANSWERS: u64 = 3;

fn ask(world: &mut World, pair: Pair, token: Token) {
    let (data, now) = (Data::Inline(b"question"), world.now);
    let asked = world
        .a
        .stack
        .send(pair.client, pair.socket, data, None, token, now);
    asked.expect("asked");
    world.settle();
    assert!(matches!(
        world.b.take(10)[..],
        [EventKind::Received { length: 8, .. }]
    ));
}

/// The answer acknowledges the question.
fn answer(world: &mut World, pair: Pair) {
    let (data, now) = (Data::Inline(b"answer"), world.now);
    let answered = world
        .b
        .stack
        .send(pair.server, pair.peer, data, None, Token(4), now);
    answered.expect("answered");
    world.settle();
}

/// What the client was told of its answer: which send was done with it.
#[track_caller]
fn told(world: &mut World) -> Option<Token> {
    match world.a.take(ANSWERS)[..] {
        [
            EventKind::Received {
                length: 6, sent, ..
            },
        ] => sent,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn who_allows_it_hears_of_a_send_along_with_the_answer_and_nobody_else_does() {
    let (mut world, pair) = joined();
    let room = Range::new(ROOM.0, ROOM.1);
    world
        .a
        .receive(pair.client, pair.socket, room, ANSWERS, world.now);
    // A young connection acknowledges at once, before there is an answer.
    for round in 0..20 {
        ask(&mut world, pair, Token(50 + round));
        answer(&mut world, pair);
        world.run(Duration::from_secs(1));
        assert_eq!(
            (told(&mut world), world.a.take(50 + round).len()),
            (None, 1)
        );
    }
    for round in 0..20 {
        let plain = Token(100 + round);
        for token in [plain.along(), plain] {
            let allows = token != plain;
            ask(&mut world, pair, token);
            // Whose ring is full hears of it later, once.
            world.a.deaf = round % 2 == 1;
            answer(&mut world, pair);
            world.a.deaf = false;
            world.run(Duration::from_secs(1));
            assert_eq!(told(&mut world), allows.then_some(token));
            let alone = [EventKind::Sent { bytes: 8 }];
            assert_eq!(world.a.take(token.0), alone[usize::from(allows)..]);
        }
    }
    world.a.assert_balance();
}

#[test]
fn a_send_that_nobody_answers_is_told_of_by_itself() {
    let (mut world, pair) = joined();
    let token = Token(2).along();
    ask(&mut world, pair, token);
    world.run(Duration::from_secs(1));
    assert_eq!(world.a.take(token.0), [EventKind::Sent { bytes: 8 }]);
}
