//! Pacing, and the choice of the congestion control.

use std::time::Duration;

use tcp::{Algorithm, Limits, Record, Shared};

use crate::lab::{ACK, Lab, limits, seg, setup};

/// A connection with a round trip of 10 ms and a large window to send into.
fn paced(algorithm: Algorithm) -> Lab {
    let limits = Limits {
        congestion_control: algorithm,
        is_paced: true,
        ..limits()
    };
    let mut lab = Lab::established_with(setup(), limits);
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    lab.connection.queue(60_000);
    lab
}

#[test]
fn after_the_initial_window_segments_leave_at_the_rate() {
    let mut lab = paced(Algorithm::Cubic);
    // RFC 6928: ten segments in one go.
    assert_eq!(lab.sent_data().len(), 10);
    lab.pass(10);
    let _ = lab.input(seg(ACK, 0, 10_000).window(60_000));
    // Slow start: 20,000 bytes in half a round trip of 10 ms, two segments in each half millisecond.
    assert_eq!(lab.info().pacing_rate, Some(2_000_000));
    let mut bursts = vec![lab.sent_data().len()];
    let start = lab.now;
    while bursts.iter().sum::<usize>() < 20 {
        let (waited, outcome) = lab.next_timer();
        assert!(outcome.events.is_empty());
        assert!(waited > Duration::ZERO);
        bursts.push(lab.sent_data().len());
    }
    assert!(
        bursts.iter().all(|burst| (1..=4).contains(burst)),
        "{bursts:?}"
    );
    let took = lab.now.since(start);
    // 4 MB/s; what was not used before the start, and the last quantum, need no time.
    assert!(
        took >= Duration::from_micros(3_500) && took <= Duration::from_millis(5),
        "{took:?}"
    );
}

#[test]
fn an_acknowledgement_is_not_held_back() {
    let mut lab = paced(Algorithm::Cubic);
    assert_eq!(lab.sent_data().len(), 10);
    lab.pass(10);
    let _ = lab.input(seg(ACK, 0, 10_000).window(60_000));
    while !lab.sent_data().is_empty() {}
    let _ = lab.take(crate::lab::data(0, 100, 10_000));
    assert_eq!(
        lab.sent_data(),
        [(i64::from(lab.info().in_flight) + 10_000, 0)]
    );
}

// RFC 9293: MAY-18
#[test]
fn the_choice_can_be_made_at_any_time() {
    let mut lab = paced(Algorithm::Cubic);
    assert_eq!(lab.info().congestion_control, "cubic");
    assert_eq!(lab.sent_data().len(), 10);
    let window = lab.info().congestion_window;
    for algorithm in Algorithm::ALL {
        lab.connection
            .set_congestion_control(algorithm, &mut lab.shared, lab.now);
        let info = lab.info();
        assert_eq!(info.congestion_control, algorithm.name());
        assert_eq!(info.congestion_window, window, "what is known stays");
    }
    // While it is opening, too.
    let mut lab = Lab::connecting();
    lab.connection
        .set_congestion_control(Algorithm::Bbr, &mut lab.shared, lab.now);
    lab.open(&setup());
    assert_eq!(lab.info().congestion_control, "bbr");
}

#[test]
fn the_choice_outlives_a_crash() {
    for algorithm in Algorithm::ALL {
        let mut lab = Lab::established();
        lab.connection
            .set_congestion_control(algorithm, &mut lab.shared, lab.now);
        let record = lab
            .connection
            .record(lab.connection.published())
            .expect("it is open");
        let again = Record::from_bytes(*record.as_bytes());
        let open = again.restore(lab.now).expect("it is sound");
        let info = tcp::Connection::from(open).info(&Shared::new(limits()));
        assert_eq!(info.congestion_control, algorithm.name());
    }
}
