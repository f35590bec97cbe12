//! What all connections of one owner share: limits, and storage that only busy connections need.
//!
//! *Owns* [`Limits`] and [`Shared`]. *Never* grows: everything is allocated when [`Shared`] is made.

use core::time::Duration;

use crate::assemble::Ranges;
use crate::busy::Busy;
use crate::cc::Algorithm;
use crate::challenge::Budget;
use crate::counts::{Count, Counts};
use crate::pool::Pool;
use crate::rtt::Rto;
use crate::time::Instant;
use crate::watch::Watch;

/// Limits and times that hold for every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest receive window ever offered, in bytes; it decides the window scale.
    pub max_window: u32,
    /// How long bytes, or a FIN, may stay unacknowledged before the connection is given up
    /// (RFC 9293 section 3.8.3: R2, at least 100 seconds).
    pub user_timeout: Duration,
    /// The shortest retransmission timeout, once bytes were acknowledged; in microseconds, if need
    /// be. Peers that delay their acknowledgements for longer are sent bytes twice.
    pub min_rto: Duration,
    /// How long a SYN may stay unanswered (RFC 9293 section 3.8.3: R2 for SYN).
    pub connect_timeout: Duration,
    /// How often a SYN-ACK is sent again before the half-open connection is forgotten.
    pub syn_ack_retries: u8,
    /// How long a connection that the user has left waits for the peer's FIN.
    pub orphan_timeout: Duration,
    /// How long TIME-WAIT lasts: twice the maximum segment lifetime.
    pub time_wait: Duration,
    /// How many connections may hold bytes that came out of order, at the same time.
    pub hole_lists: u32,
    /// How many connections may be sending at the same time with more than one segment in flight.
    pub busy_parts: u32,
    /// How many connections may have their peers watched: keep-alive, or a user timeout of their own.
    pub watches: u32,
    /// How many challenge acknowledgements may be sent in one second on average (RFC 5961
    /// section 7).
    pub challenges_per_second: u32,
    /// The congestion control of connections for which no other was chosen.
    pub congestion_control: Algorithm,
    /// Whether a window is spread over the round trip instead of following the acknowledgements.
    /// BBR always paces.
    pub is_paced: bool,
}

impl Limits {
    /// What one of [`Limits::busy_parts`] takes, in bytes.
    pub const BUSY_PART: usize = size_of::<Busy>();
    /// What one of [`Limits::hole_lists`] takes, in bytes.
    pub const HOLE_LIST: usize = size_of::<Ranges>();
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_window: 1 << 20,
            user_timeout: Duration::from_secs(120),
            min_rto: Rto::MIN.duration().into(),
            connect_timeout: Duration::from_secs(180),
            syn_ack_retries: 5,
            orphan_timeout: Duration::from_secs(60),
            time_wait: Duration::from_secs(60),
            hole_lists: 256,
            busy_parts: 1_024,
            watches: 1_024,
            challenges_per_second: 100,
            congestion_control: Algorithm::default(),
            is_paced: true,
        }
    }
}

/// What all connections of one owner share. Every call that may need it takes it.
#[derive(Debug)]
pub struct Shared {
    pub(crate) limits: Limits,
    /// [`Limits::min_rto`], checked.
    pub(crate) least_rto: Rto,
    pub(crate) holes: Pool<Ranges>,
    pub(crate) busy: Pool<Busy>,
    pub(crate) watches: Pool<Watch>,
    pub(crate) challenges: Budget,
    /// Reports of peers that made no sense.
    pub(crate) odd_reports: u64,
    pub(crate) counts: Counts,
}

impl Shared {
    /// Allocates everything that connections will ever share.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            least_rto: Rto::least(limits.min_rto),
            holes: Pool::new(limits.hole_lists),
            busy: Pool::new(limits.busy_parts),
            watches: Pool::new(limits.watches),
            challenges: Budget::new(limits.challenges_per_second),
            odd_reports: 0,
            counts: Counts::new(),
        }
    }

    /// Makes what must not be predictable unpredictable: the number is to come from an entropy
    /// source, and to stay secret.
    pub fn seed(&mut self, secret: u64) {
        self.challenges.seed(secret);
    }

    /// What has happened inside of connections.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Asks whether a challenge acknowledgement may be sent, and counts the answer.
    pub(crate) fn may_challenge(&mut self, now: Instant) -> bool {
        let is_granted = self.challenges.take(now);
        self.counts.count(if is_granted {
            Count::ChallengeAcks
        } else {
            Count::ChallengeAcksHeld
        });
        is_granted
    }

    /// The limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many connections hold bytes that came out of order.
    #[must_use]
    pub fn hole_lists_in_use(&self) -> u32 {
        self.holes.in_use()
    }

    /// How many blocks of selective acknowledgements made no sense: inverted, or of bytes that were
    /// never sent.
    #[must_use]
    pub const fn odd_reports(&self) -> u64 {
        self.odd_reports
    }

    /// How many connections are sending, or were within the last retransmission timeout.
    #[must_use]
    pub fn busy_parts_in_use(&self) -> u32 {
        self.busy.in_use()
    }
}
