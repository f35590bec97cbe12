//! TIME-WAIT: RFC 9293 section 3.10.7.4, RFC 6191, RFC 1337.

use std::time::Duration;

use tcp::{Fate, TimeWait, TimeWaitOutcome};
use wire::Drop;
use wire::tcp::{Flags, Header, Timestamps};

use crate::lab::{ACK, FIN, Lab, RST, SYN, Seg, data, limits, seen, seg, setup};

fn waiting(lab: &mut Lab) -> TimeWait {
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.take(seg(FIN, 0, 1));
    assert_eq!(lab.sent().len(), 1);
    assert_eq!(lab.connection.fate(), Fate::TimeWait);
    lab.connection.time_wait(&lab.shared, lab.now).unwrap()
}

fn input(lab: &mut Lab, record: &mut TimeWait, segment: Seg) -> TimeWaitOutcome {
    let header = lab.header(segment);
    record.input(&mut lab.shared, &header, segment.len, lab.now)
}

fn reply(outcome: TimeWaitOutcome) -> Option<(Seg, Drop)> {
    match outcome {
        TimeWaitOutcome::Reply(header, reason) => Some((seen(&header, 0), reason)),
        _ => None,
    }
}

// RFC 9293: MUST-13
#[test]
fn a_repeated_fin_is_acknowledged_and_starts_the_time_again() {
    let mut lab = Lab::established();
    let mut record = waiting(&mut lab);
    lab.now = lab.now + Duration::from_secs(30);
    let answer = reply(input(&mut lab, &mut record, seg(FIN, 0, 1)));
    assert_eq!(answer, Some((seg(ACK, 1, 1).window(0), Drop::TcpDuplicate)));
    assert_eq!(record.deadline(), lab.now + limits().time_wait);
}

#[test]
fn nothing_else_starts_the_time_again() {
    let mut lab = Lab::established();
    let mut record = waiting(&mut lab);
    let deadline = record.deadline();
    lab.now = lab.now + Duration::from_secs(30);
    for segment in [
        seg(ACK, 1, 1),
        seg(RST, 1, 1),
        seg(SYN, -1, 0),
        data(1, 10, 1),
        seg(FIN, 7, 1),
        seg(SYN | ACK, -1, 0),
    ] {
        let outcome = input(&mut lab, &mut record, segment);
        assert_ne!(outcome, TimeWaitOutcome::Reuse, "{segment:?}");
        assert_eq!(record.deadline(), deadline, "{segment:?}");
    }
}

#[test]
fn a_reset_does_not_end_it() {
    // RFC 1337 section 3.
    let mut lab = Lab::established();
    let mut record = waiting(&mut lab);
    let outcome = input(&mut lab, &mut record, seg(RST, 1, 1));
    assert_eq!(outcome, TimeWaitOutcome::Drop(Drop::TcpBadReset));
}

// RFC 9293: MAY-2
#[test]
fn a_new_syn_beyond_the_old_numbers_begins_anew() {
    let mut lab = Lab::established();
    let mut record = waiting(&mut lab);
    assert_eq!(
        input(&mut lab, &mut record, seg(SYN, 2, 0)),
        TimeWaitOutcome::Reuse
    );
    assert_eq!(record.snd_nxt(), crate::lab::OUR_ISN.plus(2));
    let old = input(&mut lab, &mut record, seg(SYN, -5, 0));
    assert_eq!(
        reply(old).map(|(_, reason)| reason),
        Some(Drop::TcpSynInConnection)
    );
}

// RFC 9293: SHLD-4, MAY-2
#[test]
fn timestamps_tell_a_new_syn_from_an_old_one() {
    // RFC 6191 section 2.
    let mut lab = Lab::with(
        tcp::Setup {
            timestamps: Some(0),
            ..setup()
        },
        limits(),
    );
    assert_eq!(lab.sent().len(), 1);
    lab.timestamps = Some(Timestamps {
        value: 500,
        echo: 1,
    });
    let _ = lab.input(seg(SYN | ACK, -1, 0));
    let mut record = waiting(&mut lab);
    for (value, position, is_new) in [
        (501, -9, true),
        (500, -9, false),
        (500, 9, true),
        (499, 9, false),
    ] {
        let mut syn: Header = lab.header(seg(SYN, position, 0));
        syn.options.timestamps = Some(Timestamps { value, echo: 0 });
        let outcome = record.input(&mut lab.shared, &syn, 0, lab.now);
        assert_eq!(
            outcome == TimeWaitOutcome::Reuse,
            is_new,
            "{value} at {position}"
        );
    }
    let again = lab.header(seg(FIN, 0, 1));
    let TimeWaitOutcome::Reply(header, _) = record.input(&mut lab.shared, &again, 0, lab.now)
    else {
        panic!("a FIN is answered");
    };
    assert_eq!(
        header.options.timestamps.map(|stamps| stamps.echo),
        Some(500)
    );
    assert_eq!(header.flags, Flags::ACK);
}
