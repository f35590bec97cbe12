//! Windows: RFC 9293 section 3.8.6. Ours follows the user's room; the peer's is probed when closed.

use std::time::Duration;

use wire::Drop;

use crate::lab::{ACK, Lab, PSH, data, limits, seg, setup};

/// An open connection whose room is used up.
fn full() -> Lab {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(0)]);
    lab
}

#[test]
fn without_room_nothing_is_taken_and_everything_is_answered() {
    let mut lab = full();
    let outcome = lab.input(data(10_016, 1, 0));
    assert_eq!(
        (outcome.drop, outcome.place),
        (Some(Drop::TcpBeyondRoom), None)
    );
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(0)]);
    // Its acknowledgement counts ("special allowance").
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(0, 10)]);
    assert_eq!(lab.input(data(10_016, 1, 10)).acked, 10);
}

#[test]
fn what_has_no_room_is_cut_off_and_counted() {
    let mut lab = Lab::settled();
    let cut = |lab: &Lab| {
        let mut counts = lab.shared.counts().iter();
        let found = counts.find(|(name, _)| *name == "tcp.cut_by_room");
        found.map(|(_, count)| count)
    };
    let _ = lab.take(data(16, 9_500, 0));
    assert_eq!(cut(&lab), Some(0));
    let outcome = lab.take(data(9_516, 600, 0));
    assert_eq!(outcome.place.map(|place| place.len), Some(500));
    assert_eq!(cut(&lab), Some(1));
    // All of one that has no room at all is dropped for a reason of its own.
    assert_eq!(
        lab.input(data(10_016, 100, 0)).drop,
        Some(Drop::TcpBeyondRoom)
    );
    assert_eq!(cut(&lab), Some(1));
}

#[test]
fn new_room_is_told_at_once_if_it_matters() {
    let mut lab = full();
    lab.connection.give_room(5_000, lab.now);
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(5_000)]);
    // While much of a window is left, more can wait.
    lab.connection.give_room(1_000, lab.now);
    assert_eq!(lab.sent(), []);
    let _ = lab.take(data(10_016, 2_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 12_016).window(4_000)]);
}

#[test]
fn new_room_does_not_wait_for_a_delayed_acknowledgement() {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 8_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 8_016).window(1_984)]);
    let _ = lab.take(data(8_016, 600, 0));
    assert_eq!(lab.sent(), []);
    // A byte of room is not worth a segment, a whole segment is.
    lab.connection.give_room(1, lab.now);
    assert_eq!(lab.sent(), []);
    lab.connection.give_room(2_000, lab.now);
    assert_eq!(lab.sent(), [seg(ACK, 0, 8_616).window(3_401)]);
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

// RFC 9293: MUST-39
#[test]
fn little_room_is_told_late() {
    // RFC 9293 section 3.8.6.2.2.
    let mut lab = full();
    for _ in 0..10 {
        lab.connection.give_room(1, lab.now);
        assert_eq!(lab.sent(), []);
    }
    let (waited, _) = lab.next_timer();
    assert_eq!(waited, Duration::from_millis(200));
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(10)]);
}

// RFC 9293: MUST-36, MUST-37, SHLD-30
#[test]
fn a_closed_window_is_probed_until_it_opens() {
    let mut lab = Lab::established();
    lab.connection.queue(3_000);
    let _ = lab.input(seg(ACK, 0, 0).window(0));
    assert_eq!(lab.sent_data(), []);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (waited, outcome) = lab.next_timer();
        assert!(outcome.events.is_empty());
        waits.push(waited.as_millis());
        assert_eq!(lab.sent(), [data(0, 1, 0)]);
        let _ = lab.input(seg(ACK, 0, 0).window(0));
        assert_eq!(lab.sent(), []);
    }
    // RFC 9293 section 3.8.6.1: the intervals grow; the peer answers, so it is never given up
    // (MUST-37), although this is longer than the user timeout.
    assert!(
        waits
            .windows(2)
            .all(|pair| pair[1] == (pair[0] * 2).min(60_000)),
        "{waits:?}"
    );
    let _ = lab.input(seg(ACK, 0, 0).window(5_000));
    assert_eq!(
        lab.sent_data(),
        [(0, 1_000), (1_000, 1_000), (2_000, 1_000)]
    );
}

#[test]
fn a_probe_that_is_taken_counts() {
    let mut lab = Lab::established();
    lab.connection.queue(3);
    let _ = lab.input(seg(ACK, 0, 0).window(0));
    assert_eq!(lab.sent(), []);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(0, 1)]);
    let outcome = lab.input(seg(ACK, 0, 1).window(0));
    assert_eq!(outcome.acked, 1);
    assert_eq!(lab.sent(), []);
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(1, 1)]);
}

// RFC 9293: MUST-20
#[test]
fn a_peer_that_does_not_even_answer_probes_is_given_up() {
    let mut lab = Lab::established();
    lab.connection.queue(3);
    let _ = lab.input(seg(ACK, 0, 0).window(0));
    assert_eq!(lab.sent(), []);
    let start = lab.now;
    loop {
        let (_, outcome) = lab.next_timer();
        if outcome.events.contains(tcp::Events::TIMED_OUT) {
            break;
        }
        assert_eq!(lab.sent_data(), [(0, 1)]);
    }
    assert!(lab.now.since(start) >= limits().user_timeout);
    assert!(lab.now.since(start) < limits().user_timeout * 2);
}

#[test]
fn a_fin_does_not_need_the_peers_window() {
    let mut lab = Lab::established();
    let _ = lab.input(seg(ACK, 0, 0).window(0));
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
}

// RFC 9293: MUST-34, SHLD-15
#[test]
fn no_more_is_sent_than_the_window_allows() {
    let mut lab = Lab::established();
    lab.connection.queue(50_000);
    assert_eq!(
        lab.sent_data().iter().map(|(_, len)| len).sum::<u32>(),
        10_000
    );
    // The window shrinks: nothing new until it has been caught up with.
    let _ = lab.input(seg(ACK, 0, 1_000).window(3_000));
    assert_eq!(lab.sent(), []);
    let _ = lab.input(seg(ACK, 0, 10_000).window(3_000));
    assert_eq!(
        lab.sent_data(),
        [(10_000, 1_000), (11_000, 1_000), (12_000, 1_000)]
    );
}

/// A connection whose windows are told in units of 32 bytes, about to be asked for.
fn scaled() -> Lab {
    let limits = tcp::Limits {
        max_window: 1 << 20,
        ..limits()
    };
    Lab::with(setup(), limits)
}

// RFC 9293: REC-1
#[test]
fn windows_are_scaled_both_ways() {
    let mut lab = scaled();
    lab.connection.give_room(200_000, lab.now);
    assert_eq!(lab.sent(), [seg(crate::lab::SYN, -1, 0).window(65_535)]);
    let mut header = lab.header(seg(crate::lab::SYN | ACK, -1, 0).window(500));
    header.options.window_scale = Some(3);
    header.options.mss = Some(1_000);
    let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    assert_eq!(lab.info().send_window, 500, "a SYN's window is not scaled");
    assert_eq!(lab.sent(), [seg(ACK, 0, 0).window((200_000 - 31) >> 5)]);
    lab.connection.queue(10_000);
    let _ = lab.input(seg(ACK, 0, 0).window(500));
    assert_eq!(lab.info().send_window, 4_000);
    assert_eq!(lab.sent().iter().map(|sent| sent.len).sum::<u32>(), 4_000);
    assert_eq!(lab.info().window_scales, (3, 5));
}

/// Windows that are told behind odd numbers are rounded up (RFC 7323 section 2.4): what that adds has its
/// place, too. Else a peer that uses its window up loses some bytes of it, and sends slower.
#[test]
fn whatever_the_peer_was_told_of_has_its_place() {
    let mut lab = scaled();
    lab.connection.give_room(70_000, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let mut header = lab.header(seg(crate::lab::SYN | ACK, -1, 0));
    header.options.window_scale = Some(0);
    let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    let mut told = lab.sent().pop().expect("the handshake ends");
    let mut sent = 0;
    for _ in 0..20 {
        // Odd lengths, up to the very edge.
        while let len @ 1.. = (told.ack + i64::from(told.window << 5) - sent).min(1_009) {
            let outcome = lab.take(data(sent, len.try_into().unwrap_or(0), 0));
            sent += len;
            assert_eq!(outcome.advanced, len.cast_unsigned(), "up to {sent}");
            told = lab.sent().pop().unwrap_or(told);
        }
        lab.connection.give_room(50_011, lab.now);
        told = lab.sent().pop().unwrap_or(told);
    }
    assert!(sent > 20 * 50_000, "the window opens again: {sent}");
}

#[test]
fn a_peer_at_the_edge_of_a_full_window_is_heard() {
    let mut lab = Lab::established();
    let _ = lab.take(data(1_000, 9_000, 0));
    assert_eq!(lab.sent().len(), 1);
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(0, 10)]);
    // It has sent everything it may, so its acknowledgements carry the number at the edge.
    assert_eq!(lab.input(seg(PSH, 10_000, 10)).acked, 10);
}

/// RFC 9293 section 3.8.6.3: an acknowledgement waits for a second segment, if one can come.
#[test]
fn a_window_without_place_for_a_second_segment_is_acknowledged_at_once() {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 1_000, 0));
    assert_eq!(lab.sent(), [], "delayed");
    let _ = lab.take(data(1_016, 8_100, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 9_116).window(884)]);
    let _ = lab.take(data(9_116, 100, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 9_216).window(784)], "not delayed");
}
