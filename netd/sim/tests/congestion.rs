//! What the three congestion controls make of the paths that they are made for.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people, far from the limits"
)]

use std::time::Duration;

use sim::{Bottleneck, Bulk};
use tcp::Algorithm;

const MEGABIT: u64 = 1_000_000;

fn path(megabits: u64, milliseconds: u64, queue: u64) -> Bottleneck {
    Bottleneck {
        rate: megabits * MEGABIT,
        round_trip: Duration::from_millis(milliseconds),
        queue,
        mark_above: None,
        loss: 0,
        late: (0, Duration::ZERO),
    }
}

/// Megabits per second that one flow gets through within `time`, after `warm`.
fn goodput(algorithm: Algorithm, path: Bottleneck, warm: u64, time: u64) -> u64 {
    let mut bulk = Bulk::new(path, 1);
    let flow = bulk.flow(algorithm);
    bulk.run(Duration::from_secs(warm));
    let before = bulk.received(flow);
    bulk.run(Duration::from_secs(time));
    (bulk.received(flow) - before) * 8 / time / MEGABIT
}

#[test]
fn bbr_fills_a_path_that_loses_one_in_a_hundred() {
    let mut lossy = path(1_000, 20, 2_500_000);
    lossy.loss = 10_000;
    let got = goodput(Algorithm::Bbr, lossy, 1, 5);
    assert!(got >= 900, "{got} Mbit/s");
    // And where loss means congestion, next to nothing gets through.
    let got = goodput(Algorithm::Cubic, lossy, 1, 5);
    assert!(got < 50, "{got} Mbit/s");
}

#[test]
fn a_queue_of_two_milliseconds_is_enough() {
    let shallow = path(100, 20, 25_000);
    for (algorithm, least) in [
        (Algorithm::NewReno, 65),
        (Algorithm::Cubic, 75),
        (Algorithm::Bbr, 92),
    ] {
        let got = goodput(algorithm, shallow, 2, 20);
        assert!(got >= least, "{algorithm:?}: {got} Mbit/s");
    }
}

#[test]
fn what_comes_late_is_not_lost() {
    let mut late = path(1_000, 20, 2_500_000);
    late.late = (10_000, Duration::from_micros(300));
    for algorithm in [Algorithm::Cubic, Algorithm::Bbr] {
        let got = goodput(algorithm, late, 2, 4);
        assert!(got >= 880, "{algorithm:?}: {got} Mbit/s");
    }
}

#[test]
fn a_short_path_recovers_fast() {
    let mut short = path(1_000, 0, 250_000);
    short.round_trip = Duration::from_micros(200);
    short.loss = 10_000;
    let got = goodput(Algorithm::Cubic, short, 1, 3);
    assert!(got >= 300, "{got} Mbit/s");
}

#[test]
fn cubic_comes_back_to_its_window_after_k() {
    // One reduction, by hand: the queue is cut for a moment.
    let roomy = path(100, 100, 2_000_000);
    let mut bulk = Bulk::new(roomy, 1);
    let flow = bulk.flow(Algorithm::Cubic);
    bulk.run(Duration::from_secs(20));
    let before = f64::from(bulk.info(flow).congestion_window);
    bulk.change(Bottleneck {
        loss: 1_000_000,
        ..roomy
    });
    bulk.run(Duration::from_micros(500));
    bulk.change(roomy);
    bulk.run(Duration::from_secs(1));
    let reduced = f64::from(bulk.info(flow).slow_start_threshold);
    assert!(
        (reduced / before - 0.7).abs() < 0.05,
        "{before} to {reduced}"
    );
    // RFC 9438 section 4.2: K = cbrt(W_max (1 - beta) / C), in segments and seconds.
    let mss = f64::from(bulk.info(flow).mss);
    let k = (before * 0.3 / mss / 0.4).cbrt();
    let mut curve = Vec::new();
    for _ in 0..=(k * 2.0) as usize {
        curve.push(f64::from(bulk.info(flow).congestion_window));
        bulk.run(Duration::from_secs(1));
    }
    let at = |seconds: f64| curve[(seconds as usize).min(curve.len() - 1)];
    // Back after K, slowly around it, and no faster than before at half of it.
    let plateau = at(k - 1.0) / before;
    assert!(
        (0.95..=1.05).contains(&plateau),
        "{plateau:.3}: {curve:.0?}"
    );
    let half = at(k / 2.0) / before;
    assert!((0.93..=1.0).contains(&half), "{half:.3}: {curve:.0?}");
    assert!(at(k * 1.5) > at(k) * 1.01, "{curve:.0?}");
}

#[test]
fn slow_start_ends_without_a_loss() {
    let mut bulk = Bulk::new(path(50, 40, 4_000_000), 1);
    let flow = bulk.flow(Algorithm::Cubic);
    bulk.run(Duration::from_secs(3));
    let info = bulk.info(flow);
    assert_eq!(bulk.lost(), 0);
    assert!(info.slow_start_threshold < 3_000_000, "{info:?}");
}

/// Jain's index of two flows of which one began five seconds later.
fn fairness(algorithms: [Algorithm; 2], path: Bottleneck) -> f64 {
    let mut bulk = Bulk::new(path, 1);
    bulk.flow(algorithms[0]);
    bulk.run(Duration::from_secs(5));
    bulk.flow(algorithms[1]);
    bulk.run(Duration::from_secs(25));
    let before = [0, 1].map(|flow| bulk.received(flow));
    bulk.run(Duration::from_secs(30));
    let shares = [0, 1].map(|flow| (bulk.received(flow) - before[flow]) as f64);
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (2.0 * squares)
}

#[test]
fn two_flows_share() {
    for algorithm in Algorithm::ALL {
        let index = fairness([algorithm; 2], path(50, 20, 125_000));
        assert!(index > 0.9, "{algorithm:?}: {index:.3}");
    }
}

/// What BBR costs others: the losses that it makes in a queue of a tenth of the product, and what it
/// leaves to CUBIC in one of a whole product.
#[test]
fn bbr_loses_little_and_leaves_something_to_others() {
    let mut bulk = Bulk::new(path(50, 20, 25_000), 1);
    for _ in 0..2 {
        bulk.flow(Algorithm::Bbr);
    }
    bulk.run(Duration::from_secs(10));
    let (before, lost) = ([0, 1].map(|flow| bulk.received(flow)), bulk.lost());
    bulk.run(Duration::from_secs(30));
    let got: u64 = [0, 1]
        .map(|flow| bulk.received(flow) - before[flow])
        .iter()
        .sum();
    let lost = (bulk.lost() - lost) * 1_448 * 1_000 / got;
    assert!(lost < 40, "{lost} in a thousand, where version 1 loses 100");
    let index = fairness([Algorithm::Cubic, Algorithm::Bbr], path(50, 20, 125_000));
    assert!(index > 0.75, "{index:.3}, where version 1 has 0.63");
}

#[test]
fn marks_take_the_place_of_losses() {
    let mut marking = path(50, 20, 500_000);
    marking.mark_above = Some(60_000);
    let mut bulk = Bulk::new(marking, 1);
    let flow = bulk.flow(Algorithm::Cubic);
    bulk.run(Duration::from_secs(10));
    let got = bulk.received(flow) * 8 / 10 / MEGABIT;
    assert_eq!(bulk.lost(), 0);
    assert!(bulk.marked() > 0 && got >= 44, "{got} Mbit/s");
    let rtt = bulk.info(flow).rtt.expect("measured").0;
    assert!(
        rtt < Duration::from_millis(40),
        "the queue stays short: {rtt:?}"
    );
}

#[test]
fn originals_that_a_repair_overtakes_are_not_thrown_away() {
    // Later than RACK first allows for, and the queue overflows: repairs carry newer timestamps
    // than originals that are still under way.
    let mut late = path(1_000, 20, 2_500_000);
    for by in [3, 5, 10] {
        late.late = (10_000, Duration::from_millis(by));
        for algorithm in Algorithm::ALL {
            let got = goodput(algorithm, late, 2, 8);
            assert!(got >= 850, "{algorithm:?}, {by} ms: {got} Mbit/s");
        }
    }
}
