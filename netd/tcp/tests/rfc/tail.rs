//! The end of a flight, where nothing follows that could show a loss: RFC 8985 section 7.

use std::time::Duration;

use crate::lab::{ACK, FIN, Lab, data, seg};

/// Four segments in flight, and no more.
fn four() -> Lab {
    let mut lab = Lab::selective();
    lab.connection.queue(4_000);
    assert_eq!(lab.sent_data().len(), 4);
    lab
}

#[test]
fn after_two_round_trips_the_last_segment_goes_again() {
    let mut lab = four();
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, Duration::from_millis(20));
    assert_eq!(lab.sent_data(), [(3_000, 1_000)]);
    // Once; then it is the retransmission timer's turn (section 7.3).
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, Duration::from_millis(200));
    assert_eq!(lab.sent_data(), [(0, 1_000)]);
}

#[test]
fn new_bytes_are_a_better_probe() {
    let mut lab = Lab::selective();
    let _ = lab.input(seg(ACK, 0, 0).window(60_000));
    lab.connection.queue(12_000);
    assert_eq!(lab.sent_data().len(), 10);
    let _ = lab.next_timer();
    // Beyond the congestion window (section 7.3).
    assert_eq!(lab.sent_data(), [(10_000, 1_000)]);
}

#[test]
fn its_answer_shows_what_is_lost() {
    // The last two were lost.
    let mut lab = four();
    lab.pass(10);
    let _ = lab.report(2_000, &[]);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(3_000, 1_000)]);
    lab.pass(10);
    let _ = lab.report(2_000, &[(3_000, 4_000)]);
    assert_eq!(lab.sent_data(), [(2_000, 1_000)]);
    lab.pass(10);
    assert_eq!(lab.report(4_000, &[]).acked, 2_000);
}

#[test]
fn a_loss_that_the_probe_has_repaired_counts_as_one() {
    // Section 7.4: nothing came twice, so the original was lost.
    let mut lab = four();
    lab.pass(10);
    let _ = lab.report(2_000, &[]);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data().len(), 1);
    let _ = lab.report(4_000, &[]);
    assert_eq!(lab.info().slow_start_threshold, u32::MAX);
    lab.connection.queue(1_000);
    assert_eq!(lab.sent(), [data(4_000, 1_000, 0).flags(crate::lab::PSH)]);
    let _ = lab.report(5_000, &[]);
    assert_ne!(lab.info().slow_start_threshold, u32::MAX);
}

#[test]
fn a_probe_that_came_twice_is_no_loss() {
    let mut lab = four();
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data().len(), 1);
    let _ = lab.report(4_000, &[]);
    let _ = lab.report(4_000, &[(3_000, 4_000)]);
    lab.connection.queue(1_000);
    assert_eq!(lab.sent_data(), [(4_000, 1_000)]);
    let _ = lab.report(5_000, &[]);
    assert_eq!(lab.info().slow_start_threshold, u32::MAX);
}

#[test]
fn a_segment_that_leaves_later_starts_the_wait_again() {
    let mut lab = four();
    lab.pass(15);
    lab.connection.queue(1_000);
    assert_eq!(lab.sent_data(), [(4_000, 1_000)]);
    lab.pass(15);
    assert_eq!(lab.sent_data(), []);
    lab.pass(5);
    assert_eq!(lab.sent_data(), [(4_000, 1_000)]);
}

#[test]
fn an_end_alone_is_its_own_probe_and_borrows_nothing() {
    let mut lab = Lab::selective();
    // The path is long, and what was sent over it long ago.
    for _ in 0..2 {
        let end = lab.connection.queued() + 1_000;
        lab.connection.queue(1_000);
        assert_eq!(lab.sent_data().len(), 1);
        lab.pass(400);
        let _ = lab.report(i64::try_from(end).unwrap(), &[]);
    }
    lab.come_to_rest();
    let end = 2_000;
    let _ = lab.connection.close();
    assert_eq!(lab.sent(), [seg(FIN, end, 0)]);
    assert_eq!(lab.shared.busy_parts_in_use(), 0);
    // Nothing is asked of it while its answer is waited for.
    assert!(!lab.connection.may_send());
    // A lone segment may be acknowledged late (section 7.2).
    let smoothed = Duration::from_micros(lab.connection.round_trip().into());
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, smoothed * 2 + Duration::from_millis(200));
    assert!(lab.connection.may_send());
    assert_eq!(lab.sent(), [seg(FIN, end, 0)]);
    // Once; then it is the retransmission timer's turn, which backs off.
    let (first, _) = lab.next_timer();
    assert_eq!(lab.sent(), [seg(FIN, end, 0)]);
    let (second, _) = lab.next_timer();
    assert_eq!(second, first * 2);
    assert_eq!(lab.sent(), [seg(FIN, end, 0)]);
    assert_eq!(lab.connection.retransmits(), 3);
    let _ = lab.input(seg(ACK, 0, end + 1));
    assert_eq!(lab.state(), tcp::State::FinWait2);
    assert_eq!(lab.shared.busy_parts_in_use(), 0);
}
