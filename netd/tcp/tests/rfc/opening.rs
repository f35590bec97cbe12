//! Active open: RFC 9293 sections 3.5 and 3.10.7.3, figures 6 and 8; RFC 6298 section 5.7.

use std::time::Duration;

use tcp::{Cause, Events, Fate, State};
use wire::Drop;

use crate::lab::{ACK, FIN, Lab, RST, SYN, data, limits, seen, seg, setup};

fn causes(outcome: &tcp::Outcome) -> Vec<(State, Cause, State)> {
    outcome
        .steps
        .iter()
        .map(|step| (step.from, step.cause, step.to))
        .collect()
}

// RFC 9293: MUST-14, SHLD-5, MAY-3
#[test]
fn a_syn_offers_its_options_and_an_unscaled_window() {
    let mut lab = Lab::with(
        tcp::Setup {
            timestamps: Some(7),
            ..setup()
        },
        tcp::Limits {
            max_window: 1 << 20,
            ..limits()
        },
    );
    lab.connection.give_room(100_000, lab.now);
    let emit = lab
        .connection
        .output(&mut lab.shared, 1_000, lab.now)
        .unwrap();
    assert_eq!(seen(&emit.header, 0), seg(SYN, -1, 0).window(65_535));
    let options = emit.header.options;
    assert_eq!((options.mss, options.window_scale), (Some(1_000), Some(5)));
    assert_eq!(options.timestamps.unwrap().echo, 0);
    assert_eq!(lab.sent(), []);
}

// RFC 9293: MUST-15
#[test]
fn three_way_handshake() {
    let mut lab = Lab::connecting();
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::SynSent, vec![seg(SYN, -1, 0).window(0)])
    );
    let outcome = lab.input(seg(SYN | ACK, -1, 0));
    assert!(outcome.events.contains(Events::ESTABLISHED));
    assert_eq!(
        causes(&outcome),
        [(State::SynSent, Cause::HandshakeDone, State::Established)]
    );
    assert_eq!(lab.sent(), [seg(ACK, 0, 0).window(0)]);
    assert_eq!(lab.info().mss, 536, "the peer named no size");
}

#[test]
fn what_was_queued_early_leaves_with_the_last_acknowledgement() {
    let mut lab = Lab::connecting();
    lab.connection.queue(100);
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
    let outcome = lab.input(seg(SYN | ACK, -1, 0));
    assert_eq!(outcome.steps.iter().count(), 2);
    assert_eq!(lab.state(), State::FinWait1);
    let sent = lab.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].flags.contains(FIN) && sent[0].len == 100);
}

#[test]
fn the_peers_first_data_may_come_with_its_syn() {
    let mut lab = Lab::connecting();
    lab.connection.give_room(50, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let outcome = lab.input(data(-1, 20, 0).flags(SYN | FIN));
    assert_eq!(outcome.advanced, 20);
    assert_eq!(
        outcome
            .place
            .map(|place| (place.stream_offset, place.skip, place.len)),
        Some((0, 0, 20))
    );
    assert!(outcome.events.contains(Events::PEER_FIN));
}

// RFC 9293: MUST-10
#[test]
fn simultaneous_open() {
    // RFC 9293 figure 8.
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    let outcome = lab.input(seg(SYN, -1, 0));
    assert_eq!(
        causes(&outcome),
        [(State::SynSent, Cause::SynCrossed, State::SynReceived)]
    );
    assert_eq!(lab.sent(), [seg(SYN | ACK, -1, 0).window(0)]);
    let outcome = lab.input(seg(SYN | ACK, -1, 0));
    assert_eq!(
        causes(&outcome),
        [(State::SynReceived, Cause::HandshakeDone, State::Established)]
    );
    assert_eq!(lab.sent(), [seg(ACK, 0, 0).window(0)]);
}

// RFC 9293: MUST-10
#[test]
fn simultaneous_open_ends_with_a_plain_acknowledgement_too() {
    let mut lab = Lab::connecting();
    lab.connection.give_room(50, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(SYN, -1, 0));
    assert_eq!(lab.sent().len(), 1);
    let outcome = lab.input(data(0, 10, 0));
    assert!(outcome.events.contains(Events::ESTABLISHED));
    assert_eq!(outcome.advanced, 10);
}

/// (segment, reply, drop) in SYN-SENT; RFC 9293 section 3.10.7.3, first to fifth.
#[test]
fn what_does_not_belong_into_a_handshake() {
    let table = [
        (seg(ACK, 0, 1), Some(seg(RST, 1, 0)), Drop::TcpBadHandshake),
        (
            seg(SYN | ACK, -1, 1),
            Some(seg(RST, 1, 0)),
            Drop::TcpBadHandshake,
        ),
        (
            seg(SYN | ACK, -1, -1),
            Some(seg(RST, -1, 0)),
            Drop::TcpBadHandshake,
        ),
        (seg(RST | ACK, 0, 1), None, Drop::TcpBadHandshake),
        (seg(RST, 0, 0), None, Drop::TcpBadReset),
        (seg(ACK, 0, 0), None, Drop::TcpBadHandshake),
        (seg(FIN, 0, 0), None, Drop::TcpBadHandshake),
        (data(0, 5, 0), None, Drop::TcpBadHandshake),
    ];
    for (segment, reply, reason) in table {
        let mut lab = Lab::connecting();
        assert_eq!(lab.sent().len(), 1);
        let outcome = lab.input(segment);
        let got = outcome.reply.map(|reset| seen(&reset.header(), 0));
        assert_eq!(got, reply.map(|reply| reply.window(0)), "{segment:?}");
        assert_eq!(outcome.drop, Some(reason), "{segment:?}");
        assert_eq!((lab.state(), lab.sent()), (State::SynSent, vec![]));
    }
}

#[test]
fn a_reset_that_acknowledges_the_syn_is_a_refusal() {
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    let outcome = lab.input(seg(RST | ACK, 0, 0));
    assert!(outcome.events.contains(Events::RESET) && outcome.events.contains(Events::OVER));
    assert_eq!((lab.connection.fate(), outcome.drop), (Fate::Closed, None));
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

// RFC 9293: MUST-22, MUST-23
#[test]
fn a_syn_is_sent_again_less_and_less_often_and_then_given_up() {
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    let mut waits = Vec::new();
    loop {
        let (waited, outcome) = lab.next_timer();
        waits.push(waited.as_secs());
        if outcome.events.contains(Events::TIMED_OUT) {
            break;
        }
        assert_eq!(lab.sent(), [seg(SYN, -1, 0).window(0)]);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(lab.connection.fate(), Fate::Closed);
}

// RFC 9293: MUST-18
#[test]
fn a_lost_syn_makes_the_first_timeout_three_seconds() {
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.next_timer();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(SYN | ACK, -1, 0));
    assert_eq!(lab.info().rto, Duration::from_secs(3));
    assert_eq!(lab.info().rtt, None, "Karn");
}

#[test]
fn aborting_tells_only_a_peer_that_knows_us() {
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    assert_eq!(lab.connection.abort(&mut lab.shared).reply, None);
    let mut lab = Lab::connecting();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(SYN, -1, 0));
    let outcome = lab.connection.abort(&mut lab.shared);
    assert_eq!(
        seen(&outcome.reply.unwrap().header(), 0),
        seg(RST | ACK, 0, 0).window(0)
    );
    assert_eq!(lab.connection.fate(), Fate::Closed);
}

// RFC 9293: SHLD-26, MUST-56
#[test]
fn only_an_icmp_error_about_our_syn_is_believed() {
    let lab = Lab::connecting();
    assert!(lab.connection.is_fatal_icmp(crate::lab::OUR_ISN));
    assert!(!lab.connection.is_fatal_icmp(crate::lab::OUR_ISN.plus(1)));
    let mut lab = Lab::established();
    lab.connection.queue(10);
    assert_eq!(lab.sent().len(), 1);
    let first = crate::lab::OUR_ISN.plus(1);
    assert!(lab.connection.is_in_flight(first) && lab.connection.is_in_flight(first.plus(9)));
    assert!(!lab.connection.is_in_flight(first.plus(10)) && !lab.connection.is_fatal_icmp(first));
}
