//! Half-open connections: peers that have sent a SYN and not yet shown that they are there.
//!
//! *Owns* the SYN cache: no buffers, one small record each. One cache for all listeners: backlogs
//! bound only who waits to be accepted. When the cache is full, a SYN is answered by a cookie, which
//! takes no memory at all; where cookies are switched off, the oldest entry makes way.
//!
//! Spec: RFC 4987 3.4 (SYN cache), 3.6 (SYN cookies).

use crate::demux::Target;
use crate::error::SocketError;
use crate::family::Family;
use crate::hash::Tuple;
use crate::ip::out::{Path, USUAL_HOPS};
use crate::memory::ClientMemory;
use crate::options::SocketOptions;
use crate::records::Entry;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::tcp::fast_open::{NO_LISTENER, Way};
use crate::tcp::ways::WayNumber;
use ::tcp::{Connection, Instant, Mss, Open, Seq, Setup, SynEntry, SynOutcome};
use core::net::Ipv4Addr;
use wire::tcp::{Flags, Header, Segment};
use wire::{Drop, Ecn, tcp as format};

/// A half-open connection.
#[derive(Debug)]
pub(crate) struct HalfOpen<A = Ipv4Addr> {
    pub(crate) entry: SynEntry,
    pub(crate) tuple: Tuple<A>,
    pub(crate) listener: u32,
}

// A flood costs at most so many of these.
const _: () = assert!(size_of::<HalfOpen>() <= 64);

impl Stack {
    /// What a connection between these ends brings. `after` is where the sequence numbers of the
    /// previous connection between them ended (RFC 6191).
    pub(crate) fn setup<A: Family>(
        &self,
        tuple: &Tuple<A>,
        mtu: u16,
        options: &SocketOptions,
        after: Option<Seq>,
        now: Instant,
    ) -> Setup {
        let headers = A::HEADER_LEN + format::HEADER_LEN;
        let mss = usize::from(mtu).saturating_sub(headers);
        let mss = match usize::from(options.max_segment) {
            0 => mss,
            chosen => mss.min(chosen),
        };
        // One hash is enough for both: that of another pair of ends has nothing to do with it.
        let hash = self.tcp.tables.of::<A>().secret.tuple(tuple);
        let own = ::tcp::isn(now, hash);
        Setup {
            // RFC 6191: beyond everything that the old connection can have sent.
            isn: after.map_or(own, |after| after.plus(1 << 16)),
            mss: Mss::at_least(u16::try_from(mss).unwrap_or(u16::MAX)),
            peer_mss: A::DEFAULT_MSS,
            timestamps: u32::try_from(hash >> 32).ok(),
            sack: true,
            ecn: options.congestion_notification,
            tuning: options.tuning(),
        }
    }

    /// A segment for a listener and for no connection.
    pub(crate) fn syn_input<A: Family, M: ClientMemory>(
        &mut self,
        listener: u32,
        tuple: Tuple<A>,
        segment: &Segment<'_>,
        after: Option<Seq>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let header = &segment.header;
        // RFC 9293 3.10.7.2: to a listener, a reset means nothing and an ACK is refused.
        if header.flags.contains(Flags::RST) {
            return Err(Drop::TcpNoSocket);
        }
        if header.flags.contains(Flags::ACK) {
            return match self.cookie_input::<A>(listener, tuple, header, now) {
                Some(taken) => self.welcome::<A, M>(listener, taken?, segment, memory, now),
                None => self.refuse::<A>(tuple, segment),
            };
        }
        let path = self
            .path(tuple.remote, Some(tuple.local))
            .ok_or(Drop::NoRoute)?;
        let Some(entry) = self.tcp.listeners.at(listener) else {
            return Err(Drop::TcpNoSocket);
        };
        let limit = match entry.options.receive_buffer {
            0 => u64::MAX,
            bytes => bytes.into(),
        };
        let room = entry.room_for_next(&self.requests).min(limit);
        let is_full = entry.is_full();
        let setup = self.setup::<A>(&tuple, path.mtu, &entry.options, after, now);
        let mut entry = SynEntry::from_syn(header, &setup, &self.tcp.shared, room, now)?;
        // A peer whose connection nobody would take now does better to try again.
        if is_full {
            self.stats.count(Counter::AcceptOverflows);
            return Err(Drop::TcpAcceptOverflow);
        }
        if self.tcp.tables.of::<A>().half_open.len() >= self.tcp.tables.of::<A>().half_open.limit()
        {
            if self.config.syn_cookies {
                self.send_cookie::<A>(&tuple, header, &setup, room, now);
                return Ok(());
            }
            self.make_way::<A>(now);
        }
        if self.heed_fast_open::<A>(listener, &tuple, segment, &mut entry, room, now) == Way::AtOnce
        {
            return self.open_at_once::<A, M>(listener, tuple, entry, segment, memory, now);
        }
        let half_open = HalfOpen {
            entry,
            tuple,
            listener,
        };
        let index = self
            .tcp
            .tables
            .of_mut::<A>()
            .half_open
            .insert(half_open)
            .ok_or(Drop::TcpSynOverflow)?;
        if let Some(at) = self.tcp.listeners.at_mut(listener) {
            at.half_open += 1;
        }
        self.half_open_begins::<A>(index);
        self.commit_half_open::<A>(index, now);
        self.half_open_output::<A>(index, Some(path), now);
        Ok(())
    }

    /// Segments find it.
    pub(crate) fn half_open_begins<A: Family>(&mut self, index: u32) {
        let tables = self.tcp.tables.of_mut::<A>();
        if let Some(half_open) = tables.half_open.at(index) {
            let target = Target::HalfOpen(index);
            tables.demux.insert(&half_open.tuple, target);
            tables.half_open_order.push(0, index);
        }
    }

    /// Makes room for one more half-open connection: the oldest goes.
    fn make_way<A: Family>(&mut self, now: Instant) {
        if let Some(oldest) = self.tcp.tables.of::<A>().half_open_order.first(0) {
            self.stats.count(Counter::SynCacheOverflows);
            self.end_half_open::<A>(oldest, now);
        }
    }

    /// The peer of a half-open connection has not answered in time.
    fn end_half_open<A: Family>(&mut self, index: u32, now: Instant) {
        match self.tcp.tables.of::<A>().early_connection(index) {
            Some(connection) => self.tcp_abort::<A>(connection, Some(SocketError::TimedOut), now),
            None => self.forget_half_open::<A>(index),
        }
    }

    /// Answers a SYN without keeping anything of it.
    fn send_cookie<A: Family>(
        &mut self,
        tuple: &Tuple<A>,
        syn: &Header,
        setup: &Setup,
        room: u64,
        now: Instant,
    ) {
        let tick = self
            .tcp
            .tables
            .of_mut::<A>()
            .cookies
            .make(&mut self.rng, now);
        let cookies = &self.tcp.tables.of::<A>().cookies;
        let max_window = self.tcp.shared.limits().max_window;
        let hash = |word| cookies.hash(tuple, tick, word);
        let header = ::tcp::cookie(syn, setup, max_window, room, tick, hash, now);
        self.stats.count(Counter::CookiesSent);
        self.send_bare::<A>(tuple, header);
    }

    /// An acknowledgement has come to a listener: of a cookie? `None` if not; else the connection,
    /// or why there is none.
    fn cookie_input<A: Family>(
        &mut self,
        listener: u32,
        tuple: Tuple<A>,
        ack: &Header,
        now: Instant,
    ) -> Option<Result<u32, Drop>> {
        let tick = self
            .tcp
            .tables
            .of_mut::<A>()
            .cookies
            .expect(&mut self.rng, now)?;
        let path = self.path_again(tuple.remote, tuple.local)?;
        let options = self.tcp.listeners.at(listener)?.options;
        let setup = self.setup::<A>(&tuple, path.mtu, &options, None, now);
        let cookies = &self.tcp.tables.of::<A>().cookies;
        let hash = |tick, word| cookies.hash(&tuple, tick, word);
        let entry = SynEntry::from_cookie(ack, &setup, &self.tcp.shared, tick, hash, now);
        self.stats.count(match entry {
            Some(_) => Counter::CookiesValid,
            None => Counter::CookiesInvalid,
        });
        Some(self.establish::<A>(listener, tuple, None, entry?.open(now), now))
    }

    /// Sends what a half-open connection has to send, and arms its timer. `path`: the way to the peer,
    /// if it is known.
    pub(crate) fn half_open_output<A: Family>(
        &mut self,
        index: u32,
        path: Option<Path<A>>,
        now: Instant,
    ) {
        let Some(half_open) = self.tcp.tables.of_mut::<A>().half_open.at_mut(index) else {
            return;
        };
        let (tuple, listener) = (half_open.tuple, half_open.listener);
        let deadline = half_open.entry.next_deadline();
        self.timers.set(A::half_open_timer(index), Some(deadline));
        if let Some(connection) = self.tcp.tables.of::<A>().early_connection(index) {
            // Its answer goes before its bytes, so it goes the same way.
            self.tcp_wake::<A>(connection);
        } else if let Some(header) = self.syn_answer::<A>(index, now) {
            let chosen = self.tcp.listeners.at(listener).map(|it| it.options);
            let chosen = chosen.map_or((USUAL_HOPS, 0), |it| (it.ttl, it.dscp));
            if let Some(path) = path.or_else(|| self.path_again(tuple.remote, tuple.local)) {
                self.send_bare_by::<A>(&path, chosen, &tuple, header);
            }
        }
    }

    /// The timer of a half-open connection fired.
    pub(crate) fn fire_half_open<A: Family>(&mut self, index: u32, now: Instant) {
        let shared = &self.tcp.shared;
        let Some(half_open) = self.tcp.tables.of_mut::<A>().half_open.at_mut(index) else {
            return;
        };
        if half_open.entry.fire(shared, now) {
            self.stats.count(Counter::TcpFailedOpens);
            self.end_half_open::<A>(index, now);
        } else {
            self.half_open_output::<A>(index, None, now);
        }
    }

    /// A half-open connection came to nothing.
    pub(crate) fn forget_half_open<A: Family>(&mut self, index: u32) {
        if let Some(half_open) = self.take_half_open::<A>(index) {
            let target = Target::HalfOpen(index);
            self.tcp.tables.of_mut::<A>().part(&half_open.tuple, target);
        }
    }

    /// Takes a half-open connection out of all tables but that of conversations.
    fn take_half_open<A: Family>(&mut self, index: u32) -> Option<HalfOpen<A>> {
        let half_open = self.tcp.tables.of_mut::<A>().half_open.remove_at(index)?;
        self.tcp.tables.of_mut::<A>().half_open_order.remove(index);
        self.timers.disarm(A::half_open_timer(index));
        self.put_record::<A>(Entry::HalfOpen(index), None);
        if let Some(listener) = self.tcp.listeners.at_mut(half_open.listener) {
            listener.half_open = listener.half_open.saturating_sub(1);
        }
        Some(half_open)
    }

    /// A segment for a half-open connection.
    pub(crate) fn half_open_input<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let Some(half_open) = self.tcp.tables.of_mut::<A>().half_open.at_mut(index) else {
            return Err(Drop::TcpNoSocket);
        };
        let tuple = half_open.tuple;
        match half_open
            .entry
            .input(&mut self.tcp.shared, &segment.header, now)
        {
            SynOutcome::Complete => self.half_open_complete::<A, M>(index, segment, memory, now),
            SynOutcome::Drop(reason) => {
                self.half_open_output::<A>(index, None, now);
                Err(reason)
            }
            SynOutcome::Reply(header, reason) => {
                self.send_bare::<A>(&tuple, header);
                Err(reason)
            }
            SynOutcome::Remove => {
                self.stats.count(Counter::TcpFailedOpens);
                self.forget_half_open::<A>(index);
                Ok(())
            }
        }
    }

    /// The handshake is complete: the half-open connection becomes one.
    fn half_open_complete<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let Some(half_open) = self.tcp.tables.of::<A>().half_open.at(index) else {
            return Err(Drop::TcpNoSocket);
        };
        let (entry, tuple, listener) = (half_open.entry, half_open.tuple, half_open.listener);
        // One that was taken over knows only where it came to.
        let listener = if listener == NO_LISTENER {
            let found = self
                .tcp
                .tables
                .of::<A>()
                .listening
                .find(tuple.local, tuple.local_port);
            found.ok_or(Drop::TcpNoSocket)?
        } else {
            listener
        };
        let connection = self.establish::<A>(listener, tuple, Some(index), entry.open(now), now)?;
        self.commit::<A>(connection);
        self.take_half_open::<A>(index);
        self.welcome::<A, M>(listener, connection, segment, memory, now)
    }

    /// Makes a connection, of this half-open one if it was kept, and puts it into the accept queue.
    ///
    /// # Errors
    /// The client is behind, or there is no place: the entry stays (a cookie does so anyway), and
    /// the peer, who believes to be connected, sends its first bytes again.
    pub(crate) fn establish<A: Family>(
        &mut self,
        listener: u32,
        tuple: Tuple<A>,
        half_open: Option<u32>,
        open: Open,
        now: Instant,
    ) -> Result<u32, Drop> {
        let path = self.path_again(tuple.remote, tuple.local);
        let way = path.map_or(WayNumber::NONE, |path| {
            self.tcp.tables.of_mut::<A>().way_number(&path)
        });
        let is_recorded = self.is_recorded(Holder::Listener(listener));
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(at) = self.tcp.listeners.at_mut(listener) else {
            return Err(Drop::TcpNoSocket);
        };
        if at.is_full() {
            self.stats.count(Counter::AcceptOverflows);
            return Err(Drop::TcpAcceptOverflow);
        }
        let mut conn = Conn::new(Connection::from(open), tuple, way);
        conn.set_holder(Holder::Listener(listener));
        conn.note(Fact::Established);
        conn.note_change();
        conn.set(Fact::Recorded, is_recorded);
        (conn.ttl, conn.dscp) = (at.options.ttl, at.options.dscp);
        let connection = tables
            .connections
            .insert(conn)
            .ok_or(Drop::TcpAcceptOverflow)?;
        at.queue.complete(A::waiting(connection));
        let (demux, target) = (&mut tables.demux, Target::Connection(connection));
        match half_open {
            Some(half_open) => demux.turn(&tuple, Target::HalfOpen(half_open), target),
            None => demux.insert(&tuple, target),
        }
        self.stats.count(Counter::TcpPassiveOpens);
        self.heed_path::<A>(connection, now);
        Ok(connection)
    }

    /// A new connection takes the segment that completed its handshake.
    fn welcome<A: Family, M: ClientMemory>(
        &mut self,
        listener: u32,
        connection: u32,
        segment: &Segment<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        // Room first, so that data in this very segment finds some.
        self.pair(listener, now);
        self.connection_input::<A, M>(connection, segment, Ecn::NotCapable, memory, now)?;
        Ok(())
    }
}
