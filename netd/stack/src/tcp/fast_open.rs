//! Fast Open: bytes that come with a SYN and are taken at once; and what SYN-ACKs tell us for the
//! next time that we connect.
//!
//! *Owns* the cookies that prove that a peer has been at its address before, the limit of
//! connections opened so whose peers have not been heard of since, and what happens to those until
//! then: they are connections already, and have a half-open record beside, which sends the SYN-ACK.
//! *Never* keeps bytes: those of a SYN are taken only when an accept with room waits. When none
//! does, or too many are under way, or the cookie is not good, the handshake is the ordinary one and
//! the peer sends its bytes again. The SYN-ACK waits until the bytes are published, so that it can
//! acknowledge them; if the client is behind, it leaves when its timer says so, without them.
//!
//! Spec: RFC 7413 4.1.2 (cookies), 4.2.2 (server and client), 5.1 (limit).

use crate::demux::Target;
use crate::family::Family;
use crate::hash::Tuple;
use crate::memory::ClientMemory;
use crate::rng::Rng;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::Tables;
use crate::tcp::cookies::Cookies;
use crate::tcp::half_open::HalfOpen;
use ::tcp::{EarlySegment, Emit, Events, FastOpen, Instant, Mss, Outcome, SynEntry};
use core::num::NonZeroU32;
use core::time::Duration;
use wire::Drop;
use wire::tcp::{FastOpenCookie, Flags, Header, Segment};

/// Seconds that a secret makes cookies, and as long again in which they are good.
const SECRET: u64 = 6 * 3_600;

/// How long a connection that was reset counts as one that is under way. RFC 7413 section 5.1: a
/// victim's resets must not make place for more of what the attacker sends in its name.
const RESET_COUNTS: Duration = Duration::from_secs(60);

/// The listener of half-open records whose connections have left it, or whose stack has.
pub(crate) const NO_LISTENER: u32 = u32::MAX;

/// Where the half-open record of a connection opened at once is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Early(NonZeroU32);

impl Early {
    pub(crate) fn at(index: u32) -> Option<Self> {
        NonZeroU32::new(index.wrapping_add(1)).map(Self)
    }

    pub(crate) fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// How a SYN is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a handshake.
    Handshake,
    /// By a connection that has the SYN's bytes.
    AtOnce,
}

/// How good a cookie is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Good,
    /// Its secret will soon be forgotten.
    Ageing,
    Wrong,
}

/// The secrets of cookies, and the connections that are under way.
#[derive(Debug)]
pub(crate) struct FastOpens {
    secrets: Cookies,
    limit: u32,
    pending: u32,
    /// Those that were reset, which count until then.
    reset: u32,
    forget_at: Instant,
}

impl FastOpens {
    pub(crate) fn new(rng: &mut Rng, limit: u32) -> Self {
        Self {
            secrets: Cookies::new(rng, SECRET),
            limit,
            pending: 0,
            reset: 0,
            forget_at: Instant::ZERO,
        }
    }

    /// The cookie of a peer: a keyed hash of both addresses (RFC 7413 section 4.1.2).
    fn cookie<A: Family>(
        &mut self,
        rng: &mut Rng,
        tuple: &Tuple<A>,
        now: Instant,
    ) -> FastOpenCookie {
        let tick = self.secrets.make(rng, now);
        self.cookie_of(tuple, tick)
    }

    fn cookie_of<A: Family>(&self, tuple: &Tuple<A>, tick: u64) -> FastOpenCookie {
        let addresses = Tuple {
            local_port: 0,
            remote_port: 0,
            ..*tuple
        };
        let hash = self.secrets.hash(&addresses, tick, 0);
        FastOpenCookie::from_slice(&hash.to_be_bytes()).unwrap_or_default()
    }

    fn judge<A: Family>(
        &mut self,
        rng: &mut Rng,
        tuple: &Tuple<A>,
        cookie: &FastOpenCookie,
        now: Instant,
    ) -> Proof {
        let tick = self.secrets.make(rng, now);
        let is_of = |tick| self.cookie_of(tuple, tick).as_slice() == cookie.as_slice();
        if is_of(tick) {
            Proof::Good
        } else if tick.checked_sub(1).is_some_and(is_of) {
            Proof::Ageing
        } else {
            Proof::Wrong
        }
    }

    fn has_place(&mut self, now: Instant) -> bool {
        if now >= self.forget_at {
            self.reset = 0;
        }
        self.pending.saturating_add(self.reset) < self.limit
    }

    /// One that was under way is not any more.
    fn end(&mut self, was_reset: bool, now: Instant) {
        self.pending = self.pending.saturating_sub(1);
        if was_reset {
            self.reset = self.reset.saturating_add(1);
            self.forget_at = now + RESET_COUNTS;
        }
    }
}

impl<A: Family> Tables<A> {
    /// The connection whose SYN-ACK a half-open record is for, if it is one already.
    pub(crate) fn early_connection(&self, half_open: u32) -> Option<u32> {
        let record = self.half_open.at(half_open)?;
        if record.listener != NO_LISTENER {
            return None;
        }
        match self.find(&record.tuple)? {
            Target::Connection(index) => {
                let early = self.early(self.connections.at(index)?)?;
                (early == half_open).then_some(index)
            }
            Target::HalfOpen(_) | Target::TimeWait(_) => None,
        }
    }
}

impl Stack {
    /// What the Fast Open option of a SYN leads to, if the listener knows of it (RFC 7413 section
    /// 4.2.2, steps 1 and 2).
    pub(crate) fn heed_fast_open<A: Family>(
        &mut self,
        listener: u32,
        tuple: &Tuple<A>,
        segment: &Segment<'_>,
        entry: &mut SynEntry,
        room: u64,
        now: Instant,
    ) -> Way {
        let listener = self.tcp.listeners.at(listener);
        let is_on = listener.is_some_and(|listener| listener.options.fast_open);
        let Some(cookie) = segment.header.options.fast_open.filter(|_| is_on) else {
            return Way::Handshake;
        };
        if cookie.as_slice().is_empty() {
            entry.tell_fast_open();
            return Way::Handshake;
        }
        let opens = &mut self.tcp.tables.of_mut::<A>().fast_opens;
        match opens.judge(&mut self.rng, tuple, &cookie, now) {
            Proof::Good => {}
            Proof::Ageing => entry.tell_fast_open(),
            Proof::Wrong => {
                self.stats.count(Counter::FastOpenCookiesInvalid);
                entry.tell_fast_open();
                return Way::Handshake;
            }
        }
        if segment.payload_len() == 0 {
            return Way::Handshake;
        }
        if room == 0 || !opens.has_place(now) {
            self.stats.count(Counter::FastOpenFallbacks);
            return Way::Handshake;
        }
        Way::AtOnce
    }

    /// A SYN makes a connection, which takes its bytes (RFC 7413 section 4.2.2, step 3).
    ///
    /// # Errors
    /// There is no place, or the client is not there: the peer will try again.
    pub(crate) fn open_at_once<A: Family, M: ClientMemory>(
        &mut self,
        listener: u32,
        tuple: Tuple<A>,
        entry: SynEntry,
        segment: &Segment<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let record = HalfOpen {
            entry,
            tuple,
            listener: NO_LISTENER,
        };
        let early = self
            .tcp
            .tables
            .of_mut::<A>()
            .half_open
            .insert(record)
            .ok_or(Drop::TcpSynOverflow)?;
        self.tcp.tables.of_mut::<A>().half_open_order.push(0, early);
        let connection = self.establish::<A>(listener, tuple, None, entry.open_at_once(now), now);
        let Ok(index) = connection else {
            self.forget_half_open::<A>(early);
            return connection.map(|_| ());
        };
        self.stats.count(Counter::FastOpens);
        self.tcp.tables.of_mut::<A>().fast_opens.pending += 1;
        self.tcp
            .tables
            .of_mut::<A>()
            .set_aside(index, |aside| aside.early = Early::at(early));
        self.timers
            .set(A::half_open_timer(early), Some(entry.next_deadline()));
        // Room first, so that the bytes find some.
        self.pair(listener, now);
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return Err(Drop::TcpNoSocket);
        };
        let len = segment.payload_len();
        let outcome = conn
            .tcp
            .take_syn(&mut self.tcp.shared, &segment.header, len, now);
        self.carry_out::<A, M>(index, &outcome, segment, memory, now)
    }

    /// The SYN-ACK of a half-open record, if it is due, with its cookie.
    pub(crate) fn syn_answer<A: Family>(&mut self, index: u32, now: Instant) -> Option<Header> {
        let tables = self.tcp.tables.of_mut::<A>();
        let record = tables.half_open.at_mut(index)?;
        let mut header = record.entry.output(now)?;
        if record.entry.tells_fast_open() {
            let opens = &mut tables.fast_opens;
            header.options.fast_open = Some(opens.cookie(&mut self.rng, &record.tuple, now));
            self.stats.count(Counter::FastOpenCookiesSent);
        }
        Some(header)
    }

    /// The SYN-ACK of a connection that has not sent it yet, or is to send it again.
    pub(crate) fn early_output<A: Family>(&mut self, index: u32, now: Instant) -> Option<Emit> {
        let early = self
            .tcp
            .tables
            .of::<A>()
            .early(self.tcp.tables.of::<A>().connections.at(index)?)?;
        let header = self.syn_answer::<A>(early, now)?;
        let conn = self.tcp.tables.of_mut::<A>().connections.at_mut(index)?;
        conn.tcp.early_answer(header)
    }

    /// A segment has come for a connection whose SYN-ACK is not acknowledged.
    ///
    /// # Errors
    /// The connection is not to see it.
    pub(crate) fn early_input<A: Family>(
        &mut self,
        index: u32,
        early: u32,
        segment: &Segment<'_>,
    ) -> Result<(), Drop> {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return Err(Drop::TcpNoSocket);
        };
        let tuple = conn.tuple;
        match conn.tcp.judge_early(&segment.header) {
            EarlySegment::SynAgain => {
                if let Some(record) = tables.half_open.at_mut(early) {
                    record.entry.answer_again();
                }
                self.tcp_wake::<A>(index);
                Err(Drop::TcpDuplicate)
            }
            EarlySegment::Refused(reset) => {
                self.send_bare::<A>(&tuple, reset);
                Err(Drop::TcpBadHandshake)
            }
            EarlySegment::Completes => {
                let asides = &mut tables.asides;
                asides.change(&mut conn.aside, |aside| aside.early = None);
                tables.fast_opens.pending = tables.fast_opens.pending.saturating_sub(1);
                self.forget_half_open::<A>(early);
                Ok(())
            }
            EarlySegment::Other => Ok(()),
        }
    }

    /// A segment has come for a connection that we open, `early` bytes of which have left with the
    /// SYN: has the handshake told us anything (RFC 7413 section 4.2.2, client)?
    pub(crate) fn learn_fast_open<A: Family>(
        &mut self,
        index: u32,
        early: u32,
        header: &Header,
        outcome: &Outcome,
        now: Instant,
    ) {
        if !outcome.events.contains(Events::ESTABLISHED) {
            return;
        }
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at(index) else {
            return;
        };
        let told = header.options.fast_open;
        if let Some(cookie) = told.filter(|cookie| !cookie.as_slice().is_empty())
            && header.flags.contains(Flags::SYN)
        {
            let mss = header.options.mss.map_or(A::DEFAULT_MSS, Mss::at_least);
            let fast_open = FastOpen { cookie, mss };
            tables.cookie_cache.learn(conn.tuple.remote, fast_open, now);
        }
        if outcome.acked > 0 {
            self.stats.count(Counter::FastOpensTaken);
        } else if early > 0 {
            self.stats.count(Counter::FastOpensRefused);
        }
    }

    /// A connection has ended before its SYN-ACK was acknowledged.
    pub(crate) fn early_over<A: Family>(&mut self, early: u32, was_reset: bool, now: Instant) {
        self.tcp.tables.of_mut::<A>().fast_opens.end(was_reset, now);
        self.forget_half_open::<A>(early);
    }
}
