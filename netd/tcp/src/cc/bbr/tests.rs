//! BBR on a simulated bottleneck.

use super::super::testing::{Flow, Line, MSS};
use super::super::{Algorithm, Congestion};
use super::*;

const START: Instant = Instant::from_secs(1);

fn flow() -> Flow {
    Flow::new(Algorithm::Bbr, START)
}

fn bbr(flow: &Flow) -> &Bbr {
    match &flow.congestion {
        Congestion::Bbr(bbr) => bbr,
        _ => unreachable!("made as BBR"),
    }
}

/// Part of the line, in percent, that the flows use within `time` after a warm-up of two seconds.
fn usage(line: &mut Line, flows: &mut [Flow], time: Span) -> u64 {
    let warm = line.run(flows, START, Span::from_secs(2), |_, _| {});
    let before: u64 = flows.iter().map(|flow| flow.delivered).sum();
    line.run(flows, warm, time, |_, _| {});
    let after: u64 = flows.iter().map(|flow| flow.delivered).sum();
    (after - before) * 100 / (line.rate * (time.as_millis() / 1_000))
}

#[test]
fn the_modes_follow_each_other_and_the_queue_is_drained() {
    let mut line = Line::new(80, 20, 10_000_000);
    let (mut modes, mut flows) = (Vec::new(), [flow()]);
    line.run(&mut flows, START, Span::from_secs(4), |_, flows| {
        let mode = match bbr(&flows[0]).mode {
            Mode::Startup => "startup",
            Mode::Drain => "drain",
            Mode::Down => "down",
            Mode::Cruise => "cruise",
            Mode::Refill => "refill",
            Mode::Up => "up",
            Mode::ProbeRoundTrip { .. } => "round trip",
        };
        if modes.last() != Some(&mode) {
            modes.push(mode);
        }
    });
    // Nothing is left to be slower for, at first.
    assert_eq!(modes[..3], ["startup", "drain", "cruise"]);
    assert_eq!(modes[3..7], ["refill", "up", "down", "cruise"]);
    let bbr = bbr(&flows[0]);
    let rate = bbr.model.rate();
    assert!(rate.abs_diff(line.rate) < line.rate / 50, "{rate}");
    assert_eq!(bbr.model.min_rtt().as_millis(), 20);
    // A window of two products, and a flight of about one.
    assert!(
        (400_000..460_000).contains(&bbr.window()),
        "{}",
        bbr.window()
    );
    assert!(
        (150_000..270_000).contains(&flows[0].in_flight()),
        "{}",
        flows[0].in_flight()
    );
}

#[test]
fn losses_by_chance_cost_only_themselves() {
    for (loss, least) in [(1_000, 98), (10_000, 96), (15_000, 90)] {
        let mut line = Line::new(1_000, 20, 2_500_000);
        line.loss = loss;
        let usage = usage(&mut line, &mut [flow()], Span::from_secs(10));
        assert!(usage >= least, "{loss}: {usage} %");
    }
}

#[test]
fn what_loses_more_than_chance_explains_is_taken_for_full() {
    let mut line = Line::new(1_000, 20, 2_500_000);
    line.loss = 100_000;
    let usage = usage(&mut line, &mut [flow()], Span::from_secs(10));
    assert!(usage < 50, "{usage} %");
}

#[test]
fn a_shallow_queue_is_enough() {
    let mut line = Line::new(100, 20, 25_000);
    let mut flows = [flow()];
    let usage = usage(&mut line, &mut flows, Span::from_secs(20));
    assert!(usage >= 97, "{usage} %");
    let lost = flows[0].lost * 1_000 / flows[0].delivered;
    assert!(lost < 15, "{lost} in a thousand are lost");
}

#[test]
fn the_round_trip_is_looked_for_when_the_least_was_not_seen_for_five_seconds() {
    let mut line = Line::new(80, 20, 10_000_000);
    let mut flows = [flow()];
    let warm = line.run(&mut flows, START, Span::from_secs(2), |_, _| {});
    // The path becomes longer: only an empty path shows by how much.
    line.rtt = Span::from_millis(50);
    let mut probes = 0;
    let mut was_probing = false;
    line.run(&mut flows, warm, Span::from_secs(13), |_, flows| {
        let is_probing = matches!(bbr(&flows[0]).mode, Mode::ProbeRoundTrip { .. });
        probes += u32::from(is_probing && !was_probing);
        was_probing = is_probing;
    });
    assert_eq!(probes, 1);
    assert_eq!(bbr(&flows[0]).model.min_rtt().as_millis(), 50);
    let rate = bbr(&flows[0]).model.rate();
    assert!(
        rate > line.rate * 95 / 100,
        "the probe has spoilt the rate: {rate}"
    );
}

#[test]
fn more_bandwidth_is_found_and_less_is_noticed() {
    let mut line = Line::new(20, 20, 10_000_000);
    let mut flows = [flow()];
    let mut at = line.run(&mut flows, START, Span::from_secs(3), |_, _| {});
    for (megabits, seconds) in [(80, 12), (20, 9)] {
        line.rate = megabits * 125_000;
        at = line.run(&mut flows, at, Span::from_secs(seconds), |_, _| {});
        let rate = bbr(&flows[0]).model.rate();
        assert!(
            rate.abs_diff(line.rate) < line.rate / 10,
            "{megabits}: {rate}"
        );
    }
}

#[test]
fn two_flows_share() {
    let mut line = Line::new(100, 20, 500_000);
    let mut flows = [flow()];
    let at = line.run(&mut flows, START, Span::from_secs(2), |_, _| {});
    let [first] = flows;
    let mut flows = [first, Flow::new(Algorithm::Bbr, at)];
    let at = line.run(&mut flows, at, Span::from_secs(30), |_, _| {});
    let before = [flows[0].delivered, flows[1].delivered];
    line.run(&mut flows, at, Span::from_secs(30), |_, _| {});
    let [one, other] = [
        flows[0].delivered - before[0],
        flows[1].delivered - before[1],
    ];
    // Jain's index of two.
    let (sum, squares) = (
        (one + other) as f64,
        (one as f64).powi(2) + (other as f64).powi(2),
    );
    let index = sum * sum / (2.0 * squares);
    assert!(index > 0.95, "{one} and {other}: {index:.3}");
}

#[test]
fn a_timeout_keeps_the_model() {
    let mut line = Line::new(80, 20, 10_000_000);
    let mut flows = [flow()];
    line.run(&mut flows, START, Span::from_secs(2), |_, _| {});
    let mut bbr = *bbr(&flows[0]);
    let (rate, window) = (bbr.model.rate(), bbr.window());
    bbr.on_timeout(true, MSS);
    assert_eq!((bbr.window(), bbr.model.rate()), (1_000, rate));
    bbr.on_spurious();
    assert_eq!(bbr.window(), window);
}

#[test]
fn what_is_left_of_the_model_is_its_product() {
    let known = Remembered::initial(MSS);
    let new = Bbr::new(known, START);
    assert_eq!(new.remember(), known);
    let mut line = Line::new(80, 20, 10_000_000);
    let mut flows = [flow()];
    line.run(&mut flows, START, Span::from_secs(2), |_, _| {});
    // Twice that was the window; CUBIC would go on without a queue.
    let left = flows[0].congestion.remember();
    assert!((195_000..=205_000).contains(&left.window), "{left:?}");
    assert_eq!(left.threshold, left.window);
}

#[test]
fn before_the_first_measurement_the_initial_window_is_paced() {
    let bbr = Bbr::new(Remembered::initial(MSS), START);
    // 10,000 bytes in 100 ms, 2.77 times as fast.
    let rate = bbr.pacing_rate(Some(Span::from_millis(100)));
    assert!((277_000..278_000).contains(&rate), "{rate}");
    assert!(bbr.pacing_rate(None) > 27_000_000);
}

#[test]
fn a_bound_is_found_where_the_queue_overflows_and_room_is_left_free() {
    let mut line = Line::new(100, 20, 50_000);
    let mut flows = [flow()];
    let at = line.run(&mut flows, START, Span::from_secs(20), |_, _| {});
    // The path holds 250,000 bytes, and its queue 50,000.
    let high = bbr(&flows[0]).bounds.high;
    assert!((250_000..400_000).contains(&high), "{high}");
    let mut most = 0;
    line.run(&mut flows, at, Span::from_secs(10), |_, flows| {
        if bbr(&flows[0]).mode == Mode::Cruise {
            most = most.max(bbr(&flows[0]).window());
        }
    });
    assert!(most <= high * 9 / 10, "{most} of {high}");
}

#[test]
fn too_many_losses_end_startup() {
    // Each flight loses its end: the queue is next to nothing.
    let mut line = Line::new(100, 20, 5_000);
    let mut flows = [flow()];
    line.run(&mut flows, START, Span::from_millis(400), |_, _| {});
    let bbr = bbr(&flows[0]);
    assert_ne!(bbr.mode, Mode::Startup);
    assert_ne!(bbr.bounds.high, UNBOUNDED);
}

#[test]
fn what_is_lost_for_the_moment_is_found_again_by_the_next_probe() {
    let mut line = Line::new(100, 20, 500_000);
    let mut flows = [flow()];
    let at = line.run(&mut flows, START, Span::from_secs(3), |_, _| {});
    line.loss = 200_000;
    let at = line.run(&mut flows, at, Span::from_millis(300), |_, _| {});
    let low = bbr(&flows[0]).bounds.rate_low();
    assert!(low < line.rate * 95 / 100, "{low}");
    line.loss = 0;
    line.run(&mut flows, at, Span::from_secs(6), |_, _| {});
    assert_eq!(bbr(&flows[0]).bounds.rate_low(), u64::MAX);
    let rate = bbr(&flows[0]).model.rate();
    assert!(rate > line.rate * 95 / 100, "{rate}");
}
