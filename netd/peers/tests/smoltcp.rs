//! Against smoltcp, in memory: the same seed, the same conversation.

use std::time::Duration;

use peers::{Plan, converse};
use sim::{Loss, Weather};

/// A local network in which everything that can happen to a frame does.
fn foul() -> Weather {
    Weather {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(2),
        rate: Some(50_000_000),
        queue: 200_000,
        loss: Loss::Random(10_000),
        duplication: 10_000,
        corruption: 1_000,
        ..Weather::FAIR
    }
}

fn plans(ours: u64, theirs: u64) -> [Plan; 4] {
    Plan::of_both_ways(80, ours, theirs)
}

#[test]
fn bulk_both_ways_in_fair_weather() {
    let (took, _, lost) = converse(&plans(3_000_000, 3_000_000), Weather::FAIR, 1);
    assert_eq!(lost, 0);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn bulk_both_ways_in_foul_weather() {
    for seed in 0..6 {
        let (_, sent, lost) = converse(&plans(400_000, 400_000), foul(), seed);
        assert!(lost * 1_000 > sent * 5, "{lost} of {sent} lost");
    }
}

#[test]
fn one_direction_at_a_time() {
    for (ours, theirs) in [(2_000_000, 0), (0, 2_000_000), (0, 0), (1, 1)] {
        converse(&plans(ours, theirs), foul(), 7);
    }
}

#[test]
fn bursts_of_losses_are_survived() {
    let weather = Weather {
        loss: Loss::Bursts {
            begin: 2_000,
            longest: Duration::from_millis(200),
        },
        ..foul()
    };
    for seed in 0..4 {
        converse(&plans(200_000, 200_000), weather, seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_conversation() {
    let run = |seed| converse(&plans(200_000, 200_000), foul(), seed);
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
