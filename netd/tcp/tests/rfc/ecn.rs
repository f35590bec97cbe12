//! Explicit congestion notification: RFC 3168 section 6.1. (Agreeing on it is tested where options
//! are made.)

use tcp::{Algorithm, Events, Limits, Outcome, Setup};
use wire::Ecn;
use wire::tcp::Flags;

use crate::lab::{ACK, Lab, Seg, data, limits, seg, setup};

/// A connection whose ends have agreed on it, with much to send and a window of 10 segments.
fn agreed() -> Lab {
    let setup = Setup {
        ecn: true,
        ..setup()
    };
    let limits = Limits {
        congestion_control: Algorithm::Cubic,
        ..limits()
    };
    let lab = Lab::established_with(setup, limits);
    assert!(lab.info().has_ecn);
    lab
}

/// A segment arrives in a packet that says `mark`, and is published at once.
fn take(lab: &mut Lab, segment: Seg, mark: Ecn) -> Outcome {
    let header = lab.header(segment);
    let outcome = lab
        .connection
        .input_marked(&mut lab.shared, &header, segment.len, mark, lab.now);
    lab.connection.publish(u64::MAX, lab.now);
    outcome
}

/// Flags and congestion notification of all that is sent now.
fn sent(lab: &mut Lab) -> Vec<(Flags, u32, Ecn)> {
    let mut segments = Vec::new();
    while let Some(emit) = lab.connection.output(&mut lab.shared, 1_000, lab.now) {
        let flags = emit.header.flags.without(Flags::PSH);
        segments.push((flags, emit.len, emit.ecn));
    }
    segments
}

// RFC 9293: SHLD-8
#[test]
fn a_mark_is_echoed_until_the_peer_has_reduced() {
    let mut lab = agreed();
    let (quiet, echo) = (ACK, ACK.union(Flags::ECE));
    let answer = |at| data(at, 100, 0).flags(ACK.union(Flags::CWR));
    for (segment, mark, flags) in [
        (data(0, 100, 0), Ecn::Capable0, quiet),
        (data(100, 100, 0), Ecn::Congested, echo),
        (data(200, 100, 0), Ecn::Capable0, echo),
        (answer(300), Ecn::Capable0, quiet),
        (answer(400), Ecn::Congested, echo),
    ] {
        let outcome = take(&mut lab, segment, mark);
        let is_marked = mark == Ecn::Congested;
        assert_eq!(outcome.events.contains(Events::MARKED), is_marked);
        // Section 6.1.4: acknowledgements on their own ask for no marks.
        assert_eq!(sent(&mut lab), [(flags, 0, Ecn::NotCapable)]);
    }
}

// RFC 9293: SHLD-8
#[test]
fn a_mark_on_what_is_not_in_the_window_is_nothing() {
    // Section 6.1.5, and anybody could send it.
    let mut lab = agreed();
    let outcome = take(&mut lab, data(50_000, 100, 0), Ecn::Congested);
    assert!(outcome.drop.is_some() && !outcome.events.contains(Events::MARKED));
    assert_eq!(sent(&mut lab), [(ACK, 0, Ecn::NotCapable)]);
}

// RFC 9293: SHLD-8
#[test]
fn an_echo_reduces_once_a_round_trip_and_is_answered() {
    let mut lab = agreed();
    lab.connection.queue(30_000);
    // New data asks routers to mark.
    let first = sent(&mut lab);
    assert_eq!(first, [(ACK, 1_000, Ecn::Capable0); 10]);
    lab.pass(10);
    let echo = |ack| seg(ACK.union(Flags::ECE), 0, ack).window(60_000);
    let outcome = take(&mut lab, echo(1_000), Ecn::NotCapable);
    assert!(outcome.events.contains(Events::SLOWED));
    let window = lab.info().congestion_window;
    assert!((7_000..8_000).contains(&window), "{window}");
    assert_eq!(sent(&mut lab), [], "nine segments are in flight");
    for ack in [2_000, 3_000] {
        let outcome = take(&mut lab, echo(ack), Ecn::NotCapable);
        assert!(!outcome.events.contains(Events::SLOWED));
    }
    assert!(lab.info().congestion_window >= window);
    let _ = take(&mut lab, echo(5_000), Ecn::NotCapable);
    let next = sent(&mut lab);
    let answer = ACK.union(Flags::CWR);
    assert_eq!(next[0], (answer, 1_000, Ecn::Capable0));
    assert!(next[1..].iter().all(|segment| segment.0 == ACK));
    // Beyond what was in flight then, it is news again.
    let _ = take(
        &mut lab,
        seg(ACK, 0, 10_000).window(60_000),
        Ecn::NotCapable,
    );
    let _ = sent(&mut lab);
    let outcome = take(&mut lab, echo(11_000), Ecn::NotCapable);
    assert!(outcome.events.contains(Events::SLOWED));
}

#[test]
fn what_is_sent_again_asks_for_no_marks() {
    // Section 6.1.5.
    let mut lab = agreed();
    lab.connection.queue(500);
    assert_eq!(sent(&mut lab), [(ACK, 500, Ecn::Capable0)]);
    let _ = lab.next_timer();
    let _ = lab.next_timer();
    let again = sent(&mut lab);
    assert_eq!(again, [(ACK, 500, Ecn::NotCapable)]);
}

#[test]
fn who_does_not_heed_marks_does_not_ask_for_them() {
    let mut lab = agreed();
    lab.connection
        .set_congestion_control(Algorithm::Bbr, &mut lab.shared, lab.now);
    lab.connection.queue(1_000);
    assert_eq!(sent(&mut lab), [(ACK, 1_000, Ecn::NotCapable)]);
    // But it echoes.
    let _ = take(&mut lab, data(0, 100, 1_000), Ecn::Congested);
    assert_eq!(
        sent(&mut lab),
        [(ACK.union(Flags::ECE), 0, Ecn::NotCapable)]
    );
}

#[test]
fn without_an_agreement_nothing_is_asked_or_told() {
    let mut lab = Lab::established();
    lab.connection.queue(1_000);
    assert_eq!(sent(&mut lab), [(ACK, 1_000, Ecn::NotCapable)]);
    let echo = seg(ACK.union(Flags::ECE), 0, 1_000);
    let outcome = take(&mut lab, echo, Ecn::NotCapable);
    assert!(outcome.events.is_empty());
    let outcome = take(&mut lab, data(0, 100, 1_000), Ecn::Congested);
    assert!(outcome.events.is_empty());
    assert_eq!(sent(&mut lab), [(ACK, 0, Ecn::NotCapable)]);
}

#[test]
fn a_syn_that_finds_no_answer_is_sent_without_the_question() {
    // Section 6.1.1.1.
    let setup = Setup {
        ecn: true,
        ..setup()
    };
    let mut lab = Lab::with(setup, limits());
    let asks = Flags::SYN.union(Flags::ECE).union(Flags::CWR);
    for flags in [asks, asks, Flags::SYN, Flags::SYN] {
        assert_eq!(sent(&mut lab), [(flags, 0, Ecn::NotCapable)]);
        let _ = lab.next_timer();
    }
}
