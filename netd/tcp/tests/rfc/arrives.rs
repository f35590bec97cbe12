//! Every state meets every segment: all flags, all places around the edges of both windows. What
//! happens must be what the model says.

use std::collections::HashMap;

use tcp::{Connection, Events, Outcome, Shared, State, SynEntry, SynOutcome, TimeWaitOutcome};
use wire::Drop;
use wire::tcp::Flags;

use crate::lab::{ACK, FIN, Lab, SYN, Seg, data, limits, seen, seg, setup};
use crate::model::{Answer, Dropped, Reaction, Tcb};

/// The peer's window and the room that we give: small, so that all places can be visited.
const WINDOW: u32 = 10;
const ROOM: u32 = 12;

/// Places around 2 to 12, which are the edges of our window in the synchronised states.
const PLACES: [i64; 11] = [-2_000_000_000, -9, -1, 0, 1, 2, 3, 11, 12, 13, 2_000_000];
const LENGTHS: [u32; 6] = [0, 1, 2, 9, 10, 14];
/// Acknowledgements around 3 (acknowledged), 7 and 8 (sent, without and with FIN), and 10 less.
const ACKS: [i64; 14] = [
    -2_000_000_000,
    -8,
    -7,
    -3,
    -2,
    -1,
    0,
    1,
    3,
    5,
    7,
    8,
    9,
    2_000_000_000,
];

fn every_segment(mut visit: impl FnMut(Seg)) {
    for flags in 0..64 {
        for seq in PLACES {
            for len in LENGTHS {
                for ack in ACKS {
                    visit(Seg {
                        flags: Flags::from_bits(flags),
                        seq,
                        ack,
                        len,
                        window: WINDOW,
                    });
                }
            }
        }
    }
}

/// An open connection: 3 bytes of 7 acknowledged, 2 received, room for 10 more.
fn established() -> Lab {
    let mut lab = Lab::with(setup(), limits());
    lab.connection.give_room(ROOM, lab.now);
    assert_eq!(lab.sent().len(), 1);
    let mut header = lab.header(seg(SYN | ACK, -1, 0).window(WINDOW));
    header.options.mss = Some(1_000);
    let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    lab.connection.queue(7);
    assert_eq!(lab.sent_data(), [(0, 7)]);
    let _ = lab.take(data(0, 2, 3).window(WINDOW));
    assert_eq!(lab.sent().len(), 1);
    lab
}

/// A connection in `state`, with what the RFC's variables are there.
fn in_state(state: State) -> (Lab, Tcb) {
    let mut lab = established();
    let mut tcb = Tcb {
        state,
        una: 3,
        nxt: 7,
        max_wnd: WINDOW.into(),
        rcv_nxt: 2,
        rcv_wnd: 10,
        is_passive: false,
    };
    let fin = seg(FIN, 2, 3).window(WINDOW);
    if matches!(state, State::CloseWait | State::LastAck) {
        let _ = lab.take(fin);
    }
    if !matches!(state, State::Established | State::CloseWait) {
        let _ = lab.connection.close();
        tcb.nxt = 8;
    }
    let _ = lab.sent();
    if state == State::FinWait2 {
        let _ = lab.input(seg(ACK, 2, 8).window(WINDOW));
        tcb.una = 8;
    }
    if state == State::Closing {
        let _ = lab.take(fin);
    }
    if matches!(state, State::CloseWait | State::LastAck | State::Closing) {
        (tcb.rcv_nxt, tcb.rcv_wnd) = (3, 0);
    }
    let _ = lab.sent();
    assert_eq!(lab.state(), state);
    (lab, tcb)
}

fn dropped(reason: Drop) -> Dropped {
    match reason {
        Drop::TcpDuplicate | Drop::TcpOutOfWindow => Dropped::Sequence,
        Drop::TcpBadReset => Dropped::Reset,
        Drop::TcpSynInConnection => Dropped::Syn,
        Drop::TcpNoAck => Dropped::NoAck,
        Drop::TcpAckUnsent | Drop::TcpAckOld => Dropped::BadAck,
        Drop::TcpBadHandshake => Dropped::Handshake,
        other => panic!("{other}"),
    }
}

fn answer(segment: &Seg) -> Answer {
    if segment.flags.contains(Flags::RST) {
        Answer::Reset { seq: segment.seq }
    } else if segment.flags.contains(Flags::SYN) {
        Answer::SynAck { ack: segment.ack }
    } else {
        Answer::Ack {
            seq: segment.seq,
            ack: segment.ack,
        }
    }
}

/// What the connection does, as the model puts it.
fn reaction(lab: &mut Lab, outcome: &Outcome) -> Reaction {
    let mut answers: Vec<Answer> = outcome
        .reply
        .iter()
        .map(|reset| answer(&seen(&reset.header(), 0)))
        .collect();
    answers.extend(lab.sent().iter().map(answer));
    assert!(answers.len() <= 1, "{answers:?}");
    Reaction {
        state: lab.state(),
        answer: answers.first().copied(),
        acked: outcome.acked.cast_signed(),
        advanced: outcome.advanced.cast_signed(),
        dropped: outcome.drop.map(dropped),
    }
}

/// Steps that discard overlap where two apply: a SYN is also outside of the window, text behind a
/// FIN is also a duplicate. Which of the two is counted does not matter.
fn agree(wanted: &Reaction, got: &Reaction) -> bool {
    let class = match (wanted.dropped, got.dropped) {
        (Some(Dropped::Sequence), Some(Dropped::Syn | Dropped::Reset)) => wanted.dropped,
        (Some(Dropped::Syn | Dropped::Text | Dropped::Reset), Some(Dropped::Sequence)) => {
            wanted.dropped
        }
        (Some(Dropped::NoAck), Some(Dropped::Handshake)) => wanted.dropped,
        (_, other) => other,
    };
    Reaction {
        dropped: class,
        ..*got
    } == *wanted
}

/// Collects where model and connection differ.
#[derive(Default)]
struct Differences {
    seen: u32,
    /// One for each combination of those flags that matter, place and length.
    found: HashMap<(u16, i64, u32), String>,
}

impl Differences {
    fn compare(&mut self, segment: Seg, wanted: &Reaction, got: &Reaction) {
        self.seen += 1;
        if !agree(wanted, got) {
            let flags = segment.flags.bits() & 0b1_0111;
            let what = format!("{segment:?}\n  wanted {wanted:?}\n  got    {got:?}");
            self.found
                .entry((flags, segment.seq, segment.len))
                .or_insert(what);
        }
    }

    fn finish(self) {
        let some: Vec<_> = self.found.values().take(20).cloned().collect();
        assert!(some.is_empty(), "{}", some.join("\n"));
        assert_eq!(self.seen, 64 * 11 * 6 * 14);
    }
}

fn synchronised(state: State) {
    let mut differences = Differences::default();
    every_segment(|segment| {
        let (mut lab, tcb) = in_state(state);
        let outcome = lab.take(segment);
        let got = reaction(&mut lab, &outcome);
        differences.compare(segment, &tcb.arrives(&segment), &got);
    });
    differences.finish();
}

#[test]
fn in_established() {
    synchronised(State::Established);
}

#[test]
fn in_fin_wait_1() {
    synchronised(State::FinWait1);
}

#[test]
fn in_fin_wait_2() {
    synchronised(State::FinWait2);
}

#[test]
fn in_close_wait() {
    synchronised(State::CloseWait);
}

#[test]
fn in_closing() {
    synchronised(State::Closing);
}

#[test]
fn in_last_ack() {
    synchronised(State::LastAck);
}

/// A connection whose SYN is out, with room for 12; then, perhaps, the peer's SYN has crossed it.
fn opening(is_crossed: bool) -> (Lab, Tcb) {
    let mut lab = Lab::with(setup(), limits());
    lab.connection.give_room(ROOM, lab.now);
    assert_eq!(lab.sent().len(), 1);
    if is_crossed {
        let _ = lab.input(seg(SYN, -1, 0).window(WINDOW));
        assert_eq!(lab.sent().len(), 1);
    }
    let tcb = Tcb {
        state: lab.state(),
        una: -1,
        nxt: 0,
        max_wnd: WINDOW.into(),
        rcv_nxt: 0,
        rcv_wnd: ROOM.into(),
        is_passive: false,
    };
    (lab, tcb)
}

fn unsynchronised(is_crossed: bool) {
    let mut differences = Differences::default();
    every_segment(|segment| {
        let (mut lab, tcb) = opening(is_crossed);
        let outcome = lab.take(segment);
        let got = reaction(&mut lab, &outcome);
        differences.compare(segment, &tcb.arrives(&segment), &got);
    });
    differences.finish();
}

#[test]
fn in_syn_sent() {
    unsynchronised(false);
}

#[test]
fn in_syn_received_after_crossing() {
    unsynchronised(true);
}

#[test]
fn in_syn_received_after_listening() {
    let mut differences = Differences::default();
    every_segment(|segment| {
        let mut lab = Lab::connecting();
        let syn = lab.header(seg(SYN, -1, 0).window(WINDOW));
        let shared = Shared::new(limits());
        let mut entry = SynEntry::from_syn(&syn, &setup(), &shared, ROOM.into(), lab.now).unwrap();
        assert!(entry.output(lab.now).is_some());
        let tcb = Tcb {
            state: State::SynReceived,
            is_passive: true,
            ..opening(true).1
        };
        let stays = Reaction {
            state: State::SynReceived,
            answer: None,
            acked: 0,
            advanced: 0,
            dropped: None,
        };
        let header = lab.header(segment);
        let mut got = match entry.input(&mut lab.shared, &header, lab.now) {
            SynOutcome::Complete => {
                lab.connection = Connection::from(entry.open(lab.now));
                lab.connection.give_room(ROOM, lab.now);
                let outcome = lab.take(segment);
                assert!(!outcome.events.contains(Events::OVER));
                reaction(&mut lab, &outcome)
            }
            SynOutcome::Remove => Reaction {
                state: State::Closed,
                ..stays
            },
            SynOutcome::Drop(reason) => Reaction {
                dropped: Some(dropped(reason)),
                ..stays
            },
            SynOutcome::Reply(header, reason) => Reaction {
                answer: Some(answer(&seen(&header, 0))),
                dropped: Some(dropped(reason)),
                ..stays
            },
        };
        if let Some(header) = entry.output(lab.now) {
            assert_eq!(got.answer, None);
            got.answer = Some(answer(&seen(&header, 0)));
        }
        differences.compare(segment, &tcb.arrives(&segment), &got);
    });
    differences.finish();
}

/// LISTEN and CLOSED, sections 3.10.7.1 and 3.10.7.2, and the small record of TIME-WAIT.
#[test]
fn in_closed_listen_and_time_wait() {
    let (lab, _) = in_state(State::Established);
    let shared = Shared::new(limits());
    every_segment(|segment| {
        let header = lab.header(segment);
        let has = |flag| segment.flags.contains(flag);
        let refusal = tcp::refuse(&header, segment.len).map(|header| seen(&header, 0));
        match refusal {
            None => assert!(has(Flags::RST)),
            Some(reset) if has(Flags::ACK) => {
                assert_eq!((reset.flags, reset.seq), (Flags::RST, segment.ack));
            }
            Some(reset) => {
                let len = i64::from(segment.len)
                    + i64::from(has(Flags::SYN))
                    + i64::from(has(Flags::FIN));
                assert_eq!(reset.flags, Flags::RST | ACK);
                assert_eq!(reset.ack, wrapped(segment.seq + len));
            }
        }
        // *Reading*: a SYN that says FIN as well is no opening.
        let opens = has(Flags::SYN) && !has(ACK) && !has(Flags::RST) && !has(Flags::FIN);
        let entry = SynEntry::from_syn(&header, &setup(), &shared, 0, lab.now);
        assert_eq!(entry.is_ok(), opens, "{segment:?}");
    });
}

/// A position as the lab sees it: within half the circle.
fn wrapped(position: i64) -> i64 {
    i64::from(position as i32)
}

#[test]
fn in_time_wait() {
    let (mut lab, _) = in_state(State::FinWait2);
    let _ = lab.take(seg(FIN, 2, 8).window(WINDOW));
    assert_eq!(lab.sent().len(), 1);
    let record = lab.connection.time_wait(&lab.shared, lab.now).unwrap();
    let before = record.deadline();
    lab.pass(1_000);
    every_segment(|segment| {
        let mut record = record;
        lab.shared = Shared::new(limits());
        let header = lab.header(segment);
        let outcome = record.input(&mut lab.shared, &header, segment.len, lab.now);
        let has = |flag| segment.flags.contains(flag);
        let reply = match outcome {
            TimeWaitOutcome::Reply(header, _) => Some(answer(&seen(&header, 0))),
            TimeWaitOutcome::Drop(_) | TimeWaitOutcome::Reuse => None,
        };
        let acknowledges = Some(Answer::Ack { seq: 8, ack: 3 });
        if has(Flags::RST) {
            // RFC 1337 section 3: nobody ends it early.
            assert_eq!((reply, outcome == TimeWaitOutcome::Reuse), (None, false));
        } else if has(Flags::SYN) && !has(ACK) {
            // RFC 6191 without timestamps: a later number than all that the peer used.
            let is_later = wrapped(segment.seq - 3) > 0;
            assert_eq!(outcome == TimeWaitOutcome::Reuse, is_later, "{segment:?}");
            assert_eq!(reply, acknowledges.filter(|_| !is_later), "{segment:?}");
        } else {
            let is_bare = segment.len == 0 && !has(Flags::FIN) && !has(Flags::SYN);
            let is_silent = is_bare && segment.seq == 3;
            assert_eq!(reply, acknowledges.filter(|_| !is_silent), "{segment:?}");
        }
        let may_open = has(Flags::SYN) && !has(ACK);
        let is_fin = has(Flags::FIN) && !has(Flags::RST) && !may_open;
        let starts_again = is_fin && segment.seq + i64::from(segment.len) + 1 == 3;
        assert_eq!(record.deadline() > before, starts_again, "{segment:?}");
    });
}
