//! RST and SYN on an open connection: RFC 9293 section 3.10.7.4, RFC 5961 sections 3 and 4.

use tcp::{Events, Fate, State};
use wire::Drop;
use wire::tcp::Flags;

use crate::lab::{ACK, Lab, RST, SYN, data, limits, seen, seg, setup};

// RFC 9293: MUST-12
#[test]
fn an_exact_reset_ends_the_connection() {
    for flags in [RST, RST | ACK] {
        let mut lab = Lab::established();
        let outcome = lab.input(seg(flags, 0, 0));
        assert!(outcome.events.contains(Events::RESET) && outcome.events.contains(Events::OVER));
        assert_eq!((outcome.drop, outcome.reply), (None, None));
        assert_eq!(
            (lab.state(), lab.connection.fate()),
            (State::Closed, Fate::Closed)
        );
        assert_eq!(
            (lab.sent(), lab.connection.next_deadline(&lab.shared)),
            (vec![], None)
        );
    }
}

#[test]
fn a_reset_may_know_only_what_was_acknowledged() {
    let mut lab = Lab::established();
    let _ = lab.input(data(0, 100, 0));
    // Not published, so the peer that restarts knows of position 0.
    assert!(lab.input(seg(RST, 0, 0)).events.contains(Events::RESET));
}

/// (position, drop, is challenged)
#[test]
fn other_resets_are_challenged_or_ignored() {
    let table = [
        (1, Drop::TcpBadReset, true),
        (9_999, Drop::TcpBadReset, true),
        (10_001, Drop::TcpOutOfWindow, false),
        (-1, Drop::TcpDuplicate, false),
        (-1_000_000, Drop::TcpDuplicate, false),
        (1_000_000, Drop::TcpOutOfWindow, false),
    ];
    for (position, reason, is_challenged) in table {
        let mut lab = Lab::established();
        let outcome = lab.input(seg(RST, position, 0));
        assert_eq!(outcome.drop, Some(reason), "at {position}");
        assert_eq!(lab.state(), State::Established);
        let answer = if is_challenged {
            vec![seg(ACK, 0, 0)]
        } else {
            vec![]
        };
        assert_eq!(lab.sent(), answer, "at {position}");
    }
}

#[test]
fn a_syn_is_only_ever_challenged() {
    for position in [-1, 0, 500] {
        let mut lab = Lab::established();
        let outcome = lab.input(seg(SYN, position, 0));
        assert!(outcome.drop.is_some() && outcome.events.is_empty());
        assert_eq!(
            (lab.state(), lab.sent()),
            (State::Established, vec![seg(ACK, 0, 0)])
        );
    }
}

#[test]
fn challenges_have_a_limit_for_all_connections_together() {
    let mut lab = Lab::established_with(
        setup(),
        tcp::Limits {
            challenges_per_second: 5,
            ..limits()
        },
    );
    let count = |lab: &mut Lab| {
        (0..50)
            .filter(|_| {
                let _ = lab.input(seg(RST, 7, 0));
                !lab.sent().is_empty()
            })
            .count()
    };
    // Five on average; how many in this second is nobody's business.
    for _ in 0..20 {
        assert!(
            (2..=5).contains(&count(&mut lab)),
            "and no more than its share"
        );
        lab.pass(1_000);
    }
}

#[test]
fn abort_sends_a_reset_that_is_exact() {
    let mut lab = Lab::established();
    lab.connection.queue(2_500);
    assert_eq!(lab.sent().len(), 2);
    let _ = lab.take(data(0, 10, 0));
    let outcome = lab.connection.abort(&mut lab.shared);
    let reset = seen(&outcome.reply.unwrap().header(), 0);
    assert_eq!((reset.flags, reset.seq, reset.ack), (RST | ACK, 2_000, 10));
    assert_eq!((lab.connection.fate(), lab.sent()), (Fate::Closed, vec![]));
}

#[test]
fn segments_to_nobody_are_refused() {
    let lab = Lab::connecting();
    let reply = tcp::refuse(&lab.header(seg(ACK, 5, 9)), 3).map(|header| seen(&header, 0));
    assert_eq!(reply, Some(seg(RST, 9, 0).window(0)));
    let reply = tcp::refuse(&lab.header(seg(SYN, -1, 0)), 0).unwrap();
    assert_eq!((reply.seq, reply.flags), (0, Flags::RST | Flags::ACK));
    assert_eq!(tcp::refuse(&lab.header(seg(RST, 0, 0)), 0), None);
}

#[test]
fn syns_share_that_limit_with_and_without_bytes() {
    // RFC 5961 section 4.2.
    let per_second = tcp::Limits {
        challenges_per_second: 3,
        ..limits()
    };
    for segment in [seg(SYN, 256, 0), data(256, 6, 0).flags(SYN)] {
        let mut lab = Lab::established_with(setup(), per_second);
        for _ in 0..20 {
            let answered = (0..50)
                .filter(|_| {
                    let _ = lab.input(segment);
                    !lab.sent().is_empty()
                })
                .count();
            assert!((1..=4).contains(&answered), "{segment:?}: {answered}");
            assert_eq!(lab.state(), State::Established);
            lab.pass(1_000);
        }
    }
}
