//! What must hold in any conversation, whatever the peer sends and the user does, in whichever
//! order and at whichever time. The conversation is written in bytes, so that tests and fuzz
//! targets can make one up: any bytes are one.
#![allow(dead_code, reason = "every user needs another part")]

#[allow(
    clippy::let_underscore_must_use,
    reason = "a script looks at what it is about"
)]
#[path = "../rfc/lab.rs"]
mod lab;
mod script;
mod streams;

use std::time::Duration;

use tcp::{
    Connection, Emit, Events, Fate, Instant, Limits, Outcome, Record, Setup, State, Step, SynEntry,
    SynOutcome, TimeWaitOutcome,
};
use wire::tcp::{Flags, Header, Timestamps};

use lab::{ACK, Lab, SYN, Seg, seen, seg};
use script::Bytes;
use streams::Streams;

/// What was seen so far, to which everything that follows must fit.
struct Watch {
    streams: Streams,
    knows_of_fin: bool,
    has_closed: bool,
    has_left: bool,
    state: State,
    /// The largest acknowledgement number that we have sent, and the right edge that it told.
    told: Option<(i64, i64)>,
    scale: u8,
    /// Where the peer's first byte stands: a peer may begin anywhere.
    base: i64,
}

impl Watch {
    fn new(state: State) -> Self {
        Self {
            streams: Streams::default(),
            knows_of_fin: false,
            has_closed: false,
            has_left: false,
            state,
            told: None,
            scale: 0,
            base: 0,
        }
    }

    /// What a call says must fit to all that was said before.
    fn outcome(&mut self, outcome: &Outcome, payload: u32) {
        self.streams.outcome(outcome, payload);
        for Step { from, to, .. } in outcome.steps.iter() {
            assert_eq!(from, self.state, "a step is missing");
            assert!(is_arrow(from, to), "{from:?} to {to:?}");
            self.state = to;
        }
    }

    /// What is sent must be covered by what the user has queued and by what it knows.
    fn emitted(&mut self, emit: &Emit, published: u64) {
        let seen = seen(&emit.header, emit.len);
        if emit.len > 0 {
            assert!(emit.stream_offset >= self.streams.acked);
            assert!(emit.stream_offset + u64::from(emit.len) <= self.streams.queued);
            assert_eq!(seen.seq, wrapped(emit.stream_offset));
        }
        if !seen.flags.contains(ACK) || seen.flags.contains(SYN) {
            return;
        }
        // No acknowledgement of what nobody knows of, and never less than before.
        let seen_ack = i64::from((seen.ack as i32).wrapping_sub(self.base as i32));
        let knows_of_fin = self.knows_of_fin || (self.has_left && self.streams.has_finished);
        let knows = i64::try_from(published).unwrap() + i64::from(knows_of_fin);
        assert!(seen_ack <= knows, "{seen_ack} acknowledged, {knows} known");
        let edge = seen_ack + (i64::from(seen.window) << self.scale);
        if let Some((ack, told)) = self.told {
            assert!(seen_ack >= ack, "acknowledgements go back");
            // But for the unit of the scale (RFC 7323 section 2.4).
            assert!(
                self.streams.has_finished || edge + (1 << self.scale) > told,
                "the window shrinks from {told} to {edge}"
            );
        }
        self.told = Some((seen_ack, edge));
    }
}

/// A position as the lab sees it.
fn wrapped(position: u64) -> i64 {
    i64::from((position as u32).cast_signed())
}

/// Figure 5 of RFC 9293, with note 2, and the ends that every state has.
fn is_arrow(from: State, to: State) -> bool {
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, SynReceived, SynSent,
        TimeWait,
    };
    to == Closed
        || matches!(
            (from, to),
            (SynSent, SynReceived | Established)
                | (SynReceived, Established)
                | (Established, FinWait1 | CloseWait)
                | (FinWait1, FinWait2 | Closing)
                | (FinWait2 | Closing, TimeWait)
                | (CloseWait, LastAck)
        )
}

/// Holds one conversation. Returns how many segments and calls it had.
pub fn conversation(bytes: &[u8]) -> u32 {
    let mut bytes = Bytes::new(bytes);
    let kind = bytes.byte();
    let mut limits = Limits {
        max_window: [10_000, 65_535, 1 << 20, 1 << 30][usize::from(kind & 3)],
        hole_lists: bytes.choose(&[2, 1, 0]),
        ..lab::limits()
    };
    limits.busy_parts = bytes.choose(&[2, 1, 0]);
    let setup = Setup {
        timestamps: (kind & 4 != 0).then_some(9),
        sack: kind & 8 != 0,
        ecn: kind & 16 != 0,
        tuning: lab::nodelay(kind & 32 != 0),
        ..lab::setup()
    };
    let mut lab = Lab::with(setup, limits);
    lab.max_payload = bytes.choose(&[1_000, 65_535, 1]);
    let mut watch = Watch::new(lab.state());
    if kind & 64 != 0 && !accept(&mut lab, &mut watch, &mut bytes, setup) {
        return 0;
    }
    if kind & 128 != 0 {
        establish(&mut lab, &mut watch, setup);
    }
    let mut count = 0;
    while let Some(what) = bytes.next() {
        count += 1;
        match what % 16 {
            0..=8 => arrive(&mut lab, &mut watch, &mut bytes),
            9 => {
                let room = bytes.choose(&[1, 100, 1_000, 60_000]);
                lab.connection.give_room(room, lab.now);
                watch.streams.given += u64::from(room);
            }
            10 => queue(&mut lab, &mut watch, &mut bytes),
            11 => publish(&mut lab, &mut watch, &mut bytes),
            12 => leave(&mut lab, &mut watch, &mut bytes),
            13 => {
                let time = u64::from(bytes.word()) * bytes.choose(&[1, 100, 10_000]);
                lab.now = lab.now + Duration::from_micros(time);
                fire(&mut lab, &mut watch);
            }
            14 => {
                lab.now = lab
                    .connection
                    .next_deadline(&lab.shared)
                    .unwrap_or(lab.now)
                    .max(lab.now);
                fire(&mut lab, &mut watch);
            }
            _ => forget(&mut lab),
        }
        drain(&mut lab, &mut watch);
        assert_eq!(lab.state(), watch.state);
        if lab.connection.fate() != Fate::Continues {
            ended(&lab);
            return count + linger(&mut lab, &mut bytes);
        }
    }
    let outcome = lab.connection.abort(&mut lab.shared);
    watch.outcome(&outcome, 0);
    ended(&lab);
    count
}

/// The handshake goes well, and all that we offer is taken.
fn establish(lab: &mut Lab, watch: &mut Watch, setup: Setup) {
    if lab.state() != State::SynSent {
        return;
    }
    drain(lab, watch);
    let mut header = lab.header(seg(SYN | ACK, -1, 0));
    header.options.mss = Some(1_000);
    header.options.window_scale = Some(2);
    header.options.sack_permitted = setup.sack;
    header.options.timestamps = setup.timestamps.map(|echo| Timestamps { value: 1, echo });
    let outcome = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    watch.outcome(&outcome, 0);
    assert_eq!(lab.state(), State::Established);
    watch.scale = lab.info().window_scales.1;
}

/// What remains of a connection in TIME-WAIT says the same thing, whatever it hears.
fn linger(lab: &mut Lab, bytes: &mut Bytes<'_>) -> u32 {
    let Some(mut record) = lab.connection.time_wait(&lab.shared, lab.now) else {
        return 0;
    };
    let mut count = 0;
    let mut said = None;
    while bytes.next().is_some() {
        count += 1;
        let before = record.deadline();
        lab.now = lab.now + Duration::from_millis(bytes.byte().into());
        let segment = segment(lab, 0, bytes);
        let mut header = lab.header(segment);
        options(&mut header, bytes);
        let outcome = record.input(&mut lab.shared, &header, segment.len, lab.now);
        assert!(record.deadline() >= before, "TIME-WAIT is cut short");
        match outcome {
            TimeWaitOutcome::Reply(reply, _) => {
                let now = (reply.seq, reply.ack, reply.flags);
                assert_eq!(*said.get_or_insert(now), now);
            }
            TimeWaitOutcome::Drop(_) => {}
            TimeWaitOutcome::Reuse => return count,
        }
    }
    count
}

/// The connection comes out of a listener, if what arrives completes its handshake.
fn accept(lab: &mut Lab, watch: &mut Watch, bytes: &mut Bytes<'_>, setup: Setup) -> bool {
    let mut syn = lab.header(seg(SYN, -1, 0).window(u32::from(bytes.word())));
    options(&mut syn, bytes);
    let room = u64::from(bytes.word());
    let entry = SynEntry::from_syn(&syn, &setup, &lab.shared, room, lab.now);
    let Ok(mut entry) = entry else { return false };
    for _ in 0..8 {
        let _: Option<Header> = entry.output(lab.now);
        let segment = segment(lab, 0, bytes);
        let mut header = lab.header(segment);
        options(&mut header, bytes);
        match entry.input(&mut lab.shared, &header, lab.now) {
            SynOutcome::Complete => {
                lab.connection = Connection::from(entry.open(lab.now));
                lab.connection.give_room(segment.window, lab.now);
                watch.streams.given = segment.window.into();
                watch.state = lab.state();
                return true;
            }
            SynOutcome::Remove => return false,
            SynOutcome::Drop(_) | SynOutcome::Reply(..) => {}
        }
        if bytes.byte() & 1 != 0 {
            lab.now = entry.next_deadline().max(lab.now);
            if entry.fire(&lab.shared, lab.now) {
                return false;
            }
        }
    }
    false
}

/// Some segment: mostly with numbers that fit, or nearly.
fn segment(lab: &Lab, base: i64, bytes: &mut Bytes<'_>) -> Seg {
    let flags = match bytes.byte() {
        bits @ 0..=63 => Flags::from_bits(bits.into()),
        64..=159 => ACK,
        160..=191 => ACK | Flags::PSH,
        192..=207 => ACK | Flags::FIN,
        208..=223 => SYN | ACK,
        224..=239 => ACK | Flags::URG,
        _ => ACK | Flags::ECE | Flags::CWR,
    };
    let opening = matches!(lab.state(), State::SynSent | State::SynReceived);
    let is_first = opening && flags.contains(SYN);
    let next = base + lab.connection.received().cast_signed() - i64::from(is_first);
    let info = lab.info();
    let unacknowledged = lab.connection.acknowledged().cast_signed();
    let sent = unacknowledged + i64::from(info.in_flight);
    let seq = match bytes.byte() & 7 {
        0..=2 => next,
        3 => next + i64::from(bytes.byte()) - 128,
        4 => next + i64::from(bytes.word()),
        5 => next + i64::from(info.receive_window),
        6 => next - i64::from(bytes.word()),
        _ => i64::from(bytes.long().cast_signed()),
    };
    let ack = match bytes.byte() & 7 {
        0..=2 => sent,
        3 => unacknowledged,
        4 => unacknowledged + i64::from(bytes.word()),
        5 => sent + 1,
        6 => unacknowledged - i64::from(bytes.word()),
        _ => i64::from(bytes.long().cast_signed()),
    };
    Seg {
        flags,
        seq,
        ack,
        len: match bytes.byte() & 7 {
            0..=2 => 0,
            3 => 1,
            4 | 5 => 1_000,
            6 => 65_535,
            _ => bytes.word().into(),
        },
        window: bytes.choose(&[10_000, 65_535, 0, 1, 500]),
    }
}

/// Options as a peer may have them.
fn options(header: &mut Header, bytes: &mut Bytes<'_>) {
    let which = bytes.byte();
    let options = &mut header.options;
    if which & 1 != 0 {
        let (value, echo) = (bytes.word().into(), bytes.word().into());
        options.timestamps = Some(Timestamps { value, echo });
    }
    if which & 2 != 0 {
        options.mss = Some(bytes.word());
    }
    if which & 4 != 0 {
        options.window_scale = Some(bytes.byte());
    }
    options.sack_permitted = which & 8 != 0;
    if which & 16 != 0 {
        let near = header.ack;
        options.sack = (0..which >> 6)
            .map(|_| {
                let left = near.wrapping_add(bytes.word().into());
                let right = left.wrapping_add(bytes.word().into());
                wire::tcp::SackBlock { left, right }
            })
            .collect();
    }
    header.urgent = if which & 32 != 0 { bytes.word() } else { 0 };
}

fn arrive(lab: &mut Lab, watch: &mut Watch, bytes: &mut Bytes<'_>) {
    let segment = segment(lab, watch.base, bytes);
    let mut header = lab.header(segment);
    options(&mut header, bytes);
    let was_opening = matches!(lab.state(), State::SynSent | State::SynReceived);
    let len = segment.len;
    let outcome = lab.connection.input(&mut lab.shared, &header, len, lab.now);
    if watch.state == State::SynSent
        && segment.flags.contains(SYN)
        && outcome.steps.iter().next().is_some()
    {
        watch.base = segment.seq + 1;
    }
    watch.outcome(&outcome, len);
    if was_opening && outcome.events.contains(Events::ESTABLISHED) {
        watch.scale = lab.info().window_scales.1;
    }
}

fn queue(lab: &mut Lab, watch: &mut Watch, bytes: &mut Bytes<'_>) {
    let count = bytes.choose(&[1, 100, 5_000, 100_000]);
    lab.connection.queue(count);
    // After a close nothing more is taken.
    if !watch.has_closed {
        watch.streams.queued += u64::from(count);
    }
}

fn publish(lab: &mut Lab, watch: &mut Watch, bytes: &mut Bytes<'_>) {
    let all = lab.connection.received();
    match bytes.byte() & 3 {
        0 => lab.connection.publish(all, lab.now),
        1 => lab
            .connection
            .publish(all.saturating_sub(bytes.word().into()), lab.now),
        2 => lab.connection.publish(u64::MAX, lab.now),
        _ => {
            let outcome = lab.connection.publish_fin(&mut lab.shared, lab.now);
            watch.knows_of_fin |= watch.streams.has_finished;
            watch.outcome(&outcome, 0);
        }
    }
}

fn leave(lab: &mut Lab, watch: &mut Watch, bytes: &mut Bytes<'_>) {
    let outcome = match bytes.byte() {
        0..=99 => {
            watch.has_closed = true;
            lab.connection.close()
        }
        // The user is gone: what comes is refused, and the FIN needs nobody.
        100..=119 => {
            watch.has_closed = true;
            watch.has_left = true;
            lab.connection.orphan(&mut lab.shared, lab.now)
        }
        120..=123 => lab.connection.abort(&mut lab.shared),
        other => {
            lab.tune(lab::nodelay(other & 1 != 0));
            return;
        }
    };
    watch.outcome(&outcome, 0);
}

fn fire(lab: &mut Lab, watch: &mut Watch) {
    let outcome = lab.connection.fire(&mut lab.shared, lab.now);
    watch.outcome(&outcome, 0);
}

/// The durable record is always one that can be believed.
fn forget(lab: &mut Lab) {
    if let Some(record) = lab.connection.record(lab.connection.published()) {
        let restored = Record::from_bytes(*record.as_bytes()).restore(lab.now);
        assert!(restored.is_ok(), "{restored:?}");
    }
}

/// Everything that can be sent is sent, and it is not without end.
fn drain(lab: &mut Lab, watch: &mut Watch) {
    let published = lab.connection.published();
    for round in 0.. {
        assert!(round < 300_000, "output never ends");
        let emit = lab
            .connection
            .output(&mut lab.shared, lab.max_payload, lab.now);
        let Some(emit) = emit else { break };
        watch.emitted(&emit, published);
    }
    // Nothing that is due stays due.
    for round in 0.. {
        let due = lab
            .connection
            .next_deadline(&lab.shared)
            .is_some_and(|at| at <= lab.now);
        if !due || lab.connection.fate() != Fate::Continues {
            break;
        }
        assert!(round < 8, "a timer fires for ever");
        fire(lab, watch);
    }
}

fn ended(lab: &Lab) {
    assert_eq!(lab.shared.hole_lists_in_use(), 0);
    assert_eq!(lab.shared.busy_parts_in_use(), 0);
    assert_eq!(lab.connection.next_deadline(&lab.shared), None::<Instant>);
}
