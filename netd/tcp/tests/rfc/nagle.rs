//! What may leave, and when: RFC 9293 sections 3.7.4 (Nagle) and 3.8.6.2.1 (silly windows).

use tcp::Setup;
use wire::tcp::Flags;

use crate::lab::{ACK, Lab, PSH, limits, nodelay, seg, setup};

// RFC 9293: SHLD-7, MAY-16, SHLD-27
#[test]
fn small_segments_wait_for_an_acknowledgement() {
    let mut lab = Lab::established();
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(0, 10)]);
    for _ in 0..50 {
        lab.connection.queue(10);
        assert_eq!(lab.sent_data(), []);
    }
    let _ = lab.input(seg(ACK, 0, 10));
    assert_eq!(lab.sent_data(), [(10, 500)]);
}

// RFC 9293: SHLD-28
#[test]
fn whole_segments_do_not_wait() {
    let mut lab = Lab::established();
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(0, 10)]);
    lab.connection.queue(2_100);
    assert_eq!(lab.sent_data(), [(10, 1_000), (1_010, 1_000)]);
}

// RFC 9293: MUST-17
#[test]
fn without_nagle_nothing_waits() {
    let mut lab = Lab::established_with(
        Setup {
            tuning: nodelay(true),
            ..setup()
        },
        limits(),
    );
    for place in 0..20 {
        lab.connection.queue(10);
        assert_eq!(lab.sent_data(), [(place * 10, 10)]);
    }
    // And it can be changed at any time.
    lab.tune(nodelay(false));
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), []);
    lab.tune(nodelay(true));
    assert_eq!(lab.sent_data(), [(200, 10)]);
}

// RFC 9293: MUST-61
#[test]
fn the_last_of_what_is_queued_is_pushed() {
    let mut lab = Lab::established();
    lab.connection.queue(2_000);
    let flags: Vec<Flags> = lab.sent().iter().map(|segment| segment.flags).collect();
    assert_eq!(flags, [ACK, PSH]);
}

// RFC 9293: SHLD-28
#[test]
fn super_segments_are_whole_segments_and_a_tail() {
    let mut lab = Lab::established_with(
        Setup {
            tuning: nodelay(true),
            ..setup()
        },
        limits(),
    );
    lab.max_payload = 65_535;
    lab.connection.queue(7_500);
    let emit = lab
        .connection
        .output(&mut lab.shared, 65_535, lab.now)
        .unwrap();
    assert_eq!(
        (emit.stream_offset, emit.len, emit.segment_len),
        (0, 7_500, 1_000)
    );
    // The peer's window has 2500 left: two whole segments.
    lab.connection.queue(7_500);
    assert_eq!(lab.sent_data(), [(7_500, 2_000)]);
}

// RFC 9293: MUST-38
#[test]
fn no_silly_segments_into_a_small_window() {
    let mut lab = Lab::established();
    lab.connection.queue(20_000);
    assert_eq!(lab.sent_data().len(), 10);
    // All is acknowledged, and 300 bytes of window are offered: less than a segment, less than
    // half of the largest window ever seen.
    let _ = lab.input(seg(ACK, 0, 10_000).window(300));
    assert_eq!(lab.sent_data(), []);
    // But half of that window is enough.
    let mut lab = Lab::established();
    let _ = lab.input(seg(ACK, 0, 0).window(600));
    assert_eq!(lab.info().send_window, 600);
    lab.connection.queue(500);
    assert_eq!(lab.sent_data(), [(0, 500)], "all that is queued");
}

// RFC 9293: MUST-38, MUST-60
#[test]
fn the_override_timer_sends_what_fits() {
    // RFC 9293 section 3.8.6.2.1 (4).
    let mut lab = Lab::established();
    lab.connection.queue(20_000);
    assert_eq!(lab.sent_data().len(), 10);
    let _ = lab.input(seg(ACK, 0, 10_000).window(300));
    assert_eq!(lab.sent_data(), []);
    let (waited, _) = lab.next_timer();
    assert!((100..=1_000).contains(&waited.as_millis()));
    assert_eq!(lab.sent_data(), [(10_000, 300)]);
}
