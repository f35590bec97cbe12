//! Segments that come in: whose are they, and what follows for that one.
//!
//! *Owns* the demultiplexing and the copying of payload, once, into the room its client gave. What a
//! segment means is `netd/tcp`'s; this file carries out what it says.
//!
//! Spec: RFC 9293 3.10.7; RFC 5927 for ICMP errors.

use crate::burst::Landing;
use crate::demux::Target;
use crate::error::SocketError;
use crate::family::Family;
use crate::hash::Tuple;
use crate::icmp::input::Verdict;
use crate::id::InterfaceId;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::ip::out::{Path, USUAL_HOPS};
use crate::memory::{ClientMemory, Gone};
use crate::nodes::Cursor;
use crate::packed::Requests;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::tcp::ways::WayNumber;
use ::tcp::{Events, Fate, Instant, Outcome, Place, Seq, State};
use wire::tcp::{Flags, Header, Segment};
use wire::{Drop, Ecn, Headroom, Protocol, Seal, Sum};

impl Stack {
    /// Takes in a segment.
    pub(crate) fn tcp_input<A: Family, M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, A>,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        // RFC 9293 3.9.2.3: nobody connects to a group.
        if incoming.scope != Scope::Own {
            return Err(Drop::TcpGroupAddress);
        }
        let mut segment = Segment::EMPTY;
        segment.read(incoming.payload, incoming.rest, incoming.check())?;
        self.stats.count(Counter::TcpReceived);
        let mark = incoming.ecn();
        let tuple = Tuple {
            local: incoming.destination(),
            local_port: segment.header.dst_port,
            remote: incoming.source(),
            remote_port: segment.header.src_port,
        };
        let after = match self.tcp.tables.of_mut::<A>().find_again(&tuple) {
            Some(Target::Connection(index)) => {
                return self.connection_input::<A, M>(index, &segment, mark, memory, now);
            }
            Some(Target::HalfOpen(index)) => {
                self.half_open_input::<A, M>(index, &segment, memory, now)?;
                return Ok(Landing::None);
            }
            Some(Target::TimeWait(index)) => Some(self.time_wait_input::<A>(index, &segment, now)?),
            None => None,
        };
        match self
            .tcp
            .tables
            .of::<A>()
            .listening
            .find(tuple.local, tuple.local_port)
        {
            Some(listener) => {
                self.syn_input::<A, M>(listener, tuple, &segment, after, memory, now)?;
            }
            None => self.refuse::<A>(tuple, &segment)?,
        }
        Ok(Landing::None)
    }

    /// Answers a segment that is for nobody (RFC 9293 3.10.7.1).
    pub(crate) fn refuse<A: Family>(
        &mut self,
        tuple: Tuple<A>,
        segment: &Segment<'_>,
    ) -> Result<(), Drop> {
        if self.adoption.is_under_way {
            return Err(Drop::TcpAdoption);
        }
        if let Some(header) = ::tcp::refuse(&segment.header, segment.payload_len()) {
            self.send_bare::<A>(&tuple, header);
        }
        Err(Drop::TcpNoSocket)
    }

    /// Queues a segment without payload for the link, of no socket in particular.
    pub(crate) fn send_bare<A: Family>(&mut self, tuple: &Tuple<A>, header: Header) {
        self.send_bare_as::<A>((USUAL_HOPS, 0), tuple, header);
    }

    /// The same, with the time to live and the codepoint that a socket has chosen (RFC 9293
    /// 3.9.1.9: of all segments of its connection). Ports are filled in here.
    pub(crate) fn send_bare_as<A: Family>(
        &mut self,
        chosen: (u8, u8),
        tuple: &Tuple<A>,
        header: Header,
    ) {
        if let Some(path) = self.path_again(tuple.remote, tuple.local) {
            self.send_bare_by::<A>(&path, chosen, tuple, header);
        }
    }

    /// The same, by a way that is known.
    pub(crate) fn send_bare_by<A: Family>(
        &mut self,
        path: &Path<A>,
        (ttl, dscp): (u8, u8),
        tuple: &Tuple<A>,
        mut header: Header,
    ) {
        header.src_port = tuple.local_port;
        header.dst_port = tuple.remote_port;
        let pseudo = A::pseudo(tuple.local, tuple.remote);
        let seal = Seal::Full {
            pseudo,
            payload: Sum::ZERO,
        };
        let chosen = (ttl, dscp, Ecn::NotCapable);
        let ports = Some((tuple.local_port, tuple.remote_port));
        let ip = self.marked_header(path, tuple.remote, (Protocol::TCP, ports), chosen);
        let len = header.header_len();
        if self.queue_packet(path, &ip, len, Owner::None, |space| {
            header.emit(&mut Headroom::new(space), 0, seal).ok()
        }) {
            self.stats.count(Counter::TcpSent);
            if header.flags.contains(Flags::RST) {
                self.stats.count(Counter::TcpResetsSent);
            }
        }
    }

    /// A segment for a connection.
    pub(crate) fn connection_input<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        mark: Ecn,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return Err(Drop::TcpNoSocket);
        };
        if let Some(early) = tables.asides.get(&conn.aside).early {
            let early = early.index();
            self.early_input::<A>(index, early, segment)?;
        }
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return Err(Drop::TcpNoSocket);
        };
        let len = segment.payload_len();
        let early = conn.tcp.early_bytes();
        let outcome = conn
            .tcp
            .input_marked(&mut self.tcp.shared, &segment.header, len, mark, now);
        let lands = conn.lands(&outcome, &segment.header, len);
        if let Some(early) = early {
            self.learn_fast_open::<A>(index, early, &segment.header, &outcome, now);
        }
        self.carry_out::<A, M>(index, &outcome, segment, memory, now)?;
        Ok(if lands {
            A::landing(index)
        } else {
            Landing::None
        })
    }

    /// Does what a segment means to a connection.
    #[inline(always)]
    pub(crate) fn carry_out<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        outcome: &Outcome,
        segment: &Segment<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        if let Some(place) = outcome.place
            && self.place::<A, M>(index, place, segment, memory).is_err()
        {
            // The protocol counts on these bytes: without them the connection is worth nothing.
            self.tcp_abort::<A>(index, Some(SocketError::BadMemory), now);
            return Err(Drop::ClientMemoryGone);
        }
        self.apply_outcome::<A>(index, outcome, now);
        outcome.drop.map_or(Ok(()), Err)
    }

    /// Copies payload to its place in the client's rooms.
    fn place<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        place: Place,
        segment: &Segment<'_>,
        memory: &mut M,
    ) -> Result<(), Gone> {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return Err(Gone);
        };
        if conn.is(Fact::ReceiveClosed) {
            return Ok(());
        }
        let (skip, len) = (place.skip as usize, place.len as usize);
        let Some(client) = conn.client() else {
            return self.place_answer::<A>(index, place, segment);
        };
        let first = self.requests.start(&conn.rooms);
        let (range, used) = self.requests.space_at(first).ok_or(Gone)?;
        let behind_told = place.stream_offset.checked_sub(conn.told());
        let at = behind_told.ok_or(Gone)?.saturating_add(used.into());
        self.stats.count(Counter::CopiesIn);
        self.stats.add(Counter::BytesCopiedIn, place.len.into());
        if let Some(bytes) = segment.piece(skip, len)
            && at.saturating_add(len as u64) <= range.length.into()
        {
            return memory.write(client, range.offset.checked_add(at).ok_or(Gone)?, bytes);
        }
        let requests = &self.requests;
        Self::place_in_parts(
            (conn, requests),
            (first, at),
            place,
            segment,
            |at, bytes| memory.write(client, at, bytes),
        )
    }

    /// The same of bytes that lie in several slices, or in several rooms: the first in this one, so
    /// many bytes behind its beginning.
    #[inline(never)]
    fn place_in_parts<A: Family>(
        (conn, requests): (&Conn<A>, &Requests),
        (mut room, mut at): (Cursor, u64),
        place: Place,
        segment: &Segment<'_>,
        mut write: impl FnMut(u64, &[u8]) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        let (skip, len) = (place.skip as usize, place.len as usize);
        let (mut range, _) = requests.space_at(room).ok_or(Gone)?;
        segment.excerpt(skip, len, Gone, |mut bytes| {
            loop {
                let length = u64::from(range.length);
                if at < length {
                    let fits = usize::try_from(length - at)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    let (now, later) = bytes.split_at_checked(fits).ok_or(Gone)?;
                    write(range.offset.checked_add(at).ok_or(Gone)?, now)?;
                    (bytes, at) = (later, at.saturating_add(fits as u64));
                }
                if bytes.is_empty() {
                    return Ok(());
                }
                at -= length;
                room = requests.next(&conn.rooms, room);
                (range, _) = requests.space_at(room).ok_or(Gone)?;
            }
        })
    }

    /// Copies payload that no client waits for: a name server's answer.
    #[inline(never)]
    fn place_answer<A: Family>(
        &mut self,
        index: u32,
        place: Place,
        segment: &Segment<'_>,
    ) -> Result<(), Gone> {
        let holder = self
            .tcp
            .tables
            .of::<A>()
            .connections
            .at(index)
            .map(|conn| conn.holder());
        let Some(Holder::Query(query)) = holder else {
            return Err(Gone);
        };
        let mut at = place.stream_offset;
        segment.excerpt(place.skip as usize, place.len as usize, Gone, |bytes| {
            let placed = self.names.transports.place(query, at, bytes).ok_or(Gone);
            at = at.saturating_add(bytes.len() as u64);
            placed
        })
    }

    /// Does what a call on a connection says is to be done.
    pub(crate) fn apply_outcome<A: Family>(&mut self, index: u32, outcome: &Outcome, now: Instant) {
        if !outcome.is_plain() {
            self.apply_remarks::<A>(index, outcome);
        }
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        if outcome.acked > 0 {
            conn.heed_router(None);
            conn.set(Fact::DoubtTold, false);
            conn.note(Fact::Progress);
        }
        conn.note_change();
        let (receive_closed, holder) = (conn.is(Fact::ReceiveClosed), conn.holder());
        if receive_closed {
            conn.publish(conn.arrived(), now);
        }
        let news = outcome.advanced > 0
            || outcome.acked > 0
            || conn.is(Fact::UrgentIsNews)
            || !outcome.events.is_empty();
        if let Some(client) = conn.client().filter(|_| news) {
            self.tell(client, A::connection(index));
        }
        if let Holder::Query(query) = holder {
            self.query_connection::<A>(query, index, outcome, now);
        }
        if receive_closed {
            self.publish_end::<A>(index, now);
        }
        self.settle::<A>(index, now);
    }

    /// What is neither bytes nor their acknowledgement: few calls bring any of it.
    #[cold]
    fn apply_remarks<A: Family>(&mut self, index: u32, outcome: &Outcome) {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return;
        };
        let was_established = conn.is(Fact::Established);
        if outcome.urgent > 0 {
            let before = conn.arrived().saturating_sub(outcome.advanced);
            let end = before.saturating_add(outcome.urgent.into());
            // RFC 9293 3.8.5 (MUST-32): told of when it is new and whenever it moves.
            if end > tables.asides.get(&conn.aside).urgent_to {
                conn.note(Fact::UrgentIsNews);
                let asides = &mut tables.asides;
                asides.change(&mut conn.aside, |aside| aside.urgent_to = end);
            }
        }
        let has = |event| outcome.events.contains(event);
        for (event, fact) in [
            (Events::ESTABLISHED, Fact::Established),
            (Events::PEER_FIN, Fact::PeerFin),
            (Events::FIN_ACKNOWLEDGED, Fact::OurFinAcked),
        ] {
            if has(event) {
                conn.note(fact);
            }
        }
        if has(Events::RESET) {
            let refused = !was_established;
            conn.fail(if refused {
                SocketError::Refused
            } else {
                SocketError::Reset
            });
        } else if has(Events::TIMED_OUT) && conn.error().is_none() {
            // What a router has said tells more than that nobody answered.
            conn.fail(conn.soft_error().unwrap_or(SocketError::TimedOut));
        }
        let (tuple, chosen) = (conn.tuple, (conn.ttl, conn.dscp));
        for (event, counter) in [
            (Events::MARKED, Counter::TcpMarksReceived),
            (Events::SLOWED, Counter::TcpMarksHeeded),
            (Events::RESET, Counter::TcpResetsReceived),
            (Events::TIMED_OUT, Counter::TcpTimeouts),
        ] {
            if has(event) {
                self.stats.count(counter);
            }
        }
        if has(Events::ESTABLISHED) && !was_established {
            self.stats.count(Counter::TcpActiveOpens);
        }
        if let Some(reset) = outcome.reply {
            self.send_bare_as::<A>(chosen, &tuple, reset.header());
        }
    }

    /// After every call on a connection: its timer, its turn to send, and whether it is still one.
    pub(crate) fn settle<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return;
        };
        if conn.is(Fact::Over) {
            return;
        }
        match conn.tcp.fate() {
            Fate::Continues => {
                let deadline = conn.tcp.next_deadline(&self.tcp.shared);
                let wakes = conn.tcp.may_send().then_some(conn.way);
                A::set_connection_timer(&mut self.timers, index, deadline);
                if let Some(way) = wakes {
                    self.wake_by::<A>(way, index);
                }
            }
            Fate::TimeWait | Fate::Closed => self.tcp_finish::<A>(index, now),
        }
    }

    /// It is the connection's turn to send, in time.
    pub(crate) fn tcp_wake<A: Family>(&mut self, index: u32) {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return;
        };
        self.wake_by::<A>(conn.way, index);
    }

    #[inline]
    pub(crate) fn wake_by<A: Family>(&mut self, way: WayNumber, index: u32) {
        let number = self.numbering.number(A::connection(index));
        if self.senders.holds(number) {
            return;
        }
        let way = self.tcp.tables.of::<A>().ways.get(way);
        let interface = way.map_or(InterfaceId::LOOPBACK, |way| way.interface);
        self.senders
            .push_if_free(Self::ready_queue(interface), number);
    }

    /// The connection is over: only what its client has not been told of remains.
    pub(crate) fn tcp_finish<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        if conn.is(Fact::Over) {
            return;
        }
        let (tuple, holder) = (conn.tuple, conn.holder());
        let was_reset = conn.error() == Some(SocketError::Reset);
        let record = conn.tcp.time_wait(&self.tcp.shared, now);
        conn.note(Fact::Over);
        conn.note_change();
        let again = conn.tcp.retransmits();
        self.stats.add(Counter::TcpRetransmits, again.into());
        if !conn.is(Fact::Established) {
            self.stats.count(Counter::TcpFailedOpens);
        }
        if let Some(conn) = self.tcp.tables.of::<A>().connections.at(index)
            && let Some(early) = self.tcp.tables.of::<A>().early(conn)
        {
            self.tcp
                .tables
                .of_mut::<A>()
                .set_aside(index, |aside| aside.early = None);
            self.early_over::<A>(early, was_reset, now);
        }
        self.timers.disarm(A::connection_timer(index));
        self.forget_cut::<A>(index);
        self.senders
            .remove(self.numbering.number(A::connection(index)));
        match record {
            Some(record) => self.time_wait_start::<A>(record, &tuple, index),
            None => self
                .tcp
                .tables
                .of_mut::<A>()
                .part(&tuple, Target::Connection(index)),
        }
        match holder {
            Holder::Absent | Holder::Nobody => self.tcp_forget::<A>(index),
            Holder::Query(query) => self.query_refused(query, now),
            Holder::Listener(listener) => {
                if let Some(listener) = self.tcp.listeners.at_mut(listener) {
                    listener.queue.remove(&A::waiting(index));
                }
                self.tcp_forget::<A>(index);
            }
            Holder::Socket(client, _) | Holder::Closing(client) => {
                self.tell(client, A::connection(index));
            }
        }
    }

    /// Ends a connection at once, with a reset if the peer knows of it.
    pub(crate) fn tcp_abort<A: Family>(
        &mut self,
        index: u32,
        error: Option<SocketError>,
        now: Instant,
    ) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        if conn.is(Fact::Over) {
            return;
        }
        if let Some(error) = error.filter(|_| conn.error().is_none()) {
            conn.fail(error);
        }
        let tuple = conn.tuple;
        let outcome = conn.tcp.abort(&mut self.tcp.shared);
        if let Some(reset) = outcome.reply {
            self.send_bare::<A>(&tuple, reset.header());
        }
        self.tcp_finish::<A>(index, now);
    }

    /// Takes a connection that is over, and told of, out of the table.
    pub(crate) fn tcp_forget<A: Family>(&mut self, index: u32) {
        let number = self.numbering.number(A::connection(index));
        self.senders.remove(number);
        self.dirty.remove(number);
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return;
        };
        let (mut sends, mut rooms) = (conn.sends, conn.rooms);
        tables.asides.give_back(&mut conn.aside);
        self.forget_record::<A>(index);
        self.loans.forget(number);
        let tables = self.tcp.tables.of_mut::<A>();
        tables.connections.remove_at(index);
        self.forget_requests(&mut sends);
        self.forget_requests(&mut rooms);
    }

    /// A connection's timer fired.
    pub(crate) fn fire_connection<A: Family>(&mut self, index: u32, now: Instant) {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(index) else {
            return;
        };
        let outcome = conn.tcp.fire(&mut self.tcp.shared, now);
        if conn.tcp.is_fast_open_in_doubt() {
            tables.cookie_cache.spare(conn.tuple.remote, now);
        }
        self.apply_outcome::<A>(index, &outcome, now);
        self.doubt::<A>(index);
    }

    /// A client is told once that its connection is in doubt (RFC 9293 3.9.1.8, MUST-47).
    fn doubt<A: Family>(&mut self, index: u32) {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return;
        };
        let is_news = !conn.is(Fact::DoubtTold) && conn.doubt().is_some();
        if let Some(client) = conn.client().filter(|_| is_news) {
            self.tell(client, A::connection(index));
        }
    }

    /// An error about a segment of ours between these addresses and ports came, which had this number.
    pub(crate) fn tcp_error<A: Family>(
        &mut self,
        (local, remote): (A, A),
        ports: Option<(u16, u16)>,
        sequence: Option<u32>,
        verdict: Verdict,
        now: Instant,
    ) -> bool {
        let (Some((local_port, remote_port)), Some(sequence)) = (ports, sequence) else {
            return false;
        };
        let tuple = Tuple {
            local,
            local_port,
            remote,
            remote_port,
        };
        let Some(Target::Connection(index)) = self.tcp.tables.of::<A>().find(&tuple) else {
            return false;
        };
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return false;
        };
        // RFC 5927 4.1: only about what is in flight.
        if !conn.tcp.is_in_flight(Seq::new(sequence)) {
            return false;
        }
        if let Some(mtu) = verdict.mtu {
            self.path_is_narrow::<A>(index, remote, mtu, now);
            return true;
        }
        // RFC 5927 5.2: once established, no error ends a connection; its own timers will. Before,
        // it is the answer that the client waits for (RFC 5461 4.1).
        if verdict.error != SocketError::TooBig {
            if conn.tcp.state() == State::SynSent {
                self.tcp_abort::<A>(index, Some(verdict.error), now);
            } else {
                conn.heed_router(Some(verdict.error));
                self.doubt::<A>(index);
            }
        }
        true
    }
}
