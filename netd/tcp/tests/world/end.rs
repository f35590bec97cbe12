//! One end: the connection in whatever shape it has, and a user with habits.

use std::time::Duration;

use tcp::{
    AcceptQueue, Connection, Events, Fate, Instant, Limits, Mss, Outcome, Seq, Setup, Shared,
    State, SynEntry, SynOutcome, TimeWait, TimeWaitOutcome, Tuning,
};
use wire::Drop;
use wire::tcp::{Flags, Header};

use super::check::{Knows, Told, assert_legal};
use super::{Packet, Random};

/// What the user of an end does.
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub connects: bool,
    /// Bytes to send in all, and how many at most are queued at once.
    pub bytes: u64,
    pub chunk: u32,
    /// How much room there is at most, and how much of it is given back at once.
    pub room: u32,
    pub room_step: u32,
    /// How long bytes may wait for the user to notice them.
    pub laziness: Duration,
    pub mss: u16,
    pub max_window: u32,
    pub max_payload: u32,
    pub has_timestamps: bool,
    pub is_nodelay: bool,
    /// Closes only when the peer has.
    pub closes_second: bool,
    /// Leaves, instead of closing, when everything is sent and received.
    pub leaves: bool,
    pub hole_lists: u32,
    pub busy_parts: u32,
    pub time_wait: Duration,
    pub patience: Duration,
}

/// The shapes that a connection goes through.
enum Shape {
    Listening,
    HalfOpen(SynEntry),
    Connected(Connection),
    TimeWait(TimeWait),
    Over,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    Reset,
    TimedOut,
}

pub struct End {
    side: usize,
    pub behaviour: Behaviour,
    shape: Shape,
    pub shared: Shared,
    random: Random,
    replies: Vec<Packet>,
    backlog: AcceptQueue<()>,
    memory: Vec<u8>,
    placed_to: u64,
    given: u64,
    /// Bytes in order; bytes that the user knows of; whether it knows of the end.
    pub in_order: u64,
    pub published: u64,
    is_fin_seen: bool,
    pub is_fin_published: bool,
    publish_at: Option<Instant>,
    queued: u64,
    pub acked: u64,
    pub ending: Option<Ending>,
    irs: Option<Seq>,
    told: Told,
    pub received: u64,
    pub drops: Vec<Drop>,
    pub path: Vec<State>,
}

/// The byte that `side` sends at `offset`.
pub fn byte_at(side: usize, offset: u64) -> u8 {
    let mixed = (offset + 7 * side as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 56) as u8
}

impl End {
    pub fn new(side: usize, seed: u64, behaviour: Behaviour, now: Instant) -> Self {
        let limits = Limits {
            max_window: behaviour.max_window,
            hole_lists: behaviour.hole_lists,
            busy_parts: behaviour.busy_parts,
            time_wait: behaviour.time_wait,
            challenges_per_second: 50,
            // An end that says nothing after the handshake would wait for ever if this gave up.
            syn_ack_retries: 30,
            user_timeout: behaviour.patience,
            ..Limits::default()
        };
        let mut end = Self {
            side,
            shape: Shape::Listening,
            shared: Shared::new(limits),
            random: Random::new(seed),
            replies: Vec::new(),
            backlog: AcceptQueue::new(1),
            memory: Vec::new(),
            placed_to: 0,
            given: 0,
            in_order: 0,
            published: 0,
            is_fin_seen: false,
            is_fin_published: false,
            publish_at: None,
            queued: 0,
            acked: 0,
            ending: None,
            irs: None,
            told: Told::default(),
            received: 0,
            drops: Vec::new(),
            path: Vec::new(),
            behaviour,
        };
        if end.behaviour.connects {
            let connection = Connection::connect(end.setup(), &end.shared, now);
            end.shape = Shape::Connected(connection);
        }
        end
    }

    fn setup(&mut self) -> Setup {
        Setup {
            isn: Seq::new(self.random.next() as u32),
            mss: Mss::at_least(self.behaviour.mss),
            peer_mss: Mss::DEFAULT_V4,
            timestamps: self
                .behaviour
                .has_timestamps
                .then(|| self.random.next() as u32),
            sack: true,
            ecn: false,
            tuning: self.tuning(),
        }
    }

    fn tuning(&self) -> Tuning {
        Tuning {
            is_nodelay: self.behaviour.is_nodelay,
            ..Tuning::default()
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.shape, Shape::Over)
    }

    pub fn connection(&self) -> Option<&Connection> {
        match &self.shape {
            Shape::Connected(connection) => Some(connection),
            _ => None,
        }
    }

    /// A packet arrives.
    pub fn input(&mut self, packet: &Packet, now: Instant) {
        self.received += 1;
        self.told.note_received(&packet.header);
        let len = packet.payload.len() as u32;
        match &mut self.shape {
            Shape::Over => {
                self.drops.push(Drop::TcpNoSocket);
                self.reply(tcp::refuse(&packet.header, len));
            }
            Shape::Listening => self.input_listening(packet, now),
            Shape::HalfOpen(entry) => match entry.input(&mut self.shared, &packet.header, now) {
                SynOutcome::Complete => {
                    let mut connection = Connection::from(entry.open(now));
                    let tuning = self.tuning();
                    assert!(connection.set_tuning(tuning, &mut self.shared, now));
                    self.backlog.complete(());
                    assert_eq!(self.backlog.pop(), Some(()));
                    self.shape = Shape::Connected(connection);
                    self.path.push(State::Established);
                    self.give_room(now);
                    self.input_connected(packet, now);
                }
                SynOutcome::Drop(reason) => self.drops.push(reason),
                SynOutcome::Reply(header, reason) => {
                    self.drops.push(reason);
                    self.reply(Some(header));
                }
                SynOutcome::Remove => {
                    self.backlog.release();
                    self.shape = Shape::Listening;
                }
            },
            Shape::Connected(_) => self.input_connected(packet, now),
            Shape::TimeWait(record) => {
                match record.input(&mut self.shared, &packet.header, len, now) {
                    TimeWaitOutcome::Drop(reason) => self.drops.push(reason),
                    TimeWaitOutcome::Reply(header, reason) => {
                        self.drops.push(reason);
                        self.reply(Some(header));
                    }
                    TimeWaitOutcome::Reuse => panic!("nobody opens a second connection"),
                }
            }
        }
    }

    fn input_listening(&mut self, packet: &Packet, now: Instant) {
        let setup = self.setup();
        let room = u64::from(self.behaviour.room);
        match SynEntry::from_syn(&packet.header, &setup, &self.shared, room, now) {
            Ok(entry) if self.backlog.reserve() => {
                self.irs = Some(Seq::new(packet.header.seq));
                self.shape = Shape::HalfOpen(entry);
            }
            Ok(_) => self.drops.push(Drop::TcpAcceptOverflow),
            Err(reason) => {
                self.drops.push(reason);
                self.reply(tcp::refuse(&packet.header, packet.payload.len() as u32));
            }
        }
    }

    fn input_connected(&mut self, packet: &Packet, now: Instant) {
        let Shape::Connected(connection) = &mut self.shape else {
            return;
        };
        if packet.header.flags.contains(Flags::SYN) && self.irs.is_none() {
            self.irs = Some(Seq::new(packet.header.seq));
        }
        let len = packet.payload.len() as u32;
        let before = self.drops.len();
        let outcome = connection.input(&mut self.shared, &packet.header, len, now);
        assert!(
            outcome.drop.is_none() || outcome.place.is_none(),
            "dropped, and delivered"
        );
        self.take(outcome, &packet.payload, now);
        assert!(self.drops.len() <= before + 1);
    }

    fn take(&mut self, outcome: Outcome, payload: &[u8], now: Instant) {
        if let Some(place) = outcome.place {
            let end = place.stream_offset + u64::from(place.len);
            assert!(end <= self.given, "placed beyond the room");
            assert!(
                place.stream_offset >= self.in_order,
                "placed over what is in order"
            );
            assert!(place.len > 0);
            let (skip, len) = (place.skip as usize, place.len as usize);
            let start = place.stream_offset as usize;
            if self.memory.len() < end as usize {
                self.memory.resize(end as usize, 0);
            }
            self.memory[start..start + len].copy_from_slice(&payload[skip..skip + len]);
            self.placed_to = self.placed_to.max(end);
        }
        if outcome.advanced > 0 {
            let start = self.in_order;
            self.in_order += outcome.advanced;
            assert!(
                self.in_order <= self.placed_to,
                "in order, but never placed"
            );
            assert!(!self.is_fin_seen, "bytes after the end");
            for offset in start..self.in_order {
                let byte = self.memory[offset as usize];
                assert_eq!(
                    byte,
                    byte_at(1 - self.side, offset),
                    "byte {offset} is wrong"
                );
            }
            self.notice_later(now);
        }
        self.acked += outcome.acked;
        assert!(
            self.acked <= self.queued,
            "more was acknowledged than queued"
        );
        for step in outcome.steps.iter() {
            assert_legal(step);
            self.path.push(step.to);
        }
        let has = |event| outcome.events.contains(event);
        if has(Events::PEER_FIN) {
            assert!(!self.is_fin_seen, "the end came twice");
            self.is_fin_seen = true;
            self.notice_later(now);
        }
        if has(Events::FIN_ACKNOWLEDGED) {
            assert_eq!(self.acked, self.queued);
        }
        if has(Events::RESET) {
            self.ending = Some(Ending::Reset);
        }
        if has(Events::TIMED_OUT) {
            self.ending = Some(Ending::TimedOut);
        }
        self.drops.extend(outcome.drop);
        self.reply(outcome.reply.map(tcp::Reset::header));
    }

    fn reply(&mut self, header: Option<Header>) {
        self.replies.extend(header.map(|header| Packet {
            header,
            payload: Vec::new(),
        }));
    }

    fn notice_later(&mut self, now: Instant) {
        let nanoseconds = self.behaviour.laziness.as_nanos() as u64;
        let wait = Duration::from_nanos(self.random.below(nanoseconds + 1));
        self.publish_at.get_or_insert(now + wait);
    }

    fn give_room(&mut self, now: Instant) {
        let Shape::Connected(connection) = &mut self.shape else {
            return;
        };
        let most = self.published + u64::from(self.behaviour.room);
        let more = most.saturating_sub(self.given);
        if more >= u64::from(self.behaviour.room_step) {
            self.given = most;
            connection.give_room(more as u32, now);
        }
    }

    /// The user does what it can.
    pub fn act(&mut self, now: Instant) {
        if let Shape::HalfOpen(entry) = &mut self.shape
            && entry.fire(&self.shared, now)
        {
            self.backlog.release();
            self.shape = Shape::Listening;
        }
        if let Shape::TimeWait(record) = &self.shape
            && record.deadline() <= now
        {
            self.shape = Shape::Over;
            self.ending = Some(Ending::Done);
        }
        let Shape::Connected(connection) = &mut self.shape else {
            return;
        };
        let outcome = connection.fire(&mut self.shared, now);
        self.take(outcome, &[], now);
        if self.publish_at.is_some_and(|at| at <= now) {
            self.publish_at = None;
            self.published = self.in_order;
            self.is_fin_published = self.is_fin_seen;
            if let Shape::Connected(connection) = &mut self.shape {
                connection.publish(self.published, now);
                if self.is_fin_seen {
                    let outcome = connection.publish_fin(&mut self.shared, now);
                    self.take(outcome, &[], now);
                }
            }
        }
        self.give_room(now);
        self.send_more(now);
        self.retire(now);
    }

    fn send_more(&mut self, now: Instant) {
        let Shape::Connected(connection) = &mut self.shape else {
            return;
        };
        let most = self
            .behaviour
            .bytes
            .min(self.acked + u64::from(self.behaviour.chunk));
        if self.queued < most {
            connection.queue((most - self.queued) as u32);
            self.queued = most;
        }
        let may_close = !self.behaviour.closes_second || self.is_fin_published;
        if self.queued == self.behaviour.bytes && may_close {
            let is_all_here = self.is_fin_published && self.acked == self.queued;
            let outcome = if self.behaviour.leaves && is_all_here {
                connection.orphan(&mut self.shared, now)
            } else {
                connection.close()
            };
            self.take(outcome, &[], now);
        }
    }

    /// The connection changes its shape when its time has come.
    fn retire(&mut self, now: Instant) {
        let Shape::Connected(connection) = &mut self.shape else {
            return;
        };
        match connection.fate() {
            Fate::Continues => return,
            Fate::TimeWait => {
                let record = connection.time_wait(&self.shared, now);
                self.shape = Shape::TimeWait(record.expect("its fate is TIME-WAIT"));
            }
            Fate::Closed => {
                self.shape = Shape::Over;
                self.ending.get_or_insert(Ending::Done);
            }
        }
        assert_eq!(self.shared.hole_lists_in_use(), 0, "a list was kept");
        assert_eq!(self.shared.busy_parts_in_use(), 0, "a part was kept");
    }

    /// Everything that the end has to send.
    pub fn drain_output(&mut self, now: Instant) -> Vec<Packet> {
        let mut packets = std::mem::take(&mut self.replies);
        let knows = Knows {
            bytes: self.published,
            end: self.is_fin_published,
        };
        match &mut self.shape {
            Shape::HalfOpen(entry) => {
                packets.extend(entry.output(now).map(|header| Packet {
                    header,
                    payload: Vec::new(),
                }));
            }
            Shape::Connected(connection) => {
                let most = self.behaviour.max_payload;
                let mut count = 0;
                while let Some(emit) = connection.output(&mut self.shared, most, now) {
                    count += 1;
                    assert!(count < 100_000, "output never ends");
                    assert!(emit.len <= most.max(u32::from(emit.segment_len)));
                    let end = emit.stream_offset + u64::from(emit.len);
                    assert!(
                        emit.len == 0 || end <= self.queued,
                        "sent what was never queued"
                    );
                    assert!(emit.len == 0 || emit.stream_offset >= self.acked);
                    packets.extend(cut(self.side, &emit));
                }
                assert_eq!(connection.output(&mut self.shared, most, now), None);
            }
            Shape::Listening | Shape::TimeWait(_) | Shape::Over => {}
        }
        for packet in &packets {
            self.told.check_sent(
                &packet.header,
                packet.payload.len() as u32,
                &knows,
                self.irs,
            );
        }
        self.retire(now);
        packets
    }

    /// When something is to be done without a packet.
    pub fn next_wake(&self, now: Instant) -> Option<Instant> {
        let deadline = match &self.shape {
            Shape::Listening | Shape::Over => None,
            Shape::HalfOpen(entry) => Some(entry.next_deadline()),
            Shape::Connected(connection) => connection.next_deadline(&self.shared),
            Shape::TimeWait(record) => Some(record.deadline()),
        };
        let publish_at = self.publish_at.filter(|_| self.connection().is_some());
        [deadline, publish_at]
            .into_iter()
            .flatten()
            .min()
            .map(|at| {
                // Whatever is due was done; only a later time is of interest.
                at.max(now)
            })
    }
}

/// A super-segment, cut as a network card would.
fn cut(side: usize, emit: &tcp::Emit) -> Vec<Packet> {
    let bytes: Vec<u8> = (0..u64::from(emit.len))
        .map(|offset| byte_at(side, emit.stream_offset + offset))
        .collect();
    if bytes.is_empty() {
        return vec![Packet {
            header: emit.header,
            payload: bytes,
        }];
    }
    let size = usize::from(emit.segment_len);
    let last = (bytes.len() - 1) / size;
    bytes
        .chunks(size)
        .enumerate()
        .map(|(place, chunk)| {
            let mut header = emit.header;
            header.seq = header.seq.wrapping_add((place * size) as u32);
            if place != last {
                header.flags = header.flags.without(Flags::FIN | Flags::PSH);
            }
            Packet {
                header,
                payload: chunk.to_vec(),
            }
        })
        .collect()
}
