//! What we report of what came out of order or twice: RFC 2018 section 4, RFC 2883.

use crate::lab::{ACK, Lab, data, seg};

#[test]
fn nothing_is_reported_to_who_did_not_agree() {
    let mut lab = Lab::established();
    let _ = lab.take(data(1_000, 500, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 0)]);
    assert_eq!(lab.reported, []);
}

#[test]
fn the_latest_range_comes_first() {
    // RFC 2018 section 4: the first block holds the segment that caused the acknowledgement.
    let mut lab = Lab::selective();
    let _ = lab.take(data(1_000, 500, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 0)]);
    assert_eq!(lab.reported, [(1_000, 1_500)]);
    let _ = lab.take(data(3_000, 500, 0));
    let _ = lab.take(data(2_000, 500, 0));
    let _ = lab.take(data(1_500, 250, 0));
    let _ = lab.sent();
    assert_eq!(
        lab.reported,
        [(1_000, 1_750), (2_000, 2_500), (3_000, 3_500)]
    );
    // The first hole is filled: what is left is reported on.
    let _ = lab.take(data(0, 1_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 1_750).window(8_250)]);
    assert_eq!(lab.reported, [(2_000, 2_500), (3_000, 3_500)]);
}

#[test]
fn four_ranges_fit_and_three_beside_timestamps() {
    let mut lab = Lab::selective();
    for place in 1..=6 {
        let _ = lab.take(data(place * 1_000, 500, 0));
    }
    let _ = lab.sent();
    let starts: Vec<i64> = lab.reported.iter().map(|(start, _)| *start).collect();
    assert_eq!(starts, [6_000, 5_000, 4_000, 3_000]);
}

#[test]
fn data_travels_without_reports_and_a_report_before_it() {
    let mut lab = Lab::selective();
    lab.connection.queue(1_000);
    let _ = lab.take(data(1_000, 500, 0));
    assert_eq!(
        lab.sent(),
        [seg(ACK, 0, 0), data(0, 1_000, 0).flags(crate::lab::PSH)]
    );
    assert_eq!(lab.reported, [], "the last one sent had data");
}

#[test]
fn bytes_that_came_twice_are_reported_once() {
    // RFC 2883 section 4.1: below the acknowledgement.
    let mut lab = Lab::selective();
    let _ = lab.take(data(0, 1_000, 0));
    let _ = lab.sent();
    let _ = lab.take(data(200, 300, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 1_000).window(9_000)]);
    assert_eq!(lab.reported, [(200, 500)]);
    // In part: only the part that was here.
    let _ = lab.take(data(900, 300, 0));
    let _ = lab.sent();
    assert_eq!(lab.reported, [(900, 1_000)]);
    let _ = lab.take(data(2_000, 100, 0));
    let _ = lab.sent();
    assert_eq!(lab.reported, [(2_000, 2_100)], "and not again");
}

#[test]
fn a_range_that_came_twice_is_reported_before_the_one_that_holds_it() {
    // RFC 2883 section 4.2.1: above the acknowledgement.
    let mut lab = Lab::selective();
    let _ = lab.take(data(1_000, 1_000, 0));
    let _ = lab.take(data(3_000, 1_000, 0));
    let _ = lab.take(data(1_500, 500, 0));
    let _ = lab.sent();
    assert_eq!(
        lab.reported,
        [(1_500, 2_000), (1_000, 2_000), (3_000, 4_000)]
    );
}

#[test]
fn what_waits_for_the_user_does_not_look_like_a_hole() {
    // Bytes in order are acknowledged only when the user knows of them. Were later ranges reported
    // before that, the peer would send again what is here.
    let mut lab = Lab::selective();
    let _ = lab.input(data(0, 1_000, 0));
    let _ = lab.input(data(2_000, 1_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 0)]);
    assert_eq!(lab.reported, []);
    lab.connection.publish(1_000, lab.now);
    assert_eq!(lab.sent(), [seg(ACK, 0, 1_000).window(9_000)]);
    assert_eq!(lab.reported, [(2_000, 3_000)]);
}
