//! Losses found and repaired with the peer's reports: RFC 6675, RFC 8985, RFC 9937.

use std::time::Duration;

use crate::lab::{ACK, Lab, seg};

/// Ten segments in flight for 10 ms, and more queued.
fn flying() -> Lab {
    let mut lab = Lab::selective();
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    lab.connection.queue(10_000);
    assert_eq!(lab.sent_data().len(), 10);
    lab.connection.queue(20_000);
    assert_eq!(lab.sent_data(), []);
    lab.pass(10);
    lab
}

/// The same; the first segment is lost, and sent again.
fn repaired() -> Lab {
    let mut lab = flying();
    for (end, sent) in [(2_000, 10_000), (3_000, 11_000), (4_000, 0)] {
        let _ = lab.report(0, &[(1_000, end)]);
        assert_eq!(lab.sent_data(), [(sent, 1_000)]);
        lab.pass(1);
    }
    lab
}

#[test]
fn three_reported_segments_are_a_loss() {
    // The first two let a new segment out each (RFC 3042).
    let lab = repaired();
    assert_eq!(lab.info().slow_start_threshold, 6_000);
    assert_eq!(lab.info().retransmits, 1);
}

#[test]
fn while_it_is_repaired_less_is_sent_in_proportion() {
    // RFC 9937: 10000 were in flight, 6000 are wanted: six segments for ten that arrive, the first
    // one among them.
    let mut lab = repaired();
    let mut sent = 1;
    for end in 5..=10 {
        let _ = lab.report(0, &[(1_000, end * 1_000)]);
        sent += lab.sent_data().len();
    }
    assert_eq!(sent, 4, "for seven");
    lab.pass(10);
    for end in [11, 12] {
        let _ = lab.report(0, &[(1_000, end * 1_000)]);
        sent += lab.sent_data().len();
    }
    assert_eq!(
        sent, 6,
        "for nine: no more than the target is in flight any more"
    );
    let _ = lab.report(12_000, &[]);
    let _ = lab.sent();
    assert_eq!(lab.info().in_flight, 6_000, "and that it is in the end");
}

#[test]
fn one_segment_that_is_missing_is_waited_for() {
    // RFC 8985 section 6.2 step 4: a quarter of the smallest round trip.
    let mut lab = flying();
    let _ = lab.report(0, &[(1_000, 2_000)]);
    assert_eq!(lab.sent_data(), [(10_000, 1_000)]);
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, Duration::from_micros(2_500));
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
}

#[test]
fn reordering_is_learnt() {
    let mut lab = flying();
    let _ = lab.report(0, &[(1_000, 2_000)]);
    lab.pass(1);
    let _ = lab.report(2_000, &[]);
    let _ = lab.sent();
    // Now even many segments do not make a loss of one that is late.
    let _ = lab.report(2_000, &[(3_000, 9_000)]);
    assert!(lab.sent_data().iter().all(|(start, _)| *start >= 10_000));
    assert_eq!(lab.info().slow_start_threshold, u32::MAX);
    let (waited, _) = lab.next_timer();
    assert!(waited <= Duration::from_micros(2_750), "{waited:?}");
    assert_eq!(lab.sent_data(), [(2_000, 1_000)]);
}

#[test]
fn only_the_holes_are_sent_again() {
    let mut lab = flying();
    let mut ranges = vec![(7_000, 10_000), (4_000, 6_000), (1_000, 3_000)];
    let mut again = Vec::new();
    for _ in 0..10 {
        let _ = lab.report(0, &ranges);
        let sent = lab.sent_data();
        again.extend(sent.iter().copied().filter(|(start, _)| *start < 10_000));
        lab.pass(10);
        // What is new arrives; what was sent again takes its time.
        ranges[0].1 = sent
            .iter()
            .map(|(start, len)| start + i64::from(*len))
            .max()
            .unwrap_or(0)
            .max(ranges[0].1);
        if again.len() == 3 {
            break;
        }
    }
    again.sort_unstable();
    assert_eq!(again, [(0, 1_000), (3_000, 1_000), (6_000, 1_000)]);
}

#[test]
fn what_was_sent_again_and_is_lost_again_is_found() {
    // RFC 8985 section 6.2: something that left later has arrived.
    let mut lab = repaired();
    lab.pass(1);
    for end in 5..=10 {
        let _ = lab.report(0, &[(1_000, end * 1_000)]);
        let _ = lab.sent();
    }
    lab.pass(10);
    let _ = lab.report(0, &[(1_000, 13_000)]);
    assert_eq!(lab.sent_data().first(), Some(&(0, 1_000)));
    assert_eq!(lab.info().slow_start_threshold, 6_000, "once a round trip");
}

#[test]
fn what_is_reported_is_not_acknowledged() {
    // RFC 2018 section 8: the peer may throw it away again.
    let mut lab = flying();
    let outcome = lab.report(0, &[(0, 10_000)]);
    assert_eq!((outcome.acked, lab.connection.acknowledged()), (0, 0));
    // It does: it keeps nothing but what comes in order. After a timeout everything goes again.
    let mut received = 0;
    let _ = lab.sent();
    for _ in 0..100 {
        let (_, _) = lab.next_timer();
        for _ in 0..10 {
            for (start, len) in lab.sent_data() {
                received += if start == received { i64::from(len) } else { 0 };
                let _ = lab.report(received, &[]);
            }
        }
        if received == 30_000 {
            return;
        }
    }
    panic!("it stops at {received}");
}

#[test]
fn nonsense_is_counted_and_does_no_harm() {
    let mut lab = flying();
    for ranges in [
        [(5_000, 4_000)],
        [(5_000, 5_000)],
        [(9_000, 10_001)],
        [(-5_000, 5_000)],
        [(1 << 30, (1 << 30) + 1_000)],
        [(-(1 << 31), 1_000)],
    ] {
        for _ in 0..4 {
            let _ = lab.report(0, &ranges);
            assert!(lab.sent_data().iter().all(|(start, _)| *start >= 10_000));
        }
    }
    assert_eq!(lab.shared.odd_reports(), 24);
    // Overlapping ones are not nonsense: what they say together holds.
    let _ = lab.report(0, &[(1_000, 3_000), (2_000, 5_000), (1_000, 5_000)]);
    assert_eq!(lab.sent_data().first(), Some(&(0, 1_000)));
}

#[test]
fn a_peer_that_reports_every_other_byte_costs_a_bounded_board() {
    let mut lab = flying();
    for place in 0..2_000 {
        let start = 2 * place + 1;
        let _ = lab.report(0, &[(start, start + 1)]);
    }
    let _ = lab.sent();
    assert_eq!(lab.report(10_000, &[]).acked, 10_000);
}
