//! Whole connections through bad links, by the thousand: whatever the seed, every byte arrives
//! once and in order, both ends finish, and nothing is left behind.
#![allow(clippy::cast_possible_truncation, reason = "a test")]

mod world;

use std::time::Duration;

use world::{Behaviour, Ending, Random, Weather, World};

fn behaviour(random: &mut Random, connects: bool) -> Behaviour {
    let mss = random.pick(&[64, 100, 536, 1_000, 1_460, 8_960]);
    let amount = random.pick(&[0, 1, 100, 5_000, 60_000]);
    // Rooms smaller than one unit of the window's scale would only crawl.
    let (room, max_window) = random.pick(&[
        (1_500, 20_000),
        (1_500, 65_535),
        (10_000, 1 << 20),
        (65_536, 1 << 20),
        (300_000, 1 << 30),
    ]);
    Behaviour {
        connects,
        bytes: random.below(amount + 1),
        chunk: random
            .pick(&[1, 50, 1_000, 4_096, 100_000])
            .max(amount as u32 / 300 + 1),
        room,
        room_step: random.pick(&[1, 1, 100, 1_000]),
        laziness: Duration::from_millis(random.pick(&[0, 0, 0, 1, 50, 500])),
        mss,
        max_window,
        max_payload: random.pick(&[u32::from(mss), u32::from(mss), 65_000]),
        has_timestamps: random.chance(500),
        is_nodelay: random.chance(300),
        closes_second: random.chance(300),
        leaves: random.chance(300),
        hole_lists: random.pick(&[0, 1, 4]),
        busy_parts: random.pick(&[0, 1, 1, 1]),
        time_wait: Duration::from_secs(10),
        patience: Duration::from_secs(1_500),
    }
}

fn run(seed: u64) -> World {
    let mut random = Random::new(seed);
    let is_simultaneous = random.chance(100);
    let mut behaviours = [
        behaviour(&mut random, true),
        behaviour(&mut random, is_simultaneous),
    ];
    // Somebody must close first.
    behaviours[0].closes_second &= !behaviours[1].closes_second;
    let weather = Weather {
        delay: Duration::from_micros(random.pick(&[10, 1_000, 10_000, 100_000])),
        jitter: Duration::from_micros(random.pick(&[0, 0, 1_000, 30_000])),
        loss: random.pick(&[0, 0, 10, 50, 150]),
        duplication: random.pick(&[0, 0, 10, 100]),
    };
    let mut world = World::new(seed, weather, behaviours);
    let is_over = world.run(Duration::from_secs(3_600));
    assert!(
        is_over,
        "seed {seed}: still {:?}",
        world.ends.each_ref().map(|end| end.path.clone())
    );
    world
}

fn check(seed: u64) {
    let world = run(seed);
    for (side, end) in world.ends.iter().enumerate() {
        let other = &world.ends[1 - side];
        // The last acknowledgement of all may be lost again and again; then the end that waits for
        // it is reset or gives up, after everything has arrived.
        let is_done = end.ending == Some(Ending::Done);
        assert!(
            is_done || end.is_fin_published,
            "seed {seed}: end {side}: {:?}",
            end.ending
        );
        assert_eq!(
            end.in_order, other.behaviour.bytes,
            "seed {seed}: end {side}"
        );
        assert!(end.is_fin_published, "seed {seed}");
        assert_eq!(end.shared.hole_lists_in_use(), 0, "seed {seed}");
    }
}

fn check_range(from: u64, to: u64) {
    for seed in from..to {
        let result = std::panic::catch_unwind(|| check(seed));
        assert!(result.is_ok(), "seed {seed} fails");
    }
}

#[test]
fn seeds_0() {
    check_range(0, 1_500);
}

#[test]
fn seeds_1() {
    check_range(1_500, 3_000);
}

/// `SEED=17 PRINT=1 cargo test -p tcp --test seeds replay -- --nocapture` shows one connection.
#[test]
fn replay() {
    if let Some(seed) = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        check(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    for seed in [3, 77, 1_234] {
        assert!(run(seed).log == run(seed).log);
    }
}
/// `SEEDS=1000000 cargo test --release -p tcp --test seeds many -- --ignored`, for the night.
#[test]
#[ignore = "takes as long as it is told to"]
fn many() {
    let count = std::env::var("SEEDS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(10_000);
    check_range(10_000, 10_000 + count);
}
