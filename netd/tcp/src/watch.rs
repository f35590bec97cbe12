//! Watching over a peer: keep-alive, and a user timeout of the connection's own.
//!
//! *Owns* [`Watch`], the part that a connection borrows when its user has chosen one of these. For
//! keep-alive nothing is armed anew while segments come: the timer looks when the peer was last
//! heard, and waits for the rest. *Never* asks while something is to be acknowledged: the
//! retransmission timer asks well enough.
//! *Spec*: RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6, RFC 5482.

use core::time::Duration;

use wire::tcp::{Header, SackBlocks, UserTimeout};

use crate::open::Open;
use crate::outcome::Emit;
use crate::pmtu::PathProbe;
use crate::pool::Part;
use crate::seq::Seq;
use crate::shared::Shared;
use crate::time::Instant;
use crate::timers::Purpose;
use crate::tuning::Tuning;

/// The watch over one peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    tuning: Tuning,
    /// What the peer has said of its user timeout.
    theirs: Option<UserTimeout>,
    /// The search for what the path takes, once it takes less than both ends.
    pub(crate) path: Option<PathProbe>,
    heard: Instant,
    /// Questions without an answer.
    asked: u8,
    is_question_due: bool,
    is_user_timeout_due: bool,
}

/// What the timer of keep-alive means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The peer was heard meanwhile.
    Early,
    /// It is asked.
    Ask,
    /// It is gone.
    Gone,
}

impl Part for Watch {
    fn new() -> Self {
        Self {
            tuning: Tuning::default(),
            theirs: None,
            path: None,
            heard: Instant::ZERO,
            asked: 0,
            is_question_due: false,
            is_user_timeout_due: false,
        }
    }

    fn clear(&mut self) {
        *self = Self::new();
    }
}

impl Watch {
    /// The user chooses, for the first time or again.
    pub(crate) fn follow(&mut self, tuning: &Tuning, now: Instant) {
        if self.tuning == Tuning::default() {
            self.heard = now;
        }
        if self.tuning.user_timeout_option() != tuning.user_timeout_option() {
            self.is_user_timeout_due = tuning.tells_user_timeout;
        }
        self.tuning = *tuning;
    }

    /// A segment of the peer's was accepted.
    pub(crate) fn hear(&mut self, header: &Header, now: Instant) {
        self.heard = now;
        self.asked = 0;
        self.theirs = header.options.user_timeout.or(self.theirs);
    }

    /// How long bytes may stay unacknowledged.
    pub(crate) fn user_timeout(&self, default: Duration) -> Duration {
        self.tuning.user_timeout(self.theirs, default)
    }

    /// What the peer is to be told of our user timeout, once for each change.
    pub(crate) fn take_user_timeout(&mut self) -> Option<UserTimeout> {
        core::mem::take(&mut self.is_user_timeout_due)
            .then(|| self.tuning.user_timeout_option())
            .flatten()
    }

    /// When the peer is to be asked, or given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let wish = self.tuning.keep_alive?;
        let again = u64::from(self.asked).saturating_mul(wish.interval.get().into());
        let wait = u64::from(wish.idle.get()).saturating_add(again);
        Some(self.heard + Duration::from_secs(wait))
    }

    /// The timer fired.
    pub(crate) fn fire(&mut self, now: Instant) -> Verdict {
        let (Some(wish), Some(deadline)) = (self.tuning.keep_alive, self.deadline()) else {
            return Verdict::Early;
        };
        if now < deadline {
            return Verdict::Early;
        }
        if self.asked >= wish.count.get() {
            return Verdict::Gone;
        }
        self.asked = self.asked.saturating_add(1);
        self.is_question_due = true;
        Verdict::Ask
    }

    /// Whether a question is to be sent: `true`, once.
    pub(crate) fn take_due(&mut self) -> bool {
        core::mem::take(&mut self.is_question_due)
    }
}

impl Open {
    /// What the user's wishes add: the user timeout option in a segment that has room for it, a
    /// question to an idle peer, and the timer for the next one.
    pub(crate) fn output_watched(
        &mut self,
        emit: Option<Emit>,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Emit> {
        let watch = self.watch_in(shared)?;
        if let Some(mut emit) = emit {
            if emit.len == 0 && emit.header.options.sack.is_empty() {
                emit.header.options.user_timeout = watch.take_user_timeout();
            }
            return Some(emit);
        }
        if watch.take_due() {
            return Some(self.ask_peer(now));
        }
        if let Some(at) = watch.deadline()
            && self.timers.purpose() == Purpose::Idle
            && !self.is_orphan
        {
            self.timers.arm_keep_alive(at);
        }
        None
    }

    /// RFC 9293 section 3.8.4: a segment without data, one number below the next: the peer cannot
    /// accept it and must say where it is.
    fn ask_peer(&mut self, now: Instant) -> Emit {
        let mut emit = self.acknowledge(SackBlocks::NONE, now);
        emit.header.seq = Seq::new(emit.header.seq).plus(u32::MAX).get();
        emit
    }
}
