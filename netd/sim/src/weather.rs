//! Weather: the nature of one direction of a link.
//!
//! *Owns* the figures. Two directions have weathers of their own, so paths may be asymmetric.

use std::time::Duration;

use crate::random::Random;

/// How frames get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None is.
    Never,
    /// Each by itself, so many in a million.
    Random(u32),
    /// In outages: with so many frames in a million a time begins in which all are lost.
    Bursts {
        /// Frames in a million that begin one.
        begin: u32,
        /// How long it lasts at most.
        longest: Duration,
    },
    /// In bursts of frames: the line is in a good or in a bad state, and changes between them
    /// from frame to frame (the model of Gilbert and Elliott). All figures are frames in a million.
    GilbertElliott {
        /// In the good state, how many make it bad.
        turn_bad: u32,
        /// In the bad state, how many make it good.
        turn_good: u32,
        /// In the bad state, how many are lost.
        bad: u32,
    },
}

/// What a queue does when it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// It drops what does not fit.
    Tail,
    /// It also keeps its delay short (RFC 8289), by marking packets that can be marked (RFC 3168
    /// section 5) and dropping others.
    Codel,
}

/// The nature of one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Time that every frame takes.
    pub delay: Duration,
    /// Up to so much more, evenly at random; frames overtake each other.
    pub jitter: Duration,
    /// Frames in a million that take longer by `lateness`, so that others overtake them.
    pub reordering: u32,
    /// See `reordering`.
    pub lateness: Duration,
    /// Bits in a second; `None` for no limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the line; more are dropped at the tail.
    pub queue: u64,
    /// How the queue is kept.
    pub discipline: Discipline,
    /// Losses.
    pub loss: Loss,
    /// Frames in a million that arrive twice.
    pub duplication: u32,
    /// Frames in a million that arrive with one bit turned over.
    pub corruption: u32,
    /// Frames longer than this never arrive, whatever the hosts believe.
    pub longest_frame: usize,
    /// Of those, so many in a million a router refuses by saying so (RFC 1191); the others come to
    /// nothing without a word.
    pub refusals: u32,
    /// Whether anything passes at all.
    pub is_up: bool,
}

impl Weather {
    /// A perfect local network.
    pub const FAIR: Self = Self {
        delay: Duration::from_micros(50),
        jitter: Duration::ZERO,
        reordering: 0,
        lateness: Duration::ZERO,
        rate: None,
        queue: u64::MAX,
        discipline: Discipline::Tail,
        loss: Loss::Never,
        duplication: 0,
        corruption: 0,
        longest_frame: usize::MAX,
        refusals: 0,
        is_up: true,
    };

    /// Weather of any kind, from fair to foul, but such that patient hosts get through.
    pub fn any(random: &mut Random) -> Self {
        let rate = random.pick(&[
            None,
            None,
            Some(1_000_000),
            Some(10_000_000),
            Some(100_000_000),
        ]);
        Self {
            delay: Duration::from_micros(random.pick(&[10, 500, 5_000, 40_000])),
            jitter: Duration::from_micros(random.pick(&[0, 0, 0, 100, 5_000, 20_000])),
            reordering: random.pick(&[0, 0, 0, 10_000, 100_000]),
            lateness: Duration::from_micros(random.pick(&[300, 3_000, 30_000])),
            rate,
            queue: random.pick(&[8_000, 30_000, 200_000]),
            discipline: random.pick(&[Discipline::Tail, Discipline::Tail, Discipline::Codel]),
            loss: random.pick(&[
                Loss::Never,
                Loss::Never,
                Loss::Random(1_000),
                Loss::Random(20_000),
                Loss::Random(100_000),
                Loss::Bursts {
                    begin: 2_000,
                    longest: Duration::from_millis(300),
                },
                Loss::GilbertElliott {
                    turn_bad: 5_000,
                    turn_good: 300_000,
                    bad: 700_000,
                },
            ]),
            duplication: random.pick(&[0, 0, 0, 10_000, 100_000]),
            corruption: random.pick(&[0, 0, 0, 10_000]),
            ..Self::FAIR
        }
    }

    /// The same line without anything that chance does.
    #[must_use]
    pub fn calm(self) -> Self {
        Self {
            jitter: Duration::ZERO,
            reordering: 0,
            loss: Loss::Never,
            duplication: 0,
            corruption: 0,
            refusals: 0,
            ..self
        }
    }
}
