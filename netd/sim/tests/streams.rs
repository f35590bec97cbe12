//! TCP between two hosts, in any weather: every byte once and in order, or an error.

use std::time::Duration;

use crate::common::{at, finish, for_seeds, host};
use sim::programs::{Habits, Role, Stream};
use sim::{HostSetup, Loss, Random, Weather, World};

/// Habits of two programs that talk to each other.
fn habits(random: &mut Random, most: u64) -> [Habits; 2] {
    let bytes = [random.below(most), random.below(most)];
    let closes_second = random.pick(&[None, Some(0), Some(1)]);
    [0, 1].map(|side| Habits {
        flows: if side == 0 { (1, 2) } else { (2, 1) },
        bytes: (bytes[side], bytes[1 - side]),
        chunk: random.pick(&[100, 1_460, 4_096, 65_536]),
        sends: random.pick(&[1, 2, 8]),
        room: random.pick(&[2_000, 8_192, 65_536]),
        rooms: random.pick(&[1, 2, 8]),
        closes_second: closes_second == Some(side),
    })
}

fn plain(bytes: u64) -> [Habits; 2] {
    let one = Habits {
        flows: (1, 2),
        bytes: (bytes, 0),
        chunk: 65_536,
        sends: 8,
        room: 65_536,
        rooms: 8,
        closes_second: false,
    };
    [
        one,
        Habits {
            flows: (2, 1),
            bytes: (0, bytes),
            closes_second: true,
            ..one
        },
    ]
}

/// Two hosts, one connection.
fn converse(
    mut world: World,
    weather: Weather,
    pairs: &[[Habits; 2]],
    setups: [HostSetup; 2],
) -> World {
    let wire = world.wire(weather);
    let [a, b] = setups.map(|setup| world.host(wire, setup));
    world.run(Duration::from_secs(3));
    for (port, [one, other]) in (80..).zip(pairs) {
        world.install(b, Stream::new(Role::Listens(port), *other));
        world.install(a, Stream::new(Role::Connects(at(16, port)), *one));
    }
    world
}

#[test]
fn bulk_over_a_fair_link() {
    let world = World::new(1);
    let mut world = converse(
        world,
        Weather::FAIR,
        &[plain(5_000_000)],
        [host("a", 15), host("b", 16)],
    );
    let start = world.now();
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
    assert!(world.now().since(start) < Duration::from_secs(700));
    let retransmits = world.verdicts().count();
    assert_eq!(retransmits, 2);
}

#[test]
fn a_megabit_line_is_used_well() {
    let weather = Weather {
        delay: Duration::from_millis(10),
        rate: Some(8_000_000),
        queue: 30_000,
        ..Weather::FAIR
    };
    let mut world = converse(
        World::new(2),
        weather,
        &[plain(4_000_000)],
        [host("a", 15), host("b", 16)],
    );
    let start = world.now();
    assert!(world.run_programs(Duration::from_secs(60)));
    // 4 MB at 1 MB/s, headers and the start included.
    let took = world.now().since(start);
    assert!(took < Duration::from_millis(5_500), "{took:?}");
    assert_eq!(finish(&mut world, Duration::from_secs(1)), []);
}

fn any_weather(seed: u64) -> World {
    let mut world = World::new(seed);
    let weather = Weather::any(world.random());
    let random = world.random();
    let most = if weather.loss == Loss::Random(100_000) {
        20_000
    } else {
        300_000
    };
    let pairs: Vec<[Habits; 2]> = (0..random.pick(&[1, 1, 3]))
        .map(|_| habits(random, most))
        .collect();
    let setups = [host("a", 15), host("b", 16)].map(|setup| HostSetup {
        deafness: random.pick(&[0, 0, 100_000, 500_000]),
        lateness: Duration::from_micros(random.pick(&[0, 0, 100, 5_000])),
        ..setup
    });
    let mut world = converse(world, weather, &pairs, setups);
    let gave_up = finish(&mut world, Duration::from_secs(3_000));
    // Three questions for a neighbour may all be lost, and then there is no way to it.
    let is_excused =
        |reason: &str| reason == "HostUnreachable" && weather.loss == Loss::Random(100_000);
    assert!(
        gave_up.iter().all(|(_, reason)| is_excused(reason)),
        "{gave_up:?}: {weather:?}"
    );
    world
}

#[test]
fn any_weather_0() {
    for_seeds(0, 200, any_weather);
}

#[test]
fn any_weather_1() {
    for_seeds(1_000, 1_200, any_weather);
}

#[test]
fn a_link_that_goes_down_for_a_while() {
    for_seeds(0, 20, |seed| {
        let world = World::new(seed);
        let weather = Weather {
            rate: Some(1_000_000),
            queue: 20_000,
            ..Weather::FAIR
        };
        let wire_down = Weather {
            is_up: false,
            ..weather
        };
        let mut world = World::new(world.now().as_nanos() ^ seed);
        let wire = world.wire(weather);
        let a = world.host(wire, host("a", 15));
        let b = world.host(wire, host("b", 16));
        world.run(Duration::from_secs(3));
        let [one, other] = plain(500_000);
        world.install(b, Stream::new(Role::Listens(80), other));
        world.install(a, Stream::new(Role::Connects(at(16, 80)), one));
        let first = Duration::from_millis(world.random().below(3_000));
        world.run(first);
        for station in [a, b] {
            world.change_weather(station, wire_down);
        }
        world.run(Duration::from_secs(20));
        for station in [a, b] {
            world.change_weather(station, weather);
        }
        assert_eq!(finish(&mut world, Duration::from_secs(600)), []);
        world
    });
}

#[test]
fn a_link_that_stays_down_is_an_error() {
    let weather = Weather {
        rate: Some(1_000_000),
        queue: 20_000,
        ..Weather::FAIR
    };
    let mut world = World::new(9);
    let wire = world.wire(weather);
    let a = world.host(wire, host("a", 15));
    let b = world.host(wire, host("b", 16));
    world.run(Duration::from_secs(3));
    let [one, other] = plain(500_000);
    world.install(
        a,
        Stream::new(
            Role::Listens(80),
            Habits {
                bytes: (500_000, 500_000),
                ..other
            },
        ),
    );
    world.install(
        b,
        Stream::new(
            Role::Connects(at(15, 80)),
            Habits {
                bytes: (500_000, 500_000),
                ..one
            },
        ),
    );
    world.run(Duration::from_secs(1));
    for station in [a, b] {
        world.change_weather(
            station,
            Weather {
                is_up: false,
                ..weather
            },
        );
    }
    let gave_up = finish(&mut world, Duration::from_secs(1_000));
    assert_eq!(gave_up.len(), 2, "{gave_up:?}");
}

#[test]
fn the_same_seed_gives_the_same_capture() {
    for seed in [3, 1_007] {
        let (first, second) = (any_weather(seed), any_weather(seed));
        assert!(first.capture().len() > 1_000);
        assert!(first.capture() == second.capture(), "seed {seed}");
    }
}

/// `SEEDS=1000000 cargo test --release -p sim --test streams many -- --ignored`, for the night.
#[test]
#[ignore = "takes as long as it is told to"]
fn many() {
    let count = std::env::var("SEEDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000);
    for_seeds(100_000, 100_000 + count, any_weather);
}
