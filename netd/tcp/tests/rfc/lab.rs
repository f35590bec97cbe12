//! The bench: a connection, a clock, and segments with numbers counted from zero.
//!
//! In what is injected and in what is seen, `seq` and `ack` count from each side's first byte, so
//! that scripts read like the streams they talk about.

use std::time::Duration;

use tcp::{
    Algorithm, Connection, Events, Instant, Limits, Mss, Outcome, Seq, Setup, Shared, State, Tuning,
};
use wire::tcp::{Flags, Header, Options, SackBlock, Timestamps};

/// Our first number and the peer's: both near the wrap, where mistakes show.
pub const OUR_ISN: Seq = Seq::new(u32::MAX - 100);
pub const PEER_ISN: Seq = Seq::new(u32::MAX - 2_000);

pub const ACK: Flags = Flags::ACK;
pub const FIN: Flags = Flags::FIN.union(Flags::ACK);
pub const RST: Flags = Flags::RST;
pub const SYN: Flags = Flags::SYN;
pub const PSH: Flags = Flags::PSH.union(Flags::ACK);

/// A segment as scripts write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seg {
    pub flags: Flags,
    /// Positions, counted from each side's first byte; -1 is its SYN.
    pub seq: i64,
    pub ack: i64,
    pub len: u32,
    pub window: u32,
}

/// A segment without payload.
pub fn seg(flags: Flags, seq: i64, ack: i64) -> Seg {
    Seg {
        flags,
        seq,
        ack,
        len: 0,
        window: 10_000,
    }
}

/// A segment with payload.
pub fn data(seq: i64, len: u32, ack: i64) -> Seg {
    Seg {
        len,
        ..seg(ACK, seq, ack)
    }
}

impl Seg {
    pub fn window(self, window: u32) -> Self {
        Self { window, ..self }
    }

    pub fn flags(self, flags: Flags) -> Self {
        Self { flags, ..self }
    }
}

pub struct Lab {
    pub shared: Shared,
    pub connection: Connection,
    pub now: Instant,
    pub max_payload: u32,
    pub timestamps: Option<Timestamps>,
    /// What arriving segments report, and what the last one sent did, in positions.
    pub reports: Vec<(i64, i64)>,
    pub reported: Vec<(i64, i64)>,
}

pub fn setup() -> Setup {
    Setup {
        isn: OUR_ISN,
        mss: Mss::at_least(1_000),
        peer_mss: Mss::DEFAULT_V4,
        timestamps: None,
        sack: false,
        ecn: false,
        tuning: Tuning::default(),
    }
}

impl Lab {
    /// The user chooses.
    pub fn tune(&mut self, tuning: Tuning) {
        let is_done = self
            .connection
            .set_tuning(tuning, &mut self.shared, self.now);
        assert!(is_done, "no watch left");
    }
}

/// With Nagle's algorithm or without.
pub fn nodelay(is_nodelay: bool) -> Tuning {
    Tuning {
        is_nodelay,
        ..Tuning::default()
    }
}

pub fn limits() -> Limits {
    // No scaling: windows in scripts are bytes.
    Limits {
        max_window: 65_535,
        hole_lists: 2,
        // The simplest, so that scripts can be followed.
        congestion_control: Algorithm::NewReno,
        is_paced: false,
        ..Limits::default()
    }
}

impl Lab {
    /// A connection whose SYN is about to be sent.
    pub fn connecting() -> Self {
        Self::with(setup(), limits())
    }

    pub fn with(setup: Setup, limits: Limits) -> Self {
        let now = Instant::from_secs(100);
        let shared = Shared::new(limits);
        let connection = Connection::connect(setup, &shared, now);
        Self {
            shared,
            connection,
            now,
            max_payload: 1_000,
            timestamps: None,
            reports: Vec::new(),
            reported: Vec::new(),
        }
    }

    /// An open connection with room for 10,000 bytes, to a peer that offers 10,000; nothing to be
    /// sent or acknowledged; the peer's MSS is 1,000; round trips take 10 ms.
    pub fn established() -> Self {
        Self::established_with(setup(), limits())
    }

    pub fn established_with(setup: Setup, limits: Limits) -> Self {
        let mut lab = Self::with(setup, limits);
        lab.open(&setup);
        lab
    }

    /// The same, with selective acknowledgements agreed.
    pub fn selective() -> Self {
        let setup = Setup {
            sack: true,
            ..setup()
        };
        Self::established_with(setup, limits())
    }

    /// The peer agrees to the connection, 10 ms after it was asked.
    pub fn open(&mut self, agreed: &Setup) {
        self.connection.give_room(10_000, self.now);
        assert_eq!(self.sent().len(), 1);
        self.pass(10);
        let mut header = self.header(seg(SYN | ACK, -1, 0));
        if agreed.ecn {
            header.flags |= Flags::ECE;
        }
        header.options.mss = Some(1_000);
        header.options.sack_permitted = agreed.sack;
        let outcome = self
            .connection
            .input(&mut self.shared, &header, 0, self.now);
        assert!(outcome.events.contains(Events::ESTABLISHED));
        assert_eq!(self.sent(), [seg(ACK, 0, 0)]);
    }

    /// An open connection with quick acknowledgements used up by 16 segments of one byte.
    pub fn settled() -> Self {
        let mut lab = Self::established();
        lab.connection.give_room(16, lab.now);
        for place in 0..16 {
            let outcome = lab.take(data(place, 1, 0));
            assert_eq!(outcome.advanced, 1);
            assert_eq!(lab.sent().len(), 1);
        }
        lab
    }

    pub fn header(&self, segment: Seg) -> Header {
        let number = |isn: Seq, position: i64| isn.plus(1).at(position.cast_unsigned()).get();
        Header {
            src_port: 7,
            dst_port: 8,
            seq: number(PEER_ISN, segment.seq),
            ack: number(OUR_ISN, segment.ack),
            flags: segment.flags,
            window: segment.window as u16,
            urgent: 0,
            options: Options {
                timestamps: self.timestamps,
                sack: self
                    .reports
                    .iter()
                    .map(|(start, end)| SackBlock {
                        left: number(OUR_ISN, *start),
                        right: number(OUR_ISN, *end),
                    })
                    .collect(),
                ..Options::NONE
            },
        }
    }

    /// Time passes; timers fire on their way.
    pub fn pass(&mut self, milliseconds: u64) {
        self.now = self.now + Duration::from_millis(milliseconds);
        let _: Outcome = self.connection.fire(&mut self.shared, self.now);
    }

    /// Goes to the next deadline and fires. Returns how long that took, and what it did.
    pub fn next_timer(&mut self) -> (Duration, Outcome) {
        let at = self
            .connection
            .next_deadline(&self.shared)
            .expect("a timer is armed");
        let waited = at.since(self.now);
        self.now = at;
        (waited, self.connection.fire(&mut self.shared, self.now))
    }

    /// Goes to the time at which an idle connection gives back what it sent with.
    pub fn come_to_rest(&mut self) {
        assert_eq!(self.shared.busy_parts_in_use(), 1);
        let (_, outcome) = self.next_timer();
        assert!(outcome.events.is_empty());
        assert_eq!(self.sent(), []);
        assert_eq!(self.shared.busy_parts_in_use(), 0);
    }

    /// A segment arrives.
    pub fn input(&mut self, segment: Seg) -> Outcome {
        let header = self.header(segment);
        self.connection
            .input(&mut self.shared, &header, segment.len, self.now)
    }

    /// An acknowledgement arrives that reports ranges.
    pub fn report(&mut self, ack: i64, ranges: &[(i64, i64)]) -> Outcome {
        self.reports = ranges.to_vec();
        let outcome = self.input(seg(ACK, 0, ack).window(60_000));
        self.reports.clear();
        outcome
    }

    /// A segment arrives, and the user is told of everything at once.
    pub fn take(&mut self, segment: Seg) -> Outcome {
        let outcome = self.input(segment);
        self.connection.publish(u64::MAX, self.now);
        if outcome.events.contains(Events::PEER_FIN) {
            let told = self.connection.publish_fin(&mut self.shared, self.now);
            assert_eq!(told.steps.iter().count(), 1);
        }
        outcome
    }

    /// Everything that is sent now.
    pub fn sent(&mut self) -> Vec<Seg> {
        let mut segments = Vec::new();
        while let Some(emit) = self
            .connection
            .output(&mut self.shared, self.max_payload, self.now)
        {
            segments.push(seen(&emit.header, emit.len));
            let position = |number| i64::from(Seq::new(number).distance_from(PEER_ISN.plus(1)));
            let blocks = emit.header.options.sack;
            let blocks = blocks.as_slice().iter();
            self.reported = blocks
                .map(|block| (position(block.left), position(block.right)))
                .collect();
            assert!(segments.len() < 1_000);
        }
        segments
    }

    /// Everything that is sent now, flags, positions and lengths only.
    pub fn sent_data(&mut self) -> Vec<(i64, u32)> {
        self.sent()
            .iter()
            .map(|segment| (segment.seq, segment.len))
            .collect()
    }

    pub fn info(&self) -> tcp::Info {
        self.connection.info(&self.shared)
    }

    pub fn state(&self) -> State {
        self.connection.state()
    }
}

/// A header of ours as scripts write it.
pub fn seen(header: &Header, len: u32) -> Seg {
    let position = |number: u32, isn: Seq| i64::from(Seq::new(number).distance_from(isn.plus(1)));
    let has_ack = header.flags.contains(Flags::ACK);
    Seg {
        flags: header.flags,
        seq: position(header.seq, OUR_ISN),
        ack: if has_ack {
            position(header.ack, PEER_ISN)
        } else {
            0
        },
        len,
        window: header.window.into(),
    }
}
