//! Payload: RFC 9293 section 3.10.7.4, first and seventh; RFC 5681 section 4.2 (acknowledging).

use tcp::Place;
use wire::Drop;

use crate::lab::{ACK, FIN, Lab, data, limits, seg, setup};

fn place(stream_offset: u64, skip: u32, len: u32) -> Option<Place> {
    Some(Place {
        stream_offset,
        skip,
        len,
    })
}

/// With bytes 0 to 99 received and published, and room up to 10000: (segment, place, bytes newly
/// in order, drop). The four rows of RFC 9293's table, and what lies across their borders.
#[test]
fn payload_by_its_place() {
    let table = [
        (data(100, 50, 0), place(100, 0, 50), 50, None),
        (data(0, 100, 0), None, 0, Some(Drop::TcpDuplicate)),
        (data(50, 50, 0), None, 0, Some(Drop::TcpDuplicate)),
        (data(50, 60, 0), place(100, 50, 10), 10, None),
        (data(-50, 160, 0), place(100, 150, 10), 10, None),
        (data(200, 50, 0), place(200, 0, 50), 0, None),
        (data(9_990, 10, 0), place(9_990, 0, 10), 0, None),
        (data(9_990, 20, 0), place(9_990, 0, 10), 0, None),
        (data(50, 20_000, 0), place(100, 50, 9_900), 9_900, None),
        (data(10_000, 10, 0), None, 0, Some(Drop::TcpOutOfWindow)),
        (data(3_000_000, 10, 0), None, 0, Some(Drop::TcpOutOfWindow)),
        (data(-3_000_000, 10, 0), None, 0, Some(Drop::TcpDuplicate)),
    ];
    for (segment, wanted, advanced, drop) in table {
        let mut lab = Lab::established();
        let _ = lab.take(data(0, 100, 0));
        assert_eq!(lab.sent().len(), 1);
        let outcome = lab.input(segment);
        assert_eq!(
            (outcome.place, outcome.advanced, outcome.drop),
            (wanted, advanced, drop),
            "{segment:?}"
        );
        // What is dropped or early is acknowledged at once; what is in order when it is published.
        assert_eq!(lab.sent().len(), usize::from(advanced == 0), "{segment:?}");
    }
}

// RFC 9293: SHLD-31, MAY-13
#[test]
fn a_hole_is_filled() {
    let mut lab = Lab::established();
    for (start, len) in [(100, 50), (200, 50), (150, 50), (300, 10)] {
        assert_eq!(lab.take(data(start, len, 0)).advanced, 0);
        assert_eq!(lab.sent(), [seg(ACK, 0, 0)], "a duplicate acknowledgement");
    }
    assert_eq!(lab.shared.hole_lists_in_use(), 1);
    assert_eq!(lab.take(data(0, 100, 0)).advanced, 250);
    assert_eq!(lab.sent(), [seg(ACK, 0, 250).window(9_750)]);
    assert_eq!(lab.take(data(250, 50, 0)).advanced, 60);
    assert_eq!(lab.shared.hole_lists_in_use(), 0);
}

#[test]
fn so_many_holes_and_no_more() {
    let mut lab = Lab::established();
    for place in 1..=512 {
        assert_eq!(lab.take(data(place * 10, 5, 0)).drop, None);
    }
    assert_eq!(
        lab.input(data(5_200, 50, 0)).drop,
        Some(Drop::TcpTooManyHoles)
    );
    assert_eq!(lab.take(data(0, 5_200, 0)).advanced, 5_200);
}

#[test]
fn lists_of_holes_are_bounded_for_all_connections_together() {
    let mut lab = Lab::established_with(
        setup(),
        tcp::Limits {
            hole_lists: 0,
            ..limits()
        },
    );
    assert_eq!(
        lab.input(data(100, 50, 0)).drop,
        Some(Drop::TcpTooManyHoles)
    );
    assert_eq!(lab.take(data(0, 50, 0)).advanced, 50);
}

#[test]
fn nothing_is_acknowledged_before_it_is_published() {
    let mut lab = Lab::established();
    assert_eq!(lab.input(data(0, 100, 0)).advanced, 100);
    assert_eq!(lab.sent(), []);
    // The peer sends it again: still nothing new is acknowledged.
    assert_eq!(lab.input(data(0, 100, 0)).drop, Some(Drop::TcpDuplicate));
    assert_eq!(lab.sent(), [seg(ACK, 0, 0)]);
    lab.connection.publish(40, lab.now);
    assert_eq!(lab.sent(), [seg(ACK, 0, 40).window(9_960)]);
    lab.connection.publish(100, lab.now);
    assert_eq!(lab.sent(), [seg(ACK, 0, 100).window(9_900)]);
}

// RFC 9293: SHLD-19
#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    // RFC 9293 section 3.8.6.3.
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 1_000, 0));
    assert_eq!(lab.sent(), []);
    let _ = lab.take(data(1_016, 1_000, 0));
    assert_eq!(lab.sent().len(), 1);
    // A super-segment stands for several.
    let _ = lab.take(data(2_016, 3_000, 0));
    assert_eq!(lab.sent().len(), 1);
}

// RFC 9293: SHLD-18, MUST-40
#[test]
fn a_single_segment_is_acknowledged_soon() {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10, 0));
    assert_eq!(lab.sent(), []);
    let (waited, _) = lab.next_timer();
    assert_eq!(waited.as_millis(), 40);
    assert_eq!(lab.sent().len(), 1);
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

#[test]
fn data_of_ours_carries_the_acknowledgement() {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10, 0));
    lab.connection.queue(5);
    let sent = lab.sent();
    assert_eq!((sent.len(), sent[0].len, sent[0].ack), (1, 5, 26));
    let _ = lab.input(seg(ACK, 26, 5));
    assert_eq!(lab.sent(), []);
    lab.come_to_rest();
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

#[test]
fn a_fin_that_comes_early_is_remembered() {
    let mut lab = Lab::established();
    assert!(lab.take(data(100, 50, 0).flags(FIN)).events.is_empty());
    let outcome = lab.take(data(0, 100, 0));
    assert_eq!(outcome.advanced, 150);
    assert!(outcome.events.contains(tcp::Events::PEER_FIN));
    assert_eq!(lab.shared.hole_lists_in_use(), 0);
    let sent = lab.sent();
    assert_eq!(sent.last().map(|last| last.ack), Some(151));
}

#[test]
fn a_fin_beyond_the_room_comes_again() {
    let mut lab = Lab::established();
    let outcome = lab.take(data(9_000, 1_001, 0).flags(FIN));
    assert_eq!(outcome.place, place(9_000, 0, 1_000));
    let outcome = lab.take(data(0, 9_000, 0));
    assert_eq!(
        (outcome.advanced, outcome.events.is_empty()),
        (10_000, true)
    );
    lab.connection.give_room(1_000, lab.now);
    assert_eq!(lab.sent().len(), 1);
    assert!(
        lab.take(data(9_000, 1_001, 0).flags(FIN))
            .events
            .contains(tcp::Events::PEER_FIN)
    );
}

#[test]
fn a_fin_needs_no_room() {
    let mut lab = Lab::established();
    let outcome = lab.take(data(0, 10_000, 0).flags(FIN));
    assert_eq!(outcome.advanced, 10_000);
    assert!(outcome.events.contains(tcp::Events::PEER_FIN));
    // And a FIN that repeats old data is news nevertheless.
    let mut lab = Lab::established();
    let _ = lab.take(data(0, 10_000, 0));
    assert!(
        lab.take(data(9_000, 1_000, 0).flags(FIN))
            .events
            .contains(tcp::Events::PEER_FIN)
    );
}

#[test]
fn nothing_follows_a_fin() {
    let mut lab = Lab::established();
    let _ = lab.take(seg(FIN, 0, 0));
    for segment in [
        data(0, 10, 0),
        data(1, 10, 0),
        seg(FIN, 0, 0),
        seg(FIN, 5, 0),
    ] {
        let outcome = lab.take(segment);
        assert!(
            outcome.drop.is_some() && outcome.place.is_none(),
            "{segment:?}"
        );
        assert!(outcome.events.is_empty());
    }
}
