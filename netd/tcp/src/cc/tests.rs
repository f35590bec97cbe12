//! The three algorithms on the same simulated bottlenecks.

use super::testing::{Flow, Line};
use super::*;

const START: Instant = Instant::from_secs(1);

/// Part of the line, in thousandths, that one flow uses within a minute after five seconds.
fn usage(algorithm: Algorithm, mut line: Line) -> u64 {
    let mut flows = [Flow::new(algorithm, START)];
    let warm = line.run(&mut flows, START, Span::from_secs(5), |_, _| {});
    let before = flows[0].delivered;
    line.run(&mut flows, warm, Span::from_secs(60), |_, _| {});
    (flows[0].delivered - before) * 1_000 / (line.rate * 60)
}

#[test]
fn a_shallow_queue_is_enough_for_all() {
    // A tenth of the bandwidth-delay product. NewReno's law: the window is between a half and 1.1 of
    // what fits; CUBIC's: between 0.77 and 1.1, and most of the time near the top.
    for (algorithm, least) in [
        (Algorithm::NewReno, 780),
        (Algorithm::Cubic, 880),
        (Algorithm::Bbr, 970),
    ] {
        let used = usage(algorithm, Line::new(100, 20, 25_000));
        assert!(used >= least, "{algorithm:?}: {used} of 1000");
    }
}

// RFC 9293: MAY-18
#[test]
fn cubic_beats_newreno_on_a_long_fat_path() {
    let used = Algorithm::ALL.map(|algorithm| {
        let mut line = Line::new(100, 100, 125_000);
        line.loss = 50;
        usage(algorithm, line)
    });
    let [newreno, cubic, bbr] = used;
    assert!(cubic > newreno * 5 / 4 && bbr > 950, "{used:?}");
}

#[test]
fn two_flows_of_a_kind_share() {
    for algorithm in Algorithm::ALL {
        let mut line = Line::new(100, 20, 250_000);
        let mut flows = [Flow::new(algorithm, START)];
        let at = line.run(&mut flows, START, Span::from_secs(5), |_, _| {});
        let [first] = flows;
        let mut flows = [first, Flow::new(algorithm, at)];
        let at = line.run(&mut flows, at, Span::from_secs(30), |_, _| {});
        let before = [flows[0].delivered, flows[1].delivered];
        line.run(&mut flows, at, Span::from_secs(60), |_, _| {});
        let [one, other] = [0, 1].map(|flow| flows[flow].delivered - before[flow]);
        // Jain's index, in thousandths.
        let (sum, squares) = (one + other, one * one / 1_000 + other * other / 1_000);
        let index = sum * sum / (2 * squares);
        assert!(index > 950, "{algorithm:?}: {one} and {other}, {index}");
    }
}

#[test]
fn slow_start_ends_before_the_queue_overflows() {
    // Room for ten products: slow start alone would fill that too.
    let mut line = Line::new(50, 40, 2_500_000);
    let mut flows = [Flow::new(Algorithm::Cubic, START)];
    line.run(&mut flows, START, Span::from_secs(3), |_, _| {});
    assert_eq!(flows[0].lost, 0);
    let threshold = flows[0].congestion.threshold();
    assert!((250_000..2_000_000).contains(&threshold), "{threshold}");
}

#[test]
fn a_window_is_paced_faster_than_it_is_acknowledged() {
    let rtt = Some(Span::from_millis(10));
    let known = |threshold| Remembered {
        window: 10_000,
        threshold,
    };
    for algorithm in [Algorithm::NewReno, Algorithm::Cubic] {
        let slow_start = Congestion::new(algorithm, known(u32::MAX), START);
        let avoidance = Congestion::new(algorithm, known(10_000), START);
        assert_eq!(slow_start.pacing_rate(rtt), Some(2_000_000));
        assert_eq!(avoidance.pacing_rate(rtt), Some(1_200_000));
        assert_eq!(avoidance.pacing_rate(None), None);
    }
}

#[test]
fn initial_window_is_ten_segments() {
    for (mss, window) in [
        (1_460, 14_600),
        (536, 5_360),
        (9_000, 18_000),
        (2_000, 14_600),
    ] {
        assert_eq!(initial_window(Mss::at_least(mss)), window);
    }
}
