//! TIME-WAIT: what remains of a connection while old segments may still be about.
//!
//! *Owns* [`TimeWait`], at most 32 bytes: enough to acknowledge the peer's FIN again, and to tell a
//! new connection from an old segment. *Never* lasts longer because somebody asks it to: only the
//! peer's own FIN starts the time again.
//! *Spec*: RFC 9293 sections 3.6.1 and 3.10.7.4, RFC 6191 (reuse), RFC 1337 (resets are ignored).

use core::time::Duration;

use wire::Drop;
use wire::tcp::{Flags, Header, Options, Timestamps};

use crate::open::Open;
use crate::segment::bare;
use crate::seq::Seq;
use crate::shared::Shared;
use crate::time::Instant;

/// A connection in TIME-WAIT.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    deadline: Instant,
    snd_nxt: Seq,
    rcv_nxt: Seq,
    /// TS.Recent and our clock's offset; both zero without timestamps.
    stamp_recent: u32,
    stamp_offset: u32,
    /// 2MSL, in milliseconds.
    wait_ms: u32,
    has_stamps: bool,
}

const _: () = assert!(size_of::<TimeWait>() <= 32);

/// What a segment means to a connection in TIME-WAIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeWaitOutcome {
    /// Nothing: the segment is discarded.
    Drop(Drop),
    /// This acknowledgement is to be sent. Its ports are to be filled in.
    Reply(Header, Drop),
    /// The peer opens a new connection: the record is to be removed and the segment given to the
    /// listener. Our new initial sequence number must lie beyond [`TimeWait::snd_nxt`].
    Reuse,
}

impl TimeWait {
    pub(crate) fn new(open: &Open, wait: Duration, now: Instant) -> Self {
        Self {
            deadline: now + wait,
            snd_nxt: open.snd.base().at(open.snd.nxt()),
            rcv_nxt: open.rcv.ack_number(true),
            stamp_recent: open.stamps.map_or(0, |stamps| stamps.recent),
            stamp_offset: open.stamps.map_or(0, |stamps| stamps.offset),
            wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
            has_stamps: open.stamps.is_some(),
        }
    }

    /// When the record is to be removed. It may move later, never earlier.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The number after our FIN.
    #[must_use]
    pub const fn snd_nxt(&self) -> Seq {
        self.snd_nxt
    }

    /// Takes a segment.
    pub fn input(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        payload_len: u32,
        now: Instant,
    ) -> TimeWaitOutcome {
        let has = |flags| header.flags.contains(flags);
        // RFC 1337 section 3, fix F1: a reset does not end TIME-WAIT early.
        if has(Flags::RST) {
            return TimeWaitOutcome::Drop(Drop::TcpBadReset);
        }
        if has(Flags::SYN) && !has(Flags::ACK) {
            return if self.is_newer(header) {
                TimeWaitOutcome::Reuse
            } else {
                self.challenge(shared, Drop::TcpSynInConnection, now)
            };
        }
        if has(Flags::FIN) && Seq::new(header.seq).plus(payload_len).plus(1) == self.rcv_nxt {
            // RFC 9293 section 3.10.7.4, eighth step: "restart the 2 MSL time-wait timeout".
            self.deadline = now + Duration::from_millis(u64::from(self.wait_ms));
            return TimeWaitOutcome::Reply(self.acknowledgement(now), Drop::TcpDuplicate);
        }
        let is_bare = payload_len == 0 && !has(Flags::FIN) && !has(Flags::SYN);
        if is_bare && Seq::new(header.seq) == self.rcv_nxt {
            // A late acknowledgement of our FIN.
            return TimeWaitOutcome::Drop(Drop::TcpDuplicate);
        }
        self.challenge(shared, Drop::TcpOutOfWindow, now)
    }

    /// RFC 6191 section 2: a SYN with a later timestamp, or, without timestamps, with a later
    /// sequence number, cannot be a copy of an old one.
    fn is_newer(&self, syn: &Header) -> bool {
        let is_beyond = Seq::new(syn.seq).is_after(self.rcv_nxt);
        match syn.options.timestamps.filter(|_| self.has_stamps) {
            Some(theirs) if theirs.value == self.stamp_recent => is_beyond,
            Some(theirs) => Seq::new(theirs.value).is_after(Seq::new(self.stamp_recent)),
            None => is_beyond,
        }
    }

    fn challenge(&self, shared: &mut Shared, reason: Drop, now: Instant) -> TimeWaitOutcome {
        if shared.may_challenge(now) {
            TimeWaitOutcome::Reply(self.acknowledgement(now), reason)
        } else {
            TimeWaitOutcome::Drop(reason)
        }
    }

    fn acknowledgement(&self, now: Instant) -> Header {
        let stamps = crate::options::Stamps::new(self.stamp_offset, self.stamp_recent, now);
        let timestamps: Option<Timestamps> = self.has_stamps.then(|| stamps.emit(now));
        let options = Options {
            timestamps,
            ..Options::NONE
        };
        Header {
            options,
            ..bare(self.snd_nxt, self.rcv_nxt, Flags::ACK, 0)
        }
    }
}
