//! Passive open: RFC 9293 sections 3.10.7.2 and 3.10.7.4 for SYN-RECEIVED; RFC 5961.

use tcp::{Connection, Instant, Shared, SynEntry, SynOutcome};
use wire::Drop;
use wire::tcp::{Flags, Header};

use crate::lab::{ACK, FIN, Lab, RST, SYN, Seg, data, limits, seen, seg, setup};

struct HalfOpen {
    shared: Shared,
    entry: SynEntry,
    now: Instant,
    lab: Lab,
}

impl HalfOpen {
    fn new(room: u64) -> Self {
        let lab = Lab::connecting();
        let shared = Shared::new(limits());
        let mut syn = lab.header(seg(SYN, -1, 0).window(5_000));
        syn.options.mss = Some(900);
        let entry = SynEntry::from_syn(&syn, &setup(), &shared, room, lab.now).unwrap();
        Self {
            shared,
            entry,
            now: lab.now,
            lab,
        }
    }

    fn input(&mut self, segment: Seg) -> SynOutcome {
        let header: Header = self.lab.header(segment);
        self.entry.input(&mut self.shared, &header, self.now)
    }
}

// RFC 9293: MUST-14
#[test]
fn the_answer_to_a_syn() {
    let mut half = HalfOpen::new(3_000);
    let header = half.entry.output(half.now).unwrap();
    assert_eq!(seen(&header, 0), seg(SYN | ACK, -1, 0).window(3_000));
    assert_eq!(header.options.mss, Some(1_000));
    assert_eq!(
        header.options.window_scale, None,
        "the SYN did not offer it"
    );
    assert_eq!(half.entry.output(half.now), None);
}

#[test]
fn only_a_plain_syn_begins() {
    let lab = Lab::connecting();
    let shared = Shared::new(limits());
    for flags in [
        Flags::NONE,
        ACK,
        RST,
        FIN,
        SYN | ACK,
        SYN | RST,
        SYN | Flags::FIN,
    ] {
        let header = lab.header(seg(flags, -1, 0));
        let result = SynEntry::from_syn(&header, &setup(), &shared, 0, lab.now);
        assert_eq!(result.err(), Some(Drop::TcpBadHandshake), "{flags}");
    }
}

#[test]
fn the_last_acknowledgement_may_bring_data() {
    let mut half = HalfOpen::new(3_000);
    let last = data(0, 500, 0);
    assert_eq!(half.input(last), SynOutcome::Complete);
    let mut connection = Connection::from(half.entry.open(half.now));
    connection.give_room(3_000, half.now);
    let header = half.lab.header(last);
    let outcome = connection.input(&mut half.shared, &header, 500, half.now);
    assert_eq!((outcome.advanced, outcome.drop), (500, None));
    let info = connection.info(&half.shared);
    assert_eq!((info.mss, info.send_window), (900, 10_000));
}

// RFC 9293: MUST-11
/// RFC 9293 section 3.10.7.4 in SYN-RECEIVED: (segment, outcome, whether the SYN-ACK goes again).
#[test]
fn what_a_half_open_connection_makes_of_segments() {
    let reset = |position| {
        let lab = Lab::connecting();
        let ours = lab.header(seg(RST, 0, position));
        tcp::refuse(&Header { flags: ACK, ..ours }, 0).unwrap()
    };
    let table = [
        (seg(SYN, -1, 0), SynOutcome::Drop(Drop::TcpDuplicate), true),
        (seg(ACK, 0, 0), SynOutcome::Complete, false),
        (seg(FIN, 0, 0), SynOutcome::Complete, false),
        (data(10, 5, 0), SynOutcome::Complete, false),
        (
            seg(ACK, -5, 0),
            SynOutcome::Drop(Drop::TcpOutOfWindow),
            true,
        ),
        (
            seg(ACK, 5_000, 0),
            SynOutcome::Drop(Drop::TcpOutOfWindow),
            true,
        ),
        (seg(RST, 0, 0), SynOutcome::Remove, false),
        (seg(RST, 1, 0), SynOutcome::Drop(Drop::TcpBadReset), true),
        (
            seg(RST, -1, 0),
            SynOutcome::Drop(Drop::TcpOutOfWindow),
            false,
        ),
        (
            seg(SYN, 5, 0),
            SynOutcome::Drop(Drop::TcpSynInConnection),
            true,
        ),
        (
            data(0, 5, 0).flags(Flags::PSH),
            SynOutcome::Drop(Drop::TcpNoAck),
            false,
        ),
        (
            seg(ACK, 0, 1),
            SynOutcome::Reply(reset(1), Drop::TcpBadHandshake),
            false,
        ),
        (
            seg(ACK, 0, -1),
            SynOutcome::Reply(reset(-1), Drop::TcpBadHandshake),
            false,
        ),
    ];
    for (segment, wanted, is_again) in table {
        let mut half = HalfOpen::new(3_000);
        assert!(half.entry.output(half.now).is_some());
        assert_eq!(half.input(segment), wanted, "{segment:?}");
        assert_eq!(
            half.entry.output(half.now).is_some(),
            is_again,
            "{segment:?}"
        );
    }
}

// RFC 9293: MUST-22
#[test]
fn the_answer_is_repeated_and_then_the_entry_expires() {
    let mut half = HalfOpen::new(0);
    let mut waits = Vec::new();
    loop {
        let answered = half.entry.output(half.now);
        let at = half.entry.next_deadline();
        waits.push(at.since(half.now).as_secs());
        half.now = at;
        if half.entry.fire(&half.shared, half.now) {
            break;
        }
        assert!(answered.is_some());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32]);
    assert_eq!(half.entry.output(half.now), None);
}

#[test]
fn confused_peers_share_a_budget_of_answers() {
    let shared = tcp::Limits {
        challenges_per_second: 3,
        ..limits()
    };
    let mut half = HalfOpen::new(0);
    half.shared = Shared::new(shared);
    assert!(half.entry.output(half.now).is_some());
    let mut answers = 0;
    for _ in 0..100 {
        let _ = half.input(seg(ACK, 50_000, 0));
        answers += u32::from(half.entry.output(half.now).is_some());
    }
    assert!((1..=4).contains(&answers), "{answers}");
}
