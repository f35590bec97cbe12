//! The state machine by tables of what happens and what follows.

use super::*;
use core::net::Ipv4Addr;
use std::vec::Vec;

const LINK: InterfaceId = InterfaceId(1);

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

fn cache(limit: usize) -> Cache<Ipv4Addr> {
    Cache::new(limit, Duration::from_secs(30), &mut Rng::new([0; 32]))
}

fn state(cache: &Cache<Ipv4Addr>, last: u8) -> Option<NeighbourState> {
    let index = cache.index_of(LINK, ip(last))?;
    cache.get(index).map(|entry| entry.state)
}

#[test]
fn three_questions_a_second_apart_then_failure() {
    let mut cache = cache(4);
    let (found, change) = cache.resolve(LINK, ip(1), at(0));
    let Found::Wait(index) = found else {
        panic!("{found:?}")
    };
    assert_eq!(
        change.map(|it| (it.ask, it.deadline)),
        Some((Some(Ask::Everybody), Some(at(1))))
    );
    assert_eq!(
        cache.resolve(LINK, ip(1), at(0)),
        (Found::Wait(index), None)
    );
    for second in 1..3 {
        let change = cache.fire(index, at(second)).unwrap();
        assert_eq!(
            (change.ask, change.deadline),
            (Some(Ask::Everybody), Some(at(second + 1)))
        );
    }
    let change = cache.fire(index, at(3)).unwrap();
    assert_eq!((change.ask, change.waiters), (None, Waiters::Fail));
    // For a second nobody is asked again.
    assert_eq!(
        cache.resolve(LINK, ip(1), at(3)),
        (Found::Unreachable, None)
    );
    assert_eq!(cache.fire(index, at(4)).unwrap().waiters, Waiters::Fail);
    assert!(matches!(
        cache.resolve(LINK, ip(1), at(4)).0,
        Found::Wait(_)
    ));
}

#[test]
fn a_neighbour_ages_and_is_asked_again() {
    let mut cache = cache(4);
    let (Found::Wait(index), _) = cache.resolve(LINK, ip(1), at(0)) else {
        panic!()
    };
    let Heard::Learned(change) = cache.heard(LINK, ip(1), mac(1), true, at(0)) else {
        panic!()
    };
    assert_eq!(
        (change.waiters, change.deadline),
        (Waiters::Go, Some(at(30)))
    );
    cache.fire(index, at(30));
    assert_eq!(state(&cache, 1), Some(NeighbourState::Stale));
    let (found, change) = cache.resolve(LINK, ip(1), at(40));
    assert_eq!(found, Found::Known(mac(1)));
    assert_eq!(change.map(|it| it.deadline), Some(Some(at(45))));
    for (second, ask) in [
        (45, Ask::Directly(mac(1))),
        (46, Ask::Directly(mac(1))),
        (47, Ask::Everybody),
    ] {
        assert_eq!(cache.fire(index, at(second)).unwrap().ask, Some(ask));
        assert_eq!(state(&cache, 1), Some(NeighbourState::Probe));
    }
    assert_eq!(cache.fire(index, at(48)).unwrap().waiters, Waiters::Fail);
    assert_eq!(state(&cache, 1), Some(NeighbourState::Failed));
}

#[test]
fn an_answer_to_a_probe_brings_a_new_address() {
    let mut cache = cache(4);
    let (Found::Wait(index), _) = cache.resolve(LINK, ip(1), at(0)) else {
        panic!()
    };
    let _ = cache.heard(LINK, ip(1), mac(1), true, at(0));
    cache.fire(index, at(30));
    cache.resolve(LINK, ip(1), at(31));
    // Twice the one that is known is asked, for whom nobody else answers; then everybody is.
    for (second, is_believed) in [(36, false), (37, false), (38, true)] {
        cache.fire(index, at(second));
        let heard = cache.heard(LINK, ip(1), mac(9), true, at(second));
        assert_eq!(matches!(heard, Heard::Learned(_)), is_believed, "{second}");
    }
    assert_eq!(cache.resolve(LINK, ip(1), at(38)).0, Found::Known(mac(9)));
}

#[test]
fn poison_makes_us_ask_and_changes_nothing() {
    let mut cache = cache(4);
    assert_eq!(
        cache.heard(LINK, ip(1), mac(66), true, at(0)),
        Heard::Unknown
    );
    assert_eq!(state(&cache, 1), None);
    cache.resolve(LINK, ip(1), at(0));
    let _ = cache.heard(LINK, ip(1), mac(1), true, at(0));
    for (second, asks) in [(5, true), (5, false), (7, false)] {
        let heard = cache.heard(LINK, ip(1), mac(66), false, at(second));
        let Heard::Suspicious(change) = heard else {
            panic!("{heard:?}")
        };
        let ask = asks.then_some(Ask::Directly(mac(1)));
        assert_eq!(change.and_then(|it| it.ask), ask);
        assert_eq!(
            cache.resolve(LINK, ip(1), at(second)).0,
            Found::Known(mac(1))
        );
        // The true owner answers.
        if second == 7 {
            assert!(matches!(
                cache.heard(LINK, ip(1), mac(1), true, at(7)),
                Heard::Learned(_)
            ));
        }
    }
    assert_eq!(state(&cache, 1), Some(NeighbourState::Reachable));
}

/// The first lie makes it doubtful, and the second answers the question.
#[test]
fn two_lies_take_nobody_over() {
    for is_there in [true, false] {
        let mut cache = cache(4);
        let (Found::Wait(index), _) = cache.resolve(LINK, ip(1), at(0)) else {
            panic!()
        };
        let _ = cache.heard(LINK, ip(1), mac(1), true, at(0));
        for is_answer in [false, true, true] {
            let heard = cache.heard(LINK, ip(1), mac(66), is_answer, at(5));
            assert!(matches!(heard, Heard::Suspicious(_)), "{heard:?}");
            assert_eq!(cache.resolve(LINK, ip(1), at(5)).0, Found::Known(mac(1)));
        }
        if is_there {
            let heard = cache.heard(LINK, ip(1), mac(1), true, at(5));
            assert!(matches!(heard, Heard::Learned(_)));
            assert_eq!(state(&cache, 1), Some(NeighbourState::Reachable));
            continue;
        }
        // Whose card was exchanged is found a second later.
        let change = cache.fire(index, at(6)).unwrap();
        assert_eq!(change.ask, Some(Ask::Everybody));
        let heard = cache.heard(LINK, ip(1), mac(66), true, at(6));
        assert!(matches!(heard, Heard::Learned(_)));
        assert_eq!(cache.resolve(LINK, ip(1), at(6)).0, Found::Known(mac(66)));
    }
}

#[test]
fn the_least_recently_used_makes_way() {
    let mut cache = cache(4);
    for last in 1..=4 {
        cache.resolve(LINK, ip(last), at(0));
        let _ = cache.heard(LINK, ip(last), mac(last), true, at(0));
    }
    cache.resolve(LINK, ip(1), at(1));
    assert!(matches!(
        cache.resolve(LINK, ip(5), at(1)).0,
        Found::Wait(_)
    ));
    assert_eq!((state(&cache, 2), state(&cache, 1).is_some()), (None, true));
    assert_eq!(cache.iter().count(), 4);
}

#[test]
fn asking_for_many_that_are_not_there_displaces_few_that_are() {
    let mut cache = cache(8);
    for last in 1..=8 {
        cache.resolve(LINK, ip(last), at(0));
        let _ = cache.heard(LINK, ip(last), mac(last), true, at(0));
    }
    let mut displaced = 0;
    for last in 100..200 {
        let (found, change) = cache.resolve(LINK, ip(last), at(1));
        assert!(matches!(found, Found::Wait(_)));
        displaced += usize::from(change.unwrap().displaced);
    }
    assert_eq!(displaced, 100 - 6);
    for last in [7, 8] {
        assert_eq!(state(&cache, last), Some(NeighbourState::Reachable));
    }
    // The newest are still waited for, and become known.
    let heard = cache.heard(LINK, ip(199), mac(199), true, at(1));
    assert!(matches!(
        heard,
        Heard::Learned(Change {
            waiters: Waiters::Go,
            ..
        })
    ));
    assert_eq!(state(&cache, 199), Some(NeighbourState::Reachable));
    assert!(matches!(
        cache.resolve(LINK, ip(200), at(1)).0,
        Found::Wait(_)
    ));
    assert_eq!(cache.iter().count(), 8);
}

#[test]
fn learned_neighbours_displace_none_in_use() {
    let mut cache = cache(2);
    cache.resolve(LINK, ip(1), at(0));
    let _ = cache.heard(LINK, ip(1), mac(1), true, at(0));
    for last in 10..200 {
        let _ = cache.learn(LINK, ip(last), mac(last), at(1));
    }
    assert_eq!(state(&cache, 1), Some(NeighbourState::Reachable));
    assert_eq!(cache.iter().count(), 2);
}

/// We answer them, so they are in use; but they are not verified.
#[test]
fn who_has_asked_us_makes_way_for_the_next() {
    let mut cache = cache(4);
    cache.resolve(LINK, ip(1), at(0));
    let _ = cache.heard(LINK, ip(1), mac(1), true, at(0));
    for last in 10..200 {
        assert!(cache.learn(LINK, ip(last), mac(last), at(1)).is_some());
        assert_eq!(
            cache.resolve(LINK, ip(last), at(1)).0,
            Found::Known(mac(last))
        );
    }
    assert_eq!(state(&cache, 1), Some(NeighbourState::Reachable));
    for last in 197..200 {
        assert_eq!(state(&cache, last), Some(NeighbourState::Delay), "{last}");
    }
    // Who asks twice is not surer; who answers, or has used what was sent, is.
    let _ = cache.learn(LINK, ip(197), mac(197), at(2));
    assert_eq!(state(&cache, 197), Some(NeighbourState::Delay));
    let asked = cache.index_of(LINK, ip(198)).unwrap();
    cache.fire(asked, at(6));
    let _ = cache.heard(LINK, ip(198), mac(198), true, at(6));
    cache.resolve(LINK, ip(199), at(2));
    assert!(cache.confirm(at(2)).is_some());
    for last in 10..30 {
        let _ = cache.learn(LINK, ip(last), mac(last), at(3));
    }
    for (last, is_there) in [(1, true), (197, false), (198, true), (199, true)] {
        assert_eq!(state(&cache, last).is_some(), is_there, "{last}");
    }
}

#[test]
fn links_have_their_own_times() {
    let mut cache = cache(4);
    let other = InterfaceId(2);
    let pace = Pace {
        reachable: Duration::from_secs(3),
        retry: Duration::from_millis(300),
    };
    cache.set_pace(other, pace);
    for (link, retry, reachable) in [(LINK, 1_000, 30), (other, 300, 3)] {
        let (_, change) = cache.resolve(link, ip(1), at(0));
        let next = Instant::ZERO + Duration::from_millis(retry);
        assert_eq!(change.and_then(|it| it.deadline), Some(next));
        let Heard::Learned(change) = cache.heard(link, ip(1), mac(1), true, at(0)) else {
            panic!()
        };
        assert_eq!(change.deadline, Some(at(reachable)));
    }
}

#[test]
fn static_entries_stay() {
    let mut cache = cache(2);
    assert!(cache.set(LINK, ip(1), mac(1), at(0)).is_some());
    assert!(matches!(
        cache.heard(LINK, ip(1), mac(66), true, at(1)),
        Heard::Suspicious(None)
    ));
    for last in 2..100 {
        cache.resolve(LINK, ip(last), at(1));
        let _ = cache.heard(LINK, ip(last), mac(last), true, at(1));
    }
    assert_eq!(
        cache.resolve(LINK, ip(1), at(9)),
        (Found::Known(mac(1)), None)
    );
    let others: Vec<_> = cache.iter().map(|(_, entry)| entry.state).collect();
    assert!(others.contains(&NeighbourState::Static));
}
