//! The ACK step: RFC 9293 section 3.10.7.4, fifth; RFC 5961 section 5.

use wire::Drop;
use wire::tcp::{Flags, Timestamps};

use crate::lab::{ACK, Lab, SYN, data, limits, seg, setup};

/// With bytes 0 to 2999 acknowledged and 3000 to 4999 in flight.
fn flying() -> Lab {
    let mut lab = Lab::established();
    lab.connection.queue(5_000);
    assert_eq!(lab.sent().len(), 5);
    assert_eq!(lab.input(seg(ACK, 0, 3_000)).acked, 3_000);
    assert_eq!(lab.connection.acknowledged(), 3_000);
    lab
}

// RFC 9293: MAY-12
/// (acknowledged, bytes newly acknowledged, drop, is answered)
#[test]
fn acknowledgements_by_their_place() {
    let table = [
        (3_000, 0, None, false),
        (3_001, 1, None, false),
        (5_000, 2_000, None, false),
        (5_001, 0, Some(Drop::TcpAckUnsent), true),
        (2_000_000_000, 0, Some(Drop::TcpAckUnsent), true),
        (2_999, 0, None, false),
        (-7_000, 0, None, false),
        (-7_001, 0, Some(Drop::TcpAckOld), true),
        (-2_000_000_000, 0, Some(Drop::TcpAckOld), true),
    ];
    for (ack, acked, drop, is_answered) in table {
        let mut lab = flying();
        let outcome = lab.input(seg(ACK, 0, ack));
        assert_eq!((outcome.acked, outcome.drop), (acked, drop), "ack {ack}");
        assert_eq!(!lab.sent().is_empty(), is_answered, "ack {ack}");
    }
}

#[test]
fn data_with_an_old_acknowledgement_is_welcome() {
    let mut lab = flying();
    let outcome = lab.input(data(0, 10, 100));
    assert_eq!(
        (outcome.advanced, outcome.acked, outcome.drop),
        (10, 0, None)
    );
}

#[test]
fn a_segment_without_acknowledgement_is_dropped() {
    let mut lab = flying();
    let outcome = lab.input(data(0, 10, 4_000).flags(Flags::PSH));
    assert_eq!((outcome.advanced, outcome.acked), (0, 0));
    assert_eq!(outcome.drop, Some(Drop::TcpNoAck));
}

#[test]
fn the_window_follows_the_newest_segment() {
    let mut lab = Lab::established();
    let _ = lab.take(data(0, 10, 0).window(4_000));
    assert_eq!(lab.info().send_window, 4_000);
    // An older segment, late.
    let _ = lab.take(seg(ACK, 0, 0).window(9_000));
    assert_eq!(lab.info().send_window, 4_000);
    let _ = lab.take(seg(ACK, 10, 0).window(8_000));
    assert_eq!(lab.info().send_window, 8_000);
}

#[test]
fn a_retransmission_that_acknowledges_brings_its_window() {
    let mut lab = flying();
    let _ = lab.take(data(0, 50, 3_000).window(9_000));
    let _ = lab.take(data(50, 50, 3_000).window(9_000));
    // Old bytes and new, from a peer that has meanwhile received more and has less room.
    let _ = lab.take(data(0, 150, 4_000).window(500));
    assert_eq!(lab.info().send_window, 500);
}

fn with_timestamps() -> Lab {
    let mut lab = Lab::with(
        tcp::Setup {
            timestamps: Some(5),
            ..setup()
        },
        limits(),
    );
    lab.connection.give_room(10_000, lab.now);
    assert_eq!(lab.sent().len(), 1);
    lab.timestamps = Some(Timestamps {
        value: 1_000,
        echo: 5,
    });
    let _ = lab.input(seg(SYN | ACK, -1, 0));
    assert!(lab.info().has_timestamps);
    assert_eq!(lab.sent().len(), 1);
    lab
}

#[test]
fn wrapped_sequence_numbers_are_found_by_their_timestamp() {
    // RFC 7323 section 5.3.
    let mut lab = with_timestamps();
    lab.timestamps = Some(Timestamps {
        value: 999,
        echo: 5,
    });
    assert_eq!(lab.input(data(0, 10, 0)).drop, Some(Drop::TcpOldTimestamp));
    assert_eq!(lab.sent().len(), 1, "an acknowledgement");
    lab.timestamps = Some(Timestamps {
        value: 1_000,
        echo: 5,
    });
    assert_eq!(lab.take(data(0, 10, 0)).drop, None);
    lab.timestamps = None;
    assert_eq!(lab.input(data(10, 10, 0)).drop, Some(Drop::TcpNoTimestamp));
    // A reset needs none.
    assert_eq!(lab.input(seg(Flags::RST, 10, 0)).drop, None);
}

/// RFC 7323 section 5.3 R1, loosened: what a repair has overtaken is not of another turn.
#[test]
fn what_a_repair_overtakes_is_taken_while_there_are_holes() {
    let mut lab = with_timestamps();
    let stamped = |lab: &mut Lab, value, start: i64| {
        lab.timestamps = Some(Timestamps { value, echo: 5 });
        let drop = lab.take(data(start, 10, 0)).drop;
        assert_eq!(
            lab.sent().len(),
            1,
            "what is acknowledged decides what is echoed"
        );
        drop
    };
    assert_eq!(stamped(&mut lab, 1_000, 0), None);
    // What stands at 10 is lost, at 30 late; 20 and 40 arrive.
    assert_eq!(stamped(&mut lab, 1_012, 20), None);
    assert_eq!(stamped(&mut lab, 1_014, 40), None);
    assert_eq!(stamped(&mut lab, 1_030, 10), None, "the repair");
    assert_eq!(stamped(&mut lab, 999, 30), Some(Drop::TcpOldTimestamp));
    assert_eq!(stamped(&mut lab, 1_013, 30), None, "the original");
    // All is here: nothing older than the repair is missing any more.
    assert_eq!(stamped(&mut lab, 1_015, 50), Some(Drop::TcpOldTimestamp));
    assert_eq!(stamped(&mut lab, 1_031, 50), None);
}

#[test]
fn the_newest_timestamp_is_echoed() {
    let mut lab = with_timestamps();
    lab.timestamps = Some(Timestamps {
        value: 2_000,
        echo: 5,
    });
    let _ = lab.take(data(0, 10, 0));
    let emit = lab
        .connection
        .output(&mut lab.shared, 1_000, lab.now)
        .unwrap();
    assert_eq!(emit.header.options.timestamps.unwrap().echo, 2_000);
    // A segment behind a hole does not count (RFC 7323 section 4.3).
    lab.timestamps = Some(Timestamps {
        value: 3_000,
        echo: 5,
    });
    let _ = lab.take(data(50, 10, 0));
    let emit = lab
        .connection
        .output(&mut lab.shared, 1_000, lab.now)
        .unwrap();
    assert_eq!(emit.header.options.timestamps.unwrap().echo, 2_000);
}
