//! Losses found by duplicate acknowledgements: RFC 5681 section 3.2, RFC 6582, RFC 3042.

use crate::lab::{ACK, Lab, data, seg};

/// Ten segments in flight, of which the first is lost, and two more queued.
fn flying() -> Lab {
    let mut lab = Lab::established();
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    lab.connection.queue(10_000);
    assert_eq!(lab.sent_data().len(), 10);
    lab.connection.queue(20_000);
    assert_eq!(lab.sent_data(), []);
    lab
}

fn duplicate() -> crate::lab::Seg {
    seg(ACK, 0, 0).window(60_000)
}

#[test]
fn three_duplicates_are_a_loss() {
    let mut lab = flying();
    // RFC 3042: the first two let a new segment out each.
    let _ = lab.input(duplicate());
    assert_eq!(lab.sent_data(), [(10_000, 1_000)]);
    let _ = lab.input(duplicate());
    assert_eq!(lab.sent_data(), [(11_000, 1_000)]);
    let _ = lab.input(duplicate());
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
    let info = lab.info();
    assert_eq!(
        (info.slow_start_threshold, info.congestion_window),
        (6_000, 9_000)
    );
    assert_eq!(info.retransmits, 1);
}

#[test]
fn further_duplicates_let_new_segments_out() {
    let mut lab = flying();
    for _ in 0..3 {
        let _ = lab.input(duplicate());
        let _ = lab.sent();
    }
    // 12000 in flight, window 9000: three more duplicates open it to 12000, the fourth beyond.
    for _ in 0..3 {
        let _ = lab.input(duplicate());
        assert_eq!(lab.sent_data(), []);
    }
    let _ = lab.input(duplicate());
    assert_eq!(lab.sent_data(), [(12_000, 1_000)]);
}

#[test]
fn a_partial_acknowledgement_shows_the_next_hole() {
    let mut lab = flying();
    for _ in 0..3 {
        let _ = lab.input(duplicate());
        let _ = lab.sent();
    }
    let _ = lab.input(seg(ACK, 0, 4_000).window(60_000));
    assert_eq!(lab.sent_data().first(), Some(&(4_000, 1_000)));
    // Everything up to what was sent when the loss was found: over.
    let _ = lab.input(seg(ACK, 0, 12_000).window(60_000));
    let info = lab.info();
    assert!(info.congestion_window <= 6_000, "{info:?}");
    assert!(lab.sent_data().iter().all(|(start, _)| *start >= 12_000));
}

#[test]
fn what_is_not_a_duplicate() {
    // RFC 5681 section 2: a new window, data, a FIN, or nothing in flight.
    let table = [
        duplicate().window(59_000),
        data(0, 1, 0).window(60_000),
        duplicate().flags(crate::lab::FIN),
    ];
    for segment in table {
        let mut lab = flying();
        for round in 0..4 {
            // Each is new in its way.
            let segment = match (segment.len, segment.window) {
                (1, _) => data(round, 1, 0).window(60_000),
                (_, 59_000) => segment.window(59_000 - round as u32),
                _ => segment,
            };
            let _ = lab.input(segment);
        }
        assert_eq!(lab.info().slow_start_threshold, u32::MAX, "{segment:?}");
    }
    let mut lab = Lab::established();
    for _ in 0..4 {
        let _ = lab.input(duplicate().window(10_000));
    }
    lab.connection.queue(10);
    assert_eq!(lab.info().slow_start_threshold, u32::MAX);
}

#[test]
fn duplicates_after_a_timeout_are_its_echo() {
    // RFC 6582 section 3.2 step 2.
    let mut lab = flying();
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 10_000).window(60_000));
    let threshold = lab.info().slow_start_threshold;
    assert_eq!(lab.sent_data().first(), Some(&(10_000, 1_000)));
    for _ in 0..4 {
        let _ = lab.input(seg(ACK, 0, 10_000).window(60_000));
    }
    assert_eq!(lab.info().slow_start_threshold, threshold);
    assert!(lab.sent_data().iter().all(|(start, _)| *start > 10_000));
}

#[test]
fn a_lost_retransmission_waits_for_the_timer() {
    let mut lab = flying();
    for _ in 0..6 {
        let _ = lab.input(duplicate());
    }
    assert_eq!(
        lab.sent_data()
            .iter()
            .filter(|(start, _)| *start == 0)
            .count(),
        1
    );
    for _ in 0..20 {
        let _ = lab.input(duplicate());
        assert!(lab.sent_data().iter().all(|(start, _)| *start > 0));
    }
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
}

#[test]
fn the_window_is_not_grown_by_a_sender_that_does_not_use_it() {
    let mut lab = Lab::established();
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    let before = lab.info().congestion_window;
    for round in 1..=50 {
        lab.connection.queue(100);
        assert_eq!(lab.sent_data().len(), 1);
        let _ = lab.input(seg(ACK, 0, round * 100).window(60_000));
    }
    assert_eq!(lab.info().congestion_window, before);
}

#[test]
fn any_number_of_duplicates_is_one_loss() {
    let mut lab = flying();
    for _ in 0..70_000 {
        let _ = lab.input(duplicate());
        let _ = lab.sent();
    }
    let info = lab.info();
    assert_eq!((info.retransmits, info.slow_start_threshold), (1, 6_000));
}

#[test]
fn what_acknowledges_nothing_neither_opens_the_window_nor_ends_a_recovery() {
    let mut lab = flying();
    for _ in 0..3 {
        let _ = lab.input(duplicate());
        let _ = lab.sent();
    }
    let windows = |lab: &Lab| {
        let info = lab.info();
        (info.congestion_window, info.slow_start_threshold)
    };
    let before = windows(&lab);
    // Bytes, and another window.
    let _ = lab.take(data(0, 10, 0).window(60_000));
    let _ = lab.input(seg(ACK, 10, 0).window(59_000));
    assert_eq!(windows(&lab), before);
    let _ = lab.sent();
    let _ = lab.input(seg(ACK, 10, 4_000).window(59_000));
    assert_eq!(lab.sent_data().first(), Some(&(4_000, 1_000)));
    // Nor without a loss.
    let mut lab = flying();
    let before = windows(&lab);
    for less in 1..50 {
        let _ = lab.input(seg(ACK, 0, 0).window(60_000 - less));
    }
    assert_eq!(windows(&lab), before);
}
