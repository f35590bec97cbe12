//! A half-open connection: SYN-RECEIVED after a passive open.
//!
//! *Owns* [`SynEntry`], all that a listener keeps of a peer that has not yet proved that it is
//! there: no buffers, 48 bytes, so that with the addresses of both ends and its listener it takes
//! 64. *Never* becomes more on its own: when the handshake is
//! complete, the owner decides whether there is a place for the connection.
//! *Spec*: RFC 9293 sections 3.10.7.2 and 3.10.7.4, RFC 5961, RFC 4987 sections 3.4 (SYN cache) and
//! 3.6 (SYN cookies).

use wire::Drop;
use wire::tcp::{Flags, Header};

use crate::open::{Handshake, Open};
use crate::options::{Agreed, Offer, Setup, TIMESTAMPS_LEN, syn_header};
use crate::record::{BadRecord, Record};
use crate::rtt::{Rto, Rtt};
use crate::seq::Seq;
use crate::shared::Shared;
use crate::state::State;
use crate::time::{Instant, Span};
use crate::tuning::Tuning;
use crate::window::{Mss, WindowScale};

/// A half-open connection.
#[derive(Clone, Copy, Debug)]
pub struct SynEntry {
    next_at: Instant,
    /// When the SYN-ACK was first sent: microseconds modulo 2³², which is 71 minutes.
    sent_at: u32,
    irs: Seq,
    isn: Seq,
    stamp_offset: u32,
    offer: Offer,
    mss: Mss,
    window: u16,
    scale: WindowScale,
    retries: u8,
    has_stamps: bool,
    has_sack: bool,
    has_ecn: bool,
    is_due: bool,
    /// When the SYN-ACK left is not known: it was a cookie, or has not left.
    is_untimed: bool,
    /// The SYN-ACK brings a cookie of Fast Open, which the owner adds.
    tells_fast_open: bool,
}

const _: () = assert!(size_of::<SynEntry>() <= 48);

/// What a segment means to a half-open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynOutcome {
    /// The handshake is complete. If there is a place for the connection, the owner makes it with
    /// [`SynEntry::open`], gives it room and lets it take the same segment.
    Complete,
    /// The entry stays; [`SynEntry::output`] may have something to send.
    Drop(Drop),
    /// The entry stays; this reply, a reset or an acknowledgement, is to be sent. Its ports are to
    /// be filled in.
    Reply(Header, Drop),
    /// The peer has given up: the entry is to be removed.
    Remove,
}

impl SynEntry {
    /// A SYN has come to a listener. `room` is how much the window of the answer may offer: what
    /// the user has already made ready for the next connection.
    ///
    /// # Errors
    /// [`Drop::TcpBadHandshake`] if the segment is not a plain SYN. (RFC 9293 section 3.10.7.2: an
    /// ACK to a listener is answered by [`crate::refuse`].)
    pub fn from_syn(
        syn: &Header,
        setup: &Setup,
        shared: &Shared,
        room: u64,
        now: Instant,
    ) -> Result<Self, Drop> {
        let odd = Flags::ACK.union(Flags::RST).union(Flags::FIN);
        if !syn.flags.contains(Flags::SYN) || syn.flags.intersects(odd) {
            return Err(Drop::TcpBadHandshake);
        }
        Ok(Self {
            next_at: now + Rto::INITIAL.duration(),
            sent_at: microseconds(now),
            irs: Seq::new(syn.seq),
            isn: setup.isn,
            stamp_offset: setup.timestamps.unwrap_or(0),
            offer: Offer::of(syn, setup.peer_mss),
            mss: setup.mss,
            window: WindowScale::NONE.floor(room),
            scale: WindowScale::for_window(shared.limits.max_window),
            retries: 0,
            has_stamps: setup.timestamps.is_some(),
            has_sack: setup.sack,
            has_ecn: setup.ecn,
            is_due: true,
            is_untimed: false,
            tells_fast_open: false,
        })
    }

    /// The acknowledgement of a [`cookie`](crate::cookie) has come: the entry that was not kept.
    /// `None` if it acknowledges no cookie of ours. `tick` is the age clock, `hash` gives the keyed
    /// hash of both ends and a word under the secret of a tick.
    pub fn from_cookie(
        ack: &Header,
        setup: &Setup,
        shared: &Shared,
        tick: u64,
        hash: impl FnOnce(u64, u64) -> u64,
        now: Instant,
    ) -> Option<Self> {
        let proof = crate::cookie::check(ack, setup, tick, hash)?;
        Some(Self {
            next_at: now + Rto::INITIAL.duration(),
            sent_at: microseconds(now),
            irs: proof.irs,
            isn: proof.isn,
            stamp_offset: setup.timestamps.unwrap_or(0),
            offer: proof.offer,
            mss: setup.mss,
            // What the cookie offered is not known any more: the peer is told anew.
            window: 0,
            scale: WindowScale::for_window(shared.limits.max_window),
            retries: 0,
            has_stamps: setup.timestamps.is_some(),
            has_sack: setup.sack,
            has_ecn: setup.ecn,
            is_due: false,
            is_untimed: true,
            tells_fast_open: false,
        })
    }

    /// What must outlive a crash once the SYN-ACK leaves: that of the connection that it may become.
    #[must_use]
    pub fn record(&self, now: Instant) -> Record {
        Record::of(&self.open(now), 0)
    }

    /// The entry again, whose SYN-ACK may have left.
    ///
    /// # Errors
    /// The record is not believed, or is of a connection that was more.
    pub fn restore(record: &Record, now: Instant) -> Result<Self, BadRecord> {
        let open = record.restore(now)?;
        let (snd, rcv) = (&open.snd, &open.rcv);
        let is_fresh = snd.una == 0 && snd.end() == 0 && snd.flight == 0 && rcv.nxt == 0;
        let window = u16::try_from(rcv.edge());
        let (Ok(window), Ok(offered), true, State::Established) =
            (window, u16::try_from(snd.window), is_fresh, open.state())
        else {
            return Err(BadRecord::Contradiction);
        };
        let is_scaled = snd.scale() != WindowScale::NONE || rcv.scale() != WindowScale::NONE;
        let options = if open.stamps.is_some() {
            TIMESTAMPS_LEN
        } else {
            0
        };
        let whole = |mss: Mss| Mss::at_least(mss.get().saturating_add(options));
        Ok(Self {
            next_at: now + Rto::INITIAL.duration(),
            sent_at: 0,
            irs: rcv.base().plus(u32::MAX),
            isn: snd.base().plus(u32::MAX),
            stamp_offset: open.stamps.map_or(0, |stamps| stamps.offset),
            offer: Offer::new(whole(snd.mss), offered, is_scaled.then(|| snd.scale()))
                .with_timestamp(open.stamps.map(|stamps| stamps.recent))
                .with_sack(open.has_sack)
                .with_ecn(open.notice.is_agreed()),
            mss: whole(rcv.mss),
            window,
            scale: rcv.scale(),
            retries: 0,
            has_stamps: open.stamps.is_some(),
            has_sack: open.has_sack,
            has_ecn: open.notice.is_agreed(),
            is_due: false,
            is_untimed: true,
            tells_fast_open: false,
        })
    }

    fn setup(&self) -> Setup {
        Setup {
            isn: self.isn,
            mss: self.mss,
            peer_mss: self.offer.mss,
            timestamps: self.has_stamps.then_some(self.stamp_offset),
            sack: self.has_sack,
            ecn: self.has_ecn,
            tuning: Tuning::default(),
        }
    }

    /// The SYN-ACK, if it is due. Its ports are to be filled in.
    pub fn output(&mut self, now: Instant) -> Option<Header> {
        core::mem::take(&mut self.is_due).then(|| {
            let answers = Some((&self.offer, self.irs));
            syn_header(&self.setup(), self.scale, answers, self.window.into(), now)
        })
    }

    /// The SYN-ACK is to bring a cookie of Fast Open (RFC 7413 section 4.1.2).
    pub const fn tell_fast_open(&mut self) {
        self.tells_fast_open = true;
    }

    /// Whether the owner adds a cookie of Fast Open to the SYN-ACK.
    #[must_use]
    pub const fn tells_fast_open(&self) -> bool {
        self.tells_fast_open
    }

    /// The SYN came again while the connection was open already: so is our answer due.
    pub const fn answer_again(&mut self) {
        self.is_due = true;
    }

    /// When [`SynEntry::fire`] wants to be called.
    #[must_use]
    pub const fn next_deadline(&self) -> Instant {
        self.next_at
    }

    /// Sends the SYN-ACK again, or gives up. Returns whether the entry has expired and is to be
    /// removed.
    pub fn fire(&mut self, shared: &Shared, now: Instant) -> bool {
        if now < self.next_at {
            return self.next_at == Instant::FAR_FUTURE;
        }
        if self.retries >= shared.limits.syn_ack_retries {
            self.next_at = Instant::FAR_FUTURE;
            return true;
        }
        self.retries = self.retries.saturating_add(1);
        self.is_due = true;
        self.next_at = now + Rto::INITIAL.backed_off(self.retries).duration();
        false
    }

    /// Takes a segment that belongs to this entry (RFC 9293 section 3.10.7.4, SYN-RECEIVED).
    pub fn input(&mut self, shared: &mut Shared, header: &Header, now: Instant) -> SynOutcome {
        let has = |flags| header.flags.contains(flags);
        let seq = Seq::new(header.seq);
        if has(Flags::SYN) && !has(Flags::ACK) && !has(Flags::RST) && seq == self.irs {
            // The same SYN again: our answer was lost.
            self.is_due = true;
            return SynOutcome::Drop(Drop::TcpDuplicate);
        }
        // First: the sequence number. The window is what our SYN-ACK offered, and at least one.
        // A reset within it must prove itself; others may also stand at its very edge.
        let ahead = seq.distance_from(self.irs.plus(1));
        let window = i32::from(self.window.max(1));
        if !(0..window.saturating_add(i32::from(!has(Flags::RST)))).contains(&ahead) {
            // The answer to what is not acceptable is an acknowledgement; ours is the SYN-ACK.
            self.is_due |= !has(Flags::RST) && shared.may_challenge(now);
            return SynOutcome::Drop(Drop::TcpOutOfWindow);
        }
        // Second: RST. Exactly the next number, or it must prove itself (RFC 5961 section 3.2).
        if has(Flags::RST) {
            if ahead == 0 {
                return SynOutcome::Remove;
            }
            self.is_due |= shared.may_challenge(now);
            return SynOutcome::Drop(Drop::TcpBadReset);
        }
        // Fourth: SYN.
        if has(Flags::SYN) {
            self.is_due |= shared.may_challenge(now);
            return SynOutcome::Drop(Drop::TcpSynInConnection);
        }
        // Fifth: ACK. "If the segment acknowledgment is not acceptable, form a reset segment".
        if !has(Flags::ACK) {
            return SynOutcome::Drop(Drop::TcpNoAck);
        }
        if Seq::new(header.ack) != self.isn.plus(1) {
            let reply = crate::segment::Reset::at(Seq::new(header.ack)).header();
            return SynOutcome::Reply(reply, Drop::TcpBadHandshake);
        }
        SynOutcome::Complete
    }

    /// The connection that a SYN with a good cookie opens at once (RFC 7413 section 4.2.2). It must
    /// take the SYN's bytes, [`Connection::take_syn`](crate::Connection::take_syn).
    #[must_use]
    pub fn open_at_once(mut self, now: Instant) -> Open {
        self.is_untimed = true;
        self.open(now)
    }

    /// The open connection, after [`SynOutcome::Complete`]. It must take the segment that completed
    /// the handshake, which brings the window, and perhaps data.
    #[must_use]
    pub fn open(&self, now: Instant) -> Open {
        let agreed = Agreed::new(&self.setup(), &self.offer, self.scale, now);
        // RFC 6298 sections 3 and 5.7.
        let mut rtt = if self.retries > 0 {
            Rtt::after_syn_loss()
        } else {
            Rtt::new()
        };
        if self.retries == 0 && !self.is_untimed {
            let took = microseconds(now).wrapping_sub(self.sent_at);
            rtt.sample(Span::from_micros(took.into()));
        }
        Open::new(
            &Handshake {
                isn: self.isn,
                irs: self.irs,
                agreed,
                // RFC 7323 section 2.2: the window of a SYN is never scaled.
                window: self.offer.window.into(),
                window_set_by: self.irs,
                offered: self.window.into(),
                rtt,
                is_nodelay: false,
            },
            now,
        )
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "kept modulo 2^32: 71 minutes"
)]
const fn microseconds(now: Instant) -> u32 {
    now.as_micros() as u32
}
