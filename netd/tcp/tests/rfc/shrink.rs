//! A peer that takes back what it has offered, or offers nothing for ever: RFC 9293 section 3.8.6.

use std::time::Duration;

use tcp::{Fate, State};

use crate::lab::{ACK, Lab, data, limits, seg};

/// With bytes 0 to 999 acknowledged and 1000 to 9999 in flight, of which the peer now wants only
/// the first `window`.
fn shrunk(window: u32) -> Lab {
    let mut lab = Lab::established();
    lab.connection.queue(20_000);
    assert_eq!(lab.sent_data().len(), 10);
    let _ = lab.input(seg(ACK, 0, 1_000).window(window));
    lab
}

#[test]
fn nothing_new_leaves_while_the_window_is_negative() {
    // RFC 9293: MUST-34, SHLD-15
    for window in [0, 1, 500, 3_000, 8_999] {
        let mut lab = shrunk(window);
        assert_eq!(lab.info().send_window, window);
        assert_eq!(lab.sent(), [], "window {window}");
        lab.connection.queue(1);
        assert_eq!(lab.sent(), [], "window {window}");
    }
}

#[test]
fn what_lies_in_the_shrunk_window_is_sent_again() {
    // RFC 9293: SHLD-16
    let mut lab = shrunk(3_000);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(1_000, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 2_000).window(2_000));
    assert_eq!(lab.sent_data(), [(2_000, 1_000), (3_000, 1_000)]);
    let _ = lab.input(seg(ACK, 0, 4_000).window(10_000));
    assert_eq!(lab.sent_data().first(), Some(&(4_000, 1_000)));
}

#[test]
fn old_bytes_beyond_the_shrunk_window_may_go_again() {
    // RFC 9293: MAY-7
    // The first of what is lost goes when it is known to be lost, whatever the window.
    let mut lab = shrunk(500);
    for _ in 0..3 {
        let _ = lab.input(seg(ACK, 0, 1_000).window(500));
    }
    assert_eq!(lab.sent_data(), [(1_000, 1_000)]);
}

#[test]
fn a_window_that_shrinks_to_nothing_is_probed_for_ever() {
    // RFC 9293: MUST-35, SHLD-17
    let mut lab = shrunk(0);
    let start = lab.now;
    while lab.now.since(start) < limits().user_timeout * 5 {
        let (_, outcome) = lab.next_timer();
        assert!(outcome.events.is_empty(), "{outcome:?}");
        for (position, len) in lab.sent_data() {
            assert!(position == 1_000 && len > 0, "{position} {len}");
        }
        let _ = lab.input(seg(ACK, 0, 1_000).window(0));
    }
    assert_eq!(lab.connection.fate(), Fate::Continues);
    let _ = lab.input(seg(ACK, 0, 1_000).window(9_000));
    assert_eq!(lab.sent_data().first(), Some(&(1_000, 1_000)));
}

#[test]
fn the_first_probe_comes_after_one_timeout() {
    // RFC 9293: SHLD-29
    let mut lab = Lab::established();
    let _ = lab.input(seg(ACK, 0, 0).window(0));
    lab.connection.queue(100);
    assert_eq!(lab.sent(), []);
    let rto = lab.info().rto;
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, rto);
    assert_eq!(lab.sent_data(), [(0, 1)]);
}

#[test]
fn our_own_window_may_stay_closed_for_ever() {
    // RFC 9293: MAY-8
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10_000, 0));
    assert_eq!(lab.sent().len(), 1);
    for _ in 0..1_000 {
        lab.pass(60_000);
        let _ = lab.input(data(10_016, 1, 0));
        assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(0)]);
    }
    assert_eq!(lab.state(), State::Established);
    assert!(lab.now.since(tcp::Instant::ZERO) > Duration::from_secs(60_000));
}

#[test]
fn a_window_taken_back_behind_reports_is_probed_too() {
    // RFC 9293: MUST-35, MUST-37
    let mut lab = Lab::selective();
    lab.connection.queue(5_000);
    assert_eq!(lab.sent_data().len(), 5);
    let start = lab.now;
    let mut probes = 0;
    while lab.now.since(start) < limits().user_timeout * 3 {
        lab.reports = vec![(1_000, 2_000)];
        let _ = lab.input(seg(ACK, 0, 0).window(0));
        lab.reports.clear();
        let _ = lab.sent();
        let (_, outcome) = lab.next_timer();
        assert!(outcome.events.is_empty(), "{outcome:?}");
        for (position, len) in lab.sent_data() {
            assert_eq!((position, len), (0, 1));
            probes += 1;
        }
    }
    assert!(probes >= 10, "{probes}");
    let _ = lab.input(seg(ACK, 0, 1).window(9_000));
    assert!(
        lab.sent_data()
            .first()
            .is_some_and(|(position, _)| *position == 1)
    );
}
