//! Narrow passages with a router that says so, and connections that are opened fast.

use std::time::Duration;

use crate::common::{at, finish, host};
use sim::programs::{Client, Manner, Server, Serves, Speaks, Visits};
use sim::{Weather, World};
use stack::SocketOption;

/// `count` connections, one after the other, that send `bytes` each. Returns the world, and how
/// often what `counter` counts happened at the client's host.
fn visits(weather: Weather, count: u64, bytes: u64, counter: &str) -> (Duration, u64) {
    let fast = Some(SocketOption::FastOpen(true));
    let manner = |bytes, flows| Manner {
        flows,
        bytes,
        chunk: 16_384,
        sends: 8,
        room: 16_384,
        rooms: 8,
        speaks: Speaks::AtOnce,
        closes_second: false,
        pauses: (Duration::ZERO, Duration::ZERO),
        aborts_after: None,
        options: [fast, None, None, None, None, None],
    };
    let mut world = World::without_capture(1);
    let wire = world.wire(weather);
    let [a, b] = [host("a", 15), host("b", 16)].map(|setup| world.host(wire, setup));
    world.run(Duration::from_secs(3));
    let server = Serves {
        port: 80,
        backlog: 4,
        count,
        is_prepared: true,
        pause: Duration::ZERO,
        manner: manner((0, bytes), (2, 1)),
    };
    let client = Visits {
        to: at(16, 80),
        count,
        at_a_time: 1,
        after: Duration::ZERO,
        wants_refusal: false,
        manner: manner((bytes, 0), (1, 2)),
    };
    world.install(b, Server::new(server));
    let start = world.now();
    world.install(a, Client::new(client));
    assert!(world.run_programs(Duration::from_secs(300)));
    let took = world.now().since(start);
    assert_eq!(finish(&mut world, Duration::from_secs(1)), []);
    let mut counters = world.look(a).stack.counters();
    let found = counters.find(|(name, _)| *name == counter);
    (took, found.expect("a counter").1)
}

#[test]
fn who_is_told_of_a_narrow_passage_is_through_within_round_trips() {
    let narrow = Weather {
        delay: Duration::from_millis(10),
        longest_frame: 700,
        ..Weather::FAIR
    };
    let told = Weather {
        refusals: 1_000_000,
        ..narrow
    };
    let (silent, learnt) = visits(narrow, 1, 50_000, "tcp.path_mtus_learnt");
    assert_eq!(learnt, 0);
    let (fast, learnt) = visits(told, 1, 50_000, "tcp.path_mtus_learnt");
    assert!(learnt > 0);
    assert!(fast < Duration::from_millis(400), "{fast:?}");
    assert!(silent > fast * 2, "{silent:?}: timeouts tell it");
}

#[test]
fn the_second_visit_sends_with_its_first_segment() {
    let weather = Weather {
        delay: Duration::from_millis(10),
        ..Weather::FAIR
    };
    let (_, taken) = visits(weather, 3, 1_000, "tcp.fast_opens_taken");
    assert_eq!(taken, 2, "the first visit brings the cookie");
}
