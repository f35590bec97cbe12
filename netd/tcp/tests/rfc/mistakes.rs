//! Recoveries and timeouts that were mistakes: RFC 5682, RFC 3522, RFC 3708.

use tcp::Setup;
use wire::tcp::Timestamps;

use crate::lab::{ACK, Lab, limits, seg, setup};

/// Ten segments in flight, and more queued.
fn flying(mut lab: Lab) -> Lab {
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    lab.connection.queue(10_000);
    assert_eq!(lab.sent_data().len(), 10);
    lab.connection.queue(20_000);
    lab
}

/// The same after a timeout.
fn timed_out(lab: Lab) -> Lab {
    let mut lab = flying(lab);
    while lab.info().slow_start_threshold == u32::MAX {
        let _ = lab.next_timer();
        let _ = lab.sent();
    }
    lab
}

fn is_taken_back(lab: &Lab) -> bool {
    let info = lab.info();
    info.slow_start_threshold == u32::MAX && info.congestion_window >= 10_000
}

#[test]
fn old_bytes_that_arrive_after_a_timeout_show_that_it_was_early() {
    // RFC 5682 section 2.1: first acknowledgement, two new segments; second, of bytes that were
    // not sent again.
    let mut lab = timed_out(Lab::established());
    let _ = lab.input(seg(ACK, 0, 1_000).window(60_000));
    assert_eq!(lab.sent_data(), [(10_000, 1_000), (11_000, 1_000)]);
    assert!(!is_taken_back(&lab));
    let _ = lab.input(seg(ACK, 0, 2_000).window(60_000));
    assert!(is_taken_back(&lab), "{:?}", lab.info());
    assert!(lab.sent_data().iter().all(|(start, _)| *start >= 12_000));
}

#[test]
fn a_duplicate_after_a_timeout_shows_that_it_was_right() {
    let mut lab = timed_out(Lab::established());
    let _ = lab.input(seg(ACK, 0, 1_000).window(60_000));
    assert_eq!(lab.sent_data(), [(10_000, 1_000), (11_000, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 1_000).window(60_000));
    assert!(!is_taken_back(&lab));
    assert_eq!(lab.sent_data(), [(1_000, 1_000)]);
}

#[test]
fn with_reports_the_second_step_is_a_report() {
    // RFC 5682 section 3.1.
    for (range, is_mistake) in [((2_000, 3_000), true), ((11_000, 12_000), false)] {
        let mut lab = timed_out(Lab::selective());
        // The probe of the tail is the eleventh segment.
        let _ = lab.report(1_000, &[]);
        let sent = lab.sent_data();
        assert!(sent.iter().all(|(start, _)| *start >= 10_000), "{sent:?}");
        let _ = lab.report(1_000, &[range]);
        assert_eq!(
            is_taken_back(&lab),
            is_mistake,
            "{range:?} {:?}",
            lab.info()
        );
    }
}

#[test]
fn an_echo_from_before_shows_a_mistake_at_once() {
    // RFC 3522: the original was answered.
    for (echo, is_mistake) in [(77 + 100_010, true), (77 + 101_000, false)] {
        let stamped = Setup {
            timestamps: Some(77),
            ..setup()
        };
        let mut lab = Lab::with(stamped, limits());
        lab.timestamps = Some(Timestamps {
            value: 5,
            echo: 77 + 100_000,
        });
        lab.open(&stamped);
        lab.timestamps = Some(Timestamps { value: 6, echo });
        let _ = lab.input(seg(ACK, 0, 0).window(60_000));
        let size = i64::from(lab.info().mss);
        lab.connection.queue(60_000);
        assert!(lab.sent_data().len() >= 10);
        let _ = lab.next_timer();
        assert_eq!(lab.sent_data().len(), 1);
        let _ = lab.input(seg(ACK, 0, size).window(60_000));
        assert_eq!(lab.info().slow_start_threshold == u32::MAX, is_mistake);
    }
}

/// A loss was found, and its first segment sent again.
fn repairing() -> Lab {
    let mut lab = flying(Lab::selective());
    lab.pass(10);
    for end in [2_000, 3_000, 4_000] {
        let _ = lab.report(0, &[(1_000, end)]);
        let _ = lab.sent();
    }
    assert_eq!(lab.info().slow_start_threshold, 6_000);
    lab
}

#[test]
fn everything_came_twice_so_nothing_was_lost() {
    // RFC 3708 section 2, and the window for reordering grows (RFC 8985 section 6.2 step 4).
    let mut lab = repairing();
    let _ = lab.report(12_000, &[]);
    let _ = lab.sent();
    assert!(!is_taken_back(&lab));
    let _ = lab.report(12_000, &[(0, 1_000)]);
    assert!(is_taken_back(&lab), "{:?}", lab.info());
}

#[test]
fn bytes_that_the_network_doubled_prove_nothing() {
    let mut lab = repairing();
    let _ = lab.report(12_000, &[(5_000, 6_000)]);
    assert!(!is_taken_back(&lab));
    let _ = lab.report(12_000, &[(0, 500)]);
    assert!(!is_taken_back(&lab), "only half of it");
    let _ = lab.report(12_000, &[(500, 1_000)]);
    assert!(is_taken_back(&lab));
}
