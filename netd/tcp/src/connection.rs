//! A connection as its owner sees it: one value from the first SYN to the last acknowledgement.
//!
//! *Owns* [`Connection`], which is [`Opening`] or [`Open`] and becomes the latter by itself.
//! *Never* adds behaviour of its own.
//!
//! The owner's contract:
//! * After each call it looks at what the [`Outcome`] says, and calls [`Connection::output`] until
//!   it gives nothing more.
//! * Then it looks at [`Connection::fate`]. A connection that is over, or was aborted, has given
//!   back everything that it had borrowed from [`Shared`]; one that continues has not, and must not
//!   be thrown away without [`Connection::abort`].
//! * It calls [`Connection::fire`] at [`Connection::next_deadline`] or later.

use wire::Ecn;
use wire::tcp::Header;

use crate::cc::Algorithm;
use crate::info::Info;
use crate::open::Open;
use crate::opening::{Opening, Progress};
use crate::options::Setup;
use crate::outcome::{Emit, Fate, Outcome};
use crate::record::Record;
use crate::resume::{Contradiction, Recollection};
use crate::seq::Seq;
use crate::shared::Shared;
use crate::state::State;
use crate::time::Instant;
use crate::time_wait::TimeWait;
use crate::timers::Purpose;
use crate::tuning::Tuning;
use crate::window::Mss;

/// After so many retransmissions of one segment a peer is in doubt.
const R1: u8 = 3;

/// One connection.
#[derive(Debug)]
pub enum Connection {
    /// Its handshake is under way, and we have begun it.
    Opening(Opening),
    /// Its handshake is complete.
    Open(Open),
}

// An opening one is no larger than an open one.
const _: () = assert!(size_of::<Connection>() <= size_of::<Open>());

impl From<Open> for Connection {
    fn from(open: Open) -> Self {
        Self::Open(open)
    }
}

impl Connection {
    /// Opens a connection: the SYN is what [`Connection::output`] gives first.
    #[must_use]
    pub fn connect(setup: Setup, shared: &Shared, now: Instant) -> Self {
        Self::Opening(Opening::connect(setup, &shared.limits, now))
    }

    /// A segment with `payload_len` bytes of payload has arrived, in a packet that was not marked.
    pub fn input(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        payload_len: u32,
        now: Instant,
    ) -> Outcome {
        self.input_marked(shared, header, payload_len, Ecn::NotCapable, now)
    }

    /// A segment has arrived in a packet with this congestion notification (RFC 3168 section 5).
    #[inline]
    pub fn input_marked(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        payload_len: u32,
        mark: Ecn,
        now: Instant,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        match self {
            Self::Open(open) => {
                open.input(shared, header, payload_len, mark, now, &mut outcome);
                outcome
            }
            Self::Opening(_) => self.input_opening(shared, header, payload_len, mark, now),
        }
    }

    #[inline(never)]
    fn input_opening(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        payload_len: u32,
        mark: Ecn,
        now: Instant,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let Self::Opening(opening) = self else {
            return outcome;
        };
        let progress = opening.input(shared, header, now, &mut outcome);
        let Progress::Opened {
            mut open,
            is_syn_ack,
        } = progress
        else {
            return outcome;
        };
        let is_watched = open.set_tuning(opening.tuning(), shared, now);
        if let Some(watch) = open.watch_in(shared).filter(|_| is_watched) {
            watch.hear(header, now);
        }
        if let Some(mss) = opening.path() {
            open.limit_path(mss, shared, now);
        }
        let mut rest = Outcome::default();
        if is_syn_ack {
            rest = open.input_after_syn(shared, header, payload_len, now);
        } else {
            open.input(shared, header, payload_len, mark, now, &mut rest);
        }
        *self = Self::Open(open);
        outcome.followed_by(rest)
    }

    /// The user gives `bytes` more room for the peer's data, behind the room given before. What is not
    /// filled is 2³² - 1 bytes at most: more is not taken.
    pub fn give_room(&mut self, bytes: u32, now: Instant) {
        match self {
            Self::Opening(opening) => opening.give_room(bytes),
            Self::Open(open) => open.give_room(bytes, now),
        }
    }

    /// The smoothed round-trip time in microseconds; zero: not measured yet.
    #[must_use]
    pub const fn round_trip(&self) -> u32 {
        match self {
            Self::Opening(_) => 0,
            Self::Open(open) => open.snd.rtt.smoothed_us(),
        }
    }

    /// How many bytes there is room for, behind what was received.
    #[must_use]
    pub fn room_left(&self) -> u64 {
        match self {
            Self::Opening(opening) => opening.room().into(),
            Self::Open(open) => open.rcv.room().saturating_sub(open.rcv.nxt),
        }
    }

    /// Whether the room ends in a rest that is too small for a window, and not on offer: while the
    /// user gives no more, the peer cannot fill it, and [`Connection::drop_rest_of_room`] may be
    /// called when all before is published.
    #[must_use]
    pub fn has_stranded_room(&self) -> bool {
        matches!(self, Self::Open(open) if !open.is_fin_seen && open.rcv.has_stranded_rest())
    }

    /// The user takes back what is left of the room and is not on offer; what it gives next follows
    /// what was received.
    pub fn drop_rest_of_room(&mut self) {
        if let Self::Open(open) = self {
            open.rcv.drop_rest();
        }
    }

    /// The user wants `bytes` more to be sent, behind those queued before. After
    /// [`Connection::close`] it does nothing. What is not acknowledged is [`crate::MOST_QUEUED`] bytes at
    /// most: more is not taken.
    pub fn queue(&mut self, bytes: u32) {
        match self {
            Self::Opening(opening) => opening.queue(bytes),
            Self::Open(open) => open.queue(bytes),
        }
    }

    /// All bytes before `stream_offset`, as far as they are in order, are in the user's memory and
    /// the user knows: they may be acknowledged.
    pub fn publish(&mut self, stream_offset: u64, now: Instant) {
        if let Self::Open(open) = self {
            open.publish(stream_offset, now);
        }
    }

    /// The user knows of the end of the peer's stream, and of all that comes before it. Only now
    /// does the peer's FIN change the state.
    pub fn publish_fin(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        match self {
            Self::Opening(_) => Outcome::default(),
            Self::Open(open) => open.publish_fin(shared, now),
        }
    }

    /// The user has no more to send: FIN follows what is queued. The other direction stays open.
    pub fn close(&mut self) -> Outcome {
        match self {
            Self::Opening(opening) => {
                opening.close();
                Outcome::default()
            }
            Self::Open(open) => open.close(),
        }
    }

    /// The user has left for good. What is queued is still sent, then FIN. Nobody reads any more:
    /// data that arrives is answered by a reset, and the peer's FIN is waited for only so long. A
    /// connection that is still opening is aborted. (If bytes were received that the user never
    /// saw, RFC 9293 section 3.6.1 wants [`Connection::abort`] instead.)
    pub fn orphan(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        match self {
            Self::Opening(opening) => opening.abort(),
            Self::Open(open) => open.orphan(shared, now),
        }
    }

    /// The user gives up: [`Outcome::reply`] is the reset to send, if the peer knows of us. The
    /// connection is over.
    pub fn abort(&mut self, shared: &mut Shared) -> Outcome {
        match self {
            Self::Opening(opening) => opening.abort(),
            Self::Open(open) => open.abort(shared),
        }
    }

    /// The user chooses how the connection behaves. `false` if too many others have their peers
    /// watched already ([`crate::Limits::watches`]): keep-alive and user timeout are not followed.
    #[must_use]
    pub fn set_tuning(&mut self, tuning: Tuning, shared: &mut Shared, now: Instant) -> bool {
        match self {
            Self::Opening(opening) => {
                opening.set_tuning(tuning);
                true
            }
            Self::Open(open) => open.set_tuning(&tuning, shared, now),
        }
    }

    /// The path takes no larger payload than `mss`, options not counted: a router has said so now,
    /// or lately about the same destination. The owner has checked that it may be believed.
    pub fn limit_path(&mut self, mss: Mss, shared: &mut Shared, now: Instant) {
        match self {
            Self::Opening(opening) => opening.limit_path(mss),
            Self::Open(open) => open.limit_path(mss, shared, now),
        }
    }

    /// The user chooses a congestion control, at any time; what is known of the path stays.
    pub fn set_congestion_control(
        &mut self,
        algorithm: Algorithm,
        shared: &mut Shared,
        now: Instant,
    ) {
        match self {
            Self::Opening(opening) => opening.set_algorithm(algorithm),
            Self::Open(open) => open.snd.set_algorithm(algorithm, shared, now),
        }
    }

    /// The next segment to send, or `None` for now. A payload longer than one segment is given
    /// only if `max_payload` is: see [`Emit::segment_len`].
    pub fn output(&mut self, shared: &mut Shared, max_payload: u32, now: Instant) -> Option<Emit> {
        match self {
            Self::Opening(opening) => opening.output(now),
            Self::Open(open) => open.output(shared, max_payload, now),
        }
    }

    /// Whether [`Connection::output`] may have something to do. `false` saves the owner asking; it
    /// may change with every other call.
    #[inline]
    #[must_use]
    pub fn may_send(&self) -> bool {
        match self {
            Self::Opening(_) => true,
            Self::Open(open) => open.may_send(),
        }
    }

    /// When [`Connection::fire`] wants to be called.
    #[must_use]
    pub fn next_deadline(&self, shared: &Shared) -> Option<Instant> {
        match self {
            Self::Opening(opening) => opening.next_deadline(),
            Self::Open(open) => open.next_deadline(shared),
        }
    }

    /// Fires the timers that are due. Calling it too early does nothing.
    pub fn fire(&mut self, shared: &mut Shared, now: Instant) -> Outcome {
        match self {
            Self::Opening(opening) => opening.fire(shared, now),
            Self::Open(open) => open.fire(shared, now),
        }
    }

    /// Whether the connection goes on.
    #[inline]
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self {
            Self::Opening(opening) if opening.state() == State::Closed => Fate::Closed,
            Self::Opening(_) => Fate::Continues,
            Self::Open(open) => open.fate(),
        }
    }

    /// The small record that takes the place of a connection whose fate is [`Fate::TimeWait`].
    #[must_use]
    pub fn time_wait(&self, shared: &Shared, now: Instant) -> Option<TimeWait> {
        match self {
            Self::Open(open) if open.fate() == Fate::TimeWait => {
                Some(TimeWait::new(open, shared.limits.time_wait, now))
            }
            _ => None,
        }
    }

    /// An ICMP error came that quotes a segment of ours with sequence number `seq`. Returns whether
    /// it is to be believed: only if that segment may be in flight (RFC 5927 section 4.1), and only
    /// while the connection is opening (RFC 5927 section 5.2 and RFC 1122 section 4.2.3.9: later,
    /// errors are soft and the retransmissions decide). The owner then aborts it.
    #[must_use]
    pub fn is_fatal_icmp(&self, seq: Seq) -> bool {
        match self {
            Self::Opening(opening) => opening.is_syn(seq),
            Self::Open(_) => false,
        }
    }

    /// Whether a segment of ours with sequence number `seq` may be in flight: the check of RFC 5927
    /// section 4.1 that every quoted segment must pass.
    #[must_use]
    pub fn is_in_flight(&self, seq: Seq) -> bool {
        match self {
            Self::Opening(opening) => opening.is_syn(seq),
            Self::Open(open) => {
                let ahead = seq.distance_from(open.snd.base().at(open.snd.una));
                u32::try_from(ahead).is_ok_and(|ahead| ahead < open.snd.flight)
            }
        }
    }

    /// Everything before this offset of the send stream was queued.
    #[must_use]
    pub fn queued(&self) -> u64 {
        match self {
            Self::Opening(opening) => opening.queued(),
            Self::Open(open) => open.snd.end(),
        }
    }

    /// Everything before this offset of the send stream is acknowledged.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        match self {
            Self::Opening(_) => 0,
            Self::Open(open) => open.snd.una.min(open.snd.end()),
        }
    }

    /// Everything before this offset of the receive stream is in the user's memory.
    #[must_use]
    pub fn received(&self) -> u64 {
        match self {
            Self::Opening(_) => 0,
            Self::Open(open) => open.rcv.nxt,
        }
    }

    /// Everything before this offset of the receive stream is published.
    #[must_use]
    pub fn published(&self) -> u64 {
        match self {
            Self::Opening(_) => 0,
            Self::Open(open) => open.rcv.published(),
        }
    }

    /// What came last in order, and is not published, was several segments on its way: RFC 9293 section
    /// 3.8.6.3 counts them, not what was made of them.
    pub fn note_joined(&mut self) {
        if let Self::Open(open) = self {
            open.rcv.segments = 2;
        }
    }

    /// How many bytes behind [`Connection::received`] would be taken now if they came in order, and
    /// may be written before they are; zero when their place may hold others that came early. The
    /// owner may then hand several segments that follow each other to [`Connection::input_marked`]
    /// as the one that they would have made, with the header of the first, if that is
    /// [current](Connection::is_current).
    #[must_use]
    pub fn expected(&self) -> u64 {
        match self {
            Self::Open(open) if !open.is_orphan && !open.is_fin_seen => open.rcv.expected(),
            Self::Open(_) | Self::Opening(_) => 0,
        }
    }

    /// Whether a segment that was just taken would be again, did it come behind itself: its timestamp
    /// is not an old one that was let pass because there were holes (RFC 7323 section 5.3 R1).
    #[must_use]
    pub fn is_current(&self, header: &Header) -> bool {
        let stamps = match self {
            Self::Open(open) => open.stamps.map(|stamps| stamps.recent),
            Self::Opening(_) => None,
        };
        let theirs = header.options.timestamps.map(|theirs| theirs.value);
        stamps
            .zip(theirs)
            .is_none_or(|(recent, theirs)| !Seq::new(theirs).is_before(Seq::new(recent)))
    }

    /// Whether the peer has finished: nothing comes after [`Connection::received`].
    #[must_use]
    pub fn has_peer_finished(&self) -> bool {
        match self {
            Self::Opening(_) => false,
            Self::Open(open) => open.is_fin_seen,
        }
    }

    /// The name of the state.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Opening(opening) => opening.state(),
            Self::Open(open) => open.state(),
        }
    }

    /// What a person wants to know.
    #[must_use]
    pub fn info(&self, shared: &Shared) -> Info {
        match self {
            Self::Opening(opening) => Info::of_opening(opening),
            Self::Open(open) => Info::of_open(open, shared),
        }
    }

    /// Payload bytes of the largest segment that the path takes now.
    #[must_use]
    pub fn segment_len(&self) -> u16 {
        match self {
            Self::Opening(_) => 0,
            Self::Open(open) => open.snd.mss.get(),
        }
    }

    /// How many segments were sent again, as far as can be counted.
    #[must_use]
    pub fn retransmits(&self) -> u16 {
        match self {
            Self::Opening(opening) => opening.retransmits().into(),
            Self::Open(open) => open.snd.retransmits,
        }
    }

    /// Whether the same segment was sent again three times or more and nothing came back: R1 of
    /// RFC 9293 section 3.8.3 (SHLD-10). A peer that only keeps its window closed is in no doubt.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        match self {
            Self::Opening(opening) => opening.retransmits() >= R1,
            Self::Open(open) => {
                open.timers.purpose() == Purpose::Retransmit && open.timers.backoff() >= R1
            }
        }
    }

    /// What must outlive a crash; `None` while nothing was promised, that is, before it is open.
    /// Everything before `kept`, of what was received in order, is where the user will find it.
    #[must_use]
    pub fn record(&self, kept: u64) -> Option<Record> {
        match self {
            Self::Opening(_) => None,
            Self::Open(open) => Some(Record::of(open, kept)),
        }
    }

    /// The user of a connection that was restored says where its streams stand, and it goes on.
    ///
    /// # Errors
    /// That cannot be; nothing has changed.
    pub fn resume(&mut self, user: &Recollection, now: Instant) -> Result<(), Contradiction> {
        match self {
            Self::Opening(_) => Err(Contradiction),
            Self::Open(open) => open.resume(user, now),
        }
    }
}
