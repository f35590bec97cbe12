//! What a user chooses: keep-alive, user timeout, cork, quick acknowledgements, window limit.

use core::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use tcp::{Connection, Events, KeepAlive, Setup, Tuning};
use wire::tcp::UserTimeout;

use crate::lab::{ACK, Lab, SYN, data, limits, seg, setup};

/// Asks after 10 s, then each 2 s, three times.
fn watched() -> Tuning {
    Tuning {
        keep_alive: Some(KeepAlive {
            idle: NonZeroU16::new(10).unwrap(),
            interval: NonZeroU16::new(2).unwrap(),
            count: NonZeroU8::new(3).unwrap(),
        }),
        ..Tuning::default()
    }
}

// RFC 9293: MUST-25
#[test]
fn keep_alive_is_off_by_default() {
    let lab = Lab::established();
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

// RFC 9293: MAY-5, MUST-24, MUST-26, MUST-27, MUST-28, MUST-29, SHLD-12
#[test]
fn an_idle_peer_is_asked_and_given_up_after_silence() {
    let mut lab = Lab::established();
    lab.tune(watched());
    assert_eq!(lab.sent(), []);
    let mut waits = Vec::new();
    for _ in 0..3 {
        let (waited, outcome) = lab.next_timer();
        assert!(outcome.events.is_empty());
        waits.push(waited.as_millis().div_ceil(1_000));
        // One number below the next, and no data: nothing that the peer could take.
        assert_eq!(lab.sent(), [seg(ACK, -1, 0)]);
    }
    assert_eq!(waits, [10, 2, 2]);
    let (_, outcome) = lab.next_timer();
    assert!(outcome.events.contains(Events::TIMED_OUT));
}

#[test]
fn any_word_of_the_peer_starts_the_watch_again() {
    let mut lab = Lab::established();
    lab.tune(watched());
    assert_eq!(lab.sent(), []);
    for _ in 0..20 {
        let heard = lab.now;
        let asked = loop {
            let (_, outcome) = lab.next_timer();
            assert!(outcome.events.is_empty());
            if !lab.sent().is_empty() {
                break lab.now;
            }
        };
        assert_eq!(asked.since(heard), Duration::from_secs(10));
        // Its answer.
        let _ = lab.input(seg(ACK, 0, 0));
        assert_eq!(lab.sent(), []);
    }
    // What is in flight is watched by the retransmission timer alone.
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(0, 10)]);
    let (waited, _) = lab.next_timer();
    assert!(waited < Duration::from_secs(2));
    assert_eq!(lab.sent_data(), [(0, 10)]);
}

#[test]
fn an_orphan_is_not_kept_alive() {
    let mut lab = Lab::established();
    lab.tune(watched());
    let _ = lab.connection.orphan(&mut lab.shared, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(ACK, 0, 1));
    let (waited, outcome) = lab.next_timer();
    assert!(waited > Duration::from_secs(30) && outcome.events.contains(Events::TIMED_OUT));
}

// RFC 9293: MUST-21
#[test]
fn the_user_sets_how_long_bytes_may_be_unacknowledged() {
    let mut lab = Lab::established();
    lab.tune(Tuning {
        user_timeout: 5,
        ..Tuning::default()
    });
    lab.connection.queue(10);
    assert_eq!(lab.sent().len(), 1);
    let start = lab.now;
    loop {
        let (_, outcome) = lab.next_timer();
        if outcome.events.contains(Events::TIMED_OUT) {
            break;
        }
        let _ = lab.sent();
    }
    let after = lab.now.since(start);
    assert!(
        after >= Duration::from_secs(5) && after < Duration::from_secs(12),
        "{after:?}"
    );
}

#[test]
fn user_timeouts_are_told_and_heard() {
    let tuning = Tuning {
        tells_user_timeout: true,
        ..Tuning::default()
    };
    let mut lab = Lab::with(Setup { tuning, ..setup() }, limits());
    let told = |lab: &mut Lab| {
        let emit = lab.connection.output(&mut lab.shared, 1_000, lab.now);
        emit.and_then(|emit| emit.header.options.user_timeout)
            .map(UserTimeout::seconds)
    };
    assert_eq!(told(&mut lab), Some(300), "in the SYN");
    let mut header = lab.header(seg(SYN | ACK, -1, 0));
    header.options.user_timeout = Some(UserTimeout::from_seconds(900));
    let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    assert_eq!(
        told(&mut lab),
        Some(300),
        "and once more, in case SYN options were lost"
    );
    lab.connection.queue(10);
    assert_eq!(told(&mut lab), None);
    // What the peer said holds: bytes wait for 900 s before the connection is given up.
    let start = lab.now;
    while !lab.next_timer().1.events.contains(Events::TIMED_OUT) {
        let _ = lab.sent();
    }
    assert!(lab.now.since(start) >= Duration::from_secs(900));
}

#[test]
fn a_cork_holds_small_segments_back_until_it_is_drawn() {
    let mut lab = Lab::established();
    let corked = |is_corked| Tuning {
        is_nodelay: true,
        is_corked,
        ..Tuning::default()
    };
    lab.tune(corked(true));
    lab.connection.queue(400);
    assert_eq!(lab.sent_data(), []);
    lab.connection.queue(700);
    assert_eq!(lab.sent_data(), [(0, 1_000)], "what is full leaves");
    lab.tune(corked(false));
    assert_eq!(lab.sent_data(), [(1_000, 100)]);
    // Forgotten, it holds nothing back for ever.
    let _ = lab.input(seg(ACK, 0, 1_100));
    lab.tune(corked(true));
    lab.connection.queue(5);
    assert_eq!(lab.sent_data(), []);
    let _ = lab.next_timer();
    let _ = lab.next_timer();
    assert_eq!(lab.sent_data(), [(1_100, 5)]);
    // And a FIN needs no company.
    let mut lab = Lab::established();
    lab.tune(corked(true));
    lab.connection.queue(5);
    let _ = lab.connection.close();
    assert_eq!(lab.sent_data(), [(0, 5)]);
}

#[test]
fn quick_acknowledgements_are_not_delayed() {
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 1, 0));
    assert_eq!(lab.sent(), [], "delayed");
    lab.tune(Tuning {
        is_quick_ack: true,
        ..Tuning::default()
    });
    let _ = lab.take(data(17, 1, 0));
    assert_eq!(lab.sent().len(), 1);
}

#[test]
fn the_window_follows_the_limit_and_never_shrinks() {
    let limited = |window_limit| Tuning {
        window_limit,
        ..Tuning::default()
    };
    let tuning = limited(4);
    let mut lab = Lab::with(Setup { tuning, ..setup() }, limits());
    lab.connection.give_room(20_000, lab.now);
    assert_eq!(lab.sent()[0].window, 4_096);
    let _ = lab.input(seg(SYN | ACK, -1, 0));
    assert_eq!(lab.sent()[0].window, 4_096);
    let _ = lab.take(data(0, 1_000, 0));
    assert_eq!(lab.sent()[0].window, 4_096);
    lab.tune(limited(16));
    let _ = lab.take(data(1_000, 1_000, 0));
    assert_eq!(lab.sent()[0].window, 16_384);
    // Less than was offered already: only what is used up is not offered again.
    lab.tune(limited(4));
    let _ = lab.take(data(2_000, 1_000, 0));
    assert_eq!(lab.sent()[0].window, 15_384);
    assert!(matches!(lab.connection, Connection::Open(_)));
}
