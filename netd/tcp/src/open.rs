//! An open connection: ESTABLISHED, CLOSE-WAIT, FIN-WAIT-1, FIN-WAIT-2, CLOSING, LAST-ACK.
//!
//! *Owns* [`Open`], the storage shape that millions of idle connections have, and the user's calls
//! on it. *Never* holds bytes: positions only. What arrives goes through `input`, what leaves
//! through `output`.
//! *Spec*: RFC 9293 sections 3.3.1 (the variables), 3.6 (closing), 3.10.2 to 3.10.6 (the calls).

use wire::Ecn;
use wire::tcp::{Flags, Header};

use crate::busy::Busy;
use crate::challenge::Share;
use crate::ecn::Notice;
use crate::options::{Agreed, Stamps};
use crate::outcome::{Events, Fate, Outcome};
use crate::pool::Slot;
use crate::receive::{AckNeed, Receiver};
use crate::rtt::Rtt;
use crate::segment::{Arrival, Reset};
use crate::send::{Sender, Small};
use crate::seq::Seq;
use crate::shared::{Limits, Shared};
use crate::state::{Cause, Facts, OurFin, State};
use crate::time::Instant;
use crate::timers::{ACK_DELAY, Purpose, Timers, WINDOW_DELAY};
use crate::tuning::Tuning;
use crate::watch::Watch;

/// An open connection.
#[derive(Debug)]
pub struct Open {
    pub(crate) snd: Sender,
    pub(crate) rcv: Receiver,
    pub(crate) timers: Timers,
    pub(crate) stamps: Option<Stamps>,
    pub(crate) facts: Facts,
    /// Both ends understand selective acknowledgements (RFC 2018).
    pub(crate) has_sack: bool,
    /// Explicit congestion notification (RFC 3168): whether it is agreed on, and what is to be told.
    pub(crate) notice: Notice,
    /// How the peer is watched, where the user has chosen that.
    pub(crate) watch: Option<Slot<Watch>>,
    /// The user has left: nobody will read.
    pub(crate) is_orphan: bool,
    /// A probe of the peer's window is to be sent.
    pub(crate) is_probe_due: bool,
    /// The peer's FIN is the next thing after what was received. It counts, and is acknowledged, when
    /// the user was told.
    pub(crate) is_fin_seen: bool,
    /// The challenge acknowledgements that the connection has had lately.
    challenges: Share,
}

// Ten million idle connections are to fit in a few gigabytes.
const _: () = assert!(size_of::<Open>() <= 152);

/// Everything that is known when a handshake is complete.
pub(crate) struct Handshake {
    pub(crate) isn: Seq,
    pub(crate) irs: Seq,
    pub(crate) agreed: Agreed,
    /// The peer's window, in bytes, and the segment that said so.
    pub(crate) window: u32,
    pub(crate) window_set_by: Seq,
    /// How far beyond the peer's SYN we have offered a window.
    pub(crate) offered: u64,
    pub(crate) rtt: Rtt,
    pub(crate) is_nodelay: bool,
}

impl Open {
    pub(crate) fn new(handshake: &Handshake, now: Instant) -> Self {
        let Handshake {
            isn,
            irs,
            agreed,
            window,
            window_set_by,
            offered,
            rtt,
            is_nodelay,
        } = handshake;
        let mut open = Self {
            snd: Sender::new(*isn, agreed, *window, *window_set_by, *rtt),
            rcv: Receiver::new(*irs, agreed, *offered),
            timers: Timers::new(now),
            stamps: agreed.stamps,
            facts: Facts::default(),
            has_sack: agreed.has_sack,
            notice: Notice::new(agreed.has_ecn),
            watch: None,
            is_orphan: false,
            is_probe_due: false,
            is_fin_seen: false,
            challenges: Share::default(),
        };
        open.snd.small = Small::new(*is_nodelay, false);
        open
    }

    /// The user chooses. `false` if there is no part left to watch the peer as wished; the rest
    /// holds.
    pub(crate) fn set_tuning(
        &mut self,
        tuning: &Tuning,
        shared: &mut Shared,
        now: Instant,
    ) -> bool {
        self.snd.small = Small::new(tuning.is_nodelay, tuning.is_corked);
        self.rcv.set_tuning(tuning);
        if self.timers.purpose() == Purpose::KeepAlive {
            self.timers.disarm();
        }
        let has_path = self
            .watch_in(shared)
            .is_some_and(|watch| watch.path.is_some());
        if !tuning.needs_watch() && !has_path {
            if let Some(slot) = self.watch.take() {
                shared.watches.give_back(slot);
            }
            return true;
        }
        if self.watch.is_none() {
            self.watch = shared.watches.take();
        }
        let watch = self.watch_in(shared);
        let is_watched = watch.is_some();
        if let Some(watch) = watch {
            watch.follow(tuning, now);
        }
        is_watched
    }

    /// How the peer is watched.
    pub(crate) fn watch_in<'a>(&self, shared: &'a mut Shared) -> Option<&'a mut Watch> {
        let slot = self.watch.as_ref()?;
        shared.watches.get_mut(slot)
    }

    /// The segment in positions of this connection's streams.
    pub(crate) fn measure<'a>(&self, header: &'a Header, len: u32) -> Arrival<'a> {
        // A SYN takes a number, but beside a reset it means nothing.
        let syn = header.flags.contains(Flags::SYN) && !header.flags.contains(Flags::RST);
        let first = Seq::new(header.seq).plus(u32::from(syn));
        let ack = header.flags.contains(Flags::ACK);
        Arrival {
            header,
            start: first.position(self.rcv.base(), self.rcv.nxt),
            len,
            ack: ack.then(|| Seq::new(header.ack).position(self.snd.base(), self.snd.una)),
            mark: Ecn::NotCapable,
        }
    }

    /// The name of the state.
    #[inline]
    pub(crate) fn state(&self) -> State {
        self.facts.state()
    }

    /// The user gives `bytes` more room behind what was given before.
    pub(crate) fn give_room(&mut self, bytes: u32, now: Instant) {
        self.rcv.give_room(bytes);
        if self.is_fin_seen {
            return;
        }
        let gain = self.rcv.possible_gain();
        let offered = self.rcv.edge().saturating_sub(self.rcv.nxt);
        if self.rcv.is_worth(gain) {
            // RFC 9293 section 3.8.6.2.2: tell the peer when it matters. While it has a good part
            // of a window left, the next acknowledgement is early enough.
            if offered < gain {
                self.rcv.want_ack();
            }
        } else if gain > 0 && offered < u64::from(self.rcv.mss.get()) {
            // Too small to be worth a segment of its own, but if nothing more comes the peer must
            // learn of it at last.
            self.timers.delay_ack(WINDOW_DELAY, now);
        }
    }

    /// The user wants `bytes` more to be sent, behind what was queued before. Ignored after
    /// [`Open::close`].
    pub(crate) fn queue(&mut self, bytes: u32) {
        if !self.facts.is_our_side_closed() {
            self.snd.queue(bytes);
        }
    }

    /// Everything before `position`, as far as it is in order, was published to the user and may
    /// be acknowledged.
    pub(crate) fn publish(&mut self, position: u64, now: Instant) {
        let left = u32::try_from(self.rcv.nxt.saturating_sub(position)).unwrap_or(u32::MAX);
        if left < self.rcv.unpublished {
            self.rcv.unpublished = left;
            self.acknowledge_soon(now);
        }
    }

    /// The end of the peer's stream was published to the user, and everything before it. Only now
    /// does the peer's FIN count: what it is told must not depend on what we might forget.
    pub(crate) fn publish_fin(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        if self.is_fin_seen && !self.facts.is_their_side_closed() {
            self.publish(self.rcv.nxt, now);
            outcome.step(self.facts.change(Cause::FinArrived));
            self.rcv.want_ack();
            self.timers.forget_orphan();
            self.finish(shared, &mut outcome);
        }
        outcome
    }

    /// Notes that the connection is over, if it is, and gives back what was borrowed.
    pub(crate) fn finish(&mut self, shared: &mut Shared, outcome: &mut Outcome) {
        if self.fate() != Fate::Continues {
            outcome.events.insert(Events::OVER);
            self.release(shared);
        }
    }

    /// RFC 9293 section 3.8.6.3: at least every second full segment is acknowledged at once, the
    /// rest after a short delay; at the start nothing is delayed, so that the peer's window grows, nor
    /// when a second segment cannot come.
    fn acknowledge_soon(&mut self, now: Instant) {
        let rcv = &self.rcv;
        let is_urgent = rcv.segments >= 2 || rcv.quick > 0;
        if is_urgent || rcv.is_nearly_used_up() {
            self.rcv.want_ack();
        } else if self.rcv.need == AckNeed::None {
            self.timers.delay_ack(ACK_DELAY, now);
        }
    }

    /// The user has no more to send (RFC 9293 section 3.10.4).
    pub(crate) fn close(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        outcome.step(self.facts.change(Cause::UserClosed));
        outcome
    }

    /// The user has left for good: nothing more is sent or read.
    pub(crate) fn orphan(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        self.is_orphan = true;
        self.publish(self.rcv.nxt, now);
        let mut outcome = self.publish_fin(shared, now);
        outcome.step(self.facts.change(Cause::UserClosed));
        self.watch_orphan(&shared.limits, now);
        outcome
    }

    /// A peer that never finishes does not keep a connection that nobody uses.
    pub(crate) fn watch_orphan(&mut self, limits: &Limits, now: Instant) {
        if self.is_orphan && self.state() == State::FinWait2 {
            self.timers.arm_orphan(limits.orphan_timeout, now);
        }
    }

    /// The user gives up (RFC 9293 section 3.10.5): the reply is the reset to send.
    pub(crate) fn abort(&mut self, shared: &mut Shared) -> Outcome {
        let mut outcome = Outcome::default();
        if self.facts.ours() != OurFin::Acknowledged || !self.facts.is_their_side_closed() {
            outcome.reply = Some(self.reset());
        }
        self.cut(Cause::UserAborted, shared, &mut outcome);
        outcome
    }

    /// A reset that the peer believes: it carries exactly the number that it expects, SND.NXT.
    pub(crate) fn reset(&self) -> Reset {
        Reset {
            seq: self.snd.base().at(self.snd.nxt()),
            ack: Some(self.rcv.ack_number(self.facts.is_their_side_closed())),
        }
    }

    /// Ends the connection at once.
    pub(crate) fn cut(&mut self, cause: Cause, shared: &mut Shared, outcome: &mut Outcome) {
        outcome.step(self.facts.change(cause));
        outcome.events.insert(Events::OVER);
        self.release(shared);
    }

    /// Gives back what was borrowed, when nothing more can arrive or leave.
    pub(crate) fn release(&mut self, shared: &mut Shared) {
        if let Some(slot) = self.rcv.holes.take() {
            shared.holes.give_back(slot);
        }
        self.snd.give_back_busy(&mut shared.busy);
        if let Some(slot) = self.watch.take() {
            shared.watches.give_back(slot);
        }
        self.timers.disarm();
        self.timers.ack_sent();
        self.timers.pace(false);
    }

    /// What it has borrowed to send with.
    pub(crate) fn busy<'a>(&self, shared: &'a Shared) -> Option<&'a Busy> {
        self.snd.busy(&shared.busy)
    }

    /// RFC 5961 sections 3 to 5: a doubtful segment is answered by an acknowledgement, which makes
    /// an honest peer prove itself; no more than so many in a second.
    pub(crate) fn challenge(&mut self, shared: &mut Shared, now: Instant) {
        if self.challenges.take(now) && shared.may_challenge(now) {
            self.rcv.want_ack();
        }
    }

    /// Whether the connection is still one.
    #[inline]
    pub(crate) fn fate(&self) -> Fate {
        if self.facts.surely_goes_on() {
            return Fate::Continues;
        }
        match self.state() {
            State::Closed => Fate::Closed,
            // The peer's FIN must be acknowledged once before the small record takes over.
            State::TimeWait if self.is_quiet() => Fate::TimeWait,
            _ => Fate::Continues,
        }
    }

    fn is_quiet(&self) -> bool {
        self.rcv.need == AckNeed::None && !self.timers.is_ack_delayed()
    }
}
