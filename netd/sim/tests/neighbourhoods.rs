//! Neighbourhoods, each from a seed: prefixes that change, routers that fall silent, addresses that are
//! taken, parts that never become whole, and lies.

use std::collections::BTreeSet;

use sim::neighbourhood::{self, Neighbourhood};

/// As many as take a few seconds; `make sim NEIGHBOURHOODS=100000` plays them for the night.
const SEEDS: u64 = 60;

#[test]
fn honest_hosts_are_served_whatever_their_neighbours_do() {
    for seed in 0..SEEDS {
        neighbourhood::check(seed).unwrap_or_else(|complaint| panic!("{complaint}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_neighbourhood() {
    for seed in [3, 4] {
        let play = || Neighbourhood::of(seed).play(true);
        let (first, second) = (play(), play());
        assert!(first.capture.len() > 1_000);
        assert!(first.capture == second.capture, "seed {seed}");
    }
}

/// What bad neighbours send is dropped, for a reason that is counted.
#[test]
fn lies_and_floods_are_counted() {
    let mut found = BTreeSet::new();
    for seed in 0..12 {
        let outcome = Neighbourhood::of(seed).play(false);
        found.extend(outcome.drops.iter().map(|(reason, _)| *reason));
    }
    for reason in [
        "arp.conflict",
        "arp.suspicious",
        "fragment.no_room",
        "fragment.overlap",
        "fragment.timeout",
        "fragment.too_long",
        "ndp.conflict",
        "ndp.hop_limit",
        "ndp.source",
        "ndp.suspicious",
    ] {
        assert!(found.contains(reason), "{reason} is not in {found:?}");
    }
}
