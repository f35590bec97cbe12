//! The curve, against the RFC's equations computed in floating point.

use super::super::testing::Path;
use super::*;

const MSS: Mss = Mss::at_least(1_000);

/// CUBIC with a window of `bytes` in congestion avoidance, just reduced from it.
fn reduced_from(bytes: u32, now: Instant) -> Cubic {
    let known = Remembered {
        window: bytes,
        threshold: bytes,
    };
    let mut cubic = Cubic::new(known, now);
    cubic.on_congestion(MSS);
    cubic
}

/// Acknowledges whole windows for so long.
fn run(cubic: &mut Cubic, path: &mut Path, time: Span) {
    let end = path.now + time;
    while path.now < end {
        for sample in path.round(cubic.window()) {
            cubic.on_ack(&sample, MSS);
        }
    }
}

#[test]
fn a_loss_reduces_to_seven_tenths() {
    let cubic = reduced_from(1_000_000, Instant::ZERO);
    assert_eq!((cubic.window(), cubic.threshold()), (700_000, 700_000));
    let small = reduced_from(2_500, Instant::ZERO);
    assert_eq!(small.threshold(), 2_000);
}

#[test]
fn the_window_follows_the_curve_and_reaches_its_plateau_after_k() {
    // A long round trip, so that Reno's estimate stays below.
    let mut path = Path::new(1_000);
    path.rtt = Span::from_millis(100);
    let mut cubic = reduced_from(1_000_000, path.now);
    let start = path.now;
    // K = cbrt((1000 - 700) / 0.4) = 9.086 s.
    let k = (300.0f64 / 0.4).cbrt();
    assert!((k - 9.086).abs() < 0.001);
    for _ in 0..18 {
        run(&mut cubic, &mut path, Span::from_secs(1));
        let t = path.now.since(start).as_secs_f64();
        let wanted = 0.4 * (t - k).powi(3) * 1_000.0 + 1_000_000.0;
        let got = f64::from(cubic.window());
        assert!(
            (got - wanted).abs() / wanted < 0.02,
            "{t:.1} s: {got} is not {wanted:.0}"
        );
    }
}

#[test]
fn on_a_short_path_it_is_no_slower_than_reno() {
    let mut path = Path::new(1_000);
    path.rtt = Span::from_millis(1);
    let mut cubic = reduced_from(20_000, path.now);
    run(&mut cubic, &mut path, Span::from_millis(30));
    // Section 4.3: 0.53 segments per round up to the old window, then one: 11 rounds for 6 segments,
    // about 19 more. The cubic function alone would not have left the ground.
    assert!(
        (36_000..42_000).contains(&cubic.window()),
        "{}",
        cubic.window()
    );
}

#[test]
fn a_second_loss_below_the_plateau_makes_room_for_others() {
    let mut cubic = reduced_from(1_000_000, Instant::ZERO);
    assert_eq!(cubic.curve.plateau, 1_000_000);
    cubic.on_congestion(MSS);
    // (1 + 0.7) / 2 of 700,000.
    assert_eq!((cubic.curve.plateau, cubic.window()), (595_000, 490_000));
}

#[test]
fn a_timeout_begins_anew_with_k_zero() {
    let mut path = Path::new(1_000);
    let mut cubic = reduced_from(1_000_000, path.now);
    cubic.on_timeout(true, MSS);
    assert_eq!((cubic.window(), cubic.threshold()), (1_000, 490_000));
    // The second timeout leaves the threshold alone.
    cubic.on_timeout(false, MSS);
    assert_eq!(cubic.threshold(), 490_000);
    while cubic.curve.stage.is_none() {
        run(&mut cubic, &mut path, Span::from_millis(1));
    }
    let stage = cubic.curve.stage.unwrap();
    assert_eq!(stage.k, 0);
    assert_eq!(cubic.curve.plateau, 490_000);
}

#[test]
fn a_mistake_is_taken_back_whole() {
    let mut path = Path::new(1_000);
    let mut cubic = reduced_from(100_000, path.now);
    run(&mut cubic, &mut path, Span::from_secs(2));
    let before = cubic.curve;
    cubic.on_congestion(MSS);
    assert_ne!(cubic.curve, before);
    cubic.on_spurious();
    assert_eq!(cubic.curve, before);
    cubic.on_timeout(true, MSS);
    cubic.on_timeout(false, MSS);
    cubic.on_spurious();
    assert_eq!(cubic.curve, before);
    // Nothing is taken back twice.
    cubic.on_congestion(MSS);
    cubic.on_spurious();
    cubic.on_spurious();
    assert_eq!(cubic.curve, before);
}

#[test]
fn a_window_that_is_not_used_does_not_grow_and_its_time_does_not_count() {
    let mut path = Path::new(1_000);
    path.rtt = Span::from_millis(100);
    let mut cubic = reduced_from(1_000_000, path.now);
    run(&mut cubic, &mut path, Span::from_secs(1));
    let window = cubic.window();
    path.is_app_limited = true;
    for _ in 0..600 {
        for sample in path.round(5_000) {
            cubic.on_ack(&sample, MSS);
        }
    }
    assert_eq!(cubic.window(), window);
    path.is_app_limited = false;
    // One minute later it is still far from the plateau: no jump.
    run(&mut cubic, &mut path, Span::from_millis(100));
    assert!(
        cubic.window() < window + window / 20,
        "{} after {window}",
        cubic.window()
    );
}

#[test]
fn nothing_grows_during_recovery() {
    let mut path = Path::new(1_000);
    let mut cubic = reduced_from(100_000, path.now);
    for sample in path.round(70_000) {
        let sample = AckSample {
            phase: Phase::Fast,
            ..sample
        };
        cubic.on_ack(&sample, MSS);
    }
    assert_eq!(cubic.window(), 70_000);
}

#[test]
fn slow_start_ends_at_a_growing_round_trip() {
    let mut path = Path::new(1_000);
    let mut cubic = Cubic::new(Remembered::initial(MSS), path.now);
    // A path of 20 ms that holds 100 segments: what is more makes a queue.
    let mut largest = 0;
    for _ in 0..20 {
        path.rtt = Span::from_millis(20).saturating_mul(cubic.window().max(100_000)) / 100_000;
        for sample in path.round(cubic.window()) {
            cubic.on_ack(&sample, MSS);
        }
        if cubic.threshold() != u32::MAX {
            break;
        }
        largest = cubic.window();
    }
    // Without a loss. Five more rounds would have made it 32 times what the path holds.
    assert!((150_000..600_000).contains(&largest), "{largest}");
    assert!(cubic.threshold() >= largest);
}

#[test]
fn limits_hold_for_anything() {
    let mut noise: u64 = 7;
    let mut cubic = Cubic::new(Remembered::initial(MSS), Instant::ZERO);
    let mut path = Path::new(1_000);
    for round in 0..20_000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let odd = noise >> 33;
        path.rtt = Span::from_micros(odd % 20_000_000);
        match odd % 50 {
            0 => cubic.on_congestion(MSS),
            1 => cubic.on_timeout(odd.is_multiple_of(3), MSS),
            2 => cubic.on_spurious(),
            3 => cubic.on_idle(MSS, path.now),
            _ => {
                let mut sample = path.round(1_000).remove(0);
                sample.acked = if round % 100 == 0 { u32::MAX } else { 1_000 };
                cubic.on_ack(&sample, MSS);
            }
        }
        assert!((1_000..=MAX_WINDOW).contains(&cubic.window()));
        assert!(cubic.threshold() >= 2_000);
    }
}
