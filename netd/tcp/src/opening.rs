//! A connection that we open: SYN-SENT, and SYN-RECEIVED when two opens cross.
//!
//! *Owns* the active handshake: RFC 9293 sections 3.5 and 3.10.7.3, simultaneous open included
//! (figure 8). *Never* takes payload: a peer's data in a SYN that crosses ours waits for its
//! retransmission, and room and bytes that the user gives early are handed on. Bytes leave with our
//! SYN only by Fast Open (`fast_open`).

use wire::tcp::{Flags, HEADER_LEN, Header};
use wire::{Drop, Ecn};

use crate::cc::Algorithm;
use crate::fast_open::FastOpen;
use crate::open::{Handshake, Open};
use crate::options::{Agreed, Offer, Setup, syn_header};
use crate::outcome::{Emit, Events, Outcome};
use crate::rtt::{Rto, Rtt};
use crate::segment::Reset;
use crate::send::MOST_QUEUED;
use crate::seq::Seq;
use crate::shared::{Limits, Shared};
use crate::state::{Cause, State, Step};
use crate::time::Instant;
use crate::timers::{Purpose, Timers};
use crate::tuning::Tuning;
use crate::window::{Mss, WindowScale};

/// A connection that is being opened.
#[derive(Debug)]
pub struct Opening {
    setup: Setup,
    /// The peer's SYN, once it came without an acknowledgement of ours: its number and offer.
    crossed: Option<(Seq, Offer)>,
    scale: WindowScale,
    timers: Timers,
    sent_at: Instant,
    is_due: bool,
    was_sent_again: bool,
    is_cut: bool,
    is_closed: bool,
    /// Room and bytes that the user gave before the connection was open.
    room: u32,
    queued: u64,
    /// The largest window that our SYN offered.
    offered: u64,
    /// The congestion control that the user chose.
    algorithm: Option<Algorithm>,
    /// What the path is known to take.
    path: Option<Mss>,
    /// The user wants a Fast Open.
    fast_open: Option<FastOpen>,
    /// So many of the user's bytes have left with the SYN.
    early: u32,
}

/// What a segment did to an opening connection.
#[derive(Debug)]
pub(crate) enum Progress {
    /// It stays as it is.
    None,
    /// The handshake is complete. The segment is still to be processed: all of it, or, if it was a
    /// SYN-ACK, its payload and FIN.
    Opened { open: Open, is_syn_ack: bool },
}

impl Opening {
    /// Opens a connection (RFC 9293 section 3.10.1, active).
    pub(crate) fn connect(setup: Setup, limits: &Limits, now: Instant) -> Self {
        let mut timers = Timers::new(now);
        timers.arm(Purpose::Retransmit, Rto::INITIAL, now);
        Self {
            setup,
            crossed: None,
            scale: WindowScale::for_window(limits.max_window),
            timers,
            sent_at: now,
            is_due: true,
            was_sent_again: false,
            is_cut: false,
            is_closed: false,
            room: 0,
            queued: 0,
            offered: 0,
            algorithm: None,
            path: None,
            fast_open: None,
            early: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        if self.is_cut {
            State::Closed
        } else if self.crossed.is_some() {
            State::SynReceived
        } else {
            State::SynSent
        }
    }

    /// How many bytes the user has given room for.
    pub(crate) const fn room(&self) -> u32 {
        self.room
    }

    pub(crate) fn give_room(&mut self, bytes: u32) {
        self.room = self.room.saturating_add(bytes);
    }

    pub(crate) fn queue(&mut self, bytes: u32) {
        if !self.is_closed {
            let queued = self.queued.saturating_add(u64::from(bytes));
            self.queued = queued.min(MOST_QUEUED.into());
        }
    }

    pub(crate) fn limit_path(&mut self, mss: Mss) {
        self.path = Some(self.path.map_or(mss, |known| known.min(mss)));
    }

    pub(crate) const fn open_fast(&mut self, fast_open: FastOpen) {
        self.fast_open = Some(fast_open);
    }

    pub(crate) const fn fast_open(&self) -> Option<FastOpen> {
        self.fast_open
    }

    pub(crate) const fn early(&self) -> u32 {
        self.early
    }

    /// How many of the bytes that left with our SYN a segment acknowledges; `None` if it does not
    /// acknowledge the SYN.
    fn acknowledged(&self, header: &Header) -> Option<u32> {
        if !header.flags.contains(Flags::ACK) {
            return None;
        }
        let ahead = Seq::new(header.ack).distance_from(self.setup.isn.plus(1));
        u32::try_from(ahead)
            .ok()
            .filter(|ahead| *ahead <= self.early)
    }

    pub(crate) const fn path(&self) -> Option<Mss> {
        self.path
    }

    pub(crate) const fn tuning(&self) -> &Tuning {
        &self.setup.tuning
    }

    pub(crate) fn set_tuning(&mut self, tuning: Tuning) {
        self.setup.tuning = tuning;
    }

    pub(crate) fn set_algorithm(&mut self, algorithm: Algorithm) {
        self.algorithm = Some(algorithm);
    }

    /// Whether `seq` is the number of our SYN, which is in flight.
    pub(crate) fn is_syn(&self, seq: Seq) -> bool {
        seq == self.setup.isn && !self.is_cut
    }

    pub(crate) fn rto(&self) -> Rto {
        Rto::INITIAL.backed_off(self.timers.backoff())
    }

    pub(crate) fn retransmits(&self) -> u8 {
        self.timers.backoff()
    }

    pub(crate) const fn mss(&self) -> crate::window::Mss {
        self.setup.mss
    }

    /// Bytes that the user wants to be sent.
    pub(crate) const fn queued(&self) -> u64 {
        self.queued
    }

    /// The FIN is queued behind everything else when the connection is open (RFC 9293 section
    /// 3.10.4 would let SYN-SENT end here; what the user has queued is worth more).
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    pub(crate) fn abort(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        if let Some((irs, _)) = self.crossed {
            // RFC 9293 section 3.10.5: SYN-RECEIVED has a peer that must know.
            outcome.reply = Some(Reset {
                seq: self.setup.isn.plus(1),
                ack: Some(irs.plus(1)),
            });
        }
        self.cut(Cause::UserAborted, &mut outcome);
        outcome
    }

    fn cut(&mut self, cause: Cause, outcome: &mut Outcome) {
        let from = self.state();
        self.is_cut = true;
        self.timers.disarm();
        if from != State::Closed {
            outcome.step(Some(Step {
                from,
                cause,
                to: State::Closed,
            }));
        }
        outcome.events.insert(Events::OVER);
    }

    /// Takes a segment.
    pub(crate) fn input(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Progress {
        let result = match (self.is_cut, self.crossed) {
            (true, _) => Err(Drop::TcpNoSocket),
            (false, None) => self.input_syn_sent(header, now, outcome),
            (false, Some((irs, offer))) => {
                self.input_syn_received(shared, header, irs, &offer, now, outcome)
            }
        };
        result.unwrap_or_else(|reason| {
            outcome.drop = Some(reason);
            Progress::None
        })
    }

    /// RFC 9293 section 3.10.7.3.
    fn input_syn_sent(
        &mut self,
        header: &Header,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Result<Progress, Drop> {
        let has = |flags| header.flags.contains(flags);
        // First: the ACK bit.
        let acked = self.acknowledged(header);
        let acks_us = acked.is_some();
        if has(Flags::ACK) && !acks_us {
            if !has(Flags::RST) {
                outcome.reply = Some(Reset::at(Seq::new(header.ack)));
            }
            return Err(Drop::TcpBadHandshake);
        }
        // Second: the RST bit. A reset that does not acknowledge our SYN proves nothing.
        if has(Flags::RST) {
            if !acks_us {
                return Err(Drop::TcpBadReset);
            }
            outcome.events.insert(Events::RESET);
            self.cut(Cause::ResetArrived, outcome);
            return Ok(Progress::None);
        }
        // Fourth: the SYN bit. Fifth: neither SYN nor RST.
        if !has(Flags::SYN) {
            return Err(Drop::TcpBadHandshake);
        }
        let irs = Seq::new(header.seq);
        let offer = Offer::of(header, self.setup.peer_mss);
        if let Some(acked) = acked {
            let mut open = self.open(irs, &offer, header.window.into(), irs, now, outcome);
            outcome.acked = Self::hand_on_early(&mut open, acked);
            return Ok(Progress::Opened {
                open,
                is_syn_ack: true,
            });
        }
        // Simultaneous open: our SYN goes again, now with an acknowledgement.
        outcome.step(Some(Step {
            from: State::SynSent,
            cause: Cause::SynCrossed,
            to: State::SynReceived,
        }));
        self.crossed = Some((irs, offer));
        self.is_due = true;
        Ok(Progress::None)
    }

    /// RFC 9293 section 3.10.7.4 for SYN-RECEIVED.
    fn input_syn_received(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        irs: Seq,
        offer: &Offer,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Result<Progress, Drop> {
        let has = |flags| header.flags.contains(flags);
        let seq = Seq::new(header.seq);
        let acked = self.acknowledged(header);
        let acks_us = acked.is_some();
        if has(Flags::SYN) && acks_us && seq == irs && !has(Flags::RST) {
            // The peer's SYN again, now with the acknowledgement of ours (figure 8, line 5).
            let mut open = self.open(irs, offer, header.window.into(), seq, now, outcome);
            outcome.acked = Self::hand_on_early(&mut open, acked.unwrap_or(0));
            return Ok(Progress::Opened {
                open,
                is_syn_ack: true,
            });
        }
        // First: the sequence number. The window is what our SYN offered, and at least one. A reset
        // within it must prove itself; others may also stand at its very edge.
        let ahead = i64::from(seq.distance_from(irs.plus(1)));
        let window = i64::try_from(self.offered.max(1)).unwrap_or(i64::MAX);
        if !(0..window.saturating_add(i64::from(!has(Flags::RST)))).contains(&ahead) {
            self.is_due |= !has(Flags::RST) && shared.may_challenge(now);
            return Err(Drop::TcpOutOfWindow);
        }
        // Second: RST. Exactly the next number (RFC 5961 section 3.2).
        if has(Flags::RST) {
            if ahead == 0 {
                outcome.events.insert(Events::RESET);
                self.cut(Cause::ResetArrived, outcome);
                return Ok(Progress::None);
            }
            self.is_due |= shared.may_challenge(now);
            return Err(Drop::TcpBadReset);
        }
        // Fourth: SYN. Fifth: ACK.
        if has(Flags::SYN) {
            self.is_due |= shared.may_challenge(now);
            return Err(Drop::TcpSynInConnection);
        }
        if !acks_us {
            if has(Flags::ACK) {
                outcome.reply = Some(Reset::at(Seq::new(header.ack)));
            }
            return Err(Drop::TcpBadHandshake);
        }
        let agreed = Agreed::new(&self.setup, offer, self.scale, now);
        let window = agreed.send_scale.apply(header.window);
        let mut open = self.open(irs, offer, window, seq, now, outcome);
        outcome.acked = Self::hand_on_early(&mut open, acked.unwrap_or(0));
        Ok(Progress::Opened {
            open,
            is_syn_ack: false,
        })
    }

    fn open(
        &mut self,
        irs: Seq,
        offer: &Offer,
        window: u32,
        window_set_by: Seq,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Open {
        // RFC 6298 sections 3 and 5.7.
        let mut rtt = if self.was_sent_again {
            Rtt::after_syn_loss()
        } else {
            Rtt::new()
        };
        if !self.was_sent_again {
            rtt.sample(now.span_since(self.sent_at));
        }
        let mut open = Open::new(
            &Handshake {
                isn: self.setup.isn,
                irs,
                agreed: Agreed::new(&self.setup, offer, self.scale, now),
                window,
                window_set_by,
                offered: self.offered,
                rtt,
                is_nodelay: self.setup.tuning.is_nodelay,
            },
            now,
        );
        open.rcv.give_room(self.room);
        open.snd.set_end(self.queued);
        open.snd.algorithm = self.algorithm;
        open.rcv.want_ack();
        outcome.events.insert(Events::ESTABLISHED);
        outcome.step(Some(Step {
            from: self.state(),
            cause: Cause::HandshakeDone,
            to: State::Established,
        }));
        if self.is_closed {
            outcome.step(open.facts.change(Cause::UserClosed));
        }
        open
    }

    /// Of the bytes that left with our SYN, the first `acked` are acknowledged. The others leave again
    /// at once, as if they had never been sent (RFC 7413 section 4.2.2, client, step 4): should the
    /// peer have taken some of them after all, its window lets out as many.
    fn hand_on_early(open: &mut Open, acked: u32) -> u64 {
        open.snd.una = acked.into();
        open.snd.una
    }

    /// Adds to a SYN what the user wants of Fast Open, and says how many bytes go with it.
    fn with_fast_open(&mut self, syn: Header) -> (Header, u32) {
        // RFC 7413 section 4.1.3.1: a SYN that is sent again is an ordinary one, lest something on
        // the way drops the others.
        let is_first = self.crossed.is_none() && !self.was_sent_again;
        let Some(fast_open) = self.fast_open.filter(|_| is_first) else {
            return (syn, 0);
        };
        let mut header = syn;
        header.options.fast_open = Some(fast_open.cookie);
        let mut mss = fast_open.mss.min(self.setup.mss);
        if let Some(path) = self.path {
            mss = mss.min(path);
        }
        let options = header.header_len().saturating_sub(HEADER_LEN);
        if fast_open.cookie.as_slice().is_empty() {
            return (header, 0);
        }
        // RFC 7413 section 4.2.2: a full segment less the options, as the peer has said its size.
        let most = u64::from(mss.get()).saturating_sub(options as u64);
        let len = u32::try_from(self.queued.min(most)).unwrap_or(0);
        if len == 0 {
            return (syn, 0);
        }
        self.early = len;
        (header, len)
    }

    /// The SYN, or SYN-ACK, if it is due.
    pub(crate) fn output(&mut self, now: Instant) -> Option<Emit> {
        if self.is_cut || !core::mem::take(&mut self.is_due) {
            return None;
        }
        let answers = self.crossed.as_ref().map(|(irs, offer)| (offer, *irs));
        let room = self.room.min(self.setup.tuning.window_limit_bytes());
        let header = syn_header(&self.setup, self.scale, answers, room.into(), now);
        self.offered = self.offered.max(u64::from(header.window));
        let (header, len) = self.with_fast_open(header);
        Some(Emit {
            header,
            stream_offset: 0,
            len,
            segment_len: self.setup.mss.get(),
            ecn: Ecn::NotCapable,
            is_last: false,
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// Fires the retransmission timer (RFC 6298 section 5.4 to 5.7).
    pub(crate) fn fire(&mut self, shared: &Shared, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if self.timers.fire(now).is_some() {
            // RFC 9293 section 3.10.8: "for any state".
            let default = shared.limits.connect_timeout;
            let limit = self.setup.tuning.user_timeout(None, default);
            if self.timers.silence(now) >= limit.into() {
                outcome.events.insert(Events::TIMED_OUT);
                self.cut(Cause::TimedOut, &mut outcome);
            } else {
                self.timers.arm(Purpose::Retransmit, Rto::INITIAL, now);
                self.is_due = true;
                // RFC 3168 section 6.1.1.1: whoever drops a SYN that asks for it may like another.
                self.setup.ecn &= self.timers.backoff() < 2;
                self.was_sent_again = true;
            }
        }
        outcome
    }
}
