//! Closing: RFC 9293 section 3.6, figures 12 and 13, and what happens when somebody just leaves.

use tcp::{Events, Fate, State};
use wire::Drop;

use crate::lab::{ACK, FIN, Lab, RST, data, limits, seen, seg, setup};

// RFC 9293: MUST-13
#[test]
fn normal_close() {
    // RFC 9293 figure 12, end A.
    let mut lab = Lab::established();
    let _ = lab.connection.close();
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::FinWait1, vec![seg(FIN, 0, 0)])
    );
    let outcome = lab.input(seg(ACK, 0, 1));
    assert!(outcome.events.contains(Events::FIN_ACKNOWLEDGED));
    assert_eq!(lab.state(), State::FinWait2);
    let _ = lab.take(seg(FIN, 0, 1));
    assert_eq!(
        (lab.state(), lab.connection.fate()),
        (State::TimeWait, Fate::Continues)
    );
    assert!(
        lab.connection.time_wait(&lab.shared, lab.now).is_none(),
        "not before the last word"
    );
    assert_eq!(lab.sent(), [seg(ACK, 1, 1)]);
    assert_eq!(lab.connection.fate(), Fate::TimeWait);
    let record = lab.connection.time_wait(&lab.shared, lab.now).unwrap();
    assert_eq!(record.deadline(), lab.now + limits().time_wait);
}

// RFC 9293: MUST-12
#[test]
fn being_closed() {
    // RFC 9293 figure 12, end B.
    let mut lab = Lab::established();
    assert!(lab.take(seg(FIN, 0, 0)).events.contains(Events::PEER_FIN));
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::CloseWait, vec![seg(ACK, 0, 1)])
    );
    let _ = lab.connection.close();
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::LastAck, vec![seg(FIN, 0, 1)])
    );
    assert!(lab.input(seg(ACK, 1, 1)).events.contains(Events::OVER));
    assert_eq!(
        (lab.state(), lab.connection.fate()),
        (State::Closed, Fate::Closed)
    );
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

#[test]
fn simultaneous_close() {
    // RFC 9293 figure 13.
    let mut lab = Lab::established();
    let _ = lab.connection.close();
    assert_eq!(lab.sent(), [seg(FIN, 0, 0)]);
    let _ = lab.take(seg(FIN, 0, 0));
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::Closing, vec![seg(ACK, 1, 1)])
    );
    assert!(lab.input(seg(ACK, 1, 1)).events.contains(Events::OVER));
    assert_eq!(lab.connection.fate(), Fate::TimeWait);
}

#[test]
fn fin_and_its_acknowledgement_in_one_segment() {
    let mut lab = Lab::established();
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.take(seg(FIN, 0, 1));
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::TimeWait, vec![seg(ACK, 1, 1)])
    );
}

#[test]
fn the_peers_fin_counts_when_the_user_knows() {
    let mut lab = Lab::established();
    let outcome = lab.input(seg(FIN, 0, 0));
    assert!(outcome.events.contains(Events::PEER_FIN) && lab.connection.has_peer_finished());
    assert_eq!((lab.state(), lab.sent()), (State::Established, vec![]));
    // We close in between: to the peer it looks as if our FIN was first.
    let _ = lab.connection.close();
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::FinWait1, vec![seg(FIN, 0, 0)])
    );
    let _ = lab.connection.publish_fin(&mut lab.shared, lab.now);
    assert_eq!(
        (lab.state(), lab.sent()),
        (State::Closing, vec![seg(ACK, 1, 1)])
    );
}

#[test]
fn half_closed_in_either_direction() {
    let mut lab = Lab::established();
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(ACK, 0, 1));
    assert_eq!(lab.take(data(0, 500, 1)).advanced, 500);
    assert_eq!(lab.sent(), [seg(ACK, 1, 500).window(9_500)]);

    let mut lab = Lab::established();
    let _ = lab.take(seg(FIN, 0, 0));
    assert_eq!(lab.sent().len(), 1);
    lab.connection.queue(1_500);
    assert_eq!(lab.sent_data(), [(0, 1_000)], "Nagle");
    assert_eq!(lab.input(seg(ACK, 1, 1_000)).acked, 1_000);
    assert_eq!(lab.sent_data(), [(1_000, 500)]);
}

#[test]
fn the_last_data_carries_the_fin() {
    let mut lab = Lab::established();
    lab.connection.queue(1_500);
    let _ = lab.connection.close();
    let sent = lab.sent();
    assert_eq!(sent.len(), 2);
    assert!(!sent[0].flags.contains(FIN) && sent[1].flags.contains(FIN));
    lab.connection.queue(100);
    assert_eq!(lab.sent(), [], "nothing follows a FIN");
    // A second close changes nothing.
    assert_eq!(lab.connection.close().steps.iter().count(), 0);
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut lab = Lab::established();
    lab.connection.queue(10);
    let _ = lab.connection.close();
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(ACK, 0, 10));
    assert_eq!(lab.state(), State::FinWait1);
    let (_, _) = lab.next_timer();
    let sent = lab.sent();
    assert_eq!(
        (sent.len(), sent[0].flags, sent[0].seq, sent[0].len),
        (1, FIN, 10, 0)
    );
    let _ = lab.input(seg(ACK, 0, 11));
    assert_eq!(lab.state(), State::FinWait2);
}

#[test]
fn a_repeated_fin_is_acknowledged_again() {
    let mut lab = Lab::established();
    let _ = lab.take(seg(FIN, 0, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 1)]);
    assert_eq!(lab.input(seg(FIN, 0, 0)).drop, Some(Drop::TcpDuplicate));
    assert_eq!(lab.sent(), [seg(ACK, 0, 1)]);
}

// RFC 9293: MAY-1, SHLD-3
#[test]
fn data_for_a_user_who_has_left_is_refused() {
    let mut lab = Lab::established();
    let _ = lab.connection.orphan(&mut lab.shared, lab.now);
    assert_eq!(lab.sent(), [seg(FIN, 0, 0)]);
    let outcome = lab.input(data(0, 100, 1));
    assert_eq!(outcome.drop, Some(Drop::TcpNobodyReads));
    let reply = seen(&outcome.reply.unwrap().header(), 0);
    assert_eq!((reply.flags, reply.seq), (RST | ACK, 1));
    assert!(outcome.events.contains(Events::OVER));
    assert_eq!(lab.connection.fate(), Fate::Closed);
}

#[test]
fn an_orphan_waits_for_the_peers_fin_only_so_long() {
    let mut lab = Lab::established();
    let _ = lab.connection.orphan(&mut lab.shared, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(ACK, 0, 1));
    assert_eq!(lab.state(), State::FinWait2);
    let (waited, outcome) = lab.next_timer();
    assert_eq!(waited, limits().orphan_timeout);
    assert!(outcome.events.contains(Events::TIMED_OUT));
    assert_eq!(lab.connection.fate(), Fate::Closed);
}

#[test]
fn an_orphan_that_hears_the_fin_ends_well() {
    let mut lab = Lab::established();
    lab.connection.queue(100);
    let _ = lab.connection.orphan(&mut lab.shared, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let _ = lab.input(seg(ACK, 0, 101));
    let outcome = lab.input(seg(FIN, 0, 101));
    assert_eq!(
        (lab.state(), outcome.steps.iter().count()),
        (State::TimeWait, 1)
    );
    assert_eq!(lab.sent(), [seg(ACK, 101, 1)]);
    assert_eq!(
        (
            lab.connection.fate(),
            lab.connection.next_deadline(&lab.shared)
        ),
        (Fate::TimeWait, None)
    );
}

#[test]
fn leaving_after_the_peer_does_not_wait() {
    let mut lab = Lab::established_with(setup(), limits());
    let _ = lab.take(seg(FIN, 0, 0));
    let outcome = lab.connection.orphan(&mut lab.shared, lab.now);
    assert_eq!(
        (lab.state(), outcome.steps.iter().count()),
        (State::LastAck, 1)
    );
    assert_eq!(lab.sent(), [seg(FIN, 0, 1)]);
}

#[test]
fn the_peers_fin_comes_before_ours_has_left() {
    // RFC 9293 figure 13, but nothing of ours had left yet: bytes, FIN and the acknowledgement of
    // the peer's FIN are one segment.
    for queued in [0, 6] {
        let mut lab = Lab::established();
        lab.connection.queue(queued);
        let _ = lab.connection.close();
        assert_eq!(lab.state(), State::FinWait1);
        let _ = lab.take(seg(FIN, 0, 0));
        assert_eq!(lab.state(), State::Closing);
        let sent = lab.sent();
        assert_eq!(sent.len(), 1, "{sent:?}");
        let last = sent[0];
        assert!(last.flags.contains(FIN));
        assert_eq!((last.seq, last.len, last.ack), (0, queued, 1));
        let _ = lab.input(seg(ACK, 1, i64::from(queued) + 1));
        assert_eq!(
            (lab.connection.fate(), lab.sent()),
            (Fate::TimeWait, vec![])
        );
    }
}
