//! The retransmission timer: RFC 6298 section 5, and giving up: RFC 9293 section 3.8.3.

use std::time::Duration;

use tcp::{Events, Fate};

use crate::lab::{ACK, Lab, data, limits, seg};

const RTO: Duration = Duration::from_millis(200);

// RFC 9293: MUST-19
#[test]
fn what_is_lost_is_sent_again_less_and_less_often() {
    let mut lab = Lab::established();
    lab.connection.queue(500);
    assert_eq!(lab.sent_data(), [(0, 500)]);
    for wait in [1, 2, 4, 8, 16] {
        let (waited, _) = lab.next_timer();
        assert_eq!(waited, RTO * wait);
        assert_eq!(lab.sent_data(), [(0, 500)]);
    }
    assert_eq!(lab.input(seg(ACK, 0, 500)).acked, 500);
    lab.come_to_rest();
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
    assert_eq!(lab.info().retransmits, 5);
}

#[test]
fn the_shortest_timeout_can_be_microseconds() {
    const ROUNDS: i64 = 200;
    let mut lab = Lab::established_with(
        crate::lab::setup(),
        tcp::Limits {
            min_rto: Duration::from_micros(500),
            ..limits()
        },
    );
    // A peer that answers at once, until the handshake's time is forgotten.
    lab.connection.queue(500);
    assert_eq!(lab.sent_data(), [(0, 500)]);
    for round in 1..=ROUNDS {
        let _ = lab.input(seg(ACK, 0, round * 500));
        lab.connection.queue(500);
        assert_eq!(lab.sent_data(), [(round * 500, 500)]);
    }
    let (first, _) = lab.next_timer();
    let limits = Duration::from_micros(500)..Duration::from_micros(550);
    assert!(limits.contains(&first), "{first:?}");
    for wait in [2, 4, 8] {
        assert_eq!(lab.sent_data(), [(ROUNDS * 500, 500)]);
        let (waited, _) = lab.next_timer();
        assert_eq!(waited, first * wait);
    }
}

#[test]
fn progress_starts_the_timer_again() {
    let mut lab = Lab::established();
    lab.connection.queue(2_000);
    assert_eq!(lab.sent_data().len(), 2);
    lab.pass(150);
    let _ = lab.input(seg(ACK, 0, 1_000));
    let (waited, _) = lab.next_timer();
    assert!(waited >= RTO, "{waited:?}");
    assert_eq!(lab.sent_data(), [(1_000, 1_000)]);
}

// RFC 9293: MUST-19
#[test]
fn after_a_timeout_everything_goes_again_slowly() {
    let mut lab = Lab::established();
    lab.connection.queue(10_000);
    assert_eq!(lab.sent_data().len(), 10);
    let _ = lab.next_timer();
    assert_eq!(lab.info().congestion_window, 1_000);
    assert_eq!(lab.info().slow_start_threshold, 5_000);
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 1_000));
    assert_eq!(lab.sent_data(), [(1_000, 1_000), (2_000, 1_000)]);
    // The rest had arrived after all: an acknowledgement for all of it ends the matter.
    let _ = lab.input(seg(ACK, 0, 10_000));
    assert_eq!((lab.sent_data(), lab.info().in_flight), (vec![], 0));
}

#[test]
fn the_threshold_falls_once_for_one_loss() {
    // RFC 5681 section 3.1, below equation 4.
    let mut lab = Lab::established();
    lab.connection.queue(10_000);
    assert_eq!(lab.sent_data().len(), 10);
    for _ in 0..2 {
        let _ = lab.next_timer();
        assert_eq!(lab.info().slow_start_threshold, 5_000);
        assert!(matches!(lab.sent_data()[..], [(0, _)]));
    }
    // Something new was acknowledged: the next timeout is another loss.
    let _ = lab.input(seg(ACK, 0, 10_000));
    lab.connection.queue(4_000);
    assert!(lab.sent_data().len() > 2);
    let flight = lab.info().in_flight;
    let _ = lab.next_timer();
    assert_eq!(lab.info().slow_start_threshold, flight / 2);
}

// RFC 9293: MUST-18
#[test]
fn the_segment_that_is_sent_again_is_not_measured() {
    // Karn's rule, RFC 6298 section 3.
    let mut lab = Lab::established();
    let before = lab.info().rtt;
    lab.connection.queue(500);
    assert_eq!(lab.sent_data().len(), 1);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data().len(), 1);
    lab.pass(1);
    let _ = lab.input(seg(ACK, 0, 500));
    assert_eq!(lab.info().rtt, before);
    // The next one is.
    lab.connection.queue(500);
    assert_eq!(lab.sent_data().len(), 1);
    lab.pass(90);
    let _ = lab.input(seg(ACK, 0, 1_000));
    assert_ne!(lab.info().rtt, before);
    assert_eq!(lab.info().rtt.unwrap().0, Duration::from_millis(20));
}

// RFC 9293: MUST-20, SHLD-11
#[test]
fn a_silent_peer_is_given_up_after_the_user_timeout() {
    let mut lab = Lab::established();
    lab.connection.queue(500);
    assert_eq!(lab.sent_data().len(), 1);
    let start = lab.now;
    loop {
        let (_, outcome) = lab.next_timer();
        if outcome.events.contains(Events::TIMED_OUT) {
            assert!(outcome.events.contains(Events::OVER));
            break;
        }
        assert_eq!(lab.sent_data().len(), 1);
    }
    assert!(lab.now.since(start) >= limits().user_timeout);
    assert_eq!(
        (
            lab.connection.fate(),
            lab.connection.next_deadline(&lab.shared)
        ),
        (Fate::Closed, None)
    );
}

#[test]
fn a_peer_that_only_talks_is_given_up_too() {
    // It sends data but never acknowledges ours.
    let mut lab = Lab::established();
    lab.connection.queue(500);
    assert_eq!(lab.sent_data().len(), 1);
    for position in 0..40 {
        let (_, outcome) = lab.next_timer();
        if outcome.events.contains(Events::TIMED_OUT) {
            return;
        }
        let _ = lab.take(data(position, 1, 0));
        let _ = lab.sent();
    }
    panic!("it is never given up");
}

#[test]
fn an_idle_connection_has_no_timer_and_starts_gently() {
    let mut lab = Lab::established();
    lab.connection.queue(10_000);
    for round in 1..=10 {
        let _ = lab.sent();
        lab.pass(10);
        let _ = lab.input(seg(ACK, 0, round * 1_000).window(60_000));
    }
    let grown = lab.info().congestion_window;
    assert!(grown > 10_000, "{grown}");
    lab.come_to_rest();
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
    lab.pass(5_000);
    lab.connection.queue(60_000);
    // RFC 5681 section 4.1: the restart window.
    assert_eq!(lab.sent_data().len(), 10);
}

#[test]
fn without_a_busy_part_one_segment_at_a_time_is_sent() {
    let mut lab = Lab::established_with(
        crate::lab::setup(),
        tcp::Limits {
            busy_parts: 0,
            ..limits()
        },
    );
    lab.connection.queue(2_500);
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, RTO);
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 1_000));
    assert_eq!(lab.sent_data(), [(1_000, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 2_000));
    assert_eq!(lab.sent_data(), [(2_000, 500)]);
    assert_eq!(lab.input(seg(ACK, 0, 2_500)).acked, 500);
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}
